from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from bidsflow_pipelines.engines.dwi import Gradients
from bidsflow_pipelines.engines.dwi_contrasts import make_contrasts
from bidsflow_pipelines.engines.dwi_motion import (
    align_rigid,
    find_dwi_motion,
    rotate_vectors,
    weigh_fit,
)
from bidsflow_pipelines.engines.images import Mask, Volume
from bidsflow_pipelines.engines.motion import RADIUS, to_matrix
from bidsflow_pipelines.qc.measures.motion import fd
from numpy.typing import NDArray

from bidsflow.phantom.anatomy import TISSUES
from bidsflow.phantom.signal import attenuate
from tests.pipelines.engines.build import EPI, paint, part_of
from tests.pipelines.engines.test_motion import Held, displacement

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


def table(shells: int = 1) -> Gradients:
    """Return the weighting of the series; volumes 0 and 13 have none."""
    values = np.where(np.arange(COUNT) % 13 == 0, 0.0, 1000.0 * (1 + np.arange(COUNT) % shells))
    return Gradients(values, spread(COUNT))


def scan(motion: NDArray[np.float64], shells: int = 1, currents: float = 0.0) -> Scan:
    """Return a head that lies as a motion says, bent along y by eddy currents (mm at the surface, per gradient)."""
    values, vectors = table(shells)
    painted = []
    for index, (b, vector, row) in enumerate(zip(values, vectors, motion, strict=True)):
        pose = to_matrix(row, np.zeros(3))
        light = {
            tissue.name: EPI.get(tissue.name, EPI["white"]) * attenuate(tissue, b, pose[:3, :3].T @ vector)
            for tissue in TISSUES
        }
        bent = np.eye(4)
        bent[1] += currents * np.sqrt(b / 1000) * np.array([*vector / RADIUS, vector.sum()])
        painted.append(paint(light, SIZE, bent @ pose if row.any() or currents else None, NOISE, seed=index))
    brain = part_of(("csf", "gray", "white"), SIZE) > 0.5
    return Scan(Held([one.data for one in painted], painted[0].affine), Gradients(values, vectors), brain)


@pytest.fixture(scope="module")
def still() -> Scan:
    return scan(np.zeros((COUNT, 6)))


def test_head_that_lies_still_does_not_move_with_the_gradients(still: Scan) -> None:
    found = find_dwi_motion(*still)
    assert fd(found).mean() < 0.02 * SIZE


def test_motion_of_a_diffusion_series_is_found() -> None:
    drift = np.linspace(0, 1, COUNT)[:, None] * np.array([0.8, -0.6, 1.0, 0.01, 0.008, -0.012])
    jerk = (np.arange(COUNT) > 16)[:, None] * np.array([1.0, 0.5, -1.5, -0.015, 0.02, 0.01])
    found = find_dwi_motion(*scan(drift + jerk))
    assert fd(found).mean() == pytest.approx(fd(drift + jerk).mean(), rel=0.15)
    assert int(fd(found).argmax()) == 16


def test_motion_that_follows_the_gradients_is_found_in_the_edges() -> None:
    """All of it is in the predictions, too; only along the phase encoding it may as well be eddy currents."""
    weighted = table().b_values > 0
    contrasts = make_contrasts(Gradients(table().b_values[weighted], table().b_vectors[weighted]))
    truth = np.zeros((COUNT, 6))
    truth[weighted] = contrasts[:, 1:] @ np.random.default_rng(0).normal(size=(5, 6)) * [1, 0, 1, 0.02, 0.02, 0.02]
    found = find_dwi_motion(*scan(truth), phase_axis=1)
    assert fd(found).mean() == pytest.approx(fd(truth).mean(), rel=0.2)
    assert fd(found - truth).mean() < 0.35 * fd(truth).mean()


def test_turn_that_is_linear_in_the_gradients_is_told_from_eddy_currents() -> None:
    """A nod moves along z, too; eddy currents do along the phase encoding only."""
    truth = np.where(table().b_values > 0, 0.02 * table().b_vectors[:, 0], 0.0)[:, None] * [0, 0, 0, 1, 0, 0]
    found = find_dwi_motion(*scan(truth), phase_axis=1)
    assert 0.6 * fd(truth).mean() < fd(found).mean() < 1.1 * fd(truth).mean()


