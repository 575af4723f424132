"""Visits that come in another order than they were measured keep their labels, which is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.dataset.tsv import parse_tsv
from bidsflow.phantom import make_sessions, write
from tests.convert.conftest import Ran

Cli = Callable[..., Ran]

LABELS = 'version = 1\n[sessions]\nlabels = ["baseline", "followup"]\nnames = "always"\n'
TOLD = "not numbered in the order of time"


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two visits of one person, the earlier first. Read only."""
    root = tmp_path_factory.mktemp("visits")
    write(root, sessions=make_sessions(1, 2), series=("t1w",))
    first, second = sorted(path for path in (root / "dicom").iterdir() if path.is_dir())
    return first, second


def order_of(bids: Path) -> list[str]:
    """Return the labels of sessions in the order of time."""
    rows = parse_tsv((bids / "sub-01" / "sub-01_sessions.tsv").read_text())
    return [row["session_id"] for row in sorted(rows, key=lambda row: row["acq_time"])]


def test_earlier_visit_that_comes_later_is_told(visits: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    first, second = visits
    bids, always = tmp_path / "bids", ("--sessions", "always")
    assert TOLD not in cli("convert", second, bids, *always).said
    for options in (("--dry-run",), ()):
        said = cli("convert", first, bids, *always, *options).err
        assert "sub-01/ses-02 was measured before sub-01/ses-01, which keeps its label" in said
        assert TOLD in said
    assert order_of(bids) == ["ses-02", "ses-01"]


def test_visits_that_come_in_order_are_not_told(visits: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    first, second = visits
    for export in ([first], [second], [first, second]):
        assert TOLD not in cli("convert", *export, tmp_path / "bids", "--sessions", "always").said
    assert order_of(tmp_path / "bids") == ["ses-01", "ses-02"]


def test_label_of_a_study_that_contradicts_time_is_for_a_person_who_is_told_the_way(
    visits: tuple[Path, Path], tmp_path: Path, cli: Cli
) -> None:
    first, second = visits
    bids, plan, study = tmp_path / "bids", tmp_path / "plan.tsv", tmp_path / "study.toml"
    study.write_text(LABELS)
    assert cli("convert", second, bids, "--study", study).code == 0
    ran = cli("convert", first, bids, "--study", study)
    assert "Its visit was measured before sub-01/ses-baseline, so that it is not ses-followup" in ran.err
    assert order_of(bids) == ["ses-baseline"]
    assert cli("plan", second, "--bids-dir", bids, "--study", study, "-o", plan).code == 0
    plan.write_text(plan.read_text().replace("ses-baseline", "ses-followup"))
    assert cli("convert", second, bids, "--plan", plan).code == 0
    assert order_of(bids) == ["ses-followup"]
    assert cli("convert", first, bids, "--study", study).code == 0
    assert order_of(bids) == ["ses-baseline", "ses-followup"]
