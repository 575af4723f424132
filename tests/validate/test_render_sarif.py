"""Reports as SARIF 2.1.0: held against the parts of its schema that concern what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bidsflow.validate import Issue, Report, Severity
from bidsflow.validate.render.sarif import render_sarif
from tests.validate.reports import read_recorded, to_report

_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "additionalProperties": False,
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["uri", "uriBaseId"],
                    "properties": {
                        "uri": {"type": "string", "pattern": r"^(?!/)[A-Za-z0-9._~%/-]+$"},
                        "uriBaseId": {"const": "%SRCROOT%"},
                    },
                },
                "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        }
    },
}
#: From sarif-schema-2.1.0.json of OASIS: the same names and demands, stricter where we know more.
SARIF = {
    "type": "object",
    "additionalProperties": False,
    "required": ["$schema", "version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "originalUriBaseIds": {"additionalProperties": {"properties": {"description": _TEXT}}},
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "name": {"type": "string", "minLength": 1},
                                    "version": {"type": "string"},
                                    "informationUri": {"type": "string", "pattern": "^https://"},
                                    "properties": {"type": "object"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "additionalProperties": False,
                                            "required": ["id", "help", "shortDescription"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "name": {"type": "string", "pattern": "^[A-Za-z0-9]+$"},
                                                "shortDescription": _TEXT,
                                                "fullDescription": _TEXT,
                                                "help": _TEXT,
                                                "helpUri": {"type": "string", "pattern": "^https://"},
                                                "defaultConfiguration": {"properties": {"level": _LEVEL}},
                                            },
                                        },
                                    },
                                },
                                "additionalProperties": False,
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "additionalProperties": False,
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": _LEVEL,
                                "message": _TEXT,
                                "locations": {"type": "array", "minItems": 1, "items": _LOCATION},
                                "relatedLocations": {"type": "array", "uniqueItems": True, "items": _LOCATION},
                                "properties": {"type": "object"},
                                "suppressions": {
                                    "type": "array",
                                    "items": {
                                        "required": ["kind"],
                                        "properties": {
                                            "kind": {"enum": ["inSource", "external"]},
                                            "justification": {"type": "string"},
                                        },
                                        "additionalProperties": False,
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def load(report: Report) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(render_sarif(report))
    jsonschema.Draft7Validator(SARIF).validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [one["ruleId"] for one in run["results"]]
    return run


@pytest.mark.parametrize("name", ["recursive", "undescribed"])
def test_sarif_has_a_result_for_each_issue(name: str) -> None:
    report = to_report(read_recorded(name))
    run = load(report)
    assert len(run["results"]) == len(list(report))
    assert [one["level"] for one in run["results"]].count("error") == len(report.errors)
    assert all(rule["help"]["text"] for rule in run["tool"]["driver"]["rules"])
    assert run["tool"]["driver"]["version"] == "1.0"


def test_sarif_places_results_and_says_what_was_seen() -> None:
    issue = Issue(
        "TSV_VALUE_INCORRECT_TYPE", Severity.ERROR, "a b/ü%.tsv", "age", "'x'", "rules.a", ("sub-01/x.json",), 2
    )
    (result,) = load(Report("ds", (issue,), meanings={"TSV_VALUE_INCORRECT_TYPE": "Wrong type. More."}))["results"]
    assert result["message"]["text"] == "age: Wrong type. 'x'."
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%BC%25.tsv"
    assert place["physicalLocation"]["region"] == {"startLine": 2}
    (other,) = result["relatedLocations"]
    assert other["physicalLocation"]["artifactLocation"]["uri"] == "sub-01/x.json"
    assert result["properties"] == {"subCode": "age", "rule": "rules.a"}


def test_sarif_places_what_concerns_no_file_or_a_name_that_is_no_utf8() -> None:
    issues = (Issue("C", Severity.ERROR, ""), Issue("C", Severity.ERROR, "", affects=("stimuli/\udcff",)))
    uris = [
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in load(Report("ds", issues))["results"]
    ]
    assert uris == ["dataset_description.json", "stimuli/%FF"]


def test_sarif_suppresses_what_is_ignored() -> None:
    inner = Report("x", (), ignored=(Issue("B", Severity.IGNORE, "b"),))
    report = Report("ds", (), ignored=(Issue("A", Severity.IGNORE, "a"),), derivatives={"derivatives/x": inner})
    first, second = load(report)["results"]
    assert [one["suppressions"][0]["kind"] for one in (first, second)] == ["external", "external"]
    assert second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "derivatives/x/b"


def test_sarif_of_a_clean_dataset_has_no_results() -> None:
    run = load(Report("ds", (), engine="bidsflow"))
    assert (run["results"], run["tool"]["driver"]["name"]) == ([], "bidsflow")
