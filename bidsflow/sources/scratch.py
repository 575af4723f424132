"""A folder for what a command unpacks: private, and gone at its end however that comes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bidsflow.errors import StorageError

_LOCK = ".lock"


def common_room() -> Path:
    """Return where commands without a dataset unpack: a folder for this user below `$TMPDIR`.

    Raises
    ------
    StorageError
        If someone else made it.
    """
    room = Path(tempfile.gettempdir()) / f"bidsflow-{os.getuid()}"
    room.mkdir(mode=0o700, exist_ok=True)
    status = room.lstat()
    if room.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StorageError(str(room), "is not private to you; remove it, or set TMPDIR to a folder of your own")
    return room


@contextmanager
def scratch(room: Path) -> Iterator[Path]:
    """Give a new folder, remove it at the end, and remove first what killed processes left.

    Parameters
    ----------
    room : Path
        Holds such folders and nothing else; made where it is absent, and removed when empty.
    """
    room.mkdir(mode=0o700, exist_ok=True)
    _sweep(room)
    lock, folder = _take(room)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        try:
            _remove(folder, folder.with_name(folder.name + _LOCK))
        finally:
            os.close(lock)
            with suppress(OSError):  # others are at work
                room.rmdir()


def _take(room: Path) -> tuple[int, Path]:
    """Return an open lock, which ends with the process, and the folder that it stands for."""
    while True:
        lock, name = tempfile.mkstemp(suffix=_LOCK, prefix="unpacked-", dir=room)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(name):  # noqa: PTH110 - else another process swept it before it was locked
            return lock, Path(name.removesuffix(_LOCK))
        os.close(lock)


def _sweep(room: Path) -> None:
    for path in room.glob(f"*{_LOCK}"):
        with suppress(OSError), path.open("rb") as lock:  # locked: its process is alive
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path.with_name(path.name.removesuffix(_LOCK)), path)


def _remove(folder: Path, lock: Path) -> None:
    """Remove a folder and then its lock, even where a signal comes in between."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        lock.unlink(missing_ok=True)
