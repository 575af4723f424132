"""Measures of anatomical images (T1w, T2w): contrast, noise, artifacts in the air, tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsflow_pipelines.qc.measures.common import (
    Summary,
    biweight,
    bounding_box,
    clean,
    efc,
    fber,
    flatten,
    fwhm,
    geometry,
    mad,
    ratio,
    select,
    summary,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.background import Background
    from bidsflow_pipelines.qc.measures.common import Image, Mask, Zooms

TISSUES = ("csf", "gm", "wm")

RAYLEIGH = math.sqrt((4 - math.pi) / 2)
"""The standard deviation of the magnitude of complex noise, in units of the deviation of one channel."""

WM_INTENSITY = 1000.0
"""What `harmonize` scales the median of white matter to."""

HIGH_RESOLUTION = 1.9
"""Millimetres: with voxels below this in every axis, white matter is thick enough to be eroded (as in MRIQC)."""

MIN_CORE = 30
"""Voxels that the core of a tissue has at least: the deviation of so few is known to a seventh."""

DEGREE = 4
"""Of the polynomial that the non-uniformity is fitted with in `level`."""

MIN_FITTED, MOST_FITTED = 500, 20_000
"""Voxels of a tissue that the polynomial is fitted to: fewer do not hold it, more tell nothing."""

MIN_NOISE = 1000
"""Voxels with noise that `qi_2` needs (as in MRIQC)."""


@dataclass(frozen=True, slots=True)
class AnatImages:
    """What the measures of an anatomical image are computed from; all arrays have the shape of the image.

    Attributes
    ----------
    original : ndarray
        As acquired.
    corrected : ndarray
        After the correction of intensity non-uniformity.
    bias : ndarray
        The non-uniformity field that was found: original = corrected * bias, or its inverse.
    labels : ndarray of int
        0 background, 1 CSF, 2 grey matter, 3 white matter.
    tissues : tuple of ndarray
        Probabilities of CSF, grey matter and white matter.
    head : ndarray of bool
        The head with its skin.
    background : Background
        From `find_background` of the original image.
    templates : tuple of ndarray, optional
        Probabilities of CSF, grey matter and white matter in a template, resampled to the image.
    """

    original: Image
    corrected: Image
    bias: Image
    labels: NDArray[np.integer]
    tissues: tuple[Image, Image, Image]
    head: Mask
    background: Background
    templates: tuple[Image, Image, Image] | None = None


def measure_anat(images: AnatImages, zooms: Zooms) -> dict[str, float]:
    """Return all measures of an anatomical image.

    Parameters
    ----------
    images : AnatImages
        The image and what was derived from it.
    zooms : tuple of float
        Voxel size, in millimetres.

    Returns
    -------
    measures : dict
        Names as in MRIQC. NaN where a measure cannot be computed; each function says when.
    """
    brain = images.labels > 0
    original = _measure_original(clean(images.original), images.labels, images.background.air, zooms)
    image = harmonize(clean(images.corrected), images.tissues[2], zooms)
    background = images.background
    csf, gm, wm = (summary(image, probability) for probability in images.tissues)
    air = summary(image, background.air)
    return flatten(
        original
        | {
            "cjv": cjv(wm, gm),
            "cnr": cnr(wm, gm, air),
            "efc": efc(image, background.frame),
            "fber": fber(image, images.head, background.frame),
            "icvs": icvs(images.tissues),
            "inu": inu(images.bias, brain),
            "qi_1": qi_1(background),
            "rpve": rpve(images.tissues),
            "summary_bg": air,
            "summary_csf": csf,
            "summary_gm": gm,
            "summary_wm": wm,
            "tpm_overlap": tpm_overlap(images.tissues, images.templates),
            "wm2max": wm2max(image, wm),
        }
    ) | geometry(image.shape, zooms)


def _measure_original(image: Image, labels: NDArray[np.integer], air: Mask, zooms: Zooms) -> dict[str, Any]:
    """Return what is measured in the image as acquired: smoothness, and signal over noise.

    The field that a correction divides by was found in the head: what it is in the air, nothing tells, and where
    tissues are flat it need not be. A function of its own, so that this copy of the image is gone before the next is
    made.
    """
    noise = air_noise(select(image, air))
    cores = find_cores(labels)
    signals = [image[core] for core in cores]
    ratios = [snrd(float(np.median(signal)) if signal.size else math.nan, noise) for signal in signals]
    return {
        "fwhm": fwhm(image, labels > 0),
        "qi_2": qi_2(image, air),
        "snr": _with_total([snr_core(values) for values in level(image, cores, zooms)]),
        "snrd": _with_total(ratios),
    }


def _with_total(values: list[float]) -> dict[str, float]:
    """Return a value per tissue and their mean, which MRIQC calls the total."""
    return {**dict(zip(TISSUES, values, strict=True)), "total": float(np.mean(values))}


def find_cores(labels: NDArray[np.integer]) -> tuple[Mask, Mask, Mask]:
    """Return the inner voxels of CSF, grey and white matter, which share nothing with another tissue.

    Without the voxels that touch another tissue with a face or an edge (the structure that MRIQC eroded with, up to its
    version 23); where fewer than `MIN_CORE` are left, with a face; where that leaves too few as well, all of them.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k)
        0 background, 1 CSF, 2 grey matter, 3 white matter.
    """
    from scipy.ndimage import binary_erosion, generate_binary_structure

    box = bounding_box(labels > 0)
    cores = []
    for label in (1, 2, 3):
        whole = labels[box] == label
        eroded = (binary_erosion(whole, generate_binary_structure(3, rank)) for rank in (2, 1))
        core = np.zeros(labels.shape, dtype=bool)
        core[box] = next((one for one in eroded if np.count_nonzero(one) >= MIN_CORE), whole)
        cores.append(core)
    csf, gm, wm = cores
    return csf, gm, wm


def level(image: Image, cores: tuple[Mask, Mask, Mask], zooms: Zooms) -> list[NDArray[np.float64]]:
    """Return the intensities of tissues without the non-uniformity of the coils.

    A polynomial of the place, of fourth degree, in the logarithm of the image, is fitted to the cores of grey and white
    matter by least squares, without what is farther than three deviations from it (Dawant et al. 1993,
    doi:10.1109/42.251128; Styner et al. 2000, doi:10.1109/42.845174). It is flat where the tissues are flat. N4 has no
    tissues to hold on to: in phantoms without a field it finds one that varies by a tenth and more over the brain, and
    what it leaves is many times the noise.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        As acquired.
    cores : tuple of ndarray of bool
        CSF, grey and white matter, from `find_cores`.
    zooms : tuple of float
        Voxel size, in millimetres.

    Returns
    -------
    values : list of ndarray
        Of the cores; as they are where grey or white matter has fewer than `MIN_FITTED` voxels.
    """
    values = [unround(select(image, core)) for core in cores]
    chosen = [slice(None, None, max(1, part.size // MOST_FITTED)) for part in values[1:]]
    if min(part.size for part in values[1:]) < MIN_FITTED or min(np.median(part) for part in values[1:]) <= 0:
        return values
    places = [_polynomials(core, zooms) for core in cores]
    terms = np.vstack([place[part] for place, part in zip(places[1:], chosen, strict=True)])
    floors = [1e-3 * float(np.median(part)) for part in values[1:]]  # dark vessels have no logarithm, and are left out
    logs = [np.log(np.maximum(part[some], low)) for part, some, low in zip(values[1:], chosen, floors, strict=True)]
    tissue = np.repeat([0, 1], [part.size for part in logs])
    design = np.hstack([np.eye(2)[tissue], terms])
    left = np.concatenate([part - np.median(part) for part in logs])
    target = np.concatenate(logs)
    for _ in range(5):
        width = np.array([mad(left[tissue == index]) for index in (0, 1)])[tissue]
        weight = (np.abs(left) < 3 * width) / np.maximum(width, 1e-9)
        fitted = np.linalg.lstsq(design * weight[:, None], target * weight, rcond=None)[0]
        left = target - design @ fitted
    field = fitted[2:]
    middle = float((terms @ field).mean())
    return [part / np.exp(place @ field - middle) for part, place in zip(values, places, strict=True)]


def _polynomials(mask: Mask, zooms: Zooms) -> NDArray[np.float64]:
    """Return the products of powers of the place of each voxel up to `DEGREE`, without the constant, shape (n, m)."""
    middle = (np.array(mask.shape) - 1) / 2
    x, y, z = ((np.argwhere(mask) - middle) * zooms / 100).T  # decimetres: all powers are about 1
    powers = [
        x**a * y**b * z**c
        for a in range(DEGREE + 1)
        for b in range(DEGREE + 1 - a)
        for c in range(DEGREE + 1 - a - b)
        if a + b + c
    ]
    return np.stack(powers, axis=1)


def snr_core(values: NDArray[np.floating]) -> float:
    """Return the signal-to-noise ratio of a tissue: the median of its core over the (robust) deviation there.

    ``median / (s * sqrt(n / (n - 1)))`` with the biweight deviation s (Magnotta and Friedman 2006,
    doi:10.1007/s10278-006-0264-x, with the standard deviation); without unit; higher is better. NaN for a region of one
    voxel or less, or without variance.

    Notes
    -----
    MRIQC takes the standard deviation over all voxels, weighted by probability (up to version 23 over an eroded mask),
    after N4. That is partial volume: a voxel in a hundred that belongs to another tissue triples it. Here it is what
    varies within a tissue: noise, and in real tissue its own differences. The core of fluid has some hundred voxels; of
    250 with Gaussian noise the median absolute deviation is known to 7 %, the biweight to 5 %.
    """
    if values.size <= 1:
        return math.nan
    return ratio(float(np.median(values)), biweight(values) * math.sqrt(values.size / (values.size - 1)))


def harmonize(image: Image, wm: Image, zooms: Zooms) -> Image:
    """Return the image scaled so that the median of white matter is 1000.

    That makes intensities of scanners comparable, and thresholds of them meaningful.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Corrected for non-uniformity.
    wm : ndarray, shape (i, j, k)
        Probability of white matter; above 0.9, and eroded if the voxels are small enough, it is certain.
    zooms : tuple of float
        Voxel size, in millimetres.

    Returns
    -------
    image : ndarray, shape (i, j, k)
        Unchanged where no white matter was found.
    """
    from scipy.ndimage import binary_erosion, generate_binary_structure

    certain = wm >= 0.9
    if max(zooms) < HIGH_RESOLUTION:
        eroded = binary_erosion(certain, structure=generate_binary_structure(3, 2))
        certain = eroded if eroded.any() else certain
    values = image[certain]
    median = float(np.median(values)) if values.size else 0.0
    return image * image.dtype.type(WM_INTENSITY / median) if median > 0 else image


def cjv(wm: Summary, gm: Summary) -> float:
    """Return the coefficient of joint variation (Ganzetti et al. 2016, doi:10.3389/fninf.2016.00010).

    ``(mad_wm + mad_gm) / |median_wm - median_gm|``, without unit. Motion and non-uniformity raise it; lower is better.
    NaN without contrast.
    """
    return ratio(wm.mad + gm.mad, abs(wm.median - gm.median))


def cnr(wm: Summary, gm: Summary, air: Summary) -> float:
    """Return the contrast-to-noise ratio (Magnotta and Friedman 2006, doi:10.1007/s10278-006-0264-x).

    ``|median_wm - median_gm| / sqrt(stdv_air^2 + stdv_wm^2 + stdv_gm^2)``, without unit; higher is better. An image
    without air has no noise there, and that term is zero (as in MRIQC): do not compare it with images that have air.
    """
    noise = 0.0 if math.isnan(air.stdv) else air.stdv
    return ratio(abs(wm.median - gm.median), math.sqrt(noise**2 + wm.stdv**2 + gm.stdv**2))


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


def wm2max(image: Image, wm: Summary) -> float:
    """Return the median of white matter, over the 99.95th percentile of the image.

    Vessels and fat that are too bright lower it; 0.6 to 0.8 is usual. NaN for an image of zeros.
    """
    return ratio(wm.median, float(np.percentile(image, 99.95)))


def icvs(tissues: tuple[Image, Image, Image]) -> dict[str, float]:
    """Return the part of the intracranial volume that each tissue takes; the three add up to 1.

    ``sum p_k / sum of all p``. Values far from those of others mean a failed segmentation. NaN without any tissue.
    """
    volumes = [float(probability.sum(dtype=np.float64)) for probability in tissues]
    return {tissue: ratio(volume, sum(volumes)) for tissue, volume in zip(TISSUES, volumes, strict=True)}


def rpve(tissues: tuple[Image, Image, Image]) -> dict[str, float]:
    """Return the residual partial-volume error of each tissue; lower is better.

    With the probabilities p of a tissue, set to zero outside their 2nd and 98th percentile:
    ``(sum of p above 0.5 + sum of (1 - p) up to 0.5) / count of p above 0``.

    Returns
    -------
    rpve : dict
        NaN for a tissue without voxels.

    Notes
    -----
    This is what MRIQC computes, for the sake of comparison. In its formula the second sum runs over voxels of the
    tissue; in its code (and here) it counts every voxel of the image with p = 0 as 1. So the value grows with the
    field of view: compare it only between images of the same protocol.
    """
    return {tissue: _rpve(probability) for tissue, probability in zip(TISSUES, tissues, strict=True)}


def _rpve(probability: Image) -> float:
    """Return the residual partial-volume error of one tissue."""
    values = np.clip(probability[probability > 0].astype(np.float64), 0, 1)
    if values.size == 0:
        return math.nan
    low, high = np.percentile(values, (2, 98))
    kept = values[(values >= low) & (values <= high)]
    pure = kept > 0.5
    empty = probability.size - kept.size  # each of them adds 1 - 0
    return float(kept[pure].sum() + (1 - kept[~pure]).sum() + empty) / values.size


def inu(bias: Image, brain: Mask) -> dict[str, float]:
    """Return how uneven the field of the coils is within the brain.

    ``range`` is the 95th minus the 5th percentile of the field, ``med`` its median; without unit. A small range, and a
    median near 1, are better (Tustison et al. 2010, N4, doi:10.1109/TMI.2010.2046908). NaN without a brain.
    """
    values = select(bias, brain)
    if values.size == 0:
        return {"range": math.nan, "med": math.nan}
    low, median, high = np.percentile(values, (5, 50, 95))
    return {"range": float(abs(high - low)), "med": float(median)}


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


def tpm_overlap(tissues: tuple[Image, Image, Image], templates: tuple[Image, Image, Image] | None) -> dict[str, float]:
    """Return how well each tissue overlaps with that of a template (fuzzy Jaccard index); higher is better.

    ``sum min(p, q) / sum max(p, q)``, in 0 to 1. NaN without templates, or without the tissue.
    """
    if templates is None:
        return dict.fromkeys(TISSUES, math.nan)
    return {
        tissue: ratio(
            float(np.minimum(mine, theirs).sum(dtype=np.float64)), float(np.maximum(mine, theirs).sum(dtype=np.float64))
        )
        for tissue, mine, theirs in zip(TISSUES, tissues, templates, strict=True)
    }
