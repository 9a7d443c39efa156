"""The point cloud as a camera sees it: what is hidden, and which point owns which pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometry import FloatArray, Intrinsics, inverse, project_to_image
from inference.scene import Calibration, Frame, Image

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

# The map of owners is this wide at most: about one beam in its every pixel.
_MAP_WIDTH_PX = 480


@dataclass(frozen=True)
class Surface:
    """What a camera may see of a cloud: its points, and the hidden feet that they imply.

    points: [M, 3] in ego.  source: [M] index into the cloud.  is_real: [M], False where implied.
    spacing: [M, 2] radians between beams across and up, from range_m [M] away.
    """

    points: Float32Array
    source: Int32Array
    is_real: BoolArray
    spacing: Float32Array
    range_m: Float32Array


@dataclass(frozen=True)
class View:
    """The points that one camera sees, and the nearest of them for each cell of a small map.

    point: [M] index into the cloud.  pixels: [M, 2] (u, v).  depth_m: [M].
    is_real: [M], False for points that stand for what no beam reached.
    reach_px: [M, 2] how far round its pixel a point speaks for the surface: the gap between beams.
    owner: [h, w] index into `point`; `gap`: [h, w] the distance to it, in units of its reach.
    scale: map cells per image pixel, across and down; chosen so that beams are as far apart
    across as down.
    """

    point: Int32Array
    pixels: Float32Array
    depth_m: Float32Array
    is_real: BoolArray
    reach_px: Float32Array
    owner: Int32Array
    gap: Float32Array
    scale: tuple[float, float]
    width_px: int
    height_px: int

    def gaps_to(self, pixel: tuple[float, float]) -> Float32Array:
        """[M] how far each point is from a pixel, in units of its reach."""
        away: Float32Array = (self.pixels - np.array(pixel, np.float32)) / self.reach_px
        return np.asarray(np.hypot(away[:, 0], away[:, 1]), np.float32)


def camera_from_ego(calibration: Calibration, image: Image | None, frame: Frame) -> FloatArray:
    """[4, 4] from the frame's ego to the camera, where the vehicle was when the camera looked."""
    camera_from_own_ego = inverse(calibration.ego_from_sensor)
    if image is None or image.world_from_ego is None:
        return camera_from_own_ego
    return camera_from_own_ego @ inverse(image.world_from_ego) @ frame.world_from_ego


def look(surface: Surface, *, camera_from_ego: FloatArray, lens: Intrinsics) -> View:
    pixels, depth_m, in_view = project_to_image(surface.points, camera_from_ego, lens)
    index = np.flatnonzero(in_view)
    pixels, depth_m = pixels[index].astype(np.float32), depth_m[index].astype(np.float32)
    # Rounded to float32, a pixel just inside the right or lower edge would lie on it.
    edge = np.nextafter(np.array([lens.width_px, lens.height_px], np.float32), np.float32(0))
    pixels = np.minimum(pixels, edge)
    # The gap between beams, as the camera sees it from where it stands.
    beam_px = surface.spacing[index] * (lens.fy * surface.range_m[index] / depth_m)[:, None]
    reach_px = np.clip(beam_px, 1.0, 0.05 * lens.fy).astype(np.float32)
    usual = np.median(reach_px, axis=0) if len(index) else np.ones(2)
    seen = ~_hidden(pixels, depth_m, usual)
    index, pixels, depth_m, reach_px = index[seen], pixels[seen], depth_m[seen], reach_px[seen]
    across = min(1.0, _MAP_WIDTH_PX / lens.width_px)
    scale = (across, across * float(np.clip(usual[0] / usual[1], 0.25, 1.0)))
    shape = (max(1, round(lens.height_px * scale[1])), max(1, round(lens.width_px * scale[0])))
    cells = np.array(scale, np.float32)
    owner, gap = _owners(pixels * cells, depth_m, reach_px * cells, shape)
    return View(
        surface.source[index], pixels, depth_m, surface.is_real[index], reach_px, owner, gap,
        scale, lens.width_px, lens.height_px,
    )  # fmt: skip


def _hidden(pixels: Float32Array, depth_m: Float32Array, cell_px: FloatArray) -> BoolArray:
    """Points with a nearer surface before them, or on two opposite sides of them."""
    if not len(pixels):
        return np.zeros(0, bool)
    cell = (pixels / np.maximum(cell_px, 2.0)).astype(np.int32) + 1
    columns, rows = cell.max(axis=0) + 2
    nearest = np.full(rows * columns, 1e4, np.float32)
    flat = cell[:, 1] * columns + cell[:, 0]
    np.minimum.at(nearest, flat, depth_m)
    front = 0.85 * depth_m - 0.5
    across = _between(nearest, flat, 1, front)
    down = _between(nearest, flat, int(columns), front)
    hidden: BoolArray = (nearest[flat] < front) | across | down
    return hidden


def _between(nearest: Float32Array, flat: Int32Array, step: int, front: Float32Array) -> BoolArray:
    """Nearer surfaces on both sides, one or two cells away (drop-outs leave gaps of one)."""
    far = len(nearest) - 1
    before, behind = (
        np.minimum(nearest[flat + sign * step], nearest[np.clip(flat + 2 * sign * step, 0, far)])
        for sign in (-1, 1)
    )
    return np.asarray((before < front) & (behind < front), bool)


def _owners(
    places: Float32Array, depth_m: Float32Array, reach: Float32Array, shape: tuple[int, int]
) -> tuple[Int32Array, Float32Array]:
    """The nearest point of every cell of the map, and how far away it is in units of its reach."""
    if not len(places):
        return np.full(shape, -1, np.int32), np.full(shape, np.inf, np.float32)
    row = np.minimum(places[:, 1].astype(np.int32), shape[0] - 1)
    column = np.minimum(places[:, 0].astype(np.int32), shape[1] - 1)
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
    return owner, distance / np.maximum(reach.mean(axis=1)[owner], 1.0)
