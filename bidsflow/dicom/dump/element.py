"""The elements of a dataset, decoded one by one; sequences are not looked into."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom import datadict
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence

from bidsflow.dicom.dump.limits import DAMAGE, MAX_DEPTH, MAX_VALUE, UNDEFINED, name_damage, quiet, too_deep
from bidsflow.dicom.dump.tag import code_of, is_creator, name_of
from bidsflow.dicom.dump.value import escape, values_of
from bidsflow.dicom.identifying import identifies
from bidsflow.errors import HeaderError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_WIDTHS = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8, "UV": 8, "SV": 8}


@dataclass(frozen=True, slots=True)
class Element:
    """An element with its value decoded; `items` is None unless it is a sequence."""

    tag: int
    vr: str
    name: str
    creator: str
    length: int
    value: Any
    items: tuple[Dataset, ...] | None
    masked: bool

    @property
    def code(self) -> str:
        """The tag as people write it."""
        return code_of(self.tag)

    @property
    def step(self) -> str:
        """How a path names this element."""
        return self.name if self.name.isalnum() else f"({self.code})"

    @property
    def is_bulk(self) -> bool:
        """Whether there is a value that was not read, or that no one reads as text."""
        return self.vr in _BULK or (self.value is None and self.length > 0 and not self.masked)


def parts(dataset: Dataset) -> tuple[Dataset, ...]:
    """Return the file meta information, if there is any, and the dataset."""
    meta = getattr(dataset, "file_meta", None)
    return (meta, dataset) if meta else (dataset,)


def elements(dataset: Dataset, *, hidden: bool, identified: bool, depth: int) -> Iterator[Element]:
    """Yield the elements of one dataset or item, not looking into sequences."""
    if depth > 2 * MAX_DEPTH:
        raise HeaderError(too_deep())
    creators = _creators(dataset)
    for tag in sorted(dataset.keys()):
        creator = creators.get((tag >> 16, (tag & 0xFFFF) >> 8), "") if tag >> 16 & 1 else ""
        yield _decode(dataset, int(tag), creator, hidden=hidden, identified=identified)


def _creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    """Map (group, block) to the private creator that reserved it (PS3.5 section 7.8.1)."""
    found = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating over a dataset would decode it
        if is_creator(tag):
            value = getattr(dataset.get_item(tag, keep_deferred=True), "value", None)
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
            found[tag >> 16, tag & 0xFF] = escape(text.strip(" \0"))
    return found


def _decode(dataset: Dataset, tag: int, creator: str, *, hidden: bool, identified: bool) -> Element:
    """Decode one element; what cannot be decoded is given as the text of its bytes."""
    stored = dataset.get_item(tag, keep_deferred=True)
    vr = vr_of(stored, creator)
    name = name_of(tag, creator)
    value = stored.value
    length = _length_of(stored, vr)
    if vr not in _BULK and not (value is None and length > 0):
        del stored, value  # held here, the bytes of every level of a nested sequence would pile up
        vr, value = _convert(dataset, tag, vr)
    items = tuple(value) if vr == "SQ" and isinstance(value, Sequence) else None
    seen = "\\".join(map(str, values_of(value))) if vr == "UI" else ""
    doubtful = hidden or identifies(tag, vr, name=name.strip("?"), creator=creator, text=seen)
    masked = items is None and length != 0 and doubtful and not identified
    return Element(tag, escape(vr), name, creator, length, None if masked else value, items, masked)


def _convert(dataset: Dataset, tag: int, vr: str) -> tuple[str, Any]:
    """Return the value as pydicom decodes it, and the value representation that it settled on."""
    try:
        with quiet():
            element = dataset[tag]
        return str(element.VR), element.value
    except RecursionError:
        raise HeaderError(too_deep()) from None
    except DAMAGE as error:
        if vr == "SQ":
            raise name_damage(error) from None
        stored = dataset.get_item(tag, keep_deferred=True)
        return vr, (stored.value or b"").decode("latin-1").rstrip(" \0")


def vr_of(stored: Any, creator: str) -> str:
    """Return the value representation, from a dictionary where the file does not say."""
    vr = stored.VR or "UN"
    if vr == "UN":
        with contextlib.suppress(KeyError):
            if not stored.tag >> 16 & 1:
                vr = datadict.dictionary_VR(stored.tag)
            elif is_creator(stored.tag):
                vr = "LO"
            else:
                vr = datadict.private_dictionary_VR(stored.tag, creator)
    return "OW" if vr in {"OB or OW", "US or OW", "US or SS or OW"} and _is_long(stored) else str(vr)


def _is_long(stored: Any) -> bool:
    return getattr(stored, "length", 0) > MAX_VALUE or stored.tag >> 16 == 0x7FE0


def _length_of(stored: Any, vr: str) -> int:
    """Return the length as stored; for an element that was decoded before, the length it would have."""
    if isinstance(stored, RawDataElement):
        return -1 if stored.length == UNDEFINED else int(stored.length)
    if vr == "SQ":
        return -1
    if isinstance(stored.value, bytes):
        return len(stored.value)
    values = values_of(stored.value)
    if vr in _WIDTHS:
        return _WIDTHS[vr] * len(values)
    size = len("\\".join(map(str, values)).encode("utf-8", "replace"))
    return size + size % 2
