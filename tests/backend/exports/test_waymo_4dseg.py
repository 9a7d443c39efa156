"""The Waymo-4DSeg layout, read with nothing but the standard library, numpy and Pillow."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from backend.exports.actions import wish, write_export
from backend.imports.importing import import_scene
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind
from backend.projects.models import Project
from backend.protocol import messages
from backend.scenes.models import Scene as SceneRow
from inference.datasets.waymo_4dseg import read_scene
from inference.geometry import Intrinsics, rigid
from inference.masks import mask_from_coco
from inference.scene import BadScene, Calibration, Image, Scene, Sensor, SensorKind
from inference.world.drive import make_drive
from tests.backend.exports.labelling import (
    LOWER_PIXELS,
    SHARED_PIXELS,
    SHARED_POINTS,
    UPPER_PIXELS,
    Labelled,
    edit,
    export,
    pixels,
    put,
)
from tests.builders import (
    CAMERA,
    EGO_FROM_CAMERA,
    HEIGHT_PX,
    LIDAR,
    POINTS,
    WIDTH_PX,
    FrameList,
    build_jpeg,
    build_project,
    build_scene,
    build_stored_scene,
    build_sweep,
    build_user,
)

SEQUENCE = "a_short_street"


@pytest.fixture
def written(labelled: Labelled, tmp_path: Path) -> Path:
    export(labelled.scene, tmp_path / "out", "waymo-4dseg")
    return tmp_path / "out"


def labels(folder: Path, frame: int) -> dict:
    stamp = 1_000_000 + 100_000 * frame
    return json.loads((folder / "sam4d_labels" / SEQUENCE / f"{stamp}.json").read_text())["sensors"]


def by_id(folder: Path, frame: int, sensor: str) -> dict[int, dict]:
    return {row["object_id"]: row for row in labels(folder, frame)[sensor]["objects"]}


def test_everything_lies_where_the_layout_says(written: Path):
    meta = pickle.loads((written / "meta_infos" / f"{SEQUENCE}.pkl").read_bytes())

    assert meta["seq_name"] == SEQUENCE
    first = meta["frames"][0]
    assert first["path"] == {
        "pcd": f"pcds/{SEQUENCE}/1000000.npz",
        "sam4d_label": f"sam4d_labels/{SEQUENCE}/1000000.json",
    }
    assert "sam4d_label" not in meta["frames"][2]["path"]  # nothing is labelled there
    camera = first["cams_info"][CAMERA]
    assert camera["data_path"] == f"undistort_images/{SEQUENCE}/1000000/{CAMERA}.jpg"
    np.testing.assert_array_equal(
        camera["camera_intrinsics"], [[60, 0, 32], [0, 60, 24], [0, 0, 1]]
    )
    np.testing.assert_allclose(camera["camera2lidar"], EGO_FROM_CAMERA, atol=1e-12)
    np.testing.assert_array_equal(meta["frames"][1]["lidar2world"], rigid(np.eye(3), [1.0, 0, 0]))
    assert (written / camera["data_path"]).read_bytes() == build_jpeg(shade=0)
    with np.load(written / first["path"]["pcd"]) as cloud:
        np.testing.assert_array_equal(cloud["data"][:, :3], build_sweep(0).points_ego)
        np.testing.assert_array_equal(cloud["data"][:, 3], build_sweep(0).intensity)


def test_the_pickle_and_its_json_twin_say_the_same(written: Path):
    pickled = pickle.loads((written / "meta_infos" / f"{SEQUENCE}.pkl").read_bytes())
    twin = json.loads((written / "meta_infos" / f"{SEQUENCE}.json").read_text())

    def plain(value):
        match value:
            case np.ndarray():
                return value.tolist()
            case dict():
                return {key: plain(entry) for key, entry in value.items()}
            case list():
                return [plain(entry) for entry in value]
        return value

    assert plain(pickled) == twin


def test_a_pixel_belongs_to_the_track_on_top_and_the_rest_is_counted(
    labelled: Labelled, tmp_path: Path
):
    report = export(labelled.scene, tmp_path / "out", "waymo-4dseg")["scenes"][0]

    in_picture = by_id(tmp_path / "out", 0, CAMERA)
    lower, upper = (mask_from_coco(in_picture[number]["image_mask"]) for number in (1, 2))
    assert not (lower & upper).any()
    np.testing.assert_array_equal(upper, pixels(UPPER_PIXELS))
    np.testing.assert_array_equal(lower, pixels(LOWER_PIXELS) & ~pixels(UPPER_PIXELS))
    in_cloud = by_id(tmp_path / "out", 0, "LiDAR_TOP")
    assert mask_from_coco(in_cloud[1]["lidar_mask"]).shape == (POINTS, 1)
    assert np.flatnonzero(mask_from_coco(in_cloud[1]["lidar_mask"])).tolist() == list(range(30))
    # Two frames with both overlaps; the road lies under nothing.
    assert report["hidden"] == 2 * (SHARED_PIXELS + SHARED_POINTS)


def test_the_draw_order_decides_who_is_on_top(labelled: Labelled, tmp_path: Path):
    edit(labelled.scene, messages.UpdateTrack(track=1, draw_order=99), by=labelled.ann)

    export(labelled.scene, tmp_path / "out", "waymo-4dseg")

    lower = mask_from_coco(by_id(tmp_path / "out", 0, CAMERA)[1]["image_mask"])
    np.testing.assert_array_equal(lower, pixels(LOWER_PIXELS))


def test_an_object_has_one_id_in_all_sensors_and_frames_and_stuff_is_instance_0(written: Path):
    assert set(by_id(written, 0, CAMERA)) == {1, 2, 3}
    assert set(by_id(written, 0, "LiDAR_TOP")) == {1, 2, -1}
    assert set(by_id(written, 1, CAMERA)) == {1, 2}
    road = by_id(written, 0, CAMERA)[3]
    assert (road["semantic"], road["instance"], road["is_stuff"]) == ("road", 0, True)
    car = by_id(written, 0, CAMERA)[1]
    assert (car["semantic"], car["instance"], car["is_stuff"]) == ("bus", 1, False)


def test_volume_and_score_let_what_people_labelled_through_the_loader(written: Path):
    rows = by_id(written, 0, CAMERA)

    # 40 and 30 points in each of two sweeps; the road was never in a sweep: its pixels.
    assert [rows[number]["volume"] for number in (1, 2, 3)] == [80, 60, 12 * WIDTH_PX]
    assert [rows[number]["score"] for number in (1, 2, 3)] == [1.0, 1.0, 1.0]


def test_points_of_no_label_zones_are_the_object_minus_one(written: Path):
    ignored = mask_from_coco(by_id(written, 0, "LiDAR_TOP")[-1]["lidar_mask"])

    assert np.flatnonzero(ignored).tolist() == list(range(0, POINTS, 50))


def test_the_reader_gives_back_what_was_written(labelled: Labelled, written: Path):
    scene = read_scene(written)
    frame = scene.frames[1]

    assert [sensor.name for sensor in scene.sensors] == [CAMERA, LIDAR]
    np.testing.assert_allclose(frame.world_from_ego, rigid(np.eye(3), [1.0, 0, 0]))
    np.testing.assert_array_equal(frame.sweeps[LIDAR].points_ego, build_sweep(1).points_ego)
    np.testing.assert_array_equal(
        frame.sweeps[LIDAR].in_no_label_zone, build_sweep(1).in_no_label_zone
    )
    assert frame.images[CAMERA].encoded == build_jpeg(shade=40)
    assert frame.images[CAMERA].world_from_ego is None
    masks = {(mask.track, mask.sensor): mask for mask in frame.labels.masks}
    assert set(masks) == {("1", CAMERA), ("1", LIDAR), ("2", CAMERA), ("2", LIDAR)}
    np.testing.assert_array_equal(
        masks["2", CAMERA].mask.reshape(HEIGHT_PX, WIDTH_PX), pixels(UPPER_PIXELS)
    )


def test_several_lidars_share_one_cloud_and_are_taken_apart_again(tmp_path: Path, db: None):
    source = build_scene(1)
    side = Sensor("SIDE", SensorKind.LIDAR, Calibration(rigid(np.eye(3), [0, 1, 1])))
    frame = source.frames[0]
    both = replace(frame, sweeps={**frame.sweeps, "SIDE": build_sweep(7, points=50)})
    source = replace(source, sensors=[*source.sensors, side], frames=FrameList([both]))
    project = build_project()
    scene = build_stored_scene(project, source)
    ann = build_user("ann", project=project)
    car = project.label_classes.get(name="car").pk
    edit(scene, messages.CreateTrack(label_class=car), by=ann)
    top, beside = np.arange(POINTS) < 5, np.arange(50) >= 48
    put(scene, 1, 0, 1, top, by=ann)
    put(scene, 1, 0, 2, beside, by=ann)

    export(scene, tmp_path / "out", "waymo-4dseg")

    mask = mask_from_coco(by_id(tmp_path / "out", 0, "LiDAR_TOP")[1]["lidar_mask"]).ravel()
    np.testing.assert_array_equal(mask, np.concatenate([top, beside]))
    back = read_scene(tmp_path / "out").frames[0]
    np.testing.assert_array_equal(back.sweeps["SIDE"].points_ego, build_sweep(7, 50).points_ego)
    found = {label.sensor: label.mask for label in back.labels.masks}
    np.testing.assert_array_equal(found["SIDE"], beside)
    np.testing.assert_array_equal(found[LIDAR], top)


def test_camera2lidar_carries_the_motion_until_the_exposure(tmp_path: Path, db: None):
    source = build_scene(1)
    frame = source.frames[0]
    moved = rigid(np.eye(3), [0.5, 0, 0])  # half a metre further when the shutter opened
    later = replace(frame.images[CAMERA], world_from_ego=moved)
    source = replace(source, frames=FrameList([replace(frame, images={CAMERA: later})]))
    scene = build_stored_scene(build_project(), source)

    export(scene, tmp_path / "out", "waymo-4dseg")

    meta = json.loads((tmp_path / "out" / "meta_infos" / f"{SEQUENCE}.json").read_text())
    camera2lidar = np.array(meta["frames"][0]["cams_info"][CAMERA]["camera2lidar"])
    np.testing.assert_allclose(camera2lidar[:3, 3], [1.5 + 0.5, 0, 1.6])


def test_a_distorted_line_becomes_straight_in_image_and_mask(tmp_path: Path, db: None):
    """Barrel distortion bends the line x = -0.4; the pinhole shows it as column u = fx x + cx."""
    lens = Intrinsics(fx=60, fy=60, cx=32, cy=24, width_px=64, height_px=48, k1=-0.6)
    source = bent_line_scene(lens)
    project = build_project()
    scene = build_stored_scene(project, source)
    ann = build_user("ann", project=project)
    edit(
        scene,
        messages.CreateTrack(label_class=project.label_classes.get(name="pole").pk),
        by=ann,
    )
    line = bent_line(lens)
    put(scene, 1, 0, 0, line, by=ann)

    export(scene, tmp_path / "out", "waymo-4dseg")

    mask = mask_from_coco(by_id(tmp_path / "out", 0, CAMERA)[1]["image_mask"])
    straight = 60 * -0.4 + 32  # = 8
    assert np.abs(centres_of_rows(mask) - straight).max() < 1
    assert np.abs(centres_of_rows(line) - straight).max() > 3  # it was far off, and bent:
    assert np.ptp(centres_of_rows(line)) > 1.5
    picture = np.asarray(
        PillowImage.open(tmp_path / "out" / "undistort_images" / SEQUENCE / "1000000/FRONT.jpg")
    )
    assert picture[20:28, 7:9].mean() > 150 > 60 > picture[20:28, 20:40].mean()
    meta = json.loads((tmp_path / "out" / "meta_infos" / f"{SEQUENCE}.json").read_text())
    assert meta["frames"][0]["cams_info"][CAMERA]["camera_intrinsics"][0] == [60, 0, 32]


def centres_of_rows(mask: np.ndarray) -> np.ndarray:
    """The middle of the mask in each of its rows, pixels from the left border."""
    rows = mask[mask.any(axis=1)]
    return (rows * (np.arange(rows.shape[1]) + 0.5)).sum(axis=1) / rows.sum(axis=1)


def bent_line(lens: Intrinsics) -> np.ndarray:
    """Pixels within 1.2 of where the ideal line x = -0.4 is seen, by k1 alone, worked out here."""
    y = np.linspace(-0.6, 0.6, 2000)
    x = np.full_like(y, -0.4)
    factor = 1 + lens.k1 * (x * x + y * y)
    u, v = lens.fx * x * factor + lens.cx, lens.fy * y * factor + lens.cy
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    for du in (-0.6, 0.0, 0.6):
        inside = (v >= 0) & (v < HEIGHT_PX)
        mask[v[inside].astype(int), (u[inside] + du).astype(int)] = True
    return mask


def bent_line_scene(lens: Intrinsics) -> Scene:
    import io

    source = build_scene(1)
    picture = (bent_line(lens)[..., None] * np.full(3, 255)).astype(np.uint8)
    encoded = io.BytesIO()
    PillowImage.fromarray(picture).save(encoded, "JPEG", quality=95)
    frame = replace(
        source.frames[0], images={CAMERA: Image(encoded.getvalue(), 1_050_000)}, sweeps={}
    )
    camera = Sensor(CAMERA, SensorKind.CAMERA, Calibration(EGO_FROM_CAMERA, lens))
    return replace(source, sensors=[camera], frames=FrameList([frame]))


def test_two_scenes_share_one_data_set(labelled: Labelled, tmp_path: Path):
    other = build_stored_scene(labelled.project, build_scene(1, name="a/../short street"))
    (tmp_path / "out").mkdir()

    wanted = wish("waymo-4dseg", include_unreviewed=True, with_readings=False)
    write_export(
        [labelled.scene, other], wanted, tmp_path / "out", progress=lambda done, total, what: None
    )

    names = sorted(path.name for path in (tmp_path / "out" / "meta_infos").iterdir())
    other_name = f"{SEQUENCE}_{other.pk}"
    assert names == sorted(f"{n}.{e}" for n in (SEQUENCE, other_name) for e in ("json", "pkl"))
    with pytest.raises(BadScene, match="holds 2 sequences"):
        read_scene(tmp_path / "out")
    one = tmp_path / "out" / "meta_infos" / f"{other_name}.pkl"
    assert len(read_scene(one).frames) == 1


def test_points_and_pixels_of_an_object_agree_as_a_user_of_the_layout_projects_them(
    tmp_path: Path, db: None
):
    """Gold labels of a procedural drive, projected with the exported matrices and nothing of ours."""
    drive = make_drive(3, rig="tiny", length=2)
    scene = imported(drive, build_project())
    export(scene, tmp_path / "out", "waymo-4dseg")
    (meta,) = (tmp_path / "out" / "meta_infos").glob("*.json")
    frame = json.loads(meta.read_text())["frames"][1]
    cloud = np.load(tmp_path / "out" / frame["path"]["pcd"])["data"][:, :3]
    sensors = json.loads((tmp_path / "out" / frame["path"]["sam4d_label"]).read_text())["sensors"]
    on_object = {
        row["object_id"]: mask_from_coco(row["lidar_mask"]).ravel()
        for row in sensors["LiDAR_TOP"]["objects"]
    }
    inside = seen = 0
    for name, camera in frame["cams_info"].items():
        lidar2camera = np.linalg.inv(np.array(camera["camera2lidar"]))
        points = cloud @ lidar2camera[:3, :3].T + lidar2camera[:3, 3]
        uvw = points @ np.array(camera["camera_intrinsics"]).T
        for row in sensors.get(name, {"objects": []})["objects"]:
            mask = mask_from_coco(row["image_mask"])
            mine = on_object.get(row["object_id"], np.zeros(len(cloud), bool)) & (uvw[:, 2] > 0.1)
            u, v = (uvw[mine, axis] / uvw[mine, 2] for axis in (0, 1))
            height, width = mask.shape
            in_view = (u >= 0) & (u < width) & (v >= 0) & (v < height)
            seen += int(in_view.sum())
            inside += int(mask[v[in_view].astype(int), u[in_view].astype(int)].sum())

    assert seen > 200
    # The rest lies at outlines, and behind what the camera sees and the LiDAR does not.
    assert inside / seen > 0.85  # 0.93 where this was written


def imported(source: Scene, project: Project) -> SceneRow:
    job = jobs.claim(Job.objects.create(kind=Kind.IMPORT, project=project).pk, worker="here")
    assert job is not None
    report = import_scene(source, job=job, source_format="demo")
    return SceneRow.objects.get(pk=report["scene_ids"][0])
