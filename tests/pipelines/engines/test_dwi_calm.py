from __future__ import annotations

import numpy as np
import pytest
from bidsflow_pipelines.engines.dwi_calm import calm, to_image, to_world


def test_motion_in_the_axes_of_an_image_is_that_of_the_world_after_it() -> None:
    """A turn keeps its sense where the axes of the image are left-handed."""
    affine = np.array([[-2.0, 0, 0, 5], [0, 0, 3, 6], [0, 3, 0, 7], [0, 0, 0, 1]]) @ np.diag([1, -1, 1, 1])
    motion = np.array([[1.0, 2, 3, 0.1, 0.2, 0.3]])
    assert to_image(motion, affine) == pytest.approx(np.array([[-1.0, -3, 2, 0.1, 0.3, -0.2]]))
    assert to_world(to_image(motion, affine), affine) == pytest.approx(motion)


def test_column_that_is_known_is_taken_as_far_as_it_is_not_sure() -> None:
    gradient = np.random.default_rng(0).normal(size=(40, 1))
    moved = gradient * np.ones(6)
    assert calm(moved, gradient, np.full((1, 6), 1e-3)) == pytest.approx(moved, abs=0.01)
    assert np.abs(calm(moved, gradient, np.full((1, 6), 1e3))).max() < 0.01


def test_steps_that_follow_the_gradients_are_taken_away_and_others_are_not() -> None:
    gradient = np.random.default_rng(0).normal(size=(40, 1))
    truth = np.where(np.arange(40) > 25, 1.0, 0.0)[:, None] * np.ones(6)
    assert calm(truth + gradient * np.arange(6), gradient) == pytest.approx(truth, abs=0.01)
