"""What was measured follows from how it was acquired, not from what people typed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from bidsflow.dicom.frames import summarise_frames
from bidsflow.dicom.grouping import group_series
from bidsflow.dicom.header import Header
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.physics import (
    Kind,
    classify,
    is_declared_derived,
    is_parallel,
    phase_encoding,
    sequence_maker,
    slice_plane,
)
from bidsflow.dicom.series import Image, Series
from bidsflow.phantom import DIALECTS, write
from bidsflow.sources import find_files

AXIAL, SAGITTAL, CORONAL = "1\\0\\0\\0\\1\\0", "0\\1\\0\\0\\0\\-1", "1\\0\\0\\0\\0\\-1"
TILTED = "0.99\\0.1\\0\\-0.1\\0.97\\0.2"


def make_series(kit: Any, *headers: dict[str, str], **protocol: str) -> Series:
    files = [
        kit.instance(f"/{i}", SOPInstanceUID=f"1.{i}", InstanceNumber=i, **header)
        for i, header in enumerate(headers, start=1)
    ]
    (series,), _ = group_series(files, {"/1": protocol})
    return series


class Case(NamedTuple):
    kind: Kind
    headers: tuple[dict[str, str], ...]
    protocol: Mapping[str, str] = MappingProxyType({})


def siemens(**values: str) -> dict[str, str]:
    return {
        "Manufacturer": "SIEMENS",
        "ImageOrientationPatient": AXIAL,
        "ImageType": "ORIGINAL\\PRIMARY\\M\\ND",
        **values,
    }


def xa(frame: dict[str, str], **values: str) -> dict[str, str]:
    return {
        **summarise_frames([{"ImageOrientationPatient": AXIAL}], [frame]),
        "Manufacturer": "Siemens Healthineers",
        "NumberOfFrames": "1",
        "ImageType": "ORIGINAL\\PRIMARY\\M\\NONE",
        **values,
    }


def ge(**values: str) -> dict[str, str]:
    base = {
        "Manufacturer": "GE MEDICAL SYSTEMS",
        "ImageOrientationPatient": AXIAL,
        "ImageType": "ORIGINAL\\PRIMARY\\OTHER",
    }
    return base | values


def philips(**values: str) -> dict[str, str]:
    base = {"Manufacturer": "Philips Medical Systems", "ImageOrientationPatient": AXIAL}
    return base | {"ImageType": "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE"} | values


def other(maker: str, **values: str) -> dict[str, str]:
    return {"Manufacturer": maker, "ImageOrientationPatient": AXIAL, "ImageType": "ORIGINAL\\PRIMARY\\M"} | values


def times(te: float, tr: float, ti: float = 0, flip: float = 0) -> dict[str, str]:
    known = {"EchoTime": te, "RepetitionTime": tr, "InversionTime": ti, "FlipAngle": flip}
    return {key: str(value) for key, value in known.items() if value}


GRE = {"ScanningSequence": "GR", "SequenceVariant": "SP"}
MPRAGE = {"ScanningSequence": "GR\\IR", "SequenceVariant": "SK\\SP\\MP", "MRAcquisitionType": "3D"}
EPI = {"ScanningSequence": "EP", "SequenceVariant": "SK"}
TSE = {"ScanningSequence": "SE", "SequenceVariant": "SK"}

CASES = {
    # Siemens VB and VE
    "vb-mprage": Case(Kind.T1W, (siemens(SequenceName="*tfl3d1_ns", **MPRAGE, **times(2.98, 2300, 900, 9)),)),
    "ve-space": Case(
        Kind.T2W, (siemens(SequenceName="*spc_314ns", **TSE, MRAcquisitionType="3D", **times(408, 3200)),)
    ),
    "ve-flair": Case(
        Kind.FLAIR, (siemens(SequenceName="*tir2d1_16", ScanningSequence="SE\\IR", **times(81, 9000, 2500)),)
    ),
    "ve-space-flair": Case(
        Kind.FLAIR, (siemens(SequenceName="*spcir_278ns", ScanningSequence="SE\\IR", **times(388, 5000, 1800)),)
    ),
    "ve-pd": Case(Kind.PDW, (siemens(SequenceName="*tse2d1_5", **TSE, **times(11, 3000)),)),
    "ve-t1-tse": Case(Kind.T1W, (siemens(SequenceName="*se2d1", **TSE, **times(8.9, 500)),)),
    "ve-t2-tse": Case(Kind.T2W, (siemens(SequenceName="*tse2d1_16", **TSE, **times(96, 6000)),)),
    "ve-bold": Case(Kind.GRADIENT_EPI, (siemens(SequenceName="*epfid2d1_64", **EPI, **times(30, 2000, flip=77)),)),
    "ve-topup": Case(Kind.SPIN_EPI, (siemens(SequenceName="*epse2d1_96", **EPI, **times(66, 8000)),)),
    "ve-dwi": Case(
        Kind.DIFFUSION,
        tuple(
            siemens(SequenceName=name, SiemensBValue=b, **EPI, **times(80, 4000))
            for name, b in (("*ep_b0", "0"), ("*ep_b1000#1", "1000"))
        ),
    ),
    "ve-dwi-b0-only": Case(
        Kind.DIFFUSION, (siemens(SequenceName="*ep_b0", SiemensBValue="0", **EPI, **times(80, 4000)),)
    ),
    "ve-dwi-by-sequence": Case(
        Kind.DIFFUSION, (siemens(SequenceName="*epse2d1", **EPI, **times(80, 4000)),), {"SequenceFile": "ep2d_diff"}
    ),
    "ve-fieldmap": Case(
        Kind.FIELD_GRE, tuple(siemens(SequenceName="*fm2d2r", **GRE, **times(te, 500, flip=60)) for te in (4.92, 7.38))
    ),
    "ve-fieldmap-phase": Case(
        Kind.FIELD_GRE,
        (siemens(SequenceName="*fm2d2", ImageType="ORIGINAL\\PRIMARY\\P\\ND", **GRE, **times(7.38, 500)),),
    ),
    "ve-gre-two-echoes": Case(
        Kind.FIELD_GRE, tuple(siemens(SequenceName="*fl2d2", **GRE, **times(te, 400, flip=60)) for te in (4.92, 7.38))
    ),
    "ve-t2star": Case(Kind.T2STARW, (siemens(SequenceName="*fl2d1", **GRE, **times(20, 650, flip=20)),)),
    "projections-in-all-directions-are-no-localizer": Case(
        Kind.DERIVED,
        tuple(
            siemens(ImageType="DERIVED\\SECONDARY\\PROJECTION IMAGE", ImageOrientationPatient=o, **GRE, **times(4, 8))
            for o in (AXIAL, SAGITTAL)
        ),
    ),
    "ve-localizer": Case(
        Kind.LOCALIZER,
        tuple(
            siemens(SequenceName="*fl2d1", ImageOrientationPatient=o, **GRE, **times(4, 8))
            for o in (AXIAL, SAGITTAL, CORONAL)
        ),
    ),
    "ve-scout": Case(
        Kind.LOCALIZER, (siemens(SequenceName="*fl3d1_ns", **GRE, **times(1.5, 3)),), {"SequenceFile": "AALScout"}
    ),
    "ve-mp2rage": Case(
        Kind.MP2RAGE,
        (
            siemens(
                ImageType="DERIVED\\PRIMARY\\M\\ND\\UNI", SequenceName="*tfl3d1_16ns", **MPRAGE, **times(2.9, 5000, 700)
            ),
        ),
    ),
    "ve-mp2rage-inv": Case(
        Kind.MP2RAGE,
        (siemens(SequenceName="*tfl3d1_16ns", **MPRAGE, **times(2.9, 5000, 700)),),
        {"SequenceFile": "tfl_mp2rage_wip"},
    ),
    "ve-tof": Case(Kind.ANGIO, (siemens(SequenceName="*fi3d1r", AngioFlag="Y", **GRE, **times(3.4, 21, flip=18)),)),
    "ve-adc": Case(
        Kind.MAP,
        (
            siemens(
                ImageType="DERIVED\\PRIMARY\\DIFFUSION\\ADC\\ND", SequenceName="*ep_b1000", **EPI, **times(80, 4000)
            ),
        ),
    ),
    "ve-colfa": Case(Kind.MAP, (siemens(ImageType="DERIVED\\PRIMARY\\DIFFUSION\\FA\\ND", SamplesPerPixel="3", **EPI),)),
    "ve-moco-mean": Case(Kind.DERIVED, (siemens(ImageType="DERIVED\\PRIMARY\\M\\MEAN", **EPI, **times(30, 2000)),)),
    "ve-pcasl": Case(
        Kind.ASL,
        (siemens(SequenceName="*epfid2d1_64", **EPI, **times(12, 4000)),),
        {"SequenceFile": "ep2d_pcasl_UI_PHC"},
    ),
    # Siemens XA
    "xa-mprage": Case(
        Kind.T1W,
        (
            xa(
                {"EffectiveEchoTime": "2.41", "RepetitionTime": "1800", "InversionTimes": "900", "FlipAngle": "8"},
                EchoPulseSequence="GRADIENT",
                MRAcquisitionType="3D",
                PulseSequenceName="*tfl3d1_16ns",
            ),
        ),
    ),
    "xa-bold": Case(
        Kind.GRADIENT_EPI,
        (
            xa(
                {"EffectiveEchoTime": "30"},
                EchoPulseSequence="GRADIENT",
                EchoPlanarPulseSequence="YES",
                PulseSequenceName="*epfid2d1_64",
            ),
        ),
    ),
    "xa30-topup": Case(
        Kind.SPIN_EPI,
        (
            xa(
                {"EffectiveEchoTime": "60"},
                EchoPulseSequence="GRADIENT",
                EchoPlanarPulseSequence="YES",
                PulseSequenceName="epse2d1_72",
            ),
        ),
    ),
    "xa-dwi": Case(
        Kind.DIFFUSION,
        tuple(
            xa(
                {"DiffusionBValue": b},
                EchoPlanarPulseSequence="YES",
                EchoPulseSequence="SPIN",
                PulseSequenceName="*ep_b0",
            )
            for b in ("0.0", "1500.0")
        ),
    ),
    "xa-trace": Case(
        Kind.MAP,
        (
            xa(
                {"DiffusionBValue": "1000.0", "SiemensImageType": "DERIVED\\PRIMARY\\DIFFUSION\\TRACEW\\ND"},
                EchoPlanarPulseSequence="YES",
            ),
        ),
    ),
    "xa-asl": Case(
        Kind.ASL, (xa({"SiemensImageType": "ORIGINAL\\PRIMARY\\ASL\\NONE\\ND"}, EchoPlanarPulseSequence="YES"),)
    ),
    "xa-asl-standard": Case(
        Kind.ASL, (xa({}, ArterialSpinLabelingContrast="PSEUDOCONTINUOUS", ImageType="ORIGINAL\\PRIMARY"),)
    ),
    # GE
    "ge-bravo": Case(
        Kind.T1W,
        (
            ge(
                ScanningSequence="GR",
                MRAcquisitionType="3D",
                ScanOptions="FAST_GEMS\\IR",
                GePulseSequence="efgre3d",
                **times(3.2, 8.2, 450, 12),
            ),
        ),
    ),
    "ge-cube-t2": Case(
        Kind.T2W, (ge(ScanningSequence="SE", MRAcquisitionType="3D", GePulseSequence="3dfse", **times(85, 2500)),)
    ),
    "ge-bold": Case(
        Kind.GRADIENT_EPI,
        (ge(ScanningSequence="EP\\GR", ScanOptions="EPI_GEMS\\PFF", GePulseSequence="epiRT", **times(30, 2000)),),
    ),
    "ge-dwi": Case(
        Kind.DIFFUSION,
        tuple(
            ge(ScanningSequence="EP\\SE", GePulseSequence="epi2", GeBValue=b, **times(80, 7000))
            for b in ("0\\8", "1000001000\\8")
        ),
    ),
    "ge-se-epi": Case(
        Kind.SPIN_EPI,
        (ge(ScanningSequence="EP\\SE", ScanOptions="EPI_GEMS", GePulseSequence="epi2", **times(60, 6000)),),
    ),
    "ge-adc": Case(Kind.MAP, (ge(ImageType="DERIVED\\SECONDARY\\ADC", ScanningSequence="EP\\SE"),)),
    "ge-asl": Case(Kind.ASL, (ge(ScanningSequence="RM", GePulseSequence="3dasl", **times(10, 4800)),)),
    "ge-asl-difference": Case(
        Kind.ASL,
        (
            ge(
                ScanningSequence="RM",
                GeAslContrast="PSEUDOCONTINUOUS",
                ImageType="DERIVED\\PRIMARY\\ASL\\PERFUSION\\ASL",
            ),
        ),
    ),
    "ge-asl-flow": Case(
        Kind.DERIVED,
        (ge(ScanningSequence="RM", GeAslContrast="PSEUDOCONTINUOUS", ImageType="DERIVED\\PRIMARY\\CBF\\CBF"),),
    ),
    "ge-asl-map": Case(
        Kind.DERIVED,
        (ge(ScanningSequence="RM", GeAslContrast="CONTINUOUS", ImageType="DERIVED\\PRIMARY\\ASL\\PERFUSION\\ASL"),),
    ),
    # Philips
    "philips-asl": Case(
        Kind.ASL, (philips(PhilipsLabel="CONTROL", ScanningSequence="GR", PhilipsTechnique="FEEPI", **times(15, 4550)),)
    ),
    "philips-t1": Case(
        Kind.T1W,
        (
            philips(
                ScanningSequence="GR",
                SequenceVariant="MP",
                MRAcquisitionType="3D",
                PhilipsTechnique="T1TFE",
                **times(3.7, 8.1, flip=8),
            ),
        ),
    ),
    "philips-bold": Case(
        Kind.GRADIENT_EPI,
        (
            philips(
                ScanningSequence="GR",
                SequenceVariant="OTHER",
                PhilipsEpiFactor="43",
                PhilipsTechnique="FEEPI",
                **times(30, 2000),
            ),
        ),
    ),
    "philips-dwi": Case(
        Kind.DIFFUSION,
        tuple(
            philips(ScanningSequence="SE", PhilipsTechnique="DwiSE", PhilipsBValue=b, **times(80, 7000))
            for b in ("0.0", "1000.0")
        ),
    ),
    "philips-enhanced-dwi": Case(
        Kind.DIFFUSION,
        (
            {
                **summarise_frames([], [{"DiffusionBValue": "0.0"}, {"DiffusionBValue": "800.0"}]),
                "Manufacturer": "Philips",
                "EchoPlanarPulseSequence": "YES",
            },
        ),
    ),
    "philips-se-epi": Case(
        Kind.SPIN_EPI, (philips(ScanningSequence="SE", PhilipsTechnique="SEEPI", **times(70, 7000)),)
    ),
    "philips-b0": Case(
        Kind.FIELD_HZ, (philips(ImageType="DERIVED\\PRIMARY\\B0 MAP\\B0\\FFE", ScanningSequence="GR", **times(4, 12)),)
    ),
    "philips-hz": Case(Kind.FIELD_HZ, (philips(RescaleType="Hz", ScanningSequence="GR", **times(4, 12)),)),
    "philips-t2": Case(Kind.T2W, (philips(ScanningSequence="SE", PhilipsTechnique="TSE", **times(80, 3000)),)),
    "philips-philips-b0-0.001": Case(
        Kind.DIFFUSION, (philips(ScanningSequence="SE", PhilipsTechnique="DwiSE", PhilipsBValue="0.001"),)
    ),
    # others
    "uih-t1": Case(
        Kind.T1W,
        (other("UIH", ScanningSequence="GR", SequenceVariant="MP", MRAcquisitionType="3D", **times(3, 7.2, 750, 10)),),
    ),
    "uih-dwi": Case(Kind.DIFFUSION, tuple(other("UIH", ScanningSequence="EP", UihBValue=b) for b in ("0.0", "1000.0"))),
    "uih-bold": Case(Kind.GRADIENT_EPI, (other("UIH", ScanningSequence="EP\\GR", **times(30, 2000)),)),
    "canon-dwi": Case(
        Kind.DIFFUSION,
        (
            other(
                "CANON_MEC",
                ScanningSequence="EP\\SE",
                DiffusionBValue="1500.0",
                ImageComments="b=1500(0.445,0.000,0.895)",
            ),
        ),
    ),
    "canon-t2": Case(Kind.T2W, (other("CANON_MEC", ScanningSequence="SE", **times(100, 4000)),)),
    # not for a converter
    "capture": Case(Kind.CAPTURE, ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "MR"},)),
    "ct": Case(Kind.OTHER_MODALITY, ({"Modality": "CT"},)),
    "nothing": Case(Kind.UNKNOWN, ({},)),
    "epi-of-an-unknown-kind": Case(Kind.EPI, (other("", ScanningSequence="EP"),)),
    "between": Case(Kind.UNKNOWN, (siemens(**TSE, **times(50, 900)),)),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_is_told_from_its_physics(kit: Any, name: str) -> None:
    case = CASES[name]
    series = make_series(kit, *case.headers, **case.protocol)
    findings = [classify(series, image) for image in series.images]
    assert {one.kind for one in findings} == {case.kind}
    assert all(one.because and 0 <= one.confidence <= 1 for one in findings)


WORDS = [
    "TENSOR", "fa", "task-fa_bold", "ADC", "func-bold_task-fa_run-1", "DWI_dir80", "localizer", "T1w FLAIR ASL",
    "pcasl", "field_map", "MIP", "trace", "mprage", "scout",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_words_that_people_type_do_not_matter(kit: Any, word: str) -> None:
    for case in CASES.values():
        typed = {"SeriesDescription": word, "ProtocolName": word, "ImageComments": word}
        series = make_series(kit, *({**header, **typed} for header in case.headers), **case.protocol)
        assert {classify(series, image).kind for image in series.images} == {case.kind}


def test_the_order_of_images_does_not_matter(kit: Any) -> None:
    for case in CASES.values():
        headers = list(case.headers)
        random.Random(3).shuffle(headers)
        series = make_series(kit, *headers, **case.protocol)
        assert {classify(series, image).kind for image in series.images} == {case.kind}


TRUTH = {
    "localizer": Kind.LOCALIZER, "t1w": Kind.T1W, "t2w": Kind.T2W, "flair": Kind.FLAIR, "pdw": Kind.PDW,
    "fieldmap": Kind.FIELD_GRE, "topup": Kind.SPIN_EPI, "sbref": Kind.GRADIENT_EPI, "rest": Kind.GRADIENT_EPI,
    "task": Kind.GRADIENT_EPI, "mebold": Kind.GRADIENT_EPI, "aborted": Kind.GRADIENT_EPI, "dwi": Kind.DIFFUSION,
    "adc": Kind.MAP,
}  # fmt: skip


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_session_of_the_phantom_is_classified_as_it_was_made(tmp_path: Path, dialect: str) -> None:
    keys = [key for key in TRUTH if key not in ("task", "aborted")]
    truth = write(tmp_path / "scan", dialect=dialect, size="tiny", series=keys)
    inventory = take_inventory(find_files([tmp_path / "scan" / "dicom"]).files)
    for series, known in zip(inventory.series, truth.sessions[0].series, strict=True):
        assert {classify(series, image).kind for image in series.images} == {TRUTH[known.key]}, known.key
        if dialect != "ge" and known.phase_encoding:
            assert phase_encoding(series.header) in ("AP", "PA")


# --- phase encoding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "positive", "orientation", "expected"),
    [
        ("COL", "1", AXIAL, "AP"), ("COL", "0", AXIAL, "PA"), ("ROW", "1", AXIAL, "RL"), ("ROW", "0", AXIAL, "LR"),
        ("COLUMN", "1", TILTED, "AP"), ("COL", "1", SAGITTAL, "HF"), ("COL", "0", SAGITTAL, "FH"),
        ("ROW", "1", SAGITTAL, "AP"), ("COL", "1", CORONAL, "HF"), ("", "1", AXIAL, ""), ("COL", "", AXIAL, ""),
        ("COL", "2", AXIAL, ""), ("COL", "1", "1\\0\\0", ""), ("COL", "1", "a\\b\\c\\d\\e\\f", ""),
        ("OTHER", "1", AXIAL, ""),
    ],
)  # fmt: skip
def test_phase_encoding_is_told_in_the_patient(axis: str, positive: str, orientation: str, expected: str) -> None:
    values = {
        "InPlanePhaseEncodingDirection": axis,
        "PhaseEncodingPositive": positive,
        "ImageOrientationPatient": orientation,
    }
    assert phase_encoding(Header(values)) == expected


def test_small_questions_are_answered_from_the_header() -> None:
    derived = Image(Header({"ImageType": "DERIVED\\PRIMARY\\M"}), (1, 1, 1), 1)
    assert is_declared_derived(derived)
    assert not is_declared_derived(Image(Header({"ImageType": "ORIGINAL\\DERIVED"}), (1, 1, 1), 1))
    assert sequence_maker(Header({"Manufacturer": "Philips Healthcare"})) == "PHILIPS"
    assert sequence_maker(Header({"Manufacturer": "Bruker"})) == ""


def spin(te: float, tr: float, ti: float = 0, **values: str) -> dict[str, str]:
    return siemens(ScanningSequence="SE\\IR" if ti else "SE", **times(te, tr, ti), **values)


def flash(**values: str) -> dict[str, str]:
    return siemens(**(GRE | {"MRAcquisitionType": "3D"} | times(3, 20, flip=20) | values))


#: Inversion times in ms of clinical protocols, and what they null.
INVERSIONS = {
    "1.5 T STIR": (Kind.STIR, spin(60, 4500, 150)),
    "3 T STIR": (Kind.STIR, spin(80, 5000, 230)),
    "T1 FLAIR": (Kind.T1W, spin(24, 2000, 800)),
    "IR for grey and white matter": (Kind.T1W, spin(12, 2500, 400)),
    "FLAIR with a short repetition": (Kind.FLAIR, spin(96, 2700, 1100)),
    "FLAIR": (Kind.FLAIR, spin(120, 9000, 2500)),
    "FLAIR at 11 s": (Kind.FLAIR, spin(125, 11000, 2800)),
    "3D FLAIR": (Kind.FLAIR, spin(340, 4800, 1650)),
}
MARKED = {
    "mtc": (Kind.TRANSFER, flash(SequenceVariant="SP\\MTC")),
    "mt of GE": (Kind.TRANSFER, flash(ScanOptions="FAST_GEMS\\MT_GEMS")),
    "enhanced mt": (Kind.TRANSFER, flash(MagnetizationTransfer="OFF_RESONANCE")),
    "tof with mtc": (Kind.ANGIO, flash(SequenceVariant="SP\\MTC", AngioFlag="Y")),
    "enhanced tof": (Kind.ANGIO, flash(TimeOfFlightContrast="YES", AcquisitionContrast="T1")),
    "tof of GE": (Kind.ANGIO, flash(ScanOptions="VASCTOF_GEMS")),
    "tof of UIH": (Kind.ANGIO, flash(SequenceName="gre_tof_3d")),
    "tof by its dimension": (Kind.ANGIO, flash(GePulseSequence="3dtof")),
    "enhanced phase contrast": (Kind.FLOW, flash(PhaseContrast="YES", AngioFlag="Y")),
    "phase contrast of Philips": (Kind.FLOW, flash(ImageType="ORIGINAL\\PRIMARY\\M_PCA\\M\\PCA")),
    "water": (Kind.DIXON, flash(ImageType="DERIVED\\PRIMARY\\M\\DIXON\\WATER")),
    "fat of Philips": (Kind.DIXON, flash(ImageType="ORIGINAL\\PRIMARY\\F\\F\\UNSPECIFIED")),
    "perfusion": (Kind.PERFUSION, siemens(ImageType="ORIGINAL\\PRIMARY\\PERFUSION\\NONE", **EPI)),
    "perfusion map": (Kind.DERIVED, siemens(ImageType="DERIVED\\PRIMARY\\PERFUSION\\NONE", **EPI)),
    "perfusion by contrast": (Kind.PERFUSION, siemens(AcquisitionContrast="PERFUSION", **EPI)),
    "perfusion by sequence": (Kind.PERFUSION, siemens(SequenceFile="ep2d_perf", **EPI)),
    "asl of UIH": (Kind.ASL, spin(11, 4800, SequenceName="asl_3d")),
    "diffusion of UIH": (Kind.DIFFUSION, siemens(SequenceName="epi_dti", **EPI)),
    "balanced, enhanced": (
        Kind.UNKNOWN, flash(SteadyStatePulseSequence="FREE_PRECESSION", AcquisitionContrast="T1", SequenceVariant="")
    ),
    "balanced, of Philips": (Kind.UNKNOWN, flash(PhilipsTechnique="BTFE", SequenceVariant="MP")),
    "spoiled, enhanced": (Kind.T1W, flash(SteadyStatePulseSequence="LONGITUDINAL", Spoiling="RF")),
    "fat saved by a short inversion": (Kind.T1W, flash(InversionTime="12")),
}  # fmt: skip


@pytest.mark.parametrize("name", INVERSIONS | MARKED)
def test_what_was_done_to_the_signal_makes_the_kind(kit: Any, name: str) -> None:
    kind, header = (INVERSIONS | MARKED)[name]
    series = make_series(kit, header)
    assert classify(series, series.images[0]).kind is kind


WEAKLY = {
    "an inversion that nulls neither": spin(90, 7000, 546),
    "as late as in double inversion": spin(388, 7500, 3200),
    "STIR with a short echo": spin(30, 4000, 160),
    "white matter nulled": siemens(**MPRAGE, **times(3, 3000, 409, 8)),
    "an inversion after an unknown time": siemens(ScanningSequence="SE\\IR", **times(100, 9000)),
    "a short inversion time": flash(InversionTime="12"),
}


@pytest.mark.parametrize("name", WEAKLY)
def test_what_several_measurements_share_is_weak(kit: Any, name: str) -> None:
    series = make_series(kit, WEAKLY[name])
    assert classify(series, series.images[0]).confidence <= 0.5


def slices(*timing: float, train: int = 0, **values: str) -> dict[str, str]:
    base = siemens(**GRE, MRAcquisitionType="2D", EchoTrainLength=str(train)) | times(*timing[:2], flip=timing[2])
    return base | {"SequenceName": "", "SequenceVariant": "SS", **values}


class Weight(NamedTuple):
    kind: Kind
    confidence: float
    header: dict[str, str]


#: Gradient echoes that are excited by little, and turbo spin echoes between proton density and T2.
BETWEEN = {
    "MERGE": Weight(Kind.T2STARW, 0.7, slices(10.8, 600, 30, train=3)),
    "MERGE by name": Weight(Kind.T2STARW, 0.85, slices(10.8, 600, 70, GePulseSequence="MERGE")),
    "MEDIC by name": Weight(Kind.T2STARW, 0.85, slices(11, 30, 8, SequenceName="*me3d1r3", SequenceVariant="SP")),
    "mFFE, which has the time of its first echo": Weight(Kind.T2STARW, 0.5, slices(3, 625, 30, train=3)),
    "enhanced mFFE": Weight(Kind.T2STARW, 0.5, slices(3, 625, 30, GradientEchoTrainLength="5")),
    "late, one echo": Weight(Kind.T2STARW, 0.5, slices(9, 600, 30)),
    "one echo of two": Weight(Kind.UNKNOWN, 0.0, slices(4.9, 600, 30, train=2)),
    "the second echo of three": Weight(Kind.UNKNOWN, 0.0, slices(7, 600, 30, train=3, EchoNumbers="2")),
    "read out by few lines at once": Weight(Kind.UNKNOWN, 0.0, slices(7, 600, 30, train=3, PhilipsEpiFactor="3")),
    "flipped by more than the Ernst angle": Weight(Kind.T1W, 0.5, slices(4, 250, 70, train=3, SequenceVariant="SP")),
    "a steady state that is kept": Weight(Kind.UNKNOWN, 0.0, slices(9, 30, 30)),
    "TSE of 50 ms": Weight(Kind.T2W, 0.5, spin(50, 4000, MRAcquisitionType="2D")),
    "TSE of 50 ms, repeated late": Weight(Kind.T2W, 0.7, spin(50, 8100, MRAcquisitionType="2D")),
    "TSE of 50 ms in 3D": Weight(Kind.UNKNOWN, 0.0, spin(50, 8100, MRAcquisitionType="3D")),
    "TSE of 50 ms, repeated soon": Weight(Kind.UNKNOWN, 0.0, spin(50, 2000, MRAcquisitionType="2D")),
    "TSE of 50 ms that is declared": Weight(
        Kind.PDW, 0.7, spin(50, 8100, MRAcquisitionType="2D", AcquisitionContrast="PROTON_DENSITY")
    ),
    "GRASE": Weight(Kind.UNKNOWN, 0.0, spin(50, 8100, MRAcquisitionType="2D", PhilipsEpiFactor="5")),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_lies_between_two_contrasts_is_named_by_how_it_was_excited(kit: Any, name: str) -> None:
    case = BETWEEN[name]
    series = make_series(kit, case.header)
    finding = classify(series, series.images[0])
    assert (finding.kind, finding.confidence) == (case.kind, case.confidence)


def test_the_first_of_two_echoes_is_not_weighted_by_t2_at_50_ms(kit: Any) -> None:
    dual = make_series(kit, *(spin(te, 4000, MRAcquisitionType="2D") for te in (50, 100)))
    assert [classify(dual, one).kind for one in dual.images] == [Kind.UNKNOWN, Kind.T2W]


def test_many_echoes_of_a_spin_echo_measure_t2(kit: Any) -> None:
    dual = make_series(kit, *(spin(te, 3000) for te in (12, 96)))
    many = make_series(kit, *(spin(te, 3000) for te in (12, 24, 36, 96)))
    assert [classify(dual, one).kind for one in dual.images] == [Kind.PDW, Kind.T2W]
    assert {classify(many, one).kind for one in many.images} == {Kind.MULTI_SPIN_ECHO}


def test_two_inversions_of_one_image_have_no_name(kit: Any) -> None:
    frame = {"EffectiveEchoTime": "100", "RepetitionTime": "7500", "InversionTimes": "3000\\450"}
    series = make_series(kit, xa(frame, EchoPulseSequence="SPIN", AcquisitionContrast="T2"))
    finding = classify(series, series.images[0])
    assert finding.kind is Kind.UNKNOWN
    assert "2 times" in finding.because


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(AXIAL, "ax"), (SAGITTAL, "sag"), (CORONAL, "cor"), (TILTED, "ax"), ("1\\0\\0\\0\\0.6\\-0.8", "cor"), ("", "")],
)
def test_a_plane_is_the_nearest_one(kit: Any, orientation: str, expected: str) -> None:
    (image,) = make_series(kit, siemens(**{**TSE, "ImageOrientationPatient": orientation})).images
    assert slice_plane(image) == expected


def test_slices_are_parallel_within_30_degrees(kit: Any) -> None:
    images = [make_series(kit, siemens(ImageOrientationPatient=where)).images[0] for where in (AXIAL, TILTED, SAGITTAL)]
    assert is_parallel(images[0], images[1])
    assert not is_parallel(images[0], images[2])


def diffusion(n: int, b_value: float, *, derived: bool = False, direction: str = "") -> dict[str, str]:
    kind = "DERIVED" if derived else "ORIGINAL"
    told = {"DiffusionGradientOrientation": direction} if direction else {}
    return (
        ge(
            ImageType=f"{kind}\\PRIMARY\\OTHER",
            ScanningSequence="EP",
            DiffusionBValue=str(b_value),
            AcquisitionNumber=str(n),
        )
        | told
    )


@pytest.mark.parametrize(
    ("known", "derived", "kind"),
    [
        ("", ["", ""], Kind.DIFFUSION),  # two of one b-value may be directions, which no header tells
        ("", [""], Kind.DERIVED),
        ("1\\0\\0", ["", ""], Kind.DERIVED),
        ("1\\0\\0", ["0\\1\\0", ""], Kind.DIFFUSION),
    ],
)
def test_derived_volumes_of_a_diffusion_series_are_no_run(kit: Any, known: str, derived: list[str], kind: Kind) -> None:
    raw = [diffusion(0, 0.0), *(diffusion(n, 1000.0, direction=known) for n in range(1, 4))]
    others = [diffusion(n, 1000.0, derived=True, direction=one) for n, one in enumerate(derived, start=4)]
    series = make_series(kit, *raw, *others)
    run, appended = series.images
    assert (classify(series, run).kind, classify(series, appended).kind) == (Kind.DIFFUSION, kind)


def test_a_derived_image_beside_unweighted_ones_is_what_it_was(kit: Any) -> None:
    series = make_series(kit, diffusion(1, 0.0), diffusion(2, 1000.0, derived=True))
    assert classify(series, series.images[1]).kind is Kind.DIFFUSION
