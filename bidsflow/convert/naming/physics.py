"""From the kind of a measurement to a datatype and a suffix, one image at a time. Pure."""

from __future__ import annotations

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import B_ZERO, Kind, is_declared_derived
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
    Kind.ANGIO: "angio",
}
_LATER = {
    Kind.ASL: "arterial spin labelling needs an aslcontext.tsv, which the images alone do not tell",
    Kind.MP2RAGE: "the images of an MP2RAGE belong together under inv- entities, which is for a person to confirm",
    Kind.OTHER_MODALITY: "images that are not MR are not converted yet",
    Kind.UNKNOWN: "too little evidence for a name",
}
#: Up to this many volumes an EPI may be one half of a field map; longer ones are runs.
FEW_VOLUMES = 10


def name_by_physics(draft: Draft) -> Draft:
    """Return a draft with what its physics say, before the session's other images are looked at."""
    finding = draft.finding
    if finding.kind in _SKIPPED:
        named = draft.named("", "", finding.confidence, finding.because)
        return named.decided(Decision.SKIP, f"{_SKIPPED[finding.kind]}")
    if finding.kind in _LATER:
        named = draft.named("", "", finding.confidence, finding.because)
        return named.decided(Decision.REVIEW, _LATER[finding.kind])
    if finding.kind in _ANATOMY:
        return _doubt_derived(draft.named("anat", _ANATOMY[finding.kind], finding.confidence, finding.because))
    if finding.kind is Kind.DIFFUSION:
        return _name_diffusion(draft)
    if finding.kind is Kind.FIELD_HZ:
        suffix = "magnitude" if draft.image.component == "magnitude" and len(draft.series.images) > 1 else "fieldmap"
        return draft.named("fmap", suffix, finding.confidence, finding.because)
    if finding.kind is Kind.FIELD_GRE:
        return _name_field(draft)
    return _name_epi(draft)


def _doubt_derived(draft: Draft) -> Draft:
    if not is_declared_derived(draft.image):
        return draft
    return draft.named(draft.datatype, draft.suffix, draft.confidence * 0.8, "ImageType begins with DERIVED")


def only_b_zero(image: Image) -> bool:
    """Return whether the b-values of an image are known, and none weights a volume."""
    return bool(image.b_values) and max(image.b_values) < B_ZERO


def _name_diffusion(draft: Draft) -> Draft:
    finding = draft.finding
    if draft.image.component != "magnitude":
        return draft.named("dwi", "dwi", 0.8, finding.because, f"its values are {draft.image.component}")
    if not draft.image.b_values:
        confidence = 0.75 if draft.image.volumes > FEW_VOLUMES else 0.5
        return draft.named("dwi", "dwi", confidence, finding.because, "its b-values are not in the headers")
    if only_b_zero(draft.image):
        return draft.named("fmap", "epi", 0.5, finding.because, "without a weighted volume (all b-values are 0)")
    return draft.named("dwi", "dwi", finding.confidence, finding.because)


def _name_field(draft: Draft) -> Draft:
    image, finding = draft.image, draft.finding
    if image.component == "phase":
        suffix = f"phase{image.echo}" if image.echo else "phasediff"
    elif image.component == "magnitude":
        suffix = f"magnitude{image.echo or 1}"
    else:
        return draft.named("", "", 0.3, finding.because).decided(
            Decision.REVIEW, f"the {image.component} part of a field map has no name in BIDS"
        )
    echo = f"echo {image.echo}" if image.echo else "one echo"
    return draft.named("fmap", suffix, finding.confidence, finding.because, f"{image.component}, {echo}")


def _name_epi(draft: Draft) -> Draft:
    finding, volumes = draft.finding, draft.image.volumes
    said = f"{volumes} volume{'s' if volumes != 1 else ''}"
    if finding.kind is Kind.GRADIENT_EPI:
        confidence = finding.confidence if volumes > FEW_VOLUMES else 0.5
        return draft.named("func", "bold", confidence, finding.because, said)
    if finding.kind is Kind.SPIN_EPI and volumes <= FEW_VOLUMES:
        return draft.named("fmap", "epi", 0.7, finding.because, said)
    if finding.kind is Kind.SPIN_EPI:
        return draft.named("func", "bold", 0.5, finding.because, said)
    return draft.named("func", "bold", 0.4, finding.because, said)
