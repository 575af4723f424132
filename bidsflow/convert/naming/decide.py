"""Weigh the evidence for one image: physics first, then words, then dcm2niix's guess. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bidsflow.convert.naming import words
from bidsflow.convert.naming.draft import ENOUGH, Draft
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.naming.physics import name_by_physics
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import Kind, classify
from bidsflow.dicom.series import Image, Series

#: Names that different evidence may give to one measurement without contradiction.
_KIN = (
    frozenset({("func", "bold"), ("func", "sbref"), ("fmap", "epi"), ("dwi", "sbref"), ("func", "cbv")}),
    frozenset({("dwi", "dwi"), ("dwi", "sbref"), ("fmap", "epi")}),
    frozenset(
        {("fmap", suffix) for suffix in ("", "magnitude1", "magnitude2", "phasediff", "phase1", "phase2", "fieldmap")}
    ),
)
_ANATOMY = frozenset({"T1w", "T2w", "FLAIR", "PDw", "T2starw", "T2star", "angio", "inplaneT1", "inplaneT2", "PDT2"})


def draft_image(series: Series, image: Image, rank: int, guesses: Mapping[str, Guess]) -> Draft:
    """Return what one image is, as far as it and its words tell.

    Parameters
    ----------
    series, image : Series, Image
        The image and the series that it belongs to.
    rank : int
        Rank of the image in its series, from 1.
    guesses : mapping of str to Guess
        dcm2niix's second opinion by SeriesInstanceUID, for the series that were put to it.
    """
    draft = name_by_physics(Draft(series, image, rank, classify(series, image)))
    if draft.decision is Decision.SKIP:
        return draft
    given = words.given_name(series)
    if given is not None:
        return _heed_given(draft, given)
    hints = words.hinted(series)
    if draft.finding.kind is Kind.UNKNOWN and "localizer" in hints:
        return draft.decided(Decision.SKIP, "its description calls it a localizer")
    draft = _heed_hints(draft, hints)
    if draft.to_convert and draft.confidence < ENOUGH and series.uid in guesses:
        draft = _heed_guess(draft, guesses[series.uid])
    return draft


def wants_opinion(draft: Draft) -> bool:
    """Return whether dcm2niix should be asked: an EPI that nothing else decides, or whose direction is unknown."""
    return draft.to_convert and bool(draft.datatype) and (draft.confidence < ENOUGH or draft.suffix == "epi")


def _heed_given(draft: Draft, given: words.Given) -> Draft:
    """Return a draft with the name that the protocol gives, unless the physics contradict it."""
    pair = (given.datatype, given.suffix or draft.suffix)
    if draft.decision is Decision.REVIEW and draft.finding.kind is not Kind.UNKNOWN:
        return draft.noted(f"the protocol calls it {given.text}")
    if not _compatible(draft, given):
        return draft.decided(
            Decision.REVIEW, f"the protocol calls it {given.text}, but it is a {draft.finding.kind.value} image"
        )
    if not pair[1]:
        return draft.decided(Decision.REVIEW, f"the protocol calls it {given.text}, which leaves its suffix open")
    agreed = draft.finding.kind is not Kind.UNKNOWN
    named = draft.named(*pair, 0.98 if agreed else 0.7, f"the protocol gives the name {given.text}")
    for key, value in given.entities:
        named = named.with_entity(key, value)
    if pair[0] == "func" and not named.entity("task"):
        label, because = words.task_label(draft.series)
        named = named.with_entity("task", label).noted(because)
    return _convert(named, exact=True)


def _compatible(draft: Draft, given: words.Given) -> bool:
    """Return whether the name of a protocol can be true of what was measured."""
    if not draft.datatype:
        return True
    if given.datatype == draft.datatype == "anat":
        return not given.suffix or given.suffix == draft.suffix or given.suffix not in _ANATOMY
    ours, theirs = (draft.datatype, draft.suffix), (given.datatype, given.suffix)
    if ours == theirs or (given.datatype == draft.datatype and not given.suffix):
        return True
    return any(ours in kin and theirs in kin for kin in _KIN)


def _convert(draft: Draft, *, exact: bool) -> Draft:
    return Draft(
        draft.series, draft.image, draft.rank, draft.finding, Decision.CONVERT, draft.datatype, draft.suffix,
        draft.entities, draft.confidence, draft.evidence, exact,
    )  # fmt: skip


def _heed_hints(draft: Draft, hints: frozenset[str]) -> Draft:
    """Return a draft a little surer where the words agree, a little less sure where they say something else."""
    own = "fmap" if draft.datatype == "fmap" else draft.suffix
    if not draft.to_convert or not hints:
        return draft
    if own in hints:
        raised = min(0.97, draft.confidence + 0.15)
        return draft.named(draft.datatype, draft.suffix, raised, "the description agrees")
    if draft.datatype == "anat" and hints & _ANATOMY:
        lowered = draft.confidence - 0.3
        return draft.named(draft.datatype, draft.suffix, lowered, f"the description says {'/'.join(sorted(hints))}")
    return draft


def _heed_guess(draft: Draft, guess: Guess) -> Draft:
    if (guess.datatype, guess.suffix) == (draft.datatype, draft.suffix):
        return draft.named(draft.datatype, draft.suffix, ENOUGH, "dcm2niix's guess agrees")
    if guess.suffix:
        return draft.noted(f"dcm2niix's guess is {guess.datatype}/{guess.suffix}")
    return draft
