"""Plain functions that make test data: recordings in memory, scenes in the database, people."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage
from rest_framework.test import APIClient

from backend.accounts.models import User
from backend.annotations.actions import create_document
from backend.projects.actions import create_project, set_member
from backend.projects.models import Project, Role
from backend.scenes import actions, storage
from backend.scenes.models import Scene as SceneRow
from backend.tasks.actions import open_task
from inference.geometry import Intrinsics, rigid
from inference.scene import (
    Calibration,
    CuboidLabel,
    Frame,
    FrameLabels,
    Frames,
    Image,
    MaskLabel,
    RectangleLabel,
    Scene,
    Sensor,
    SensorKind,
    Sweep,
)

WIDTH_PX, HEIGHT_PX, POINTS = 64, 48, 300
CAMERA, LIDAR = "FRONT", "TOP"
CAR_POINTS = slice(0, 40)  # the points that stand on the car, in every frame

# Camera axes (x right, y down, z forward) in ego axes (x forward, y left, z up).
EGO_FROM_CAMERA = rigid([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [1.5, 0, 1.6])


class FrameList(Frames):
    """Frames kept in memory, counting how often each was read."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = list(frames)
        self.reads: list[int] = []

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int, /) -> Frame:
        self.reads.append(index)
        return self._frames[index]


def build_jpeg(width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX, shade: int = 0) -> bytes:
    """A picture of a soft gradient; `shade` makes one differ from another."""
    v, u = np.mgrid[:height_px, :width_px]
    picture = np.stack([u * 3 % 256, v * 5 % 256, np.full_like(u, shade % 256)], axis=2)
    encoded = io.BytesIO()
    PillowImage.fromarray(picture.astype(np.uint8)).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def build_sweep(frame: int = 0, points: int = POINTS) -> Sweep:
    """A sweep with every column: 40 points on a car ahead, the others on the ground before it."""
    random = np.random.default_rng(frame)
    ground = random.uniform([-40, -40, -0.02], [8, 40, 0.02], (points, 3))
    ground[CAR_POINTS] = random.uniform([10, -1, 0.3], [14, 1, 1.5], (len(ground[CAR_POINTS]), 3))
    return Sweep(
        points_ego=ground.astype(np.float32),
        intensity=random.gamma(1.0, 0.2, points).astype(np.float32),
        timestamp_us=1_000_000 + 100_000 * frame,
        elongation=random.uniform(0, 1.5, points).astype(np.float32),
        time_offset_us=np.arange(points, dtype=np.int32) * 300,
        source_index=np.arange(points, dtype=np.uint32),
        return_number=np.where(np.arange(points) < points * 5 // 6, 1, 2).astype(np.uint8),
        row=(np.arange(points) % 8).astype(np.uint16),
        column=(np.arange(points) // 8).astype(np.uint16),
        in_no_label_zone=np.arange(points) % 50 == 0,
        camera_pixels=random.integers(-1, 60, (points, 6)).astype(np.int16),
    )


def build_labels(frame: int = 0) -> FrameLabels:
    """One car (cuboid, LiDAR instance, camera instance, drawn rectangle), and the road."""
    on_car = np.zeros(POINTS, dtype=bool)
    on_car[CAR_POINTS] = True
    picture = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    picture[20:36, 22:42] = True  # where the camera sees the car's points
    road = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    road[36:] = True
    return FrameLabels(
        masks=(
            MaskLabel("lidar-7", "car", LIDAR, on_car),
            MaskLabel("camera-3", "car", CAMERA, picture.ravel()),
            MaskLabel("road", "road", CAMERA, road.ravel(), is_stuff=True),
            MaskLabel("road", "road", LIDAR, ~on_car, is_stuff=True),
        ),
        cuboids=(CuboidLabel("box-a", "vehicle", (12.0, 0.0, 0.9), (4.4, 2.2, 1.6), 0.1 * frame),),
        rectangles=(
            RectangleLabel("rectangle-1", "vehicle", CAMERA, (22.0, 20.0, 42.0, 36.0)),
            RectangleLabel("box-a", "vehicle", CAMERA, (21.0, 19.0, 43.0, 37.0), is_projected=True),
        ),
    )


def build_frame(index: int = 0, *, labelled: bool = False) -> Frame:
    """One time step: the vehicle drives 1 m a frame along its x axis."""
    return Frame(
        index=index,
        timestamp_us=1_000_000 + 100_000 * index,
        world_from_ego=rigid(np.eye(3), [float(index), 0, 0]),
        images={CAMERA: Image(build_jpeg(shade=40 * index), 1_050_000 + 100_000 * index)},
        sweeps={LIDAR: build_sweep(index)},
        labels=build_labels(index) if labelled else FrameLabels(),
    )


def build_scene(frames: int = 2, *, labelled: bool = False, name: str = "a short street") -> Scene:
    """A recording in memory: one 64x48 camera looking ahead, one LiDAR of 300 points a sweep."""
    lens = Intrinsics(fx=60, fy=60, cx=32, cy=24, width_px=WIDTH_PX, height_px=HEIGHT_PX)
    return Scene(
        name=name,
        sensors=[
            Sensor(CAMERA, SensorKind.CAMERA, Calibration(EGO_FROM_CAMERA, lens)),
            Sensor(LIDAR, SensorKind.LIDAR, Calibration(rigid(np.eye(3), [1.4, 0, 2.0]))),
        ],
        frames=FrameList([build_frame(index, labelled=labelled) for index in range(frames)]),
        facts={"weather": "sunny"},
    )


def build_project(name: str = "a project") -> Project:
    return create_project(name)


def build_user(
    username: str = "ann", *, project: Project | None = None, role: str = Role.ANNOTATOR
) -> User:
    """A person, a member of the project when one is given."""
    user = User.objects.create_user(username, password="a long password 4 tests")
    if project is not None:
        set_member(project, user, role)
    return user


def client_of(user: User) -> APIClient:
    """An API client in which the person is signed in."""
    client = APIClient()
    client.force_login(user)
    return client


def build_stored_scene(
    project: Project, source: Scene | None = None, *, frames: int = 2
) -> SceneRow:
    """A scene in the database and in storage, with an empty label document and an open task."""
    source = source or build_scene(frames)
    scene = actions.create_scene(
        project, source, source_format="test", expected_frames=len(source.frames)
    )
    create_document(scene)
    open_task(scene)
    actions.add_frames(scene, [_stored(source, frame) for frame in source.frames])
    return scene


def _stored(source: Scene, frame: Frame) -> actions.StoredFrame:
    objects = {name: storage.write_sweep(sweep) for name, sweep in frame.sweeps.items()}
    for name, image in frame.images.items():
        lens = source.sensor(name).calibration.intrinsics
        assert lens is not None
        objects[name] = storage.write_image(image, width_px=lens.width_px, height_px=lens.height_px)
    return actions.stored_frame(frame, objects)
