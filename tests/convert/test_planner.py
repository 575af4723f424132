"""What holds of every plan, whatever was scanned in whatever order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow import schema
from bidsflow.convert.known import Known
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow, from_tsv, to_tsv
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Image, Inventory, Patient, Series
from bidsflow.names import parse_name, slot_of

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
ANNA, BERND = Patient("P1", "ANNA", "19800101", "F"), Patient("P2", "BERND", "19810101", "M")
START = datetime(2022, 7, 11, 9)


class Scan(NamedTuple):
    """One series as a protocol has it."""

    description: str
    tags: dict[str, str]
    volumes: int = 1
    echo_times: tuple[float, ...] = ()
    component: str = "magnitude"
    b_values: tuple[float, ...] = ()


def _tags(sequence: str, te: float, tr: float, **more: str) -> dict[str, str]:
    return {
        "Modality": "MR", "Manufacturer": "SIEMENS", "ImageType": "ORIGINAL\\PRIMARY\\M\\ND",
        "ScanningSequence": sequence, "EchoTime": f"{te:g}", "RepetitionTime": f"{tr:g}", **more,
    }  # fmt: skip


AP = {"InPlanePhaseEncodingDirection": "COL", "PhaseEncodingPositive": "1"}
PA = {**AP, "PhaseEncodingPositive": "0"}
EPI = _tags("EP", 30, 2000, SequenceName="epfid2d1_64", **AP)
SPIN = _tags("EP", 66, 8000, SequenceName="epse2d1_64")
DWI = _tags("EP", 90, 4000, SequenceName="ep_b0", **AP)
FIELD = _tags("GR", 4.92, 400, SequenceName="*fm2d2r", SequenceFile="gre_field_mapping")
PHASE = {**FIELD, "EchoTime": "7.38", "ImageType": "ORIGINAL\\PRIMARY\\P\\ND\\PHASE"}
MPRAGE = _tags("GR\\IR", 2.98, 2300, InversionTime="900", MRAcquisitionType="3D", SequenceVariant="SK\\SP\\MP")

SCANS = (
    Scan("t1_mprage", MPRAGE),
    Scan("t2_tse", _tags("SE", 96, 6000)),
    Scan("pd+t2_tse", _tags("SE", 11, 6000), echo_times=(11, 96)),
    Scan("bold_rest", EPI, 200),
    Scan("bold_nback", EPI, 150),
    Scan("bold_nback", {**EPI, **PA}, 150),
    Scan("bold_nback_SBRef", EPI),
    Scan("bold_me", EPI, 100, (12, 28, 44)),
    Scan("func_task-rest_run-01", EPI, 100),
    Scan("func-bold_task-movie", EPI, 100),
    Scan("anat-T1weighted", MPRAGE),
    Scan("anat-T1w_dir-AP", MPRAGE),
    Scan("fmap_topup", {**SPIN, **AP}, 3),
    Scan("fmap_topup", {**SPIN, **PA}, 3),
    Scan("fmap_topup", SPIN, 3),
    Scan("gre_field_mapping", FIELD, echo_times=(4.92, 7.38)),
    Scan("gre_field_mapping", PHASE, component="phase"),
    Scan("dti", DWI, 65, b_values=(0.0, 1000.0)),
    Scan("dti_b0", {**DWI, **PA}, 4, b_values=(0.0,)),
    Scan("", {"Modality": "MR"}),
    Scan("localizer", {**MPRAGE, "SequenceFile": "AALScout"}),
    Scan("t1_vibe_dixon", _tags("GR", 1.23, 6.8, MRAcquisitionType="3D", FlipAngle="9"), echo_times=(1.23, 2.46, 3.69)),
    Scan("t2_perf", EPI, 3),
)


def build(scan: Scan, number: int, patient: Patient = ANNA, day: int = 0) -> Series:
    study = f"1.2.{patient.id[1:]}.{day}"
    header = Header({**scan.tags, "StudyDate": f"202207{11 + day}", "ImageOrientationPatient": "1\\0\\0\\0\\1\\0"})
    times = scan.echo_times or (header.number("EchoTime"),)
    images = tuple(
        Image(header, (64, 64, 30), scan.volumes, rank if len(times) > 1 else 0, te, scan.component, AXIAL,
              scan.b_values, 30 * scan.volumes)
        for rank, te in enumerate(times, start=1)
    )  # fmt: skip
    started = (START + timedelta(days=day, minutes=5 * number)).strftime("%Y%m%d%H%M%S.%f")
    return Series(
        f"{study}.{number}", study, patient, number, scan.description, scan.description.removesuffix("_SBRef"),
        started, images, (), header,
    )  # fmt: skip


def plan_rows(series: Sequence[Series], taken: dict[tuple[str, int], str] | None = None) -> tuple[PlanRow, ...]:
    return make_plan(Inventory(tuple(series), ()), Known(taken=taken or {})).plan.rows


def converted(rows: Sequence[PlanRow]) -> list[PlanRow]:
    return [row for row in rows if row.decision is Decision.CONVERT]


@st.composite
def visits(draw: st.DrawFn) -> tuple[Series, ...]:
    """Return the series of one to three visits, in order."""
    where = draw(st.lists(st.sampled_from([(ANNA, 0), (ANNA, 1), (BERND, 0)]), min_size=1, max_size=3, unique=True))
    series: list[Series] = []
    for patient, day in where:
        scans = draw(st.lists(st.sampled_from(SCANS), min_size=1, max_size=9))
        series += [build(scan, number, patient, day) for number, scan in enumerate(scans, start=1)]
    return tuple(series)


@given(visits())
def test_no_two_images_have_one_name(series: tuple[Series, ...]) -> None:
    counts = Counter(row.path.lower() for row in converted(plan_rows(series)))
    assert all(count == 1 for count in counts.values())


@given(visits())
def test_no_two_rows_propose_one_name(series: tuple[Series, ...]) -> None:
    rows = [row for row in plan_rows(series) if row.path != NOT_APPLICABLE]
    assert len({slot_of(row.path) for row in rows}) == len(rows)
    held = {(f"9.{row.series_uid}", row.image): row.path for row in rows}
    again = [row for row in plan_rows(series, held) if row.path != NOT_APPLICABLE]
    assert len({slot_of(row.path) for row in again}) == len(rows)


@given(visits())
def test_every_name_is_one_that_the_standard_knows(series: tuple[Series, ...]) -> None:
    for row in converted(plan_rows(series)):
        assert schema.allows(parse_name(row.path).with_ext(".nii.gz")), row.path


@given(visits())
def test_a_field_is_only_used_where_it_is_measured(series: tuple[Series, ...]) -> None:
    rows = plan_rows(series)
    fields = {(parse_name(row.path).folder, row.b0_identifier) for row in converted(rows) if row.b0_identifier}
    for row in rows:
        if row.b0_source:
            assert row.decision is not Decision.SKIP
            assert (parse_name(row.path).folder, row.b0_source) in fields


@given(visits())
def test_no_name_is_proposed_that_the_dataset_has_for_another_image(series: tuple[Series, ...]) -> None:
    named = [row for row in plan_rows(series) if row.path != NOT_APPLICABLE]
    held = {(f"9.{row.series_uid}", row.image): row.path for row in named}
    again = [row.path for row in plan_rows(series, held) if row.path != NOT_APPLICABLE]
    assert len(again) == len(named)
    assert not {slot_of(path) for path in again} & {slot_of(path) for path in held.values()}


@given(visits(), st.randoms(use_true_random=False))
def test_the_order_of_the_export_changes_nothing(series: tuple[Series, ...], dice: random.Random) -> None:
    assert plan_rows(dice.sample(series, len(series))) == plan_rows(series)


@given(visits())
def test_every_image_has_one_row_and_a_plan_can_be_given_back(series: tuple[Series, ...]) -> None:
    rows = plan_rows(series)
    assert Counter((row.series_uid, row.image) for row in rows) == Counter(
        (one.uid, rank) for one in series for rank in range(1, len(one.images) + 1)
    )
    assert from_tsv(to_tsv(Plan(rows))).rows == rows
    assert all(row.evidence.endswith(".") for row in rows)
    assert all(row.path == NOT_APPLICABLE for row in rows if row.decision is Decision.SKIP)


@given(visits(), st.sampled_from(SCANS), st.integers(1, 20))
def test_a_series_that_comes_later_renames_nothing(series: tuple[Series, ...], scan: Scan, number: int) -> None:
    planned = make_plan(Inventory(series, ()))
    taken = {(row.series_uid, row.image): row.path for row in converted(planned.plan.rows)}
    last = series[-1]
    late = build(scan, number, last.patient, int(last.study_uid.rsplit(".", 1)[1]))
    both = Inventory((*series, replace(late, uid=f"{late.study_uid}.99")), ())
    rows = make_plan(both, Known(planned.key, taken)).plan.rows
    again = {(row.series_uid, row.image): row.path for row in converted(rows)}
    assert taken.items() <= again.items()
    assert len(set(again.values())) == len(again)


@given(visits())
def test_a_second_plan_of_the_same_export_changes_nothing(series: tuple[Series, ...]) -> None:
    planned = make_plan(Inventory(series, ()))
    taken = {(row.series_uid, row.image): row.path for row in converted(planned.plan.rows)}
    assert make_plan(Inventory(series, ()), Known(planned.key, taken)).plan == planned.plan


def test_a_later_run_does_not_take_the_number_of_one_that_the_dataset_writes_with_a_zero() -> None:
    rest = next(scan for scan in SCANS if "rest" in scan.description)
    first, second = build(rest, 1, ANNA, 0), replace(build(rest, 2, ANNA, 0), uid="9.9")
    (name,) = (parse_name(row.path) for row in converted(plan_rows([first])))
    taken = {(first.uid, 1): str(name.with_entity("run", "01")), ("8.8", 1): str(name.with_entity("run", "02"))}
    late = {row.path for row in converted(plan_rows([first, second], taken)) if row.series_uid == second.uid}
    assert not {slot_of(path) for path in late} & {slot_of(path) for path in taken.values()}


def test_an_image_that_only_a_person_could_name_keeps_its_name() -> None:
    (unknown,) = (scan for scan in SCANS if not scan.description)
    series = build(unknown, 1)
    (row,) = plan_rows([series])
    assert (row.decision, row.path) == (Decision.REVIEW, NOT_APPLICABLE)
    (row,) = plan_rows([series], {(series.uid, 1): "sub-01/anat/sub-01_acq-odd_T2w"})
    assert (row.decision, row.path) == (Decision.CONVERT, "sub-01/anat/sub-01_acq-odd_T2w")


def test_a_name_that_no_disk_takes_is_reviewed_and_the_others_go_on() -> None:
    long, mprage = Scan(f"func-bold_task-{'x' * 240}", EPI, 100), Scan("t1_mprage", MPRAGE)
    rows = plan_rows([build(long, 1), build(mprage, 2)])
    assert [row.decision for row in rows] == [Decision.REVIEW, Decision.CONVERT]
    assert "disks allow 248" in rows[0].evidence


class CaseReview(NamedTuple):
    scans: tuple[Scan, ...]
    says: str


REVIEWS = {
    "a suffix that BIDS does not know": CaseReview((Scan("anat-T1weighted", MPRAGE),), "BIDS has no image"),
    "an entity that BIDS does not allow there": CaseReview((Scan("anat-T1w_dir-AP", MPRAGE),), "BIDS has no image"),
    "one given name twice": CaseReview((Scan("func_task-a_run-01", EPI, 99),) * 2, "claim this name"),
    "names that differ in case only": CaseReview(
        (Scan("func_task-Rest", EPI, 99), Scan("func_task-rest", EPI, 99)), "claim this name"
    ),
}


@pytest.mark.parametrize("name", REVIEWS)
def test_a_name_that_cannot_stand_is_reviewed(name: str) -> None:
    case = REVIEWS[name]
    for row in plan_rows([build(scan, number) for number, scan in enumerate(case.scans, start=1)]):
        assert row.decision is Decision.REVIEW
        assert case.says in row.evidence
