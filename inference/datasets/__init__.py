"""Recorded formats: one file each, one function `read_scene(path) -> Scene`, one line in READERS."""

from collections.abc import Callable
from pathlib import Path

from inference.datasets import native, waymo_4dseg
from inference.scene import Scene

READERS: dict[str, Callable[[Path], Scene]] = {
    "native": native.read_scene,
    "waymo-4dseg": waymo_4dseg.read_scene,
}
