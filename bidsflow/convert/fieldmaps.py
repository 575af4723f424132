"""Which images measure one B0 field, and which field corrects which run. Pure.

Source of the fields: BIDS, "Fieldmap data" (``B0FieldIdentifier``, ``B0FieldSource``, ``IntendedFor``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import only_b_zero
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.visits import seconds_of
from bidsflow.convert.wiring import sources
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import FAIR, Kind
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name


@dataclass(frozen=True, slots=True)
class _Setting:
    """What decides whether a field is that of a run.

    Attributes
    ----------
    shim : str
        ``""`` where unknown.
    geometry : tuple
        Matrix and orientation.
    seconds : float or None
        Since an arbitrary moment; None where no time of day is known.
    """

    shim: str
    geometry: tuple[object, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class _Field:
    """Images that together measure one field.

    Attributes
    ----------
    label : str
        Unique in the session.
    members : tuple of Draft
        The images of the field map, in order of acquisition.
    setting : _Setting
        How it was measured; its time is that of the last image.
    partner : Draft or None
        The run that is the other half of a field map with one direction.
    own : bool
        Whether the members are diffusion runs, which the field then corrects, and nothing of another geometry.
    """

    label: str
    members: tuple[Draft, ...]
    setting: _Setting
    partner: Draft | None = None
    own: bool = False


def wire_fields(drafts: Sequence[Draft], known: int = 0) -> list[Draft]:
    """Return the drafts of one session with the fields that they measure and the field that corrects them.

    A run is corrected by one field: the one with the same shim, else the same geometry, else the nearest before it in
    time, else the nearest after it. A field that was measured with another shim corrects a run only if there is no
    other, since the shim changes the field (the reason then says so). Where nothing tells which of several fields it
    is, none corrects the run.

    Images of one phase-encoding direction measure a field only together with a run in the opposite direction: that run
    then belongs to the field as well.

    Diffusion runs in opposite directions, of one geometry and one shim, measure and are corrected by a field of their
    own, unless images of their geometry were measured to correct them.

    Parameters
    ----------
    drafts : sequence of Draft
        In order of acquisition.
    known : int
        Fields that the session has from elsewhere, whose labels are not given again.
    """
    fields = _find_fields(drafts, known)
    labels = {id(one): field.label for field in fields for one in field.members}
    return [_wire(draft, fields, labels) for draft in drafts]


def _wire(draft: Draft, fields: Sequence[_Field], labels: dict[int, str]) -> Draft:
    if id(draft) in labels:
        label = labels[id(draft)]
        if draft.datatype == "fmap":
            return replace(draft, field=label)
        said = f"one of the diffusion runs in opposite directions that are field map {label} and are corrected by it"
        return replace(draft, field=label, corrected_by=label).noted(said)
    if draft.to_convert and (draft.datatype, draft.suffix) == ("fmap", "epi"):
        said = "no image of the opposite direction with its geometry and shim is left for it, so it corrects nothing"
        # Nothing but its few volumes made it half of a field map.
        return draft.decided(Decision.REVIEW, said) if draft.confidence <= FAIR else draft.noted(said)
    fields = [field for field in fields if not field.own or _is_kin(draft, field)]
    if not draft.is_epi_run or not fields:
        return draft
    own = next((field for field in fields if field.partner is draft), None)
    if own is not None:
        draft = replace(draft, field=own.label).noted(f"it is one half of field map {own.label}")
    now = _setting(draft)
    ranked = sorted(((_score(field.setting, now), field) for field in fields), key=lambda pair: pair[0], reverse=True)
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        return draft.noted(f"nothing tells which of {len(fields)} field maps corrects it")
    best = ranked[0][1]
    why = _reason(best.setting, now, len(fields))
    return replace(draft, corrected_by=best.label).noted(f"corrected by field map {best.label} ({why})")


def _find_fields(drafts: Sequence[Draft], known: int) -> list[_Field]:
    sets: dict[str, list[Draft]] = {}
    for draft in drafts:
        if draft.to_convert and draft.datatype == "fmap" and draft.finding.kind in (Kind.FIELD_GRE, Kind.FIELD_HZ):
            sets.setdefault(draft.measurement, []).append(draft)
    fields: list[_Field] = []
    for members in sets.values():
        if any(one.suffix.startswith(("phase", "fieldmap")) for one in members):
            kind = "gre" if members[0].finding.kind is Kind.FIELD_GRE else "map"
            fields.append(_Field(_label(kind, fields, known), tuple(members), _setting(*members)))
    for group in _group_blips(drafts):
        complete = len({one.direction for one in group}) > 1
        partner = None if complete else _find_partner(group[0], drafts)
        if complete or partner is not None:
            fields.append(_Field(_label("pepolar", fields, known), tuple(group), _setting(*group), partner))
    for group in _group_diffusion(drafts):
        if not any(_serves(field, one) for field in fields for one in group):
            label = _label("pepolar", fields, known)
            fields.append(_Field(label, tuple(group), _setting(*group), own=True))
    return fields


def _group_diffusion(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """Return the diffusion runs that differ in the polarity of phase encoding, by axis, geometry and shim.

    All runs of one shim saw one field, however many there are (as in the protocols of the Human Connectome Project).
    """
    groups: dict[Hashable, list[Draft]] = defaultdict(list)
    for draft in drafts:
        weighted = draft.to_convert and draft.suffix == "dwi" and not only_b_zero(draft.image)
        if weighted and draft.image.component == "magnitude" and draft.direction:
            groups[frozenset(draft.direction), draft.geometry, _shim(draft)].append(draft)
    return [group for group in groups.values() if len({one.direction for one in group}) > 1]


def _serves(field: _Field, run: Draft) -> bool:
    """Return whether EPIs of a run's geometry and shim were measured as a field map, or a run is half of one."""
    if field.partner is run:
        return True
    first = field.members[0]
    return first.suffix == "epi" and first.geometry == run.geometry and _agree(_shim(first), _shim(run)) is not False


