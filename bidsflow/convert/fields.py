"""Which images of a session measure one B0 field, and which field is true of a run. Pure.

Source of the fields: BIDS, "Fieldmap data" (``B0FieldIdentifier``, ``B0FieldSource``, ``IntendedFor``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.conditions import Condition, distance, find_change, may_lie_apart, rank_match, say_match
from bidsflow.convert.shots import Shot
from bidsflow.dicom.physics import Kind

#: Suffixes of what may show a field by where EPI has moved it.
_PLANAR = frozenset({"epi", "bold", "sbref", "dwi", "cbv"})
#: Begin the suffixes of the images of a gradient echo that measures a field.
_PARTS = ("magnitude", "phase", "fieldmap")
#: What makes a field of a gradient echo: magnitudes alone make none.
_MAPS = ("phase", "fieldmap")


#: Says in the evidence of a run that the plan has known a field of the dataset.
OF_DATASET = "which the dataset has"


def mark_of(session: str) -> str:
    """Return what ends the names of the fields of a session, of which a subject has several."""
    return f"ses{session}" if session else ""


@dataclass(frozen=True, slots=True)
class Field:
    """Images that together measure one field.

    Attributes
    ----------
    name : str
        Its label in sidecars, unique in the session.
    members : tuple of Shot
        The images of the field map, in order of acquisition.
    partner : Shot or None
        The run that is the other half of a field map with one direction.
    own : bool
        Whether the members are runs or their references, which the field corrects, and nothing of another geometry.
    mark : str
        What ends the names of all fields of the session.
    """

    name: str
    members: tuple[Shot, ...]
    partner: Shot | None = None
    own: bool = False
    mark: str = ""

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name.removesuffix(self.mark) or self.name

    @property
    def shots(self) -> tuple[Shot, ...]:
        """All images that measure it."""
        return self.members if self.partner is None else (*self.members, self.partner)

    @property
    def is_fresh(self) -> bool:
        """Whether one of its images is converted, or was; the others may stand in the dataset."""
        return not all(one.standing for one in self.shots)

    @property
    def condition(self) -> Condition:
        """How it was measured; its time is that of the last image."""
        return max((one.condition for one in self.members), key=lambda one: (one.seconds or 0.0, one.number))


@dataclass(frozen=True, slots=True)
class Choice:
    """The field that corrects a run; None where there is none, or nothing tells which of several it is."""

    field: Field | None
    reason: str


def choose_field(fields: Sequence[Field], run: Shot) -> Choice:
    """Return which of several fields corrects a run that is part of none, and a clause on why."""
    fitting = [field for field in fields if may_correct(field, run)]
    if not fitting:
        return Choice(None, say_none(fields, run))
    near = _leave_other_echoes(fitting, run)
    ranked = sorted(near, key=lambda field: rank_match(field.condition, run.condition), reverse=True)
    best, *others = ranked
    if others and rank_match(best.condition, run.condition) == rank_match(others[0].condition, run.condition):
        return Choice(None, f"nothing tells which of {len(ranked)} field maps corrects it")
    why = say_match(best.condition, run.condition, [field.condition for field in others])
    where = "" if best.is_fresh else f", {OF_DATASET}"
    return Choice(best, f"corrected by field map {best.label}{where} ({why})")


def _leave_other_echoes(fields: Sequence[Field], run: Shot) -> list[Field]:
    """Return fields, of those that are echoes of one moment only that whose echo is nearest to the run's."""
    nearest: dict[Hashable, Field] = {}
    for field in fields:
        first, condition = field.members[0], replace(field.condition, number=0, turn=0)
        several = first.suffix == "epi" and first.echo and condition.seconds is not None
        key = condition if several else field.name
        before = nearest.get(key, field)
        nearest[key] = min(before, field, key=lambda one: abs(one.members[0].echo - run.echo))
    return list(nearest.values())


def may_correct(field: Field, run: Shot) -> bool:
    """Return whether nothing is known to speak against a field for a run."""
    return not _find_change(field, run) and (not field.own or _is_kin(field, run))


def say_none(fields: Sequence[Field], run: Shot) -> str:
    """Return a clause on why none of several fields corrects a run."""
    reasons = [
        _find_change(field, run) or f"{field.label} is that of runs of another kind or geometry" for field in fields
    ]
    return f"no field map fits: {' and '.join(dict.fromkeys(reasons))}"


def _find_change(field: Field, run: Shot) -> str:
    """Return a clause on what was changed between the images of a field and a run, ``""`` where nothing was."""
    changes = (find_change(one.condition, run.condition) for one in reversed(field.members))
    return next(filter(None, changes), "")


def _is_kin(field: Field, run: Shot) -> bool:
    """Return whether a run was measured with the runs of a field that is their own: their references, their phases."""
    first = field.members[0]
    return run.datatype == first.datatype and run.condition.grid == first.condition.grid


def has_two_contrasts(field: Field) -> bool:
    """Return whether the halves of a field are a gradient and a spin echo, which distort alike and look otherwise."""
    kinds = {field.members[0].kind, field.partner.kind if field.partner else ""}
    return kinds == {Kind.GRADIENT_EPI, Kind.SPIN_EPI}


