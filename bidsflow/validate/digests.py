"""The hash by which this room tells contents apart. Quick to import."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes as long to import as all else here
if TYPE_CHECKING:
    from hashlib import blake2b
    from typing import Any

try:
    # hashlib loads OpenSSL before it takes this from here, which takes as long as to look through 500 files
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b


def make_hash(size: int = 16, *, key: bytes = b"") -> blake2b:
    """Return a hash that gives some bytes."""
    return blake2b(digest_size=size, key=key)


def name_value(value: Any) -> str:
    """Return a short name for a value, made of how it is written."""
    return name_bytes(repr(value).encode(errors="backslashreplace"))


def name_bytes(content: bytes, size: int = 10) -> str:
    """Return a short name for some bytes."""
    return blake2b(content, digest_size=size).hexdigest()
