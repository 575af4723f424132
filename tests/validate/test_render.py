"""Reports as text and as the JSON of the reference validator."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from bidsflow.validate import Issue, Report, Severity
from bidsflow.validate.issues import TableWriter
from bidsflow.validate.render.json import iter_json, render_json
from bidsflow.validate.render.text import render_text
from bidsflow.validate.report import Summary
from tests.validate.reports import make_many, read_recorded, to_report

KEYS = tuple(
    Issue("SIDECAR_KEY_RECOMMENDED", Severity.WARNING, f"sub-{n:02d}_T1w.nii.gz", subcode, "Field description: x.")
    for n in range(1, 13)
    for subcode in ("EchoTime", "FlipAngle")
)
BAD = Issue("TSV_VALUE_INCORRECT_TYPE", Severity.ERROR, "participants.tsv", "age", "'x'", "rules.a", ("a.json",), 2)
MEANINGS = {"SIDECAR_KEY_RECOMMENDED": "A key is missing.", "TSV_VALUE_INCORRECT_TYPE": "A value has a wrong type."}
REPORT = Report("ds", (*KEYS, BAD), "1.2.7", "1.10.0", "engine 1", 34, MEANINGS)


def show(report: Report, **options: int) -> list[str]:
    return render_text(report, width=80, **options).plain.splitlines()  # type: ignore[arg-type]


def test_text_has_a_line_per_kind_errors_first_and_the_verdict_last() -> None:
    assert show(REPORT) == [
        "error     1 x TSV_VALUE_INCORRECT_TYPE (age): participants.tsv:2",
        "         A value has a wrong type. 'x'.",
        "         -> Correct the value; one that is not known is n/a.",
        "warning  12 x SIDECAR_KEY_RECOMMENDED (EchoTime)",
        "         sub-01_T1w.nii.gz",
        "         sub-02_T1w.nii.gz, ...",
        "warning  12 x SIDECAR_KEY_RECOMMENDED (FlipAngle)",
        "         sub-01_T1w.nii.gz",
        "         sub-02_T1w.nii.gz, ...",
        "         A key is missing.",
        "         -> Add the keys whose values are known, to the sidecar of the file or",
        "         once to one higher up; the dataset is valid without.",
        "not valid: 1 error, 24 warnings in 34 files",
    ]


def test_text_gathers_a_code_with_many_keys() -> None:
    lines = show(make_many(60, 3))
    assert lines[0] == "warning  180 x SIDECAR_KEY_RECOMMENDED (60 keys)"
    assert lines[1].startswith("         3 x Key000, Key001, ")
    assert "and 20 more (-v lists all)" in " ".join(" ".join(lines).split())
    assert len(lines) < 16
    assert max(map(len, lines)) <= 80


def test_text_in_full_lists_every_key_place_and_rule() -> None:
    lines = show(make_many(8, 3), verbose=True)
    assert sum("SIDECAR_KEY_RECOMMENDED (" in line for line in lines) == 8
    assert sum("sub-00002_bold.nii.gz" in line for line in lines) == 8
    assert "         participants.tsv:2  [rules.a]" in show(REPORT, verbose=True)


def test_text_says_at_each_place_what_was_seen_where_that_differs() -> None:
    issues = tuple(Issue("C", Severity.ERROR, f"{n}.json", "K", f"must be {n}\n\nField description: x") for n in "ab")
    assert show(Report("ds", issues))[1:3] == ["         a.json: must be a", "         b.json: must be b"]


def test_text_of_a_clean_dataset_is_the_verdict() -> None:
    assert show(Report("ds", (), n_files=1)) == ["valid: 0 errors, 0 warnings in 1 file"]


def test_text_ends_with_what_the_dataset_holds_and_what_is_within() -> None:
    report = to_report(read_recorded("recursive"))
    assert show(report)[-4:] == [
        "1 subject; MRI; 165 bytes",
        "derivatives/two: valid: 0 errors, 2 warnings in 1 file",
        "derivatives/one: not valid: 1 error, 4 warnings in 3 files",
        "not valid: 10 errors, 10 warnings in 11 files",
    ]


def test_text_counts_what_is_ignored_apart() -> None:
    ignored = (Issue("EMPTY_FILE", Severity.IGNORE, "a"),)
    assert show(Report("ds", (), n_files=2, ignored=ignored)) == ["valid: 0 errors, 0 warnings (1 ignored) in 2 files"]


def test_text_wraps_explanations_and_leaves_paths_whole() -> None:
    path = "sub-01/" * 30 + "x.tsv"
    report = Report("ds", (Issue("C", Severity.ERROR, path),), meanings={"C": "word " * 50})
    _, place, *rest = show(report)
    assert place.strip() == path
    assert max(map(len, rest)) <= 80


def test_text_leaves_out_the_marks_of_markdown() -> None:
    meaning = "See [Units](https://x.org/(a)) of `EchoTime`, SPEC_ROOT/units.html"
    report = Report("ds", (Issue("C", Severity.ERROR, "a"),), meanings={"C": meaning})
    assert show(report)[1].strip() == "See Units of EchoTime,"
    assert show(report)[2].strip() == "https://bids-specification.readthedocs.io/en/stable/units.html."


def test_text_escapes_what_could_act_on_a_terminal() -> None:
    issue = Issue("C", Severity.ERROR, "sub\x1b[2J-\u202e.tsv", "\x07", "bad \x9b value")
    plain = render_text(Report("ds", (issue,))).plain
    assert all(char.isprintable() or char == "\n" for char in plain)
    assert r"sub\x1b[2J-\u202e.tsv" in plain


@pytest.mark.parametrize("name", ["recursive", "undescribed"])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_is_that_of_the_reference(name: str, indent: int | None) -> None:
    recorded = read_recorded(name)
    text = render_json(to_report(recorded), indent=indent)
    separators = (",", ":") if indent is None else (",", ": ")
    assert text == json.dumps(recorded, ensure_ascii=False, indent=indent, separators=separators)


def test_json_keeps_what_is_ignored() -> None:
    report = Report("ds", (), ignored=(Issue("EMPTY_FILE", Severity.IGNORE, "a"),), meanings={"EMPTY_FILE": "Empty."})
    assert json.loads(render_json(report))["issues"] == {
        "issues": [{"code": "EMPTY_FILE", "severity": "ignore", "location": "/a"}],
        "codeMessages": {"EMPTY_FILE": "Empty."},
    }


def test_json_writes_numbers_as_javascript_does() -> None:
    ages = [26.0, 26.5, float("nan"), float("inf"), "89+"]
    summary = Summary(subject_metadata=tuple({"age": age} for age in ages))
    text = render_json(Report("ds", (), summary=summary))
    assert '[{"age":26},{"age":26.5},{"age":null},{"age":null},{"age":"89+"}]' in text


def test_json_holds_names_that_are_no_utf8() -> None:
    text = render_json(Report("ds", (Issue("C", Severity.ERROR, "sub-\udcff_ü.tsv"),)))
    assert r"/sub-\udcff_ü.tsv" in text.encode("utf-8").decode("utf-8")
    assert json.loads(text)["issues"]["issues"][0]["location"] == "/sub-\udcff_ü.tsv"


def test_json_of_many_issues_is_made_piece_by_piece() -> None:
    report = make_many(10, 2000)
    tracemalloc.start()
    n_chars = sum(len(piece) for piece in iter_json(report))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_chars > 2_000_000
    assert peak < n_chars / 10


def test_json_of_a_table_is_that_of_its_issues() -> None:
    odd = ("", "CITATION.cff", 'a",\\"location":"/x"', "sub-\udcff.tsv", "x")
    issues = [Issue("FILE_READ", Severity.ERROR, place, place, place) for place in odd]
    issues += [Issue("MULTIPLE_INHERITABLE_FILES", Severity.ERROR, place, affects=("b",)) for place in odd]
    table = TableWriter()
    table.extend(issues * 200)
    assert render_json(Report("ds", table.finish())) == render_json(Report("ds", tuple(issues * 200)))
