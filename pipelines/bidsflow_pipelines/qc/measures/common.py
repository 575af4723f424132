"""Measures that every kind of image has: entropy, energy, smoothness, summaries of a region."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Image: TypeAlias = NDArray[np.floating]
    Mask: TypeAlias = NDArray[np.bool_]
    Zooms: TypeAlias = tuple[float, float, float]

Scalar = TypeVar("Scalar", bound=np.generic)

MAD_TO_SIGMA = 1 / 0.6744897501960817
"""The standard deviation of a normal distribution, in units of its median absolute deviation."""

MIN_ENERGY = 1e-3
"""A background with less energy than this is no measurement, but zeros that someone filled in (as in MRIQC)."""

MIN_PAIRS = 6
"""Neighbours that a variance of differences needs (AFNI, mri_fwhm.c)."""


def clean(image: Image) -> Image:
    """Return the image with what is not finite, and what is negative, set to zero.

    Parameters
    ----------
    image : ndarray
        Any shape. Interpolation and bias correction leave small negative values where the magnitude is near zero.

    Returns
    -------
    image : ndarray
        A copy; float32 stays float32, everything else becomes float64.
    """
    dtype = np.float32 if image.dtype == np.float32 else np.float64
    finite: Image = np.nan_to_num(np.array(image, dtype=dtype), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    np.maximum(finite, 0, out=finite)
    return finite


def select(image: Image | Mask, mask: Mask) -> NDArray[np.float64]:
    """Return the values of the voxels in the mask, as float64.

    The mask may be a 0/1 image: an integer array would otherwise be taken for indices, silently.
    """
    values: NDArray[np.float64] = image[np.asarray(mask, dtype=bool)].astype(np.float64)
    return values


def mad(values: NDArray[np.floating], center: float | None = None) -> float:
    """Return the median absolute deviation, scaled to the standard deviation of a normal distribution.

    ``median(|x - center|) / 0.6745``, with the median as the center unless one is given. NaN without values.

    Examples
    --------
    >>> round(mad(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), 4)
    1.4826
    """
    if values.size == 0:
        return math.nan
    distance = np.abs(values - (float(np.median(values)) if center is None else center))
    return float(np.median(distance, overwrite_input=True)) * MAD_TO_SIGMA


def biweight(values: NDArray[np.floating]) -> float:
    """Return the square root of the biweight midvariance: a deviation that ignores what lies far out.

    Of Gaussian noise it uses more than twice as much as the median absolute deviation, and whole numbers do not round
    it (Lax 1985, doi:10.1080/01621459.1985.10478177; Beers et al. 1990, doi:10.1086/115487).

    Parameters
    ----------
    values : ndarray, shape (n,)
        In any unit.

    Returns
    -------
    deviation : float
        The standard deviation where more than half of all values are equal; NaN where there are none.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(scale=8, size=10_000)
    >>> values[:500] += 100
    >>> round(float(values.std()), 1), round(biweight(values), 1)
    (23.2, 8.3)
    """
    if not values.size:
        return math.nan
    away = values - np.median(values)
    far = 9 * float(np.median(np.abs(away)))
    if far == 0:
        return float(np.std(values))
    near = away[np.abs(away) < far]
    rest = 1 - np.square(near / far)
    spread = values.size * np.sum(np.square(near) * rest**4)
    return float(np.sqrt(spread) / np.abs(np.sum(rest * (5 * rest - 4))))


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, or NaN where the denominator is zero or NaN."""
    return numerator / denominator if denominator and not math.isnan(denominator) else math.nan


@dataclass(frozen=True, slots=True)
class Summary:
    """How the intensities of a region are distributed.

    Attributes
    ----------
    mean, median, stdv, p05, p95 : float
        Weighted by the probability that a voxel belongs to the region; in units of the image.
    mad : float
        Median absolute deviation from the (weighted) median, times 1.4826, of the voxels with at least half of the
        largest probability.
    k : float
        Excess kurtosis (0 for a normal distribution) of the same voxels.
    n : float
        The sum of the probabilities: the volume of the region, in voxels.
    """

    mean: float = math.nan
    median: float = math.nan
    stdv: float = math.nan
    mad: float = math.nan
    p05: float = math.nan
    p95: float = math.nan
    k: float = math.nan
    n: float = 0.0


