"""Read the header of a DICOM file fast: walk the elements of little-endian files by `struct`, never the pixels.

A file that this reader does not understand (big endian, odd encodings) is read by pydicom instead; what neither
understands is refused with a reason. Files compressed by gzip and deflated ones are read through.

Sources: DICOM PS3.5 section 7 (encoding of elements, sequences, items), PS3.10 section 7 (file format).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bidsflow.dicom import tags
from bidsflow.dicom.frames import merge_groups
from bidsflow.dicom.header import Header
from bidsflow.dicom.layout import HEAD_BYTES, UNDEFINED, Layout, Token, learn
from bidsflow.dicom.pick import Pick
from bidsflow.dicom.pixels import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, SIZES, count_pixel_bytes, find_pixels
from bidsflow.dicom.shared import Sharer, Variation
from bidsflow.dicom.source import FIRST_BYTES, Source, open_source
from bidsflow.dicom.tags import Element
from bidsflow.dicom.text import decode_values
from bidsflow.dicom.walk import (
    BEFORE_GROUPS,
    NotUnderstoodError,
    flatten,
    read_element,
    read_item,
    swapped,
    walk,
    want,
)
from bidsflow.digest import digest_of
from bidsflow.errors import HeaderError

#: Layouts that a reader keeps; a mixed folder has a handful of kinds of files.
_MAX_LAYOUTS: Final = 12
#: Layouts of which a reader knows what their headers have in common.
_MAX_BASES: Final = 64
_NO_PREAMBLE: Final = "no DICOM preamble"
_MISNAMED: Final = "encoded otherwise than its TransferSyntaxUID says"
#: What is odd about files that only a mended copy of makes readable for others.
MENDED: Final = frozenset({_NO_PREAMBLE, _MISNAMED})
#: Bytes that a reader reads of its first file.
_FIRST_REACH: Final = 4 * 1024
#: Files with fewer bytes are read whole where their digest is wanted: opening them twice would cost more.
DIGESTED: Final = 64 * 1024
_SHARED, _FRAMES = swapped(tags.SHARED_GROUPS), swapped(tags.FRAME_GROUPS)
_META = want({0x00020002: Element("MediaClass", "UI"), 0x00020010: Element("TransferSyntaxUID", "UI")})
_TOP, _NESTED = want(tags.TOP, tags.PRIVATE), want(tags.FUNCTIONAL, tags.FUNCTIONAL_PRIVATE)
_BLOBS, _NESTED_BLOBS, _NOTHING = want(tags.BLOBS), want(tags.FUNCTIONAL_BLOBS), want()


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the data set of a file is written.

    Attributes
    ----------
    start : int
        Offset of its first element.
    implicit : bool
        Whether elements have no value representation.
    syntax : str
        TransferSyntaxUID.
    media_class : str
        The class that the file says it stores.
    meta : tuple of Token
        The elements of the meta information.
    """

    start: int
    implicit: bool
    syntax: str
    media_class: str
    meta: tuple[Token, ...]


