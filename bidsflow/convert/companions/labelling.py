"""How blood was labelled: the fields of a sidecar that headers tell, and those that BIDS requires besides.

dcm2niix takes the labelling duration (0018,9258) for the delay, writes a preparation time in milliseconds and counts
images as pairs (v1.0.20260724); what it says of these is left out, and stands here or is missing.

Sources: BIDS schema, ``rules.sidecars.asl``; DICOM PS3.3 C.8.13.5.14; GE's notes in dcm2niix (``GE/README.md``);
delays of Siemens XA (dcm2niix, issue 748) and of UIH (issue 919); ``sAsl.ulSuppressionMode`` of Siemens' own sequences
is 1 where nothing is suppressed, as in every protocol that labels nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bidsflow.convert.companions.aslcontext import GIVEN, find_fault, read_context, tell_volumes
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


def describe_labelling(series: Series, image: Image, given: Mapping[str, object] = MappingProxyType({})) -> Labelling:
    """Return what headers, and a study, tell of the labelling of an image.

    Parameters
    ----------
    series, image : Series, Image
        The image and the series that it belongs to.
    given : mapping
        Fields of the sidecar as a study gives them, and under `aslcontext.GIVEN` what each volume is. They go before
        what the headers say.
    """
    context = read_context(series, image)
    types, fault = _take_types(given, image)
    told = types or context.types
    kind = str(given.get("ArterialSpinLabelingType", "")) or _find_kind(series)
    known = {**_read_fields(series, image, told, kind), **_leave_types(given)}
    table = () if told and not fault else (f"aslcontext.tsv ({fault})" if fault else "aslcontext.tsv",)
    because = "the study says what its volumes are" if types else context.because
    if types and context.types not in ((), types):
        because = f"{because}, although {context.because}"
    return Labelling(told, known, (*table, *_list_missing(known)), because)


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
    header, own = series.header, image.header
    found: Fields = {**describe_m0(series, image), **_count_pairs(series, types)}
    if kind:
        found["ArterialSpinLabelingType"] = kind
        found |= _read_bolus(series, image) if kind == "PASL" else _read_train(series, image)
    if "m0scan" in types:
        found["M0Type"] = "Included"
    delays = _read_delays(series, image, types, kind)
    if delays is not None:
        found["PostLabelingDelay"] = delays
    mode = header.integer("LabelSuppression")
    if mode > 0 and _PRODUCT.fullmatch(header.text("SequenceFile").lower()):
        found["BackgroundSuppression"] = mode > 1
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
    return "PCASL" if "pcasl" in file else "PASL" if "pasl" in file else ""


def _count_pairs(series: Series, types: Sequence[str]) -> Fields:
    controls, labels = types.count("control"), types.count("label")
    if controls and controls == labels:
        return {"TotalAcquiredPairs": controls}
    excitations = series.header.number("GeExcitations")  # each excitation of GE's is a pair
    return {"TotalAcquiredPairs": int(excitations)} if types.count("deltam") == 1 and excitations >= 1 else {}


def _prepares_once(series: Series) -> bool:
    """Return whether blood is labelled once in a repetition time; Philips' Look-Locker reads out many times in one."""
    return sequence_maker(series.header) != "PHILIPS"


def _read_train(series: Series, image: Image) -> Fields:
    train = image.header.number("ASLPulseTrainDuration") or image.header.number("GeLabelDuration")
    seconds = train / 1000 or series.header.number("LabelDuration") / 1e6
    return {"LabelingDuration": seconds} if seconds > 0 else {}


def _read_bolus(_series: Series, image: Image) -> Fields:
    header = image.header
    if header.text("ASLBolusCutoffFlag") not in _YES_NO:
        return {}
    found: Fields = {"BolusCutOffFlag": _YES_NO[header.text("ASLBolusCutoffFlag")]}
    if delay := header.number("ASLBolusCutoffDelayTime"):
        found["BolusCutOffDelayTime"] = delay / 1000
    if technique := header.text("ASLBolusCutoffTechnique").strip():
        found["BolusCutOffTechnique"] = technique
    if thickness := header.number("ASLSlabThickness"):
        found["LabelingSlabThickness"] = thickness
    return found


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
    single = sequence_maker(header) in ("GE", "UIH") and header.number("InversionTime") > 0
    return [image.header.number("InversionTime") / 1000] if single else []
