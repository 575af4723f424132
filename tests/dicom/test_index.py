"""The index saves reading, and is never trusted."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bidsflow.dicom.header import Header
from bidsflow.dicom.index import VERSION, Index
from bidsflow.dicom.series import File
from bidsflow.dicom.shared import Variation

FILE = File("/export/1.dcm", 100, 5)
HEADER = Header({"PatientName": "Zoë\udcff\0", "Rows": "64"}, "truncated", ("odd",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "headers.sqlite"


def fill(path: Path) -> None:
    index = Index(path)
    index.remember({FILE.path: (FILE, HEADER), "/export/2": (File("/export/2", 1, 1), "not DICOM")})
    index.close()


def known(path: Path | None, *files: File) -> dict[str, Header | str]:
    index = Index(path)
    try:
        return index.known(files)
    finally:
        index.close()


def test_readings_come_back_as_they_were(path: Path) -> None:
    fill(path)
    assert known(path, FILE, File("/export/2", 1, 1)) == {FILE.path: HEADER, "/export/2": "not DICOM"}


@pytest.mark.parametrize(
    "changed",
    [File(FILE.path, 101, 5), File(FILE.path, 100, 6), File(FILE.path, 100, 5, 7), File("/export/3.dcm", 100, 5)],
)
def test_a_changed_file_is_not_known(path: Path, changed: File) -> None:
    fill(path)
    assert known(path, changed) == {}


def test_paths_that_are_not_utf8_are_known(path: Path) -> None:
    file = File(os.fsdecode(b"/export/caf\xe9.dcm"), 1, 1, 2**64 - 1)
    index = Index(path)
    index.remember({file.path: (file, HEADER)})
    index.close()
    assert known(path, file) == {file.path: HEADER}


def test_the_file_is_private(path: Path) -> None:
    fill(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    fill(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _write(path: Path, script: str) -> None:
    database = sqlite3.connect(path)
    database.executescript(script)
    database.close()


FOREIGN = {
    "text": lambda path: path.write_text("these are not the headers you are looking for\n" * 100),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "zeroed": lambda path: path.write_bytes(path.read_bytes()[:100] + bytes(len(path.read_bytes()) - 100)),
    "older": lambda path: _write(path, "PRAGMA user_version=1"),
    "newer": lambda path: _write(path, f"PRAGMA user_version={VERSION + 1}"),
    "other-tables": lambda path: _write(path, "DROP TABLE files; CREATE TABLE people (name TEXT)"),
    "other-columns": lambda path: _write(path, "DROP TABLE files; CREATE TABLE files (path TEXT, colour TEXT)"),
    "view": lambda path: _write(path, "DROP TABLE files; CREATE VIEW files AS SELECT 1 AS path"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_or_broken_file_is_rebuilt(path: Path, name: str) -> None:
    fill(path)
    FOREIGN[name](path)
    assert known(path, FILE) == {}
    fill(path)
    assert known(path, FILE) == {FILE.path: HEADER}


@pytest.mark.parametrize(
    "reading",
    [
        "NULL", "7", "x'ff00'", "''", "'{'", "'[]'", "'[1, 2, 3]'", "'[{}, 1, []]'", "'[{\"a\": 1}, \"complete\", []]'",
        "'[[], \"complete\", []]'", "'[{}, \"complete\", [1]]'", "'[{}, \"complete\", \"odd\"]'",
        "'" + "[" * 100_000 + "'", "'complete'",
        "'complete\x1e\x1eRows\x1e64\x1f64'", "'complete\x1e\x1eRows\x1e64\x1e'",
    ],
)  # fmt: skip
def test_a_broken_row_is_read_again(path: Path, reading: str) -> None:
    fill(path)
    _write(path, f"UPDATE files SET reading={reading}")
    assert known(path, FILE) == {}


@pytest.mark.parametrize("share", [True, False], ids=["varied", "whole"])
@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({}, ()), ({"Rows": ""}, ("odd", "odder")), ({"Rows": "64", "PatientName": ""}, ()),
        ({"PatientName": "Zoë"}, ()),
        ({"PatientName": "a\x1fb"}, ()), ({"PatientName": "a\x1eb"}, ()), ({"PatientName": "\0"}, ()),
        ({"Rows": "64"}, ("a\x1fb",)), ({"PatientName": "\udcff"}, ("é",)),
    ],
)  # fmt: skip
def test_whatever_a_header_says_comes_back(
    path: Path, values: dict[str, str], problems: tuple[str, ...], share: bool
) -> None:
    base = {"PatientName": "x", "Rows": "1"}
    header = Header(Variation(base, values) if share else values, "truncated", problems)
    index = Index(path)
    index.remember({FILE.path: (FILE, header)})
    index.close()
    assert known(path, FILE) == {FILE.path: header}


def test_rows_of_odd_types_are_ignored(path: Path) -> None:
    fill(path)
    _write(path, "INSERT INTO files VALUES (7, 'a', NULL, 1, 'x', 'x'); INSERT INTO files VALUES ('y', 1, 1, 1, 1, 1)")
    assert known(path, FILE) == {FILE.path: HEADER}


@pytest.fixture
def locked(path: Path) -> Iterator[Path]:
    fill(path)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    yield path
    database.close()


def test_an_index_that_another_scan_uses_is_left_alone(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bidsflow.dicom.index.WAIT_SECONDS", 0.05)
    before = locked.stat().st_ino
    assert known(locked, FILE) == {}
    fill(locked)
    assert locked.stat().st_ino == before


@pytest.mark.parametrize("place", ["/proc/nowhere/index.sqlite", "/dev/null/index.sqlite"])
def test_a_place_that_takes_no_file_costs_the_memory_only(place: str) -> None:
    fill(Path(place))
    assert known(Path(place), FILE) == {}


def test_a_folder_in_its_place_costs_the_memory_only(tmp_path: Path) -> None:
    fill(tmp_path)
    assert known(tmp_path, FILE) == {}


def test_a_read_only_folder_costs_the_memory_only(
    open_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    path = open_folder / "index.sqlite"
    path.write_text("broken")
    path.chmod(0o666)
    open_folder.chmod(0o555)
    with unprivileged():
        fill(path)
        assert known(path, FILE) == {}


def test_no_path_keeps_nothing() -> None:
    index = Index(None)
    index.remember({FILE.path: (FILE, HEADER)})
    assert index.known([FILE]) == {}
    index.close()


BASE = {"StudyDescription": "the same for all", "InstanceNumber": "1"}


def fill_alike(path: Path) -> list[File]:
    files = [File(f"/export/{number}.dcm", 100, 5) for number in range(3)]
    varied = [Header(Variation(BASE, {"InstanceNumber": str(number)})) for number in range(3)]
    index = Index(path)
    index.remember({files[0].path: (files[0], varied[0])})
    index.remember({file.path: (file, header) for file, header in zip(files[1:], varied[1:], strict=True)})
    index.close()
    return files


def test_what_headers_have_in_common_is_kept_once(path: Path) -> None:
    found = known(path, *fill_alike(path))
    values = [header.values for header in found.values() if isinstance(header, Header)]
    assert values == [{**BASE, "InstanceNumber": str(number)} for number in range(3)]
    assert len({id(one.base) for one in values if isinstance(one, Variation)}) == 1


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM bases", "UPDATE bases SET reading='[]'", "UPDATE bases SET reading='{\"InstanceNumber\": 1}'",
     "UPDATE bases SET reading='{}'", "UPDATE bases SET reading=NULL", "UPDATE files SET base='x'"],
)  # fmt: skip
def test_headers_without_what_they_have_in_common_are_read_again(path: Path, damage: str) -> None:
    files = fill_alike(path)
    _write(path, damage)
    assert known(path, *files) == {}


def test_a_scan_that_could_not_store_takes_no_header_for_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bidsflow.dicom.index.WAIT_SECONDS", 0.05)
    fill(path)
    index, other = Index(path), sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    index.remember({FILE.path: (FILE, Header(Variation({"Rows": "64", "PatientID": "A"}, {"Rows": "1"})))})
    other.execute("COMMIT")
    files = fill_alike(path)
    assert index.known(files) == known(path, *files)
    index.close()
    other.close()
