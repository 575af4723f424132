"""Images in memory: an array and where it lies; read, written, resampled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.floating[Any]]
Mask: TypeAlias = NDArray[np.bool_]
Affine: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Volume:
    """An image and its place.

    Attributes
    ----------
    data : ndarray, shape (i, j, k)
        Intensities, labels or a mask.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS millimetres.
    """

    data: NDArray[Any]
    affine: Affine

    @property
    def zooms(self) -> NDArray[np.float64]:
        """The size of a voxel along i, j, k; millimetres."""
        return zooms_of(self.affine)


def zooms_of(affine: Affine) -> NDArray[np.float64]:
    """Return the size of a voxel along i, j, k, in millimetres.

    Examples
    --------
    >>> zooms_of(np.diag([-2.0, 2.0, 3.0, 1.0])).tolist()
    [2.0, 2.0, 3.0]
    """
    zooms: NDArray[np.float64] = np.sqrt(np.square(affine[:3, :3]).sum(axis=0))
    return zooms


def load_volume(path: Path) -> Volume:
    """Return an image of three dimensions as float32; what is not finite becomes 0.

    Raises
    ------
    ValueError
        If the image has more than one volume.
    """
    import nibabel as nib

    image = nib.load(path)
    data = np.asanyarray(image.dataobj).astype(np.float32)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise ValueError(f"expected one volume, not an image of shape {data.shape}")
    return Volume(np.nan_to_num(data, copy=False, nan=0.0, posinf=0.0, neginf=0.0), image.affine)


def load_mask(path: Path) -> Mask:
    """Return the voxels that are not zero."""
    mask: Mask = load_volume(path).data > 0
    return mask


def save_volume(name: str, data: NDArray[Any], affine: Affine) -> Path:
    """Write an image into the current folder and return its path.

    Masks and labels become uint8, everything else float32; millimetres, seconds, and scanner coordinates are noted in
    the header.
    """
    import nibabel as nib

    kept = np.uint8 if data.dtype == bool or np.issubdtype(data.dtype, np.integer) else np.float32
    image = nib.Nifti1Image(data.astype(kept), affine)
    image.header.set_xyzt_units("mm", "sec")
    path = Path.cwd() / name
    nib.save(image, path)
    return path


def resample(volume: Volume, shape: tuple[int, ...], affine: Affine, *, order: int = 1) -> Image:
    """Return an image on another grid; outside of it there is 0.

    Parameters
    ----------
    volume : Volume
        What to resample.
    shape, affine : tuple of int, ndarray (4, 4)
        The other grid.
    order : int
        0 nearest neighbour, 1 linear, 3 cubic spline.
    """
    from scipy.ndimage import affine_transform

    step = np.linalg.inv(volume.affine) @ affine
    data = volume.data.astype(np.float32, copy=False)
    image: Image = affine_transform(data, step[:3, :3], step[:3, 3], tuple(shape[:3]), order=order, output=np.float32)
    return image


def coarse_grid(shape: tuple[int, ...], affine: Affine, size: float) -> tuple[tuple[int, int, int], Affine]:
    """Return the grid of cubic voxels that covers the same box along the same axes.

    Axes whose voxels are larger than `size` keep them.

    Examples
    --------
    >>> coarse_grid((10, 10, 4), np.diag([1.0, 1.0, 5.0, 1.0]), 2.0)[0]
    (5, 5, 4)
    """
    zooms = zooms_of(affine)
    target = np.maximum(zooms, size)
    counts = np.maximum(np.ceil(np.array(shape[:3]) * zooms / target - 1e-6), 1).astype(int)
    step = np.eye(4)
    step[:3, :3] = np.diag(target / zooms)
    # The middles of the two boxes coincide.
    step[:3, 3] = (np.array(shape[:3]) - 1) / 2 - (counts - 1) / 2 * target / zooms
    return (int(counts[0]), int(counts[1]), int(counts[2])), affine @ step


def shrink(volume: Volume, size: float) -> Volume:
    """Return the image with cubic voxels of `size` millimetres, smoothed first so that nothing aliases.

    The Gaussian is as wide (FWHM) as the new voxel, less what the old voxel has already smoothed.
    """
    from scipy.ndimage import gaussian_filter

    shape, affine = coarse_grid(volume.data.shape, volume.affine, size)
    if shape == volume.data.shape:
        return Volume(volume.data.astype(np.float32), volume.affine)
    new, old = zooms_of(affine), volume.zooms
    sigma = np.sqrt(np.maximum(np.square(new) - np.square(old), 0)) / 2.3548 / old
    smooth = gaussian_filter(volume.data.astype(np.float32), sigma, truncate=3)
    return Volume(resample(Volume(smooth, volume.affine), shape, affine), affine)


def largest_region(mask: Mask) -> Mask:
    """Return the largest connected region (faces touch) of a mask; an empty one stays empty."""
    from scipy.ndimage import label

    regions, count = label(mask)
    if count < 2:
        return np.asarray(mask, dtype=bool)
    sizes = np.bincount(regions.ravel())
    largest: Mask = regions == int(np.argmax(sizes[1:])) + 1
    return largest


def ball(radius: float, zooms: NDArray[np.float64]) -> Mask:
    """Return the voxels within a radius (mm) of the middle one, at least that one.

    Examples
    --------
    >>> int(ball(2.0, np.array([2.0, 2.0, 2.0])).sum())
    7
    """
    reach = [int(radius / zoom + 1e-6) for zoom in zooms]
    axes = np.ogrid[tuple(slice(-n, n + 1) for n in reach)]
    distance = sum(np.square(axis * zoom) for axis, zoom in zip(axes, zooms, strict=True))
    return np.asarray(distance <= radius**2 + 1e-6)


def dilate(mask: Mask, radius: float, zooms: NDArray[np.float64]) -> Mask:
    """Return the voxels within a radius (mm) of a mask."""
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return mask
    grown: Mask = distance_transform_edt(~mask, sampling=zooms) <= radius
    return grown


def erode(mask: Mask, radius: float, zooms: NDArray[np.float64]) -> Mask:
    """Return the voxels of a mask that are farther than a radius (mm) from what is outside."""
    from scipy.ndimage import distance_transform_edt

    inner: Mask = distance_transform_edt(np.pad(mask, 1), sampling=zooms)[1:-1, 1:-1, 1:-1] > radius
    return inner


def close_mask(mask: Mask, radius: float, zooms: NDArray[np.float64]) -> Mask:
    """Return a mask whose gaps of less than twice a radius (mm) are closed."""
    reach = int(np.ceil(radius / zooms.min())) + 1
    padded = np.pad(mask, reach)
    inner = tuple(slice(reach, -reach) for _ in range(3))
    closed: Mask = erode(dilate(padded, radius, zooms), radius, zooms)[inner]
    return closed | mask


def fill_holes(mask: Mask) -> Mask:
    """Return a mask without cavities, those that reach a border slice of the image included."""
    from scipy.ndimage import binary_fill_holes

    filled: Mask = binary_fill_holes(mask)
    for index in (0, -1):
        filled[:, :, index] = binary_fill_holes(filled[:, :, index])
    return filled


def crop_box(mask: Mask) -> tuple[tuple[slice, ...], Affine]:
    """Return the box around a mask, and the matrix from its voxel indices to those of the whole.

    The whole, for an empty mask.
    """
    corner = np.eye(4)
    occupied = np.argwhere(mask)
    if not len(occupied):
        return tuple(slice(0, count) for count in mask.shape), corner
    low, high = occupied.min(axis=0), occupied.max(axis=0) + 1
    corner[:3, 3] = low
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), corner
