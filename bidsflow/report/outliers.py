"""Images whose measures lie far from those of all others, as a table."""

from __future__ import annotations

import math

from bidsflow.report.swarms import Measure, Point, Swarms, find_fences, robust_z
from bidsflow.report.values import Cell, Column, Kind, Link, Table


def list_outliers(swarms: Swarms, *, caption: str = "Outliers") -> Table:
    """Return what lies outside the fences, the farthest first.

    Parameters
    ----------
    swarms : Swarms
        The measures of all images.
    caption : str
        Of the table.

    Returns
    -------
    table : Table
        Image, group (where there is one), measure, value, median and robust z.
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
    empty = "No measure of any image is more than 3.5 robust standard deviations from the median."
    return Table(caption, (*columns, *(Column(head, Kind.NUMBER) for head in heads)), rows, empty)


def _find_rows(measure: Measure, points: tuple[Point, ...]) -> list[tuple[Point, str, float, float, float]]:
    fences = find_fences(measure.values)
    if not math.isfinite(fences.high):
        return []
    return [
        (point, measure.label, value, fences.median, robust_z(value, fences))
        for point, value in zip(points, measure.values, strict=True)
        if math.isfinite(value) and not fences.low <= value <= fences.high
    ]
