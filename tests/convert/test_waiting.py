"""Field maps of visits that wait for a person are wired at once when the person says convert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.convert.plan import Decision, from_tsv
from bidsflow.phantom import make_sessions, write

from .conftest import SERIES, Ran, read_tree
from .test_rerun import make_plan
from .test_wired import read_wiring

Cli = Callable[..., Ran]


def merge(tmp_path: Path, *keys: str) -> Path:
    """Return an export of two people, of whom the second has what the first has in some elements."""
    write(tmp_path / "scan", sessions=make_sessions(2, 1), size="tiny", series=SERIES)
    export = tmp_path / "scan" / "dicom"
    first, second = sorted(path for path in export.iterdir() if path.is_dir())
    shared = dcmread(next(first.rglob("*.dcm")))
    for file in second.rglob("*.dcm"):
        ds = dcmread(file)
        for key in keys:
            setattr(ds, key, getattr(shared, key))
        ds.save_as(file)
    return export


@pytest.fixture
def one_id(tmp_path: Path) -> Path:
    """An export with two people under one ID, a visit each."""
    return merge(tmp_path, "PatientID")


def decide(row: dict[str, str]) -> None:
    row["decision"] = "convert"


def test_two_people_under_one_id_are_wired_by_the_plan_that_says_convert(
    one_id: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "bids"
    rows = from_tsv(cli("plan", one_id, "--tsv").out).rows
    assert {row.decision for row in rows} == {Decision.REVIEW}
    for row in rows:
        assert bool(row.b0_source) == ("corrected by field map pepolar1" in row.evidence) == ("/func/" in row.path)
    ran = cli("convert", one_id, target, "--plan", make_plan(one_id, target, cli, decide))
    assert ran.code == 0, ran.said
    assert all(identifier or sources for identifier, sources, _ in read_wiring(target).values())
    tree = read_tree(target)
    again = cli("convert", one_id, target)
    assert (again.code, again.out) == (0, f"{target}: 8 unchanged\n"), again.said
    assert read_tree(target) == tree


def test_two_people_in_one_study_keep_their_fields_apart(tmp_path: Path, cli: Cli) -> None:
    export, target = merge(tmp_path, "StudyInstanceUID"), tmp_path / "bids"
    people = {dcmread(file).SeriesInstanceUID: dcmread(file).PatientID for file in export.rglob("*.dcm")}
    second = max(people.values())

    def part(row: dict[str, str]) -> None:
        decide(row)
        row["path"] = row["path"].replace("_run-1", "").replace("_run-2", "")
        if people[row["series_uid"]] == second:
            row["path"] = row["path"].replace("sub-01", "sub-02")

    rows = from_tsv(cli("plan", export, "--tsv").out).rows
    assert {row.decision for row in rows} == {Decision.REVIEW}
    labels = {(people[row.series_uid], row.b0_identifier or row.b0_source) for row in rows}
    assert len(labels) == len({label for _, label in labels} - {""}) == 2
    ran = cli("convert", export, target, "--plan", make_plan(export, target, cli, part))
    assert ran.code == 0, ran.said
    wiring = read_wiring(target)
    assert {path.partition("/")[0] for path in wiring} == {"sub-01", "sub-02"}
    assert all(identifier or sources for identifier, sources, _ in wiring.values())


def test_a_run_alone_is_told_that_its_field_map_waits(one_id: Path, tmp_path: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        if row["path"].endswith("_bold"):
            decide(row)

    target = tmp_path / "bids"
    ran = cli("convert", one_id, target, "--plan", make_plan(one_id, target, cli, change))
    assert ran.code == 0, ran.said
    assert " ".join(ran.err.split()).count("no image of the field pepolar") == 2
    assert not any(identifier or sources for identifier, sources, _ in read_wiring(target).values())
