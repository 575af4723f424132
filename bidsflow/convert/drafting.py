"""The images of all visits, drafted, wired and named as if there were no dataset. Pure.

The dataset is asked only what is there and so needs no doubt, which labels of fields are in use, and how long and how
large the runs of other people are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow import schema
from bidsflow.convert.adoption import look_beside
from bidsflow.convert.cohort import find_other_shapes, find_usual, take_cohort
from bidsflow.convert.counterparts import is_map, say_held
from bidsflow.convert.fieldmaps import Beside, wire_fields
from bidsflow.convert.fields import mark_of
from bidsflow.convert.fit import NO_READOUT, find_repetition_fault, lacks_readout
from bidsflow.convert.known import Known
from bidsflow.convert.links import Standing
from bidsflow.convert.naming.decide import draft_image
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.naming.labelling import heed_given_labels
from bidsflow.convert.naming.rules import heed_rule
from bidsflow.convert.naming.session import name_session
from bidsflow.convert.naming.tasks import find_tasks
from bidsflow.convert.partners import join_partners, note_partners
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, PlanRow
from bidsflow.convert.plan_notes import note_shapes
from bidsflow.convert.study.apply import Rulebook
from bidsflow.convert.subjects import Key, folder_of
from bidsflow.dicom.grouping import WRITTEN_ON
from bidsflow.dicom.series import Conflict, Inventory, Series
from bidsflow.errors import BidsflowError
from bidsflow.names import BidsName, parse_name

#: An image: SeriesInstanceUID and rank in its series.
_RowKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Named:
    """The images of all visits, named as if there were no dataset.

    Attributes
    ----------
    rows : tuple of PlanRow
        In no order.
    shared : mapping of (str, int) to str
        What the images of one measurement have in common.
    ruled : mapping of (str, int) to Draft
        Those that a rule of the study matches.
    notes : tuple of str
        Of fields.
    """

    rows: tuple[PlanRow, ...]
    shared: Mapping[_RowKey, str]
    ruled: Mapping[_RowKey, Draft]
    notes: tuple[str, ...]


def draft_series(series: Series, guesses: Mapping[str, Guess], book: Rulebook) -> list[Draft]:
    """Return a draft of each image of a series, by itself: what its headers, dcm2niix and the study say of it."""
    drafts = [
        heed_rule(draft_image(series, image, rank, guesses), book.find_rule(series, image))
        for rank, image in enumerate(series.images, start=1)
    ]
    return [heed_given_labels(draft, book.find_fields(series, draft.image)) for draft in drafts]


def name_all(
    inventory: Inventory,
    place: Key,
    known: Known,
    guesses: Mapping[str, Guess],
    doubtful: Mapping[str, str],
    book: Rulebook,
) -> Named:
    """Return the images of all visits, named as if there were no dataset.

    Parameters
    ----------
    inventory : Inventory
        What the export holds, without copies.
    place : Key
        Where each study goes.
    known : Known
        What the dataset holds that the plan is for.
    guesses : mapping of str to Guess
        dcm2niix's second opinion by SeriesInstanceUID.
    doubtful : mapping of str to str
        Why no one can say whose series are, by SeriesInstanceUID.
    book : Rulebook
        What the study says.
    """
    rows: list[PlanRow] = []
    notes: list[str] = []
    drafts: list[Draft] = []
    here = {series.uid for series in inventory.series}
    used: dict[tuple[str, str], set[str]] = defaultdict(set)
    everyone = take_cohort(inventory, place, known.cohort)
    visits = _group_visits(inventory, place, doubtful)
    drafted = {visit: _draft_visit(members, guesses, book) for visit, members in visits.items()}
    tasks = find_tasks(drafted.values(), known.taken.values())
    for (subject, session, part), members in sorted(visits.items(), key=lambda visit: bool(visit[0][2])):
        usual = find_usual(everyone, members, subject)
        shapes = find_other_shapes(everyone, members, subject)
        place_of = subject, session
        others = known.find_beside(folder_of(place_of), here)
        held = {one.body_part for one in others}
        alone = drafted.pop((subject, session, part))
        partners = () if part else others  # whose images are in doubt go with nobody's
        visit = join_partners(name_session(alone, guesses, usual, held, tasks), partners)
        visit = [_settle(_doubt_image(draft, book), known.taken) for draft in visit]
        visit = [_note_shape(draft, shapes) for draft in visit]
        wired = wire_fields(visit, _look_beside(others, session, used[place_of], doubted=bool(part)))
        used[place_of] |= {draft.field for draft in wired.drafts} - {""}
        late = note_partners(wired.drafts, partners, known.taken)
        notes += [f"{folder_of(place_of)}: {note}" for note in (*wired.notes, *late)]
        told = [_doubt_person(draft, doubtful, known.taken) for draft in wired.drafts]
        named = [_row(draft, subject, session) for draft in told]
        notes += note_shapes(named, shapes)
        rows += named
        drafts += told
    by_image = {(draft.series.uid, draft.rank): draft for draft in drafts}
    shared = {image: draft.measurement for image, draft in by_image.items()}
    ruled = {image: draft for image, draft in by_image.items() if draft.rule is not None}
    return Named(tuple(rows), shared, ruled, tuple(notes))


def _group_visits(
    inventory: Inventory, place: Key, doubtful: Mapping[str, str]
) -> dict[tuple[str, str, str], list[Series]]:
    """Return the series by subject and session: studies of one visit share runs and fields, studies in doubt do not."""
    visits: dict[tuple[str, str, str], list[Series]] = defaultdict(list)
    for series in inventory.series:
        visits[(*place.sessions[series.study_uid], _part(series, doubtful))].append(series)
    return visits


def _part(series: Series, doubtful: Mapping[str, str]) -> str:
    """Return what series in doubt have in common that may belong together; ``""`` where nothing is in doubt."""
    if series.uid not in doubtful:
        return ""
    mixed = doubtful[series.uid] == str(Conflict.ONE_STUDY_TWO_PEOPLE.value)
    return f"{series.study_uid} {series.patient.key}" if mixed else series.study_uid


def _draft_visit(members: Sequence[Series], guesses: Mapping[str, Guess], book: Rulebook) -> list[Draft]:
    """Return a draft of each image of a visit by itself, in order of acquisition."""
    ordered = sorted(members, key=lambda one: (one.started, one.number, one.uid))
    return [draft for series in ordered for draft in draft_series(series, guesses, book)]


def _doubt_image(draft: Draft, book: Rulebook) -> Draft:
    if draft.to_convert and draft.series.incomplete:
        return draft.decided(Decision.REVIEW, draft.series.incomplete[0])
    if draft.to_convert and WRITTEN_ON in draft.series.problems:
        return draft.decided(Decision.REVIEW, WRITTEN_ON)
    given = book.find_fields(draft.series, draft.image)
    if draft.to_convert and lacks_readout(draft.datatype, draft.suffix, draft.series, given):
        return draft.decided(Decision.REVIEW, NO_READOUT)
    if draft.to_convert and (fault := find_repetition_fault(draft.suffix, draft.image, given)):
        return draft.decided(Decision.REVIEW, fault)
    return draft


def _look_beside(others: Sequence[Standing], session: str, used: Collection[str], *, doubted: bool) -> Beside:
    """Return what a session has beside an export; whose images are in doubt are wired to nobody's."""
    shots = () if doubted else look_beside(others)
    unknown = [one.path for one in others if one.shot is None and is_map(one.path)]
    labels = frozenset({*used, *(one.links.identifier for one in others)} - {""})
    return Beside(shots, mark_of(session), labels, say_held(unknown))


