"""How a template lies on a head: shifts, turns and scales, whatever the contrast.

A head is explained as a weighted sum of the template's tissues, of a skull and of a scalp; the better the position, the
more of the variance it explains. The weights follow from linear regression, so that T1w and T2w are the same problem,
as in unified segmentation (Ashburner and Friston 2005, doi:10.1016/j.neuroimage.2005.02.018).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import Affine, Image, Mask, Volume, dilate, erode
from bidsflow_pipelines.engines.motion import to_matrix
from bidsflow_pipelines.engines.templates import Template

#: Millimetres between the points that are compared.
STEP = 6.0
#: Millimetres from the brain to the scalp of an adult, and to its outside. Without them, the edge of the template fits
#: the edge of the head as well as that of the brain.
SCALP = (8.0, 14.0)
#: Millimetres below the skin: a brain is deeper than the first, what is next to it is not deeper than the second.
DEPTHS = (8.0, 16.0)
#: Millimetres from the skin to the surface of the brain, with half of the template's surface layer.
SURFACE_DEPTH = 16.0
#: Millimetres below the top of the head where there is neither face nor neck.
VAULT = 80.0
#: Sizes of a brain relative to the template, and turns (radian) about the left-right axis, to begin with.
SCALES = (0.82, 0.9, 0.98)
TURNS = (-0.3, 0.0, 0.3)
#: Of the beginnings, how many are followed.
FOLLOWED = 2
#: Millimetres: a radian, and a scale of 1, count as much as a shift by this.
ARM = 60.0
#: What a misplaced brain costs, in explained variance.
MISPLACED = 1.0
#: Scales that a head can have relative to the template; the search may not leave them.
BOUNDS = (0.7, 1.2)


@dataclass(frozen=True, slots=True)
class Model:
    """What a head is compared with.

    Attributes
    ----------
    points : ndarray, shape (3, n)
        RAS millimetres in the template, relative to `centre`.
    basis : ndarray, shape (n, 4)
        Orthonormal maps of CSF, grey matter, white matter and scalp, without their mean.
    surface, scalp : ndarray of bool, shape (n,)
        Which points are at the surface of the vault's brain, and in the scalp.
    centre : ndarray, shape (3,)
        Of the template's brain.
    """

    points: NDArray[np.float64]
    basis: NDArray[np.float64]
    surface: Mask
    scalp: Mask
    centre: NDArray[np.float64]


def make_model(template: Template) -> Model:
    """Return the tissues, skull and scalp of a template at points `STEP` millimetres apart."""
    brain = template.mask.data > 0.5
    affine, zooms = template.mask.affine, template.mask.zooms
    outside = dilate(brain, SCALP[1], zooms)
    scalp = outside & ~dilate(brain, SCALP[0], zooms)
    # Where the neck begins, there is neither skull nor scalp: below the brain stem nothing is compared.
    stride = np.maximum(np.rint(STEP / zooms), 1).astype(int)
    lattice = np.zeros(brain.shape, dtype=bool)
    lattice[:: stride[0], :: stride[1], :: stride[2]] = True
    heights = (affine[:3, :3] @ np.indices(brain.shape).reshape(3, -1) + affine[:3, 3:])[2].reshape(brain.shape)
    chosen = np.nonzero(outside & lattice & (brain | (heights > -20)))
    places = affine[:3, :3] @ np.array(chosen) + affine[:3, 3:]
    maps = np.column_stack(
        [part.data[chosen] for part in (template.csf, template.gm, template.wm)] + [scalp[chosen].astype(float)]
    )
    basis, _ = np.linalg.qr(maps - maps.mean(axis=0))
    centre = affine[:3, :3] @ np.argwhere(brain).mean(axis=0) + affine[:3, 3]
    surface = brain & ~erode(brain, STEP, zooms) & (heights > -20)
    return Model(places - centre[:, None], basis, surface[chosen], scalp[chosen], centre)


def explain(model: Model, head: Volume, matrix: Affine) -> float:
    """Return how much of the variance of a head the template explains, 0 to 1.

    Parameters
    ----------
    model : Model
        The template.
    head : Volume
        Smooth and coarse.
    matrix : ndarray, shape (4, 4)
        From points of the model to RAS millimetres of the head.
    """
    from scipy.ndimage import map_coordinates

    to_voxels = np.linalg.inv(head.affine) @ matrix
    where = to_voxels[:3, :3] @ model.points + to_voxels[:3, 3:]
    values = map_coordinates(head.data, where, order=1, mode="constant").astype(np.float64)
    values -= values.mean()
    power = float(values @ values)
    return float(np.square(model.basis.T @ values).sum() / power) if power > 0 else 0.0


def misplace(model: Model, depth: Volume, matrix: Affine) -> float:
    """Return how far the template's brain is out of the skull, and its scalp in the brain; 0 to 2.

    Parameters
    ----------
    model : Model
        The template.
    depth : Volume
        Millimetres below the skin.
    matrix : ndarray, shape (4, 4)
        From points of the model to RAS millimetres of the head.
    """
    from scipy.ndimage import map_coordinates

    to_voxels = np.linalg.inv(depth.affine) @ matrix
    where = to_voxels[:3, :3] @ model.points + to_voxels[:3, 3:]
    below = map_coordinates(depth.data, where, order=1, mode="nearest")
    shallow = np.clip(1 - below[model.surface] / DEPTHS[0], 0, 1)
    deep = np.clip(below[model.scalp] / DEPTHS[1] - 1, 0, 1)
    return float(shallow.mean() + deep.mean())


def vault(mask: Mask, affine: Affine, height: float) -> Image:
    """Return the middle of a mask from left to right and back to front, within a height of its top, and the top."""
    points = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    top = float(np.percentile(points[:, 2], 99.9))
    upper = points[points[:, 2] > top - height]
    low, high = np.percentile(upper[:, :2], (1, 99), axis=0)
    return np.array([*((low + high) / 2), top])


def build(parameters: NDArray[np.float64]) -> Affine:
    """Return the matrix of three shifts (mm), three turns and three scales (times `ARM`)."""
    row = np.concatenate([parameters[:3], parameters[3:6] / ARM])
    scales = np.diag([*np.clip(parameters[6:] / ARM, *BOUNDS), 1.0])
    return np.asarray(to_matrix(row, np.zeros(3)) @ scales)


def list_starts(skin: Mask, affine: Affine, template: Template, model: Model) -> list[NDArray[np.float64]]:
    """Return parameters that lay the vault of the template's brain on that of the head.

    The brain's top lies one scalp below that of the head; front, back and sides agree above the face, so that neither
    nose nor neck pull the template away.
    """
    brain = template.mask.data > 0.5
    theirs = vault(brain, template.mask.affine, VAULT) - model.centre
    top = vault(skin, affine, VAULT) - [0, 0, SCALP[1]]
    return [
        np.array([*(top - scale * theirs), ARM * turn, 0, 0, *[ARM * scale] * 3])
        for scale, turn in product(SCALES, TURNS)
    ]


def align_template(template: Template, head: Volume, skin: Mask) -> tuple[Affine, float]:
    """Return the matrix from the template to a head, RAS millimetres, and how much of the head it explains.

    Parameters
    ----------
    template : Template
        Coarse.
    head : Volume
        Coarse; corrected for non-uniformity.
    skin : ndarray of bool
        The head with its skin, on the same grid.
    """
    from scipy.ndimage import distance_transform_edt
    from scipy.optimize import minimize

    model = make_model(template)
    depth = Volume(distance_transform_edt(skin, sampling=head.zooms).astype(np.float32), head.affine)

    def cost(parameters: NDArray[np.float64]) -> float:
        matrix = build(parameters)
        return misplace(model, depth, matrix) * MISPLACED - explain(model, head, matrix)

    def cost_of_seven(seven: NDArray[np.float64]) -> float:
        return cost(np.array([*seven, seven[6], seven[6]]))

    starts = sorted(list_starts(skin, head.affine, template, model), key=cost)[:FOLLOWED]
    options = {"xtol": 0.1, "ftol": 1e-4, "maxiter": 20}
    simplex = np.diag([4.0, 4, 4, 6, 4, 4, 4])
    found = [
        minimize(cost_of_seven, start[:7], method="Powell", options={**options, "direc": simplex}) for start in starts
    ]
    best = min(found, key=lambda one: float(one.fun)).x
    last = minimize(cost, [*best, best[6], best[6]], method="Powell", options={**options, "direc": np.eye(9) * 2})
    back = np.eye(4)
    back[:3, 3] = -model.centre
    matrix = build(last.x)
    return matrix @ back, explain(model, head, matrix)


def fit_skull(template: Template, head: Volume, skin: Mask) -> Affine:
    """Return the matrix that lays a template's brain at the usual depth below the skin, whatever the image shows.

    The other opinion: where it and `align_template` end in one surface, that surface follows from the image.

    Parameters
    ----------
    template : Template
        Coarse.
    head : Volume
        Coarse.
    skin : ndarray of bool
        The head with its skin, on the same grid.
    """
    from scipy.ndimage import distance_transform_edt, map_coordinates
    from scipy.optimize import minimize

    model = make_model(template)
    depth = distance_transform_edt(skin, sampling=head.zooms).astype(np.float32)
    points = model.points[:, model.surface & (model.points[2] + model.centre[2] > -10)]
    to_voxels = np.linalg.inv(head.affine)

    def cost(seven: NDArray[np.float64]) -> float:
        matrix = to_voxels @ build(np.array([*seven, seven[6], seven[6]]))
        below = map_coordinates(depth, matrix[:3, :3] @ points + matrix[:3, 3:], order=1, mode="nearest")
        turns = np.abs(seven[3:6]).sum() / ARM
        return float(np.clip(np.abs(below / SURFACE_DEPTH - 1), 0, 1).mean() + 0.1 * turns)

    starts = [
        np.array([*start[:6], ARM * scale])
        for start in list_starts(skin, head.affine, template, model)
        for scale in (0.9, 1.0, 1.08)
    ]
    found = minimize(
        cost,
        min(starts, key=cost),
        method="Powell",
        options={"xtol": 0.1, "ftol": 1e-4, "maxiter": 20, "direc": np.diag([4.0, 4, 4, 6, 4, 4, 4])},
    ).x
    back = np.eye(4)
    back[:3, 3] = -model.centre
    return np.asarray(build(np.array([*found, found[6], found[6]])) @ back)


def clip_head(head: Volume, skin: Mask, depth: float = 25.0) -> Volume:
    """Return a head in which nothing is brighter than what lies deep in its vault: no fat outshines the brain.

    Parameters
    ----------
    head : Volume
        Corrected for non-uniformity.
    skin : ndarray of bool
        The head with its skin.
    depth : float
        Millimetres below the skin.
    """
    heights = (head.affine[:3, :3] @ np.indices(skin.shape).reshape(3, -1))[2].reshape(skin.shape)
    core = erode(skin, depth, head.zooms) & (heights > np.percentile(heights[skin], 99.9) - VAULT)
    bright = float(np.percentile(head.data[core if core.any() else skin], 99))
    return Volume(np.clip(head.data, 0, bright), head.affine)
