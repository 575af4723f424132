"""The slices of a NIfTI image and how they change over its volumes, read piece by piece.

Comes in: an open image and the slices that are wanted. Goes out: their mean, their spread, the mean of each volume.
Memory is bounded by one slab of voxels and the slices, whatever the size of the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bidsflow.report.panels import Cut, Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SLAB_BYTES = 8 * 2**20
# Past this, volumes are sampled: a page shows an overview and should be ready in seconds.
_READ_BYTES = 600 * 2**20


class Image(Protocol):
    """What is used of an image: nibabel's spatial images fit."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""

    @property
    def affine(self) -> Any:
        """Voxel indices to scanner millimetres, shape (4, 4), or None."""

    @property
    def dataobj(self) -> Any:
        """Something that slices like an array and reads only what is asked for."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was read.

    Attributes
    ----------
    means, spreads : tuple of ndarray
        One plane per cut: its mean and its standard deviation over the volumes.
    signal : tuple of float
        Mean of all finite voxels, per volume that was read.
    n_unusable : int
        Values that are not finite, in all volumes that were read.
    every : int
        1 if all volumes were read, n if every nth one was.
    """

    means: tuple[NDArray[np.float64], ...]
    spreads: tuple[NDArray[np.float64], ...]
    signal: tuple[float, ...]
    n_unusable: int = 0
    every: int = 1


def grid_of(img: Image) -> Grid:
    """Return the voxel grid of an image.

    Parameters
    ----------
    img : Image
        With one to seven axes, the first three in space.

    Returns
    -------
    grid : Grid
        Not `oriented` where the header says nothing (both codes are zero) or nothing usable (a singular affine).
    """
    import nibabel as nib
    import numpy as np
    from nibabel.affines import obliquity, voxel_sizes

    nx, ny, nz = (*img.shape[:3], 1, 1)[:3]
    shape = (nx, ny, nz)
    affine = np.full((4, 4), np.nan) if img.affine is None else np.asarray(img.affine, dtype=float)
    axes = nib.io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if not np.isfinite(axes).all():  # so for a singular affine
        return Grid(shape, (1.0, 1.0, 1.0), oriented=False, measured=False)
    dx, dy, dz = (float(v) for v in voxel_sizes(affine))
    coded = not isinstance(img, nib.Nifti1Pair) or img.header["sform_code"] > 0 or img.header["qform_code"] > 0
    if not coded:
        return Grid(shape, (dx, dy, dz), oriented=False)
    (a, p), (b, q), (c, r) = axes.astype(int).tolist()
    tilt_deg = float(np.degrees(np.max(obliquity(affine))))
    return Grid(shape, (dx, dy, dz), (a, b, c), (p, q, r), tilt_deg)


def read_cuts(img: Image, cuts: tuple[Cut, ...]) -> Scan:
    """Read slices of all volumes, and the mean of each volume.

    Parameters
    ----------
    img : Image
        Further axes after the third one count as volumes. Complex values are read as magnitudes, colours as luminance.
    cuts : tuple of Cut
        The slices.

    Returns
    -------
    scan : Scan
        Values that are not finite stay so in `means` and `spreads` and are left out of `signal`.

    Raises
    ------
    OSError, EOFError, ValueError, zlib.error
        If the file is truncated or damaged.
    """
    import numpy as np

    n_volumes = math.prod(img.shape[3:])
    volume_bytes = math.prod(img.shape[:3]) * np.dtype(img.dataobj.dtype).itemsize
    every = max(1, math.ceil(n_volumes * volume_bytes / _READ_BYTES)) if n_volumes > 1 else 1
    firsts: list[NDArray[np.float64]] = []
    sums: list[NDArray[np.float64]] = []
    squares: list[NDArray[np.float64]] = []
    signal: list[float] = []
    n_unusable = 0
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite stays so
        for volume in range(0, n_volumes, every):
            planes, mean, unusable = _read_volume(img, volume, cuts)
            signal.append(mean)
            n_unusable += unusable
            if not firsts:
                firsts, sums, squares = planes, [np.zeros_like(p) for p in planes], [np.zeros_like(p) for p in planes]
            # Differences from the first volume: sums of squares of large values would lose the small ones.
            for rank, plane in enumerate(planes):
                change = plane - firsts[rank]
                sums[rank] += change
                squares[rank] += change * change
        n = len(signal)
        means = tuple(f + s / n for f, s in zip(firsts, sums, strict=True))
        spreads = tuple(np.sqrt(np.maximum(q / n - (s / n) ** 2, 0)) for q, s in zip(squares, sums, strict=True))
    return Scan(means, spreads, tuple(signal), n_unusable, every)


def _read_volume(img: Image, volume: int, cuts: tuple[Cut, ...]) -> tuple[list[NDArray[np.float64]], float, int]:
    """Return the slices of one volume, the mean of its finite values, and how many are not finite."""
    import numpy as np

    nx, ny, nz = (*img.shape[:3], 1, 1)[:3]
    shape = (nx, ny, nz)
    rest = tuple(int(i) for i in np.unravel_index(volume, img.shape[3:], order="F")) if img.shape[3:] else ()
    planes = [np.zeros(shape[: c.axis] + shape[c.axis + 1 :]) for c in cuts]
    total, count = 0.0, 0
    depth = max(1, _SLAB_BYTES // (nx * ny * 8))
    for start in range(0, nz, depth):
        stop = min(start + depth, nz)
        index = (slice(None), slice(None), slice(start, stop))[: len(img.shape)] + rest
        slab = to_real(np.asarray(img.dataobj[index])).reshape(nx, ny, stop - start)
        finite = np.isfinite(slab)
        total += float(slab.sum(where=finite))
        count += int(finite.sum())
        for plane, cut in zip(planes, cuts, strict=True):
            if cut.axis < 2:
                plane[:, start:stop] = slab.take(cut.index, axis=cut.axis)
            elif start <= cut.index < stop:
                plane[...] = slab[:, :, cut.index - start]
    return planes, total / count if count else math.nan, nx * ny * nz - count


def to_real(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return complex values as magnitudes, colours as luminance, and all others as they are."""
    import numpy as np

    if values.dtype.names:
        red, green, blue = (values[name].astype(np.float64) for name in values.dtype.names[:3])
        return np.asarray(0.299 * red + 0.587 * green + 0.114 * blue)  # luminance: ITU-R BT.601
    if np.iscomplexobj(values):
        return np.asarray(np.abs(values), dtype=np.float64)
    return np.asarray(values, dtype=np.float64)
