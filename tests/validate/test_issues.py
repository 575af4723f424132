"""Reports as values: severity decides, groups sum up, filters choose."""

from __future__ import annotations

import pickle

import pytest

from bidsflow.validate import Issue, Report, Severity
from bidsflow.validate.issues import N_LEADS, TableWriter
from bidsflow.validate.report import match_location

KEY = [
    Issue("SIDECAR_KEY_RECOMMENDED", Severity.WARNING, f"sub-{n:02d}/anat/sub-{n:02d}_T1w.nii.gz", "EchoTime", "TE.")
    for n in range(5)
]
BAD = Issue("TSV_VALUE_INCORRECT_TYPE", Severity.ERROR, "participants.tsv", "age", "'x'", line=2)
REPORT = Report("ds", (*KEY, BAD), meanings={"SIDECAR_KEY_RECOMMENDED": "A key is missing."}, n_files=9)
OUTER = Report("ds", (KEY[0],), n_files=1, derivatives={"derivatives/x": REPORT})


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
    assert pickle.loads(pickle.dumps(OUTER)) == OUTER


def test_place_is_what_an_issue_affects_when_it_has_no_location() -> None:
    assert Issue("C", Severity.ERROR, "", affects=("stimuli/a.png", "stimuli/b.png")).place == "stimuli/a.png"
    assert Issue("C", Severity.ERROR, "").place == ""


def test_report_takes_derivatives_in_with_their_place() -> None:
    assert not OUTER.ok
    assert [issue.location for issue in OUTER][:2] == [KEY[0].location, f"derivatives/x/{KEY[0].location}"]
    assert OUTER.errors[0].location == "derivatives/x/participants.tsv"
    assert OUTER.n_all_files == 10
    assert [group.count for group in OUTER.groups] == [1, 6]
    assert OUTER.groups[1].message == "A key is missing. TE."


def test_filter_keeps_what_agrees_in_all_that_is_asked() -> None:
    kept = REPORT.filter(severity="warning", location="sub-03/")
    assert kept.issues == (KEY[3],)
    assert kept.ok
    assert REPORT.filter(code="TSV_VALUE_INCORRECT_TYPE").issues == (BAD,)
    assert REPORT.filter(code="TSV_VALUE_INCORRECT_TYPE").meanings == {}
    assert REPORT.filter(subcode="EchoTime").issues == tuple(KEY)
    assert REPORT.filter(location="*.tsv", severity=Severity.WARNING).issues == ()


def test_filter_sees_derivatives_from_the_root() -> None:
    kept = OUTER.filter(location="derivatives/x/sub-02/")
    assert [issue.location for issue in kept] == [f"derivatives/x/{KEY[2].location}"]
    assert kept.derivatives["derivatives/x"].issues == (KEY[2],)


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("sub-01/", True), ("sub-01", True), ("*_T1W.json", True), ("**/anat/*", True), ("anat/*.json", False),
        ("/sub-01/anat/sub-01_T1w.json", True), ("/sub-01", False), ("!sub-01", False), ("/SUB-01/anat", False),
    ],
)  # fmt: skip
def test_location_is_a_pattern_as_in_gitignore(pattern: str, fits: bool) -> None:
    # asked of the reference validator, version 3.0.2
    assert match_location(pattern)("sub-01/anat/sub-01_T1w.json") is fits


def test_table_sums_up_what_it_holds() -> None:
    table = TableWriter()
    table.extend([*KEY, BAD, *(KEY[0]._replace(message=text, line=n) for n, text in enumerate("abcab"))])
    issues = table.finish()
    outlines, groups = issues.outline(), issues.split()
    assert [len(one) for one in outlines] == [len(one) for one in groups] == [10, 1]
    assert [list(one) for one in outlines] == [KEY[:N_LEADS], [BAD]]
    assert outlines[0].messages == ["TE.", *"abcab"]
    assert issues.select(lambda head: head.severity is Severity.ERROR) == [BAD]
    assert issues.count_severity(Severity.WARNING) == 10
