"""Maps of a BOLD series: mean, median, deviation, signal over noise; and the brain in its mean."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
#: Millimetres: a ball that fits into every part of a brain, roughly, but not into an eye (12), muscle or scalp.
BALL = 16.0
#: Part of a mask that this ball does not reach; more hangs on the brain than belongs to it.
THIN = 0.05


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


def measure_thin(mask: Mask, zooms: NDArray[np.float64]) -> float:
    """Return which part of a mask is too thin for a ball of `BALL` millimetres; what the image cuts off is not thin.

    Examples
    --------
    >>> measure_thin(np.ones((30, 30, 30), dtype=bool), np.full(3, 4.0))
    0.0
    """
    reach = int(np.ceil(BALL / zooms.min())) + 2
    padded = np.pad(mask, reach, mode="edge")
    core = largest_region(erode(padded, BALL, zooms))
    # The border of what is left lies up to a voxel deeper than the ball's middle.
    reached = dilate(core, BALL + 0.5 * float(zooms.max()), zooms) & padded
    inner = tuple(slice(reach, -reach) for _ in range(3))
    return 1 - int(reached[inner].sum()) / max(int(mask.sum()), 1)


def doubt_epi(mask: Mask, zooms: NDArray[np.float64]) -> tuple[float, str]:
    """Return the millilitres of the brain in an EPI, and what is wrong with it, or nothing."""
    millilitres = float(mask.sum() * np.prod(zooms) / 1000)
    low, high = VOLUMES
    if not low <= millilitres <= high:
        return millilitres, f"the brain mask holds {millilitres:.0f} ml; {low:.0f} to {high:.0f} ml are plausible"
    thin = measure_thin(mask, zooms)
    if thin > THIN:
        return millilitres, f"{100 * thin:.0f} % of the brain mask are thin: scalp, muscle or eyes"
    return millilitres, ""


def mask_epi(image: Path) -> EpiBrain:
    """Write the mask of the brain in the mean of a series.

    Parameters
    ----------
    image : Path
        Mean or median of a BOLD series.
    """
    volume = load_volume(image)
    brain = find_epi_brain(volume)
    millilitres, why = doubt_epi(brain, volume.zooms)
    return EpiBrain(save_volume("brain_mask.nii.gz", brain, volume.affine), millilitres, not why, why)
