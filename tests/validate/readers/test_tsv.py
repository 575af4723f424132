"""Tables as the reference validator reads them, whose verdicts these are."""

import gzip
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.errors import FileFault
from bidsflow.validate.readers.tsv import load_headerless, load_tsv

ROW = b"1\t2\n"
ONE = {"a": ["1"], "b": ["2"]}
NONE: dict[str, list[str]] = {"a": [], "b": []}


class Case(NamedTuple):
    data: bytes
    expected: object  # columns, or code and line
    max_rows: int = -1


CASES = {
    "empty": Case(b"", {}),
    "header": Case(b"a\tb", NONE),
    "header-line": Case(b"a\tb\r\n", NONE),
    "bom": Case(b"\xef\xbb\xbfa\tb\n1\t2\n", ONE),
    "bom-twice": Case(b"\xef\xbb\xbf" * 2 + b"a\n1\n", {"\ufeffa": ["1"]}),
    "utf-16": Case("a\tb\n1\t2\n".encode("utf-16"), ("INVALID_FILE_ENCODING", 0)),
    "utf-16-without-mark": Case("a\tb\n1\t2\n".encode("utf-16-le"), ("TSV_EQUAL_ROWS", 3)),
    "replacement-first": Case("\ufffda\n1\n".encode(), {}),
    "latin-1": Case(b"a\tb\n1\t\xe9\n", ("INVALID_FILE_ENCODING", 0)),
    "latin-1-before-ragged": Case(b"a\tb\n1\n1\t\xe9\n", ("INVALID_FILE_ENCODING", 0)),
    "latin-1-beyond-rows": Case(b"a\tb\n1\t\xe9\n", ("INVALID_FILE_ENCODING", 0), 0),
    "cut-character": Case(b"a\tb\n1\t2\n3\t\xe2\x82", ("INVALID_FILE_ENCODING", 0)),
    "cut-character-after-ragged": Case(b"a\tb\n1\n3\t\xe2\x82", ("TSV_EQUAL_ROWS", 2)),
    "cut-character-beyond-rows": Case(b"a\tb\n1\t2\n3\t\xe2\x82", ONE, 1),
    "empty-line": Case(b"a\tb\n1\t2\n\n3\t4\n", ("TSV_EMPTY_LINE", 3)),
    "empty-line-crlf": Case(b"a\tb\n1\t2\n\r\n3\t4\n", ("TSV_EMPTY_LINE", 3)),
    "empty-line-at-end": Case(b"a\tb\n1\t2\n\n", ONE),
    "empty-lines-at-end": Case(b"a\tb\n1\t2\n\n\n", ("TSV_EMPTY_LINE", 3)),
    "empty-line-beyond-rows": Case(b"a\tb\n1\t2\n\n3\t4\n", ONE, 1),
    "empty-line-as-last-row": Case(b"a\tb\n1\t2\n\n3\t4\n", ("TSV_EMPTY_LINE", 3), 2),
    "empty-header": Case(b"\na\tb\n", ("TSV_EQUAL_ROWS", 2)),
    "only-empty-lines": Case(b"\n\n", {}),
    "crlf": Case(b"a\tb\r\n1\t2\r\n", ONE),
    "cr-at-end": Case(b"a\tb\r\n1\t2\r", {"a": ["1"], "b": ["2\r"]}),
    "cr": Case(b"a\tb\r1\t2\r", {"a": [], "b\r1": [], "2\r": []}),
    "two-cr": Case(b"a\tb\n1\t2\r\r\n", {"a": ["1"], "b": ["2\r"]}),
    "duplicate": Case(b"a\ta\n1\t2\n", ("TSV_COLUMN_HEADER_DUPLICATE", 0)),
    "duplicate-empty": Case(b"a\t\t\n", ("TSV_COLUMN_HEADER_DUPLICATE", 0)),
    "ragged": Case(b"a\tb\n1\t2\n1\n", ("TSV_EQUAL_ROWS", 3)),
    "ragged-beyond-rows": Case(b"a\tb\n1\n", NONE, 0),
    "one-column-empty-cell": Case(b"a\n1\n\n2\n", ("TSV_EMPTY_LINE", 3)),
    "null": Case(b"a\tb\n1\t\0\n", {"a": ["1"], "b": ["\0"]}),
    "fault-in-second-piece": Case(b"a\tb\n" + ROW * 20_000 + b"\xff\n", ("INVALID_FILE_ENCODING", 0)),
    "fault-in-second-piece-not-read": Case(b"a\tb\n" + ROW * 20_000 + b"\xff\n", ONE, 1),
    "ragged-before-second-piece": Case(b"a\tb\n1\n" + ROW * 20_000 + b"\xff\n", ("TSV_EQUAL_ROWS", 2)),
    "long": Case(b"a\tb\n" + ROW * 50_000, {"a": ["1"] * 50_000, "b": ["2"] * 50_000}),
    "character-across-pieces": Case(b"a\n" + b"x" * 65_533 + "é\n".encode(), {"a": ["x" * 65_533 + "é"]}),
}


