"""What a study says of sidecars against the headers: what would break an image waits, and nothing goes unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bidsflow.convert.fit import check_fit
from bidsflow.convert.given import find_clashes, find_fault, note_replaced, tell_direction
from bidsflow.convert.plan import Decision
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Inventory
from bidsflow.errors import PlanError
from tests.convert.conftest import Ran
from tests.convert.naming import scans
from tests.convert.study.test_apply import lay, plan, rule

Cli = Callable[..., Ran]
PLANAR = {"MRAcquisitionType": "2D", "InPlanePhaseEncodingDirection": "COL"}
AP, PA = {**PLANAR, "PhaseEncodingPositive": "1"}, {**PLANAR, "PhaseEncodingPositive": "0"}
BOLD = scans.bold(3, "rest")
IMAGE = BOLD.images[0]
TR, SLICES = IMAGE.header.number("RepetitionTime") / 1000, IMAGE.matrix[2]
EVEN = [TR * rank / SLICES for rank in range(SLICES)]


class Broken(NamedTuple):
    given: dict[str, Any]
    reason: str


BROKEN = [
    Broken({"SliceTiming": [0, 1]}, f"has 2 values, and the image has {SLICES} slices"),
    Broken({"SliceTiming": "ascending"}, "is no list of numbers: BIDS has a time in seconds for each slice"),
    Broken({"SliceTiming": [1000 * time for time in EVEN]}, "beyond a RepetitionTime of"),
    Broken({"SliceTiming": [-0.1, *EVEN[1:]]}, "holds -0.1: times count from the beginning of a volume"),
    Broken({"SliceTiming": [float("nan"), *EVEN[1:]]}, "holds nan: times count from"),
    Broken(
        {"SliceTiming": [1000 * time for time in EVEN], "RepetitionTime": float("nan")}, "is nan: BIDS has a number"
    ),
    Broken({"RepetitionTime": 0}, "is 0: BIDS has a number of seconds above 0"),
    Broken({"RepetitionTime": "2 s"}, 'is "2 s": BIDS has a number'),
    Broken({"PhaseEncodingDirection": "AP"}, 'is "AP", and BIDS has i, i-, j, j-, k, k-'),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.reason)
def test_field_that_would_break_an_image_is_a_fault(case: Broken) -> None:
    fault = find_fault(IMAGE, case.given)
    assert fault is not None
    assert fault.key in case.given
    assert case.reason in fault.reason


@pytest.mark.parametrize(
    "given",
    [{}, {"SliceTiming": EVEN}, {"PhaseEncodingDirection": "j-"}, {"SliceTiming": [0.0] * 64,
     "SliceEncodingDirection": "i"}, {"SliceTiming": [2 * time for time in EVEN], "RepetitionTime": 2 * TR}],
)  # fmt: skip
def test_field_that_an_image_can_have_is_none(given: dict[str, Any]) -> None:
    assert find_fault(IMAGE, given) is None


def test_values_that_headers_contradict_are_found_in_the_units_of_bids() -> None:
    given = {"RepetitionTime": TR + 0.5, "EchoTime": IMAGE.echo_time / 1000, "FlipAngle": "n/a", "Note": 1}
    assert [(one.key, one.given) for one in find_clashes(BOLD, IMAGE, given)] == [("RepetitionTime", TR + 0.5), *(
        [("FlipAngle", "n/a")] if IMAGE.header.number("FlipAngle") else [])]  # fmt: skip
    assert find_clashes(BOLD, IMAGE, {"RepetitionTime": TR * 1.0005}) == ()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (AP, ("j-",)), (PA, ("j",)), ({**AP, "InPlanePhaseEncodingDirection": "ROW"}, ("i",)),
        ({**PA, "InPlanePhaseEncodingDirection": "ROW"}, ("i-",)), (PLANAR, ("j", "j-")),
        ({**AP, "MRAcquisitionType": "3D"}, ()), ({"MRAcquisitionType": "2D"}, ()),
    ],
)  # fmt: skip
def test_direction_is_told_as_far_as_headers_tell_it(tags: dict[str, str], expected: tuple[str, ...]) -> None:
    assert tell_direction(Header(tags)) == expected


def test_replaced_values_are_said_and_estimates_are_not() -> None:
    sidecar = {"EchoTime": 0.03, "TotalReadoutTime": 0.05, "EstimatedTotalReadoutTime": 0.05, "FlipAngle": 90}
    given = {"EchoTime": 0.1, "TotalReadoutTime": 0.04, "FlipAngle": 90.0, "Added": 1}
    said = "the study gives EchoTime = 0.1, and its headers say 0.03: written as the study says"
    assert note_replaced(sidecar, given) == (said,)
    assert note_replaced(sidecar, {"Added": 1}) == ()


@pytest.mark.parametrize(
    "field", ["RepetitionTime = 9.5", 'PhaseEncodingDirection = "i"', 'PhaseEncodingDirection = "j"']
)
def test_clock_or_direction_against_headers_waits_unless_the_rule_converts(field: str) -> None:
    text = rule('SeriesDescription = "*"', f"sidecar = {{ {field} }}")
    planned = plan(text, BOLD)
    row, key = planned.plan.rows[0], field.partition(" ")[0]
    assert row.decision is Decision.REVIEW
    assert row.evidence.startswith(f"The study gives {field}, and its headers say ")
    assert f"(series[0].sidecar.{key} of study.toml): correct it, or" in row.evidence
    meant = plan(text + 'decision = "convert"\n', BOLD)
    assert meant.plan.rows[0].decision is Decision.CONVERT
    (note,) = meant.plan.notes
    assert note.startswith(f"{row.full_title}: the study gives {field}, and its headers say ")


def test_other_fields_against_headers_are_told_once_for_all_series() -> None:
    several = tuple(scans.bold(number, "rest") for number in range(1, 8))
    planned = plan("[sidecar]\nEchoTime = 0.5\nInstitutionName = 'A clinic'\n", *several)
    assert {row.decision for row in planned.plan.rows} == {Decision.CONVERT}
    (note,) = (one for one in planned.plan.notes if "EchoTime" in one)
    assert note.startswith("series 1 (")
    assert (
        "and 3 more: the study gives EchoTime = 0.5, and its headers say 0.037 (sidecar.EchoTime of study.toml)" in note
    )


def test_slice_times_of_another_length_wait_even_where_the_rule_converts_or_the_image_is_there() -> None:
    text = rule('SeriesDescription = "*"', 'sidecar = { SliceTiming = [0, 1] }\ndecision = "convert"')
    before = plan("", BOLD)
    taken = {(row.series_uid, row.image): row.path for row in before.plan.rows}
    for planned in (plan(text, BOLD), plan(text, BOLD, taken=taken, key=before.key)):
        (row,) = planned.plan.rows
        assert row.decision is Decision.REVIEW
        assert row.evidence.startswith("SliceTiming has 2 values")
        assert "correct series[0].sidecar.SliceTiming of study.toml" in row.evidence
        assert row.path == before.plan.rows[0].path


def test_edited_plan_with_slice_times_of_another_length_is_refused() -> None:
    book = lay("[sidecar]\nSliceTiming = [0, 1]\n", (BOLD,))
    inventory = Inventory((BOLD,), ())
    rows = plan("", BOLD).plan
    given = type(rows)(rows.rows, fields=book.list_fields(rows, inventory))
    with pytest.raises(PlanError, match="the study gives SliceTiming in sidecar, which has 2 values"):
        check_fit(given, inventory, "plan.tsv")


def test_halves_of_a_field_that_get_one_direction_wait() -> None:
    halves = tuple(
        scans.make(number, f"topup_{number}", scans.SE_EPI, volumes=2, PhaseEncodingPositive=direction)
        for number, direction in enumerate((scans.AP, scans.PA), start=1)
    )
    text = rule('SeriesDescription = "topup*"', 'sidecar = { PhaseEncodingDirection = "j" }\ndecision = "convert"')
    before, planned = plan("", *halves), plan(text, *halves)
    assert [row.b0_identifier for row in before.plan.rows] == ["pepolar1"] * 2
    for row in planned.plan.rows:
        assert row.decision is Decision.REVIEW
        assert "halves of field map pepolar1 that are named dir-AP and dir-PA" in row.evidence
        assert "correct series[0].sidecar.PhaseEncodingDirection of study.toml" in row.evidence
    other = text.replace('"topup*"', '"topup_1"').replace('"j"', '"j-"')
    assert {row.decision for row in plan(other, *halves).plan.rows} == {Decision.CONVERT}


def test_both_values_are_said_by_plan_and_conversion(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    study, target = tmp_path / "study.toml", tmp_path / "bids"
    study.write_text(
        'version = 1\n[[series]]\nmatch = { kind = "gradient-echo EPI", n_volumes = ">1" }\ndecision = "convert"\n'
        "sidecar = { RepetitionTime = 2.5, SliceThickness = 9 }\n"
    )
    ran = cli("plan", two_people, "--study", study, "--json")
    told = [one for one in json.loads(ran.out)["notes"] if "RepetitionTime = 2.5, and its headers say" in one]
    assert len(told) == 1
    ran = cli("convert", two_people, target, "--study", study, "--json")
    assert ran.code == 0, ran.said
    answer = json.loads(ran.out)
    assert told[0] in answer["notes"]
    runs = [one["reason"] for one in answer["images"] if one["path"].endswith("_bold")]
    assert len(runs) == 2
    for reason in runs:
        assert "RepetitionTime = 2.5, and its headers say " in reason
        assert "SliceThickness = 9, and its headers say " in reason
    assert json.loads((target / "sub-01/func/sub-01_task-rest_bold.json").read_text())["RepetitionTime"] == 2.5


def test_run_that_waits_for_its_fields_keeps_its_labels_for_who_converts_it() -> None:
    series = (
        *(
            scans.make(number, f"topup_{number}", scans.SE_EPI, volumes=2, PhaseEncodingPositive=direction)
            for number, direction in enumerate((scans.AP, scans.PA), start=1)
        ),
        BOLD,
    )
    free = plan("", *series).plan.rows
    held = plan(rule('SeriesDescription = "rest"', "sidecar = { RepetitionTime = 9.5 }"), *series).plan.rows
    assert [row.decision for row in held] == [Decision.CONVERT, Decision.CONVERT, Decision.REVIEW]
    assert free[2].b0_source
    assert [(row.b0_identifier, row.b0_source) for row in held] == [(row.b0_identifier, row.b0_source) for row in free]
