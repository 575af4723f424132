"""The bytes of a file, and what the operating system says when it does not give them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from bidsflow.errors import FileFault

#: A pipe without a writer would keep `open` waiting for ever.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

#: As many bytes are asked for at once, for which there must be room.
_PIECE: Final = 1 << 16

#: How the reference validator (its runtime, Deno) names what went wrong.
_NAMES: Final = {
    errno.ENOENT: "NotFound",
    errno.ELOOP: "FilesystemLoop",
    errno.EACCES: "PermissionDenied",
    errno.EPERM: "PermissionDenied",
    errno.EISDIR: "IsADirectory",
    errno.ENOTDIR: "NotADirectory",
}

_failures: ContextVar[list[str]] = ContextVar("failures")


@contextmanager
def watch_failures() -> Iterator[list[str]]:
    """Give a list that fills with what fails for reasons that lie outside of the dataset, and may pass.

    A verdict made meanwhile is good for now, and not to be remembered: nothing about the file shows that it can be
    read again.
    """
    failed: list[str] = []
    token = _failures.set(failed)
    try:
        yield failed
    finally:
        _failures.reset(token)


def enter_failure(reason: str) -> None:
    """Tell whoever watches that something outside of the dataset has failed."""
    _failures.get([]).append(reason)


def open_file(path: str) -> int:
    """Return a descriptor of a file that is open for reading.

    Raises
    ------
    FileFault
        FILE_READ: if it cannot be opened.
    """
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        raise unreadable(error) from None
    except ValueError:  # a name with a null character
        raise FileFault("FILE_READ", "this cannot be the name of a file", subcode="NotFound") from None


def read_start(path: str, size: int) -> bytes:
    """Return the first bytes of a file, fewer where it is shorter.

    Raises
    ------
    FileFault
        FILE_READ: if it cannot be read.
    """
    file = open_file(path)
    try:
        data = os.read(file, min(size, _PIECE))
        if not data or len(data) == size:
            return data
        parts = [data]
        left = size - len(data)
        while left and (data := os.read(file, min(left, _PIECE))):
            parts.append(data)
            left -= len(data)
        return b"".join(parts) if len(parts) > 1 else parts[0]
    except OSError as error:
        raise unreadable(error) from None
    finally:
        os.close(file)


def read_some(file: int, size: int) -> bytes:
    """Return the next bytes of an open file; none at its end.

    Raises
    ------
    FileFault
        FILE_READ: if they cannot be read.
    """
    try:
        return os.read(file, size)
    except OSError as error:
        raise unreadable(error) from None


def unreadable(error: OSError) -> FileFault:
    """Return the fault for an error of the operating system, without the path."""
    number = error.errno or 0
    reason = error.strerror or "it cannot be read"
    enter_failure(reason)
    if number in {errno.ENOENT, errno.ELOOP}:
        reason = f"{reason}; possibly a dangling symbolic link"
    return FileFault("FILE_READ", reason, subcode=_NAMES.get(number, "Error"))


def decode_text(data: bytes) -> str:
    r"""Return bytes as text; what is no UTF-8 becomes U+FFFD, a byte order mark is dropped.

    Source: the WHATWG Encoding Standard, "UTF-8 decode".

    Examples
    --------
    >>> decode_text(b"\xef\xbb\xbfa\xff") == "a\ufffd"
    True
    """
    return data.decode("utf-8", "replace").removeprefix("\ufeff")
