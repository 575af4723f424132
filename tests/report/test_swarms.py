"""Dots of many images, fences and outliers."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from bidsflow.report.outliers import list_outliers
from bidsflow.report.shapes import Ink
from bidsflow.report.swarms import Measure, Point, Swarms, check_href, find_fences, lay_out, robust_z
from bidsflow.report.values import Link


def read_dots(d: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h\.1", d)]


def test_fences_have_a_robust_z_of_three_and_a_half() -> None:
    values = np.random.default_rng(0).normal(10, 2, 5001).tolist()
    fences = find_fences([*values, 1e6, math.nan])
    assert fences.high == pytest.approx(10 + 3.5 * 2, rel=0.02)
    assert robust_z(fences.low, fences) == pytest.approx(-3.5)


def test_fences_find_the_one_that_differs_when_all_others_are_equal() -> None:
    fences = find_fences([1.0] * 20 + [2.0])
    assert fences.low < 1 < fences.high < 2


def test_fences_are_infinite_when_all_are_equal_and_unknown_when_few() -> None:
    assert math.isinf(find_fences([3.0] * 9).high)
    assert math.isnan(find_fences([1.0, 2.0, 3.0, 99.0]).high)


def test_lane_keeps_values_in_order_and_apart() -> None:
    values = tuple(np.random.default_rng(1).normal(size=200).tolist())
    lane = lay_out(Measure("x", values), (0,) * 200, 1)
    assert lane is not None
    dots = read_dots(lane.dots[0])
    assert len(set(dots)) == 200
    xs = [x for x, _ in dots]
    assert np.all(np.diff(np.array(xs)[np.argsort(values)]) >= 0)
    assert all(0 < y < 64 for _, y in dots)


def test_lane_draws_wild_values_at_its_ends_and_counts_them() -> None:
    lane = lay_out(Measure("x", (1.0, 2.0, 3.0, 4.0, 5.0, 1e9)), (0,) * 6, 1)
    assert lane is not None
    assert (lane.n_outliers, lane.n_beyond) == (1, 1)
    assert lane.limits[1] < 100
    assert read_dots(lane.dots[0])[-1][0] == 990


def test_lane_shades_nothing_when_values_are_few() -> None:
    lane = lay_out(Measure("x", (1.0, 2.0, 3.0, 4.0)), (0,) * 4, 1)
    assert lane is not None
    assert lane.low == lane.high


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ((11.31, 14.0, 31.0, 39.2, 20.0), (10.0, 40.0)),
        ((0.3, 1.0, 9.0), (0.0, 9.0)),
        ((0.1203, 0.1211, 0.1219), (0.1202, 0.122)),
        ((7.0,), (7.0, 7.0)),
    ],
    ids=str,
)
def test_lane_ends_at_round_numbers(values: tuple[float, ...], limits: tuple[float, float]) -> None:
    lane = lay_out(Measure("x", values), (0,) * len(values), 1)
    assert lane is not None
    assert lane.limits == pytest.approx(limits)


def test_lane_is_wide_enough_for_a_group_that_lies_apart() -> None:
    values = (*np.random.default_rng(0).normal(size=40).tolist(), 50.0, 50.1, 50.2, 50.3, 50.4, 1e6)
    lane = lay_out(Measure("x", values), (0,) * 40 + (1,) * 6, 2)
    assert lane is not None
    assert 50.4 < lane.limits[1] < 60
    assert lane.n_beyond == 1


def test_lane_parts_groups_and_leaves_out_what_was_not_measured() -> None:
    lane = lay_out(Measure("x", (1.0, math.nan, 3.0, 4.0)), (0, 1, 1, 0), 2)
    assert lane is not None
    assert [len(read_dots(d)) for d in lane.dots] == [2, 1]
    assert lay_out(Measure("x", (math.nan,)), (0,), 1) is None


def test_swarms_give_one_ink_to_all_groups_past_the_fifth() -> None:
    points = tuple(Point(f"{site}{k}", group=site) for site in "abcdefgh" for k in range(9 - ord(site) + ord("a")))
    swarms = Swarms("c", points, ())
    assert [name for name, _ in swarms.groups] == ["a", "b", "c", "d", "e", "others"]
    assert swarms.groups[-1][1] is Ink.SOFT
    assert swarms.ranks[-1] == 5


def test_swarms_raise_when_a_measure_has_too_few_values() -> None:
    with pytest.raises(ValueError, match="cjv: 1 values for 2 points"):
        Swarms("c", (Point("a"), Point("b")), (Measure("cjv", (1.0,)),))


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "https://x.org", "//x.org", "/etc/passwd", "a b", 'x"y', "a\n"]
)
def test_link_raises_when_it_leads_elsewhere(href: str) -> None:
    with pytest.raises(ValueError, match="relative"):
        check_href(href)
    with pytest.raises(ValueError, match="relative"):
        Link("x", href)


def test_outliers_are_listed_with_the_farthest_first() -> None:
    points = tuple(Point(f"sub-{k}", f"sub-{k}.html" if k else "", "site") for k in range(8))
    near, far = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 90.0), (900.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, math.nan)
    table = list_outliers(Swarms("c", points, (Measure("a", near), Measure("b", far))))
    assert [row[:4] for row in table.rows] == [
        ("sub-0", "site", "b", 900.0),
        (Link("sub-7", "sub-7.html"), "site", "a", 90),
    ]


def test_outliers_are_none_when_images_are_few() -> None:
    swarms = Swarms("c", (Point("a"), Point("b")), (Measure("x", (1.0, 1e9)),))
    assert list_outliers(swarms).rows == ()


def test_outliers_are_those_of_their_own_group_where_it_has_five() -> None:
    usual = [1.0, 1.1, 1.2, 1.3, 1.4]
    values = (*usual, *(v + 10 for v in usual), 9.0, 9.0)
    points = tuple(Point(f"{k:02d}", group=g) for k, g in enumerate("aaaaabbbbbbc"))
    rows = list_outliers(Swarms("", points, (Measure("x", values),))).rows
    assert [row[0] for row in rows] == ["10"]  # usual among all, far from its own; "c" is alone
    assert rows[0][4] == pytest.approx(11.15)
