"""Which magnitudes and phases of gradient-echo field maps belong together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.reconstructions import FILTERS
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import CERTAIN, Kind

Drafts = list[Draft]

#: Kinds that are parts of a field map by their physics.
_FIELDS = frozenset({Kind.FIELD_GRE, Kind.FIELD_HZ})


def is_part_of_field(draft: Draft) -> bool:
    """Return whether an image is a magnitude, a phase or a map of a field, by physics, protocol or study."""
    return draft.datatype == "fmap" and draft.suffix.startswith(("magnitude", "phase", "fieldmap"))


def pair_phases(drafts: Drafts) -> Drafts:
    """Bring the magnitudes and phases of gradient-echo field maps together into sets.

    A set is one series of magnitudes (or one for each of their echoes) and the phase series that follows with the same
    geometry, or one series that holds all; where slices are missing in the export, their number does not count. Two
    phases are phase1 and phase2; one alone is their difference. What finds no partner is reviewed. What is a part of a
    field by its protocol or by a study alone keeps its name.
    """
    sets: list[Drafts] = []
    by_series: dict[str, Drafts] = {}
    latest: dict[object, Drafts] = {}
    for draft in drafts:
        if not draft.to_convert or not is_part_of_field(draft):
            continue
        key, flat = ((place, draft.finding.kind is Kind.FIELD_HZ) for place in (draft.geometry, _plane(draft)))
        home = by_series.get(draft.measurement)
        if home is None:
            before = latest.get(key, [])
            if not before and any(one.series.incomplete for one in (draft, *latest.get(flat, [])[:1])):
                before = latest.get(flat, [])
            if _completes(before, draft):
                home = before
            else:
                home = []
                sets.append(home)
            by_series[draft.measurement] = latest[key] = latest[flat] = home
        home.append(draft)
    results = _skip_twins([_name_set(members) for members in sets])
    named = {id(old): new for old, new in zip(chain(*sets), chain(*results), strict=True)}
    return [named.get(id(draft), draft) for draft in drafts]


def _skip_twins(sets: list[Drafts]) -> list[Drafts]:
    """Leave out magnitudes without a phase that are another reconstruction of those of a whole set: BIDS names one."""
    whole = [members for members in sets if all(one.to_convert for one in members) and len(_kinds(members)) > 1]
    result = []
    for members in sets:
        twin = next((one for one in whole if _kinds(members) == {"magnitude"} and _is_twin(members, one)), None)
        result.append([_skip_twin(one, twin) for one in members] if twin else members)
    return result


def _kinds(members: Drafts) -> set[str]:
    return {_part(one) for one in members}


def _is_twin(members: Drafts, whole: Drafts) -> bool:
    """Return whether magnitudes and those of a whole set are one measurement, of which ImageType tells the filters."""
    theirs = [one for one in whole if _part(one) == "magnitude"]
    scans = [
        {(one.series.started, one.series.protocol_name, one.geometry) for one in some} for some in (members, theirs)
    ]
    times = [sorted(one.image.echo_time for one in some) for some in (members, theirs)]
    if len(scans[0]) > 1 or scans[0] != scans[1] or times[0] != times[1] or not members[0].has_time:
        return False
    words = [set(some[0].image.header.words("ImageType")) for some in (members, theirs)]
    return words[0] != words[1] and words[0] ^ words[1] <= {*FILTERS, "ND"}


def _skip_twin(one: Draft, twin: Drafts) -> Draft:
    whole = next(other for other in twin if _part(other) == "magnitude")
    said = f"another reconstruction of the magnitudes of series {whole.series.number}, which have their phase"
    return one.named("", "", one.finding.confidence).decided(Decision.SKIP, said)


def _plane(draft: Draft) -> tuple[object, ...]:
    """Return what slices of one geometry have in common, however many there are."""
    (columns, rows, _), directions = draft.image.matrix, draft.geometry[1]
    return columns, rows, directions


def _completes(before: Sequence[Draft], draft: Draft) -> bool:
    """Return whether the series of a draft brings what a set lacks: phases, magnitudes, or another echo of these."""
    if not before:
        return False
    parts, part = {_part(one) for one in before}, _part(draft)
    if part == "phase":
        return parts == {"magnitude"}
    if parts == {"magnitude"} and part == "magnitude" and draft.finding.kind is Kind.FIELD_GRE:
        times = {one.image.echo_time for one in before}
        return draft.series.started == before[0].series.started and draft.image.echo_time not in times
    # Where the phases come first, only the same scan makes a set: else a lost magnitude would take the next one.
    return parts == {"phase"} and draft.series.started == before[0].series.started


def _part(draft: Draft) -> str:
    """Return whether an image of a field map is a magnitude or a phase: by physics, else by its name."""
    if draft.finding.kind in _FIELDS:
        return draft.image.component
    return "magnitude" if draft.suffix.startswith("magnitude") else "phase"


def _name_set(members: Sequence[Draft]) -> Drafts:
    if any(one.finding.kind not in _FIELDS for one in members):
        return [replace(one, measurement=members[0].series.uid) for one in members]
    maps = [one for one in members if one.suffix == "fieldmap"]
    phases = [one for one in members if one.image.component == "phase"]
    magnitudes = [one for one in members if one.image.component == "magnitude" and one.suffix != "fieldmap"]
    members = [replace(one, measurement=members[0].series.uid) for one in members]
    members = _rank_magnitudes(members)
    second = "" if maps else _find_second(magnitudes, phases)
    if second:
        members = [one.named("fmap", "magnitude2", one.confidence) if one.image.component == "magnitude" else one
                   for one in members]  # fmt: skip
    if not magnitudes or not (maps or phases):
        lacking = "a phase image" if magnitudes else "its magnitude images"
        return [one.decided(Decision.REVIEW, f"a field map without {lacking}") for one in members]
    if maps:
        return members
    if second:
        said = f"a field map without its first magnitude: the one that is there is the second ({second})"
        return [_name_phase(one, len(phases)).decided(Decision.REVIEW, said) for one in members]
    if len(phases) == 1 and phases[0].finding.confidence < CERTAIN:
        said = "one phase image of two echoes: whether it is their difference is not in the headers"
        return [one.decided(Decision.REVIEW, said) for one in members]
    return [_name_phase(one, len(phases)) for one in members]


def _rank_magnitudes(members: Drafts) -> Drafts:
    """Return the images of a set with the magnitudes that come in several series numbered by their echo times."""
    magnitudes = [one for one in members if one.suffix.startswith("magnitude")]
    if len({one.series.uid for one in magnitudes}) < 2:
        return members
    times = sorted({one.image.echo_time for one in magnitudes})
    return [
        replace(one, suffix=f"magnitude{1 + times.index(one.image.echo_time)}") if one in magnitudes else one
        for one in members
    ]


def _find_second(magnitudes: Sequence[Draft], phases: Sequence[Draft]) -> str:
    """Return what shows that the only magnitude of a set is that of the second echo, ``""`` where nothing does.

    Siemens gives a phase difference the time and the number of the second echo.
    """
    number = magnitudes[0].image.header.integer("EchoNumbers") if len(magnitudes) == 1 else 1
    if number == 2:
        return "EchoNumbers is 2"
    latest = max((one.image.echo_time for one in phases), default=0.0)
    if number == 1 or not 0 < latest == magnitudes[0].image.echo_time:
        return ""
    return f"its echo time, {latest:g} ms, is that of the phase"


def _name_phase(one: Draft, phases: int) -> Draft:
    """Return a phase image named by how many there are; with two, `name_by_physics` has told which is which."""
    if one.image.component != "phase" or phases != 1:
        return one
    return one.named("fmap", "phasediff", one.confidence, "the only phase image of its set")
