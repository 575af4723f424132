"""How blood was labelled: the fields of a sidecar that headers tell, and those that BIDS requires besides.

dcm2niix takes the labelling duration (0018,9258) for the delay, writes a preparation time in milliseconds and counts
images as pairs (v1.0.20260724); what it says of these is left out, and stands here or is missing.

Sources: BIDS schema, ``rules.sidecars.asl``; DICOM PS3.3 C.8.13.5.14; GE's notes in dcm2niix (``GE/README.md``);
delays of Siemens XA (dcm2niix, issue 748) and of UIH (issue 919); ``sAsl.ulSuppressionMode`` of Siemens' own sequences
is 1 where nothing is suppressed, as in every protocol that labels nothing. ``sAsl.ulMode`` is Siemens' ``AslMode``: 1
none, 2 PICORE Q2TIPS, 4 FAIR QUIPSS II, 8 PICORE QUIPSS II, 16 CASL, 32 pCASL (1 and 32: dcm_qa_xa30). What ``alTI``
means: ExploreASL, ``xASL_bids_PhoenixProtocolAnalyzer.m`` (VB15A to VE11C). GE's own 3D sequence always suppresses the
background, by four pulses: asl001 of bids-examples (DV24), ``ge_asl_base.py`` of OSIPI's pyaslreport. Philips'
RepetitionTime is that of a preparation where a scan has one phase (dcm_qa_philips_asl: 4550 ms of 20x, as its exam card
has it), and that of a readout where it has several (250 ms of 30x).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bidsflow.convert.companions.aslcontext import GIVEN, find_fault, read_context, tell_volumes
from bidsflow.convert.companions.voxels import note_bright_labels
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import sequence_maker
from bidsflow.dicom.series import Image, Series

Fields = dict[str, object]

#: Fields that dcm2niix writes wrongly for some sequences, and that are ours to write.
OWN_FIELDS = frozenset({
    "BackgroundSuppression", "LabelingDuration", "M0Type", "PostLabelingDelay", "PostLabelDelay",
    "RepetitionTimePreparation", "TotalAcquiredPairs",
})  # fmt: skip
_KINDS = {"CONTINUOUS": "CASL", "PSEUDOCONTINUOUS": "PCASL", "PULSED": "PASL"}
#: Siemens' own sequences, whose protocol means what `sAsl` says; research sequences keep theirs elsewhere.
_PRODUCT = re.compile(r"(?:ep2d|tgse)_p?asl")
_MODES = {2: "PASL", 4: "PASL", 8: "PASL", 16: "CASL", 32: "PCASL"}
#: Modes that saturate once behind the bolus, and the one that does so for a while.
_QUIPSS, _Q2TIPS = (4, 8), 2
#: GE's own sequence, whose background is always suppressed.
_GE_PRODUCT = "3dasl"
_REQUIRED = (
    "ArterialSpinLabelingType", "PostLabelingDelay", "BackgroundSuppression", "TotalAcquiredPairs",
    "RepetitionTimePreparation",
)  # fmt: skip
_WITH_PULSES = ("CASL", "PCASL")
_OF_BOLUS = ("BolusCutOffFlag", "BolusCutOffDelayTime", "BolusCutOffTechnique")
#: What a study may say of labelled blood so that nothing is missing.
TOLD_BY_STUDY = frozenset({GIVEN, *_REQUIRED, "LabelingDuration", *_OF_BOLUS})
_YES_NO = {"YES": True, "NO": False}


@dataclass(frozen=True, slots=True)
class Labelling:
    """What is known of an image of labelled blood.

    Attributes
    ----------
    types : tuple of str
        What each volume is, for its ``_aslcontext.tsv``; empty where unknown.
    fields : mapping
        Fields of its sidecar, but for M0Type where the M0 is another image.
    missing : tuple of str
        What BIDS requires besides, and nothing tells.
    because : str
        A clause on the volumes.
    """

    types: tuple[str, ...]
    fields: Mapping[str, object] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    because: str = ""


def describe_labelling(
    series: Series, image: Image, given: Mapping[str, object] = MappingProxyType({}), seen: Sequence[str] = ()
) -> Labelling:
    """Return what headers, and a study, tell of the labelling of an image.

    Parameters
    ----------
    series, image : Series, Image
        The image and the series that it belongs to.
    given : mapping
        Fields of the sidecar as a study gives them, and under `aslcontext.GIVEN` what each volume is. They go before
        what the headers say.
    seen : sequence of str
        What its volumes are in the order that they have in the image, where it is made (`aslcontext.see_types`).
    """
    context = read_context(series, image)
    types, fault = _take_types(given, image)
    told = types or tuple(seen) or context.types
    kind = str(given.get("ArterialSpinLabelingType", "")) or _find_kind(series)
    known = {**_read_fields(series, image, told, kind), **_leave_types(given)}
    table = () if told and not fault else (f"aslcontext.tsv ({fault})" if fault else "aslcontext.tsv",)
    because = "the study says what its volumes are" if types else context.because
    if types and context.types not in ((), types):
        because = f"{because}, although {context.because}"
    if "BackgroundSuppression" not in given and _is_of_ge(series.header) and "deltam" in told:
        because = f"{because}; GE's own {_GE_PRODUCT} always suppresses the background"
    return Labelling(told, known, (*table, *_list_missing(known)), because)


def check_table(labelling: Labelling, seen: Sequence[str], nifti: Path) -> tuple[str, ...]:
    """Return what a person should know of the volume types of an image, a clause each.

    Parameters
    ----------
    labelling : Labelling
        What will be written.
    seen : sequence of str
        What its volumes are by their voxels and headers; empty where that is not known.
    nifti : Path
        The image, uncompressed.
    """
    notes = []
    if seen and tuple(seen) != labelling.types:
        notes.append("its aslcontext.tsv is as the study says, and its headers say other types of the same voxels")
    if labelling.fields.get("BackgroundSuppression") is False:
        notes.append(note_bright_labels(nifti, labelling.types))
    return tuple(filter(None, notes))


def describe_m0(series: Series, image: Image, given: Mapping[str, object] = MappingProxyType({})) -> Fields:
    """Return the fields of a calibration scan that headers and a study tell."""
    seconds = image.header.number("RepetitionTime") / 1000
    found: Fields = {"RepetitionTimePreparation": seconds} if _prepares_once(series) and seconds > 0 else {}
    return {**found, **_leave_types(given)}


def _take_types(given: Mapping[str, object], image: Image) -> tuple[tuple[str, ...], str]:
    """Return the volume types that a study gives, and what is wrong with them."""
    value = given.get(GIVEN)
    types = tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()
    fault = find_fault(types, image.volumes) if types else ""
    return ((), fault) if fault else (types, "")


def _leave_types(given: Mapping[str, object]) -> Fields:
    return {key: value for key, value in given.items() if key != GIVEN}


def _list_missing(known: Mapping[str, object]) -> tuple[str, ...]:
    kind = known.get("ArterialSpinLabelingType")
    needed = [*_REQUIRED]
    if kind in _WITH_PULSES:
        needed.append("LabelingDuration")
    if kind == "PASL":
        needed += _OF_BOLUS if known.get("BolusCutOffFlag") is True else _OF_BOLUS[:1]
    return tuple(name for name in needed if name not in known)


def _read_fields(series: Series, image: Image, types: Sequence[str], kind: str) -> Fields:
    own = image.header
    found: Fields = {**describe_m0(series, image), **_count_pairs(series, types)}
    if kind:
        found["ArterialSpinLabelingType"] = kind
        found |= _read_bolus(series, image) if kind == "PASL" else _read_train(series, image)
    if "m0scan" in types:
        found["M0Type"] = "Included"
    delays = _read_delays(series, image, types, kind)
    if delays is not None:
        found["PostLabelingDelay"] = delays
    suppressed = _is_suppressed(series, types)
    if suppressed is not None:
        found["BackgroundSuppression"] = suppressed
    if own.text("ASLCrusherFlag") in _YES_NO:
        found["VascularCrushing"] = _YES_NO[own.text("ASLCrusherFlag")]
        if found["VascularCrushing"] and own.number("ASLCrusherFlowLimit") > 0:
            found["VascularCrushingVENC"] = own.number("ASLCrusherFlowLimit")
    return found


def _find_kind(series: Series) -> str:
    """Return how blood was labelled; ``""`` where nothing tells."""
    header = series.header
    if kind := _KINDS.get(header.text("ArterialSpinLabelingContrast").upper(), ""):
        return kind
    # GE calls the pass that labels nothing continuous
    told = {_KINDS.get(one.header.text("GeAslContrast").upper(), "") for one in series.instances} - {"", "CASL"}
    if len(told) == 1:
        return told.pop()
    file = header.text("SequenceFile").lower() if sequence_maker(header) == "SIEMENS" else ""
    named = "PCASL" if "pcasl" in file else "PASL" if "pasl" in file else ""
    return named or (_MODES.get(header.integer("LabelMode"), "") if _is_product(header) else "")


def _is_product(header: Header) -> bool:
    return _PRODUCT.fullmatch(header.text("SequenceFile").lower()) is not None


def _is_suppressed(series: Series, types: Sequence[str]) -> bool | None:
    """Return whether the background is suppressed; None where nothing tells."""
    header = series.header
    if header.text("LabelSuppressed") == "YES":
        return True
    mode = header.integer("LabelSuppression")
    if mode > 0 and _is_product(header):
        return mode > 1
    return True if _is_of_ge(header) and "deltam" in types else None


def _is_of_ge(header: Header) -> bool:
    return sequence_maker(header) == "GE" and header.text("GePulseSequence").lower() == _GE_PRODUCT


def _count_pairs(series: Series, types: Sequence[str]) -> Fields:
    controls, labels = types.count("control"), types.count("label")
    if controls and controls == labels:
        return {"TotalAcquiredPairs": controls}
    excitations = series.header.number("GeExcitations")  # each excitation of GE's is a pair
    return {"TotalAcquiredPairs": int(excitations)} if types.count("deltam") == 1 and excitations >= 1 else {}


def _prepares_once(series: Series) -> bool:
    """Return whether blood is labelled once in a repetition time; Philips' Look-Locker reads out many times in one."""
    if sequence_maker(series.header) != "PHILIPS":
        return True
    phases = {one.header.text("PhilipsPhase") if one.header.text("PhilipsLabel") else "" for one in series.instances}
    return phases == {"1"}


