"""Visits that came under one StudyInstanceUID are sessions of their own, in one export or in several."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.convert.known import Known
from bidsflow.convert.occasions import is_settled, settle_visits
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.planner import make_plan
from bidsflow.convert.subjects import Key
from bidsflow.dataset.tsv import parse_tsv
from bidsflow.dicom.occasions import part_studies
from bidsflow.dicom.series import Inventory, Series
from bidsflow.phantom import make_sessions, write
from tests.convert.conftest import Ran
from tests.convert.naming.scans import BOLD, MPRAGE, make
from tests.convert.test_at_once import convert_at_once

Cli = Callable[..., Ran]

TOLD = "were measured days apart under one StudyInstanceUID"


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two visits of one person, the earlier first, to which an anonymiser gave one StudyInstanceUID. Read only."""
    root = tmp_path_factory.mktemp("visits")
    write(root, sessions=make_sessions(1, 2), series=("topup", "rest"))
    for file in (path for path in (root / "dicom").rglob("*") if path.is_file()):
        dataset = dcmread(file)
        dataset.StudyInstanceUID = "1.2.826.0.1.7"
        dataset.save_as(file)
    first, second = sorted(path for path in (root / "dicom").iterdir() if path.is_dir())
    return first, second


def images_of(bids: Path) -> list[str]:
    return sorted(str(path.relative_to(bids)) for path in bids.rglob("*.nii.gz"))


def days_of(bids: Path) -> dict[str, str]:
    rows = parse_tsv((bids / "sub-01" / "sub-01_sessions.tsv").read_text())
    return {row["session_id"]: row["acq_time"][:10] for row in rows}


def test_two_visits_in_one_export_are_two_sessions(visits: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    ran = cli("convert", *visits, tmp_path / "bids")
    assert ran.code == 0
    assert ran.err.count(TOLD) == 1
    assert not [path for path in images_of(tmp_path / "bids") if "_run-" in path]
    assert len(set(days_of(tmp_path / "bids").values())) == 2
    again = cli("convert", *visits, tmp_path / "bids")
    assert (again.code, TOLD in again.said) == (0, False)


@pytest.mark.parametrize("turned", [False, True], ids=["earlier first", "later first"])
def test_two_visits_in_two_exports_are_two_sessions(
    visits: tuple[Path, Path], tmp_path: Path, cli: Cli, turned: bool
) -> None:
    bids, always = tmp_path / "bids", ("--sessions", "always")
    one, other = reversed(visits) if turned else visits
    assert cli("convert", one, bids, *always).code == 0
    before = images_of(bids)
    assert TOLD in cli("convert", other, bids, *always, "--dry-run").said
    assert TOLD in cli("convert", other, bids, *always).said
    assert images_of(bids) == sorted([*before, *(path.replace("ses-01", "ses-02") for path in before)])
    for export in ((one,), (other,), visits):
        ran = cli("convert", *export, bids, *always)
        assert (ran.code, TOLD in ran.said) == (0, False)
    assert len(images_of(bids)) == 2 * len(before)


def test_visits_that_are_converted_at_once_are_never_one_session(
    visits: tuple[Path, Path], tmp_path: Path, cli: Cli
) -> None:
    """Neither command knows of the other's visit when it plans; the second sees it when it commits, and waits."""
    bids, always = tmp_path / "bids", ("--sessions", "always")
    ran = convert_at_once(visits, bids, [always, always])
    assert [one.code for one in ran] == [0, 0]
    assert sum("it belongs to sub-01/ses-02: convert its export again" in one.said for one in ran) == 1
    assert len(images_of(bids)) == 3
    for one in visits:
        assert cli("convert", one, bids, *always).code == 0
    assert not [path for path in images_of(bids) if "_run-" in path]
    assert len(set(days_of(bids).values())) == 2


def test_second_visit_waits_in_a_dataset_without_sessions(visits: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    bids = tmp_path / "bids"
    cli("convert", visits[0], bids)
    before = images_of(bids)
    assert "second study of this subject" in cli("convert", visits[1], bids).said
    assert images_of(bids) == before


def test_originals_of_each_visit_are_kept_with_it(visits: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    bids, export = tmp_path / "bids", tmp_path / "export"
    for one in visits:
        shutil.copytree(one, export / one.name)
    assert cli("convert", export, bids, "--keep-source").code == 0
    kept = {path.name.split("_")[1].partition(".")[0] for path in (bids / "sourcedata").rglob("*.tar*")}
    assert kept == {"ses-01", "ses-02"}


# --- values ----------------------------------------------------------------------------------------------------------


def visit(day: int, *, number: int = 1, uid: str = "") -> list[Series]:
    """Return two series of a day of July 2022."""
    at = 1440.0 * (day - 11)
    more = {"StudyInstanceUID": "1.2.3", "StudyDate": f"202207{day}", "AcquisitionDate": f"202207{day}"}
    t1w = make(number, "t1", MPRAGE, at=at, uid=uid or f"9.{day}.{number}", **more)
    return [t1w, make(number + 1, "rest", BOLD, at=at + 5, volumes=200, uid=f"9.{day}.{number + 1}", **more)]


def plan(export: list[Series], known: Known) -> tuple[PlanRow, ...]:
    inventory = Inventory(part_studies(export), ())
    return make_plan(settle_visits(inventory, known.key, known.taken, known.cohort.times), known).plan.rows


def test_visits_that_an_earlier_version_took_for_one_stay_where_they_are() -> None:
    both = [*visit(11), *visit(27)]
    held = {(one.uid, 1): f"sub-01/anat/sub-01_run-{n}_T1w" for n, one in enumerate(both[::2], start=1)}
    held |= {(one.uid, 1): f"sub-01/func/sub-01_task-rest_run-{n}_bold" for n, one in enumerate(both[1::2], start=1)}
    key = Key({both[0].patient.key: "01"}, {"1.2.3": ("01", "")}, {"01": -44750})
    rows = plan(both, Known(key, held))
    assert {row.path for row in rows} == set(held.values())
    assert {row.decision for row in rows} == {"convert"}


def test_series_that_comes_late_goes_to_the_visit_of_its_day() -> None:
    first = visit(11)
    known = Key({first[0].patient.key: "01"}, {"1.2.3": ("01", "01"), "1.2.3.20220727": ("01", "02")}, {"01": -44750})
    taken = {(one.uid, 1): "sub-01/ses-01/anat/sub-01_ses-01_T1w" for one in first[:1]}
    late = Inventory(tuple(visit(27, number=5)), ())
    assert not is_settled(late, known, taken)
    assert {one.study_uid for one in settle_visits(late, known, taken, {}).series} == {"1.2.3.20220727"}
    times = {"sub-01/ses-01/anat/sub-01_ses-01_T1w": "1900-01-02T09:00:00"}
    key = Key(known.subjects, {"1.2.3": ("01", "01")}, {"01": -44750})
    for day, study in ((11, "1.2.3"), (12, "1.2.3"), (20, "1.2.3.20220720")):
        found = settle_visits(Inventory(tuple(visit(day, number=5)), ()), key, taken, times)
        assert {one.study_uid for one in found.series} == {study}


def test_dataset_whose_times_were_taken_out_does_not_tell() -> None:
    key = Key({}, {"1.2.3": ("01", "01")}, {"01": -44750})
    found = settle_visits(Inventory(tuple(visit(27)), ()), key, {}, {})
    assert {one.study_uid for one in found.series} == {"1.2.3"}
