"""Measures of functional series (BOLD): noise over time, motion, ghosts, outliers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bidsflow_pipelines.qc.measures.common import (
    MAD_TO_SIGMA,
    clean,
    efc,
    fber,
    flatten,
    fwhm,
    geometry,
    ratio,
    select,
    snr,
    summary,
)
from bidsflow_pipelines.qc.measures.motion import fd, summarize_fd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.common import Image, Mask, Zooms

MIN_VOLUMES = 3
"""What varies over time needs three volumes: with two, any series is a straight line."""

MIN_OUTLIER_VOLUMES = 5
"""What 3dToutcount needs."""

BLOCK = 4096
"""Voxels whose time courses are held in float64 at once."""

GRAND_MEDIAN = 1000.0
"""What the intensities are scaled to for DVARS, which makes its unit a tenth of a percent."""


class Dvars(NamedTuple):
    """DVARS of each volume but the first, in three scalings; arrays of shape (n - 1,)."""

    std: NDArray[np.float64]
    nstd: NDArray[np.float64]
    vstd: NDArray[np.float64]


class Traces(NamedTuple):
    """The measures that a series has for each volume; `fd` and `dvars` begin with the second."""

    fd: NDArray[np.float64]
    dvars: Dvars
    aqi: NDArray[np.float64]
    aor: NDArray[np.float64]


def time_courses(series: Image, mask: Mask) -> Image:
    """Return the time courses of the voxels in the mask.

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        Realigned.
    mask : ndarray of bool, shape (i, j, k)
        The brain.

    Returns
    -------
    courses : ndarray, shape (voxels, n)
        A copy, not finite values set to zero.
    """
    courses = series[np.asarray(mask, dtype=bool)]
    if not np.issubdtype(courses.dtype, np.floating):
        courses = courses.astype(np.float32)
    finite: Image = np.nan_to_num(courses, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return finite


def trace_bold(courses: Image, motion: NDArray[np.floating], tr: float) -> Traces:
    """Return the measures of every volume.

    Parameters
    ----------
    courses : ndarray, shape (voxels, n)
        From `time_courses`, without the dummy volumes.
    motion : ndarray, shape (n, 6)
        Three translations (mm), three rotations (radian).
    tr : float
        Repetition time, in seconds.
    """
    return Traces(fd=fd(motion), dvars=dvars(courses), aqi=aqi(courses), aor=aor(courses, tr))


def measure_bold(
    series: Image,
    mask: Mask,
    courses: Image,
    traces: Traces,
    *,
    zooms: Zooms,
    tr: float,
    dummies: int,
) -> dict[str, float]:
    """Return all measures of a functional series.

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        Realigned, without the dummy volumes.
    mask : ndarray of bool, shape (i, j, k)
        The brain.
    courses : ndarray, shape (voxels, n)
        ``time_courses(series, mask)``.
    traces : Traces
        ``trace_bold(courses, motion, tr)``.
    zooms : tuple of float
        Voxel size, in millimetres.
    tr : float
        Repetition time, in seconds.
    dummies : int
        ``dummy_trs`` of the series as acquired.

    Returns
    -------
    measures : dict
        Names as in MRIQC. NaN where a measure cannot be computed; each function says when.
    """
    mean = clean(series.mean(axis=3, dtype=np.float64))
    brain = summary(mean, mask)
    return flatten(
        {
            "aor": _mean(traces.aor),
            "aqi": _mean(traces.aqi),
            "dummy_trs": dummies,
            "dvars": {name: _mean(values) for name, values in traces.dvars._asdict().items()},
            "efc": efc(mean),
            "fber": fber(mean, mask),
            "fd": summarize_fd(traces.fd),
            "fwhm": fwhm(mean, mask),
            "gcor": gcor(courses),
            "gsr_x": gsr(mean, mask, axis=0),
            "gsr_y": gsr(mean, mask, axis=1),
            "snr": snr(brain),
            "summary_bg": summary(mean, ~np.asarray(mask, dtype=bool)),
            "summary_fg": brain,
            "tsnr": tsnr(courses),
        }
    ) | geometry(series.shape, zooms, tr)


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean, NaN of nothing."""
    return float(values.mean()) if values.size else math.nan


def _courses(courses: Image) -> Iterator[NDArray[np.float64]]:
    """Yield the time courses in float64, a block of voxels at a time."""
    for start in range(0, len(courses), BLOCK):
        yield courses[start : start + BLOCK].astype(np.float64)


def dummy_trs(series: Image) -> int:
    """Return how many volumes at the start are not in a steady state.

    The leading volumes whose mean lies more than 3.5 robust standard deviations (Iglewicz and Hoaglin 1993) from the
    median of the first 50, as nipype's NonSteadyStateDetector counts them.

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        As acquired.

    Returns
    -------
    dummies : int
        Volumes. 0 where all means are equal.
    """
    count = min(series.shape[3], 50)
    means = np.array([series[..., index].mean(dtype=np.float64) for index in range(count)])
    deviation = np.abs(means - np.median(means))
    steady = deviation <= 3.5 * MAD_TO_SIGMA * np.median(deviation)
    return int(np.argmax(steady))


