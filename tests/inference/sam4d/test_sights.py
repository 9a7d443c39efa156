"""What the model has seen is kept within its budgets, and answers the same from wherever it comes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.sam4d.config import HIERA, RELEASE, Sam4dConfig  # noqa: E402
from inference.sam4d.feature_files import FeatureFiles  # noqa: E402
from inference.sam4d.frames import picture_of  # noqa: E402
from inference.sam4d.model import Sam4d  # noqa: E402
from inference.sam4d.sight import SWEEP  # noqa: E402
from inference.sam4d.sights import Sights, bytes_of  # noqa: E402
from inference.sam4d.tracking import Tracker  # noqa: E402
from inference.scene import BadScene, Image, Scene, Sweep  # noqa: E402
from inference.world.drive import make_drive  # noqa: E402
from tests.builders import CAMERA, LIDAR, FrameList, build_jpeg, build_scene  # noqa: E402
from tests.inference.sam4d.rig import SIDE_PX, small_model  # noqa: E402


class Counted(Sam4d):
    """Counts how often each encoder was asked."""

    def __init__(self, *, quirks=None):
        torch.manual_seed(0)
        config = Sam4dConfig(HIERA["tiny"], SIDE_PX)
        super().__init__(config if quirks is None else replace(config, quirks=quirks))
        self.pictures, self.sweeps = [], 0

    def picture_features(self, images):
        self.pictures.append(len(images))
        return super().picture_features(images)

    def sweep_features(self, cells):
        self.sweeps += 1
        return super().sweep_features(cells)


@pytest.fixture(scope="module")
def model():
    return Counted().eval()


@pytest.fixture(autouse=True)
def _no_counts(model):
    model.pictures, model.sweeps = [], 0


@pytest.fixture(scope="module")
def drive() -> Scene:
    """Four frames of three cameras and a LiDAR, rendered once."""
    made = make_drive(0, "tiny", length=4)
    return replace(made, frames=FrameList(list(made.frames)))


def tensors(thing, path=""):
    """All tensors of a sight, by where they are; not what voxels and maps make when asked."""
    if isinstance(thing, torch.Tensor):
        yield path, thing
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from tensors(value, f"{path}.{key}")
    elif isinstance(thing, tuple):
        for place, value in enumerate(thing):
            yield from tensors(value, f"{path}.{place}")
    else:
        for key, value in getattr(thing, "__dict__", {}).items():
            if not key.startswith("_") and key != "transposed":
                yield from tensors(value, f"{path}.{key}")


def assert_same(one, other, **tolerances):
    first, second = dict(tensors(one)), dict(tensors(other))
    assert first.keys() == second.keys()
    for path, tensor in first.items():
        torch.testing.assert_close(
            second[path], tensor, **tolerances, msg=lambda m, path=path: f"{path}: {m}"
        )


def with_frame(scene, **changes):
    return replace(scene, frames=FrameList([replace(scene.frames[0], **changes)]))


def sweep(points):
    return Sweep(points, np.zeros(len(points), np.float32), timestamp_us=0)


# --- what is seen ---------------------------------------------------------------------------------


def test_every_reading_is_seen_as_the_model_sees_it_alone(model, drive):
    seen = Sights(model, drive)[1]

    frame = drive.frames[1]
    assert seen.sight.readings == [*(camera.name for camera in drive.cameras), SWEEP]
    (lidar,) = drive.lidars
    with torch.no_grad():
        alone = model.look_at_sweep(torch.from_numpy(frame.sweeps[lidar.name].points_ego))
        pictures = {
            camera.name: model.look_at_picture(
                picture_of(camera, frame.images[camera.name], frame, SIDE_PX),
                seen.sight.pictures[camera.name].camera,
            )
            for camera in drive.cameras
        }
    # Features are rounded to half precision.
    assert_same(alone, seen.sight.sweep, atol=1e-3, rtol=1e-3)
    assert_same(pictures, seen.sight.pictures, atol=1e-3, rtol=1e-3)
    np.testing.assert_array_equal(seen.sight.world_from_sweep.numpy(), frame.world_from_ego)
    lens = drive.cameras[0].calibration.intrinsics
    assert seen.sizes[drive.cameras[0].name] == (lens.height_px, lens.width_px)
    assert seen.parts.part_of == {lidar.name: slice(0, len(frame.sweeps[lidar.name]))}


def test_pictures_go_through_the_encoder_together_up_to_a_bound(model, drive):
    together, in_parts = Sights(model, drive)[0], Sights(model, drive, pictures_at_once=2)[0]

    assert model.pictures == [3, 2, 1]
    assert_same(together.sight, in_parts.sight, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("quirks", [None, RELEASE], ids=["ours", "release"])
@pytest.mark.parametrize("empty", ["no sweep", "no points", "no good points"])
def test_a_frame_without_points_is_seen_by_its_camera(empty, quirks):
    points = np.full((7, 3), np.nan, np.float32)[: 7 if empty == "no good points" else 0]
    sweeps = {} if empty == "no sweep" else {LIDAR: sweep(points)}
    scene = with_frame(build_scene(1), sweeps=sweeps)

    seen = Sights(Counted(quirks=quirks).eval(), scene)[0]

    assert seen.sight.readings == [CAMERA]
    apart = seen.parts.apart(np.zeros(0, bool))
    assert {name: mask.tolist() for name, mask in apart.items()} == {
        name: [False] * len(each) for name, each in sweeps.items()
    }


def test_a_frame_without_pictures_is_seen_by_its_lidar(model):
    seen = Sights(model, with_frame(build_scene(1), images={}))[0]

    assert seen.sight.readings == [SWEEP]
    assert seen.sizes == {}


def test_a_camera_that_missed_a_frame_is_left_out(model, drive):
    frame, missed = drive.frames[0], drive.cameras[1].name
    images = {name: image for name, image in frame.images.items() if name != missed}

    seen = Sights(model, with_frame(drive, images=images))[0]

    assert missed not in seen.sight.pictures
    assert len(seen.sight.pictures) == 2


def test_points_that_are_nowhere_do_not_stop_a_frame(model):
    scene = build_scene(1)
    points = scene.frames[0].sweeps[LIDAR].points_ego.copy()
    points[5] = np.nan

    seen = Sights(model, with_frame(scene, sweeps={LIDAR: sweep(points)}))[0]

    assert len(seen.sight.sweep.voxelised.rows) == len(points) - 1
    mask = seen.parts.apart(np.ones(len(points) - 1, bool))[LIDAR]
    assert np.flatnonzero(~mask).tolist() == [5]


def test_the_camera_stands_between_the_frames_that_it_looked_between(model):
    seen = Sights(model, build_scene(2))[0]  # 1 m a frame, looks half way

    position = seen.sight.pictures[CAMERA].camera.sweep_from_camera[:3, 3]
    torch.testing.assert_close(position, torch.tensor([2.0, 0.0, 1.6]))


def test_a_broken_picture_is_an_error_with_a_name(model):
    scene = with_frame(build_scene(1), images={CAMERA: Image(build_jpeg(32, 24), 0)})

    with pytest.raises(BadScene, match=r"frame 0.*FRONT.*32x24"):
        Sights(model, scene)[0]


@pytest.mark.parametrize("index", [-1, 4])
def test_a_frame_that_the_scene_does_not_have_is_an_index_error(model, drive, index):
    with pytest.raises(IndexError, match=rf"procedural-0000.* 4 frames; there is no frame {index}"):
        Sights(model, drive)[index]


@pytest.mark.parametrize("made_in", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("used_in", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_what_is_seen_can_be_used_in_every_mode(drive, tmp_path, made_in, used_in):
    model = small_model()
    sights = Sights(model, drive, memory_bytes=0, folder=tmp_path)
    with made_in():
        seen = [sights[0], sights[0]]  # computed, then from disk

    for each in seen:
        assert not any(x.is_inference() or x.requires_grad for _, x in tensors(each.sight))
        with used_in():
            for picture in each.sight.pictures.values():
                model.image_memory.pix_feat_proj(picture.at16[None])
            model.lidar_memory.pix_feat_proj(each.sight.sweep.at16)
    sights.close()


# --- what is kept ---------------------------------------------------------------------------------


def test_a_frame_in_memory_is_neither_read_nor_computed_again(model, drive):
    sights = Sights(model, drive)
    first = sights[2]
    drive.frames.reads.clear()

    assert sights[2] is first
    assert (model.pictures, model.sweeps, drive.frames.reads) == ([3], 1, [])


def test_a_kept_sight_holds_nothing_that_only_the_encoder_needed(model, drive):
    sights = Sights(model, drive)
    sweep = sights[0].sight.sweep

    assert all(not level._neighbours for level in sweep.levels)
    # The formula of the module's docstring.
    at1, at2, at4, at8, at16 = (len(level) for level in sweep.levels)
    expected = 128 * len(sweep.voxelised.rows) + 56 * (at1 + at2 + at4)
    expected += 128 * at4 + 312 * at8 + 2092 * at16
    assert bytes_of(sweep) == pytest.approx(expected, rel=0.01)
    for picture in sights[0].sight.pictures.values():
        assert bytes_of(picture) == pytest.approx(20.1 * SIDE_PX**2, rel=0.01)


def test_memory_stays_within_its_budget_and_the_least_used_frame_leaves(model, drive):
    one = Sights(model, drive)
    one[0]
    budget = int(one.memory_bytes * 2.5)  # two frames
    sights = Sights(model, drive, memory_bytes=budget)

    for index in (0, 1, 0, 2):
        sights[index]
        assert 0 < sights.memory_bytes <= budget
    model.sweeps = 0
    sights[0], sights[2]
    assert model.sweeps == 0
    sights[1]
    assert model.sweeps == 1


def test_what_the_model_adds_to_a_kept_frame_counts_too(model, drive):
    sights = Sights(model, drive)
    sights[0]
    before = sights.memory_bytes
    budget = int(before * 2.2)
    sights = Sights(model, drive, memory_bytes=budget)
    first, second = sights[0].sight, sights[1].sight

    for seen in (first, second):
        for level in seen.sweep.levels:
            level.neighbours(3)
        seen.derived["something"] = torch.zeros(before // 16)
    assert sights.memory_bytes > budget
    assert sights[1].sight is second
    assert 0 < sights.memory_bytes <= budget
    assert sights[2].sight
    assert 0 < sights.memory_bytes <= budget


def test_a_frame_larger_than_memory_is_given_but_not_kept(model, drive, caplog):
    sights = Sights(model, drive, memory_bytes=1000)

    assert sights[0].sight.readings
    assert sights.memory_bytes == 0
    assert "frame 0 takes" in caplog.text


def test_a_frame_that_left_memory_comes_back_from_disk_as_it_was(model, drive, tmp_path):
    sights = Sights(model, drive, memory_bytes=0, folder=tmp_path)
    computed = sights[1]
    model.pictures, model.sweeps = [], 0

    from_disk = sights[1]

    assert (model.pictures, model.sweeps) == ([], 0)
    assert from_disk is not computed
    assert_same(computed.sight, from_disk.sight, atol=0, rtol=0)
    sights.close()


def test_a_track_is_followed_alike_from_memory_and_from_disk(model, drive, tmp_path):
    in_memory = Sights(model, drive)
    from_disk = Sights(model, drive, memory_bytes=0, folder=tmp_path)
    answers = []

    for sights in (in_memory, from_disk):
        tracker = Tracker(model, lambda index, sights=sights: sights[index].sight, len(sights))
        with torch.inference_mode():
            clicked = {SWEEP: (torch.tensor([[8.0, 1.0, 0.5]]), torch.tensor([1]))}
            first = tracker.prompt(1, 0, clicked)
            answers.append([first, *(tracks[1] for _, tracks in tracker.propagate())])

    assert len(answers[0]) == 1 + len(drive.frames)
    for one, other in zip(*answers, strict=True):
        assert_same(one, other, atol=0, rtol=0)
    from_disk.close()


def test_features_that_half_precision_cannot_hold_come_back_whole(drive, tmp_path):
    model = Counted().eval()
    with torch.no_grad():
        model.mask_decoder.conv_s0.weight *= 1e6
    sights = Sights(model, drive, memory_bytes=0, folder=tmp_path)

    computed, from_disk = sights[0], sights[0]

    assert model.sweeps == 1
    name = drive.cameras[0].name
    assert float(computed.sight.pictures[name].fine4.abs().max()) > 65504
    assert_same(computed.sight, from_disk.sight, atol=0, rtol=0)
    sights.close()


def test_disk_stays_within_its_budget_and_the_least_used_frame_leaves(model, drive, tmp_path):
    one = Sights(model, drive, memory_bytes=0, folder=tmp_path)
    one[0]
    budget = int(one.disk_bytes * 2.5)
    one.close()
    sights = Sights(model, drive, memory_bytes=0, disk_bytes=budget, folder=tmp_path)

    for index in (0, 1, 0, 2):
        sights[index]
        on_disk = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
        assert 0 < on_disk == sights.disk_bytes <= budget
    model.sweeps = 0
    sights[0], sights[2]
    assert model.sweeps == 0
    sights[1]
    assert model.sweeps == 1
    sights.close()


@pytest.mark.parametrize("damage", ["cut", "garbage", "one byte", "gone"])
def test_a_damaged_file_is_computed_again(model, drive, tmp_path, damage, caplog):
    sights = Sights(model, drive, memory_bytes=0, folder=tmp_path)
    before = sights[0]
    (path,) = tmp_path.rglob("*.safetensors")
    written = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "one byte":
        path.write_bytes(written[:-9] + bytes([written[-9] ^ 64]) + written[-8:])
    else:
        path.write_bytes(written[:1000] if damage == "cut" else b"\xff" * len(written))

    again = sights[0]

    assert model.sweeps == 2
    assert "frame 0" in caplog.text
    assert_same(before.sight, again.sight, atol=0, rtol=0)
    sights[0]
    assert model.sweeps == 2  # the file was written anew
    sights.close()


def test_a_disk_that_takes_nothing_is_no_error(model, drive, tmp_path, caplog):
    sights = Sights(model, drive, memory_bytes=0, folder=tmp_path)
    (own,) = tmp_path.iterdir()
    own.rmdir()

    assert sights[0].sight.readings
    assert sights.disk_bytes == 0
    assert "cannot be kept on disk" in caplog.text
    sights.close()


def test_two_processes_share_a_folder_and_closing_leaves_it_as_it_was(model, drive, tmp_path):
    (tmp_path / "other").write_text("not ours")
    first, second = (Sights(model, drive, memory_bytes=0, folder=tmp_path) for _ in range(2))
    first[0], second[0]
    private = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(private) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)

    first.close()
    model.sweeps = 0
    second[0]
    assert model.sweeps == 0
    second.close()

    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    with pytest.raises(ValueError, match=r"procedural-0000.*closed"):
        first[0]


def test_no_picture_bytes_and_no_frames_are_kept(model, drive):
    sights = Sights(model, drive)
    kept = [sights[0], sights[1]]
    waiting, met = [kept, vars(sights)["_kept"]], set()

    while waiting:
        one = waiting.pop()
        assert not isinstance(one, bytes | Image | Sweep)
        if id(one) not in met and not isinstance(one, torch.Tensor | np.ndarray | str | int):
            met.add(id(one))
            waiting += one.values() if isinstance(one, Mapping) else []
            waiting += one if isinstance(one, list | tuple) else []
            waiting += getattr(one, "__dict__", {}).values()


def test_what_a_killed_process_left_is_removed_and_what_others_use_is_not(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    folders = [tmp_path / f"sights-{process}-x" for process in (dead.pid, os.getpid())]
    for folder in folders:
        folder.mkdir()
        (folder / "000000.safetensors").touch()

    FeatureFiles(tmp_path, 1000).close()

    assert [folder.exists() for folder in folders] == [False, True]
