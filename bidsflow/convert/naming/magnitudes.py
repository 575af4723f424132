"""Magnitudes that scanners and exports put into another series than the map in Hz that was made of them. Pure.

Such a magnitude is a plain gradient echo, which by itself looks like a T1-weighted image. Only the map beside it tells.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

from bidsflow.convert.naming import hintwords
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import FAIR, STRONG, Finding, Kind, is_gradient, is_prepared
from bidsflow.dicom.tags import find_maker

Drafts = list[Draft]

#: What the magnitude of a field map looks like by itself.
_PLAIN = frozenset({Kind.T1W, Kind.T2STARW, Kind.PDW, Kind.UNKNOWN})
#: What was made of an image has these of it, where it has them at all.
_KEPT = ("RepetitionTime", "FlipAngle")
#: Times and angles that differ by less than this share are one.
_TOLERANCE = 0.01


def find_magnitudes(drafts: Drafts) -> Drafts:
    """Name the magnitudes of maps in Hz that are series of their own; what only lies beside such a map is in doubt.

    Two series of one moment are one scan: they are a field map. One right before or after the map, of its voxels and
    its name, is proposed as its magnitude, for a person to decide.
    """
    telling = len({one.series.started for one in drafts}) > 1  # else anonymisation has set one time for all
    found: dict[int, Draft] = {}
    maps = [one for one in drafts if _is_lone_map(one, drafts)]
    for one in maps:
        near = _find_near(one, drafts)
        free = [other for other in drafts if id(other) not in found and _may_be_magnitude(other, one)]
        same = [other for other in free if telling and _is_one_scan(other, one)]
        rivals = [other for other in maps if other is not one and _is_one_scan(other, one)]
        if len(same) == 1 and not rivals:
            found[id(same[0])] = _name(same[0], one, STRONG)
            continue
        beside = [other for other in free if other.home in near and (other in same or _share_name(other, one))]
        if beside:
            found[id(beside[0])] = _doubt(beside[0], one)
            found[id(one)] = _doubt_map(one, beside[0])
    return [found.get(id(draft), draft) for draft in drafts]


def _is_lone_map(draft: Draft, drafts: Sequence[Draft]) -> bool:
    """Return whether an image is a map in Hz, and the only image of its series."""
    is_map = draft.to_convert and draft.finding.kind is Kind.FIELD_HZ and draft.suffix == "fieldmap"
    return is_map and sum(one.home == draft.home for one in drafts) == 1


def _find_near(draft: Draft, drafts: Sequence[Draft]) -> set[str]:
    """Return the series right before and right after that of an image; what is left out does not count."""
    order = list(dict.fromkeys(one.home for one in drafts if one.decision is not Decision.SKIP))
    at = order.index(draft.home)
    return {*order[max(0, at - 1) : at], *order[at + 1 : at + 2]}


def _may_be_magnitude(draft: Draft, field: Draft) -> bool:
    """Return whether nothing that headers tell speaks against an image being what a map was made of."""
    header, image = draft.image.header, draft.image
    free = draft.decision is not Decision.SKIP and draft.finding.kind in _PLAIN and not draft.exact
    if not free or draft.rule is not None or len(draft.series.images) > 1 or image.component != "magnitude":
        return False
    if not is_gradient(header) or is_prepared(header):
        return False
    return _place(draft) == _place(field) and all(_agree(draft, field, keyword) for keyword in _KEPT)


def _place(draft: Draft) -> Hashable:
    header, image = draft.image.header, draft.image
    spacing = (*header.numbers("PixelSpacing"), header.number("SliceThickness"))
    return draft.geometry, image.volumes, tuple(round(one, 1) for one in spacing)


def _agree(draft: Draft, field: Draft, keyword: str) -> bool:
    ours, theirs = draft.image.header.number(keyword), field.image.header.number(keyword)
    return not ours or not theirs or math.isclose(ours, theirs, rel_tol=_TOLERANCE)


def _is_one_scan(draft: Draft, field: Draft) -> bool:
    """Return whether two images are of one moment, as far as times tell; midnight is what anonymisation leaves."""
    started = draft.series.started
    return started == field.series.started and bool(started[8:].strip("0."))


def _share_name(draft: Draft, field: Draft) -> bool:
    """Return whether two series have one name, or are both called field maps.

    GE writes the name of the whole examination into ProtocolName.
    """
    ours, theirs = draft.series, field.series
    whole = find_maker(ours.header.text("Manufacturer")) == "GE"
    names = [
        {one.description.casefold(), "" if whole else one.protocol_name.casefold()} - {""} for one in (ours, theirs)
    ]
    return bool(names[0] & names[1]) or all("fmap" in hintwords.hinted(one) for one in (ours, theirs))


def _name(draft: Draft, field: Draft, confidence: float) -> Draft:
    """Return a draft as the magnitude of a map; both share all labels and their run."""
    said = f"the magnitude of series {field.series.number}, a field map in Hz of the same voxels"
    moment = f"{said} and the same moment" if confidence >= STRONG else said
    finding = Finding(Kind.FIELD_HZ, confidence, moment)
    named = replace(
        draft, finding=finding, decision=Decision.CONVERT, measurement=field.measurement, entities=field.entities,
        exact=field.exact, evidence=(),
    )  # fmt: skip
    return named.named("fmap", "magnitude", confidence, moment, draft.finding.because)


def _doubt(draft: Draft, field: Draft) -> Draft:
    where = f"it lies beside series {field.series.number}, a field map in Hz of its voxels and name that has no other"
    said = f"{where}: perhaps its magnitude, but no header says so; convert both if it is"
    return replace(_name(draft, field, FAIR), evidence=(draft.finding.because,)).decided(Decision.REVIEW, said)


def _doubt_map(field: Draft, magnitude: Draft) -> Draft:
    said = f"a field map without its magnitude images, unless series {magnitude.series.number} beside it is that"
    return field.decided(Decision.REVIEW, said)
