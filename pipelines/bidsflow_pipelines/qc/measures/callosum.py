"""The corpus callosum, where fibres run from left to right, and the signal and noise in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bidsflow_pipelines.qc.measures.common import biweight, ratio
from bidsflow_pipelines.qc.measures.shells import Shell, mean_b0

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.common import Image, Mask, Zooms

MIN_CC = 5
"""Voxels of the corpus callosum that its noise needs (as in MRIQC)."""

MIN_DIFFERENCES = 800
"""From so many values a deviation is known to 2.5 %, 1 / sqrt(2 n), as well as by a PCA; less is off by chance."""

COARSE = 3.0
"""Millimetres: in voxels of this size a closing or opening, which takes three of them, is as thick as the callosum."""


def white_matter(fa: Image, threshold: float = 0.35) -> Mask:
    """Return the white matter: the largest connected region of high fractional anisotropy.

    Parameters
    ----------
    fa : ndarray, shape (i, j, k)
        Fractional anisotropy, closed and opened before the threshold; what is not finite counts as 0.
    threshold : float
        Without unit.

    Returns
    -------
    wm : ndarray of bool, shape (i, j, k)
        Empty where nothing exceeds the threshold.
    """
    from scipy.ndimage import generate_binary_structure, label

    smooth = _close_and_open(np.clip(np.nan_to_num(fa), 0, 1))
    regions, count = label(smooth > threshold, structure=generate_binary_structure(3, 3))
    if count == 0:
        return np.zeros(fa.shape, dtype=bool)
    sizes = np.bincount(regions.ravel())
    largest: Mask = regions == int(np.argmax(sizes[1:])) + 1
    return largest


def corpus_callosum(color_fa: Image, wm: Mask, zooms: Zooms) -> Mask:
    """Return the corpus callosum: the red part in the middle of the white matter.

    Color FA between (0.4, 0, 0) and (1.1, 0.25, 0.25), in the inner three fifths of the box around the white matter
    along each axis. Colors are closed and opened before, the region after, where voxels are small.

    Parameters
    ----------
    color_fa : ndarray, shape (i, j, k, 3)
        Absolute principal direction times fractional anisotropy: red is left-right.
    wm : ndarray of bool, shape (i, j, k)
        From `white_matter`.
    zooms : tuple of float
        Voxel size, in millimetres; from `COARSE` on nothing is closed or opened.

    Returns
    -------
    cc : ndarray of bool, shape (i, j, k)
        May be empty.

    Notes
    -----
    The bounds are those of MRIQC, but for the lower ones of green and blue (0.008): fibres that run from left to right
    exactly have none of either, and of a head that lay straight most was left out.
    """
    from scipy.ndimage import binary_closing, binary_opening, generate_binary_structure

    fine = max(zooms) < COARSE
    colors = np.nan_to_num(color_fa)
    red = _middle(wm)
    red &= np.asarray(wm, dtype=bool)
    for channel, (low, high) in enumerate(((0.4, 1.1), (0.0, 0.25), (0.0, 0.25))):
        smooth = _close_and_open(colors[..., channel]) if fine else colors[..., channel]
        red &= (smooth >= low) & (smooth <= high)
    if not fine:
        return red
    cross = generate_binary_structure(3, 2)
    cc: Mask = binary_opening(binary_closing(red, cross), cross)
    return cc


def sigma_cc(plain: Image, noise: Image | None, cc: Mask) -> float:
    """Return the standard deviation of the noise of a volume within the corpus callosum.

    In units of the image; lower is better. From what changes between volumes without weighting::

        biweight(b0[n + 1] - b0[n] - median) / sqrt(2)

    over the flatter half of the region, where a head that moves changes little. The median of the region takes away
    what all voxels share (drift). Where that makes fewer than `MIN_DIFFERENCES` values (one volume without weighting,
    large voxels), the median of the noise that a PCA of patches has found in the region.

    Parameters
    ----------
    plain : ndarray, shape (i, j, k, n)
        The volumes without weighting in the order of acquisition, not interpolated.
    noise : ndarray, shape (i, j, k)
        From a PCA of patches; None where there is none.
    cc : ndarray of bool, shape (i, j, k)
        From `corpus_callosum`.

    Returns
    -------
    sigma : float
        NaN with less than five voxels (MRIQC writes 0), or where there is nothing to find it from.

    Notes
    -----
    MRIQC takes the scaled median absolute deviation of the mean b=0 image across the region instead. That is the spread
    of the signal (distortion, receive field, partial volume) with what the mean leaves of the noise; on phantoms it was
    up to twice the noise.
    """
    inside = np.asarray(cc, dtype=bool)
    if np.count_nonzero(inside) < MIN_CC:
        return math.nan
    changes = _find_changes(plain, inside)
    if changes.size >= MIN_DIFFERENCES:
        return biweight(changes) / math.sqrt(2)
    found = np.empty(0) if noise is None else noise[inside & (noise > 0)]
    return float(np.median(found)) if found.size else math.nan


def _find_changes(plain: Image, inside: Mask) -> NDArray[np.float64]:
    """Return what changes from volume to volume in the flatter half of a region, less what all of it shares."""
    if plain.shape[3] < 2:
        return np.empty(0)
    slopes = np.linalg.norm(np.gradient(plain.mean(axis=3, dtype=np.float64)), axis=0)
    flat = inside & (slopes <= np.median(slopes[inside]))
    changes = np.diff(plain[flat].astype(np.float64), axis=1)
    return np.asarray((changes - np.median(changes, axis=0)).ravel())


def snr_cc(
    series: Image, sigma: float, cc: Mask, shells: tuple[Shell, ...], b_vectors: NDArray[np.floating]
) -> dict[str, float]:
    """Return the signal-to-noise ratio within the corpus callosum.

    The median signal over the noise. Diffusion is fastest along the fibres, from left to right: the direction nearest
    to x has the worst, the two nearest to y and z (averaged) the best ratio of a shell. Without unit; higher is better.

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        Realigned; the first axis runs between left and right.
    sigma : float
        From `sigma_cc`.
    cc : ndarray of bool, shape (i, j, k)
        The corpus callosum.
    shells : tuple of Shell
        From `find_shells`.
    b_vectors : ndarray, shape (n, 3)
        In the axes of the image; of either sign.

    Returns
    -------
    snr : dict
        ``shell0`` without diffusion weighting, ``shell1_worst``, ``shell1_best`` and so on. NaN with less than five
        voxels (MRIQC writes 0).

    Notes
    -----
    The median, as the rim of the region has brighter fluid in it; MRIQC takes the mean. It numbers (24) the b=0 volumes
    as shell 1 too; here shell 1 is the first with diffusion weighting.
    """
    b0 = mean_b0(series, shells)
    inside = np.asarray(cc, dtype=bool)
    levels = np.median(series[inside], axis=0) if inside.any() else np.full(series.shape[3], math.nan)
    found = {"shell0": ratio(float(np.median(b0[inside])) if inside.any() else math.nan, sigma)}
    for index, shell in enumerate((shell for shell in shells if shell.b_value > 0), 1):
        volumes = np.array(shell.volumes)
        x, y, z = levels[volumes[np.abs(b_vectors[volumes]).argmax(axis=0)]]
        found[f"shell{index}_worst"] = ratio(float(x), sigma)
        found[f"shell{index}_best"] = ratio(float(y + z) / 2, sigma)
    return found


def _close_and_open(image: Image) -> Image:
    """Return the image after a closing and an opening of grey values with the 18-neighbourhood."""
    from scipy.ndimage import generate_binary_structure, grey_closing, grey_opening

    shape = generate_binary_structure(3, 2)
    smooth: Image = grey_opening(grey_closing(image, footprint=shape), footprint=shape)
    return smooth


def _middle(mask: Mask) -> Mask:
    """Return the inner three fifths, along each axis, of the box around a mask."""
    middle = np.zeros(mask.shape, dtype=bool)
    occupied = np.argwhere(mask)
    if occupied.size:
        low, high = occupied.min(axis=0), occupied.max(axis=0) + 1
        margin = (high - low) // 5
        middle[tuple(slice(a + m, b - m) for a, b, m in zip(low, high, margin, strict=True))] = True
    return middle
