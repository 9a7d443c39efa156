"""Uploads come in pieces that say where they begin."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

from backend.imports import uploads
from backend.imports.models import Upload
from backend.imports.uploads import RefusedUpload, WrongOffset, begin_upload, path_of, receive
from tests.builders import build_project, build_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload(own_folders):
    project = build_project()
    return begin_upload(project, by=build_user(project=project), name="segment 1.tfrecord", size=10)


def test_pieces_make_the_file(upload):
    receive(upload.pk, offset=0, pieces=[b"0123"])
    receive(upload.pk, offset=4, pieces=[b"45", b"6789"])

    assert path_of(upload).read_bytes() == b"0123456789"
    upload.refresh_from_db()
    assert upload.offset == 10


@pytest.mark.parametrize("offset", [0, 3, 5, 11])
def test_a_piece_that_begins_elsewhere_is_told_the_right_place(upload, offset):
    receive(upload.pk, offset=0, pieces=[b"0123"])

    with pytest.raises(WrongOffset) as wrong:
        receive(upload.pk, offset=offset, pieces=[b"xx"])

    assert wrong.value.offset == 4
    assert path_of(upload).read_bytes() == b"0123"


def test_more_bytes_than_announced_are_refused(upload):
    receive(upload.pk, offset=0, pieces=[b"01234567"])

    with pytest.raises(RefusedUpload, match="more bytes than the 10"):
        receive(upload.pk, offset=8, pieces=[b"89x"])
    upload.refresh_from_db()
    assert upload.offset == 8


def test_bytes_after_the_offset_are_the_remains_of_a_broken_piece(upload):
    receive(upload.pk, offset=0, pieces=[b"0123"])
    with path_of(upload).open("ab") as file:
        file.write(b"torn")  # written, but its transaction was lost

    receive(upload.pk, offset=4, pieces=[b"45"])

    assert path_of(upload).read_bytes() == b"012345"


def test_a_file_that_lost_bytes_is_filled_from_where_it_ends(upload):
    receive(upload.pk, offset=0, pieces=[b"01234567"])
    path_of(upload).write_bytes(b"012")

    with pytest.raises(WrongOffset) as wrong:
        receive(upload.pk, offset=8, pieces=[b"89"])
    receive(upload.pk, offset=wrong.value.offset, pieces=[b"3456789"])

    assert path_of(upload).read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.zip", "/etc/x.tar", "a\x00b.zip", "ü" * 300 + ".zip"]
)
def test_the_file_s_name_is_ours(own_folders, name):
    project = build_project()

    upload = begin_upload(project, by=build_user(project=project), name=name, size=1)

    assert path_of(upload).parent == own_folders / "uploads" / str(upload.pk)
    assert path_of(upload).name in {"recording.zip", "recording.tar"}


@pytest.mark.parametrize("name", ["x.exe", "x", "x.tar.gz", ".zip ", "x.zip\n"])
def test_other_kinds_of_files_are_refused(own_folders, name):
    project = build_project()

    with pytest.raises(RefusedUpload, match="cannot be imported"):
        begin_upload(project, by=build_user(project=project), name=name, size=1)


def test_the_size_limit_is_kept(own_folders, settings):
    settings.UPLOAD_LIMIT_BYTES = 100
    project = build_project()

    with pytest.raises(RefusedUpload, match="between 1 and 100"):
        begin_upload(project, by=build_user(project=project), name="x.zip", size=101)


def test_what_other_uploads_will_still_need_is_not_promised_twice(upload, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(uploads.DISK_RESERVE_BYTES + 15))

    # 10 of the 15 bytes are promised to the first upload.
    with pytest.raises(RefusedUpload, match="5 bytes to spare"):
        begin_upload(upload.project, by=upload.by, name="x.zip", size=6)
    assert begin_upload(upload.project, by=upload.by, name="x.zip", size=5).pk


def test_removing_an_upload_removes_its_files(upload):
    receive(upload.pk, offset=0, pieces=[b"0123"])
    folder = path_of(upload).parent

    uploads.remove(upload)

    assert not folder.exists()
    assert not Upload.objects.exists()
