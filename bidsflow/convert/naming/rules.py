"""What a study specification says of an image: it goes before what protocols, physics and words say. Pure.

A rule that gives datatype and suffix gives the name in full, as a name after ReproIn does. One that gives less changes
only what it says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bidsflow.convert.naming import words
from bidsflow.convert.naming.decide import may_be
from bidsflow.convert.naming.draft import ENOUGH, GIVEN, Draft
from bidsflow.convert.plan import Decision
from bidsflow.convert.study.conditions import find_match
from bidsflow.convert.study.spec import Condition, Rule
from bidsflow.dicom.physics import Kind

#: Suffix that a datatype stands for where a rule names none and physics do not either.
_DEFAULT = {"func": "bold", "dwi": "dwi", "fmap": "epi"}
_RUNS = frozenset({"bold", "cbv", "dwi"})
#: Suffixes of maps whose names do not say so.
_MAPS = frozenset({"ADC", "FA", "colFA", "expADC", "trace", "UNIT1"})


def heed_rule(draft: Draft, rule: Rule | None) -> Draft:
    """Return a draft as a rule of the study wants it, before the session's other images are looked at."""
    if rule is None:
        return draft
    if rule.decision is not Decision.SKIP and _is_made_of_another(draft, rule):
        draft = draft.noted(f"{rule.because} gives the name of what it was made of")
        decision = rule.decision if rule.decision is Decision.REVIEW else None
        rule = replace(rule, decision=decision, datatype="", suffix="", entities={})
    draft = replace(draft, rule=rule)
    if rule.decision is Decision.SKIP:
        return draft.sure(max(ENOUGH, draft.confidence)).decided(Decision.SKIP, f"skipped by {rule.because}")
    if rule.datatype or rule.suffix:
        draft = _name(draft, rule)
    draft = _set_entities(draft, rule)
    return draft if rule.datatype or rule.suffix or not rule.entities else draft.noted(_tell(rule))


def _is_made_of_another(draft: Draft, rule: Rule) -> bool:
    """Return whether the scanner computed an image of a series of the same protocol, which the rule means to name.

    A rule that names a map, or that asks for something only this image has, means it.
    """
    run = rule.datatype in ("func", "dwi", "perf") or rule.suffix in _RUNS  # anatomy may be wanted as a reformat
    computed = draft.finding.kind is Kind.MAP or (run and draft.finding.kind is Kind.DERIVED)
    if not computed or not (rule.datatype or rule.suffix):
        return False
    if rule.suffix == draft.suffix or rule.suffix in _MAPS or rule.suffix.endswith("map"):
        return False
    return not any(_tells_apart(one, draft) for one in rule.match)


def _tells_apart(condition: Condition, draft: Draft) -> bool:
    """Return whether a condition asks for what the series of one protocol do not share."""
    if condition.field == "SeriesDescription":
        return find_match(replace(condition, field="ProtocolName"), draft.series.protocol_name) is None
    return condition.field in ("ImageType", "SiemensImageType", "kind", "component", "series_number")


def _tell(rule: Rule) -> str:
    said = ", ".join(f"{key}-{value}" if value else f"no {key}-" for key, value in rule.entities.items())
    return f"{said} by {rule.because}"


def _name(draft: Draft, rule: Rule) -> Draft:
    """Return a draft with the name that a rule gives; physics that contradict it are noted."""
    datatype, suffix = _complete(draft, rule)
    if not suffix:
        return draft.decided(
            Decision.REVIEW, f"{rule.because} gives the datatype {datatype}, and leaves its suffix open"
        )
    kind = draft.finding.kind
    against = "" if kind is Kind.UNKNOWN or may_be(draft, datatype, suffix) else f"by its physics it is {kind.value}"
    because = (f"named by {rule.because}", f"although {against}" if against else "")
    named = replace(draft, evidence=(), against=against).named(datatype, suffix, GIVEN, *filter(None, because))
    whole = bool(rule.datatype and rule.suffix)
    entities = () if whole else draft.entities
    exact = whole or draft.exact
    return replace(named.noted(*draft.evidence), decision=Decision.CONVERT, entities=entities, exact=exact)


def _complete(draft: Draft, rule: Rule) -> tuple[str, str]:
    """Return datatype and suffix with what the rule leaves to the evidence.

    One protocol measures a run and its single-band reference, so the name of a run stands for both.
    """
    suffix = rule.suffix
    if suffix in _RUNS and draft.image.volumes == 1 and words.is_reference(draft.series):
        suffix = "sbref"
    if rule.datatype and suffix:
        return rule.datatype, suffix
    if suffix:
        return draft.datatype, suffix
    own = draft.suffix if draft.datatype == rule.datatype else ""
    return rule.datatype, own or (_DEFAULT.get(rule.datatype, "") if draft.is_planar else "")


def _set_entities(draft: Draft, rule: Rule) -> Draft:
    for key, value in rule.entities.items():
        draft = draft.with_entity(key, value)
    return draft


def settle_ruled(drafts: list[Draft]) -> list[Draft]:
    """Convert what a rule says to convert, whatever the rest of the session says against it."""
    return [_settle(draft, draft.rule) if draft.rule is not None else draft for draft in drafts]


def _settle(draft: Draft, rule: Rule) -> Draft:
    """Return a draft that a rule converts; one without a name, or that would name the person, is for a person."""
    if rule.decision is not Decision.CONVERT or draft.to_convert:
        return draft
    if draft.datatype and draft.suffix:
        return draft.decided(Decision.CONVERT, f"converted by {rule.because}")
    return draft.decided(Decision.REVIEW, f"{rule.because} converts it, and nothing gives it a name")


def pin_entities(drafts: list[Draft]) -> list[Draft]:
    """Give images the labels of their rules again, which the steps before may have changed."""
    return [
        draft if draft.rule is None or not draft.to_convert else _set_entities(draft, draft.rule) for draft in drafts
    ]


def hold_reviewed(drafts: list[Draft]) -> list[Draft]:
    """Set before a person what a rule sets there, under the name that it would have, and references of such runs."""
    held = {one.series.uid for one in drafts if one.rule is not None and one.rule.decision is Decision.REVIEW}
    return [_hold(draft, held) for draft in drafts]


def _hold(draft: Draft, held: Collection[str]) -> Draft:
    if draft.rule is not None and draft.rule.decision is Decision.REVIEW:
        return draft.decided(Decision.REVIEW, f"set before a person by {draft.rule.because}")
    if draft.to_convert and draft.suffix == "sbref" and draft.measurement in held:
        return draft.decided(Decision.REVIEW, "its run is for a person to decide")
    return draft
