"""Measures of diffusion-weighted series: noise, spikes, the plausibility of the tensor, agreement of directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bidsflow_pipelines.qc.measures.callosum import sigma_cc, snr_cc
from bidsflow_pipelines.qc.measures.common import (
    efc,
    fber,
    flatten,
    geometry,
    ratio,
    select,
    summary,
)
from bidsflow_pipelines.qc.measures.motion import fd, summarize_fd
from bidsflow_pipelines.qc.measures.shells import B0_LIMIT, Shell, find_shells, mean_b0

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.common import Image, Mask, Zooms

PPM = 1e6


@dataclass(frozen=True, slots=True)
class DwiImages:
    """What the measures of a diffusion series are computed from.

    Attributes
    ----------
    original : ndarray, shape (i, j, k, n)
        As acquired: interpolation would smooth noise and spread spikes. Noise, spikes and the agreement of neighbours
        are measured here.
    series : ndarray, shape (i, j, k, n)
        Realigned; the first axis runs between left and right.
    b_values : ndarray, shape (n,)
        In s/mm^2.
    b_vectors : ndarray, shape (n, 3)
        As acquired, in the axes of the image.
    mask : ndarray of bool, shape (i, j, k)
        The brain.
    motion : ndarray, shape (n, 6)
        Three translations (mm), three rotations (radian).
    fa : ndarray, shape (i, j, k)
        Fractional anisotropy as the fit left it: NaN and values outside of [0, 1] are counted.
    wm, cc : ndarray of bool, shape (i, j, k)
        White matter and corpus callosum (`white_matter`, `corpus_callosum`).
    plain : ndarray, shape (i, j, k, m)
        The volumes without weighting, realigned by taking the nearest voxel, so that their noise is as acquired.
    rotated : ndarray, shape (n, 3), optional
        The b-vectors after the rotations of the head.
    noise : ndarray, shape (i, j, k), optional
        Standard deviation of the noise from a PCA of patches (Marchenko-Pastur).
    """

    original: Image
    series: Image
    b_values: NDArray[np.floating]
    b_vectors: NDArray[np.floating]
    mask: Mask
    motion: NDArray[np.floating]
    fa: Image
    wm: Mask
    cc: Mask
    plain: Image
    rotated: NDArray[np.floating] | None = None
    noise: Image | None = None


def measure_dwi(images: DwiImages, zooms: Zooms, *, coils: int = 4) -> dict[str, float]:
    """Return all measures of a diffusion series.

    Parameters
    ----------
    images : DwiImages
        The series and what was derived from it.
    zooms : tuple of float
        Voxel size, in millimetres.
    coils : int
        Of the receiver, for `sigma_piesno`; 4 as in MRIQC, 1 for a SENSE reconstruction.

    Returns
    -------
    measures : dict
        Names as in MRIQC. ``shell01`` of EFC and FBER is that without diffusion weighting, ``shell1`` of `snr_cc` the
        first with. NaN where a measure cannot be computed; each function says when.
    """
    series, mask = images.series, np.asarray(images.mask, dtype=bool)
    shells = find_shells(images.b_values)
    numbered = {f"shell{index:02d}": list(shell.volumes) for index, shell in enumerate(shells, 1)}
    b0 = mean_b0(series, shells)
    noise_cc = sigma_cc(images.plain, images.noise, images.cc)
    return flatten(
        {
            "bdiffs": summarize_bdiffs(bdiffs(images.b_vectors, images.rotated)),
            "efc": {name: efc(series[..., volumes]) for name, volumes in numbered.items()},
            "fa_degenerate": fa_degenerate(images.fa, mask),
            "fa_nans": fa_nans(images.fa, mask),
            "fber": {name: fber(series[..., volumes], mask) for name, volumes in numbered.items()},
            "fd": summarize_fd(fd(images.motion)),
            "ndc": ndc(images.original, images.b_values, images.b_vectors, mask),
            "sigma": {
                "cc": noise_cc,
                "pca": math.nan if images.noise is None else sigma_pca(images.noise, mask),
                "piesno": sigma_piesno(images.original, coils),
            },
            "snr_cc": snr_cc(series, noise_cc, images.cc, shells, images.b_vectors),
            "spikes": spikes(images.original, mask, shells),
            "summary_bg": summary(b0, ~mask),
            "summary_fg": summary(b0, mask),
            "summary_wm": summary(b0, images.wm),
        }
    ) | geometry(series.shape, zooms)


def bdiffs(b_vectors: NDArray[np.floating], rotated: NDArray[np.floating] | None) -> NDArray[np.float64]:
    """Return by how much the rotation of the head turned each direction of diffusion weighting.

    The angle between a b-vector and itself after realignment, in radian; lower is better.

    Parameters
    ----------
    b_vectors, rotated : ndarray, shape (n, 3)
        Before and after. Volumes without direction (a vector of zeros) are left out.

    Returns
    -------
    angles : ndarray, shape (directions,)
        Empty where `rotated` is None.
    """
    if rotated is None:
        return np.empty(0)
    lengths = np.linalg.norm(b_vectors, axis=1) * np.linalg.norm(rotated, axis=1)
    known = lengths > 0
    cosines = np.einsum("ij,ij->i", b_vectors[known], rotated[known]) / lengths[known]
    angles: NDArray[np.float64] = np.arccos(np.clip(cosines, -1, 1))
    return angles


def summarize_bdiffs(angles: NDArray[np.floating]) -> dict[str, float]:
    """Return the largest, mean, median and smallest angle above 0.0001 radian (as in MRIQC).

    0 where all are smaller: the head did not turn. NaN where there is no angle.
    """
    names = ("max", "mean", "median", "min")
    if angles.size == 0:
        return dict.fromkeys(names, math.nan)
    turned = angles[angles > 1e-4]
    if turned.size == 0:
        return dict.fromkeys(names, 0.0)
    values = (turned.max(), turned.mean(), np.median(turned), turned.min())
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def fa_nans(fa: Image, mask: Mask) -> float:
    """Return how many voxels of the brain have no fractional anisotropy (NaN), in parts per million; lower is better.

    NaN without a brain.
    """
    values = select(fa, mask)
    return PPM * float(np.isnan(values).mean()) if values.size else math.nan


def fa_degenerate(fa: Image, mask: Mask) -> float:
    """Return how many voxels of the brain have an impossible fractional anisotropy, in parts per million.

    Outside of [0, 1], after rounding to three decimals (as in MRIQC); lower is better. NaN without a brain.
    """
    values = np.round(select(fa, mask), 3)
    return PPM * float(((values < 0) | (values > 1)).mean()) if values.size else math.nan


def ndc(series: Image, b_values: NDArray[np.floating], b_vectors: NDArray[np.floating], mask: Mask) -> float:
    """Return the neighbouring DWI correlation (Yeh et al. 2019, doi:10.1016/j.neuroimage.2019.116131).

    The mean correlation, over the brain, of each diffusion-weighted volume with the one that is nearest in q-space
    (``sqrt(b)`` times the direction, either sign). At most 1; below 0.4 the image is of low quality.

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        Realigned.
    b_values, b_vectors : ndarray, shape (n,) and (n, 3)
        In s/mm^2; unit vectors.
    mask : ndarray of bool, shape (i, j, k)
        The brain.

    Returns
    -------
    ndc : float
        NaN with less than two diffusion-weighted volumes, or if one of them is constant in the brain.

    Notes
    -----
    As in DIPY and DSI Studio. MRIQC 23 and 24 correlate the time courses of two voxels instead, because they index
    voxels by the numbers of volumes; its values mean something else.
    """
    inside = np.asarray(mask, dtype=bool)
    weighted = np.flatnonzero(b_values > B0_LIMIT)
    if weighted.size < 2 or not inside.any():
        return math.nan
    courses = series[inside]
    neighbours = nearest_in_q_space(b_values[weighted], b_vectors[weighted])
    correlations = [
        _correlation(courses[:, volume], courses[:, weighted[neighbour]])
        for volume, neighbour in zip(weighted, neighbours, strict=True)
    ]
    return float(np.mean(correlations))


def nearest_in_q_space(b_values: NDArray[np.floating], b_vectors: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return for each volume the index of the other one with the most similar diffusion weighting.

    Opposite directions are equal.

    Examples
    --------
    >>> nearest_in_q_space(np.array([1000.0, 1000, 2000]), np.array([[1.0, 0, 0], [-0.99, 0.1, 0], [1, 0, 0]]))
    array([1, 0, 0])
    """
    vectors = np.sqrt(b_values)[:, np.newaxis] * b_vectors
    squares = np.einsum("ij,ij->i", vectors, vectors)
    distances = squares[:, np.newaxis] + squares - 2 * np.abs(vectors @ vectors.T)
    np.fill_diagonal(distances, math.inf)
    nearest: NDArray[np.intp] = distances.argmin(axis=1)
    return nearest


