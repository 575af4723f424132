"""Which images measure one B0 field, and which field corrects which run. Pure.

Source of the fields: BIDS, "Fieldmap data" (``B0FieldIdentifier``, ``B0FieldSource``, ``IntendedFor``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.conditions import (
    Condition,
    distance,
    find_change,
    is_another_shim,
    rank_match,
    read_conditions,
    read_shim,
    say_match,
)
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.maps import is_part_of_field
from bidsflow.convert.naming.physics import only_b_zero
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.wiring import sources
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import FAIR, Kind, is_echo_planar
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

#: Suffixes of what EPI reads out and field maps correct.
_RUNS = frozenset({"bold", "dwi", "sbref", "cbv"})
#: The same of perfusion, which other readouts measure as well.
_PERFUSION = frozenset({"asl", "m0scan"})


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
class _Shot:
    """An image, and how it was measured."""

    draft: Draft
    condition: Condition


@dataclass(frozen=True, slots=True)
class _Field:
    """Images that together measure one field.

    Attributes
    ----------
    label : str
        Unique in the session.
    members : tuple of _Shot
        The images of the field map, in order of acquisition.
    partner : _Shot or None
        The run that is the other half of a field map with one direction.
    own : bool
        Whether the members are runs or their references, which the field corrects, and nothing of another geometry.
    """

    label: str
    members: tuple[_Shot, ...]
    partner: _Shot | None = None
    own: bool = False

    @property
    def condition(self) -> Condition:
        """How it was measured; its time is that of the last image."""
        return max((one.condition for one in self.members), key=lambda one: (one.seconds or 0.0, one.number))


def wire_fields(drafts: Sequence[Draft], known: int = 0, held: str = "") -> Wiring:
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
    known : int
        Fields that the session has from elsewhere, whose labels are not given again.
    held : str
        A clause on the field maps that it has from elsewhere, for the evidence; ``""`` for none.
    """
    conditions = read_conditions(drafts)
    shots = [_Shot(draft, conditions[draft.series.uid, draft.rank]) for draft in drafts]
    fields = _find_fields(shots, known)
    labels = {id(one.draft): field for field in fields for one in field.members}
    return Wiring(
        tuple(_wire(one, fields, labels, _say_absent(shots, held), held) for one in shots),
        _note_unserved(shots, fields),
    )


def _wire(shot: _Shot, fields: Sequence[_Field], labels: Mapping[int, _Field], absent: str, held: str) -> Draft:
    draft = shot.draft
    if id(draft) in labels:
        return _mark_member(draft, labels[id(draft)])
    if draft.to_convert and (draft.datatype, draft.suffix) == ("fmap", "epi"):
        if draft.image.component != "magnitude":
            return _mark_component(draft, labels.values())
        said = "no image of the opposite direction with its geometry and shim is left for it, so it corrects nothing"
        said = _join(said, held)
        # Nothing but its few volumes made it half of a field map.
        return draft.decided(Decision.REVIEW, said) if draft.confidence <= FAIR else draft.noted(said)
    if not _is_run(draft):
        return draft
    if not _is_distorted(draft):
        return draft.noted("it is not echo-planar, so no field map corrects it") if fields else draft
    own = next((field for field in fields if field.partner is shot), None)
    if own is not None:
        said = f"it is one half of field map {own.label}, and corrected by it{_say_contrast(own)}"
        return replace(draft, field=own.label, corrected_by=own.label).noted(said)
    fitting = [field for field in fields if _may_correct(field, shot)]
    if not fitting:
        return draft.noted(_join(_say_none(shot, fields), held) if fields else absent)
    ranked = sorted(fitting, key=lambda field: rank_match(field.condition, shot.condition), reverse=True)
    best, *others = ranked
    matches = [rank_match(field.condition, shot.condition) for field in ranked]
    if len(ranked) > 1 and matches[0] == matches[1]:
        return draft.noted(f"nothing tells which of {len(ranked)} field maps corrects it")
    why = say_match(best.condition, shot.condition, [field.condition for field in others])
    return replace(draft, corrected_by=best.label).noted(f"corrected by field map {best.label} ({why})")


def _mark_component(draft: Draft, fields: Iterable[_Field]) -> Draft:
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
    return draft.decided(Decision.REVIEW, said) if draft.confidence <= FAIR else draft.noted(said)


def _has_measured(field: _Field, draft: Draft) -> bool:
    return any(one.draft.suffix == "epi" and one.draft.measurement == draft.measurement for one in field.members)


def _mark_member(draft: Draft, field: _Field) -> Draft:
    if not field.own:
        return replace(draft, field=field.label)
    what = "diffusion runs" if draft.suffix == "dwi" else "single-band references"
    said = f"one of the {what} in opposite directions that are field map {field.label} and are corrected by it"
    return replace(draft, field=field.label, corrected_by=field.label).noted(said)


