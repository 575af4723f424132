"""Arterial spin labelling among the images of a session: runs, their M0 scans, and what headers leave open. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from bidsflow.convert.companions.aslcontext import GIVEN
from bidsflow.convert.companions.labelling import TOLD_BY_STUDY, describe_labelling, describe_m0
from bidsflow.convert.naming import hintwords, words
from bidsflow.convert.naming.draft import GIVEN_ONLY, Draft
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import FAIR, Kind, is_declared_derived, is_difference
from bidsflow.dicom.physics.sequence import image_words

Drafts = list[Draft]

#: Up to this many volumes a labelled series that is called M0 is one; with more it is a run that names its M0.
_MOST_M0 = 2
#: Kinds that readouts of labelled blood look like, where no header speaks of labelling (Philips classic).
_ALIKE = frozenset({Kind.PERFUSION, Kind.GRADIENT_EPI, Kind.SPIN_EPI, Kind.EPI, Kind.PDW, Kind.UNKNOWN})
_HOW = "a study specification can give them (aslcontext, sidecar)"


def name_labelled(draft: Draft, given: Mapping[str, object] = MappingProxyType({})) -> Draft:
    """Return a draft of labelled blood with its name; for review where BIDS requires what nothing tells.

    Parameters
    ----------
    draft : Draft
        An image of labelled blood.
    given : mapping
        What a study says of it, see `describe_labelling`.
    """
    finding, image, series = draft.finding, draft.image, draft.series
    told = describe_labelling(series, image, given)
    called = hintwords.names_m0(series) if not told.types and image.volumes <= _MOST_M0 else ""
    if called or set(told.types) == {"m0scan"}:
        why = f"the {words.source(series)} calls it M0 ({called})" if called else told.because
        named = draft.named("perf", "m0scan", finding.confidence, finding.because, why)
        if "RepetitionTimePreparation" in describe_m0(series, image, given):
            return named
        return named.decided(Decision.REVIEW, f"an M0 scan needs RepetitionTimePreparation: {_HOW}")
    named = draft.named("perf", "asl", finding.confidence, finding.because, told.because)
    if is_declared_derived(image) and GIVEN not in given and not is_difference(image):
        return named.decided(Decision.REVIEW, "ImageType begins with DERIVED, and says nothing of what was made")
    if not told.missing:
        return named
    said = f"arterial spin labelling, of which nothing tells {', '.join(told.missing)}: {_HOW}"
    return named.decided(Decision.REVIEW, said)


def heed_labelling_words(draft: Draft) -> Draft:
    """Return what only words call arterial spin labelling as that, for review: nothing tells what its volumes are."""
    called = hintwords.names_labelling(draft.series)
    if not called or draft.exact or draft.finding.kind not in _ALIKE or draft.decision is Decision.SKIP:
        return draft
    said = (
        f"the {words.source(draft.series)} says {called} (perfusion), and no header speaks of arterial spin labelling"
    )
    suffix = "m0scan" if hintwords.names_m0(draft.series) and draft.image.volumes <= _MOST_M0 else "asl"
    named = replace(draft, evidence=(draft.finding.because,)).named("perf", suffix, draft.confidence)
    return named.decided(Decision.REVIEW, f"{said}: aslcontext.tsv and its fields are missing, {_HOW}")


def heed_given_labels(draft: Draft, given: Mapping[str, object]) -> Draft:
    """Return a draft of labelled blood with what a study says of its volumes and fields; others as they are."""
    rule = draft.rule
    decided = rule is not None and (rule.decision not in (None, Decision.REVIEW) or rule.datatype or rule.suffix)
    if not given.keys() & TOLD_BY_STUDY or decided or draft.datatype != "perf" or draft.suffix not in ("asl", "m0scan"):
        return draft
    plain = replace(draft, decision=Decision.CONVERT, evidence=())
    named = name_labelled(plain, given)
    if not named.to_convert:
        return named
    because = (f"what the headers leave open is said by {draft.rule.because}",) if draft.rule is not None else ()
    return named.sure(max(named.confidence, GIVEN_ONLY), *because)


def doubt_lone_maps(drafts: Sequence[Draft]) -> Drafts:
    """Set maps of labelled blood before a person where the runs that they were made of are not in the export."""
    if any(one.finding.kind is Kind.ASL for one in drafts):
        return list(drafts)
    said = (
        "made of labelled blood on the scanner, and the run that it was made of is not in the export: BIDS has it as "
        f"asl, of the volume type deltam or cbf; {_HOW}"
    )
    return [
        draft.named("perf", "asl", FAIR).decided(Decision.REVIEW, said)
        if draft.decision is Decision.SKIP
        and draft.rule is None
        and draft.finding.kind is Kind.DERIVED
        and "ASL" in image_words(draft.image.header)
        else draft
        for draft in drafts
    ]


def settle_m0(drafts: Sequence[Draft]) -> Drafts:
    """Set M0 scans before a person that no run of labelled blood is there for: BIDS wants to know which they scale."""
    runs = any(one.to_convert and one.suffix == "asl" for one in drafts)
    lone = "an M0 scan without a run of arterial spin labelling that is converted"
    return [
        draft.decided(Decision.REVIEW, lone) if draft.to_convert and draft.suffix == "m0scan" and not runs else draft
        for draft in drafts
    ]
