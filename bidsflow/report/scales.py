"""Numbers to places on a sheet, and the round numbers beside them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight way from values to places.

    Attributes
    ----------
    low, high : float
        Values at both ends.
    start, stop : float
        Where these two lie.

    Examples
    --------
    >>> Scale(0, 10, 100, 200).place(2.5)
    125.0
    """

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        """Return where a value lies; the middle if both ends have one value."""
        if self.high == self.low:
            return (self.start + self.stop) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


def choose_ticks(low: float, high: float, *, many: int = 5) -> tuple[float, ...]:
    """Return round numbers within a range.

    Parameters
    ----------
    low, high : float
        Both finite.
    many : int
        About how many.

    Returns
    -------
    ticks : tuple of float
        Multiples of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> choose_ticks(0, 312, many=6)
    (0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0)
    """
    if not high > low:
        return (low,)
    step = _choose_step(low, high, many)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(k * step, 12) + 0.0 for k in range(first, last + 1))


def round_out(low: float, high: float, *, many: int = 10) -> tuple[float, float]:
    """Return the round numbers next to the ends of a range, outside of it; the ends themselves where they are equal.

    Examples
    --------
    >>> round_out(11.31, 39.2)
    (10.0, 40.0)
    """
    if not high > low:
        return low, high
    step = _choose_step(low, high, many)
    ends = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return round(ends[0] * step, 12) + 0.0, round(ends[1] * step, 12) + 0.0


def _choose_step(low: float, high: float, many: int) -> float:
    rough = (high - low) / many
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.8)


def draw_line(xs: Sequence[float], ys: Sequence[float], across: Scale, up: Scale) -> str:
    """Return points joined by a line, as SVG path data; values that are not finite interrupt it.

    Examples
    --------
    >>> draw_line((0, 1, 2), (0, 1, 0.5), Scale(0, 2, 0, 20), Scale(0, 1, 10, 0))
    'M0 10L10 0L20 5'
    """
    parts, pen = [], "M"
    for x, y in zip(xs, ys, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        parts.append(f"{pen}{across.place(x):.5g} {up.place(y):.4g}")
        pen = "L"
    return "".join(parts)


def find_range(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the smallest and the largest finite value, or None if there is none."""
    finite = [v for v in values if math.isfinite(v)]
    return (min(finite), max(finite)) if finite else None
