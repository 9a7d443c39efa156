"""A recording becomes a scene: all of it, once, or nothing."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from backend.annotations.models import Cuboid, Document, Edit, Mask, Rectangle, Source, Track
from backend.imports import importing
from backend.imports.importing import import_scene
from backend.jobs import actions as jobs
from backend.jobs.actions import Cancelled
from backend.jobs.models import Job, Kind
from backend.scenes import storage
from backend.scenes.models import Frame, Reading, Scene
from backend.scenes.queries import read_scene
from backend.tasks.models import Task
from inference.masks import decode_runs
from inference.scene import BadScene, Image, Problem
from tests.builders import (
    CAMERA,
    CAR_POINTS,
    HEIGHT_PX,
    LIDAR,
    POINTS,
    WIDTH_PX,
    FrameList,
    build_jpeg,
    build_project,
    build_scene,
    build_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    """An import job that a worker has just claimed."""
    project = build_project()
    row = Job.objects.create(
        kind=Kind.IMPORT, project=project, requested_by=build_user("max", project=project)
    )
    claimed = jobs.claim(row.pk, worker="here")
    assert claimed is not None
    return claimed


def rows_in_the_database() -> int:
    tables = (Scene, Frame, Reading, Document, Track, Mask, Cuboid, Rectangle, Edit, Task)
    return sum(table.objects.count() for table in tables)


def spooled_objects() -> list[str]:
    return sorted(key for key, _ in storage.objects(storage.SPOOL))


def claimed_again(job: Job) -> Job:
    """The job as the next worker gets it, after the first one has died."""
    Job.objects.filter(pk=job.pk).update(lease_until="2000-01-01T00:00Z")
    again = jobs.claim(job.pk, worker="there")
    assert again is not None
    return again


def test_every_reading_is_stored_bit_for_bit(job):
    source = build_scene(frames=3)

    report = import_scene(source, job=job, source_format="test")

    scene = Scene.objects.get(pk=report["scene_ids"][0])
    assert scene.state == Scene.State.READY
    assert scene.facts == {"weather": "sunny"}
    for before, after in zip(source.frames, read_scene(scene).frames, strict=True):
        assert after.images[CAMERA].encoded == before.images[CAMERA].encoded
        assert after.sweeps[LIDAR].points_ego.tobytes() == before.sweeps[LIDAR].points_ego.tobytes()
        assert np.array_equal(after.world_from_ego, before.world_from_ego)


def test_a_scene_waits_for_a_person_and_its_spool_is_gone(job):
    report = import_scene(build_scene(), job=job, source_format="test")

    assert Task.objects.get(scene=report["scene_ids"][0]).state == Task.State.OPEN
    assert spooled_objects() == []


def test_labels_come_as_one_edit(job):
    report = import_scene(build_scene(labelled=True), job=job, source_format="test")

    document = Document.objects.get(scene=report["scene_ids"][0])
    assert document.revision == 1
    edit = Edit.objects.get(document=document)
    assert (edit.change["kind"], edit.by) == ("import", job.requested_by)
    assert set(Mask.objects.values_list("source", "from_revision", "until_revision")) == {
        (Source.IMPORT, 1, None)
    }


def test_a_recording_without_labels_has_no_edit(job):
    report = import_scene(build_scene(), job=job, source_format="test")

    document = Document.objects.get(scene=report["scene_ids"][0])
    assert (document.revision, document.edits.count()) == (0, 0)


def test_a_car_s_box_and_its_instances_in_all_sensors_are_one_track(job):
    report = import_scene(build_scene(labelled=True), job=job, source_format="test")

    car = Track.objects.get(source_key="box-a")
    assert car.label_class.name == "car"  # the segmentation's word, not the box's "vehicle"
    assert car.cuboids.count() == 2
    assert sorted(car.masks.values_list("reading__sensor__name", "area")) == [
        *[(CAMERA, 16 * 20)] * 2,
        *[(LIDAR, 40)] * 2,
    ]
    on_car = np.zeros(POINTS, dtype=bool)
    on_car[CAR_POINTS] = True
    for mask in car.masks.filter(reading__sensor__name=LIDAR):
        assert np.array_equal(decode_runs(bytes(mask.runs), POINTS), on_car)
    assert report["labels"]["joined"] == 2


def test_an_instance_beside_the_car_keeps_a_track_of_its_own(job):
    source = build_scene(labelled=True)
    frames = []
    for frame in source.frames:
        beside = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
        beside[20:36, 36:56] = True  # shows the car's edge and much else
        masks = [
            replace(mask, mask=beside.ravel()) if mask.track == "camera-3" else mask
            for mask in frame.labels.masks
        ]
        frames.append(replace(frame, labels=replace(frame.labels, masks=tuple(masks))))

    import_scene(replace(source, frames=FrameList(frames)), job=job, source_format="test")

    assert Track.objects.get(source_key="camera-3").masks.count() == 2
    assert set(
        Mask.objects.filter(track__source_key="box-a").values_list(
            "reading__sensor__name", flat=True
        )
    ) == {LIDAR}


def test_stuff_is_one_track_over_all_sensors(job):
    source = build_scene(labelled=True)
    frames = []
    for frame in source.frames:
        first_road = next(m for m in frame.labels.masks if m.is_stuff and m.sensor == CAMERA)
        strip = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
        strip[34:36, :10] = True
        # A second region of road in the same picture, under a key of its own.
        second = replace(first_road, track="road (2)", mask=strip.ravel())
        labels = replace(frame.labels, masks=(*frame.labels.masks, second))
        frames.append(replace(frame, labels=labels))

    import_scene(replace(source, frames=FrameList(frames)), job=job, source_format="test")

    road = Track.objects.get(label_class__name="road")
    assert road.is_stuff
    assert sorted(road.masks.values_list("reading__sensor__name", "area")) == sorted(
        [(CAMERA, 12 * WIDTH_PX + 20), (LIDAR, POINTS - 40)] * 2
    )


def test_projected_rectangles_stay_out_and_are_counted(job):
    report = import_scene(build_scene(labelled=True), job=job, source_format="test")

    assert set(Rectangle.objects.values_list("track__source_key", flat=True)) == {"rectangle-1"}
    assert report["labels"]["rectangles"] == 2
    assert report["labels"]["projected_rectangles_left_out"] == 2


def test_the_report_counts_readings_points_gaps_and_problems(job):
    source = build_scene(frames=5)
    frames = [
        replace(frame, timestamp_us=frame.timestamp_us + (300_000 if frame.index > 2 else 0))
        for frame in source.frames
    ]
    frames[4] = replace(frames[4], images={})
    source = replace(
        source, frames=FrameList(frames), problems=[Problem("stats.parquet", None, "missing")]
    )

    report = import_scene(source, job=job, source_format="test")

    assert report["frames"] == 5
    assert [(s["name"], s["readings"], s["points"]) for s in report["sensors"]] == [
        (CAMERA, 4, None),
        (LIDAR, 5, 5 * POINTS),
    ]
    assert report["gaps"] == [{"after_frame": 2, "milliseconds": 400.0}]
    assert report["skipped"] == [{"file": "stats.parquet", "record": None, "message": "missing"}]
    assert Scene.objects.get().import_report == report


def test_importing_the_same_recording_again_says_that_it_is_there(job):
    first = import_scene(build_scene(), job=job, source_format="test")
    before = rows_in_the_database()

    second = import_scene(build_scene(), job=job, source_format="test")

    assert second["already_there"]
    assert second["scene_ids"] == first["scene_ids"]
    assert rows_in_the_database() == before


def test_a_race_for_the_same_recording_has_one_winner(job):
    source = build_scene()
    winner = Job.objects.create(kind=Kind.IMPORT, project=job.project)
    write_rows = importing._write_rows

    def overtaken(*args, **kwargs):
        with mock.patch.object(importing, "_write_rows", write_rows):
            claimed = jobs.claim(winner.pk, worker="elsewhere")
            import_scene(build_scene(), job=claimed, source_format="test")
        return write_rows(*args, **kwargs)

    with mock.patch.object(importing, "_write_rows", overtaken):
        report = import_scene(source, job=job, source_format="test")

    assert report["already_there"]
    assert Scene.objects.count() == 1
    assert spooled_objects() == []


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (b"not a picture", "cannot be read"),
        (build_jpeg()[:400], "cannot be"),
        (build_jpeg(width_px=66), "66x48 pixels, its camera's calibration says 64x48"),
    ],
)
def test_a_broken_picture_leaves_no_rows_and_says_where(job, picture, reason):
    source = build_scene(frames=3)
    frames = list(source.frames)
    frames[2] = replace(frames[2], images={CAMERA: Image(picture, 0)})
    source = replace(source, frames=FrameList(frames))

    with pytest.raises(BadScene, match=f"frame 2, camera {CAMERA}: .*{reason}"):
        import_scene(source, job=job, source_format="test")

    assert rows_in_the_database() == 0


def test_a_mask_of_the_wrong_size_is_refused(job):
    source = build_scene(labelled=True)
    frame = source.frames[0]
    masks = (replace(frame.labels.masks[0], mask=np.ones(7, dtype=bool)),)
    frames = FrameList([replace(frame, labels=replace(frame.labels, masks=masks))])

    with pytest.raises(BadScene, match="7 elements, the reading of TOP has 300"):
        import_scene(replace(source, frames=frames), job=job, source_format="test")


def test_a_killed_import_goes_on_at_the_next_frame(job):
    source = build_scene(frames=5, labelled=True)
    frames = source.frames
    with (
        mock.patch.object(frames, "_frames", [*list(frames)[:3], None, None]),
        pytest.raises(AttributeError),
    ):
        import_scene(source, job=job, source_format="test")
    assert rows_in_the_database() == 0
    frames.reads.clear()

    report = import_scene(source, job=claimed_again(job), source_format="test")

    assert frames.reads == [3, 4]
    assert report["frames"] == 5
    assert Mask.objects.filter(track__source_key="box-a").count() == 5 * 2


def test_what_prune_storage_took_is_read_again(job):
    source = build_scene(frames=4)
    frames = source.frames
    with (
        mock.patch.object(frames, "_frames", [*list(frames)[:3], None]),
        pytest.raises(AttributeError),
    ):
        import_scene(source, job=job, source_format="test")
    storage.remove(spooled_objects()[1])
    frames.reads.clear()

    import_scene(source, job=claimed_again(job), source_format="test")

    assert frames.reads == [1, 2, 3]


def test_another_recording_under_the_same_job_starts_at_the_beginning(job):
    source = build_scene(frames=3)
    with (
        mock.patch.object(source.frames, "_frames", [*list(source.frames)[:2], None]),
        pytest.raises(AttributeError),
    ):
        import_scene(source, job=job, source_format="test")
    other = build_scene(frames=3, name="another street")

    import_scene(other, job=claimed_again(job), source_format="test")

    assert other.frames.reads == [0, 1, 2]


def test_cancel_is_heard_within_a_frame(job):
    source = build_scene(frames=4)
    write_sweep = storage.write_sweep
    stored = []

    def cancelled_during_frame_1(sweep):
        stored.append(sweep)
        if len(stored) == 2:
            jobs.request_cancel(Job.objects.get(pk=job.pk))
        return write_sweep(sweep)

    with (
        mock.patch.object(storage, "write_sweep", cancelled_during_frame_1),
        mock.patch.object(storage, "write_image", wraps=storage.write_image) as write_image,
        pytest.raises(Cancelled),
    ):
        import_scene(source, job=job, source_format="test")

    assert write_image.call_count == 1  # frame 0's: frame 1 ended after its sweep
    assert rows_in_the_database() == 0


def test_a_job_that_was_taken_over_writes_nothing(job):
    source = build_scene()
    write_rows = importing._write_rows

    def late(*args, **kwargs):
        claimed_again(job)
        return write_rows(*args, **kwargs)

    with (
        mock.patch.object(importing, "_write_rows", late),
        pytest.raises(jobs.LostLease),
    ):
        import_scene(source, job=job, source_format="test")

    assert rows_in_the_database() == 0
