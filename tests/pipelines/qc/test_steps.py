"""Steps on arrays whose measures are known."""

from __future__ import annotations

import numpy as np
from bidsflow_pipelines.qc.steps.anat import _find_slab
from bidsflow_pipelines.qc.steps.bold import _pad
from bidsflow_pipelines.qc.steps.coverage import keep_covered


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
