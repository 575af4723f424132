"""Reports as text and as JSON."""

from __future__ import annotations

import json

from bidsflow.validate import Issue, Report, Severity
from bidsflow.validate.render.json import render_json
from bidsflow.validate.render.text import render_text

KEYS = tuple(
    Issue("SIDECAR_KEY_RECOMMENDED", Severity.WARNING, f"sub-{n:02d}_T1w.nii.gz", subcode, "Field description.")
    for n in range(1, 13)
    for subcode in ("EchoTime", "FlipAngle")
)
BAD = Issue("TSV_VALUE_INCORRECT_TYPE", Severity.ERROR, "participants.tsv", "age", "'x'", "rules.a", ("a.json",), 2)
MEANINGS = {"SIDECAR_KEY_RECOMMENDED": "A key is missing.", "TSV_VALUE_INCORRECT_TYPE": "A value has a wrong type."}
REPORT = Report("ds", (*KEYS, BAD), "1.2.7", "1.10.0", "engine 1", 34, MEANINGS)


def test_text_has_one_line_per_kind_and_the_errors_last() -> None:
    assert render_text(REPORT).plain.splitlines() == [
        "warning  12 x SIDECAR_KEY_RECOMMENDED (EchoTime): sub-01_T1w.nii.gz, sub-02_T1w.nii.gz, ...",
        "         A key is missing.",
        "warning  12 x SIDECAR_KEY_RECOMMENDED (FlipAngle): sub-01_T1w.nii.gz, sub-02_T1w.nii.gz, ...",
        "error     1 x TSV_VALUE_INCORRECT_TYPE (age): participants.tsv:2",
        "         A value has a wrong type. 'x'",
        "not valid: 1 error, 24 warnings in 34 files",
    ]


def test_text_of_a_clean_dataset_is_the_verdict() -> None:
    assert render_text(Report("ds", (), n_files=1)).plain == "valid: 0 errors, 0 warnings in 1 file\n"


def test_text_wraps_explanations_and_leaves_paths_whole() -> None:
    path = "sub-01/" * 30 + "x.tsv"
    report = Report("ds", (Issue("C", Severity.ERROR, path),), meanings={"C": "word " * 50})
    first, *rest = render_text(report, width=60).plain.splitlines()
    assert first.endswith(path)
    assert max(map(len, rest)) <= 60


def test_text_escapes_what_could_act_on_a_terminal() -> None:
    issue = Issue("C", Severity.ERROR, "sub\x1b[2J-\u202e.tsv", "\x07", "bad \x9b value")
    plain = render_text(Report("ds", (issue,))).plain
    assert all(char.isprintable() or char == "\n" for char in plain)
    assert r"sub\x1b[2J-\u202e.tsv" in plain


def test_json_holds_every_key_of_every_issue() -> None:
    document = json.loads(render_json(REPORT))
    assert {key: value for key, value in document.items() if key not in {"groups", "issues"}} == {
        "format": "bidsflow-validation",
        "format_version": 1,
        "root": "ds",
        "valid": False,
        "engine": "engine 1",
        "schema_version": "1.2.7",
        "bids_version": "1.10.0",
        "n_files": 34,
        "n_errors": 1,
        "n_warnings": 24,
    }
    assert document["issues"][-1] == {
        "code": "TSV_VALUE_INCORRECT_TYPE",
        "subcode": "age",
        "severity": "error",
        "location": "participants.tsv",
        "line": 2,
        "message": "'x'",
        "rule": "rules.a",
        "affects": ["a.json"],
    }
    assert [group["count"] for group in document["groups"]] == [1, 12, 12]
    assert document["groups"][0]["message"] == "A value has a wrong type. 'x'"
