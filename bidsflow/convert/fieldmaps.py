"""Which images measure one B0 field, and which field corrects which run. Pure.

Source of the fields: BIDS, "Fieldmap data" (``B0FieldIdentifier``, ``B0FieldSource``, ``IntendedFor``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bidsflow.convert.naming.draft import Draft
from bidsflow.dicom.physics import Kind, phase_encoding


@dataclass(frozen=True, slots=True)
class _Field:
    """Images that together measure one field."""

    label: str
    members: tuple[Draft, ...]


def wire_fields(drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts of one session with the fields that they measure and the field that corrects them.

    A run is corrected by one field: the one with the same shim, else the same geometry, else the nearest before it in
    time, else the nearest after it. A field that was measured with another shim corrects a run only if there is no
    other, since the shim changes the field (the reason then says so). A lone image measures no field for runs that are
    encoded as it is, so it corrects none of them.
    """
    fields = _find_fields(drafts)
    labels = {id(one): field.label for field in fields for one in field.members}
    result = []
    for draft in drafts:
        if id(draft) in labels:
            draft = replace(draft, field=labels[id(draft)])
        elif draft.is_epi_run and (useful := [field for field in fields if _can_correct(field, draft)]):
            best = max(useful, key=lambda field: _score(field, draft))
            draft = replace(draft.noted(_reason(best, draft)), corrected_by=best.label)
        result.append(draft)
    return result


def _find_fields(drafts: Sequence[Draft]) -> list[_Field]:
    fields: list[_Field] = []
    for key in dict.fromkeys(_gradient_key(one) for one in drafts if _is_gradient_map(one)):
        members = tuple(one for one in drafts if _is_gradient_map(one) and _gradient_key(one) == key)
        if any(one.suffix.startswith(("phase", "fieldmap")) for one in members):
            kind = "gre" if members[0].finding.kind is Kind.FIELD_GRE else "map"
            fields.append(_Field(f"{kind}{1 + sum(f.label.startswith(kind) for f in fields)}", members))
    blips: list[list[Draft]] = []
    for draft in (one for one in drafts if one.to_convert and (one.datatype, one.suffix) == ("fmap", "epi")):
        home = next((group for group in reversed(blips) if _completes(group, draft)), None)
        if home is None:
            blips.append([draft])
        else:
            home.append(draft)
    return fields + [_Field(f"pepolar{rank}", tuple(group)) for rank, group in enumerate(blips, start=1)]


def _is_gradient_map(draft: Draft) -> bool:
    return draft.to_convert and draft.datatype == "fmap" and draft.finding.kind in (Kind.FIELD_GRE, Kind.FIELD_HZ)


def _gradient_key(draft: Draft) -> tuple[str, str, str]:
    return draft.entity("acq"), draft.entity("run"), draft.finding.kind


def _completes(group: Sequence[Draft], draft: Draft) -> bool:
    """Return whether a reversed-phase image belongs to a pair that has no image of its direction yet."""
    first = group[0]
    if first.image.matrix != draft.image.matrix or first.image.orientation != draft.image.orientation:
        return False
    if _shim(first) and _shim(draft) and _shim(first) != _shim(draft):
        return False  # the field has changed between the two
    directions = {one.entity("dir") for one in group}
    return draft.entity("dir") not in directions and _axis(draft) == _axis(first)


def _can_correct(field: _Field, draft: Draft) -> bool:
    """Return whether a field tells anything of a run; one direction alone needs the run to be the other."""
    if field.members[0].suffix != "epi":
        return True
    directions = {_direction(one) for one in field.members}
    return len(directions) > 1 or not (_direction(draft) and _direction(draft) in directions)


def _direction(draft: Draft) -> str:
    """Return where phase encoding runs to; names of runs may leave it out."""
    return draft.entity("dir") or phase_encoding(draft.series.header)


def _axis(draft: Draft) -> frozenset[str]:
    return frozenset(draft.entity("dir"))


def _shim(draft: Draft) -> str:
    header = draft.series.header
    return header.text("ShimSetting") or "\\".join(header.text(f"GeShim{axis}") for axis in "XYZ").strip("\\")


def _same_shim(field: _Field, draft: Draft) -> bool:
    return bool(_shim(draft)) and _shim(field.members[0]) == _shim(draft)


def _same_geometry(field: _Field, draft: Draft) -> bool:
    one = field.members[0].image
    return one.matrix == draft.image.matrix and one.orientation == draft.image.orientation


def _score(field: _Field, draft: Draft) -> tuple[bool, bool, bool, float]:
    distance = _seconds(draft) - max(_seconds(one) for one in field.members)
    return _same_shim(field, draft), _same_geometry(field, draft), distance >= 0, -abs(distance)


def _reason(field: _Field, draft: Draft) -> str:
    why = [
        text
        for text, holds in (
            ("the same shim", _same_shim(field, draft)),
            ("the same geometry", _same_geometry(field, draft)),
        )
        if holds
    ]
    if not why:
        known = _shim(draft) and _shim(field.members[0])
        why = ["nearest in time" + (", although its shim differs" if known else "")]
    return f"corrected by field map {field.label} ({' and '.join(why)})"


def _seconds(draft: Draft) -> float:
    """Return when an image was started, in seconds since an arbitrary moment; 0 where unknown."""
    text = draft.series.started[:14]
    for form, length in (("%Y%m%d%H%M%S", 14), ("%Y%m%d%H%M", 12), ("%Y%m%d", 8)):
        try:
            return datetime.strptime(text[:length], form).timestamp()
        except ValueError:
            continue
    return 0.0
