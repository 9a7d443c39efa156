"""Bench area `images`: five pictures of one frame, decoded and on the GPU.

    python3 manage.py bench images [--full] [--json FILE]

Ours is the product's road (workers, `ImageDecoder` to three planes, three textures); the usual
viewer's is `createImageBitmap`, all at once, and one texture. The pictures are the procedural
drive's, doubled to 1920x1280.
"""

from __future__ import annotations

import io
from statistics import median

from PIL import Image as PillowImage

from tests.bench.page import bench_page
from tests.bench.report import Report
from tests.bench.sweeps import drive_frames

AREA = "images"
CAMERAS = 5
SIZE_PX = (1920, 1280)


def run(report: Report, full: bool) -> None:
    pictures = _pictures()
    with bench_page({f"image_0_{camera}": data for camera, data in enumerate(pictures)}) as ask:
        times = ask("images", CAMERAS, 60 if full else 15)
    ours, usual = times["ours"], times["bitmap"]
    report.row(AREA, "bytes of a picture", sum(map(len, pictures)) / CAMERAS / 1000, "kB")
    report.row(AREA, "5 cameras, planes in workers", median(ours), "ms")
    report.row(AREA, "5 cameras, planes in workers, best", min(ours), "ms")
    report.row(AREA, "5 cameras, createImageBitmap", median(usual), "ms")
    report.row(AREA, "5 cameras, createImageBitmap, best", min(usual), "ms")
    report.row(
        AREA, "ours over createImageBitmap", median(ours) / median(usual), "x", target="<=0.5"
    )


def _pictures() -> list[bytes]:
    images = [image for frame in drive_frames() for image in frame.images.values()]
    return [_doubled(image.encoded) for image in images[:CAMERAS]]


def _doubled(encoded: bytes) -> bytes:
    with PillowImage.open(io.BytesIO(encoded)) as picture:
        large = io.BytesIO()
        picture.resize(SIZE_PX).save(large, "JPEG", quality=93)
    return large.getvalue()
