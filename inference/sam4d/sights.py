"""What the model sees in the frames of one scene, computed once and kept.

What the encoders make of a frame costs seconds; where it looks (voxels, rays, encodings of places)
costs milliseconds. Both stay in memory while there is room; when a frame has to leave, the first
part goes to disk, and the second is made again from the recording.

How large a kept frame is, in bytes, with float32 and 256 channels (measured on a demo drive):
  in memory   20.1 S² per camera (S: side of the model's picture; 11.9 MB at 768)
              + 128 per point + about 56 for each voxel of strides 1, 2 and 4, 128 more for one of
                stride 4, 312 for one of stride 8, 2092 for one of stride 16
              + what the model works out for tracks there (`Sight.derived`, kernel maps): up to 8 S²
                per camera, 2048 per voxel of stride 16, and a tenth of the sweep's
  on disk     8 S² per camera (4.7 MB at 768) + 64, 128 and 512 per voxel of strides 4, 8 and 16
So a frame of three cameras at 768 and 93 000 points takes 54 MB, up to 72 MB when it is in use, and
15 MB on disk.

Half precision moves logits by up to 4e-4 of the largest, which turns 1.5 of 10 000 pixels and
points at most (measured with the weights of the recordings at 256 and random ones at 128, one click
followed over four frames; bfloat16 moves them by 4e-3).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference.sam4d.feature_files import FeatureFiles, SeenFeatures, each_of, rounded
from inference.sam4d.frames import Parts, Poses, camera_of, lens_of, merged_points, picture_of
from inference.sam4d.model import Sam4d
from inference.sam4d.sight import SWEEP, Camera, Sight
from inference.scene import Float32Array, Frame, Scene, Sensor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """A frame as the model sees it, and what it takes to give masks back at their full size.

    index: of the frame.  sizes: (height, width) of each camera's picture.  parts: the sweep's; also of a frame whose
    sweeps are empty, for which `sight` has none.
    """

    index: int
    sight: Sight
    sizes: Mapping[str, tuple[int, int]]
    parts: Parts


@dataclass(frozen=True)
class _Kept:
    """features: those in `seen`, as they go to disk."""

    seen: Seen
    features: SeenFeatures


class Sights:
    """`sights[index]` is what the model sees in a frame.

    memory_bytes, disk_bytes: of all kept frames together, after every access; the least recently
    used leave first. A frame larger than a budget is not kept there.
    folder: where a folder of our own is made, private to this process; None keeps nothing on disk.
    pictures_at_once: how many go through the encoder together, which takes memory for each.

    Features are rounded to half precision as soon as they are computed, so that an answer does not
    depend on whether a frame has been to disk. The tensors are on the model's device and can be
    used with and without inference mode. One thread at a time; the model has to be in eval mode.
    """

    def __init__(
        self,
        model: Sam4d,
        scene: Scene,
        *,
        memory_bytes: int = 2 << 30,
        disk_bytes: int = 8 << 30,
        folder: Path | None = None,
        pictures_at_once: int = 8,
    ) -> None:
        self._model, self._scene = model, scene
        self._poses = Poses(scene.frames)
        self._memory_bytes, self._pictures_at_once = memory_bytes, pictures_at_once
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        # Measured when a frame is asked for: what others have grown by counts when they are.
        self._sizes: dict[int, int] = {}
        self._files = None if folder is None else FeatureFiles(folder, disk_bytes)
        self._closed = self._told_too_large = False

    def __len__(self) -> int:
        return len(self._scene.frames)

    def __getitem__(self, index: int) -> Seen:
        """Raises IndexError for a frame that the scene does not have, BadScene for a broken one."""
        if self._closed:
            raise ValueError(f"scene {self._scene.name!r} is closed; open it again")
        if index in self._kept:
            self._kept.move_to_end(index)
            kept = self._kept[index]
            self._sizes[index] = bytes_of(kept)  # the model may have added to what is kept
            self._make_room(self._memory_bytes)
            return kept.seen
        if not 0 <= index < len(self):
            raise IndexError(
                f"scene {self._scene.name!r} has {len(self)} frames; there is no frame {index}"
            )
        # Not made in inference mode, even where the caller is: such tensors work nowhere else.
        with torch.inference_mode(False), torch.no_grad():
            kept = self._look(self._scene.frames[index], index)
        self._keep(index, kept)
        return kept.seen

    @property
    def memory_bytes(self) -> int:
        """What the frames in memory take now."""
        return sum(bytes_of(kept) for kept in self._kept.values())

    @property
    def disk_bytes(self) -> int:
        """What the files take now."""
        return 0 if self._files is None else self._files.total_bytes

    def close(self) -> None:
        """Forget everything and remove the files."""
        self._closed = True
        self._kept.clear()
        self._sizes.clear()
        if self._files is not None:
            self._files.close()

    # --- looking ---------------------------------------------------------------------------------

    def _look(self, frame: Frame, index: int) -> _Kept:
        self._poses.note(frame)
        cameras = [sensor for sensor in self._scene.cameras if sensor.name in frame.images]
        points, parts = merged_points(self._scene, frame)
        readings = {sensor.name for sensor in cameras} | ({SWEEP} if len(points) else set())
        features = None if self._files is None else self._files.load(index, self._device)
        if features is None or set(features) != readings:
            features = self._encoded(frame, cameras, points)
        pictures = {
            sensor.name: self._model.picture_sight(
                features[sensor.name], self._camera(sensor, frame)
            )
            for sensor in cameras
        }
        sweep = None
        if len(points):
            # Made anew (8 ms): cells that went through the encoder hold its kernel maps, as large
            # again.
            cells = self._model.cells(torch.from_numpy(points).to(self._device))
            sweep = self._model.sweep_sight(features[SWEEP], cells)
        world_from_sweep = torch.from_numpy(np.asarray(frame.world_from_ego, np.float64).copy())
        sight = Sight(pictures, sweep, world_from_sweep.to(self._device))
        sizes = {
            sensor.name: (lens_of(sensor).height_px, lens_of(sensor).width_px) for sensor in cameras
        }
        return _Kept(Seen(index, sight, sizes, parts), features)

    def _encoded(self, frame: Frame, cameras: list[Sensor], points: Float32Array) -> SeenFeatures:
        """The costly part."""
        features: SeenFeatures = {}
        side_px = self._model.config.side_px
        for first in range(0, len(cameras), self._pictures_at_once):
            some = cameras[first : first + self._pictures_at_once]
            pictures = [
                picture_of(sensor, frame.images[sensor.name], frame, side_px) for sensor in some
            ]
            together = self._model.picture_features(torch.stack(pictures).to(self._device))
            for place, sensor in enumerate(some):
                one = each_of(together, itemgetter(slice(place, place + 1)))
                features[sensor.name] = each_of(one, rounded)
        if len(points):
            cells = self._model.cells(torch.from_numpy(points).to(self._device))
            features[SWEEP] = each_of(self._model.sweep_features(cells), rounded)
        return features

    def _camera(self, sensor: Sensor, frame: Frame) -> Camera:
        image, side_px = frame.images[sensor.name], self._model.config.side_px
        camera = camera_of(sensor, image, frame, self._poses, side_px)
        return Camera(
            camera.lens.to(self._device),
            camera.sweep_from_camera.to(self._device),
            camera.image_from_model.to(self._device),
            camera.distortion,
        )

    @property
    def _device(self) -> torch.device:
        return next(self._model.parameters()).device

    # --- keeping ---------------------------------------------------------------------------------

    def _keep(self, index: int, kept: _Kept) -> None:
        size = bytes_of(kept)
        if size <= self._memory_bytes:
            self._make_room(self._memory_bytes - size)
            self._kept[index], self._sizes[index] = kept, size
            return
        self._file(index, kept)
        if not self._told_too_large:
            self._told_too_large = True
            logger.warning(
                "what is seen in frame %d takes %d bytes and there is memory for %d: such frames "
                "are made again at every access", index, size, self._memory_bytes,
            )  # fmt: skip

    def _make_room(self, allowed: int) -> None:
        while sum(self._sizes.values()) > allowed:
            index, leaving = self._kept.popitem(last=False)
            del self._sizes[index]
            self._file(index, leaving)

    def _file(self, index: int, kept: _Kept) -> None:
        if self._files is not None:
            self._files.save(index, kept.features)


def bytes_of(thing: object) -> int:
    """Of all tensors and arrays that can be reached from a thing, each memory once."""
    found: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            memory = one.untyped_storage()
            found[memory.data_ptr()] = memory.nbytes()
        elif isinstance(one, np.ndarray):
            found[id(one)] = one.nbytes
        elif isinstance(one, Mapping):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
        else:
            waiting.extend(getattr(one, "__dict__", {}).values())
    return sum(found.values())
