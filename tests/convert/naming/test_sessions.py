"""Whole sessions as real protocols look, and what a plan says of each image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bidsflow.convert.fit import check_fit
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.plan import Decision, Plan
from bidsflow.dicom.series import Patient
from tests.convert.naming import scans as s
from tests.convert.naming.scans import AP, PA, Part, Row, bold, check, echoes, make, phase, plan_of, sbref

S = dict[str, list[Row]]
UNI = "DERIVED\\PRIMARY\\M\\ND\\UNI"
DIS3D = "ORIGINAL\\PRIMARY\\M\\DIS3D"
#: ImageType of the RMS that Siemens' MEMPRAGE makes of its echoes.
MEAN = "ORIGINAL\\PRIMARY\\OTHER\\ND\\NORM\\MEAN"

SIEMENS: S = {
    "anatomy": [
        (make(1, "AAHead_Scout", s.SCOUT3D), "skip:AALScout"),
        (make(2, "AAHead_Scout_MPR_sag", s.MPR, protocol="AAHead_Scout"), "skip"),
        (make(3, "AAHead_Scout_MPR_cor", s.MPR, protocol="AAHead_Scout"), "skip"),
        (make(4, "localizer", s.LOC, *s.THREE), "skip:directions"),
        (make(5, "t1_mprage_sag_p2_ND", s.MPRAGE, protocol="t1_mprage_sag_p2"), "anat/acq-3D_rec-nonorm_T1w:TI_900"),
        (make(6, "t1_mprage_sag_p2", s.MPRAGE, ImageType=s.NORM, at=25), "anat/acq-3D_rec-norm_T1w:NORM"),
        (make(7, "t2_space_sag_p2_iso", s.SPACE), "anat/acq-3D_T2w:plane"),
        (make(8, "t2_space_dark-fluid_sag_p2", s.SPACE_FLAIR), "anat/acq-3D_FLAIR:TI_1800"),
        (make(9, "t2_tirm_tra_dark-fluid_320", s.TIRM), "anat/acq-ax_FLAIR"),
        (make(10, "pd+t2_tse_tra", s.TSE, *echoes(11, 96)), "anat/PDw anat/acq-ax_T2w"),
        (make(11, "t1_se_tra", s.SE_T1), "anat/acq-ax_T1w"),
    ],
    "stacks in several directions": [
        (make(1, "loc_large", s.LOC, *s.directions(s.CORONAL, s.AXIAL, slices=30)), "skip:directions"),
        (make(2, "t2_tse", s.TSE, *s.directions(s.CORONAL, s.AXIAL, slices=30)), "review:30 review:30"),
        (make(3, "t2_tse", s.TSE, *s.directions(s.CORONAL, s.AXIAL, slices=20)), "skip:directions"),
    ],
    "clinical": [
        (make(1, "t1_mprage_tra_p2_iso KM", s.MPRAGE), "review:km"),
        (make(2, "t1_mprage_tra_p2_iso KM_MPR_cor", s.MPRAGE, ImageType="DERIVED\\PRIMARY\\MPR\\ND\\NORM"), "skip:MPR"),
        (
            make(3, "t2_fl2d_tra_hemo", {**s.LOC, **s.SLICES, "RepetitionTime": 620, "EchoTime": 20}),
            "anat/acq-ax_T2starw",
        ),
        (make(4, "Mag_Images", s.SWI, protocol="t2_swi_tra"), "anat/acq-3D_part-mag_T2starw"),
        (make(5, "Pha_Images", s.SWI, phase(), protocol="t2_swi_tra", at=20), "anat/acq-3D_part-phase_T2starw"),
        (
            make(6, "mIP_Images(SW)", s.SWI, ImageType="ORIGINAL\\PRIMARY\\MNIP\\ND\\NORM", protocol="t2_swi_tra"),
            "skip:MNIP",
        ),
        (
            make(7, "SWI_Images", s.SWI, ImageType="ORIGINAL\\PRIMARY\\M\\SWI\\NORM", protocol="t2_swi_tra", at=20),
            "review:SWI",
        ),
        (make(8, "tof_fl3d_tra_p2_multi-slab", s.TOF), "anat/angio"),
        (
            make(
                9, "tof_fl3d_tra_p2_multi-slab_MIP_SAG", s.TOF, ImageType="DERIVED\\PRIMARY\\PROJECTION IMAGE\\MIP\\ND"
            ),
            "skip",
        ),
        (
            make(10, "ep2d_perf_p2", s.BOLD, volumes=60, SequenceName="*epfid2d1_128", SequenceFile="ep2d_fid"),
            "review:perf",
        ),
        (make(11, "ep2d_perf_p2_MoCo", s.BOLD, volumes=60, ImageType="DERIVED\\PRIMARY\\PERFUSION\\ND\\MOCO"), "skip"),
        (
            make(12, "t2_tse_sag stir", {**s.TSE, "ScanningSequence": "SE\\IR", "InversionTime": 220}),
            "anat/acq-STIR_T2w",
        ),
        (make(13, "t1_vibe_dixon_tra", s.FLASH3D, *echoes(1.23, 2.46)), "review review"),
        (make(14, "t2_space_dir", {**s.SPACE_FLAIR, "InversionTime": 3000}), "review:double_inversion"),
        (
            make(
                15,
                "t2_ci3d_tra",
                {**s.FLASH3D, "SequenceVariant": "SS", "SequenceName": "*ci3d1rosd", **s.timed(2.6, 5.9, 70)},
            ),
            "review",
        ),
        (make(16, "t1_twist", {**s.FLASH3D, "SequenceName": "*fl3d1"}, volumes=60), "review:60_volumes"),
    ],
    "research": [
        (make(1, "AAHScout_64ch", s.SCOUT3D), "skip"),
        (s.magnitudes(2), "fmap/magnitude1 fmap/magnitude2"),
        (s.phase_difference(3), "fmap/phasediff"),
        (make(4, "SpinEchoFieldMap_AP", s.SE_EPI, volumes=3, PhaseEncodingPositive=AP), "fmap/dir-AP_epi"),
        (make(5, "SpinEchoFieldMap_PA", s.SE_EPI, volumes=3, PhaseEncodingPositive=PA), "fmap/dir-PA_run-1_epi"),
        (sbref(6, "rfMRI_REST_AP_SBRef"), "func/task-rest_dir-AP_run-1_sbref"),
        (bold(7, "rfMRI_REST_AP"), "func/task-rest_dir-AP_run-1_bold"),
        (sbref(8, "rfMRI_REST_PA_SBRef", PhaseEncodingPositive=PA), "func/task-rest_dir-PA_sbref"),
        (bold(9, "rfMRI_REST_PA", PhaseEncodingPositive=PA), "func/task-rest_dir-PA_bold"),
        (sbref(10, "rfMRI_REST_AP_SBRef"), "func/task-rest_dir-AP_run-2_sbref"),
        (bold(11, "rfMRI_REST_AP"), "func/task-rest_dir-AP_run-2_bold"),
        (sbref(12, "tfMRI_WM_AP_SBRef"), "func/task-WM_sbref"),
        (bold(13, "tfMRI_WM_AP"), "func/task-WM_bold"),
        (sbref(14, "dMRI_dir98_AP_SBRef", s.DWI, SequenceName="ep_b0"), "dwi/dir-AP_sbref"),
        (make(15, "dMRI_dir98_AP", s.DWI, volumes=99, b=s.SHELL), "dwi/dir-AP_dwi"),
        (make(16, "dMRI_b0_PA", s.DWI, volumes=4, b=(0.0,), PhaseEncodingPositive=PA), "fmap/dir-PA_run-2_epi"),
    ],
    "phase of everything": [
        (sbref(1, "bold_nback_SBRef"), "func/task-nback_part-mag_sbref"),
        (
            make(2, "bold_nback_SBRef_Pha", s.BOLD, phase("ORIGINAL\\PRIMARY\\P\\ND"), at=5, protocol="bold_nback"),
            "func/task-nback_part-phase_sbref",
        ),
        (bold(3, "bold_nback"), "func/task-nback_part-mag_bold"),
        (
            make(
                4,
                "bold_nback_Pha",
                s.BOLD,
                phase("ORIGINAL\\PRIMARY\\P\\MB\\ND\\MOSAIC"),
                volumes=300,
                at=15,
                protocol="bold_nback",
            ),
            "func/task-nback_part-phase_bold",
        ),
        (make(5, "ep2d_diff_64", s.DWI, volumes=65, b=s.SHELL), "dwi/dir-AP_part-mag_dwi"),
        (
            make(6, "ep2d_diff_64_Pha", s.DWI, phase(), volumes=65, b=s.SHELL, at=25, protocol="ep2d_diff_64"),
            "dwi/dir-AP_part-phase_dwi",
        ),
    ],
    "phase of field maps": [
        (make(1, "SE_AP", s.SE_EPI, volumes=3, at=5), "fmap/dir-AP_run-1_part-mag_epi"),
        (
            make(2, "SE_AP_Pha", s.SE_EPI, phase(), volumes=3, at=5, protocol="SE_AP"),
            "fmap/dir-AP_run-1_part-phase_epi:its_magnitudes_are_half_of_field_map_pepolar1",
        ),
        (make(3, "SE_PA", s.SE_EPI, volumes=3, at=6, PhaseEncodingPositive=PA), "fmap/dir-PA_run-1_epi"),
        (bold(4, "bold_nback"), "func/task-nback_bold"),
        (make(5, "SE_AP", s.SE_EPI, volumes=3, at=50), "fmap/dir-AP_run-2_part-mag_epi"),
        (
            make(6, "SE_AP_Pha", s.SE_EPI, phase(), volumes=3, at=50, protocol="SE_AP"),
            "fmap/dir-AP_run-2_part-phase_epi:its_magnitudes_are_half_of_field_map_pepolar2",
        ),
        (make(7, "SE_PA", s.SE_EPI, volumes=3, at=51, PhaseEncodingPositive=PA), "fmap/dir-PA_run-2_epi"),
    ],
    "phase of field maps by gradient echo": [
        (make(1, "topup_AP", s.BOLD, volumes=3, at=5), "fmap/dir-AP_part-mag_epi"),
        (make(2, "topup_AP", s.BOLD, phase(), volumes=3, at=5), "fmap/dir-AP_part-phase_epi"),
        (make(3, "topup_PA", s.BOLD, volumes=3, PhaseEncodingPositive=PA, at=6), "fmap/dir-PA_part-mag_epi"),
        (
            make(4, "topup_PA", s.BOLD, phase(), volumes=3, PhaseEncodingPositive=PA, at=6),
            "fmap/dir-PA_part-phase_epi",
        ),
    ],
    "phase of diffusion without weighting in the other direction": [
        (make(1, "diff", s.DWI, volumes=65, b=s.SHELL), "dwi/dir-AP_part-mag_dwi"),
        (make(2, "diff", s.DWI, phase(), volumes=65, b=s.SHELL, at=5), "dwi/dir-AP_part-phase_dwi"),
        (make(3, "diff", s.DWI, volumes=4, b=(0.0,), PhaseEncodingPositive=PA), "fmap/dir-PA_part-mag_epi"),
        (
            make(4, "diff", s.DWI, phase(), volumes=4, b=(0.0,), PhaseEncodingPositive=PA, at=15),
            "fmap/dir-PA_part-phase_epi",
        ),
    ],
    "phases of a field map whose magnitudes are gone": [
        (
            make(1, "SE_AP", s.SE_EPI, phase(), volumes=3),
            "review:no_magnitudes_of_its_measurement",
        ),
        (make(2, "SE_PA", s.SE_EPI, phase(), volumes=3, PhaseEncodingPositive=PA), "review"),
        (make(3, "topup_AP", s.BOLD, phase(), volumes=3, matrix=(90, 90, 60)), "review:so_it_corrects_nothing"),
    ],
    "echoes that are series of their own, magnitudes before phases": [
        (make(1, "gre", {**s.SWI, "EchoTime": 15}, at=5), "anat/acq-TE15_part-mag_T2starw"),
        (make(2, "gre", {**s.SWI, "EchoTime": 25}, at=5), "anat/acq-TE25_part-mag_T2starw"),
        (make(3, "gre", {**s.SWI, "EchoTime": 15}, phase(), at=5), "anat/acq-TE15_part-phase_T2starw"),
        (make(4, "gre", {**s.SWI, "EchoTime": 25}, phase(), at=5), "anat/acq-TE25_part-phase_T2starw"),
    ],
    "phases of runs whose times are gone": [
        (bold(1, "bold_nback", at=None), "func/task-nback_run-1_part-mag_bold"),
        (make(2, "bold_nback", s.BOLD, phase(), volumes=300, at=None), "func/task-nback_run-1_part-phase_bold"),
        (bold(3, "bold_nback", at=None), "func/task-nback_run-2_part-mag_bold"),
        (make(4, "bold_nback", s.BOLD, phase(), volumes=300, at=None), "func/task-nback_run-2_part-phase_bold"),
    ],
    "phases of runs that anonymisation has given one time": [
        (bold(1, "bold_nback", at=180), "func/task-nback_run-1_part-mag_bold"),
        (make(2, "bold_nback", s.BOLD, phase(), volumes=300, at=180), "func/task-nback_run-1_part-phase_bold"),
        (bold(3, "bold_nback", at=180), "func/task-nback_run-2_part-mag_bold"),
        (make(4, "bold_nback", s.BOLD, phase(), volumes=300, at=180), "func/task-nback_run-2_part-phase_bold"),
    ],
    "product EPI": [
        (bold(1, "ep2d_bold_moco_p2_rest", ImageType="ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC"), "func/task-rest_bold"),
        (
            bold(
                2,
                "MoCoSeries",
                ImageType="ORIGINAL\\PRIMARY\\M\\ND\\MOCO\\MOSAIC",
                protocol="ep2d_bold_moco_p2_rest",
                at=5,
            ),
            "skip:MOCO",
        ),
        (make(3, "Mean_&_t-Maps", s.BOLD, ImageType="DERIVED\\PRIMARY\\M\\MEAN\\MOSAIC"), "skip"),
        (
            make(4, "ep2d_diff_mddw_30_p2", s.DWI, volumes=31, b=(0.0, 1000.0), SequenceFile="ep2d_diff"),
            "dwi/acq-31vol_dir-AP_dwi",
        ),
        (
            make(
                5,
                "ep2d_diff_mddw_30_p2_ADC",
                s.DWI,
                protocol="ep2d_diff_mddw_30_p2",
                ImageType="DERIVED\\PRIMARY\\DIFFUSION\\ADC\\ND\\NORM",
            ),
            "dwi/acq-31vol_dir-AP_ADC:computed_from_series_4",
        ),
        (
            make(
                6,
                "ep2d_diff_mddw_30_p2_TRACEW",
                s.DWI,
                protocol="ep2d_diff_mddw_30_p2",
                ImageType="DERIVED\\PRIMARY\\DIFFUSION\\TRACEW\\ND",
            ),
            "dwi/acq-31vol_dir-AP_trace:TRACEW",
        ),
        (
            make(7, "ep2d_diff_mddw_30_p2_FA", s.DWI, ImageType="DERIVED\\PRIMARY\\DIFFUSION\\FA\\ND"),
            "dwi/dir-AP_FA:FA",
        ),
        (
            make(
                8,
                "ep2d_diff_mddw_30_p2_ColFA",
                s.DWI,
                SamplesPerPixel=3,
                ImageType="DERIVED\\PRIMARY\\DIFFUSION\\COLFA",
            ),
            "dwi/dir-AP_colFA",
        ),
        (make(9, "ep2d_diff_CALC_BVAL", s.DWI, ImageType="DERIVED\\PRIMARY\\DIFFUSION\\CALC_BVALUE\\TRACEW"), "skip"),
        (
            make(10, "pasl_3d_tra", {**s.BOLD, "SequenceFile": "tgse_pasl", "SequenceName": "tgse3d1_528"}, volumes=10),
            "review:asl",
        ),
        (
            make(11, "resolve_3scan_trace_tra", {**s.DWI, "SequenceName": "*re_b1000t"}, volumes=2, b=(0.0, 1000.0)),
            "dwi/acq-2vol_dir-AP_dwi",
        ),
    ],
    "quantitative": [
        (
            make(1, "mp2rage_INV1", s.MPRAGE, InversionTime=700, protocol="mp2rage", RepetitionTime=5000),
            "review:NumberShots",
        ),
        (
            make(2, "mp2rage_INV2", s.MPRAGE, InversionTime=2500, protocol="mp2rage", RepetitionTime=5000, at=5),
            "review:NumberShots",
        ),
        (
            make(
                3,
                "mp2rage_UNI_Images",
                s.MPRAGE,
                ImageType="DERIVED\\PRIMARY\\M\\ND\\UNI",
                protocol="mp2rage",
                RepetitionTime=5000,
                at=5,
            ),
            "anat/UNIT1:UNI",
        ),
        (
            make(
                4,
                "mp2rage_T1_Images",
                s.MPRAGE,
                ImageType="DERIVED\\PRIMARY\\T1 MAP\\ND",
                protocol="mp2rage",
                RepetitionTime=5000,
                at=5,
            ),
            "anat/T1map:units",
        ),
        (
            make(5, "memprage_4e", s.MPRAGE, *echoes(1.69, 3.55, 5.41, 7.27), RepetitionTime=2530),
            "anat/echo-1_T1w anat/echo-2_T1w anat/echo-3_T1w anat/echo-4_T1w",
        ),
        (
            make(
                6,
                "memprage_4e RMS",
                s.MPRAGE,
                ImageType="DERIVED\\PRIMARY\\M\\MEAN\\NORM",
                protocol="memprage_4e",
                at=25,
            ),
            "anat/rec-rms_T1w:root_mean_square",
        ),
        (
            make(7, "gre_3D_qsm_5echo", s.FLASH3D, *echoes(4, 10, 16, 22, 28)),
            " ".join(f"anat/echo-{n}_MEGRE" for n in range(1, 6)),
        ),
        (make(8, "mtsat_t1w_fa21", s.FLASH3D, FlipAngle=21), "review:flip"),
        (make(9, "mtsat_pdw_fa6", s.FLASH3D, FlipAngle=6), "review"),
        (make(10, "tfl_b1map", {**s.LOC, **s.timed(2.2, 9000, 8), "SequenceName": "*tfl2d1_16"}, volumes=2), "review"),
    ],
    "anonymised": [
        (make(1, "", {**s.LOC, "SequenceFile": ""}, *s.THREE, at=None), "skip"),
        (make(2, "", {**s.MPRAGE, "SequenceFile": ""}, at=None), "anat/T1w"),
        (make(3, "", {**s.SPACE, "SequenceFile": ""}, at=None), "anat/T2w"),
        (make(4, "", {**s.BOLD, "SequenceFile": ""}, volumes=200, at=None), "func/task-bold_bold:no_task"),
        (make(5, "", {**s.DWI, "SequenceFile": ""}, volumes=65, b=s.SHELL, at=None), "dwi/dir-AP_dwi"),
        (make(6, "", {**s.SCOUT3D, "SequenceFile": ""}, at=None), "review"),
        (make(7, "", {**s.BOLD, "SequenceFile": ""}, at=None), "review"),
        (make(8, "", {**s.FIELD, "SequenceFile": ""}, *echoes(4.92, 7.38), at=None), "fmap/magnitude1 fmap/magnitude2"),
        (make(9, "", {**s.FIELD, "SequenceFile": ""}, phase(te=7.38), at=None), "fmap/phasediff"),
    ],
}

XA: S = {
    "XA": [
        (make(1, "AAHead_Scout", s.xa(s.SCOUT3D, ImageType="ORIGINAL\\PRIMARY\\LOCALIZER\\NONE")), "skip"),
        (make(2, "t1_mprage", s.xa(s.MPRAGE), protocol="t1_mprage"), "anat/rec-nonorm_T1w"),
        (
            make(3, "t1_mprage", s.xa(s.MPRAGE, SiemensImageType="ORIGINAL\\PRIMARY\\M\\NORM"), at=10),
            "anat/rec-norm_T1w",
        ),
        (make(4, "t2_space", s.xa(s.SPACE)), "anat/T2w"),
        (make(5, "t2_space_flair", s.xa(s.SPACE_FLAIR)), "anat/FLAIR"),
        (s.magnitudes(6), "fmap/magnitude1 fmap/magnitude2"),
        (s.phase_difference(7), "fmap/phasediff"),
        (make(8, "se_epi_AP", s.xa(s.SE_EPI), PhaseEncodingPositive=AP), "fmap/dir-AP_epi"),
        (make(9, "se_epi_PA", s.xa(s.SE_EPI), PhaseEncodingPositive=PA), "fmap/dir-PA_epi"),
        (make(10, "bold_faces_SBRef", s.xa(s.BOLD), ImageComments="Single-band reference"), "func/task-faces_sbref"),
        (make(11, "bold_faces", s.xa(s.BOLD), volumes=300), "func/task-faces_bold"),
        (make(12, "dwi_multi", s.xa(s.DWI), volumes=99, b=s.SHELL), "dwi/dir-AP_dwi"),
        (
            make(
                13, "dwi_multi_TENSOR", s.xa(s.DWI, SiemensImageType="DERIVED\\PRIMARY\\DIFFUSION\\TENSOR"), b=s.SHELL
            ),
            "skip",
        ),
    ],
    "XA all echoes in one series": [
        (
            make(1, "gre_field_mapping_2x", s.FIELD, *echoes(4.92, 7.38), phase(te=4.92), phase(te=7.38)),
            "fmap/magnitude1 fmap/magnitude2 fmap/phase1 fmap/phase2",
        ),
        (
            make(2, "me_bold_rest", s.BOLD, *echoes(12, 30, 48), volumes=200),
            "func/task-rest_echo-1_bold func/task-rest_echo-2_bold func/task-rest_echo-3_bold",
        ),
    ],
}

GE: S = {
    "GE": [
        (make(1, "3Plane Loc SSFSE", s.ge("SE", "SK", "2D", "ssfse"), *s.THREE), "skip"),
        (make(2, "ASSET Cal", s.GE_CAL), "skip:calibration"),
        (make(3, "Sag 3D T1 BRAVO", s.GE_BRAVO), "anat/acq-3DIR_T1w:TI_450"),
        (make(4, "Sag FSPGR 3D", s.GE_SPGR), "anat/acq-3D_T1w:agrees"),
        (make(5, "Sag CUBE T2", s.GE_CUBE), "anat/acq-3D_T2w"),
        (make(6, "Sag T2 FLAIR CUBE", s.GE_CUBE_FLAIR), "anat/FLAIR"),
        (make(7, "Ax PD/T2 FSE", s.GE_FSE, *echoes(10, 100)), "anat/PDw anat/acq-ax_T2w"),
        (make(8, "Ax T1 FLAIR", s.GE_T1_FLAIR), "anat/acq-ax_T1w"),
        (make(9, "fMRI rest", s.GE_EPI, volumes=150, NumberOfTemporalPositions=150), "func/task-rest_bold"),
        (make(10, "Ax DTI 32 dir TENSOR", s.GE_DWI, volumes=36, b=(0.0, 1000.0)), "dwi/dwi"),
        (make(11, "ADC (10^-6 mm²/s):Ax DTI", s.GE_DWI, ImageType="DERIVED\\SECONDARY\\ADC"), "dwi/ADC"),
        (make(12, "Fractional Aniso. map", s.GE_DWI, ImageType="DERIVED\\SECONDARY\\FA"), "dwi/FA"),
        (
            make(13, "B0map", s.GE_B0, Part(), Part(component="real", tags={"RescaleType": "Hz"})),
            "fmap/magnitude fmap/fieldmap:Hz",
        ),
        (make(14, "Processed Images", s.GE_BRAVO, ImageType="DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE"), "skip"),
        (make(15, "Screen Save", {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}), "skip"),
        (make(16, "3D ASL", s.ge("RM", "NONE", "3D", "3dasl", **s.timed(10, 4800)), volumes=2), "review:asl"),
        (make(17, "Ax DWI PROPELLER", s.GE_FSE, volumes=2, b=(0.0, 1000.0), EchoTime=80), "dwi/acq-tse_dwi:b-values"),
    ],
    "GE corrected twice": [
        (make(3, "ORIG Ax T2", s.GE_FSE, EchoTime=100, protocol="Ax T2", at=9), "review:same_measurement"),
        (make(300, "PU:Ax T2", s.GE_FSE, EchoTime=100, protocol="Ax T2", at=9), "review:same_measurement"),
    ],
    "GE field map of complex parts": [
        (
            make(
                1,
                "fieldmap",
                s.ge("GR", "SS\\SP", "2D", "fgre", **s.timed(7, 600, 60)),
                Part(),
                phase(),
                Part(component="real"),
                Part(component="imaginary"),
            ),
            "review review review review",
        ),
    ],
}

B0 = {"ImageType": "ORIGINAL\\PRIMARY\\B0 MAP\\B0\\UNSPECIFIED", "EchoTime": "0"}
PHILIPS: S = {
    "Philips": [
        (make(101, "SURVEY", s.PH_FFE, *s.THREE), "skip"),
        (make(201, "Ref_SENSE_32", s.PH_REF), "skip:calibration"),
        (make(301, "T1W_3D_TFE", s.PH_TFE), "anat/T1w"),
        (make(401, "T2W_TSE", s.PH_TSE), "anat/T2w"),
        (make(501, "FLAIR_longTR", s.PH_FLAIR), "anat/FLAIR"),
        (make(601, "FE_EPI rest", s.PH_FEEPI, volumes=200, NumberOfTemporalPositions=200), "func/task-rest_bold"),
        (make(701, "DTI_medium_iso", s.PH_DWI, volumes=33, b=(0.0, 800.0)), "dwi/dwi"),
        (make(702, "dADC", s.PH_DWI, ImageType="DERIVED\\PRIMARY\\ADC\\ADC\\UNSPECIFIED"), "dwi/ADC"),
        (make(801, "WIP B0 NS", s.PH_FFE, Part(te=1.52), Part(tags=B0)), "fmap/magnitude fmap/fieldmap:B0_MAP"),
        (
            make(901, "T2star_me", s.PH_FFE, *echoes(5, 12, 19, 26, 33), RepetitionTime=45),
            " ".join(f"anat/echo-{n}_MEGRE" for n in range(1, 6)),
        ),
        (make(1001, "TopUp_P", s.PH_SEEPI, volumes=2), "review:direction"),
        (
            make(1101, "WIP me_fMRI stroop", s.PH_FEEPI, *echoes(12, 28, 44), volumes=200),
            "func/task-stroop_echo-1_bold func/task-stroop_echo-2_bold func/task-stroop_echo-3_bold",
        ),
        (make(1201, "WIP pCASL", s.PH_FEEPI, volumes=60, EchoTime=12), "review:asl"),
    ],
    "Philips, directions in words": [
        (make(1, "B0_AP", s.PH_SEEPI, volumes=2), "fmap/dir-AP_epi"),
        (make(2, "B0_PA", s.PH_SEEPI, volumes=2), "fmap/dir-PA_epi"),
        (make(3, "fMRI_motor", s.PH_FEEPI, volumes=200), "func/task-motor_bold"),
    ],
    "Philips asked dcm2niix": [
        (make(1, "topup 1", s.PH_SEEPI, volumes=2), "fmap/dir-AP_epi:dcm2niix"),
        (make(2, "topup 2", s.PH_SEEPI, volumes=2), "fmap/dir-PA_epi:dcm2niix"),
    ],
}
GUESSES = {
    "Philips asked dcm2niix": {"1.2.3.1": Guess("fmap", "epi", "AP"), "1.2.3.2": Guess("fmap", "epi", "PA")},
    "perfusion longer than a passage, which dcm2niix takes for functional": {
        f"1.2.3.{number}": Guess("func", "bold", "") for number in range(1, 6)
    },
}

OTHERS: S = {
    "UIH": [
        (make(1, "gre_scout", s.uih("GR", "gre_scout", "2D"), *s.THREE), "skip"),
        (make(2, "t1_gre_fsp_3d_sag", s.UIH_T1), "anat/T1w"),
        (make(3, "epi_bold_rest", s.UIH_BOLD, volumes=240), "func/task-rest_bold"),
        (make(6, "dti_tra_dir16_PA", s.UIH_DTI, volumes=17, b=(0.0, 1000.0)), "dwi/dir-PA_dwi"),
        (make(9, "dti_tra_dir16_AP_SaveBySlc", s.UIH_DTI, volumes=17, b=(0.0, 1000.0)), "dwi/dir-AP_dwi"),
    ],
    "Canon": [
        (make(1000, "Locator", s.canon("GR", "FE2D", "2D"), *s.THREE), "skip"),
        (make(2000, "3D MPRAGE", s.CANON_T1), "anat/T1w"),
        (make(3000, "DTI_PA-ortho", s.CANON_DWI, volumes=21, b=(0.0, 1000.0)), "dwi/dir-PA_dwi"),
        (make(4000, "DTI_AP-ortho", s.CANON_DWI, volumes=21, b=(0.0, 1000.0)), "dwi/dir-AP_dwi"),
        (make(5000, "fMRI finger", s.CANON_BOLD, volumes=120), "func/task-finger_bold"),
        (make(6000, "T2 FSE", s.CANON_T2), "anat/T2w"),
    ],
}

TRAPS: S = {
    "letters inside words": [
        (bold(1, "bold_forrest_gump"), "func/task-gump_bold"),  # the patient's name goes; no "rest" in "forrest"
        (bold(2, "func-bold_task-fa_run-1"), "func/task-fa_run-1_bold"),
        (bold(3, "T1_localizer_prf_run1"), "func/task-T1LocalizerPrf_bold"),
        (bold(4, "fMRI_DTI_group_rest"), "func/task-rest_bold"),
        (s.magnitudes(5, "DTI_fieldmap"), "fmap/magnitude1 fmap/magnitude2"),
        (s.phase_difference(6, "DTI_fieldmap"), "fmap/phasediff"),
        (make(7, "DTI_TENSOR_64", s.DWI, volumes=65, b=s.SHELL), "dwi/dir-AP_dwi"),
        (make(8, "T2*_fl2d_tra", {**s.LOC, **s.SLICES, "EchoTime": 20, "RepetitionTime": 600}), "anat/T2starw"),
        (make(9, "Planning T1w MPRAGE", s.MPRAGE), "anat/T1w"),
        (bold(10, "multitasking_run2"), "func/task-multitasking_run-2_bold"),
    ],
    "the patient's name": [
        (bold(1, "Anna_nback"), "func/task-nback_bold"),
        (bold(2, "P7_FORREST_stroop"), "func/task-stroop_bold"),
    ],
    "languages": [
        (make(1, "Übersicht", s.LOC, *s.THREE), "skip"),
        (make(2, "T1 Volumen sagittal", s.MPRAGE), "anat/T1w"),
        (bold(3, "fMRT Ruhe"), "func/task-ruhe_bold"),
        (bold(4, "IRMf repos"), "func/task-repos_bold"),
        (make(5, "Repérage", {**s.LOC, "matrix": (256, 256, 3)}), "skip:localizer"),
        (make(6, "Diffusion Gehirn", s.DWI, volumes=33, b=(0.0, 1000.0)), "dwi/dir-AP_dwi"),
        (make(7, "T2 dunkle Flüssigkeit", s.TIRM), "anat/FLAIR"),
    ],
    "ReproIn": [
        (make(1, "anat-scout_ses-01", s.LOC, *s.THREE), "skip"),
        (make(2, "anat-T1w_ses-01_acq-mprage", s.MPRAGE), "anat/acq-mprage_T1w"),
        (make(3, "WIP anat-T2w", s.SPACE), "anat/T2w"),
        (sbref(4, "func_ses-01_task-rest_acq-x_SBRef"), "func/task-rest_acq-x_sbref"),
        (bold(5, "func_ses-01_task-rest_acq-x"), "func/task-rest_acq-x_bold"),
        (bold(6, "func-bold_task-nback_run+", volumes=100), "func/task-nback_run-1_bold"),
        (bold(7, "func-bold_task-nback_run+", volumes=100), "func/task-nback_run-2_bold"),
        (make(8, "fmap_dir-AP", s.SE_EPI, volumes=3), "fmap/dir-AP_epi"),
        (make(9, "fmap_dir-PA", s.SE_EPI, volumes=3, PhaseEncodingPositive=PA), "fmap/dir-PA_epi"),
        (make(10, "dwi_dir-AP_acq-b2000", s.DWI, volumes=65, b=s.SHELL), "dwi/acq-b2000_dir-AP_dwi"),
        (s.magnitudes(11, "fmap_acq-4mm"), "fmap/acq-4mm_magnitude1 fmap/acq-4mm_magnitude2"),
        (s.phase_difference(12, "fmap_acq-4mm"), "fmap/acq-4mm_phasediff"),
    ],
    "ReproIn against physics": [
        (bold(1, "anat-T1w"), "review:gradient-echo_EPI"),
        (make(2, "func-bold_task-rest", s.MPRAGE), "review:T1-weighted"),
        (make(3, "anat-T2w", s.MPRAGE), "review:T1-weighted"),
        (make(4, "dwi_dir-AP", s.SPACE), "review:T2-weighted"),
        (make(5, "anat-T1weighted", s.MPRAGE), "review:BIDS"),
        (
            make(6, "func_task-rest_dir-AP", s.BOLD, volumes=200, PhaseEncodingPositive=PA),
            "review:dir-AP",
        ),
    ],
    "ReproIn, a run that is given beside one that is not": [
        (bold(1, "func_task-movie_run-01"), "func/task-movie_run-01_bold"),
        (sbref(2, "func_task-movie_SBRef"), "func/task-movie_run-02_sbref"),
        (bold(3, "func_task-movie"), "func/task-movie_run-02_bold"),
        (bold(4, "func_task-rest"), "func/task-rest_run-1_bold"),
        (bold(5, "func_task-rest_run-2"), "func/task-rest_run-2_bold"),
        (bold(6, "func_task-nback_run-1"), "func/task-nback_run-1_bold"),
        (
            make(7, "func_task-nback", s.BOLD, phase(), volumes=300, at=30),
            "func/task-nback_run-1_part-phase_bold",
        ),
    ],
    "ReproIn, a run beside one in other words": [
        (bold(1, "func-bold_task-rest_run-1"), "func/task-rest_run-1_bold"),
        (bold(2, "BOLD_rest"), "func/task-rest_run-2_bold"),
    ],
    "ReproIn, parts and repeats": [
        (bold(1, "func_task-rest"), "func/task-rest_part-mag_bold"),
        (
            make(2, "func_task-rest_Pha", s.BOLD, phase(), volumes=300, at=5, protocol="func_task-rest"),
            "func/task-rest_part-phase_bold",
        ),
        (bold(3, "func_task-movie_run-01"), "review:claim"),
        (bold(4, "func_task-movie_run-01"), "review:claim"),
    ],
    "aborted, then repeated": [
        (sbref(1, "bold_nback_SBRef"), "review:aborted"),
        (bold(2, "bold_nback", 40, PlannedVolumes=300), "review:40_of_300"),
        (sbref(3, "bold_nback_SBRef"), "func/task-nback_sbref"),
        (bold(4, "bold_nback", 300, PlannedVolumes=300), "func/task-nback_bold"),
    ],
    "aborted, nothing planned is known": [
        (bold(1, "bold_nback", 40), "review:300"),
        (bold(2, "bold_nback", 300), "func/task-nback_bold"),
    ],
    "repeat was cut": [
        (bold(1, "bold_nback", 300, PlannedVolumes=300), "func/task-nback_bold"),
        (bold(2, "bold_nback", 40, PlannedVolumes=300), "review:40_of_300"),
    ],
    "short runs in the reverse direction": [
        (make(1, "bold_rest_PA", s.BOLD, volumes=5, PhaseEncodingPositive=PA), "fmap/dir-PA_epi:reverse"),
        (bold(2, "bold_rest_AP"), "func/task-rest_bold"),
    ],
    "derived but alone": [
        (make(1, "t1_mprage", s.MPRAGE, ImageType="DERIVED\\PRIMARY\\M\\ND\\DIS3D"), "anat/T1w:DERIVED"),
        (make(2, "t2_space", s.SPACE, ImageType=s.RAW), "anat/T2w"),
        (make(3, "t2_space_filt", s.SPACE, ImageType="DERIVED\\PRIMARY\\M\\ND\\FILTERED", at=11), "review:original"),
    ],
    "single-band reference of a field map": [
        (sbref(1, "SpinEchoFieldMap_AP_SBRef", s.SE_EPI), "skip:field_map"),
        (make(2, "SpinEchoFieldMap_AP", s.SE_EPI, volumes=3), "fmap/dir-AP_epi"),
        (sbref(3, "SpinEchoFieldMap_PA_SBRef", s.SE_EPI, PhaseEncodingPositive=PA), "skip:field_map"),
        (make(4, "SpinEchoFieldMap_PA", s.SE_EPI, volumes=3, PhaseEncodingPositive=PA), "fmap/dir-PA_epi"),
    ],
    "nameless reference": [
        (make(1, "", s.BOLD, ImageType=s.NORM + "\\MOSAIC"), "func/task-bold_sbref"),
        (make(2, "", s.BOLD, ImageType=s.MULTIBAND, volumes=300), "func/task-bold_bold"),
    ],
    "two people under one ID": [
        (make(1, "t1_mprage", s.MPRAGE), "review:different_names"),
        (
            make(2, "t1_mprage", s.MPRAGE, study="1.2.9", patient=Patient("P7", "DOE JOHN", "19700101", "M")),
            "review:different_names",
        ),
    ],
    "a map that the scanner made and did not say so": [
        (
            make(1, "Apparent Diffusion Coefficient", s.GE_DWI, ImageType="DERIVED\\SECONDARY\\COMBINED"),
            "review:DERIVED",
        ),
        (make(2, "ADC map AP", {**s.GE_DWI, "PhaseEncodingPositive": 1}), "review:adc"),
        (make(3, "DWI combined", s.GE_DWI, volumes=2, b=(0.0, 1000.0), ImageType="DERIVED\\PRIMARY\\OTHER"), "review"),
    ],
    "a spin echo without a purpose": [
        (make(1, "", s.SE_EPI), "review:no_image_of_the_opposite"),
        (bold(2, "bold_rest"), "func/task-rest_bold"),
    ],
    "in and out of phase": [
        (make(1, "t1_vibe_in_phase", s.FLASH3D), "review:in_phase"),
        (make(2, "t1_vibe_opp_phase", s.FLASH3D, at=5), "review:opp_phase"),
    ],
    "the mean of the echoes of an MPRAGE, alone": [
        (make(1, "memprage RMS", s.MPRAGE, ImageType=MEAN), "anat/T1w:MEAN")
    ],
    "the mean of echoes of two measurements": [
        (make(1, "memprage", s.MPRAGE, *echoes(1.7, 3.6)), "anat/run-1_echo-1_T1w anat/run-1_echo-2_T1w"),
        (make(2, "memprage RMS", s.MPRAGE, ImageType=MEAN, protocol="memprage"), "anat/rec-rms_run-1_T1w"),
        (make(3, "memprage", s.MPRAGE, *echoes(1.7, 3.6)), "anat/run-2_echo-1_T1w anat/run-2_echo-2_T1w"),
        (make(4, "memprage RMS", s.MPRAGE, ImageType=MEAN, protocol="memprage"), "anat/rec-rms_run-2_T1w"),
    ],
    "reconstructions with and without several filters": [
        (make(1, "t2_spc_ND", s.SPACE, protocol="t2_spc", at=5), "anat/rec-nd_T2w:does_not_say"),
        (make(2, "t2_spc", s.SPACE, ImageType=DIS3D, at=5), "anat/rec-dis3d_T2w"),
        (make(3, "t2_spc", s.SPACE, ImageType=f"{DIS3D}\\NORM", at=5), "anat/rec-dis3dnorm_T2w"),
        (make(4, "t1_mprage", s.MPRAGE, ImageType="ORIGINAL\\PRIMARY\\M", at=20), "anat/rec-unfiltered_T1w"),
        (make(5, "t1_mprage", s.MPRAGE, ImageType=DIS3D, at=20), "anat/rec-dis3d_T1w"),
        (make(6, "t1_mprage", s.MPRAGE, ImageType=s.NORM, at=20), "anat/rec-norm_T1w"),
    ],
    "the combined image of an MP2RAGE, with and without noise": [
        (make(1, "mp2rage_UNI_Images", s.MPRAGE, ImageType=UNI, protocol="mp2rage", at=5), "anat/run-1_UNIT1"),
        (
            make(2, "mp2rage_UNI-DEN", s.MPRAGE, ImageType=UNI, protocol="mp2rage", at=5),
            "anat/rec-denoised_run-1_UNIT1",
        ),
        (make(3, "mp2rage_UNI_Images", s.MPRAGE, ImageType=UNI, protocol="mp2rage", at=25), "anat/run-2_UNIT1"),
        (
            make(4, "mp2rage_UNI-DEN", s.MPRAGE, ImageType=UNI, protocol="mp2rage", at=25),
            "anat/rec-denoised_run-2_UNIT1",
        ),
    ],
    "the combined image of an MP2RAGE whose garden is no noise": [
        (make(1, "mp2rage_garden_UNI", s.MPRAGE, ImageType=UNI), "anat/UNIT1"),
    ],
    "run numbers against the order of time": [
        (sbref(1, "task-stop_run-02_SBRef"), "func/task-stop_run-2_sbref"),
        (bold(2, "task-stop_run-02"), "func/task-stop_run-2_bold:description_numbers_the_run_2"),
        (bold(3, "task-stop_run-01"), "func/task-stop_run-1_bold"),
    ],
    "run numbers of which one is missing": [
        (bold(1, "stop_run1"), "func/task-stop_run-1_bold"),
        (bold(2, "stop_run3"), "func/task-stop_run-3_bold"),
        (bold(3, "nback_run-3"), "func/task-nback_run-3_bold"),
        (bold(4, "faces_run1"), "func/task-faces_bold"),
    ],
    "a run number that was typed twice, and one that was not typed": [
        (bold(1, "stop_run1"), "func/task-stop_run-1_bold"),
        (bold(2, "stop_run1"), "func/task-stop_run-3_bold:as_that_of_series_1"),
        (bold(3, "stop_run2"), "func/task-stop_run-2_bold"),
        (bold(4, "stop"), "func/task-stop_run-4_bold"),
    ],
    "run numbers of two directions": [
        (bold(1, "rest_run1_AP"), "func/task-rest_dir-AP_run-1_bold"),
        (bold(2, "rest_run2_PA", PhaseEncodingPositive=PA), "func/task-rest_dir-PA_run-2_bold"),
    ],
    "a run number beside that of a protocol": [
        (bold(1, "func-bold_task-rest_run-1"), "func/task-rest_run-1_bold"),
        (bold(2, "rest_run1"), "func/task-rest_run-2_bold:as_that_of_series_1"),
    ],
    "run numbers of echoes and phases": [
        (
            make(1, "stop_run2", s.BOLD, *echoes(12, 30), volumes=200),
            "func/task-stop_run-2_echo-1_part-mag_bold func/task-stop_run-2_echo-2_part-mag_bold",
        ),
        (
            make(2, "stop_run2", s.BOLD, phase(te=12), phase(te=30), volumes=200, at=5),
            "func/task-stop_run-2_echo-1_part-phase_bold func/task-stop_run-2_echo-2_part-phase_bold",
        ),
        (
            make(3, "stop_run1", s.BOLD, *echoes(12, 30), volumes=200),
            "func/task-stop_run-1_echo-1_bold func/task-stop_run-1_echo-2_bold",
        ),
    ],
    "a mean of what may be repeats": [
        (make(1, "t1", s.MPRAGE), "anat/run-1_T1w"),
        (make(2, "t1", s.MPRAGE), "anat/run-2_T1w"),
        (make(3, "t1_mean", s.MPRAGE, ImageType=MEAN, protocol="t1"), "review:made_of"),
    ],
    "a mean beside another protocol": [
        (make(1, "t1", {**s.MPRAGE, "matrix": (64, 64, 64)}), "anat/acq-t1_T1w"),
        (make(3, "memprage RMS", s.MPRAGE, ImageType=MEAN), "anat/acq-memprageRMS_T1w"),
    ],
    "means that are no anatomy": [
        (make(1, "bold_mean", s.BOLD, ImageType=MEAN), "skip:MEAN"),
        (make(2, "gre_mean", s.FLASH3D, ImageType=MEAN), "skip:MEAN"),
        (make(3, "t1_mpr_mean", s.MPRAGE, ImageType=f"{MEAN}\\MPR"), "skip"),
    ],
    "perfusion longer than a passage, which dcm2niix takes for functional": [
        (make(1, "Perfusion", s.PH_FEEPI, volumes=100), "review:its_words_call_it_perfusion"),
        (make(2, "perf_2D", s.PH_FEEPI, volumes=100), "review:its_words_call_it_perfusion"),
        (make(3, "Perfusion_Weighted", s.BOLD, volumes=91), "review:its_words_call_it_perfusion"),
        (make(4, "CBF_baseline", s.PH_FEEPI, volumes=100), "review:its_words_call_it_perfusion"),
        (make(5, "perf base", s.PH_FEEPI, volumes=20), "review:its_words_call_it_perfusion"),
        (make(6, "fMRI_perf", s.PH_FEEPI, volumes=200), "func/task-perf_bold"),
    ],
    "words inside words": [
        (make(3, "perfect_timing", s.BOLD, volumes=200), "func/task-perfectTiming_bold"),
        (bold(1, "performance_bold"), "func/task-performance_bold"),
        (make(2, "t2_tse_perform", s.TSE), "anat/T2w"),
    ],
    "two flows of one protocol": [
        (make(1, "fl3d_pc", {**s.FLASH3D, "FlipAngle": 12}), "review"),
        (make(2, "BIAS_32CH", {**s.FLASH3D, **s.timed(1, 250, 3)}), "review"),
    ],
    "a large study": [
        (make(1, "Localizer", s.LOC, *s.THREE), "skip"),
        (make(2, "T1w_MPR1", s.MPRAGE), "anat/T1w"),
        (make(3, "T2w_SPC1", s.SPACE), "anat/acq-3D_T2w"),
        (s.magnitudes(4, "FieldMap"), "fmap/magnitude1 fmap/magnitude2"),
        (s.phase_difference(5, "FieldMap"), "fmap/phasediff"),
        (sbref(6, "tfMRI_WORKINGMEM_LR_SBRef", InPlanePhaseEncodingDirection="ROW"), "func/task-WORKINGMEM_sbref"),
        (bold(7, "tfMRI_WORKINGMEM_LR", InPlanePhaseEncodingDirection="ROW"), "func/task-WORKINGMEM_bold"),
        (make(8, "ABCD_fMRI_task_MID", s.BOLD, volumes=411), "func/task-MID_bold"),
        (make(9, "Axial rsfMRI (Eyes Open)", s.BOLD, volumes=197), "func/task-restOpen_bold"),
        (make(10, "HighResHippocampus", s.TSE, EchoTime=76), "anat/acq-ax_T2w"),
    ],
    "not a brain volume": [
        (make(1, "t2_tse_shim", s.TSE, matrix=(128, 128, 1)), "review:one_slice"),
    ],
}

ALL = {
    f"{group}: {name}": rows
    for group, table in (
        ("siemens", SIEMENS),
        ("xa", XA),
        ("ge", GE),
        ("philips", PHILIPS),
        ("others", OTHERS),
        ("traps", TRAPS),
    )
    for name, rows in table.items()
}


@pytest.mark.parametrize("name", ALL)
def test_a_session_is_planned_as_expected(name: str) -> None:
    wrong = check(ALL[name], GUESSES.get(name.partition(": ")[2]))
    assert not wrong, "\n".join(wrong)


REFERENCES: S = {
    "names by ReproIn": [
        (make(1, "func-sbref_task-rest", s.BOLD), "func/task-rest_sbref:reference_of_series_2"),
        (bold(2, "func-bold_task-rest"), "func/task-rest_bold"),
        (make(3, "func-sbref_task-a_run-1", s.BOLD), "func/task-a_run-1_sbref:reference_of_series_4"),
        (bold(4, "func-bold_task-a_run-1"), "func/task-a_run-1_bold"),
        (make(5, "dwi-sbref_dir-AP", s.DWI), "dwi/dir-AP_sbref:reference_of_series_6"),
        (make(6, "dwi-dwi_dir-AP", s.DWI, volumes=99, b=s.SHELL), "dwi/dir-AP_dwi"),
    ],
    "words for the kind before those for the task": [
        (make(1, "SBRef_rest", s.BOLD), "func/task-rest_sbref:reference_of_series_2"),
        (bold(2, "BOLD_rest"), "func/task-rest_bold"),
        (make(3, "DTI_SBRef_64", s.DWI), "dwi/dir-AP_sbref:reference_of_series_4"),
        (make(4, "DTI_64", s.DWI, volumes=65, b=s.SHELL), "dwi/dir-AP_dwi"),
    ],
    "the task of another run": [
        (sbref(1, "bold_faces_SBRef"), "review:its_name_does_not_go_with_that_of_series_2"),
        (bold(2, "bold_houses"), "func/task-houses_bold"),
        (make(3, "func-sbref_task-rest_run-1", s.BOLD), "review:its_name_does_not_go_with_that_of_series_4"),
        (bold(4, "func-bold_task-rest_run-2"), "func/task-rest_run-2_bold"),
    ],
    "the other direction": [
        (sbref(1, "bold_rest_SBRef", PhaseEncodingPositive=PA), "review:phase_encoding_runs_PA,_and_that_of_series_2"),
        (bold(2, "bold_rest"), "func/task-rest_bold"),
    ],
    "other voxels": [
        (sbref(1, "bold_rest_SBRef", PixelSpacing="2\\2"), "review:no_run_of_its_voxels_and_echo_follows_it"),
        (bold(2, "bold_rest", PixelSpacing="3\\3"), "func/task-rest_bold"),
    ],
    "another echo time": [
        (sbref(1, "bold_rest_SBRef", EchoTime=30), "review:no_run_of_its_voxels_and_echo_follows_it"),
        (bold(2, "bold_rest"), "func/task-rest_bold"),
    ],
    "a run that is for a person": [
        (make(1, "func-sbref_task-rest_dir-AP", s.BOLD), "review:its_run_is_for_a_person"),
        (bold(2, "func-bold_task-rest_dir-AP", PhaseEncodingPositive=PA), "review:phase_encoding_runs_PA"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_goes_with_the_run_after_it_or_says_why_not(name: str) -> None:
    assert check(REFERENCES[name]) == []


LONE = {
    "called a reference": (sbref(1, "bold_rest_SBRef"), "func/sub-01_task-rest_sbref"),
    "not called so": (make(1, "bold_rest", s.BOLD), "func/sub-01_task-rest_sbref"),
    "of diffusion": (sbref(1, "dti_SBRef", s.DWI), "dwi/sub-01_dir-AP_sbref"),
    "of diffusion, with its b-value": (sbref(1, "dti_SBRef", s.DWI, b=(0.0,)), "dwi/sub-01_dir-AP_sbref"),
    "by name": (make(1, "func-sbref_task-rest", s.BOLD), "func/sub-01_task-rest_sbref"),
}


@pytest.mark.parametrize("name", LONE)
def test_proposal_for_a_reference_without_its_run_can_be_accepted(name: str) -> None:
    series, path = LONE[name]
    (row,) = s.plan_of([series])
    assert (row.decision, row.path) == (Decision.REVIEW, f"sub-01/{path}")
    check_fit(Plan((replace(row, decision=Decision.CONVERT),)), s.inventory_of([series]), "plan")


SECOND = "review:the_one_that_is_there_is_the_second"
MAGNITUDES: S = {
    "the second by its number": [
        (make(1, "gre_field_mapping", s.FIELD, Part(te=7.38), EchoNumbers=2), f"{SECOND}_(EchoNumbers_is_2)"),
        (s.phase_difference(2), SECOND),
    ],
    "the second by its time": [
        (make(1, "gre_field_mapping", s.FIELD, Part(te=7.38)), f"{SECOND}_(its_echo_time,_7.38_ms,"),
        (s.phase_difference(2), SECOND),
    ],
    "the second, without a phase": [
        (make(1, "gre_field_mapping", s.FIELD, Part(te=7.38), EchoNumbers=2), "review:without_a_phase_image"),
    ],
    "the first by its number": [
        (make(1, "gre_field_mapping", s.FIELD, Part(te=7.38), EchoNumbers=1), "fmap/magnitude1"),
        (s.phase_difference(2), "fmap/phasediff"),
    ],
    "the first by its time": [
        (make(1, "gre_field_mapping", s.FIELD, Part(te=4.92)), "fmap/magnitude1"),
        (s.phase_difference(2), "fmap/phasediff"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", MAGNITUDES)
def test_lone_magnitude_of_a_field_map_is_the_echo_that_its_header_says(name: str) -> None:
    assert check(MAGNITUDES[name]) == []
    rows = s.plan_of([series for series, _ in MAGNITUDES[name]])
    suffixes = ["magnitude2" if "second" in name else "magnitude1", "phasediff"]
    assert [row.path.rpartition("_")[2] for row in rows] == suffixes[: len(rows)]


def _echo(number: int, te: float) -> Part:
    return Part(te=te, tags={"EchoNumbers": number})


TRUE: S = {
    "echoes by their number": [
        (bold(1, "bold_a", 300), "func/task-a_bold"),
        (make(2, "bold_b", s.BOLD, _echo(2, 31), _echo(3, 49), volumes=300), "review:echo_1_is_missing_in_the_export"),
        (make(3, "bold_c", s.BOLD, _echo(1, 13), _echo(3, 49), volumes=300), "review:echo_2_is_missing_in_the_export"),
        (
            make(4, "bold_d", s.BOLD, _echo(1, 13), _echo(2, 31), volumes=300),
            "func/task-d_echo-1_bold func/task-d_echo-2_bold",
        ),
        (
            make(5, "bold_e", s.BOLD, _echo(1, 13), _echo(1, 31), volumes=300),
            "func/task-e_echo-1_bold func/task-e_echo-2_bold",
        ),
    ],
    "a run that is stopped after a whole one": [
        (bold(1, "bold_nback", PlannedVolumes="300"), "func/task-nback_bold"),
        (bold(2, "bold_nback", 40, PlannedVolumes="300"), "review:and_series_1_before_it_has_300"),
    ],
    "a direction in the name that the header contradicts": [
        (bold(1, "bold_rest_PA"), "func/task-rest_bold:runs_AP_(header,_although_the_description_says_PA)"),
    ],
    "halves of two matrices": [
        (make(1, "topup_AP", s.SE_EPI, volumes=2), "fmap/dir-AP_epi:with_its_geometry_and_shim_is_left_for_it"),
        (make(2, "topup_PA", s.SE_EPI, volumes=2, PhaseEncodingPositive=PA, matrix=(64, 64, 36)), "fmap/dir-PA_epi"),
    ],
    "magnitudes in a series for each echo": [
        (make(1, "gre_field_mapping", s.FIELD, _echo(1, 4.92), at=5), "fmap/magnitude1"),
        (make(2, "gre_field_mapping", s.FIELD, _echo(2, 7.38), at=5), "fmap/magnitude2"),
        (s.phase_difference(3, at=5), "fmap/phasediff:the_only_phase"),
    ],
    "the second magnitude before the first": [
        (make(1, "gre_field_mapping", s.FIELD, Part(te=7.38), at=5), "fmap/magnitude2"),
        (make(2, "gre_field_mapping", s.FIELD, Part(te=4.92), at=5), "fmap/magnitude1"),
        (s.phase_difference(3, at=5), "fmap/phasediff"),
    ],
    "a bold of one volume by its protocol": [
        (make(1, "func-bold_task-rest", s.BOLD), "review:but_it_has_one_volume"),
    ],
    "the reference of a short run in reverse": [
        (sbref(1, "rest_PA_SBRef", PhaseEncodingPositive=PA), "review:of_series_2,_a_field_map,_has_no_name_in_BIDS"),
        (bold(2, "rest_PA", 5, PhaseEncodingPositive=PA), "fmap/dir-PA_epi"),
        (bold(3, "rest_AP"), "func/task-rest_dir-AP_bold"),
    ],
    "references of more echoes than their run has": [
        (
            make(1, "rest_ME_SBRef", s.BOLD, *echoes(13, 31, 49), protocol="rest_ME", ImageComments="sbref"),
            "func/task-rest_echo-1_sbref review:no_run_of_its_voxels_and_echo func/task-rest_echo-2_sbref",
        ),
        (
            make(2, "rest_ME", s.BOLD, *echoes(13, 49), volumes=100),
            "func/task-rest_echo-1_bold func/task-rest_echo-2_bold",
        ),
    ],
    "diffusion of which anonymisation took the b-values": [
        (make(1, "DTI 12 dir", s.GE_DWI, volumes=13), "review:no_b-values_are_in_its_headers"),
        (make(2, "DTI 64 dir", s.GE_DWI, volumes=65), "review:no_b-values_are_in_its_headers"),
        (make(3, "SE fMRI, diff", s.GE_DWI, volumes=200), "func/task-diff_bold"),
    ],
    "tasks with accents": [
        (bold(1, "fMRT_Ged\u00e4chtnis"), "func/task-gedachtnis_bold"),
        (bold(2, "IRMf m\u00e9moire"), "func/task-memoire_bold"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TRUE)
def test_what_is_said_of_odd_exports_is_true(name: str) -> None:
    assert check(TRUE[name]) == []


def test_diffusion_without_b_values_is_never_proposed_as_functional() -> None:
    (row,) = plan_of([make(1, "DTI 12 dir", s.GE_DWI, volumes=13)])
    assert row.path == "sub-01/dwi/sub-01_dwi"
    assert "contrast agent" not in row.evidence
