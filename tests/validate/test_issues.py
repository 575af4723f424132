"""Reports as values: severity decides, groups sum up."""

from __future__ import annotations

import pickle

from bidsflow.validate import Issue, Report, Severity

KEY = [
    Issue("SIDECAR_KEY_RECOMMENDED", Severity.WARNING, f"sub-{n:02d}/anat/sub-{n:02d}_T1w.nii.gz", "EchoTime", "TE.")
    for n in range(5)
]
BAD = Issue("TSV_VALUE_INCORRECT_TYPE", Severity.ERROR, "participants.tsv", "age", "'x'", line=2)
REPORT = Report("ds", (*KEY, BAD), meanings={"SIDECAR_KEY_RECOMMENDED": "A key is missing."}, n_files=9)


def test_report_is_ok_when_there_are_warnings_only() -> None:
    assert not REPORT.ok
    assert Report("ds", tuple(KEY)).ok
    assert Report("ds", ()).ok
    assert (REPORT.errors, REPORT.warnings) == ((BAD,), tuple(KEY))


def test_groups_come_errors_first_with_count_and_examples() -> None:
    worst, rest = REPORT.groups
    assert (worst.code, worst.count, worst.examples) == ("TSV_VALUE_INCORRECT_TYPE", 1, ("participants.tsv:2",))
    assert (rest.count, len(rest.examples)) == (5, 3)
    assert rest.message == "A key is missing. TE."


def test_group_leaves_out_what_differs_between_issues() -> None:
    issues = tuple(Issue("C", Severity.ERROR, "a", message=text) for text in ("one", "two"))
    (group,) = Report("ds", issues, meanings={"C": "It is wrong."}).groups
    assert group.message == "It is wrong."
    assert group.examples == ("a",)  # each place once


def test_same_code_of_two_severities_makes_two_groups() -> None:
    issues = (Issue("C", Severity.WARNING, "a"), Issue("C", Severity.ERROR, "a"))
    assert [group.severity for group in Report("ds", issues).groups] == [Severity.ERROR, Severity.WARNING]


def test_report_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(REPORT)) == REPORT
