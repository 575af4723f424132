"""Where the air around a head is, and where artifacts reach into it (Mortamet et al. 2009)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bidsflow_pipelines.qc.measures.common import mad

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bidsflow_pipelines.qc.measures.common import Image, Mask, Zooms

MIN_FRAME = 500
"""Voxels: fewer that are exactly zero are noise at zero, not a frame that someone filled in."""

MIN_AIR = 100
"""Voxels with signal that a threshold of the background needs."""

ARTIFACT_SIGMAS = 10.0
"""How far above the median of the air a voxel must be to be an artifact."""

MANY = 128
"""Voxels along an axis, from which on every second is enough to measure long distances."""

SKIN = 0.10
"""The part of the way from the head to the farthest air in which nothing is called an artifact."""


@dataclass(frozen=True, slots=True)
class Background:
    """The parts of the background of a head; all masks have the shape of the image.

    Attributes
    ----------
    air : ndarray of bool
        The hat without artifacts: noise, and nothing else.
    artifact : ndarray of bool
        Voxels of the hat with signal that does not belong there (ghosts, motion, flow).
    frame : ndarray of bool
        Voxels that were never measured: filled with zeros by a rotation, a mask, a defacing.
    """

    air: Mask
    artifact: Mask
    frame: Mask

    @property
    def hat(self) -> Mask:
        """The measured air above the plane through nasion and cerebellum."""
        return self.air | self.artifact


def find_background(image: Image, head: Mask, below: Mask | None, zooms: Zooms) -> Background:
    """Return the parts of the background.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        As acquired (not bias-corrected), not negative.
    head : ndarray of bool, shape (i, j, k)
        The head with its skin.
    below : ndarray of bool, shape (i, j, k), or None
        What lies below the plane through nasion and cerebellum: neck and shoulders put signal into the air there.
        With None, all air is used.
    zooms : tuple of float
        Voxel size, in millimetres.

    Returns
    -------
    background : Background
        Empty masks where nothing of the kind exists: the air of a skull-stripped image is all frame.
    """
    frame = rotation_mask(image)
    outside = ~np.asarray(head, dtype=bool)
    above = outside if below is None else outside & ~np.asarray(below, dtype=bool)
    hat = above & ~frame
    artifact = artifact_mask(image, hat, near=_near_head(outside, above, zooms))
    return Background(air=hat & ~artifact, artifact=artifact, frame=frame)


def _near_head(outside: Mask, above: Mask, zooms: Zooms) -> Mask:
    """Return the voxels in the first tenth of the way from the head to the farthest air above the plane.

    Every second voxel along an axis of many is exact enough for a tenth, and needs an eighth of the memory.
    """
    from scipy.ndimage import distance_transform_edt

    steps = [2 if size >= MANY else 1 for size in outside.shape]
    coarse = tuple(slice(None, None, step) for step in steps)
    sampling = [step * zoom for step, zoom in zip(steps, zooms, strict=True)]
    distance: NDArray[np.float64] = distance_transform_edt(outside[coarse], sampling=sampling)
    near: Mask = distance < SKIN * distance.max(where=above[coarse], initial=0)
    for axis, (step, size) in enumerate(zip(steps, outside.shape, strict=True)):
        near = near.repeat(step, axis=axis).take(range(size), axis=axis)
    return near


def rotation_mask(image: Image) -> Mask:
    """Return the voxels that were filled with zeros, usually the corners left by a rotation of the image.

    Connected regions of at least 500 zeros, after an opening with the 18-neighbourhood that removes noise. (MRIQC keeps
    the two largest regions only; a rotation leaves four corners.)

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        Intensities.

    Returns
    -------
    frame : ndarray of bool, shape (i, j, k)
    """
    from scipy.ndimage import binary_opening, generate_binary_structure, label

    # One voxel of padding: a frame at the border of the image must survive the opening.
    zeros = np.pad(image <= 0, 1, constant_values=True)
    opened = binary_opening(zeros, structure=generate_binary_structure(3, 2))
    regions, count = label(opened[1:-1, 1:-1, 1:-1])
    sizes = np.zeros(count + 1, dtype=np.intp)
    for plane in regions:  # bincount widens what it counts: not all at once
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    large = sizes >= MIN_FRAME
    large[0] = False  # what is no region
    frame: Mask = large[regions]
    return frame


def artifact_mask(image: Image, hat: Mask, near: Mask) -> Mask:
    """Return the voxels of the air whose signal is no noise (Mortamet et al. 2009, doi:10.1002/mrm.21992).

    More than ten robust standard deviations above the median of the air, not near the head, and still there after an
    opening with the 6-neighbourhood.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        As acquired, not negative.
    hat : ndarray of bool, shape (i, j, k)
        The air to look at.
    near : ndarray of bool, shape (i, j, k)
        Voxels too close to the head: partial volume and chemical shift are no artifacts.

    Returns
    -------
    artifact : ndarray of bool, shape (i, j, k)
        Empty where the air has less than 100 voxels with signal, or no spread.
    """
    from scipy.ndimage import binary_opening, generate_binary_structure

    values = image[hat & (image > 0)]
    spread = mad(values)
    if values.size < MIN_AIR or spread == 0:
        return np.zeros(hat.shape, dtype=bool)
    bright = hat & ~near & (image > float(np.median(values)) + ARTIFACT_SIGMAS * spread)
    opened: Mask = binary_opening(bright, structure=generate_binary_structure(3, 1))
    return opened & hat