def _is_kin(draft: Draft, field: _Field) -> bool:
    """Return whether a draft was measured with the diffusion runs of a field: their references, their phases."""
    first = field.members[0]
    same = draft.datatype == "dwi" and draft.geometry == first.geometry
    return same and _agree(_shim(first), _shim(draft)) is not False


def _label(kind: str, fields: Sequence[_Field], known: int) -> str:
    return f"{kind}{1 + known + sum(field.label.startswith(kind) for field in fields)}"


def _group_blips(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """Return the images of opposite phase encoding that belong together: each joins the last group that lacks it."""
    groups: list[list[Draft]] = []
    for draft in drafts:
        if draft.to_convert and (draft.datatype, draft.suffix) == ("fmap", "epi"):
            home = next((group for group in reversed(groups) if _completes(group, draft)), None)
            if home is None:
                groups.append([draft])
            else:
                home.append(draft)
    return groups


def _completes(group: Sequence[Draft], draft: Draft) -> bool:
    """Return whether an image belongs to a group that has no image of its direction yet."""
    return draft.direction not in {one.direction for one in group} and _opposes(group[0], draft)


def _opposes(one: Draft, other: Draft) -> bool:
    """Return whether two images differ in the polarity of phase encoding only, and saw the same field."""
    same_axis = frozenset(one.direction) == frozenset(other.direction)
    return same_axis and one.geometry == other.geometry and _agree(_shim(one), _shim(other)) is not False


def _find_partner(blip: Draft, drafts: Sequence[Draft]) -> Draft | None:
    """Return the run nearest in time that runs against an image without a twin."""
    runs = [
        draft
        for draft in drafts
        if draft.is_epi_run and draft.suffix != "sbref" and draft.image.component == "magnitude"
        and draft.direction != blip.direction and _opposes(blip, draft)
    ]  # fmt: skip
    return min(runs, key=lambda run: abs(_distance(_setting(blip), _setting(run))), default=None)


def _setting(*drafts: Draft) -> _Setting:
    """Return how images that belong together were measured."""
    times = [time for one in drafts if (time := seconds_of(one.series.started)) is not None]
    return _Setting(_shim(drafts[0]), drafts[0].geometry, max(times, default=None))


def _shim(draft: Draft) -> str:
    return _read_shim(draft.series.header)


def _read_shim(header: Header) -> str:
    return header.text("ShimSetting") or "\\".join(header.text(f"GeShim{axis}") for axis in "XYZ").strip("\\")


def _agree(one: str, other: str) -> bool | None:
    """Return whether two shims are the same; None where one is not known."""
    return one == other if one and other else None


def _distance(field: _Setting, run: _Setting) -> float:
    """Return how long after a field a run was measured, in seconds; 0 where that is not known."""
    return 0.0 if field.seconds is None or run.seconds is None else run.seconds - field.seconds


def _score(field: _Setting, run: _Setting) -> tuple[bool, bool, bool, float]:
    distance = _distance(field, run)
    return _agree(field.shim, run.shim) is True, field.geometry == run.geometry, distance >= 0, -abs(distance)


def _reason(field: _Setting, run: _Setting, count: int) -> str:
    same = _agree(field.shim, run.shim)
    why = ["the same shim"] * (same is True) + ["the same geometry"] * (field.geometry == run.geometry)
    if not why:
        near = "before" if _distance(field, run) >= 0 else "after"
        why = ["the only one" if count == 1 else f"the nearest in time {near} it"]
    return " and ".join(why) + (", although its shim differs" if same is False else "")


def note_foreign_shims(rows: Sequence[PlanRow], by_uid: Mapping[str, Series]) -> tuple[str, ...]:
    """Return a note for each field that corrects runs although it was measured with another shim.

    What the head does to the field is the same under every shim, what the shim adds is not: such a correction may be
    better than none, or worse, which a person has to judge.
    """
    shims: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.decision is Decision.CONVERT and row.b0_identifier:
            key = parse_name(row.path).folder, row.b0_identifier
            shims.setdefault(key, _read_shim(by_uid[row.series_uid].header))
    foreign: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.decision is Decision.CONVERT:
            own = _read_shim(by_uid[row.series_uid].header)
            keys = [(parse_name(row.path).folder, label) for label in sources(row)]
            for key in keys:
                if _agree(shims.get(key, ""), own) is False:
                    foreign[key].append(row.title)
    return tuple(
        f"{folder}: the field map {label} was measured with another shim than {', '.join(dict.fromkeys(titles))}; "
        "empty their b0_source in the plan if they are not to be corrected by it"
        for (folder, label), titles in foreign.items()
    )
