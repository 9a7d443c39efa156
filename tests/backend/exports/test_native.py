"""The native format keeps everything: what is exported, imported and exported again is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from django.core.management import call_command
from pyarrow import parquet

from backend.annotations.models import Document, Edit, Mask
from backend.exports.actions import wish, write_export, zip_folder
from backend.imports.importing import import_scene
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind
from backend.projects.models import LabelClass, Project
from backend.protocol import messages
from backend.scenes.models import Reading, Scene
from inference.datasets.native import read_scene
from inference.masks import decode_runs
from inference.scene import BadScene
from tests.backend.exports.labelling import Labelled, edit, export, pixels, put
from tests.builders import CAMERA, CAR_POINTS, LIDAR, build_project, build_sweep, build_user

# What says when, by which program and from where, rather than what is labelled.
ABOUT_THE_EXPORT = {"manifest.json", "README.txt"}


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ABOUT_THE_EXPORT
    }


def imported(folder: Path, project: Project) -> Scene:
    row = Job.objects.create(kind=Kind.IMPORT, project=project)
    job = jobs.claim(row.pk, worker="here")
    assert job is not None
    report = import_scene(read_scene(folder), job=job, source_format="native")
    return Scene.objects.get(pk=report["scene_ids"][0])


def test_export_import_export_is_identical_to_the_byte(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "first", "native", with_readings=True)

    again = imported(tmp_path / "first", build_project("elsewhere"))
    export(again, tmp_path / "second", "native", with_readings=True)

    first, second = files_of(tmp_path / "first"), files_of(tmp_path / "second")
    assert len(first) == 6 + 3 * 2  # tables, and three frames of two sensors
    assert first == second


def test_the_import_has_the_same_labels_history_and_readings(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)

    again = imported(tmp_path / "out", build_project("elsewhere"))

    before, after = (Document.objects.get(scene=scene) for scene in (labelled.scene, again))
    assert (after.revision, after.next_track) == (before.revision, before.next_track)
    assert masks_of(again) == masks_of(labelled.scene)
    assert keys_of(again) == keys_of(labelled.scene)
    assert [edit.operation_id for edit in edits_of(again)] == [
        edit.operation_id for edit in edits_of(labelled.scene)
    ]
    assert [edit.at for edit in edits_of(again)] == [e.at for e in edits_of(labelled.scene)]


def test_an_imported_edit_never_speaks_for_an_account_here(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)

    again = imported(tmp_path / "out", build_project("elsewhere"))

    assert {edit.by for edit in edits_of(again)} == {None}
    assert {edit.change["recorded_by"] for edit in edits_of(again)} == {"ann", "mia"}


def test_classes_are_matched_by_name(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)
    elsewhere = Project.objects.create(name="elsewhere")
    LabelClass.objects.create(project=elsewhere, name="bus", colour="#000000")

    again = imported(tmp_path / "out", elsewhere)

    classes = {t.number: t.label_class for t in again.document.tracks.all()}
    assert {number: row.name for number, row in classes.items()} == {
        1: "bus", 2: "truck", 3: "road", 4: "car",
    }  # fmt: skip
    assert {row.project_id for row in classes.values()} == {elsewhere.pk}
    renaming = edits_of(again).get(change__kind="update_track")
    assert renaming.change["label_class"] == classes[1].pk
    assert renaming.change["before"]["1"]["label_class"] == classes[4].pk


def test_labelling_goes_on_after_an_import(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)
    again = imported(tmp_path / "out", build_project("elsewhere"))
    zoe = build_user("zoe", project=again.project)

    edit(again, messages.CreateTrack(label_class=again.project.label_classes.first().pk), by=zoe)
    put(again, 5, 0, 0, pixels(np.s_[1:3, 1:3]), by=zoe)

    assert again.document.tracks.get(number=5).masks.get().area == 4


def test_the_reader_gives_the_labels_that_hold(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)

    scene = read_scene(tmp_path / "out")
    frame = scene.frames[1]

    masks = {(mask.track, mask.sensor): mask for mask in frame.labels.masks}
    assert set(masks) == {("1", CAMERA), ("1", LIDAR), ("2", CAMERA), ("2", LIDAR)}
    assert masks["1", LIDAR].label_class == "bus"
    assert np.flatnonzero(masks["1", LIDAR].mask).tolist() == list(range(300))[CAR_POINTS]
    assert masks["1", CAMERA].mask.sum() == 10 * 16
    assert [box.centre_ego for box in scene.frames[0].labels.cuboids] == [(12.0, 0.1, 0.9)]
    assert [r.corners_px for r in scene.frames[0].labels.rectangles] == [(24.0, 20.5, 40.0, 30.0)]
    assert [mask.is_stuff for mask in scene.frames[0].labels.masks].count(True) == 1


def test_every_column_of_a_sweep_comes_back_bit_for_bit(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)

    sweep = read_scene(tmp_path / "out").frames[2].sweeps[LIDAR]

    for name, array in vars(build_sweep(2)).items():
        np.testing.assert_array_equal(getattr(sweep, name), array, err_msg=name)
        if isinstance(array, np.ndarray):
            assert getattr(sweep, name).dtype == array.dtype, name


def test_without_readings_the_labels_are_read_and_importing_says_what_to_do(
    labelled: Labelled, tmp_path: Path
):
    export(labelled.scene, tmp_path / "out", "native")

    frame = read_scene(tmp_path / "out").frames[0]

    assert (dict(frame.images), dict(frame.sweeps)) == ({}, {})
    assert len(frame.labels.masks) == 5
    with pytest.raises(BadScene, match="export it with its readings"):
        imported(tmp_path / "out", build_project("elsewhere"))


def test_a_zip_file_reads_like_its_folder(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)
    zip_folder(tmp_path / "out", tmp_path / "out.zip")

    scene = read_scene(tmp_path / "out.zip")

    assert len(scene.frames) == 3
    assert len(scene.frames[0].sweeps[LIDAR]) == 300
    assert len(scene.frames[0].labels.masks) == 5


def test_an_archive_is_imported_by_the_import_command(labelled: Labelled, tmp_path: Path):
    out = tmp_path / "out.zip"
    call_command(
        "export_labels", str(labelled.scene.pk), str(out), format="native",
        include_unreviewed=True, with_readings=True,
    )  # fmt: skip
    elsewhere = build_project("elsewhere")

    call_command("import_scene", str(out), project="elsewhere", format="native")

    assert masks_of(elsewhere.scenes.get()) == masks_of(labelled.scene)


def test_an_export_is_of_one_revision_whatever_is_edited_meanwhile(
    labelled: Labelled, tmp_path: Path
):
    revision = Document.objects.get(scene=labelled.scene).revision
    (tmp_path / "out").mkdir()

    def edit_meanwhile(done: int, total: int, what: str) -> None:
        put(labelled.scene, 2, 2, 0, pixels(np.s_[0:9, 0:9]), by=labelled.ann)
        put(labelled.scene, 1, 1, 0, pixels(np.s_[0:9, 0:9]), by=labelled.ann)

    wanted = wish("native", include_unreviewed=True, with_readings=False)
    write_export([labelled.scene], wanted, tmp_path / "out", progress=edit_meanwhile)

    scene = read_scene(tmp_path / "out")
    assert scene.history.revision == revision
    assert scene.frames[2].labels.masks == ()
    areas = {m.track: m.mask.sum() for m in scene.frames[1].labels.masks if m.sensor == CAMERA}
    assert areas == {"1": 160, "2": 128}
    assert all(row.revision <= revision for row in scene.history.edits())


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("scene.json", b"{", "scene.json: "),
        ("scene.json", b"{}", "scene.json: 'masklet_native' is missing"),
        ("scene.json", b'{"masklet_native": 99}', "version 99"),
        ("tracks.json", b'[{"number": 1}]', "tracks.json: "),
        ("masks.parquet", b"PAR1 is not enough", "masks.parquet: "),
        ("edits.jsonl", b"{}", "edits.jsonl, line 1: "),
    ],
)
def test_a_broken_file_is_named(
    labelled: Labelled, tmp_path: Path, name: str, content: bytes, complaint: str
):
    export(labelled.scene, tmp_path / "out", "native")
    next((tmp_path / "out").rglob(name)).write_bytes(content)

    with pytest.raises(BadScene, match=complaint):
        read_all(tmp_path / "out")


def read_all(folder: Path) -> None:
    scene = read_scene(folder)
    list(scene.frames)
    list(scene.history.edits())


def test_a_mask_that_does_not_fit_its_reading_is_refused(labelled: Labelled, tmp_path: Path):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)
    described = next((tmp_path / "out").rglob("scene.json"))
    scene = json.loads(described.read_text())
    scene["frames"][0]["readings"][LIDAR]["size"] = 7
    described.write_text(json.dumps(scene))

    with pytest.raises(BadScene, match="track 1 in TOP"):
        read_scene(tmp_path / "out").frames[0]


def masks_of(scene: Scene) -> list[tuple]:
    rows = Mask.objects.filter(track__document=scene.pk).order_by("from_revision", "reading__size")
    return [
        (
            row.track.number,
            row.reading.frame.index,
            row.reading.sensor.name,
            decode_runs(bytes(row.runs), row.reading.size).tolist(),
            row.area,
            row.source,
            row.confidence,
            row.from_revision,
            row.until_revision,
        )
        for row in rows.select_related("track", "reading__frame", "reading__sensor")
    ]


def keys_of(scene: Scene) -> list[tuple]:
    rows = Reading.objects.filter(frame__scene=scene).order_by("frame__index", "sensor__number")
    return list(rows.values_list("source_key", "view_key", "timestamp_us", "world_from_ego"))


def edits_of(scene: Scene):
    return Edit.objects.filter(document=scene.pk).order_by("revision")


def change_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = next(folder.rglob(name))
        lines = [json.loads(text) for text in file.read_text().splitlines()] if (
            file.suffix == ".jsonl"
        ) else json.loads(file.read_text())  # fmt: skip
        change(lines)
        text = "\n".join(map(json.dumps, lines)) if file.suffix == ".jsonl" else json.dumps(lines)
        file.write_text(text)

    return apply


def change_table(name: str, **values: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = next(folder.rglob(name))
        tables = parquet.ParquetFile(file)
        groups = [tables.read_row_group(n).to_pylist() for n in range(tables.num_row_groups)]
        groups[0][0].update(values)
        with parquet.ParquetWriter(file, tables.schema_arrow) as writer:
            for rows in groups:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema=tables.schema_arrow))

    return apply


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (change_json("scene.json", lambda s: s["label_classes"][0].update(colour="red;x:")), "red"),
        (change_json("scene.json", lambda s: s.update(revision=3)), "none of this history"),
        (change_json("scene.json", lambda s: s.update(next_track=2)), "not below next_track, 2"),
        (change_json("tracks.json", lambda t: t[0].update(source="magic")), "magic"),
        (change_json("tracks.json", lambda t: t[0].update(name="x" * 101)), "100 characters"),
        (change_json("tracks.json", lambda t: t[0].update(label_class="?")), "does not list"),
        (change_json("tracks.json", lambda t: t.pop(0)), "mask of track 1 in FRONT"),
        (change_json("edits.jsonl", lambda e: e.append(e[0])), "contradict themselves"),
        (change_table("masks.parquet", source="magic"), "magic"),
        (change_table("masks.parquet", confidence=7.0), "confidence 7"),
        (change_table("masks.parquet", from_revision=99), "none of this history"),
        (change_table("masks.parquet", track=2), "contradict|next_track"),
        (change_table("masks.parquet", runs=b"\x01\x00"), "not canonical"),
        (change_table("cuboids.parquet", heading=float("nan")), "not finite"),
    ],
)
def test_a_history_that_does_not_hold_together_leaves_nothing(
    labelled: Labelled, tmp_path: Path, damage: Callable[[Path], None], complaint: str
):
    export(labelled.scene, tmp_path / "out", "native", with_readings=True)
    damage(tmp_path / "out")
    elsewhere = build_project("elsewhere")

    with pytest.raises(BadScene, match=complaint):
        imported(tmp_path / "out", elsewhere)

    assert not elsewhere.scenes.exists()
