"""How much the head moved from one volume to the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD_RADIUS = 50.0
"""Millimetres: a rotation is counted as the arc that it draws on a sphere of this radius (Power et al. 2012)."""

FD_THRESHOLD = 0.2
"""Millimetres: a volume that moved more is counted (as in MRIQC)."""


def fd(motion: NDArray[np.floating], radius: float = HEAD_RADIUS) -> NDArray[np.float64]:
    """Return the framewise displacement of each volume but the first (Power et al. 2012).

    ``sum |dx| + |dy| + |dz| + r (|da| + |db| + |dc|)`` between a volume and the one before, in millimetres; lower is
    better. doi:10.1016/j.neuroimage.2011.10.018

    Parameters
    ----------
    motion : ndarray, shape (n, 6)
        Three translations (mm), three rotations (radian).
    radius : float
        Of the sphere that stands for the head, in millimetres.

    Returns
    -------
    fd : ndarray, shape (n - 1,)
        Empty for a single volume.

    Examples
    --------
    >>> fd(np.array([[0, 0, 0, 0, 0, 0], [1, 0, -1, 0, 0, 0.01]]))
    array([2.5])
    """
    steps = np.abs(np.diff(motion.astype(np.float64), axis=0))
    displacement: NDArray[np.float64] = steps[:, :3].sum(axis=1) + radius * steps[:, 3:6].sum(axis=1)
    return displacement


def summarize_fd(displacement: NDArray[np.floating], threshold: float = FD_THRESHOLD) -> dict[str, float]:
    """Return the mean displacement, and how many volumes exceed the threshold.

    Parameters
    ----------
    displacement : ndarray, shape (n - 1,)
        From `fd`, in millimetres.
    threshold : float
        In millimetres.

    Returns
    -------
    measures : dict
        ``mean`` (mm), ``num`` (volumes), ``perc`` (percent of the n volumes, the first included, as in MRIQC). NaN for
        a single volume.

    Examples
    --------
    >>> summarize_fd(np.array([0.1, 0.3, 0.5]))
    {'mean': 0.3, 'num': 2, 'perc': 50.0}
    """
    if displacement.size == 0:
        return {"mean": math.nan, "num": math.nan, "perc": math.nan}
    count = int(np.count_nonzero(displacement > threshold))
    return {
        "mean": float(displacement.mean()),
        "num": count,
        "perc": 100 * count / (len(displacement) + 1),
    }