@dataclass(slots=True)
class Reader:
    """Reads headers, and remembers how the last ones were laid out.

    Attributes
    ----------
    files : dict of (int, bool) to list of Layout
        Those of the last files, the latest first, by where they begin and whether they begin in the explicit encoding.
    groups : dict of (int, bool, bool) to list of Layout
        Those of the last items of the shared and of the per-frame functional groups, by tag, whether a delimiter closes
        them, and whether they are implicit.
    reach : int
        Bytes to read at once: as far as headers have been read so far.
    sharer : Sharer
        Has what headers have in common.
    bases : dict of Layout to dict
        What headers of a layout are variations of.
    sizes : Pick
        Takes what says how many bytes the pixels have.
    """

    files: dict[tuple[int, bool], list[Layout]] = field(default_factory=dict)
    groups: dict[tuple[int, bool, bool], list[Layout]] = field(default_factory=dict)
    reach: int = _FIRST_REACH
    sharer: Sharer = field(default_factory=Sharer)
    bases: dict[Layout, dict[str, str]] = field(default_factory=dict)
    sizes: Pick = field(default_factory=lambda: Pick(*SIZES))

    def read(self, path: str) -> Header:
        """Return the header of a file; see `read_with_digest`."""
        return self.read_with_digest(path, 0)[0]

    def read_with_digest(self, path: str, most: int = DIGESTED) -> tuple[Header, bytes]:
        """Return the header of a file, and the digest of all its bytes.

        Parameters
        ----------
        path : str
            A DICOM file, with or without extension, plain or compressed by gzip.
        most : int
            Of files of so many bytes or more, and of compressed ones, the digest is empty.

        Raises
        ------
        HeaderError
            If the file is empty, is not DICOM, or ends inside its header.
        OSError
            If the file cannot be opened.
        """
        with open_source(path, max(self.reach, most)) as source:
            digest = digest_of(source.data) if source.is_all and source.size < most else b""
            try:
                return self._read_fast(source), digest
            except NotUnderstoodError:
                from bidsflow.dicom.fallback import read_slowly

                return read_slowly(source), digest

    def _read_fast(self, source: Source) -> Header:
        start = _start(source.data)
        explicit = source.data[start + 4 : start + 6] in HEAD_BYTES
        layouts = self.files.setdefault((start, explicit), [])
        found = _recall(layouts, source.data, start, lambda layout, own, end: _ends(source, end, layout.texts, own))
        problems: tuple[str, ...] = ()
        if found is not None:
            layout, own, end = found
            if (varied := self._vary(layout, own)) is not None:
                problems = () if start else (_NO_PREAMBLE,)
                return Header(varied, find_pixels(source, end, layout.implicit, self._need(varied)), problems)
            texts, implicit = layout.texts | own, layout.implicit
        else:
            source, encoding = read_encoding(source)
            implicit = encoding.implicit
            tokens, end = walk(source, encoding.start, implicit, _TOP, None)
            texts, problems = _decode(source.data, tokens)
            if not start and not texts:
                raise HeaderError("not DICOM")
            texts |= {"TransferSyntaxUID": encoding.syntax, "MediaClass": encoding.media_class}
            # What follows the meta information tells how it is encoded; a layout without it would not compare that.
            if tokens and not problems and _is_plain(encoding, source.data):
                charset = texts.get("SpecificCharacterSet", "")
                _remember(layouts, source.data, (*encoding.meta, *tokens), texts, implicit=implicit, charset=charset)
            problems += (_MISNAMED,) if encoding.syntax == IMPLICIT and not implicit else ()
            self.reach = max(self.reach, min(end + 8, FIRST_BYTES))
        media_class = texts.pop("MediaClass", "")
        if "NumberOfFrames" in texts:
            charset = texts.get("SpecificCharacterSet", "")
            shared, frames, end = self._read_groups(source, end, implicit, charset)
            texts = merge_groups(texts, shared, frames)
        texts.setdefault("SOPClassUID", media_class)
        problems += () if start else (_NO_PREAMBLE,)
        return Header(self._share(texts), find_pixels(source, end, implicit, self._need(texts)), problems)

    def _need(self, texts: Mapping[str, str]) -> int:
        return count_pixel_bytes(*self.sizes.of(texts))

    def _share(self, texts: Mapping[str, str]) -> dict[str, str] | Variation:
        return self.sharer.share(dict(sorted(texts.items())))  # headers of one kind come in many orders

    def _vary(self, layout: Layout, own: dict[str, str]) -> Variation | None:
        """Return the values of a single-frame header without looking at those that stay; None where that is not all."""
        base = self.bases.get(layout)
        if base is None:
            texts = layout.texts | own
            texts.pop("MediaClass", None)
            if "NumberOfFrames" in texts or "SOPClassUID" not in texts:
                return None
            base = dict(sorted(texts.items()))
            if len(self.bases) >= _MAX_BASES:
                self.bases.clear()
            self.bases[layout] = base
        own.pop("MediaClass", None)
        return Variation(base, {key: text for key, text in own.items() if text != base[key]})

    def _read_groups(
        self, source: Source, pos: int, implicit: bool, charset: str
    ) -> tuple[list[dict[str, str]], list[dict[str, str]], int]:
        """Return the values of the shared and per-frame functional groups at an offset, and the offset behind them."""
        found: dict[int, list[dict[str, str]]] = {_SHARED: [], _FRAMES: []}
        while pos + 8 <= source.size:
            key, code, length, start = read_element(source, pos, implicit)
            if key & 0xFFFF != 0x5200:
                break
            end = start + length if length != UNDEFINED else 0
            plain = implicit or code == b"UN"
            if key in found:
                found[key], pos = self._read_items(source, key, start, end, plain, charset)
            else:
                pos = end or walk(source, pos, implicit, _NOTHING, 0x5200)[1]
        return found[_SHARED], found[_FRAMES], pos

    def _read_items(
        self, source: Source, group: int, pos: int, end: int, implicit: bool, charset: str
    ) -> tuple[list[dict[str, str]], int]:
        """Return the values of each item of a sequence that ends at an offset (0: at its delimiter)."""
        items: list[dict[str, str]] = []
        while not end or pos < end:
            item = read_item(source, pos)
            if item is None:
                if end:
                    raise NotUnderstoodError("a sequence of known length has a delimiter")
                return items, pos + 8
            texts, pos = self._read_one(source, group, *item, implicit, charset)
            items.append(texts)
        if pos > end:
            raise NotUnderstoodError("an item is longer than its sequence")
        return items, pos

    def _read_one(
        self, source: Source, group: int, pos: int, end: int, implicit: bool, charset: str
    ) -> tuple[dict[str, str], int]:
        """Return the values of one item that ends at an offset (0: at its delimiter)."""
        data = source.grow(end) if end > len(source.data) else source.data
        layouts = self.groups.setdefault((group, end == 0, implicit), [])
        found = _recall(
            layouts, data, pos, lambda layout, own, behind: layout.charset == charset and behind == (end or behind)
        )
        if found is not None:
            return found[0].texts | found[1], found[2]
        tokens, behind = flatten(source, pos, end, implicit, _NESTED)
        texts, problems = _decode(source.data, tokens, charset)
        if not problems:
            _remember(layouts, source.data, tokens, texts, implicit=implicit, charset=charset)
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
            source, encoding = read_encoding(source)
            tokens, pos = walk(source, encoding.start, encoding.implicit, _BLOBS, BEFORE_GROUPS)
            if source.size - pos > 8:
                key, code, length, start = read_element(source, pos, encoding.implicit)
                if key == _SHARED and length and (item := read_item(source, start)) is not None:
                    plain = encoding.implicit or code == b"UN"
                    tokens += flatten(source, *item, plain, _NESTED_BLOBS)[0]
        except NotUnderstoodError:
            return {}
        return {token.keyword: source.data[token.value : token.end] for token in tokens if token.keyword}


