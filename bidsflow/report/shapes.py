"""What drawings are made of: lines, words and pictures on a sheet or on a black plate. Values only.

A drawing is a page's own SVG: it follows the page's light or dark colours, prints sharp, and its layers can be
switched off. Inks are named, not coloured: the style sheet gives each a tint that keeps its contrast in both modes
and that readers without red or green sight can tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias


class Ink(StrEnum):
    """Colours by name."""

    TEXT = "text"
    SOFT = "soft"
    GRID = "grid"
    ALERT = "alert"
    BLUE = "blue"
    ORANGE = "orange"
    GREEN = "green"
    PURPLE = "purple"
    YELLOW = "yellow"
    SKY = "sky"


HUES = (Ink.BLUE, Ink.ORANGE, Ink.GREEN, Ink.PURPLE, Ink.YELLOW, Ink.SKY)
"""In the order in which they are given to groups."""


@dataclass(frozen=True, slots=True)
class Path:
    """A line, an area, or dots (pieces of no length, drawn with round ends).

    Attributes
    ----------
    d : str
        SVG path data.
    ink : Ink
        Its colour.
    layer : str
        What it belongs to; layers are listed in a legend and can be switched off. ``""`` for what always shows.
    width : float
        Of the line, in pixels whatever the scale.
    dash : str
        Lengths of dashes and gaps, in pixels; ``""`` for a whole line.
    fill : bool
        Fill it faintly.
    at, scale : tuple of float
        Where the origin of `d` lies on the sheet, and what one unit of `d` is there.
    """

    d: str
    ink: Ink = Ink.TEXT
    layer: str = ""
    width: float = 1.5
    dash: str = ""
    fill: bool = False
    at: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Words:
    """A short text at a place.

    Attributes
    ----------
    text : str
        One line.
    x, y : float
        Its base line.
    anchor : {'start', 'middle', 'end'}
        Which end of the text is at `x`.
    ink : Ink
        Its colour.
    size : float
        Of the letters, in pixels.
    """

    text: str
    x: float
    y: float
    anchor: Literal["start", "middle", "end"] = "start"
    ink: Ink = Ink.SOFT
    size: float = 12.0


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture, stretched to a rectangle.

    Attributes
    ----------
    data : bytes
        The file.
    media : str
        Type of `data`.
    x, y, width, height : float
        The rectangle.
    """

    data: bytes
    media: Literal["image/png", "image/webp"]
    x: float
    y: float
    width: float
    height: float


Shape: TypeAlias = Path | Words | Picture


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes on a sheet, with what a reader must know to look at them.

    Attributes
    ----------
    title : str
        What is drawn.
    width, height : float
        Of the sheet, in pixels at full size.
    shapes : tuple of Shape
        The first one is at the back.
    alt : str
        What it shows, for those who do not see it.
    caption : str
        One sentence or two.
    details : tuple of str
        Short facts.
    note : str
        What is odd about it; ``""`` for nothing.
    plate : bool
        On black, as an image of the body is looked at; otherwise on the page's own ground.
    """

    title: str
    width: float = 0.0
    height: float = 0.0
    shapes: tuple[Shape, ...] = ()
    alt: str = ""
    caption: str = ""
    details: tuple[str, ...] = ()
    note: str = ""
    plate: bool = False

    @property
    def layers(self) -> tuple[tuple[str, Ink, str], ...]:
        """Name, ink and dashes of each layer, in order."""
        paths = [s for s in self.shapes if isinstance(s, Path) and s.layer]
        # A layer may hold areas and lines: the last one drawn is the line.
        return tuple((name, ink, dash) for name, (ink, dash) in {p.layer: (p.ink, p.dash) for p in paths}.items())


@dataclass(frozen=True, slots=True)
class Flicker:
    """Two drawings in one place, to be switched back and forth: the eye sees what moves.

    Attributes
    ----------
    title : str
        What is compared.
    before, after : Drawing
        Of the same size.
    labels : tuple of str
        What the two are called.
    caption : str
        One sentence or two.

    Raises
    ------
    ValueError
        If the two differ in size.
    """

    title: str
    before: Drawing
    after: Drawing
    labels: tuple[str, str] = ("before", "after")
    caption: str = ""

    def __post_init__(self) -> None:
        one, two = self.before, self.after
        if (one.width, one.height) != (two.width, two.height):
            raise ValueError(
                f"flicker {self.title!r}: {one.width:g} × {one.height:g} and {two.width:g} × {two.height:g} differ"
            )


def place_box(x: float, y: float, width: float, height: float) -> str:
    """Return a rectangle as SVG path data.

    Examples
    --------
    >>> place_box(1, 2, 30.5, 4)
    'M1 2h30.5v4h-30.5z'
    """
    return f"M{x:.5g} {y:.5g}h{width:.5g}v{height:.5g}h{-width:.5g}z"