def summary(image: Image, weights: Image | Mask) -> Summary:
    """Return the summary of the intensities of a region.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Intensities.
    weights : ndarray, shape (i, j, k)
        The probability that a voxel belongs to the region, or a mask.

    Returns
    -------
    summary : Summary
        All NaN, with ``n`` 0, for a region without voxels.

    Notes
    -----
    As in MRIQC since version 24: probability maps weigh, they are neither thresholded nor eroded. MRIQC also rounds
    the intensities to whole numbers first; here they stay as they are.
    """
    inside = weights > 0
    if not inside.any():
        return Summary()
    if weights.dtype == np.bool_:  # the air has many voxels: neither sort nor widen them
        return _summary_of_mask(image[inside])
    values, weight = select(image, inside), select(weights, inside)
    p05, median, p95 = weighted_quantiles(values, weight, (0.05, 0.5, 0.95))
    total = weight.sum()
    mean = float(np.dot(values, weight) / total)
    core = values[weight > 0.5 * weight.max()]
    return Summary(
        mean=mean,
        median=median,
        stdv=math.sqrt(float(np.dot(np.square(values - mean), weight) / total)),
        mad=mad(core, center=median),
        p05=p05,
        p95=p95,
        k=_moments(core)[2],
        n=float(total),
    )


def _summary_of_mask(values: Image) -> Summary:
    """Return the summary of values that all weigh the same."""
    p05, median, p95 = (
        float(value) for value in np.quantile(values, (0.05, 0.5, 0.95), method="averaged_inverted_cdf")
    )
    mean, stdv, k = _moments(values)
    return Summary(mean, median, stdv, mad(values, center=median), p05, p95, k, n=float(values.size))


def _moments(values: Image) -> tuple[float, float, float]:
    """Return the mean, the standard deviation and the excess kurtosis (NaN without variance) of values."""
    mean = float(values.mean(dtype=np.float64))
    powers = np.square(values - mean)
    variance = float(powers.mean(dtype=np.float64))
    fourth = float(np.square(powers, out=powers).mean(dtype=np.float64))
    return mean, math.sqrt(variance), ratio(fourth, variance**2) - 3


def weighted_quantiles(
    values: NDArray[np.floating], weights: NDArray[np.floating], quantiles: tuple[float, ...]
) -> list[float]:
    """Return quantiles of values that count as often as their weights say.

    The inverse of the weighted distribution function; the mean of two neighbours where a quantile falls exactly
    between them. With equal weights and the quantile 0.5 that is the median.

    Parameters
    ----------
    values, weights : ndarray, shape (n,)
        At least one value; weights are positive.
    quantiles : tuple of float
        In [0, 1].

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 8.0]), (0.05, 0.5, 0.95))
    [1.0, 2.0, 3.0]
    """
    order = np.argsort(values)
    ordered = values[order]
    cumulative = np.cumsum(weights[order], dtype=np.float64)
    targets = np.asarray(quantiles) * cumulative[-1]
    last = len(ordered) - 1
    lower = np.minimum(np.searchsorted(cumulative, targets, side="left"), last)
    upper = np.minimum(np.searchsorted(cumulative, targets, side="right"), last)
    return [float(value) for value in (ordered[lower] + ordered[upper]) / 2]


def snr(region: Summary) -> float:
    """Return the signal-to-noise ratio within one region.

    ``median / (stdv * sqrt(n / (n - 1)))``, without unit; higher is better. The deviation holds anatomy as well as
    noise. NaN for a region of one voxel or less, or without variance.
    """
    if region.n <= 1:
        return math.nan
    return ratio(region.median, region.stdv * math.sqrt(region.n / (region.n - 1)))


