"""Images whose measures lie far from those of others of their group, as a table."""

from __future__ import annotations

import math

from bidsflow.report.swarms import Measure, Point, Swarms, find_fences, robust_z
from bidsflow.report.values import Cell, Column, Kind, Link, Table


def list_outliers(swarms: Swarms, *, caption: str = "Outliers") -> Table:
    """Return what lies outside the fences, the farthest first.

    An image is compared with those of its own group (a scanner, a site) where that has five, otherwise with all.

    Parameters
    ----------
    swarms : Swarms
        The measures of all images.
    caption : str
        Of the table.

    Returns
    -------
    table : Table
        Image, group (where there is one), measure, value, median of those that it was compared with, and robust z.
    """
    grouped = any(point.group for point in swarms.points)
    found = [row for measure in swarms.measures for row in _find_rows(measure, swarms.points)]
    found.sort(key=lambda row: (-abs(row[-1]), row[0].name))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Link(point.name, point.href) if point.href else point.name,
            *((point.group,) if grouped else ()),
            measure,
            value,
            median,
            z,
        )
        for point, measure, value, median, z in found
    )
    heads = ("value", "median", "robust z")
    columns = (Column("image"), *((Column("group"),) if grouped else ()), Column("measure"))
    empty = "No measure of any image is more than 3.5 robust standard deviations from the median of its group."
    return Table(caption, (*columns, *(Column(head, Kind.NUMBER) for head in heads)), rows, empty)


def _find_rows(measure: Measure, points: tuple[Point, ...]) -> list[tuple[Point, str, float, float, float]]:
    everyone = find_fences(measure.values)
    groups = {point.group for point in points}
    own = {group: find_fences(_values_of(group, measure, points)) for group in groups}
    rows = []
    for point, value in zip(points, measure.values, strict=True):
        fences = own[point.group] if math.isfinite(own[point.group].median) else everyone
        if math.isfinite(value) and math.isfinite(fences.high) and not fences.low <= value <= fences.high:
            rows.append((point, measure.label, value, fences.median, robust_z(value, fences)))
    return rows


def _values_of(group: str, measure: Measure, points: tuple[Point, ...]) -> tuple[float, ...]:
    return tuple(value for point, value in zip(points, measure.values, strict=True) if point.group == group)
