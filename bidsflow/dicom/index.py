"""Remember headers from one scan to the next, so that an unchanged file is not read twice.

A SQLite file per export or dataset. It holds what the headers hold, patients' names included: it is private (mode
0600) and never leaves the machine. A broken or foreign index is rebuilt, never trusted: every row is keyed by path,
size and time of change, and its text is checked when read.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File

#: Raised by one whenever headers are read differently, which makes older rows worthless.
VERSION = 1

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
        rows = self._database.execute("SELECT path, size, mtime_ns, reading FROM files")
        stored = {os.fsdecode(path): (size, mtime, reading) for path, size, mtime, reading in rows}
        found: dict[str, Reading] = {}
        for file in files:
            row = stored.get(file.path)
            if row is not None and row[:2] == (file.size, file.mtime_ns):
                reading = _load(row[2])
                if reading is not None:
                    found[file.path] = reading
        return found

    def remember(self, readings: Mapping[str, tuple[File, Reading]]) -> None:
        """Store readings; a disk that is full or an index that is locked costs the memory, not the scan."""
        if self._database is None or not readings:
            return
        rows = [(os.fsencode(path), f.size, f.mtime_ns, _dump(reading)) for path, (f, reading) in readings.items()]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error:
            return

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()


def _open(path: Path) -> sqlite3.Connection | None:
    """Open or make the index; None where the folder takes none (a read-only disk)."""
    for attempt in (1, 2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            database = sqlite3.connect(path, timeout=10)
            database.execute("PRAGMA synchronous=OFF")  # it can be rebuilt
            if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                database.executescript(
                    "DROP TABLE IF EXISTS files;"
                    "CREATE TABLE files (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, reading TEXT);"
                    f"PRAGMA user_version={VERSION};"
                )
            database.execute("SELECT path, size, mtime_ns, reading FROM files LIMIT 1").fetchall()
            return database
        except sqlite3.DatabaseError:
            if attempt == 1:
                path.unlink(missing_ok=True)
        except OSError:
            return None
    return None


def _dump(reading: Reading) -> str:
    if isinstance(reading, str):
        return json.dumps(reading)
    return json.dumps([dict(reading.values), reading.pixels, reading.problems], ensure_ascii=True)


def _load(text: str) -> Reading | None:
    try:
        stored = json.loads(text)
        if isinstance(stored, str):
            return stored
        values, pixels, problems = stored
        if all(isinstance(value, str) for value in values.values()):
            return Header(values, str(pixels), tuple(map(str, problems)))
    except (ValueError, TypeError, AttributeError):
        return None
    return None