def _is_run(draft: Draft) -> bool:
    """Return whether an image is one that field maps may correct; what waits for a person may be converted as it is."""
    return is_run(draft.datatype, draft.suffix) and draft.decision is not Decision.SKIP


def is_run(datatype: str, suffix: str) -> bool:
    """Return whether images of a name are such as field maps correct, where they were read out by EPI."""
    return suffix in _RUNS or (datatype == "perf" and suffix in _PERFUSION)


def is_distorted(datatype: str, header: Header) -> bool:
    """Return whether a run was read out by EPI, as far as its header tells; of perfusion it has to tell."""
    return bool(is_echo_planar(header)) or (datatype != "perf" and not header.words("ScanningSequence"))


def _is_distorted(draft: Draft) -> bool:
    return is_distorted(draft.datatype, draft.series.header)


def _may_correct(field: _Field, shot: _Shot) -> bool:
    return not _find_change(field, shot) and (not field.own or _is_kin(field, shot))


def _find_change(field: _Field, shot: _Shot) -> str:
    """Return a clause on what was changed between the images of a field and a run, ``""`` where nothing was."""
    changes = (find_change(one.condition, shot.condition) for one in reversed(field.members))
    return next(filter(None, changes), "")


def _is_kin(field: _Field, shot: _Shot) -> bool:
    """Return whether a run was measured with the runs of a field that is their own: their references, their phases."""
    first = field.members[0]
    return shot.draft.datatype == first.draft.datatype and shot.condition.grid == first.condition.grid


def _say_contrast(field: _Field) -> str:
    """Return what to know of a pair whose halves have two contrasts, ``""`` where they have one."""
    kinds = {field.members[0].draft.finding.kind, field.partner.draft.finding.kind if field.partner else None}
    two = kinds == {Kind.GRADIENT_EPI, Kind.SPIN_EPI}
    return ", whose halves are a gradient and a spin echo: less certain where their contrasts differ" if two else ""


def _join(said: str, held: str) -> str:
    """Return a clause, with what a dataset holds of field maps besides."""
    return f"{said}, but {held}" if held else said


def _say_absent(shots: Sequence[_Shot], held: str) -> str:
    """Return a clause on why a session has no field."""
    maps = [one for one in shots if one.draft.datatype == "fmap" and one.draft.decision is not Decision.SKIP]
    waiting = {one.condition.number: None for one in maps if not one.draft.to_convert}
    halves = {one.condition.number: None for one in maps if one.draft.to_convert and one.draft.suffix == "epi"}
    if waiting:
        return _join(f"what may be a field map (series {', '.join(map(str, waiting))}) waits for a person", held)
    if halves:
        return _join(f"no field map is whole: series {', '.join(map(str, halves))} has one direction only", held)
    return _join("this export holds no field map", held) if held else "no field map was measured"


def _say_none(shot: _Shot, fields: Sequence[_Field]) -> str:
    """Return a clause on why none of several fields corrects a run."""
    reasons = [
        _find_change(field, shot) or f"{field.label} is that of runs of another kind or geometry" for field in fields
    ]
    return f"no field map fits: {' and '.join(dict.fromkeys(reasons))}"


def _note_unserved(shots: Sequence[_Shot], fields: Sequence[_Field]) -> tuple[str, ...]:
    """Return a note for the runs of which every field map has become untrue, by what was changed."""
    measured = [field for field in fields if not field.own]
    unserved: dict[str, dict[int, None]] = defaultdict(dict)
    for shot in shots:
        served = not measured or any(_may_correct(field, shot) for field in fields)
        if not served and shot.draft.to_convert and _is_run(shot.draft) and _is_distorted(shot.draft):
            unserved[_say_none(shot, measured)][shot.condition.number] = None
    labels = " or ".join(field.label for field in measured)
    return tuple(
        f"series {', '.join(map(str, numbers))}: {why}; write {labels} into the b0_source of the plan to have them "
        "corrected all the same"
        for why, numbers in unserved.items()
    )


def _find_fields(shots: Sequence[_Shot], known: int) -> list[_Field]:
    fields: list[_Field] = []

    def add(kind: str, members: Sequence[_Shot], partner: _Shot | None = None, *, own: bool = False) -> None:
        number = 1 + known + sum(field.label.startswith(kind) for field in fields)
        fields.append(_Field(f"{kind}{number}", tuple(members), partner, own))

    for members in _group_echoes(shots):
        add("map" if any(one.draft.suffix == "fieldmap" for one in members) else "gre", members)
    groups = _group_blips(shots)
    partners = _find_partners([group[0] for group in groups if len(group) == 1], shots)
    for group in groups:
        partner = partners.get(group[0].draft.series.uid)
        if len(group) > 1 or partner is not None:
            add("pepolar", group, partner)
    for group in _group_opposites(shots, _is_diffusion):
        if not any(_is_made_for(field, one) for field in fields for one in group):
            add("pepolar", group, own=True)
    for group in _group_opposites(shots, _is_functional_reference):
        if not any(_may_correct(field, one) for field in fields for one in group):
            add("pepolar", group, own=True)
    return fields


