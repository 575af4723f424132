"""A plan survives its trip through a table, a person and a spreadsheet, or is refused with reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.plan import COLUMNS, NOT_APPLICABLE, Decision, Plan, PlanRow, from_tsv, to_json, to_tsv
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


SPELLINGS = {
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


class CaseBad(NamedTuple):
    text: str
    says: tuple[str, ...]


BAD = {
    "empty": CaseBad("", ("series_uid", "keep the header")),
    "commas": CaseBad(TEXT.replace("\t", ","), ("separate columns by tabs",)),
    "one column missing": CaseBad(TEXT.replace("decision", "choice", 1), ("the column decision cannot be found",)),
    "two columns missing": CaseBad(
        TEXT.replace("decision", "choice", 1).replace("path", "name", 1), ("the columns decision, path cannot",)
    ),
    "a column twice": CaseBad(_turn(TEXT).replace("mine", "path", 1), ("the column path stands twice",)),
    "unknown decision": CaseBad(_edit("decision", "maybe"), ("line 2", "'maybe'", "convert, skip, review")),
    "no decision": CaseBad(_edit("decision", ""), ("line 2", "convert, skip, review")),
    "no series": CaseBad(_edit("series_uid", "n/a"), ("line 2", "series_uid is empty")),
    "not a number": CaseBad(_edit("image", "one"), ("line 2", "image is 'one'")),
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
    "not an image": CaseBad(_edit("path", "sub-01/func/sub-01_task-rest_events"), ("series 4", "BIDS has no")),
    "row twice": CaseBad(TEXT + TEXT.splitlines()[1] + "\n", ("has 2 rows", "2 rows claim the path")),
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
    assert len(COLUMNS) == 13


def test_rows_are_found_by_their_decision() -> None:
    plan = Plan((ROW, OTHER))
    assert plan.decided(Decision.SKIP) == (OTHER,)
    assert plan.decided(Decision.REVIEW) == ()
