"""Which images measure one B0 field, and which field corrects which run. Pure.

Source of the fields: BIDS, "Fieldmap data" (``B0FieldIdentifier``, ``B0FieldSource``, ``IntendedFor``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import FAIR, Kind


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
    """

    label: str
    members: tuple[Draft, ...]
    setting: _Setting
    partner: Draft | None = None


def wire_fields(drafts: Sequence[Draft], known: int = 0) -> list[Draft]:
    """Return the drafts of one session with the fields that they measure and the field that corrects them.

    A run is corrected by one field: the one with the same shim, else the same geometry, else the nearest before it in
    time, else the nearest after it. A field that was measured with another shim corrects a run only if there is no
    other, since the shim changes the field (the reason then says so). Where nothing tells which of several fields it
    is, none corrects the run.

    Images of one phase-encoding direction measure a field only together with a run in the opposite direction: that run
    then belongs to the field as well.

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
        return replace(draft, field=labels[id(draft)])
    if draft.to_convert and (draft.datatype, draft.suffix) == ("fmap", "epi"):
        said = "no image of the opposite direction goes with it, so it corrects nothing"
        # Nothing but its few volumes made it half of a field map.
        return draft.decided(Decision.REVIEW, said) if draft.confidence <= FAIR else draft.noted(said)
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
    return fields


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
    times = [time for one in drafts if (time := _seconds(one.series.started)) is not None]
    return _Setting(_shim(drafts[0]), drafts[0].geometry, max(times, default=None))


def _shim(draft: Draft) -> str:
    header = draft.series.header
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


def _seconds(started: str) -> float | None:
    """Return a time as `Series.started` has it in seconds since an arbitrary moment; None without a time of day."""
    try:
        day = date(int(started[:4]), int(started[4:6]), int(started[6:8])).toordinal()
        hours, minutes = int(started[8:10]), int(started[10:12])
        return 86400.0 * day + 3600.0 * hours + 60.0 * minutes + float(started[12:] or 0)
    except ValueError:
        return None
