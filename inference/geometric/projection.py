"""The point cloud as a camera sees it: what is hidden, and which point owns which pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometry import FloatArray, inverse, project_to_image
from inference.scene import Calibration, Frame, Image

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

# The map of owners is this wide at most: about one beam in two or three of its pixels.
_MAP_WIDTH_PX = 480


@dataclass(frozen=True)
class View:
    """The points that one camera sees, and the nearest of them for each pixel of a small map.

    point: [M] index into the cloud.  pixels: [M, 2] (u, v).  depth_m: [M].
    reach_px: [M] how far round its pixel a point speaks for the surface: the gap between beams.
    owner: [h, w] index into `point`; `gap`: [h, w] the distance to it, in units of its reach.
    scale: map pixels per image pixel.
    """

    point: Int32Array
    pixels: Float32Array
    depth_m: Float32Array
    reach_px: Float32Array
    owner: Int32Array
    gap: Float32Array
    scale: float
    width_px: int
    height_px: int

    def owner_at(self, pixel: tuple[float, float]) -> tuple[int, float]:
        """The map's entry under a pixel: (index into `point` or -1, gap)."""
        if not len(self.point):
            return -1, np.inf
        row = min(max(int(pixel[1] * self.scale), 0), self.owner.shape[0] - 1)
        column = min(max(int(pixel[0] * self.scale), 0), self.owner.shape[1] - 1)
        return int(self.owner[row, column]), float(self.gap[row, column])


def camera_from_ego(calibration: Calibration, image: Image | None, frame: Frame) -> FloatArray:
    """[4, 4] from the frame's ego to the camera, where the vehicle was when the camera looked."""
    camera_from_own_ego = inverse(calibration.ego_from_sensor)
    if image is None or image.world_from_ego is None:
        return camera_from_own_ego
    return camera_from_own_ego @ inverse(image.world_from_ego) @ frame.world_from_ego


def look(
    points_ego: Float32Array,
    spacing: Float32Array,
    range_m: Float32Array,
    *,
    camera_from_ego: FloatArray,
    calibration: Calibration,
) -> View:
    """points_ego: [N, 3].  spacing: [N] radians between beams.  range_m: [N] from the LiDAR."""
    lens = calibration.intrinsics
    assert lens is not None, "a camera without intrinsics cannot have been read"
    pixels, depth_m, in_view = project_to_image(points_ego, camera_from_ego, lens)
    index = np.flatnonzero(in_view)
    pixels, depth_m = pixels[index].astype(np.float32), depth_m[index].astype(np.float32)
    # The gap between beams, as the camera sees it from where it stands.
    beam_px = lens.fy * spacing[index] * range_m[index] / depth_m
    reach_px = np.clip(beam_px, 1.0, 0.05 * lens.fy).astype(np.float32)
    seen = ~_hidden(pixels, depth_m, float(np.median(reach_px)) if len(index) else 1.0)
    index, pixels, depth_m, reach_px = index[seen], pixels[seen], depth_m[seen], reach_px[seen]
    scale = min(1.0, _MAP_WIDTH_PX / lens.width_px)
    shape = (max(1, round(lens.height_px * scale)), max(1, round(lens.width_px * scale)))
    owner, gap = _owners(pixels * np.float32(scale), depth_m, reach_px * np.float32(scale), shape)
    return View(
        index.astype(np.int32), pixels, depth_m, reach_px, owner, gap,
        scale, lens.width_px, lens.height_px,
    )  # fmt: skip


def _hidden(pixels: Float32Array, depth_m: Float32Array, cell_px: float) -> BoolArray:
    """Points with a nearer surface before them, or on two opposite sides of them."""
    if not len(pixels):
        return np.zeros(0, bool)
    cell = (pixels / cell_px).astype(np.int32) + 1
    columns, rows = cell.max(axis=0) + 2
    nearest = np.full(rows * columns, 1e4, np.float32)
    flat = cell[:, 1] * columns + cell[:, 0]
    np.minimum.at(nearest, flat, depth_m)
    front = 0.85 * depth_m - 0.5
    beside = [nearest[flat + step] < front for step in (1, -1, columns, -columns)]
    hidden: BoolArray = (nearest[flat] < front) | (beside[0] & beside[1]) | (beside[2] & beside[3])
    return hidden


def _owners(
    pixels: Float32Array, depth_m: Float32Array, reach_px: Float32Array, shape: tuple[int, int]
) -> tuple[Int32Array, Float32Array]:
    """The nearest point of every pixel of the map, and how far away it is in units of its reach."""
    if not len(pixels):
        return np.full(shape, -1, np.int32), np.full(shape, np.inf, np.float32)
    row = np.minimum(pixels[:, 1].astype(np.int32), shape[0] - 1)
    column = np.minimum(pixels[:, 0].astype(np.int32), shape[1] - 1)
    far_to_near = np.argsort(-depth_m, kind="stable")
    point_of = np.full(shape, -1, np.int32)
    point_of[row[far_to_near], column[far_to_near]] = far_to_near
    empty = (point_of < 0).astype(np.uint8)
    distance, label = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    occupied = np.nonzero(empty == 0)
    point_of_label = np.zeros(int(label.max()) + 1, np.int32)
    point_of_label[label[occupied]] = point_of[occupied]
    owner = point_of_label[label]
    return owner, distance / np.maximum(reach_px[owner], 1.0)
