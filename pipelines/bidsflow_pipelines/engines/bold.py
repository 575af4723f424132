"""Maps of a BOLD series: mean, median, deviation, signal over noise; and the brain in its mean."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bidsflow_pipelines.engines.head import otsu
from bidsflow_pipelines.engines.images import (
    Image,
    Mask,
    Volume,
    close_mask,
    dilate,
    erode,
    fill_holes,
    largest_region,
    load_volume,
    save_volume,
)
from bidsflow_pipelines.engines.series import Series, open_series

#: Millimetres: what hangs on the brain by less than twice this (eyes, scalp) is cut off; gaps up to it are closed.
NECK = 4.0
#: Volumes that the median is taken of.
MEDIAN_OF = 25
#: Millilitres of a brain in a whole-head EPI; slabs have less, and are flagged.
VOLUMES = (700.0, 2200.0)


class BoldMaps(NamedTuple):
    """Maps over time; all have one volume."""

    mean: Path
    median: Path
    std: Path
    tsnr: Path


class EpiBrain(NamedTuple):
    """The brain in an EPI, its volume, and whether that is plausible."""

    brain: Path
    volume_ml: float
    plausible: bool
    why: str


def find_epi_brain(image: Volume) -> Mask:
    """Return the brain in a fat-saturated EPI, where it is what is bright.

    Otsu's threshold of the roots, cut loose from the eyes and the skin, the largest part, closed and filled.

    Parameters
    ----------
    image : Volume
        Mean or median of a series.
    """
    data = np.clip(image.data, 0, np.percentile(image.data, 99))
    mask = np.sqrt(data) > otsu(np.sqrt(data))
    radius = max(NECK, float(image.zooms.max()) * 1.01)
    core = largest_region(erode(fill_holes(mask), radius, image.zooms))
    if not core.any():
        return fill_holes(largest_region(mask))
    grown = dilate(core, radius + 0.5 * float(image.zooms.max()), image.zooms) & fill_holes(mask)
    return fill_holes(close_mask(largest_region(grown), radius, image.zooms))


def find_maps(series: Series) -> tuple[Image, Image]:
    """Return mean and standard deviation over time, one volume at a time (Welford 1962)."""
    mean = np.zeros(series.shape[:3])
    squares = np.zeros(series.shape[:3])
    for index in range(len(series)):
        volume = series[index]
        change = volume - mean
        mean += change / (index + 1)
        squares += change * (volume - mean)
    return mean, np.sqrt(squares / max(len(series) - 1, 1))


def make_tsnr(mean: Image, std: Image) -> Image:
    """Return mean over standard deviation; 0 where nothing varies."""
    return np.divide(mean, std, out=np.zeros_like(mean), where=std > 1e-3 * max(float(mean.max()), 1e-6) * 1e-3)


def map_bold(series: Path) -> BoldMaps:
    """Write mean, median, standard deviation and temporal signal-to-noise ratio of a series.

    The median is that of up to 25 volumes, evenly spread: more would not fit into memory, and tell no more.

    Parameters
    ----------
    series : Path
        Realigned.
    """
    from bidsflow_pipelines.engines.motion import spread

    with open_series(series) as opened:
        mean, std = find_maps(opened)
        median = np.median([opened[index] for index in spread(len(opened), MEDIAN_OF)], axis=0)
        maps = {"mean": mean, "median": median, "std": std, "tsnr": make_tsnr(mean, std)}
        return BoldMaps(*(save_volume(f"{name}.nii.gz", data, opened.affine) for name, data in maps.items()))


def mask_epi(image: Path) -> EpiBrain:
    """Write the mask of the brain in the mean of a series.

    Parameters
    ----------
    image : Path
        Mean or median of a BOLD series.
    """
    volume = load_volume(image)
    brain = find_epi_brain(volume)
    millilitres = float(brain.sum() * np.prod(volume.zooms) / 1000)
    low, high = VOLUMES
    plausible = low <= millilitres <= high
    why = "" if plausible else f"the brain mask holds {millilitres:.0f} ml; {low:.0f} to {high:.0f} ml are plausible"
    return EpiBrain(save_volume("brain_mask.nii.gz", brain, volume.affine), millilitres, plausible, why)
