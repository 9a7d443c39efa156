import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from inference.masks import coco_from_mask
from inference.training.lessons import Wear, draw_view
from inference.training.shots import (
    IGNORED,
    Plan,
    Shots,
    cut_up,
    main,
    parse_seeds,
    read_shot,
    write_drive,
)
from inference.training.simulation import Mix
from inference.world.drive import make_drive
from tests.inference.nano.rig import SMALL


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


# --- labelled scenes -----------------------------------------------------------------------------


@pytest.fixture
def data_set(tmp_path):
    """Two frames of a small drive in the Waymo-4DSeg layout, as others would write it: one camera, one
    LiDAR; objects by their gold ids, the first one ignored in the sweep.
    """
    drive = make_drive(4, "tiny", 2)
    (lidar,) = drive.lidars
    camera = drive.cameras[0]
    lens = camera.calibration.intrinsics
    described = []
    for index in range(2):
        frame, ids = drive.frames[index], drive.frames.gold_ids(index)
        stamp = str(frame.timestamp_us)
        places = {
            "pcd": f"pcds/d/{stamp}.npz",
            "sam4d_label": f"sam4d_labels/d/{stamp}.json",
            "picture": f"undistort_images/d/{stamp}/{camera.name}.jpg",
        }
        for place in places.values():
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        np.savez(tmp_path / places["pcd"], data=frame.sweeps[lidar.name].points_ego)
        (tmp_path / places["picture"]).write_bytes(frame.images[camera.name].encoded)
        numbers = np.unique(ids[lidar.name])[1:]
        (tmp_path / places["sam4d_label"]).write_text(
            json.dumps({"sensors": _labels(ids, lidar.name, camera.name, numbers)})
        )
        described.append({
            "cams_info": {camera.name: {
                "data_path": places.pop("picture"),
                "camera_intrinsics": lens.matrix.tolist(),
                "camera2lidar": camera.calibration.ego_from_sensor.tolist(),
            }},
            "path": places,
            "lidar2world": frame.world_from_ego.tolist(),
        })  # fmt: skip
    meta = tmp_path / "meta_infos" / "d.json"
    meta.parent.mkdir()
    meta.write_text(json.dumps({"seq_name": "d", "frames": described}))
    return tmp_path


def _labels(ids, lidar, camera, numbers):
    def listed(kind, mask_of):
        return {
            "objects": [{"object_id": int(n), "semantic": "car", kind: mask_of(n)} for n in numbers]
        }

    in_sweep = listed("lidar_mask", lambda n: coco_from_mask((ids[lidar] == n)[:, None]))
    in_sweep["objects"][0]["object_id"] = -1
    return {
        "LiDAR_TOP": in_sweep,
        camera: listed("image_mask", lambda n: coco_from_mask(ids[camera] == n)),
    }


def test_a_labelled_scene_is_cut_into_the_same_shots(data_set, tmp_path):
    out = tmp_path / "out"

    assert main([str(out), "--labels", str(data_set), "--processes", "1"]) == 0

    drive = make_drive(4, "tiny", 2)
    ids = drive.frames.gold_ids(1)
    shot = Shots(out)[1]
    numbers = np.unique(ids["TOP"])[1:]
    ignored = shot.point_ids == IGNORED
    assert np.array_equal(ignored, ids["TOP"] == numbers[0])
    for n in numbers[1:]:
        (ours,) = set(shot.point_ids[ids["TOP"] == n].tolist())
        assert np.array_equal(shot.point_ids == ours, ids["TOP"] == n)
        assert np.array_equal(shot.ids["FRONT"] == ours, ids["FRONT"] == n)
        # The same object in the frame before.
        before = drive.frames.gold_ids(0)["TOP"] == n
        assert set(Shots(out)[0].point_ids[before].tolist()) <= {ours}
    assert shot.gold[ours].label_class == "car"
    assert IGNORED not in shot.gold


def test_points_of_which_nobody_knows_what_they_are_are_not_judged(data_set, tmp_path):
    cut_up(tmp_path / "out", data_set, 1, 1)
    shot = Shots(tmp_path / "out")[0]
    view = draw_view(
        shot, SMALL, np.random.default_rng(0), objects=2, mix=Mix(), wear=Wear(0, 0, 0, 0, 0, 0, 0)
    )

    _, judged = view.sweep_gold(view.arrays())

    sweep = view.glances.sweep
    windows = [
        (sweep.valid & (shot.point_ids[sweep.point] != IGNORED))[:, a.first_column :][:, :64]
        for a in view.arrays()
    ]
    assert np.array_equal(judged > 0, np.stack(windows))
    assert judged.sum() < sum(sweep.valid[:, a.first_column :][:, :64].sum() for a in view.arrays())


def test_a_data_set_without_sequences_is_refused(tmp_path, capsys):
    (tmp_path / "meta_infos").mkdir()

    assert main([str(tmp_path / "out"), "--labels", str(tmp_path)]) == 1
    assert "holds no sequences" in capsys.readouterr().err


def test_training_takes_a_labelled_data_set_as_it_is(data_set, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from inference.training import train as loop
    from inference.training.frames_stage import FrameStage
    from inference.training.settings import Schedule, Stage, Training

    torch.set_num_threads(1)
    how = Training(
        (Stage("f", Schedule(2, warm_up=1), FrameStage(views=1, objects=2, crops=1)),), SMALL
    )
    monkeypatch.setattr(loop, "read_training", lambda name: how)

    status = loop.main(["x", "--data", str(data_set), "--out", str(tmp_path / "run"), "--exact"])

    assert status == 0
    assert (tmp_path / "run" / "weights.safetensors").is_file()


def asked_in_front(shot) -> Counter[int]:
    """How often each object is asked about in views with the front camera."""
    views = [
        draw_view(
            shot, SMALL, np.random.default_rng(seed), objects=12, mix=Mix(),
            wear=Wear(no_picture=0, no_sweep=0),
        )
        for seed in range(12)
    ]  # fmt: skip
    return Counter(
        question.number
        for view in views
        if view.glances.picture.sensor.name == "FRONT"
        for question in view.questions
    )


def test_what_a_picture_leaves_out_though_it_is_seen_there_is_not_learnt_as_absent(folder):
    """An engine that doubts its mask in a picture leaves it out: the points say that the object is there."""
    shot = read_shot(sorted(folder.glob("*/*"))[0])
    view = shot.prepared.view("FRONT")
    seen = shot.point_ids[view.point[view.is_real]]
    asked = asked_in_front(shot)
    doubted = next(n for n, _ in asked.most_common() if np.count_nonzero(seen == n) >= 8)
    without = np.where(shot.ids["FRONT"] == doubted, 0, shot.ids["FRONT"])

    after = asked_in_front(replace(shot, ids={**shot.ids, "FRONT": without}))

    assert asked[doubted] > 2
    assert after.total() > 0
    assert doubted not in after