def outcome(load: object, *arguments: object, **options: object) -> object:
    try:
        return load(*arguments, **options)  # type: ignore[operator]
    except FileFault as fault:
        return fault.code, fault.line


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_table_is_read_as_by_the_reference(tmp_path: Path, case: Case) -> None:
    (tmp_path / "t.tsv").write_bytes(case.data)
    assert outcome(load_tsv, str(tmp_path / "t.tsv"), case.max_rows) == case.expected


GZIPPED = {
    "whole": Case(gzip.compress(ROW), ONE),
    "no-rows": Case(gzip.compress(b""), NONE),
    "bom": Case(gzip.compress(b"\xef\xbb\xbf" + ROW), ONE),
    "empty-file": Case(b"", ("INVALID_GZIP", 0)),
    "plain": Case(ROW, ("INVALID_GZIP", 0)),
    "plain-not-read": Case(ROW, NONE, 0),
    "cut": Case(gzip.compress(ROW)[:-4], ("INVALID_GZIP", 0)),
    "cut-beyond-rows": Case(gzip.compress(ROW)[:-4], ONE, 1),
    "cut-after-ragged": Case(gzip.compress(b"1\n" + ROW)[:-4], ("TSV_EQUAL_ROWS", 1)),
    "more-at-end": Case(gzip.compress(ROW) + b"\0", ("INVALID_GZIP", 0), 1),
    "two-members": Case(gzip.compress(ROW) * 2, ("INVALID_GZIP", 0)),
    "ragged": Case(gzip.compress(ROW + b"1\n"), ("TSV_EQUAL_ROWS", 2)),
    "empty-line": Case(gzip.compress(ROW + b"\n" + ROW), ("TSV_EMPTY_LINE", 2)),
    "latin-1": Case(gzip.compress(b"1\t\xe9\n"), ("INVALID_FILE_ENCODING", 0)),
    "replacement-first": Case(gzip.compress("\ufffd1\t2\n".encode()), ("INVALID_GZIP", 0)),
}


@pytest.mark.parametrize("case", GZIPPED.values(), ids=GZIPPED)
def test_gzipped_table_is_read_as_by_the_reference(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "t.tsv.gz"
    path.write_bytes(case.data)
    read = outcome(load_headerless, str(path), ["a", "b"], compressed=True, max_rows=case.max_rows)
    assert read == case.expected


@pytest.mark.parametrize("headers", ["ab", {}, 5])
def test_headers_are_no_list_when_the_sidecar_is_wrong(tmp_path: Path, headers: object) -> None:
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(ROW))
    read = outcome(load_headerless, str(tmp_path / "t.tsv.gz"), headers, compressed=True, max_rows=-1)
    assert read == ("INVALID_GZIP", 0)


def test_plain_table_has_its_first_row_in_line_one(tmp_path: Path) -> None:
    (tmp_path / "motion.tsv").write_bytes(b"1\n")
    read = outcome(load_headerless, str(tmp_path / "motion.tsv"), ["a", "b"], compressed=False, max_rows=-1)
    assert read == ("TSV_EQUAL_ROWS", 1)


def test_last_column_wins_when_headers_repeat(tmp_path: Path) -> None:
    (tmp_path / "motion.tsv").write_bytes(ROW)
    assert load_headerless(str(tmp_path / "motion.tsv"), ["a", "a"], compressed=False, max_rows=-1) == {"a": ["2"]}
