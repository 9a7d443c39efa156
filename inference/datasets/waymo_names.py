"""What the numbers in Waymo recordings mean, and what we call their sensors."""

from __future__ import annotations

from inference.scene import ShutterDirection

# In the order of the panorama, left to right.
CAMERAS = {4: "SIDE_LEFT", 2: "FRONT_LEFT", 1: "FRONT", 3: "FRONT_RIGHT", 5: "SIDE_RIGHT"}
# A camera and a LiDAR may both be called FRONT; names are unique in a scene.
LASERS = {
    1: "LIDAR_TOP",
    2: "LIDAR_FRONT",
    3: "LIDAR_SIDE_LEFT",
    4: "LIDAR_SIDE_RIGHT",
    5: "LIDAR_REAR",
}
TOP = 1  # the laser whose sweep is long enough to need a pose for each cell

SHUTTER_DIRECTIONS = {
    1: ShutterDirection.TOP_TO_BOTTOM,
    2: ShutterDirection.LEFT_TO_RIGHT,
    3: ShutterDirection.BOTTOM_TO_TOP,
    4: ShutterDirection.RIGHT_TO_LEFT,
    5: ShutterDirection.GLOBAL,
}

BOX_CLASSES = {1: "vehicle", 2: "pedestrian", 3: "sign", 4: "cyclist"}

# fmt: off
LIDAR_CLASSES = dict(enumerate((
    "undefined", "car", "truck", "bus", "other vehicle", "motorcyclist", "bicyclist", "pedestrian",
    "sign", "traffic light", "pole", "construction cone", "bicycle", "motorcycle", "building",
    "vegetation", "tree trunk", "curb", "road", "lane marker", "other ground", "walkable",
    "sidewalk",
)))
CAMERA_CLASSES = dict(enumerate((
    "undefined", "ego vehicle", "car", "truck", "bus", "other large vehicle", "bicycle",
    "motorcycle", "trailer", "pedestrian", "cyclist", "motorcyclist", "bird", "ground animal",
    "construction cone or pole", "pole", "pedestrian object", "sign", "traffic light", "building",
    "road", "lane marker", "road marker", "sidewalk", "vegetation", "sky", "ground", "dynamic",
    "static",
)))
# fmt: on


# Ground, buildings and the like: no instances, one track per class and scene. All other classes have
# instances, even where a recording has not numbered them.
STUFF = frozenset({
    "ego vehicle", "building", "vegetation", "tree trunk", "curb", "road", "lane marker",
    "road marker", "other ground", "walkable", "sidewalk", "sky", "ground", "dynamic", "static",
})  # fmt: skip


def name_of(number: int, names: dict[int, str]) -> str:
    """The class's name; a number that is newer than the list keeps its number."""
    return names.get(number, f"class {number}")