def efc(image: Image, frame: Mask | None = None) -> float:
    """Return the entropy focus criterion (Atkinson et al. 1997, doi:10.1109/42.650886).

    ``E = -sum(x/b ln(x/b))`` with ``b = sqrt(sum(x^2))``, divided by its maximum ``sqrt(n) ln(sqrt(n))``: 0 for all
    energy in one voxel, 1 for an even image. Ghosts and blur of motion raise it; lower is better.

    Parameters
    ----------
    image : ndarray, shape (i, j, k) or (i, j, k, n)
        Magnitudes; what interpolation left below zero counts as zero.
    frame : ndarray of bool, shape (i, j, k), optional
        Voxels to leave out because they were never measured (`rotation_mask`).

    Returns
    -------
    efc : float
        NaN for an image of zeros, or of less than two voxels.

    Notes
    -----
    Zeros add nothing to E, but count in n: an image whose background was set to zero has a lower EFC than the same
    image with its background, and must not be compared with it (as in MRIQC).
    """
    from scipy.special import xlogy

    total = energy = logs = 0.0
    count = 0
    for block, left_out in _blocks(image, frame):
        # fmax, not maximum: what is not a number counts as zero, too.
        values = np.fmax(block if left_out is None else block[~left_out], 0).astype(np.float64)
        count += values.size
        total += float(values.sum())
        energy += float(np.square(values).sum())
        logs += float(xlogy(values, values).sum())
    if count < 2 or energy == 0:
        return math.nan
    scale = math.sqrt(energy)
    entropy = (total * math.log(scale) - logs) / scale  # sum(x/b ln(x/b)), expanded: one pass over the image
    return entropy / (math.sqrt(count) * math.log(math.sqrt(count)))


def _blocks(image: Image, frame: Mask | None) -> Iterator[tuple[Image, Mask | None]]:
    """Yield the image along its last axis, with the part of a three-dimensional frame that belongs to it."""
    for index in range(image.shape[-1]):
        if frame is None:
            yield image[..., index], None
        else:
            yield image[..., index], (frame if image.ndim > frame.ndim else frame[..., index])


def fber(image: Image, head: Mask, frame: Mask | None = None) -> float:
    """Return the foreground-background energy ratio (Shehzad et al. 2015, the Preprocessed Connectomes QAP).

    ``median(x^2 in the head) / median(x^2 outside)``, without unit; higher is better.

    Parameters
    ----------
    image : ndarray, shape (i, j, k) or (i, j, k, n)
        Magnitudes.
    head : ndarray of bool, shape (i, j, k)
        The foreground: the head (anatomical images) or the brain (EPI).
    frame : ndarray of bool, shape (i, j, k), optional
        Voxels outside the head that were never measured.

    Returns
    -------
    fber : float
        NaN where there is no background, or none with energy: skull-stripped images (MRIQC writes -1).
    """
    outside = ~np.asarray(head, dtype=bool)
    if frame is not None:
        outside = outside & ~np.asarray(frame, dtype=bool)
    background = _median_energy(image, outside)
    return _median_energy(image, head) / background if background >= MIN_ENERGY else math.nan


def _median_energy(image: Image, mask: Mask) -> float:
    """Return the median of the squares in a mask, NaN if the mask is empty; one copy of what it selects."""
    values = image[np.asarray(mask, dtype=bool)]
    if values.size == 0:
        return math.nan
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    np.nan_to_num(values, copy=False, nan=0.0)
    return float(np.median(np.square(values, out=values), overwrite_input=True))


class Fwhm(NamedTuple):
    """The smoothness of an image along its three axes, and their mean; in voxels."""

    x: float
    y: float
    z: float
    avg: float


