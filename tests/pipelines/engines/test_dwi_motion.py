from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from bidsflow_pipelines.engines.dwi import Gradients
from bidsflow_pipelines.engines.dwi_motion import calm, find_dwi_motion, make_contrasts, rotate_vectors
from bidsflow_pipelines.engines.images import Mask
from bidsflow_pipelines.engines.motion import to_matrix
from bidsflow_pipelines.qc.measures.motion import fd
from numpy.typing import NDArray

from bidsflow.phantom.anatomy import TISSUES
from bidsflow.phantom.signal import attenuate
from tests.pipelines.engines.build import EPI, paint, part_of
from tests.pipelines.engines.test_motion import Held

SIZE, COUNT = 6.0, 26
NOISE = 7.0


class Scan(NamedTuple):
    """A diffusion series of the phantom, and its brain."""

    series: Held
    gradients: Gradients
    brain: Mask


def spread(count: int) -> NDArray[np.float64]:
    vectors = np.random.default_rng(3).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scan(motion: NDArray[np.float64]) -> Scan:
    """Return a head that lies as a motion says; volumes 0 and 13 have no weighting."""
    vectors = spread(COUNT)
    values = np.where(np.arange(COUNT) % 13 == 0, 0.0, 1000.0)
    painted = []
    for index, (b, vector, row) in enumerate(zip(values, vectors, motion, strict=True)):
        pose = to_matrix(row, np.zeros(3))
        light = {
            tissue.name: EPI.get(tissue.name, EPI["white"]) * attenuate(tissue, b, pose[:3, :3].T @ vector)
            for tissue in TISSUES
        }
        painted.append(paint(light, SIZE, pose if row.any() else None, NOISE, seed=index))
    brain = part_of(("csf", "gray", "white"), SIZE) > 0.5
    return Scan(Held([one.data for one in painted], painted[0].affine), Gradients(values, vectors), brain)


def test_head_that_lies_still_does_not_move_with_the_gradients() -> None:
    found = find_dwi_motion(*scan(np.zeros((COUNT, 6))))
    assert fd(found).mean() < 0.02 * SIZE


def test_motion_of_a_diffusion_series_is_found() -> None:
    drift = np.linspace(0, 1, COUNT)[:, None] * np.array([0.8, -0.6, 1.0, 0.01, 0.008, -0.012])
    jerk = (np.arange(COUNT) > 16)[:, None] * np.array([1.0, 0.5, -1.5, -0.015, 0.02, 0.01])
    found = find_dwi_motion(*scan(drift + jerk))
    assert fd(found).mean() == pytest.approx(fd(drift + jerk).mean(), rel=0.15)
    assert int(fd(found).argmax()) == 16


def test_contrasts_leave_half_of_the_volumes_to_motion() -> None:
    shells = np.tile([1000.0, 2000.0, 3000.0], 20)
    for count in (1, 5, 11, 12, 25, 26, 60):
        assert make_contrasts(Gradients(shells[:count], spread(count))).shape[1] <= max(count // 2, 3)
    assert make_contrasts(Gradients(shells, spread(60))).shape == (60, 13)


def test_steps_that_follow_the_gradients_are_taken_away_and_others_are_not() -> None:
    gradient = np.random.default_rng(0).normal(size=(40, 1))
    truth = np.where(np.arange(40) > 25, 1.0, 0.0)[:, None] * np.ones(6)
    assert calm(truth + gradient * np.arange(6), gradient) == pytest.approx(truth, abs=0.01)


def test_vectors_turn_with_the_head() -> None:
    quarter = np.array([[0, 0, 0, 0, 0, np.pi / 2]])
    for affine in (np.diag([2.0, 2, 2, 1]), np.diag([-2.0, 2, 2, 1])):
        turned = rotate_vectors(np.array([[0.0, 0.0, 1.0]]), quarter, affine)
        assert turned == pytest.approx(np.array([[0, 0, 1.0]]))
        turned = rotate_vectors(np.array([[1.0, 0.0, 0.0]]), quarter, affine)
        # Both kinds of axes store -x of the world; a head turned to the left sees it turned to the right.
        assert turned == pytest.approx(np.array([[0, 1.0, 0]]))
