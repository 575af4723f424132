"""Read the header of a DICOM file fast: walk the elements of little-endian files by `struct`, never the pixels.

A file that this reader does not understand (big endian, deflated, odd encodings) is read by pydicom instead; what
neither understands is refused with a reason. Files compressed by gzip are read through.

Sources: DICOM PS3.5 section 7 (encoding of elements, sequences, items), PS3.10 section 7 (file format).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bidsflow.dicom import tags
from bidsflow.dicom.frames import summarise_frames
from bidsflow.dicom.header import Header
from bidsflow.dicom.layout import HEAD_BYTES, UNDEFINED, Layout, Token, learn
from bidsflow.dicom.tags import Element
from bidsflow.dicom.text import decode_values
from bidsflow.errors import HeaderError

FIRST_BYTES: Final = 32 * 1024
#: Sequences nested deeper than this are taken for an attack: no honest object nests deeper than about ten.
MAX_DEPTH: Final = 32
#: No honest header is longer; a gzip file that grows beyond `MAX_INFLATED` is refused as a bomb.
MAX_HEADER: Final = 512 * 1024 * 1024
MAX_INFLATED: Final = 2 * 1024 * 1024 * 1024

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_NOT_LITTLE = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")  # big endian, deflated


def _swapped(tag: int) -> int:
    """Return a tag as it reads when its four bytes are taken for one little-endian number."""
    return (tag >> 16) | ((tag & 0xFFFF) << 16)


def _wanted(*tables: Mapping[int, Element]) -> dict[int, Element]:
    return {_swapped(tag): element for table in tables for tag, element in table.items()}


_ITEM, _ITEM_END, _SEQUENCE_END = (_swapped(tag) for tag in (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD))
_PIXELS = frozenset(_swapped(tag) for tag in (tags.PIXEL_DATA, *tags.FLOAT_PIXEL_DATA))
_SHARED, _FRAMES = _swapped(tags.SHARED_GROUPS), _swapped(tags.FRAME_GROUPS)
_META = {
    _swapped(0x00020002): Element("MediaClass", "UI"),
    _swapped(0x00020010): Element("TransferSyntaxUID", "UI"),
}
_TOP, _NESTED = _wanted(tags.TOP, tags.PRIVATE), _wanted(tags.FUNCTIONAL, tags.FUNCTIONAL_PRIVATE)
_BLOBS, _NESTED_BLOBS = _wanted(tags.BLOBS), _wanted(tags.FUNCTIONAL_BLOBS)
_DESCEND = frozenset(_swapped(tag) for tag in tags.DESCEND)
_BEFORE_GROUPS: Final = 0x51FF  # functional groups stand in 5200 and have a way of their own
_MANUFACTURER, _N_FRAMES = _swapped(0x00080070), _swapped(0x00280008)

_head = struct.Struct("<I2sH").unpack_from
_head_implicit = struct.Struct("<II").unpack_from
_u32 = struct.Struct("<I").unpack_from


class NotUnderstoodError(Exception):
    """The fast path does not understand the file; pydicom may."""


@dataclass(slots=True)
class Source:
    """The bytes of one file, read as far as they were needed.

    Attributes
    ----------
    fd : int
        Open file.
    size : int
        Bytes of the file, after decompression.
    data : bytes
        The first bytes, at least as many as were asked for.
    whole : bool
        True where `data` is all there is.
    """

    fd: int
    size: int
    data: bytes
    whole: bool = False

    def grow(self, to: int) -> bytes:
        """Read up to an offset at least and return all bytes read so far.

        Raises
        ------
        HeaderError
            If the file ends before it.
        """
        if to > self.size or self.whole:
            raise HeaderError(f"the file ends inside its header (after {self.size} bytes)")
        if to > MAX_HEADER:
            raise HeaderError(f"the header is longer than {MAX_HEADER >> 20} MiB")
        want = min(self.size, max(to, 4 * len(self.data)))
        while len(self.data) < want:
            more = os.pread(self.fd, want - len(self.data), len(self.data))
            if not more:
                raise HeaderError(f"the file ends inside its header (after {len(self.data)} bytes)")
            self.data += more
        return self.data

    def at(self, offset: int, count: int) -> bytes:
        """Return a few bytes anywhere in the file."""
        if self.whole or offset + count <= len(self.data):
            return self.data[offset : offset + count]
        return os.pread(self.fd, count, offset)


@dataclass(slots=True)
class Reader:
    """Reads headers, and remembers how the last ones were laid out.

    Attributes
    ----------
    layouts : list of Layout
        Those of the last files, the latest first.
    groups : dict of int to Layout
        Those of the last items of the shared and of the per-frame functional groups, by tag.
    """

    layouts: list[Layout] = field(default_factory=list)
    groups: dict[int, Layout | None] = field(default_factory=dict)

    def read(self, path: str) -> Header:
        """Return the header of a file.

        Parameters
        ----------
        path : str
            A DICOM file, with or without extension, plain or compressed by gzip.

        Raises
        ------
        HeaderError
            If the file is empty, is not DICOM, or ends inside its header.
        OSError
            If the file cannot be opened.
        """
        with open_source(path) as source:
            try:
                return self._read_fast(source)
            except NotUnderstoodError:
                from bidsflow.dicom.fallback import read_slowly

                return read_slowly(source)

    def _read_fast(self, source: Source) -> Header:
        meta, start, preamble = read_meta(source)
        implicit = meta["TransferSyntaxUID"] == IMPLICIT
        texts, problems, end = self._top(source, start, implicit)
        if not preamble and not texts:
            raise HeaderError("not DICOM")
        if "NumberOfFrames" in texts:
            groups, end = self._read_groups(source, end, implicit)
            texts = groups | {key: text for key, text in texts.items() if text}
        texts["TransferSyntaxUID"] = meta["TransferSyntaxUID"]
        texts.setdefault("SOPClassUID", meta["MediaClass"])
        problems += () if preamble else ("no DICOM preamble",)
        return Header(texts, _pixels(source, end, implicit, texts), problems)

    def _top(self, source: Source, start: int, implicit: bool) -> tuple[dict[str, str], tuple[str, ...], int]:
        """Return the values of the top level, what was odd about them, and the offset behind them."""
        for layout in self.layouts:
            matched = layout.match(source.data, start, implicit)
            if matched is not None and _ends(source, matched[1], matched[0]):
                return matched[0], (), matched[1]
        tokens, end = _walk(source, start, implicit, _TOP, None)
        texts, problems = _decode(source.data, tokens)
        if not problems and tokens:
            self._remember(source.data, tokens, texts)
        return texts, problems, end

    def _remember(self, data: bytes, tokens: Sequence[Token], texts: Mapping[str, str]) -> None:
        keys = tuple(token.key for token in tokens)
        before = next((layout for layout in self.layouts if layout.keys == keys), None)
        layout = learn(data, tokens, texts, before)
        kept = [one for one in self.layouts if one is not before]
        self.layouts[:] = ([layout] if layout else []) + kept[:7]

    def _read_groups(self, source: Source, pos: int, implicit: bool) -> tuple[dict[str, str], int]:
        """Return the summary of the functional groups that begin at an offset, and the offset behind them."""
        found: dict[int, list[dict[str, str]]] = {_SHARED: [], _FRAMES: []}
        while pos + 8 <= source.size:
            key, length, start = _element(source, pos, implicit)
            if key & 0xFFFF != 0x5200:
                break
            pos = start + length if length != UNDEFINED else 0
            if key in found:
                found[key], pos = self._items(source, key, start, pos, implicit)
            elif not pos:
                pos = _sequence_end(source, start, implicit, 0)
        return summarise_frames(found[_SHARED], found[_FRAMES]) if found[_FRAMES] else {}, pos

    def _items(
        self, source: Source, group: int, pos: int, end: int, implicit: bool
    ) -> tuple[list[dict[str, str]], int]:
        """Return the values of each item of a sequence that ends at an offset (0: at its delimiter)."""
        items = []
        while not end or pos < end:
            key, length = _head_implicit(_bytes_for(source, pos + 8), pos)
            pos += 8
            if key == _SEQUENCE_END and not end:
                break
            if key != _ITEM:
                raise NotUnderstoodError("an item was expected in a sequence")
            behind = 0 if length == UNDEFINED else pos + length
            texts, pos = self._item(source, group, pos, behind, implicit)
            items.append(texts)
        return items, pos

    def _item(self, source: Source, group: int, pos: int, end: int, implicit: bool) -> tuple[dict[str, str], int]:
        known = self.groups.get(group)
        if known is not None:
            matched = known.match(source.data, pos, implicit)
            if matched is not None and matched[1] == (end or matched[1]):
                return matched
        tokens, behind = _flatten(source, pos, end, implicit, _NESTED)
        texts, problems = _decode(source.data, tokens)
        self.groups[group] = None if problems else learn(source.data, tokens, texts, known)
        return texts, behind


def read_header(path: str) -> Header:
    """Return the header of one file; see `Reader.read`."""
    return Reader().read(path)


def read_blobs(path: str) -> dict[str, bytes]:
    """Return the makers' protocol dumps of a file (`tags.BLOBS`), by keyword; empty where there is none.

    Raises
    ------
    HeaderError
        If the file is empty, is not DICOM, or ends inside its header.
    OSError
        If the file cannot be opened.
    """
    with open_source(path) as source:
        try:
            meta, start, _ = read_meta(source)
            implicit = meta["TransferSyntaxUID"] == IMPLICIT
            tokens, pos = _walk(source, start, implicit, _BLOBS, _BEFORE_GROUPS)
            if source.size - pos > 8 and _element(source, pos, implicit)[0] == _SHARED:
                first = _element(source, pos, implicit)[2] + 8
                tokens += _flatten(source, first, 0, implicit, _NESTED_BLOBS, only_first=True)[0]
        except NotUnderstoodError:
            return {}
        return {token.keyword: source.data[token.value : token.end] for token in tokens if token.keyword}


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file for reading, through gzip where its first bytes say so.

    Raises
    ------
    HeaderError
        If the file is empty or its gzip stream is broken.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(fd, FIRST_BYTES, 0)
        if not data:
            raise HeaderError("empty file")
        if data[:2] == b"\x1f\x8b":
            inflated = _inflate(os.pread(fd, os.fstat(fd).st_size, 0))
            yield Source(fd, len(inflated), inflated, whole=True)
        elif len(data) < FIRST_BYTES:
            yield Source(fd, len(data), data, whole=True)
        else:
            yield Source(fd, os.fstat(fd).st_size, data)
    finally:
        os.close(fd)


def _inflate(compressed: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(compressed, MAX_INFLATED)
    except zlib.error as error:
        raise HeaderError("a gzip file that does not decompress") from error
    if stream.unconsumed_tail:
        raise HeaderError(f"a gzip file that grows beyond {MAX_INFLATED >> 30} GiB")
    if not stream.eof:
        raise HeaderError("a gzip file that ends too early")
    if not data:
        raise HeaderError("an empty file inside gzip")
    return data


def read_meta(source: Source) -> tuple[dict[str, str], int, bool]:
    """Return class and transfer syntax, the offset of the data set, and whether there is a preamble.

    Source: PS3.10 section 7.1.

    Raises
    ------
    HeaderError
        If the bytes are not DICOM.
    NotUnderstoodError
        If the transfer syntax is not little endian.
    """
    data = source.data
    preamble = data[128:132] == b"DICM"
    start = 132 if preamble else 0
    meta = {"MediaClass": "", "TransferSyntaxUID": ""}
    if data[start : start + 2] == b"\x02\x00" and data[start + 4 : start + 6] in HEAD_BYTES:
        tokens, start = _walk(source, start, False, _META, 0x0002)
        meta |= _decode(source.data, tokens)[0]
    elif not preamble and not (data[:2] == b"\x08\x00" and data[3:4] in (b"\0", b"\x10")):
        raise HeaderError("not DICOM")
    if meta["TransferSyntaxUID"] in _NOT_LITTLE:
        raise NotUnderstoodError(meta["TransferSyntaxUID"])
    if not meta["TransferSyntaxUID"]:  # the encoding shows in the first element
        explicit = source.at(start + 4, 2) in HEAD_BYTES
        meta["TransferSyntaxUID"] = EXPLICIT if explicit else IMPLICIT
    return meta, start, preamble


def maker(manufacturer: str) -> str:
    """Return the short name of a maker: ``SIEMENS``, ``GE``, ``PHILIPS``, ``UIH`` or ``""``."""
    name = manufacturer.upper()
    return next((short for short in ("SIEMENS", "GE", "PHILIPS", "UIH") if name.startswith(short)), "")


def _decode(data: bytes, tokens: Sequence[Token]) -> tuple[dict[str, str], tuple[str, ...]]:
    return decode_values([(t.keyword, t.vr, data[t.value : t.end]) for t in tokens if t.keyword])


def _decoding(vr: bytes, element: Element) -> str:
    """Return the value representation to decode by: the file's own where it names one that fits, else the table's."""
    return element.vr if vr in (b"", b"UN", b"OB", b"OW", b"SQ") else vr.decode()


def _element(source: Source, pos: int, implicit: bool) -> tuple[int, int, int]:
    """Return tag, length and offset of the value of one element."""
    data = _bytes_for(source, pos + 8)
    if implicit:
        key, length = _head_implicit(data, pos)
        return key, length, pos + 8
    key, vr, length = _head(data, pos)
    head = HEAD_BYTES.get(vr)
    if head is None:
        raise NotUnderstoodError(f"value representation {vr!r}")
    if head == 12:
        length = _u32(_bytes_for(source, pos + 12), pos + 8)[0]
    return key, length, pos + head


def _walk(
    source: Source, pos: int, implicit: bool, wanted: Mapping[int, Element], last: int | None
) -> tuple[list[Token], int]:
    """Return the elements from an offset on, up to a group, and the offset of the first element beyond it.

    `last` None means: as far as the maker's files need to be read (`tags.LAST_GROUP`), functional groups excluded.
    """
    tokens: list[Token] = []
    creators: dict[int, str] = {}
    data = source.data
    stop = tags.LAST_GROUP[""] if last is None else last
    while pos < source.size:
        try:
            if implicit:
                key, length = _head_implicit(data, pos)
                vr, start = b"", pos + 8
            else:
                key, vr, length = _head(data, pos)
                if key & 0xFFFF > stop:
                    break
                start = pos + HEAD_BYTES[vr]
                if start == pos + 12:
                    length = _u32(data, pos + 8)[0]
        except struct.error:
            data = source.grow(pos + 12)
            continue
        except KeyError as error:
            raise NotUnderstoodError(f"value representation {vr!r}") from error
        if key & 0xFFFF > stop:
            break
        end = start + length if length != UNDEFINED else _sequence_end(source, start, implicit or vr == b"UN", 0)
        element = wanted.get(key)
        if element is not None or (key & 1 and 0x10 <= key >> 16 <= 0xFF):
            data = _bytes_for(source, end)
            element = _own(key, element, creators, data[start:end])
        if element is None:
            tokens.append(Token(key, pos, start, end))
        else:
            tokens.append(Token(key, pos, start, end, element.keyword, _decoding(vr, element)))
            if last is None and key in (_MANUFACTURER, _N_FRAMES):
                stop = _last_group(key, data[start:end])
        pos = end
    if pos > source.size:
        raise HeaderError(f"the file ends inside its header (after {source.size} bytes)")
    return tokens, pos


def _own(key: int, element: Element | None, creators: dict[int, str], value: bytes) -> Element | None:
    """Return the element if it is what its tag says; note the creators of private blocks (PS3.5 section 7.8.1).

    Blocks other than the usual one are not followed: no scanner that was seen moves them, and an element that is
    missed is only missing evidence, while one that is misread would be false evidence.
    """
    if element is None:
        creators[key] = value.strip(b"\0 ").decode("latin-1")
        return None
    if element.creator:
        block = key & 0xFFFF | (key >> 24) << 16
        return element if creators.get(block) == element.creator else None
    return element


def _last_group(key: int, value: bytes) -> int:
    """Return the last group to read, knowing the maker, or that functional groups follow."""
    return _BEFORE_GROUPS if key == _N_FRAMES else tags.LAST_GROUP[maker(value.decode("latin-1"))]


def _ends(source: Source, pos: int, texts: Mapping[str, str]) -> bool:
    """Return whether nothing wanted follows what a layout matched."""
    head = source.at(pos, 2)
    if len(head) < 2:
        return pos == source.size
    last = _BEFORE_GROUPS if "NumberOfFrames" in texts else tags.LAST_GROUP[maker(texts.get("Manufacturer", ""))]
    return int.from_bytes(head, "little") > last


def _flatten(
    source: Source,
    pos: int,
    end: int,
    implicit: bool,
    wanted: Mapping[int, Element],
    *,
    only_first: bool = False,
) -> tuple[list[Token], int]:
    """Return every element of one item, those of nested sequences in line, and the offset behind the item.

    `end` is where the item ends, 0 where a delimiter closes it. Wanted are elements at the item's own level and inside
    the sequences of `tags.DESCEND`. `stack` holds, for each open sequence or item, where it ends, whether its
    elements are wanted, and whether its elements are implicit.
    """
    tokens: list[Token] = []
    creators: dict[int, str] = {}
    stack: list[tuple[int, bool, bool]] = [(end, True, implicit)]
    while stack:
        limit, inside, plain = stack[-1]
        if limit and pos >= limit:
            stack.pop()
            continue
        data = _bytes_for(source, pos + 8)
        key = _u32(data, pos)[0]
        if key in (_ITEM, _ITEM_END, _SEQUENCE_END):
            length = _u32(data, pos + 4)[0]
            tokens.append(Token(key, pos, pos + 8, pos + 8, head_only=True))
            pos += 8
            if key == _ITEM:
                stack.append((0 if length == UNDEFINED else pos + length, inside, plain))
            elif stack:
                stack.pop()
            continue
        key, length, start = _element(source, pos, plain)
        vr = b"" if plain else source.data[pos + 4 : pos + 6]
        if vr == b"SQ" or length == UNDEFINED:
            if len(stack) > MAX_DEPTH:
                raise HeaderError(f"sequences nested deeper than {MAX_DEPTH}")
            tokens.append(Token(key, pos, start, start, head_only=True))
            stack.append(
                (
                    0 if length == UNDEFINED else start + length,
                    inside and key in _DESCEND,
                    plain or vr == b"UN",
                )
            )
            pos = start
            continue
        behind = start + length
        element = wanted.get(key) if inside else None
        if element is not None or (key & 1 and 0x10 <= key >> 16 <= 0xFF):
            element = _own(key, element, creators, _bytes_for(source, behind)[start:behind])
        keyword, code = (element.keyword, _decoding(vr, element)) if element else ("", "")
        tokens.append(Token(key, pos, start, behind, keyword, code))
        pos = behind
    return tokens, pos


def _sequence_end(source: Source, pos: int, implicit: bool, depth: int) -> int:
    """Return the offset behind a sequence of undefined length (PS3.5 section 7.5.2)."""
    if depth > MAX_DEPTH:
        raise HeaderError(f"sequences nested deeper than {MAX_DEPTH}")
    while True:
        key, length = _head_implicit(_bytes_for(source, pos + 8), pos)
        pos += 8
        if key == _SEQUENCE_END:
            return pos
        if key != _ITEM:
            raise NotUnderstoodError("an item was expected in a sequence")
        pos = pos + length if length != UNDEFINED else _item_end(source, pos, implicit, depth)


def _item_end(source: Source, pos: int, implicit: bool, depth: int) -> int:
    """Return the offset behind an item of undefined length."""
    while True:
        data = _bytes_for(source, pos + 8)
        if _u32(data, pos)[0] == _ITEM_END:
            return pos + 8
        _, length, start = _element(source, pos, implicit)
        unknown = not implicit and data[pos + 4 : pos + 6] == b"UN"
        if length == UNDEFINED:
            pos = _sequence_end(source, start, implicit or unknown, depth + 1)
        else:
            pos = start + length


def _bytes_for(source: Source, to: int) -> bytes:
    return source.data if to <= len(source.data) else source.grow(to)


def _pixels(source: Source, pos: int, implicit: bool, texts: Mapping[str, str]) -> str:
    """Return whether the pixel data is ``complete``, ``truncated`` or ``absent``."""
    need = _pixel_bytes(texts)
    head = 8 if implicit else 12
    start = source.size - need - head
    if need and start >= pos and texts["TransferSyntaxUID"] in (IMPLICIT, EXPLICIT):
        found = source.at(start, head)  # the usual case: the file ends with its pixels
        if found[:4] == b"\xe0\x7f\x10\x00" and found[-4:] == need.to_bytes(4, "little"):
            return "complete"
    try:
        _, pos = _walk(source, pos, implicit, {}, 0x7FDF)
        while pos < source.size:
            data = _bytes_for(source, pos + head)
            key, length = _head_implicit(data, pos)
            length = length if implicit else _u32(data, pos + 8)[0]
            if key in _PIXELS:
                return _pixel_state(source, pos + head, length, need)
            if key & 0xFFFF > 0x7FE0:
                break
            pos += head + length
    except HeaderError:
        return "truncated"
    return "absent"


def _pixel_state(source: Source, start: int, length: int, need: int) -> str:
    if length == UNDEFINED:  # encapsulated: a delimiter closes the fragments (PS3.5 section A.4)
        closed = source.at(source.size - 8, 4) == b"\xfe\xff\xdd\xe0"
        return "complete" if closed else "truncated"
    return "complete" if start + length <= source.size and length >= need else "truncated"


def _pixel_bytes(texts: Mapping[str, str]) -> int:
    """Return how many bytes the uncompressed pixels take, 0 where the header does not say; always even (PS3.5 8.1.1)."""
    if texts["TransferSyntaxUID"] not in (IMPLICIT, EXPLICIT):
        return 0
    try:
        rows, columns, bits = (int(texts[key]) for key in ("Rows", "Columns", "BitsAllocated"))
        samples, frames = int(texts.get("SamplesPerPixel") or 1), int(texts.get("NumberOfFrames") or 1)
    except (KeyError, ValueError):
        return 0
    count = (rows * columns * samples * frames * bits + 7) // 8
    return count + count % 2
