"""The non-uniformity of the coils: N4 (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bidsflow_pipelines.engines.head import find_foreground
from bidsflow_pipelines.engines.images import (
    Image,
    Mask,
    Volume,
    crop_box,
    largest_region,
    load_mask,
    load_volume,
    resample,
    save_volume,
    shrink,
)

#: Millimetres: without and with a mask of the brain. The field varies over centimetres; N4's time, with the voxels.
HEAD_SIZE, BRAIN_SIZE = 8.0, 6.0
#: Millimetres between the knots of the field at the first of three levels; each level halves it.
KNOTS = 200.0
ITERATIONS = (50, 50, 50)


class BiasFiles(NamedTuple):
    """The corrected image and the field: original = corrected * field."""

    corrected: Path
    field: Path


def find_bias(volume: Volume, mask: Mask | None = None) -> Image:
    """Return the non-uniformity field of an image.

    N4 at 6 to 8 mm, then interpolated: what takes minutes at full resolution takes seconds, whatever the matrix.

    Parameters
    ----------
    volume : Volume
        An anatomical image, not negative.
    mask : ndarray of bool, optional
        Where to look; by default everything with signal.

    Returns
    -------
    field : ndarray
        On the grid of the image; positive, geometric mean 1 in the mask.
    """
    from bidsflow_pipelines.engines.itk import from_ants, load_ants, to_ants

    ants = load_ants()
    coarse = shrink(volume, HEAD_SIZE if mask is None else BRAIN_SIZE)
    if mask is None:
        inside = largest_region(find_foreground(coarse))
    else:
        inside = resample(Volume(mask, volume.affine), coarse.data.shape, coarse.affine) > 0.5
    box, corner = crop_box(inside)
    affine = coarse.affine @ corner
    inside = inside[box]
    data = coarse.data[box]
    floor = float(np.percentile(data[inside], 1)) * 0.1  # N4 takes logarithms
    found = ants.n4_bias_field_correction(
        to_ants(Volume(np.maximum(data, max(floor, 1e-6)), affine)),
        mask=to_ants(Volume(inside, affine)),
        shrink_factor=1,
        convergence={"iters": list(ITERATIONS), "tol": 1e-6},
        spline_param=KNOTS,
        return_bias_field=True,
    )
    logs = np.log(np.maximum(from_ants(found), 1e-3))
    logs -= logs[inside].mean()
    return np.exp(_extend(Volume(logs, affine), volume))


def _extend(coarse: Volume, like: Volume) -> Image:
    """Return a smooth field on the grid of an image; at its rim it goes on as it is."""
    from scipy.ndimage import affine_transform

    step = np.linalg.inv(coarse.affine) @ like.affine
    field: Image = affine_transform(
        coarse.data, step[:3, :3], step[:3, 3], like.data.shape, order=1, mode="nearest", output=np.float32
    )
    return field


def correct_bias(image: Path, mask: Path | None = None) -> BiasFiles:
    """Write an image without its non-uniformity, and the field.

    Parameters
    ----------
    image : Path
        An anatomical image.
    mask : Path, optional
        Where to look for the field; by default everything with signal.
    """
    volume = load_volume(image)
    field = find_bias(volume, None if mask is None else load_mask(mask))
    corrected = volume.data / field
    return BiasFiles(
        save_volume("corrected.nii.gz", corrected, volume.affine), save_volume("field.nii.gz", field, volume.affine)
    )
