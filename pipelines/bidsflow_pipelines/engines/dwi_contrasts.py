"""What of a diffusion series follows the gradients: contrasts of tissue, and what eddy currents do to volumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.dwi import Gradients, round_shells

#: Part of a column that has to be new for it to count.
NEW = 0.03
#: Powers of b that contrasts are made of, without the direction.
POWERS = 3


def make_contrasts(gradients: Gradients) -> NDArray[np.float64]:
    """Return what the contrast of weighted volumes is made of, a row per volume.

    Products of powers of b (one power for each shell, three at most) and quadratic forms of the direction; those in
    b² are left out, then all forms, where there are fewer than two volumes for each.

    Parameters
    ----------
    gradients : Gradients
        Of the weighted volumes, n of them.

    Returns
    -------
    contrasts : ndarray, shape (n, m)
        Orthonormal columns; those of the powers of b alone are the first.

    Examples
    --------
    >>> vectors = np.random.default_rng(0).normal(size=(30, 3))
    >>> vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    >>> make_contrasts(Gradients(np.full(30, 1000.0), vectors)).shape
    (30, 6)
    >>> make_contrasts(Gradients(np.full(6, 1000.0), vectors[:6])).shape
    (6, 1)
    """
    b = (gradients.b_values / gradients.b_values.max())[:, None]
    powers = np.hstack([np.ones_like(b), b, b**2])
    x, y, z = gradients.b_vectors.T
    forms = np.stack([x * x - 1 / 3, y * y - 1 / 3, x * y, x * z, y * z], axis=1)
    for design in (np.hstack([powers, b * forms, b**2 * forms]), np.hstack([powers, b * forms])):
        found = orthonormal(design)
        if 2 * found.shape[1] <= len(b):
            return found
    return orthonormal(powers)


def orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of columns, in their order (Gram and Schmidt).

    What is new in a column by less than `NEW` is left out: the b-values of one shell jitter.
    """
    basis = np.zeros((len(columns), 0))
    for column in columns.T:
        rest = column - basis @ (basis.T @ column)
        if np.linalg.norm(rest) > NEW * np.linalg.norm(column):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return basis


def find_directed(contrasts: NDArray[np.float64], gradients: Gradients) -> NDArray[np.int_]:
    """Return which contrasts need a direction: those that volumes of one b-value differ in."""
    shells = round_shells(gradients.b_values)
    varied = [max(np.ptp(column[shells == shell]) for shell in np.unique(shells)) for column in contrasts.T]
    return np.flatnonzero(np.array(varied) > NEW)


def find_currents(gradients: Gradients, contrasts: int) -> NDArray[np.float64]:
    """Return what eddy currents do, in proportion to the gradients, shape (n, up to 3); columns have length 1.

    No column, where there are fewer than two volumes for each of them and of the contrasts.
    """
    currents = np.sqrt(gradients.b_values)[:, None] * gradients.b_vectors
    lengths = np.linalg.norm(currents, axis=0)
    enough = 2 * (contrasts + 3) <= len(currents)
    return np.asarray(currents[:, enough & (lengths > 0)] / lengths[enough & (lengths > 0)])


def moved_by_currents(phase_axis: int) -> NDArray[np.bool_]:
    """Return which of six parameters eddy currents change, which shift, shear and stretch along the phase encoding.

    All but the shifts along the other two axes, and the turn about the axis itself.

    Parameters
    ----------
    phase_axis : int
        Of the image, as the parameters; -1 where that is not known, and all of them may change.

    Examples
    --------
    >>> moved_by_currents(1).tolist()
    [False, True, False, True, False, True]
    """
    along = np.arange(3) == phase_axis
    return np.concatenate([along, ~along]) if along.any() else np.ones(6, dtype=bool)
