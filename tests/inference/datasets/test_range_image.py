"""Range images to points: waymo.md section 6, and a slow plain version as the second source."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from inference.datasets import range_image
from inference.datasets.range_image import (
    BadRangeImage,
    beam_elevations,
    cells_with_return,
    float_matrix,
    inflate,
    integer_matrix,
    points_at_frame_pose,
    points_from_cells,
)
from inference.geometry import inverse, rigid, rotation_from_euler
from tests.inference.datasets import waymo_builder as build

WIDTH, HEIGHT = 2650, 64
ELEVATIONS = beam_elevations(np.zeros(0), -0.3, 0.05, height=HEIGHT)


def point_at(row: int, column: int, mount: np.ndarray) -> np.ndarray:
    ranges_m = np.full((HEIGHT, WIDTH), -1, np.float32)
    ranges_m[row, column] = 10
    rows, columns = cells_with_return(ranges_m)
    (point,) = points_from_cells(
        ranges_m, rows, columns, ego_from_lidar=mount, elevations=ELEVATIONS
    )
    return point


def mounted(yaw: float = 0.0, at: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    return rigid(rotation_from_euler(0, 0, yaw), at)


# Half a column is 0.0012 rad: 12 mm at 10 m.
HALF_COLUMN_M = 10 * np.pi / WIDTH + 1e-6


def test_the_middle_column_looks_forward_and_the_first_row_is_the_highest():
    x, y, z = point_at(0, WIDTH // 2, mounted())

    assert x == pytest.approx(10 * np.cos(ELEVATIONS[0]), abs=1e-4)
    assert abs(y) <= HALF_COLUMN_M
    assert z == pytest.approx(10 * np.sin(ELEVATIONS[0]))
    heights = [point_at(row, WIDTH // 2, mounted())[2] for row in (0, 20, 63)]
    assert heights == sorted(heights, reverse=True)


def test_azimuth_falls_with_the_column():
    left = point_at(0, WIDTH // 4, mounted())
    right = point_at(0, 3 * WIDTH // 4, mounted())
    behind = point_at(0, 0, mounted())

    assert left[1] > 9.9
    assert abs(left[0]) < 2 * HALF_COLUMN_M
    assert right[1] < -9.9
    assert abs(right[0]) < 2 * HALF_COLUMN_M
    assert behind[0] < -9.9


def test_the_yaw_of_the_mount_changes_nothing():
    turned = point_at(5, 700, mounted(np.deg2rad(148)))

    np.testing.assert_allclose(turned, point_at(5, 700, mounted()), atol=1e-9)


def test_the_place_of_the_mount_is_added():
    moved = point_at(5, 700, mounted(at=(1.4, 0.2, 2.1)))

    np.testing.assert_allclose(moved - point_at(5, 700, mounted()), (1.4, 0.2, 2.1), atol=1e-9)


def test_beams_are_spread_evenly_where_they_are_not_listed():
    """By hand: four beams between 0 and 1 look at 0.125, 0.375, 0.625, 0.875; the highest first."""
    assert beam_elevations(np.zeros(0), 0, 1, height=4).tolist() == [0.875, 0.625, 0.375, 0.125]
    assert beam_elevations(np.array([-0.3, 0.1]), 0, 1, height=2).tolist() == [0.1, -0.3]
    with pytest.raises(BadRangeImage, match="has 3 rows, the calibration names 2 beams"):
        beam_elevations(np.array([-0.3, 0.1]), 0, 1, height=3)


def test_cells_without_a_return_are_left_out_in_row_major_order():
    ranges_m = np.array([[-1, 5, 0], [np.nan, 2, 3]], np.float32)

    rows, columns = cells_with_return(ranges_m)

    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 1), (1, 2)]
    with pytest.raises(BadRangeImage, match="range of inf"):
        cells_with_return(np.array([[np.inf]], np.float32))


def test_the_motion_during_the_sweep_is_undone_as_one_point_at_a_time_would():
    random = np.random.default_rng(3)
    points = random.uniform(-50, 50, (20, 3))
    poses = random.uniform(-1, 1, (20, 6)).astype(np.float32)
    world_from_frame = rigid(rotation_from_euler(0.1, -0.2, 2.0), (3, 4, 5))

    corrected = points_at_frame_pose(points, poses, frame_from_world=inverse(world_from_frame))

    for point, cell, found in zip(points, poses.astype(float), corrected, strict=True):
        world_from_cell = rigid(rotation_from_euler(*cell[:3]), cell[3:])
        expected = np.linalg.inv(world_from_frame) @ world_from_cell @ [*point, 1]
        np.testing.assert_allclose(found, expected[:3], atol=1e-9)


def test_matrices_come_back():
    cells = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    labels = np.array([[[-1, 18], [300, 70000]]])

    np.testing.assert_array_equal(float_matrix(build.float_matrix(cells), channels=4), cells)
    np.testing.assert_array_equal(integer_matrix(build.integer_matrix(labels), channels=2), labels)


def test_a_matrix_whose_elements_are_not_packed_is_read_too():
    raw = b"".join(b"\x0d" + np.float32(value).tobytes() for value in range(8))

    matrix = float_matrix(zlib.compress(raw + build.shape((1, 2, 4))), channels=4)

    assert matrix.ravel().tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_stream_that_unpacks_to_too_much_is_refused():
    bomb = zlib.compress(bytes(range_image.MAX_INFLATED_BYTES + 1))

    with pytest.raises(BadRangeImage, match="unpacks to more than"):
        inflate(bomb)


def test_broken_streams_are_refused():
    whole = build.float_matrix(np.ones((2, 2, 4)))

    with pytest.raises(BadRangeImage, match="cut off"):
        inflate(whole[:-5])
    with pytest.raises(BadRangeImage, match="cannot be unpacked"):
        inflate(b"no zlib")


@pytest.mark.parametrize(
    "sides", [(2, 2), (2, 2, 6), (2, 3, 4), (0, 0, 4), (-2, -2, 4), (2**21, 2, 4)]
)
def test_a_shape_that_does_not_fit_is_refused(sides: tuple[int, ...]):
    values = build.data(1, np.ones(16, "<f4").tobytes())

    with pytest.raises(BadRangeImage, match="shape"):
        float_matrix(zlib.compress(values + build.shape(sides)), channels=4)
