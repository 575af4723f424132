"""Volumes of a diffusion series grouped by their weighting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bidsflow_pipelines.qc.measures.common import clean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.common import Image

B0_LIMIT = 50.0
"""s/mm^2: up to here a volume counts as not diffusion-weighted (as in MRIQC and DIPY)."""

SHELL_GAP = 100.0
"""s/mm^2: b-values that are closer than this belong to one shell; scanners jitter by a few tens."""

MAX_SHELLS = 11
"""More than these are no shells but a grid (DSI), which is grouped into `DSI_SHELLS` (as in MRIQC)."""

DSI_SHELLS = 9


@dataclass(frozen=True, slots=True)
class Shell:
    """Volumes with the same diffusion weighting.

    Attributes
    ----------
    b_value : float
        Median of its volumes, in s/mm^2; 0 for the volumes without diffusion weighting.
    volumes : tuple of int
        Their indices in the series.
    """

    b_value: float
    volumes: tuple[int, ...]


def find_shells(b_values: NDArray[np.floating]) -> tuple[Shell, ...]:
    """Return the volumes grouped by diffusion weighting, the weakest first.

    Parameters
    ----------
    b_values : ndarray, shape (n,)
        In s/mm^2.

    Returns
    -------
    shells : tuple of Shell
        The first has b-value 0, and may be empty of volumes only if the series is.

    Notes
    -----
    A gap of 100 s/mm^2 separates shells. MRIQC rounds to hundreds instead, which tears a shell of 745 to 755 apart.
    Both group a grid of more than eleven b-values (DSI) into nine at most: MRIQC by k-means, here by Ward's method,
    which has no random start.

    Examples
    --------
    >>> [(shell.b_value, shell.volumes) for shell in find_shells(np.array([5, 1000, 2000, 995, 0]))]
    [(0.0, (0, 4)), (997.5, (1, 3)), (2000.0, (2,))]
    """
    weak = Shell(0.0, tuple(int(index) for index in np.flatnonzero(b_values <= B0_LIMIT)))
    strong = np.flatnonzero(b_values > B0_LIMIT)
    order = strong[np.argsort(b_values[strong], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(b_values[order]) >= SHELL_GAP) + 1) if order.size else []
    if len(groups) > MAX_SHELLS:
        groups = _cluster(b_values, order)
    found = [Shell(float(np.median(b_values[group])), tuple(sorted(int(index) for index in group))) for group in groups]
    return (weak, *found) if weak.volumes else tuple(found)


def _cluster(b_values: NDArray[np.floating], order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the volumes of a grid in at most nine groups of similar b-value, the weakest first."""
    from scipy.cluster.hierarchy import fcluster, linkage

    labels = fcluster(linkage(b_values[order].reshape(-1, 1), "ward"), DSI_SHELLS, "maxclust")
    return np.split(order, np.flatnonzero(np.diff(labels)) + 1)  # sorted values: clusters are intervals


def mean_b0(series: Image, shells: tuple[Shell, ...]) -> Image:
    """Return the mean of the volumes without diffusion weighting (zeros where there is none)."""
    weak = [volume for shell in shells if shell.b_value == 0 for volume in shell.volumes]
    if not weak:
        return np.zeros(series.shape[:3])
    return clean(series[..., weak].mean(axis=3, dtype=np.float64))
