"""A drive at a glance: pictures, what is in them, and range images, a few frames below each other."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from inference.scene import Frame, Scene

Picture = npt.NDArray[np.uint8]
_WIDTH_PX, _HEIGHT_PX = 320, 214
_GAP_PX = 4


class ContactSheet:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._rows: list[Picture] = []

    def add(self, frame: Frame, ids: Mapping[str, npt.NDArray[np.int32]]) -> None:
        """ids: sensor -> gold id of every pixel [H, W] or point [N]."""
        size = (_WIDTH_PX, _HEIGHT_PX)
        shown, drawn = [], []
        for camera in self._scene.cameras:
            with PillowImage.open(io.BytesIO(frame.images[camera.name].encoded)) as opened:
                shown.append(np.asarray(opened.convert("RGB").resize(size)))
            colours = PillowImage.fromarray(_coloured(ids[camera.name]))
            drawn.append(np.asarray(colours.resize(size, PillowImage.Resampling.NEAREST)))
        width = max(1, len(shown)) * (_WIDTH_PX + _GAP_PX)
        self._rows += [_beside(shown, width), _beside(drawn, width)]
        for lidar in self._scene.lidars:
            sweep = frame.sweeps[lidar.name]
            assert sweep.row is not None
            assert sweep.column is not None
            rows, columns = int(sweep.row.max()) + 1, int(sweep.column.max()) + 1
            origin = lidar.calibration.ego_from_sensor[:3, 3]
            range_m = np.linalg.norm(sweep.points_ego - origin, axis=1)
            near = np.zeros((rows, columns, 3), np.uint8)
            near[sweep.row, sweep.column] = (255 * np.exp(-range_m / 25))[:, None]
            things = np.zeros((rows, columns, 3), np.uint8)
            things[sweep.row, sweep.column] = _coloured(ids[lidar.name])
            for view in (near, things):
                picture = PillowImage.fromarray(view).resize((width - _GAP_PX, 2 * rows))
                self._rows.append(_beside([np.asarray(picture)], width))

    def save(self, path: str | object) -> None:
        PillowImage.fromarray(np.concatenate(self._rows)).save(str(path))


def _coloured(ids: npt.NDArray[np.int32]) -> Picture:
    """A colour for each gold id; nothing is black."""
    table = np.random.default_rng(3).integers(40, 256, (max(int(ids.max(initial=0)), 1) + 1, 3))
    table[0] = 0
    return table.astype(np.uint8)[ids]


def _beside(pictures: list[Picture], width: int) -> Picture:
    height = pictures[0].shape[0] if pictures else 1
    row = np.full((height + _GAP_PX, width, 3), 30, np.uint8)
    left = 0
    for picture in pictures:
        row[:height, left : left + picture.shape[1]] = picture
        left += picture.shape[1] + _GAP_PX
    return row
