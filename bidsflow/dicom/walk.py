"""Walk the elements of a little-endian header: where each begins and ends, and which of them are wanted.

Sources: DICOM PS3.5 section 7 (encoding of elements, sequences, items; private blocks in 7.8).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bidsflow.dicom import tags
from bidsflow.dicom.layout import END, HEAD_BYTES, UNDEFINED, Part, Token, make_token
from bidsflow.dicom.source import Source
from bidsflow.dicom.tags import Element
from bidsflow.errors import HeaderError

#: Sequences nested deeper than this are taken for an attack: no honest object nests deeper than about ten.
MAX_DEPTH: Final = 32
#: Functional groups stand in group 5200 and have a way of their own.
BEFORE_GROUPS: Final = 0x51FF


def swapped(tag: int) -> int:
    """Return a tag as it reads when its four bytes are taken for one little-endian number."""
    return (tag >> 16) | ((tag & 0xFFFF) << 16)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which elements are wanted.

    Attributes
    ----------
    standard : dict of int to Element
        By swapped tag.
    private : dict of (str, int, int) to Element
        By creator, group and number within the block, for a creator may reserve any block (PS3.5 section 7.8.1).
    """

    standard: dict[int, Element]
    private: dict[tuple[str, int, int], Element]


def want(*tables: Mapping[int, Element]) -> Wanted:
    """Return what tables of `bidsflow.dicom.tags` ask for."""
    rows = [(tag, element) for table in tables for tag, element in table.items()]
    return Wanted(
        {swapped(tag): element for tag, element in rows if not element.creator},
        {(element.creator, tag >> 16, tag & 0xFF): element for tag, element in rows if element.creator},
    )


_ITEM, _ITEM_END, _SEQUENCE_END = (swapped(tag) for tag in (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD))
_DESCEND = frozenset(swapped(tag) for tag in tags.DESCEND)
_MANUFACTURER, _N_FRAMES = swapped(0x00080070), swapped(0x00280008)

_head = struct.Struct("<I2sH").unpack_from
_head_implicit = struct.Struct("<II").unpack_from
_u32 = struct.Struct("<I").unpack_from


class NotUnderstoodError(Exception):
    """The fast path does not understand the file; pydicom may."""


def bytes_for(source: Source, to: int) -> bytes:
    """Return the bytes of a file, read up to an offset at least."""
    return source.data if to <= len(source.data) else source.grow(to)


def read_element(source: Source, pos: int, implicit: bool) -> tuple[int, bytes, int, int]:
    """Return tag, value representation, length and offset of the value of one element.

    Raises
    ------
    HeaderError
        If the file ends inside it.
    NotUnderstoodError
        If its value representation is none.
    """
    data = bytes_for(source, pos + 8)
    if implicit:
        key, length = _head_implicit(data, pos)
        return key, b"", length, pos + 8
    key, code, length = _head(data, pos)
    head = HEAD_BYTES.get(code)
    if head is None:
        raise NotUnderstoodError(f"value representation {code!r}")
    if head == 12:
        length = _u32(bytes_for(source, pos + 12), pos + 8)[0]
    return key, code, length, pos + head


def read_item(source: Source, pos: int) -> tuple[int, int] | None:
    """Return the offset of the contents of an item and of its end (0: at a delimiter); None where a sequence ends.

    Raises
    ------
    HeaderError
        If the file ends inside its head.
    NotUnderstoodError
        If it is neither.
    """
    key, length = _head_implicit(bytes_for(source, pos + 8), pos)
    if key == _SEQUENCE_END:
        return None
    if key != _ITEM:
        raise NotUnderstoodError("an item was expected in a sequence")
    return pos + 8, 0 if length == UNDEFINED else pos + 8 + length


