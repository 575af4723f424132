"""A plan survives its trip through a table, a person and a spreadsheet, or is refused with reasons."""

from __future__ import annotations

import codecs
import csv
import io
import json
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.plan import (
    COLUMNS,
    NOT_APPLICABLE,
    Decision,
    Plan,
    PlanRow,
    from_bytes,
    from_tsv,
    to_json,
    to_tsv,
)
from bidsflow.errors import PlanError

ROW = PlanRow(
    series_uid="1.2.3", image=1, series_number=4, protocol_name="t1_mprage", series_description="t1_mprage_ND",
    n_files=176, n_volumes=1, decision=Decision.CONVERT, path="sub-01/anat/sub-01_T1w", confidence=0.9,
    evidence="A 3D gradient echo, TE 2.98 ms.", b0_identifier="", b0_source="",
)  # fmt: skip
OTHER = replace(
    ROW, series_uid="1.2.4", series_number=5, decision=Decision.SKIP, path=NOT_APPLICABLE, b0_source="gre1,gre2"
)
TEXT = to_tsv(Plan((ROW, OTHER)))

# Text as cells hold it: blanks are single, and "n/a" is nothing.
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=15).map(lambda text: " ".join(text.split()))
KNOWN_CELLS = CELLS.filter(lambda text: text != NOT_APPLICABLE)
COUNTS = st.integers(0, 10**6)
NAMES = st.sampled_from(["T1w", "T2w", "FLAIR"])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    rows = []
    for rank in range(draw(st.integers(0, 3))):
        decision = draw(st.sampled_from(Decision))
        path = f"sub-0{rank}/anat/sub-0{rank}_{draw(NAMES)}"
        rows.append(
            PlanRow(
                f"1.2.{rank}",
                draw(st.integers(1, 9)),
                draw(COUNTS),
                draw(KNOWN_CELLS),
                draw(KNOWN_CELLS),
                draw(COUNTS),
                draw(COUNTS),
                decision,
                NOT_APPLICABLE if decision is Decision.SKIP else path,
                draw(st.floats(0, 1)),
                draw(KNOWN_CELLS),
                draw(st.sampled_from(["", "gre1"])),
                "",
            )
        )
    return Plan(tuple(rows))


@given(plans())
def test_reading_undoes_writing(plan: Plan) -> None:
    assert from_tsv(to_tsv(plan)) == plan


def test_json_says_the_same_as_the_table() -> None:
    found = json.loads(to_json(Plan((ROW, OTHER), ("a note",))))
    assert found["notes"] == ["a note"]
    assert [PlanRow(**{**row, "decision": Decision(row["decision"])}) for row in found["rows"]] == [ROW, OTHER]


def _edit(cell: str, value: str) -> str:
    """Return the text of a plan whose first row has another value."""
    lines = [line.split("\t") for line in TEXT.splitlines()]
    lines[1][lines[0].index(cell)] = value
    return "\n".join("\t".join(line) for line in lines) + "\n"


def _quote(text: str) -> str:
    rows = [line.split("\t") for line in text.splitlines()]
    return "\n".join("\t".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)


def _turn(text: str) -> str:
    """Return a table with its columns in reverse order, and one more."""
    return "\n".join("\t".join([*line.split("\t")[::-1], "mine"]) for line in text.splitlines())


