"""Magnetic resonance: structure, function, diffusion, field maps, perfusion, quantities, spectra."""

from __future__ import annotations

from tests.validate.defects.content import image, rows, to_gzip, to_json, to_tsv
from tests.validate.defects.datasets.common import make_root
from tests.validate.defects.tree import Tree

#: Four volumes of 2 s.
SERIES = (4, 4, 4, 4)

_EVENTS = to_tsv("""
    onset duration trial_type response_time
    0.5 0.5 go 0.3
    3.0 0.5 stop n/a
    6.0 0.5 go 0.4
""")

_PHASE = {"PhaseEncodingDirection": "j", "TotalReadoutTime": 0.05, "EffectiveEchoSpacing": 0.0005}


def make_mri() -> Tree:
    """Return two subjects with a T1w, two runs of BOLD, diffusion, and a field map of two directions."""
    tree = make_root(["01", "02"])
    tree |= {
        "CHANGES": b"1.0.0 2020-01-01\n  - First.\n",
        "LICENSE": b"CC0\n",
        ".bidsignore": b"extra\n*_notes.txt\n",
        "participants.json": to_json(
            handedness={"Description": "by hand", "Levels": {"left": "L", "right": "R"}}, age={"Description": "years"}
        ),
        "T1w.json": to_json(MagneticFieldStrength=3, EchoTime=0.003),
        "task-nback_bold.json": to_json(
            TaskName="nback", RepetitionTime=2.0, EchoTime=0.03, SliceTiming=[0, 0.5, 1, 1.5]
        ),
        "task-nback_events.json": to_json(trial_type={"Levels": {"go": "respond", "stop": "do not"}}),
        "sourcedata/anything/at all.dcm": b"something\n",
        "code/run.sh": b"echo\n",
        "extra/notes.doc": b"ignored\n",
    }
    for subject in ("01", "02"):
        at, name = f"sub-{subject}", f"sub-{subject}/{{}}/sub-{subject}_{{}}".format
        tree |= {
            f"{at}/{at}_scans.tsv": to_tsv(f"""
                filename acq_time
                anat/{at}_T1w.nii.gz 1900-01-01T10:00:00
                func/{at}_task-nback_run-1_bold.nii.gz 1900-01-01T10:10:00
                func/{at}_task-nback_run-2_bold.nii.gz n/a
            """),
            name("anat", "T1w.nii.gz"): image(),
            name("anat", "T1w.json"): to_json(RepetitionTimeExcitation=2.3, FlipAngle=9),
            name("dwi", "dwi.nii.gz"): image(SERIES),
            name("dwi", "dwi.json"): to_json(**_PHASE),
            name("dwi", "dwi.bval"): rows([0, 1000, 1000, 1000]),
            name("dwi", "dwi.bvec"): rows([0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]),
        }
        for run in (1, 2):
            tree |= {
                name("func", f"task-nback_run-{run}_bold.nii.gz"): image(SERIES),
                name("func", f"task-nback_run-{run}_events.tsv"): _EVENTS,
            }
        for direction, sign in (("AP", "j-"), ("PA", "j")):
            tree |= {
                name("fmap", f"dir-{direction}_epi.nii.gz"): image(SERIES),
                name("fmap", f"dir-{direction}_epi.json"): to_json(
                    PhaseEncodingDirection=sign,
                    TotalReadoutTime=0.05,
                    IntendedFor=[
                        f"func/{at}_task-nback_run-1_bold.nii.gz",
                        f"bids::{at}/func/{at}_task-nback_run-2_bold.nii.gz",
                    ],
                ),
            }
    return tree