def walk(source: Source, pos: int, implicit: bool, wanted: Wanted, last: int | None) -> tuple[list[Token], int]:
    """Return the elements from an offset on, up to a group, and the offset of the first element beyond it.

    Parameters
    ----------
    source : Source
        The file.
    pos : int
        Where the first element begins.
    implicit : bool
        Whether elements have no value representation.
    wanted : Wanted
        What to name.
    last : int or None
        The last group. None: as far as the maker's files need to be read (`tags.last_group`).
    """
    tokens: list[Token] = []
    creators: dict[int, str] = {}
    stop = tags.LAST_GROUP[""] if last is None else last
    standard, data = wanted.standard, source.data
    while pos < source.size:
        try:
            key, code, length = _head(data, pos)
        except struct.error:
            data = source.grow(pos + 8)
            continue
        if key & 0xFFFF > stop:
            break
        if not implicit and HEAD_BYTES.get(code) == 8:  # the usual case, without a call
            start = pos + 8
        else:
            _, code, length, start = read_element(source, pos, implicit)
        end = start + length if length != UNDEFINED else _sequence_end(source, start, implicit or code == b"UN", 0)
        element = standard.get(key)
        if key & 1:
            element = _private(source, key, start, end, creators, wanted)
        if element is None:
            tokens.append(make_token((key, pos, start, end, code, "", "", Part.ELEMENT)))
        else:
            data = bytes_for(source, end)
            vr = decoding(code, element)
            tokens.append(make_token((key, pos, start, end, code, element.keyword, vr, Part.ELEMENT)))
            if last is None and key in (_MANUFACTURER, _N_FRAMES):
                stop = BEFORE_GROUPS if key == _N_FRAMES else tags.last_group(data[start:end].decode("latin-1"))
        pos = end
    if pos > source.size:
        raise HeaderError(f"the file ends inside its header (after {source.size} bytes)")
    return tokens, pos


def _private(
    source: Source, key: int, start: int, end: int, creators: dict[int, str], wanted: Wanted
) -> Element | None:
    """Return what a private element is, if it is wanted; note the creators of blocks (PS3.5 section 7.8.1)."""
    group, number = key & 0xFFFF, key >> 16
    if 0x10 <= number <= 0xFF:
        creators[group | number << 16] = bytes_for(source, end)[start:end].strip(b"\0 ").decode("latin-1")
        return None
    creator = creators.get(group | number >> 8 << 16)
    return wanted.private.get((creator, group, number & 0xFF)) if creator else None


def decoding(code: bytes, element: Element) -> str:
    """Return the value representation to decode by: the file's own where it names one that fits, else the table's."""
    return element.vr if code in (b"", b"UN", b"OB", b"OW", b"SQ") else code.decode()


class _Open:
    """A sequence or an item while its contents are walked."""

    __slots__ = ("creators", "implicit", "inside", "is_item", "until")

    def __init__(self, until: int, implicit: bool, inside: bool, is_item: bool) -> None:
        self.until = until  # 0: at a delimiter
        self.implicit = implicit
        self.inside = inside  # whether its elements are wanted
        self.is_item = is_item
        self.creators: dict[int, str] = {}

    def find(self, source: Source, key: int, start: int, end: int, wanted: Wanted) -> Element | None:
        """Return what an element is, if it is wanted."""
        return _private(source, key, start, end, self.creators, wanted) if key & 1 else wanted.standard.get(key)


def flatten(source: Source, pos: int, end: int, implicit: bool, wanted: Wanted) -> tuple[list[Token], int]:
    """Return every element of one item, those of nested sequences in line, and the offset behind the item.

    `end` is where the item ends, 0 where a delimiter closes it. Wanted are elements at the item's own level and inside
    the sequences of `tags.DESCEND`.
    """
    tokens: list[Token] = []
    stack = [_Open(end, implicit, True, True)]
    while stack:
        top = stack[-1]
        if top.is_item:
            pos = _walk_item(source, pos, wanted, stack, tokens)
            continue
        if not top.until or pos < top.until:
            item = read_item(source, pos)
            if item is not None:
                tokens.append(make_token((_ITEM, pos, item[0], item[0], b"", "", "", Part.OPENING)))
                stack.append(_Open(item[1], top.implicit, top.inside, True))
                pos = item[0]
                continue
            if top.until:
                raise NotUnderstoodError("a sequence of known length has a delimiter")
        pos = _close(pos, _SEQUENCE_END, stack, tokens)
    return tokens, pos


