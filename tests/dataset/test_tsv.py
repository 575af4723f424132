"""Tables: nothing of what people wrote is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.dataset.tsv import columns_of, format_tsv, merge_rows, parse_tsv

CELLS = st.text(st.characters(blacklist_characters="\t\r\n", blacklist_categories=("Cs",)), min_size=1).filter(
    str.strip
)


@given(st.lists(CELLS, min_size=1, max_size=4, unique=True), st.data())
def test_table_and_text_are_inverse(columns: list[str], data: st.DataObject) -> None:
    if columns[0].startswith("\ufeff"):
        return
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, CELLS)), max_size=4))
    assert parse_tsv(format_tsv(rows, columns)) == rows


def test_spreadsheets_leave_marks_that_do_no_harm() -> None:
    assert parse_tsv("\ufeffid\tage\r\nsub-01\t34\t\t\r\n\r\n") == [{"id": "sub-01", "age": "34"}]


def test_cells_keep_their_odd_characters() -> None:
    text = "id\tnote\nsub-01\ta\u2028b\x0b c  d\n"
    assert format_tsv(parse_tsv(text), ["id", "note"]) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id;age\nsub-01;34\n", "no column id"),
        ("id\tage\tage\nsub-01\t1\t2\n", "stands twice"),
        ("id\tage\nsub-01\t1\t2\n", "line 2 has more cells"),
        ("id\tage\nsub-01\t1\n\t2\n", "line 3 has no id"),
        ("id\tage\nsub-01\t1\nsub-01\t2\n", "two rows have the same id"),
    ],
)
def test_table_that_would_lose_something_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_tsv(text, "id")


def test_rows_are_merged_and_columns_of_people_stay() -> None:
    rows = merge_rows(
        [{"id": "b", "mood": "good"}, {"id": "c", "age": "1"}], [{"id": "a"}, {"id": "c", "age": "2"}], "id"
    )
    assert rows == [{"id": "a"}, {"id": "b", "mood": "good"}, {"id": "c", "age": "2"}]
    assert columns_of(rows, ("id", "age")) == ["id", "age", "mood"]


def test_missing_cells_are_said_to_be_missing() -> None:
    assert format_tsv([{"a": "", "b": "x\ty"}, {"a": "1"}], ["a", "b"]) == "a\tb\nn/a\tx y\n1\tn/a\n"
