"""Every element of one DICOM file as rows and as JSON, with what identifies a person masked.

`read_file` touches the disk; the rest turns a pydicom dataset into values. No value longer than a mebibyte is
read (pixel data foremost), no sequence is followed deeper than `MAX_DEPTH`, and no text goes out that could
drive a terminal.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import gzip
import io
import math
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from pydicom import config, datadict, filereader
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.uid import UID

from bidsflow.dicom.identifying import identifies
from bidsflow.errors import BidsflowError, HeaderError, SourceError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Sequences inside sequences: a structured report needs some twenty, a file made to exhaust memory thousands.
MAX_DEPTH: Final = 64

#: Values that are longer, in bytes, stay on disk; sequences are read whatever their length, up to `MAX_READ`.
MAX_VALUE: Final = 2**20
MAX_READ: Final = 2**28

#: A gzip or deflate stream that grows beyond this is refused.
MAX_UNPACKED: Final = 2**32
MAX_INFLATED: Final = 2**28

MASK: Final = "***"

_BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_ITEM = "FFFE,E000"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_UNDEFINED = 0xFFFFFFFF
_WIDTHS = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8, "UV": 8, "SV": 8}
# What pydicom raises when the bytes are not what they claim to be.
_DAMAGE = (
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NotImplementedError,
    ArithmeticError,
    struct.error,
    BytesLengthException,
    InvalidDicomError,
)


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


@dataclass(frozen=True, slots=True)
class _Element:
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
        return _code(self.tag)

    @property
    def step(self) -> str:
        """How a path names this element."""
        return self.name if self.name.isalnum() else f"({self.code})"

    @property
    def is_bulk(self) -> bool:
        """Whether there is a value that was not read, or that no one reads as text."""
        return self.vr in _BULK or (self.value is None and self.length > 0 and not self.masked)


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
    for part in _parts(dataset):
        yield from _rows(part, depth=0, path="", hidden=False, identified=identified)


def to_json(dataset: Dataset, *, identified: bool = False) -> dict[str, Any]:
    """Return a dataset in the DICOM JSON model, bulk data left out.

    Parameters
    ----------
    dataset : pydicom Dataset
        As read by `read_file`, or made in memory.
    identified : bool
        Show the values that may identify a person, a place or a date.

    Returns
    -------
    document : dict
        Eight-digit tag to ``{"vr", "Value" | "InlineBinary"}``, file meta information included. To the model
        are added ``name``, ``creator`` (private elements), ``bytes`` (where the value is not in the document,
        being longer than `MAX_VALUE` or pixel data) and ``masked`` (where the value is hidden).

    Raises
    ------
    HeaderError
        If sequences are nested deeper than `MAX_DEPTH`.

    Notes
    -----
    DICOM PS3.18 annex F. Numbers keep their value, not their spelling; those that JSON has no word for (NaN,
    infinity) are text.
    """
    document: dict[str, Any] = {}
    for part in _parts(dataset):
        document |= _to_json(part, depth=0, hidden=False, identified=identified)
    return document


def parse_tag(text: str) -> str:
    """Return the tag or keyword that a user means.

    Parameters
    ----------
    text : str
        A keyword in any case (``EchoTime``), or ``0018,0081``, ``(0018,0081)``, ``00180081``.

    Returns
    -------
    wanted : str
        ``0018,0081`` for a tag, the dictionary's spelling for a keyword.

    Raises
    ------
    HeaderError
        If the dictionary has no such keyword; the reason names those that look alike.

    Examples
    --------
    >>> parse_tag("echotime"), parse_tag("(0018, 0081)"), parse_tag("7fe00010")
    ('EchoTime', '0018,0081', '7FE0,0010')
    """
    text = text.strip()
    if match := re.fullmatch(r"\(?\s*([0-9a-fA-F]{4})\s*,?\s*([0-9a-fA-F]{4})\s*\)?", text):
        return ",".join(match.groups()).upper()
    known = _keywords()
    if found := known.get(text.lower()):
        return found
    close = [known[key] for key in difflib.get_close_matches(text.lower(), known, n=3, cutoff=0.75)]
    hint = f"did you mean {' or '.join(close)}?" if close else "give a DICOM keyword or a tag such as 0018,0081"
    raise HeaderError(f"no element is called {escape(text)!r}; {hint}")


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


def select_json(document: Mapping[str, Any], wanted: frozenset[str], path: str = "") -> Iterator[dict[str, Any]]:
    """Yield the wanted elements of a document of `to_json`, each with its ``tag`` and ``path``."""
    for tag, entry in document.items():
        code = f"{tag[:4]},{tag[4:]}"
        name = str(entry.get("name", ""))
        step = path + (name if name.isalnum() else f"({code})")
        if code in wanted or name in wanted:
            yield {"path": step, "tag": tag, **entry}
        elif entry["vr"] == "SQ":
            for number, item in enumerate(entry.get("Value", ()), start=1):
                yield from select_json(item, wanted, f"{step}[{number}].")


def escape(text: str) -> str:
    r"""Replace every character that could act on a terminal or hide in a text by its code.

    Examples
    --------
    >>> print(escape("a\x1b[31mred\x07 b\u202ec"))
    a\x1b[31mred\x07 b\u202ec
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shorten(text: str, limit: int) -> str:
    """Cut a text that is longer than `limit` characters and say how long it was.

    Examples
    --------
    >>> shorten("0123456789" * 10, 32)
    '012345678901... (100 characters)'
    """
    if len(text) <= limit:
        return text
    note = f"... ({len(text)} characters)"
    return text[: max(limit - len(note), 8)] + note


def read_file(path: Path) -> tuple[Dataset, str]:
    """Read one DICOM file, gzip-compressed or not, without its pixel data.

    Parameters
    ----------
    path : Path
        What the file is called does not matter.

    Returns
    -------
    dataset : pydicom FileDataset
        Values longer than `MAX_VALUE` are absent (``None`` in the raw element).
    problem : str
        Where the file ends early but its header could be read: what is missing. Empty for a whole file.

    Raises
    ------
    SourceError
        If there is no such file, it is no DICOM, or it is too damaged to say anything about.
    """
    if not path.exists():
        raise SourceError(str(path), "there is no such file")
    if path.is_dir():
        raise SourceError(str(path), "this is a folder", "Give one DICOM file")
    if not path.is_file():
        raise SourceError(str(path), "this is not a regular file")
    try:
        with path.open("rb") as file:
            return _parse(_unpack(file))
    except BidsflowError as error:
        raise SourceError(str(path), str(error)) from None
    except OSError as error:
        raise SourceError(str(path), error.strerror or "it cannot be read") from None


class _Stream(io.RawIOBase):
    """A file of known size that never lets a false length make it reserve memory."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self.raw = raw
        self.size = size

    def read(self, count: int = -1) -> bytes:
        left = max(self.size - self.raw.tell(), 0)
        count = left if count < 0 else min(count, left)
        if count > MAX_READ:
            raise HeaderError(f"one element holds {count} bytes, more than can be read at once")
        return self.raw.read(count)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.raw.seek(offset, whence)

    def tell(self) -> int:
        return self.raw.tell()


def _unpack(file: BinaryIO) -> _Stream:
    """Look through gzip: measure what is inside without keeping it."""
    magic = file.read(2)
    file.seek(0)
    if magic != b"\x1f\x8b":
        return _Stream(file, os.fstat(file.fileno()).st_size)
    unpacked = gzip.GzipFile(fileobj=file)
    size = 0
    try:
        while chunk := len(unpacked.read(MAX_VALUE)):
            size += chunk
            if size > MAX_UNPACKED:
                raise HeaderError(f"the gzip stream holds more than {MAX_UNPACKED >> 30} GiB")
    except EOFError:
        raise HeaderError("the gzip stream is truncated") from None
    except (gzip.BadGzipFile, zlib.error):
        raise HeaderError("the gzip stream is damaged") from None
    unpacked.seek(0)
    return _Stream(cast(BinaryIO, unpacked), size)


def _parse(stream: _Stream) -> tuple[Dataset, str]:
    """Parse a stream; the second value says what the end of the file lacks."""
    head = stream.read(132 + 8)
    if not head:
        raise HeaderError("the file is empty")
    if head[128:132] != b"DICM" and not _starts_with_element(head):
        raise HeaderError("this is not a DICOM file: neither a DICM mark at byte 128 nor a first element")
    try:
        with _quiet():
            dataset, payload = _read_dataset(stream)
            problem = _missing_end(dataset, payload)
            _load_sequences(dataset, payload)
    except _DAMAGE as error:
        raise _damage(error) from None
    except RecursionError:
        raise HeaderError(_too_deep()) from None
    return dataset, problem


def _starts_with_element(head: bytes) -> bool:
    """Tell whether a file without preamble begins with an early element in either encoding."""
    if len(head) < 8:
        return False
    group, element, length = struct.unpack("<HHL", head[:8])
    return group in {0x0002, 0x0008} and element < 0x100 and (head[4:6].isalpha() or length < 0x10000)


def _read_dataset(stream: _Stream) -> tuple[Dataset, _Stream]:
    """Read a dataset, and tell which stream its offsets count in."""
    stream.seek(128)
    stream.seek(132 if stream.read(4) == b"DICM" else 0)
    meta = filereader.read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
        payload = _inflate(stream)
        body = filereader.read_dataset(payload, False, True, defer_size=MAX_VALUE)
        return FileDataset(payload, body, file_meta=meta, is_implicit_VR=False), payload
    start = stream.tell()
    stream.seek(0)
    dataset = filereader.read_partial(stream, defer_size=MAX_VALUE, force=True)
    if not dataset and start < stream.size:  # pydicom drops everything when encapsulated pixel data has no end
        stream.seek(0)
        dataset = filereader.read_partial(stream, _at_bulk, defer_size=MAX_VALUE, force=True)
    return dataset, stream


def _at_bulk(tag: int, _vr: str | None, length: int) -> bool:
    return tag >> 16 >= 0x7FE0 and length == _UNDEFINED


def _inflate(stream: _Stream) -> _Stream:
    """Unpack the deflated transfer syntax (PS3.5 A.5), within bounds."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(stream.read(), MAX_INFLATED)
    except zlib.error:
        raise HeaderError("the deflated dataset is damaged") from None
    if engine.unconsumed_tail:
        raise HeaderError(f"the deflated dataset holds more than {MAX_INFLATED >> 20} MiB")
    if not engine.eof:
        raise HeaderError("the deflated dataset is truncated")
    return _Stream(io.BytesIO(data), len(data))


def _missing_end(dataset: Dataset, stream: _Stream) -> str:
    """Say which element the file does not hold in full; ``""`` where it is whole."""
    end = -1
    for tag in dataset.keys():  # noqa: SIM118 - iterating over a dataset would decode it
        raw = dataset.get_item(tag, keep_deferred=True)
        if not isinstance(raw, RawDataElement) or raw.length == _UNDEFINED:
            end = stream.size  # it has its delimiter, or pydicom would have stumbled
            continue
        end = raw.value_tell + raw.length
        if end > stream.size:
            have = max(stream.size - raw.value_tell, 0)
            return f"the file is truncated: ({_code(tag)}) claims {raw.length} bytes, {have} are there"
    if end < 0:
        raise HeaderError("the file holds no data element, or is truncated within the first")
    stream.seek(end)
    rest = stream.read(MAX_VALUE) if end < stream.size else b""
    return f"the file is truncated: the element at byte {end} is incomplete" if rest.strip(b"\0") else ""


def _load_sequences(dataset: Dataset, stream: _Stream) -> None:
    """Read the sequences that were passed over for their length: their items may be small."""
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag, keep_deferred=True)
        if isinstance(raw, RawDataElement) and raw.value is None and raw.length and _vr_of(raw, "") == "SQ":
            stream.seek(raw.value_tell)
            dataset[tag] = raw._replace(value=stream.read(raw.length))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom from quoting values, which may be a person's, in warnings and logs."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _damage(error: BaseException) -> HeaderError:
    """Say in our words what pydicom stumbled over; its own words may quote values."""
    if isinstance(error, HeaderError):
        return error
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RecursionError):
            return HeaderError(_too_deep())
        seen = seen.__context__
    return HeaderError("the file is truncated or damaged: its elements cannot be told apart")


