"""Where a series lies in the scanner: matrix, spacing, orientation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Vector = tuple[float, float, float]

#: DICOM patient axes (left, posterior, superior) to NIfTI axes (right, anterior, superior), and back.
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Grid:
    """A stack of parallel slices, as DICOM describes it.

    Attributes
    ----------
    shape : tuple of int
        Columns, rows, slices.
    spacing : tuple of float
        Millimetres between columns, rows and slices.
    row, column : tuple of float
        Unit vectors along which the column index and the row index grow, in patient axes (LPS)
        (DICOM PS3.3 C.7.6.2.1.1, Image Orientation).
    centre : tuple of float
        The middle of the stack, LPS millimetres.
    thickness : float
        Slice thickness in millimetres; at most the distance between slices.
    """

    shape: tuple[int, int, int]
    spacing: Vector
    row: Vector
    column: Vector
    centre: Vector
    thickness: float

    @property
    def normal(self) -> Array:
        """Return the unit vector along which the slice index grows, LPS."""
        return np.cross(self.row, self.column)

    @property
    def rotation(self) -> Array:
        """Return the (3, 3) matrix whose columns are the axes of column, row and slice index, LPS."""
        return np.column_stack([self.row, self.column, self.normal])

    def position(self, slice_index: int) -> Array:
        """Return the centre of the first pixel of a slice, LPS millimetres (Image Position)."""
        middle = (np.array(self.shape) - 1) / 2
        index = np.array([0.0, 0.0, slice_index]) - middle
        return np.asarray(self.centre) + self.rotation @ (index * self.spacing)

    @property
    def affine(self) -> Array:
        """Return the (4, 4) map from (column, row, slice) indices to RAS millimetres.

        Examples
        --------
        >>> grid = Grid((3, 3, 3), (2.0, 2.0, 4.0), (1, 0, 0), (0, 1, 0), (0, 0, 0), 4.0)
        >>> grid.affine.tolist()[0]
        [-2.0, 0.0, 0.0, 2.0]
        """
        out = np.eye(4)
        out[:3, :3] = LPS_TO_RAS[:, None] * self.rotation * np.asarray(self.spacing) + 0.0
        out[:3, 3] = LPS_TO_RAS * self.position(0)
        return out

    def points(self) -> Array:
        """Return the voxel centres in RAS millimetres, shape (3, slices, rows, columns)."""
        columns, rows, slices = self.shape
        k, j, i = np.meshgrid(np.arange(slices), np.arange(rows), np.arange(columns), indexing="ij")
        index = np.stack([i, j, k]).reshape(3, -1)
        out: Array = self.affine[:3, :3] @ index + self.affine[:3, 3:]
        return out.reshape(3, slices, rows, columns).astype(np.float32)

    @property
    def edge(self) -> float:
        """Return the size over which an edge is blurred by the voxels, millimetres."""
        return float(np.mean(self.spacing))


def make_axial(shape: tuple[int, int, int], spacing: Vector, *, tilt: float = 0.0, gap: float = 0.0) -> Grid:
    """Return an axial stack from foot to head, its front tilted down by `tilt` degrees."""
    angle = math.radians(tilt)
    column = (0.0, math.cos(angle), math.sin(angle))
    return Grid(shape, spacing, (1.0, 0.0, 0.0), column, (0.0, 5.0, 0.0), spacing[2] - gap)


def make_sagittal(shape: tuple[int, int, int], spacing: Vector) -> Grid:
    """Return a sagittal stack from left to right."""
    return Grid(shape, spacing, (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.0, 5.0, 0.0), spacing[2])


def make_coronal(shape: tuple[int, int, int], spacing: Vector) -> Grid:
    """Return a coronal stack from front to back."""
    return Grid(shape, spacing, (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 5.0, 0.0), spacing[2])
