"""Digests by which bidsflow knows the bytes of a file again: XXH3 of 128 bits, twenty times as fast as BLAKE2b.

They tell that bytes have changed, not that someone has forged them; what others check is a SHA-256 (`sourcedata`).

Source: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final, Protocol

from xxhash import xxh3_64, xxh3_128, xxh3_128_digest

#: How a digest is written; those of earlier versions are BLAKE2b, and begin with nothing.
KIND: Final = "xxh3:"
#: Bytes that are read at once: no more than the fast memory of a processor holds.
_AT_ONCE: Final = 1 << 16
_BLAKE_BYTES: Final = 16


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def digest_of(data: bytes) -> bytes:
    """Return the digest of some bytes, 16 bytes."""
    return xxh3_128_digest(data)


class Number:
    """A number of 63 bits that goes with the bytes that pass by."""

    def __init__(self) -> None:
        self._hash = xxh3_64()

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        self._hash.update(data)

    @property
    def value(self) -> int:
        """The number of all bytes until now."""
        return self._hash.intdigest() >> 1


def write_digest(digest: bytes) -> str:
    """Return a digest as it is written.

    Examples
    --------
    >>> write_digest(digest_of(b""))
    'xxh3:99aa06d3014798d86001c324468d497f'
    """
    return KIND + digest.hex()


def digest_file(path: str | Path, like: str = "xxh3:") -> tuple[str, bytes]:
    """Return the digest of a file as it is written, and the first bytes of the file.

    Parameters
    ----------
    path : str or Path
        The file.
    like : str
        A digest of the same kind, which may be that of an earlier version.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    kind = KIND if like.startswith(KIND) else ""
    digest: _Hash = xxh3_128() if kind else hashlib.blake2b(digest_size=_BLAKE_BYTES)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # half of what open() and file_digest() cost small files
    try:
        first = piece = os.read(descriptor, _AT_ONCE)
        while piece:
            digest.update(piece)
            piece = os.read(descriptor, _AT_ONCE)
    finally:
        os.close(descriptor)
    return kind + digest.hexdigest(), first
