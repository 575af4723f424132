"""Small files in the user's cache folder: written as a whole, and how long they are kept. See `kept` for reading."""

from __future__ import annotations

import contextlib
import marshal
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bidsflow.validate.digests import name_bytes
from bidsflow.validate.kept import name_folder, sum_up

#: How the names of files begin that are being written, and how long that may take, in seconds.
_HALF: Final = "tmp"
_LONGEST: Final = 3600
#: How many datasets something is remembered of, and how the folders for that are called.
_MOST_DATASETS: Final = 100
_OF_DATASET: Final = re.compile("[0-9a-f]{16}")
#: A file that changed less than this before it was read may change again without a sign of it (the clock of a file
#: system ticks every few milliseconds, that of some every two seconds).
_TICK_NS: Final = 100_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
_SECOND_NS: Final = 1_000_000_000


def find_folder() -> Path:
    """Return the folder for what validation remembers, see `kept.name_folder`."""
    return Path(name_folder())


def find_place(root: str, key: str) -> Path:
    """Return the file for what is remembered of a dataset under a key (schema, options, what all files share)."""
    where = name_bytes(os.path.realpath(root).encode(errors="surrogateescape"), 8)
    return find_folder() / where / f"{key}.bin"


def write_data(place: Path, data: Any) -> None:
    """Write what `marshal` takes, readable by its owner only; do without where the folder cannot be written."""
    body = marshal.dumps(data)
    write_whole(place, (sum_up(place, body), body))


def write_whole(place: Path, parts: Iterable[bytes]) -> bool:
    """Write a file, readable by its owner only, all of it or nothing; return whether it is written."""
    import tempfile

    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=_HALF)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        Path(name).replace(place)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            return False
        raise
    return True


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the newest files of a folder of ours."""
    remove_halves(folder)
    with contextlib.suppress(OSError):
        for old in sorted(folder.glob("*.bin"), key=lambda place: place.stat().st_mtime, reverse=True)[count:]:
            old.unlink(missing_ok=True)


def remove_halves(folder: Path) -> None:
    """Remove what processes that were killed have left half-written."""
    with contextlib.suppress(OSError):
        for half in folder.glob(f"{_HALF}*"):
            if half.stat().st_mtime < time.time() - _LONGEST:
                half.unlink(missing_ok=True)


def keep_newest_folders() -> None:
    """Remove what is remembered of the datasets that were validated longest ago: many of them are gone."""
    with contextlib.suppress(OSError):
        folders = [one for one in find_folder().iterdir() if _OF_DATASET.fullmatch(one.name)]
        for old in sorted(folders, key=lambda one: one.stat().st_mtime, reverse=True)[_MOST_DATASETS:]:
            for file in old.iterdir():
                file.unlink(missing_ok=True)
            old.rmdir()


def is_settled(changed: int, started: int) -> bool:
    """Return whether a change after a moment would show in the time (``ctime``) that a file has of its last one."""
    return changed < started - (_TICK_NS if changed % _SECOND_NS else _COARSE_TICK_NS)
