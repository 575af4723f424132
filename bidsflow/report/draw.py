"""Panels to a PNG: placed in rows at the right proportions, shaded and lettered."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bidsflow.report.panels import Panel, shade

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font: TypeAlias = FreeTypeFont | ImageFont

_GAP, _BAND = 6, 19
_MIN_SIZE = 4
_WHITE, _PALE = 255, 170


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side.

    Attributes
    ----------
    panels : tuple of Panel
        From left to right. A panel is lettered if the one to its left shows another view.
    window : tuple of float
        The values that are black and white.
    label : str
        Written above the row; ``""`` for none.
    """

    panels: tuple[Panel, ...]
    window: tuple[float, float]
    label: str = ""


def encode(rows: tuple[Row, ...], *, max_width: int, max_height: int, max_bytes: int) -> tuple[bytes, int, int]:
    """Return rows of panels as a grey PNG.

    Parameters
    ----------
    rows : tuple of Row
        At least one, each with at least one panel.
    max_width, max_height : int
        In pixels, of the whole picture.
    max_bytes : int
        The picture is made smaller until it fits, or until it is a quarter as wide.

    Returns
    -------
    data : bytes
        The PNG.
    width, height : int
        In pixels.
    """
    largest = scale = _fit_scale(rows, max_width, max_height)
    while True:
        picture = compose(rows, scale=scale)
        stream = io.BytesIO()
        picture.save(stream, "PNG", optimize=True)
        data = stream.getvalue()
        if len(data) <= max_bytes or scale <= largest / 4:
            return data, picture.width, picture.height
        scale = max(largest / 4, scale * 0.96 * math.sqrt(max_bytes / len(data)))


def compose(rows: tuple[Row, ...], *, scale: float) -> Picture:
    """Return rows of panels as one picture.

    Parameters
    ----------
    rows : tuple of Row
        From top to bottom.
    scale : float
        Pixels per millimetre.

    Returns
    -------
    picture : Picture
        Mode ``L``. All panels have the same scale.
    """
    from PIL import Image, ImageDraw

    sizes = [[_size_in_pixels(panel, scale) for panel in row.panels] for row in rows]
    width = max(sum(w for w, _ in line) + _GAP * (len(line) - 1) for line in sizes)
    heights = [max(h for _, h in line) + (_BAND if row.label else 0) for row, line in zip(rows, sizes, strict=True)]
    picture = Image.new("L", (width, sum(heights) + _GAP * (len(rows) - 1)))
    pen = ImageDraw.Draw(picture)
    top = 0
    for row, line, height in zip(rows, sizes, heights, strict=True):
        band = _BAND if row.label else 0
        if band:
            pen.text((5, top + 3), row.label, fill=_PALE, font=_font(12))
        left, view = (width - sum(w for w, _ in line) - _GAP * (len(line) - 1)) // 2, ""
        for panel, (w, h) in zip(row.panels, line, strict=True):
            y = top + band + (height - band - h) // 2
            picture.paste(_draw_panel(panel, (w, h), row.window), (left, y))
            if panel.view != view and panel.letters:
                _write_letters(pen, panel.letters, (left, y, w, h), _font(max(11, min(15, round(width / 45)))))
            left, view = left + w + _GAP, panel.view
        top += height + _GAP
    return picture


def _fit_scale(rows: tuple[Row, ...], max_width: int, max_height: int) -> float:
    across = min((max_width - _GAP * (len(r.panels) - 1)) / sum(p.size[0] for p in r.panels) for r in rows)
    fixed = sum(_BAND for row in rows if row.label) + _GAP * (len(rows) - 1)
    return min(across, (max_height - fixed) / sum(max(p.size[1] for p in row.panels) for row in rows))


def _size_in_pixels(panel: Panel, scale: float) -> tuple[int, int]:
    # Rounded down, so that the row is never wider than the limit.
    return max(_MIN_SIZE, int(panel.size[0] * scale)), max(_MIN_SIZE, int(panel.size[1] * scale))


def _draw_panel(panel: Panel, size: tuple[int, int], window: tuple[float, float]) -> Picture:
    import numpy as np
    from PIL import Image

    low, high = window
    # Clipped before it is resampled: one bright or infinite voxel must not glow over its neighbours.
    clipped = np.clip(np.nan_to_num(panel.pixels, nan=low, posinf=high, neginf=low), low, high)
    unit = (clipped - low) / ((high - low) or 1.0)  # Pillow resamples single precision
    resized = Image.fromarray(np.ascontiguousarray(unit, dtype=np.float32)).resize(size, Image.Resampling.BILINEAR)
    return Image.fromarray(shade(np.asarray(resized), 0.0, 1.0))


def _write_letters(pen: ImageDraw, letters: str, box: tuple[int, int, int, int], font: Font) -> None:
    left, top, width, height = box
    places = (
        (left + 4, top + height // 2, "lm"),
        (left + width - 4, top + height // 2, "rm"),
        (left + width // 2, top + 3, "ma"),
        (left + width // 2, top + height - 4, "md"),
    )
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        pen.text((x, y), letter, fill=_WHITE, font=font, anchor=anchor, stroke_width=2, stroke_fill=0)


def _font(size: int) -> Font:
    from PIL.ImageFont import load_default

    return load_default(size)