def _too_deep() -> str:
    return f"sequences are nested more than {MAX_DEPTH} deep, which no scanner writes"


def _code(tag: int) -> str:
    return f"{tag >> 16:04X},{tag & 0xFFFF:04X}"


def _parts(dataset: Dataset) -> tuple[Dataset, ...]:
    meta = getattr(dataset, "file_meta", None)
    return (meta, dataset) if meta else (dataset,)


def _rows(dataset: Dataset, *, depth: int, path: str, hidden: bool, identified: bool) -> Iterator[DumpRow]:
    for element in _elements(dataset, hidden=hidden, identified=identified, depth=depth):
        step = path + element.step
        row = DumpRow(
            depth,
            step,
            element.code,
            element.name,
            element.vr,
            element.length,
            "",
            element.creator,
            element.masked,
        )
        if element.items is None:
            yield _with_value(row, _text(element))
            continue
        count = len(element.items)
        yield _with_value(row, f"{count} item{'' if count == 1 else 's'}")
        below = hidden or identifies(element.tag, "SQ")
        for number, item in enumerate(element.items, start=1):
            here = f"{step}[{number}]"
            yield DumpRow(depth + 1, here, _ITEM, f"item {number}", "", -1, "")
            yield from _rows(item, depth=depth + 2, path=f"{here}.", hidden=below, identified=identified)


