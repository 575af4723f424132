"""Which errors of a validation concern everybody, and which one participant."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.app.faults import sort_issues
from bidsflow.app.invocation import Selection
from bidsflow.validate import Issue, Severity

from .conftest import write_image

IMAGE = "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz"


def sort(root: Path, *places: str, labels: tuple[str, ...] = ("01", "02"), **chosen: object) -> tuple[list[str], ...]:
    issues = [Issue("EMPTY_FILE", Severity.ERROR, place) for place in places]
    common, faults = sort_issues(root, issues, labels, Selection(**chosen))  # type: ignore[arg-type]
    return [issue.location for issue in common], [f"{fault.participant} {fault.path}" for fault in faults]


class Case(NamedTuple):
    place: str
    common: bool
    own: bool


CASES = [
    Case("dataset_description.json", True, False),
    Case("", True, False),
    Case("sub-01_T1w.json", True, False),  # at the top: all inherit from it
    Case("phenotype/x.tsv", True, False),
    Case("sub-nobody/anat/x.json", True, False),
    Case(IMAGE, False, True),
    Case("sub-01", False, True),
    Case("sub-01/my own.txt", False, True),
    Case("sub-03/ses-a/anat/sub-03_ses-a_T1w.nii.gz", False, False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.place)
def test_error_is_of_everybody_or_of_one(case: Case, dataset: Path) -> None:
    (dataset / "sub-03").mkdir()
    common, own = sort(dataset, case.place)
    assert (common, own) == ([case.place] * case.common, [f"01 {case.place}"] * case.own)


@pytest.mark.parametrize(("session", "n_faults"), [("a", 1), ("b", 0)])
def test_error_in_a_session_that_is_not_asked_for_does_not_matter(session: str, n_faults: int, dataset: Path) -> None:
    assert len(sort(dataset, IMAGE, sessions=(session,))[1]) == n_faults


def test_error_of_a_file_without_content_does_not_matter(dataset: Path) -> None:
    image = write_image(dataset / IMAGE)
    image.write_text("/annex/objects/MD5E-s123--abc.nii.gz")
    assert sort(dataset, IMAGE) == ([], [])


def test_errors_of_one_kind_are_one_fault(dataset: Path) -> None:
    places = [f"sub-01/anat/sub-01_run-{run}_T1w.nii.gz" for run in (1, 2, 3)]
    issues = [Issue("EMPTY_FILE", Severity.ERROR, place) for place in places]
    _, (fault,) = sort_issues(dataset, issues, ("01",), Selection())
    assert (fault.path, fault.reason) == (places[0], "does not keep to BIDS: EMPTY_FILE, and in 2 more files")