def dvars(courses: Image) -> Dvars:
    """Return how much the image changes from each volume to the next.

    With intensities scaled to a median of 1000, and d the difference of a voxel's neighbours in time:
    ``nstd = sqrt(mean d^2)`` over the brain (Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018);
    ``std = nstd / mean s`` and ``vstd = sqrt(mean (d / s)^2)`` with the s that noise would give d,
    ``s = sqrt(2 (1 - a)) IQR / 1.349``, a being the voxel's autocorrelation at lag 1 (Nichols 2013, "Notes on creating
    a standardized version of DVARS"). `nstd` is in tenths of a percent, the others without unit and near 1 for noise;
    lower is better.

    Parameters
    ----------
    courses : ndarray, shape (voxels, n)
        Realigned. Voxels that do not vary are left out.

    Returns
    -------
    dvars : Dvars
        NaN with less than three volumes, or where nothing varies.
    """
    count = courses.shape[1]
    median = float(np.median(courses)) if courses.size else 0.0
    squares, scaled, expected, voxels = np.zeros(max(count - 1, 0)), np.zeros(max(count - 1, 0)), 0.0, 0
    if count >= MIN_VOLUMES and median != 0:
        for block in _courses(courses):
            block *= GRAND_MEDIAN / median
            deviation = _robust_deviation(block)
            block, deviation = block[deviation > 1e-7], deviation[deviation > 1e-7]
            noise = deviation * np.sqrt(2 * (1 - _lag_one(block)))
            change = np.square(np.diff(block, axis=1))
            squares += change.sum(axis=0)
            scaled += (change / np.square(noise)[:, np.newaxis]).sum(axis=0)
            expected += float(noise.sum())
            voxels += len(block)
    if voxels == 0:
        return Dvars(*(np.full(max(count - 1, 0), math.nan) for _ in range(3)))
    nstd = np.sqrt(squares / voxels)
    return Dvars(std=nstd / (expected / voxels), nstd=nstd, vstd=np.sqrt(scaled / voxels))


