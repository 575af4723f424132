"""What stays the same from one header to the next, so that only the rest has to be parsed.

Files of one series, and frames of one multi-frame file, differ in a dozen elements; the other hundreds are equal to
the byte. Bytes that begin at the border of an element and equal bytes that were parsed before parse to the same
values, so a comparison replaces the walk. The result is exact: whatever decides how bytes are read (the order of
elements, their representation, their lengths, the limits of sequences, character set, private creators, the maker) is
compared, and where anything is not as expected, the caller walks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple

from bidsflow.dicom import tags
from bidsflow.dicom.text import NUMERIC, decode_texts, decode_values

UNDEFINED = 0xFFFFFFFF
#: Bytes before the value, by value representation (PS3.5 section 7.1.2).
HEAD_BYTES = dict.fromkeys((b"OB OD OF OL OV OW SQ SV UC UN UR UT UV").split(), 12) | dict.fromkeys(
    (b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US").split(), 8
)
#: A longer header is none that others repeat, and is not kept.
_MAX_BYTES: Final = 1024 * 1024
#: The key of the token that stands where a sequence or item of known length ends.
END = -1


def _keys(listed: Iterable[int]) -> frozenset[int]:
    """Return tags as tokens have them."""
    return frozenset((tag >> 16) | ((tag & 0xFFFF) << 16) for tag in listed)


#: Transfer syntax, character set and maker decide how others are read.
_RIGID = _keys((0x00020010, 0x00080005, 0x00080070))
_DESCEND = _keys(tags.DESCEND)
#: What differs between any two images, frames or volumes of a series, so that a second header need not find out:
#: identifiers, times, places and the range of values. Those of group 19 and 21 are Siemens' own.
_EXPECTED = _keys((
    0x00020000, 0x00020003, 0x00080013, 0x00080018, 0x0008002A, 0x00080032, 0x00080033, 0x00081155, 0x00081160,
    0x00189074, 0x00189151, 0x00189182, 0x00191015, 0x00191016, 0x00191029, 0x00200012, 0x00200013, 0x00200032,
    0x00201041, 0x00209057, 0x00209128, 0x00209156, 0x00209157, 0x0021101C, 0x0021102C, 0x0021102D, 0x00211035,
    0x00211104, 0x00211106, 0x0021115B, 0x0021115E, 0x00211188, 0x0021118A, 0x0021118B, 0x0021118E, 0x00280106,
    0x00280107, 0x00281050, 0x00281051,
))  # fmt: skip


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
    code: bytes
    keyword: str
    vr: str
    part: Part


#: Makes a token of its fields, in a third of the time that the class takes, which is much of that of a walk.
make_token: Callable[[tuple[int, int, int, int, bytes, str, str, Part]], Token] = partial(tuple.__new__, Token)


class _Piece(NamedTuple):
    """Bytes of a header in which every length is known, up to a length that is not.

    Attributes
    ----------
    cut_same, same : callable, tuple of bytes
        Cuts out the bytes that have to be `same`: heads, lengths, and the values that do not change.
    cut_values : callable
        Cuts out the values that change and are wanted, and the length that ends the piece.
    size : int
        Bytes of the piece.
    part : Part or None
        What its last length is of; a part that closes has none. None for the last piece.
    wanted : bool
        Whether the value behind the piece is wanted.
    """

    cut_same: Callable[[bytes, int], tuple[Any, ...]]
    same: tuple[bytes, ...]
    cut_values: Callable[[bytes, int], tuple[Any, ...]]
    size: int
    part: Part | None = None
    wanted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The order of the elements of one header, which of them change, and which of those in length.

    Attributes
    ----------
    tokens : tuple of Token
        The elements in order, as they stood in the header that was walked.
    keys : tuple of int
        Their tags.
    spans : tuple of bytes
        The bytes of each; of what opens or closes without its contents.
    changing, stretching : frozenset of int
        Ranks of the tokens that were seen to change, and of those of them that were seen to change in length.
    pieces : tuple
        How to match the next header.
    keywords, vrs : tuple of str
        Where the texts that change go and how they are decoded.
    numbers : tuple of (int, str, str)
        Of the numbers that change their rank among all that do, the last first, and the same.
    texts : dict of str to str
        The values that do not change.
    implicit : bool
        Whether the last elements have no value representation in the file.
    charset : str
        Its SpecificCharacterSet.
    """

    tokens: tuple[Token, ...]
    keys: tuple[int, ...]
    spans: tuple[bytes, ...]
    changing: frozenset[int]
    stretching: frozenset[int]
    pieces: tuple[_Piece, ...]
    keywords: tuple[str, ...]
    vrs: tuple[str, ...]
    numbers: tuple[tuple[int, str, str], ...]
    texts: dict[str, str]
    implicit: bool
    charset: str

    def match(self, data: bytes, pos: int) -> tuple[dict[str, str], int] | None:
        """Return what a header at an offset has beside `texts`, and its end; None where it is laid out otherwise."""
        try:
            found = self._cut(data, pos)
        except struct.error:  # the bytes end too early
            return None
        if found is None or found[1] > len(data):
            return None
        values, end = found
        numbers = [(keyword, vr, values.pop(rank)) for rank, keyword, vr in self.numbers]
        plain = decode_texts(values)
        own = dict(zip(self.keywords, plain, strict=True)) if plain is not None else {}
        if plain is None:
            numbers += zip(self.keywords, self.vrs, values, strict=True)
        if numbers:
            more, problems = decode_values(numbers, self.charset)
            if problems:
                return None
            own |= more
        return own, end

    def _cut(self, data: bytes, pos: int) -> tuple[list[bytes], int] | None:
        """Return the values that change; what opens has to close where its length says."""
        values: list[Any] = []
        open_until: list[int] = []
        for cut_same, same, cut_values, size, part, wanted in self.pieces:
            if cut_same(data, pos) != same:
                return None
            values += cut_values(data, pos)
            pos += size
            if part is Part.ELEMENT:
                end = pos + values.pop()
                if wanted:
                    values.append(data[pos:end])
                pos = end
            elif part is Part.OPENING:
                open_until.append(pos + values.pop())
            elif part is Part.CLOSING and open_until.pop() != pos:
                return None
        return values, pos

    def widen(self, data: bytes, pos: int) -> Layout | None:
        """Return the layout that also allows what is new in a header; None where more than values and lengths is."""
        changing, stretching = set(self.changing), set(self.stretching)
        for rank, (token, span) in enumerate(zip(self.tokens, self.spans, strict=True)):
            if data.startswith(span, pos):
                pos += len(span)
                continue
            size = token.value - token.start
            if _is_rigid(token, span) or not data.startswith(span[: size - _width(token)], pos):
                return None
            changing.add(rank)
            length = _length(token, data, pos)
            if length != _length(token, span, 0):
                if not token.code and self.tokens[rank - 1].key & 0xFFFF == 2:
                    return None  # of a data set whose elements have no representation, the first tells so by its length
                stretching.add(rank)
            pos += size + (0 if token.part else length)
        return _make_layout(self.tokens, self.spans, changing, stretching, self.texts, self.implicit, self.charset)


