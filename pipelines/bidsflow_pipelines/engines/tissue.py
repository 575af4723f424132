"""CSF, grey and white matter: a mixture of three Gaussians whose neighbours agree.

A hidden Markov random field, fitted by expectation and maximisation (Zhang et al. 2001, doi:10.1109/42.906424), with
the field in its mean-field form. No template takes part: what is compared with one later is not made of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import Image, Mask, crop_box, erode, load_mask, load_volume, save_volume

#: Percentiles that intensities are clipped at: bright vessels would take a class of their own.
CLIP = (0.5, 99.5)
#: How much a neighbour's tissue counts (as in Atropos' usual [0.1-0.2, 1x1x1]).
AGREEMENT = 0.2
#: Millimetres below the surface of a mask in which no white matter lies: the cortex is 2 to 3 thick (Fischl and Dale
#: 2000, doi:10.1073/pnas.200033797), with fluid on it.
RIM = 3.0
ITERATIONS = 15
#: Of the histogram that the search begins with.
BINS = 256
#: Stop when no mean moves by more than this part of the range.
TOLERANCE = 1e-3
#: Millilitres that each tissue of a brain has at least.
LEAST = 100.0
#: Part of the brain that each tissue has at most.
MOST = 0.7
#: Standard deviations that the means of two tissues must be apart: below, one Gaussian is split in two.
APART = 1.0


class Tissues(NamedTuple):
    """Tissues on the grid of the image.

    Attributes
    ----------
    labels : ndarray of uint8
        0 background, 1 CSF, 2 grey matter, 3 white matter.
    probabilities : tuple of ndarray
        CSF, grey matter, white matter; they sum to 1 in the brain, to less where a voxel of the rim is none of them.
    means, deviations : ndarray, shape (3,)
        Of the intensities, in the same order.
    """

    labels: NDArray[np.uint8]
    probabilities: tuple[Image, Image, Image]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]


class TissueFiles(NamedTuple):
    """Labels and probabilities as files, volumes in millilitres, and whether that can be a brain."""

    labels: Path
    csf: Path
    gm: Path
    wm: Path
    csf_ml: float
    gm_ml: float
    wm_ml: float
    plausible: bool
    why: str


def split_in_three(values: Image) -> NDArray[np.float64]:
    """Return the means, ascending, of the three parts of a histogram that are the tightest.

    k-means in one dimension, not from a start but the best of all pairs of limits (Otsu 1979,
    doi:10.1109/TSMC.1979.4310076): from percentiles it misses a tissue that is rarer than they say, as fluid is in the
    young, and parts another one instead.

    Examples
    --------
    >>> split_in_three(np.repeat([1.0, 5.0, 9.0], [2, 49, 49])).tolist()
    [1.0, 5.0, 9.0]
    """
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, BINS, (low, high if high > low else low + 1))
    sums = np.histogram(values, edges, weights=values)[0]
    count, total = (np.concatenate([[0.0], np.cumsum(part)]) for part in (counts, sums))

    def measure(start: NDArray[np.int_], stop: NDArray[np.int_]) -> NDArray[np.float64]:
        """Return what a part from bin to bin takes from the sum of squares: its sum squared over its count."""
        return np.asarray(np.square(total[stop] - total[start]) / np.maximum(count[stop] - count[start], 1))

    first, second = np.triu_indices(BINS + 1)
    found = int(np.argmax(measure(0 * first, first) + measure(first, second) + measure(second, 0 * second + BINS)))
    limits = np.array([0, first[found], second[found], BINS])
    sizes = np.diff(count[limits])
    return np.where(sizes > 0, np.diff(total[limits]) / np.maximum(sizes, 1), np.median(values))


def find_tissues(image: Image, brain: Mask, *, contrast: str = "T1w", rim: Mask | None = None) -> Tissues:
    """Return the tissues of a brain.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Corrected for non-uniformity.
    brain : ndarray of bool
        Where to look.
    contrast : {"T1w", "T2w"}
        T1w: CSF is darkest and white matter brightest; T2w: the other way round.
    rim : ndarray of bool, optional
        Voxels at the surface of the brain, where a mask may hold bone and skin: the search begins without them. They
        hold no white matter, cortex and fluid lie above it; in T2w bright fluid and dark bone make voxels that look
        like it, which are left without a tissue.

    Raises
    ------
    ValueError
        If the brain is empty.
    """
    if not brain.any():
        raise ValueError("the brain mask is empty: no tissue can be found")
    box, _ = crop_box(brain)
    inside = brain[box]
    values = image[box][inside].astype(np.float32)
    values = np.clip(values, *np.percentile(values, CLIP))
    outer = np.zeros(values.shape, dtype=bool) if rim is None else rim[box][inside]
    belief = _nearest(values, split_in_three(values if outer.all() else values[~outer]))
    belief, means, deviations = _settle(values, belief, inside)
    order = np.argsort(means) if contrast == "T1w" else np.argsort(means)[::-1]
    belief, means, deviations = belief[order], means[order], deviations[order]
    winners = belief.argmax(axis=0) + 1
    if contrast == "T2w":
        winners[outer & (winners == 3)] = 0
        belief[2, outer] = 0
    labels = np.zeros(image.shape, dtype=np.uint8)
    labels[box][inside] = winners
    maps = []
    for part in belief:
        whole = np.zeros(image.shape, dtype=np.float32)
        whole[box][inside] = part
        maps.append(whole)
    return Tissues(labels, (maps[0], maps[1], maps[2]), means, deviations)


def _nearest(values: Image, means: NDArray[np.float64]) -> Image:
    """Return 1 for the nearest of three means and 0 for the others, shape (3, n)."""
    nearest = np.abs(values - means.astype(np.float32)[:, None]).argmin(axis=0)
    return np.asarray(nearest == np.arange(3)[:, None], dtype=np.float32)


def _settle(values: Image, belief: Image, inside: Mask) -> tuple[Image, NDArray[np.float64], NDArray[np.float64]]:
    """Return probabilities (3, n), means and deviations after expectation and maximisation took turns."""
    spread = float(np.ptp(values)) or 1.0
    means, deviations = _measure(values, belief, spread)
    for _ in range(ITERATIONS):
        belief = _believe(values, means, deviations, _ask_neighbours(belief, inside))
        before = means
        means, deviations = _measure(values, belief, spread)
        if np.abs(means - before).max() < TOLERANCE * spread:
            break
    return belief, means, deviations


def _measure(values: Image, belief: Image, spread: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means and deviations of the classes; no class is narrower than a hundredth of the range."""
    total = np.maximum(belief.sum(axis=1, dtype=np.float64), 1e-6)
    means = (belief @ values).astype(np.float64) / total
    variance = np.array([np.dot(part, np.square(values - mean)) for part, mean in zip(belief, means, strict=True)])
    return means, np.maximum(np.sqrt(variance / total), 0.01 * spread)