def _with_value(row: DumpRow, value: str) -> DumpRow:
    return DumpRow(row.depth, row.path, row.tag, row.name, row.vr, row.length, value, row.private_creator, row.masked)


def _to_json(dataset: Dataset, *, depth: int, hidden: bool, identified: bool) -> dict[str, Any]:
    document = {}
    for element in _elements(dataset, hidden=hidden, identified=identified, depth=depth):
        entry: dict[str, Any] = {"vr": element.vr, "name": element.name}
        if element.creator:
            entry["creator"] = element.creator
        if element.items is not None:
            below = hidden or identifies(element.tag, "SQ")
            entry["Value"] = [
                _to_json(item, depth=depth + 2, hidden=below, identified=identified) for item in element.items
            ]
        elif element.masked:
            entry |= {"masked": True, "bytes": element.length}
        elif element.is_bulk:
            entry |= _binary(element)
        elif values := [_json_value(value) for value in _values(element.value)]:
            entry["Value"] = values
        document[element.code.replace(",", "")] = entry
    return document


def _binary(element: _Element) -> dict[str, Any]:
    if isinstance(element.value, bytes) and element.tag >> 16 != 0x7FE0:
        return {"InlineBinary": base64.b64encode(element.value).decode()} if element.value else {}
    return {"bytes": element.length}


