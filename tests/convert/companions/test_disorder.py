"""Runs that are not numbered in the order of time are told where logs are found by their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidsflow.convert.companions.tasks import find_disordered, list_runs
from bidsflow.dataset.tree import Dataset


def build(root: Path, times: dict[str, str]) -> Dataset:
    """Return a dataset of empty images of one task, with their times in its table of scans."""
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    lines = ["filename\tacq_time"]
    for labels, time in times.items():
        (func / f"sub-01_task-rest{labels}_bold.nii.gz").touch()
        lines.append(f"func/sub-01_task-rest{labels}_bold.nii.gz\t{time}")
    (root / "sub-01" / "sub-01_scans.tsv").write_text("\n".join(lines) + "\n")
    return Dataset(root)


def test_run_that_began_before_the_first_is_told(tmp_path: Path) -> None:
    dataset = build(tmp_path, {"_run-1": "1900-01-01T09:43:47.5", "_run-2": "1900-01-01T09:13:47.5"})
    (said,) = find_disordered(dataset, list_runs(dataset))
    assert said.startswith("sub-01/func/sub-01_task-rest: its runs are not numbered in the order of time")
    assert "(run-1 at 09:43, run-2 at 09:13)" in said


@pytest.mark.parametrize("late", ["1900-01-01T10:13:47.5", "n/a", "1900-01-01T00:00:00"])
def test_runs_in_order_or_of_unknown_times_are_not_told(tmp_path: Path, late: str) -> None:
    dataset = build(tmp_path, {"_run-1": "1900-01-01T09:43:47.5", "_run-2": late})
    assert find_disordered(dataset, list_runs(dataset)) == ()
