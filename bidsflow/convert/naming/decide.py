"""Weigh the evidence for one image: physics first, then words, then dcm2niix's guess. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bidsflow.convert.naming import hintwords, reproin, words
from bidsflow.convert.naming.draft import AGREEMENT, CONTRADICTION, ENOUGH, GIVEN, GIVEN_ONLY, Draft
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.naming.labelling import heed_labelling_words
from bidsflow.convert.naming.physics import FEW_VOLUMES, name_by_physics
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import FAIR, WEAK, Kind, classify, find_contradiction, phase_encoding
from bidsflow.dicom.physics.sequence import is_gradient, is_prepared
from bidsflow.dicom.series import Image, Series
from bidsflow.dicom.tags import find_maker
from bidsflow.names import order_entities

_PLANAR = frozenset({("func", "bold"), ("func", "sbref"), ("func", "cbv"), ("fmap", "epi"), ("dwi", "sbref")})
#: Names that a protocol may give to what is read out by EPI.
_MAY_BE = {
    Kind.GRADIENT_EPI: _PLANAR,
    Kind.SPIN_EPI: _PLANAR | {("dwi", "dwi")},
    Kind.EPI: _PLANAR | {("dwi", "dwi")},
    Kind.DIFFUSION: frozenset({("dwi", "dwi"), ("dwi", "sbref"), ("fmap", "epi")}),
}
#: Kinds that EPI with diffusion weighting has where the headers say nothing of it.
_UNTOLD = frozenset({Kind.SPIN_EPI, Kind.EPI})
#: Suffixes that claim a contrast, which the physics then must show.
_CONTRASTS = frozenset({"T1w", "T2w", "FLAIR", "PDw", "T2starw", "T2star", "angio", "inplaneT1", "inplaneT2"})
#: Kinds that only a protocol that gives a full name can name.
_NAMED_BY_PROTOCOL = frozenset({
    Kind.UNKNOWN, Kind.MP2RAGE, Kind.MULTI_ECHO, Kind.MULTI_SPIN_ECHO, Kind.TRANSFER, Kind.DIXON, Kind.SWI,
})  # fmt: skip
#: Kinds of which one protocol makes several images, with one name for all: the scanner says which is which.
_BY_SCANNER = frozenset({Kind.MAP, Kind.NOISE, Kind.TRANSMIT})
#: Words for contrasts that agree with a suffix besides its own: most people call a FLAIR a T2, a time of flight a T1.
_KIN = {
    "FLAIR": {"T2w"}, "T2starw": {"T2w"}, "angio": {"T1w"}, "MEGRE": {"T2starw", "T2w"}, "MESE": {"T2w"},
    "UNIT1": {"T1w"},
}  # fmt: skip
#: What words may say that a suffix is, and is not.
_MISTAKEN = {
    "bold": {"perfusion"},
    "epi": {"a map of diffusion"},
    "T1w": {
        "localizer", "calibration", "perfusion", "angiography", "MP2RAGE", "magnetization transfer", "B1 map",
        "water and fat", "nulled white matter", "magnetization of amides",
    },
    "T2w": {
        "localizer", "calibration", "perfusion", "magnetization transfer", "double inversion",
        "magnetization of amides",
    },
    "PDw": {"localizer", "calibration", "perfusion", "magnetization transfer", "magnetization of amides"},
    "FLAIR": {"double inversion"},
    "T2starw": {"perfusion", "localizer", "calibration"},
}  # fmt: skip
#: Navigators are excited by no more than this (degrees); those of MGH by 2.
_NAVIGATOR_FLIP = 5.0
#: Navigators have no more voxels than this along any axis; those of MGH 32.
_NAVIGATOR_MATRIX = 64
#: Time of flight: echo times (ms) up to the first, repetition times (ms) between the second, flip angles (degrees) from
#: the last (Bernstein, chapter 15.3, wider for 7 T and for slices one by one).
_INFLOW_TE, _INFLOW_TR, _INFLOW_FLIP = 10.0, (12.0, 60.0), 10.0
#: What is left out where its physics say little and its words say so.
_LEFT_OUT = ("localizer", "calibration")


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
    draft = Draft(series, image, rank, classify(series, image))
    draft = name_by_physics(replace(draft, measurement=draft.home))
    draft = _heed_navigator_words(draft)
    if draft.decision is Decision.SKIP:
        return draft
    given = reproin.given_name(series)
    if given is not None:
        return _heed_given(draft, given)
    draft = heed_labelling_words(_heed_look_alikes(_heed_hints(draft)))
    if draft.to_convert and draft.confidence < ENOUGH and series.uid in guesses:
        draft = _heed_guess(draft, guesses[series.uid])
    return draft


def _heed_navigator_words(draft: Draft) -> Draft:
    """Leave out an EPI that its words and its small flip angle show to be a navigator; doubt one without a flip angle.

    People navigate in tasks, too.
    """
    said = hintwords.names_navigator(draft.series)
    if not said or draft.suffix != "bold" or not draft.to_convert or not _may_be_navigator(draft):
        return draft
    flip, where = draft.series.header.number("FlipAngle"), words.source(draft.series)
    if flip <= 0:
        doubt = f"the {where} says {said}, as navigators of anatomical scans are called"
        return replace(draft.decided(Decision.REVIEW, doubt), datatype="", suffix="")
    clause = f"the {where} says {said}, and its flip angle is {flip:g} degrees"
    skipped = draft.sure(FAIR, clause).decided(Decision.SKIP, "a navigator, which tracks the head")
    return replace(skipped, datatype="", suffix="")


def _may_be_navigator(draft: Draft) -> bool:
    """Return whether an EPI is as navigators are: a small volume, excited so little that the anatomy hardly changes."""
    header = draft.series.header
    volume = header.text("MRAcquisitionType") != "2D" and max(draft.image.matrix) <= _NAVIGATOR_MATRIX
    return volume and header.number("FlipAngle") <= _NAVIGATOR_FLIP


def wants_name(draft: Draft) -> bool:
    """Return whether dcm2niix should be asked what an image is, as nothing else decides."""
    return draft.to_convert and bool(draft.datatype) and draft.confidence < ENOUGH


def wants_direction(draft: Draft) -> bool:
    """Return whether dcm2niix should be asked where phase encoding runs to, as it may know what we do not.

    GE hides the polarity of phase encoding where dcm2niix finds it; Philips does not tell anyone.
    """
    header = draft.series.header
    told = draft.suffix == "epi" or (draft.datatype == "dwi" and find_maker(header.text("Manufacturer")) == "GE")
    return draft.to_convert and told and not phase_encoding(header)


def _heed_given(draft: Draft, given: reproin.Given) -> Draft:
    """Return a draft with the name that the protocol gives, unless the physics contradict it."""
    said = f"the protocol calls it {given.text}"
    if given.suffix in ("scout", "localizer"):
        return draft.sure(max(GIVEN_ONLY, draft.confidence)).decided(Decision.SKIP, said)
    if draft.decision is Decision.REVIEW and draft.finding.kind not in _NAMED_BY_PROTOCOL:
        return draft.noted(said)
    suffix = _suffix_of(draft, given)
    if not suffix:
        return draft.decided(Decision.REVIEW, f"{said}, which leaves its suffix open")
    if not may_be(draft, given.datatype, suffix):
        kind = draft.finding.kind.value
        return draft.decided(Decision.REVIEW, f"{said}, but by its physics it is {kind}")
    if suffix in ("bold", "cbv") and draft.image.volumes == 1:
        single = replace(draft, datatype="func", suffix="sbref", entities=given.entities)
        return single.decided(Decision.REVIEW, f"{said}, but it has one volume")
    known = bool(draft.datatype)
    named = draft.named(
        given.datatype, suffix, GIVEN if known else GIVEN_ONLY, f"the protocol gives the name {given.text}"
    )
    which = [("acq", draft.entity("acq"))] if draft.finding.kind is Kind.TRANSMIT and draft.entity("acq") else []
    own = [pair for pair in which if pair[0] not in dict(given.entities)]
    entities = order_entities((*given.entities, *own))
    decision = draft.decision if draft.finding.kind in _BY_SCANNER else Decision.CONVERT
    named = replace(named, decision=decision, exact=True, entities=entities)
    if draft.is_planar and (against := find_contradiction(named.entity("dir"), draft.series.header)):
        return named.decided(Decision.REVIEW, f"{said}, but by the header its phase encoding runs {against}")
    return named


def _suffix_of(draft: Draft, given: reproin.Given) -> str:
    """Return the suffix that a given name has or leaves to physics.

    Magnitudes and phases of a field map share one protocol and so one name, as runs and maps that are made of them do;
    only physics tell them apart.
    """
    if draft.finding.kind in (Kind.FIELD_GRE, Kind.FIELD_HZ) and given.datatype == "fmap":
        return draft.suffix
    if draft.finding.kind in _BY_SCANNER or draft.suffix == "UNIT1":
        return draft.suffix
    if given.suffix == "bold" and words.is_reference(draft.series):
        return "sbref"
    if given.suffix == "dwi" and words.is_reference(draft.series):
        return "sbref"
    if given.suffix:
        return given.suffix
    if given.datatype == "fmap" and draft.is_planar:
        return "epi"
    return draft.suffix if given.datatype == draft.datatype else ""


def may_be(draft: Draft, datatype: str, suffix: str) -> bool:
    """Return whether the name of a protocol can be true of what was measured."""
    kind = draft.finding.kind
    if kind in _NAMED_BY_PROTOCOL:
        return kind is Kind.UNKNOWN or (datatype == "anat" and suffix not in _CONTRASTS)
    if kind in _MAY_BE:
        return (datatype, suffix) in _MAY_BE[kind]
    if datatype != draft.datatype:
        return False
    return suffix == draft.suffix or suffix not in _CONTRASTS or draft.finding.confidence < FAIR


def _heed_hints(draft: Draft) -> Draft:
    """Return a draft a little surer where the words agree, less sure where they name another contrast."""
    if draft.finding.kind in _BY_SCANNER:
        return draft
    hints, where = hintwords.hinted(draft.series), hintwords.hint_source(draft.series)
    own = "fmap" if draft.datatype == "fmap" else draft.suffix
    if own == "bold" and "fmap" in hints and draft.image.volumes <= FEW_VOLUMES:
        return draft.named("fmap", "epi", FAIR, f"the {where} says ({hints['fmap']})")
    if own == "bold" and "dwi" in hints and "bold" not in hints and draft.finding.kind in _UNTOLD:
        return _name_stripped(draft, f"the {where} says {hints['dwi']}")
    if own in hints:
        return draft.sure(min(GIVEN, draft.confidence + AGREEMENT), f"the {where} agrees ({hints[own]})")
    others = [f"{text} ({name})" for name, text in hints.items() if name in _CONTRASTS - _KIN.get(own, set())]
    if draft.datatype == "anat" and others:
        return draft.sure(draft.confidence - CONTRADICTION, f"the {where} says {' and '.join(others)}")
    return draft


def _name_stripped(draft: Draft, said: str) -> Draft:
    """Return a run that its words alone call diffusion: without its b-values nobody can use it as such."""
    lost = "no b-values are in its headers (were private elements removed?): convert it from headers that have them"
    return draft.named("dwi", "dwi", WEAK, draft.finding.because, said).decided(Decision.REVIEW, f"{said}, and {lost}")


def _heed_look_alikes(draft: Draft) -> Draft:
    """Leave out, or doubt, what the words call something that looks alike."""
    found, where = hintwords.look_alikes(draft.series), words.source(draft.series)
    left = next((name for name in found if name in _LEFT_OUT), "")
    if left and (draft.finding.kind is Kind.UNKNOWN or (draft.datatype == "anat" and draft.finding.confidence < FAIR)):
        said = f"the {where} calls it a {left} ({found[left]})"
        skipped = draft.sure(max(ENOUGH, draft.confidence)).decided(Decision.SKIP, said)
        return replace(skipped, datatype="", suffix="")
    if "angiography" in found and _may_be_inflow(draft):
        return draft.named("anat", "angio", FAIR, draft.finding.because, f"the {where} says {found['angiography']}")
    for name, text in found.items():
        if name in _MISTAKEN.get(draft.suffix, ()) and draft.to_convert:
            doubted = draft.sure(draft.confidence - CONTRADICTION, f"the {where} says {text} ({name})")
            return _doubt_perfusion(doubted) if name == "perfusion" else doubted
    return draft


def _may_be_inflow(draft: Draft) -> bool:
    """Return whether a T1-weighted gradient echo is one that shows inflowing blood, if its words say so.

    Only names of sequences and private flags tell time of flight from other spoiled gradient echoes. It is not
    prepared, slow enough for blood to flow in (angiography of a contrast agent is faster), and its echo is short.
    """
    header = draft.series.header
    if draft.suffix != "T1w" or not is_gradient(header) or is_prepared(header):
        return False
    te, tr = draft.image.echo_time or header.number("EchoTime"), header.number("RepetitionTime")
    return 0 < te <= _INFLOW_TE and _INFLOW_TR[0] <= tr <= _INFLOW_TR[1] and header.number("FlipAngle") >= _INFLOW_FLIP


def _doubt_perfusion(draft: Draft) -> Draft:
    """Set a run that its words call perfusion before a person, unless they call it functional as well.

    By its physics it may be either; dcm2niix, which looks at the same physics, is no second witness.
    """
    if draft.suffix != "bold" or draft.confidence >= ENOUGH:
        return draft
    said = "its words call it perfusion (DSC, or labelled blood), which an EPI with many volumes may be as well as BOLD"
    return draft.decided(Decision.REVIEW, said)


def _heed_guess(draft: Draft, guess: Guess) -> Draft:
    if (guess.datatype, guess.suffix) == (draft.datatype, draft.suffix):
        return draft.sure(ENOUGH, "dcm2niix's guess agrees")
    if guess.suffix:
        return draft.noted(f"dcm2niix's guess is {guess.datatype}/{guess.suffix}")
    return draft