def _elements(dataset: Dataset, *, hidden: bool, identified: bool, depth: int) -> Iterator[_Element]:
    """Yield the elements of one dataset or item, not looking into sequences."""
    if depth > 2 * MAX_DEPTH:
        raise HeaderError(_too_deep())
    creators = _creators(dataset)
    for tag in sorted(dataset.keys()):
        creator = creators.get((tag >> 16, (tag & 0xFFFF) >> 8), "") if tag >> 16 & 1 else ""
        yield _decode(dataset, int(tag), creator, hidden=hidden, identified=identified)


def _creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    """Map (group, block) to the private creator that reserved it (PS3.5 section 7.8.1)."""
    found = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating over a dataset would decode it
        if _is_creator(tag):
            value = getattr(dataset.get_item(tag, keep_deferred=True), "value", None)
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
            found[tag >> 16, tag & 0xFF] = escape(text.strip(" \0"))
    return found


def _is_creator(tag: int) -> bool:
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def _decode(dataset: Dataset, tag: int, creator: str, *, hidden: bool, identified: bool) -> _Element:
    """Decode one element; what cannot be decoded is given as the text of its bytes."""
    stored = dataset.get_item(tag, keep_deferred=True)
    vr = _vr_of(stored, creator)
    name = _name_of(tag, creator)
    value = stored.value
    length = _length_of(stored, vr)
    if vr not in _BULK and not (value is None and length > 0):
        del stored, value  # held here, the bytes of every level of a nested sequence would pile up
        vr, value = _convert(dataset, tag, vr)
    items = tuple(value) if vr == "SQ" and isinstance(value, Sequence) else None
    seen = "\\".join(map(str, _values(value))) if vr == "UI" else ""
    doubtful = hidden or identifies(tag, vr, name=name.strip("?"), creator=creator, text=seen)
    masked = items is None and length != 0 and doubtful and not identified
    return _Element(tag, escape(vr), name, creator, length, None if masked else value, items, masked)


