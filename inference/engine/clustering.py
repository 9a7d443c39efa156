"""DBSCAN by Open3D where it can be loaded, by SciPy where not; both say the same.

Open3D's wheel needs libraries of the system (libusb, libGL) that a bare machine lacks.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from inference.geometry import FloatArray

_logger = logging.getLogger(__name__)


@cache
def open3d() -> Any | None:
    """The library; None where it cannot be loaded, which is said once."""
    try:
        import open3d as library
    except (ImportError, OSError) as error:
        _logger.info("Open3D cannot be loaded (%s): SciPy clusters instead", error)
        return None
    return library


def dbscan(points: FloatArray, reach_m: float, least: int) -> npt.NDArray[np.int64]:
    """[N] which cluster each of points [N, 3] is in, from 0; -1 for none.

    A cluster is begun by a point that has `least` points, itself among them, within reach_m. Clusters are
    numbered by the first such point; a point at the rim of two is the first one's.
    """
    if not len(points):
        return np.zeros(0, np.int64)
    library = open3d()
    if library is None:
        return dbscan_by_scipy(points, reach_m, least)
    cloud = library.geometry.PointCloud(library.utility.Vector3dVector(points.astype(np.float64)))
    return np.asarray(cloud.cluster_dbscan(reach_m, least), np.int64)


def dbscan_by_scipy(points: FloatArray, reach_m: float, least: int) -> npt.NDArray[np.int64]:
    """The same without Open3D."""
    count = len(points)
    pairs = cKDTree(points).query_pairs(reach_m, output_type="ndarray")
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    is_core = np.bincount(one, minlength=count) + 1 >= least
    both = is_core[one] & is_core[other]
    graph = coo_array((np.ones(both.sum(), bool), (one[both], other[both])), (count, count))
    _, component = connected_components(graph, directed=False)
    cores = np.flatnonzero(is_core)
    _, first, number = np.unique(component[cores], return_index=True, return_inverse=True)
    labels = np.full(count, -1, np.int64)
    labels[cores] = np.argsort(np.argsort(first))[number]
    rim = is_core[one] & ~is_core[other]
    found = np.full(count, count, np.int64)
    np.minimum.at(found, other[rim], labels[one[rim]])
    at_rim = ~is_core & (found < count)
    labels[at_rim] = found[at_rim]
    return labels
