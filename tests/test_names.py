"""A name and its path are two spellings of one value."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.errors import EntityError, PathNameError
from bidsflow.names import ENTITY_ORDER, BidsName, order_entities, parse_name, to_label

LABELS = st.text("abcXYZ019+", min_size=1, max_size=6)
SUFFIXES = st.sampled_from(["T1w", "bold", "dwi", "epi", "physio"])
EXTENSIONS = st.sampled_from(["", ".nii.gz", ".json", ".tsv.gz"])
OTHERS = st.dictionaries(st.sampled_from([key for key in ENTITY_ORDER if key not in ("sub", "ses")]), LABELS)


@st.composite
def bids_names(draw: st.DrawFn) -> BidsName:
    pairs = tuple(draw(OTHERS).items())
    datatype = draw(st.sampled_from(["anat", "func", "dwi", "fmap"]))
    session = draw(st.one_of(st.just(""), LABELS))
    return BidsName(draw(LABELS), datatype, draw(SUFFIXES), draw(EXTENSIONS), session, pairs)


@given(bids_names())
def test_parsing_undoes_writing(name: BidsName) -> None:
    assert parse_name(str(name)) == name


@given(bids_names(), LABELS)
def test_an_entity_is_set_and_taken_away(name: BidsName, label: str) -> None:
    named = name.with_entity("run", label)
    assert named.entity("run") == label
    assert named.with_entity("run", "") == name.with_entity("run", "")
    assert parse_name(str(named)) == named


@given(OTHERS)
def test_entities_keep_the_order_of_bids(pairs: dict[str, str]) -> None:
    ordered = order_entities(tuple(reversed(pairs.items())))
    assert dict(ordered) == pairs
    assert [key for key, _ in ordered] == [key for key in ENTITY_ORDER if key in pairs]


@given(st.text(max_size=30))
def test_a_label_holds_letters_and_digits_only(text: str) -> None:
    label = to_label(text)
    assert label == "" or (label.isascii() and label.isalnum())


class CaseBad(NamedTuple):
    path: str
    says: str


BAD = [
    CaseBad("", "relative"),
    CaseBad("/sub-01/anat/sub-01_T1w", "relative"),
    CaseBad("sub-01/../sub-01/anat/sub-01_T1w", "relative"),
    CaseBad("sub-01//anat/sub-01_T1w", "relative"),
    CaseBad("./sub-01/anat/sub-01_T1w", "relative"),
    CaseBad("sub-01/sub-01_T1w", "expected"),
    CaseBad("sub-01/ses-1/anat/more/sub-01_ses-1_T1w", "expected"),
    CaseBad("sub-01/anat/sub-02_T1w", "agree"),
    CaseBad("sub-01/anat/sub-01_ses-1_T1w", "agree"),
    CaseBad("sub-01/ses-1/anat/sub-01_T1w", "agree"),
    CaseBad("sub-01/ses-1/anat/sub-01_ses-2_T1w", "agree"),
    CaseBad("sub-01/anat/T1w", "agree"),
    CaseBad("sub-01/anat/sub-01_", "agree"),
    CaseBad("sub-01/anat/sub-01_run-1", "agree"),
    CaseBad("sub-01/func/sub-01_rest_bold", "is not <key>-<label>"),
    CaseBad("sub-01/func/sub-01_task-_bold", "is not <key>-<label>"),
    CaseBad("sub-01/func/sub-01_task-a_task-b_bold", "stands twice"),
    CaseBad("sub-01/func/sub-01_subject-a_bold", "not an entity"),
    CaseBad("sub-01/func/sub-01_run-1_task-a_bold", "sub-01_task-a_run-1_bold"),
    CaseBad("sub-01/func/sub-01_task-a-b_bold", "letters and digits"),
    CaseBad("sub-01/func/sub-01_task-a b_bold", "letters and digits"),
    CaseBad("sub-ä/func/sub-ä_task-a_bold", "letters and digits"),
    CaseBad("sub-01/func/sub-01_task-a_bold\n", "suffix"),
    CaseBad("sub-01/anat\t/sub-01_T1w", "datatype"),
    CaseBad("sub-01/anat/sub-01_T1 w", "suffix"),
    CaseBad("sub-01/anat/sub-01_T1w.nii\n", "extension"),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: repr(case.path))
def test_what_is_no_name_is_refused(case: CaseBad) -> None:
    with pytest.raises((PathNameError, EntityError)) as caught:
        parse_name(case.path)
    assert case.says in str(caught.value)


def test_entities_given_out_of_order_are_put_in_order() -> None:
    name = BidsName("01", "func", "bold", entities=(("run", "1"), ("task", "rest")))
    assert str(name) == "sub-01/func/sub-01_task-rest_run-1_bold"


@pytest.mark.parametrize(
    ("text", "label"),
    [("finger tapping_2", "fingerTapping2"), ("--", ""), ("Prüfung", "Prufung"), ("nBack", "nBack"), ("a²", "a2")],
)
def test_words_are_joined_to_a_label(text: str, label: str) -> None:
    assert to_label(text) == label
