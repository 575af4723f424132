"""From an inventory to a plan: one row per image, named, wired and checked for conflicts. Pure."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow import schema
from bidsflow.convert.cohort import Cohort, Usual, find_usual, take_cohort
from bidsflow.convert.copies import part_copies
from bidsflow.convert.fieldmaps import note_foreign_shims, wire_fields
from bidsflow.convert.fit import note_oddities, note_unplanned
from bidsflow.convert.identity import check_people
from bidsflow.convert.naming.decide import draft_image, wants_opinion
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.naming.labelling import heed_given_labels
from bidsflow.convert.naming.rules import heed_rule
from bidsflow.convert.naming.session import name_session
from bidsflow.convert.naming.words import given_sessions
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow
from bidsflow.convert.runs import find_runs, free_proposals, key_of, refuse_conflicts
from bidsflow.convert.study.apply import NO_RULES, Rulebook
from bidsflow.convert.study.stand import (
    doubt_misfit,
    find_unnamed,
    forget_unnamed,
    note_contradictions,
    note_left_behind,
    stand_as_ruled,
)
from bidsflow.convert.subjects import Key, Sessions, assign, folder_of, group_people, person_of
from bidsflow.convert.visits import Visit, find_neighbours, join_studies
from bidsflow.convert.wiring import LookUp, hold_nothing, settle_fields
from bidsflow.dicom.series import Conflict, Inventory, Series
from bidsflow.errors import BidsflowError
from bidsflow.names import BidsName, parse_name

_log = logging.getLogger(__name__)

#: What shows that one ID or study holds two people, whom no one can part but a person.
_TWO_PEOPLE = (Conflict.ONE_ID_TWO_PEOPLE, Conflict.ONE_ID_TWO_PLACES, Conflict.ONE_STUDY_TWO_PEOPLE)
#: An image: SeriesInstanceUID and rank in its series.
_RowKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the private key that its subject and session labels follow.

    Attributes
    ----------
    plan : Plan
        Of all, or of the subjects and sessions that were asked for.
    key : Key
        Of all.
    others : tuple of PlanRow
        What was planned and not asked for.
    """

    plan: Plan
    key: Key
    others: tuple[PlanRow, ...] = ()


def undecided(inventory: Inventory, book: Rulebook = NO_RULES) -> tuple[Series, ...]:
    """Return the series that dcm2niix should be asked about: see `decide.wants_opinion`."""
    return tuple(
        series for series in inventory.series if any(wants_opinion(draft) for draft in _draft_series(series, {}, book))
    )