def _read_train(series: Series, image: Image) -> Fields:
    train = image.header.number("ASLPulseTrainDuration") or image.header.number("GeLabelDuration")
    seconds = train / 1000 or series.header.number("LabelDuration") / 1e6
    return {"LabelingDuration": seconds} if seconds > 0 else {}


def _read_bolus(series: Series, image: Image) -> Fields:
    header = image.header
    if header.text("ASLBolusCutoffFlag") not in _YES_NO:
        return _read_inversions(series)
    found: Fields = {"BolusCutOffFlag": _YES_NO[header.text("ASLBolusCutoffFlag")]}
    if delay := header.number("ASLBolusCutoffDelayTime"):
        found["BolusCutOffDelayTime"] = delay / 1000
    if technique := header.text("ASLBolusCutoffTechnique").strip():
        found["BolusCutOffTechnique"] = technique
    if thickness := header.number("ASLSlabThickness"):
        found["LabelingSlabThickness"] = thickness
    return found


def _read_inversions(series: Series) -> Fields:
    """Return how the bolus is cut off by Siemens' own sequences that write no elements for it (VB to VE)."""
    header, inversions = series.header, series.header.numbers("LabelInversions")
    mode = header.integer("LabelMode")
    if not _is_product(header) or mode not in (*_QUIPSS, _Q2TIPS):
        return {}
    found: Fields = {"BolusCutOffFlag": True, "BolusCutOffTechnique": "Q2TIPS" if mode == _Q2TIPS else "QUIPSSII"}
    if mode in _QUIPSS and len(inversions) == 3 and 0 == inversions[1] < inversions[0] < inversions[2]:
        found["BolusCutOffDelayTime"] = inversions[0] / 1e6
    elif mode == _Q2TIPS and _is_of_vb(inversions):
        found["BolusCutOffDelayTime"] = [inversions[1] / 1e6, inversions[2] / 1e6]
    return found


