"""An archive gives its files, or is refused without a trace."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from backend.imports import archives
from backend.imports.archives import BadArchive, unpack

V2 = {"camera_image/a.parquet": b"PAR1 images", "lidar/a.parquet": b"PAR1 points"}


def zip_of(path: Path, files: dict[str, bytes], *, compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def tar_of(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as packed:
        for info, content in members:
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def tar_member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def unpacked(archive: Path, *, most_bytes: int = 10**9) -> Path:
    target = archive.parent / "out"
    return unpack(archive, target, most_bytes=most_bytes, keep_going=lambda: None)


def refused(archive: Path, *, because: str, most_bytes: int = 10**9) -> None:
    before = {path for path in archive.parent.rglob("*")}
    with pytest.raises(BadArchive, match=because):
        unpacked(archive, most_bytes=most_bytes)
    assert {path for path in archive.parent.rglob("*")} == before


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_zip_unpacks_to_its_files(tmp_path):
    assert files_below(unpacked(zip_of(tmp_path / "a.zip", V2))) == V2


def test_a_tar_unpacks_to_its_files(tmp_path):
    members = [(tar_member(name), content) for name, content in V2.items()]

    assert files_below(unpacked(tar_of(tmp_path / "a.tar", members))) == V2


def test_a_folder_packed_round_the_recording_is_looked_through(tmp_path):
    packed = {f"my drive/{name}": content for name, content in V2.items()}

    assert files_below(unpacked(zip_of(tmp_path / "a.zip", packed))) == V2


def test_a_single_component_keeps_its_folder(tmp_path):
    only = {"camera_image/a.parquet": b"PAR1"}

    assert files_below(unpacked(zip_of(tmp_path / "a.zip", only))) == only


def test_a_single_record_file_is_the_recording(tmp_path):
    found = unpacked(zip_of(tmp_path / "a.zip", {"x/segment.tfrecord": b"record"}))

    assert (found.name, found.read_bytes()) == ("segment.tfrecord", b"record")


@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "a/../../out.txt",
        "/etc/cron.d/job",
        "a\\..\\..\\b",
        "C:evil",
        "a/b\nc",
        "x" * 201,
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, kind, name):
    if kind == "zip":
        archive = zip_of(tmp_path / "a.zip", {"fine.txt": b"", name: b"evil"})
    else:
        archive = tar_of(tmp_path / "a.tar", [(tar_member("fine"), b""), (tar_member(name), b"x")])

    refused(archive, because="outside its folder|relative paths")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    members = [(tar_member("x", kind=kind, link="/etc/passwd"), b"")]

    refused(tar_of(tmp_path / "a.tar", members), because="link, a device")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(info, "/etc/passwd")

    refused(tmp_path / "a.zip", because="link or a device")


def test_a_bomb_is_refused_before_it_is_written(tmp_path):
    zeros = {"big": b"\0" * (20 * 2**20)}

    refused(
        zip_of(tmp_path / "a.zip", zeros, compression=zipfile.ZIP_DEFLATED),
        because="no recording",
    )


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {"big": b"\0" * 100_000}, compression=zipfile.ZIP_DEFLATED)
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(struct.pack("<L", 100_000), struct.pack("<L", 10)))

    refused(archive, because="broken|larger than the archive says|cut off")


def test_more_than_the_limit_is_refused(tmp_path):
    refused(zip_of(tmp_path / "a.zip", V2), because="would unpack to 22 bytes", most_bytes=21)


def test_more_than_the_disk_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_free_bytes", lambda folder: 21)

    refused(zip_of(tmp_path / "a.zip", V2), because="disk has 21 to spare")


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    files = {f"{number}": b"" for number in range(4)}

    refused(zip_of(tmp_path / "a.zip", files), because="more than 3 members")
    members = [(tar_member(name), b"") for name in files]
    refused(tar_of(tmp_path / "a.tar", members), because="more than 3 members")


def test_two_members_of_one_name_are_refused(tmp_path):
    members = [(tar_member("a/x"), b"1"), (tar_member("a/X"), b"2")]

    refused(tar_of(tmp_path / "a.tar", members), because="twice")


def test_a_file_that_is_also_a_folder_is_refused(tmp_path):
    members = [(tar_member("a"), b"1"), (tar_member("a/b"), b"2")]

    refused(tar_of(tmp_path / "a.tar", members), because="both a file and a folder")


def test_a_compressed_tar_is_refused_with_the_remedy(tmp_path):
    archive = tar_of(tmp_path / "a.tar", [(tar_member("x"), b"1")], mode="w:gz")

    refused(archive, because=r"neither a \.zip nor an uncompressed \.tar")


@pytest.mark.parametrize("length", [0, 30, 600])
def test_a_truncated_archive_is_refused(tmp_path, length):
    whole = tar_of(tmp_path / "whole.tar", [(tar_member("x"), os.urandom(4000))]).read_bytes()
    cut = tmp_path / "a.tar"
    cut.write_bytes(whole[:length])

    refused(cut, because="neither|broken|cut off|empty")


def test_cancel_is_heard_while_unpacking(tmp_path):
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    archive = zip_of(tmp_path / "a.zip", V2)

    with pytest.raises(Stop):
        unpack(archive, tmp_path / "out", most_bytes=10**9, keep_going=stop)
    assert not (tmp_path / "out").exists()