def make_plan(  # noqa: PLR0913 (what the dataset and the study say, each by its name)
    inventory: Inventory,
    *,
    guesses: Mapping[str, Guess] | None = None,
    key: Key | None = None,
    sessions: Sessions = Sessions.AUTO,
    taken: Mapping[tuple[str, int], str] | None = None,
    skipped: Collection[tuple[str, int]] = (),
    look_up: LookUp = hold_nothing,
    book: Rulebook = NO_RULES,
    cohort: Cohort | None = None,
) -> Planned:
    """Return what becomes of every image of an inventory.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    guesses : mapping of str to Guess, optional
        dcm2niix's second opinion by SeriesInstanceUID.
    key : Key, optional
        The key of the dataset that the plan is for.
    sessions : Sessions
        Whether names have a session.
    taken : mapping of (str, int) to str, optional
        The paths of images that the dataset holds already, by SeriesInstanceUID and rank. They keep their names.
    skipped : collection of (str, int), optional
        The images that a person said to skip in an earlier plan, by SeriesInstanceUID and rank.
    look_up : callable
        Tells what the dataset holds beside the images of the plan, which may complete fields.
    book : Rulebook
        What the study says. It goes before all other evidence, and changes names that the dataset has.
    cohort : Cohort, optional
        What the dataset remembers: how long everyone's runs are, and when they were measured.

    Raises
    ------
    PlanError
        If the study gives a label to someone that someone else has, see `identity.check_people`.
    """
    cohort = cohort or Cohort()
    parted = part_copies(inventory, key or Key(), taken or {}, cohort)
    inventory = parted.inventory
    given = {**given_sessions(inventory.series), **book.labels.sessions}
    place = assign(inventory.series, key or Key(), sessions, given, book.labels)
    neighbours = find_neighbours(group_people(inventory.series, book.labels), given)
    doubtful = {
        uid: str(collision.conflict.value)
        for collision in inventory.collisions
        if collision.conflict in _TWO_PEOPLE
        for uid in collision.series
    }
    doubtful |= parted.doubts
    known = (key or Key()).subjects
    doubtful |= find_unnamed(inventory, known, book.labels)
    if sessions is Sessions.AUTO:
        doubtful = {**_find_crowded(inventory, place, taken or {}, join_studies(neighbours)), **doubtful}
    rows: list[PlanRow] = []
    unserved: list[str] = []
    shared: dict[_RowKey, str] = {}
    ruled: dict[_RowKey, Draft] = {}
    elsewhere = _count_fields(inventory, taken or {})
    everyone = take_cohort(inventory, place, cohort)
    for (subject, session, _), members in _group_visits(inventory, place, doubtful).items():
        usual = find_usual(everyone, members, subject)
        drafts = [_settle(draft, taken or {}) for draft in _name_visit(members, guesses or {}, doubtful, book, usual)]
        wired = wire_fields(drafts, elsewhere[subject, session])
        drafts = list(wired.drafts)
        unserved += [f"{folder_of((subject, session))}: {note}" for note in wired.notes]
        shared |= {(draft.series.uid, draft.rank): draft.measurement for draft in drafts}
        ruled |= {(draft.series.uid, draft.rank): draft for draft in drafts if draft.rule is not None}
        rows += [_row(draft, subject, session) for draft in drafts]
    by_uid = {series.uid: series for series in inventory.series}
    labelled = {series.uid for series in inventory.series if book.gives_labels(series)}
    rows = [doubt_misfit(row, by_uid[row.series_uid], book) if key_of(row) in ruled else row for row in rows]
    kept = stand_as_ruled(rows, taken or {}, ruled, labelled, shared)
    rows = [_heed_skip(row, skipped) for row in _keep_taken(rows, kept, taken or {})]
    rows = free_proposals(refuse_conflicts(find_runs(rows, kept, shared), kept), kept, shared)
    settled = settle_fields(rows, by_uid, look_up(rows))
    rows = list(settled.rows)
    foreign = note_foreign_shims(rows, by_uid)
    where = {series.uid: place.sessions[series.study_uid] for series in inventory.series}
    rows.sort(key=lambda row: (where[row.series_uid], row.series_number, row.series_uid, row.image))
    rows += parted.rows
    visits = _note_visits(neighbours, place, (key or Key()).sessions)
    rules = note_contradictions(ruled.values(), book.name)
    people = check_people(Plan(tuple(rows)), by_uid, key or Key(), book.name) if labelled else []
    people += note_left_behind(inventory, key or Key(), place)
    told = Plan(
        tuple(rows),
        _tell(inventory, (*visits, *people, *rules, *_note_short(rows), *unserved, *foreign, *settled.notes)),
    )
    return Planned(
        told, _keep_places(forget_unnamed(place, known, inventory, book.labels), key or Key(), inventory, rows)
    )


def _note_short(rows: Sequence[PlanRow]) -> tuple[str, ...]:
    """Return a note for each series that is converted although it ended too early, since nothing repeats it."""
    notes = (
        f"{parse_name(row.path).folder}: {row.title} is {row.repeat}; nothing repeats it, and it is converted: set its "
        "decision to skip if you do not want it"
        for row in rows
        if row.decision is Decision.CONVERT and row.repeat.startswith("short")
    )
    return tuple(dict.fromkeys(notes))  # the echoes of a run say the same


def _tell(inventory: Inventory, notes: Sequence[str]) -> tuple[str, ...]:
    """Return the notes of a plan: patients in doubt, which the commands tell themselves, and what is warned of here."""
    for note in notes:
        _log.warning("%s", note)
    return (*(str(collision) for collision in inventory.collisions), *notes)


