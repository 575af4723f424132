"""The static field: its offset in hertz at every point, and what it does to echo-planar images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidsflow.phantom.grid import LPS_TO_RAS, Array, Grid, Vector
from bidsflow.phantom.motion import Pose, move_points


@dataclass(frozen=True, slots=True)
class Source:
    """A smooth bump of the field about a point of the head."""

    centre: Vector
    width: float
    hertz: float


# Above the nasal sinuses the field is higher, at the ear canals lower (Jezzard and Balaban 1995, figure 1).
SOURCES = (
    Source((0.0, 62.0, -22.0), 26.0, 70.0),
    Source((-56.0, -8.0, -34.0), 20.0, -35.0),
    Source((58.0, -8.0, -34.0), 20.0, -30.0),
)
#: Millimetres: an iteration that moves no point by more is the last.
_SETTLED = 1e-3
_MOST_ITERATIONS = 20


def compute_field(points: Array, pose: Pose) -> Array:
    """Return the field offset at points of the scanner.

    Parameters
    ----------
    points : ndarray, shape (3, n)
        RAS millimetres in the scanner.
    pose : Pose
        How the head lies; the field comes from the head and goes with it.

    Returns
    -------
    field : ndarray, shape (n,)
        Hertz.
    """
    head = move_points(pose.inverse, points)
    out = np.float32(0.05) * head[0] + np.float32(0.08) * head[2]
    for source in SOURCES:
        squared = sum((head[i] - np.float32(source.centre[i])) ** 2 for i in range(3))
        out = out + np.float32(source.hertz) * np.exp(-squared / np.float32(2 * source.width**2))
    return np.asarray(out, dtype=np.float32)


def undistort_points(points: Array, pose: Pose, shift: Array, *, start: Array | None = None) -> tuple[Array, Array]:
    """Return where the signal that appears at points comes from, and how much it is piled up there.

    Parameters
    ----------
    points : ndarray, shape (3, n)
        RAS millimetres, where the image shows something.
    pose : Pose
        How the head lies.
    shift : ndarray, shape (3,)
        Displacement per hertz, RAS millimetres, see `compute_shift`.
    start : ndarray, shape (3, n), optional
        Where the signal came from when the head lay nearly so; it saves iterations.

    Returns
    -------
    origin : ndarray, shape (3, n)
        Solves ``origin + field(origin) * shift = points`` by fixed-point iteration.
    density : ndarray, shape (n,)
        Signal per volume after over before: the inverse of the Jacobian determinant.

    Notes
    -----
    Jezzard and Balaban 1995 (doi:10.1002/mrm.1910340111).
    """
    step = shift.astype(np.float32)[:, None]
    origin = points if start is None else start
    for _ in range(_MOST_ITERATIONS):
        before, origin = origin, points - step * compute_field(origin, pose)
        if np.abs(origin - before).max() < _SETTLED:
            break
    length = float(np.linalg.norm(shift))
    ahead = (shift / length).astype(np.float32)[:, None]
    slope = compute_field(origin + ahead, pose) - compute_field(origin - ahead, pose)
    jacobian = 1 + np.float32(length) * slope / 2
    return origin, 1 / np.maximum(jacobian, np.float32(0.2))


def compute_shift(grid: Grid, direction: str, lines: int, echo_spacing: float) -> Array:
    """Return how far an off-resonance of one hertz moves the signal.

    Parameters
    ----------
    grid : Grid
        An axial stack whose rows are phase-encoded.
    direction : {"AP", "PA"}
        Order of the lines: from front to back, or back to front.
    lines : int
        Lines of k-space, equal to the rows of the image.
    echo_spacing : float
        Effective, seconds.

    Returns
    -------
    shift : ndarray, shape (3,)
        RAS millimetres per hertz. Positive offsets move along the direction.
    """
    pixels = lines * echo_spacing * (1 if direction == "AP" else -1)
    return np.asarray(LPS_TO_RAS * np.asarray(grid.column) * grid.spacing[1] * pixels)
