"""import_scene, prune_storage and setup_demo, as somebody types them."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from unittest import mock

import pytest
from django.core.management import CommandError, call_command

from backend.accounts.models import User
from backend.imports import tasks
from backend.imports.importing import import_scene
from backend.imports.management.commands.setup_demo import read_passwords
from backend.imports.models import Upload
from backend.imports.uploads import begin_upload, path_of, receive
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind, State
from backend.projects.models import Member, Project
from backend.scenes import storage
from backend.scenes.actions import delete_scene
from backend.scenes.models import Scene
from backend.scenes.queries import read_scene
from inference.scene import BadScene
from tests.builders import build_project, build_scene, build_stored_scene, build_user

pytestmark = pytest.mark.django_db


def command(name: str, *args: object, **options: object) -> str:
    out = io.StringIO()
    call_command(name, *args, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


# --- import_scene -------------------------------------------------------------------------------


@pytest.fixture
def reader(monkeypatch):
    """A reader in the place of Waymo's: gives what the test says, or raises it."""
    answer = mock.Mock(return_value=build_scene(labelled=True))
    monkeypatch.setattr(tasks, "reader_of", lambda name: answer)
    return answer


def test_a_recording_is_imported_by_command(reader, tmp_path):
    project = build_project("my project")

    printed = command("import_scene", tmp_path, project="my project", format="native")

    scene = Scene.objects.get(project=project)
    assert printed.startswith(f"scene {scene.pk}: 2 frames of 2 sensors")
    reader.assert_called_once_with(tmp_path.resolve())
    job = Job.objects.get()
    assert (job.kind, job.state, job.report["scene_ids"]) == (Kind.IMPORT, State.DONE, [scene.pk])


def test_a_project_may_be_named_by_its_number(reader, tmp_path):
    project = build_project()

    command("import_scene", tmp_path, project=str(project.pk), format="native")

    assert Scene.objects.filter(project=project).exists()


def test_a_bad_recording_ends_in_one_clear_line_with_file_and_record(reader, tmp_path):
    build_project("p")
    reader.side_effect = BadScene("its checksum is wrong", file="/data/x.tfrecord", record=3)

    with pytest.raises(CommandError) as raised:
        command("import_scene", tmp_path, project="p", format="native")

    assert str(raised.value) == "x.tfrecord, record 3: its checksum is wrong"
    assert not Scene.objects.exists()
    assert Job.objects.get().state == State.FAILED


def test_a_missing_path_or_project_is_named(reader, tmp_path):
    build_project("p")

    with pytest.raises(CommandError, match="nowhere does not exist"):
        command("import_scene", tmp_path / "nowhere", project="p", format="native")
    with pytest.raises(CommandError, match="no project 'q'; there is 'p'"):
        command("import_scene", tmp_path, project="q", format="native")
    assert not Job.objects.exists()


def test_a_second_import_says_that_the_scene_is_there(reader, tmp_path):
    build_project("p")
    command("import_scene", tmp_path, project="p", format="native")

    printed = command("import_scene", tmp_path, project="p", format="native")

    assert "already in the project" in printed
    assert Scene.objects.count() == 1


def test_an_import_that_is_interrupted_can_be_resumed(reader, tmp_path):
    build_project("p")
    reader.side_effect = KeyboardInterrupt

    with pytest.raises(CommandError, match="can be resumed"):
        command("import_scene", tmp_path, project="p", format="native")
    assert Job.objects.get().state == State.CANCELLED


