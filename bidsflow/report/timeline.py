"""What changes over the volumes of a series: lines and a carpet of voxels above one axis in seconds.

Comes in: numbers per volume, and a sample of voxels. Goes out: a `shapes.Drawing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bidsflow.report.scales import Scale, choose_ticks, draw_line, find_range
from bidsflow.report.shapes import HUES, Drawing, Ink, Path, Picture, Shape, Words, place_box
from bidsflow.report.values import format_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTH, _LEFT, _RIGHT = 960.0, 112.0, 950.0
_LINE_HEIGHT, _GAP = 58.0, 30.0
_TOP = 24.0
_CARPET_HEIGHT = 280.0
_BAND_WIDTH = 10.0
_MAX_COLUMNS = 1200
_MAX_BYTES = 260_000
_CARPET_SD = 2.0  # black and white at two standard deviations, as Power (2017) shows them


@dataclass(frozen=True, slots=True)
class Course:
    """A number for each volume.

    Attributes
    ----------
    label : str
        What it is.
    values : tuple of float
        One per volume; what is not finite leaves a gap.
    unit : str
        Of the values; ``""`` for arbitrary units.
    threshold : float
        Drawn as a dashed line; NaN for none.
    """

    label: str
    values: tuple[float, ...]
    unit: str = ""
    threshold: float = math.nan


@dataclass(frozen=True, slots=True)
class Carpet:
    """Voxels over time, one row each.

    Attributes
    ----------
    z : ndarray of float32, shape (rows, volumes)
        Without their linear trend, in standard deviations of the row.
    bands : tuple of (str, int)
        Names of the groups of rows, from top to bottom, and how many rows each has.
    n_voxels : int
        How many voxels there are, of which the rows are a sample.
    """

    z: NDArray[np.float32]
    bands: tuple[tuple[str, int], ...]
    n_voxels: int


def sample_carpet(
    data: NDArray[np.floating],
    labels: NDArray[np.integer],
    names: dict[int, str],
    *,
    max_rows: int = 600,
) -> Carpet:
    """Return a sample of voxels over time, ordered by tissue and then by position.

    Parameters
    ----------
    data : ndarray, shape (i, j, k, t)
        The series. Only the voxels that are shown are read.
    labels : ndarray of int, shape (i, j, k)
        Which tissue each voxel is.
    names : dict of int to str
        The labels to show, in this order from top to bottom. One label for a brain mask gives an order by position.
    max_rows : int
        Rows are evenly spaced voxels of each tissue, shared out by size, at least one each.

    Returns
    -------
    carpet : Carpet
        Voxels that never change, or hold a value that is not finite, are left out.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are no two volumes.
    """
    import numpy as np

    if data.ndim != 4 or data.shape[:3] != labels.shape or data.shape[3] < 2:
        raise ValueError(f"a carpet needs a series on the grid of its labels: {data.shape} and {labels.shape}")
    groups = [(name, np.argwhere(labels == label)) for label, name in names.items()]
    total = sum(len(where) for _, where in groups)
    rows, bands = [], []
    for name, where in groups:
        wanted = min(len(where), max(1, round(max_rows * len(where) / total))) if total else 0
        # Array order is the position: neighbours in a slice stay neighbours in the carpet.
        where = where[np.linspace(0, len(where) - 1, wanted).round().astype(int)] if wanted else where[:0]
        z = _standardise(np.asarray(data[where[:, 0], where[:, 1], where[:, 2]], dtype=np.float64))
        rows.append(z)
        bands.append((name, len(z)))
    return Carpet(np.concatenate(rows), tuple(band for band in bands if band[1]), total)


def draw_timeline(
    courses: tuple[Course, ...],
    *,
    title: str,
    seconds_per_volume: float,
    carpet: Carpet | None = None,
    flagged: tuple[int, ...] = (),
    caption: str = "",
) -> Drawing:
    """Return lines above a carpet, with one axis of time.

    Parameters
    ----------
    courses : tuple of Course
        From top to bottom; all of one length.
    title : str
        What is shown.
    seconds_per_volume : float
        The repetition time.
    carpet : Carpet, optional
        Drawn below the lines.
    flagged : tuple of int
        Volumes to be marked through all lines, counted from 0.
    caption : str
        One sentence or two.

    Returns
    -------
    drawing : Drawing
        Volumes are drawn at the middle of the time in which they were measured.

    Raises
    ------
    ValueError
        If lengths differ, or a flagged volume does not exist.
    """
    lengths = {len(c.values) for c in courses} | ({carpet.z.shape[1]} if carpet else set())
    if len(lengths) != 1:
        raise ValueError(f"timeline {title!r}: lengths differ or there is nothing to draw: {sorted(lengths)}")
    n = lengths.pop()
    for volume in flagged:
        if not 0 <= volume < n:
            raise ValueError(f"timeline {title!r}: flagged volume {volume} of {n}, counted from 0")
    across = Scale(0.0, n * seconds_per_volume, _LEFT, _RIGHT)
    shapes: list[Shape] = []
    top = _TOP
    for number, course in enumerate(courses):
        shapes += _draw_course(course, HUES[number % len(HUES)], across, top, seconds_per_volume)
        top += _LINE_HEIGHT + _GAP
    lines_end = top - _GAP
    if carpet and carpet.bands:
        shapes += _draw_carpet(carpet, top)
        top += _CARPET_HEIGHT + _GAP
    marks = "".join(
        place_box(x := across.place(first * seconds_per_volume), _TOP, across.place(last * seconds_per_volume) - x, h)
        for first, last in merge_runs(flagged)
        for h in (lines_end - _TOP,)
    )
    if marks:
        shapes.insert(0, Path(marks, Ink.ALERT, "flagged volumes", 0.75, fill=True))
    shapes += _draw_seconds(across, top - _GAP)
    seen = ", ".join(course.label for course in courses)
    return Drawing(
        title,
        _WIDTH,
        top - _GAP + 42.0,
        tuple(shapes),
        alt=f"{title}: {seen}{' and a carpet of voxels' if carpet else ''} over {n} volumes, {len(flagged)} flagged",
        caption=caption,
        details=(
            f"{n} volumes of {format_number(seconds_per_volume)} s",
            f"{len(flagged)} flagged",
            *((f"{len(carpet.z)} of {format_number(carpet.n_voxels)} voxels in the carpet",) if carpet else ()),
        ),
    )


def merge_runs(volumes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return runs of neighbouring volumes: the first one, and the one after the last.

    Examples
    --------
    >>> merge_runs((7, 3, 4, 5))
    ((3, 6), (7, 8))
    """
    runs: list[tuple[int, int]] = []
    for volume in sorted(set(volumes)):
        if runs and runs[-1][1] == volume:
            runs[-1] = (runs[-1][0], volume + 1)
        else:
            runs.append((volume, volume + 1))
    return tuple(runs)