def test_eddy_currents_are_no_motion() -> None:
    found = find_dwi_motion(*scan(np.zeros((COUNT, 6)), currents=1.0), phase_axis=1)
    assert fd(found).mean() < 0.03 * SIZE


@pytest.mark.parametrize("phase_axis", [-1, 1])
def test_head_that_lies_still_does_not_move_between_shells(phase_axis: int) -> None:
    found = find_dwi_motion(*scan(np.zeros((COUNT, 6)), shells=2), phase_axis=phase_axis)
    assert fd(found).mean() < 0.02 * SIZE


def test_empty_volume_does_not_move_the_others(still: Scan) -> None:
    volumes = [np.zeros_like(one) if index == 5 else one for index, one in enumerate(still.series.volumes)]
    found = find_dwi_motion(Held(volumes, still.series.affine), still.gradients, still.brain)
    assert fd(found).mean() < 0.02 * SIZE
    assert np.array_equal(found[5], found[4])


def test_voxel_that_the_contrast_does_not_explain_counts_little() -> None:
    basis = np.full((8, 1), 8**-0.5)
    logs = np.full((8, 9, 9, 9), 6.0)
    logs[:, 4, 4, 4] += np.tile([0.3, -0.3], 4)
    maps = np.tensordot(basis.T, logs, 1)
    rim = Volume(np.ones((9, 9, 9), dtype=bool), np.diag([6.0, 6, 6, 1]))
    weights = weigh_fit(maps, np.square(logs).sum(axis=0), 8, rim)
    assert weights[4, 4, 4] < 0.1 * weights[0, 0, 0]


@pytest.mark.parametrize("kept", [slice(0, 7), slice(1, 13), slice(0, 1), slice(0, 2)], ids=str)
def test_short_series_of_a_head_that_lies_still_does_not_move(still: Scan, kept: slice) -> None:
    gradients = Gradients(still.gradients.b_values[kept], still.gradients.b_vectors[kept])
    found = find_dwi_motion(Held(still.series.volumes[kept], still.series.affine), gradients, still.brain)
    assert fd(found).sum() <= 0.1 * SIZE * len(found)


def test_empty_series_does_not_move() -> None:
    series = Held([np.zeros((8, 8, 8), np.float32)] * 4, np.eye(4))
    found = find_dwi_motion(series, Gradients(np.full(4, 1000.0), spread(4)), np.ones((8, 8, 8), dtype=bool))
    assert not found.any()


def test_vectors_turn_with_the_head() -> None:
    quarter = np.array([[0, 0, 0, 0, 0, np.pi / 2]])
    for affine in (np.diag([2.0, 2, 2, 1]), np.diag([-2.0, 2, 2, 1])):
        turned = rotate_vectors(np.array([[0.0, 0.0, 1.0]]), quarter, affine)
        assert turned == pytest.approx(np.array([[0, 0, 1.0]]))
        turned = rotate_vectors(np.array([[1.0, 0.0, 0.0]]), quarter, affine)
        # Both kinds of axes store -x of the world; a head turned to the left sees it turned to the right.
        assert turned == pytest.approx(np.array([[0, 1.0, 0]]))


def test_motion_is_found_when_contrast_differs() -> None:
    truth = np.array([1.5, -1.0, 2.0, 0.02, -0.03, 0.04])
    fixed = paint(EPI, 4.0, noise=NOISE)
    weighted = {**EPI, "csf": 60.0, "gray": 350.0, "white": 420.0}
    moving = paint(weighted, 4.0, to_matrix(truth, np.zeros(3)), noise=NOISE, seed=1)
    brain = part_of(("csf", "gray", "white"), 4.0) > 0.5
    found = align_rigid(fixed, moving, brain, np.zeros(3))
    assert displacement(found, truth) < 0.5  # mm; voxels have 4, and the turn of 3 degrees is found to a tenth
