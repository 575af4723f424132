"""Steps on arrays whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest
from bidsflow_pipelines.qc.steps.anat import _find_slab
from bidsflow_pipelines.qc.steps.bold import _pad, sort_by_depth
from bidsflow_pipelines.qc.steps.coverage import keep_covered
from bidsflow_pipelines.qc.steps.dwi import compare_slices, find_moments


def test_slice_that_left_the_image_is_not_measured() -> None:
    series = np.full((4, 4, 4, 5), 100.0, np.float32)
    series[:, :, 0, 3] = 0  # the head has moved
    mask = np.ones((4, 4, 4), bool)
    mask[0] = False
    covered = keep_covered(series, mask)
    assert not covered[:, :, 0].any()
    assert covered[1:, :, 1:].all()
    assert not covered[0].any()


def test_mask_is_kept_when_nothing_was_seen_at_all_times() -> None:
    mask = np.ones((2, 2, 2), bool)
    assert keep_covered(np.zeros((2, 2, 2, 3), np.float32), mask).all()


def test_values_stand_at_their_volumes() -> None:
    fd = np.array([0.1, 0.2, 0.3])  # volumes 3, 4 and 5 of six; two are dummies
    assert np.nan_to_num(_pad(fd, 2, 6), nan=-1).tolist() == [-1, -1, -1, 0.1, 0.2, 0.3]


def test_slab_holds_the_slices_of_the_head_whatever_the_axes() -> None:
    head = np.zeros((20, 30, 40), bool)
    head[8:12, 10:20, 15:30] = True
    assert _find_slab(head, np.eye(4), 0) == ((5, 15), (0, 30), (0, 40))
    turned = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])  # axes run to A, S, R
    assert _find_slab(head, turned, 0) == ((0, 20), (0, 30), (12, 33))
    assert _find_slab(head, turned, 2) == ((0, 20), (7, 23), (0, 40))


def test_parts_of_the_carpet_lie_in_each_other_and_the_crown_outside() -> None:
    x, y, z = np.indices((40, 40, 40)) - 20
    radius = 3.0 * np.sqrt(x * x + y * y + z * z)
    brain = radius < 45
    parts = sort_by_depth(brain, (3.0, 3.0, 3.0))
    assert set(parts[brain]) == {1, 2}
    assert set(parts[~brain]) == {0, 3}
    assert radius[parts == 2].max() < radius[parts == 1].max() < radius[parts == 3].max()
    assert radius[parts == 2].max() == pytest.approx(45 - 10, abs=3)


def test_slice_that_dropped_out_is_the_only_one_that_stands_out() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(500, 1000, (8, 8, 6, 1))
    series = base * np.where(np.arange(12) < 2, 1.0, 0.4) * rng.uniform(0.8, 1.2, 12)
    series[:, :, 3, 7] *= 0.6
    mask = np.ones((8, 8, 6), bool)
    mask[:, :, 0] = False
    found = compare_slices(series, (range(2), range(2, 12)), mask, 2)
    assert found.shape == (6, 12)
    assert found[3, 7] == pytest.approx(-40, abs=2)
    found[3, 7] = 0
    assert np.abs(found).max() < 2


def test_moments_are_those_of_the_chosen_volumes() -> None:
    data = np.random.default_rng(0).integers(0, 4000, (3, 3, 3, 9)).astype(np.int16)
    mean, std = find_moments(data, (1, 4, 8))
    assert mean == pytest.approx(data[..., [1, 4, 8]].mean(axis=3))
    assert std == pytest.approx(data[..., [1, 4, 8]].std(axis=3))