def _ask_neighbours(belief: Image, inside: Mask) -> Image:
    """Return how many of the six neighbours of each voxel belong to each class, shape (3, n)."""
    out = np.empty_like(belief)
    whole = np.zeros(tuple(count + 2 for count in inside.shape), dtype=np.float32)
    core = whole[1:-1, 1:-1, 1:-1]
    for index, part in enumerate(belief):
        core[inside] = part
        total = whole[:-2, 1:-1, 1:-1] + whole[2:, 1:-1, 1:-1]
        total += whole[1:-1, :-2, 1:-1]
        total += whole[1:-1, 2:, 1:-1]
        total += whole[1:-1, 1:-1, :-2]
        total += whole[1:-1, 1:-1, 2:]
        out[index] = total[inside]
    return out


def _believe(
    values: Image,
    means: NDArray[np.float64],
    deviations: NDArray[np.float64],
    neighbours: Image,
) -> Image:
    """Return the probabilities of the classes, shape (3, n)."""
    logs = _fit_tissues(values, means, deviations)
    logs += np.float32(AGREEMENT) * neighbours
    logs -= logs.max(axis=0)
    belief: Image = np.exp(logs, out=logs)
    belief /= belief.sum(axis=0)
    return belief


def _fit_tissues(values: Image, means: NDArray[np.float64], deviations: NDArray[np.float64]) -> Image:
    """Return the logarithm of how likely each tissue has such intensities, shape (3, n).

    Beyond the mean of a neighbour a tissue gains nothing on that neighbour, however wide it is: else, where noise is
    low, the widest of three Gaussians takes all that is none of the others, fluid the voxels between grey and white.
    """
    shape = (3, *(1,) * values.ndim)
    centres, widths = (one.astype(np.float32).reshape(shape) for one in (means, deviations))
    logs: Image = -np.log(widths) - np.square((values - centres) / widths) / 2
    first, middle, last = (int(index) for index in np.argsort(means))
    for tissue, neighbour in ((middle, first), (middle, last), (first, middle), (last, middle)):
        limit = means[neighbour]
        beyond = values > limit if limit > means[tissue] else values < limit
        distance = (limit - means[tissue]) / deviations[tissue]
        gap = np.log(deviations[neighbour] / deviations[tissue]) - distance**2 / 2
        logs[tissue, beyond] = np.minimum(logs[tissue, beyond], logs[neighbour, beyond] + np.float32(gap))
    return logs


