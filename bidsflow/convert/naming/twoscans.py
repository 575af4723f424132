"""Gradient-echo field maps whose two echoes were scanned one after the other, each with its phase. Pure.

GE has no product sequence that measures both at once and keeps the phases: people scan a gradient echo twice, at two
echo times. By itself each is a gradient echo that could be anything; two of them, and the words, tell.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from bidsflow.convert.naming import hintwords
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import FAIR, STRONG, Finding, Kind, is_gradient, is_prepared

Drafts = list[Draft]

#: What one of the two scans looks like by itself.
_PLAIN = frozenset({Kind.T1W, Kind.T2STARW, Kind.PDW, Kind.UNKNOWN})
#: How far apart the two echoes may be, and how late the second (ms): as those of one series (`physics.rules`).
_CLOSEST, _FARTHEST, _LATEST = 0.4, 6.0, 13.0


def find_two_scans(drafts: Drafts) -> Drafts:
    """Name the magnitudes and phases of two scans of a gradient echo, at two echo times, that are called a field map.

    Two scans that nobody calls so, and one whose partner is not in the export, are proposed as what they may be.
    """
    scans: dict[Hashable, list[Drafts]] = defaultdict(list)
    for members in _by_series(drafts):
        if _may_be_scan(members):
            scans[_protocol(members[0])].append(members)
    found: dict[int, Draft] = {}
    for group in scans.values():
        for first, second in _pair(group):
            found |= _name_pair(first, second)
        for lone in group:
            if id(lone[0]) not in found and _is_called_so(lone) and _is_short(lone):
                found |= _propose(lone)
    return [found.get(id(draft), draft) for draft in drafts]


def _by_series(drafts: Drafts) -> list[Drafts]:
    series: dict[str, Drafts] = defaultdict(list)
    for draft in drafts:
        series[draft.series.uid].append(draft)
    return list(series.values())


def _may_be_scan(members: Drafts) -> bool:
    """Return whether a series is one echo of a gradient echo with its magnitude and its phase, and free to be named."""
    if any(one.exact or one.rule is not None or one.decision is Decision.SKIP for one in members):
        return False
    header, parts = members[0].series.header, sorted(one.image.component for one in members)
    if parts not in (["magnitude", "phase"], ["imaginary", "magnitude", "phase", "real"]):
        return False
    plain = all(one.finding.kind in _PLAIN and one.image.volumes == 1 and not one.image.echo for one in members)
    return plain and is_gradient(header) and not is_prepared(header) and _echo(members) > 0


def _protocol(draft: Draft) -> Hashable:
    """Return what two scans that differ in their echo time alone have in common."""
    header = draft.image.header
    spacing = (*header.numbers("PixelSpacing"), header.number("SliceThickness"))
    excited = (header.number("RepetitionTime"), header.number("FlipAngle"))
    return draft.geometry, tuple(round(one, 1) for one in (*spacing, *excited))


def _pair(scans: Sequence[Drafts]) -> list[tuple[Drafts, Drafts]]:
    """Return the scans two by two, in order of time, where there are two echo times in turn; none where it is not so.

    More echo times than two measure the decay, not the field.
    """
    times = sorted({round(_echo(members), 1) for members in scans})
    if len(times) != 2 or not _CLOSEST < times[1] - times[0] < _FARTHEST or times[1] >= _LATEST or len(scans) % 2:
        return []
    pairs = list(zip(scans[::2], scans[1::2], strict=True))
    return pairs if all(not math.isclose(_echo(one), _echo(two), abs_tol=0.1) for one, two in pairs) else []


def _echo(members: Drafts) -> float:
    return members[0].image.echo_time or members[0].series.header.number("EchoTime")


def _is_short(members: Drafts) -> bool:
    return _echo(members) < _LATEST


def _is_called_so(members: Drafts) -> bool:
    return "fmap" in hintwords.hinted(members[0].series)


def _name_pair(one: Drafts, two: Drafts) -> dict[int, Draft]:
    first, second = sorted((one, two), key=_echo)
    times = f"{_echo(first):g} and {_echo(second):g} ms"
    said = f"two scans of a gradient echo at two short echo times ({times}), each with its phase"
    called = _is_called_so(one) and _is_called_so(two)
    if not called and any(draft.finding.kind is not Kind.UNKNOWN for draft in (*one, *two)):
        return {}
    home, found = one[0].measurement, {}
    for rank, members in enumerate((first, second), 1):
        for draft in members if called else _list_parts(members):
            named = _name(draft, rank, said, STRONG if called else FAIR)
            if not called:
                named = named.decided(Decision.REVIEW, "perhaps a field map, but no words call it so")
            found[id(draft)] = replace(named, measurement=home)
    return found


def _name(draft: Draft, rank: int, said: str, confidence: float) -> Draft:
    """Return an image of the scan of one echo under its name; what its magnitude and phase hold already is left out."""
    part = draft.image.component
    finding = Finding(Kind.FIELD_GRE, confidence, said)
    free = replace(draft, finding=finding, decision=Decision.CONVERT, evidence=())
    if part not in ("magnitude", "phase"):
        known = f"the {part} part of a field map, whose magnitude and phase hold the same"
        return free.named("", "", confidence, said).decided(Decision.SKIP, known)
    where = hintwords.hint_source(draft.series)
    agreed = [f"the {where} agrees ({hint})"] if (hint := hintwords.hinted(draft.series).get("fmap")) else []
    return free.named("fmap", f"{part}{rank}", confidence, said, f"{part} of echo {rank}", *agreed)


def _propose(members: Drafts) -> dict[int, Draft]:
    said = f"one echo of a gradient echo ({_echo(members):g} ms) with its phase"
    lacking = "its words call it a field map, and no scan of another echo time with the same voxels is there"
    return {id(one): _name(one, 1, said, FAIR).decided(Decision.REVIEW, lacking) for one in _list_parts(members)}


def _list_parts(members: Drafts) -> Drafts:
    return [one for one in members if one.image.component in ("magnitude", "phase")]
