"""The group level, on measures that were made up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bidsflow_pipelines.qc import QcParams
from bidsflow_pipelines.qc.group import build

from bidsflow.app.derivatives import Cohort


def write_measures(root: Path, label: str, scanner: str, **measures: float | None) -> None:
    path = root / f"sub-{label}" / "func" / f"sub-{label}_task-rest_bold.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**measures, "scanner": scanner, "warnings": [], "Sources": []}))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Eight people at two scanners; the last one moved and has no tSNR."""
    for number in range(1, 9):
        last = number == 8
        write_measures(
            tmp_path, f"{number:02d}", "Maker A" if number % 2 else "Maker B",
            fd_mean=3.0 if last else 0.1 + 0.01 * number, tsnr=None if last else 50.0 + number,
        )  # fmt: skip
    return Cohort(tmp_path, tuple(f"{number:02d}" for number in range(1, 9)), QcParams(), tmp_path)


def test_image_that_lies_apart_is_listed_with_its_z(cohort: Cohort) -> None:
    html = build(cohort)["group_qc.html"].decode()
    outliers = html[html.index("Outliers") :]
    assert "sub-08_task-rest_bold" in outliers[: outliers.index("All measures are in")]
    assert "sub-07_task-rest_bold" not in outliers[: outliers.index("All measures are in")]


def test_page_tells_scanners_apart(cohort: Cohort) -> None:
    html = build(cohort)["group_qc.html"].decode()
    assert "Maker A" in html
    assert "Maker B" in html


def test_measure_that_is_missing_says_so(cohort: Cohort) -> None:
    header, *rows = build(cohort)["group_bold.tsv"].decode().splitlines()
    assert header.split("\t") == ["bids_name", "participant_id", "scanner", "fd_mean", "tsnr"]
    assert rows[-1].split("\t") == ["sub-08_task-rest_bold", "sub-08", "Maker B", "3", "n/a"]


def test_group_of_nobody_is_a_page(tmp_path: Path) -> None:
    assert set(build(Cohort(tmp_path, (), QcParams(), tmp_path))) == {"group_qc.html"}


def test_page_says_who_is_left_out_and_why(cohort: Cohort) -> None:
    note = "sub-09 is left out: failed since: the <series> is empty"
    html = build(replace(cohort, notes=(note,)))["group_qc.html"].decode()
    assert "sub-09 is left out: failed since: the &lt;series&gt; is empty." in html
    assert "Who is in it" not in build(cohort)["group_qc.html"].decode()
