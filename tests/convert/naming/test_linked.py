"""Scans that make a map together: named by what links them, or doubted."""

from __future__ import annotations

import pytest

from tests.convert.naming import scans as s
from tests.convert.naming.scans import Part, Row, check, echoes, make, phase

S = dict[str, list[Row]]

#: What a protocol of Siemens VE says of an MP2RAGE.
WHOLE = {"TurboFactor": 176, "EchoSpacing": 7100}
INV1 = {**s.MPRAGE, **WHOLE, **s.timed(2.98, 5000, 4, 700)}
INV2 = {**s.MPRAGE, **WHOLE, **s.timed(2.98, 5000, 5, 2500)}
UNI = "DERIVED\\PRIMARY\\M\\ND\\UNI"
FLASH = {**s.FLASH3D, **s.timed(2.5, 20, 4)}
FFE = s.philips("GR", "FFE", "3D", SequenceVariant="SP", matrix=(256, 256, 20), **s.timed(1.98, 57, 9))
PULSE = {"SequenceVariant": "SP\\MTC"}
IR_TSE = s._siemens("SE\\IR", "SK\\SP\\OSP", "*tir2d1_5", "tse", "2D", **s.SLICES, **s.timed(12, 6000, 150))
B1 = s._siemens("GR", "SK\\SP", "*tfl2d1_16", "tfl_b1map", "2D", **s.timed(1.97, 8920, 8))


def inversion(number: int, tags: s.Tags, *parts: Part, **more: object) -> s.Series:
    return make(number, f"mp2rage_{number}", tags, *parts, protocol="mp2rage", at=20, **more)