def make_sessions() -> Tree:
    """Return one subject with two sessions, echoes, phase and magnitude, and recordings beside the images."""
    tree = make_root() | {
        "sub-01/sub-01_sessions.tsv": to_tsv(
            "session_id acq_time pathology\nses-01 1900-01-01T00:00:00 n/a\nses-02 1901-01-01T00:00:00 n/a"
        ),
        "task-rest_bold.json": to_json(TaskName="rest", RepetitionTime=2.0),
        "sub-01/sub-01_task-rest_bold.json": to_json(FlipAngle=70),
    }
    for session in ("01", "02"):
        at = f"sub-01/ses-{session}"
        stem = f"{at}/{{}}/sub-01_ses-{session}_{{}}".format
        tree |= {
            f"{at}/sub-01_ses-{session}_scans.tsv": to_tsv(
                f"filename acq_time\nanat/sub-01_ses-{session}_T1w.nii.gz 1900-01-01T10:00:00"
            ),
            stem("anat", "T1w.nii.gz"): image(),
            stem("func", "task-rest_sbref.nii.gz"): image(),
            stem("func", "task-rest_sbref.json"): to_json(TaskName="rest"),
            stem("func", "task-rest_physio.tsv.gz"): to_gzip(b"1.0\t2\t0\n2.0\t3\t0\n3.5\t4\t1\n"),
            stem("func", "task-rest_physio.json"): to_json(
                SamplingFrequency=50.0, StartTime=-1.0, Columns=["cardiac", "respiratory", "trigger"]
            ),
        }
        for echo in (1, 2):
            for part in ("mag", "phase"):
                name = stem("func", f"task-rest_echo-{echo}_part-{part}_bold")
                tree[f"{name}.nii.gz"] = image(SERIES)
                units = {"Units": "rad"} if part == "phase" else {}
                tree[f"{name}.json"] = to_json(EchoTime=0.01 * echo, **units)
    return tree


