"""From a recorded frame to what the model takes in: pictures, cameras, one sweep.

S is the side of the model's picture, N its points. The model's frame of reference is ego at the
frame's pose; every transform into it is made in float64 and handed over in float32.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import Tensor

from inference.geometry import Intrinsics, interpolate_pose, inverse
from inference.sam4d.sight import Camera
from inference.scene import (
    BadScene,
    Float32Array,
    Float64Array,
    Frame,
    Frames,
    Image,
    Scene,
    Sensor,
)

BoolArray = npt.NDArray[np.bool_]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
FARTHEST_M = 10_000.0  # no LiDAR measures this far: such a point is an error of the recording

logger = logging.getLogger(__name__)


# --- pictures ------------------------------------------------------------------------------------


def picture_of(sensor: Sensor, image: Image, frame: Frame, side_px: int) -> Tensor:
    """The picture as the encoder takes it: squeezed to a square, normalised.  [3, S, S] float32.

    Raises BadScene for a picture that cannot be decoded or is not of the calibration's size.
    """
    lens = lens_of(sensor)
    where = f"frame {frame.index}: the picture of {sensor.name!r}"
    try:
        with PIL.Image.open(io.BytesIO(image.encoded)) as opened:
            if opened.size != (lens.width_px, lens.height_px):
                raise BadScene(
                    f"{where} has {opened.width}x{opened.height} pixels, its calibration says "
                    f"{lens.width_px}x{lens.height_px}; correct the calibration or the picture and "
                    "import the scene again"
                )
            # Without reducing_gap the resampling is Pillow's bicubic, as the model was trained on.
            picture = opened.convert("RGB").resize((side_px, side_px))
    except BadScene:
        raise
    # What Pillow raises for broken files, beside its own errors.
    except (OSError, ValueError, SyntaxError, EOFError, PIL.Image.DecompressionBombError) as error:
        raise BadScene(f"{where} cannot be decoded ({error}); import the scene again") from error
    return normalised(np.asarray(picture))


def normalised(picture: npt.NDArray[np.uint8]) -> Tensor:
    """[S, S, 3] red, green, blue -> [3, S, S] float32."""
    scaled = picture.astype(np.float32) / np.float32(255)
    shifted = (scaled - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(shifted.transpose(2, 0, 1)))


def lens_of(sensor: Sensor) -> Intrinsics:
    if sensor.calibration.intrinsics is None:
        raise BadScene(f"camera {sensor.name!r} has no intrinsics; import the scene again")
    return sensor.calibration.intrinsics


# --- cameras -------------------------------------------------------------------------------------


class Poses:
    """Where the vehicle was when a camera looked, between the frames of a scene.

    To read a neighbouring frame for its pose is to read all of it, so that what is known of a
    frame is kept (its time and pose alone) and a neighbour is only read when a camera asks for it.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._known: dict[int, tuple[int, Float64Array]] = {}

    def note(self, frame: Frame) -> None:
        self._known[frame.index] = frame.timestamp_us, frame.world_from_ego

    def at(self, timestamp_us: int, frame: Frame) -> Float64Array:
        """world_from_ego [4, 4] at a time between this frame and a neighbour.

        The frame's own pose before the first frame, after the last, and for a time beyond the
        neighbour: then the camera's clock is another one.
        """
        self.note(frame)
        step = (timestamp_us > frame.timestamp_us) - (timestamp_us < frame.timestamp_us)
        neighbour = self._neighbour(frame.index + step) if step else None
        if neighbour is None:
            return frame.world_from_ego
        first, second = sorted(
            [(frame.timestamp_us, frame.world_from_ego), neighbour], key=lambda known: known[0]
        )
        if not first[0] <= timestamp_us <= second[0]:
            return frame.world_from_ego
        return interpolate_pose([first[1], second[1]], [first[0], second[0]], timestamp_us)

    def _neighbour(self, index: int) -> tuple[int, Float64Array] | None:
        if not 0 <= index < len(self._frames):
            return None
        if index not in self._known:
            try:
                self.note(self._frames[index])
            except BadScene as error:
                # Not this frame's fault: it can be labelled with its own pose.
                logger.warning("no pose from frame %d, which cannot be read: %s", index, error)
                return None
        return self._known[index]


def camera_of(sensor: Sensor, image: Image, frame: Frame, poses: Poses, side_px: int) -> Camera:
    """The camera from where the vehicle was when it looked, seen from ego at the frame's pose."""
    lens = lens_of(sensor)
    world_from_ego_then = image.world_from_ego
    if world_from_ego_then is None:
        world_from_ego_then = poses.at(image.timestamp_us, frame)
    ego_from_ego_then = inverse(frame.world_from_ego) @ world_from_ego_then
    padded = np.eye(4)
    padded[:3, :3] = lens.matrix
    image_from_model = np.diag([lens.width_px / side_px, lens.height_px / side_px, 1.0, 1.0])
    return Camera(
        torch.from_numpy(padded).float(),
        torch.from_numpy(ego_from_ego_then @ sensor.calibration.ego_from_sensor).float(),
        torch.from_numpy(image_from_model).float(),
        lens if lens.is_distorted else None,
    )


# --- the sweep -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """How the model's one sweep comes apart into those that were recorded.

    part_of: sensor name to its slice of all M points, one sweep after the other.
    kept: [M] those that the model sees, N of them, in their order.
    """

    part_of: Mapping[str, slice]
    kept: BoolArray

    def apart(self, mask: BoolArray) -> dict[str, BoolArray]:
        """[N] of the model's points -> each LiDAR's mask; False for points that it does not see."""
        whole = np.zeros(len(self.kept), bool)
        whole[self.kept] = mask
        return {name: whole[part] for name, part in self.part_of.items()}

    def together(self, masks: Mapping[str, BoolArray]) -> BoolArray:
        """LiDARs' masks -> [N] of the model's points; False where a LiDAR has none."""
        whole = np.zeros(len(self.kept), bool)
        for name, mask in masks.items():
            whole[self.part_of[name]] = mask
        return whole[self.kept]


def merged_points(scene: Scene, frame: Frame) -> tuple[Float32Array, Parts]:
    """The frame's sweeps as one, in ego at the frame's pose: [N, 3] metres.

    Points that are nowhere (NaN, infinite, farther than any LiDAR measures) are left out.
    """
    part_of: dict[str, slice] = {}
    points = [np.zeros((0, 3), np.float32)]
    start = 0
    for lidar in scene.lidars:
        sweep = frame.sweeps.get(lidar.name)
        if sweep is None:
            continue
        part_of[lidar.name] = slice(start, start + len(sweep))
        points.append(np.asarray(sweep.points_ego, np.float32))
        start += len(sweep)
    together = np.concatenate(points)
    kept = np.asarray((np.abs(together) < FARTHEST_M).all(axis=1), bool)  # False for NaN
    return together[kept], Parts(part_of, kept)
