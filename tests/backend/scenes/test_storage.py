"""Objects are named by their content and appear whole or not at all."""

from __future__ import annotations

import io
import os
import zlib
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image as PillowImage

from backend.scenes import storage
from inference.scene import BadScene, Image
from tests.builders import build_jpeg, build_sweep


def all_files(own_folders):
    return [path for path in (own_folders / "objects").rglob("*") if path.is_file()]


def test_the_same_bytes_are_stored_once(own_folders):
    first, second = storage.put(b"bytes", "sources"), storage.put(b"bytes", "sources")

    assert first == second
    assert len(all_files(own_folders)) == 1
    assert storage.get(first) == b"bytes"


def test_an_old_object_that_is_put_again_is_young_again(own_folders):
    key = storage.put(b"bytes", "sources")
    os.utime(own_folders / "objects" / key, (0, 0))

    storage.put(b"bytes", "sources")

    assert storage.written_at(key) > timezone.now() - timedelta(minutes=1)


def test_a_write_that_breaks_leaves_nothing(own_folders, monkeypatch):
    def full_disk(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)

    with pytest.raises(OSError, match="No space"):
        storage.put(b"bytes", "sources")
    assert all_files(own_folders) == []


def test_a_write_that_is_killed_leaves_no_object_under_its_key(own_folders, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*args):
        raise Killed

    monkeypatch.setattr(os, "fsync", killed)

    with pytest.raises(Killed):
        storage.put(b"bytes", "sources")
    assert all_files(own_folders) == []


def test_objects_lists_all_levels_and_nothing_where_there_is_nothing():
    keys = {storage.put(bytes([number]), "sources") for number in range(5)}

    assert {key for key, _ in storage.objects("sources")} == keys
    assert list(storage.objects("views")) == []


def test_a_sweep_comes_with_its_view(own_folders):
    stored = storage.write_sweep(build_sweep())

    assert stored.size == 300
    assert stored.source_bytes == default_storage.size(stored.source_key)
    assert stored.view_bytes == default_storage.size(stored.view_key)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "half"), [((64, 48), (32, 24)), ((65, 49), (32, 24)), ((1, 1), (1, 1))]
)
def test_the_view_of_a_picture_has_half_its_size(kind, size, half):
    encoded = io.BytesIO()
    PillowImage.new("RGB", size, (200, 30, 30)).save(encoded, kind)

    proxy, seen = storage.half_size(encoded.getvalue())

    picture = PillowImage.open(io.BytesIO(proxy))
    assert (picture.format, picture.size, seen) == ("JPEG", half, size)
    red, green, blue = picture.convert("RGB").getpixel((0, 0))
    assert abs(red - 200) < 8
    assert abs(green - 30) < 8
    assert abs(blue - 30) < 8


def test_a_picture_s_own_bytes_are_kept():
    encoded = build_jpeg()

    stored = storage.write_image(Image(encoded, 0), width_px=64, height_px=48)

    assert storage.get(stored.source_key) == encoded
    assert stored.size == 64 * 48


def test_a_picture_of_another_size_than_its_calibration_is_refused():
    with pytest.raises(BadScene, match="64x48 pixels, its camera's calibration says 32x24"):
        storage.write_image(Image(build_jpeg(), 0), width_px=32, height_px=24)


@pytest.mark.parametrize("length", [0, 1, 20, 300, 500])
def test_every_beginning_of_a_jpeg_is_refused_as_such(length):
    with pytest.raises(BadScene, match="an image cannot be"):
        storage.half_size(build_jpeg()[:length])


def test_a_huge_picture_is_refused_before_it_is_decoded():
    # A PNG's size stands in its header; the rest need not be there.
    encoded = io.BytesIO()
    PillowImage.new("L", (1, 1)).save(encoded, "PNG")
    raw = bytearray(encoded.getvalue())
    raw[16:24] = (60_000).to_bytes(4, "big") * 2
    raw[29:33] = zlib.crc32(bytes(raw[12:29])).to_bytes(4, "big")

    with pytest.raises(BadScene, match=r"60000x60000|exceeds limit"):
        storage.half_size(bytes(raw))
