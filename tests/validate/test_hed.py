"""Annotations with HED, beyond the table of defects; what is expected was taken from the reference validator."""

import json
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from bidsflow.validate import installed, run
from bidsflow.validate.installed import find_hedtools
from bidsflow.validate.issues import Issue
from tests.validate.defects.datasets import BASES
from tests.validate.defects.tree import write_tree

pytestmark = pytest.mark.skipif(not find_hedtools(), reason="hedtools is not installed (extra `hed`)")

DEFINITIONS = {"d": {"HED": {"a": "(Definition/A, (Red))", "v": "(Definition/Value/#, (Parameter-value/#))"}}}
EVENTS = "sub-01/func/sub-01_task-go_events.tsv"
SIDECAR = "task-go_events.json"


def check(
    folder: Path, events: str, sidecar: object = DEFINITIONS, version: Any = "8.3.0", **options: Any
) -> list[Issue]:
    tree = BASES["hed"]()
    description = json.loads(tree["dataset_description.json"])
    tree["dataset_description.json"] = json.dumps({**description, "HEDVersion": version}).encode()
    tree[EVENTS], tree[SIDECAR] = events.encode(), json.dumps(sidecar).encode()
    report = run(write_tree(tree, folder / "dataset"), **{"compat": True, "cache": False, "jobs": 1, **options})
    return [issue for issue in report.issues if issue.code.startswith("HED")]


def codes(issues: list[Issue], location: str = EVENTS) -> list[str]:
    return sorted(issue.subcode for issue in issues if issue.location == location)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Item/Object/Man-made-object/Vehicle/Car", []),
        ("Def/Value/3", []),
        ("(Onset, Def/A, (Red))", []),
        ("(Delay/3 s, (Red))", []),
        ("(Red,", ["PARENTHESES_MISMATCH", "TAG_EMPTY"]),
        ("Square,Red),(Blue", ["PARENTHESES_MISMATCH"]),
        ("Car/Two words", ["TAG_EXTENSION_INVALID"]),
        ("Description/(x)", ["COMMA_MISSING"]),
        ("{", ["SIDECAR_BRACES_INVALID"]),
        ("Red, {trial_type}", ["CHARACTER_INVALID"]),
        ("Label/#, Nonsense", ["PLACEHOLDER_INVALID"]),
        ("Nonsense, Nonsense", ["TAG_INVALID"] * 2),
        ("Red Blue", ["TAG_INVALID"]),
        ("1:Red", ["TAG_NAMESPACE_PREFIX_INVALID"]),
        ("Label/a$b, Label/c$d", ["VALUE_INVALID"] * 2),
        ("Clock-face/08:30", ["VALUE_INVALID"]),
        ("Def", ["TAG_REQUIRES_CHILD"]),
        ("Onset, Def/A", ["TAG_GROUP_ERROR"]),
        ("(Offset, Def/A, (Red))", ["TAG_GROUP_ERROR"]),
        ("(Onset, Def/A), (Onset, Def/A)", ["TAG_EXPRESSION_REPEATED"]),
        ("Car/Toyota, Car/Mazda", ["TAG_EXTENDED"] * 2),
    ],
)
def test_cell_is_checked(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert codes(check(tmp_path, f"onset\tduration\tHED\n1\t1\t{text}\n2\t1\tGreen\n")) == expected


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"go": "Red", "stop": ""}, []),
        ({"go": "Red", " stop": "Blue"}, ["SIDECAR_KEY_MISSING"]),
        ({"go": "Red", "N/A ": "Blue", "stop": 5}, ["SIDECAR_INVALID"]),
        (["Red"], ["SIDECAR_INVALID"]),
        (None, ["SIDECAR_INVALID"]),
        ("Distance/# kg", ["UNITS_INVALID"]),
        ({"go": "Red, {aa}, {bb}", "stop": "{aa}"}, ["SIDECAR_BRACES_INVALID"] * 2),
        ({"go": "Red, {{aa}}", "stop": "Blue"}, ["SIDECAR_BRACES_INVALID"]),
        ({"go": "Square,Red),(Blue", "stop": "Blue"}, ["PARENTHESES_MISMATCH"]),
        ({"go": "Red, { }", "stop": "Blue"}, ["SIDECAR_BRACES_INVALID"]),
        ({"go": "(Definition/A, (Red), (Blue))", "stop": "Blue"}, ["DEFINITION_INVALID"]),
    ],
)
def test_sidecar_is_checked(tmp_path: Path, levels: object, expected: list[str]) -> None:
    issues = check(tmp_path, "onset\tduration\ttrial_type\n1\t1\tgo\n2\t1\tstop\n", {"trial_type": {"HED": levels}})
    assert codes(issues) == expected
    assert codes(issues, SIDECAR) == [code for code in expected if code != "SIDECAR_KEY_MISSING"]


