"""Images are held against a protocol and against those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bidsflow.convert.drift.compare import compare
from bidsflow.convert.drift.findings import Against, Drift, Kind
from bidsflow.convert.drift.observation import Observation, Value
from bidsflow.convert.drift.page import make_page
from bidsflow.convert.study.spec import Expected, Limit
from bidsflow.report.page import render

REST, T1W = "func/task-rest_bold", "anat/T1w"


def measure(subject: str, name: str = REST, session: str = "", **parameters: Value) -> Observation:
    return Observation(subject, session, name, f"series of {subject}", {"RepetitionTime": 2.0, **parameters})


def cohort(n: int = 4, name: str = REST, **parameters: Value) -> list[Observation]:
    return [measure(f"{rank:02}", name, **parameters) for rank in range(1, n + 1)]


def kinds(drift: Drift) -> list[tuple[str, Kind, str]]:
    return [(one.subject, one.kind, one.parameter) for one in drift.findings]


def test_nothing_differs_where_all_are_alike() -> None:
    drift = compare(cohort())
    assert drift.findings == drift.notes == ()
    assert drift.usual[0].parameters["RepetitionTime"] == (2.0,)


def test_voxels_that_differ_by_rounding_in_plane_are_told_apart_by_their_depth() -> None:
    plane = (0.8984370, 0.8984371, 0.8984372, 0.8984373, 0.8984374, 0.8984375)
    depth = (1.0, 1.2, 1.0, 1.2, 1.0, 1.0)
    sizes = [(side, side, high) for side, high in zip(plane, depth, strict=True)]
    drift = compare([measure(f"{rank:02}", T1W, VoxelSize=size) for rank, size in enumerate(sizes)])
    assert kinds(drift) == [(f"{rank:02}", Kind.CHANGED, "VoxelSize") for rank in (1, 3)]


def test_value_differs_where_most_others_have_another() -> None:
    drift = compare([*cohort(), measure("05", RepetitionTime=2.2)])
    (one,) = drift.findings
    assert (one.subject, one.kind, one.parameter, one.found, one.expected, one.against) == (
        "05", Kind.CHANGED, "RepetitionTime", "2.2 s", "2 s", Against.COHORT,
    )  # fmt: skip


def test_value_is_the_same_within_its_tolerance() -> None:
    assert compare([*cohort(), measure("05", RepetitionTime=2.01)]).findings == ()
    assert compare([*cohort(EchoTime=0.030), measure("05", EchoTime=0.03005)]).findings == ()


def test_run_is_short_where_others_have_more_volumes() -> None:
    seen = [*cohort(Volumes=200.0), measure("05", Volumes=150.0), measure("06", Volumes=250.0)]
    assert kinds(compare(seen)) == [("05", Kind.SHORT, "Volumes"), ("06", Kind.CHANGED, "Volumes")]


def test_runs_that_differ_on_purpose_are_usual() -> None:
    """One dataset has two runs of FLASH with flip angles of 5 and 30 degrees in every subject (ds000117)."""
    seen = [*cohort(FlipAngle=5.0), *cohort(FlipAngle=30.0)]
    assert compare(seen).findings == ()
    assert kinds(compare([*seen, measure("05", FlipAngle=5.0), measure("05", FlipAngle=12.0)])) == [
        ("05", Kind.CHANGED, "FlipAngle")
    ]


def test_study_is_divided_where_no_value_is_usual() -> None:
    seen = [*cohort(2), measure("03", RepetitionTime=3.0), measure("04", RepetitionTime=3.0)]
    (one,) = compare(seen).findings
    assert (one.kind, one.subject, one.found) == (Kind.DIVIDED, "", "2 s (2); 3 s (2)")


def test_two_subjects_are_too_few() -> None:
    drift = compare([measure("01"), measure("02", RepetitionTime=3.0)])
    assert drift.findings == ()
    assert drift.notes == ("2 subjects: too few to say what is usual (it takes 3)",)


def test_visits_of_one_subject_are_held_against_each_other() -> None:
    """A phantom is scanned every week; what a visit lacks may be on purpose."""
    seen = [measure("01", session=f"{rank}") for rank in range(1, 5)]
    drift = compare([*seen, measure("01", session="5", RepetitionTime=2.2), measure("01", T1W, "5")])
    assert [(one.subject, one.session, one.parameter) for one in drift.findings] == [("01", "5", "RepetitionTime")]
    assert drift.notes == (
        "1 subject: values are held against those of other visits; what a visit lacks cannot be told",
    )
    assert drift.usual[1].visits == 5
    (divided,) = compare([measure("01", session=f"{rank}", FlipAngle=10.0 * rank) for rank in range(1, 5)]).findings
    assert (divided.kind, divided.expected) == (Kind.DIVIDED, "one value in most visits")


def test_image_is_missing_extra_or_repeated_where_most_visits_say_so() -> None:
    seen = [*cohort(6), *cohort(5, T1W), measure("01", T1W), measure("02", "dwi/dwi")]
    assert kinds(compare(seen)) == [("01", Kind.REPEATED, ""), ("02", Kind.EXTRA, ""), ("06", Kind.MISSING, "")]


def test_sessions_are_held_against_their_like() -> None:
    pre = [replace(one, session="pre") for one in cohort()]
    post = [replace(one, session="post", name=T1W) for one in cohort(3)]
    (one,) = compare([*pre, *post]).findings
    assert (one.subject, one.session, one.name, one.kind) == ("04", "post", "all", Kind.MISSING)


def expect(**more: object) -> Sequence[Expected]:
    return (Expected(REST, **more),)  # type: ignore[arg-type]


def test_protocol_is_in_units_of_dicom() -> None:
    limits = {"RepetitionTime": Limit(2000.0), "EchoTime": Limit(30.0, 1.0), "n_slices": Limit(36)}
    right = measure("01", EchoTime=0.0309, Matrix=(64.0, 64.0, 36.0))
    assert compare([right], expect(parameters=limits)).findings == ()
    wrong = measure("01", RepetitionTime=2.1, EchoTime=0.032, Matrix=(64.0, 64.0, 35.0))
    found = compare([wrong], expect(parameters=limits)).findings
    assert [(one.parameter, one.found, one.expected) for one in found] == [
        ("RepetitionTime", "2.1 s", "2 s"), ("EchoTime", "32 ms", "30 ms"), ("n_slices", "35", "36"),
    ]  # fmt: skip


def test_axes_of_a_dataset_may_stand_in_another_order() -> None:
    """dcm2niix turns a sagittal volume of 48 slices: they are along the first axis of the file."""
    wanted = Expected(T1W, parameters={"n_slices": Limit(48.0), "n_rows": Limit(64.0)})
    seen = measure("01", T1W, Matrix=(48.0, 64.0, 60.0))
    assert kinds(compare([replace(seen, is_turned=True)], [wanted])) == []
    assert kinds(compare([seen], [wanted])) == [("01", Kind.CHANGED, "n_slices")]
    other = measure("01", T1W, Matrix=(40.0, 64.0, 60.0))
    assert kinds(compare([replace(other, is_turned=True)], [wanted])) == [("01", Kind.CHANGED, "n_slices")]


def test_protocol_counts_runs_and_not_echoes() -> None:
    echoes = [measure("01", f"func/task-rest_echo-{echo}_bold") for echo in (1, 2, 3)]
    assert compare(echoes, expect()).findings == ()
    assert kinds(compare([*echoes, *echoes], expect())) == [("01", Kind.REPEATED, "")]
    assert compare([*echoes, *echoes], expect(runs=(1, 2))).findings == ()


@pytest.mark.parametrize(("session", "optional", "missing"), [("pre", False, 1), ("post", False, 0), ("pre", True, 0)])
def test_protocol_names_what_is_missing(session: str, optional: bool, missing: int) -> None:
    parts = (*expect(sessions=("pre",), optional=optional), Expected(T1W))
    drift = compare([measure("01", T1W, session)], parts)
    assert [one.kind for one in drift.findings] == [Kind.MISSING] * missing


def test_protocol_names_what_is_extra_and_short() -> None:
    seen = [measure("01", Volumes=100.0), measure("01", T1W)]
    assert kinds(compare(seen, expect(volumes=(200, 210)))) == [("01", Kind.EXTRA, ""), ("01", Kind.SHORT, "Volumes")]


def test_cohort_judges_only_what_the_protocol_leaves_open() -> None:
    seen = [*cohort(FlipAngle=80.0), measure("05", RepetitionTime=2.2, FlipAngle=70.0)]
    drift = compare(seen, expect(parameters={"RepetitionTime": Limit(2200.0)}))
    assert [(one.subject, one.against) for one in drift.findings if one.parameter == "RepetitionTime"] == [
        (f"{rank:02}", Against.STUDY) for rank in range(1, 5)
    ]
    assert [(one.subject, one.against) for one in drift.findings if one.parameter == "FlipAngle"] == [
        ("05", Against.COHORT)
    ]


def test_side_that_the_protocol_gives_does_not_hide_the_others() -> None:
    seen = [*cohort(4, Matrix=(64.0, 64.0, 36.0)), measure("05", Matrix=(80.0, 64.0, 36.0))]
    drift = compare([*seen, measure("06", Matrix=(64.0, 64.0, 30.0))], expect(parameters={"n_slices": Limit(36.0)}))
    assert [(one.subject, one.parameter, one.against) for one in drift.findings] == [
        ("05", "Matrix", Against.COHORT), ("06", "n_slices", Against.STUDY),
    ]  # fmt: skip


@pytest.mark.parametrize(("found", "count"), [("AP", 0), ("AP/PA", 0), ("PA", 1), ("RL/LR", 1)])
def test_axis_of_phase_encoding_agrees_with_both_its_ways(found: str, count: int) -> None:
    seen = measure("05", PhaseEncodingDirection=found)
    assert len(compare([seen], expect(parameters={"direction": Limit("AP")})).findings) == count
    assert len(compare([*cohort(PhaseEncodingDirection="AP"), seen]).findings) == count


def test_field_of_an_image_that_is_missing_is_not_told() -> None:
    parts = (*expect(), Expected("dwi/dwi", parameters={"b_max": Limit(1000.0)}, optional=True))
    assert compare(cohort(), parts).notes == ()


def test_field_that_no_image_says_is_told() -> None:
    drift = compare(cohort(), expect(parameters={"ReceiveCoilName": Limit("Head_32")}))
    assert drift.notes == ("the study gives ReceiveCoilName, of which no image says anything: not compared",)


def test_page_shows_every_finding_and_visit() -> None:
    seen = [*cohort(3), measure("04", RepetitionTime=2.2), measure("05", T1W)]
    html = render(make_page(compare(seen), "My study", "study.toml"))
    for word in ("sub-04", "2.2 s", "changed", "missing", "study.toml", "sub-05"):
        assert word in html


def test_finding_on_all_echoes_of_a_series_is_one() -> None:
    names = [f"func/task-rest_echo-{echo}_bold" for echo in (1, 2, 3)]
    seen = [one for name in names for one in [*cohort(4, name), measure("05", name, RepetitionTime=2.2)]]
    seen = [
        replace(
            one, where=f"sub-{one.subject}/func/sub-{one.subject}_{one.name[5:]}.nii.gz".replace("_echo", "_run-2_echo")
        )
        for one in seen
    ]
    drift = compare([*seen, measure("06", T1W)])
    assert [(one.subject, one.kind, one.name) for one in drift.findings] == [
        ("05", Kind.CHANGED, REST), ("06", Kind.EXTRA, T1W), ("06", Kind.MISSING, REST),
    ]  # fmt: skip
    html = render(make_page(drift, "My study"))
    assert "func/task-rest_echo-2_bold: changed TR" in html
    assert "run-2" in html
    assert ".nii.gz" not in html


def test_page_counts_in_words() -> None:
    facts = make_page(compare([measure("01")]), "Mine").facts
    assert [(fact.value, fact.label) for fact in facts] == [(1, "subject"), (1, "visit"), (1, "protocol")]
