"""The surface of the brain, moved from where a template says to where the image has an edge.

Whatever the contrast, what lies around the brain and its fluid is dark: the skull. So the surface is looked for along
its normals, as in BET (Smith 2002, doi:10.1002/hbm.10062), where the image falls from bright to dark; neighbours
decide together, first in wide patches, then in narrow ones, so that no single bright vessel carries it away.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import Image, Mask, Volume, erode, fill_holes, largest_region

Values = NDArray[np.floating[Any]]

#: Millimetres along the normal, outward, at which an edge is looked for in one pass.
OFFSETS = np.arange(-14.0, 15.0)
#: Millimetres beyond those: a step is the mean of 3 mm inside less the mean of 3 mm outside.
MARGIN = 4
PASSES = 3
#: Millimetres: neighbours within each decide together; and how many of them are asked.
PATCHES = ((20.0, 66), (10.0, 33), (6.0, 20))
POINTS = 4000
#: Of the square root of the brain's median intensity: below is bone or air, above is fluid or tissue.
DARK = 0.4
#: Millimetres of fluid that are taken along beyond the edge of grey matter.
FLUID = 2
#: Millimetres below the skin where there is no brain.
SKIN = 6.0
#: What a passed millimetre of darkness costs, what one of distance gains, and what leaving the neighbours' offset
#: costs per square millimetre; all in steps of the (relative, square root) intensity.
PASSED, BALLOON, BENDING = 0.05, 0.005, 0.02


class Profiles(NamedTuple):
    """Points of a surface and what lies along their normals; millimetres along the voxel axes."""

    points: Values
    light: Values
    cost: Values
    step: Values


def refine(mask: Mask, head: Volume, depth: Image) -> tuple[Mask, float]:
    """Return the mask whose surface lies at edges of a head, and how steep those are on average.

    Parameters
    ----------
    mask : ndarray of bool
        The brain, to within 15 mm.
    head : Volume
        On the same grid; corrected for non-uniformity, fat not brighter than the brain.
    depth : ndarray
        Millimetres below the skin.
    """
    sharpness = 0.0
    for index in range(PASSES):
        if not erode(mask, 10.0, head.zooms).any():
            return mask, 0.0
        inner = _signed_distance(mask, head)
        profiles = _read_profiles(mask, inner, head, depth)
        last = index == PASSES - 1
        offsets, sharpness = _find_edges(profiles, with_fluid=last)
        mask = _move(inner, profiles.points, offsets, head)
    return mask, sharpness


def _signed_distance(mask: Mask, head: Volume) -> Image:
    from scipy.ndimage import distance_transform_edt

    inside = distance_transform_edt(mask, sampling=head.zooms)
    return np.asarray(inside - distance_transform_edt(~mask, sampling=head.zooms), dtype=np.float32)


def _read_profiles(mask: Mask, inner: Image, head: Volume, depth: Image) -> Profiles:
    from scipy.ndimage import gaussian_filter, map_coordinates

    zooms = head.zooms
    edge = np.argwhere(mask & ~erode(mask, zooms.max() * 1.01, zooms))
    chosen = np.random.default_rng(0).permutation(len(edge))[:POINTS]
    edge = edge[np.sort(chosen)]
    smooth = gaussian_filter(inner, 3.0 / zooms)
    slope = np.column_stack([np.gradient(smooth, zooms[i], axis=i)[tuple(edge.T)] for i in range(3)])
    normals = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    wide = np.arange(OFFSETS[0] - MARGIN, OFFSETS[-1] + MARGIN + 1)
    points = edge * zooms
    where = np.moveaxis((points[:, None] + normals[:, None] * wide[None, :, None]) / zooms, -1, 0)
    middle = max(float(np.median(head.data[erode(mask, 10.0, zooms)])), 1e-6)
    light = np.sqrt(np.clip(map_coordinates(head.data, where, order=1) / middle, 0, 1.3))
    below = map_coordinates(depth, where, order=1, mode="nearest")
    total = np.cumsum(np.pad(light, ((0, 0), (1, 0))), axis=1)
    at = np.arange(len(OFFSETS)) + MARGIN
    step = (2 * total[:, at + 1] - total[:, at - 2] - total[:, at + 4]) / 3
    passed = np.cumsum(light < DARK, axis=1)[:, at] * PASSED
    far = 0.1 * np.square(OFFSETS / 10) - BALLOON * OFFSETS
    return Profiles(points, light, -step + passed + (below[:, at] < SKIN) + far, step)


def _find_edges(profiles: Profiles, *, with_fluid: bool) -> tuple[Values, float]:
    """Return how far each point moves outward, and the mean step of intensity there."""
    from scipy.spatial import cKDTree

    points, light, cost, step = profiles
    tree = cKDTree(points)
    offsets: Values | None = None
    for radius, count in PATCHES:
        found = tree.query(points, k=min(count, len(points)), distance_upper_bound=radius)[1]
        near = found < len(points)
        found, parts = np.where(near, found, 0), near / near.sum(axis=1, keepdims=True)
        pooled = np.einsum("ij,ijk->ik", parts, cost[found])
        if offsets is not None:
            pooled += BENDING * np.square(OFFSETS - offsets[:, None])
        best = OFFSETS[np.argmin(pooled, axis=1)]
        offsets = (best[found] * parts).sum(axis=1)
    assert offsets is not None
    sharpness = float(_read_at(step, offsets - OFFSETS[0]).mean())
    if with_fluid:
        alive = np.ones(len(offsets), dtype=bool)
        reach = np.zeros(len(offsets))
        for more in range(1, FLUID + 1):
            alive &= _read_at(light, offsets + more - OFFSETS[0] + MARGIN) > DARK
            reach += alive
        offsets = offsets + (reach[found] * parts).sum(axis=1)
    return offsets, sharpness


def _read_at(rows: Values, columns: Values) -> Values:
    """Return one value of each row, between two columns by linear interpolation."""
    low = np.clip(np.floor(columns).astype(int), 0, rows.shape[1] - 2)
    part = columns - low
    index = np.arange(len(rows))
    values: Values = rows[index, low] * (1 - part) + rows[index, low + 1] * part
    return values


def _move(inner: Image, points: Values, offsets: Values, head: Volume) -> Mask:
    """Return the mask whose surface was moved outward at points."""
    from scipy.spatial import cKDTree

    band = np.argwhere(np.abs(inner) < 20)
    distances, nearest = cKDTree(points).query(band * head.zooms, k=4)
    weights = 1 / np.square(distances + 1)
    reach = (offsets[nearest] * weights).sum(axis=1) / weights.sum(axis=1)
    mask = inner >= 20
    mask[tuple(band.T)] = -inner[tuple(band.T)] <= reach
    return fill_holes(largest_region(mask))
