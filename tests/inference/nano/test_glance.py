import numpy as np
import pytest

from inference.geometry import project_to_image
from inference.nano.glance import (
    UNKNOWN_M,
    glance_at_picture,
    glance_at_sweep,
    on_rays,
    sector,
    shares_of_points,
)
from tests.inference.nano.rig import SMALL, drive, glances, prepared


@pytest.fixture(scope="module")
def frame():
    return prepared()


@pytest.fixture(scope="module")
def whole(frame):
    pictures = {name: glance_at_picture(frame, name, SMALL) for name in frame.cameras}
    return glance_at_sweep(frame, pictures, SMALL)


def test_a_cell_holds_the_nearest_of_its_points(frame, whole):
    rows, columns = whole.valid.shape
    assert (rows, columns) == (16, 256)
    origin = drive().lidars[0].calibration.ego_from_sensor[:3, 3]
    range_m = np.linalg.norm(frame.cloud.points - origin, axis=1)
    for cell in np.random.default_rng(0).choice(np.unique(whole.cell_of), 50):
        own = np.flatnonzero(whole.cell_of == cell)
        point = whole.point.ravel()[cell]
        assert range_m[point] == range_m[own].min()
        assert np.array_equal(whole.xyz.reshape(-1, 3)[cell], frame.cloud.points[point])
    # Every point lies in the direction of its column.
    seen = frame.cloud.points - origin
    azimuth = np.arctan2(seen[:, 1], seen[:, 0])
    middle = np.pi - (whole.cell_of % columns + 0.5) * 2 * np.pi / columns
    assert np.abs(azimuth - middle).max() <= np.pi / columns + 1e-3


def test_a_sector_over_the_seam_keeps_what_its_cells_hold(whole):
    part = sector(whole, 192, 128)

    assert np.array_equal(part.xyz[:, :64], whole.xyz[:, 192:])
    assert np.array_equal(part.xyz[:, 64:], whole.xyz[:, :64])
    inside = np.flatnonzero(part.cell_of >= 0)
    assert np.array_equal(part.point.ravel()[part.cell_of], part.point.ravel()[part.cell_of])
    there = whole.cell_of[inside] % 256
    assert set(np.unique(there)) <= {*range(192, 256), *range(64)}
    # The points of a cell are the same ones, by either way.
    chosen = inside[::37]
    assert np.array_equal(
        part.point.ravel()[part.cell_of[chosen]], whole.point.ravel()[whole.cell_of[chosen]]
    )
    tokens = part.token_xyz.reshape(4, 16, 3)
    assert np.array_equal(tokens[:, :8], whole.token_xyz.reshape(4, 32, 3)[:, 24:])


def test_a_point_takes_its_colour_from_the_camera_that_sees_it(frame, whole):
    painted = whole.channels[13] > 0
    view = frame.view("FRONT")
    seen = set(view.point[view.is_real].tolist())
    index = [k for k in whole.point[painted].tolist() if k in seen]

    assert len(index) > 100
    assert not painted[~whole.valid].any()


def test_tokens_look_where_the_picture_looks(frame):
    glance = glance_at_picture(frame, "FRONT", SMALL)
    lens = glance.sensor.calibration.intrinsics

    pixels, depth_m, in_view = project_to_image(glance.token_xyz, glance.camera_from_ego, lens)

    assert in_view.all()
    v, u = np.mgrid[:4, :6] + 0.5
    expected = np.stack([u.ravel() * 16, v.ravel() * 16], axis=1)
    assert np.abs(pixels - expected).max() < 1e-2
    unknown = glance.token_known == 0
    assert np.abs(depth_m[unknown] - UNKNOWN_M).max() < 1e-3
    assert glance.token_known.any()


def test_places_on_rays_are_seen_where_they_were_put():
    view = glances()
    shares = np.array([[0.3, 0.4], [0.9, 0.1]])
    places = on_rays(
        view.picture.sensor, view.picture.camera_from_ego, shares, np.array([2.0, 1.5])
    )

    again, _ = shares_of_points(view.picture, places)

    assert np.abs(again - shares).max() < 1e-5


def test_what_is_behind_a_surface_or_the_camera_is_not_seen():
    view = glances()
    near = view.picture.near > 0.9
    row, column = np.argwhere(near & (view.picture.depth_m > 3))[0]
    share = np.array([[(column + 0.5) / 24, (row + 0.5) / 16]])
    depth_m = view.picture.depth_m[row, column]
    places = np.concatenate([
        on_rays(view.picture.sensor, view.picture.camera_from_ego, share, np.array([d]))
        for d in (depth_m, 2 * depth_m + 2, -depth_m)
    ])  # fmt: skip

    _, seen = shares_of_points(view.picture, places)

    assert seen.tolist() == [True, False, False]