def learn(
    data: bytes, tokens: Sequence[Token], texts: Mapping[str, str], *, implicit: bool, charset: str
) -> Layout | None:
    """Return the layout of a header that was walked; None where it cannot be had or is not worth its memory.

    It cannot be had where an element stands twice, or after text that it governs.

    Parameters
    ----------
    data : bytes
        The first bytes of the file.
    tokens : sequence of Token
        What the walk over them found.
    texts : mapping of str to str
        The values of the tokens that have a keyword.
    implicit : bool
        Whether the last elements have no value representation.
    charset : str
        The character set of its texts.
    """
    named = [token for token in tokens if token.keyword]
    keywords = [token.keyword for token in named if token.key & 0xFFFF != 2]
    late = "SpecificCharacterSet" in keywords[1:]
    if not tokens or tokens[-1].end - tokens[0].start > _MAX_BYTES:
        return None
    if late or len({token.keyword for token in named}) < len(named):
        return None
    spans = tuple(data[token.start : token.value if token.part else token.end] for token in tokens)
    changing = {
        rank for rank, token in enumerate(tokens) if token.key in _EXPECTED and not _is_rigid(token, spans[rank])
    }
    return _make_layout(tuple(tokens), spans, changing, set(), texts, implicit, charset)


def _make_layout(
    tokens: tuple[Token, ...],
    spans: tuple[bytes, ...],
    changing: Set[int],
    stretching: Set[int],
    texts: Mapping[str, str],
    implicit: bool,
    charset: str,
) -> Layout:
    named = [(tokens[rank].keyword, tokens[rank].vr) for rank in sorted(changing) if tokens[rank].keyword]
    worded = [(keyword, vr) for keyword, vr in named if vr not in NUMERIC]
    numbers = [(rank, keyword, vr) for rank, (keyword, vr) in enumerate(named) if vr in NUMERIC]
    kept = texts.keys() - {keyword for keyword, _ in named}
    return Layout(
        tokens,
        tuple(map(attrgetter("key"), tokens)),
        spans,
        frozenset(changing),
        frozenset(stretching),
        _make_pieces(tokens, spans, changing, stretching | _around(tokens, stretching)),
        tuple(keyword for keyword, _ in worded),
        tuple(vr for _, vr in worded),
        tuple(reversed(numbers)),
        {keyword: texts[keyword] for keyword in kept},
        implicit,
        charset,
    )