class _Names:
    """Gives each field of a session a name that no other has."""

    def __init__(self, mark: str, used: Collection[str], fixed: Collection[str]) -> None:
        self._mark, self._used, self._given = mark, set(used), set(fixed)
        self._counts: dict[str, int] = defaultdict(int)

    def give(self, kind: str, shots: Sequence[Shot]) -> str:
        """Return the name that images have, or had before, else a new one."""
        fixed = next((shot.fixed for shot in shots if shot.fixed), "")
        former = (shot.identifier for shot in shots if shot.identifier not in ("", *self._given))
        name = fixed or next(former, "") or self._make(kind)
        self._given.add(name)
        return name

    def _make(self, kind: str) -> str:
        while True:
            self._counts[kind] += 1
            name = f"{kind}{self._counts[kind]}{self._mark}"
            if name not in self._used:
                return name


def find_fields(shots: Sequence[Shot], mark: str = "", used: Collection[str] = ()) -> list[Field]:
    """Return the fields that the images of a session measure.

    Images whose labels are settled keep them, and what completes their field gets the label, too. A field of images
    that had a label before keeps that of the first.

    Parameters
    ----------
    shots : sequence of Shot
        In order of acquisition.
    mark : str
        Ends the names of new fields.
    used : collection of str
        Names that no new field gets.
    """
    shots = [shot for shot in shots if shot.to_convert and (shot.fixed or not shot.settled)]
    names = _Names(mark, {*used, *(shot.identifier for shot in shots)}, {shot.fixed for shot in shots})
    fields = _find_gradient_echoes(shots, names, mark)
    fields += _find_blips(shots, names, mark)
    fields += _find_own(shots, names, mark, fields, _is_diffusion, _is_made_for)
    fields += _find_own(shots, names, mark, fields, _is_functional_reference, may_correct)
    return fields


def _find_gradient_echoes(shots: Sequence[Shot], names: _Names, mark: str) -> list[Field]:
    """Return the magnitudes and phases of each gradient echo, and the maps in Hz with their magnitudes, as fields."""
    sets: dict[tuple[bool, str], list[Shot]] = defaultdict(list)
    for shot in shots:
        if is_part(shot):
            sets[bool(shot.fixed), shot.fixed or shot.measurement].append(shot)
    fields = []
    for some in sets.values():
        if any(one.suffix.startswith(_MAPS) for one in some):
            kind = "map" if any(one.suffix == "fieldmap" for one in some) else "gre"
            fields.append(Field(names.give(kind, some), tuple(some), mark=mark))
    return fields


def is_part(shot: Shot) -> bool:
    """Return whether an image is a magnitude, a phase or a map of a gradient echo that measures a field."""
    return shot.datatype == "fmap" and shot.suffix.startswith(_PARTS)


def _find_blips(shots: Sequence[Shot], names: _Names, mark: str) -> list[Field]:
    """Return the fields of EPIs that were measured for them, in two directions, or against a run."""
    groups = _group_blips(shots)
    partners = _find_partners([group[0] for group in groups if len(group) == 1 and group[0].is_blip], shots)
    fields = []
    for group in groups:
        whole = [*group, *partners.get(group[0].image, ())]
        blips = tuple(one for one in whole if one.is_blip)
        runs = [one for one in whole if not one.is_blip]
        if len(whole) > 1 and blips:
            fields.append(Field(names.give("pepolar", whole), blips, runs[0] if runs else None, mark=mark))
    return fields


def _group_blips(shots: Sequence[Shot]) -> list[list[Shot]]:
    """Return the images of opposite phase encoding that belong together: each joins the last group that lacks it.

    What has a label for good is with the others of that label, wherever in time they are; runs alone are no group.
    """
    named = _group_named(shots)
    groups: list[list[Shot]] = []
    for shot in shots:
        some = named.get(shot.fixed, [shot])
        if shot.fixed and shot is some[0] and any(one.is_blip for one in some):
            half = shot.is_blip and len({one.direction for one in some}) == 1
            home = next((group for group in reversed(groups) if half and _may_join(group, shot)), None)
        elif shot.is_blip and shot.is_magnitude and not shot.fixed:
            home = next((group for group in reversed(groups) if _completes(group, shot)), None)
        else:
            continue
        if home is None:
            groups.append(list(some))
        else:
            home += some
    return groups


def _group_named(shots: Sequence[Shot]) -> dict[str, list[Shot]]:
    """Return the EPIs that have a label for good, by that."""
    named: dict[str, list[Shot]] = defaultdict(list)
    for shot in shots:
        if shot.fixed and shot.suffix in _PLANAR:
            named[shot.fixed].append(shot)
    return named


def _may_join(group: Sequence[Shot], shot: Shot) -> bool:
    """Return whether an image with a label completes a group that has none yet."""
    return not any(one.fixed for one in group) and _completes(group, shot)


def _completes(group: Sequence[Shot], shot: Shot) -> bool:
    """Return whether an image belongs to a group that has no image of its direction yet."""
    there = [one for one in group if one.is_blip] or group
    return shot.direction not in {one.direction for one in there} and _share_field(group, shot)