def _settle(draft: Draft, taken: Mapping[_RowKey, str]) -> Draft:
    """Return a draft without doubts where the dataset holds its image, so that a field that corrected it still does.

    What nothing but a person could name has the name that it was given.
    """
    path = taken.get((draft.series.uid, draft.rank))
    if path is None or draft.decision is not Decision.REVIEW:
        return draft
    settled = draft.decided(Decision.CONVERT, "it was converted before")
    if draft.datatype and draft.suffix:
        return settled
    name = parse_name(path)
    named = replace(settled, datatype=name.datatype, suffix=name.suffix, entities=name.entities)
    return heed_rule(named, draft.rule)


def _note_shape(draft: Draft, shapes: Mapping[_RowKey, str]) -> Draft:
    """Return a draft with a note where all others have another matrix under its protocol."""
    said = shapes.get((draft.series.uid, draft.rank))
    return draft.noted(said) if said and draft.decision is not Decision.SKIP else draft


def _doubt_person(draft: Draft, doubtful: Mapping[str, str], taken: Mapping[_RowKey, str]) -> Draft:
    """Return a wired draft with the doubt whose it is.

    The doubt comes after the wiring: whose a visit is changes nothing of which of its field maps corrects which run,
    and who settles it in a plan writes another decision and no labels.
    """
    reason = doubtful.get(draft.series.uid)
    if reason is None or draft.decision is Decision.SKIP:
        return draft
    if (draft.series.uid, draft.rank) in taken:
        return draft.decided(Decision.CONVERT, "it was converted before", reason)
    return draft.decided(Decision.REVIEW, reason)


def _row(draft: Draft, subject: str, session: str) -> PlanRow:
    decision, evidence, path = draft.decision, draft.evidence, NOT_APPLICABLE
    if decision is not Decision.SKIP and draft.datatype and draft.suffix:
        try:
            name = BidsName(subject, draft.datatype, draft.suffix, "", session, draft.entities)
            path = str(name)
            if decision is Decision.CONVERT and not schema.allows(name.with_ext(".nii.gz")):
                decision, evidence = Decision.REVIEW, (f"BIDS has no image of the name {path}", *evidence)
        except BidsflowError as error:
            decision, evidence = Decision.REVIEW, (str(error), *evidence)
    series = draft.series
    return PlanRow(
        series_uid=series.uid,
        image=draft.rank,
        series_number=series.number,
        protocol_name=series.protocol_name,
        series_description=series.description,
        n_files=draft.image.n_instances,
        n_volumes=draft.image.volumes,
        decision=decision,
        path=path,
        confidence=round(min(1.0, max(0.0, draft.confidence)), 2),
        evidence=_sentence((*evidence, *series.problems)),
        b0_identifier=draft.field if decision is not Decision.SKIP else "",
        b0_source=draft.corrected_by if decision is not Decision.SKIP else "",
        repeat=draft.repeat,
    )


def _sentence(clauses: Sequence[str]) -> str:
    text = "; ".join(dict.fromkeys(clause for clause in clauses if clause))
    return text[:1].upper() + text[1:] + "." if text else "No evidence."