def _export(delimiter: str, quoting: int = csv.QUOTE_MINIMAL, comma: str = ".") -> str:
    """Return the table as a spreadsheet saves it as CSV."""
    stream = io.StringIO()
    rows = [[cell.replace("0.9", f"0{comma}9") for cell in line.split("\t")] for line in TEXT.splitlines()]
    csv.writer(stream, delimiter=delimiter, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return stream.getvalue()


SPELLINGS = {
    "CSV": _export(","),
    "CSV, all quoted": "\ufeff" + _export(",", csv.QUOTE_ALL),
    "CSV of a country with a decimal comma": _export(";", comma=","),
    "CSV with cells on two lines": _export(",", csv.QUOTE_ALL).replace("gradient echo", "gradient\r\necho"),
    "as written": TEXT,
    "CRLF": TEXT.replace("\n", "\r\n"),
    "CR": TEXT.replace("\n", "\r"),
    "byte order mark": "\ufeff" + TEXT,
    "byte order mark and quotes": "\ufeff" + _quote(TEXT),
    "quotes": _quote(TEXT),
    "no line end": TEXT.rstrip("\n"),
    "blank lines": TEXT.replace("\n", "\n\n") + "   \n" + "\t" * 12 + "\n \t \n",
    "other order, more columns": _turn(TEXT),
    "decimal comma": TEXT.replace("\t0.9\t", "\t0,9\t"),
    "numbers as a spreadsheet writes them": TEXT.replace("\t176\t", "\t176.0\t"),
    "capital decision": TEXT.replace("\tconvert\t", "\tConvert\t"),
    "blanks around cells": TEXT.replace("\t", " \t "),
    "without the columns of fields": "\n".join("\t".join(line.split("\t")[:11]) for line in TEXT.splitlines()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_plan_is_read_however_it_was_saved(spelling: str) -> None:
    source = OTHER if spelling != "without the columns of fields" else replace(OTHER, b0_source="")
    assert from_tsv(SPELLINGS[spelling]).rows == (ROW, source)


@pytest.mark.parametrize("text", ['"quoted"', '"', '""', 'a "b" c', '"half', '6"', '"a" and "b"', '""a""'])
def test_quotes_in_a_description_stay(text: str) -> None:
    plan = Plan((replace(ROW, series_description=text),))
    assert from_tsv(to_tsv(plan)) == plan


ENCODINGS = {
    "UTF-8": b"", "UTF-8-sig": b"", "UTF-16": b"", "UTF-16-LE": b"", "UTF-16-BE": b"", "utf-16-be": codecs.BOM_UTF16_BE,
    "UTF-32": b"",
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_plan_is_read_in_the_encodings_of_spreadsheets(encoding: str) -> None:
    plan = Plan((replace(ROW, series_description="Kopf längs"), OTHER))
    assert from_bytes(ENCODINGS[encoding] + to_tsv(plan).encode(encoding)) == plan


@pytest.mark.parametrize(
    "data", [to_tsv(Plan((replace(ROW, protocol_name="längs"),))).encode("cp1252"), b"PK\x03\x04\xff"]
)
def test_a_plan_in_no_known_encoding_is_refused_with_what_to_save_as(data: bytes) -> None:
    with pytest.raises(PlanError, match=r"mine\.tsv.*\n.*; save it as text in UTF-8 .*'CSV UTF-8' or 'Unicode Text'"):
        from_bytes(data, "mine.tsv")


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("text", ['"quoted"', 'a "b" c', "a, b; c", '6"'])
def test_text_of_a_cell_survives_a_spreadsheet(text: str, delimiter: str) -> None:
    plan = Plan((replace(ROW, series_description=text),))
    stream = io.StringIO()
    table = csv.reader(io.StringIO(to_tsv(plan)), delimiter="\t")  # as spreadsheets read it
    csv.writer(stream, delimiter=delimiter).writerows(table)
    assert from_tsv(stream.getvalue()) == plan


class CaseBad(NamedTuple):
    text: str
    says: tuple[str, ...]


BAD = {
    "empty": CaseBad("", ("not the header of a plan", "series_uid", "save it as text")),
    "commas without quotes": CaseBad(TEXT.replace("\t", ","), ("line 2: it has 15 cells where the header has 14",)),
    "bars": CaseBad(TEXT.replace("\t", "|"), ("not the header of a plan",)),
    "most columns missing": CaseBad(
        "\n".join("\t".join(line.split("\t")[:2]) for line in TEXT.splitlines()),
        ("the column series_number cannot be found", "5 more columns cannot be found", "keep the header"),
    ),
    "misspelled column": CaseBad(
        TEXT.replace("decision", "decison", 1), ("the column decision cannot be found; is it 'decison'?",)
    ),
    "one column missing": CaseBad(TEXT.replace("decision", "choice", 1), ("the column decision cannot be found",)),
    "two columns missing": CaseBad(
        TEXT.replace("decision", "choice", 1).replace("path", "name", 1),
        ("the column decision cannot be found", "the column path cannot be found"),
    ),
    "a column twice": CaseBad(_turn(TEXT).replace("mine", "path", 1), ("the column path stands twice",)),
    "unknown decision": CaseBad(_edit("decision", "maybe"), ("line 2", "'maybe'", "convert, skip, review")),
    "no decision": CaseBad(_edit("decision", ""), ("line 2", "convert, skip, review")),
    "no series": CaseBad(_edit("series_uid", "n/a"), ("line 2", "series_uid is empty")),
    "not a number": CaseBad(_edit("image", "one"), ("line 2", "image is 'one'")),
    "part of an image": CaseBad(_edit("image", "1.5"), ("line 2", "image is '1.5', not a whole number")),
    "a quote that nothing ends": CaseBad(
        TEXT.replace("\t", ";").replace("A 3D", '"A 3D'), ("line 2", "a quote that begins there does not end")
    ),
    "endless number": CaseBad(_edit("n_files", "1e999"), ("line 2", "n_files is '1e999'")),
    "confidence in words": CaseBad(_edit("confidence", "high"), ("line 2", "confidence is 'high'")),
    "confidence that is none": CaseBad(_edit("confidence", "nan"), ("line 2", "confidence is 'nan'")),
    "short row": CaseBad(TEXT + "1.2.9\t1\n", ("line 4",)),
    "no path": CaseBad(_edit("path", "n/a"), ("series 4 (t1_mprage_ND)", "not a BIDS path")),
    "extension": CaseBad(_edit("path", "sub-01/anat/sub-01_T1w.nii.gz"), ("no extension",)),
    "outside the dataset": CaseBad(_edit("path", "../sub-01/anat/sub-01_T1w"), ("'..'",)),
    "wrong order": CaseBad(_edit("path", "sub-01/func/sub-01_run-1_task-a_bold"), ("sub-01_task-a_run-1_bold",)),
    "unknown suffix": CaseBad(_edit("path", "sub-01/anat/sub-01_T1weighted"), ("series 4", "BIDS has no")),
    "unknown datatype": CaseBad(_edit("path", "sub-01/mri/sub-01_T1w"), ("series 4", "BIDS has no")),
    "wrong folder": CaseBad(_edit("path", "sub-01/func/sub-01_T1w"), ("series 4", "BIDS has no")),
    "no task": CaseBad(_edit("path", "sub-01/func/sub-01_bold"), ("series 4", "BIDS has no")),
    "run that is no number": CaseBad(_edit("path", "sub-01/anat/sub-01_run-a_T1w"), ("series 4", "BIDS has no")),
    "too long for a file": CaseBad(_edit("path", f"sub-{'a' * 245}/anat/sub-{'a' * 245}_T1w"), ("series 4", "248")),
    "not an image": CaseBad(_edit("path", "sub-01/func/sub-01_task-rest_events"), ("series 4", "BIDS has no")),
    "one run written twice": CaseBad(
        to_tsv(
            Plan(
                (
                    replace(ROW, path="sub-01/anat/sub-01_run-1_T1w"),
                    replace(ROW, series_uid="1.2.5", path="sub-01/anat/sub-01_run-01_T1w"),
                )
            )
        ),
        ("2 rows claim the path sub-01/anat/sub-01_run-1_T1w and sub-01/anat/sub-01_run-01_T1w",),
    ),
    "row twice": CaseBad(
        TEXT + TEXT.splitlines()[1] + "\n", ("series 4 (t1_mprage_ND): its image 1 has 2 rows", "2 rows claim the path")
    ),
    "path twice": CaseBad(
        to_tsv(Plan((ROW, replace(OTHER, decision=Decision.CONVERT, path=ROW.path)))),
        ("2 rows claim the path sub-01/anat/sub-01_T1w", "series 4", "series 5"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_faulty_plan_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(PlanError) as caught:
        from_tsv(BAD[name].text, "mine.tsv")
    for part in ("mine.tsv", *BAD[name].says):
        assert part in str(caught.value)


def test_every_faulty_row_is_named() -> None:
    bad = replace(ROW, path="sub-01/anat/sub-01_bold")
    text = to_tsv(Plan((bad, replace(OTHER, decision=Decision.CONVERT, path="nothing"))))
    with pytest.raises(PlanError) as caught:
        from_tsv(text)
    assert len(caught.value.problems) == 2


def test_what_is_not_converted_may_have_any_name() -> None:
    rows = (replace(ROW, decision=Decision.REVIEW, path="my notes"), replace(OTHER, path="sub-01/anat/sub-01_bold"))
    assert from_tsv(to_tsv(Plan(rows))).rows == rows


def test_columns_are_those_of_a_row() -> None:
    assert COLUMNS[:2] == ("series_uid", "image")
    assert len(COLUMNS) == 14


def test_rows_are_found_by_their_decision() -> None:
    plan = Plan((ROW, OTHER))
    assert plan.decided(Decision.SKIP) == (OTHER,)
    assert plan.decided(Decision.REVIEW) == ()


def test_row_without_a_description_is_known_by_its_number() -> None:
    row = PlanRow("1.2", 1, 7, "", "", 1, 1, Decision.REVIEW, "n/a", 0.1, "Why.")
    assert row.title == "series 7"
    assert replace(row, protocol_name="ep2d").title == "series 7 (ep2d)"
