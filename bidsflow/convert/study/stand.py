"""What a study changes of names that a dataset has, whom it names, and what is to be said of its rules. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bidsflow.convert.fit import find_misfit
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.rules import contradicts
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, PlanRow
from bidsflow.convert.study.apply import Rulebook
from bidsflow.convert.subjects import Key, Labels, person_of
from bidsflow.dicom.series import Inventory, Series
from bidsflow.names import BidsName, parse_name

_RowKey = tuple[str, int]


def stand_as_ruled(
    rows: Sequence[PlanRow],
    taken: Mapping[_RowKey, str],
    ruled: Mapping[_RowKey, Draft],
    labelled: Collection[str],
    shared: Mapping[_RowKey, str],
    formerly: Mapping[_RowKey, frozenset[str]] | None = None,
) -> dict[_RowKey, str]:
    """Return where the images of a dataset are to stand: where they do, unless the study gives them another name.

    Parameters
    ----------
    rows : sequence of PlanRow
        As evidence and study name the images.
    taken : mapping of (str, int) to str
        The paths of images in the dataset, by SeriesInstanceUID and rank.
    ruled : mapping of (str, int) to Draft
        The drafts of images that a rule of the study matches.
    labelled : collection of str
        SeriesInstanceUIDs of which the study gives the subject or the session.
    shared : mapping of (str, int) to str
        What the images of one measurement (a run, its reference, its phases) have in common: they move together.
    formerly : mapping of (str, int) to frozenset of str
        What a study gave of these names, see `Rule.given`: what it does not give any more is left to the evidence.
    """
    led = {
        shared[row.series_uid, row.image]
        for row in rows
        if row.decision is Decision.CONVERT
        and row.path != NOT_APPLICABLE
        and (before := taken.get((row.series_uid, row.image)))
        and not _follows(
            parse_name(before),
            parse_name(row.path),
            ruled.get((row.series_uid, row.image)),
            (formerly or {}).get((row.series_uid, row.image), frozenset()),
        )
    }
    moved = {
        (row.series_uid, row.image): path
        for row in rows
        if row.decision is Decision.CONVERT
        and (row.series_uid, row.image) in taken
        and (path := _rename(row, taken[row.series_uid, row.image], shared[row.series_uid, row.image] in led, labelled))
    }
    return {**taken, **moved}


def _rename(row: PlanRow, before: str, led: bool, labelled: Collection[str]) -> str:
    """Return the path that the study gives an image of the dataset, ``""`` where it changes nothing."""
    old, new = parse_name(before), parse_name(row.path)
    named = new if led else old
    place = new if row.series_uid in labelled else old
    path = str(BidsName(place.sub, named.datatype, named.suffix, "", place.ses, named.entities))
    return path if path != before else ""


def _follows(old: BidsName, new: BidsName, draft: Draft | None, formerly: frozenset[str]) -> bool:
    """Return whether a name has what a rule says, and nothing that one said before; runs that are left open stay."""
    given = draft.rule.given if draft is not None and draft.rule is not None else frozenset[str]()
    lost = formerly - given
    keys = {*given, *lost}
    if "name" in keys:
        keys |= {key for key, _ in (*old.entities, *new.entities)} - ({"run"} - keys)
    same = all(getattr(old, kind) == getattr(new, kind) for kind in ("datatype", "suffix") if kind in keys)
    return same and all(old.entity(key) == new.entity(key) for key in keys - {"name", "datatype", "suffix"})


def note_contradictions(drafts: Iterable[Draft], name: str) -> tuple[str, ...]:
    """Return a sentence for each image to which a rule gives a name that its physics contradict."""
    return tuple(
        f"series {draft.series.title}: {name} makes it {draft.datatype}/{draft.suffix}, although by its physics it is "
        f"{draft.finding.kind.value}"
        for draft in drafts
        if contradicts(draft)
    )


def note_left_behind(inventory: Inventory, before: Key, now: Key) -> tuple[str, ...]:
    """Return a sentence for each subject whom the study renames, and who has visits that the export does not hold."""
    here = {series.study_uid for series in inventory.series}
    renamed = {
        (old, now.subjects[person])
        for person in {person_of(series) for series in inventory.series}
        if (old := before.subjects.get(person, "")) and old != now.subjects.get(person, old)
    }
    return tuple(
        f"sub-{old} becomes sub-{new}, and keeps visits that are not in this export: convert with all exports of this "
        "person to move them, too"
        for old, new in sorted(renamed)
        if any(sub == old and study not in here for study, (sub, _) in before.sessions.items())
    )


def doubt_misfit(row: PlanRow, series: Series, book: Rulebook) -> PlanRow:
    """Return the row of a name that the study gives with a doubt where its image cannot have that name."""
    if row.decision is not Decision.CONVERT:
        return row
    image = series.images[row.image - 1]
    reason = find_misfit(parse_name(row.path), series, image, book.find_fields(series, image))
    if not reason:
        return row
    evidence = f"{reason[:1].upper()}{reason[1:]}. {row.evidence}"
    return replace(row, decision=Decision.REVIEW, evidence=evidence, b0_identifier="", b0_source="")


def find_unnamed(inventory: Inventory, known: Collection[str], labels: Labels) -> dict[str, str]:
    """Return why series of people whom the study gives no label, and the dataset does not know, stay, by their UID."""
    return {
        series.uid: labels.missing[series.study_uid]
        for series in inventory.series
        if series.study_uid in labels.missing and person_of(series) not in known
    }


def forget_unnamed(place: Key, known: Collection[str], inventory: Inventory, labels: Labels) -> Key:
    """Return a key without the numbers of people whom the study gives no label: they are to get another."""
    unnamed = {person_of(series) for series in inventory.series if series.study_uid in labels.missing}
    kept = {person: label for person, label in place.subjects.items() if person in known or person not in unnamed}
    return replace(place, subjects=kept)
