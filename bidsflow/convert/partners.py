"""Images of one measurement that came in two exports: magnitude and phase, a run and its reference. Pure.

What comes late is named after what stands, which keeps its name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from bidsflow.convert.links import Standing
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.references import NO_RUN, RIGHT_AFTER
from bidsflow.convert.plan import Decision
from bidsflow.convert.shots import Shot, by_time, shoot_draft
from bidsflow.dicom.physics import STRONG
from bidsflow.names import order_entities, parse_name
from bidsflow.schema import takes

#: Values of the entity ``part`` by component.
PARTS = {"magnitude": "mag", "phase": "phase", "real": "real", "imaginary": "imag"}
#: Suffixes of runs that have single-band references.
_RUNS = ("bold", "dwi", "cbv")
#: So many names are shown.
_SHOWN = 6

#: Times of one moment are rounded where a dataset keeps them (s), echo times by their makers (ms).
_ONE_MOMENT, _ONE_ECHO = 0.01, 0.05
#: Parts of one run begin within this time (s): some times have whole seconds.
_ONE_RUN = 1.0
#: Where no time tells, the number of a run is at most so much higher than that of its reference: echoes, and phases,
#: may have numbers of their own.
_NEXT_NUMBERS = 6

_Known = tuple[Standing, Shot]


def join_partners(drafts: Sequence[Draft], others: Sequence[Standing]) -> list[Draft]:
    """Return the drafts of one session, named after the images that a dataset has of their measurements.

    A phase gets the name of its magnitude but for ``part``, and so does a magnitude that comes after its phase: the two
    began at one moment, or have one task where times do not tell. A single-band reference that has no run in its export
    gets the name of the run of its voxels, echo and direction that was measured right after it.

    Parameters
    ----------
    drafts : sequence of Draft
        Of one session, in order of acquisition, named as if there were no dataset.
    others : sequence of Standing
        What the dataset has of the session beside the series of the drafts.
    """
    known = [(one, shot) for one in others if (shot := one.look()) is not None]
    if not known:
        return list(drafts)
    whole = {_measured(one) for one in drafts if one.to_convert and one.image.component == "magnitude"}
    lone = {_measured(one) for one in drafts if one.to_convert and one.image.component != "magnitude"} ^ whole
    shots = list(map(shoot_draft, drafts))
    return [
        _join_part(draft, shot, known)
        if draft.to_convert and _measured(draft) in lone
        else _join_reference(draft, shot, known, shots)
        for draft, shot in zip(drafts, shots, strict=True)
    ]


def _measured(draft: Draft) -> tuple[str, str, int]:
    """Return what magnitude and phase of one image share."""
    return draft.measurement, draft.suffix, draft.image.echo


def _join_part(draft: Draft, shot: Shot, known: Sequence[_Known]) -> Draft:
    """Return an image that lacks its magnitude, or its phase, named after the one that stands."""
    if not takes(draft.datatype, draft.suffix, "part") or draft.suffix == "sbref":
        return draft
    lacking = shot.component == "magnitude"
    rivals = {_stem(one) for one, other in known if other.component == shot.component}
    mates = [
        (one, other)
        for one, other in known
        if (other.component != "magnitude") is lacking and _is_alike(other, shot) and _stem(one) not in rivals
    ]
    telling = len({shot.condition.seconds, *(other.condition.seconds for _, other in known)}) > 1
    alone = [(one, other) for one, other in mates if telling and _began_within(_ONE_MOMENT, other, shot)]
    mate = alone[0] if len(alone) == 1 else _find_mate(draft, shot, mates)
    if mate is None:
        return draft
    found, other = mate
    named = _name_after(draft, found, PARTS.get(shot.component, ""), other.measurement)
    return named.noted(f"measured with {found.path.rpartition('/')[2]}, which the dataset has")


def _is_alike(other: Shot, shot: Shot) -> bool:
    """Return whether two images may be parts of one measurement."""
    kind = (other.datatype, other.suffix, other.echo) == (shot.datatype, shot.suffix, shot.echo)
    return kind and other.volumes in (0, shot.volumes) and _lies_as(other, shot)


def _lies_as(other: Shot, shot: Shot) -> bool:
    """Return whether two images of one study have the same voxels and echo time, and directions that may be one."""
    same = (other.condition.study, other.condition.grid) == (shot.condition.study, shot.condition.grid)
    echo = not other.echo_time or abs(other.echo_time - shot.echo_time) < _ONE_ECHO
    return same and echo and (other.direction == shot.direction or "" in (other.direction, shot.direction))


def _find_mate(draft: Draft, shot: Shot, mates: Sequence[_Known]) -> _Known | None:
    """Return the nearest image of a task on the side where it has to be, None for none; no time may speak against it.

    Numbers tell what is nearest: of those that are left, times are equal or not known.
    """
    task = draft.entity("task").lower()
    beside = [
        (one, other)
        for one, other in mates
        if parse_name(one.path).entity("task").lower() == task
        and (_lacks_time(other, shot) or _began_within(_ONE_RUN, other, shot))
    ]
    number = shot.condition.number
    if shot.component == "magnitude":  # several parts may stand of one magnitude
        later = (one for one in beside if one[1].condition.number > number)
        return min(later, key=lambda one: one[1].condition.number, default=None)
    earlier = (one for one in beside if one[1].condition.number < number)
    return max(earlier, key=lambda one: one[1].condition.number, default=None)


def _began_within(seconds: float, other: Shot, shot: Shot) -> bool:
    """Return whether two images are known to have begun within some seconds."""
    ours, theirs = shot.condition.seconds, other.condition.seconds
    return ours is not None and theirs is not None and abs(ours - theirs) <= seconds


def _lacks_time(*shots: Shot) -> bool:
    return any(one.condition.seconds is None for one in shots)


def _stem(one: Standing) -> str:
    """Return what the names of the parts of one image share."""
    return str(parse_name(one.path).with_entity("part", ""))


def _name_after(draft: Draft, mate: Standing, part: str, measurement: str) -> Draft:
    """Return an image with the labels of one that stands, and its measurement; a name that is given keeps its own."""
    name = parse_name(mate.path)
    kept = draft.without("run", "part", "echo") if draft.exact else _without(name.entities, "part", "echo", "run")
    own = {"part": part, "echo": name.entity("echo"), "run": name.entity("run")}
    entities = order_entities((*kept, *((key, value) for key, value in own.items() if value)))
    return replace(draft, entities=entities, measurement=measurement)


def _without(entities: Sequence[tuple[str, str]], *keys: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in entities if pair[0] not in keys)


def _join_reference(draft: Draft, shot: Shot, known: Sequence[_Known], shots: Sequence[Shot]) -> Draft:
    """Return a reference that waits for want of its run, named after the next that stands."""
    waits = draft.decision is Decision.REVIEW and draft.suffix == "sbref" and NO_RUN in draft.evidence[0]
    if not waits or draft.image.volumes > 1:
        return draft
    readout = [(one, other) for one, other in known if _is_readout(other, shot)]
    later = sorted((one for one in readout if by_time(one[1]) > by_time(shot)), key=lambda one: by_time(one[1]))
    if not later or later[0][1].suffix not in _RUNS:
        return draft
    run, found = later[0]
    if not _follows(found, shot):
        return draft
    name = parse_name(run.path)
    between = any(by_time(shot) < by_time(one) < by_time(found) and _is_readout(one, shot) for one in shots)
    if between or found.datatype != draft.datatype or name.entity("task") != draft.entity("task"):
        return draft
    said = f"the single-band reference of {run.path.rpartition('/')[2]}, which the dataset has"
    tied = _name_after(draft, run, draft.entity("part"), found.measurement)
    if any(_is_namesake(one.path, tied, name.folder) for one, _ in known):
        return draft
    tied = replace(tied, decision=Decision.CONVERT, evidence=(said, *draft.evidence[1:]))
    return tied.sure(max(STRONG, draft.confidence))


def _follows(run: Shot, reference: Shot) -> bool:
    """Return whether a run that came after a reference came right after it; else the run of the reference was lost."""
    higher = run.condition.number - reference.condition.number
    if higher == 1 or _lacks_time(run, reference):
        return higher <= _NEXT_NUMBERS
    return _began_within(RIGHT_AFTER, run, reference)


def _is_namesake(path: str, draft: Draft, folder: str) -> bool:
    """Return whether an image that stands has the name of a draft."""
    name = parse_name(path)
    ours = folder, draft.datatype, draft.suffix, draft.entities
    return (name.folder, name.datatype, name.suffix, name.entities) == ours


def _is_readout(other: Shot, shot: Shot) -> bool:
    """Return whether an image is a run of the voxels and echo of a reference, or another reference of such a run."""
    same = (other.component, other.echo) == (shot.component, shot.echo)
    return same and other.planar and other.suffix in (*_RUNS, "sbref") and _lies_as(other, shot)


def note_partners(
    drafts: Sequence[Draft], others: Sequence[Standing], taken: Collection[tuple[str, int]]
) -> tuple[str, ...]:
    """Return a note for magnitudes that stand under names that do not say so, and now get a phase.

    Parameters
    ----------
    drafts : sequence of Draft
        Of one session, as `join_partners` returns them.
    others : sequence of Standing
        As for `join_partners`.
    taken : collection of (str, int)
        Images that the dataset has: of their partners it was told when they came.
    """
    new = [one for one in drafts if one.to_convert and (one.series.uid, one.rank) not in taken]
    late = {_measured(one) for one in new if one.image.component != "magnitude"}
    found = [
        one.path
        for one in others
        if (shot := one.shot) is not None
        and shot.component == "magnitude"
        and (shot.measurement, shot.suffix, shot.echo) in late
        and not parse_name(one.path).entity("part")
    ]
    names = [f"{path} would be {_say_magnitude(path)}" for path in sorted(found)]
    if not names:
        return ()
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"phases come after their magnitudes, which keep their names; in one conversion {', '.join(names[:_SHOWN])}"
        f"{more}; to have it so, plan all exports of the session together with --bids-dir, write these names into its "
        "paths, and convert with it",
    )


def _say_magnitude(path: str) -> str:
    """Return the name of an image that is told to be a magnitude, without its folder."""
    return str(parse_name(path).with_entity("part", "mag")).rpartition("/")[2]
