"""The surface of the brain, moved from where a template says to where the image has an edge.

Whatever the contrast, what lies around the brain and its fluid is dark: the skull. So the surface is looked for along
its normals, as in BET (Smith 2002, doi:10.1002/hbm.10062), where the image falls from bright to dark; neighbours
decide together, first in wide patches, then in narrow ones, so that no single bright vessel carries it away.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import Image, Mask, Volume, fill_holes, largest_region

Values = NDArray[np.floating[Any]]

#: Millimetres along the normal, outward, at which an edge is looked for in one pass.
OFFSETS = np.arange(-14.0, 15.0)
#: Millimetres beyond those: a step is the mean of 3 mm inside less the mean of 3 mm outside.
MARGIN = 4
#: The surface has settled when a pass leaves this Dice coefficient with the one before; real heads need three or four.
PASSES, SETTLED = 12, 0.998
#: Millimetres: neighbours within each decide together; and how many of them are asked.
PATCHES = ((20.0, 66), (10.0, 33), (6.0, 20))
POINTS = 4000
#: Percentile of the brain's intensities that stands for its darker tissue: grey matter in T1w, white matter in T2w;
#: there is less fluid than that. What is brighter counts as much, so that edges between tissues do not count.
DARKER_TISSUE = 30
#: Square root of a quarter of that tissue's intensity: below is bone or air, above is fluid or tissue.
DARK = 0.5
#: Millimetres of fluid that are taken along beyond the edge of grey matter.
FLUID = 2
#: Millimetres below the skin where there is no brain.
SKIN = 6.0
#: What a passed millimetre of darkness costs, what one of distance gains, and what leaving the neighbours' offset
#: costs per square millimetre; all in steps of the (relative, square root) intensity.
PASSED, BALLOON, BENDING = 0.05, 0.005, 0.02
#: Millimetres along the normal: contrast is the mean inside less the darkest outside.
INSIDE, OUTSIDE = (-6, -3), (0, 8)


class Profiles(NamedTuple):
    """Points of a surface and what lies along their normals; millimetres along the voxel axes."""

    points: Values
    light: Values
    cost: Values


def measure_overlap(first: Mask, second: Mask) -> float:
    """Return the Dice coefficient of two masks; 0 where both are empty.

    Examples
    --------
    >>> measure_overlap(np.array([True, True]), np.array([True, False])).__round__(2)
    0.67
    """
    total = int(first.sum()) + int(second.sum())
    return 2 * float((first & second).sum()) / total if total else 0.0


def refine(mask: Mask, head: Volume, depth: Image) -> tuple[Mask, float]:
    """Return the mask whose surface lies at edges of a head, and the mean contrast across it, 0 to 1.

    Parameters
    ----------
    mask : ndarray of bool
        The brain, roughly.
    head : Volume
        On the same grid; corrected for non-uniformity, fat not brighter than the brain.
    depth : ndarray
        Millimetres below the skin.
    """
    for _ in range(PASSES):
        inner = _signed_distance(mask, head)
        if inner.max() < 10:
            return mask, 0.0
        profiles = _read_profiles(mask, inner, head, depth)
        offsets = _find_edges(profiles)
        before, mask = mask, _move(inner, profiles.points, offsets, head)
        if measure_overlap(before, mask) > SETTLED:
            break
    offsets = offsets + _find_fluid(profiles, offsets)
    return _move(inner, profiles.points, offsets, head), _measure_contrast(profiles.light, offsets)


def _signed_distance(mask: Mask, head: Volume) -> Image:
    from scipy.ndimage import distance_transform_edt

    inside = distance_transform_edt(mask, sampling=head.zooms)
    return np.asarray(inside - distance_transform_edt(~mask, sampling=head.zooms), dtype=np.float32)


def _read_profiles(mask: Mask, inner: Image, head: Volume, depth: Image) -> Profiles:
    from scipy.ndimage import gaussian_filter, map_coordinates

    zooms = head.zooms
    edge = np.argwhere(mask & (inner <= zooms.max() * 1.01))
    chosen = np.random.default_rng(0).permutation(len(edge))[:POINTS]
    edge = edge[np.sort(chosen)]
    smooth = gaussian_filter(inner, 3.0 / zooms)
    slope = np.column_stack([np.gradient(smooth, zooms[i], axis=i)[tuple(edge.T)] for i in range(3)])
    normals = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    wide = np.arange(OFFSETS[0] - MARGIN, OFFSETS[-1] + MARGIN + 1)
    points = edge * zooms
    where = np.moveaxis((points[:, None] + normals[:, None] * wide[None, :, None]) / zooms, -1, 0)
    tissue = max(float(np.percentile(head.data[inner > 4], DARKER_TISSUE)), 1e-6)
    light = np.sqrt(np.clip(map_coordinates(head.data, where, order=1) / tissue, 0, 1))
    below = map_coordinates(depth, where, order=1, mode="nearest")
    total = np.cumsum(np.pad(light, ((0, 0), (1, 0))), axis=1)
    at = np.arange(len(OFFSETS)) + MARGIN
    step = (2 * total[:, at + 1] - total[:, at - 2] - total[:, at + 4]) / 3
    passed = np.cumsum(light < DARK, axis=1)[:, at] * PASSED
    far = 0.1 * np.square(OFFSETS / 10) - BALLOON * OFFSETS
    return Profiles(points, light, -step + passed + (below[:, at] < SKIN) + far)


def _find_neighbours(points: Values, radius: float, count: int) -> tuple[NDArray[np.intp], Values]:
    """Return the indices of each point's neighbours, and what part each has in their mean."""
    from scipy.spatial import cKDTree

    found = cKDTree(points).query(points, k=min(count, len(points)), distance_upper_bound=radius)[1]
    near = found < len(points)
    return np.where(near, found, 0), near / near.sum(axis=1, keepdims=True)


