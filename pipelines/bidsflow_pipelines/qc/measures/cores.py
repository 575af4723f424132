"""Signal over noise within the cores of tissues, where no voxel is shared and the field of the coils is taken out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bidsflow_pipelines.qc.measures.air import unround
from bidsflow_pipelines.qc.measures.common import biweight, bounding_box, mad, ratio, select

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.common import Image, Mask, Zooms

MIN_CORE = 30
"""Voxels that the core of a tissue has at least: the deviation of so few is known to a seventh."""

DEGREE = 4
"""Of the polynomial that the non-uniformity is fitted with in `level`."""

MIN_FITTED, MOST_FITTED = 500, 20_000
"""Voxels of a tissue that the polynomial is fitted to: fewer do not hold it, more tell nothing."""


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
