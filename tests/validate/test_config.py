"""The configuration: what it silences and regrades, and what is told of a wrong one."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from bidsflow.errors import ConfigError
from bidsflow.validate import Issue, Severity
from bidsflow.validate.config import apply_config, parse_config, read_config
from bidsflow.validate.options import Options, make_options

EMPTY = Issue("EMPTY_FILE", Severity.ERROR, "sub-01/anat/sub-01_T1w.nii.gz")
KEY = Issue("SIDECAR_KEY_RECOMMENDED", Severity.WARNING, "sub-02/func/sub-02_bold.json", "FlipAngle", "x", "rules.a")
AGE = Issue("TSV_VALUE_INCORRECT_TYPE", Severity.ERROR, "participants.tsv", "age", "'x'", line=2)
NOWHERE = Issue("MISSING_DATASET_DESCRIPTION", Severity.ERROR, "", affects=("dataset_description.json",))
ALL = (EMPTY, KEY, AGE, NOWHERE)


def grade(text: str) -> list[str]:
    return [issue.severity.value for issue in parse_config(text, "c.json").grade(ALL)]


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ('{"ignore": [{"code": "EMPTY_FILE"}]}', "ignore warning error error"),
        ('{"error": [{"code": "SIDECAR_KEY_RECOMMENDED", "subCode": "FlipAngle"}]}', "error error error error"),
        ('{"error": [{"code": "SIDECAR_KEY_RECOMMENDED", "subCode": "EchoTime"}]}', "error warning error error"),
        ('{"ignore": [{"location": "SUB-01/"}]}', "ignore warning error error"),
        ('{"ignore": [{"location": "/participants.tsv"}]}', "error warning ignore error"),
        ('{"ignore": [{"location": "*"}]}', "ignore ignore ignore error"),
        ('{"ignore": [{"severity": "error"}]}', "ignore warning ignore ignore"),
        ('{"ignore": [{"line": 2}], "warning": [{"rule": "rules.a"}]}', "error warning ignore error"),
        # in the order ignore, warning, error, whatever the order in the file; each sees what those before have done
        ('{"error": [{"code": "EMPTY_FILE"}], "ignore": [{"code": "EMPTY_FILE"}]}', "error warning error error"),
        ('{"warning": [{"severity": "ignore"}], "ignore": [{"location": "*.tsv"}]}', "error warning warning error"),
        ("{}", "error warning error error"),
    ],
)
def test_filters_grade_issues(text: str, severities: str) -> None:
    assert grade(text) == severities.split()


def test_what_is_silenced_is_kept_apart() -> None:
    issues, ignored = apply_config(parse_config('{"ignore": [{"code": "EMPTY_FILE"}]}', ""), ALL)
    assert issues == ALL[1:]
    assert [(issue.code, issue.severity) for issue in ignored] == [("EMPTY_FILE", Severity.IGNORE)]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ('{"ignore": [{"cod": "X"}]}', ["ignore[0].cod: unknown field; did you mean code?"]),
        ('{"ignored": []}', ["ignored: unknown field; did you mean ignore?"]),
        ('{"x": []}', ["x: unknown field; known are ignore, warning, error"]),
        ('{"ignore": {"code": "X"}}', ["ignore: a list of filters is needed, this is an object"]),
        ('{"ignore": [{}]}', ['ignore[0]: an empty filter means every issue; {"severity": "warning"} says which']),
        ('{"error": ["EMPTY_FILE"]}', ['error[0]: an object is needed, this is "EMPTY_FILE"']),
        ('{"error": [{"code": ["A"]}]}', ["error[0].code: a text is needed, this is a list"]),
        ('{"error": [{"code": ""}]}', ["error[0].code: a text is needed, this is empty"]),
        ('{"error": [{"severity": "warn"}]}', ["error[0].severity: 'warn' is none; did you mean warning?"]),
        ('{"error": [{"line": true}]}', ["error[0].line: a number of a line, from 1, is needed, this is true"]),
        ('{"error": [], "error": []}', ["error: it is there twice"]),
        ("[]", ["the whole: an object is needed, this is a list"]),
        ("null", ["the whole: an object is needed, this is null"]),
        ('{"ignore": [\n  {"code" "A"}]}', ["line 2, column 11: Expecting ':' delimiter"]),
        ('{"ignore": [{"a": 1}], "error": [3]}',
         ["ignore[0].a: unknown field; known are code, subCode, severity, location, issueMessage, rule, line",
          "error[0]: an object is needed, this is the number 3"]),
        ("[" * 100_000, ["this is nested too deeply, or has a number too long"]),
    ],
)  # fmt: skip
def test_each_problem_is_told_with_its_place(text: str, problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.json")
    assert list(caught.value.problems) == problems
    assert str(caught.value).splitlines()[0] == "c.json: the configuration cannot be used"


def test_unknown_codes_are_noted_with_what_may_be_meant() -> None:
    text = (
        '{"ignore": [{"code": "EMTPY_FILE"}, {"code": "BOLD_NOT_4D"}, {"code": "DWI_MISING_BVAL"}, {"code": "QQQQ"}]}'
    )
    assert parse_config(text, "").notes == (
        "ignore[0].code: no check has the code EMTPY_FILE; did you mean EMPTY_FILE?",
        "ignore[2].code: no check has the code DWI_MISING_BVAL; did you mean DWI_MISSING_BVAL?",
        "ignore[3].code: no check has the code QQQQ",
    )


def test_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(b"\xff\xfe")
    for path, reason in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "c.json", "UTF-8"),
    ):
        with pytest.raises(ConfigError, match=reason):
            read_config(path)


def test_options_take_a_path_and_labels_as_they_are_typed(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('\ufeff{"ignore": [{"code": "EMPTY_FILE"}]}', encoding="utf-8")
    options = make_options(config=path, subjects=("sub-01", "01", "02"), max_rows=-1)
    assert options == Options(config=read_config(path), subjects=("01", "02"), max_rows=-1)
    assert pickle.loads(pickle.dumps(options)) == options


def test_options_refuse_what_cannot_be_meant() -> None:
    for wrong in ({"jobs": 0}, {"max_rows": -2}):
        with pytest.raises(ValueError, match=r"is (-2|0):"):
            Options(**wrong)
    with pytest.raises(TypeError, match="ignore_warning"):
        make_options(ignore_warning=True)
