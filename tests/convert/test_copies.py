"""What was measured once is converted once, under whatever UIDs it comes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from bidsflow.convert.cohort import Cohort
from bidsflow.convert.copies import Copies, part_copies
from bidsflow.convert.plan import Plan, PlanRow, from_tsv
from bidsflow.convert.subjects import Key
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Patient, Series
from bidsflow.dicom.twins import moment_of
from bidsflow.phantom import make_sessions, write
from bidsflow.phantom.defects import list_files, send_again
from tests.convert.conftest import Ran, read_tree
from tests.convert.naming.scans import BOLD, MPRAGE, inventory_of, make

Cli = Callable[..., Ran]


@pytest.fixture
def visit(two_people: Path, tmp_path: Path) -> Path:
    """The export of one person, one visit."""
    (folder, _) = sorted(path for path in two_people.iterdir() if path.is_dir())
    return Path(shutil.copytree(folder, tmp_path / "visit"))


def plan_of(cli: Cli, *exports: Path, bids: Path | None = None) -> Plan:
    ran = cli("plan", *exports, "--tsv", *(["--bids-dir", bids] if bids else []))
    assert ran.code == 0, ran.said
    return from_tsv(ran.out)


def decisions(rows: tuple[PlanRow, ...]) -> list[str]:
    return [str(row.decision) for row in rows]


def test_study_that_was_sent_again_makes_nothing_new(visit: Path, tmp_path: Path, cli: Cli) -> None:
    alone = plan_of(cli, visit)
    again = send_again(visit, tmp_path / "again")
    both = plan_of(cli, visit, again)
    copies = [row for row in both.rows if "copy of series" in row.evidence]
    assert len(copies) == len(alone.rows) == len(both.rows) - len(copies)
    assert {row.path for row in both.rows} == {row.path for row in alone.rows} | {"n/a"}
    assert {str(row.decision) for row in copies} == {"skip"}
    assert all("of another study, with the same pixels under other UIDs" in row.evidence for row in copies)


def test_copy_that_comes_later_and_alone_is_told_from_what_the_dataset_has(
    visit: Path, tmp_path: Path, cli: Cli
) -> None:
    bids = tmp_path / "bids"
    assert cli("convert", visit, bids).code == 0
    before = read_tree(bids)
    again = send_again(visit, tmp_path / "again")
    planned = plan_of(cli, again, bids=bids)
    assert set(decisions(planned.rows)) == {"skip"}
    assert all("the dataset has it in sub-01" in row.evidence.lower() for row in planned.rows)
    cli("convert", again, bids)
    assert read_tree(bids) == before


def test_rest_of_a_copied_session_is_no_second_study(tmp_path: Path, cli: Cli) -> None:
    bids, scan = tmp_path / "bids", tmp_path / "scan"
    write(scan, sessions=make_sessions(1, 1), series=("sbref", "aborted"))
    assert cli("convert", scan / "dicom", bids).code == 0
    waiting = [row for row in plan_of(cli, scan / "dicom", bids=bids).rows if row.decision == "review"]
    again = send_again(scan / "dicom", tmp_path / "again")
    rest = [row for row in plan_of(cli, again, bids=bids).rows if row.decision != "skip"]
    assert len(rest) == len(waiting) == 1
    assert rest[0].decision == "review"
    assert rest[0].path.startswith("sub-01/func/")
    assert rest[0].evidence.startswith("Its study is a copy of one that the dataset has in sub-01, under other UIDs")


def change_header(export: Path, description: str, **tags: object) -> None:
    """Set tags of the files of series that are described so, or of all."""
    for path in list_files(export):
        dataset = pydicom.dcmread(path)
        if description in ("", dataset.SeriesDescription):
            for keyword, value in tags.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path)


def reasons_of(cli: Cli, export: Path, bids: Path) -> dict[str, str]:
    rows = plan_of(cli, export, bids=bids).rows
    return {row.series_description: row.evidence for row in rows if row.decision == "review"}


def test_acquisition_that_comes_with_a_corrected_header_is_said_to_be_converted(
    visit: Path, tmp_path: Path, cli: Cli
) -> None:
    bids = tmp_path / "bids"
    assert cli("convert", visit, bids).code == 0
    again = send_again(visit, tmp_path / "again")
    change_header(again, "BOLD_rest", RepetitionTime=2222.0)
    reasons = reasons_of(cli, again, bids)
    assert "BOLD_rest" in reasons
    path = next(path for path in read_tree(bids) if path.endswith("task-rest_bold.nii.gz"))
    assert f"at the moment of {path.removesuffix('.nii.gz')}, " in reasons["BOLD_rest"]
    assert not any("was not converted" in said or "as on the original" in said for said in reasons.values())


def test_visit_of_which_every_header_was_corrected_is_no_second_visit(visit: Path, tmp_path: Path, cli: Cli) -> None:
    bids = tmp_path / "bids"
    assert cli("convert", visit, bids, "--sessions", "always").code == 0
    before = read_tree(bids)
    again = send_again(visit, tmp_path / "again")
    change_header(again, "", RepetitionTime=2222.0)
    assert cli("convert", again, bids).code == 0
    assert read_tree(bids) == before
    reasons = reasons_of(cli, again, bids)
    assert reasons
    assert all("the same acquisition" in said for said in reasons.values())


def test_copy_is_not_said_to_be_new_where_no_time_tells(visit: Path, tmp_path: Path, cli: Cli) -> None:
    bids = tmp_path / "bids"
    assert cli("convert", visit, bids).code == 0
    for table in bids.rglob("*_scans.tsv"):
        table.write_text(re.sub(r"\t1\d\d\d-\S+", "\tn/a", table.read_text()))
    again = send_again(visit, tmp_path / "again")
    change_header(again, "BOLD_rest", RepetitionTime=2222.0)
    assert "no time tells whether it was converted" in reasons_of(cli, again, bids)["BOLD_rest"]


def test_original_stays_the_one_that_the_dataset_has(visit: Path, tmp_path: Path, cli: Cli) -> None:
    bids, again = tmp_path / "bids", send_again(visit, tmp_path / "again")
    assert cli("convert", again, bids).code == 0
    before = read_tree(bids)
    assert cli("convert", visit, again, bids).code == 0
    assert read_tree(bids) == before


def test_pixels_under_two_patients_are_for_a_person(visit: Path, tmp_path: Path, cli: Cli) -> None:
    other = send_again(visit, tmp_path / "other", PatientID="ELSE", PatientName="Else", PatientBirthDate="19700101")
    planned = plan_of(cli, visit, other)
    assert set(decisions(planned.rows)) <= {"review", "skip"}
    assert any("the same pixels stand under two patients" in row.evidence.lower() for row in planned.rows)
    assert all("ELSE" not in row.evidence.upper().split() for row in planned.rows)


def test_part_of_a_study_that_was_sent_again_is_for_a_person(visit: Path, tmp_path: Path, cli: Cli) -> None:
    again = send_again(visit, tmp_path / "again")
    for path in list_files(again)[-3:]:
        path.unlink()
    rows = plan_of(cli, visit, again).rows
    (part,) = (row for row in rows if "it may be a part of it under new UIDs" in row.evidence)
    assert part.decision == "review"
    assert sum(row.decision == "convert" for row in rows) == sum(
        row.decision == "convert" for row in plan_of(cli, visit).rows
    )


def test_other_pixels_at_the_same_moment_are_no_copy(visit: Path, tmp_path: Path, cli: Cli) -> None:
    again = send_again(visit, tmp_path / "again")
    for path in list_files(again):
        data = path.read_bytes()
        path.write_bytes(data[:-64] + bytes(range(64)))
    assert not any("copy of series" in row.evidence for row in plan_of(cli, visit, again).rows)


def visit_at(study: str, *times: str) -> list[Series]:
    """Series of someone whom no header names, begun at some times of one day."""
    nobody, tags = Patient("", "", "", ""), (BOLD, MPRAGE)
    series = [
        make(n, f"scan {n}", tags[n % 2], study=study, patient=nobody, uid=f"{study}.{n}") for n in range(len(times))
    ]
    return [replace(one, started=f"20000101{time}") for one, time in zip(series, times, strict=True)]


def part(new: list[Series], held: list[Series]) -> Copies:
    """Return an export without what a dataset has that remembers the moments of other series."""
    cohort = Cohort(moments={moment_of(one): (one.uid, "01") for one in held})
    return part_copies(inventory_of(new), Key(), {}, cohort)


@pytest.mark.parametrize("times", [("120000.000000", "120000.000000"), ("120000",), ("120000.000000", "")])
def test_time_that_anonymisation_has_set_makes_no_copy_of_someone_else(times: tuple[str, ...]) -> None:
    parted = part(visit_at("1.2.5", *times), held=visit_at("1.2.4", *times))
    assert not parted.rows
    assert len(parted.inventory.series) == len(times)


@pytest.mark.parametrize("times", [("120000.000000", "121500.000000"), ("121503.310000",)])
def test_time_of_measurement_tells_what_the_dataset_has(times: tuple[str, ...]) -> None:
    parted = part(visit_at("1.2.5", *times), held=visit_at("1.2.4", *times))
    assert [row.decision for row in parted.rows] == ["skip"] * len(times)


def test_study_whose_series_came_alone_under_the_uid_that_parts_share_is_no_copy() -> None:
    t1w, rest, motor = visit_at("1.2.1", "090000.5", "091500.5", "093000.5")
    for kept, now in (("9.9", "9.9.2"), ("9.9.2", "9.9.0.2")):
        header = Header({**rest.header.values, "SeriesInstanceUID": "9.9"})
        whole = inventory_of([t1w, replace(rest, uid=now, header=header), motor])
        cohort = Cohort(moments={moment_of(rest): (kept, "01")})
        found = part_copies(whole, Key(), {(kept, 1): "sub-01/func/sub-01_task-rest_bold"}, cohort)
        assert (found.doubts, found.places) == ({}, {})
        assert [row.series_uid for row in found.rows] == [now]


def test_twins_of_which_a_part_is_looked_at_are_no_copies() -> None:
    (one,) = visit_at("1.2.4", "121503")
    inventory = replace(inventory_of([one]), twins=((one.uid, "1.2.9"), ("1.2.8", "1.2.9")))
    assert part_copies(inventory, Key(), {}, Cohort()).inventory.series == (one,)