def _convert(dataset: Dataset, tag: int, vr: str) -> tuple[str, Any]:
    """Return the value as pydicom decodes it, and the value representation that it settled on."""
    try:
        with _quiet():
            element = dataset[tag]
        return str(element.VR), element.value
    except RecursionError:
        raise HeaderError(_too_deep()) from None
    except _DAMAGE as error:
        if vr == "SQ":
            raise _damage(error) from None
        stored = dataset.get_item(tag, keep_deferred=True)
        return vr, (stored.value or b"").decode("latin-1").rstrip(" \0")


def _vr_of(stored: Any, creator: str) -> str:
    """Return the value representation, from a dictionary where the file does not say."""
    vr = stored.VR or "UN"
    if vr == "UN":
        with contextlib.suppress(KeyError):
            if not stored.tag >> 16 & 1:
                vr = datadict.dictionary_VR(stored.tag)
            elif _is_creator(stored.tag):
                vr = "LO"
            else:
                vr = datadict.private_dictionary_VR(stored.tag, creator)
    return "OW" if vr in {"OB or OW", "US or OW", "US or SS or OW"} and _is_long(stored) else str(vr)


def _is_long(stored: Any) -> bool:
    return getattr(stored, "length", 0) > MAX_VALUE or stored.tag >> 16 == 0x7FE0


def _name_of(tag: int, creator: str) -> str:
    if tag >> 16 & 1:
        if _is_creator(tag):
            return "PrivateCreator"
        try:
            name = str(datadict.private_dictionary_description(tag, creator))
        except KeyError:
            return "?"
        return "?" if name.lower() == "unknown" else f"[{name}]"
    if tag & 0xFFFF == 0:
        return "GroupLength"
    return str(datadict.keyword_for_tag(tag)) or "?"


def _keywords() -> dict[str, str]:
    """Map every keyword in lower case to its spelling."""
    entries = (*datadict.DicomDictionary.values(), *datadict.RepeatersDictionary.values())
    return {keyword.lower(): keyword for *_, keyword in entries if keyword}


def _length_of(stored: Any, vr: str) -> int:
    """Return the length as stored; for an element that was decoded before, the length it would have."""
    if isinstance(stored, RawDataElement):
        return -1 if stored.length == _UNDEFINED else int(stored.length)
    if vr == "SQ":
        return -1
    if isinstance(stored.value, bytes):
        return len(stored.value)
    values = _values(stored.value)
    if vr in _WIDTHS:
        return _WIDTHS[vr] * len(values)
    size = len("\\".join(map(str, values)).encode("utf-8", "replace"))
    return size + size % 2


def _values(value: Any) -> tuple[Any, ...]:
    if value is None or (isinstance(value, (str, bytes)) and not value):
        return ()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) and not hasattr(value, "components"):
        return tuple(value)
    return (value,)


def _text(element: _Element) -> str:
    """Return the value of an element for people, safe for a terminal."""
    if element.is_bulk:
        size = f"{element.length} bytes" if element.length >= 0 else "encapsulated"
        return f"<{element.vr} {size}>" if element.length else ""
    if element.masked:
        return MASK
    values = _values(element.value)
    text = escape("\\".join(_number(value, element.vr) for value in values))
    if element.vr == "UI" and len(values) == 1 and (name := UID(text, config.IGNORE).name) != text:
        return f"{text} = {name}"
    return text


def _number(value: Any, vr: str) -> str:
    """Return one value as text; binary floats in the fewest digits that give the same bits."""
    if vr == "AT" and isinstance(value, int):
        return f"({value >> 16:04X},{value & 0xFFFF:04X})"
    if vr == "FL" and isinstance(value, float) and math.isfinite(value):
        with contextlib.suppress(OverflowError):
            bits = struct.pack("<f", value)
            return next(
                text
                for text in (*(f"{value:.{digits}g}" for digits in (6, 7, 8)), f"{value:.9g}")
                if struct.pack("<f", float(text)) == bits
            )
    return str(value)


def _json_value(value: Any) -> Any:
    if hasattr(value, "components"):  # a person's name: up to three spellings (PS3.5 section 6.2.1)
        spellings = ("alphabetic", "ideographic", "phonetic")
        return {key.capitalize(): text for key in spellings if (text := str(getattr(value, key)))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if hasattr(value, "is_private") and isinstance(value, int):  # a tag
        return f"{int(value):08X}"
    return int(value) if isinstance(value, int) else str(value)
