"""What comes late is wired with what stands as if all had come at once, and what a person has wired stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.adoption import adopt, look_beside
from bidsflow.convert.fieldmaps import Beside, wire_fields
from bidsflow.convert.links import Held, Links, Standing
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.shots import read_shot, shoot_draft, write_shot
from tests.convert.test_fieldmaps import LARGE, SHIMS, SMALL, Shot, draft_of

#: A phase stands for all of its gradient echo: one measurement comes in one export.
SUFFIXES = ("epi", "bold", "sbref", "dwi", "phasediff", "T1w")
SESSIONS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 500), st.sampled_from(SUFFIXES), st.sampled_from(("AP", "PA")),
        st.sampled_from(SHIMS), st.sampled_from((SMALL, LARGE)), st.sampled_from(("", "8", "9")),
    ).map(lambda one: Shot(one[0], one[1], "", *one[2:5], frame=one[5])),
    max_size=9,
)  # fmt: skip
Wires = Mapping[int, tuple[frozenset[int], frozenset[frozenset[int]]]]


def draw(links: Mapping[int, tuple[str, str]]) -> Wires:
    """Return how series are wired, by their numbers, whatever the labels are."""

    def find(label: str) -> frozenset[int]:
        return frozenset(number for number, (own, _) in links.items() if own == label)

    return {
        number: (find(own) if own else frozenset(), frozenset(find(one) for one in source.split(",") if one))
        for number, (own, source) in links.items()
    }


def stand(draft: Draft) -> Standing:
    """Return the image of a draft as a dataset holds it."""
    shot = read_shot(write_shot(shoot_draft(draft), -40000), draft.series.uid, draft.rank, -40000)
    assert shot is not None
    sources = tuple(filter(None, [draft.corrected_by]))
    return Standing(_path(draft), draft.series.uid, Links(draft.field, sources), named=False, shot=shot)


def _path(draft: Draft) -> str:
    return f"sub-01/{draft.datatype}/sub-01_dir-{draft.direction}_run-{draft.series.number}_{draft.suffix}"


def row_of(draft: Draft) -> PlanRow:
    return PlanRow(draft.series.uid, 1, draft.series.number, "", "", 1, 1, Decision.CONVERT, _path(draft), 0.9, "",
                   draft.field, draft.corrected_by)  # fmt: skip


def wire_in_turn(first: Sequence[Draft], second: Sequence[Draft]) -> Wires:
    """Return how a session is wired that comes in two exports."""
    there = tuple(map(stand, wire_fields(first).drafts))
    late = wire_fields(second, Beside(look_beside(there))).drafts
    held = adopt(Held({}, there), [row_of(draft) for draft in late], {draft.series.uid: draft.series for draft in late})
    links = {int(one.series_uid[2:]): (one.links.identifier, ",".join(one.links.sources)) for one in held.staying}
    return draw(links | {draft.series.number: (draft.field, draft.corrected_by) for draft in late})


@given(SESSIONS, st.lists(st.booleans(), min_size=9, max_size=9))
def test_a_session_in_two_exports_is_wired_as_one(shots: list[Shot], late: list[bool]) -> None:
    drafts = [
        replace(draft_of(shot, number), confidence=0.9, measurement=f"1.{number}")
        for number, shot in enumerate(shots, start=1)
    ]
    drafts.sort(key=lambda one: (one.series.started, one.series.number))
    parts = [[one for one in drafts if late[one.series.number - 1] is second] for second in (False, True)]
    whole = {one.series.number: (one.field, one.corrected_by) for one in wire_fields(drafts).drafts}
    assert wire_in_turn(*parts) == draw(whole)
