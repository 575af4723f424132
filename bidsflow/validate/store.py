"""Small files in the user's cache folder: written as a whole, read only if they are whole."""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bidsflow.validate.digests import make_hash, name_bytes

#: Raise with every change of what is written anywhere in this room.
_FORM: Final = "3"
_SUM_BYTES: Final = 16
#: A file that changed less than this before it was read may change again without a sign of it (the clock of a file
#: system ticks every few milliseconds, that of some every two seconds).
_TICK_NS: Final = 100_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
_SECOND_NS: Final = 1_000_000_000


def find_folder() -> Path:
    """Return the folder for what validation remembers: the user's cache (XDG Base Directory Specification)."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return base / "bidsflow" / "validate"


def find_place(root: str, key: str) -> Path:
    """Return the file for what is remembered of a dataset under a key (schema, options, what all files share)."""
    where = name_bytes(os.path.realpath(root).encode(errors="surrogateescape"), 8)
    return find_folder() / where / f"{key}.bin"


def read_data(place: Path) -> Any:
    """Return what a file of ours holds; None where there is none, or it is damaged, or another Python wrote it."""
    try:
        content = memoryview(place.read_bytes())
    except OSError:
        return None
    checksum, body = content[:_SUM_BYTES], content[_SUM_BYTES:]
    return marshal.loads(body) if checksum == _sum(body) else None  # only what we wrote as a whole passes


def write_data(place: Path, data: Any) -> None:
    """Write what `marshal` takes, readable by its owner only; do without where the folder cannot be written."""
    body = marshal.dumps(data)
    write_whole(place, (_sum(body), body))


def write_whole(place: Path, parts: Iterable[bytes]) -> bool:
    """Write a file, readable by its owner only, all of it or nothing; return whether it is written."""
    import tempfile

    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        Path(name).replace(place)
    except OSError:
        Path(name).unlink(missing_ok=True)
        return False
    return True


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the newest files of a folder of ours."""
    with contextlib.suppress(OSError):
        for old in sorted(folder.glob("*.bin"), key=lambda place: place.stat().st_mtime, reverse=True)[count:]:
            old.unlink(missing_ok=True)


def is_settled(changed: int, started: int) -> bool:
    """Return whether a change after a moment would show in the time (``ctime``) that a file has of its last one."""
    return changed < started - (_TICK_NS if changed % _SECOND_NS else _COARSE_TICK_NS)


def _sum(body: bytes | memoryview) -> bytes:
    """Return a checksum that tells our form and Python's version, too."""
    key = f"{_FORM} {sys.implementation.cache_tag}".encode()
    checksum = make_hash(_SUM_BYTES, key=key)
    checksum.update(body)
    return checksum.digest()