def _keep_places(place: Key, before: Key, inventory: Inventory, rows: Sequence[PlanRow]) -> Key:
    """Return a key that knows only studies of which something stands somewhere; the others may still go elsewhere."""
    converted = {row.series_uid for row in rows if row.decision is Decision.CONVERT}
    studies = {series.study_uid for series in inventory.series if series.uid in converted} | before.sessions.keys()
    return replace(place, sessions={study: where for study, where in place.sessions.items() if study in studies})


def _find_crowded(
    inventory: Inventory, place: Key, taken: Mapping[tuple[str, int], str], joined: Mapping[str, str]
) -> dict[str, str]:
    """Return why series of a second visit must not join the first, in a dataset without sessions, by their UID."""
    visits = Counter(where for study, where in place.sessions.items() if study not in joined)
    known = {uid for uid, _ in taken}
    done = {joined.get(series.study_uid, series.study_uid) for series in inventory.series if series.uid in known}
    reason = (
        "a second study of this subject, in a dataset without sessions: --sessions always makes it a session beside "
        "the first visit, --sessions never takes both for one visit"
    )
    return {
        series.uid: reason
        for series in inventory.series
        if joined.get(series.study_uid, series.study_uid) not in done
        and place.sessions[series.study_uid][1] == ""
        and visits[place.sessions[series.study_uid]] > 1
    }


def _note_visits(neighbours: Sequence[Visit], place: Key, before: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """Return what a person should know of the visits of a subject, once: when one of their studies is new."""
    notes = []
    for visit in neighbours:
        (sub, one), (_, other) = (place.sessions[study] for study in visit.studies)
        if all(study in before for study in visit.studies):
            continue
        if one == other and visit.certain:
            notes.append(
                f"sub-{sub}: two studies {visit.minutes} min apart are one visit, by their frame of reference; "
                "if they are two, give the second a session of its own in the plan"
            )
        elif one != other and not visit.certain:
            notes.append(
                f"sub-{sub}: ses-{one} and ses-{other} are {visit.minutes} min apart on one scanner; if they are one "
                "visit (a person registered again), give both one session in the plan"
            )
    here = {sub for study, (sub, ses) in place.sessions.items() if ses and study not in before}
    notes += [
        f"sub-{sub}: its first visit stays outside of a session, which is valid, but which not every tool expects; "
        "to move it, put ses-01 into its paths in the plan (docs/converting.md, Subjects and sessions)"
        for sub in sorted({sub for sub, ses in before.values() if not ses} & here)
    ]
    return tuple(notes)


def _draft_series(series: Series, guesses: Mapping[str, Guess], book: Rulebook) -> list[Draft]:
    drafts = [
        heed_rule(draft_image(series, image, rank, guesses), book.find_rule(series, image))
        for rank, image in enumerate(series.images, start=1)
    ]
    return [heed_given_labels(draft, book.find_fields(series, draft.image)) for draft in drafts]


def _group_visits(
    inventory: Inventory, place: Key, doubtful: Mapping[str, str]
) -> dict[tuple[str, str, str], list[Series]]:
    """Return the series by subject and session: studies of one visit share runs and fields, studies in doubt do not."""
    visits: dict[tuple[str, str, str], list[Series]] = defaultdict(list)
    for series in inventory.series:
        apart = series.study_uid if series.uid in doubtful else ""
        visits[(*place.sessions[series.study_uid], apart)].append(series)
    return visits


def _name_visit(
    members: Sequence[Series],
    guesses: Mapping[str, Guess],
    doubtful: Mapping[str, str],
    book: Rulebook,
    usual: Mapping[_RowKey, Usual],
) -> list[Draft]:
    ordered = sorted(members, key=lambda one: (one.started, one.number, one.uid))
    drafts = [draft for series in ordered for draft in _draft_series(series, guesses, book)]
    return [_doubt(draft, doubtful) for draft in name_session(drafts, guesses, usual)]


def _count_fields(inventory: Inventory, taken: Mapping[_RowKey, str]) -> Counter[tuple[str, str]]:
    """Return how many images that may measure fields each session has from other exports; their labels are in use."""
    here = {series.uid for series in inventory.series}
    names = (parse_name(path) for (uid, _), path in taken.items() if uid not in here)
    return Counter((name.sub, name.ses) for name in names if name.datatype in ("fmap", "dwi"))


def _doubt(draft: Draft, doubtful: Mapping[str, str]) -> Draft:
    if draft.to_convert and draft.series.uid in doubtful:
        return draft.decided(Decision.REVIEW, doubtful[draft.series.uid])
    if draft.to_convert and draft.series.incomplete:
        return draft.decided(Decision.REVIEW, draft.series.incomplete[0])
    return draft


def _settle(draft: Draft, taken: Mapping[_RowKey, str]) -> Draft:
    """Return a draft without doubts where the dataset holds its image, so that a field that corrected it still does."""
    doubted = draft.decision is Decision.REVIEW and (draft.series.uid, draft.rank) in taken
    return draft.decided(Decision.CONVERT, "it was converted before") if doubted else draft


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
    mark = f"ses{session}" if session else ""
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
        b0_identifier=draft.field + mark if draft.field and decision is Decision.CONVERT else "",
        b0_source=draft.corrected_by + mark if draft.corrected_by and decision is not Decision.SKIP else "",
        repeat=draft.repeat,
    )


