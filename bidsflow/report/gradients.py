"""The gradient table of a diffusion series: which shells, which directions, in which order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bidsflow.report.scales import Scale, choose_ticks
from bidsflow.report.shapes import HUES, Drawing, Ink, Path, Shape, Words
from bidsflow.report.values import format_number

_WIDTH, _RADIUS = 960.0, 165.0
_CENTRES, _MIDDLE = ((240.0, "superior half"), (720.0, "inferior half")), 215.0
_STRIP_TOP, _STRIP_BASE, _LEFT, _RIGHT = 440.0, 540.0, 70.0, 940.0
# Scanners round b-values per direction: a shell of 3000 is written as 2975 to 3025 (HCP); BIDS has no word for it.
_MAX_STEP = 100.0
_MAX_B0 = 50.0


@dataclass(frozen=True, slots=True)
class Shell:
    """Volumes with one strength of diffusion weighting.

    Attributes
    ----------
    b_value : float
        Their median, in s/mm².
    volumes : tuple of int
        Counted from 0.
    """

    b_value: float
    volumes: tuple[int, ...]


def group_shells(b_values: Sequence[float]) -> tuple[Shell, ...]:
    """Return the shells of a series, the weakest first.

    Parameters
    ----------
    b_values : sequence of float
        One per volume, in s/mm².

    Returns
    -------
    shells : tuple of Shell
        Values up to 50 are one shell; others are parted where two neighbours differ by more than 100.

    Examples
    --------
    >>> [(s.b_value, len(s.volumes)) for s in group_shells([0, 995, 5, 1005, 2000])]
    [(2.5, 2), (1000.0, 2), (2000.0, 1)]
    """
    from statistics import median

    groups: list[list[int]] = []
    for volume in sorted(range(len(b_values)), key=lambda v: b_values[v]):
        here = b_values[volume]
        last = b_values[groups[-1][-1]] if groups else math.inf
        same = here <= _MAX_B0 if last <= _MAX_B0 else here - last <= _MAX_STEP
        if groups and same:
            groups[-1].append(volume)
        else:
            groups.append([volume])
    return tuple(Shell(float(median(b_values[v] for v in group)), tuple(sorted(group))) for group in groups)


def draw_gradients(
    directions: Sequence[Sequence[float]],
    b_values: Sequence[float],
    *,
    title: str,
    frame: tuple[str, str] = ("R", "A"),
    caption: str = "",
) -> Drawing:
    """Return the directions on two halves of a sphere, and the b-value of each volume.

    Parameters
    ----------
    directions : sequence of (x, y, z)
        One per volume; need not be of unit length. Shorter than 1e-6 is no direction.
    b_values : sequence of float
        One per volume, in s/mm².
    title : str
        What is shown.
    frame : tuple of str
        What lies towards positive x and y: for a FSL-style table these are the axes of the image, not of the body.
    caption : str
        One sentence or two.

    Returns
    -------
    drawing : Drawing
        Lambert's equal-area projection, so that equal densities look equal; both halves are seen from
        above. Each direction is a dot, its opposite, which measures the same diffusion, a ring.

    Raises
    ------
    ValueError
        If there are not as many directions as b-values, or none.
    """
    if len(directions) != len(b_values) or not b_values:
        raise ValueError(f"{len(directions)} directions for {len(b_values)} b-values")
    shells = group_shells(b_values)
    shapes: list[Shape] = []
    for x, half in _CENTRES:
        for angle in (30, 60, 90):
            shapes.append(Path(_circle(x, _MIDDLE, _RADIUS * _project(angle)), Ink.GRID, width=1.0))
        shapes.append(Words(half, x, 16.0, "middle", Ink.TEXT))
        shapes.append(Words(frame[0], x + _RADIUS + 12.0, _MIDDLE + 4.0, "middle"))
        shapes.append(Words(frame[1], x, _MIDDLE - _RADIUS - 5.0, "middle"))
    weighted = [shell for shell in shells if shell.b_value > _MAX_B0]
    for number, shell in enumerate(weighted):
        name, ink = _name(shell), HUES[number % len(HUES)]
        vectors = [v for k in shell.volumes if (v := _unit(directions[k]))]
        dots = "".join(f"M{x:.5g} {y:.5g}h.1" for x, y in map(_place, vectors))
        rings = "".join(_circle(*_place((-x, -y, -z)), 4.0) for x, y, z in vectors)
        shapes.append(Path(rings, ink, name, 1.0))
        if dots:
            shapes.append(Path(dots, ink, name, 8.0))
    shapes += _draw_strip(b_values, shells, weighted)
    counts = ", ".join(f"{len(s.volumes)} at {_name(s)}" for s in shells)
    return Drawing(
        title,
        _WIDTH,
        _STRIP_BASE + 46.0,
        tuple(shapes),
        alt=f"{title}: directions of {counts}",
        caption=caption,
        details=(
            f"volumes: {counts}",
            "b in s/mm²",
            "dots as measured, rings opposite",
            "both seen from above",
        ),
    )


def _draw_strip(b_values: Sequence[float], shells: tuple[Shell, ...], weighted: list[Shell]) -> list[Shape]:
    n = len(b_values)
    across = Scale(0.0, n, _LEFT, _RIGHT)
    up = Scale(0.0, max(*b_values, 1.0), _STRIP_BASE, _STRIP_TOP)
    shapes: list[Shape] = [Words("b-value of each volume (s/mm²)", _LEFT, _STRIP_TOP - 12.0, ink=Ink.TEXT)]
    for tick in choose_ticks(0.0, up.high, many=3):
        y = up.place(tick)
        shapes.append(Path(f"M{_LEFT} {y:.5g}H{_RIGHT}", Ink.GRID, width=0.75))
        shapes.append(Words(format_number(tick), _LEFT - 7.0, y + 4.0, "end", size=11.0))
    width = min(8.0, 0.7 * (_RIGHT - _LEFT) / n)
    for shell in shells:
        strong = shell in weighted
        ink = HUES[weighted.index(shell) % len(HUES)] if strong else Ink.SOFT
        d = "".join(
            f"M{across.place(k + 0.5):.5g} {_STRIP_BASE}V{min(up.place(b_values[k]), _STRIP_BASE - 3.0):.5g}"
            for k in shell.volumes
        )
        shapes.append(Path(d, ink, _name(shell), width))
    shapes += [
        Words(format_number(round(tick)), across.place(tick - 0.5), _STRIP_BASE + 18.0, "middle", size=11.0)
        for tick in choose_ticks(1, n, many=8)
        if tick >= 1 and tick == round(tick)
    ]
    return [*shapes, Words("volume", (_LEFT + _RIGHT) / 2, _STRIP_BASE + 38.0, "middle")]


def _name(shell: Shell) -> str:
    return f"b = {format_number(round(shell.b_value, -1 if shell.b_value > _MAX_B0 else 0))}"


def _unit(vector: Sequence[float]) -> tuple[float, float, float] | None:
    x, y, z = vector
    length = math.hypot(x, y, z)
    return (x / length, y / length, z / length) if math.isfinite(length) and length > 1e-6 else None


def _project(angle_deg: float) -> float:
    """Return how far from the centre an angle from the pole lies, where 90 degrees are at 1 (Snyder 1987, p. 182)."""
    return math.sqrt(2.0) * math.sin(math.radians(angle_deg) / 2.0)


def _place(vector: tuple[float, float, float]) -> tuple[float, float]:
    x, y, z = vector
    far = _project(math.degrees(math.acos(min(abs(z), 1.0))))
    flat = math.hypot(x, y) or 1.0
    centre = _CENTRES[0 if z >= 0 else 1][0]
    return centre + _RADIUS * far * x / flat, _MIDDLE - _RADIUS * far * y / flat


def _circle(x: float, y: float, r: float) -> str:
    return f"M{x - r:.5g} {y:.5g}a{r:.4g} {r:.4g} 0 1 0 {2 * r:.4g} 0a{r:.4g} {r:.4g} 0 1 0 {-2 * r:.4g} 0z"