LINKED: S = {
    "MP2RAGE with phases": [
        (inversion(1, INV1), "anat/inv-1_part-mag_MP2RAGE:UNI"),
        (inversion(2, INV1, phase()), "anat/inv-1_part-phase_MP2RAGE"),
        (inversion(3, INV2), "anat/inv-2_part-mag_MP2RAGE:TI_2500"),
        (inversion(4, INV2, phase()), "anat/inv-2_part-phase_MP2RAGE"),
        (inversion(5, INV1, ImageType=UNI), "anat/UNIT1"),
        (inversion(6, INV1, ImageType="DERIVED\\PRIMARY\\T1 MAP\\ND"), "anat/T1map:units"),
    ],
    "MP2RAGE, repeated": [
        (make(1, "mp2rage_INV1", INV1, protocol="mp2rage", at=5), "anat/run-1_inv-1_MP2RAGE"),
        (make(2, "mp2rage_INV2", INV2, protocol="mp2rage", at=5), "anat/run-1_inv-2_MP2RAGE"),
        (make(3, "mp2rage_UNI", INV1, protocol="mp2rage", at=5, ImageType=UNI), "anat/run-1_UNIT1"),
        (make(4, "mp2rage_INV1", INV1, protocol="mp2rage", at=15), "anat/run-2_inv-1_MP2RAGE"),
        (make(5, "mp2rage_INV2", INV2, protocol="mp2rage", at=15), "anat/run-2_inv-2_MP2RAGE"),
        (make(6, "mp2rage_UNI", INV1, protocol="mp2rage", at=15, ImageType=UNI), "anat/run-2_UNIT1"),
    ],
    "MP2RAGE whose protocol is lost": [
        (inversion(1, {**INV1, "EchoSpacing": ""}), "review:NumberShots"),
        (inversion(2, {**INV2, "EchoSpacing": ""}), "review:RepetitionTimeExcitation"),
        (inversion(3, INV1, ImageType=UNI), "anat/UNIT1"),
    ],
    "one inversion of an MP2RAGE, numbered by words": [
        (make(1, "t1_mp2rage_INV2", INV2), "anat/inv-2_MP2RAGE:next_inversion_comes_after_5000"),
    ],
    "one inversion of an MP2RAGE, numbered by its comment": [
        (make(1, "t1_mp2rage", INV2, ImageComments="Inv2 Image"), "anat/inv-2_MP2RAGE:next_inversion_comes_after_5000"),
    ],
    "one inversion of an MP2RAGE that nothing numbers": [
        (make(1, "t1_mp2rage", INV1), "review:which_of_the_two_inversions"),
    ],
    "one inversion of an MP2RAGE whose protocol is lost": [
        (make(1, "t1_mp2rage_INV1", {**INV1, "TurboFactor": ""}), "review:NumberShots"),
    ],
    "an MPRAGE that is called an inversion": [
        (make(1, "mprage_INV1", {**s.MPRAGE, **WHOLE}), "anat/T1w"),
    ],
    "inversions of an MP2RAGE under the words of each other": [
        (inversion(1, INV1, ImageComments="Inv2 Image"), "review:that_of_the_other"),
        (inversion(2, INV2, ImageComments="Inv1 Image"), "review:that_of_the_other"),
        (inversion(3, INV1, ImageType=UNI), "anat/UNIT1"),
    ],
    "an MP2RAGE whose combined images only words tell": [
        (make(1, "mp2rage_INV1", INV1, protocol="mp2rage"), "anat/inv-1_MP2RAGE"),
        (make(2, "mp2rage_INV2", INV2, protocol="mp2rage"), "anat/inv-2_MP2RAGE"),
        (make(3, "mp2rage_UNI_Images", INV1, protocol="mp2rage"), "review:combined_to"),
        (make(4, "mp2rage_T1_Images", INV1, protocol="mp2rage"), "review:combined_to"),
    ],
    "the combined image of an MP2RAGE, which only words tell": [
        (make(3, "t1_mp2rage_UNI_Images", INV1), "review:combined_to"),
    ],
    "one inversion under a name that is given": [
        (make(1, "anat-MP2RAGE_acq-a_INV2", INV2, protocol="anat-MP2RAGE_acq-a"), "anat/acq-a_inv-2_MP2RAGE"),
    ],
    "one inversion under a name that is given, which nothing numbers": [
        (make(1, "anat-MP2RAGE_acq-a", INV2), "review:which_of_the_two_inversions"),
    ],
    "two MPRAGEs": [
        (make(1, "t1_mprage_ti700", INV1), "review:inversion_times"),
        (make(2, "t1_mprage_ti2500", INV2), "review:inversion_times"),
    ],
    "inversion recovery": [
        (make(rank, f"ir_{ti}", {**IR_TSE, "InversionTime": ti}), f"anat/inv-{rank}_IRT1:{ti}")
        for rank, ti in enumerate((50, 400, 1100, 2500), start=1)
    ],
    "flip angles": [
        (make(1, "fa2", {**FLASH, "FlipAngle": 2}), "anat/flip-1_VFA:flip_angles"),
        (make(2, "fa10", {**FLASH, "FlipAngle": 10}), "anat/flip-2_VFA"),
        (make(3, "fa20", {**FLASH, "FlipAngle": 20}), "anat/flip-3_VFA"),
    ],
    "flip angles that hardly differ": [
        (make(1, "t1_a", {**FLASH, "FlipAngle": 18}), "review:flip_angles"),
        (make(2, "t1_b", {**FLASH, "FlipAngle": 20}), "review:flip_angles"),
    ],
    "a double angle for the transmit field": [
        (make(1, "fa60", {**FLASH, "FlipAngle": 60}), "review"),
        (make(2, "fa120", {**FLASH, "FlipAngle": 120}), "review"),
    ],
    "magnetization transfer ratio": [
        (make(1, "mt_on", {**FLASH, **PULSE, "FlipAngle": 10}), "anat/mt-on_MTR:with_and_without"),
        (make(2, "mt_off", {**FLASH, "FlipAngle": 10}), "anat/mt-off_MTR"),
    ],
    "magnetization transfer saturation": [
        (make(1, "mtw", {**FLASH, **PULSE, "FlipAngle": 6}), "anat/flip-1_mt-on_MTS"),
        (make(2, "pdw", {**FLASH, "FlipAngle": 6}), "anat/flip-1_mt-off_MTS"),
        (make(3, "t1w", {**FLASH, "FlipAngle": 21, "RepetitionTime": 18}), "anat/flip-2_mt-off_MTS"),
    ],
    "multi-parameter mapping": [
        (
            make(rank, name, {**FLASH, "FlipAngle": flip, **more}, *echoes(2.3, 9.2, 16.1)),
            " ".join(f"anat/echo-{n}_flip-{label}_MPM" for n in (1, 2, 3)),
        )
        for rank, (name, flip, more, label) in enumerate(
            (("mtw", 6, PULSE, "1_mt-on"), ("pdw", 6, {}, "1_mt-off"), ("t1w", 21, {}, "2_mt-off")), start=1
        )
    ],
    "multi-parameter mapping with fewer echoes under the pulse": [
        (
            make(rank, name, {**FLASH, "FlipAngle": flip, **more}, *echoes(*times)),
            " ".join(f"anat/echo-{n}_flip-{label}_MPM" for n in range(1, len(times) + 1)),
        )
        for rank, (name, flip, more, times, label) in enumerate((
            ("mtw", 6, PULSE, (2.3, 4.6), "1_mt-on"), ("pdw", 6, {}, (2.3, 4.6, 6.9), "1_mt-off"),
            ("t1w", 21, {}, (2.3, 4.6, 6.9), "2_mt-off"),
        ), start=1)
    ],
    "a pulse of which power tells": [
        (make(601, "GRE-MT", {**FFE, "SAR": 2.35}), "anat/flip-1_mt-on_MTS:SAR"),
        (make(602, "GRE-MT", {**FFE, "SAR": 0.03}), "anat/flip-1_mt-off_MTS:SAR"),
        (make(701, "GRE-T1", {**FFE, **s.timed(2.01, 15, 15), "SAR": 0.28}), "anat/flip-2_mt-off_MTS:SAR"),
    ],
    "power that nobody calls a pulse": [
        (make(601, "GRE", {**FFE, "SAR": 2.35}), "review:evidence"),
        (make(602, "GRE", {**FFE, "SAR": 0.03}), "review:evidence"),
    ],
    "a pulse of which words tell where headers cannot": [
        (make(601, "GRE-MT1", FFE), "anat/flip-1_mt-on_MTS:words_do"),
        (make(602, "GRE-MT0", FFE), "anat/flip-1_mt-off_MTS:words_do"),
        (make(701, "GRE-T1", {**FFE, **s.timed(2.01, 15, 15)}), "anat/flip-2_mt-off_MTS:words_do"),
    ],
    "a pulse of which words of a ratio tell": [
        (make(601, "gre mt on", FFE), "anat/mt-on_MTR:words_do"),
        (make(602, "gre mt off", FFE), "anat/mt-off_MTR:words_do"),
    ],
    "a pulse of which power and words disagree": [
        (make(601, "GRE-MT1", {**FFE, "SAR": 0.03}), "review"),
        (make(602, "GRE-MT0", {**FFE, "SAR": 2.35}), "review"),
    ],
    "a pulse that the header of its maker would tell": [
        (make(1, "GRE-MT1", {**FLASH, "FlipAngle": 9}), "review:evidence"),
        (make(2, "GRE-MT0", {**FLASH, "FlipAngle": 9}), "review:evidence"),
    ],
    "a pulse after an agent": [
        (make(601, "T1W_3D_FFE", {**FFE, "SAR": 0.1}), "anat/T1w"),
        (make(602, "T1W_3D_FFE MTC", {**FFE, "SAR": 0.9, "ContrastBolusAgent": "Dotarem"}), "review:transfer"),
    ],
    "a pulse after an agent that words tell": [
        (make(601, "3D T1", {**FFE, "SAR": 0.1}), "anat/T1w"),
        (make(602, "3D T1 MTC +C", {**FFE, "SAR": 0.9}), "review:transfer"),
    ],
    "a pulse that the header tells, after an agent": [
        (make(1, "t1_fl3d", {**FLASH, "FlipAngle": 20}), "anat/T1w"),
        (make(2, "t1_fl3d_MTC", {**FLASH, **PULSE, "FlipAngle": 20, "ContrastBolusAgent": "Gadovist"}), "review"),
    ],
    "a pulse and no pulse, both after an agent": [
        (make(601, "GRE +C MT on", {**FFE, "ContrastBolusAgent": "Dotarem"}), "anat/ce-gadolinium_mt-on_MTR"),
        (make(602, "GRE +C MT off", {**FFE, "ContrastBolusAgent": "Dotarem"}), "anat/ce-gadolinium_mt-off_MTR"),
    ],
    "a pulse with another repetition time": [
        (make(601, "T1_3D", {**FFE, "RepetitionTime": 10, "SAR": 0.1}), "anat/T1w"),
        (make(602, "MT_3D", {**FFE, "RepetitionTime": 50, "SAR": 0.5}), "review:transfer"),
    ],
    "scans without a pulse of which none is called on": [
        (make(601, "GRE-MT0", FFE), "review:evidence"),
        (make(602, "GRE", FFE), "review:evidence"),
    ],
    "a pulse that only words tell of": [
        (make(1, "mtw", {**FLASH, "FlipAngle": 6}, *echoes(2.3, 4.6)), "review:map review:map"),
        (make(2, "pdw", {**FLASH, "FlipAngle": 6}, *echoes(2.3, 4.6)), "review:map review:map"),
        (make(3, "t1w", {**FLASH, "FlipAngle": 21}, *echoes(2.3, 4.6)), "review:map review:map"),
    ],
    "flip angles with other echoes": [
        (make(1, "fa3", {**FLASH, "FlipAngle": 3}), "anat/flip-1_VFA"),
        (make(2, "fa15", {**FLASH, "FlipAngle": 15}), "anat/flip-2_VFA"),
        (
            make(3, "me", {**FLASH, "FlipAngle": 8}, *echoes(2.5, 9, 16)),
            "anat/echo-1_MEGRE anat/echo-2_MEGRE anat/echo-3_MEGRE",
        ),
    ],
    "transmit field of a turbo FLASH": [
        (make(1, "b1", B1, at=5, ImageComments="anatomical image, TraRefAmpl: 1 V"), "fmap/acq-anat_TB1TFL"),
        (make(2, "b1", B1, at=5, ImageType="ORIGINAL\\PRIMARY\\FLIP ANGLE MAP\\ND"), "fmap/acq-famp_TB1TFL"),
    ],
    "transmit field, not told apart": [
        (make(1, "b1", B1), "review:anatomical_image"),
        (make(2, "dream", {**B1, "SequenceFile": "dream_b1map", "SequenceName": "*fl3d"}), "review:TB1"),
    ],
    "names given for a whole collection": [
        (make(1, "anat-MP2RAGE_INV1", INV1, protocol="anat-MP2RAGE_acq-a", at=20), "anat/acq-a_inv-1_MP2RAGE"),
        (make(2, "anat-MP2RAGE_INV2", INV2, protocol="anat-MP2RAGE_acq-a", at=20), "anat/acq-a_inv-2_MP2RAGE"),
        (make(3, "anat-MP2RAGE_UNI", INV1, protocol="anat-MP2RAGE_acq-a", at=20, ImageType=UNI), "anat/acq-a_UNIT1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", LINKED)
def test_scans_that_make_a_map_are_named_together(name: str) -> None:
    assert not check(LINKED[name])


NOISE = "ORIGINAL\\PRIMARY\\M\\MB\\NOISE\\ND\\NORM\\MOSAIC"
ADC = "DERIVED\\PRIMARY\\DIFFUSION\\ADC\\ND"

FOLLOWING: S = {
    "maps of the second of two runs": [
        (make(1, "dti", s.DWI, volumes=33, b=s.SHELL), "dwi/dir-AP_run-1_dwi"),
        (make(2, "dti", s.DWI, volumes=33, b=s.SHELL), "dwi/dir-AP_run-2_dwi"),
        (make(3, "dti_ADC", s.DWI, ImageType=ADC, protocol="dti", at=10), "dwi/dir-AP_run-2_ADC:series_2"),
        (
            make(4, "dti_CFA", s.DWI, ImageType="DERIVED\\PRIMARY\\DIFFUSION\\FA", SamplesPerPixel=3, protocol="dti"),
            "dwi/dir-AP_run-2_colFA",
        ),
        (make(5, "dti_CALC", s.DWI, ImageType="DERIVED\\PRIMARY\\DIFFUSION\\CALC_BVALUE\\TRACEW"), "skip"),
        (make(6, "dti_TENSOR", s.DWI, ImageType="DERIVED\\PRIMARY\\DIFFUSION\\TENSOR", volumes=7), "skip"),
        (make(7, "dti_ADC_MPR", s.DWI, ImageType="DERIVED\\SECONDARY\\MPR\\ADC"), "skip"),
    ],
    "maps without their run": [
        (
            make(1, "diff_TRACEW", s.DWI, ImageType="DERIVED\\PRIMARY\\DIFFUSION\\TRACEW", protocol="d"),
            "dwi/dir-AP_trace",
        ),
        (make(2, "diff_ADC", s.DWI, ImageType=ADC, protocol="d", at=5), "dwi/dir-AP_ADC:header"),
    ],
    "maps of a run that is not there, beside another": [
        (make(1, "dti_PA", s.DWI, volumes=33, b=s.SHELL, PhaseEncodingPositive=0), "dwi/dir-PA_dwi"),
        (make(2, "dti_PA_ADC", s.DWI, ImageType=ADC, protocol="dti_PA", PhaseEncodingPositive=0), "dwi/dir-PA_ADC"),
        (make(4, "dti_AP_ADC", s.DWI, ImageType=ADC, protocol="dti_AP"), "dwi/dir-AP_ADC"),
    ],
    "maps of which the header does not say the direction": [
        (make(1, "dti", s.GE_DWI, volumes=33, b=s.SHELL), "dwi/dwi"),
        (make(2, "dti ADC", s.GE_DWI, ImageType="DERIVED\\SECONDARY\\ADC", protocol="dti"), "dwi/ADC:series_1"),
        (
            make(4, "dwi ADC", s.GE_DWI, ImageType="DERIVED\\SECONDARY\\ADC", protocol="dwi"),
            "review:series_2_of_another_run",
        ),
    ],
    "maps of the first of two runs, which is not there": [
        (make(2, "dti_ADC", s.DWI, ImageType=ADC, protocol="dti", at=5), "review:not_here"),
        (make(3, "dti", s.DWI, volumes=33, b=s.SHELL), "dwi/dir-AP_dwi"),
        (make(4, "dti_ADC", s.DWI, ImageType=ADC, protocol="dti", at=15), "dwi/dir-AP_ADC"),
    ],
    "map of a run that the protocol names": [
        (make(1, "dwi-dwi_dir-AP", s.DWI, volumes=33, b=s.SHELL), "dwi/dir-AP_dwi"),
        (make(2, "dwi-dwi_dir-AP_ADC", s.DWI, ImageType=ADC, protocol="dwi-dwi_dir-AP", at=5), "dwi/dir-AP_ADC"),
    ],
    "noise at the end of a run": [
        (
            make(1, "bold_rest", s.BOLD, Part(300), Part(3, tags={"ImageType": NOISE}), ImageType=s.MULTIBAND),
            "func/task-rest_bold func/task-rest_noRF:NOISE",
        ),
    ],
    "relaxation times": [
        (make(1, "t2map", s.TSE, ImageType="DERIVED\\PRIMARY\\T2 MAP\\ND"), "anat/T2map"),
        (make(2, "t2smap", s.FLASH3D, ImageType="DERIVED\\PRIMARY\\T2_STAR MAP\\ND"), "anat/T2starmap"),
        (make(3, "r2s", s.FLASH3D, ImageType="DERIVED\\PRIMARY\\R2_STAR_MAP"), "anat/R2starmap"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWING)
def test_what_is_made_of_a_run_has_its_labels(name: str) -> None:
    assert not check(FOLLOWING[name])
