"""What a dataset holds, summed up as the reference does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bidsflow.validate import run
from bidsflow.validate.render.json import to_document
from bidsflow.validate.summary import rank_modalities
from tests.validate.defects.datasets import BASES
from tests.validate.defects.tree import write_tree
from tests.validate.defects.verdicts import MODES, find_reference, run_validator

PROGRAM = find_reference()


def summarise(root: Path) -> dict[str, Any]:
    """Return the summary as it stands in the JSON."""
    summary: dict[str, Any] = to_document(run(root, compat=True, cache=False))["summary"]
    return summary


def put_in_order(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary without the order in which the file system lists folders."""
    by_name = {"subjects", "sessions", "tasks", "dataTypes"}
    return {key: sorted(value) if key in by_name else value for key, value in summary.items()}


@pytest.mark.parametrize(
    ("given", "read"), [("35-40", 35), ("12.50", 12.5), ("89+", "89+"), ("", None), ("n/a", None), (" 7 years", 7)]
)
def test_age_is_the_number_that_its_text_begins_with(given: str, read: object, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text(f"participant_id\tage\nsub-01\t{given}\n")
    assert summarise(tmp_path)["subjectMetadata"] == [{"participantId": "01", "age": read}]


@pytest.mark.parametrize("content", [b"age\n3\n", b"", b"participant_id\tage\nsub-01\n", b"\xff\xfea\n"])
def test_table_of_participants_that_cannot_be_used_tells_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_bytes(content)
    assert summarise(tmp_path)["subjectMetadata"] == []


@pytest.mark.parametrize(
    ("counts", "ranked"),
    [
        ({"eeg": 1, "mri": 3}, ("MRI", "EEG")),
        ({"mri": 2, "pet": 2}, ("PET", "MRI")),
        ({"motion": 9, "eeg": 1, "beh": 1}, ("EEG", "motion", "beh")),
        ({}, ()),
    ],
)
def test_modalities_rank_as_the_reference_ranks_them(counts: dict[str, int], ranked: tuple[str, ...]) -> None:
    assert rank_modalities(counts) == ranked


@pytest.mark.slow
@pytest.mark.validator
@pytest.mark.skipif(PROGRAM is None, reason="the reference validator is not installed (extra `dev`)")
@pytest.mark.parametrize("base", BASES)
def test_summary_is_that_of_the_reference(base: str, tmp_path: Path) -> None:
    root = write_tree(BASES[base](), tmp_path / base)
    theirs = run_validator([str(PROGRAM), str(root), "--json", *MODES["headers"]])
    assert theirs is not None
    assert put_in_order(summarise(root)) == put_in_order(theirs["summary"])
