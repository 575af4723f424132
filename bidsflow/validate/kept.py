"""Reading what validation has kept in the user's cache folder: only what is whole. Quick to import; see `store`."""

from __future__ import annotations

import marshal
import os
import stat
import sys

from bidsflow.validate.digests import make_hash

TYPE_CHECKING = False  # `typing` and `pathlib` take longer to import than all else before an old answer
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any

#: Raise with every change of what is written anywhere in this room.
_FORM = "6"
SUM_BYTES = 16


def name_folder() -> str:
    """Return the folder for what validation remembers: the user's cache (XDG Base Directory Specification).

    Where the user has no home, as in some containers, it is one that can be neither read nor written.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117 -- "the path is to be considered invalid and ignored", says XDG
        base = os.path.expanduser("~/.cache")  # noqa: PTH111
        base = os.devnull if base.startswith("~") else base
    return os.path.join(base, "bidsflow", "validate")  # noqa: PTH118


def read_data(place: str | os.PathLike[str]) -> Any:
    """Return what a file of ours holds; None where there is none, or it is damaged, or another Python wrote it."""
    try:
        with open_file(place) as file:
            content = memoryview(file.read())
    except OSError:
        return None
    checksum, body = content[:SUM_BYTES], content[SUM_BYTES:]
    return (
        marshal.loads(body) if checksum == sum_up(place, body) else None
    )  # only what we wrote there as a whole passes


def open_file(place: str | os.PathLike[str]) -> FileIO:
    """Return an open file of ours; a pipe of its name, which would keep a reader waiting, is an OSError."""
    number = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError("no file")
    return open(number, "rb", buffering=0)  # noqa: PTH123 -- a number


def sum_up(place: str | os.PathLike[str], body: bytes | memoryview) -> bytes:
    """Return a checksum that tells our form and Python's version, and where the file belongs, too."""
    key = f"{_FORM} {sys.implementation.cache_tag}".encode()
    checksum = make_hash(SUM_BYTES, key=key)
    folder, name = os.path.split(os.fspath(place))
    checksum.update(f"{os.path.basename(folder)}/{name}\0".encode())  # noqa: PTH119
    checksum.update(body)
    return checksum.digest()