def read_encoding(source: Source) -> tuple[Source, Encoding]:
    """Return how a file is encoded, and its bytes with a deflated data set inflated.

    Source: PS3.10 section 7.1.

    Raises
    ------
    HeaderError
        If the bytes are not DICOM.
    NotUnderstoodError
        If the transfer syntax is not little endian.
    """
    data = source.data
    start = _start(data)
    meta: list[Token] = []
    if data[start : start + 2] == b"\x02\x00" and data[start + 4 : start + 6] in HEAD_BYTES:
        meta, start = walk(source, start, False, _META, 0x0002)
    elif not start and not (data[:2] == b"\x08\x00" and data[3:4] in (b"\0", b"\x10")):
        raise HeaderError("not DICOM")
    texts = _decode(source.data, meta)[0]
    syntax = texts.get("TransferSyntaxUID", "")
    if syntax == BIG_ENDIAN:
        raise NotUnderstoodError(syntax)
    if syntax == DEFLATED:
        source = source.inflate_from(start)
    explicit = source.at(start + 4, 2) in HEAD_BYTES
    # The first element tells, where the meta information was left as it was before the data set was rewritten.
    implicit = not explicit or (syntax == IMPLICIT and not _looks_explicit(source, start))
    syntax = syntax or (IMPLICIT if implicit else EXPLICIT)
    return source, Encoding(start, implicit, syntax, texts.get("MediaClass", ""), tuple(meta))


