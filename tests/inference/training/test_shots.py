import numpy as np
import pytest

from inference.training.shots import Plan, Shots, parse_seeds, read_shot, write_drive
from inference.world.drive import make_drive


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("drives")
    assert write_drive(made, 4, Plan([4], "tiny", frames=2, step=3, width_px=None)) == 2
    return made


def test_a_shot_is_the_frame_as_clicks_find_it(folder):
    drive = make_drive(4, "tiny", 4)
    shot = read_shot(sorted(folder.glob("*/*"))[1])

    ids = drive.frames.gold_ids(3)
    assert np.array_equal(shot.point_ids, ids["TOP"])
    assert np.array_equal(shot.ids["FRONT"], ids["FRONT"])
    assert shot.prepared.frame.images["FRONT"].encoded == drive.frames[3].images["FRONT"].encoded
    assert np.array_equal(shot.prepared.cloud.points, drive.frames[3].sweeps["TOP"].points_ego)
    number = int(np.unique(shot.point_ids)[-1])
    assert shot.gold[number].label_class == drive.frames.gold[number].label_class
    view = shot.prepared.view("FRONT")
    assert view.owner.shape == view.gap.shape
    assert view.point.max() < len(shot.prepared.cloud)


def test_a_second_run_renders_only_what_is_missing(folder):
    path = sorted(folder.glob("*/*"))[0]
    path.unlink()

    assert write_drive(folder, 4, Plan([4], "tiny", frames=2, step=3, width_px=None)) == 1
    assert path.is_file()


def test_a_broken_file_is_named(folder, tmp_path):
    (tmp_path / "half.npz.zst").write_bytes(sorted(folder.glob("*/*"))[0].read_bytes()[:1000])

    with pytest.raises(ValueError, match=r"half\.npz\.zst is no frame to learn from"):
        read_shot(tmp_path / "half.npz.zst")


def test_an_empty_folder_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"python -m inference\.training\.shots"):
        Shots(tmp_path)


def test_seeds_are_a_range_or_one():
    assert parse_seeds("9001-9030") == range(9001, 9031)
    assert parse_seeds("7") == range(7, 8)
