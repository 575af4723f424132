"""What stays the same from one header to the next, so that only the rest has to be parsed.

Files of one series, and frames of one multi-frame file, differ in a dozen elements; the other hundreds are equal to
the byte. Bytes that begin at the border of an element and equal bytes that were parsed before parse to the same
values, so a comparison replaces the walk. The result is exact: whatever decides how bytes are read (the order of
elements, their representation, the limits of sequences, character set, private creators, the maker) is compared, and
where anything is not as expected, the caller walks.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from bidsflow.dicom.text import RawValue, decode_values

UNDEFINED = 0xFFFFFFFF
#: Bytes before the value, by value representation (PS3.5 section 7.1.2).
HEAD_BYTES = dict.fromkeys((b"OB OD OF OL OV OW SQ SV UC UN UR UT UV").split(), 12) | dict.fromkeys(
    (b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US").split(), 8
)
#: The key of the token that stands where a sequence or item of known length ends.
END = -1
_CHARSET, _MANUFACTURER = 0x00050008, 0x00700008
#: What differs between any two images, frames or volumes of a series, so that a second walk need not find out:
#: identifiers, times, places and the range of values. Those of group 19 and 21 are Siemens' own.
_EXPECTED = frozenset(
    (tag >> 16) | ((tag & 0xFFFF) << 16)
    for tag in (
        0x00020000, 0x00020003, 0x00080013, 0x00080018, 0x0008002A, 0x00080032, 0x00080033, 0x00081155, 0x00081160,
        0x00189074, 0x00189151, 0x00189182, 0x00191015, 0x00191016, 0x00191029, 0x00200012, 0x00200013, 0x00200032,
        0x00201041, 0x00209057, 0x00209128, 0x00209156, 0x00209157, 0x0021101C, 0x0021102C, 0x0021102D, 0x00211035,
        0x00211104, 0x00211106, 0x0021115B, 0x0021115E, 0x00211188, 0x0021118A, 0x0021118B, 0x0021118E, 0x00280106,
        0x00280107, 0x00281050, 0x00281051,
    )
)  # fmt: skip
_u16 = struct.Struct("<H").unpack_from
_u32 = struct.Struct("<I").unpack_from


class Part(IntEnum):
    """What a token is."""

    ELEMENT = 0
    OPENING = 1
    CLOSING = 2


class Token(NamedTuple):
    """One element of a header, or where a sequence or an item begins or ends.

    Attributes
    ----------
    key : int
        Tag, as its four bytes read when taken for one little-endian number; `END` where a known length ends.
    start, value, end : int
        Offsets of the head, of the value and behind the value. The contents of what opens are tokens of their own.
    code : bytes
        Value representation as the file has it, ``b""`` where it has none.
    keyword, vr : str
        Where the value goes and how it is decoded; ``""`` for what is not wanted.
    part : Part
        What it is.
    """

    key: int
    start: int
    value: int
    end: int
    code: bytes = b""
    keyword: str = ""
    vr: str = ""
    part: Part = Part.ELEMENT


class _Step(NamedTuple):
    """One thing that the next header is compared with.

    Attributes
    ----------
    part : Part or None
        None for a stretch of bytes that does not change.
    head : bytes
        The bytes that have to stand there: all of them, or tag and representation of an element that changes.
    size : int
        Bytes up to the value, or of the whole stretch.
    length : callable
        Reads the length of the value, `length_at` bytes behind the head's beginning.
    """

    part: Part | None
    head: bytes
    size: int
    length: Callable[[bytes, int], tuple[int]] = _u32
    length_at: int = 0
    keyword: str = ""
    vr: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The order of the elements of one header, and which of them change.

    Attributes
    ----------
    keys : tuple of int
        Tags in order.
    changing : frozenset of int
        Ranks of the tokens that were seen to change.
    spans : tuple of bytes
        Each token as it was when last seen.
    steps : tuple
        How to match the next header.
    texts : dict of str to str
        The values that do not change.
    nested : bool
        Whether a sequence whose contents change has to be followed.
    implicit : bool
        Whether elements have no value representation in the file.
    charset : str
        Its SpecificCharacterSet.
    """

    keys: tuple[int, ...]
    changing: frozenset[int]
    spans: tuple[bytes, ...]
    steps: tuple[_Step, ...]
    texts: dict[str, str]
    nested: bool
    implicit: bool
    charset: str = ""

    def match(self, data: bytes, pos: int) -> tuple[dict[str, str], int] | None:
        """Return the values of a header at an offset and where it ends; None where it has to be walked."""
        try:
            found = self._follow(data, pos) if self.nested else self._skim(data, pos)
        except struct.error:
            return None
        if found is None or found[1] > len(data):  # also where a length is undefined
            return None
        texts = self.texts.copy()
        if found[0]:
            more, problems = decode_values(found[0], self.charset)
            if problems:
                return None
            texts.update(more)
        return texts, found[1]

    def _skim(self, data: bytes, pos: int) -> tuple[list[RawValue], int] | None:
        """Return the values that change, where no sequence has to be followed."""
        changed: list[RawValue] = []
        begins = data.startswith
        for part, head, size, length, length_at, keyword, vr in self.steps:
            if not begins(head, pos):
                return None
            if part is None:
                pos += size
                continue
            start = pos + size
            pos = start + length(data, pos + length_at)[0]
            if keyword:
                changed.append((keyword, vr, data[start:pos]))
        return changed, pos

    def _follow(self, data: bytes, pos: int) -> tuple[list[RawValue], int] | None:
        """Return the values that change, sequences followed: what opens has to close where its length says."""
        changed: list[RawValue] = []
        open_until: list[int] = []
        for part, head, size, length, length_at, keyword, vr in self.steps:
            if not data.startswith(head, pos):
                return None
            if part is None:
                pos += size
            elif part is Part.CLOSING:
                until = open_until.pop() if open_until else 0  # a delimiter may close what holds all
                if until != (0 if size else pos):
                    return None
                pos += size
            else:
                start = pos + size
                count = length(data, pos + length_at)[0]
                if part is Part.OPENING:
                    open_until.append(0 if count == UNDEFINED else start + count)
                    pos = start
                    continue
                pos = start + count
                if keyword:
                    changed.append((keyword, vr, data[start:pos]))
        return changed, pos