def doubt_tissues(
    volumes_ml: tuple[float, float, float], means: NDArray[np.float64], deviations: NDArray[np.float64]
) -> str:
    """Return why a segmentation cannot be that of a brain, or nothing.

    Parameters
    ----------
    volumes_ml : tuple of float
        Of CSF, grey and white matter.
    means, deviations : ndarray, shape (3,)
        Of their intensities.

    Examples
    --------
    >>> doubt_tissues((300.0, 700.0, 500.0), np.array([1.0, 5.0, 9.0]), np.ones(3))
    ''
    >>> doubt_tissues((300.0, 1200.0, 2.0), np.array([1.0, 5.0, 9.0]), np.ones(3))
    'WM has 2 ml, less than 100 ml; GM is 80 % of the brain, more than 70 %'
    """
    total = sum(volumes_ml)
    doubts = []
    for name, volume in zip(("CSF", "GM", "WM"), volumes_ml, strict=True):
        if volume < LEAST:
            doubts.append(f"{name} has {volume:.0f} ml, less than {LEAST:.0f} ml")
    for name, volume in zip(("CSF", "GM", "WM"), volumes_ml, strict=True):
        if volume > MOST * total:
            doubts.append(f"{name} is {100 * volume / total:.0f} % of the brain, more than {100 * MOST:.0f} %")
    for first, second, names in ((0, 1, "CSF and GM"), (1, 2, "GM and WM")):
        width = float(deviations[first] + deviations[second]) / 2
        if abs(float(means[first] - means[second])) < APART * width:
            doubts.append(f"{names} do not differ in intensity")
    return "; ".join(doubts)


def segment(image: Path, brain: Path, contrast: str = "T1w") -> TissueFiles:
    """Write the tissues of a brain.

    Parameters
    ----------
    image : Path
        T1w or T2w, corrected for non-uniformity.
    brain : Path
        Mask of the brain.
    contrast : str
        "T1w" or "T2w".
    """
    volume = load_volume(image)
    mask = load_mask(brain)
    rim = mask & ~erode(mask, max(RIM, 1.01 * float(volume.zooms.max())), volume.zooms)
    found = find_tissues(volume.data, mask, contrast=contrast, rim=rim)
    voxel = float(np.prod(volume.zooms)) / 1000
    counts = np.bincount(found.labels.ravel(), minlength=4)[1:4] * voxel
    volumes = (float(counts[0]), float(counts[1]), float(counts[2]))
    why = doubt_tissues(volumes, found.means, found.deviations)
    maps = [
        save_volume(f"{name}_probseg.nii.gz", part, volume.affine)
        for name, part in zip(("csf", "gm", "wm"), found.probabilities, strict=True)
    ]
    labels = save_volume("dseg.nii.gz", found.labels, volume.affine)
    return TissueFiles(labels, maps[0], maps[1], maps[2], *volumes, not why, why)