def _is_of_vb(inversions: Sequence[float]) -> bool:
    """Return whether times are those of Q2TIPS in VB: of the readout, and of where saturation begins and ends."""
    return len(inversions) == 3 and 0 < inversions[1] < inversions[2] < inversions[0]


def _read_delays(series: Series, image: Image, types: Sequence[str], kind: str) -> float | list[float] | None:
    """Return the delay after labelling in seconds: one for all volumes, or one for each, 0 for those of an M0."""
    values = _list_delays(series, image, kind)
    if len(set(values)) == 1:
        return values[0]
    if not types or len(values) != len(types):
        return None
    labelled = {value for value, kind in zip(values, types, strict=True) if kind != "m0scan"}
    if len(labelled) == 1:
        return labelled.pop()
    return [0.0 if kind == "m0scan" else value for value, kind in zip(values, types, strict=True)]


def _list_delays(series: Series, image: Image, kind: str) -> list[float]:
    """Return the delays of the volumes of an image in seconds, or the one of all; empty where they are not known."""
    told = tell_volumes(series.instances, lambda header: header.text("Frames.SiemensLabelDelay").split("\\"))
    try:
        values = [float(text) / 1000 for text in told]
    except ValueError:
        values = []
    if values and all(value > 0 for value in values):
        return values
    header = series.header
    planned = [value / 1e6 for value in header.numbers("LabelDelays")]
    if len(planned) == 1 and planned[0] > 0:
        return planned
    inversions = header.numbers("LabelInversions")
    if len(inversions) == 3 and not inversions[1] and inversions[2] > 0 and kind == "PASL":
        return [inversions[2] / 1e6]  # VD and VE: bolus duration, nothing, inversion time
    if header.integer("LabelMode") == _Q2TIPS and _is_product(header) and _is_of_vb(inversions):
        return [inversions[0] / 1e6]
    single = sequence_maker(header) in ("GE", "UIH") and header.number("InversionTime") > 0
    return [image.header.number("InversionTime") / 1000] if single else []
