"""How the head moved in a diffusion series.

Volumes with weighting differ in contrast, so that one aligned with another, or with their mean, seems to turn where
only the direction of the gradient did. Each is therefore compared with a prediction of its own contrast, made from all
of them, as eddy does (Andersson and Sotiropoulos 2016, doi:10.1016/j.neuroimage.2015.10.019) and SHORELine (Cieslak et
al. 2021, doi:10.1038/s41592-021-01185-5). The model is the logarithm of the signal as a quadratic form of the direction
(the diffusion tensor, Basser et al. 1994, doi:10.1006/jmrb.1994.1037; with two powers of b where there are shells)::

    log S(b, g) = sum over k of  c_k f_k(b, g)

**What a prediction hides.** A motion that follows the gradients as one of the f_k does looks like contrast: the
prediction goes with it. But it is the same in all voxels and shows at edges, contrast is that of a voxel: where fluid,
grey matter or the skull leave a voxel no contrast that follows the direction, what follows it is motion. So each f_k is
looked for in the edges, voxels counting the less the more else follows the directions in them.

Eddy currents shift, shear and stretch volumes by what is linear in g, along the axis of phase encoding. A turn of the
head that is linear in g shows along the other two axes, too; so edges tell one from the other.

**What images cannot tell.** A shift of all weighted volumes against those without weighting, whose contrast is another;
and a shift along the phase encoding that follows the gradients, linear (eddy currents) or not (concomitant fields).
Where that axis is not known, edges are not asked: they would take both for motion. Of all motions that differ only by
what images do not tell, or not surely, the least is taken: that with the smallest sum of steps from volume to volume.
Heads do not know the order of the gradients. So a jump between a single volume without weighting and all others is not
seen. (Mutual information would see it, but is off by up to 2 mm between b = 0 and b = 1000 s/mm² in real images.) With
too few directions for a prediction, volumes are aligned with the mean of their shell by mutual information.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.dwi import B0_LIMIT, Gradients, load_gradients, round_shells
from bidsflow_pipelines.engines.dwi_calm import calm_in_image
from bidsflow_pipelines.engines.dwi_contrasts import (
    POWERS,
    find_currents,
    find_directed,
    make_contrasts,
    moved_by_currents,
    orthonormal,
)
from bidsflow_pipelines.engines.dwi_edges import find_hidden
from bidsflow_pipelines.engines.images import Image, Mask, Volume, dilate, load_mask, shrink
from bidsflow_pipelines.engines.itk import SEED
from bidsflow_pipelines.engines.motion import (
    SMOOTH,
    centre_of_grid,
    find_pose,
    make_target,
    move_back,
    save_motion,
    smooth,
    to_matrix,
    to_row,
)
from bidsflow_pipelines.engines.series import Series, create_series, open_series

#: Predictions: the second is made from volumes that the first has aligned; more change nothing.
ROUNDS = 2
#: Part of the brain's median below which a signal is noise, and its logarithm tells nothing.
FLOOR = 0.02
#: Millimetres of the images that are aligned by mutual information.
COARSE = 4.0


class DwiMotion(NamedTuple):
    """A table of motion, the realigned series (not compressed), and the turned b-vectors."""

    parameters: Path
    realigned: Path
    rotated: Path


def find_dwi_motion(series: Series, gradients: Gradients, brain: Mask, phase_axis: int = -1) -> NDArray[np.float64]:
    """Return how the head lies in each volume relative to the mean b=0 volume, shape (n, 6).

    The convention is that of `motion`.

    Parameters
    ----------
    series : Series
        The volumes.
    gradients : Gradients
        Their weighting.
    brain : ndarray of bool
        In the b=0 volumes.
    phase_axis : int
        Of the image, along which phase is encoded; -1 where that is not known.
    """
    zooms = Volume(brain, series.affine).zooms
    rim = dilate(brain, float(2 * zooms.max()), zooms)
    motion = np.zeros((len(series), 6))
    seen = find_seen(series, brain)
    plain = np.flatnonzero(seen & (gradients.b_values <= B0_LIMIT))
    weighted = np.flatnonzero(seen & (gradients.b_values > B0_LIMIT))
    chosen = Gradients(gradients.b_values[weighted], gradients.b_vectors[weighted])
    contrasts = make_contrasts(chosen) if len(weighted) else np.zeros((0, 1))
    if contrasts.shape[1] <= POWERS:  # too few directions for a prediction
        motion[weighted] = align_shells(series, weighted, round_shells(chosen.b_values), rim)
    even = np.full((len(plain), 1), max(len(plain), 1) ** -0.5)
    currents = find_currents(chosen, contrasts.shape[1])
    free = np.zeros((len(series), contrasts.shape[1] + currents.shape[1]))
    free[weighted] = np.hstack([contrasts, currents])
    doubt = np.full((free.shape[1], 6), np.inf)
    linear = slice(contrasts.shape[1], None)
    doubt[linear] = np.where(moved_by_currents(phase_axis), np.inf, 0)
    known = np.sort(np.concatenate([plain, weighted]))
    for _ in range(ROUNDS):
        motion[plain] = align_group(series, plain, even, motion[plain], rim)
        if contrasts.shape[1] > POWERS:
            motion[weighted] = align_group(series, weighted, contrasts, motion[weighted], rim)
        motion[known] = calm_in_image(motion[known], free[known], doubt, series.affine)
    if contrasts.shape[1] > POWERS and phase_axis >= 0:  # else edges would take eddy currents for motion
        basis = orthonormal(free[weighted])
        hidden = np.concatenate([find_directed(contrasts, chosen), np.arange(contrasts.shape[1], basis.shape[1])])
        motion[weighted], found = find_hidden(series, weighted, basis, hidden, motion[weighted], rim, phase_axis)
        bent = hidden >= contrasts.shape[1]
        doubt[hidden[~bent]] = found[~bent]
        doubt[linear] = found[bent].max(axis=0, initial=0)
        doubt[:, phase_axis] = np.inf
        motion[known] = calm_in_image(motion[known], free[known], doubt, series.affine)
    for index in np.flatnonzero(~seen):
        motion[index] = motion[max(index - 1, 0)]  # an empty volume tells nothing: no step
    return motion


def find_seen(series: Series, brain: Mask) -> NDArray[np.bool_]:
    """Return which volumes hold a head: some are empty, where a scan was broken off or a file is damaged."""
    signal = np.array([float(np.median(series[index][brain])) for index in range(len(series))])
    return np.asarray(signal > FLOOR * np.median(signal))


def align_shells(series: Series, members: NDArray[np.int_], shells: NDArray[np.int_], rim: Mask) -> NDArray[np.float64]:
    """Return how the head lies in volumes relative to the mean of their shell, by mutual information.

    Maes et al. 1997, doi:10.1109/42.563664. It does not ask for equal contrast, but is wrong by tenths of a millimetre
    where that differs.
    """
    centre = centre_of_grid(rim.shape, series.affine)
    motion = np.zeros((len(members), 6))
    for shell in np.unique(shells):
        ranks = np.flatnonzero(shells == shell)
        total = sum(series[int(members[rank])] for rank in ranks)
        mean = Volume(np.asarray(total / len(ranks), dtype=np.float32), series.affine)
        for rank in ranks if len(ranks) > 1 else ():
            motion[rank] = align_rigid(mean, Volume(series[int(members[rank])], series.affine), rim, centre)
    return motion


def align_group(
    series: Series, members: NDArray[np.int_], basis: NDArray[np.float64], motion: NDArray[np.float64], rim: Mask
) -> NDArray[np.float64]:
    """Return how the head lies in some volumes, each compared with what a basis predicts of it from all of them.

    Parameters
    ----------
    series : Series
        The volumes.
    members : ndarray of int, shape (n,)
        Which of them.
    basis : ndarray, shape (n, m)
        Orthonormal; the logarithm of the signal is a sum of its columns.
    motion : ndarray, shape (n, 6)
        As known so far.
    rim : ndarray of bool
        Where to compare.
    """
    if len(members) < 2:
        return motion
    first = series[int(members[0])][rim]
    floor = FLOOR * float(np.median(first[first > 0]))
    maps = np.zeros((basis.shape[1], *rim.shape), dtype=np.float32)
    squares = np.zeros(rim.shape)
    for index, row, known in zip(members, basis, motion, strict=True):
        still = move_back(series[int(index)], known, series.affine, outside="nearest")
        logs = np.log(np.maximum(still, floor))
        maps += row.astype(np.float32)[:, None, None, None] * logs
        squares += np.square(logs, dtype=np.float64)
    weights = weigh_fit(maps, squares, len(members), Volume(rim, series.affine))
    found = []
    for index, row, known in zip(members, basis, motion, strict=True):
        predicted = np.exp(np.tensordot(row.astype(np.float32), maps, 1))
        target = make_target(Volume(predicted, series.affine), rim, SMOOTH[-1], weights)
        pose, _ = find_pose(series[int(index)], target, to_matrix(known, np.zeros(3)))
        found.append(to_row(pose, np.zeros(3)))
    return np.array(found)


def weigh_fit(maps: Image, squares: Image, count: int, rim: Volume) -> Image:
    """Return how much each voxel counts in an alignment: the less, the worse the basis describes it.

    Where tissues share a voxel the logarithm of their sum is no quadratic form, and what is left follows the
    directions: along the edge of the brain it looks like motion.

    Parameters
    ----------
    maps : ndarray, shape (m, i, j, k)
        Coefficients of an orthonormal basis that the logarithms of the signal were projected on.
    squares : ndarray, shape (i, j, k)
        Sum of the squares of these logarithms.
    count : int
        Of volumes.
    rim : Volume
        Where to compare.

    Returns
    -------
    weights : ndarray, shape (i, j, k)
        One over the mean square of what is left, in units of the signal; equal for the best tenth.
    """
    left = np.maximum(squares - np.square(maps, dtype=np.float64).sum(axis=0), 0) / count
    # The first column of a basis is constant: its coefficient is the mean logarithm times the root of the count.
    variance = smooth(left * np.exp(2 * np.abs(maps[0]) / np.sqrt(count)), SMOOTH[-1], rim.zooms)
    return np.asarray(1 / np.maximum(variance, max(float(np.percentile(variance[rim.data], 10)), 1e-6)))


def align_rigid(fixed: Volume, moving: Volume, mask: Mask, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the six parameters that take points of an image to those of another, by mutual information.

    Parameters
    ----------
    fixed, moving : Volume
        On the same grid; compared at `COARSE` millimetres.
    mask : ndarray of bool
        Where to compare, in the fixed image.
    centre : ndarray, shape (3,)
        About which the parameters turn, RAS millimetres.
    """
    import SimpleITK as sitk  # noqa: N813  # its documented short name

    first = _to_sitk(shrink(fixed, COARSE))
    second = _to_sitk(shrink(moving, COARSE))
    small = shrink(Volume(mask.astype(np.float32), fixed.affine), COARSE)
    where = sitk.Cast(_to_sitk(small) > 0.5, sitk.sitkUInt8)
    lps = (np.diag([-1.0, -1, 1]) @ centre).tolist()
    search = sitk.ImageRegistrationMethod()
    search.SetNumberOfThreads(1)  # sums in the same order, whatever the machine
    search.SetMetricAsMattesMutualInformation(32)
    search.SetMetricSamplingStrategy(search.NONE)
    search.SetMetricFixedMask(where)
    search.SetInterpolator(sitk.sitkBSpline)
    search.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200, 0.7, 1e-8)
    search.SetOptimizerScalesFromPhysicalShift()
    start = sitk.Euler3DTransform()
    start.SetCenter(lps)
    search.SetInitialTransform(start, inPlace=True)
    search.SetMetricSamplingPercentage(1.0, SEED)
    search.Execute(first, second)
    turn = np.diag([-1.0, -1, 1]) @ np.reshape(start.GetMatrix(), (3, 3)) @ np.diag([-1.0, -1, 1])
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = np.diag([-1.0, -1, 1]) @ np.array(start.GetTranslation()) + centre - turn @ centre
    return to_row(matrix, centre)


