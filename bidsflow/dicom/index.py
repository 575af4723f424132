"""Remember headers from one scan to the next, so that an unchanged file is not read twice.

A SQLite file per export or dataset. It holds what the headers hold, patients' names included: it is private (mode
0600) and never leaves the machine. A broken or foreign index is rebuilt, never trusted: every row is keyed by path,
size, time of change and inode, and its text is checked when read.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File
from bidsflow.dicom.shared import Sharer

#: Raised by one whenever headers are read differently, which makes older rows worthless.
VERSION = 8
#: How long to wait for another scan that writes.
WAIT_SECONDS = 10.0

#: How SQLite says that a file is broken, is none of its own, or has other tables; anything else may pass (a lock).
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})

_COLUMNS = "path, size, mtime_ns, inode, reading"

#: A header, or the reason why there is none.
Reading = Header | str


class Index:
    """The readings of earlier scans.

    Parameters
    ----------
    path : Path or None
        The SQLite file, made where it is absent; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._database = _open(path) if path is not None else None

    def known(self, files: Iterable[File]) -> dict[str, Reading]:
        """Return the readings of the files that have not changed since they were read, by path."""
        if self._database is None:
            return {}
        wanted = {os.fsencode(file.path): file for file in files}
        sharer, shared = Sharer(), dict[str, str]()
        found: dict[str, Reading] = {}
        try:
            for path, *mark, text in self._database.execute(f"SELECT {_COLUMNS} FROM files"):
                file = wanted.get(path)
                if file is not None and mark == _mark(file):
                    reading = _load(text, shared, sharer)
                    if reading is not None:
                        found[file.path] = reading
        except sqlite3.Error:
            return found
        return found

    def remember(self, readings: Mapping[str, tuple[File, Reading]]) -> None:
        """Store readings; a disk that is full or an index that is locked costs the memory, not the scan."""
        if self._database is None or not readings:
            return
        rows = (  # one at a time: the texts of a million files need more memory than their headers
            (os.fsencode(path), *_mark(file), _dump(reading))
            for path, (file, reading) in readings.items()
            if not file.passing
        )
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error:
            return

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()


def _mark(file: File) -> list[int]:
    """Return what tells a file from what stood in its place; SQLite's integers have a sign."""
    return [file.size, file.mtime_ns, file.inode & 0x7FFF_FFFF_FFFF_FFFF]


def _open(path: Path) -> sqlite3.Connection | None:
    """Open or make the index; None where there can be none (a full disk, a lock that is not released)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return _connect(path)
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF not in _BROKEN:
                return None
        path.unlink(missing_ok=True)
        return _connect(path)
    except OSError:
        return _connect_to_read(path)
    except sqlite3.Error:
        return None


def _connect_to_read(path: Path) -> sqlite3.Connection | None:
    """Open an index on a disk that is read-only; None where there is none of use."""
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    except sqlite3.Error:
        return None
    try:
        if database.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return database
    except sqlite3.Error:
        pass
    database.close()
    return None


def _connect(path: Path) -> sqlite3.Connection:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)  # also one that was copied here
    finally:
        os.close(fd)
    database = sqlite3.connect(path, timeout=WAIT_SECONDS)
    try:
        database.execute("PRAGMA synchronous=OFF")  # it can be rebuilt
        if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            database.executescript(
                "DROP TABLE IF EXISTS files;"
                "CREATE TABLE files "
                "(path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, reading TEXT);"
                f"PRAGMA user_version={VERSION};"
            )
        database.execute(f"SELECT {_COLUMNS} FROM files").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _dump(reading: Reading) -> str:
    if isinstance(reading, str):
        return json.dumps(reading)
    return json.dumps([dict(reading.values), reading.pixels, reading.problems], ensure_ascii=True)


def _load(text: str, shared: dict[str, str], sharer: Sharer) -> Reading | None:
    """Return a reading, None where its text is none; what several readings have in common is in memory once."""
    try:
        stored = json.loads(text)
        if isinstance(stored, str):
            return stored
        values, pixels, problems = stored
        texts = (*values.values(), pixels, *problems)
        if isinstance(problems, list) and all(isinstance(text, str) for text in texts):
            keep = shared.setdefault
            plain = {keep(key, key): keep(value, value) for key, value in values.items()}
            return Header(sharer.share(plain), keep(pixels, pixels), tuple(problems))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return None
