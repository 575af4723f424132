"""Histograms and gradient tables."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from bidsflow.report.gradients import draw_gradients, group_shells
from bidsflow.report.histograms import Sample, draw_histogram, tabulate
from bidsflow.report.scales import choose_ticks
from bidsflow.report.shapes import Path


def test_histogram_has_one_layer_per_sample_with_its_own_dashes() -> None:
    rng = np.random.default_rng(0)
    samples = tuple(Sample(name, rng.normal(k, 1, 500)) for k, name in enumerate("abc"))
    layers = draw_histogram(samples, title="t").layers
    assert [name for name, _, _ in layers] == ["a", "b", "c"]
    assert len({dash for _, _, dash in layers}) == 3


def test_histogram_of_whole_numbers_has_no_combs() -> None:
    values = np.tile(np.arange(200), 5)  # every value as often as any other
    line = next(s for s in draw_histogram((Sample("x", values),), title="t").shapes if isinstance(s, Path) and s.layer)
    heights = {float(v) for v in re.findall(r"V([\d.]+)", line.d)[:-2]}
    assert len(heights) == 1


def test_histogram_has_a_note_when_no_value_is_finite() -> None:
    assert draw_histogram((Sample("x", np.array([np.nan, np.inf])),), title="t").note


def test_histogram_shows_a_constant() -> None:
    assert draw_histogram((Sample("x", np.full(9, 2.5)),), title="t").shapes


def test_table_sums_up_each_sample() -> None:
    table = tabulate((Sample("x", np.array([1.0, 2, 3, 4, 100, np.nan])), Sample("none", np.array([]))), caption="c")
    assert table.rows[0][:2] == ("x", 5)
    assert table.rows[0][2] == pytest.approx(22)
    assert table.rows[0][4:6] == (3.0, 1.0)
    assert table.rows[1][:3] == ("none", 0, None)


def test_shells_are_parted_where_b_values_are_far_apart() -> None:
    shells = group_shells([0, 2985, 1000, 5, 3005, 1005, 995, 3090])
    assert [s.volumes for s in shells] == [(0, 3), (2, 5, 6), (1, 4, 7)]
    assert [s.b_value for s in shells] == [2.5, 1000, 3005]


def test_shell_of_weak_weighting_is_no_b0() -> None:
    assert [s.b_value for s in group_shells([0, 60, 120])] == [0, 90]


def read_dots(directions: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    drawing = draw_gradients(directions, [1000.0] * len(directions), title="t")
    dots = next(s for s in drawing.shapes if isinstance(s, Path) and "h.1" in s.d)
    return [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", dots.d)]


def test_gradients_lie_where_an_equal_area_projection_puts_them() -> None:
    up, right, front, down, tilted = read_dots(
        [(0, 0, 2.0), (1, 0, 0), (0, 1, 0), (0, 0, -1), (math.sin(math.pi / 3), 0, math.cos(math.pi / 3))]
    )
    assert right == pytest.approx((up[0] + 165, up[1]), abs=0.1)
    assert front == pytest.approx((up[0], up[1] - 165), abs=0.1)
    assert down[0] > up[0] + 2 * 165
    # Half of the area of the half sphere lies within 60 degrees of its pole.
    assert ((tilted[0] - up[0]) / 165) ** 2 == pytest.approx(0.5, abs=0.01)


def test_gradients_leave_out_what_has_no_direction() -> None:
    assert len(read_dots([(1, 0, 0), (0, 0, 0), (math.nan, 0, 0)])) == 1


def test_gradients_of_b0_alone_are_drawn() -> None:
    assert [name for name, _, _ in draw_gradients([(0, 0, 0)], [0], title="t").layers] == ["b = 0"]


def test_gradients_raise_when_lengths_differ() -> None:
    with pytest.raises(ValueError, match="1 directions for 2 b-values"):
        draw_gradients([(1, 0, 0)], [0, 1000], title="t")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 7.1), (0.0012, 0.0019), (1e5, 9e7), (2, 2)])
def test_ticks_are_round_and_within(low: float, high: float) -> None:
    ticks = choose_ticks(low, high)
    assert 1 <= len(ticks) <= 8
    assert low <= min(ticks)
    assert max(ticks) <= high
