"""What stays the same from one header to the next, so that only the rest has to be parsed.

Files of one series, and frames of one multi-frame file, differ in a dozen elements; the other hundreds are equal to
the byte. Bytes that begin at the border of an element and equal bytes that were parsed before parse to the same
values, so a comparison replaces the walk. The result is exact: where a byte differs, the caller walks.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bidsflow.dicom.text import decode_values

_head = struct.Struct("<I2sH").unpack_from
_head_implicit = struct.Struct("<II").unpack_from
_u32 = struct.Struct("<I").unpack_from
UNDEFINED = 0xFFFFFFFF

#: Bytes before the value, by value representation (PS3.5 section 7.1.2).
HEAD_BYTES = dict.fromkeys((b"OB OD OF OL OV OW SQ SV UC UN UR UT UV").split(), 12) | dict.fromkeys(
    (b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US").split(), 8
)


class Token(NamedTuple):
    """One element of a header, or the head of a sequence or an item.

    Attributes
    ----------
    key : int
        Tag, as its four bytes read when taken for one little-endian number.
    start, value, end : int
        Offsets of the head, of the value and behind the value.
    keyword, vr : str
        Where the value goes and how it is decoded; ``""`` for what is not wanted.
    head_only : bool
        True for heads whose contents are tokens of their own.
    """

    key: int
    start: int
    value: int
    end: int
    keyword: str = ""
    vr: str = ""
    head_only: bool = False


@dataclass(frozen=True, slots=True)
class _Same:
    """A stretch of bytes that does not change, and the values in it."""

    data: bytes
    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Varying:
    """An element whose value changes."""

    key: int
    keyword: str
    vr: str
    head_only: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The order of the elements of one header, and which of them change.

    Attributes
    ----------
    keys : tuple of int
        Tags in order.
    changing : frozenset of int
        Ranks of the elements that were seen to change.
    spans : tuple of bytes
        Each element as it was when last seen.
    steps : tuple
        How to match the next header.
    charset : str
        Its SpecificCharacterSet.
    """

    keys: tuple[int, ...]
    changing: frozenset[int]
    spans: tuple[bytes, ...]
    steps: tuple[_Same | _Varying, ...]
    charset: str = ""

    def match(self, data: bytes, pos: int, implicit: bool) -> tuple[dict[str, str], int] | None:
        """Return the values of a header at an offset and where it ends; None where it has to be walked."""
        texts: dict[str, str] = {}
        changed: list[tuple[str, str, bytes]] = []
        try:
            for step in self.steps:
                if isinstance(step, _Same):
                    if not data.startswith(step.data, pos):
                        return None
                    texts.update(step.texts)
                    pos += len(step.data)
                    continue
                if implicit:
                    key, length = _head_implicit(data, pos)
                    start = pos + 8
                else:
                    key, vr, length = _head(data, pos)
                    start = pos + HEAD_BYTES[vr]
                    if start == pos + 12:
                        length = _u32(data, pos + 8)[0]
                if key != step.key:
                    return None
                pos = start
                if step.head_only:
                    continue
                if length == UNDEFINED or pos + length > len(data):
                    return None
                pos += length
                if step.keyword:
                    changed.append((step.keyword, step.vr, data[start:pos]))
        except (struct.error, KeyError):
            return None
        if changed:
            more, problems = decode_values(changed, self.charset)
            if problems:
                return None
            texts.update(more)
        return texts, pos


def learn(data: bytes, tokens: Sequence[Token], texts: Mapping[str, str], before: Layout | None) -> Layout | None:
    """Return the layout of a header that was walked, knowing one of the same order from before.

    None where what governs the reading of other elements changes: the character set, or the creator of a private
    block. Such headers are always walked.
    """
    keys = tuple(token.key for token in tokens)
    spans = tuple(data[token.start : token.value if token.head_only else token.end] for token in tokens)
    changing: frozenset[int] = frozenset()
    if before is not None and before.keys == keys:
        changing = before.changing.union(i for i, span in enumerate(spans) if span != before.spans[i])
    if any(_governs(keys[i]) for i in changing):
        return None
    charset = texts.get("SpecificCharacterSet", "")
    steps: list[_Same | _Varying] = []
    run: list[Token] = []
    for i, token in enumerate(tokens):
        if i not in changing:
            run.append(token)
            continue
        if run:
            steps.append(_same(data, run, charset))
            run = []
        steps.append(_Varying(token.key, token.keyword, token.vr, token.head_only))
    if run:
        steps.append(_same(data, run, charset))
    return Layout(keys, changing, spans, tuple(steps), charset)


def _governs(key: int) -> bool:
    """Return whether an element decides how others are read (keys have their group in the low half)."""
    group, element = key & 0xFFFF, key >> 16
    return key == 0x00050008 or (group % 2 == 1 and 0x10 <= element <= 0xFF)


def _same(data: bytes, run: Sequence[Token], charset: str) -> _Same:
    values = [(token.keyword, token.vr, data[token.value : token.end]) for token in run if token.keyword]
    last = run[-1]
    end = last.value if last.head_only else last.end
    return _Same(data[run[0].start : end], decode_values(values, charset)[0])
