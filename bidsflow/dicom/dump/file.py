"""One DICOM file to a pydicom dataset, without its pixel data and within bounds."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from pydicom import filereader
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset

from bidsflow.dicom.dump.element import vr_of
from bidsflow.dicom.dump.limits import (
    DAMAGE,
    MAX_INFLATED,
    MAX_READ,
    MAX_UNPACKED,
    MAX_VALUE,
    UNDEFINED,
    name_damage,
    quiet,
    too_deep,
)
from bidsflow.dicom.dump.tag import code_of
from bidsflow.errors import BidsflowError, HeaderError, SourceError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_DEFLATED = "1.2.840.10008.1.2.1.99"


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
        with quiet():
            dataset, payload = _read_dataset(stream)
            problem = _missing_end(dataset, payload)
            _load_sequences(dataset, payload)
    except DAMAGE as error:
        raise name_damage(error) from None
    except RecursionError:
        raise HeaderError(too_deep()) from None
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
    return tag >> 16 >= 0x7FE0 and length == UNDEFINED


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
        if not isinstance(raw, RawDataElement) or raw.length == UNDEFINED:
            end = stream.size  # it has its delimiter, or pydicom would have stumbled
            continue
        end = raw.value_tell + raw.length
        if end > stream.size:
            have = max(stream.size - raw.value_tell, 0)
            return f"the file is truncated: ({code_of(tag)}) claims {raw.length} bytes, {have} are there"
    if end < 0:
        raise HeaderError("the file holds no data element, or is truncated within the first")
    stream.seek(end)
    rest = stream.read(MAX_VALUE) if end < stream.size else b""
    return f"the file is truncated: the element at byte {end} is incomplete" if rest.strip(b"\0") else ""


def _load_sequences(dataset: Dataset, stream: _Stream) -> None:
    """Read the sequences that were passed over for their length: their items may be small."""
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag, keep_deferred=True)
        if isinstance(raw, RawDataElement) and raw.value is None and raw.length and vr_of(raw, "") == "SQ":
            stream.seek(raw.value_tell)
            dataset[tag] = raw._replace(value=stream.read(raw.length))
