"""What the encoders made of a scene's frames, on disk: half precision, a file per frame."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from inference.sam4d.sight import Features

SeenFeatures = dict[str, Features]  # of a frame, by reading: a camera's name or SWEEP

logger = logging.getLogger(__name__)


def each_of(features: Features, change: Callable[[Tensor], Tensor]) -> Features:
    return Features(change(features.at16), change(features.fine8), change(features.fine4))


def rounded(x: Tensor) -> Tensor:
    """x to half precision, in its own dtype and memory; as it is where half has no room for it."""
    half = x.half()
    return half.to(x.dtype, copy=True) if bool(half.isfinite().all()) else x.clone()


@dataclass(frozen=True)
class _Filed:
    """size, checksum: of the file.  dtypes: of the tensors before they were halved."""

    size: int
    checksum: int
    dtypes: Mapping[str, torch.dtype]


class FeatureFiles:
    """Features on disk, a file per frame. A file that is broken or gone was never there."""

    def __init__(self, parent: Path, budget: int) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(parent)
        self._temporary = tempfile.TemporaryDirectory(prefix=f"sights-{os.getpid()}-", dir=parent)
        self._budget = budget
        self._filed: OrderedDict[int, _Filed] = OrderedDict()

    @property
    def total_bytes(self) -> int:
        return sum(filed.size for filed in self._filed.values())

    def close(self) -> None:
        self._filed.clear()
        self._temporary.cleanup()

    def save(self, index: int, features: SeenFeatures) -> None:
        if index in self._filed:
            self._filed.move_to_end(index)
            return
        tensors = {
            f"{part}/{name}": tensor
            for name, of_reading in features.items()
            for part, tensor in vars(of_reading).items()
        }
        halved = {key: _halved(tensor).contiguous().cpu() for key, tensor in tensors.items()}
        written = safetensors.torch.save(halved)
        if len(written) > self._budget:
            return
        while self.total_bytes + len(written) > self._budget:
            self._forget(next(iter(self._filed)))
        dtypes = {key: tensor.dtype for key, tensor in tensors.items()}
        self._filed[index] = _Filed(len(written), zlib.crc32(written), dtypes)
        try:
            self._path(index).write_bytes(written)
        except OSError as error:
            logger.warning("what was seen in frame %d cannot be kept on disk: %s", index, error)
            self._forget(index)

    def load(self, index: int, device: torch.device) -> SeenFeatures | None:
        if index not in self._filed:
            return None
        filed = self._filed[index]
        try:
            read = self._path(index).read_bytes()
        except OSError as error:
            logger.warning("what was seen in frame %d is gone from disk: %s", index, error)
            self._forget(index)
            return None
        if zlib.crc32(read) != filed.checksum:
            logger.warning("what was seen in frame %d is broken on disk; made again", index)
            self._forget(index)
            return None
        self._filed.move_to_end(index)
        by_reading: dict[str, dict[str, Tensor]] = {}
        for key, tensor in safetensors.torch.load(read).items():
            part, name = key.split("/", 1)
            whole = tensor.to(device, filed.dtypes[key], copy=True)
            by_reading.setdefault(name, {})[part] = whole
        return {name: Features(**parts) for name, parts in by_reading.items()}

    def _forget(self, index: int) -> None:
        del self._filed[index]
        try:
            self._path(index).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", self._path(index), error)

    def _path(self, index: int) -> Path:
        return Path(self._temporary.name) / f"{index:06d}.safetensors"


def _halved(x: Tensor) -> Tensor:
    """x in half precision where nothing is lost."""
    half = x.half()
    return half if torch.equal(half.to(x.dtype), x) else x


def _remove_orphans(parent: Path) -> None:
    """Folders of processes that were killed: each may hold gigabytes."""
    for folder in parent.glob("sights-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
