"""How the head moved: one rigid transform per volume, by least squares.

Each volume is compared with a reference by Gauss and Newton's method, as in SPM (Friston et al. 1995,
doi:10.1002/hbm.460030303) and AFNI (Cox and Jesmanowicz 1999, doi:10.1002/(SICI)1522-2594(199912)42:6<1014)::

    minimize  sum over x of  (a V(T(x)) - R(x) - b)^2

with the derivatives taken at the reference (Baker and Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd), where
they are the same for every volume and every iteration. So an iteration costs one interpolation, and a volume a tenth
of a second.

Convention: a row is tx, ty, tz (mm) and rx, ry, rz (radian) in RAS. A point x of the reference is found in the volume
at ``Rz Ry Rx (x - c) + c + t``, with c the centre of the image: the parameters say where the head went.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import Affine, Image, Mask, Volume, dilate, load_mask, save_volume, zooms_of
from bidsflow_pipelines.engines.series import Series, create_series, open_series

COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
#: Millimetres (FWHM) of the smoothing of the two rounds: the first sees far, the second sees sharp (SPM takes 5).
SMOOTH = (12.0, 5.0)
#: Voxels: with less smoothing, what the voxels have not resolved pulls the interpolated image towards the grid.
LEAST_SMOOTH = 2.0
#: Millimetres between the points that are compared; finer ones cost time and tell nothing after the smoothing.
SAMPLING = 3.0
#: Volumes of the first reference, and of the mean that is the second.
EARLY, AVERAGED = 9, 40
ITERATIONS = 40
#: Stop when no point of a head moves by more millimetres than this.
TOLERANCE = 1e-3
#: Millimetres: the head's radius, for the tolerance (Power et al. 2012).
RADIUS = 50.0


class MotionFiles(NamedTuple):
    """What is known of the motion.

    Attributes
    ----------
    parameters : Path
        A table with `COLUMNS`, a row per volume.
    reference : Path
        The mean of realigned volumes, which the parameters are relative to.
    realigned : Path
        The series after the motion was undone, not compressed.
    unsettled : int
        Volumes whose search did not end.
    """

    parameters: Path
    reference: Path
    realigned: Path
    unsettled: int


def to_matrix(row: NDArray[np.floating], centre: NDArray[np.floating]) -> Affine:
    """Return the (4, 4) matrix of six parameters, in RAS millimetres.

    Examples
    --------
    >>> to_matrix(np.array([1.0, 0, 0, 0, 0, np.pi / 2]), np.zeros(3)).round(6)[:3].tolist()
    [[0.0, -1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    (cx, cy, cz), (sx, sy, sz) = np.cos(row[3:]), np.sin(row[3:])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = row[:3] + centre - matrix[:3, :3] @ centre
    return matrix


def to_row(matrix: Affine, centre: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the six parameters of a rigid (4, 4) matrix; the inverse of `to_matrix`."""
    turn = matrix[:3, :3]
    shift = matrix[:3, 3] - centre + turn @ centre
    angles = (
        np.arctan2(turn[2, 1], turn[2, 2]),
        np.arcsin(np.clip(-turn[2, 0], -1, 1)),
        np.arctan2(turn[1, 0], turn[0, 0]),
    )
    return np.array([*shift, *angles])


def centre_of_grid(shape: tuple[int, ...], affine: Affine) -> NDArray[np.float64]:
    """Return the middle of an image in RAS millimetres."""
    return np.asarray(affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2) + affine[:3, 3])


def smooth(data: Image, width: float, zooms: NDArray[np.float64]) -> Image:
    """Return an image after a Gaussian of a width (FWHM) in millimetres."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(data, width / 2.3548 / zooms, truncate=2.5, mode="nearest"))


def border(width: float, zooms: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return how many voxels at the edge of an image a Gaussian of this width (FWHM, mm) has spoilt."""
    return np.ceil(width / zooms).astype(int)


@dataclass(frozen=True, slots=True)
class Target:
    """A reference, ready to be compared with.

    Attributes
    ----------
    points : ndarray, shape (3, n)
        RAS millimetres relative to the centre of the image.
    values : ndarray, shape (n,)
        The smoothed reference there.
    solve : ndarray, shape (8, n)
        From differences to steps of the six parameters, gain and offset.
    to_voxels : ndarray, shape (4, 4)
        RAS millimetres to voxel indices.
    centre : ndarray, shape (3,)
        The middle of the image.
    """

    points: NDArray[np.float64]
    values: NDArray[np.float64]
    solve: NDArray[np.float64]
    to_voxels: Affine
    centre: NDArray[np.float64]
    width: float
    zooms: NDArray[np.float64]


def make_target(reference: Volume, mask: Mask, width: float, weights: Image | None = None) -> Target:
    """Return a reference that volumes can be compared with.

    Parameters
    ----------
    reference : Volume
        What the volumes are brought to.
    mask : ndarray of bool
        Where to compare: the brain and its edge.
    width : float
        FWHM of the smoothing, millimetres.
    weights : ndarray, optional
        How much a squared difference counts in each voxel; by default all count the same.
    """
    zooms = reference.zooms
    width = max(width, LEAST_SMOOTH * float(zooms.max()))
    blurred = smooth(reference.data, width, zooms)
    slopes = np.gradient(blurred)
    stride = np.maximum(np.floor(SAMPLING / zooms + 1e-3), 1).astype(int)
    lattice = np.zeros(mask.shape, dtype=bool)
    lattice[:: stride[0], :: stride[1], :: stride[2]] = True
    margin = border(width, zooms)
    inner = np.zeros(mask.shape, dtype=bool)
    inner[tuple(slice(edge, count - edge) for edge, count in zip(margin, mask.shape, strict=True))] = True
    chosen = np.nonzero(mask & lattice & inner)
    centre = centre_of_grid(mask.shape, reference.affine)
    points = reference.affine[:3, :3] @ np.array(chosen) + (reference.affine[:3, 3] - centre)[:, None]
    # The gradient in millimetres is the gradient per voxel times the inverse of the axes.
    gradient = np.linalg.inv(reference.affine[:3, :3]).T @ np.array([slope[chosen] for slope in slopes])
    values = blurred[chosen].astype(np.float64)
    turn = np.cross(points.T, gradient.T).T
    columns = np.vstack([gradient, turn, values[None], np.ones((1, values.size))])
    root = np.ones(values.size) if weights is None else np.sqrt(weights[chosen])
    return Target(
        points,
        values,
        np.asarray(np.linalg.pinv((columns * root).T) * root),
        np.asarray(np.linalg.inv(reference.affine)),
        centre,
        width,
        zooms,
    )


def find_pose(volume: Image, target: Target, start: Affine) -> tuple[Affine, bool]:
    """Return where the head is in a volume.

    Parameters
    ----------
    volume : ndarray, shape (i, j, k)
        On the grid of the reference.
    target : Target
        The reference.
    start : ndarray, shape (4, 4)
        Where to begin; points of the reference to points of the volume, relative to the centre.

    Returns
    -------
    pose : ndarray, shape (4, 4)
        As `start`.
    settled : bool
        Whether the search ended.
    """
    from scipy.ndimage import map_coordinates, spline_filter

    coefficients = spline_filter(smooth(volume, target.width, target.zooms), order=3, output=np.float32)
    margin = border(target.width, target.zooms)[:, None] - 0.5
    limits = np.array(volume.shape)[:, None] - 1 - margin
    pose = start
    gain, offset = 1.0, 0.0
    for _ in range(ITERATIONS):
        where = pose[:3, :3] @ target.points + (pose[:3, 3] + target.centre)[:, None]
        where = target.to_voxels[:3, :3] @ where + target.to_voxels[:3, 3:]
        found = map_coordinates(coefficients, where, order=3, mode="nearest", prefilter=False)
        difference = gain * found + offset - target.values
        # What has left the image, or is smoothed with what was never seen, tells nothing.
        difference[((where < margin) | (where > limits)).any(axis=0)] = 0
        step = target.solve @ difference
        pose = pose @ np.linalg.inv(to_matrix(step[:6], np.zeros(3)))
        gain, offset = gain * (1 - step[6]), offset * (1 - step[6]) - step[7]
        if np.abs(step[:3]).sum() + RADIUS * np.abs(step[3:6]).sum() < TOLERANCE:
            return pose, True
    return pose, False


def find_motion(
    series: Series, reference: Volume, mask: Mask, *, starts: NDArray[np.float64] | None = None, threads: int = 1
) -> tuple[NDArray[np.float64], int]:
    """Return how the head lies in each volume relative to a reference.

    Parameters
    ----------
    series : Series
        The volumes.
    reference : Volume
        On the same grid.
    mask : ndarray of bool
        Where to compare.
    starts : ndarray, shape (n, 6), optional
        Parameters to begin with; without them a round with more smoothing comes first.
    threads : int
        Volumes at a time; the result does not depend on it.

    Returns
    -------
    motion : ndarray, shape (n, 6)
        See the module for the convention.
    unsettled : int
        Volumes whose search did not end.
    """
    targets = [make_target(reference, mask, width) for width in (SMOOTH if starts is None else SMOOTH[-1:])]

    def place(index: int) -> tuple[NDArray[np.float64], bool]:
        volume = series[index]
        pose = np.eye(4) if starts is None else to_matrix(starts[index], np.zeros(3))
        settled = True
        for target in targets:
            pose, settled = find_pose(volume, target, pose)
        return to_row(pose, np.zeros(3)), settled

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        placed = list(pool.map(place, range(len(series))))
    return np.array([row for row, _ in placed]), sum(not settled for _, settled in placed)


def move_back(
    volume: Image, row: NDArray[np.floating], affine: Affine, *, outside: str = "constant", order: int = 3
) -> Image:
    """Return a volume with its motion undone.

    Parameters
    ----------
    volume : ndarray, shape (i, j, k)
        As acquired.
    row : ndarray, shape (6,)
        Its motion.
    affine : ndarray, shape (4, 4)
        Of the volume.
    outside : {"constant", "nearest"}
        Where it saw nothing: 0, or what is next to there.
    order : int
        Of the splines that interpolate; 0 takes the nearest voxel, and leaves the noise as it is.
    """
    from scipy.ndimage import affine_transform

    matrix = to_matrix(row, centre_of_grid(volume.shape, affine))
    step = np.linalg.inv(affine) @ matrix @ affine
    back: Image = affine_transform(volume, step[:3, :3], step[:3, 3], order=order, mode=outside, output=np.float32)
    return back


def spread(count: int, most: int) -> list[int]:
    """Return up to `most` indices, evenly spread.

    Examples
    --------
    >>> spread(10, 4)
    [0, 3, 6, 9]
    """
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, most))})


def early_reference(series: Series) -> Image:
    """Return the median of early volumes, less the first two, in which the signal is not steady yet."""
    first = min(2, max(len(series) - EARLY, 0))
    chosen = range(first, min(first + EARLY, len(series)))
    return np.asarray(np.median([series[index] for index in chosen], axis=0), dtype=np.float32)


def mean_moved_back(series: Series, motion: NDArray[np.float64], threads: int = 1) -> Image:
    """Return the mean of up to `AVERAGED` volumes whose motion is undone."""
    chosen = spread(len(series), AVERAGED)
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        total = np.zeros(series.shape[:3])
        for start in range(0, len(chosen), max(threads, 1)):  # bounded: no more volumes at once than threads
            block = chosen[start : start + max(threads, 1)]
            for moved in pool.map(lambda index: move_back(series[index], motion[index], series.affine), block):
                total += moved
    return np.asarray(total / len(chosen), dtype=np.float32)


def save_motion(name: str, motion: NDArray[np.float64]) -> Path:
    """Write motion parameters as a table into the current folder."""
    lines = ["\t".join(COLUMNS), *("\t".join(f"{value:.6f}" for value in row) for row in motion)]
    path = Path.cwd() / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def load_motion(path: Path) -> NDArray[np.float64]:
    """Return motion parameters, shape (n, 6)."""
    return np.loadtxt(path, delimiter="\t", skiprows=1, ndmin=2)


def realign(series: Path, mask: Path | None = None, repetition_time: float = 1.0, threads: int = 1) -> MotionFiles:
    """Write the motion of a BOLD series, its mean, and the series without the motion.

    Two passes: against the median of early volumes, then against the mean of what the first has realigned.

    Parameters
    ----------
    series : Path
        Volumes in the order of acquisition.
    mask : Path, optional
        The brain in the early volumes; by default it is found there.
    repetition_time : float
        Seconds, for the header.
    threads : int
        Volumes at a time.
    """
    from bidsflow_pipelines.engines.bold import find_epi_brain

    with open_series(series) as opened:
        early = Volume(early_reference(opened), opened.affine)
        brain = find_epi_brain(early) if mask is None else load_mask(mask)
        rim = dilate(brain, float(2 * zooms_of(opened.affine).max()), zooms_of(opened.affine))
        first, _ = find_motion(opened, early, rim, threads=threads)
        mean = Volume(mean_moved_back(opened, first, threads), opened.affine)
        motion, unsettled = find_motion(opened, mean, rim, starts=first, threads=threads)
        path, realigned = create_series("realigned.nii", opened.shape, opened.affine, repetition_time)

        def write(index: int) -> None:
            realigned[..., index] = move_back(opened[index], motion[index], opened.affine)

        with ThreadPoolExecutor(max(threads, 1)) as pool:
            list(pool.map(write, range(len(opened))))
    return MotionFiles(
        save_motion("motion.tsv", motion), save_volume("reference.nii.gz", mean.data, mean.affine), path, unsettled
    )
