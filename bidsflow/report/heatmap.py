"""A number for each slice of each volume, as colours: what fell out shows as a stripe.

Comes in: an array. Goes out: a `shapes.Drawing`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bidsflow.report.scales import Scale, choose_ticks
from bidsflow.report.shapes import HUES, Drawing, Ink, Path, Picture, Shape, Words, place_box
from bidsflow.report.slices import Look, colour_levels, encode_webp, find_levels
from bidsflow.report.values import format_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTH, _LEFT, _RIGHT = 960.0, 70.0, 940.0
_TOP, _BAND = 34.0, 10.0
_CELL = (6.0, 14.0)  # how high a row is: at least, at most
_HEIGHT = 300.0
_MAX_BYTES = 200_000
_SHARP = (1400, 400)  # pixels of the picture, about


def draw_heatmap(
    values: NDArray[np.floating],
    *,
    title: str,
    look: Look,
    bands: Sequence[tuple[str, int]] = (),
    across: str = "volume",
    up: str = "slice",
    caption: str = "",
) -> Drawing:
    """Return a field of colours with a row per slice, the first at the bottom, and a column per volume.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        What is not finite is drawn as the lower end of the scale.
    title : str
        What is shown.
    look : Look
        Which value has which colour.
    bands : sequence of (str, int)
        Names of groups of columns, from left to right, and how many columns each has; they add up to all.
    across, up : str
        What a column and a row are.
    caption : str
        One sentence or two.

    Returns
    -------
    drawing : Drawing
        Slices and volumes are counted from 1.

    Raises
    ------
    ValueError
        If there is no value, or the bands do not add up.
    """
    from PIL import Image

    rows, columns = values.shape if values.ndim == 2 else (0, 0)
    if not rows or not columns or (bands and sum(many for _, many in bands) != columns):
        raise ValueError(f"heat map {title!r}: bands {list(bands)} of an array of shape {values.shape}")
    height = rows * min(max(_HEIGHT / rows, _CELL[0]), _CELL[1])
    cells = Image.fromarray(colour_levels(find_levels(values[::-1], look), look))
    # As large as it is shown: a browser would blur a picture that it has to enlarge.
    sharp = cells.resize((columns * -(-_SHARP[0] // columns), rows * -(-_SHARP[1] // rows)), Image.Resampling.NEAREST)
    data = encode_webp(sharp, max_bytes=_MAX_BYTES)
    base = _TOP + height
    shapes: list[Shape] = [
        Picture(data, "image/webp", _LEFT, _TOP, _RIGHT - _LEFT, height),
        Path(place_box(_LEFT, _TOP, _RIGHT - _LEFT, height), Ink.GRID, width=0.75),
        *_name_columns(bands, columns),
        *_count(columns, Scale(0.5, columns + 0.5, _LEFT, _RIGHT), base),
        Words(across, (_LEFT + _RIGHT) / 2, base + 34.0, "middle"),
        Words(up, _LEFT - 8.0, _TOP - 10.0, "end", Ink.TEXT),
    ]
    places = Scale(0.5, rows + 0.5, base, _TOP)
    for tick in choose_ticks(1, rows, many=6):
        if tick >= 1 and tick == round(tick):
            shapes.append(Words(format_number(round(tick)), _LEFT - 7.0, places.place(tick) + 4.0, "end", size=11.0))
    low, high = (format_number(end) for end in look.window)
    return Drawing(
        title,
        _WIDTH,
        base + 42.0,
        tuple(shapes),
        alt=f"{title}: {rows} rows of {columns} columns, {look.scale} from {low} to {high} {look.unit}".rstrip(),
        caption=caption,
        details=(f"{look.scale} from {low} to {high} {look.unit}".rstrip(), f"{rows} by {columns} values"),
    )


def _name_columns(bands: Sequence[tuple[str, int]], columns: int) -> list[Shape]:
    shapes: list[Shape] = []
    place = Scale(0, columns, _LEFT, _RIGHT)
    first = 0
    for number, (name, many) in enumerate(bands):
        start, end = place.place(first), place.place(first + many)
        ink = HUES[number % len(HUES)]
        shapes.append(Path(f"M{start + 0.75:.5g} {_TOP - 5.0:.5g}H{max(end - 0.75, start + 1.0):.5g}", ink, width=5.0))
        if end - start >= 7.0 * len(name):
            shapes.append(Words(name, (start + end) / 2, _TOP - _BAND - 3.0, "middle", Ink.TEXT, 11.0))
        first += many
    return shapes


def _count(many: int, place: Scale, base: float) -> list[Shape]:
    ticks = (tick for tick in choose_ticks(1, many, many=8) if tick >= 1 and math.isclose(tick, round(tick)))
    return [Words(format_number(round(t)), place.place(t), base + 16.0, "middle", size=11.0) for t in ticks]
