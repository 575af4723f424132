"""A label of a B0 field means a whole field, or a person hears that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from bidsflow.convert.counterparts import note_counterparts
from bidsflow.convert.links import Held, Links, Standing
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.wiring import check_labels, drop_broken_fields, keep_links, settle_fields

SKIP = Decision.SKIP
BASE = PlanRow("", 1, 0, "", "", 1, 1, Decision.CONVERT, "", 0.9, "")


def row(number: int, name: str, label: str = "", source: str = "", sub: str = "01") -> PlanRow:
    datatype, stem = name.split("/")
    path = f"sub-{sub}/{datatype}/sub-{sub}_{stem}"
    return replace(BASE, series_uid=f"1.{number}", series_number=number, series_description=stem.rpartition("_")[2],
                   path=path, b0_identifier=label, b0_source=source)  # fmt: skip


def gre(label: str = "gre1") -> tuple[PlanRow, ...]:
    return (row(1, "fmap/magnitude1", label), row(1, "fmap/magnitude2", label), row(2, "fmap/phasediff", label))


AP, PA = row(5, "fmap/dir-AP_epi", "pepolar1"), row(6, "fmap/dir-PA_epi", "pepolar1")
BOLD = row(3, "func/task-a_bold", "", "gre1")
REST = row(4, "func/task-rest_bold", "", "pepolar1")


class Case(NamedTuple):
    rows: tuple[PlanRow, ...]
    says: tuple[str, ...]
    labels: str = ""


def skip(one: PlanRow, path: str = "") -> PlanRow:
    return replace(one, decision=SKIP, path=path or one.path)


BROKEN = {
    "the phase is skipped": Case(
        (*gre()[:2], skip(gre()[2]), BOLD),
        ("sub-01: the field gre1 lacks its phase image", "(series 2 (phasediff): not converted)",
         "taken from series 1 (magnitude1), series 1 (magnitude2) and, as a source, from series 3 (bold)"),
    ),
    "the phase is skipped and has no path": Case(
        (*gre()[:2], skip(gre()[2], "n/a"), BOLD), ("lacks its phase image (series 2 (phasediff): not",)
    ),
    "the magnitudes are skipped": Case(
        (*map(skip, gre()[:2]), gre()[2], BOLD), ("lacks its magnitude1 image (series 1 (magnitude1), series 1",)
    ),
    "only the second magnitude is kept": Case(
        (skip(gre()[0]), *gre()[1:], BOLD),
        ("lacks its magnitude1 image (series 1 (magnitude1): not converted); its label is taken from series 1",),
    ),
    "two phases have the second magnitude only": Case(
        (gre()[1], row(2, "fmap/phase1", "gre1"), row(2, "fmap/phase2", "gre1")), ("lacks its magnitude1 image",)
    ),
    "a map in Hz has the magnitude of another kind": Case(
        (row(1, "fmap/magnitude2", "map1"), row(1, "fmap/fieldmap", "map1")), ("lacks its magnitude image",)
    ),
    "one of two phases is skipped": Case(
        (gre()[0], row(2, "fmap/phase1", "gre1"), skip(row(2, "fmap/phase2", "gre1"))), ("one of its two phase",)
    ),
    "one direction is skipped": Case((AP, skip(PA), REST), ("lacks an image of the opposite direction",)),
    "one direction is for review": Case((AP, replace(PA, decision=Decision.REVIEW), REST), ("): not converted)",)),
    "the rows of one direction are gone": Case((AP, REST), ("of the opposite direction; its label is",)),
    "all is skipped": Case((*map(skip, gre()), BOLD), ("no image of the field gre1 is converted", "series 3 (bold)")),
    "another field stays": Case(
        (*gre(), AP, skip(PA), BOLD, replace(REST, b0_source="pepolar1,gre1")), ("pepolar1",), "gre1gre1gre1>gre1>gre1"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_labels_of_a_field_that_lacks_an_image_go_and_this_is_said(name: str) -> None:
    case = BROKEN[name]
    wired = drop_broken_fields(case.rows, {})
    left = [one for one in wired.rows if one.decision is Decision.CONVERT]
    assert "".join(one.b0_identifier + (">" + one.b0_source if one.b0_source else "") for one in left) == case.labels
    (note,) = wired.notes
    for part in case.says:
        assert part in note
    assert [replace(one, b0_identifier="", b0_source="") for one in wired.rows] == [
        replace(one, b0_identifier="", b0_source="") for one in case.rows
    ]


WHOLE = {
    "a gradient echo": (*gre(), BOLD),
    "one magnitude": (*gre()[::2], BOLD),
    "a map in Hz": (row(1, "fmap/magnitude", "map1"), row(1, "fmap/fieldmap", "map1")),
    "two directions": (AP, PA, REST),
    "a run is the other half": (PA, row(4, "func/task-a_dir-AP_bold", "pepolar1", "pepolar1")),
    "a run of unknown direction": (PA, row(4, "func/task-a_bold", "pepolar1", "pepolar1")),
    "two diffusion runs": (row(7, "dwi/dir-AP_dwi", "p1", "p1"), row(8, "dwi/dir-PA_dwi", "p1", "p1")),
    "an anatomy for a correction without a field map": (row(9, "anat/T1w", "syn"), row(4, "func/task-a_bold", "syn")),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_labels_of_a_whole_field_stay(name: str) -> None:
    wired = drop_broken_fields(WHOLE[name], {})
    assert wired.rows == WHOLE[name]
    assert wired.notes == ()
    assert check_labels(Plan(WHOLE[name]), {}) == []


SLIPS = {
    "source": ((*gre(), replace(BOLD, b0_source="gre11")), ("series 3 (bold)", "'gre11'", "is it 'gre1'?")),
    "one of two sources": ((*gre(), replace(BOLD, b0_source="gre1, topup")), ("'topup'", "there are gre1")),
    "source without any field": ((BOLD,), ("'gre1'", "write n/a")),
    "source of another subject": ((*(replace(one, path=one.path.replace("01", "02")) for one in gre()), BOLD),
                                  ("no row of sub-01 measures", "write n/a")),
    "identifier": ((*gre()[:2], replace(gre()[2], b0_identifier="gre_1")),
                   ("series 2 (phasediff)", "'gre_1'", "have 'gre1'")),
    "identifier of one direction": ((AP, replace(PA, b0_identifier="peploar1")), ("'pepolar1'", "'peploar1'")),
    "two identifiers": ((*gre()[:2], replace(gre()[2], b0_identifier="gre1,gre2")), ("is not one label",)),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_label_that_must_be_a_slip_is_told_with_its_row(name: str) -> None:
    rows, says = SLIPS[name]
    problems = " ".join(check_labels(Plan(rows), {}))
    for part in says:
        assert part in problems


def test_a_field_that_lacks_what_a_person_skipped_is_no_slip() -> None:
    others = (replace(AP, b0_identifier="pepolar2"), replace(PA, b0_identifier="pepolar3"))
    assert check_labels(Plan((AP, skip(PA), *others[:1], skip(others[0]))), {}) == []
    assert len(check_labels(Plan((AP, skip(PA), *others)), {})) == 2


def test_new_field_gets_no_label_that_other_images_have() -> None:
    others = [Links("pepolar1"), Links("pepolar2")]
    assert [one.b0_identifier for one in keep_links([AP, PA], {}, others)] == ["pepolar3", "pepolar3"]
    assert keep_links([REST, AP, PA], {}, others)[0].b0_source == "pepolar3"


def test_field_that_others_know_keeps_its_label() -> None:
    before = {AP.path: Links("mine"), REST.path: Links("", ("mine",))}
    found = keep_links([AP, PA, REST], before, [Links("", ("mine",))])
    assert [(one.b0_identifier, one.b0_source) for one in found] == [("mine", ""), ("mine", ""), ("", "mine")]


def test_label_that_a_person_changes_is_changed_where_no_other_image_knows_it() -> None:
    before = {AP.path: Links("mine"), PA.path: Links("mine")}
    assert keep_links([AP, PA], before, [Links("theirs")]) == [AP, PA]


class Counted(tuple[PlanRow, ...]):
    """Rows that count how often someone goes through all of them."""

    walks = 0

    def __iter__(self) -> Iterator[PlanRow]:
        Counted.walks += 1
        return super().__iter__()


def test_rows_are_not_gone_through_for_each_folder() -> None:
    walks = []
    for count in (2, 20):
        subjects = [f"{number:02d}" for number in range(count)]
        held = {f"sub-{sub}": Held({}, (Standing(f"sub-{sub}/anat/sub-{sub}_T1w", "9", Links(), named=False),))
                for sub in subjects}  # fmt: skip
        rows = Counted(row(number, "func/task-a_bold", sub=sub) for number, sub in enumerate(subjects))
        Counted.walks = 0
        assert len(settle_fields(rows, {}, held).rows) == count
        assert note_counterparts(rows, {}, held) == ()
        walks.append(Counted.walks)
    assert walks[0] == walks[1]
