"""DBSCAN by hand, and both libraries against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine import clustering
from inference.engine.clustering import dbscan, dbscan_by_scipy, open3d

needs_open3d = pytest.mark.skipif(open3d() is None, reason="Open3D cannot be loaded here")


@pytest.mark.parametrize("cluster", [dbscan, dbscan_by_scipy])
def test_clusters_by_hand(cluster):
    x = [50.0, 0.0, 1.0, 2.0, 9.0, 10.0, 11.0, 12.0]
    points = np.column_stack([x, np.zeros((8, 2))])

    # Within 1.1 m: 1 and 10, 11 have three points with themselves; 0, 2, 9, 12 lie at a rim.
    assert cluster(points, 1.1, 3).tolist() == [-1, 0, 0, 0, 1, 1, 1, 1]
    assert cluster(points, 1.1, 1).tolist() == [0, 1, 1, 1, 2, 2, 2, 2]
    assert cluster(points, 1.1, 4).tolist() == [-1] * 8
    assert cluster(points[:0], 1.1, 4).tolist() == []


@needs_open3d
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31), count=st.integers(1, 200), reach=st.floats(0.2, 3.0),
    least=st.integers(1, 6),
)  # fmt: skip
def test_scipy_says_what_open3d_says(seed, count, reach, least):
    points = np.random.default_rng(seed).normal(0, 4, (count, 3))

    ours = dbscan_by_scipy(points, reach, least)

    cloud = open3d().geometry.PointCloud(open3d().utility.Vector3dVector(points))
    np.testing.assert_array_equal(ours, np.asarray(cloud.cluster_dbscan(reach, least)))


def test_without_open3d_scipy_does_it(monkeypatch):
    monkeypatch.setattr(clustering, "open3d", lambda: None)
    points = np.array([[0.0, 0, 0], [0.5, 0, 0], [9.0, 0, 0]])

    assert dbscan(points, 1.0, 2).tolist() == [0, 0, -1]
