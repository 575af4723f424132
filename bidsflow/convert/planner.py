"""From an inventory to a plan: one row per image, named, wired and checked for conflicts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.copies import part_copies
from bidsflow.convert.counterparts import note_counterparts
from bidsflow.convert.doubts import find_stranger, find_untrusted
from bidsflow.convert.drafting import draft_series, name_all
from bidsflow.convert.examinations import find_held_examinations, follow_held
from bidsflow.convert.fieldmaps import note_foreign_shims
from bidsflow.convert.fields import OF_DATASET
from bidsflow.convert.fit import note_oddities, note_unplanned
from bidsflow.convert.identity import check_people
from bidsflow.convert.keeping import settle_names
from bidsflow.convert.known import NOTHING, Known
from bidsflow.convert.late import note_late
from bidsflow.convert.links import LookUp, hold_nothing
from bidsflow.convert.naming.decide import wants_direction, wants_name
from bidsflow.convert.naming.guess import Guess, Question
from bidsflow.convert.naming.reproin import find_sessions, given_sessions
from bidsflow.convert.occasions import find_apart, find_unsettled, note_days
from bidsflow.convert.people import shifted_time
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.plan_notes import check_given_labels, note_short, note_tasks, tell
from bidsflow.convert.runs import key_of
from bidsflow.convert.shorter import note_shorter
from bidsflow.convert.study.apply import NO_RULES, Rulebook
from bidsflow.convert.study.stand import (
    find_unnamed,
    forget_unnamed,
    hold_fields,
    note_clashes,
    note_contradictions,
    note_left_behind,
)
from bidsflow.convert.subjects import Key, Sessions, assign, group_people, person_of
from bidsflow.convert.visit_notes import (
    doubt_backward,
    find_backward,
    find_crowded,
    note_backward,
    note_nameless,
    note_parted,
    note_sessions,
    note_undivided,
    note_unproven,
    note_visits,
)
from bidsflow.convert.visits import find_neighbours, join_studies
from bidsflow.convert.wiring import settle_fields
from bidsflow.dicom.series import Conflict, Inventory, Series
from bidsflow.names import parse_name

#: What shows that one ID or study holds two people, whom no one can part but a person.
_TWO_PEOPLE = (Conflict.ONE_ID_TWO_PEOPLE, Conflict.ONE_ID_TWO_PLACES, Conflict.ONE_STUDY_TWO_PEOPLE)


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
        drafts = draft_series(series, {}, book)
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
    there = {uid for uid, _ in known.taken}
    rivals = find_held_examinations(inventory, known.key, there, known.cohort, labelled)
    given = {**given_sessions(inventory.series), **book.labels.sessions}
    settled = replace(known.key, sessions={**parted.places, **known.key.sessions})
    place = assign(inventory.series, follow_held(inventory, known.taken, settled), sessions, given, book.labels)
    neighbours = find_neighbours(group_people(inventory.series, book.labels), given)
    unsettled = find_unsettled(inventory, known.key, there, known.cohort.times, labelled)
    doubtful = {**unsettled, **_find_doubtful(inventory, known, book, labelled), **parted.doubts, **rivals}
    if sessions is Sessions.AUTO:
        doubtful = {**find_crowded(inventory, place, known.taken, join_studies(neighbours)), **doubtful}
    backward = find_backward(inventory, place, known.key, known.cohort.times, given, book.labels.order)
    doubtful = {**doubt_backward(backward, inventory, book.labels.order), **doubtful}
    named = name_all(inventory, place, known, guesses or {}, doubtful, book)
    by_uid = {series.uid: series for series in inventory.series}
    rows = hold_fields(settle_names(named, by_uid, known, book), by_uid, book)
    settled_rows = rows
    rows, shorter = note_shorter(rows, by_uid, known.taken, known.cohort.lengths)
    told_rows = {key_of(one) for one, other in zip(rows, settled_rows, strict=True) if one != other}
    late = note_late(
        named.rows, rows, known.taken, named.shared, _find_times(rows, by_uid, place, known), told=told_rows
    )
    held = known.look_up(rows)
    wired = settle_fields(rows, by_uid, held)
    rows = list(wired.rows)
    foreign = note_foreign_shims(rows, by_uid)
    where = {series.uid: place.sessions[series.study_uid] for series in inventory.series}
    rows.sort(key=lambda row: (where[row.series_uid], row.series_number, row.series_uid, row.image))
    rows += parted.rows
    named_sessions = find_sessions(inventory.series)
    fresh = {row.series_uid for row in rows if row.decision is Decision.CONVERT} - there
    apart = find_apart(inventory, known.key, fresh, known.cohort.times)
    notes = (
        *note_visits(neighbours, place, known.key.sessions),
        *note_parted(inventory, place, known.key.sessions),
        *note_undivided(inventory, place, known.key.sessions, apart),
        *note_nameless(inventory, place, known.key.sessions, book.labels.subjects),
        *note_unproven(inventory, place, known.key.sessions, {*book.labels.subjects, *given}, join_studies(neighbours)),
        *note_backward(backward),
        *note_sessions(named_sessions, place, known.key.sessions, book.labels.sessions),
        *check_given_labels(rows, by_uid, known.key, book),
        *note_left_behind(inventory, known.key, place),
        *note_contradictions(rows, inventory, named.ruled),
        *note_clashes(rows, by_uid, book),
        *note_tasks(settled_rows, by_uid, known.taken, known.cohort.lengths, named.ruled),
        *note_short(rows, known.taken), *shorter, *late, *named.notes, *foreign, *wired.notes,
        *note_counterparts(rows, by_uid, held),
    )  # fmt: skip
    ruled = {image: draft.rule.given for image, draft in named.ruled.items() if draft.rule is not None}
    untrusted = find_untrusted(inventory, known, doubtful, labelled)
    told = Plan(tuple(rows), tell(inventory, notes), ruled=None if book is NO_RULES else ruled, untrusted=untrusted)
    kept = forget_unnamed(place, known.key.subjects, inventory, book.labels)
    return Planned(told, note_days(_keep_places(kept, known.key, inventory, rows), inventory, known.key))


def _find_times(rows: Sequence[PlanRow], by_uid: Mapping[str, Series], place: Key, known: Known) -> dict[str, str]:
    """Return when images were acquired, in dates that are moved: those of the dataset, and those of the plan."""
    here = {
        row.path: shifted_time(by_uid[row.series_uid].started, place.shifts.get(parse_name(row.path).sub))
        for row in rows
        if row.decision is Decision.CONVERT
    }
    return {**known.cohort.times, **here}


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


def _keep_places(place: Key, before: Key, inventory: Inventory, rows: Sequence[PlanRow]) -> Key:
    """Return a key that knows only studies of which something stands somewhere; the others may still go elsewhere."""
    converted = {row.series_uid for row in rows if row.decision is Decision.CONVERT}
    studies = {series.study_uid for series in inventory.series if series.uid in converted} | before.sessions.keys()
    return replace(place, sessions={study: where for study, where in place.sessions.items() if study in studies})


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
    unaware = {key_of(row) for row in plan.rows if OF_DATASET not in row.evidence}
    wired = settle_fields(plan.rows, by_uid, held, unaware)
    foreign = note_foreign_shims(wired.rows, by_uid)
    clashes = note_clashes([row for row in wired.rows if row.series_uid in by_uid], by_uid, book)
    notes = (
        *people, *note_oddities(plan, inventory), *clashes, *foreign, *wired.notes,
        *note_counterparts(wired.rows, by_uid, held), *note_unplanned(plan, inventory),
    )  # fmt: skip
    place = assign(kept, Key(subjects, places, shifts, days=key.days))
    return Planned(Plan(wired.rows, tell(inventory, notes)), note_days(place, inventory, key))