def _sentence(clauses: Sequence[str]) -> str:
    text = "; ".join(dict.fromkeys(clause for clause in clauses if clause))
    return text[:1].upper() + text[1:] + "." if text else "No evidence."


def _keep_taken(rows: Sequence[PlanRow], taken: Mapping[_RowKey, str], before: Mapping[_RowKey, str]) -> list[PlanRow]:
    """Return the rows with the names that their images have in the dataset, or are given by the study instead."""
    kept = []
    for row in rows:
        path = taken.get((row.series_uid, row.image))
        if (
            path is not None
            and row.decision is not Decision.SKIP
            and (path, Decision.CONVERT) != (row.path, row.decision)
        ):
            moves = path != before[key_of(row)]
            said = "Converted before, and moved by the study" if moves else "Converted before under this name"
            evidence = f"{said}. {row.evidence}"
            row = replace(row, path=path, decision=Decision.CONVERT, evidence=evidence)
        kept.append(row)
    return kept


def _heed_skip(row: PlanRow, skipped: Collection[tuple[str, int]]) -> PlanRow:
    if row.decision is Decision.SKIP or (row.series_uid, row.image) not in skipped:
        return row
    evidence = f"Skipped by a person in an earlier plan. {row.evidence}"
    return replace(row, decision=Decision.SKIP, path=NOT_APPLICABLE, evidence=evidence, b0_identifier="", b0_source="")


def follow_plan(
    plan: Plan, inventory: Inventory, key: Key, where: str = "plan", look_up: LookUp = hold_nothing
) -> Planned:
    """Return a plan that a person gave, with the key of a dataset brought in line with the labels in it.

    Parameters
    ----------
    plan : Plan
        Checked; its paths say who is who.
    inventory : Inventory
        What the export holds.
    key : Key
        The key of the dataset.
    where : str
        Name of the plan, for messages.
    look_up : callable
        Tells what the dataset holds beside the images of the plan, which may complete fields.

    Raises
    ------
    PlanError
        As `identity.check_people`.
    """
    by_uid = {series.uid: series for series in inventory.series}
    people = check_people(plan, by_uid, key, where)
    subjects, places, shifts = dict(key.subjects), dict(key.sessions), dict(key.shifts)
    for row in plan.decided(Decision.CONVERT):
        series = by_uid.get(row.series_uid)
        if series is not None:
            name = parse_name(row.path)
            before = key.subjects.get(person_of(series), "")
            if before in key.shifts:
                shifts.setdefault(name.sub, key.shifts[before])  # who gets another label keeps the dates
            subjects[person_of(series)] = name.sub
            places[series.study_uid] = (name.sub, name.ses)
    kept = tuple(series for series in inventory.series if series.study_uid in places)
    wired = settle_fields(plan.rows, by_uid, look_up(plan.rows))
    foreign = note_foreign_shims(wired.rows, by_uid)
    notes = (*people, *note_oddities(plan, inventory), *foreign, *wired.notes, *note_unplanned(plan, inventory))
    return Planned(Plan(wired.rows, _tell(inventory, notes)), assign(kept, Key(subjects, places, shifts)))