def _close(pos: int, delimiter: int, stack: list[_Open], tokens: list[Token]) -> int:
    """Close what is on top of the stack; return the offset behind it."""
    until = stack.pop().until
    if not until:
        tokens.append(make_token((delimiter, pos, pos + 8, pos + 8, b"", "", "", Part.CLOSING)))
        return pos + 8
    if pos > until:
        raise NotUnderstoodError("an element is longer than what it stands in")
    if stack:
        tokens.append(make_token((END, pos, pos, pos, b"", "", "", Part.CLOSING)))
    return pos


def _walk_item(source: Source, pos: int, wanted: Wanted, stack: list[_Open], tokens: list[Token]) -> int:
    """Take the elements of the item on top of the stack, up to its end or a sequence that opens in it."""
    top = stack[-1]
    data = source.data
    until, inside = top.until, top.inside
    while not until or pos < until:
        try:
            key, code, length = _head(data, pos)
        except struct.error:
            data = source.grow(pos + 8)
            continue
        if top.implicit or HEAD_BYTES.get(code) != 8:
            if key == _ITEM_END and not until:
                break
            _, code, length, start = read_element(source, pos, top.implicit)
            data = source.data
            if key & 0xFFFF == 0xFFFE:
                raise NotUnderstoodError("a delimiter where an element was expected")
            wanted_here = inside and key in _DESCEND and _is_sequence(source, code, length, start)
            if wanted_here or (length == UNDEFINED and code in (b"SQ", b"UN", b"")):
                tokens.append(make_token((key, pos, start, start, code, "", "", Part.OPENING)))
                ends = 0 if length == UNDEFINED else start + length
                stack.append(_Open(ends, top.implicit or code == b"UN", wanted_here, False))
                if len(stack) > 2 * MAX_DEPTH:
                    raise HeaderError(f"sequences nested deeper than {MAX_DEPTH}")
                return start
        else:
            start = pos + 8
        end = start + length if length != UNDEFINED else _sequence_end(source, start, top.implicit, 0)
        element = top.find(source, key, start, end, wanted) if inside else None
        if element is None:
            tokens.append(make_token((key, pos, start, end, code, "", "", Part.ELEMENT)))
        else:
            data = bytes_for(source, end)
            vr = decoding(code, element)
            tokens.append(make_token((key, pos, start, end, code, element.keyword, vr, Part.ELEMENT)))
        pos = end
    return _close(pos, _ITEM_END, stack, tokens)


def _is_sequence(source: Source, code: bytes, length: int, start: int) -> bool:
    """Return whether an element holds items, which without a value representation only its bytes tell."""
    if code == b"SQ":
        return True
    return code in (b"", b"UN") and (length in (0, UNDEFINED) or source.at(start, 4) == b"\xfe\xff\x00\xe0")


def _sequence_end(source: Source, pos: int, implicit: bool, depth: int) -> int:
    """Return the offset behind a sequence of undefined length (PS3.5 section 7.5.2)."""
    if depth > MAX_DEPTH:
        raise HeaderError(f"sequences nested deeper than {MAX_DEPTH}")
    while (item := read_item(source, pos)) is not None:
        pos = item[1] or _item_end(source, item[0], implicit, depth)
    return pos + 8


def _item_end(source: Source, pos: int, implicit: bool, depth: int) -> int:
    """Return the offset behind an item of undefined length."""
    while _u32(bytes_for(source, pos + 8), pos)[0] != _ITEM_END:
        _, code, length, start = read_element(source, pos, implicit)
        if length == UNDEFINED:
            pos = _sequence_end(source, start, implicit or code == b"UN", depth + 1)
        else:
            pos = start + length
    return pos + 8
