"""What headers of labelled blood tell goes into table and sidecar, and what they do not tell is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import bidsschematools.schema
import pytest

from bidsflow.convert.companions import labelling
from bidsflow.convert.companions.aslcontext import VOLUME_TYPES, read_context
from bidsflow.convert.companions.labelling import describe_labelling
from bidsflow.dicom.frames import summarise_frames
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File, Image, Instance, Patient, Series

PLACES = ("0\\0\\0", "0\\0\\4")
XA = {
    "Manufacturer": "Siemens Healthineers", "ArterialSpinLabelingContrast": "PSEUDOCONTINUOUS",
    "SequenceFile": "ep2d_asl", "LabelSuppression": "1", "RepetitionTime": "4800", "ASLPulseTrainDuration": "1500",
    "ASLCrusherFlag": "NO",
}  # fmt: skip
PULSED = XA | {"ArterialSpinLabelingContrast": "PULSED"}
GE = {"Manufacturer": "GE MEDICAL SYSTEMS", "RepetitionTime": "4846", "GeLabelDuration": "1450", "GeExcitations": "3"}
PASS_1, PASS_2 = {"GeAslContrast": "PSEUDOCONTINUOUS", "InversionTime": "2025"}, {"GeAslContrast": "CONTINUOUS"}


def frames(*contexts: str, delays: Sequence[int] = (1800,)) -> list[dict[str, str]]:
    """Return one file per volume, as XA writes them."""
    shown = [delays[rank % len(delays)] for rank in range(len(contexts))]
    return [
        summarise_frames([], [{"ASLContext": one, "SiemensLabelDelay": f"{delay}.0", "ImagePositionPatient": place}
                              for place in PLACES])
        for one, delay in zip(contexts, shown, strict=True)
    ]  # fmt: skip


def slices(*volumes: dict[str, str]) -> list[dict[str, str]]:
    return [volume | {"ImagePositionPatient": place} for volume in volumes for place in PLACES]


def make(common: dict[str, str], own: Sequence[dict[str, str]], volumes: int) -> tuple[Series, Image]:
    headers = [Header(common | one) for one in own] or [Header(common)]
    image = Image(headers[0], (64, 64, 2), volumes)
    instances = tuple(Instance(File(f"/{rank}", 1, 1), one) for rank, one in enumerate(headers))
    person = Patient("", "", "", "")
    return Series("1", "2", person, 3, "asl", "asl", "", (image,), instances if own else (), headers[0]), image


class Case(NamedTuple):
    common: dict[str, str]
    own: list[dict[str, str]]
    volumes: int
    types: str
    missing: frozenset[str] | set[str] = frozenset()


PHILIPS = {"Manufacturer": "Philips", "RepetitionTime": "4550", "PhilipsPhase": "1"}
LABELLED = [{"PhilipsLabel": "LABEL"}, {"PhilipsLabel": "CONTROL"}] * 2
UNKNOWN_PHILIPS = {"ArterialSpinLabelingType", "PostLabelingDelay", "BackgroundSuppression"}
UNKNOWN_PASL = {"PostLabelingDelay", "BackgroundSuppression", "TotalAcquiredPairs", "BolusCutOffFlag", "aslcontext.tsv"}
CASES = {
    "M0 before pairs": Case(XA, frames("M_ZERO_SCAN", "LABEL", "CONTROL"), 3, "m0scan label control"),
    "one file for all volumes": Case(
        XA,
        [summarise_frames([], [{"ASLContext": one, "SiemensLabelDelay": "900", "TemporalPositionIndex": str(rank)}
                               for one, rank in (("LABEL", 9), ("LABEL", 9), ("CONTROL", 10), ("CONTROL", 10))])],
        2, "label control",
    ),
    "frames by slice": Case(
        XA,
        [summarise_frames([], [{"ASLContext": one, "SiemensLabelDelay": "900", "TemporalPositionIndex": str(rank)}
                               for one, rank in (("LABEL", 9), ("CONTROL", 10), ("LABEL", 9), ("CONTROL", 10))])],
        2, "", {"aslcontext.tsv", "PostLabelingDelay", "TotalAcquiredPairs"},
    ),
    "one file of Philips": Case(
        {**XA, "Manufacturer": "Philips"},
        [summarise_frames([], [{"ASLContext": one, "TemporalPositionIndex": str(rank)}
                               for one, rank in (("LABEL", 1), ("CONTROL", 2))])],
        2, "", {"aslcontext.tsv", "PostLabelingDelay", "TotalAcquiredPairs", "RepetitionTimePreparation"},
    ),
    "context of all frames alike": Case(
        XA, [summarise_frames([{"ASLContext": "M_ZERO_SCAN", "SiemensLabelDelay": "1"}], [{}, {}])], 1, "m0scan",
        {"TotalAcquiredPairs"},
    ),
    "slices that contradict": Case(
        XA, [summarise_frames([], [{"ASLContext": "LABEL"}, {"ASLContext": "CONTROL"}])], 1, "",
        {"aslcontext.tsv", "PostLabelingDelay", "TotalAcquiredPairs"},
    ),
    "a volume too few": Case(XA, frames("LABEL", "CONTROL"), 3, "", {"aslcontext.tsv", "TotalAcquiredPairs"}),
    "no pairs": Case(XA, frames("LABEL", "CONTROL", "LABEL"), 3, "label control label", {"TotalAcquiredPairs"}),
    "comments of a research sequence": Case(
        {"Manufacturer": "SIEMENS", "SequenceFile": "ep2d_pcasl_x", "RepetitionTime": "4000"},
        slices(*({"ImageComments": text} for text in ("M0_SCAN", "CONTROL (TI 1)", "LABEL (TI 1)"))), 3,
        "m0scan control label", {"PostLabelingDelay", "LabelingDuration", "BackgroundSuppression"},
    ),
    "comments that say both": Case(
        {"Manufacturer": "SIEMENS", "SequenceFile": "ep2d_pasl"}, slices({"ImageComments": "CONTROL-LABEL"}), 1, "",
        UNKNOWN_PASL | {"RepetitionTimePreparation"},
    ),
    "mosaics of VE": Case(
        {"Manufacturer": "SIEMENS", "SequenceFile": "ep2d_pasl", "RepetitionTime": "3100",
         "LabelInversions": "800000\\0\\2000000", "LabelSuppression": "4"},
        slices({}, {}), 2, "", {"aslcontext.tsv", "TotalAcquiredPairs", "BolusCutOffFlag"},
    ),
    "two passes of GE": Case(GE, slices(PASS_1, PASS_2), 2, "deltam m0scan", {"BackgroundSuppression"}),
    "several delays of GE": Case(
        GE, slices(*[PASS_1] * 8, PASS_2, PASS_2), 10, "",
        {"aslcontext.tsv", "TotalAcquiredPairs", "BackgroundSuppression"},
    ),
    "pairs of Philips": Case(PHILIPS, slices(*LABELLED), 4, "label control label control", UNKNOWN_PHILIPS),
    "slices of Philips at random": Case(
        PHILIPS, slices(*LABELLED)[::2] + slices(*LABELLED[::-1])[1::2], 4, "control control label label",
        UNKNOWN_PHILIPS,
    ),
    "labels of Philips alone": Case(
        PHILIPS, slices(LABELLED[0]), 1, "", {"aslcontext.tsv", "TotalAcquiredPairs", *UNKNOWN_PHILIPS}
    ),
    "phases of Philips": Case(
        PHILIPS, slices(*(one | {"PhilipsPhase": phase} for one in LABELLED[:2] for phase in "12")), 4,
        "label label control control", {"RepetitionTimePreparation", *UNKNOWN_PHILIPS},
    ),
    "eASL of GE": Case(
        GE | {"GeInternalSequence": "EASL"}, slices(PASS_1, PASS_2), 2, "",
        {"aslcontext.tsv", "TotalAcquiredPairs", "BackgroundSuppression"},
    ),
    "eASL of GE by its other name": Case(
        GE | {"GePulseSequence": "3deasl"}, slices(PASS_1), 1, "",
        {"aslcontext.tsv", "TotalAcquiredPairs", "BackgroundSuppression"},
    ),
    "M0 of GE alone": Case(GE, slices(PASS_2), 1, "m0scan", UNKNOWN_PHILIPS | {"TotalAcquiredPairs"}),
    "bolus that is cut off": Case(
        PULSED | {"ASLBolusCutoffFlag": "YES"}, frames("CONTROL", "LABEL"), 2, "control label",
        {"BolusCutOffDelayTime", "BolusCutOffTechnique"},
    ),
    "nothing known": Case({"Manufacturer": "CANON_MEC"}, [], 2, "",
                          {"aslcontext.tsv", *(labelling._REQUIRED)}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_headers_tell_is_known_and_the_rest_is_missing(case: Case) -> None:
    told = describe_labelling(*make(case.common, case.own, case.volumes))
    assert (" ".join(told.types), set(told.missing)) == (case.types, case.missing)


class Known(NamedTuple):
    common: dict[str, str]
    own: list[dict[str, str]]
    fields: dict[str, Any]


VE = {"Manufacturer": "SIEMENS", "SequenceFile": "ep2d_pasl"}
KNOWN = {
    "XA": Known(
        XA, frames("M_ZERO_SCAN", "LABEL", "CONTROL"),
        {"ArterialSpinLabelingType": "PCASL", "LabelingDuration": 1.5, "PostLabelingDelay": 1.8, "M0Type": "Included",
         "BackgroundSuppression": False, "TotalAcquiredPairs": 1, "RepetitionTimePreparation": 4.8,
         "VascularCrushing": False},
    ),
    "several delays": Known(
        XA, frames("M_ZERO_SCAN", "LABEL", "CONTROL", "LABEL", "CONTROL", delays=(500, 500, 500, 900, 900)),
        {"PostLabelingDelay": [0.0, 0.5, 0.5, 0.9, 0.9], "TotalAcquiredPairs": 2},
    ),
    "delay of an M0 that is none": Known(
        XA, frames("M_ZERO_SCAN", "LABEL", "CONTROL", delays=(100, 900, 900)), {"PostLabelingDelay": 0.9}
    ),
    "bolus": Known(
        PULSED | {"ASLBolusCutoffFlag": "YES", "ASLBolusCutoffDelayTime": "700", "ASLBolusCutoffTechnique": "Q2TIPS",
                  "ASLSlabThickness": "100.0"},
        frames("CONTROL", "LABEL"),
        {"ArterialSpinLabelingType": "PASL", "BolusCutOffFlag": True, "BolusCutOffDelayTime": 0.7,
         "BolusCutOffTechnique": "Q2TIPS", "LabelingSlabThickness": 100.0},
    ),
    "crushers": Known(
        XA | {"ASLCrusherFlag": "YES", "ASLCrusherFlowLimit": "4.0"}, frames("CONTROL", "LABEL"),
        {"VascularCrushing": True, "VascularCrushingVENC": 4.0},
    ),
    "suppression": Known(XA | {"LabelSuppression": "4"}, frames("CONTROL", "LABEL"), {"BackgroundSuppression": True}),
    "GE": Known(
        GE, slices(PASS_1, PASS_2),
        {"ArterialSpinLabelingType": "PCASL", "LabelingDuration": 1.45, "PostLabelingDelay": 2.025,
         "TotalAcquiredPairs": 3, "M0Type": "Included", "RepetitionTimePreparation": 4.846},
    ),
    "GE's own 3D sequence": Known(
        GE | {"GePulseSequence": "3dasl"}, slices(PASS_1, PASS_2), {"BackgroundSuppression": True}
    ),
    "a sequence of others on GE": Known(
        GE | {"GePulseSequence": "3dpcasl_x"}, slices(PASS_1, PASS_2), {"BackgroundSuppression": None}
    ),
    "a preparation of Philips": Known(
        PHILIPS, slices(*LABELLED), {"RepetitionTimePreparation": 4.55, "TotalAcquiredPairs": 2}
    ),
    "FAIR QUIPSS II of VE": Known(
        VE | {"LabelMode": "4", "LabelInversions": "700000\\0\\1990000"}, slices({}),
        {"PostLabelingDelay": 1.99, "BolusCutOffFlag": True, "BolusCutOffDelayTime": 0.7,
         "BolusCutOffTechnique": "QUIPSSII"},
    ),
    "Q2TIPS of VB": Known(
        VE | {"LabelMode": "2", "LabelInversions": "1800000\\700000\\1600000"}, slices({}),
        {"PostLabelingDelay": 1.8, "BolusCutOffFlag": True, "BolusCutOffDelayTime": [0.7, 1.6],
         "BolusCutOffTechnique": "Q2TIPS"},
    ),
    "Q2TIPS with times in another order": Known(
        VE | {"LabelMode": "2", "LabelInversions": "700000\\1600000\\1800000"}, slices({}),
        {"PostLabelingDelay": None, "BolusCutOffFlag": True, "BolusCutOffDelayTime": None},
    ),
    "a mode of XA without an element": Known(
        {"Manufacturer": "Siemens", "SequenceFile": "ep2d_asl", "LabelMode": "32", "LabelDelays": "1500000"},
        slices({}), {"ArterialSpinLabelingType": "PCASL", "PostLabelingDelay": 1.5},
    ),
    "suppression of a research sequence": Known(
        VE | {"SequenceFile": "tgse_pcasl_ve11c", "LabelSuppressed": "YES"}, slices({}),
        {"BackgroundSuppression": True},
    ),
    "inversion time of VE": Known(
        {"Manufacturer": "SIEMENS", "SequenceFile": "tgse_pasl", "LabelInversions": "700000\\0\\1990000"}, slices({}),
        {"ArterialSpinLabelingType": "PASL", "PostLabelingDelay": 1.99},
    ),
}  # fmt: skip


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_fields_have_the_units_of_bids(known: Known) -> None:
    volumes = len(known.own) // (1 if "Frames.Images" in known.own[0] else len(PLACES))
    found = describe_labelling(*make(known.common, known.own, volumes)).fields
    assert {key: found.get(key) for key in known.fields} == known.fields


def test_a_research_sequence_keeps_its_suppression_to_itself() -> None:
    series, image = make(XA | {"SequenceFile": "my_tgse_pcasl"}, frames("CONTROL", "LABEL"), 2)
    assert describe_labelling(series, image).missing == ("BackgroundSuppression",)


def test_a_preparation_time_of_look_locker_readouts_is_not_known() -> None:
    series, image = make({"Manufacturer": "Philips", "RepetitionTime": "250"}, [], 2)
    assert "RepetitionTimePreparation" in describe_labelling(series, image).missing


def test_what_a_person_gives_goes_before_the_headers() -> None:
    given = {
        "ArterialSpinLabelingType": "PCASL", "PostLabelingDelay": 1.5, "BackgroundSuppression": True,
        "TotalAcquiredPairs": 1, "LabelingDuration": 1.8, "RepetitionTimePreparation": 4.1,
    }  # fmt: skip
    told = describe_labelling(*make({"Manufacturer": "Philips"}, [], 2), {**given, "aslcontext": ["control", "label"]})
    assert (told.types, told.missing, dict(told.fields)) == (("control", "label"), (), given)
    assert told.because == "the study says what its volumes are"


def test_types_that_a_person_gives_against_the_headers_are_told() -> None:
    series, image = make(XA, frames("CONTROL", "LABEL"), 2)
    told = describe_labelling(series, image, {"aslcontext": ["label", "control"]})
    assert told.types == ("label", "control")
    assert told.because.endswith("although ASL Context (0018,9257) says 1 control, 1 label")


def test_types_of_too_few_volumes_are_missing() -> None:
    series, image = make(GE, [], 2)
    missing = describe_labelling(series, image, {"aslcontext": ["deltam"]}).missing
    assert missing[0] == "aslcontext.tsv (1 volume types are given, and the image has 2 volumes)"


def test_a_series_of_several_images_tells_nothing_of_volumes() -> None:
    series, image = make(XA, frames("LABEL", "CONTROL"), 2)
    from dataclasses import replace

    assert read_context(replace(series, images=(image, image)), image).types == ()


def test_required_fields_and_volume_types_are_those_of_the_schema() -> None:
    schema = bidsschematools.schema.load_schema()
    rules = [schema.rules.sidecars.asl[name].fields for name in ("MRIASLTextOnly", "MRIASLCommonMetadataFields")]
    required = {key for fields in rules for key, level in fields.items() if level == "required"}
    assert required == {*labelling._REQUIRED, "M0Type"}
    assert {*schema.objects.columns.volume_type.enum} | {"n/a"} == {*VOLUME_TYPES}