def _is_rigid(token: Token, span: bytes) -> bool:
    """Return whether a change of a token may change how others are read (keys have their group in the low half)."""
    key = token.key
    if key in _RIGID or (key & 1 == 1 and 0x10 <= key >> 16 <= 0xFF):  # creators of private blocks
        return True
    if token.part is Part.CLOSING or _length(token, span, 0) == UNDEFINED:  # what delimiters close
        return True
    return token.part is Part.ELEMENT and key in _DESCEND  # whether its value is a sequence, its first bytes tell


def _width(token: Token) -> int:
    """Return the bytes of the length of an element, which stands right before its value."""
    return 2 if token.code and token.value - token.start == 8 else 4


def _length(token: Token, data: bytes, pos: int) -> int:
    behind = pos + token.value - token.start
    return int.from_bytes(data[behind - _width(token) : behind], "little")


def _around(tokens: Sequence[Token], stretching: Set[int]) -> set[int]:
    """Return the ranks of the beginnings and ends of what has a known length and holds a token that stretches.

    These lengths have to be followed. What a delimiter closes needs no care: the delimiter is compared.
    """
    found: set[int] = set()
    opened: list[tuple[int, bool]] = []
    nested = any(map(attrgetter("part"), tokens))
    for rank, token in enumerate(tokens) if nested and stretching else ():
        if token.part is Part.OPENING:
            opened.append((rank, rank in stretching))
            continue
        touched = rank in stretching
        if token.part is Part.CLOSING and opened:
            start, touched = opened.pop()
            if touched and token.key == END:
                found |= {start, rank}
        if touched and opened:
            opened[-1] = (opened[-1][0], True)
    return found


def _make_pieces(
    tokens: Sequence[Token], spans: Sequence[bytes], changing: Set[int], breaks: Set[int]
) -> tuple[_Piece, ...]:
    """Return how to match a header in which some tokens change and some, the breaks, do so in length."""
    pieces: list[_Piece] = []
    cuts: list[tuple[bytes, int, str]] = []
    same, first = b"", 0
    for rank in sorted(changing | breaks):
        token, span = tokens[rank], spans[rank]
        same += b"".join(spans[first:rank])
        first = rank + 1
        size, wanted = token.value - token.start, bool(token.keyword)
        if rank not in breaks and token.part is Part.ELEMENT:
            count = len(span) - size
            cuts.append((same + span[:size], count, f"{count}{'s' if wanted else 'x'}"))
        elif rank not in breaks:
            same += span
            continue
        elif token.part is Part.CLOSING:
            pieces.append(_make_piece([*cuts, (same, 0, "")], token.part))
            cuts = []
        else:
            width = _width(token)
            cuts.append((same + span[: size - width], width, "H" if width == 2 else "I"))
            pieces.append(_make_piece(cuts, token.part, wanted))
            cuts = []
        same = b""
    last = same + b"".join(spans[first:])
    return (*pieces, _make_piece([*cuts, (last, 0, "")]))


def _make_piece(cuts: Sequence[tuple[bytes, int, str]], part: Part | None = None, wanted: bool = False) -> _Piece:
    """Return a piece of bytes that stay the same, each with how many follow that do not, and how they are cut out."""
    same = struct.Struct("<" + "".join(f"{len(same)}s{count}x" for same, count, _ in cuts))
    values = struct.Struct("<" + "".join(f"{len(same)}x{how}" for same, _, how in cuts))
    return _Piece(same.unpack_from, tuple(same for same, _, _ in cuts), values.unpack_from, same.size, part, wanted)
