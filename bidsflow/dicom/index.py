"""Remember headers from one scan to the next, so that an unchanged file is not read twice.

A SQLite file per export or dataset. It holds what the headers hold, patients' names included: it is private (mode
0600) and never leaves the machine. A broken or foreign index is rebuilt, never trusted: every row is keyed by path,
size, time of change and inode, and its text is checked when read. What many headers have in common stands there once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File
from bidsflow.dicom.shared import Variation

#: Raised by one whenever headers are read differently, which makes older rows worthless.
VERSION = 21
#: How long to wait for another scan that writes.
WAIT_SECONDS = 10.0

#: How SQLite says that a file is broken, is none of its own, or has other tables; anything else may pass (a lock).
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})

_COLUMNS = "path, size, mtime_ns, inode, base, reading"
#: Files that are asked for at once; SQLite takes 999 questions at least.
_AT_ONCE = 500

#: Between the parts of a header as it is stored, and between the texts of a part.
_PART, _TEXT = "\x1e", "\x1f"

#: A header, or the reason why there is none.
Reading = Header | str


class Index:
    """The readings of earlier scans.

    Parameters
    ----------
    path : Path or None
        The SQLite file, made where it is absent; None keeps nothing.
    beside : Path or None
        Another one, which is asked as well and stays as it is.
    """

    def __init__(self, path: Path | None, beside: Path | None = None) -> None:
        self._database = _open(path) if path is not None else None
        self._beside = _ReadIndex(beside) if beside is not None else None
        #: False once it could not be read: the file is broken, or another scan does not let go of it.
        self._readable = self._writable = True
        #: What headers are variations of, by its number in the file, and the numbers by identity.
        self._bases: dict[int, dict[str, str]] = {}
        self._numbers: dict[int, int] = {}

    def known(self, files: Sequence[File]) -> dict[str, Reading]:
        """Return the readings of the files that have not changed since they were read, by path."""
        found = self._beside.known(files) if self._beside is not None else {}
        return found | self._find_known([file for file in files if file.path not in found])

    def _find_known(self, files: Sequence[File]) -> dict[str, Reading]:
        found: dict[str, Reading] = {}
        if self._database is None or not self._readable:
            return found
        for first in range(0, len(files), _AT_ONCE):
            wanted = {os.fsencode(file.path): file for file in files[first : first + _AT_ONCE]}
            marks = ", ".join("?" * len(wanted))
            try:
                rows = self._database.execute(f"SELECT {_COLUMNS} FROM files WHERE path IN ({marks})", tuple(wanted))
                for path, *mark, base, text in rows.fetchall():
                    file = wanted[path]
                    reading = self._load(base, text) if mark == _mark(file) else None
                    if reading is not None:
                        found[file.path] = reading
            except sqlite3.Error:
                self._readable = False
                break
        return found

    def remember(self, readings: Mapping[str, tuple[File, Reading]]) -> None:
        """Store readings; a disk that is full or an index that is locked costs the memory, not the scan."""
        if self._database is None or not self._writable or not readings:
            return
        before = self._bases.copy(), self._numbers.copy()
        try:
            with self._database:
                rows = [
                    (os.fsencode(path), *_mark(file), *self._dump(reading))
                    for path, (file, reading) in readings.items()
                    if not file.passing
                ]
                self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.Error:
            (self._bases, self._numbers), self._writable = before, False

    def _dump(self, reading: Reading) -> tuple[int | None, str]:
        """Return the number of what a reading is a variation of, stored where that is new, and its text."""
        if isinstance(reading, str):
            return None, json.dumps(reading)
        values, number = reading.values, None
        if isinstance(values, Variation):
            number = self._numbers.get(id(values.base))
            if number is None:
                number = self._store(values.base)
            values = values.own
        return number, _write(values, reading)

    def _store(self, base: dict[str, str]) -> int:
        assert self._database is not None
        number = self._database.execute("INSERT INTO bases (reading) VALUES (?)", (json.dumps(base),)).lastrowid
        assert number is not None
        self._bases[number] = base  # as long as it is here, no other has its identity
        self._numbers[id(base)] = number
        return number

    def _load(self, number: object, text: str) -> Reading | None:
        """Return a reading, None where its text is none."""
        try:
            stored = _read(text)
            if isinstance(stored, str) or number is None:
                return stored
            base = self._find(number)
            if stored.values.keys() <= base.keys():
                return Header(Variation(base, dict(stored.values)), stored.pixels, stored.problems)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None
        return None

    def _find(self, number: object) -> dict[str, str]:
        """Return what headers are variations of, by its number.

        Raises
        ------
        ValueError
            If there is none.
        """
        assert self._database is not None
        if not isinstance(number, int):
            raise ValueError(number)  # noqa: TRY004 - told like a number that no base has
        if number not in self._bases:
            row = self._database.execute("SELECT reading FROM bases WHERE number = ?", (number,)).fetchone()
            base = json.loads(row[0]) if row is not None else None
            if not isinstance(base, dict) or not all(isinstance(text, str) for text in base.values()):
                raise ValueError(number)
            self._bases[number] = base
            self._numbers[id(base)] = number
        return self._bases[number]

    def close(self) -> None:
        """Close the files."""
        if self._beside is not None:
            self._beside.close()
        if self._database is not None:
            self._database.close()


class _ReadIndex(Index):
    """The readings of scans of others; nothing is added to them."""

    def __init__(self, path: Path) -> None:
        super().__init__(None)
        self._database = _connect_to_read(path, "mode=ro")
        self._writable = False


def _write(own: Mapping[str, str], reading: Header) -> str:
    """Return some values of a header, and what else is known of it, as text; JSON takes six times as long to write."""
    problems = reading.problems
    text = _PART.join((reading.pixels, _TEXT.join(problems), _TEXT.join(own), _TEXT.join(own.values())))
    between = max(len(problems) - 1, 0) + 2 * max(len(own) - 1, 0)
    if not text.isascii() or text.count(_PART) != 3 or text.count(_TEXT) != between:  # the texts have these, too
        return json.dumps([dict(own), reading.pixels, problems])
    return text


def _read(text: str) -> Reading:
    """Return what `_write` has written, or the reason why there is no header.

    Raises
    ------
    ValueError, TypeError, AttributeError, RecursionError
        If it is neither.
    """
    if text.startswith(("[", '"')):
        stored = json.loads(text)
        if isinstance(stored, str):
            return stored
        own, pixels, problems = stored
        if not isinstance(problems, list) or not all(
            isinstance(one, str) for one in (*own.values(), pixels, *problems)
        ):
            raise ValueError(text)
        return Header({sys.intern(key): value for key, value in own.items()}, pixels, tuple(problems))
    pixels, said, keys, values = text.split(_PART)
    found = zip(map(sys.intern, keys.split(_TEXT)), values.split(_TEXT), strict=True) if keys else ()
    return Header(dict(found), pixels, tuple(said.split(_TEXT)) if said else ())


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
        return _connect_to_read(path, "mode=ro&immutable=1")
    except sqlite3.Error:
        return None


def _connect_to_read(path: Path, how: str) -> sqlite3.Connection | None:
    """Open an index that must stay as it is, or lies on a disk that is read-only; None where there is none of use.

    `how` are the parameters of its URI: only what is immutable is read without a lock.
    """
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=WAIT_SECONDS)
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
                "DROP TABLE IF EXISTS files; DROP TABLE IF EXISTS bases;"
                "CREATE TABLE bases (number INTEGER PRIMARY KEY, reading TEXT);"
                "CREATE TABLE files (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, "
                "base INTEGER, reading TEXT) WITHOUT ROWID;"
                f"PRAGMA user_version={VERSION};"
            )
        database.execute(f"SELECT {_COLUMNS} FROM files").fetchone()
        database.execute("SELECT number, reading FROM bases").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database