@pytest.mark.parametrize("entry", [{"Levels": {"HED": "x"}}, {"Levels": {"a": {"hed": {}}}}])
def test_annotation_that_is_too_deep_is_an_error(tmp_path: Path, entry: dict[str, Any]) -> None:
    sidecar = {"other": entry, "trial_type": {"HED": {"go": "Red"}}}
    assert codes(check(tmp_path, "onset\tduration\n1\t1\n", sidecar), SIDECAR) == ["SIDECAR_INVALID"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1\t(Onset, Def/A)\n2\t(Offset, Def/A)", []),
        ("2\t(Offset, Def/A)\n1\t(Onset, Def/A)", []),
        ("1\t(Offset, Def/A)\n2\t(Offset, Def/A)", ["TEMPORAL_TAG_ERROR"]),
        ("1\tRed\n1\tRed", ["TAG_EXPRESSION_REPEATED"]),
        ("n/a\t(Onset, Def/A)", ["TEMPORAL_TAG_ERROR"]),
        ("", []),
    ],
)
def test_rows_are_checked_in_their_order_in_time(tmp_path: Path, rows: str, expected: list[str]) -> None:
    assert codes(check(tmp_path, f"onset\tHED\n{rows}\n")) == expected


def test_definition_stands_in_a_sidecar_but_in_no_row(tmp_path: Path) -> None:
    sidecar = {"trial_type": {"HED": {"go": "(Definition/A, (Red))", "stop": "Blue"}}}
    issues = check(tmp_path, "onset\ttrial_type\n1\tstop\n2\tgo\n", sidecar)
    assert [(issue.subcode, issue.place) for issue in issues] == [("DEFINITION_INVALID", f"{EVENTS}:3")]


def test_each_row_has_its_issue(tmp_path: Path) -> None:
    issues = check(tmp_path, "onset\tduration\tHED\n1\t1\tNonsense\n2\t1\tRed\n3\t1\tNonsense\n")
    assert [issue.line for issue in issues] == [2, 4]


def test_warning_is_given_once_unless_the_reference_is_followed(tmp_path: Path) -> None:
    sidecar = {"trial_type": {"HED": {"go": "Car/Toyota"}}}
    events = "onset\tduration\ttrial_type\n1\t1\tgo\n2\t1\tgo\n"
    assert codes(check(tmp_path / "theirs", events, sidecar)) == ["TAG_EXTENDED"] * 4
    ours = check(tmp_path / "ours", events, sidecar, compat=False)
    assert (codes(ours), codes(ours, SIDECAR)) == (["TAG_EXTENDED"], ["TAG_EXTENDED"])


@pytest.mark.parametrize("version", ["99.0.0", "newest", "8.3.0,score_2.0.0", ["8.3.0", "8.2.0"], [], "a:b:8.3.0"])
def test_version_that_is_not_there_is_an_issue_of_the_dataset(tmp_path: Path, version: Any) -> None:
    issues = check(tmp_path, "onset\tHED\n1\tNonsense\n", version=version)
    assert [(issue.subcode, issue.location) for issue in issues] == [("SCHEMA_LOAD_FAILED", "")]


def test_schemas_that_are_there_need_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    from hed.schema.hed_cache import INSTALLED_CACHE_LOCATION

    installed = {
        path.stem.removeprefix("HED").removeprefix("_") for path in Path(INSTALLED_CACHE_LOCATION).glob("*.xml")
    }
    assert "score_2.0.0" in installed
    for number, version in enumerate(sorted(installed)):
        assert check(tmp_path / str(number), "onset\tHED\n1\tn/a\n", {}, version, compat=False) == []
    assert check(tmp_path / "two", "onset\tHED\n1\tRed\n", {}, ["8.3.0", "score_2.0.0"]) == []


def test_error_within_hedtools_is_an_issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hed.validator.spreadsheet_validator import SpreadsheetValidator

    monkeypatch.setattr(SpreadsheetValidator, "validate_hed_column", lambda *_, **__: 1 / 0)
    assert codes(check(tmp_path, "onset\tHED\n1\tRed\n")) == ["INTERNAL_ERROR"]


def test_only_versions_are_looked_at_where_hedtools_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hed", None)  # what Python takes for a module that cannot be imported
    monkeypatch.setattr(installed, "_found", {})
    assert check(tmp_path / "a", "onset\tHED\n1\tNonsense\n") == []
    missing = check(tmp_path / "b", "onset\tHED\n1\tNonsense\n", version=None)
    assert [issue.subcode for issue in missing] == ["SCHEMA_LOAD_FAILED"]
    assert codes(check(tmp_path / "c", "onset\tHED\n1\tNonsense\n", version="99.0.0"), "") == ["SCHEMA_LOAD_FAILED"]


def test_version_is_that_of_the_package() -> None:
    assert find_hedtools() == metadata.version("hedtools")


def test_hedtools_is_imported_only_for_annotations(tmp_path: Path) -> None:
    program = (
        "import sys; from bidsflow.validate import run; run(sys.argv[1], cache=False);"
        "print(any(name in sys.modules for name in ('hed', 'pandas', 'inflect')))"
    )
    for base, expected in (("mri", "False"), ("hed", "True")):
        root = write_tree(BASES[base](), tmp_path / base)
        done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Description/Größe", []), ("Größe", ["TAG_INVALID"]), ("Red/α, Red/β", ["TAG_EXTENDED"] * 2)],
)
def test_letters_beyond_ascii_are_letters_to_the_reference(tmp_path: Path, text: str, expected: list[str]) -> None:
    table = f"onset\tduration\tHED\n1\t1\t{text}\n"
    assert codes(check(tmp_path / "a", table, version="8.2.0")) == expected
    assert codes(check(tmp_path / "b", table, version="8.2.0", compat=False)) == ["CHARACTER_INVALID"]


def test_version_may_stand_twice(tmp_path: Path) -> None:
    assert codes(check(tmp_path, "onset\tduration\tHED\n1\t1\tRed\n", version=["8.3.0", "8.3.0"])) == []
