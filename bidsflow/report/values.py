"""What a page is made of: facts, steps, sections, tables, figures, notes. Values only, all text is plain text.

Strings come from headers and file names and are never trusted: they are escaped when the page is rendered.
In `Text`, `Note` and `Section.intro` a part between backticks is set as code, and nothing else is markup.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, TypeAlias

from bidsflow.report.rating import Rating
from bidsflow.report.shapes import Drawing, Flicker
from bidsflow.report.swarms import Swarms, check_href


class Tone(StrEnum):
    """How good or bad something is; shown as a colour and as a shape, so that no one needs the colour."""

    OK = "ok"
    INFO = "info"
    NEUTRAL = "neutral"
    WARNING = "warning"
    ERROR = "error"


class Kind(StrEnum):
    """How the cells of a column are set."""

    TEXT = "text"
    NUMBER = "number"
    PATH = "path"
    PROSE = "prose"


@dataclass(frozen=True, slots=True)
class Badge:
    """A short word with a tone: ``convert``, ``review``, ``error``."""

    text: str
    tone: Tone = Tone.NEUTRAL


@dataclass(frozen=True, slots=True)
class Bar:
    """A share of one, drawn as a small bar beside its number.

    Attributes
    ----------
    value : float
        Between 0 and 1; drawn within these limits, NaN as an empty bar.
    tone : Tone
        Colour of the bar.
    """

    value: float
    tone: Tone = Tone.INFO


@dataclass(frozen=True, slots=True)
class Link:
    """A way to another page beside this one.

    Attributes
    ----------
    text : str
        What it is called.
    href : str
        Relative to this page.
    """

    text: str
    href: str

    def __post_init__(self) -> None:
        check_href(self.href)


Cell: TypeAlias = str | int | float | Badge | Bar | Link | None
"""What a table holds; None is shown as a dash."""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column.

    Attributes
    ----------
    label : str
        One or two words.
    kind : Kind
        ``NUMBER`` aligns right and sorts by value, ``PATH`` is set in a fixed width and breaks at slashes,
        ``PROSE`` gets room for sentences.
    """

    label: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that a reader can filter by text or status, and sort by any column.

    Attributes
    ----------
    caption : str
        What the table lists.
    columns : tuple of Column
        From left to right. The first one names the row.
    rows : tuple of tuple of Cell
        One cell per column.
    empty : str
        What is said when there is no row.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "Nothing to list."

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.caption!r}, row {number}: {len(row)} cells for {len(self.columns)} columns"
                )

    @property
    def statuses(self) -> tuple[str, ...]:
        """Text of the first badge of each row; ``""`` for a row without one."""
        return tuple(next((c.text for c in row if isinstance(c, Badge)), "") for row in self.rows)

    @property
    def tally(self) -> tuple[tuple[Badge, int], ...]:
        """First badges of the rows with their counts, the most frequent first."""
        first = (next((c for c in row if isinstance(c, Badge)), None) for row in self.rows)
        return tuple(Counter(badge for badge in first if badge is not None).most_common())


@dataclass(frozen=True, slots=True)
class Trace:
    """A number over time, drawn as a small line.

    Attributes
    ----------
    label : str
        What is drawn.
    values : tuple of float
        One per point in time; values that are not finite leave a gap.
    unit : str
        Of the values; ``""`` for arbitrary units.
    """

    label: str
    values: tuple[float, ...]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with what a reader must know to look at it.

    Attributes
    ----------
    title : str
        Usually a file name.
    data : bytes
        The encoded picture; ``b""`` where there is none, and then `note` says why.
    media : str
        Type of `data`.
    width, height : int
        In pixels; 0 where unknown.
    alt : str
        What the picture shows, for those who do not see it.
    caption : str
        One sentence or two.
    details : tuple of str
        Short facts: the matrix, the voxel size.
    note : str
        What is odd about the picture; ``""`` for nothing.
    traces : tuple of Trace
        Small lines below the picture.
    """

    title: str
    data: bytes = b""
    media: Literal["image/png", "image/jpeg", "image/svg+xml"] = "image/png"
    width: int = 0
    height: int = 0
    alt: str = ""
    caption: str = ""
    details: tuple[str, ...] = ()
    note: str = ""
    traces: tuple[Trace, ...] = ()


@dataclass(frozen=True, slots=True)
class Gallery:
    """Figures side by side."""

    figures: tuple[Figure, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of marks, one per thing in its order: the series of a session, the runs of a job.

    Attributes
    ----------
    label : str
        What the row is.
    marks : tuple of Badge
        The text of a mark is shown when it is pointed at.
    """

    label: str
    marks: tuple[Badge, ...]