def _share_field(group: Sequence[Shot], other: Shot) -> bool:
    """Return whether an image differs from others in the polarity of phase encoding at most, and saw one field.

    Of several echoes each goes with its own: others lose signal elsewhere, which looks like distortion.
    """
    return all(
        _lie_on_one_axis(one, other)
        and (one.echo == other.echo or 0 in (one.echo, other.echo))
        and one.condition.grid == other.condition.grid
        and not find_change(one.condition, other.condition)
        and not may_lie_apart(one.condition, other.condition)
        for one in group
    )


def find_parted(blip: Shot, shots: Sequence[Shot]) -> str:
    """Return a clause on a half of the opposite direction that a move of the person parts from an EPI, else ``""``."""
    for other in shots:
        opposite = other.is_blip and other.is_magnitude and other.direction != blip.direction
        if opposite and _lie_on_one_axis(blip, other) and other.condition.grid == blip.condition.grid:
            change = find_change(other.condition, blip.condition)
            if "the person was moved" in change:
                return change
            if may_lie_apart(other.condition, blip.condition):
                number = other.condition.number
                return f"the person may have been moved between it and series {number} (another FrameOfReferenceUID)"
    return ""


def _lie_on_one_axis(one: Shot, other: Shot) -> bool:
    """Return whether phase encoding runs along one axis; a label that is there speaks for what no header tells."""
    told = not any(shot.fixed and not shot.direction for shot in (one, other))
    return not told or frozenset(one.direction) == frozenset(other.direction)


def _find_partners(blips: Sequence[Shot], shots: Sequence[Shot]) -> dict[tuple[str, int], tuple[Shot]]:
    """Return the run nearest in time that runs against each image without a twin, by that image.

    A run is half of one field: of images that were repeated, the last has it.
    """
    partners: dict[tuple[str, int], tuple[Shot]] = {}
    named = _group_named(shots)
    used = {id(shot) for some in named.values() for shot in some if len(some) > 1}
    for blip in reversed(blips):
        runs = [shot for shot in shots if id(shot) not in used and _runs_against(shot, blip)]
        if runs:
            nearest = min(runs, key=lambda run: abs(distance(blip.condition, run.condition)))
            partners[blip.image] = (nearest,)
            used.add(id(nearest))
    return partners


def _runs_against(shot: Shot, blip: Shot) -> bool:
    run = shot.suffix in ("bold", "dwi", "cbv") and shot.is_magnitude and shot.planar
    apart = shot.direction != blip.direction and bool(shot.direction or shot.fixed)
    return run and apart and shot.fixed in ("", blip.fixed or shot.fixed) and _share_field([blip], shot)


def _find_own(
    shots: Sequence[Shot],
    names: _Names,
    mark: str,
    fields: Sequence[Field],
    belongs: Callable[[Shot], bool],
    serves: Callable[[Field, Shot], bool],
) -> list[Field]:
    """Return the fields of runs in opposite directions, of one geometry and shim, that no other field serves.

    All runs of one shim saw one field, however many there are (as in the protocols of the Human Connectome Project).
    """
    taken = {field.name for field in fields}
    found = []
    for group in _group_opposites([shot for shot in shots if belongs(shot) and shot.fixed not in taken]):
        labels = list(dict.fromkeys(one.fixed for one in group if one.fixed))
        for label in labels:
            some = [one for one in group if one.fixed == label or (label == labels[0] and not one.fixed)]
            found.append(Field(label, tuple(some), own=True, mark=mark))
        if not labels and not any(serves(field, one) for field in fields for one in group):
            found.append(Field(names.give("pepolar", group), tuple(group), own=True, mark=mark))
    return found


def _group_opposites(shots: Sequence[Shot]) -> list[list[Shot]]:
    """Return the images that differ in the polarity of phase encoding, by axis, geometry and shim."""
    groups: list[list[Shot]] = []
    for shot in shots:
        home = next((group for group in groups if _share_field(group, shot)), None)
        if home is None:
            groups.append([shot])
        else:
            home.append(shot)
    return [group for group in groups if len({one.direction for one in group}) > 1]


def _is_diffusion(shot: Shot) -> bool:
    weighted = shot.to_convert and shot.suffix == "dwi" and shot.weighted
    return weighted and shot.is_magnitude and bool(shot.direction) and shot.planar


def _is_functional_reference(shot: Shot) -> bool:
    """Return whether an image is a single-band reference of a functional run; of several echoes, of the first."""
    named = shot.to_convert and (shot.datatype, shot.suffix) == ("func", "sbref")
    return named and shot.is_magnitude and shot.echo < 2 and bool(shot.direction) and shot.planar


def _is_made_for(field: Field, run: Shot) -> bool:
    """Return whether EPIs of a run's geometry and shim were measured as a field map, or the run is half of one."""
    first = field.members[0]
    same = first.suffix == "epi" and first.condition.grid == run.condition.grid
    return field.partner is run or (same and not _find_change(field, run))
