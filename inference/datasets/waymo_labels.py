"""Waymo's labels as ours: boxes, LiDAR segmentation, panoptic pictures.

Keys of tracks say where they come from, so that no two kinds meet: a cuboid and its projections
share one; camera boxes, LiDAR instances and camera instances are numbered apart by the recorder.
What has no instance is one track per class, the same for the LiDAR and the cameras where
both lists use the same word. Class 0 is no label.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from inference.datasets.range_image import Int32Array
from inference.datasets.waymo_names import (
    BOX_CLASSES,
    CAMERA_CLASSES,
    CAMERAS,
    LIDAR_CLASSES,
    STUFF,
    name_of,
)
from inference.datasets.waymo_raw import RawCuboid, RawPanoptic, RawRectangle
from inference.scene import CuboidLabel, MaskLabel, RectangleLabel

# A mask has one byte per point or pixel: what names more instances than this would fill the memory.
MAX_LIDAR_MASKS = 2000
MAX_CAMERA_MASKS = 300


class BadLabel(ValueError):
    """A label that does not decode."""


def cuboid_label(raw: RawCuboid) -> CuboidLabel:
    """Raises BadLabel."""
    numbers = (*raw.centre, *raw.size, raw.heading, *(raw.velocity or ()))
    if not np.isfinite(numbers).all() or min(raw.size) < 0:
        raise BadLabel(f"box {raw.track!r} has NaN, infinity or a negative size")
    return CuboidLabel(
        track=f"box:{raw.track}",
        label_class=name_of(raw.label_class, {0: "unknown", **BOX_CLASSES}),
        centre_ego=raw.centre,
        size=raw.size,
        heading=raw.heading,
        velocity_world=raw.velocity,
        point_count=raw.point_count,
    )


def rectangle_label(raw: RawRectangle, *, is_projected: bool) -> RectangleLabel:
    """Raises BadLabel."""
    (u, v), (width, height) = raw.centre_px, raw.size_px
    if not np.isfinite((u, v, width, height)).all() or width < 0 or height < 0:
        raise BadLabel(f"rectangle {raw.track!r} has NaN, infinity or a negative size")
    camera = CAMERAS[raw.camera]
    return RectangleLabel(
        track=f"box:{raw.track}" if is_projected else f"rectangle:{camera}:{raw.track}",
        label_class=name_of(raw.label_class, {0: "unknown", **BOX_CLASSES}),
        sensor=camera,
        corners_px=(u - width / 2, v - height / 2, u + width / 2, v + height / 2),
        is_projected=is_projected,
    )


def lidar_masks(segmentation: Int32Array, sensor: str) -> Iterator[MaskLabel]:
    """One mask per class and instance.

    segmentation: [N, 2] instance and class of each point. Raises BadLabel.
    """
    # Both numbers in one: sorting pairs takes ten times as long.
    codes = segmentation[:, 1].astype(np.int64) * 2**32 + segmentation[:, 0]
    known, owner = np.unique(codes, return_inverse=True)
    if len(known) > MAX_LIDAR_MASKS:
        raise BadLabel(f"the segmentation names {len(known)} instances")
    first = np.zeros(len(known), np.int64)
    first[owner] = np.arange(len(owner))
    for number, (instance, label_class) in enumerate(segmentation[first].tolist()):
        if label_class == 0:
            continue
        name = name_of(label_class, LIDAR_CLASSES)
        yield MaskLabel(
            track=f"lidar:{label_class}:{instance}" if instance else _rest_of(name),
            label_class=name,
            sensor=sensor,
            mask=owner == number,
            is_stuff=name in STUFF,
        )


def _rest_of(name: str) -> str:
    """The key of what has no instance number: stuff, or things that nobody has numbered.

    The latter are no stuff: a class that is stuff has one track, and would swallow its instances.
    """
    return f"stuff:{name}" if name in STUFF else f"unnumbered:{name}"


def panoptic_masks(
    raw: RawPanoptic, *, timestamp_us: int, size_px: tuple[int, int]
) -> Iterator[MaskLabel]:
    """One mask per instance of the picture, and one per class of what has none.

    size_px: (width, height) of the camera. Raises BadLabel.
    """
    values = _decoded(raw.encoded, size_px).ravel()
    if raw.divisor < 1:
        raise BadLabel(f"the panoptic label has divisor {raw.divisor}")
    camera = CAMERAS[raw.camera]
    owner_of_value, owners = _owners(np.bincount(values, minlength=2**16), raw.divisor)
    if len(owners) > MAX_CAMERA_MASKS:
        raise BadLabel(f"the panoptic label of {camera} names {len(owners)} instances")
    owner = owner_of_value[values]
    for number, (instance, label_class) in enumerate(owners):
        name = name_of(label_class, CAMERA_CLASSES)
        if instance == 0:
            track = _rest_of(name)
        elif instance in raw.tracked:
            track = f"camera:{raw.sequence}:{raw.tracked[instance]}"
        else:
            # Its number means nothing outside of this picture.
            track = f"camera:{timestamp_us}:{camera}:{instance}"
        yield MaskLabel(track, name, camera, owner == number, is_stuff=name in STUFF)


def _owners(
    pixels_of_value: npt.NDArray[np.int64], divisor: int
) -> tuple[npt.NDArray[np.int32], list[tuple[int, int]]]:
    """Which (instance, class) each value of the picture belongs to, as an index or -1.

    An instance may touch two classes: it has the one of most of its pixels.
    """
    values = np.flatnonzero(pixels_of_value)
    instances = values % divisor
    owner_of_value = np.full(len(pixels_of_value), -1, np.int32)
    owners: list[tuple[int, int]] = []
    for instance in np.unique(instances).tolist():
        mine = values[instances == instance]
        if instance == 0:
            groups = [(int(value // divisor), np.array([value])) for value in mine]
        else:
            largest = mine[pixels_of_value[mine].argmax()]
            groups = [(int(largest // divisor), mine)]
        for label_class, members in groups:
            if label_class:
                owner_of_value[members] = len(owners)
                owners.append((instance, label_class))
    return owner_of_value, owners


def _decoded(encoded: bytes, size_px: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """[H, W]. The size is known before a pixel is unpacked."""
    try:
        picture = PillowImage.open(io.BytesIO(encoded), formats=["PNG"])
        if picture.size != size_px:
            raise BadLabel(f"a panoptic label is {picture.size}, its camera {size_px}")
        # A decoder that reduces to 8 bits would destroy it.
        if picture.mode not in ("I;16", "I", "L"):
            raise BadLabel(f"a panoptic label of mode {picture.mode!r}, expected 16-bit grey")
        values = np.asarray(picture)
    except BadLabel:
        raise
    except Exception as error:  # Pillow raises whatever a broken file leads it to
        raise BadLabel(f"a panoptic label cannot be decoded: {error}") from error
    return values.astype(np.uint16)