@dataclass(frozen=True, slots=True)
class Strips:
    """Several strips with one caption: a whole study at a glance."""

    caption: str
    rows: tuple[Strip, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs, parted by blank lines."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A remark that must not be missed."""

    text: str
    tone: Tone = Tone.INFO


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines in a fixed width, as they are: a folder tree, a command and what it said."""

    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and what they stand for, one pair per line."""

    caption: str
    pairs: tuple[tuple[str, str], ...]


Block: TypeAlias = (
    Table | Figure | Gallery | Strips | Text | Note | Listing | Pairs | Drawing | Flicker | Swarms | Rating
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with an entry in its table of contents.

    Attributes
    ----------
    title : str
        A word or two.
    blocks : tuple of Block
        From top to bottom.
    intro : str
        One sentence or two before the blocks.
    badge : Badge or None
        Shown beside the title and in the table of contents.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    intro: str = ""
    badge: Badge | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A headline number: ``43 series``."""

    value: int | float | str
    label: str
    tone: Tone = Tone.NEUTRAL


@dataclass(frozen=True, slots=True)
class Step:
    """A stage on the way to the result: its name, what came of it, how it went."""

    name: str
    detail: str = ""
    tone: Tone = Tone.OK


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report.

    Attributes
    ----------
    title : str
        Heading and window title.
    subtitle : str
        One line below it.
    facts : tuple of Fact
        Headline numbers.
    steps : tuple of Step
        What was done, in order.
    sections : tuple of Section
        From top to bottom.
    details : tuple of (str, str)
        For the foot of the page: when, by which version, from what. The page has no clock of its own, so that the
        same values always give the same bytes.
    """

    title: str
    subtitle: str = ""
    facts: tuple[Fact, ...] = ()
    steps: tuple[Step, ...] = ()
    sections: tuple[Section, ...] = ()
    details: tuple[tuple[str, str], ...] = ()


_TONES = MappingProxyType(
    {
        "convert": Tone.OK,
        "converted": Tone.OK,
        "done": Tone.OK,
        "error": Tone.ERROR,
        "failed": Tone.ERROR,
        "ignored": Tone.NEUTRAL,
        "info": Tone.INFO,
        "missing": Tone.ERROR,
        "ok": Tone.OK,
        "pass": Tone.OK,
        "review": Tone.WARNING,
        "skip": Tone.NEUTRAL,
        "skipped": Tone.NEUTRAL,
        "valid": Tone.OK,
        "warning": Tone.WARNING,
    }
)


def status(word: str) -> Badge:
    """Return the badge of a status word, with the tone that the word has everywhere.

    Examples
    --------
    >>> status("review").tone
    <Tone.WARNING: 'warning'>
    >>> status("something else").tone
    <Tone.NEUTRAL: 'neutral'>
    """
    return Badge(word, _TONES.get(word.lower(), Tone.NEUTRAL))


def format_number(value: float | str) -> str:
    """Return a number for reading: thousands parted by a narrow space, a proper minus, four digits.

    Examples
    --------
    >>> format_number(-12.34567)
    '−12.35'
    >>> format_number(1284).replace(chr(0x202F), " ")
    '1 284'
    """
    if isinstance(value, str):
        return value
    whole = isinstance(value, int) or 1e3 <= abs(value) < 1e9
    text = f"{value:,.0f}" if whole else f"{value:.4g}"
    return text.replace(",", "\u202f").replace("-", "\u2212")
