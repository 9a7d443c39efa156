"""Recorded formats: one file each, one function `read_scene(path) -> Scene`, one line in READERS."""

from collections.abc import Callable
from pathlib import Path

from inference.datasets import native, nuscenes, pandaset, waymo, waymo_4dseg
from inference.scene import BadScene, Scene

READERS: dict[str, Callable[[Path], Scene]] = {
    "native": native.read_scene,
    "nuscenes": nuscenes.read_scene,
    "pandaset": pandaset.read_scene,
    "waymo": waymo.read_scene,
    "waymo-4dseg": waymo_4dseg.read_scene,
}


def detect_format(path: Path) -> str:
    """The name of the reader for a recording, by what lies there. Raises BadScene."""
    # One of its scenes is named by a path that is not there: the folder, then the scene's name.
    if any(path.glob("v1.0-*/scene.json")) or (
        not path.exists() and any(path.parent.glob("v1.0-*/scene.json"))
    ):
        return "nuscenes"
    if not path.exists():
        raise BadScene(f"{path} does not exist", file=path.name)
    if path.suffix == ".zip" or (path / "scene.json").is_file() or any(path.glob("*/scene.json")):
        return "native"
    if (path / "meta_infos").is_dir() or path.parent.name == "meta_infos":
        return "waymo-4dseg"
    if (path / "lidar" / "poses.json").is_file():
        return "pandaset"
    return "waymo"


def recordings(path: Path, source_format: str) -> list[Path]:
    """The scenes at a path: for each a path that its reader takes. Raises BadScene."""
    return waymo.recordings(path) if source_format == "waymo" else [path]