def learn(
    data: bytes, tokens: Sequence[Token], *, implicit: bool, charset: str = "", known: Sequence[Layout] = ()
) -> tuple[Layout | None, Layout | None]:
    """Return the layout of a header that was walked, and the one of `known` that it replaces.

    None for the layout where it cannot be had: an element stands twice, or after text that it governs.

    Parameters
    ----------
    data : bytes
        The first bytes of the file.
    tokens : sequence of Token
        What the walk over them found.
    implicit : bool
        Whether elements have no value representation in the file.
    charset : str
        The character set before the first token.
    known : sequence of Layout
        From before; one that only differs in what may change tells what does.
    """
    wanted = Counter(token.keyword for token in tokens if token.keyword)
    late = "SpecificCharacterSet" in wanted and next(iter(wanted)) != "SpecificCharacterSet"
    if not tokens or late or max(wanted.values(), default=1) > 1:
        return None, None
    charset = next((_charset(data, token) for token in tokens if token.key == _CHARSET and token.keyword), charset)
    keys = tuple(token.key for token in tokens)
    spans = tuple(data[token.start : token.value if token.part else token.end] for token in tokens)
    governing = [i for i, key in enumerate(keys) if _governs(key)]
    before = next(
        (
            one
            for one in known
            if one.keys == keys
            and (one.implicit, one.charset) == (implicit, charset)
            and all(one.spans[i] == spans[i] for i in governing)
        ),
        None,
    )
    changing = frozenset(i for i, key in enumerate(keys) if key in _EXPECTED)
    if before is not None:
        changing = before.changing.union(i for i, span in enumerate(spans) if span != before.spans[i])
    varying = changing | _around(tokens, changing)
    values = [
        (token.keyword, token.vr, data[token.value : token.end])
        for rank, token in enumerate(tokens)
        if token.keyword and rank not in varying
    ]
    return Layout(
        keys,
        changing,
        spans,
        _make_steps(data, tokens, varying),
        decode_values(values, charset)[0],
        any(tokens[rank].part for rank in varying),
        implicit,
        charset,
    ), before


def _charset(data: bytes, token: Token) -> str:
    return decode_values([(token.keyword, token.vr, data[token.value : token.end])])[0][token.keyword]


def _governs(key: int) -> bool:
    """Return whether an element decides how others are read (keys have their group in the low half)."""
    return key in (_CHARSET, _MANUFACTURER) or (key & 1 == 1 and 0x10 <= key >> 16 <= 0xFF)


def _around(tokens: Sequence[Token], changing: frozenset[int]) -> frozenset[int]:
    """Return the ranks of the beginnings and ends of what has a known length and holds a token that changes.

    These lengths have to be followed. What a delimiter closes needs no care: the delimiter is compared.
    """
    found: set[int] = set()
    opened: list[tuple[int, bool]] = []
    for rank, token in enumerate(tokens):
        touched = rank in changing
        if token.part is Part.OPENING:
            opened.append((rank, touched))
            continue
        if token.part is Part.CLOSING and opened:
            start, inside = opened.pop()
            if (inside and token.key == END) or touched or start in changing:
                found |= {start, rank}
            touched = touched or inside
        if touched and opened:
            opened[-1] = (opened[-1][0], True)
    return frozenset(found)


def _make_steps(data: bytes, tokens: Sequence[Token], varying: frozenset[int]) -> tuple[_Step, ...]:
    steps: list[_Step] = []
    first = 0
    for rank in (*sorted(varying), len(tokens)):
        if rank > first:
            last = tokens[rank - 1]
            same = data[tokens[first].start : last.value if last.part else last.end]
            steps.append(_Step(None, same, len(same)))
        if rank < len(tokens):
            steps.append(_make_step(data, tokens[rank]))
        first = rank + 1
    return tuple(steps)


def _make_step(data: bytes, token: Token) -> _Step:
    head = data[token.start : token.start + 4] + token.code
    if token.part is Part.CLOSING:
        return _Step(token.part, b"" if token.key == END else head, token.end - token.start)
    if not token.code:
        return _Step(token.part, head, 8, _u32, 4, token.keyword, token.vr)
    if HEAD_BYTES[token.code] == 8:
        return _Step(token.part, head, 8, _u16, 6, token.keyword, token.vr)
    return _Step(token.part, head, 12, _u32, 8, token.keyword, token.vr)