def _correlation(first: Image, second: Image) -> float:
    """Return Pearson's correlation, NaN if one of the two is constant."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    one -= one.mean()
    other -= other.mean()
    return ratio(float(np.dot(one, other)), math.sqrt(float(np.dot(one, one)) * float(np.dot(other, other))))


def sigma_pca(noise: Image, mask: Mask) -> float:
    """Return the median, over the brain, of the noise that a PCA of patches has found (Veraart et al. 2016).

    In units of the image; lower is better. doi:10.1016/j.neuroimage.2016.08.016. NaN without a brain.
    """
    values = select(noise, mask)
    return float(np.median(values)) if values.size else math.nan


def sigma_piesno(series: Image, coils: int = 4) -> float:
    """Return the noise of one channel, from voxels that hold nothing else (PIESNO, Koay et al. 2009).

    In units of the image; lower is better. doi:10.1016/j.jmr.2009.03.005

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        As acquired: interpolation smooths the noise.
    coils : int
        Of the receiver; 1 for a SENSE reconstruction. A wrong number scales the result.

    Returns
    -------
    sigma : float
        Median over the slices in which noise was found. NaN where there is none: the background was set to zero.
    """
    from dipy.denoise.noise_estimate import piesno

    if series.shape[3] < 2 or not series.any():
        return math.nan
    sigma, noise = piesno(series, N=coils, return_mask=True)
    found = np.asarray(sigma)[noise.any(axis=(0, 1))]
    return float(np.median(found)) if found.size else math.nan


def spikes(series: Image, mask: Mask, shells: tuple[Shell, ...]) -> dict[str, float]:
    """Return how many voxels are far too bright for their shell, in parts per million; lower is better.

    A spike is a voxel, anywhere in the image, above ``mean + 3 stdv`` of its shell within the brain. ``global`` is
    their part of all voxels and volumes; ``slice_i`` the part of the lines along the first axis with more than 5 % of
    spikes, ``slice_j`` and ``slice_k`` likewise (MRIQC calls the lines slices).

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        Realigned.
    mask : ndarray of bool, shape (i, j, k)
        The brain.
    shells : tuple of Shell
        From `find_shells`.

    Returns
    -------
    spikes : dict
        NaN without a brain.
    """
    names = ("global", "slice_i", "slice_j", "slice_k")
    inside = np.asarray(mask, dtype=bool)
    if not inside.any():
        return dict.fromkeys(names, math.nan)
    parts = np.zeros(4)
    for shell in shells:
        limit = _spike_limit(series, inside, shell)
        for volume in shell.volumes:
            bright = series[..., volume] > limit
            parts[0] += bright.mean()
            parts[1:] += [(bright.mean(axis=axis) > 0.05).mean() for axis in range(3)]
    return {name: float(PPM * part / series.shape[3]) for name, part in zip(names, parts, strict=True)}


def _spike_limit(series: Image, inside: Mask, shell: Shell) -> float:
    """Return mean plus three standard deviations of a shell within the brain, one volume at a time."""
    # Near zero, the square of the mean takes no digits from the mean of the squares.
    offset = float(series[..., shell.volumes[0]][inside].mean(dtype=np.float64))
    total = squares = 0.0
    for volume in shell.volumes:
        values = series[..., volume][inside].astype(np.float64) - offset
        total += float(values.sum())
        squares += float(np.dot(values, values))
    count = len(shell.volumes) * int(np.count_nonzero(inside))
    mean = total / count
    return offset + mean + 3 * math.sqrt(max(squares / count - mean**2, 0.0))
