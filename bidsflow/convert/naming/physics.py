"""From the kind of a measurement to a datatype and a suffix, one image at a time. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from bidsflow.convert.naming.draft import DERIVED, Draft
from bidsflow.convert.naming.labelling import name_labelled
from bidsflow.convert.naming.modality import name_modality
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import (
    B_ZERO,
    FAIR,
    STRONG,
    WEAK,
    Kind,
    echo_times,
    field_in_hz,
    image_words,
    is_declared_derived,
    map_name,
    sequence_named,
    transmit_image,
)
from bidsflow.dicom.series import Image

_SKIPPED = {
    Kind.LOCALIZER: "a localizer",
    Kind.DERIVED: "derived from other images on the scanner",
    Kind.NAVIGATOR: "a navigator, which tracks the head during an anatomical scan",
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
    Kind.MULTI_ECHO: "MEGRE",
    Kind.MULTI_SPIN_ECHO: "MESE",
}
_LATER = {
    Kind.MP2RAGE: "an image of an MP2RAGE, and nothing tells which of its two inversions",
    Kind.PERFUSION: "perfusion, the passage of a contrast agent, which BIDS has no name for",
    Kind.TRANSFER: "a magnetization transfer pulse changes the contrast: part of a ratio or a map (MTR, MPM)",
    Kind.DIXON: "one of the images of water and fat, which BIDS does not tell apart",
    Kind.FLOW: "velocities by phase contrast, which BIDS has no name for",
    Kind.SWI: "a susceptibility-weighted image (magnitude times phase), which BIDS has no name for",
    Kind.UNKNOWN: "too little evidence for a name",
}
#: What localizers are called, and the slices that none of them has in one direction unless it is called so.
_LOCALIZERS = re.compile(r"loc(?!us)|scout|survey|pilot|plan|3.?pl|position|smart.?brain|aahead", re.IGNORECASE)
_SAYING = ("ImageType", "SequenceFile", "AcquisitionContrast")
_MANY_SLICES = 24
#: Spoiled gradient echoes with no more voxels than this in plane are often surveys (Philips' SmartBrain).
_COARSE = 128
#: The last echo (ms) of a gradient echo that measures T2* or susceptibility in a brain comes after this.
_LATE_ECHO = 12.0
#: A run of EPI that hides its echo (GE's research mode) is functional from this many volumes on, up to this echo time
#: (ms): diffusion has its gradients between excitation and echo, and needs longer.
_LONG = 30
_T2STAR_ECHO = 50.0
#: Up to this many volumes an EPI may be one half of a field map; longer ones are runs.
FEW_VOLUMES = 10


def name_by_physics(draft: Draft) -> Draft:
    """Return a draft with what its physics say, before the session's other images are looked at."""
    finding = draft.finding
    if finding.kind in _SKIPPED:
        named = draft.named("", "", finding.confidence, finding.because)
        if finding.kind is Kind.LOCALIZER and (slices := _count_stack(draft)):
            return named.decided(Decision.REVIEW, f"a localizer has few slices, and this has {slices} in one direction")
        return named.decided(Decision.SKIP, _SKIPPED[finding.kind])
    if finding.kind in _LATER and not _is_combined(draft):
        named = draft.named("", "", finding.confidence, finding.because)
        return named.decided(Decision.REVIEW, _LATER[finding.kind])
    if finding.kind in _ANATOMY:
        return _doubt_derived(_name_anatomy(draft))
    if finding.kind in _OWN_WAYS:
        return _OWN_WAYS[finding.kind](draft)
    return _doubt_derived(_name_epi(draft))


def _count_stack(draft: Draft) -> int:
    """Return the slices of the largest stack of a series that directions alone make a localizer, 0 where it is one.

    Stacks in several directions also come from clinical protocols, and from programs that put reformats together.
    """
    series, header = draft.series, draft.image.header
    said = (series.description, series.protocol_name, *map(header.text, _SAYING))
    if len({one.orientation for one in series.images}) < 2 or _LOCALIZERS.search(" ".join(said)):
        return 0
    most = max(image.matrix[2] for image in series.images)
    return most if most >= _MANY_SLICES else 0


def _is_combined(draft: Draft) -> bool:
    """Return whether an image is the one that Siemens combines of the two inversions of an MP2RAGE."""
    return draft.finding.kind is Kind.MP2RAGE and "UNI" in image_words(draft.image.header)


def _name_combined(draft: Draft) -> Draft:
    return _doubt_size(draft.named("anat", "UNIT1", draft.finding.confidence, draft.finding.because))


def _name_noise(draft: Draft) -> Draft:
    return draft.named("func", "noRF", draft.finding.confidence, draft.finding.because)


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
    if finding.kind is Kind.MULTI_ECHO and max(echo_times(draft.series), default=0.0) < _LATE_ECHO:
        named = named.sure(WEAK, f"no echo as late as {_LATE_ECHO:g} ms, as echoes that separate water and fat")
    return _doubt_size(named)