def _standardise(series: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return rows without their linear trend, divided by what then is their standard deviation."""
    import numpy as np

    series = series[np.isfinite(series).all(axis=1)]
    time = np.linspace(-1.0, 1.0, series.shape[1])
    rest = series - series.mean(axis=1, keepdims=True)
    rest -= np.outer(rest @ time / (time @ time), time)
    spread = rest.std(axis=1, keepdims=True)
    # Rounding leaves a constant voxel a spread of some 1e-16 of its value.
    moves = spread[:, 0] > 1e-9 * np.abs(series).max(axis=1, initial=0.0)
    return np.asarray(rest[moves] / spread[moves], dtype=np.float32)


def _draw_course(course: Course, ink: Ink, across: Scale, top: float, seconds: float) -> list[Shape]:
    base = top + _LINE_HEIGHT
    name = course.label + (f" ({course.unit})" if course.unit else "")
    shapes: list[Shape] = [
        Path(f"M{_LEFT} {base}H{_RIGHT}", Ink.GRID, width=1.0),
        Words(name, _LEFT, top - 8.0, ink=Ink.TEXT),
    ]
    limits = find_range((*course.values, *((course.threshold,) if math.isfinite(course.threshold) else ())))
    if limits is None:
        return [*shapes, Words("no finite value", _LEFT + 6.0, base - 8.0)]
    up = Scale(*limits, base, top)
    for tick in choose_ticks(*limits, many=3):
        y = up.place(tick)
        shapes.append(Path(f"M{_LEFT} {y:.5g}H{_RIGHT}", Ink.GRID, width=0.75))
        shapes.append(Words(format_number(tick), _LEFT - 7.0, y + 4.0, "end", size=11.0))
    if math.isfinite(course.threshold):
        y = up.place(course.threshold)
        shapes.append(Path(f"M{_LEFT} {y:.5g}H{_RIGHT}", Ink.ALERT, "threshold", 1.2, "5 4"))
        shapes.append(Words(format_number(course.threshold), _RIGHT, y - 4.0, "end", Ink.ALERT, 11.0))
    times = [(k + 0.5) * seconds for k in range(len(course.values))]
    return [*shapes, Path(draw_line(times, course.values, across, up), ink, width=1.4)]


def _draw_carpet(carpet: Carpet, top: float) -> list[Shape]:
    import numpy as np
    from PIL import Image

    from bidsflow.report.slices import encode_webp

    z = carpet.z
    step = math.ceil(z.shape[1] / _MAX_COLUMNS)
    if step > 1:  # means of neighbouring volumes; the last ones may be fewer
        edges = np.arange(0, z.shape[1], step)
        z = (np.add.reduceat(z, edges, axis=1) / np.diff(np.append(edges, z.shape[1]))).astype(np.float32)
    grey = np.round((np.clip(z / _CARPET_SD, -1.0, 1.0) + 1.0) * 31.5).astype(np.uint8) << 2
    data = encode_webp(Image.fromarray(grey), max_bytes=_MAX_BYTES)
    shapes: list[Shape] = [Picture(data, "image/webp", _LEFT, top, _RIGHT - _LEFT, _CARPET_HEIGHT)]
    y = top
    for number, (name, rows) in enumerate(carpet.bands):
        height = _CARPET_HEIGHT * rows / len(z)
        ink = HUES[number % len(HUES)]
        x = _LEFT - _BAND_WIDTH
        shapes.append(Path(f"M{x + 3.0:.5g} {y + 0.75:.5g}v{max(height - 1.5, 0.5):.5g}", ink, width=6.0))
        if height >= 11.0:
            shapes.append(Words(name, x - 5.0, y + height / 2 + 4.0, "end", Ink.TEXT, 11.0))
        y += height
    return shapes


def _draw_seconds(across: Scale, base: float) -> list[Shape]:
    shapes: list[Shape] = [Words("seconds", (_LEFT + _RIGHT) / 2, base + 36.0, "middle")]
    for tick in choose_ticks(across.low, across.high, many=8):
        x = across.place(tick)
        shapes.append(Path(f"M{x:.5g} {base:.5g}v5", Ink.SOFT, width=1.0))
        shapes.append(Words(format_number(tick), x, base + 19.0, "middle", size=11.0))
    return shapes