def fwhm(image: Image, mask: Mask) -> Fwhm:
    """Return the full width at half maximum of the Gaussian that would have made noise as smooth as the image.

    Forman et al. 1995 (doi:10.1002/mrm.1910330508), which is the classic method of AFNI's 3dFWHMx. With the variance s
    of the image and the variance d of the differences of neighbours, both in the mask, neighbours correlate with
    ``r = 1 - d / (2 s)``, and ``FWHM = sqrt(-2 ln 2 / ln r)``; lower is sharper.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        One volume. 3dFWHMx' detrending acts along time, and so does nothing to one volume.
    mask : ndarray of bool, shape (i, j, k)
        The brain.

    Returns
    -------
    fwhm : Fwhm
        In voxels, as MRIQC writes it: times the voxel size it is in millimetres. NaN along an axis with less than six
        pairs of neighbours, or whose neighbours do not correlate (or are equal).
    """
    box = bounding_box(mask)
    inside = np.asarray(mask, dtype=bool)[box]
    values = image[box].astype(np.float64)
    variance = float(values[inside].var(ddof=1)) if inside.sum() > 1 else 0.0
    x, y, z = (_fwhm_axis(values, inside, axis, variance) for axis in range(3))
    return Fwhm(x, y, z, avg=(x + y + z) / 3)


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """Return the smallest box that holds the mask (the empty box for an empty mask)."""
    occupied = np.asarray(mask, dtype=bool)
    box = []
    for axis in range(occupied.ndim):
        others = tuple(other for other in range(occupied.ndim) if other != axis)
        indices = np.flatnonzero(occupied.any(axis=others))
        box.append(slice(int(indices[0]), int(indices[-1]) + 1) if indices.size else slice(0, 0))
    return tuple(box)


def _fwhm_axis(values: NDArray[np.float64], inside: Mask, axis: int, variance: float) -> float:
    """Return the FWHM along one axis, in voxels."""
    first, second = _neighbours(inside, axis)
    pairs = first & second
    if variance == 0 or np.count_nonzero(pairs) < MIN_PAIRS:
        return math.nan
    low, high = _neighbours(values, axis)
    correlation = 1 - float((high[pairs] - low[pairs]).var(ddof=1)) / (2 * variance)
    return math.sqrt(-2 * math.log(2) / math.log(correlation)) if 0 < correlation < 1 else math.nan


def _neighbours(array: NDArray[Scalar], axis: int) -> tuple[NDArray[Scalar], NDArray[Scalar]]:
    """Return all but the last, and all but the first, along an axis."""
    moved = np.moveaxis(array, axis, 0)
    return moved[:-1], moved[1:]


def flatten(groups: Mapping[str, Mapping[str, float] | Summary | Fwhm | float]) -> dict[str, float]:
    """Return one level of names, joined by underscores, as MRIQC writes them.

    Examples
    --------
    >>> flatten({"efc": 0.5, "snr": {"gm": 10.0}})
    {'efc': 0.5, 'snr_gm': 10.0}
    """
    flat: dict[str, float] = {}
    for name, value in groups.items():
        if isinstance(value, int | float):
            flat[name] = value
        elif isinstance(value, Summary):
            flat |= {f"{name}_{key}": number for key, number in asdict(value).items()}
        else:
            items = value._asdict() if isinstance(value, Fwhm) else value
            flat |= {f"{name}_{key}": number for key, number in items.items()}
    return flat


def geometry(shape: tuple[int, ...], zooms: Zooms, tr: float | None = None) -> dict[str, float]:
    """Return the size (voxels, volumes) and the spacing (mm, s) of an image.

    Examples
    --------
    >>> geometry((64, 64, 36), (3.0, 3.0, 3.5))
    {'size_x': 64, 'size_y': 64, 'size_z': 36, 'spacing_x': 3.0, 'spacing_y': 3.0, 'spacing_z': 3.5}
    """
    sizes = {f"size_{axis}": count for axis, count in zip("xyzt", shape, strict=False)}
    spacings = {f"spacing_{axis}": float(zoom) for axis, zoom in zip("xyz", zooms, strict=True)}
    return {**sizes, **spacings} if tr is None else {**sizes, **spacings, "spacing_tr": tr}
