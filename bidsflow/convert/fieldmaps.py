"""Drafts of a session, wired: which field each measures, which one corrects it, and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.conditions import is_another_shim, read_shim
from bidsflow.convert.fields import (
    Field,
    choose_field,
    find_fields,
    find_parted,
    has_two_contrasts,
    may_correct,
    say_none,
)
from bidsflow.convert.links import sources
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.shots import Shot, by_time, heed_session, shoot_draft
from bidsflow.dicom.physics import FAIR
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

#: An image: SeriesInstanceUID and rank in its series.
_Image = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Wiring:
    """The drafts of a session, wired.

    Attributes
    ----------
    drafts : tuple of Draft
        In the order in which they were given.
    notes : tuple of str
        What a person should know: runs that no field map fits.
    """

    drafts: tuple[Draft, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """What a session has beside the drafts that are to be wired.

    Attributes
    ----------
    shots : tuple of Shot
        Images that stand in the dataset, of which the plan knows nothing.
    mark : str
        Ends the labels of all fields of the session.
    used : frozenset of str
        Labels that no new field gets.
    said : str
        A clause on field maps that the dataset has, of which nothing is known; ``""`` for none.
    """

    shots: tuple[Shot, ...] = ()
    mark: str = ""
    used: frozenset[str] = frozenset()
    said: str = ""


#: Of a session that is in one export.
ALONE = Beside()


def wire_fields(drafts: Sequence[Draft], beside: Beside = ALONE) -> Wiring:
    """Return the drafts of one session with the fields that they measure and the field that corrects them.

    A run is corrected by one field, of those since which nothing was changed (see `conditions`): the one with the same
    shim, else the same geometry, else the nearest before it in time, else the nearest after it. Where nothing tells
    which of several fields it is, none corrects the run. The evidence of every run says why, and why none.

    Images of one phase-encoding direction measure a field only together with a run in the opposite direction: that run
    then belongs to the field as well.

    Diffusion runs in opposite directions, of one geometry and one shim, measure and are corrected by a field of their
    own, unless images of their geometry were measured to correct them. Single-band references of functional runs do so
    where no other field map is true of them.

    Parameters
    ----------
    drafts : sequence of Draft
        In order of acquisition.
    beside : Beside
        What the session has besides: its fields correct drafts, and its images may be parts of new fields.
    """
    shots = list(map(shoot_draft, drafts))
    if beside.shots:
        shots = sorted([*shots, *beside.shots], key=by_time)
    shots = heed_session(shots)
    fields = find_fields(shots, beside.mark, beside.used)
    by_image = {shot.image: shot for shot in shots}
    labels = {shot.image: field for field in fields for shot in field.members}
    absent = _say_absent(shots, beside.said)
    pairs = [(draft, by_image[draft.series.uid, draft.rank]) for draft in drafts]
    return Wiring(
        tuple(
            _mark_member(draft, labels[shot.image])
            if shot.image in labels
            else _wire_half(draft, shot, shots, fields, beside.said)
            if shot.is_blip
            else _wire_run(draft, shot, fields, absent, beside.said)
            for draft, shot in pairs
        ),
        _note_unserved([shot for _, shot in pairs], fields),
    )


def _wire_half(draft: Draft, shot: Shot, shots: Sequence[Shot], fields: Sequence[Field], held: str) -> Draft:
    if shot.is_magnitude:
        return _mark_left(draft, held, find_parted(shot, shots))
    return _mark_component(draft, fields)


def _wire_run(draft: Draft, shot: Shot, fields: Sequence[Field], absent: str, held: str) -> Draft:
    if not shot.is_run:
        return draft
    if not shot.planar:
        return draft.noted("it is not echo-planar, so no field map corrects it") if fields else draft
    own = next((field for field in fields if field.partner is shot), None)
    if own is not None:
        said = f"it is one half of field map {own.label}, and corrected by it{_say_contrast(own)}"
        return replace(draft, field=own.name, corrected_by=own.name).noted(said)
    if not fields:
        return draft.noted(absent)
    choice = choose_field(fields, shot)
    if choice.field is not None:
        return replace(draft, corrected_by=choice.field.name).noted(choice.reason)
    return draft.noted(choice.reason if any(may_correct(one, shot) for one in fields) else _join(choice.reason, held))


def _mark_left(draft: Draft, held: str, parted: str) -> Draft:
    """Return an EPI that was measured to be half of a field map, and whose other half is not there, or elsewhere."""
    said = "no image of the opposite direction with its geometry and shim is left for it, so it corrects nothing"
    said += f": {parted}" if parted else ""
    # Nothing but its few volumes made it half of a field map.
    return _doubt_weak(draft, _join(said, held))


def _doubt_weak(draft: Draft, said: str) -> Draft:
    return draft.decided(Decision.REVIEW, said) if draft.confidence <= FAIR else draft.noted(said)


def _mark_component(draft: Draft, fields: Iterable[Field]) -> Draft:
    """Return the phase (or another part) of half of a field map, which is no part of the field.

    topup and its like find the displacement that makes two distorted magnitudes alike; phases run in other ways.
    """
    part = draft.image.component
    home = next((field for field in fields if _has_measured(field, draft)), None)
    if home is not None:
        return draft.noted(
            f"its magnitudes are half of field map {home.label}, which {part} is no part of (as for topup)"
        )
    said = (
        f"its values are {part}, and no magnitudes of its measurement are half of a field map, so it corrects nothing"
    )
    return _doubt_weak(draft, said)


def _has_measured(field: Field, draft: Draft) -> bool:
    return any(one.suffix == "epi" and one.measurement == draft.measurement for one in field.members)


def _mark_member(draft: Draft, field: Field) -> Draft:
    if not field.own:
        return replace(draft, field=field.name)
    what = "diffusion runs" if draft.suffix == "dwi" else "single-band references"
    said = f"one of the {what} in opposite directions that are field map {field.label} and are corrected by it"
    return replace(draft, field=field.name, corrected_by=field.name).noted(said)


def _say_contrast(field: Field) -> str:
    """Return what to know of a pair whose halves have two contrasts, ``""`` where they have one."""
    said = ", whose halves are a gradient and a spin echo: less certain where their contrasts differ"
    return said if has_two_contrasts(field) else ""


def _join(said: str, held: str) -> str:
    """Return a clause, with what a dataset holds of field maps besides."""
    return f"{said}, but {held}" if held else said


def _say_absent(shots: Sequence[Shot], held: str) -> str:
    """Return a clause on why a session has no field."""
    maps = [one for one in shots if one.datatype == "fmap" and one.decision is not Decision.SKIP]
    waiting = {one.condition.number: None for one in maps if not one.to_convert}
    halves = {one.condition.number: None for one in maps if one.is_blip}
    if waiting:
        return _join(f"what may be a field map (series {', '.join(map(str, waiting))}) waits for a person", held)
    if halves:
        return _join(f"no field map is whole: series {', '.join(map(str, halves))} has one direction only", held)
    return _join("this export holds no field map", held) if held else "no field map was measured"


def _note_unserved(shots: Sequence[Shot], fields: Sequence[Field]) -> tuple[str, ...]:
    """Return a note for the runs of which every field map has become untrue, by what was changed."""
    measured = [field for field in fields if not field.own]
    unserved: dict[str, dict[int, None]] = defaultdict(dict)
    for shot in shots:
        served = not measured or any(may_correct(field, shot) for field in fields)
        if not served and shot.to_convert and shot.is_run and shot.planar:
            unserved[say_none(measured, shot)][shot.condition.number] = None
    names = " or ".join(field.name for field in measured)
    return tuple(
        f"series {', '.join(map(str, numbers))}: {why}; write {names} into the b0_source of the plan to have them "
        "corrected all the same"
        for why, numbers in unserved.items()
    )


def note_foreign_shims(rows: Sequence[PlanRow], by_uid: Mapping[str, Series]) -> tuple[str, ...]:
    """Return a note for each field that corrects runs although it was measured with another shim.

    What the head does to the field is the same under every shim, what the shim adds is not: such a correction may be
    better than none, or worse, which a person has to judge.
    """
    shims: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.decision is Decision.CONVERT and row.b0_identifier and row.series_uid in by_uid:
            key = parse_name(row.path).folder, row.b0_identifier
            shims.setdefault(key, read_shim(by_uid[row.series_uid].header))
    foreign: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.decision is Decision.CONVERT and row.series_uid in by_uid:
            own = read_shim(by_uid[row.series_uid].header)
            keys = [(parse_name(row.path).folder, label) for label in sources(row)]
            for key in keys:
                if is_another_shim(shims.get(key, ""), own):
                    foreign[key].append(row.title)
    return tuple(
        f"{folder}: the field map {label} was measured with another shim than {', '.join(dict.fromkeys(titles))}; "
        "empty their b0_source in the plan if they are not to be corrected by it"
        for (folder, label), titles in foreign.items()
    )
