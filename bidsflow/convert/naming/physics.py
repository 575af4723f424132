"""From the kind of a measurement to a datatype and a suffix, one image at a time. Pure."""

from __future__ import annotations

from bidsflow.convert.naming.draft import DERIVED, Draft
from bidsflow.convert.naming.labelling import name_labelled
from bidsflow.convert.naming.modality import name_modality
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import B_ZERO, FAIR, STRONG, WEAK, Kind, field_in_hz, is_declared_derived
from bidsflow.dicom.series import Image

_SKIPPED = {
    Kind.LOCALIZER: "a localizer",
    Kind.DERIVED: "derived from other images on the scanner",
    Kind.CAPTURE: "a screen capture, which may show a name",
}
_ANATOMY = {
    Kind.T1W: "T1w",
    Kind.T2W: "T2w",
    Kind.FLAIR: "FLAIR",
    Kind.PDW: "PDw",
    Kind.T2STARW: "T2starw",
    Kind.STIR: "T2w",
    Kind.ANGIO: "angio",
}
_LATER = {
    Kind.MP2RAGE: "the images of an MP2RAGE belong together under inv- entities, which is for a person to confirm",
    Kind.MULTI_ECHO: "echoes that make a map (MEGRE), or a field map: which of them is for a person to say",
    Kind.MULTI_SPIN_ECHO: "echoes that measure T2 (MESE), not one contrast: for a person to confirm",
    Kind.PERFUSION: "perfusion, the passage of a contrast agent, which BIDS has no name for",
    Kind.TRANSFER: "a magnetization transfer pulse changes the contrast: part of a ratio or a map (MTR, MPM)",
    Kind.DIXON: "one of the images of water and fat, which BIDS does not tell apart",
    Kind.FLOW: "velocities by phase contrast, which BIDS has no name for",
    Kind.SWI: "a susceptibility-weighted image (magnitude times phase), which BIDS has no name for",
    Kind.UNKNOWN: "too little evidence for a name",
}
#: Spoiled gradient echoes with no more voxels than this in plane are often surveys (Philips' SmartBrain).
_COARSE = 128
#: Up to this many volumes an EPI may be one half of a field map; longer ones are runs.
FEW_VOLUMES = 10


def name_by_physics(draft: Draft) -> Draft:
    """Return a draft with what its physics say, before the session's other images are looked at."""
    finding = draft.finding
    if finding.kind in _SKIPPED:
        named = draft.named("", "", finding.confidence, finding.because)
        return named.decided(Decision.SKIP, _SKIPPED[finding.kind])
    if finding.kind is Kind.ASL:
        return name_labelled(draft)
    if finding.kind is Kind.OTHER_MODALITY:
        return name_modality(draft)
    if finding.kind in _LATER:
        named = draft.named("", "", finding.confidence, finding.because)
        return named.decided(Decision.REVIEW, _LATER[finding.kind])
    if finding.kind in _ANATOMY:
        return _doubt_derived(_name_anatomy(draft))
    if finding.kind is Kind.DIFFUSION:
        return _doubt_derived(_name_diffusion(draft))
    if finding.kind is Kind.FIELD_HZ:
        return _name_map(draft)
    if finding.kind is Kind.FIELD_GRE:
        return _name_field(draft)
    return _doubt_derived(_name_epi(draft))


def _doubt_derived(draft: Draft) -> Draft:
    """Return a draft less sure where the scanner calls the image derived, which some call what they only filtered."""
    if not is_declared_derived(draft.image):
        return draft
    if draft.finding.kind is Kind.DIFFUSION:  # raw diffusion is never called so; traces and combined directions are
        return draft.decided(Decision.REVIEW, "ImageType begins with DERIVED, as a trace or a combination does")
    return draft.sure(draft.confidence * DERIVED, "ImageType begins with DERIVED")


def _name_anatomy(draft: Draft) -> Draft:
    finding, image = draft.finding, draft.image
    named = draft.named("anat", _ANATOMY[finding.kind], finding.confidence, finding.because)
    if finding.kind is Kind.STIR:  # BIDS has no suffix for it; at long echo times T2 prevails, and the label warns
        named = named.with_entity("acq", "STIR")
    if finding.kind is Kind.T1W and finding.confidence < STRONG and max(image.matrix[:2]) <= _COARSE:
        named = named.sure(WEAK, f"{image.matrix[0]} by {image.matrix[1]} voxels, as coarse as a survey")
    if image.volumes > 1:
        return named.decided(Decision.REVIEW, f"it has {image.volumes} volumes, as no {named.suffix} has")
    if image.matrix[2] == 1:
        return named.decided(Decision.REVIEW, "it has one slice only")
    return named


def only_b_zero(image: Image) -> bool:
    """Return whether the b-values of an image are known, and none weights a volume."""
    return bool(image.b_values) and max(image.b_values) < B_ZERO


def _name_diffusion(draft: Draft) -> Draft:
    finding, image = draft.finding, draft.image
    if image.component != "magnitude":
        return draft.named("dwi", "dwi", FAIR, finding.because, f"its values are {image.component}")
    if not image.b_values:
        confidence = FAIR if image.volumes > FEW_VOLUMES else WEAK
        return draft.named("dwi", "dwi", confidence, finding.because, "its b-values are not in the headers")
    if only_b_zero(image):
        return draft.named("fmap", "epi", WEAK, finding.because, "without a weighted volume (all b-values are 0)")
    named = draft.named("dwi", "dwi", finding.confidence, finding.because)
    if image.volumes == 1:
        return named.decided(Decision.REVIEW, "a single weighted volume is no diffusion series")
    return named


def _name_map(draft: Draft) -> Draft:
    image, finding = draft.image, draft.finding
    if field_in_hz(image):
        return draft.named("fmap", "fieldmap", finding.confidence, finding.because)
    if image.component == "magnitude":
        return draft.named("fmap", "magnitude", finding.confidence, finding.because)
    return _name_nothing(draft)


def _name_nothing(draft: Draft) -> Draft:
    named = draft.named("", "", 0.0, draft.finding.because)
    return named.decided(Decision.REVIEW, f"the {draft.image.component} part of a field map has no name in BIDS")


def _name_field(draft: Draft) -> Draft:
    image, finding = draft.image, draft.finding
    if image.component == "phase":
        suffix = f"phase{image.echo}" if image.echo else "phasediff"
    elif image.component == "magnitude":
        suffix = f"magnitude{image.echo or 1}"
    else:
        return _name_nothing(draft)
    said = f"{image.component} of echo {image.echo}" if image.echo else image.component
    return draft.named("fmap", suffix, finding.confidence, finding.because, said)


def _name_epi(draft: Draft) -> Draft:
    finding, volumes = draft.finding, draft.image.volumes
    said = f"{volumes} volume{'s' if volumes != 1 else ''}"
    few = volumes <= FEW_VOLUMES
    if finding.kind is Kind.GRADIENT_EPI:
        return draft.named("func", "bold", WEAK if few else finding.confidence, finding.because, said)
    if finding.kind is Kind.SPIN_EPI and few:
        return draft.named("fmap", "epi", FAIR, finding.because, said)
    return draft.named("func", "bold", WEAK, finding.because, said)
