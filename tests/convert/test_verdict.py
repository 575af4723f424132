"""A conversion is complete only if what it wrote is valid."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from bidsflow.convert.plan import Decision, from_bytes
from bidsflow.convert.run import Outcome, Result, Status
from bidsflow.convert.verdict import find_errors
from bidsflow.dataset.tree import open_dataset

from .conftest import Ran

Cli = Callable[..., Ran]


def edit_plan(plan: Path, old: str, new: str) -> None:
    text = plan.read_text()
    assert old in text
    plan.write_text(text.replace(old, new))


def test_invalid_images_leave_a_conversion_incomplete(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    plan, target = tmp_path / "plan.tsv", tmp_path / "bids"
    assert cli("plan", my_export, "-o", plan).code == 0
    assert cli("convert", my_export, target, "--plan", plan).code == 0
    rows = from_bytes(plan.read_bytes(), "plan.tsv").decided(Decision.CONVERT)
    outcomes = tuple(Outcome(row, Status.WRITTEN, "") for row in rows)
    dataset = open_dataset(target)
    assert find_errors(dataset, outcomes) == ()
    (sidecar,) = (target / "sub-01" / "ses-01" / "func").glob("*rest*_bold.json")
    sidecar.write_text("{}")
    errors = find_errors(dataset, outcomes)
    assert {issue.subcode for issue in errors} >= {"RepetitionTime"}
    assert {issue.location.partition(".")[0] for issue in errors} == {f"sub-01/ses-01/func/{sidecar.stem}"}
    assert not Result(outcomes, (), (), errors=errors).complete
    unchanged = tuple(Outcome(row, Status.UNCHANGED, "") for row in rows)
    assert find_errors(dataset, unchanged) == ()


def test_files_of_others_do_not_make_a_conversion_incomplete(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    (target / "sub-01" / "notes.txt").write_text("mine")
    plan = tmp_path / "plan.tsv"
    assert cli("plan", my_export, "--bids-dir", target, "-o", plan).code == 0
    edit_plan(plan, "task-rest", "task-nap")
    ran = cli("convert", my_export, target, "--plan", plan, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["errors"] == []
