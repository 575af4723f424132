"""Scans that differ in one parameter and make a map together: BIDS' entity-linked file collections. Pure.

Source: BIDS, appendix "File collections" and "Quantitative MRI": MP2RAGE and IRT1 by inversion time, VFA by flip angle,
MTR, MTS and MPM by magnetization transfer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from itertools import pairwise

from bidsflow.convert.naming import hintwords
from bidsflow.convert.naming.agent import shows_agent
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.pulses import Pulses, find_pulses
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import (
    CERTAIN,
    FAIR,
    STRONG,
    Kind,
    echo_times,
    image_words,
    is_gradient,
    is_prepared,
    sequence_named,
    shows_transfer,
)

Drafts = list[Draft]

#: Kinds that one scan of a collection may look like by itself.
_INVERTED = frozenset({Kind.T1W, Kind.T2W, Kind.STIR, Kind.FLAIR, Kind.MP2RAGE, Kind.UNKNOWN})
_SPOILED = frozenset({Kind.T1W, Kind.PDW, Kind.T2STARW, Kind.MULTI_ECHO, Kind.TRANSFER, Kind.UNKNOWN})
#: From this many inversion times on, equal scans measure T1; two are an MP2RAGE, or two contrasts.
_MANY_TIMES = 3
#: The two readouts of an MP2RAGE take this long (ms) from inversion to inversion; an MPRAGE takes 3 s at most.
_LONG_CYCLE = 4000.0
#: Flip angles that measure T1 differ by this factor at least; smaller differences are two protocols.
_FLIP_FACTOR = 1.5
#: No scan that measures T1 by flip angles is flipped by more (degrees); 60 and 120 measure the transmit field.
_LARGEST_FLIP = 50.0
#: What words may call scans that differ in their flip angles.
_OTHERWISE = frozenset({
    "B1 map", "localizer", "calibration", "angiography", "perfusion", "water and fat", "magnetization transfer",
})  # fmt: skip
#: Repetition times that differ by less than this share are one.
_TOLERANCE = 0.1


def link_collections(drafts: Drafts) -> Drafts:
    """Name the images of collections by the entity that links them; doubt what may be one and is not whole."""
    return _link_transfer(_link_inversions(drafts))


def _link_inversions(drafts: Drafts) -> Drafts:
    groups: dict[Hashable, Drafts] = defaultdict(list)
    for draft in drafts:
        if _may_link(draft, _INVERTED) and _inversion(draft) > 0 and draft.suffix != "UNIT1":
            groups[_readout(draft)].append(draft)
    named: dict[int, Draft] = {}
    for members in groups.values():
        named |= {id(one): new for one, new in zip(members, _name_inversions(members, drafts), strict=True)}
    return [named.get(id(draft), draft) for draft in drafts]


def _may_link(draft: Draft, kinds: frozenset[Kind]) -> bool:
    if draft.decision is Decision.SKIP or draft.is_planar or draft.finding.kind not in kinds:
        return False
    return not draft.exact or draft.suffix in ("MP2RAGE", "IRT1", "VFA", "MTR", "MTS", "MPM")


def _inversion(draft: Draft) -> float:
    return draft.image.header.number("InversionTime") or draft.series.header.number("InversionTime")


def _readout(draft: Draft) -> Hashable:
    """Return what scans have in common that differ in preparation or excitation only."""
    header = draft.series.header
    same = (header.text("ScanningSequence"), header.text("MRAcquisitionType"), header.number("RepetitionTime"))
    return draft.geometry, *same, draft.image.echo_time


def _name_inversions(members: Sequence[Draft], drafts: Drafts) -> Drafts:
    times = sorted({_inversion(one) for one in members})
    if shown := _shows_two_inversions(members, drafts):
        return [_name_inversion(one, times, shown) for one in members]
    if len(times) < 2:
        return list(members)
    if len(times) >= _MANY_TIMES:
        said = f"one of {len(times)} otherwise equal scans with different inversion times ({_list(times)} ms)"
        return [_link(one, "IRT1", STRONG, (("inv", str(1 + times.index(_inversion(one)))),), said) for one in members]
    said = f"one of 2 otherwise equal scans with different inversion times ({_list(times)} ms), as in an MP2RAGE"
    return [_doubt(one, said) for one in members]


def _shows_two_inversions(members: Sequence[Draft], drafts: Drafts) -> str:
    """Return what shows that scans are the inversions of an MP2RAGE, ``""`` where nothing does.

    The product sequence of Siemens calls itself MPRAGE; its combined image, or the moment that both share, tells.
    """
    first = members[0]
    if first.series.header.text("MRAcquisitionType") != "3D":
        return ""
    for one in members:
        if name := sequence_named(one.series.header, r"mp2rage"):
            return f"its sequence is {name}"
        if found := {"INV1", "INV2"} & set(image_words(one.image.header)):
            return f"ImageType says {found.pop()}"
    if any(one.exact and one.suffix == "MP2RAGE" for one in members):
        return "the protocol calls it so"
    protocols = {one.series.protocol_name for one in members}
    for draft in drafts:
        if draft.suffix == "UNIT1" and draft.geometry == first.geometry and draft.series.protocol_name in protocols:
            return f"series {draft.series.number} is the combined image of an MP2RAGE (ImageType says UNI)"
    moments = {one.series.started for one in members}
    several = len({_inversion(one) for one in members}) == 2
    if several and len(moments) == len(protocols) == 1 and first.series.started and "MP2RAGE" in _names(first):
        return "both inversion times were measured at one moment"
    if all(_is_called_inversion(one) and _repetition(one) >= _LONG_CYCLE for one in members):
        return f"its words say so, and the next inversion comes after {_repetition(first):g} ms"
    return ""


def _names(draft: Draft) -> set[str]:
    return set(hintwords.look_alikes(draft.series))


def _is_called_inversion(draft: Draft) -> bool:
    return "MP2RAGE" in _names(draft) or bool(hintwords.inversion_number(draft.series))


def _name_inversion(draft: Draft, times: Sequence[float], shown: str) -> Draft:
    declared = next((word[-1] for word in ("INV1", "INV2") if word in image_words(draft.image.header)), "")
    typed = hintwords.inversion_number(draft.series)
    ranked = str(1 + times.index(_inversion(draft))) if len(times) == 2 else ""
    given = declared or draft.entity("inv") or ranked or typed
    said = f"an inversion of an MP2RAGE: {shown}"
    if not declared and (combined := hintwords.names_uniform(draft.series)):
        return _doubt(draft, f"its words call it what an MP2RAGE is combined to ({combined}), and ImageType does not")
    if ranked and typed not in ("", ranked):
        against = f"its words number it {typed}, and its inversion time is that of the other (of {_list(times)} ms)"
        return _doubt(draft.named("anat", "MP2RAGE", draft.confidence, said), against)
    if len(times) > 2 or not given:
        named = draft.named("anat", "MP2RAGE", draft.confidence, said)
        if len(times) > 1:
            return _doubt(named, f"an MP2RAGE has two inversion times, and these are {_list(times)} ms")
        return _doubt(named, f"nothing tells which of the two inversions of an MP2RAGE it is (TI {_list(times)} ms)")
    linked = _link(draft, "MP2RAGE", CERTAIN, (("inv", given),), said, f"TI {_inversion(draft):g} ms")
    header = draft.series.header
    if not header.number("TurboFactor") or not header.number("EchoSpacing"):
        lacking = "BIDS requires NumberShots and RepetitionTimeExcitation of it, and its header has not both"
        return linked.decided(Decision.REVIEW, lacking)
    return linked


def _link_transfer(drafts: Drafts) -> Drafts:
    groups: dict[Hashable, Drafts] = defaultdict(list)
    for draft in drafts:
        if _may_link(draft, _SPOILED) and _is_spoiled(draft):
            first = [round(time, 1) for time in _echo_times(draft)[:1]]  # none where anonymisation took it
            groups[draft.geometry, draft.series.header.text("MRAcquisitionType"), *first].append(draft)
    named: dict[int, Draft] = {}
    for members in groups.values():
        if len({one.series.uid for one in members}) > 1:
            named |= {id(one): new for one, new in zip(members, _name_excitations(members), strict=True)}
    return [named.get(id(draft), draft) for draft in drafts]


def _echo_times(draft: Draft) -> tuple[float, ...]:
    return tuple(echo_times(draft.series))


def _is_spoiled(draft: Draft) -> bool:
    header = draft.series.header
    return is_gradient(header) and not is_prepared(header) and header.number("FlipAngle") > 0


def _name_excitations(members: Sequence[Draft]) -> Drafts:
    """Return scans that differ in flip angle or in a magnetization transfer pulse, named by both.

    With the pulse there is time for fewer echoes: they need not be as many.
    """
    flips = sorted({_flip(one) for one in members})
    pulses = find_pulses(members)
    if pulses.series and (named := _name_pulsed(members, pulses)):
        return named
    if any(map(_is_pulsed, members)):
        return list(members)
    if len(flips) < 2 or len({one.series.uid for one in members}) < 2:
        return list(members)
    other = any(_OTHERWISE & _names(one) for one in members) or flips[-1] > _LARGEST_FLIP
    if not other and len({_echo_times(one) for one in members}) > 1:
        return _name_apart(members)
    said = f"one of {len(flips)} otherwise equal scans with different flip angles ({_list(flips)} degrees)"
    whole = members[0].series.header.text("MRAcquisitionType") == "3D" and _agree(members, _repetition)
    if other or not whole or any(after < _FLIP_FACTOR * before for before, after in pairwise(flips)):
        return [_doubt(one, f"{said}, which make a map") for one in members]
    return [_link(one, "VFA", STRONG, (("flip", str(1 + flips.index(_flip(one)))),), said) for one in members]


def _name_apart(members: Sequence[Draft]) -> Drafts:
    """Return scans named among those with the same echoes."""
    alike: dict[Hashable, Drafts] = defaultdict(list)
    for one in members:
        alike[_echo_times(one)].append(one)
    named: dict[int, Draft] = {}
    for group in alike.values():
        named |= {id(one): new for one, new in zip(group, _name_excitations(group), strict=True)}
    return [named[id(one)] for one in members]


def _name_pulsed(members: Sequence[Draft], pulses: Pulses) -> Drafts:
    """Return scans with and without a magnetization transfer pulse: a ratio, or a saturation with a third contrast.

    Empty where they are neither, or where more than the pulse tells them apart.
    """
    pulsed = {_flip(one) for one in members if one.series.uid in pulses.series}
    plain = {_flip(one) for one in members if one.series.uid not in pulses.series}
    compared = [one for one in members if _flip(one) in pulsed]
    if len({bool(shows_agent(one.series)) for one in members}) > 1 or not _agree(compared, _repetition):
        return []
    several = any(len(_echo_times(draft)) > 1 for draft in members)
    if len(pulsed) != 1 or not pulsed <= plain or (len(plain) == 1 and several) or len(plain) > 2:
        return []
    third, flips = len(plain) == 2, sorted(plain)
    suffix = "MTR" if not third else "MPM" if several else "MTS"
    said = "one of the scans with and without a magnetization transfer pulse"
    said += f", and of flip angles {_list(flips)} degrees" if third else ""
    named = []
    for one in members:
        pairs = [("mt", "on" if one.series.uid in pulses.series else "off")]
        pairs += [("flip", str(1 + flips.index(_flip(one))))] if third else []
        why = [said, pulses.because] if pulses.because else [said]
        named.append(_link(one, suffix, FAIR if pulses.because else STRONG, tuple(pairs), *why))
    return named


def _flip(draft: Draft) -> float:
    return draft.series.header.number("FlipAngle")


def _repetition(draft: Draft) -> float:
    return draft.series.header.number("RepetitionTime")


def _is_pulsed(draft: Draft) -> bool:
    return bool(shows_transfer(draft.series.header))


def _agree(members: Sequence[Draft], read: Callable[[Draft], float]) -> bool:
    values = [read(one) for one in members]
    return max(values) <= (1 + _TOLERANCE) * min(values)


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _link(draft: Draft, suffix: str, confidence: float, entities: tuple[tuple[str, str], ...], *because: str) -> Draft:
    """Return a draft as a member of a collection; the name that a protocol gives in full keeps what it says."""
    if draft.exact and draft.suffix != suffix:
        return draft
    converted = draft.decision is Decision.CONVERT or draft.finding.kind in (Kind.TRANSFER, Kind.MP2RAGE, Kind.UNKNOWN)
    linked = replace(draft, evidence=()) if not draft.exact else draft
    linked = linked.named("anat", suffix, confidence, *because, draft.finding.because)
    for key, value in entities:
        if not linked.entity(key):
            linked = linked.with_entity(key, value)
    if draft.image.volumes > 1:
        return linked.decided(Decision.REVIEW, f"it has {draft.image.volumes} volumes, as no {suffix} has")
    return replace(linked, decision=Decision.CONVERT) if converted else linked


def _doubt(draft: Draft, said: str) -> Draft:
    doubted = draft.to_convert and draft.finding.kind in (Kind.T1W, Kind.MULTI_ECHO)
    return draft.decided(Decision.REVIEW, said) if doubted else draft