def make_fieldmaps() -> Tree:
    """Return a subject for each case of field maps (BIDS: Magnetic Resonance Imaging, field maps)."""
    tree = make_root(["01", "02", "03", "04"])
    at = "sub-{0}/fmap/sub-{0}_{1}".format
    tree |= {
        at("01", "phasediff.nii.gz"): image(),
        at("01", "phasediff.json"): to_json(EchoTime1=0.005, EchoTime2=0.00746, B0FieldIdentifier="one"),
        at("01", "magnitude1.nii.gz"): image(),
        at("01", "magnitude2.nii.gz"): image(),
        at("02", "phase1.nii.gz"): image(),
        at("02", "phase1.json"): to_json(EchoTime=0.005),
        at("02", "phase2.nii.gz"): image(),
        at("02", "phase2.json"): to_json(EchoTime=0.00746),
        at("02", "magnitude1.nii.gz"): image(),
        at("02", "magnitude2.nii.gz"): image(),
        at("03", "fieldmap.nii.gz"): image(),
        at("03", "fieldmap.json"): to_json(Units="rad/s", IntendedFor="bids::sub-03/anat/sub-03_T1w.nii.gz"),
        at("03", "magnitude.nii.gz"): image(),
        at("04", "dir-AP_epi.nii.gz"): image(SERIES),
        at("04", "dir-AP_epi.json"): to_json(**_PHASE, B0FieldIdentifier="four"),
        at("04", "dir-AP_epi.bval"): rows([0, 5, 5, 5]),
        at("04", "dir-AP_epi.bvec"): rows([0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]),
    }
    for subject in ("01", "02", "03", "04"):
        tree[f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz"] = image()
    return tree


def make_asl() -> Tree:
    """Return perfusion with its calibration apart (sub-01, labelled by PCASL) and within (sub-02, PASL)."""
    common = {
        "RepetitionTimePreparation": 4.0,
        "EchoTime": 0.01,
        "MagneticFieldStrength": 3,
        "MRAcquisitionType": "3D",
        "BackgroundSuppression": True,
        "BackgroundSuppressionNumberPulses": 2,
        "BackgroundSuppressionPulseTime": [0.1, 0.2],
        "FlipAngle": 90,
    }
    return make_root(["01", "02"]) | {
        "sub-01/perf/sub-01_asl.nii.gz": image((4, 4, 4, 4)),
        "sub-01/perf/sub-01_asl.json": to_json(
            **common,
            ArterialSpinLabelingType="PCASL",
            PCASLType="balanced",
            LabelingDuration=1.8,
            PostLabelingDelay=1.8,
            M0Type="Separate",
            TotalAcquiredPairs=2,
        ),
        "sub-01/perf/sub-01_aslcontext.tsv": b"volume_type\ncontrol\nlabel\ncontrol\nlabel\n",
        "sub-01/perf/sub-01_m0scan.nii.gz": image(),
        "sub-01/perf/sub-01_m0scan.json": to_json(
            RepetitionTimePreparation=4.0, EchoTime=0.01, IntendedFor="perf/sub-01_asl.nii.gz"
        ),
        "sub-02/perf/sub-02_asl.nii.gz": image((4, 4, 4, 5)),
        "sub-02/perf/sub-02_asl.json": to_json(
            **common,
            ArterialSpinLabelingType="PASL",
            BolusCutOffFlag=True,
            BolusCutOffDelayTime=[0.7, 1.6],
            BolusCutOffTechnique="Q2TIPS",
            PostLabelingDelay=[0, 1.8, 1.8, 1.8, 1.8],
            M0Type="Included",
            TotalAcquiredPairs=2,
        ),
        "sub-02/perf/sub-02_aslcontext.tsv": b"volume_type\nm0scan\ncontrol\nlabel\ncontrol\nlabel\n",
    }


def make_qmri() -> Tree:
    """Return files of the collections for quantities: VFA, MP2RAGE, MESE, MTS, and a map made of them."""
    tree = make_root()
    at = "sub-01/{}/sub-01_{}".format
    for number in (1, 2):
        tree |= {
            at("anat", f"flip-{number}_VFA.nii.gz"): image(),
            at("anat", f"flip-{number}_VFA.json"): to_json(
                FlipAngle=5 * number, PulseSequenceType="SPGR", RepetitionTimeExcitation=0.02
            ),
            at("anat", f"inv-{number}_MP2RAGE.nii.gz"): image(),
            at("anat", f"inv-{number}_MP2RAGE.json"): to_json(
                FlipAngle=5,
                InversionTime=float(number),
                RepetitionTimeExcitation=0.01,
                RepetitionTimePreparation=5.0,
                NumberShots=100,
                MagneticFieldStrength=7,
            ),
            at("anat", f"echo-{number}_MESE.nii.gz"): image(),
            at("anat", f"echo-{number}_MESE.json"): to_json(EchoTime=0.01 * number),
        }
    for flip, state in ((1, "on"), (1, "off"), (2, "off")):
        tree |= {
            at("anat", f"flip-{flip}_mt-{state}_MTS.nii.gz"): image(),
            at("anat", f"flip-{flip}_mt-{state}_MTS.json"): to_json(
                FlipAngle=5, MTState=state == "on", RepetitionTimeExcitation=0.03
            ),
        }
    return tree | {
        at("anat", "T1map.nii.gz"): image(),
        at("anat", "PDT2.nii.gz"): image((4, 4, 4, 2)),
        at("anat", "PDT2.json"): to_json(EchoTime=[0.01, 0.09]),
        at("anat", "acq-b_mod-T1w_defacemask.nii.gz"): image(),
        at("fmap", "flip-1_TB1DAM.nii.gz"): image(),
        at("fmap", "flip-1_TB1DAM.json"): to_json(FlipAngle=60, B0FieldIdentifier="b1"),
    }


def make_mrs() -> Tree:
    """Return spectra of one voxel and of a grid."""
    common = {
        "ResonantNucleus": ["1H"],
        "SpectrometerFrequency": [123.2],
        "SpectralWidth": 2000,
        "EchoTime": 0.03,
        "RepetitionTime": 2.0,
    }
    return make_root() | {
        "sub-01/mrs/sub-01_svs.nii.gz": image((1, 1, 1, 16)),
        "sub-01/mrs/sub-01_svs.json": to_json(**common, NumberOfTransients=16),
        "sub-01/mrs/sub-01_mrsi.nii.gz": image((4, 4, 1, 16)),
        "sub-01/mrs/sub-01_mrsi.json": to_json(**common, MatrixSize=[4, 4, 1]),
    }