def _to_sitk(volume: Volume) -> Any:
    import SimpleITK as sitk  # noqa: N813  # its documented short name

    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0), dtype=np.float32))
    flip = np.diag([-1.0, -1, 1])
    image.SetSpacing(volume.zooms.tolist())
    image.SetOrigin((flip @ volume.affine[:3, 3]).tolist())
    image.SetDirection((flip @ volume.affine[:3, :3] / volume.zooms).ravel().tolist())
    return image


def realign_dwi(
    series: Path, bval: Path, bvec: Path, brain: Path, repetition_time: float = 1.0, phase_encoding: str = ""
) -> DwiMotion:
    """Write the motion of a diffusion series, the series without it, and the b-vectors turned with the head.

    Parameters
    ----------
    series, bval, bvec : Path
        A diffusion series and its gradients.
    brain : Path
        Mask of the brain.
    repetition_time : float
        Seconds, for the header.
    phase_encoding : str
        Axis of the image, as in BIDS (``"j-"``); empty where it is not known.
    """
    gradients = load_gradients(bval, bvec)
    with open_series(series) as opened:
        motion = find_dwi_motion(opened, gradients, load_mask(brain), "ijk".find(phase_encoding[:1] or "?"))
        path, realigned = create_series("realigned.nii", opened.shape, opened.affine, repetition_time)
        for index in range(len(opened)):
            realigned[..., index] = move_back(opened[index], motion[index], opened.affine)
        rotated = rotate_vectors(gradients.b_vectors, motion, opened.affine)
    table = Path.cwd() / "rotated.bvec"
    np.savetxt(table, rotated.T, fmt="%.6f")
    return DwiMotion(save_motion("motion.tsv", motion), path, table)


def rotate_vectors(
    vectors: NDArray[np.float64], motion: NDArray[np.float64], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return b-vectors as the head saw them (Leemans and Jones 2009, doi:10.1002/mrm.21890).

    Parameters
    ----------
    vectors : ndarray, shape (n, 3)
        In the axes of the image; as FSL defines them, the first component is turned round where the axes of the image
        are right-handed.
    motion : ndarray, shape (n, 6)
        In RAS.
    affine : ndarray, shape (4, 4)
        Of the image.
    """
    axes = affine[:3, :3] / np.sqrt(np.square(affine[:3, :3]).sum(axis=0))
    flip = np.diag([-1.0 if np.linalg.det(axes) > 0 else 1.0, 1, 1])
    to_world = axes @ flip
    turned = [
        np.linalg.inv(to_world) @ to_matrix(row, np.zeros(3))[:3, :3].T @ to_world @ vector
        for row, vector in zip(motion, vectors, strict=True)
    ]
    return np.array(turned)