def _start(data: bytes) -> int:
    """Return where the first element stands: behind the preamble (PS3.10 section 7.1), which some files lack."""
    return 132 if data.startswith(b"DICM", 128) else 0


def _is_plain(encoding: Encoding, data: bytes) -> bool:
    """Return whether the bytes of a file and of its first elements' heads alone tell how it is encoded."""
    explicit = data[encoding.start + 4 : encoding.start + 6] in HEAD_BYTES
    return encoding.syntax != DEFLATED and not (explicit and encoding.syntax == IMPLICIT)


def _recall(
    layouts: list[Layout], data: bytes, pos: int, fits: Callable[[Layout, Mapping[str, str], int], bool]
) -> tuple[Layout, dict[str, str], int] | None:
    """Return the layout of a header at an offset, what it has beside that, and its end; the layout is put first."""
    for layout in layouts:
        found = layout.match(data, pos)
        if found is not None and fits(layout, *found):
            if layouts[0] is not layout:
                layouts.remove(layout)
                layouts.insert(0, layout)
            return layout, *found
    wider = layouts[0].widen(data, pos) if layouts else None
    found = wider.match(data, pos) if wider is not None else None
    if wider is not None and found is not None and fits(wider, *found):
        layouts[0] = wider
        return wider, *found
    return None


def _remember(
    layouts: list[Layout],
    data: bytes,
    tokens: Sequence[Token],
    texts: Mapping[str, str],
    *,
    implicit: bool,
    charset: str,
) -> None:
    """Put the layout of a header that was walked first, widened where one of the same elements is known."""
    keys = tuple(token.key for token in tokens)
    for layout in layouts:
        wider = layout.widen(data, tokens[0].start) if (layout.keys, layout.charset) == (keys, charset) else None
        if wider is not None:
            layouts.remove(layout)
            layouts.insert(0, wider)
            return
    learned = learn(data, tokens, texts, implicit=implicit, charset=charset)
    if learned is not None:
        layouts[:] = [learned, *layouts[: _MAX_LAYOUTS - 1]]


def _looks_explicit(source: Source, start: int) -> bool:
    """Return whether the second element follows the first as the explicit encoding has it."""
    try:
        key, _, length, value = read_element(source, start, False)
        following = source.at(value + length, 6)
    except HeaderError:
        return False
    return following[4:6] in HEAD_BYTES and int.from_bytes(following[:2], "little") >= key & 0xFFFF


def _decode(data: bytes, tokens: Sequence[Token], charset: str = "") -> tuple[dict[str, str], tuple[str, ...]]:
    return decode_values([(t.keyword, t.vr, data[t.value : t.end]) for t in tokens if t.keyword], charset)


def _ends(source: Source, pos: int, texts: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Return whether nothing wanted follows what a layout matched."""
    if "NumberOfFrames" in texts or "NumberOfFrames" in own:
        return _stops(source, pos, BEFORE_GROUPS)
    return _stops(source, pos, tags.last_group(texts.get("Manufacturer", "")))  # the maker is the same in a layout


def _stops(source: Source, pos: int, last: int) -> bool:
    """Return whether a walk up to a group would end at an offset."""
    head = source.at(pos, 8)
    if len(head) < 8:
        return pos == source.size
    return int.from_bytes(head[:2], "little") > last