def _find_edges(profiles: Profiles) -> Values:
    """Return how far each point moves outward."""
    offsets: Values | None = None
    for radius, count in PATCHES:
        found, parts = _find_neighbours(profiles.points, radius, count)
        pooled = np.einsum("ij,ijk->ik", parts, profiles.cost[found])
        if offsets is not None:
            pooled += BENDING * np.square(OFFSETS - offsets[:, None])
        best = OFFSETS[np.argmin(pooled, axis=1)]
        offsets = (best[found] * parts).sum(axis=1)
    assert offsets is not None
    return offsets


def _find_fluid(profiles: Profiles, offsets: Values) -> Values:
    """Return how far fluid reaches beyond the edge at each point, up to `FLUID`."""
    light = _read_around(profiles.light, offsets, (1, FLUID))
    reach = np.cumprod(light > DARK, axis=1).sum(axis=1)
    found, parts = _find_neighbours(profiles.points, *PATCHES[-1])
    return np.asarray((reach[found] * parts).sum(axis=1))


def _measure_contrast(light: Values, offsets: Values) -> float:
    inside = _read_around(light, offsets, INSIDE).mean(axis=1)
    outside = _read_around(light, offsets, OUTSIDE).min(axis=1)
    return float((inside - outside).mean())


def _read_around(light: Values, offsets: Values, reach: tuple[int, int]) -> Values:
    """Return what lies from a first to a last millimetre outward of each point that was moved."""
    first, last = reach
    column = offsets - OFFSETS[0] + MARGIN
    return np.column_stack([_read_at(light, column + more) for more in range(first, last + 1)])


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

    width = float(np.abs(offsets).max() + head.zooms.max())
    band = np.argwhere(np.abs(inner) < width)
    distances, nearest = cKDTree(points).query(band * head.zooms, k=4)
    weights = 1 / np.square(distances + 1)
    reach = (offsets[nearest] * weights).sum(axis=1) / weights.sum(axis=1)
    mask = inner >= width
    mask[tuple(band.T)] = -inner[tuple(band.T)] <= reach
    return fill_holes(largest_region(mask))