def _group_echoes(shots: Sequence[_Shot]) -> list[list[_Shot]]:
    """Return the magnitudes and phases of each gradient echo, and the maps in Hz with their magnitudes."""
    sets: dict[str, list[_Shot]] = defaultdict(list)
    for shot in shots:
        draft = shot.draft
        if draft.to_convert and is_part_of_field(draft):
            sets[draft.measurement].append(shot)
    return [some for some in sets.values() if any(one.draft.suffix.startswith(("phase", "fieldmap")) for one in some)]


def _is_diffusion(draft: Draft) -> bool:
    weighted = draft.to_convert and draft.suffix == "dwi" and not only_b_zero(draft.image)
    return weighted and draft.image.component == "magnitude" and bool(draft.direction) and _is_distorted(draft)


def _is_functional_reference(draft: Draft) -> bool:
    """Return whether an image is a single-band reference of a functional run; of several echoes, of the first."""
    named = draft.to_convert and (draft.datatype, draft.suffix) == ("func", "sbref")
    first = draft.image.component == "magnitude" and draft.image.echo < 2
    return named and first and bool(draft.direction) and _is_distorted(draft)


def _group_opposites(shots: Sequence[_Shot], belongs: Callable[[Draft], bool]) -> list[list[_Shot]]:
    """Return the images of one sort that differ in the polarity of phase encoding, by axis, geometry and shim.

    All runs of one shim saw one field, however many there are (as in the protocols of the Human Connectome Project).
    """
    groups: list[list[_Shot]] = []
    for shot in shots:
        if belongs(shot.draft):
            home = next((group for group in groups if _share_field(group, shot)), None)
            if home is None:
                groups.append([shot])
            else:
                home.append(shot)
    return [group for group in groups if len({one.draft.direction for one in group}) > 1]


def _is_made_for(field: _Field, run: _Shot) -> bool:
    """Return whether EPIs of a run's geometry and shim were measured as a field map, or the run is half of one."""
    first = field.members[0]
    same = first.draft.suffix == "epi" and first.condition.grid == run.condition.grid
    return field.partner is run or (same and not _find_change(field, run))


def _group_blips(shots: Sequence[_Shot]) -> list[list[_Shot]]:
    """Return the images of opposite phase encoding that belong together: each joins the last group that lacks it."""
    groups: list[list[_Shot]] = []
    for shot in shots:
        draft = shot.draft
        half = draft.to_convert and (draft.datatype, draft.suffix) == ("fmap", "epi")
        if half and draft.image.component == "magnitude":
            home = next((group for group in reversed(groups) if _completes(group, shot)), None)
            if home is None:
                groups.append([shot])
            else:
                home.append(shot)
    return groups


def _completes(group: Sequence[_Shot], shot: _Shot) -> bool:
    """Return whether an image belongs to a group that has no image of its direction yet."""
    return shot.draft.direction not in {one.draft.direction for one in group} and _share_field(group, shot)


def _share_field(group: Sequence[_Shot], other: _Shot) -> bool:
    """Return whether an image differs from others in the polarity of phase encoding at most, and saw one field."""
    return all(
        frozenset(one.draft.direction) == frozenset(other.draft.direction)
        and one.condition.grid == other.condition.grid
        and not find_change(one.condition, other.condition)
        for one in group
    )


def _find_partners(blips: Sequence[_Shot], shots: Sequence[_Shot]) -> dict[str, _Shot]:
    """Return the run nearest in time that runs against each image without a twin, by the SeriesInstanceUID of that.

    A run is half of one field: of images that were repeated, the last has it.
    """
    partners: dict[str, _Shot] = {}
    for blip in reversed(blips):
        used = {id(one) for one in partners.values()}
        runs = [shot for shot in shots if id(shot) not in used and _runs_against(shot, blip)]
        if runs:
            apart = [abs(distance(blip.condition, run.condition)) for run in runs]
            partners[blip.draft.series.uid] = runs[apart.index(min(apart))]
    return partners


def _runs_against(shot: _Shot, blip: _Shot) -> bool:
    draft = shot.draft
    run = draft.is_epi_run and draft.suffix != "sbref" and draft.image.component == "magnitude" and _is_distorted(draft)
    return run and draft.direction not in ("", blip.draft.direction) and _share_field([blip], shot)


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
