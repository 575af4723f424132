"""The bytes of one file, read as far as they are needed, through gzip and deflate, never more than is safe."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from bidsflow.errors import HeaderError

#: Read at once: holds the whole header of nearly every single-frame file.
FIRST_BYTES: Final = 32 * 1024
#: No honest header is longer.
MAX_HEADER: Final = 256 * 1024 * 1024
#: Bytes of a compressed file that are kept; the rest is only counted.
MAX_KEPT: Final = 64 * 1024 * 1024
#: A compressed file that grows beyond the first, or beyond the second by more than `MAX_RATIO`, is taken for a bomb.
MAX_INFLATED: Final = 4 * 1024 * 1024 * 1024
MAX_UNCHECKED: Final = 128 * 1024 * 1024
MAX_RATIO: Final = 200
#: How a gzip file begins (RFC 1952 section 2.3.1).
GZIP: Final = b"\x1f\x8b"

_CHUNK: Final = 1024 * 1024


@dataclass(slots=True)
class Source:
    """The bytes of one file.

    Attributes
    ----------
    fd : int
        Open file.
    size : int
        Bytes of the file, after decompression.
    data : bytes
        The first bytes, at least as many as were asked for.
    whole : bool
        True where no more than `data` and `tail` can be read.
    tail : bytes
        The last bytes of a compressed file.
    """

    fd: int
    size: int
    data: bytes
    whole: bool = False
    tail: bytes = b""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    @property
    def is_all(self) -> bool:
        """Whether `data` is the file itself from its first byte to its last."""
        return self.whole and not self.tail

    def grow(self, to: int) -> bytes:
        """Read up to an offset at least and return all bytes read so far.

        Raises
        ------
        HeaderError
            If the file ends before it.
        """
        if to <= len(self.data):
            return self.data
        if to > self.size:
            raise HeaderError(f"the file ends inside its header (after {self.size} bytes)")
        if to > (len(self.data) if self.whole else MAX_HEADER):
            raise HeaderError(f"the header is longer than {(MAX_KEPT if self.whole else MAX_HEADER) >> 20} MiB")
        want = min(self.size, max(to, 4 * len(self.data)))
        while len(self.data) < want:
            more = os.pread(self.fd, want - len(self.data), len(self.data))
            if not more:
                raise HeaderError(f"the file ends inside its header (after {len(self.data)} bytes)")
            self.data += more
        return self.data

    def at(self, offset: int, count: int) -> bytes:
        """Return a few bytes anywhere in the file; fewer at its end, none where they were not kept."""
        if offset + count <= len(self.data):
            return self.data[offset : offset + count]
        if not self.whole:
            return os.pread(self.fd, count, offset)
        start = offset - (self.size - len(self.tail))
        return self.tail[start : start + count] if start >= 0 else self.data[offset : offset + count]

    def inflate_from(self, start: int) -> Source:
        """Return the file with everything behind an offset inflated (PS3.5 section A.5).

        Raises
        ------
        HeaderError
            If the stream is broken or grows beyond what is safe.
        """
        if self.whole:
            return _inflate(iter([self.data[start:]]), self.fd, -15, self.data[:start])
        return _inflate(_chunks(self.fd, start), self.fd, -15, self.data[:start])


def open_source(path: str, first: int = FIRST_BYTES) -> Source:
    """Open a file for reading, through gzip where its first bytes say so; closed where its `with` block ends.

    Parameters
    ----------
    path : str
        The file.
    first : int
        Bytes to read at once.

    Raises
    ------
    HeaderError
        If the file is empty, is not a regular file, or is a gzip file that is broken or grows beyond what is safe.
    OSError
        If the file cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not make us wait for its writer
    try:
        return _read_start(fd, first)
    except BaseException:
        os.close(fd)
        raise


def _read_start(fd: int, first: int) -> Source:
    try:
        data = os.pread(fd, first, 0)  # folders, pipes and sockets refuse; asking first costs as much as reading
    except OSError:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            raise
        raise HeaderError("not a regular file") from None
    while len(data) < first and (more := os.pread(fd, first - len(data), len(data))):  # a fault may cut a read short
        data += more
    if not data:
        raise HeaderError("empty file")
    if data.startswith(GZIP):
        source = _inflate(_chunks(fd, 0), fd, 31)
        if not source.size:
            raise HeaderError("an empty file inside gzip")
        return source
    if len(data) < first:
        return Source(fd, len(data), data, whole=True)
    size = os.lseek(fd, 0, os.SEEK_END)  # cheaper than fstat
    os.lseek(fd, 0, os.SEEK_SET)  # pydicom reads from here
    return Source(fd, size, data)


def is_gzip(path: str) -> bool:
    """Return whether a file is compressed by gzip.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - a Path costs as much as opening it
        return stream.read(len(GZIP)) == GZIP


def inflated(path: str) -> Iterator[bytes]:
    """Yield the bytes of a file, decompressed where it is a gzip file.

    Raises
    ------
    HeaderError
        If a gzip file is broken.
    OSError
        If the file cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = _chunks(fd, 0)
        yield from _pieces(pieces, 31) if os.pread(fd, 2, 0) == GZIP else pieces
    finally:
        os.close(fd)


def _chunks(fd: int, start: int) -> Iterator[bytes]:
    while data := os.pread(fd, _CHUNK, start):
        start += len(data)
        yield data


def _inflate(packed: Iterator[bytes], fd: int, wbits: int, before: bytes = b"") -> Source:
    kept, size, tail = [before], len(before), before[-16:]
    room = MAX_KEPT - size
    for piece in _pieces(packed, wbits):
        size += len(piece)
        tail = (tail + piece[-16:])[-16:]
        if room > 0:
            kept.append(piece[:room])
            room -= len(piece)
    return Source(fd, size, b"".join(kept), whole=True, tail=tail)


def _pieces(packed: Iterator[bytes], wbits: int) -> Iterator[bytes]:
    """Yield what a compressed stream holds, members of a gzip file one after the other (RFC 1952 section 2.2)."""
    from isal import isal_zlib  # twice as fast as zlib, which is most of the time that a compressed file takes

    stream = isal_zlib.decompressobj(wbits)
    broken = cast("type[Exception]", isal_zlib.error)
    pending, taken, given = b"", 0, 0
    while not stream.eof:
        if not pending:
            pending = next(packed, b"")
            taken += len(pending)
        try:
            piece = stream.decompress(pending, 4 * _CHUNK)
        except broken as error:
            raise HeaderError("a compressed file that does not decompress") from error
        if not pending and not piece:
            raise HeaderError("a compressed file that ends too early")
        given += len(piece)
        if given > MAX_INFLATED or (given > MAX_UNCHECKED and given > MAX_RATIO * taken):
            raise HeaderError(f"a compressed file that grows beyond {MAX_UNCHECKED >> 20} MiB like a bomb")
        yield piece
        pending = stream.unconsumed_tail
        if stream.eof and wbits > 0 and stream.unused_data.startswith(GZIP):
            pending, stream = stream.unused_data, isal_zlib.decompressobj(wbits)
