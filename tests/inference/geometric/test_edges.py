from dataclasses import replace

import numpy as np

from inference.geometric.frames import OpenScene
from inference.geometric.outline import outlined
from inference.geometric.projection import Surface, look
from inference.geometry import Intrinsics
from inference.world.drive import make_drive


def test_a_point_just_inside_the_edge_stays_inside_when_it_is_rounded():
    """959.99999 px is 960.0 in float32, which is no pixel of the picture."""
    lens = Intrinsics(500.0, 500.0, 480.0, 320.0, 960, 640)
    depth_m = 10.0
    places = np.array([[(pixel - 480.0) / 500.0 * depth_m, 0.0, depth_m] for pixel in
                       (959.999999, 100.0)])  # fmt: skip
    surface = Surface(
        places, np.arange(2, dtype=np.int32), np.ones(2, bool), np.full((2, 2), 0.003, np.float32),
        np.full(2, depth_m, np.float32),
    )  # fmt: skip

    view = look(surface, camera_from_ego=np.eye(4), lens=lens)

    assert len(view.point) == 2
    assert (view.pixels.astype(np.int32) < (960, 640)).all()


def test_an_object_whose_points_are_all_covered_by_nearer_ones_is_not_seen():
    drive = make_drive(6, "tiny", 1)
    prepared = OpenScene(replace(drive, frames=[drive.frames[0]])).prepared(0)
    view = prepared.view("FRONT")
    covered = np.setdiff1d(np.arange(len(view.point)), view.owner)
    assert len(covered) >= 2
    target = np.zeros(len(prepared.cloud), bool)
    target[view.point[covered]] = True
    target[view.point[np.unique(view.owner)]] = False

    assert target.sum() >= 2
    assert outlined(prepared, "FRONT", target, [], []) is None
