"""From an inventory to a plan: one row per image, named, wired and checked for conflicts. Pure."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow import schema
from bidsflow.convert.cohort import Usual, find_other_shapes, find_usual, take_cohort
from bidsflow.convert.copies import part_copies
from bidsflow.convert.counterparts import is_map, note_counterparts, say_held
from bidsflow.convert.doubts import find_stranger, find_untrusted
from bidsflow.convert.examinations import find_held_examinations, follow_held
from bidsflow.convert.fieldmaps import note_foreign_shims, wire_fields
from bidsflow.convert.fit import NO_READOUT, find_repetition_fault, lacks_readout, note_oddities, note_unplanned
from bidsflow.convert.identity import check_people
from bidsflow.convert.known import NOTHING, Known
from bidsflow.convert.naming.decide import draft_image, wants_direction, wants_name
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.guess import Guess, Question
from bidsflow.convert.naming.labelling import heed_given_labels
from bidsflow.convert.naming.rules import heed_rule
from bidsflow.convert.naming.session import name_session
from bidsflow.convert.naming.words import find_sessions, given_sessions
from bidsflow.convert.plan import LONGEST, NOT_APPLICABLE, Decision, Plan, PlanRow
from bidsflow.convert.runs import find_runs, free_proposals, key_of, refuse_conflicts
from bidsflow.convert.shorter import note_shorter
from bidsflow.convert.study.apply import NO_RULES, Rulebook
from bidsflow.convert.study.stand import (
    doubt_misfit,
    find_unnamed,
    forget_unnamed,
    hold_fields,
    note_clashes,
    note_contradictions,
    note_left_behind,
    stand_as_ruled,
)
from bidsflow.convert.subjects import Key, Sessions, assign, folder_of, group_people, person_of
from bidsflow.convert.visit_notes import find_crowded, note_sessions, note_visits
from bidsflow.convert.visits import find_neighbours, join_studies
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


def undecided(inventory: Inventory, book: Rulebook = NO_RULES) -> tuple[Question, ...]:
    """Return what dcm2niix should be asked: see `decide.wants_name` and `decide.wants_direction`."""
    questions = []
    for series in inventory.series:
        drafts = _draft_series(series, {}, book)
        name = any(map(wants_name, drafts))
        if name or any(map(wants_direction, drafts)):
            questions.append(Question(series, name))
    return tuple(questions)


def make_plan(
    inventory: Inventory,
    known: Known = NOTHING,
    *,
    guesses: Mapping[str, Guess] | None = None,
    sessions: Sessions = Sessions.AUTO,
    book: Rulebook = NO_RULES,
) -> Planned:
    """Return what becomes of every image of an inventory.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    known : Known
        What the dataset holds that the plan is for.
    guesses : mapping of str to Guess, optional
        dcm2niix's second opinion by SeriesInstanceUID.
    sessions : Sessions
        Whether names have a session.
    book : Rulebook
        What the study says. It goes before all other evidence, and changes names that the dataset has.

    Raises
    ------
    PlanError
        If the study gives a label to someone that someone else has, see `identity.check_people`.
    """
    parted = part_copies(inventory, known.key, known.taken, known.cohort)
    inventory = parted.inventory
    labelled = {series.uid for series in inventory.series if book.gives_labels(series)}
    rivals = find_held_examinations(inventory, known.key, {uid for uid, _ in known.taken}, known.cohort, labelled)
    given = {**given_sessions(inventory.series), **book.labels.sessions}
    settled = replace(known.key, sessions={**parted.places, **known.key.sessions})
    place = assign(inventory.series, follow_held(inventory, known.taken, settled), sessions, given, book.labels)
    neighbours = find_neighbours(group_people(inventory.series, book.labels), given)
    doubtful = {**_find_doubtful(inventory, known, book, labelled), **parted.doubts, **rivals}
    if sessions is Sessions.AUTO:
        doubtful = {**find_crowded(inventory, place, known.taken, join_studies(neighbours)), **doubtful}
    named = _name_all(inventory, place, known, guesses or {}, doubtful, book)
    by_uid = {series.uid: series for series in inventory.series}
    rows = hold_fields(_settle_names(named, by_uid, known, book), by_uid, book)
    rows, shorter = note_shorter(rows, by_uid, known.taken, known.cohort.lengths)
    held = known.look_up(rows)
    wired = settle_fields(rows, by_uid, held)
    rows = list(wired.rows)
    foreign = note_foreign_shims(rows, by_uid)
    where = {series.uid: place.sessions[series.study_uid] for series in inventory.series}
    rows.sort(key=lambda row: (where[row.series_uid], row.series_number, row.series_uid, row.image))
    rows += parted.rows
    named_sessions = find_sessions(inventory.series)
    notes = (
        *note_visits(neighbours, place, known.key.sessions),
        *note_sessions(named_sessions, place, known.key.sessions, book.labels.sessions),
        *_check_labels(rows, by_uid, known.key, book),
        *note_left_behind(inventory, known.key, place),
        *note_contradictions(rows, inventory, named.ruled),
        *note_clashes(rows, by_uid, book),
        *_note_short(rows), *shorter, *named.notes, *foreign, *wired.notes,
        *note_counterparts(rows, by_uid, held),
    )  # fmt: skip
    ruled = {image: draft.rule.given for image, draft in named.ruled.items() if draft.rule is not None}
    told = Plan(tuple(rows), _tell(inventory, notes), ruled=None if book is NO_RULES else ruled,
                untrusted=find_untrusted(inventory, known.key, known.taken, doubtful, labelled))  # fmt: skip
    kept = forget_unnamed(place, known.key.subjects, inventory, book.labels)
    return Planned(told, _keep_places(kept, known.key, inventory, rows))


def _find_doubtful(inventory: Inventory, known: Known, book: Rulebook, labelled: Collection[str]) -> dict[str, str]:
    """Return why no one can say whose series are, by their UID."""
    settled = {*labelled, *(uid for uid, _ in known.taken)}
    strangers = {
        one.uid: f"{stranger}: convert it if they are one person"
        for one in inventory.series
        if one.uid not in settled and (stranger := find_stranger(one, known.key))
    }
    collisions = {
        uid: str(collision.conflict.value)
        for collision in inventory.collisions
        if collision.conflict in _TWO_PEOPLE
        for uid in collision.series
    }
    return strangers | collisions | find_unnamed(inventory, known.key.subjects, book.labels)


@dataclass(frozen=True, slots=True)
class _Named:
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


def _name_all(
    inventory: Inventory,
    place: Key,
    known: Known,
    guesses: Mapping[str, Guess],
    doubtful: Mapping[str, str],
    book: Rulebook,
) -> _Named:
    rows: list[PlanRow] = []
    notes: list[str] = []
    drafts: list[Draft] = []
    apart = _list_apart(inventory, known.taken)
    elsewhere = Counter({where: sum(map(_may_measure, paths)) for where, paths in apart.items()})
    everyone = take_cohort(inventory, place, known.cohort)
    visits = _group_visits(inventory, place, doubtful)
    for (subject, session, _), members in sorted(visits.items(), key=lambda visit: bool(visit[0][2])):
        usual = find_usual(everyone, members, subject)
        shapes = find_other_shapes(everyone, members, subject)
        visit = [_settle(draft, known.taken) for draft in _name_visit(members, guesses, book, usual)]
        visit = [_note_shape(draft, shapes) for draft in visit]
        held = say_held(list(filter(is_map, apart[subject, session])))
        wired = wire_fields(visit, elsewhere[subject, session], held)
        elsewhere[subject, session] += len({draft.field for draft in wired.drafts} - {""})
        notes += [f"{folder_of((subject, session))}: {note}" for note in wired.notes]
        told = [_doubt_person(draft, doubtful, known.taken) for draft in wired.drafts]
        named = [_row(draft, subject, session) for draft in told]
        notes += _tell_shapes(named, shapes)
        rows += named
        drafts += told
    by_image = {(draft.series.uid, draft.rank): draft for draft in drafts}
    shared = {image: draft.measurement for image, draft in by_image.items()}
    ruled = {image: draft for image, draft in by_image.items() if draft.rule is not None}
    return _Named(tuple(rows), shared, ruled, tuple(notes))


def _note_shape(draft: Draft, shapes: Mapping[_RowKey, str]) -> Draft:
    """Return a draft with a note where all others have another matrix under its protocol."""
    said = shapes.get((draft.series.uid, draft.rank))
    return draft.noted(said) if said and draft.decision is not Decision.SKIP else draft


def _tell_shapes(rows: Sequence[PlanRow], shapes: Mapping[_RowKey, str]) -> dict[str, None]:
    """Return a note for each series that is converted with another matrix than others have."""
    look = "look whether slices were lost or the protocol was changed"
    return {
        f"{parse_name(row.path).folder}: {row.title}: {shapes[key_of(row)]}; {look}": None
        for row in rows
        if row.decision is Decision.CONVERT and key_of(row) in shapes
    }


def _settle_names(named: _Named, by_uid: Mapping[str, Series], known: Known, book: Rulebook) -> list[PlanRow]:
    """Return the rows with names that go with those that the dataset has."""
    labelled = {series.uid for series in by_uid.values() if book.gives_labels(series)}
    rows = [doubt_misfit(row, by_uid[row.series_uid], book) if key_of(row) in named.ruled else row
            for row in named.rows]  # fmt: skip
    formerly = {} if book is NO_RULES else known.ruled
    kept = stand_as_ruled(rows, known.taken, named.ruled, labelled, named.shared, formerly)
    rows = [_heed_skip(row, known.skipped) for row in _keep_taken(rows, kept, known.taken)]
    rows = refuse_conflicts(find_runs(rows, kept, named.shared), kept)
    return free_proposals(list(map(_doubt_length, rows)), kept, named.shared)


def _doubt_length(row: PlanRow) -> PlanRow:
    """Return the row of a name that no disk takes with a doubt."""
    length = len(row.path.rpartition("/")[2])
    if row.decision is not Decision.CONVERT or length <= LONGEST:
        return row
    evidence = f"Its name has {length} characters, and disks allow {LONGEST}: use shorter labels. {row.evidence}"
    return replace(row, decision=Decision.REVIEW, evidence=evidence, b0_identifier="")


def _check_labels(rows: Sequence[PlanRow], by_uid: Mapping[str, Series], key: Key, book: Rulebook) -> list[str]:
    """Return what is to be said of the labels that a study gives; see `identity.check_people`."""
    labelled = any(book.gives_labels(series) for series in by_uid.values())
    return check_people(Plan(tuple(rows)), by_uid, key, book.name) if labelled else []


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
        visits[(*place.sessions[series.study_uid], _part(series, doubtful))].append(series)
    return visits


def _part(series: Series, doubtful: Mapping[str, str]) -> str:
    """Return what series in doubt have in common that may belong together; ``""`` where nothing is in doubt."""
    if series.uid not in doubtful:
        return ""
    mixed = doubtful[series.uid] == str(Conflict.ONE_STUDY_TWO_PEOPLE.value)
    return f"{series.study_uid} {series.patient.key}" if mixed else series.study_uid


def _name_visit(
    members: Sequence[Series],
    guesses: Mapping[str, Guess],
    book: Rulebook,
    usual: Mapping[_RowKey, Usual],
) -> list[Draft]:
    ordered = sorted(members, key=lambda one: (one.started, one.number, one.uid))
    drafts = [draft for series in ordered for draft in _draft_series(series, guesses, book)]
    return [_doubt_image(draft, book) for draft in name_session(drafts, guesses, usual)]


def _list_apart(inventory: Inventory, taken: Mapping[_RowKey, str]) -> dict[tuple[str, str], list[str]]:
    """Return the images that each session has from other exports."""
    here = {series.uid for series in inventory.series}
    apart: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (uid, _), path in taken.items():
        if uid not in here:
            name = parse_name(path)
            apart[name.sub, name.ses].append(path)
    return apart


def _may_measure(path: str) -> bool:
    """Return whether an image of the dataset may measure a field, whose label is in use."""
    return parse_name(path).datatype in ("fmap", "dwi")


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


def _doubt_image(draft: Draft, book: Rulebook) -> Draft:
    if draft.to_convert and draft.series.incomplete:
        return draft.decided(Decision.REVIEW, draft.series.incomplete[0])
    given = book.find_fields(draft.series, draft.image)
    if draft.to_convert and lacks_readout(draft.datatype, draft.suffix, draft.series, given):
        return draft.decided(Decision.REVIEW, NO_READOUT)
    if draft.to_convert and (fault := find_repetition_fault(draft.suffix, draft.image, given)):
        return draft.decided(Decision.REVIEW, fault)
    return draft


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
        b0_identifier=draft.field + mark if draft.field and decision is not Decision.SKIP else "",
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
    plan: Plan,
    inventory: Inventory,
    key: Key,
    where: str = "plan",
    look_up: LookUp = hold_nothing,
    *,
    book: Rulebook = NO_RULES,
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
    book : Rulebook
        The study that gives fields for sidecars; the names are those of the plan.

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
    held = look_up(plan.rows)
    wired = settle_fields(plan.rows, by_uid, held)
    foreign = note_foreign_shims(wired.rows, by_uid)
    clashes = note_clashes([row for row in wired.rows if row.series_uid in by_uid], by_uid, book)
    notes = (
        *people, *note_oddities(plan, inventory), *clashes, *foreign, *wired.notes,
        *note_counterparts(wired.rows, by_uid, held), *note_unplanned(plan, inventory),
    )  # fmt: skip
    return Planned(Plan(wired.rows, _tell(inventory, notes)), assign(kept, Key(subjects, places, shifts)))
