"""Where the bytes of readings are: content-hashed objects in a folder or an S3-compatible store.

Objects are written first, rows last, so that a crash leaves objects that nobody names (removed by
`prune_storage`) and never a scene that lacks some. The same bytes are stored once.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image as PillowImage

from backend.scenes import sweep_codec
from inference.scene import BadScene, Image, Sweep

SOURCES, VIEWS, SPOOL = "sources", "views", "spool"
KEY_COLUMNS = ("source_key", "view_key")  # of a Reading
MAX_IMAGE_PIXELS = 100_000_000
# An object that is older is written again when it is put again: prune_storage judges unnamed
# objects by their age, and rows that name this one are about to come.
REFRESH_AFTER = timedelta(hours=1)
_UNREADABLE = (OSError, SyntaxError, ValueError)  # what Pillow raises on broken files


@dataclass(frozen=True)
class StoredReading:
    """The two objects of a reading, and how many elements a mask of it has."""

    size: int
    source_key: str
    source_bytes: int
    view_key: str
    view_bytes: int


def put(data: bytes, folder: str) -> str:
    """Store bytes under the name of their content; nothing is written when they are there."""
    digest = hashlib.sha256(data).hexdigest()
    key = f"{folder}/{digest[:2]}/{digest}"
    written = written_at(key)
    if written is None or written < timezone.now() - REFRESH_AFTER:
        write(key, data)
    return key


def write(key: str, data: bytes) -> None:
    """Store bytes under a key of the caller's, in place of what is there."""
    default_storage.save(key, ContentFile(data))


def exists(key: str) -> bool:
    return bool(default_storage.exists(key))


def written_at(key: str) -> datetime | None:
    """When the object was written; None when there is none."""
    if not exists(key):
        return None
    try:
        return default_storage.get_modified_time(key)
    except FileNotFoundError:  # removed in between
        return None


def get(key: str) -> bytes:
    with default_storage.open(key, "rb") as stored:
        return bytes(stored.read())


def write_sweep(sweep: Sweep) -> StoredReading:
    source, view = sweep_codec.encode_source(sweep), sweep_codec.encode_view(sweep)
    return StoredReading(len(sweep), put(source, SOURCES), len(source), put(view, VIEWS), len(view))


def write_image(image: Image, *, width_px: int, height_px: int) -> StoredReading:
    """Raises BadScene when the bytes are no picture, or not of the calibration's size."""
    proxy, size = half_size(image.encoded)
    if size != (width_px, height_px):
        raise BadScene(
            f"an image is {size[0]}x{size[1]} pixels, its camera's calibration says "
            f"{width_px}x{height_px}"
        )
    return StoredReading(
        width_px * height_px,
        put(image.encoded, SOURCES),
        len(image.encoded),
        put(proxy, VIEWS),
        len(proxy),
    )


def half_size(encoded: bytes) -> tuple[bytes, tuple[int, int]]:
    """A half-size JPEG of a picture, and the picture's own (width, height). Raises BadScene."""
    try:
        picture = PillowImage.open(io.BytesIO(encoded), formats=["JPEG", "PNG"])
    except (*_UNREADABLE, PillowImage.DecompressionBombError) as error:
        raise BadScene(f"an image cannot be read: {error}") from error
    width, height = picture.size
    if width * height > MAX_IMAGE_PIXELS:
        raise BadScene(f"an image of {width}x{height} pixels is larger than we accept")
    half = max(width // 2, 1), max(height // 2, 1)
    try:
        # Decodes at half resolution straight from the DCT: a quarter of the work.
        picture.draft("RGB", half)
        small = picture.convert("RGB")
    except _UNREADABLE as error:
        raise BadScene(f"an image cannot be decoded: {error}") from error
    if small.size != half:
        small = small.resize(half)
    proxy = io.BytesIO()
    small.save(proxy, "JPEG", quality=80)
    return proxy.getvalue(), (width, height)


def objects(folder: str) -> Iterator[tuple[str, datetime]]:
    """Every object below a folder of the store, with the time it was written."""
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        key = f"{folder}/{name}"
        yield key, default_storage.get_modified_time(key)
    for name in folders:
        yield from objects(f"{folder}/{name}")


def remove(key: str) -> None:
    default_storage.delete(key)
