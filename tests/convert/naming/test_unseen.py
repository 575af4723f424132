"""Sequences of all makers that no rule was written for one by one: what is sure gets its name, the rest a reason.

The headers are made up from the defined terms of PS3.3 C.8.3 and C.8.13, from the builders in `scans`, and from
protocols and timings of clinical practice; none was taken from a file that the rules were tuned to.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow import schema
from bidsflow.convert.plan import Decision
from bidsflow.dicom.header import Header
from bidsflow.names import parse_name
from tests.convert.naming import scans as s
from tests.convert.naming.scans import Row, bold, check, echoes, make, plan_of

S = dict[str, list[Row]]

GADO = {"ContrastBolusAgent": "10 ml Gadovist"}
YES = {"ContrastBolusAgent": "YES"}
NONE = {"ContrastBolusAgent": "NONE"}
TSE_SAG = {**s.TSE, "orientation": s.SAGITTAL, "matrix": (320, 320, 24)}
GE_T1 = s.ge("SE", "SK", "2D", "fse-xl", **s.SLICES, **s.timed(12, 600, 90))
STIR = {**s.TSE, "ScanningSequence": "SE\\IR", "InversionTime": 220, "SequenceName": "*tir2d1_11"}

REFORMAT = {**s.MPRAGE, "ImageType": "DERIVED\\SECONDARY\\MPR\\CSA MPR\\CSAPARALLEL\\M\\ND\\NORM"}
AMIDES = {"ImageType": "ORIGINAL\\PRIMARY\\APTW_SE\\APTW\\SE", "EchoTime": 8}
SUSCEPTIBILITY = "ORIGINAL\\PRIMARY\\SW_M_FFE\\SW_M\\FFE"
NOT_INVERTED = {**s.MPRAGE, "ScanningSequence": "GR", "SequenceVariant": "SP", "InversionTime": ""}
ECHOES_OF_A_HALF = "fmap/dir-PA_epi skip:(31_ms;_the_first,_of_13_ms skip:another_echo"
RESEARCH = {**s.GE_CUBE, "ScanningSequence": "RM", "GePulseSequence": "x"}
ISOTROPIC = {"PhilipsDiffusionDirection": "I", "DiffusionBValue": 1000}
MEANS = {"DiffusionDirectionality": "ISOTROPIC", "DiffusionBValue": 1000}
NORMALIZED = {**s.FIELD, "ImageType": s.NORM}
#: What people type, and what scanners write, where parameters alone mislead.
MISLEADING: S = {
    "the description says nothing, the protocol another contrast": [
        (make(1, "tse", {**s.TSE, "EchoTime": 40}, protocol="T2w"), "review:the_protocol_name_says_t2w_(T2w)"),
        (make(2, "tse_pd", {**s.TSE, "EchoTime": 40}, protocol="T2w"), "anat/PDw"),
    ],
    "the protocol of GE is that of the whole examination": [
        (make(1, "Ax PROP", s.GE_FSE, protocol="T2 brain"), "anat/PDw"),
    ],
    "a reformat without its original": [(make(1, "AXIAL T1 RECON", REFORMAT), "review:not_in_the_export")],
    "a reformat beside its original": [
        (make(1, "t1_mprage", s.MPRAGE), "anat/T1w"),
        (make(2, "AXIAL T1 RECON", REFORMAT), "skip:MPR"),
    ],
    "a reformat after an agent beside the scan before it": [
        (make(1, "t1_mprage", s.MPRAGE), "anat/T1w"),
        (make(2, "t1_MPR", {**REFORMAT, "ContrastBolusAgent": "Gadovist"}), "review:not_in_the_export"),
        (make(3, "t1_tra_KM", REFORMAT), "review:measured_after_a_contrast_agent"),
    ],
    "a reformat after an agent beside its original": [
        (make(1, "t1_mprage", s.MPRAGE), "anat/T1w"),
        (make(2, "t1_mprage", {**s.MPRAGE, "ContrastBolusAgent": "Gadovist"}), "anat/ce-gadolinium_T1w"),
        (make(3, "t1_MPR", {**REFORMAT, "ContrastBolusAgent": "Gadovist"}), "skip:MPR"),
    ],
    "a reformat before an agent beside the scan after it": [
        (make(1, "t1_nativ_MPR", REFORMAT), "review:not_in_the_export"),
        (make(2, "t1_mprage_KM", {**s.MPRAGE, "ContrastBolusAgent": "Gadovist"}), "anat/ce-gadolinium_T1w"),
    ],
    "a reformat that says nothing of the agent of its original": [
        (make(1, "t2", s.TSE), "anat/T2w"),
        (make(2, "t1_mprage_KM", {**s.MPRAGE, "ContrastBolusAgent": "Gadovist"}), "anat/ce-gadolinium_T1w"),
        (make(3, "t1_MPR", REFORMAT), "skip:MPR"),
    ],
    "a reformat of Philips without its original": [
        (make(1, "COR RECON", s.PH_FLAIR, ImageType="ORIGINAL\\PRIMARY\\PROJECTION IMAGE\\M\\IR"), "review:PROJECTION"),
        (make(2, "<MIP Range>", s.PH_FFE, ImageType="DERIVED\\SECONDARY\\PROJECTION IMAGE\\MIP"), "skip"),
    ],
    "means over directions": [
        (make(1, "sB1000", s.PH_DWI, b=(1000.0,), **ISOTROPIC), "dwi/trace:(isotropic)"),
        (
            make(2, "DWI", {**s.DWI, **MEANS}, b=(0.0, 1000.0), volumes=2),
            "review:its_2_volumes_hold_means",
        ),
        (make(3, "one direction", s.PH_DWI, b=(1000.0,), **{**ISOTROPIC, "PhilipsDiffusionDirection": "O"}), "review"),
    ],
    "suffixes in short": [
        (make(1, "anat-T2", s.SPACE), "anat/T2w"),
        (make(2, "anat-T1_acq-mpr", s.MPRAGE), "anat/acq-mpr_T1w"),
        (make(3, "anat-T1", s.TSE), "review:but_by_its_physics"),
    ],
    "a reformat of a scout": [(make(1, "AAHead_Scout_MPR_cor", REFORMAT), "skip:MPR")],
    "a map of amides": [
        (make(1, "APT_10slices", s.PH_TSE, **AMIDES), "skip:APTW"),
        (make(2, "CEST 3D", s.PH_TSE, EchoTime=8), "review:magnetization_of_amides"),
    ],
    "susceptibility of Philips, without an echo time": [
        (make(1, "SWIp", {**s.PH_FFE, "EchoTime": "", "ImageType": SUSCEPTIBILITY}), "review:SW"),
        (make(2, "fast", {**s.PH_FFE, "EchoTime": ""}), "review"),
    ],
    "an MPRAGE without its inversion": [
        (make(1, "pd_mprage", NOT_INVERTED), "anat/PDw"),
        (make(2, "tfl", NOT_INVERTED), "review"),
    ],
    "references of field maps, as each protocol of multiband EPI has them": [
        (s.sbref(1, "fmap_se_AP_SBRef", s.SE_EPI), "skip:of_series_2,_a_field_map"),
        (make(2, "fmap_se_AP", s.SE_EPI, volumes=3), "fmap/dir-AP_epi"),
        (s.sbref(3, "fmap_se_PA_SBRef", {**s.SE_EPI, "PhaseEncodingPositive": s.PA}), "skip:of_series_4,_a_field_map"),
        (make(4, "fmap_se_PA", s.SE_EPI, volumes=3, PhaseEncodingPositive=s.PA), "fmap/dir-PA_epi"),
    ],
    "magnitudes of a field map that were normalized, and those that were not": [
        (make(1, "gre_field_mapping", s.FIELD, *echoes(4.92, 7.38), at=5), "skip:of_the_magnitudes_of_series_2"),
        (make(2, "gre_field_mapping", NORMALIZED, *echoes(4.92, 7.38), at=5), "fmap/magnitude1 fmap/magnitude2"),
        (s.phase_difference(3, at=5), "fmap/phasediff"),
    ],
    "magnitudes of two measurements, one without its phase": [
        (make(1, "gre_field_mapping", s.FIELD, *echoes(4.92, 7.38), at=5), "review:without_a_phase"),
        (make(2, "gre_field_mapping", NORMALIZED, *echoes(4.92, 7.38), at=9), "fmap/magnitude1 fmap/magnitude2"),
        (s.phase_difference(3, at=9), "fmap/phasediff"),
    ],
    "the drawing of a design": [
        (make(1, "Design", s.BOLD, ImageType="DERIVED\\PRIMARY\\FMRI\\DESIGN\\ND\\MOCO"), "skip:DESIGN"),
    ],
    "research mode of GE": [
        (make(1, "Sag 3D", {**RESEARCH, "GePulseSequence": "CubeT2"}, at=10, protocol="x"), "anat/T2w"),
        (make(2, "ORIG Sag 3D", RESEARCH, at=10, protocol="x"), "anat/rec-orig_T2w"),
        (make(3, "Sag PD", {**RESEARCH, "EchoTime": 20}, protocol="Sag PD"), "review"),
    ],
    "turbo spin echoes between proton density and T2": [
        (make(1, "hippocampus", {**s.TSE, **s.timed(50, 8020, 150)}), "anat/T2w"),
        (make(2, "tse_tra", {**s.TSE, **s.timed(50, 4000, 150)}), "review:between_proton_density_and_T2"),
    ],
    "halves of a field map at several echoes": [
        (make(1, "fmap_PA", s.BOLD, *echoes(13, 31, 49), volumes=5, PhaseEncodingPositive=s.PA), ECHOES_OF_A_HALF),
        (make(2, "fmap_AP", s.BOLD, *echoes(13, 31, 49), volumes=5), ECHOES_OF_A_HALF.replace("PA", "AP")),
        (
            make(3, "rest", s.BOLD, *echoes(13, 31), volumes=200),
            "func/task-rest_echo-1_bold:by_field_map_pepolar1 func/task-rest_echo-2_bold:by_field_map_pepolar1",
        ),
    ],
    "a field map that is called FM": [
        (make(1, "FM_rest_PA", s.BOLD, volumes=5, PhaseEncodingPositive=s.PA), "fmap/dir-PA_epi:(fm)"),
        (make(2, "FM_rest", s.BOLD, volumes=300), "func/task-rest_bold"),
    ],
}  # fmt: skip

SIEMENS: S = {
    "tumour, agent in the header after the injection": [
        (make(1, "localizer", s.LOC, *s.THREE), "skip"),
        (make(2, "t2_tse_tra_512", s.TSE), "anat/T2w"),
        (make(3, "t1_mprage_sag", s.MPRAGE), "anat/T1w"),
        (make(4, "ep2d_perf", s.BOLD, volumes=60, SequenceFile="ep2d_perf", **GADO), "review:perfusion"),
        (make(5, "t1_mprage_sag", s.MPRAGE, **GADO), "anat/ce-gadolinium_T1w:gadolinium"),
        (make(6, "t2_tirm_tra_dark-fluid", s.TIRM, **GADO), "anat/ce-gadolinium_FLAIR"),
    ],
    "agent in every series of the visit": [
        (make(1, "localizer", s.LOC, *s.THREE, **YES), "skip"),
        (make(2, "t2_tse_tra", s.TSE, **YES), "anat/T2w"),
        (make(3, "t1_mprage_sag", s.MPRAGE, **YES), "review:from_the_first"),
        (make(4, "t1_mprage_sag post Gd", s.MPRAGE, **YES), "anat/ce-contrast_T1w"),
    ],
    "words of contrast without a header": [
        (make(1, "t1_mprage_sag", s.MPRAGE), "anat/acq-3D_T1w"),
        (make(2, "t1_mprage_sag_KM", s.MPRAGE), "review:contrast"),
        (make(3, "t1_tse_tra+C", s.SE_T1), "review:contrast"),
        (make(4, "t1_se_tra_nativ", s.SE_T1, **NONE), "anat/acq-ax_T1w"),
    ],
    "denied agents": [
        (make(rank, "t1_mprage_sag", s.MPRAGE, ContrastBolusAgent=text, study=f"1.2.3.{rank}"), "anat/T1w")
        for rank, text in enumerate(("NO", "None", "N", "0 ML", "no contrast", "ohne"), start=1)
    ],
    "first pass without a word": [
        (make(1, "", {**s.BOLD, "SequenceFile": ""}, volumes=60, **s.timed(30, 1500, 60)), "review:first_pass"),
        (make(2, "", {**s.BOLD, "SequenceFile": ""}, volumes=240, **s.timed(30, 2000, 60)), "func/task-bold_bold"),
    ],
    "first pass with an agent": [
        (make(1, "t1_mprage_sag", s.MPRAGE), "anat/T1w"),
        (make(2, "", {**s.BOLD, "SequenceFile": ""}, volumes=300, **YES), "review:agent"),
        (bold(3, "bold_rest", **YES), "func/task-rest_bold"),
    ],
    "dynamic, one series each phase": [
        (make(rank, f"t1_vibe_dyn_{rank}", s.FLASH3D), "review:times") for rank in range(1, 7)
    ],
    "inversions": [
        (make(1, "stir_tra", STIR), "anat/acq-STIR_T2w:fat"),
        (make(2, "stir_short", {**STIR, "EchoTime": 32, "InversionTime": 150}), "review:fat"),
        (make(3, "t1_ir_tse", {**STIR, "EchoTime": 12, "InversionTime": 860, "RepetitionTime": 2200}), "anat/T1w"),
        (make(4, "flair_fast", {**STIR, "InversionTime": 1100, "RepetitionTime": 2700}), "anat/FLAIR"),
        (make(5, "spc_x", {**s.SPACE_FLAIR, "InversionTime": 450}), "review:neither"),
        (make(6, "fgatir", {**s.MPRAGE, "RepetitionTime": 3000, "InversionTime": 409}, RepetitionTime=3000), "review"),
    ],
    "magnetization transfer": [
        (make(1, "gre_fa10", {**s.FLASH3D, "SequenceVariant": "SP\\MTC"}), "review:transfer"),
        (make(2, "t1_se", {**s.SE_T1, "SequenceVariant": "SP\\MTC\\OSP"}), "review:transfer"),
        (make(3, "tof", {**s.TOF, "SequenceVariant": "SP\\MTC"}), "anat/angio"),
    ],
    "fat and water": [
        (
            make(1, "t2_tse_dixon_W", s.TSE, ImageType="DERIVED\\PRIMARY\\M\\DIXON\\WATER", protocol="t2_tse_dixon"),
            "review:fat",
        ),
        (
            make(2, "t2_tse_dixon_F", s.TSE, ImageType="DERIVED\\PRIMARY\\M\\DIXON\\FAT", protocol="t2_tse_dixon"),
            "review:fat",
        ),
    ],
    "knee": [
        (make(1, "loc", s.LOC, *s.THREE, BodyPartExamined="KNEE"), "skip"),
        (make(2, "pd_tse_sag", s.TSE, BodyPartExamined="KNEE", EchoTime=30), "review:knee"),
        (make(3, "t2_tse_cor", s.TSE, BodyPartExamined="KNEE"), "review:knee"),
        (make(4, "t1_se_cor", s.SE_T1, BodyPartExamined="KNEE"), "review:knee"),
    ],
    "knee, only in words or coil": [
        (make(1, "t2_tse_sag_knee", s.TSE), "review:knee"),
        (make(2, "t2_tse_sag", s.TSE, ReceiveCoilName="TxRx_15Ch_Knee"), "review:coil"),
        (make(3, "t2_tse_LSPINE_sag", TSE_SAG), "review:spine"),
    ],
    "brain under a wrong body part": [
        (make(1, "t1_mprage_sag", s.MPRAGE, BodyPartExamined="KNEE"), "anat/T1w"),
        (make(2, "t2_space", s.SPACE, BodyPartExamined="KNEE"), "anat/T2w"),
        (bold(3, "bold_foot_tapping", BodyPartExamined="KNEE"), "func/task-footTapping_bold"),
        (make(4, "t2_tse_tra", s.TSE, BodyPartExamined="KNEE", study="1.2.3.4"), "review:knee"),
        (make(5, "t2_tse_brain", s.TSE, BodyPartExamined="NECK", study="1.2.3.5"), "anat/T2w"),
        (make(6, "t2_tse_tra", s.TSE, BodyPartExamined="HEADNECK", study="1.2.3.6"), "anat/T2w"),
    ],
    "two planes": [
        (make(1, "t2_tse_tra", s.TSE), "anat/acq-ax_run-1_T2w:plane"),
        (make(2, "t2_tse_sag", TSE_SAG), "anat/acq-sag_T2w"),
        (make(3, "t2_tse_tra", s.TSE), "anat/acq-ax_run-2_T2w"),
        (make(4, "t2_space", s.SPACE), "anat/acq-3D_T2w"),
    ],
    "two voxel sizes": [
        (make(1, "t2_tse_tra", s.TSE, PixelSpacing="0.5\\0.5", SliceThickness=3), "anat/acq-0p5x3mm_T2w:voxel"),
        (make(2, "t2_tse_hires", s.TSE, PixelSpacing="0.4\\0.4", SliceThickness=2), "anat/acq-0p4x2mm_T2w"),
    ],
    "two runs with two echo times": [
        (bold(1, "bold_rest"), "func/task-rest_acq-TE37_bold:TE"),
        (bold(2, "bold_rest", EchoTime=25), "func/task-rest_acq-TE25_run-1_bold"),
        (bold(3, "bold_rest", EchoTime=25), "func/task-rest_acq-TE25_run-2_bold"),
        (bold(4, "bold_nback", EchoTime=25), "func/task-nback_bold"),
    ],
    "two shells, one protocol each": [
        (make(1, "dti_b1000", s.DWI, volumes=33, b=(0.0, 1000.0)), "dwi/acq-b1000_dir-AP_dwi"),
        (make(2, "dti_b3000", s.DWI, volumes=33, b=(0.0, 3000.0)), "dwi/acq-b3000_dir-AP_dwi"),
    ],
    "same parameters, other place": [
        (make(1, "t2_tse_hippocampus", s.TSE, matrix=(320, 260, 30)), "anat/acq-hippocampus_T2w:words"),
        (make(2, "t2_tse_brainstem", s.TSE, matrix=(320, 260, 24)), "anat/acq-brainstem_T2w"),
    ],
    "given and found runs": [
        (bold(1, "func_task-movie_run-01"), "func/task-movie_run-01_bold"),
        (bold(2, "func_task-movie_run+"), "func/task-movie_run-02_bold"),
        (bold(3, "func_task-movie_run+"), "func/task-movie_run-03_bold"),
    ],
    "one run under two forms": [
        (bold(1, "func_task-movie_run-01"), "review:index"),
        (bold(2, "func_task-movie_run-1"), "review:index"),
    ],
    "echoes of a spin echo": [
        (
            make(1, "t2map_se_mc", s.TSE, *echoes(10, 20, 30, 40, 50, 60, 70, 80)),
            " ".join(f"anat/echo-{n}_MESE" for n in range(1, 9)),
        ),
    ],
}  # fmt: skip

XA: S = {
    "enhanced, flags instead of names": [
        (make(1, "a", s.xa(s.TOF, AngioFlag="", TimeOfFlightContrast="YES", AcquisitionContrast="T1")), "anat/angio"),
        (make(2, "b", s.xa(s.FLASH3D, PhaseContrast="YES", AcquisitionContrast="T1")), "review:phase_contrast"),
        (make(3, "c", s.xa(s.FLASH3D, MagnetizationTransfer="OFF_RESONANCE", AcquisitionContrast="T1")), "review:tran"),
        (
            make(4, "d", s.xa(s.TSE, AcquisitionContrast="STIR", InversionRecovery="YES", InversionTime=210)),
            "anat/acq-STIR_T2w",
        ),
        (
            make(5, "e", s.xa(s.BOLD, AcquisitionContrast="PERFUSION"), volumes=60),
            "review:perfusion",
        ),
        (
            make(6, "f", s.xa(s.BOLD, ImageType="ORIGINAL\\PRIMARY\\PERFUSION\\NONE"), volumes=60),
            "review:perfusion",
        ),
        (make(7, "g", s.xa(s.MPRAGE, ContrastBolusAgentAdministered="NO")), "anat/T1w"),
        (make(8, "h", s.xa(s.MPRAGE, ContrastBolusAgentAdministered="YES")), "anat/ce-contrast_T1w"),
    ],
}

GE: S = {
    "GE, contrast study": [
        (make(1, "3Plane Loc", s.ge("SE", "SK", "2D", "ssfse"), *s.THREE), "skip"),
        (make(2, "Ax T1 FSE", GE_T1, **NONE), "anat/T1w"),
        (make(3, "Ax T1 FSE +C", GE_T1, ContrastBolusAgent="Dotarem"), "anat/ce-gadolinium_T1w"),
        (make(4, "Ax Perfusion", s.GE_EPI, volumes=60, ContrastBolusAgent="Dotarem"), "review:perfusion"),
    ],
    "GE, words against the header": [
        (make(1, "Sag T1 PRE", s.GE_BRAVO), "anat/T1w"),
        (make(2, "Sag T1 PRE", s.GE_BRAVO, ContrastBolusAgent="Dotarem"), "review:pre"),
        (make(3, "Sag T1 POST", s.GE_BRAVO, ContrastBolusAgent="NO"), "review:post"),
    ],
    "GE vessels": [
        (make(1, "MRA", s.ge("GR", "SS\\SP", "3D", "3dtof", **s.HEAD, **s.timed(2.7, 22, 20))), "anat/run-1_angio"),
        (make(2, "Ax 3D T1", s.ge("GR", "SS\\SP", "3D", "efgre3d", ScanOptions="FAST_GEMS\\VASCTOF_GEMS", **s.HEAD,
                                  **s.timed(2.7, 22, 20))), "anat/run-2_angio"),
        (make(3, "T1 Velocity", s.ge("GR", "SS\\SP", "3D", "efgre3d", ScanOptions="VASCPC_GEMS", **s.HEAD,
                                     **s.timed(3, 12, 10))), "review:phase_contrast"),
    ],
    "GE steady state": [
        (make(1, "Ax FIESTA T2", s.ge("GR", "SS\\SK", "3D", "fiesta", **s.HEAD, **s.timed(2, 5, 55))), "review"),
    ],
    "GE inversion": [
        (make(1, "Cor STIR", {**s.GE_FSE, "ScanningSequence": "SE\\IR", **s.timed(68, 4500, 111, 160),
                              "orientation": s.CORONAL}), "anat/acq-STIR_T2w"),
        (make(2, "Sag CUBE DIR", {**s.GE_CUBE, "ScanningSequence": "SE\\IR", **s.timed(90, 7000, 90, 546)}), "review"),
        (make(3, "Sag T2 PREP FLAIR", s.GE_CUBE_FLAIR), "anat/FLAIR"),
    ],
    "GE spine": [
        (make(1, "Sag T2 FSE", s.GE_FSE, EchoTime=100, BodyPartExamined="LSPINE"), "anat/T2w:none_a_head"),
        (make(2, "Sag T1 C-SPINE", GE_T1), "anat/T1w:none_a_head"),
    ],
    "GE, planes": [
        (make(1, "Ax T2", s.GE_FSE, EchoTime=100), "anat/acq-ax_T2w"),
        (make(2, "Cor T2", s.GE_FSE, EchoTime=100, orientation=s.CORONAL), "anat/acq-cor_T2w"),
        (make(3, "Sag CUBE T2", s.GE_CUBE), "anat/acq-3D_T2w"),
    ],
}  # fmt: skip

PHILIPS: S = {
    "Philips, contrast study": [
        (make(101, "SURVEY", s.PH_FFE, *s.THREE), "skip"),
        (make(201, "T1W_3D_TFE", s.PH_TFE), "anat/T1w"),
        (make(301, "T1W_3D_TFE_Gd", s.PH_TFE, ContrastBolusAgent="Gd-DOTA"), "anat/ce-gadolinium_T1w"),
        (make(401, "DSC", s.PH_FEEPI, volumes=40, ContrastBolusAgent="Gd-DOTA"), "review:perfusion"),
    ],
    "Philips, agent left from the start": [
        (make(201, "T1W_3D_TFE", s.PH_TFE, ContrastBolusAgent="Dotarem"), "review:from_the_first"),
        (make(301, "T1W_3D_TFE", s.PH_TFE, ContrastBolusAgent="Dotarem"), "review:from_the_first"),
        (make(401, "FE_EPI rest", s.PH_FEEPI, volumes=200, ContrastBolusAgent="Dotarem"), "func/task-rest_bold"),
    ],
    "Philips classic": [
        (make(1, "STIR_TSE", s.philips("IR", "TIR", ImageType="ORIGINAL\\PRIMARY\\M_IR\\M\\IR", **s.SLICES,
                                       **s.timed(80, 4000, 90, 200))), "anat/acq-STIR_T2w"),
        (make(2, "T1_IR_TSE", s.philips("IR", "TIR", ImageType="ORIGINAL\\PRIMARY\\M_IR\\M\\IR", **s.SLICES,
                                        **s.timed(15, 2500, 90, 400))), "anat/T1w"),
        (make(3, "QFLOW T1", s.philips("GR", "T1FFE", "3D", ImageType="ORIGINAL\\PRIMARY\\M_PCA\\M\\PCA", **s.HEAD,
                                       **s.timed(4, 12, 10))), "review:phase_contrast"),
        (make(4, "T1W_mDIXON", s.PH_FFE, ImageType="ORIGINAL\\PRIMARY\\W\\W\\UNSPECIFIED"), "review:fat"),
        (make(5, "KNEE_T2", s.PH_TSE, BodyPartExamined="KNEE"), "review:knee"),
        (make(6, "T1_MTC", {**s.PH_FFE, "SequenceVariant": "MTC\\SP"}), "review:transfer"),
    ],
    "Philips enhanced": [
        (make(1, "s3DI_MC", s.xa(s.philips("GR", "", "3D", SequenceName="", **s.HEAD, **s.timed(3.5, 23, 18)),
                                 TimeOfFlightContrast="YES", AcquisitionContrast="T1")), "anat/angio"),
        (make(2, "T2W_3D_DRIVE", s.xa(s.philips("GR", "", "3D", SequenceName="", **s.HEAD, **s.timed(3, 6, 45)),
                                      SteadyStatePulseSequence="FREE_PRECESSION", Spoiling="NONE",
                                      AcquisitionContrast="T1")), "review"),
        (make(3, "T1", s.xa(s.philips("GR", "", "3D", SequenceName="", **s.HEAD, **s.timed(3.6, 8, 8)),
                            AcquisitionContrast="T1", InversionRecovery="YES", InversionTime=900)), "anat/T1w"),
        (make(4, "Reg - DWI", s.xa(s.philips("SE", "", SequenceName="", **s.timed(90, 8000, 90)),
                                   EchoPlanarPulseSequence="YES"), volumes=33, b=(0.0, 800.0)), "dwi/dwi"),
        (make(5, "T2* perf", s.xa(s.philips("GR", "", SequenceName="", **s.timed(30, 1600, 75)),
                                  EchoPlanarPulseSequence="YES", AcquisitionContrast="PERFUSION"), volumes=40),
         "review:perfusion"),
    ],
}  # fmt: skip

OTHERS: S = {
    "UIH": [
        (make(1, "asl", s.uih("SE", "asl_3d", "3D", **s.HEAD, **s.timed(11, 4800, 90))), "review:asl"),
        (make(2, "t1_tof", s.uih("GR", "gre_tof_3d", "3D", **s.HEAD, **s.timed(3.4, 20, 18))), "anat/angio"),
        (make(3, "t2_fse_tra", s.uih("SE", "fse", "2D", **s.SLICES, **s.timed(100, 5000, 120))), "anat/acq-ax_T2w"),
        (make(4, "t2_fse_mx3d", s.uih("SE", "fse_mx_3d", "3D", **s.HEAD, **s.timed(400, 3000, 60))), "anat/acq-3D_T2w"),
        (make(5, "t2_flair", s.uih("SE\\IR", "fse", "2D", **s.SLICES, **s.timed(110, 8500, 120, 2300))), "anat/FLAIR"),
        (make(6, "t1_bssfp", s.uih("GR", "gre_bssfp_3d", "3D", **s.HEAD, **s.timed(2, 5, 50))), "review"),
        (make(7, "perf", {**s.UIH_BOLD, "SequenceName": "epi_dsc"}, volumes=60), "review:perf"),
    ],
    "Canon": [
        (make(1000, "Locator", s.canon("GR", "FE2D", "2D"), *s.THREE), "skip"),
        (make(2000, "T1 3D", s.CANON_T1), "anat/T1w"),
        (make(7500, "T1 3D CE", s.CANON_T1, ContrastBolusAgent="CONTRAST"), "anat/ce-contrast_T1w"),
        (make(4000, "FASTSTIR", s.canon("SE\\IR", "FSE2D", "2D", **s.SLICES, **s.timed(60, 4000, 90, 190))),
         "anat/acq-STIR_T2w"),
        (make(5000, "FLAIR", s.canon("IR", "FIR2D", "2D", **s.SLICES, **s.timed(105, 10000, 90, 2700))), "anat/FLAIR"),
        (make(6000, "TOF T1", s.canon("GR", "FE3D_TOF", "3D", **s.HEAD, **s.timed(5, 22, 18))), "anat/angio"),
        (make(7000, "T2 liver", s.CANON_T2), "review:liver"),
    ],
    "Toshiba": [
        (make(1, "T2 Ax", {**s.CANON_T2, "Manufacturer": "TOSHIBA_MEC"}), "anat/acq-ax_T2w"),
        (make(2, "T2 Cor", {**s.CANON_T2, "Manufacturer": "TOSHIBA_MEC"}, orientation=s.CORONAL), "anat/acq-cor_T2w"),
        (make(3, "Perfusion", {**s.CANON_BOLD, "Manufacturer": "TOSHIBA_MEC"}, volumes=50), "review:perfusion"),
    ],
    "Hitachi": [
        (make(1, "T1 SE", s.canon("SE", "SE", "2D", **s.SLICES, **s.timed(14, 450, 90)), Manufacturer="Hitachi"),
         "anat/acq-ax_T1w"),
        (make(2, "T1 SE SAG", s.canon("SE", "SE", "2D", **s.SLICES, **s.timed(14, 450, 90)), Manufacturer="Hitachi",
              orientation=s.SAGITTAL), "anat/acq-sag_T1w"),
    ],
}  # fmt: skip

#: Written when the rules were done, and run once before anything was changed for them: 80 of 83 images came out right,
#: 3 were wrong (a balanced sequence of Philips, and fat suppression, which had no label yet).
LATER: S = {
    "siemens: epilepsy": [
        (make(1, "localizer", s.LOC, *s.THREE), "skip"),
        (
            make(
                2,
                "t2_tse_cor_hippo",
                {
                    **s.TSE,
                    "orientation": s.CORONAL,
                    "matrix": (512, 512, 30),
                    "PixelSpacing": "0.4\\0.4",
                    "SliceThickness": 3,
                },
            ),
            "anat/acq-cor_T2w",
        ),
        (make(3, "t2_tse_tra", {**s.TSE, "PixelSpacing": "0.7\\0.7", "SliceThickness": 4}), "anat/acq-ax_T2w"),
        (make(4, "t1_mprage_sag", s.MPRAGE), "anat/T1w"),
        (make(5, "t2_spc_ir_sag FLAIR", s.SPACE_FLAIR), "anat/FLAIR"),
        (make(6, "ep2d_diff_b1000", s.DWI, volumes=3, b=(0.0, 1000.0)), "dwi/dir-AP_dwi"),
    ],
    "siemens: MS follow-up": [
        (make(1, "t2_tse_tra_pd", s.TSE, *echoes(12, 95)), "anat/PDw anat/T2w"),
        (make(2, "t1_se_tra", s.SE_T1), "anat/T1w"),
        (make(3, "t1_se_tra", s.SE_T1, ContrastBolusAgent="Gadovist"), "anat/ce-gadolinium_T1w"),
    ],
    "siemens: fat saturation": [
        (make(1, "t1_tse_tra", s.SE_T1), "anat/T1w"),
        (make(2, "t1_tse_tra_fs", {**s.SE_T1, "ScanOptions": "FS"}), "anat/acq-fs_T1w"),
    ],
    "siemens: pre+post by time": [
        (make(1, "loc", s.LOC, *s.THREE, ContrastBolusAgent="Dotarem", ContrastBolusStartTime="092000"), "skip"),
        (make(2, "t1_mprage", s.MPRAGE, ContrastBolusAgent="Dotarem", ContrastBolusStartTime="092000"), "anat/T1w"),
        (
            make(6, "t1_mprage", s.MPRAGE, ContrastBolusAgent="Dotarem", ContrastBolusStartTime="092000"),
            "anat/ce-gadolinium_T1w",
        ),
    ],
    "siemens: posterior": [
        (make(1, "t2_tse_posterior_fossa", s.TSE), "anat/T2w"),
        (make(2, "t1_mprage_highcontrast", s.MPRAGE), "anat/T1w"),
    ],
    "siemens: sodium": [
        (make(1, "23Na_radial", {**s.FLASH3D, **s.timed(0.5, 120, 90), "SequenceName": "*rad3d"}), "review")
    ],
    "siemens: T2 prep dir": [
        (make(1, "t2_space_DIR_sag", {**s.SPACE_FLAIR, "InversionTime": 3000, "RepetitionTime": 7500}), "review")
    ],
    "siemens: hand task": [
        (bold(1, "bold_hand_left"), "func/task-handLeft_bold"),
        (bold(2, "bold_foot"), "func/task-foot_bold"),
    ],
    "siemens: PSIF": [
        (
            make(1, "psif3d", {**s.FLASH3D, "SequenceName": "*psif3d1", "SequenceVariant": "SS", **s.timed(5, 12, 40)}),
            "review",
        )
    ],
    "siemens: cspine fmri": [(bold(1, "bold_cspine_rest", BodyPartExamined="CSPINE"), "func/task-rest_bold")],
    "siemens: cspine anat": [
        (make(1, "t2_tse_sag", {**s.TSE, "orientation": s.SAGITTAL}, BodyPartExamined="CSPINE"), "anat/T2w")
    ],
    "siemens: RESOLVE": [
        (
            make(1, "resolve_4scan_trace", {**s.DWI, "SequenceName": "*re_b0"}, volumes=2, b=(0.0, 1000.0)),
            "dwi/dir-AP_dwi",
        )
    ],
    "siemens: two T1 MPRAGE, res": [
        (make(1, "t1_mprage_1mm", {**s.MPRAGE, "PixelSpacing": "1\\1", "SliceThickness": 1}), "anat/acq-1mm_run-1_T1w"),
        (
            make(2, "t1_mprage_0.8mm", {**s.MPRAGE, "PixelSpacing": "0.8\\0.8", "SliceThickness": 0.8}),
            "anat/acq-0p8mm_T1w",
        ),
        (make(3, "t1_mprage_1mm", {**s.MPRAGE, "PixelSpacing": "1\\1", "SliceThickness": 1}), "anat/acq-1mm_run-2_T1w"),
    ],
    "siemens: multiecho bold beside single": [
        (
            make(1, "bold_me_rest", s.BOLD, *echoes(12, 30, 48), volumes=200),
            "func/task-rest_acq-ME_echo-1_bold func/task-rest_acq-ME_echo-2_bold func/task-rest_acq-ME_echo-3_bold",
        ),
        (bold(2, "bold_rest"), "func/task-rest_bold"),
    ],
    "siemens: vessel": [
        (
            make(1, "t1_space_db_post", {**s.SPACE, **s.timed(22, 800, 120)}, ContrastBolusAgent="GADAVIST 7.5CC"),
            "anat/ce-gadolinium_T1w",
        )
    ],
    "siemens: brain dwi in abdomen": [(make(1, "ep2d_diff_abdomen", s.DWI, volumes=9, b=(0.0, 800.0)), "review")],
    "ge: routine": [
        (make(1, "3-pl T2* FGRE", s.ge("GR", "SS\\SP", "2D", "fgre", **s.timed(1.6, 5.3, 30)), *s.THREE), "skip"),
        (make(2, "Sag T1 FLAIR", {**s.GE_T1_FLAIR, "orientation": s.SAGITTAL}), "anat/T1w"),
        (make(3, "Ax T2 PROPELLER", {**s.GE_FSE, "EchoTime": 110, "RepetitionTime": 5200}), "anat/T2w"),
        (
            make(
                4,
                "Ax T2 FLAIR",
                {
                    **s.GE_CUBE_FLAIR,
                    **s.timed(125, 9002, 160, 2473),
                    **s.SLICES,
                    "MRAcquisitionType": "2D",
                    "orientation": s.AXIAL,
                },
            ),
            "anat/FLAIR",
        ),
        (make(5, "Ax DWI ASSET", s.GE_DWI, volumes=2, b=(0.0, 1000.0)), "dwi/dwi"),
        (make(6, "Ax T1 FLAIR +C", s.GE_T1_FLAIR, ContrastBolusAgent="GADAVIST"), "anat/ce-gadolinium_T1w"),
        (make(7, "Ax SWAN", s.ge("GR", "SS\\SP", "3D", "swan", **s.HEAD, **s.timed(23, 38, 15))), "anat/T2starw"),
    ],
    "ge: resting with agent": [
        (make(1, "Ax BRAVO", s.GE_BRAVO, ContrastBolusAgent="Dotarem"), "review"),
        (make(2, "rsfMRI", s.GE_EPI, volumes=180, ContrastBolusAgent="Dotarem"), "func/task-rest_bold"),
    ],
    "ge: DSC anon": [(make(1, "", s.GE_EPI, volumes=50, **{"RepetitionTime": 1500}), "review")],
    "ge: shoulder": [
        (
            make(
                1,
                "Cor PD FS",
                {**s.GE_FSE, "orientation": s.CORONAL},
                BodyPartExamined="SHOULDER",
                ReceiveCoilName="3CHSHOULDER",
            ),
            "review",
        )
    ],
    "ge: LAVA": [
        (
            make(
                1,
                "Ax LAVA-Flex WATER",
                s.ge(
                    "GR",
                    "SS\\SP",
                    "3D",
                    "lava",
                    ImageType="DERIVED\\PRIMARY\\DIXON\\WATER",
                    **s.HEAD,
                    **s.timed(1.2, 4.1, 12),
                ),
            ),
            "review",
        )
    ],
    "ge: MRCP": [(make(1, "3D MRCP", {**s.GE_CUBE, "EchoTime": 600, "RepetitionTime": 4000}), "review")],
    "ge: PC": [(make(1, "3D PC SAG", s.ge("GR", "SS\\SP", "3D", "3dpc", **s.HEAD, **s.timed(6, 22, 20))), "review")],
    "philips: enhanced STIR": [
        (
            make(
                1,
                "STIR_cor",
                s.xa(
                    s.philips("SE", "", SequenceName="", **s.SLICES, **s.timed(70, 4500, 90, 220)),
                    InversionRecovery="YES",
                    AcquisitionContrast="STIR",
                ),
            ),
            "anat/acq-STIR_T2w",
        )
    ],
    "philips: enhanced FLAIR 3D": [
        (
            make(
                1,
                "3D_Brain_VIEW_FLAIR",
                s.xa(
                    s.philips("SE", "", "3D", SequenceName="", **s.HEAD, **s.timed(340, 4800, 90, 1650)),
                    InversionRecovery="YES",
                    AcquisitionContrast="FLUID_ATTENUATED",
                ),
            ),
            "anat/FLAIR",
        )
    ],
    "philips: enhanced T1 FFE dynamic": [
        (
            make(
                1,
                "DCE",
                s.xa(
                    s.philips("GR", "", "3D", SequenceName="", **s.HEAD, **s.timed(2, 4.5, 15)),
                    AcquisitionContrast="T1",
                ),
                volumes=40,
            ),
            "review",
        )
    ],
    "philips: bTFE": [
        (
            make(1, "BTFE", s.philips("GR", "BTFE", "3D", SequenceVariant="MP\\SS", **s.HEAD, **s.timed(2.3, 4.6, 45))),
            "review",
        )
    ],
    "philips: T2 map": [
        (
            make(1, "T2_map_GRASE", s.PH_TSE, *echoes(13, 26, 39, 52, 65, 78)),
            " ".join(f"anat/echo-{n}_MESE" for n in range(1, 7)),
        )
    ],
    "philips: SWIp": [
        (
            make(
                1,
                "SWIp",
                s.philips(
                    "GR", "T1FFE", "3D", ImageType="ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE", **s.HEAD, **s.timed(18, 31, 17)
                ),
            ),
            "anat/T2starw",
        )
    ],
    "philips: 3D T2 + 2D T2": [
        (make(1, "T2W_TSE_ax", s.PH_TSE), "anat/acq-ax_T2w"),
        (
            make(
                2,
                "3D_VIEW_T2",
                s.philips(
                    "SE", "TSE", "3D", ImageType="ORIGINAL\\PRIMARY\\M_SE\\M\\SE", **s.HEAD, **s.timed(245, 2500, 90)
                ),
            ),
            "anat/acq-3D_T2w",
        ),
    ],
    "philips: PRESTO": [
        (
            make(
                1,
                "PRESTO_fMRI",
                s.philips("GR", "FFE", "3D", PhilipsEpiFactor=15, matrix=(64, 64, 40), **s.timed(30, 20, 10)),
                volumes=400,
            ),
            "review",
        )
    ],
    "uih: routine": [
        (make(1, "gre_scout", s.uih("GR", "gre_scout", "2D"), *s.THREE), "skip"),
        (make(2, "t1_gre_fsp_3d_sag", s.UIH_T1), "anat/T1w"),
        (make(3, "t1_gre_fsp_3d_sag+C", s.UIH_T1, ContrastBolusAgent="Gd"), "anat/ce-gadolinium_T1w"),
        (make(4, "t2_fse_arms_tra", s.uih("SE", "fse_arms", "2D", **s.SLICES, **s.timed(120, 4500, 140))), "anat/T2w"),
        (make(5, "swi", s.uih("GR", "gre_swi3d", "3D", **s.HEAD, **s.timed(20, 29, 10))), "anat/T2starw"),
        (
            make(
                6,
                "epi_dwi_tra_b1000",
                s.uih("EP", "epi_dwi", "2D", matrix=(128, 128, 20), **s.timed(80, 3500, 90)),
                volumes=2,
                b=(0.0, 1000.0),
            ),
            "dwi/dwi",
        ),
    ],
    "canon: routine": [
        (make(1, "T1 SE AX", s.canon("SE", "SE2D", "2D", **s.SLICES, **s.timed(12, 500, 70))), "anat/acq-ax_T1w"),
        (
            make(
                2, "T1 SE SAG", s.canon("SE", "SE2D", "2D", **s.SLICES, **s.timed(12, 500, 70)), orientation=s.SAGITTAL
            ),
            "anat/acq-sag_T1w",
        ),
        (make(3, "T2* AX", s.canon("GR", "FE2D", "2D", **s.SLICES, **s.timed(18, 700, 20))), "anat/T2starw"),
        (make(4, "MRA TOF", s.canon("GR", "FE3D", "3D", **s.HEAD, **s.timed(6.8, 23, 18))), "anat/angio"),
        (make(5, "DWI b1000", s.CANON_DWI, volumes=2, b=(0.0, 1000.0)), "dwi/dwi"),
        (
            make(6, "FLAIR AX", s.canon("SE\\IR", "FSE_IR", "2D", **s.SLICES, **s.timed(105, 8000, 90, 2500))),
            "anat/FLAIR",
        ),
    ],
    "hitachi: L-spine": [
        (
            make(
                1,
                "T2 SAG L-SPINE",
                s.canon("SE", "FSE", "2D", **s.SLICES, **s.timed(110, 3500, 90)),
                Manufacturer="Hitachi",
                orientation=s.SAGITTAL,
            ),
            "anat/T2w",
        )
    ],
}

#: Found by reading the rules once more for what they would name wrong in silence.
READ_AGAIN: S = {
    "philips: surveys that are T1-weighted": [
        (make(1, "SmartBrain", s.PH_FFE), "review:localizer"),
        (make(2, "", s.PH_FFE), "review:survey"),
        (make(3, "T1W_FFE", {**s.PH_FFE, **s.HEAD}), "anat/T1w"),
    ],
    "philips: labelled blood, one volume": [
        (make(1, "", s.philips("SE", "GRASE", "3D", PhilipsEpiFactor=15, **s.HEAD, **s.timed(12, 4000, 90))), "review"),
    ],
    "siemens: function and anatomy of the spinal cord": [
        (bold(1, "bold_rest", BodyPartExamined="CSPINE"), "func/task-rest_bold"),
        (make(2, "t2_tse_sag", TSE_SAG, BodyPartExamined="CSPINE"), "anat/T2w:none_a_head"),
    ],
    "siemens: labelled blood without its file name": [
        (make(1, "", {**s.SPACE, "SequenceName": "tgse3d1_528", **s.timed(13, 4600, 180)}, SequenceFile=""), "review"),
    ],
    "siemens: MPRAGE with two echoes": [
        (make(1, "memprage_2e", s.MPRAGE, *echoes(1.7, 3.6)), "anat/echo-1_T1w anat/echo-2_T1w"),
    ],
}  # fmt: skip

ALL = (
    {
        f"{group}: {name}": rows
        for group, table in (("siemens", SIEMENS), ("xa", XA), ("ge", GE), ("philips", PHILIPS), ("others", OTHERS))
        for name, rows in table.items()
    }
    | MISLEADING
    | LATER
    | READ_AGAIN
)


@pytest.mark.parametrize("name", ALL)
def test_what_is_not_known_is_named_right_or_reviewed(name: str) -> None:
    wrong = check(ALL[name])
    assert not wrong, "\n".join(wrong)


#: What the rules read of a header, with values that a broken or foreign scanner may write there.
READ = (
    "ContrastBolusAgent", "ContrastBolusStartTime", "BodyPartExamined", "ReceiveCoilName", "ScanOptions", "ImageType",
    "SequenceVariant", "MRAcquisitionType", "InversionTime", "RepetitionTime", "EchoTime", "FlipAngle", "PixelSpacing",
    "SliceThickness", "SequenceName", "AcquisitionContrast", "PhilipsTechnique", "PhilipsEpiFactor", "Spoiling",
)  # fmt: skip
JUNK = ("", "0", "-5", "1e-9", "1e30", "nan", "\\", "NO\\YES", "999999", "3D", "\N{GREEK SMALL LETTER MU}", "a" * 200)


@given(st.lists(st.tuples(st.sampled_from(READ), st.sampled_from(JUNK)), max_size=12), st.sampled_from(sorted(ALL)))
def test_no_header_breaks_a_plan(junk: list[tuple[str, str]], name: str) -> None:
    session = [series for series, _ in ALL[name]]
    broken = [
        replace(one, header=Header({**one.header.values, **dict(junk)}))
        for one in [*session, *(replace(one, uid=f"{one.uid}.9") for one in session)]
    ]
    rows = plan_of([*session, *broken[len(session) :]])
    assert len(rows) == sum(len(one.images) for one in session) * 2
    for row in rows:
        assert row.decision is not Decision.CONVERT or schema.allows(parse_name(row.path).with_ext(".nii.gz")), row


KINDS = {name: tags for name, tags in vars(s).items() if name.isupper() and isinstance(tags, dict)}


@pytest.mark.parametrize("name", KINDS)
def test_any_element_may_be_missing(name: str) -> None:
    tags = KINDS[name]
    for lacking in tags:
        left = {key: value for key, value in tags.items() if key != lacking}
        for other in (left, tags):
            rows = plan_of([make(1, "scan", left), make(2, "scan", other), make(3, "scan", {**other, "FlipAngle": 5})])
            assert [row.series_number for row in rows] == [1, 2, 3], lacking


def test_reformat_after_an_agent_is_proposed_as_such() -> None:
    tags = {**REFORMAT, "ContrastBolusAgent": "Gadovist"}
    rows = s.plan_of([make(1, "t1_mprage", s.MPRAGE), make(2, "t1_MPR", tags)])
    assert rows[1].path == "sub-01/anat/sub-01_ce-gadolinium_T1w"
