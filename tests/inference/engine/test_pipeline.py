"""The engine on a small drive, its masks from gold: what it makes of them, and of broken recordings."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from inference.datasets import native, waymo_4dseg
from inference.engine import __main__ as command
from inference.engine.carrying import FlowCarrier
from inference.engine.classes import Shape, guessed
from inference.engine.gold import judged
from inference.engine.pipeline import run
from inference.engine.products import found_in
from inference.engine.proposals import Proposal, without_doubles
from inference.engine.reading import read_drive
from inference.engine.reconstruction import STATIC, reconstruct
from inference.scene import BadScene, Scene
from inference.world.drive import make_drive
from inference.world.street import BUILDING

FRAMES = 8
SEED = 101


def quiet(stage, done, total):
    pass


@cache
def made():
    drive = make_drive(SEED, "demo", FRAMES, width_px=240)
    frames = [drive.frames[index] for index in range(FRAMES)]
    gold = [drive.frames.gold_ids(index) for index in range(FRAMES)]
    return replace(drive, frames=frames), gold, drive.frames.gold


def things():
    return frozenset(n for n, track in made()[2].items() if not track.is_stuff)


class FromGold:
    """Gold masks of things, as a provider that is never wrong would find them."""

    name, version = "gold", "1"

    def __init__(self, least_px: int = 40) -> None:
        self._least_px = least_px

    def propose(self, prepared, camera):
        ids = made()[1][prepared.frame.index][camera]
        cloud, view = prepared.cloud, prepared.view(camera)
        found = []
        for number in np.intersect1d(np.unique(ids), [*things()]):
            mask = ids == number
            if mask.sum() < self._least_px:
                continue
            pixels = view.pixels.astype(int)
            shown = cloud.cluster[view.point[mask[pixels[:, 1], pixels[:, 0]]]]
            shown = shown[shown >= 0]
            cluster = int(np.bincount(shown).argmax()) if len(shown) else -1
            found.append(Proposal(mask, 0.9, cluster, made()[2][int(number)].label_class))
        return found

    def carrier(self):
        return FlowCarrier()


@cache
def result():
    return run(made()[0], FromGold())


def test_perfect_masks_on_key_frames_become_good_tracks_in_every_frame():
    scores = judged(result().drive, result().labels, made()[1], things())

    assert scores["points"].precision > 0.95
    assert scores["points"].coverage > 0.9
    assert scores["pixels"].precision > 0.85
    assert scores["pixels"].coverage > 0.85
    assert scores["pixels"].switches <= 2


def test_a_run_that_was_cut_short_looks_at_no_picture_again(tmp_path):
    class Counting(FromGold):
        asked = 0

        def propose(self, prepared, camera):
            Counting.asked += 1
            return super().propose(prepared, camera)

    first = run(made()[0], Counting(), keep=tmp_path)
    asked = Counting.asked
    again = run(made()[0], Counting(), keep=tmp_path)

    assert asked > 0
    assert Counting.asked == asked
    assert again.quality == first.quality
    for camera, maps in first.labels.maps.items():
        for position, map_ in maps.items():
            np.testing.assert_array_equal(again.labels.maps[camera][position], map_)

    # Other key frames, and a file that was cut off, are another matter.
    run(made()[0], Counting(), keep=tmp_path, every=7)
    assert Counting.asked > asked
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    asked = Counting.asked
    run(made()[0], Counting(), keep=tmp_path)
    assert Counting.asked > asked


def test_tracks_know_what_they_were_made_of():
    labels = result().labels
    both = [t for t in labels.tracks.values() if t.strands and t.masklets]

    assert len(both) > 5
    assert {t.label_class for t in both} >= {"car"}
    for track in both:
        positions = [p for p, own in enumerate(labels.points) if (own == track.number).any()]
        assert positions


def test_what_moves_has_a_map_of_its_own_and_what_stands_lies_in_the_worlds():
    scene, gold, tracks = made()
    drive = read_drive(scene, quiet)
    space = reconstruct(drive, quiet)

    last = len(drive.frames) - 1
    ids = gold[last]["TOP"]
    # Cars that drive on at some speed all the time; their points are in no voxel of the world's.
    moving = [n for n, t in tracks.items() if t.is_moving and t.label_class == "car"]
    start = [made()[0].frames[0].labels.cuboids, made()[0].frames[last].labels.cuboids]
    place = [{c.track: c for c in cuboids} for cuboids in start]
    for number in moving:
        name = tracks[number].track
        if any(name not in known for known in place) or (ids == number).sum() < 60:
            continue
        speed = np.hypot(*place[0][name].velocity_world[:2])
        if speed < 5:
            continue
        voxels = space.voxel_of[last][ids == number]
        bodies = space.body[voxels[voxels >= 0]]
        assert (bodies != STATIC).mean() > 0.8
    standing = np.isin(ids, [n for n, t in tracks.items() if t.label_class in ("pole", "sign")])
    voxels = space.voxel_of[last][standing]
    assert (space.body[voxels[voxels >= 0]] == STATIC).mean() > 0.9


def test_a_voxel_is_the_same_place_in_every_frame():
    drive = read_drive(made()[0], quiet)
    space = reconstruct(drive, quiet)

    for position in (0, FRAMES - 1):
        voxel = space.voxel_of[position]
        still = (voxel >= 0) & (space.body[np.maximum(voxel, 0)] == STATIC)
        away = drive.frames[position].points_world[still] - space.centre[voxel[still]]
        assert np.abs(away).max() <= 0.1 + 1e-4


def test_masks_that_are_nearly_the_same_are_one():
    one, other = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    one[8:28, 8:28], other[8:28, 8:32] = True, True
    apart = np.zeros((40, 40), bool)
    apart[32:40, 32:40] = True

    kept = without_doubles([Proposal(one, 0.5), Proposal(other, 0.7), Proposal(apart, 0.3)])

    assert [proposal.score for proposal in kept] == [0.7, 0.3]


# --- what is handed on ---------------------------------------------------------------------------


def test_the_labelled_scene_has_the_readings_and_masks_of_things():
    found = result()
    scene = found.scene()

    frame = scene.frames[FRAMES - 1]
    assert frame.images.keys() == made()[0].frames[FRAMES - 1].images.keys()
    assert not frame.labels.cuboids  # gold is not handed on
    ids = made()[1][FRAMES - 1]
    classes = set()
    for label in frame.labels.masks:
        assert label.mask.size == ids[label.sensor].size
        assert label.mask.any()
        classes.add(label.label_class)
    assert "car" in classes
    cars = [m for m in frame.labels.masks if m.label_class == "car" and m.sensor == "FRONT"]
    gold = np.isin(
        ids["FRONT"].ravel(), [n for n, t in made()[2].items() if t.label_class == "car"]
    )
    assert gold[np.logical_or.reduce([m.mask for m in cars])].mean() > 0.8


def test_houses_are_no_things():
    found = result()
    things = found.things
    ids = made()[1][0]["TOP"]

    own = found.labels.points[0]
    biggest = Counter(own[(ids == BUILDING) & (own > 0)].tolist()).most_common(1)[0][0]
    assert biggest not in things
    assert len(things) > 20


@pytest.mark.parametrize(
    ("length", "width", "height", "bottom", "name"),
    [
        (4.4, 1.8, 1.5, 0.2, "car"),
        (0.6, 0.5, 1.7, 0.05, "pedestrian"),
        (0.2, 0.2, 1.7, 0.05, None),  # the foot of a post
        (4.4, 0.3, 1.5, 0.2, None),  # a piece of a wall
        (4.4, 1.8, 1.5, 1.5, None),  # it hangs
        (9.0, 2.5, 3.2, 0.3, None),
    ],
)
def test_classes_are_guessed_from_sizes_that_few_other_things_have(
    length, width, height, bottom, name
):
    assert guessed(Shape(length, width, height, bottom)) == name


def test_where_the_provider_names_nothing_cars_are_known_by_their_size():
    class Nameless(FromGold):
        def propose(self, prepared, camera):
            return [replace(each, label_class=None) for each in super().propose(prepared, camera)]

    labels, gold = run(made()[0], Nameless()).labels, made()[1]
    ids = np.concatenate([each["TOP"] for each in gold])
    own = np.concatenate(labels.points)
    cars = [n for n, t in labels.tracks.items() if t.label_class == "car"]
    truly = [made()[2][int(Counter(ids[own == n].tolist()).most_common(1)[0][0])].label_class
             for n in cars]  # fmt: skip

    assert len(cars) > 8
    assert np.mean([name == "car" for name in truly]) > 0.8


def test_what_is_doubtful_is_marked():
    found = result()
    things = found.things
    every = list(found_in(found.drive, found.labels, found.quality, things, 4))

    assert {each.is_trusted for each in every if each.sensor == "FRONT"} == {True, False}
    masks = found.scene().frames[4].labels.masks
    assert len(masks) == sum(each.is_trusted for each in every)
    for each in every:
        assert 0 <= each.confidence <= 1


def test_the_command_writes_a_scene_that_can_be_read_and_says_how_it_went(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(command, "opened", lambda *_: made()[0])
    monkeypatch.setattr(command, "load_provider", lambda *_: FromGold())
    out = tmp_path / "labelled"

    assert command.main(["101", "--out", str(out)]) == 0

    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["frames_per_hour"] > 0
    assert 0 < told["peak_gb"] < 8
    assert 0 < told["xmodal_iou"] <= 1
    read = native.read_scene(out)
    assert len(read.frames) == FRAMES
    ours = result().scene().frames[2].labels.masks
    assert len(read.frames[2].labels.masks) == len(ours)
    assert command.main(["101", "--out", str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_drives_are_gathered_in_the_layout_that_training_reads(tmp_path, monkeypatch, capsys):
    names = iter(["one", "two", "two"])
    monkeypatch.setattr(command, "opened", lambda *_: replace(made()[0], name=next(names)))
    monkeypatch.setattr(command, "load_provider", lambda *_: FromGold())
    out = tmp_path / "set"
    for _ in range(2):
        assert command.main(["101", "--out", str(out), "--layout", "waymo-4dseg"]) == 0

    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]
    for name in ("one", "two"):
        read = waymo_4dseg.read_scene(out / "meta_infos" / f"{name}.json")
        assert len(read.frames) == FRAMES
        ours = {(m.sensor, m.mask.tobytes()) for m in result().scene().frames[2].labels.masks}
        theirs = {(m.sensor, m.mask.tobytes()) for m in read.frames[2].labels.masks}
        assert theirs == ours
    # A second time the same drive is refused, with all that is there untouched.
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert command.main(["101", "--out", str(out), "--layout", "waymo-4dseg"]) == 1
    assert "two is in" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    assert command.main(["101", "--out", str(tmp_path / "other"), "--layout", "waymo-4dseg"]) == 1


def test_the_command_says_what_is_wrong_with_a_recording_and_leaves_nothing(tmp_path, capsys):
    assert command.main([str(tmp_path / "absent"), "--out", str(tmp_path / "out")]) == 1

    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- recordings that lack something --------------------------------------------------------------


def without(scene: Scene, **gone: object) -> Scene:
    frames = [replace(frame, **gone) for frame in scene.frames]
    return replace(scene, frames=frames)


def test_without_cameras_the_points_are_labelled_all_the_same():
    scene = without(made()[0], images={})
    scene = replace(scene, sensors=[*scene.lidars])

    labels = run(scene, FromGold()).labels

    assert not labels.maps
    assert (labels.points[0] > 0).any()


def test_without_a_lidar_masks_are_followed_in_the_pictures_and_it_says_so():
    scene = without(made()[0], sweeps={})
    scene = replace(scene, sensors=[*scene.cameras])

    found = run(scene, FromGold())

    assert any("no LiDAR points" in remark for remark in found.remarks)
    assert (found.labels.maps["FRONT"][FRAMES - 1] > 0).any()


def test_a_camera_that_drops_out_is_named_and_comes_back():
    scene = made()[0]
    frames = list(scene.frames)
    for index in (3, 4):
        images = {n: i for n, i in frames[index].images.items() if n != "FRONT"}
        frames[index] = replace(frames[index], images=images)

    found = run(replace(scene, frames=frames), FromGold())

    assert any("FRONT has no picture in 2 of 8 frames" in remark for remark in found.remarks)
    assert 3 not in found.labels.maps["FRONT"]
    assert (found.labels.maps["FRONT"][FRAMES - 1] > 0).any()


def test_a_scene_of_one_frame_works():
    scene = replace(made()[0], frames=made()[0].frames[:1])

    assert (run(scene, FromGold()).labels.points[0] > 0).any()


def test_a_scene_without_frames_is_refused():
    with pytest.raises(BadScene, match="has no frames: there is nothing to label"):
        run(replace(made()[0], frames=[]), FromGold())


def test_key_frames_that_never_come_are_refused():
    with pytest.raises(ValueError, match="give 1 or more"):
        run(made()[0], FromGold(), every=0)
