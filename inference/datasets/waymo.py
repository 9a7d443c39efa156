"""Reads segments of the Waymo Open Dataset (Perception), in either container, without TensorFlow.

A path may be a TFRecord file; a folder of them; a folder of Parquet components (a split) or of such
splits; or one Parquet file, which stands for its segment. The segment's own name is its identity.
"""

from __future__ import annotations

from pathlib import Path

from inference.datasets.waymo_raw import Segment
from inference.datasets.waymo_scene import BROKEN, build_scene
from inference.datasets.waymo_v1 import SegmentV1
from inference.datasets.waymo_v2 import COMPONENTS, SegmentV2
from inference.scene import BadScene, Scene


def read_scene(path: Path) -> Scene:
    """The one segment at `path`. Frames are read from the file when asked for. Raises BadScene."""
    found = recordings(path)
    if len(found) > 1:
        raise BadScene(
            f"{Path(path).name}: holds {len(found)} segments; name one, such as {found[0]}",
            file=Path(path).name,
        )
    try:
        return build_scene(_segment(found[0]))
    except BadScene:
        raise
    except BROKEN as error:
        raise BadScene(f"{found[0].name}: {error}", file=found[0].name) from error


def recordings(path: Path) -> list[Path]:
    """The segments at `path`: for each a path that `read_scene` takes. Raises BadScene."""
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BadScene(f"{path} does not exist", file=path.name)
    splits = [folder for folder in (path, *_folders(path)) if _components(folder)]
    found = [
        file for folder in (path, *_folders(path)) for file in sorted(folder.glob("*.tfrecord"))
    ]
    for split in splits:
        found += _segments_of_split(split)
    if not found:
        raise BadScene(
            f"{path.name}: holds neither .tfrecord files nor folders of Parquet components such as "
            "vehicle_pose, so it is no Waymo recording",
            file=path.name,
        )
    return found


def _segment(path: Path) -> Segment:
    if path.suffix == ".parquet":
        return SegmentV2(path.parent.parent, path.stem)
    return SegmentV1(path)


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir())


def _components(path: Path) -> list[str]:
    return [name for name in COMPONENTS if (path / name).is_dir()]


def _segments_of_split(split: Path) -> list[Path]:
    """By their poses: without them nothing else can be placed."""
    found = sorted((split / "vehicle_pose").glob("*.parquet"))
    if not found:
        raise BadScene(
            f"{split.name}: the component vehicle_pose is missing (there is "
            f"{', '.join(_components(split))}); download it into the same folder",
            file=f"{split.name}/vehicle_pose",
        )
    return found
