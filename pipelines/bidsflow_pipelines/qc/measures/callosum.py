"""The corpus callosum, where fibres run from left to right, and the signal and noise in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bidsflow_pipelines.qc.measures.common import mad, ratio, select
from bidsflow_pipelines.qc.measures.shells import Shell, mean_b0

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.common import Image, Mask

MIN_CC = 5
"""Voxels of the corpus callosum that its noise needs (as in MRIQC)."""


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


def corpus_callosum(color_fa: Image, wm: Mask) -> Mask:
    """Return the corpus callosum: the red part in the middle of the white matter.

    Color FA (closed and opened) within (0.4, 0.008, 0.008) and (1.1, 0.25, 0.25), in the inner three fifths of the box
    around the white matter along each axis; closed and opened again. The bounds are those of MRIQC.

    Parameters
    ----------
    color_fa : ndarray, shape (i, j, k, 3)
        Absolute principal direction times fractional anisotropy: red is left-right.
    wm : ndarray of bool, shape (i, j, k)
        From `white_matter`.

    Returns
    -------
    cc : ndarray of bool, shape (i, j, k)
        May be empty.
    """
    from scipy.ndimage import binary_closing, binary_opening, generate_binary_structure

    colors = np.nan_to_num(color_fa)
    red = np.asarray(wm, dtype=bool).copy()
    for channel, (low, high) in enumerate(((0.4, 1.1), (0.008, 0.25), (0.008, 0.25))):
        smooth = _close_and_open(colors[..., channel])
        red &= (smooth >= low) & (smooth <= high)
    cross = generate_binary_structure(3, 2)
    cc: Mask = binary_opening(binary_closing(red & _middle(wm), cross), cross)
    return cc


def sigma_cc(b0: Image, cc: Mask) -> float:
    """Return the spread of the b=0 image within the corpus callosum: its scaled median absolute deviation.

    In units of the image; lower is better. NaN with less than five voxels (MRIQC writes 0).

    Notes
    -----
    Across voxels, not across volumes: MRIQC calls it noise, but where the signal differs within the corpus callosum
    (distortion, receive field, partial volume) that is in it, and of noise only what the mean of n volumes leaves::

        sqrt(spread of the signal^2 + noise^2 / n)
    """
    values = select(b0, cc)
    return mad(values) if values.size >= MIN_CC else math.nan


def snr_cc(series: Image, cc: Mask, shells: tuple[Shell, ...], b_vectors: NDArray[np.floating]) -> dict[str, float]:
    """Return the signal-to-noise ratio within the corpus callosum.

    The mean signal over `sigma_cc`. Diffusion is fastest along the fibres, from left to right: the direction nearest to
    x has the worst, the two nearest to y and z (averaged) the best ratio of a shell. Without unit; higher is better.

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        Realigned; the first axis runs between left and right.
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
        voxels, or without b=0 volumes (MRIQC writes 0).

    Notes
    -----
    MRIQC 24 numbers the b=0 volumes as shell 1 too; here shell 1 is the first with diffusion weighting.
    """
    b0 = mean_b0(series, shells)
    noise = sigma_cc(b0, cc)
    inside = np.asarray(cc, dtype=bool)
    means = series[inside].mean(axis=0, dtype=np.float64) if inside.any() else np.full(series.shape[3], math.nan)
    found = {"shell0": ratio(float(select(b0, inside).mean()) if inside.any() else math.nan, noise)}
    for index, shell in enumerate((shell for shell in shells if shell.b_value > 0), 1):
        volumes = np.array(shell.volumes)
        x, y, z = means[volumes[np.abs(b_vectors[volumes]).argmax(axis=0)]]
        found[f"shell{index}_worst"] = ratio(float(x), noise)
        found[f"shell{index}_best"] = ratio(float(y + z) / 2, noise)
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
