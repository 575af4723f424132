"""Motion that follows the gradients, and so is hidden in predictions of contrast, seen in edges; why: `dwi_motion`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.dwi_calm import to_world
from bidsflow_pipelines.engines.images import Image, Mask
from bidsflow_pipelines.engines.motion import move_back
from bidsflow_pipelines.engines.series import Series

#: Rounds in which motion that a prediction has hidden is looked for; a step is as exact as slopes are straight.
HIDDEN_ROUNDS = 3
#: Rounds of reweighting.
WEIGHINGS = 20
#: Voxels that share their contrast with neighbours tell less than as many others would: deviations are so much larger.
SHARED = 2.0


def find_hidden(
    series: Series,
    members: NDArray[np.int_],
    basis: NDArray[np.float64],
    hidden: NDArray[np.int_],
    motion: NDArray[np.float64],
    rim: Mask,
    shear: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the motion with what edges show of it in some columns, and deviations along the axes of the image.

    Parameters
    ----------
    series : Series
        The volumes.
    members : ndarray of int, shape (n,)
        Which of them.
    basis : ndarray, shape (n, m)
        Orthonormal.
    hidden : ndarray of int, shape (k,)
        Which columns.
    motion : ndarray, shape (n, 6)
        As known so far.
    rim : ndarray of bool
        Where to look.
    shear : int
        Axis of the image along which the columns may shear and stretch volumes, too; none, if -1.
    """
    inner = np.zeros(rim.shape, dtype=bool)
    inner[2:-2, 2:-2, 2:-2] = True  # what is moved in from outside of the image was never seen
    chosen = np.nonzero(rim & inner)
    zooms = np.sqrt(np.square(series.affine[:3, :3]).sum(axis=0))
    points = (np.array(chosen).T - (np.array(rim.shape) - 1) / 2) * zooms
    forms = basis[:, hidden]
    doubt = np.zeros((forms.shape[1], 6))
    for _ in range(HIDDEN_ROUNDS):
        maps = np.zeros((basis.shape[1], len(points)))
        means = np.zeros((forms.shape[1], *rim.shape), dtype=np.float32)
        squares = np.zeros(len(points))
        for index, row, form, known in zip(members, basis, forms, motion, strict=True):
            still = move_back(series[int(index)], known, series.affine, outside="nearest")
            means += np.square(form).astype(np.float32)[:, None, None, None] * still
            maps += row[:, None] * still[chosen]
            squares += np.square(still[chosen], dtype=np.float64)
        left = np.maximum(squares - np.square(maps).sum(axis=0), 0) / (len(members) - len(maps))
        slopes = [find_slopes(mean, chosen, points, zooms, shear) for mean in means]
        step, doubt = fit_edges(slopes, maps[hidden], float(np.median(left)))
        motion = motion - forms @ to_world(step, series.affine)
    return motion, doubt


def find_slopes(
    image: Image,
    chosen: tuple[NDArray[np.int_], ...],
    points: NDArray[np.float64],
    zooms: NDArray[np.float64],
    shear: int = -1,
) -> NDArray[np.float64]:
    """Return by how much voxels change with six parameters and gain, and with shears, shape (voxels, 7 or 10).

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        What is moved.
    chosen : tuple of three ndarrays of int, shape (voxels,)
        Which voxels.
    points : ndarray, shape (voxels, 3)
        Where they are, along the axes of the image, in millimetres from its centre.
    zooms : ndarray, shape (3,)
        Voxel size, millimetres.
    shear : int
        Axis along which voxels may shift by what is linear in the three coordinates; none, if -1.
    """
    gradient = np.array([slope[chosen] for slope in np.gradient(image)], dtype=np.float64).T / zooms
    columns = [gradient, np.cross(points, gradient), image[chosen][:, None]]
    return np.hstack([*columns, *([points * gradient[:, [shear]]] if shear >= 0 else [])])


def fit_edges(
    slopes: list[NDArray[np.float64]], maps: NDArray[np.float64], noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by which motion edges explain maps of contrast, and how sure that is; both of shape (k, 6).

    Least squares in which a voxel counts the less, the more is left in it, over all maps: tissue with fibres has
    contrast of its own (Student's t with as many degrees of freedom as there are maps, by reweighting; Lange et al.
    1989, doi:10.1080/01621459.1989.10478852).

    Parameters
    ----------
    slopes : list of ndarray, shape (voxels, 7 or 10)
        For each map, how a voxel changes with motion, and with what else moves it (`find_slopes`).
    maps : ndarray, shape (k, voxels)
        Parts of the signal that follow the directions.
    noise : float
        Their variance in voxels without contrast.
    """
    weight = 1 / (np.square(maps).mean(axis=0) + noise)
    left = maps
    for _ in range(WEIGHINGS):
        normals = [(slope * weight[:, None]).T @ slope for slope in slopes]
        found = [
            np.linalg.lstsq(normal, (slope * weight[:, None]).T @ one, rcond=None)[0]
            for normal, slope, one in zip(normals, slopes, maps, strict=True)
        ]
        left = maps - [slope @ one for slope, one in zip(slopes, found, strict=True)]
        weight = 1 / (np.square(left).mean(axis=0) + noise)
    doubt = []
    for slope, one in zip(slopes, left, strict=True):
        inverse = np.linalg.pinv((slope * weight[:, None]).T @ slope)
        spread = slope * (weight * one)[:, None]
        doubt.append(SHARED * np.sqrt(np.diag(inverse @ (spread.T @ spread) @ inverse)[:6]))  # White 1980
    return np.array([one[:6] for one in found]), np.array(doubt)
