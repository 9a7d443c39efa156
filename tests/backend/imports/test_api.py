"""Imports over HTTP, and who may begin them."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from backend.imports.models import Upload
from backend.imports.uploads import path_of
from backend.jobs.models import Job, Kind, State
from backend.projects.models import Role
from tests.builders import build_project, build_user, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build_project()


@pytest.fixture
def admin(project):
    return client_of(build_user("ada", project=project, role=Role.ADMIN))


@pytest.fixture
def manager(project):
    return client_of(build_user("max", project=project, role=Role.MANAGER))


@pytest.fixture
def annotator(project):
    return client_of(build_user("ann", project=project))


@pytest.fixture
def stranger(project):
    return client_of(build_user("eve"))


@pytest.fixture
def root(settings, tmp_path):
    root = (tmp_path / "recordings").resolve()
    (root / "drive").mkdir(parents=True)
    (root / "a.tfrecord").write_bytes(b"12345")
    settings.IMPORT_ROOTS = [root]
    return root


def announced(client: APIClient, project, *, name: str = "a.tfrecord", size: int = 6) -> int:
    answer = client.post(
        f"/api/projects/{project.pk}/uploads", {"name": name, "size": size}, format="json"
    )
    assert answer.status_code == 201
    assert (answer.json()["offset"], answer.json()["size"]) == (0, size)
    return answer.json()["id"]


def patch(client: APIClient, upload: int, offset: int | str, body: bytes):
    return client.generic(
        "PATCH",
        f"/api/uploads/{upload}",
        body,
        content_type="application/octet-stream",
        headers={"Upload-Offset": str(offset)},
    )


def begun(client: APIClient, project, **asked):
    return client.post(
        f"/api/projects/{project.pk}/imports", {"format": "native", **asked}, format="json"
    )


# --- uploads ------------------------------------------------------------------------------------


def test_an_upload_comes_in_pieces_and_is_imported(manager, project, own_folders):
    upload = announced(manager, project)

    assert patch(manager, upload, 0, b"abcd").json() == {"offset": 4}
    assert manager.get(f"/api/uploads/{upload}").json() == {"id": upload, "offset": 4, "size": 6}
    assert patch(manager, upload, 4, b"ef").json() == {"offset": 6}
    answer = begun(manager, project, upload=upload)

    assert path_of(Upload.objects.get(pk=upload)).read_bytes() == b"abcdef"
    assert answer.status_code == 201
    job = Job.objects.get(pk=answer.json()["id"])
    assert (job.kind, job.state) == (Kind.IMPORT, State.WAITING)
    assert job.parameters == {"format": "native", "upload": upload}
    assert answer.json()["label"] == "Masklet archive: a.tfrecord"


def test_a_wrong_offset_is_answered_with_the_right_one(manager, project, own_folders):
    upload = announced(manager, project)
    patch(manager, upload, 0, b"abcd")

    answer = patch(manager, upload, 0, b"abcd")

    assert (answer.status_code, answer.json()) == (409, {"offset": 4})


@pytest.mark.parametrize("offset", ["", "-1", "x", "1.0"])
def test_a_piece_without_a_proper_offset_is_refused(manager, project, own_folders, offset):
    assert patch(manager, announced(manager, project), offset, b"a").status_code == 400


def test_a_piece_that_is_too_large_is_refused(manager, project, own_folders):
    upload = announced(manager, project, size=10**8)

    answer = patch(manager, upload, 0, b"x" * (8 * 2**20 + 1))

    assert answer.status_code == 413
    assert Upload.objects.get(pk=upload).offset == 0


def test_more_than_announced_is_refused(manager, project, own_folders):
    answer = patch(manager, announced(manager, project), 0, b"abcdefg")

    assert answer.status_code == 400
    assert "more bytes" in str(answer.json())


def test_half_an_upload_cannot_be_imported(manager, project, own_folders):
    upload = announced(manager, project)
    patch(manager, upload, 0, b"abc")

    answer = begun(manager, project, upload=upload)

    assert answer.status_code == 400
    assert "3 of 6 bytes" in str(answer.json())
    assert not Job.objects.exists()


def test_an_upload_is_its_owner_s_alone(manager, admin, annotator, stranger, project, own_folders):
    upload = announced(manager, project)

    for other in (admin, annotator, stranger):
        assert other.get(f"/api/uploads/{upload}").status_code == 404
        assert patch(other, upload, 0, b"x").status_code == 404
    assert begun(admin, project, upload=upload).status_code == 404


def test_an_upload_of_one_project_is_not_imported_into_another(manager, project, own_folders):
    upload = announced(manager, project, size=1)
    patch(manager, upload, 0, b"x")
    other = build_project("another")
    from backend.accounts.models import User
    from backend.projects.actions import set_member

    set_member(other, User.objects.get(username="max"), Role.MANAGER)

    assert begun(manager, other, upload=upload).status_code == 404


def test_the_formats_are_offered_as_they_are_read(manager):
    offered = manager.get("/api/import-formats").json()

    assert [choice["name"] for choice in offered] == [
        "waymo",
        "native",
        "waymo-4dseg",
        "nuscenes",
        "pandaset",
    ]
    assert ".tfrecord" in offered[0]["description"]


# --- folders of the server ----------------------------------------------------------------------


def test_an_admin_browses_below_the_roots(admin, project, root):
    top = admin.get(f"/api/projects/{project.pk}/import-folders").json()
    below = admin.get(f"/api/projects/{project.pk}/import-folders?path={root}").json()

    assert top["roots"] == [str(root)]
    assert [entry["path"] for entry in top["entries"]] == [str(root)]
    assert [entry["name"] for entry in below["entries"]] == ["drive", "a.tfrecord"]


def test_browsing_elsewhere_is_refused(admin, project, root):
    answer = admin.get(f"/api/projects/{project.pk}/import-folders?path=/etc")

    assert answer.status_code == 400
    assert "not below an import root" in str(answer.json())


def test_without_roots_there_is_nothing_to_browse(admin, project, settings):
    settings.IMPORT_ROOTS = []

    answer = admin.get(f"/api/projects/{project.pk}/import-folders").json()

    assert (answer["entries"], answer["roots"]) == ([], [])


def test_an_admin_imports_a_path(admin, project, root):
    answer = begun(admin, project, path=f"{root}/drive/../a.tfrecord")

    assert answer.status_code == 201
    job = Job.objects.get(pk=answer.json()["id"])
    assert job.parameters == {"format": "native", "path": str(root / "a.tfrecord")}


@pytest.mark.parametrize(
    "asked",
    [{}, {"path": "/etc"}, {"path": "/x", "upload": 1}, {"path": "", "format": "native"},
     {"path": "/x", "format": "nothing"}],
)  # fmt: skip
def test_an_import_that_names_nothing_proper_is_refused(admin, project, root, asked):
    assert begun(admin, project, **asked).status_code == 400
    assert not Job.objects.exists()


# --- who may ------------------------------------------------------------------------------------


def requests_of(project):
    base = f"/api/projects/{project.pk}"
    return [
        ("post", f"{base}/imports", {"format": "native", "path": "/x"}),
        ("post", f"{base}/uploads", {"name": "a.zip", "size": 1}),
        ("get", f"{base}/import-folders", None),
    ]


def test_an_annotator_imports_nothing(annotator, project):
    for method, path, body in requests_of(project):
        answer = getattr(annotator, method)(path, body, format="json")
        assert answer.status_code == 403, path


def test_a_manager_does_not_see_the_server_s_disk(manager, project, root):
    assert manager.get(f"/api/projects/{project.pk}/import-folders").status_code == 403
    assert begun(manager, project, path=str(root / "a.tfrecord")).status_code == 403
    assert not Job.objects.exists()


def test_a_stranger_finds_no_project(stranger, project):
    for method, path, body in requests_of(project):
        assert getattr(stranger, method)(path, body, format="json").status_code == 404, path


def test_nobody_gets_in_without_signing_in(project):
    for method, path, body in [*requests_of(project), ("get", "/api/uploads/1", None)]:
        assert getattr(APIClient(), method)(path, body, format="json").status_code == 401, path


def test_a_forged_form_of_another_site_is_refused(manager, project):
    strict = APIClient(enforce_csrf_checks=True)
    strict.force_login(Upload._meta.get_field("by").related_model.objects.get(username="max"))

    answer = strict.post(
        f"/api/projects/{project.pk}/uploads", {"name": "a.zip", "size": 1}, format="json"
    )

    assert answer.status_code == 403
