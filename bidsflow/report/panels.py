"""Which slices to look at and which way up: voxel arrays to panels. Pure: opens no file and draws nothing.

Every panel is shown as if one faced the person from behind or from above: left is on the left, anterior and superior
are at the top (in sagittal panels anterior is on the right).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEGATIVE, _POSITIVE = "LPI", "RAS"
# Thicker or flatter than this, a reformatted slice shows steps rather than anatomy: show the slices as acquired.
_MAX_STRETCH = 3.5
_MIN_EXTENT_MM = 40.0
_MIN_SLICES = 8


@dataclass(frozen=True, slots=True)
class Grid:
    """The voxel grid of an image, as far as showing it needs.

    Attributes
    ----------
    shape : tuple of int
        Voxels along the three array axes.
    spacing : tuple of float
        Millimetres between voxels along the three array axes.
    world : tuple of int
        The scanner axis (0 right, 1 anterior, 2 superior) that is nearest to each array axis.
    signs : tuple of int
        1 where an array axis runs to the right, front or top, otherwise -1.
    tilt_deg : float
        The largest angle between an array axis and its scanner axis, in degrees.
    oriented : bool
        False if the image does not say how it lies in the scanner: axes are taken as they come.
    measured : bool
        False if the image does not say how large its voxels are: `spacing` is all ones.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    world: tuple[int, int, int] = (0, 1, 2)
    signs: tuple[int, int, int] = (1, 1, 1)
    tilt_deg: float = 0.0
    oriented: bool = True
    measured: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """A plane of voxels: the array axis that it is perpendicular to, and its index on that axis."""

    axis: int
    index: int


@dataclass(frozen=True, slots=True)
class Panel:
    """A plane, the right way up.

    Attributes
    ----------
    pixels : ndarray, shape (rows, columns), float
        First row at the top, first column on the left.
    size : tuple of float
        Width and height in millimetres.
    letters : str
        What lies left, right, top and bottom, four letters of LRAPSI; ``""`` where unknown.
    view : str
        ``sagittal``, ``coronal`` or ``axial``.
    """

    pixels: NDArray[np.floating]
    size: tuple[float, float]
    letters: str
    view: str


def choose_cuts(grid: Grid, *, many: int) -> tuple[tuple[Cut, ...], bool]:
    """Return the slices to show.

    Parameters
    ----------
    grid : Grid
        The voxel grid.
    many : int
        How many slices to show where slices are shown as acquired.

    Returns
    -------
    cuts : tuple of Cut
        The middle sagittal, coronal and axial slices where the voxels are about as deep as they are wide; otherwise
        up to `many` slices as acquired, from bottom to top (from left to right, from back to front).
    orthogonal : bool
        Which of the two.
    """
    if _is_solid(grid):
        axes = sorted(range(3), key=lambda axis: grid.world[axis])
        return tuple(Cut(axis, _from_world(grid, axis, grid.shape[axis] // 2)) for axis in axes), True
    axis = _slice_axis(grid)
    n = grid.shape[axis]
    shown = min(many, n)
    # The outermost slices are often empty: sample the middle of as many equal slabs.
    ranks = [int((2 * k + 1) * n / (2 * shown)) for k in range(shown)]
    return tuple(Cut(axis, _from_world(grid, axis, rank)) for rank in ranks), False


def orient_plane(plane: NDArray[np.floating], axis: int, grid: Grid) -> Panel:
    """Return a plane of voxels as it is to be looked at.

    Parameters
    ----------
    plane : ndarray, shape (n, m)
        Voxels of the two array axes other than `axis`, in their order.
    axis : int
        The array axis that the plane is perpendicular to.
    grid : Grid
        The voxel grid.

    Returns
    -------
    panel : Panel
        Left (in sagittal panels: posterior) on the left, superior (in axial panels: anterior) at the top.

    Examples
    --------
    >>> import numpy as np
    >>> grid = Grid(shape=(2, 2, 1), spacing=(1.0, 1.0, 1.0), signs=(-1, 1, 1))  # the first axis runs to the left
    >>> orient_plane(np.array([[1.0, 2.0], [3.0, 4.0]]), 2, grid).pixels
    array([[4., 2.],
           [3., 1.]])
    """
    first, second = (a for a in range(3) if a != axis)
    if grid.world[first] > grid.world[second]:
        first, second = second, first
        plane = plane.T
    if grid.signs[first] < 0:
        plane = plane[::-1]
    if grid.signs[second] < 0:
        plane = plane[:, ::-1]
    across, up = grid.world[first], grid.world[second]
    letters = _NEGATIVE[across] + _POSITIVE[across] + _POSITIVE[up] + _NEGATIVE[up]
    return Panel(
        pixels=plane.T[::-1],  # columns become x; the first row of a picture is its top
        size=(grid.shape[first] * grid.spacing[first], grid.shape[second] * grid.spacing[second]),
        letters=letters if grid.oriented else "",
        view=("sagittal", "coronal", "axial")[grid.world[axis]],
    )


def find_window(planes: tuple[NDArray[np.floating], ...]) -> tuple[float, float]:
    """Return the values to be shown as black and as white.

    Parameters
    ----------
    planes : tuple of ndarray
        Any shapes; values that are not finite are left out.

    Returns
    -------
    low, high : float
        The 2nd and 98th percentile of what is not exactly zero (zeros are padding or a mask); the full range where
        the two coincide. Equal if all values are equal.
    """
    import numpy as np

    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes]) if planes else np.empty(0)
    if values.size == 0:
        return 0.0, 0.0
    inside = values[values != 0]
    if inside.size:
        low, high = (float(v) for v in np.percentile(inside, (2, 98)))
        if high > low:
            return low, high
    return float(values.min()), float(values.max())


def shade(pixels: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Return grey levels, black at `low` and below, white at `high` and above.

    Parameters
    ----------
    pixels : ndarray
        Values that are not finite are shown as black.
    low, high : float
        As from `find_window`.

    Returns
    -------
    grey : ndarray of uint8, same shape
        In 64 steps: the eye sees no more on a screen, and the file is half as large.
    """
    import numpy as np

    scaled = (np.nan_to_num(pixels, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    steps = np.round(np.clip(scaled, 0.0, 1.0) * 63).astype(np.uint8)
    grey: NDArray[np.uint8] = (steps << 2) | (steps >> 4)
    return grey


def _is_solid(grid: Grid) -> bool:
    extents = [n * mm for n, mm in zip(grid.shape, grid.spacing, strict=True)]
    return (
        max(grid.spacing) <= _MAX_STRETCH * min(grid.spacing)
        and min(extents) >= _MIN_EXTENT_MM
        and min(grid.shape) >= _MIN_SLICES
    )


def _slice_axis(grid: Grid) -> int:
    """Return the axis of acquisition: the flat one, then the one with the thickest slices, then the vertical one."""
    return max(
        range(3),
        key=lambda axis: (
            grid.shape[axis] == 1,
            round(grid.spacing[axis] / min(grid.spacing), 1),
            -grid.shape[axis],
            grid.world[axis],
        ),
    )


def _from_world(grid: Grid, axis: int, rank: int) -> int:
    """Return the array index of the slice at a rank counted from the left, the back or the bottom."""
    return rank if grid.signs[axis] > 0 else grid.shape[axis] - 1 - rank
