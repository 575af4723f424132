"""Intensities of several tissues as outlines of histograms, and the numbers that sum them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bidsflow.report.scales import Scale, choose_ticks
from bidsflow.report.shapes import HUES, Drawing, Ink, Path, Shape, Words
from bidsflow.report.values import Cell, Column, Kind, Table, format_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTH, _HEIGHT = 960.0, 300.0
_LEFT, _RIGHT, _TOP, _BASE = 20.0, 940.0, 16.0, 250.0
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 5", "1 4")
_N_BINS = 128


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one kind: a tissue, a shell.

    Attributes
    ----------
    label : str
        Its name.
    values : ndarray
        Any shape; what is not finite is left out.
    """

    label: str
    values: NDArray[np.floating]


def draw_histogram(samples: tuple[Sample, ...], *, title: str, unit: str = "", caption: str = "") -> Drawing:
    """Return the histograms of several samples over one axis, each with an area of one.

    Parameters
    ----------
    samples : tuple of Sample
        Up to six can be told apart.
    title : str
        What is shown.
    unit : str
        Of the values; ``""`` for arbitrary units.
    caption : str
        One sentence or two.

    Returns
    -------
    drawing : Drawing
        From the lowest 0.1st to the highest 99.9th percentile of the samples. Without shapes, but with a note, if
        there is no finite value.
    """
    import numpy as np

    cleaned = [(s.label, v) for s in samples if (v := s.values[np.isfinite(s.values)]).size]
    if not cleaned:
        return Drawing(title, caption=caption, note="There is no finite value.")
    tails = np.array([np.percentile(values, (0.1, 99.9)) for _, values in cleaned])
    edges = _choose_edges(float(tails[:, 0].min()), float(tails[:, 1].max()), [values for _, values in cleaned])
    low, high = float(edges[0]), float(edges[-1])
    shares = [np.histogram(v, edges)[0] / (v.size * (edges[1] - edges[0])) for _, v in cleaned]
    across = Scale(low, high, _LEFT, _RIGHT)
    up = Scale(0.0, max(float(s.max()) for s in shares) or 1.0, _BASE, _TOP)
    shapes: list[Shape] = [Path(f"M{_LEFT} {_BASE}H{_RIGHT}", Ink.GRID, width=1.0)]
    for tick in choose_ticks(low, high, many=8):
        x = across.place(tick)
        shapes.append(Path(f"M{x:.5g} {_TOP}V{_BASE + 5}", Ink.GRID, width=0.75))
        shapes.append(Words(format_number(tick), x, _BASE + 19.0, "middle", size=11.0))
    shapes.append(Words(f"intensity ({unit})" if unit else "intensity", (_LEFT + _RIGHT) / 2, _BASE + 38.0, "middle"))
    places = [across.place(float(e)) for e in edges]
    for number, ((label, _), share) in enumerate(zip(cleaned, shares, strict=True)):
        steps = "".join(f"V{up.place(float(value)):.4g}H{x:.5g}" for value, x in zip(share, places[1:], strict=True))
        d = f"M{places[0]:.5g} {_BASE}{steps}V{_BASE}"
        shapes.append(Path(d, HUES[number % 6], label, 1.6, _DASHES[number % 6], fill=True))
    return Drawing(
        title,
        _WIDTH,
        _HEIGHT,
        tuple(shapes),
        alt=f"{title}: histograms of {', '.join(label for label, _ in cleaned)}",
        caption=caption,
        details=("each area is one", f"{len(edges) - 1} bins"),
    )


def _choose_edges(low: float, high: float, samples: list[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the edges of the bins; of whole numbers each bin holds as many, or bins would differ by rounding alone."""
    import numpy as np

    if all((values == np.rint(values)).all() for values in samples):
        low, high = np.floor(low) - 0.5, np.ceil(high) + 0.5
        step = np.ceil((high - low) / _N_BINS)
        return np.asarray(np.arange(low, high + step, step), dtype=np.float64)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _N_BINS + 1)


def tabulate(samples: tuple[Sample, ...], *, caption: str) -> Table:
    """Return how many values each sample has, where they lie and how far they spread.

    Parameters
    ----------
    samples : tuple of Sample
        As for `draw_histogram`.
    caption : str
        Of the table.

    Returns
    -------
    table : Table
        One row per sample. MAD is the median absolute deviation, unscaled.
    """
    import numpy as np

    heads = ("mean", "SD", "median", "MAD", "5th percentile", "95th percentile")
    columns = (Column("tissue"), Column("voxels", Kind.NUMBER), *(Column(head, Kind.NUMBER) for head in heads))
    rows: list[tuple[Cell, ...]] = []
    for sample in samples:
        values = sample.values[np.isfinite(sample.values)]
        if not values.size:
            rows.append((sample.label, 0, *(None,) * len(heads)))
            continue
        median = float(np.median(values))
        low, high = (float(p) for p in np.percentile(values, (5, 95)))
        spread = float(np.median(np.abs(values - median)))
        rows.append((sample.label, values.size, float(values.mean()), float(values.std()), median, spread, low, high))
    return Table(caption, columns, tuple(rows))