def _doubt_size(named: Draft) -> Draft:
    image = named.image
    if image.volumes > 1:
        return named.decided(Decision.REVIEW, f"it has {image.volumes} volumes, as no {named.suffix} has")
    if image.matrix[2] == 1:
        return named.decided(Decision.REVIEW, "it has one slice only")
    return named


def _name_map(draft: Draft) -> Draft:
    """Return a map of the scanner's under the name that BIDS has for it.

    The suffixes of relaxation times stand for seconds; scanners mostly write milliseconds, and do not say so.
    """
    datatype, suffix, _ = map_name(draft.image)
    units = "its values have the scanner's units, mostly ms, where BIDS means s" if datatype == "anat" else ""
    return draft.named(datatype, suffix, draft.finding.confidence, draft.finding.because, units)


def _name_transmit(draft: Draft) -> Draft:
    """Return an image of a transmit field map, where the two of a turbo FLASH or of ``rf_map`` are told apart."""
    finding, header = draft.finding, draft.series.header
    suffix = "TB1TFL" if sequence_named(header, r"tfl") else "TB1RFM" if sequence_named(header, r"rf_?map") else ""
    if not suffix:
        named = draft.named("", "", finding.confidence, finding.because)
        return named.decided(Decision.REVIEW, "a map of the transmit field: which of BIDS' TB1 methods is not said")
    which = transmit_image(draft.image)
    named = draft.named("fmap", suffix, finding.confidence, finding.because)
    if not which or draft.image.volumes > 1:
        said = "neither ImageType nor ImageComments tells the anatomical image from the map of flip angles"
        return named.decided(Decision.REVIEW, said if not which else f"it has {draft.image.volumes} volumes")
    said = "the map of flip angles" if which == "famp" else "the anatomical image"
    return named.with_entity("acq", which).noted(f"{said} of a transmit field map")


def only_b_zero(image: Image) -> bool:
    """Return whether the b-values of an image are known, and none weights a volume."""
    return bool(image.b_values) and max(image.b_values) < B_ZERO


def _name_diffusion(draft: Draft) -> Draft:
    finding, image = draft.finding, draft.image
    if image.component != "magnitude" and not only_b_zero(image):
        return draft.named("dwi", "dwi", FAIR, finding.because, f"its values are {image.component}")
    if not image.b_values:
        confidence = FAIR if image.volumes > FEW_VOLUMES else WEAK
        return draft.named("dwi", "dwi", confidence, finding.because, "its b-values are not in the headers")
    if only_b_zero(image):
        return draft.named("fmap", "epi", WEAK, finding.because, "without a weighted volume (all b-values are 0)")
    if shown := _shows_mean(draft):
        named = draft.named("dwi", "trace", finding.confidence, finding.because, shown)
        several = f"its {image.volumes} volumes hold means over directions, and no set of directions"
        return named if image.volumes == 1 else named.decided(Decision.REVIEW, several)
    named = draft.named("dwi", "dwi", finding.confidence, finding.because)
    if image.volumes == 1:
        return named.decided(Decision.REVIEW, "a single weighted volume is no diffusion series")
    return named


def _shows_mean(draft: Draft) -> str:
    """Return the clause that shows that all weighted volumes are means over directions, ``""`` where nothing shows it.

    Source: PS3.3 C.8.13.5.9 (Diffusion Directionality); Philips' conformance statements (2001,1004): I for isotropic.
    """
    headers = [one.header for one in draft.series.instances] or [draft.image.header]
    weighted = [one for one in headers if max(map(one.number, ("DiffusionBValue", "PhilipsBValue"))) >= B_ZERO]
    if weighted and all(one.text("DiffusionDirectionality") == "ISOTROPIC" for one in weighted):
        return "DiffusionDirectionality is ISOTROPIC"
    if weighted and all(one.text("PhilipsDiffusionDirection") == "I" for one in weighted):
        return "Philips' direction of diffusion is I (isotropic)"
    return ""


def _name_field_in_hz(draft: Draft) -> Draft:
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
    if finding.kind is Kind.EPI and volumes >= _LONG and 0 < draft.series.header.number("EchoTime") <= _T2STAR_ECHO:
        return draft.named("func", "bold", FAIR, finding.because, said)
    return draft.named("func", "bold", WEAK, finding.because, said)


#: Kinds whose name follows from more than the kind.
_OWN_WAYS: dict[Kind, Callable[[Draft], Draft]] = {
    Kind.ASL: name_labelled,
    Kind.OTHER_MODALITY: name_modality,
    Kind.MP2RAGE: _name_combined,
    Kind.DIFFUSION: lambda draft: _doubt_derived(_name_diffusion(draft)),
    Kind.MAP: _name_map,
    Kind.TRANSMIT: _name_transmit,
    Kind.NOISE: _name_noise,
    Kind.FIELD_HZ: _name_field_in_hz,
    Kind.FIELD_GRE: _name_field,
}