def test_a_full_disk_is_said_in_those_words(reader, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_sweep", full)
    build_project("p")

    with pytest.raises(CommandError, match="the disk is full"):
        command("import_scene", tmp_path, project="p", format="native")


# --- uploads through the job ----------------------------------------------------------------------


def test_an_imported_upload_is_forgotten(reader, own_folders):
    project = build_project()
    upload = begin_upload(project, by=build_user(project=project), name="a.tfrecord", size=2)
    receive(upload.pk, offset=0, pieces=[b"ab"])
    job = Job.objects.create(
        kind=Kind.IMPORT, project=project, parameters={"format": "native", "upload": upload.pk}
    )

    tasks.run_import(job.pk)

    job.refresh_from_db()
    assert (job.state, job.error) == (State.DONE, "")
    reader.assert_called_once_with(path_of(upload))
    assert not Upload.objects.exists()
    assert not path_of(upload).exists()


def test_a_failed_upload_is_kept_for_another_try(reader, own_folders):
    project = build_project()
    upload = begin_upload(project, by=build_user(project=project), name="a.zip", size=4)
    receive(upload.pk, offset=0, pieces=[b"nope"])
    job = Job.objects.create(
        kind=Kind.IMPORT, project=project, parameters={"format": "native", "upload": upload.pk}
    )

    tasks.run_import(job.pk)

    job.refresh_from_db()
    assert (job.state, "neither a .zip" in job.error) == (State.FAILED, True)
    assert path_of(upload).exists()
    reader.assert_not_called()


# --- prune_storage --------------------------------------------------------------------------------


def objects() -> set[str]:
    folders = (storage.SOURCES, storage.VIEWS, storage.SPOOL)
    return {key for folder in folders for key, _ in storage.objects(folder)}


def failed_import(project) -> Job:
    """A job whose second frame could not be read."""
    job = Job.objects.create(kind=Kind.IMPORT, project=project)
    claimed = jobs.claim(job.pk, worker="here")
    source = build_scene(frames=2, name="broken")
    with (
        mock.patch.object(source.frames, "_frames", [source.frames[0], None]),
        pytest.raises(AttributeError),
    ):
        import_scene(source, job=claimed, source_format="test")
    return claimed


def test_what_a_failed_import_left_is_removed_and_what_scenes_name_is_kept():
    project = build_project()
    scene = build_stored_scene(project, build_scene(frames=3))
    kept = objects()
    jobs.fail(failed_import(project), "broken")
    storage.put(b"nobody's", storage.SOURCES)
    # Frame 0 of both recordings is the same: its objects belong to the scene as well.
    assert len(objects()) == len(kept) + 2

    printed = command("prune_storage", older_than_hours=0)

    assert printed.startswith("removed 2 objects")
    assert objects() == kept
    assert len(list(read_scene(scene).frames)) == 3


def test_after_a_failed_import_nothing_is_left(own_folders):
    jobs.fail(failed_import(build_project()), "broken")

    command("prune_storage", older_than_hours=0)

    assert [path for path in (own_folders / "objects").rglob("*") if path.is_file()] == []


def test_an_import_at_work_keeps_its_objects():
    failed_import(build_project())  # not ended: its lease still runs
    before = objects()

    command("prune_storage", older_than_hours=0)

    assert objects() == before


def test_young_objects_and_dry_runs_stay():
    storage.put(b"nobody's", storage.SOURCES)

    assert command("prune_storage").startswith("removed 0 objects")
    dry = command("prune_storage", older_than_hours=0, dry_run=True)

    assert dry.startswith("would remove 1 objects")
    assert len(objects()) == 1


def test_a_deleted_scene_s_objects_go_with_the_next_pruning():
    scene = build_stored_scene(build_project())
    delete_scene(scene)

    command("prune_storage", older_than_hours=0)

    assert objects() == set()


def test_half_a_file_of_a_killed_process_is_removed(own_folders):
    key = storage.put(b"x", storage.SOURCES)
    torn = (own_folders / "objects" / key).parent / ".arriving-x1y2"
    torn.write_bytes(b"half")

    command("prune_storage", older_than_hours=0)

    assert not torn.exists()


def test_forgotten_uploads_are_removed_and_wanted_ones_kept(own_folders):
    project = build_project()
    user = build_user(project=project)
    forgotten = begin_upload(project, by=user, name="a.zip", size=4)
    wanted = begin_upload(project, by=user, name="b.zip", size=4)
    for upload in (forgotten, wanted):
        receive(upload.pk, offset=0, pieces=[b"1234"])
    Job.objects.create(kind=Kind.IMPORT, project=project, parameters={"upload": wanted.pk})
    orphan = own_folders / "uploads" / "999999"
    orphan.mkdir()

    command("prune_storage", older_than_hours=0)

    assert list(Upload.objects.all()) == [wanted]
    assert [path.name for path in (own_folders / "uploads").iterdir()] == [str(wanted.pk)]


def test_an_upload_that_still_arrives_is_kept(own_folders):
    project = build_project()
    upload = begin_upload(project, by=build_user(project=project), name="a.zip", size=4)
    receive(upload.pk, offset=0, pieces=[b"12"])
    Upload.objects.update(created_at="2000-01-01T00:00Z")  # begun long ago, touched just now

    command("prune_storage", older_than_hours=1)

    assert Upload.objects.filter(pk=upload.pk).exists()


# --- setup_demo -----------------------------------------------------------------------------------


def test_the_demo_s_people_can_sign_in_and_have_their_roles(tmp_path):
    file = tmp_path / "secrets" / "passwords.json"

    shown = json.loads(command("setup_demo", passwords=file))

    assert [user["username"] for user in shown["users"]] == [
        "admin", "manager", "reviewer", "annotator",
    ]  # fmt: skip
    for user in shown["users"]:
        row = User.objects.get(username=user["username"])
        assert row.check_password(user["password"])
        assert row.is_superuser == row.is_staff == (user["username"] == "admin")
        assert Member.objects.get(user=row, project=shown["project"]).role == user["username"]
    assert len({user["password"] for user in shown["users"]}) == 4
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["admin"] == shown["users"][0]["password"]
    assert Job.objects.get(pk=shown["job"]).kind == Kind.DEMO


def test_a_second_setup_changes_nothing_and_shows_no_password(tmp_path):
    first = json.loads(command("setup_demo", passwords=tmp_path / "p"))
    admin = User.objects.get(username="admin")
    admin.set_password("changed by its owner")
    admin.save()

    second = json.loads(command("setup_demo", passwords=tmp_path / "p"))

    assert second == {**first, "users": [{"username": u["username"]} for u in first["users"]]}
    admin.refresh_from_db()
    assert admin.check_password("changed by its owner")
    assert (Job.objects.count(), Project.objects.count()) == (1, 1)


def test_accounts_of_a_new_database_get_the_passwords_that_are_kept(tmp_path):
    first = json.loads(command("setup_demo", passwords=tmp_path / "p"))
    Project.objects.all().delete()
    User.objects.all().delete()

    again = json.loads(command("setup_demo", passwords=tmp_path / "p"))

    assert again["users"] == first["users"]


def test_a_lost_password_file_does_not_lock_anybody_out(tmp_path):
    first = json.loads(command("setup_demo", passwords=tmp_path / "p"))
    (tmp_path / "p").unlink()

    command("setup_demo", passwords=tmp_path / "p")

    row = User.objects.get(username="admin")
    assert row.check_password(first["users"][0]["password"])


@pytest.mark.parametrize("content", ["not json", "[1]", '{"admin": 5}'])
def test_a_password_file_that_cannot_be_read_is_left_alone(tmp_path, content):
    (tmp_path / "p").write_text(content)

    with pytest.raises(CommandError, match="move it away"):
        command("setup_demo", passwords=tmp_path / "p")

    assert (tmp_path / "p").read_text() == content
    assert not User.objects.exists()


def test_passwords_are_never_readable_by_others(tmp_path, monkeypatch):
    modes = []
    replace = os.replace

    def watched(source: Path, target: Path) -> None:
        modes.append(stat.S_IMODE(os.stat(source).st_mode))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    old = os.umask(0)
    try:
        command("setup_demo", passwords=tmp_path / "p")
    finally:
        os.umask(old)

    assert modes == [0o600]
    assert set(read_passwords(tmp_path / "p")) == {"admin", "manager", "reviewer", "annotator"}


def test_what_the_engine_kept_for_jobs_that_have_ended_is_removed(own_folders, settings):
    settings.DATA = own_folders
    project = build_project()
    running = Job.objects.create(kind=Kind.ENGINE, project=project)
    ended = Job.objects.create(kind=Kind.ENGINE, project=project, state="failed")
    folders = [Path(settings.DATA) / "engine" / str(job.pk) for job in (running, ended)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "videos.npz").write_bytes(b"x")

    command("prune_storage", older_than_hours=0)

    assert [folder.exists() for folder in folders] == [True, False]
