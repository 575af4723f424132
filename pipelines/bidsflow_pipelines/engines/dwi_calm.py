"""Of motions that images do not tell apart, or not surely, that with the smallest sum of steps; why: `dwi_motion`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import Affine
from bidsflow_pipelines.engines.motion import RADIUS

#: Millimetres: steps below this are equal, for the sum of steps.
STILL = 2e-3


def calm(
    motion: NDArray[np.float64], free: NDArray[np.float64], doubt: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the motion with the least sum of steps among those that differ by free columns.

    Least absolute deviations by reweighted least squares (Schlossmacher 1973, doi:10.2307/2284512), a parameter at a
    time: most steps of a head are small and a few are not, which squares would spread over all. Of a column that is
    known with a deviation only as much is taken as makes the whole likelier: steps follow Laplace's distribution.

    Parameters
    ----------
    motion : ndarray, shape (n, 6)
        See `motion` for the convention.
    free : ndarray, shape (n, m)
        What may be added to each parameter.
    doubt : ndarray, shape (m, 6), optional
        Deviation of how much of a column is in a parameter; infinite where nothing is known (by default everywhere), 0
        where nothing may be added.

    Examples
    --------
    >>> moved, free = np.outer([0.0, 3, 0, 3, 3.5, 0.5], np.ones(6)), np.array([[0.0], [1], [0], [1], [1], [0]])
    >>> np.abs(calm(moved, free)[:, 0]).round(2).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.5, 0.5]
    >>> np.array_equal(calm(moved, free, np.zeros((1, 6))), moved)
    True
    """
    least = np.repeat([STILL, STILL / RADIUS], 3)  # a turn is counted at the surface of the head
    doubt = np.full((free.shape[1], 6), np.inf) if doubt is None else doubt
    if len(motion) < 2:
        return motion
    steps, calmed = np.diff(motion, axis=0), motion.copy()
    for parameter in range(6):
        chosen = doubt[:, parameter] > 0
        columns, known = np.diff(free[:, chosen], axis=0), np.diag(1 / doubt[chosen, parameter])
        weight = np.ones(len(steps))
        for _ in range(30):
            rows = np.vstack([columns * np.sqrt(weight)[:, None], known])
            aim = np.concatenate([-steps[:, parameter] * np.sqrt(weight), np.zeros(len(known))])
            found = np.linalg.lstsq(rows, aim, rcond=1e-9)[0]
            sizes = np.maximum(np.abs(steps[:, parameter] + columns @ found), least[parameter])
            weight = 1 / (sizes * sizes.mean())
        calmed[:, parameter] += free[:, chosen] @ found
    return calmed


def calm_in_image(
    motion: NDArray[np.float64], free: NDArray[np.float64], doubt: NDArray[np.float64], affine: Affine
) -> NDArray[np.float64]:
    """Return what `calm` does, with deviations of the parameters along and about the axes of the image."""
    return to_world(calm(to_image(motion, affine), free, doubt), affine)


def to_image(motion: NDArray[np.float64], affine: Affine) -> NDArray[np.float64]:
    """Return motion (n, 6) along and about the axes of an image instead of those of the world; turns are small."""
    axes = affine[:3, :3] / np.sqrt(np.square(affine[:3, :3]).sum(axis=0))
    return np.hstack([motion[:, :3] @ axes, np.linalg.det(axes) * motion[:, 3:] @ axes])


def to_world(motion: NDArray[np.float64], affine: Affine) -> NDArray[np.float64]:
    """Return motion (n, 6) along and about the axes of the world; the inverse of `to_image`."""
    axes = affine[:3, :3] / np.sqrt(np.square(affine[:3, :3]).sum(axis=0))
    return np.hstack([motion[:, :3] @ axes.T, np.linalg.det(axes) * motion[:, 3:] @ axes.T])
