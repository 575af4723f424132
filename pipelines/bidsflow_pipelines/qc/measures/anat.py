"""Measures of anatomical images (T1w, T2w): contrast and tissue; noise is measured in `air` and in `cores`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsflow_pipelines.qc.measures.air import air_noise, qi_1, qi_2, snrd
from bidsflow_pipelines.qc.measures.common import (
    Summary,
    clean,
    efc,
    fber,
    flatten,
    fwhm,
    geometry,
    ratio,
    select,
    summary,
)
from bidsflow_pipelines.qc.measures.cores import find_cores, level, snr_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.background import Background
    from bidsflow_pipelines.qc.measures.common import Image, Mask, Zooms

TISSUES = ("csf", "gm", "wm")

WM_INTENSITY = 1000.0
"""What `harmonize` scales the median of white matter to."""

HIGH_RESOLUTION = 1.9
"""Millimetres: with voxels below this in every axis, white matter is thick enough to be eroded (as in MRIQC)."""


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
