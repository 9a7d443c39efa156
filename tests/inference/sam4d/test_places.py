"""The shared encoding lives in 3D: pixels and points that meet there agree."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from inference.sam4d.lidar_encoder import interpolation, voxelise  # noqa: E402
from inference.sam4d.position_encoding import PositionEncoding, Rays  # noqa: E402
from inference.sam4d.sparse import Voxels  # noqa: E402
from tests.inference.sam4d.rig import camera, points  # noqa: E402


def motion(x_m: float, turn: float):
    there_from_here = torch.eye(4, dtype=torch.float64)
    turn_t = torch.tensor(turn, dtype=torch.float64)
    there_from_here[0, 0] = there_from_here[1, 1] = turn_t.cos()
    there_from_here[0, 1], there_from_here[1, 0] = -turn_t.sin(), turn_t.sin()
    there_from_here[0, 3] = x_m
    return there_from_here


def test_no_motion_changes_nothing():
    rays = camera(30).rays(torch.rand(5, 2) * 64)
    still = rays.moved(torch.eye(4))

    assert torch.equal(still.origins, rays.origins)
    assert torch.equal(still.directions, rays.directions)


def test_a_point_that_stands_still_has_one_encoding_wherever_the_vehicle_was():
    places = PositionEncoding(256)
    point_world = points(20)
    first_from_world, second_from_world = motion(-3.0, 0.2), motion(-9.0, -0.4)
    seen_first, seen_second = (
        Rays.through_points(point_world).moved(each)
        for each in (first_from_world, second_from_world)
    )
    second_from_first = second_from_world @ torch.linalg.inv(first_from_world)

    with torch.no_grad():
        compensated = places.shared(seen_first.moved(second_from_first))
        torch.testing.assert_close(compensated, places.shared(seen_second), atol=1e-4, rtol=1e-4)


def test_a_point_lies_on_the_ray_of_the_pixel_that_sees_it():
    view = camera(0)
    point = torch.tensor([12.0, 2.0, 0.7])
    in_camera = torch.linalg.inv(view.sweep_from_camera) @ torch.cat([point, torch.ones(1)])
    pixel = (view.lens[:3, :3] @ in_camera[:3])[:2] / in_camera[2]
    to_model = torch.linalg.inv(view.image_from_model)
    rays = view.rays(pixel * to_model.diagonal()[:2])

    on_ray = rays.origins + in_camera[2] * rays.directions

    torch.testing.assert_close(on_ray, point, atol=1e-4, rtol=0)


@pytest.mark.parametrize("raw_metres", [True, False])
def test_summing_the_depths_first_is_the_network_of_all_384_coordinates(raw_metres):
    places = PositionEncoding(256, raw_metres=raw_metres)
    rays = camera(70).rays(torch.rand(6, 2) * 64)
    along = rays.origins[:, None] + places.depths[:, None] * rays.directions[:, None]

    with torch.no_grad():
        whole = places.out(torch.relu(places.hidden(along.flatten(1) / places.unit_m)))
        torch.testing.assert_close(places.shared(rays), whole, atol=1e-4, rtol=1e-4)


def test_a_linear_field_comes_back_exactly_at_the_points():
    voxels = Voxels.of(torch.cartesian_prod(*[torch.arange(-3, 4)] * 3))[0]
    slope = torch.tensor([[0.3, -1.2], [2.0, 0.1], [-0.7, 0.4]])
    at_points = (torch.rand(50, 3) - 0.5) * 20  # in voxels of stride 1; the level has stride 4

    values = (voxels.cells + 0.5) * 4.0 @ slope + 5.0
    found = interpolation(at_points, voxels, 4)(values)

    torch.testing.assert_close(found, at_points @ slope + 5.0, atol=1e-4, rtol=1e-5)


def test_a_point_between_missing_voxels_takes_what_there_is():
    voxelised = voxelise(torch.tensor([[0.1, 0.1, 0.1]]), 0.15)
    level = voxelised.voxels.coarser(4).voxels

    found = interpolation(voxelised.places, level, 4)(torch.tensor([[7.0]]))

    torch.testing.assert_close(found, torch.tensor([[7.0]]))
