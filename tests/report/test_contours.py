"""Masks to outlines."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bidsflow.report.contours import trace_outline


def read_loops(d: str) -> list[np.ndarray]:
    """Return the corners of each loop of path data, in pixels."""
    loops = []
    for start, steps in re.findall(r"M([^l]*)l([^z]*)z", d):
        first = np.array(re.findall(r"-?\d+", start), dtype=float)
        moves = np.array(re.findall(r"-?\d+", steps), dtype=float).reshape(-1, 2)
        loops.append(np.vstack([first, first + moves.cumsum(axis=0)]) / 2)
    return loops


def measure_area(loop: np.ndarray) -> float:
    x, y = loop.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_outline_of_one_pixel_surrounds_its_middle() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1, 3] = True
    (loop,) = read_loops(trace_outline(mask))
    np.testing.assert_array_equal(loop.mean(axis=0), [3.5, 1.5])
    assert abs(measure_area(loop)) == 0.5


def test_outline_cuts_only_the_corners_of_a_rectangle() -> None:
    mask = np.zeros((8, 9), bool)
    mask[2:6, 1:8] = True
    (loop,) = read_loops(trace_outline(mask))
    assert len(loop) == 8
    assert abs(measure_area(loop)) == 4 * 7 - 4 * 0.125
    assert loop.min(axis=0).tolist() == [1, 2]
    assert loop.max(axis=0).tolist() == [8, 6]


def test_outline_of_a_mask_at_the_edge_is_closed() -> None:
    (loop,) = read_loops(trace_outline(np.ones((3, 4), bool)))
    assert loop.min(axis=0).tolist() == [0, 0]
    assert loop.max(axis=0).tolist() == [4, 3]


def test_outline_of_a_hole_runs_the_other_way() -> None:
    mask = np.ones((7, 7), bool)
    mask[3, 3] = False
    areas = sorted(map(measure_area, read_loops(trace_outline(mask))))
    assert len(areas) == 2
    assert areas[0] < 0 < areas[1]


def test_outline_keeps_pixels_apart_that_touch_at_a_corner() -> None:
    assert len(read_loops(trace_outline(np.eye(3, dtype=bool)))) == 3


def test_outline_is_moved_to_its_origin() -> None:
    mask = np.ones((1, 1), bool)
    moved, still = read_loops(trace_outline(mask, origin=(10, 20)))[0], read_loops(trace_outline(mask))[0]
    np.testing.assert_array_equal(moved - still, np.full((4, 2), (10, 20)))


def test_outline_of_an_empty_mask_is_empty() -> None:
    assert trace_outline(np.zeros((3, 3), bool)) == ""


@pytest.mark.parametrize("seed", range(5))
def test_outlines_enclose_the_pixels_inside(seed: int) -> None:
    mask = np.random.default_rng(seed).random((24, 31)) > 0.5
    loops = read_loops(trace_outline(mask))
    rows, columns = np.nonzero(mask)
    inside = np.zeros(mask.shape, int)
    for row in range(mask.shape[0]):  # how often the outlines turn around the middle of each pixel
        for column in range(mask.shape[1]):
            inside[row, column] = sum(turns_around(loop, column + 0.5, row + 0.5) for loop in loops)
    np.testing.assert_array_equal(inside != 0, mask)
    assert rows.size
    assert columns.size


def turns_around(loop: np.ndarray, x: float, y: float) -> int:
    """Return the winding number of a loop about a point, by its crossings with a ray to the right."""
    a, b = loop - (x, y + 1e-7), np.roll(loop, -1, axis=0) - (x, y + 1e-7)
    crosses = (a[:, 1] <= 0) != (b[:, 1] <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = a[:, 0] - a[:, 1] * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1]) > 0
    return int(np.sign(b[:, 1] - a[:, 1])[crosses & right].sum())
