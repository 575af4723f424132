"""The log files of stimulus programs as rows of text, each with the number of its line. Pure.

Sources: PsychoPy ("Data outputs": one table of comma-separated values); Presentation (Neurobehavioral Systems,
"Logfiles": a head, a table of events in 1/10 ms, and after a blank line further tables); E-Prime (PST, "The E-Prime
text file": frames of ``Key: value`` between ``*** LogFrame Start ***`` and ``*** LogFrame End ***``, in UTF-16).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One row: the line that it stands in, and its cells by column."""

    line: int
    cells: dict[str, str]


class Format(NamedTuple):
    """How a program writes.

    Attributes
    ----------
    software : str
        Name of the program, ``""`` for a plain table.
    unit : str
        Of its times, where nobody says otherwise.
    read : callable
        Returns the rows of a text.
    """

    software: str
    unit: str
    read: Callable[[str], list[Row]]


def decode(data: bytes) -> str:
    """Return the text of a log: UTF-16 where it has the mark, else UTF-8.

    Raises
    ------
    ValueError
        If it is neither, or holds zeros.
    """
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is neither UTF-8 nor UTF-16: save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds zeros, as UTF-16 without its mark or damaged files do: save it as UTF-8")
    return text


def read_separated(text: str) -> list[Row]:
    """Return the rows of a table whose columns are separated by tabs, commas or semicolons, by its header."""
    first = text.partition("\n")[0]
    return _read_table(text, max("\t,;", key=first.count), 0)


def _read_table(text: str, delimiter: str, before: int) -> list[Row]:
    """Return the rows of a table; quotes count as RFC 4180 has them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    header: list[str] = []
    begin = 1
    try:
        for cells in reader:
            line, begin = before + begin, reader.line_num + 1
            if not header:
                header = [cell.strip() for cell in cells]
                twice = {name for name in header if name and header.count(name) > 1}
                if twice:
                    raise ValueError(f"line {line}: the column {min(twice)!r} stands twice in its header")
            elif any(cell.strip() for cell in cells):
                if any(cell.strip() for cell in cells[len(header) :]):
                    raise ValueError(f"line {line} has more cells than the header has columns")
                rows.append(Row(line, dict(zip(header, (cell.strip() for cell in cells), strict=False))))
    except csv.Error as error:
        raise ValueError(f"line {before + begin}: it is no table ({error})") from error
    return rows


def read_presentation(text: str) -> list[Row]:
    """Return the table of events of a Presentation log; what follows it (pictures, responses) tells the same again.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if {"Event Type", "Code", "Time"} <= set(line.split("\t"))), None)
    if start is None:
        raise ValueError("it has no table of events (a line with Event Type, Code and Time)")
    head = lines[start].split("\t")
    rows = []
    for number, line in enumerate(lines[start + 1 :], start=start + 2):
        if line.strip():
            cells = [cell.strip() for cell in line.split("\t")]
            if cells[0] == "Event Type":
                break  # the next table
            # columns may have one name (Uncertainty): the first counts
            rows.append(Row(number, dict(reversed(list(zip(head, cells, strict=False))))))
        elif rows:
            break
    return rows


def read_eprime(text: str) -> list[Row]:
    """Return the frames of an E-Prime text file; the line is that of the beginning of a frame.

    Raises
    ------
    ValueError
        If it has none, or one does not end.
    """
    rows: list[Row] = []
    frame: dict[str, str] | None = None
    begin = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line == "*** LogFrame Start ***":
            if frame is not None:
                raise ValueError(f"line {number}: a frame begins within the one that began in line {begin}")
            frame, begin = {}, number
        elif line == "*** LogFrame End ***" and frame is not None:
            rows.append(Row(begin, frame))
            frame = None
        elif frame is not None:
            key, colon, value = line.partition(":")
            if colon:
                frame[key.strip()] = value.strip()
    if frame is not None:
        raise ValueError(f"line {begin}: the frame that begins here does not end; the file breaks off")
    if not rows:
        raise ValueError("it has no frames (*** LogFrame Start ***)")
    return rows


FORMATS = {
    "table": Format("", "s", read_separated),
    "psychopy": Format("PsychoPy", "s", read_separated),
    "presentation": Format("Presentation", "0.1ms", read_presentation),
    "eprime": Format("E-Prime", "ms", read_eprime),
}
#: Seconds of each unit.
UNITS = {"s": 1.0, "ms": 1e-3, "0.1ms": 1e-4, "us": 1e-6}
