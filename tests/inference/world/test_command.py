"""python -m inference.world: what it writes is a scene like any other."""

import numpy as np
from PIL import Image

from inference.datasets import READERS, detect_format
from inference.world.__main__ import main
from inference.world.drive import make_drive


def test_a_written_drive_is_read_back_as_it_was(tmp_path, capsys):
    assert main(["6", "--rig", "tiny", "--frames", "3", str(tmp_path / "out")]) == 0

    assert "3 frames of procedural-0006, rig tiny, day" in capsys.readouterr().out
    assert detect_format(tmp_path / "out") == "native"
    again, drive = READERS["native"](tmp_path / "out"), make_drive(6, "tiny", 3)
    assert [s.name for s in again.sensors] == [s.name for s in drive.sensors]
    for index in (0, 2):
        one, other = again.frames[index], drive.frames[index]
        assert one.timestamp_us == other.timestamp_us
        assert np.allclose(one.world_from_ego, other.world_from_ego)
        assert {n: i.encoded for n, i in one.images.items()} == {
            n: i.encoded for n, i in other.images.items()
        }
        assert np.array_equal(one.sweeps["TOP"].points_ego, other.sweeps["TOP"].points_ego)
        assert np.array_equal(one.sweeps["TOP"].row, other.sweeps["TOP"].row)
        gold = {(m.sensor, m.mask.tobytes(), m.label_class) for m in other.labels.masks}
        assert {(m.sensor, m.mask.tobytes(), m.label_class) for m in one.labels.masks} == gold
        assert len(one.labels.cuboids) == len(other.labels.cuboids)
        assert one.labels.cuboids[0].centre_ego == other.labels.cuboids[0].centre_ego


def test_drives_are_gathered_in_one_data_set(tmp_path, capsys):
    out = tmp_path / "set"
    for seed in ("6", "7"):
        asked = [seed, "--rig", "tiny", "--frames", "2", "--layout", "waymo-4dseg", str(out)]
        assert main(asked) == 0
    assert main(asked) == 1

    assert "procedural-0007 is in" in capsys.readouterr().err
    assert sorted(place.name for place in tmp_path.iterdir()) == ["set"]
    for seed in (6, 7):
        again = READERS["waymo-4dseg"](out / "meta_infos" / f"procedural-000{seed}.json")
        drive = make_drive(seed, "tiny", 2)
        gold = {(m.sensor, m.mask.tobytes(), m.label_class) for m in drive.frames[1].labels.masks}
        ours = {(m.sensor, m.mask.tobytes(), m.label_class) for m in again.frames[1].labels.masks}
        assert ours == gold


def test_the_contact_sheet_shows_pictures_and_sweeps(tmp_path):
    main(["6", "--rig", "tiny", "--frames", "1", str(tmp_path / "out")])

    with Image.open(tmp_path / "out" / "contact_sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape[1] == 3 * 324
    assert pixels.std() > 30


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").write_text("x")

    assert main(["6", "--rig", "tiny", str(tmp_path)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "x"


def test_no_frames_are_refused_with_words(tmp_path, capsys):
    assert main(["6", "--rig", "tiny", "--frames", "0", str(tmp_path / "out")]) == 1
    assert "at least one frame" in capsys.readouterr().err
