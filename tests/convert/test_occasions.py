"""Visits that came under one StudyInstanceUID are sessions of their own, in one export or in several."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.cli.conversion import Conversion, reserve
from bidsflow.convert.known import Known
from bidsflow.convert.occasions import find_unsettled, settle_visits
from bidsflow.convert.people import shifted_time
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.planner import make_plan
from bidsflow.convert.subjects import Key
from bidsflow.dataset.tree import open_dataset
from bidsflow.dataset.tsv import parse_tsv
from bidsflow.dicom.header import Header
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.occasions import part_studies
from bidsflow.dicom.series import Inventory, Series
from bidsflow.phantom import make_sessions, write
from bidsflow.sources import find_files
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


def test_visits_that_are_converted_at_once_are_two_sessions(
    visits: tuple[Path, Path], tmp_path: Path, cli: Cli
) -> None:
    bids, always = tmp_path / "bids", ("--sessions", "always")
    ran = convert_at_once(visits, bids, [always, always])
    assert [one.code for one in ran] == [0, 0]
    assert not any("for review" in one.said for one in ran)
    before = images_of(bids)
    for one in visits:
        assert cli("convert", one, bids, *always).code == 0
    assert images_of(bids) == before
    assert not [path for path in before if "_run-" in path]
    assert len(set(days_of(bids).values())) == 2


def test_the_same_exports_again_change_nothing(visits: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    bids = tmp_path / "bids"
    for one in visits:
        assert cli("convert", one, bids, "--sessions", "always").code == 0
    before = {path: path.read_bytes() for path in bids.rglob("sub-*") if path.is_file()}
    for one in visits:
        assert cli("convert", one, bids).code == 0
    assert {path: path.read_bytes() for path in bids.rglob("sub-*") if path.is_file()} == before


@pytest.mark.parametrize("whole", [(0,), ()], ids=["first visit is there", "one series of each is there"])
def test_rest_of_a_visit_goes_to_its_series(
    visits: tuple[Path, Path], tmp_path: Path, cli: Cli, whole: tuple[int, ...]
) -> None:
    bids, part, always = tmp_path / "bids", tmp_path / "part", ("--sessions", "always")
    for number, one in enumerate(visits):
        if number not in whole:
            some = next(path for path in sorted(one.rglob("*")) if "BOLD_rest" in path.name and path.is_dir())
            shutil.copytree(some, part / some.relative_to(one.parent))
    for number in whole:
        cli("convert", visits[number], bids, *always)
    assert cli("convert", part, bids, *always).code == 0
    before = images_of(bids)
    assert cli("convert", visits[1], bids, *always).code == 0
    added = set(images_of(bids)) - set(before)
    assert added
    assert all(path.startswith("sub-01/ses-02/") and "_run-" not in path for path in added)


@pytest.mark.parametrize("turned", [False, True], ids=["earlier first", "later first"])
def test_two_visits_at_the_same_moment_are_two_sessions(
    visits: tuple[Path, Path], tmp_path: Path, turned: bool
) -> None:
    dataset = open_dataset(tmp_path / "bids")
    exports = tuple(reversed(visits)) if turned else visits
    met = [take_inventory(find_files([export]).files) for export in exports]  # before either has a place
    folders = []
    for export, inventory in zip(exports, met, strict=True):
        request = Conversion((export,), dataset, None, None, "plan", "always", (), (), 1)
        settled, planned, basis = reserve(request, inventory)
        folders.append({row.path.rpartition("/")[0].rpartition("/")[0] for row in planned.plan.rows})
        assert {row.path for row in basis.plan_again().rows} == {row.path for row in planned.plan.rows}
        assert {one.study_uid for one in settled.series} <= planned.key.sessions.keys()
    assert folders == [{"sub-01/ses-01"}, {"sub-01/ses-02"}]


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


def visit(day: int, *, number: int = 1, uid: str = "", **tags: str) -> list[Series]:
    """Return two series of a day of July 2022."""
    at = 1440.0 * (day - 11)
    more = {"StudyInstanceUID": "1.2.3", "StudyDate": f"202207{day}", "AcquisitionDate": f"202207{day}"}
    more |= {"FrameOfReferenceUID": f"7.{day}", **tags}
    t1w = make(number, "t1", MPRAGE, at=at, uid=uid or f"9.{day}.{number}", **more)
    return [t1w, make(number + 1, "rest", BOLD, at=at + 5, volumes=200, uid=f"9.{day}.{number + 1}", **more)]


def read_nothing(_folder: str) -> dict[str, str]:
    """Return the times of a dataset from which they were taken out."""
    return {}


def plan(export: list[Series], known: Known) -> tuple[PlanRow, ...]:
    inventory = Inventory(part_studies(export), ())
    return make_plan(settle_visits(inventory, known.key, known.taken, lambda _: known.cohort.times), known).plan.rows


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
    assert {one.study_uid for one in settle_visits(late, known, taken, read_nothing).series} == {"1.2.3.20220727"}
    times = {"sub-01/ses-01/anat/sub-01_ses-01_T1w": "1900-01-02T09:00:00"}
    key = Key(known.subjects, {"1.2.3": ("01", "01")}, {"01": -44750})
    for day, study in ((11, "1.2.3"), (20, "1.2.3.20220720")):
        found = settle_visits(Inventory(tuple(visit(day, number=5)), ()), key, taken, lambda _: times)
        assert {one.study_uid for one in found.series} == {study}


def test_dataset_whose_times_were_taken_out_does_not_tell() -> None:
    key = Key({}, {"1.2.3": ("01", "01")}, {"01": -44750})
    found = settle_visits(Inventory(tuple(visit(27)), ()), key, {}, read_nothing)
    assert {one.study_uid for one in found.series} == {"1.2.3"}


def test_visit_of_the_next_morning_is_no_part_of_the_visit_before() -> None:
    key = Key({}, {"1.2.3": ("01", "01")}, {}, days={"1.2.3": "20220711"})
    found = settle_visits(Inventory(tuple(visit(12)), ()), key, {}, read_nothing)
    assert {one.study_uid for one in found.series} == {"1.2.3.20220712"}


@pytest.mark.parametrize(
    ("stands", "comes", "study"),
    [
        ("20220711235000", "20220712002000", "1.2.3"),
        ("20220712002000", "20220711235000", "1.2.3"),
        ("20220712093000", "20220711190000", "1.2.3.20220711"),
        ("20220711190000", "20220712053000", "1.2.3.20220712"),
    ],
    ids=["after midnight", "before midnight", "the evening before", "the next morning, early"],
)
def test_visit_over_midnight_is_one_and_nights_lie_between_two(stands: str, comes: str, study: str) -> None:
    key = Key({}, {"1.2.3": ("01", "01")}, {"01": -44750}, days={"1.2.3": stands[:8]})
    times = {"sub-01/ses-01/anat/sub-01_ses-01_T1w": shifted_time(stands, -44750)}
    late = [replace(one, started=comes) for one in visit(27)]
    found = settle_visits(Inventory(tuple(late), ()), key, {}, lambda _: times)
    assert {one.study_uid for one in found.series} == {study}


@pytest.mark.parametrize("time", ["9999-12-31T09:00:00", "0001-01-01T00:00:00", "2022-07-27T09:00:00"])
def test_times_that_a_person_has_edited_do_not_move_visits(time: str) -> None:
    key = Key({}, {"1.2.3": ("01", "01")}, {"01": -44750}, days={"1.2.3": "20220711"})
    times = {"sub-01/ses-01/anat/sub-01_ses-01_T1w": time}
    for day, study in ((11, "1.2.3"), (27, "1.2.3.20220727")):
        found = settle_visits(Inventory(tuple(visit(day)), ()), key, {}, lambda _: times)
        assert {one.study_uid for one in found.series} == {study}


def test_map_computed_on_the_day_of_another_visit_goes_with_its_own() -> None:
    places = {"1.2.3": ("01", "02"), "1.2.3.20220711": ("01", "01")}  # the later one was converted first
    key = Key({}, places, {}, days={"1.2.3": "20220727", "1.2.3.20220711": "20220711"})
    t1w, rest = visit(11)
    header = Header({**rest.header.values, "ImageType": "DERIVED\\SECONDARY"})
    again = replace(rest, uid="9.9", number=9, started="20220727120000", header=header)
    found = settle_visits(Inventory((t1w, rest, again), ()), key, {}, read_nothing)
    assert {one.study_uid for one in found.series} == {"1.2.3.20220711"}


@pytest.mark.parametrize("date", ["19000101", "20520727"])
def test_date_that_was_set_makes_no_visit(date: str) -> None:
    key = Key({}, {"1.2.3": ("01", "01")}, {}, days={"1.2.3": "20220711"})
    late = [replace(one, started=f"{date}090000") for one in visit(27)]
    found = settle_visits(Inventory(tuple(late), ()), key, {}, read_nothing)
    assert {one.study_uid for one in found.series} == {"1.2.3"}
    notes = make_plan(found, Known(key)).plan.notes
    assert len([note for note in notes if "lie days apart (sub-01)" in note]) == 1
    again = {(one.uid, 1): f"sub-01/ses-01/anat/sub-01_ses-01_run-{one.number}_T1w" for one in late}
    assert not [note for note in make_plan(found, Known(key, again)).plan.notes if "lie days apart" in note]


def test_series_that_nothing_gives_to_one_of_several_visits_waits() -> None:
    first, second = visit(11), visit(27)
    places = {"1.2.3": ("01", "01"), "1.2.3.20220727": ("01", "02")}
    key = Key({first[0].patient.key: "01"}, places, {"01": -44750}, days={"1.2.3": "20220711"})
    held = {(one.uid, 1): f"sub-01/ses-0{n}/anat/sub-01_ses-0{n}_T1w" for n, one in ((1, first[0]), (2, second[0]))}
    lone = [replace(one, started="") for one in visit(27, number=5, AcquisitionDate="", FrameOfReferenceUID="")]
    rows = plan(lone, Known(key, held))
    assert {row.decision for row in rows} == {"review"}
    assert all("several visits with its StudyInstanceUID" in row.evidence for row in rows)
    with_its_visit = [second[0], *visit(27, number=5, AcquisitionDate="")]
    rows = plan(with_its_visit, Known(key, held))
    assert {row.path.partition("/anat")[0].partition("/func")[0] for row in rows} == {"sub-01/ses-02"}
    assert not [row for row in rows if "several visits" in row.evidence]
    assert len(rows) == 3


def test_study_whose_dates_lie_apart_and_are_not_believed_is_one_visit_and_told() -> None:
    doubtful = [*visit(11), *visit(27, number=5, FrameOfReferenceUID="7.11")]
    made = make_plan(Inventory(part_studies(doubtful), ())).plan
    assert {row.path.partition("/")[0] for row in made.rows} == {"sub-01"}
    assert not [row for row in made.rows if "/ses-" in row.path]
    assert len([note for note in made.notes if "lie days apart (sub-01)" in note]) == 1


def test_third_visit_is_counted_with_those_that_the_dataset_has() -> None:
    places = {"1.2.3": ("01", "01"), "1.2.3.20220714": ("01", "02")}
    key = Key({visit(11)[0].patient.key: "01"}, places, {"01": -44750}, days={"1.2.3": "20220711"})
    third = Inventory(part_studies(visit(27)), ())
    notes = make_plan(settle_visits(third, key, {}, read_nothing), Known(key)).plan.notes
    assert len([note for note in notes if note.startswith("3 visits (sub-01/ses-01, sub-01/ses-02,")]) == 1


def test_what_the_dataset_has_is_settled_whatever_its_date() -> None:
    key = Key({}, {"1.2.3": ("01", "01"), "1.2.3.20220727": ("01", "02")}, {}, days={"1.2.3": "20220711"})
    lone = visit(27, AcquisitionDate="", FrameOfReferenceUID="")
    assert not find_unsettled(Inventory(tuple(lone), ()), key, {one.uid for one in lone}, {})
    assert len(find_unsettled(Inventory(tuple(lone), ()), key, {lone[0].uid}, {})) == 1


def test_visit_without_a_session_has_no_times_of_those_that_have_one() -> None:
    key = Key({}, {"1.2.3": ("01", ""), "1.2.3.20220727": ("01", "02")}, {"01": -44750})
    times = {f"sub-01/anat/sub-01_{number}_T1w": shifted_time("20220711090000", -44750) for number in range(2)} | {
        "sub-01/ses-02/anat/sub-01_ses-02_T1w": shifted_time("20220727090000", -44750)
    }
    lone = [replace(one, study_uid="1.2.3") for one in visit(27, FrameOfReferenceUID="")]
    assert len(find_unsettled(Inventory(tuple(lone), ()), key, (), times)) == 2
