"""A dump for people: one row per element."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bidsflow.dicom.dump.element import Element, elements, parts
from bidsflow.dicom.dump.value import text_of
from bidsflow.dicom.identifying import identifies

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MASK: Final = "***"
_ITEM = "FFFE,E000"


@dataclass(frozen=True, slots=True)
class DumpRow:
    """One line of a dump: an element, or the start of an item of a sequence.

    Attributes
    ----------
    depth : int
        How many sequences and items stand above; 0 for the dataset itself.
    path : str
        Where it stands, from the dataset downwards, items counted from 1:
        ``MREchoSequence[1].EffectiveEchoTime``.
    tag : str
        ``0018,0081`` in hexadecimal.
    name : str
        Keyword of the dictionary; ``[name]`` for private elements that pydicom's private dictionary knows;
        ``?`` where no dictionary knows the element.
    vr : str
        Value representation; empty for an item.
    length : int
        Of the value in bytes, as stored; -1 where the file leaves it undefined.
    value : str
        Ready to be shown: printable characters only, several values joined by a backslash.
    private_creator : str
        Who defined the element; empty for public ones.
    masked : bool
        Whether the value is hidden since it may identify a person, a place or a date.
    """

    depth: int
    path: str
    tag: str
    name: str
    vr: str
    length: int
    value: str
    private_creator: str = ""
    masked: bool = False


def rows(dataset: Dataset, *, identified: bool = False) -> Iterator[DumpRow]:
    """Yield one row per element: file meta information first, then the dataset, sequences in depth.

    Parameters
    ----------
    dataset : pydicom Dataset
        As read by `read_file`, or made in memory.
    identified : bool
        Show the values that may identify a person, a place or a date.

    Yields
    ------
    row : DumpRow
        In the order of the tags.

    Raises
    ------
    HeaderError
        If sequences are nested deeper than `MAX_DEPTH`.
    """
    for part in parts(dataset):
        yield from _rows(part, depth=0, path="", hidden=False, identified=identified)


def select_rows(found: Iterable[DumpRow], wanted: frozenset[str]) -> Iterator[DumpRow]:
    """Yield the rows of the wanted elements, whatever their depth; of a sequence with all that it holds.

    Parameters
    ----------
    found : iterable of DumpRow
        In the order of `rows`.
    wanted : frozenset of str
        From `parse_tag`.
    """
    below = -1  # depth of the sequence that is being shown in full
    for row in found:
        if below >= 0 and row.depth > below:
            yield row
            continue
        below = -1
        if row.tag in wanted or row.name in wanted:
            yield row
            below = row.depth


def _rows(dataset: Dataset, *, depth: int, path: str, hidden: bool, identified: bool) -> Iterator[DumpRow]:
    for element in elements(dataset, hidden=hidden, identified=identified, depth=depth):
        step = path + element.step
        row = DumpRow(
            depth, step, element.code, element.name, element.vr, element.length, "", element.creator, element.masked
        )
        if element.items is None:
            yield replace(row, value=_show(element))
            continue
        count = len(element.items)
        yield replace(row, value=f"{count} item{'' if count == 1 else 's'}")
        below = hidden or identifies(element.tag, "SQ")
        for number, item in enumerate(element.items, start=1):
            here = f"{step}[{number}]"
            yield DumpRow(depth + 1, here, _ITEM, f"item {number}", "", -1, "")
            yield from _rows(item, depth=depth + 2, path=f"{here}.", hidden=below, identified=identified)


def _show(element: Element) -> str:
    """Return the value of an element for people; of what no one reads as text, its size."""
    if element.is_bulk:
        size = f"{element.length} bytes" if element.length >= 0 else "encapsulated"
        return f"<{element.vr} {size}>" if element.length else ""
    return MASK if element.masked else text_of(element.value, element.vr)
