"""A field is what belongs together; a run is corrected by the field that fits it best, and by none that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.fieldmaps import note_foreign_shims, wire_fields
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import Finding, Kind
from bidsflow.dicom.series import File, Image, Instance, Patient, Series

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SMALL, LARGE = (64, 64, 30), (104, 104, 72)


class Shot(NamedTuple):
    """One image at a minute, with the field that it must measure or be corrected by."""

    minute: int | None
    suffix: str
    field: str = ""
    direction: str = ""
    shim: str = ""
    matrix: tuple[int, int, int] = SMALL
    run: str = ""
    vendor: str = ""
    named: bool = True
    frame: str = ""
    study: str = "1"
    sequence: str = "EP"
    part: str = "magnitude"
    echo: int = 0


def draft_of(shot: Shot, number: int) -> Draft:
    minute = shot.minute or 0
    started = "" if shot.minute is None else f"20220711{9 + minute // 60:02d}{minute % 60:02d}00.000000"
    values = {"ShimSetting": shot.shim}
    if shot.vendor == "GE":
        values = {f"GeShim{axis}": text for axis, text in zip("XYZ", shot.shim.split(), strict=False)}
    values |= {"FrameOfReferenceUID": shot.frame, "ScanningSequence": shot.sequence}
    if shot.direction:
        polarity = {"AP": "1", "PA": "0"}[shot.direction]
        values |= {"InPlanePhaseEncodingDirection": "COL", "PhaseEncodingPositive": polarity}
    header = Header({**values, "ImageOrientationPatient": "1\\0\\0\\0\\1\\0"})
    b_values = (0.0, 1000.0) if shot.suffix == "dwi" else ()
    image = Image(header, shot.matrix, 10, shot.echo, 0.0, shot.part, AXIAL, b_values)
    series = Series(f"1.{number}", shot.study, Patient("P1", "", "", ""), number, "", "", started, (image,), (), header)
    kind, datatype = Kind.GRADIENT_EPI, "func"
    if shot.suffix.startswith(("magnitude", "phase")):
        kind, datatype = Kind.FIELD_GRE, "fmap"
    elif shot.suffix == "fieldmap":
        kind, datatype = Kind.FIELD_HZ, "fmap"
    elif shot.suffix == "epi":
        kind, datatype = Kind.SPIN_EPI, "fmap"
    elif shot.suffix == "T1w":
        kind, datatype = Kind.T1W, "anat"
    elif shot.suffix == "dwi" or shot.run == "dwi":
        kind, datatype = Kind.DIFFUSION, "dwi"
    elif shot.suffix in ("asl", "m0scan"):
        kind, datatype = Kind.ASL, "perf"
    elif shot.suffix.startswith("TB1"):
        kind, datatype = Kind.UNKNOWN, "fmap"
    pairs = (("dir", shot.direction), ("run", shot.run)) if shot.named else ()
    entities = tuple(pair for pair in pairs if pair[1])
    return Draft(
        series, image, 1, Finding(kind, 0.9, "so"), datatype=datatype, suffix=shot.suffix, entities=entities,
        measurement=f"1.{shot.run}" if kind is Kind.FIELD_GRE else series.uid, direction=shot.direction,
    )  # fmt: skip


class Case(NamedTuple):
    shots: tuple[Shot, ...]
    says: str = ""


def gre(minute: int, label: str, run: str = "", **more: str) -> tuple[Shot, ...]:
    return tuple(Shot(minute, suffix, label, run=run, **more) for suffix in ("magnitude1", "magnitude2", "phasediff"))


CASES = {
    "no field": Case((Shot(1, "bold"), Shot(2, "T1w"))),
    "one gradient field": Case(
        (*gre(1, "gre1"), Shot(3, "bold", "gre1", matrix=LARGE), Shot(4, "T1w")), "the only one"
    ),
    "magnitudes alone measure nothing": Case((Shot(1, "magnitude1"), Shot(1, "magnitude2"), Shot(3, "bold"))),
    "nearest before": Case(
        (*gre(1, "gre1", "1"), Shot(3, "bold", "gre1"), *gre(5, "gre2", "2"), Shot(7, "bold", "gre2"))
    ),
    "the one before wins over a nearer one after": Case(
        (*gre(1, "gre1", "1"), Shot(20, "bold", "gre1"), *gre(21, "gre2", "2"))
    ),
    "the one after, where none is before": Case((Shot(1, "bold", "gre1"), *gre(5, "gre1"))),
    "the same shim wins over time": Case(
        (*gre(1, "gre1", "1", shim="1\\2"), *gre(3, "gre2", "2", shim="3\\4"), Shot(5, "bold", "gre1", shim="1\\2")),
        "the same shim",
    ),
    "the same shim of GE": Case(
        (
            *gre(1, "gre1", "1", shim="1 2 3", vendor="GE"),
            *gre(3, "gre2", "2", shim="3 4 5", vendor="GE"),
            Shot(5, "bold", "gre1", shim="1 2 3", vendor="GE"),
        ),
        "the same shim",
    ),
    "the only field has another shim": Case(
        (*gre(1, "gre1", shim="1\\2"), Shot(5, "bold", shim="3\\4", matrix=LARGE)),
        "no field map fits: the shim was changed after series 3",
    ),
    "a shim that was adjusted again for the protocol": Case(
        (
            *gre(1, "gre1", shim="2033\\-5880\\-1724\\574\\-223\\79\\-40\\64"),
            Shot(2, "bold", "gre1", shim="2034\\-5882\\-1717\\601\\-214\\85\\-30\\61"),
        ),
        "nearly the same shim, 5 % apart, and the same geometry",
    ),
    "the very same shim wins over nearly the same": Case(
        (*gre(1, "gre1", "1", shim="50\\50"), *gre(3, "gre2", "2", shim="50\\51"),
         Shot(5, "bold", "gre1", shim="50\\50")),
    ),
    "no shim at all, in two spellings": Case(
        (*gre(1, "gre1", shim="0\\0\\0"), Shot(2, "bold", "gre1", shim="0.0\\0.0\\0.0")), "the same shim"
    ),
    "a shim of gradients only, the larger before": Case(
        (*gre(1, "gre1", shim="12.4 0 0", vendor="GE"), Shot(2, "bold", "gre1", shim="10 0 0", vendor="GE")), "19 %"
    ),
    "a shim of gradients only, the larger after": Case(
        (*gre(1, "gre1", shim="10 0 0", vendor="GE"), Shot(2, "bold", "gre1", shim="12.4 0 0", vendor="GE")), "19 %"
    ),
    "no header has a shim": Case((*gre(1, "gre1"), Shot(2, "bold", "gre1")), "the same geometry; less certain"),
    "a shim in one header only": Case((*gre(1, "gre1", shim="1"), Shot(2, "bold", "gre1")), "less certain"),
    "taken out and put back between fields": Case(
        (
            *gre(1, "gre1", "1", frame="8"), Shot(3, "bold", "gre1", frame="8"),
            *gre(9, "gre2", "2", frame="9"), Shot(11, "bold", "gre2", frame="9"),
        )
    ),
    "taken out and put back, and no field map after it": Case(
        (*gre(1, "gre1", frame="8"), Shot(9, "bold", frame="9"), Shot(11, "bold", frame="9")),
        "no field map fits: the person was moved after series 3",
    ),
    "moved before the only run after it": Case(
        (*gre(1, "gre1", frame="8"), Shot(4, "T1w", frame="8"), Shot(5, "bold", "gre1", frame="8"),
         Shot(9, "bold", frame="9")),
        "no field map fits: the person was moved after series 3",
    ),
    "one half alone before a move": Case(
        (Shot(1, "epi", "", "AP", frame="8"), Shot(3, "epi", "pepolar1", "PA", frame="9"),
         Shot(4, "bold", "pepolar1", "AP", frame="9")),
        "so it corrects nothing: the person was moved",
    ),
    "halves in frames that go back and forth": Case(
        (Shot(1, "epi", "", "AP", frame="8"), Shot(2, "T1w", frame="8"), Shot(3, "epi", "", "PA", frame="9"),
         Shot(5, "T1w", frame="8")),
        "so it corrects nothing: the person may have been moved between it and series 1",
    ),
    "halves in frames that go back and forth, of one shim": Case(
        (Shot(1, "epi", "pepolar1", "AP", frame="8", shim="1"), Shot(2, "T1w", frame="8", shim="1"),
         Shot(3, "epi", "pepolar1", "PA", frame="9", shim="1"), Shot(5, "T1w", frame="8", shim="1"))
    ),
    "halves with frames that an anonymiser made up": Case(
        (Shot(1, "T1w", frame="6"), Shot(2, "epi", "pepolar1", "AP", frame="7"),
         Shot(3, "epi", "pepolar1", "PA", frame="8"), Shot(4, "bold", "pepolar1", frame="9"))
    ),
    "frames by how a protocol sets the table": Case(
        (*gre(1, "gre1", frame="8"), Shot(9, "bold", "gre1", frame="9"), Shot(11, "T1w", frame="8"),
         Shot(12, "bold", "gre1", frame="9"))
    ),
    "taken out and put back, and a new shim for the field before only": Case(
        (
            *gre(1, "gre1", "1", shim="100\\50"), Shot(3, "bold", "gre1", shim="100\\50"),
            Shot(9, "bold", "gre2", shim="10\\90"), *gre(11, "gre2", "2", shim="10\\90"),
        )
    ),
    "frames that an anonymiser made up": Case(
        (*(one._replace(frame=f"{rank}") for rank, one in enumerate(gre(1, "gre1"))),
         Shot(3, "bold", "gre1", frame="9"))
    ),
    "a study that was split keeps its field": Case((*gre(1, "gre1", frame="8"), Shot(9, "bold", "gre1", study="2"))),
    "another visit, put under one session": Case(
        (Shot(0, "T1w"), *gre(1, "gre1", study="2"), Shot(190, "bold", study="3")), "was measured on another visit"
    ),
    "halves before and after a break are no pair": Case(
        (Shot(1, "epi", "", "AP", frame="8"), Shot(2, "T1w", frame="8"), Shot(7, "epi", "", "PA", frame="9"),
         Shot(8, "T1w", frame="9"))
    ),
    "references in opposite directions are a field of their own": Case(
        (
            Shot(1, "sbref", "pepolar1", "AP"), Shot(2, "bold", "pepolar1", "AP"),
            Shot(3, "sbref", "pepolar1", "PA"), Shot(4, "bold", "pepolar1", "PA"),
        ),
        "one of the single-band references in opposite directions",
    ),
    "references of several echoes: the first measures": Case(
        (
            Shot(1, "sbref", "pepolar1", "AP", echo=1), Shot(1, "sbref", "pepolar1", "AP", echo=2),
            Shot(3, "sbref", "pepolar1", "PA", echo=1), Shot(3, "sbref", "pepolar1", "PA", echo=2),
        )
    ),
    "references leave the work to a field map": Case(
        (*gre(1, "gre1"), Shot(2, "sbref", "gre1", "AP"), Shot(3, "sbref", "gre1", "PA"))
    ),
    "halves of several echoes: each with its own": Case(
        (
            *(Shot(1, "epi", f"pepolar{echo}", "AP", echo=echo) for echo in (1, 2, 3)),
            *(Shot(2, "epi", f"pepolar{echo}", "PA", echo=echo) for echo in (1, 2, 3)),
            *(Shot(3, "bold", f"pepolar{echo}", "AP", echo=echo) for echo in (1, 2, 3)),
            Shot(4, "bold", "pepolar1", "AP"),
        )
    ),
    "one half of several echoes, and a run of as many": Case(
        (
            *(Shot(1, "bold", f"pepolar{echo}", "AP", echo=echo, named=False) for echo in (1, 2, 3)),
            *(Shot(3, "epi", f"pepolar{echo}", "PA", echo=echo) for echo in (1, 2, 3)),
        ),
        "one half of field map",
    ),
    "one half of one echo, and a run of several": Case(
        (*(Shot(1, "bold", "pepolar1", "AP", echo=echo) for echo in (1, 2, 3)), Shot(3, "epi", "pepolar1", "PA"))
    ),
    "all echoes, and phases too": Case(
        (*gre(1, "gre1"), *(Shot(2, "bold", "gre1", echo=echo) for echo in (1, 2, 3)),
         Shot(2, "bold", "gre1", part="phase"))
    ),
    "a phase is no half": Case((Shot(1, "epi", "", "AP"), Shot(1, "epi", "", "PA", part="phase"))),
    "perfusion by EPI": Case((*gre(1, "gre1"), Shot(2, "asl", "gre1"), Shot(2, "m0scan", "gre1"))),
    "perfusion and diffusion by turbo spin echo": Case(
        (*gre(1, "gre1"), Shot(2, "asl", sequence="SE"), Shot(3, "dwi", sequence="SE")), "it is not echo-planar"
    ),
    "one direction, and a run of the same": Case(
        (Shot(1, "epi", "", "AP"), Shot(3, "bold", "", "AP")), "no field map is whole: series 1 has one direction only"
    ),
    "what maps the transmitter measures no field": Case((Shot(1, "TB1TFL"), Shot(1, "TB1TFL"), Shot(2, "bold"))),
    "anatomy is never corrected": Case((*gre(1, "gre1"), Shot(2, "T1w"), Shot(3, "T1w", sequence="EP"))),
    "two halves of one contrast and a run of another": Case(
        (Shot(1, "epi", "pepolar1", "PA"), Shot(3, "bold", "pepolar1", "AP", named=False)),
        "less certain where their contrasts differ",
    ),
    "the same geometry wins over time": Case(
        (
            Shot(1, "epi", "pepolar1", "AP", matrix=LARGE), Shot(2, "epi", "pepolar1", "PA", matrix=LARGE),
            Shot(3, "epi", "pepolar2", "AP"), Shot(4, "epi", "pepolar2", "PA"),
            Shot(5, "bold", "pepolar1", "AP", matrix=LARGE), Shot(6, "bold", "pepolar2", "AP"),
        ),
        "the same geometry",
    ),
    "two pairs": Case(
        (
            Shot(1, "epi", "pepolar1", "AP"), Shot(2, "epi", "pepolar1", "PA"), Shot(3, "bold", "pepolar1"),
            Shot(4, "epi", "pepolar2", "AP"), Shot(5, "epi", "pepolar2", "PA"), Shot(6, "bold", "pepolar2"),
        )
    ),
    "a half that was repeated goes with what follows it": Case(
        (Shot(1, "epi", "", "AP"), Shot(2, "epi", "pepolar1", "AP"), Shot(3, "epi", "pepolar1", "PA")),
        "no image of the opposite direction",
    ),
    "halves of two shims are no pair": Case(
        (Shot(1, "epi", "", "AP", shim="1\\2"), Shot(2, "epi", "", "PA", shim="3\\4"))
    ),
    "a run is the other half": Case(
        (Shot(1, "epi", "pepolar1", "PA"), Shot(3, "bold", "pepolar1", "AP", named=False)), "one half of field map"
    ),
    "one half corrects no run of its own direction": Case(
        (Shot(1, "epi", "", "AP"), Shot(3, "bold", "", "AP", named=False), Shot(4, "sbref", "", "AP"))
    ),
    "another field serves where one half cannot": Case(
        (*gre(1, "gre1"), Shot(2, "epi", "", "AP", matrix=LARGE), Shot(3, "bold", "gre1", "AP", matrix=LARGE))
    ),
    "no time is known": Case((*(shot._replace(minute=None) for shot in gre(0, "gre1")), Shot(None, "bold", "gre1"))),
    "nothing tells which": Case(
        (
            *(shot._replace(minute=None) for shot in gre(0, "gre1", "1")),
            *(shot._replace(minute=None) for shot in gre(0, "gre2", "2")),
            Shot(None, "bold", study="2"),  # the numbers of two studies say nothing of each other
        ),
        "nothing tells which",
    ),
    "diffusion in opposite directions is a field of its own": Case(
        (
            *gre(1, "gre1"), Shot(2, "sbref", "pepolar1", "AP", matrix=LARGE, run="dwi", named=False),
            Shot(3, "dwi", "pepolar1", "AP", matrix=LARGE), Shot(4, "dwi", "pepolar1", "PA", matrix=LARGE),
            Shot(5, "dwi", "pepolar1", "AP", matrix=LARGE), Shot(6, "bold", "gre1", "AP", matrix=LARGE),
        ),
        "one of the diffusion runs in opposite directions that are field map pepolar1",
    ),
    "diffusion of two shims are two fields": Case(
        (
            Shot(1, "dwi", "pepolar1", "AP", shim="1"), Shot(2, "dwi", "pepolar1", "PA", shim="1"),
            Shot(3, "dwi", "pepolar2", "AP", shim="2"), Shot(4, "dwi", "pepolar2", "PA", shim="2"),
        )
    ),
    "diffusion of opposite directions and other shims is no field": Case(
        (Shot(1, "dwi", "", "AP", shim="1"), Shot(2, "dwi", "", "PA", shim="2"))
    ),
    "diffusion of opposite directions and other geometries is no field": Case(
        (Shot(1, "dwi", "", "AP"), Shot(2, "dwi", "", "PA", matrix=LARGE))
    ),
    "diffusion that corrects itself corrects no run": Case(
        (Shot(1, "dwi", "pepolar1", "AP"), Shot(2, "dwi", "pepolar1", "PA"), Shot(3, "bold", "", "AP"))
    ),
    "a pair that was measured for the diffusion comes first": Case(
        (
            Shot(1, "epi", "pepolar1", "AP"), Shot(2, "epi", "pepolar1", "PA"),
            Shot(3, "dwi", "pepolar1", "AP"), Shot(4, "dwi", "pepolar1", "PA"),
        )
    ),
    "a half that was measured for the diffusion comes first": Case(
        (Shot(2, "epi", "pepolar1", "PA"), Shot(3, "dwi", "pepolar1", "AP"), Shot(4, "dwi", "pepolar1", "PA"))
    ),
    "phases of halves measure nothing": Case(
        (
            Shot(1, "epi", "pepolar1", "AP"), Shot(1, "epi", "", "AP", part="phase"),
            Shot(2, "epi", "pepolar1", "PA"), Shot(2, "epi", "", "PA", part="phase"),
            Shot(3, "bold", "pepolar1", "AP"), Shot(3, "bold", "pepolar1", "AP", part="phase"),
        )
    ),
    "phases of opposite directions are no field": Case(
        (Shot(1, "epi", "", "AP", part="phase"), Shot(2, "epi", "", "PA", part="phase"), Shot(3, "bold", "", "AP")),
        "its values are phase",
    ),
    "a map in Hz": Case((Shot(1, "fieldmap", "map1"), Shot(2, "bold", "map1"))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_fields_are_wired(name: str) -> None:
    case = CASES[name]
    wired = wire_fields([draft_of(shot, number) for number, shot in enumerate(case.shots, start=1)]).drafts
    assert [draft.field or draft.corrected_by for draft in wired] == [shot.field for shot in case.shots]
    assert case.says in " ".join(text for draft in wired for text in draft.evidence)
    for draft in wired:
        assert not draft.corrected_by or draft.suffix in ("bold", "dwi", "sbref", "asl", "m0scan")
        assert not draft.field or draft.datatype == "fmap" or draft.corrected_by == draft.field


def place(draft: Draft, bottom: float, count: int, normal: tuple[float, float] = (0.0, 1.0)) -> Draft:
    """Return a draft of slices of 4 mm that lie in files of their own, from a bottom up, along y and z."""
    y, z = normal
    turned = (1.0, 0.0, 0.0, 0.0, z, -y)
    sizes = {"PixelSpacing": "4\\4", "SliceThickness": "4", "ImageOrientationPatient": "\\".join(map(str, turned))}
    header = Header({**draft.image.header.values, **sizes})
    image = replace(draft.image, header=header, matrix=(1, 1, count), orientation=turned)
    where = [f"0\\{(bottom + 4 * rank) * y}\\{(bottom + 4 * rank) * z}" for rank in range(count)]
    instances = tuple(
        Instance(File(f"{rank}", 1, 1), Header({**header.values, "ImagePositionPatient": text}))
        for rank, text in enumerate(where)
    )
    return replace(draft, image=image, series=replace(draft.series, images=(image,), instances=instances))


@pytest.mark.parametrize(
    ("bottom", "normal", "corrected"),
    [(0.0, (0.0, 1.0), True), (30.0, (0.0, 1.0), True), (50.0, (0.0, 1.0), False), (0.0, (0.6, 0.8), True)],
)
def test_a_field_corrects_only_what_it_covers(bottom: float, normal: tuple[float, float], corrected: bool) -> None:
    fields = [place(draft_of(shot, 1), 0.0, 20) for shot in gre(1, "")]
    run = place(draft_of(Shot(3, "bold"), 2), bottom, 20, normal)
    wired = wire_fields([*fields, run]).drafts[-1]
    assert bool(wired.corrected_by) is corrected
    assert corrected or "no field map fits: series 1 covers 38 % of its slices" in wired.evidence


def test_what_waits_for_a_person_measures_and_needs_nothing() -> None:
    shots = (*gre(1, ""), Shot(3, "bold"))
    drafts = [replace(draft_of(shot, 1), decision=Decision.REVIEW) for shot in shots]
    wired = wire_fields(drafts).drafts
    assert all(not one.field and not one.corrected_by for one in wired)
    assert "what may be a field map (series 1) waits for a person" in wired[-1].evidence


def _row(number: int, name: str, label: str = "", source: str = "") -> PlanRow:
    path = f"sub-01/{name.split('/', maxsplit=1)[0]}/sub-01_{name.split('/')[1]}"
    return PlanRow(f"1.{number}", 1, number, "", "scan", 1, 1, Decision.CONVERT, path, 0.9, "", label, source)


@pytest.mark.parametrize(
    ("shims", "said"), [(("1", "2"), True), (("1", "1"), False), (("", "2"), False), (("1", ""), False)]
)
def test_a_field_of_another_shim_is_noted(shims: tuple[str, str], said: bool) -> None:
    rows = [_row(1, "fmap/phasediff", "gre1"), _row(1, "fmap/magnitude1", "gre1"),
            _row(2, "func/task-a_bold", "", "gre1")]  # fmt: skip
    drafts = [draft_of(Shot(number, "bold", shim=shim), number) for number, shim in enumerate(shims, start=1)]
    notes = note_foreign_shims(rows, {draft.series.uid: draft.series for draft in drafts})
    expected = "sub-01: the field map gre1 was measured with another shim than series 2 (scan); "
    assert [note.startswith(expected) for note in notes] == [True] * said


SHIMS = ("", "100\\50", "100\\52", "10\\90")
SESSIONS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 500), st.sampled_from(("epi", "bold", "sbref", "dwi", "phasediff", "T1w")),
        st.sampled_from(("AP", "PA")), st.sampled_from(SHIMS), st.sampled_from((SMALL, LARGE)),
        st.sampled_from(("", "8", "9")), st.sampled_from(("1", "2")), st.sampled_from(("EP", "SE")),
    ).map(lambda one: Shot(one[0], one[1], "", *one[2:5], frame=one[5], study=one[6], sequence=one[7])),
    max_size=9,
)  # fmt: skip


def wire_in_time(shots: Sequence[tuple[int, Shot]]) -> dict[int, Draft]:
    """Return the wired drafts by number, given in order of time as a plan gives them."""
    drafts = [draft_of(shot, number) for number, shot in shots]
    drafts.sort(key=lambda one: (one.series.started, one.series.number))
    return {draft.series.number: draft for draft in wire_fields(drafts).drafts}


@given(SESSIONS, st.randoms(use_true_random=False))
def test_no_run_is_given_a_field_that_is_not_true_of_it(shots: list[Shot], random: object) -> None:
    numbered = list(enumerate(shots, start=1))
    wired = wire_in_time(numbered)
    for draft in wired.values():
        shot = shots[draft.series.number - 1]
        members = [one for one in wired.values() if one.field == draft.corrected_by != ""]
        assert bool(members) == bool(draft.corrected_by)
        assert not draft.corrected_by or (shot.suffix in ("bold", "sbref", "dwi") and shot.sequence == "EP")
        for own in (shots[one.series.number - 1] for one in members):
            assert not (own.shim and shot.shim) or (own.shim[:3] == shot.shim[:3])
        assert not draft.field or shot.suffix in ("epi", "phasediff") or draft.corrected_by == draft.field
    labels = {one.field for one in wired.values()} - {""}
    for label in labels:
        some = [shots[one.series.number - 1] for one in wired.values() if one.field == label]
        assert {one.suffix for one in some} == {"phasediff"} or {"AP", "PA"} == {one.direction for one in some}
    random.shuffle(numbered)  # type: ignore[attr-defined]
    assert wire_in_time(numbered) == wired
