"""Where the head is, and where the air is that nothing of the body reaches."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bidsflow_pipelines.engines.images import (
    Affine,
    Image,
    Mask,
    Volume,
    close_mask,
    dilate,
    erode,
    fill_holes,
    largest_region,
    load_mask,
    load_volume,
    resample,
    save_volume,
    shrink,
)

#: Millimetres. The skin needs no more, and noise averages out.
HEAD_SIZE = 2.0
#: Millimetres: sinuses and the dark skull are part of the head.
CAVITY = 10.0
#: Height of the plane through glabella and inion in the template, millimetres (as in MRIQC's ArtifactMask).
HAT_HEIGHT = -14.0


class HeadFiles(NamedTuple):
    """The head as a mask, and its volume in millilitres."""

    head: Path
    volume_ml: float


class HatFiles(NamedTuple):
    """What lies below the plane through glabella and inion, and the air above it."""

    below: Path
    hat: Path


def otsu(values: Image) -> float:
    """Return the threshold that splits values into two classes of least variance (Otsu 1979).

    Examples
    --------
    >>> 1.0 < otsu(np.array([0.0, 1.0, 0.5, 9.0, 10.0])) < 9.0
    True
    """
    counts, edges = np.histogram(values, 256)
    centers = (edges[:-1] + edges[1:]) / 2
    low = np.cumsum(counts)
    high = low[-1] - low
    total = np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = low * high * np.square(total / low - (total[-1] - total) / high)
    between = np.nan_to_num(between)
    # Between two separate classes every threshold is as good as the others: the middle one is safest.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:][best].mean())


def find_foreground(volume: Volume) -> Mask:
    """Return the voxels with signal: above Otsu's threshold of the square roots.

    The root keeps fat and vessels from pulling the threshold into the brain, and spreads the dark tissues.
    """
    roots = np.sqrt(np.clip(volume.data, 0, np.percentile(volume.data, 99.5)))
    mask: Mask = roots > otsu(roots)
    return mask


def find_head(volume: Volume) -> Mask:
    """Return the head with its skin and its cavities.

    Parameters
    ----------
    volume : Volume
        Any contrast; air may be noise or zero. Best corrected for non-uniformity.

    Returns
    -------
    head : ndarray of bool
        On the grid of the image.
    """
    coarse = shrink(volume, HEAD_SIZE)
    bright = find_foreground(coarse)
    # Ghosts and noise hang on the head by single voxels.
    opened = largest_region(erode(bright, HEAD_SIZE * 0.9, coarse.zooms))
    head = dilate(opened, HEAD_SIZE * 1.1, coarse.zooms) & bright
    head = fill_holes(close_mask(largest_region(head), CAVITY, coarse.zooms))
    smooth = resample(Volume(head.astype(np.float32), coarse.affine), volume.data.shape, volume.affine)
    return np.asarray(smooth > 0.5)


def find_below(shape: tuple[int, ...], affine: Affine, to_template: Affine, height: float = HAT_HEIGHT) -> Mask:
    """Return the voxels below a horizontal plane of the template.

    Parameters
    ----------
    shape, affine : tuple of int, ndarray (4, 4)
        The grid of the image.
    to_template : ndarray, shape (4, 4)
        RAS millimetres of the image to those of the template.
    height : float
        Millimetres above the origin of the template.
    """
    row = (to_template @ affine)[2]
    i, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    below: Mask = row[0] * i + row[1] * j + row[2] * k + row[3] < height
    return below


def mask_head(image: Path) -> HeadFiles:
    """Write the mask of the head.

    Parameters
    ----------
    image : Path
        Anatomical image, corrected for non-uniformity.
    """
    volume = load_volume(image)
    head = find_head(volume)
    millilitres = float(head.sum() * np.prod(volume.zooms) / 1000)
    return HeadFiles(save_volume("head_mask.nii.gz", head, volume.affine), millilitres)


def mask_hat(head: Path, to_template: tuple[float, ...]) -> HatFiles:
    """Write what lies below the plane through glabella and inion, and the air above it.

    Parameters
    ----------
    head : Path
        Mask of the head.
    to_template : tuple of float
        The 16 numbers, row by row, of the affine from the image to the template (`brain.BrainFiles`).
    """
    volume = load_volume(head)
    matrix = np.array(to_template, dtype=np.float64).reshape(4, 4)
    below = find_below(volume.data.shape, volume.affine, matrix)
    return HatFiles(
        save_volume("below_mask.nii.gz", below, volume.affine),
        save_volume("hat_mask.nii.gz", ~below & ~load_mask(head), volume.affine),
    )