def _robust_deviation(courses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the interquartile range over 1.349: the lower of two neighbours, as FSL and nipype take quartiles."""
    last = courses.shape[1] - 1
    low, high = int(0.25 * last), int(0.75 * last)
    parts = np.partition(courses, (low, high), axis=1)
    deviation: NDArray[np.float64] = (parts[:, high] - parts[:, low]) / 1.349
    return deviation


def _lag_one(courses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation at lag 1, which is the coefficient of an AR(1) model (Yule-Walker)."""
    centered = courses - courses.mean(axis=1, keepdims=True)
    lagged = np.einsum("ij,ij->i", centered[:, :-1], centered[:, 1:])
    coefficients: NDArray[np.float64] = lagged / np.einsum("ij,ij->i", centered, centered)
    return coefficients


def tsnr(courses: Image) -> float:
    """Return the median over the brain of mean over standard deviation in time (Krueger and Glover 2001).

    Without unit; higher is better. doi:10.1002/mrm.1240. Voxels with a deviation below 0.001 count as 0, as in
    nipype's TSNR. NaN with less than three volumes or without voxels.
    """
    if courses.shape[1] < MIN_VOLUMES or len(courses) == 0:
        return math.nan
    ratios = []
    for block in _courses(courses):
        deviation = block.std(axis=1)
        varies = deviation > 1e-3
        ratios.append(np.divide(block.mean(axis=1), deviation, out=np.zeros(len(block)), where=varies))
    return float(np.median(np.concatenate(ratios)))


def gcor(courses: Image) -> float:
    """Return the global correlation (Saad et al. 2013, doi:10.1089/brain.2013.0156).

    The mean correlation of all pairs of voxels in the brain. With each time course centered and of length 1, it is
    ``|mean of all courses|^2``, as AFNI's @compute_gcor computes it. In 0 to 1; motion and breathing raise it.

    Parameters
    ----------
    courses : ndarray, shape (voxels, n)
        Realigned. Voxels that do not vary are left out.

    Returns
    -------
    gcor : float
        NaN with less than three volumes, or where nothing varies.
    """
    if courses.shape[1] < MIN_VOLUMES:
        return math.nan
    total = np.zeros(courses.shape[1])
    voxels = 0
    for block in _courses(courses):
        block -= block.mean(axis=1, keepdims=True)
        length = np.sqrt(np.einsum("ij,ij->i", block, block))
        varies = length > 0
        total += (block[varies] / length[varies, np.newaxis]).sum(axis=0)
        voxels += int(np.count_nonzero(varies))
    return float(np.square(total / voxels).sum()) if voxels else math.nan


def aqi(courses: Image) -> NDArray[np.float64]:
    """Return AFNI's quality index of each volume (3dTqual).

    ``1 - Spearman correlation`` of the volume with the median volume, in the brain. 0 is best.

    Parameters
    ----------
    courses : ndarray, shape (voxels, n)
        Realigned. 3dTqual finds its own mask; here it is the brain.

    Returns
    -------
    aqi : ndarray, shape (n,)
        1 for a volume without contrast; NaN with less than three volumes.
    """
    from scipy.stats import rankdata

    count = courses.shape[1]
    if count < MIN_VOLUMES or len(courses) == 0:
        return np.full(count, math.nan)
    median = _unit(rankdata(np.median(courses, axis=1)))
    return np.array([1 - float(np.dot(_unit(rankdata(courses[:, index])), median)) for index in range(count)])


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values centered and of length 1 (zeros if they do not vary)."""
    centered: NDArray[np.float64] = values - values.mean()
    length = float(np.linalg.norm(centered))
    return centered / length if length > 0 else centered


def aor(courses: Image, tr: float) -> NDArray[np.float64]:
    """Return the part of the brain that is an outlier in each volume (AFNI's 3dToutcount).

    A voxel is an outlier where its distance from its own trend exceeds ``z(0.001 / n) sqrt(pi / 2) MAD``; z is the
    upper quantile of the normal distribution, MAD the median distance from the trend. The trend is a Legendre
    polynomial of order ``1 + n tr / 150 s``, AFNI's rule. In 0 to 1; lower is better.

    Parameters
    ----------
    courses : ndarray, shape (voxels, n)
        Realigned.
    tr : float
        Repetition time, in seconds.

    Returns
    -------
    aor : ndarray, shape (n,)
        NaN with less than five volumes (3dToutcount's limit). Voxels that do not vary are no outliers.

    Notes
    -----
    3dToutcount fits the trend with least absolute deviations; here it is Huber's estimate, which needs no linear
    program per voxel. MRIQC removes the median only (polort 0), and so takes drift for spread: its values are lower in
    runs with drift. As sqrt(pi / 2) belongs to the mean, not the median absolute deviation, the threshold lies nearer
    than its formula suggests: in pure noise 3e-4 of all voxels exceed it, for 100 volumes.
    """
    from scipy.stats import norm

    count = courses.shape[1]
    if count < MIN_OUTLIER_VOLUMES or len(courses) == 0:
        return np.full(count, math.nan)
    basis = _trends(count, 1 + int(count * tr / 150))
    limit = float(norm.isf(0.001 / count)) * math.sqrt(math.pi / 2)
    # A course that is its own trend leaves rounding errors, which are no spread.
    rounding = 1e-9 * max(abs(float(courses.max())), abs(float(courses.min())))
    outliers = np.zeros(count)
    for block in _courses(courses):
        distance = np.abs(_detrend(block, basis))
        spread = np.median(distance, axis=1)
        spread[spread <= rounding] = math.inf
        outliers += np.count_nonzero(distance > limit * spread[:, np.newaxis], axis=0)
    return outliers / len(courses)


def _detrend(courses: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what remains of each course without its trend, which outliers hardly move (Huber 1964).

    After a fit by least squares, what remains is clipped at two median absolute deviations and its own trend taken
    away, five times: that converges to Huber's estimate.
    """
    rest = courses - (courses @ basis) @ basis.T
    limit = 2 * np.median(np.abs(rest), axis=1, keepdims=True)
    for _ in range(5):
        rest -= (np.clip(rest, -limit, limit) @ basis) @ basis.T
    return rest


def _trends(count: int, order: int) -> NDArray[np.float64]:
    """Return an orthonormal basis of the polynomials up to an order, shape (count, order + 1)."""
    legendre = np.polynomial.legendre.legvander(np.linspace(-1, 1, count), min(order, count - 1))
    basis: NDArray[np.float64] = np.linalg.qr(legendre)[0]
    return basis


def gsr(image: Image, mask: Mask, axis: int) -> float:
    """Return the ghost-to-signal ratio along one axis (Giannelli et al. 2010, doi:10.1120/jacmp.v11i4.3237).

    ``(mean of the ghost - mean of the rest of the background) / median of the brain``. The ghost is where the brain
    comes to lie when it is shifted by half of the field of view, outside the brain. Only the value along the phase
    encoding is about Nyquist ghosts. Without unit; near 0 is best.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        The mean of the series.
    mask : ndarray of bool, shape (i, j, k)
        The brain.
    axis : int
        0 for x, 1 for y.

    Returns
    -------
    gsr : float
        NaN where the brain, the ghost, or the rest of the background is empty.
    """
    brain = np.asarray(mask, dtype=bool)
    ghost = np.roll(brain, brain.shape[axis] // 2, axis=axis) & ~brain
    rest = ~brain & ~ghost
    if not (brain.any() and ghost.any() and rest.any()):
        return math.nan
    return ratio(
        float(select(image, ghost).mean() - select(image, rest).mean()), float(np.median(select(image, brain)))
    )
