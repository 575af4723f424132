"""What a study changes of names that a dataset has, whom it names, and what is to be said of its rules. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bidsflow.convert.fit import find_equal_halves, find_misfit, note_oddities
from bidsflow.convert.given import find_clashes, find_fault, is_serious
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow
from bidsflow.convert.study.apply import Rulebook
from bidsflow.convert.subjects import Key, Labels, person_of
from bidsflow.dicom.series import Inventory, Series
from bidsflow.names import BidsName, parse_name

_RowKey = tuple[str, int]
#: What a rule may give of a name that headers can contradict.
_NAMING = frozenset({"datatype", "suffix", "dir", "part"})
#: Series that a note lists by name.
_LISTED = 4


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


def note_contradictions(
    rows: Sequence[PlanRow], inventory: Inventory, ruled: Mapping[_RowKey, Draft]
) -> tuple[str, ...]:
    """Return a sentence for each image that a rule names against its headers, the same as for an edited plan."""
    given = {
        key: draft.against for key, draft in ruled.items() if draft.rule is not None and _NAMING & draft.rule.given
    }
    named = tuple(row for row in rows if (row.series_uid, row.image) in given)
    return note_oddities(Plan(named), inventory, given)


def hold_fields(rows: Sequence[PlanRow], by_uid: Mapping[str, Series], book: Rulebook) -> list[PlanRow]:
    """Return rows with a doubt where a study gives fields that would break their images, or their use.

    What an image cannot be waits in any case. What only contradicts the headers is converted where its rule says so
    (``decision = "convert"``): headers may be wrong.
    """
    fields = {(row.series_uid, row.image): _fields_of(row, by_uid, book) for row in rows}
    halves = find_equal_halves(rows, lambda row: fields[row.series_uid, row.image])
    held = []
    for row in rows:
        key = row.series_uid, row.image
        reason = _say_halves(row, halves.get(key, ""), by_uid, book)
        if not reason and fields[key] and row.decision is Decision.CONVERT:
            reason = _find_field_doubt(by_uid[row.series_uid], row.image, fields[key], book)
        evidence = f"{reason[:1].upper()}{reason[1:]}. {row.evidence}"
        held.append(replace(row, decision=Decision.REVIEW, evidence=evidence)
                    if reason else row)  # fmt: skip
    return held


def _say_halves(row: PlanRow, reason: str, by_uid: Mapping[str, Series], book: Rulebook) -> str:
    if not reason:
        return ""
    series = by_uid[row.series_uid]
    source = book.find_source(series, series.images[row.image - 1], "PhaseEncodingDirection")
    return f"{reason}: correct {source}"


def _fields_of(row: PlanRow, by_uid: Mapping[str, Series], book: Rulebook) -> Mapping[str, object]:
    series = by_uid[row.series_uid]
    return book.find_fields(series, series.images[row.image - 1])


def _find_field_doubt(series: Series, rank: int, given: Mapping[str, object], book: Rulebook) -> str:
    image = series.images[rank - 1]
    if fault := find_fault(image, given):
        others = "".join(
            f"; the study gives {clash}" for clash in find_clashes(series, image, given) if clash.key != fault.key
        )
        return f"{fault.key} {fault.reason}: correct {book.find_source(series, image, fault.key)}{others}"
    rule = book.find_rule(series, image)
    serious = [clash for clash in find_clashes(series, image, given) if is_serious(clash, image)]
    if not serious or (rule is not None and rule.decision is Decision.CONVERT):
        return ""
    where = ", ".join(book.find_source(series, image, clash.key) for clash in serious)
    return (
        f"the study gives {'; '.join(map(str, serious))} ({where}): correct it, or, if the headers are wrong, give "
        'it in a rule for this series with decision = "convert"'
    )


def note_clashes(rows: Sequence[PlanRow], by_uid: Mapping[str, Series], book: Rulebook) -> tuple[str, ...]:
    """Return a sentence for each value that a study gives and that headers contradict, with the series that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.decision is Decision.CONVERT and (given := _fields_of(row, by_uid, book)):
            series = by_uid[row.series_uid]
            image = series.images[row.image - 1]
            for clash in find_clashes(series, image, given):
                key = book.find_source(series, image, clash.key), str(clash)
                found.setdefault(key, []).append(row.full_title)
    return tuple(
        f"{', '.join(titles[:_LISTED])}{f' and {len(titles) - _LISTED} more' if len(titles) > _LISTED else ''}: "
        f"the study gives {said} ({where}); it is written as the study says"
        for (where, said), several in found.items()
        if (titles := list(dict.fromkeys(several)))
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
