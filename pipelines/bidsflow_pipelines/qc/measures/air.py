"""What the air around a head tells: how much noise there is, and whether artifacts reach it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bidsflow_pipelines.qc.measures.common import mad, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.background import Background
    from bidsflow_pipelines.qc.measures.common import Image, Mask

RAYLEIGH = math.sqrt((4 - math.pi) / 2)
"""The standard deviation of the magnitude of complex noise, in units of the deviation of one channel."""

MIN_NOISE = 1000
"""Voxels with noise that `qi_2` needs (as in MRIQC)."""


def air_noise(air: NDArray[np.floating]) -> float:
    """Return the deviation of the air: scaled median absolute deviation, as if intensities had not been rounded.

    Parameters
    ----------
    air : ndarray, shape (n,)
        Intensities, in the units of the image.

    Returns
    -------
    noise : float
        The standard deviation where more than half of all values are equal; NaN where there are none, or zeros only.

    Notes
    -----
    The median absolute deviation of whole numbers is whole, or a half: 4 instead of 3.6 for noise of 8 in each channel.
    So equal values are spread over the step between values (`unround`).

    Examples
    --------
    >>> whole = np.rint(np.random.default_rng(0).normal(scale=5.4, size=100_000))
    >>> round(mad(whole), 1), round(air_noise(whole), 1)
    (5.9, 5.4)
    """
    if not air.any():
        return math.nan
    if mad(air) == 0:
        return float(np.std(air))
    return mad(unround(air))


def unround(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return values with equal ones spread evenly over the step between values, which rounding has made of them.

    Examples
    --------
    >>> unround(np.array([3.0, 4.0, 4.0]))
    array([3.  , 3.75, 4.25])
    """
    if values.size < 2:
        return values.astype(np.float64)
    levels, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    if levels.size < 2:
        return values.astype(np.float64)
    ranks = np.empty(values.size)
    order = np.argsort(inverse, kind="stable")
    ranks[order] = np.arange(values.size) - np.repeat(np.cumsum(counts) - counts, counts)
    within = (ranks + 0.5) / counts[inverse] - 0.5
    return np.asarray(values + np.diff(levels).min() * within, dtype=np.float64)


def snrd(signal: float, noise: float) -> float:
    """Return the signal-to-noise ratio against the air (Dietrich et al. 2007, eq. A.12, doi:10.1002/jmri.20969).

    ``sqrt((4 - pi) / 2) signal / noise``: the factor turns the deviation of the magnitude of noise (Rayleigh) into
    that of one channel. Without unit; higher is better.

    Parameters
    ----------
    signal : float
        Median of a tissue in the image as acquired.
    noise : float
        From `air_noise` of the same image.

    Returns
    -------
    snrd : float
        NaN where the air is missing or holds zeros only (MRIQC writes -1).

    Notes
    -----
    MRIQC takes both from the image that is corrected for non-uniformity. In the air that divides the noise by a field
    that was never measured there.
    """
    return RAYLEIGH * ratio(signal, noise)


def qi_1(background: Background) -> float:
    """Return the part of the air that artifacts have reached (Mortamet et al. 2009, doi:10.1002/mrm.21992).

    ``artifact voxels / (artifact voxels + air voxels)``, in 0 to 1; lower is better. NaN without air: skull-stripped
    or zero-filled images (MRIQC writes -1).
    """
    air = int(np.count_nonzero(background.air))
    artifact = int(np.count_nonzero(background.artifact))
    return artifact / (air + artifact) if air else math.nan


def qi_2(image: Image, air: Mask) -> float:
    """Return how far the air is from the noise that it should hold (Mortamet et al. 2009, doi:10.1002/mrm.21992).

    The intensities of the air, scaled so that their 99th percentile is 100, have a density (Gaussian kernel, width 4)
    and a chi-squared distribution that fits them best (degrees of freedom, location and scale; maximum likelihood from
    32 degrees). The measure is the mean absolute difference of the two right of where the density has last fallen to
    half of its peak; lower is better.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        As acquired, not negative.
    air : ndarray of bool, shape (i, j, k)
        The hat without artifacts.

    Returns
    -------
    qi_2 : float
        NaN with less than 1000 air voxels above zero (MRIQC writes 0), or where they do not vary.

    Notes
    -----
    The density is that of all voxels (MRIQC draws 300 000), counted in bins of a hundredth of the kernel's width.
    MRIQC's workflow passes the hat with its artifacts; here they are out, as its own description and the paper say.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.stats import chi2

    values = image[np.asarray(air, dtype=bool)]
    top = float(np.percentile(values, 99)) if values.size else 0.0
    if np.count_nonzero(values > 0) < MIN_NOISE or values.min() == values.max() or top == 0:
        return math.nan
    width, kernel = 0.04, 4.0
    values = values * (100 / top)
    margin = 6 * kernel  # what lies beyond the grid still reaches into it
    edges = np.arange(-margin, 110 + margin + width / 2, width)
    counts, _ = np.histogram(values, edges)
    centers = edges[:-1] + width / 2
    smooth = gaussian_filter1d(counts.astype(np.float64), kernel / width, mode="constant", truncate=6)
    grid = np.linspace(0, 110, 1000)
    density = np.interp(grid, centers, smooth / (values.size * width))
    model = chi2.pdf(grid, *_fit_chi2(values))
    tail = int(np.argmax(density[::-1] > density.max() / 2))
    return float(np.abs(density[-tail:] - model[-tail:]).mean())


def _fit_chi2(values: Image) -> tuple[float, float, float]:
    """Return the degrees of freedom, location and scale of a chi-squared distribution, by maximum likelihood.

    Counted in a thousand bins: the likelihood of each bin stands for that of its values, which makes the fit a
    thousand times faster than with every voxel.
    """
    from scipy.optimize import minimize
    from scipy.stats import chi2

    counts, edges = np.histogram(values, 1000)
    centers = (edges[:-1] + edges[1:]) / 2
    filled = counts > 0
    counts, centers = counts[filled], centers[filled]

    def cost(parameters: NDArray[np.float64]) -> float:
        df, loc, scale = parameters
        if df <= 0 or scale <= 0 or loc >= centers[0]:
            return math.inf
        return -float(np.dot(counts, chi2.logpdf(centers, df, loc, scale)))

    df = 32.0
    scale = float(values.std()) / math.sqrt(2 * df)
    start = (df, min(float(values.mean()) - df * scale, float(centers[0]) - scale), scale)
    best = minimize(cost, start, method="Nelder-Mead", options={"maxfev": 600, "xatol": 1e-4, "fatol": 1e-4}).x
    return float(best[0]), float(best[1]), float(best[2])
