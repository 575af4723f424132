"""Many images in one view: for each measure a row with one dot per image, and what lies far out.

Values and their layout, both pure. A page links each dot to the page of its image.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bidsflow.report.scales import Scale, round_out
from bidsflow.report.shapes import HUES, Ink

LANE_WIDTH, LANE_HEIGHT = 1000.0, 64.0
_DOT_SPACE = 5.0  # between dots that are stacked, in pixels
_BIN = 7.0  # about one dot on a lane of 800 pixels
_EDGE = 10.0
_REACH = 2.0  # a lane shows this many times the way to a fence: one wild value must not squeeze all others
# Iglewicz and Hoaglin (1993), How to detect and handle outliers: modified z = 0.6745 (x - median) / MAD, limit 3.5.
_Z_PER_MAD, _Z_PER_MEAN_AD = 0.6745, 0.7979
_LIMIT = 3.5
_MIN_POINTS = 5  # of fewer, none can be told to lie apart
_OTHERS = "others"
_SAFE_HREF = re.compile(r"(?!/)[\w.+%/-]*(#[\w.%-]*)?", re.ASCII)


def check_href(href: str) -> str:
    """Return a link if it leads to a file beside the page, or to a place in it.

    Raises
    ------
    ValueError
        If it has a scheme, a host or starts at the root: a page must work wherever its folder is.

    Examples
    --------
    >>> check_href("sub-01.html#s-carpet")
    'sub-01.html#s-carpet'
    """
    if not _SAFE_HREF.fullmatch(href):
        raise ValueError(f"{href!r}: a link of a page is relative and holds letters, digits and ._+%/- only")
    return href


@dataclass(frozen=True, slots=True)
class Point:
    """An image in all rows.

    Attributes
    ----------
    name : str
        Shown when it is pointed at.
    href : str
        Its page, relative to this one; ``""`` for none.
    group : str
        Site or scanner: its colour; ``""`` for none.
    """

    name: str
    href: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        check_href(self.href)


@dataclass(frozen=True, slots=True)
class Measure:
    """A row.

    Attributes
    ----------
    label : str
        Its name.
    values : tuple of float
        One per point; NaN where it was not measured.
    unit : str
        ``""`` for none.
    note : str
        What it means and which way is better.
    """

    label: str
    values: tuple[float, ...]
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Swarms:
    """Rows of dots.

    Attributes
    ----------
    caption : str
        What they show.
    points : tuple of Point
        The images.
    measures : tuple of Measure
        From top to bottom.

    Raises
    ------
    ValueError
        If a measure has another number of values than there are points.
    """

    caption: str
    points: tuple[Point, ...]
    measures: tuple[Measure, ...]

    def __post_init__(self) -> None:
        for measure in self.measures:
            if len(measure.values) != len(self.points):
                raise ValueError(f"{measure.label}: {len(measure.values)} values for {len(self.points)} points")

    @property
    def groups(self) -> tuple[tuple[str, Ink], ...]:
        """Groups with their inks, the largest first; past the sixth they share one."""
        counts = Counter(point.group for point in self.points)
        if set(counts) <= {""}:
            return (("", Ink.BLUE),)
        order = sorted(counts, key=lambda group: (-counts[group], group))
        if len(order) <= len(HUES):
            return tuple(zip(order, HUES, strict=False))
        kept = order[: len(HUES) - 1]
        return (*zip(kept, HUES, strict=False), (_OTHERS, Ink.SOFT))

    @property
    def ranks(self) -> tuple[int, ...]:
        """Which of `groups` each point belongs to."""
        known = {group: rank for rank, (group, _) in enumerate(self.groups)}
        return tuple(known.get(point.group, len(known) - 1) for point in self.points)


@dataclass(frozen=True, slots=True)
class Fences:
    """Where the middle of a measure is, and beyond which values it is far out.

    Attributes
    ----------
    median, low, high : float
        NaN if there are fewer than five finite values; both fences infinite if these are all equal.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A row as it is drawn, 1000 wide and 64 high.

    Attributes
    ----------
    dots : tuple of str
        SVG path data per group: a piece of no length for each point with a finite value, in order.
    fences : Fences
        As values.
    median, low, high : float
        As places; the fences within the lane, both at its start if there are none.
    limits : tuple of float
        Values at both ends: round numbers, or the value itself if there is but one.
    n_outliers, n_beyond : int
        How many are outside the fences, and how many past the ends of the lane, where they are drawn.
    """

    dots: tuple[str, ...]
    fences: Fences
    median: float
    low: float
    high: float
    limits: tuple[float, float]
    n_outliers: int
    n_beyond: int


def find_fences(values: Sequence[float]) -> Fences:
    """Return the median and the values with a robust z of -3.5 and 3.5.

    Parameters
    ----------
    values : sequence of float
        What is not finite is left out.

    Returns
    -------
    fences : Fences
        By the median absolute deviation; by the mean one where more than half of the values are equal.

    Examples
    --------
    >>> fences = find_fences([1, 2, 3, 4, 100])
    >>> fences.median, round(fences.low, 2), round(fences.high, 2)
    (3.0, -2.19, 8.19)
    """
    from statistics import fmean, median

    finite = [float(v) for v in values if math.isfinite(v)]
    if len(finite) < _MIN_POINTS:
        return Fences(math.nan, math.nan, math.nan)
    middle = float(median(finite))
    spreads = [abs(v - middle) for v in finite]
    sigma = median(spreads) / _Z_PER_MAD or fmean(spreads) / _Z_PER_MEAN_AD
    if not sigma:
        return Fences(middle, -math.inf, math.inf)
    return Fences(middle, middle - _LIMIT * sigma, middle + _LIMIT * sigma)


def robust_z(value: float, fences: Fences) -> float:
    """Return how far a value is from the median, in robust standard deviations; NaN where there are no fences."""
    return _LIMIT * (value - fences.median) / (fences.high - fences.median)


def lay_out(measure: Measure, ranks: Sequence[int], n_groups: int) -> Lane | None:
    """Return where the dots of a measure lie.

    Parameters
    ----------
    measure : Measure
        The row.
    ranks : sequence of int
        The group of each point.
    n_groups : int
        How many groups there are.

    Returns
    -------
    lane : Lane or None
        Dots that would hide each other are stacked about the middle, always in the same way. None if no value is
        finite.
    """
    finite = [v for v in measure.values if math.isfinite(v)]
    if not finite:
        return None
    fences = find_fences(finite)
    low, high = _find_limits(measure.values, ranks, n_groups)
    across = Scale(low, high, _EDGE, LANE_WIDTH - _EDGE)
    places = [across.place(min(max(v, low), high)) if math.isfinite(v) else math.nan for v in measure.values]
    heights = _stack(places)
    dots: list[list[str]] = [[] for _ in range(n_groups)]
    for x, y, rank in zip(places, heights, ranks, strict=True):
        if math.isfinite(x):
            dots[rank].append(f"M{x:.4g} {y:.3g}h.1")
    told, few = math.isfinite(fences.high), math.isnan(fences.high)
    return Lane(
        dots=tuple("".join(parts) for parts in dots),
        fences=fences,
        median=across.place(fences.median) if math.isfinite(fences.median) else math.nan,
        low=max(0.0, across.place(fences.low)) if told else 0.0,
        high=min(LANE_WIDTH, across.place(fences.high)) if told else LANE_WIDTH * (not few),
        limits=(low, high),
        n_outliers=sum(not fences.low <= v <= fences.high for v in finite) if len(finite) >= _MIN_POINTS else 0,
        n_beyond=sum(not low <= v <= high for v in finite),
    )


def _find_limits(values: Sequence[float], ranks: Sequence[int], n_groups: int) -> tuple[float, float]:
    """Return the ends of a lane: wide enough for what is usual in all images and in each group."""
    groups = [[v for v, rank in zip(values, ranks, strict=True) if rank == group] for group in range(n_groups)]
    finite = [v for v in values if math.isfinite(v)]
    told = [fences for fences in map(find_fences, (values, *groups)) if math.isfinite(fences.high)]
    if not told:
        return round_out(min(finite), max(finite))
    lows = (fences.median - _REACH * (fences.median - fences.low) for fences in told)
    highs = (fences.median + _REACH * (fences.high - fences.median) for fences in told)
    return round_out(max(min(finite), min(lows)), min(max(finite), max(highs)))


def _stack(places: Sequence[float]) -> list[float]:
    """Return heights: the dots of one bin one above and one below the other, closer together where there are many."""
    bins = [round(x / _BIN) if math.isfinite(x) else None for x in places]
    fullest = max(Counter(b for b in bins if b is not None).values(), default=1)
    step = min(_DOT_SPACE, (LANE_HEIGHT - 2 * _DOT_SPACE) / fullest)
    seen: Counter[int] = Counter()
    heights = []
    for b in bins:
        if b is None:
            heights.append(math.nan)
            continue
        k = seen[b]
        seen[b] += 1
        heights.append(LANE_HEIGHT / 2 + step * ((k + 1) // 2) * (-1) ** k)
    return heights
