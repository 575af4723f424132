"""Which slices, which way up, which grey."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest

from bidsflow.report.panels import Cut, Grid, choose_cuts, find_window, orient_plane, shade

SOLID = Grid(shape=(64, 64, 40), spacing=(3.0, 3.0, 3.5))


class CaseView(NamedTuple):
    axis: int
    view: str
    letters: str
    corner: str  # the scanner axes, in order, that lie towards the top right corner


VIEWS = [
    CaseView(0, "sagittal", "PASI", "AS"),
    CaseView(1, "coronal", "LRSI", "RS"),
    CaseView(2, "axial", "LRAP", "RA"),
]


@pytest.mark.parametrize("case", VIEWS, ids=lambda c: c.view)
def test_panel_has_its_positive_sides_at_the_top_right(case: CaseView) -> None:
    plane = np.zeros((64, 40) if case.axis < 2 else (64, 64))
    plane[-1, -1] = 1  # the most right/anterior/superior voxel of a RAS+ image
    panel = orient_plane(plane, case.axis, SOLID)
    assert panel.pixels[0, -1] == 1
    assert panel.view == case.view
    assert panel.letters == case.letters
    assert panel.letters[1] + panel.letters[2] == case.corner


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)), ids=str)
def test_panels_do_not_depend_on_how_the_array_lies(order: tuple[int, int, int], signs: tuple[int, int, int]) -> None:
    world = np.random.default_rng(7).random((10, 14, 12))  # right, anterior, superior
    spacing = (5.0, 4.0, 6.0)
    stored = world.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    x, y, z = (spacing[axis] for axis in order)
    grid = Grid(stored.shape, (x, y, z), order, signs)
    cuts, orthogonal = choose_cuts(grid, many=6)
    panels = [orient_plane(stored.take(cut.index, axis=cut.axis), cut.axis, grid) for cut in cuts]
    assert orthogonal
    assert [panel.view for panel in panels] == ["sagittal", "coronal", "axial"]
    np.testing.assert_array_equal(panels[0].pixels, world[5].T[::-1])
    np.testing.assert_array_equal(panels[1].pixels, world[:, 7].T[::-1])
    np.testing.assert_array_equal(panels[2].pixels, world[:, :, 6].T[::-1])
    assert [panel.size for panel in panels] == [(56.0, 72.0), (50.0, 72.0), (50.0, 56.0)]


def test_panel_has_no_letters_when_sides_are_unknown() -> None:
    grid = Grid(shape=(4, 4, 1), spacing=(1.0, 1.0, 1.0), oriented=False)
    assert orient_plane(np.zeros((4, 4)), 2, grid).letters == ""


class CaseCuts(NamedTuple):
    what: str
    grid: Grid
    axis: int
    ranks: tuple[int, ...]


ACQUIRED = [
    CaseCuts("thick slices", Grid((256, 256, 24), (0.5, 0.5, 5.0)), 2, (2, 6, 10, 14, 18, 22)),
    CaseCuts("thick sagittal slices", Grid((20, 256, 256), (5.0, 0.5, 0.5)), 0, (1, 5, 8, 11, 15, 18)),
    CaseCuts("few slices", Grid((64, 64, 3), (3.0, 3.0, 4.0)), 2, (0, 1, 2)),
    CaseCuts("one slice", Grid((64, 64, 1), (3.0, 3.0, 1.0)), 2, (0,)),
    CaseCuts("one coronal slice", Grid((64, 1, 64), (3.0, 3.0, 3.0)), 1, (0,)),
    CaseCuts("downward", Grid((64, 64, 3), (3.0, 3.0, 4.0), signs=(1, 1, -1)), 2, (2, 1, 0)),
    CaseCuts("one voxel", Grid((1, 1, 1), (1.0, 1.0, 1.0)), 2, (0,)),
]


@pytest.mark.parametrize("case", ACQUIRED, ids=lambda c: c.what)
def test_slices_are_shown_as_acquired_when_thick_or_few(case: CaseCuts) -> None:
    cuts, orthogonal = choose_cuts(case.grid, many=6)
    assert not orthogonal
    assert cuts == tuple(Cut(case.axis, rank) for rank in case.ranks)


def test_window_leaves_out_padding_and_outliers() -> None:
    values = np.concatenate([np.zeros(5000), np.linspace(100, 200, 999), [1e9, np.nan, np.inf]])
    low, high = find_window((values,))
    assert 100 < low < 105
    assert 195 < high < 200


def test_window_is_the_full_range_when_the_image_is_a_mask() -> None:
    assert find_window((np.array([0.0, 0.0, 1.0, 1.0]),)) == (0.0, 1.0)


@pytest.mark.parametrize("values", [[], [np.nan, np.inf], [0.0, 0.0], [7.0, 7.0]], ids=str)
def test_window_is_empty_when_there_is_nothing_to_see(values: list[float]) -> None:
    low, high = find_window((np.array(values),))
    assert low == high


def test_shade_spans_black_to_white() -> None:
    grey = shade(np.array([-np.inf, np.nan, 0.0, 5.0, 10.0, np.inf]), 0.0, 10.0)
    assert grey.dtype == np.uint8
    assert grey.tolist() == [0, 0, 0, 130, 255, 255]
