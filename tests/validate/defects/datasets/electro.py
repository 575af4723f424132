"""Recordings of electrodes, coils and optodes: EEG, iEEG, EMG, MEG, NIRS; and of movement."""

from __future__ import annotations

from tests.validate.defects.content import to_json, to_tsv
from tests.validate.defects.datasets.common import make_root
from tests.validate.defects.tree import Tree

_EVENTS = to_tsv("onset duration trial_type\n1.0 0.5 go\n2.0 0.5 stop")

#: A stand-in: no validator reads on.
_SIGNAL = b"0       a signal, not read by anyone\n"


def make_eeg() -> Tree:
    """Return two subjects, one recorded in BrainVision's three files, one in EDF."""
    tree = make_root(["01", "02"])
    tree["task-go_events.json"] = to_json(trial_type={"Levels": {"go": "respond", "stop": "do not"}})
    for subject, extensions in (("01", ("vhdr", "vmrk", "eeg")), ("02", ("edf",))):
        at = f"sub-{subject}/eeg/sub-{subject}_{{}}".format
        tree |= {at(f"task-go_eeg.{extension}"): _SIGNAL for extension in extensions}
        tree |= {
            at("task-go_eeg.json"): to_json(
                TaskName="go",
                EEGReference="Cz",
                SamplingFrequency=500,
                PowerLineFrequency=50,
                SoftwareFilters="n/a",
                EEGChannelCount=2,
                EOGChannelCount=1,
                RecordingType="continuous",
            ),
            at("task-go_events.tsv"): _EVENTS,
            at("task-go_channels.tsv"): to_tsv("""
                name type units status
                Fp1 EEG uV good
                Fp2 EEG uV bad
                VEOG EOG uV good
            """),
            at("electrodes.tsv"): to_tsv(
                "name x y z type\nFp1 0.1 0.2 0.3 cup\nFp2 0.2 0.2 0.3 cup\nRef n/a n/a n/a cup"
            ),
            at("coordsystem.json"): to_json(EEGCoordinateSystem="CapTrak", EEGCoordinateUnits="mm"),
        }
    return tree


def make_ieeg() -> Tree:
    """Return a recording within the head, with the places of its electrodes in two spaces."""
    at = "sub-01/ieeg/sub-01_{}".format
    tree = make_root() | {
        at("task-go_ieeg.edf"): _SIGNAL,
        at("task-go_ieeg.json"): to_json(
            TaskName="go",
            iEEGReference="left mastoid",
            SamplingFrequency=1000,
            PowerLineFrequency=60,
            SoftwareFilters={"notch": {"freq": 60}},
        ),
        at("task-go_events.tsv"): _EVENTS,
        at("task-go_channels.tsv"): to_tsv("""
            name type units low_cutoff high_cutoff
            G1 ECOG uV 300 0.1
            D1 SEEG uV n/a n/a
        """),
        "sub-01/anat/sub-01_T1w.json": to_json(),
    }
    for space in ("ACPC", "ScanRAS"):
        tree |= {
            at(f"space-{space}_electrodes.tsv"): to_tsv("name x y z size hemisphere\nG1 1 2 3 5 L\nD1 3 2 1 n/a R"),
            at(f"space-{space}_coordsystem.json"): to_json(
                iEEGCoordinateSystem=space, iEEGCoordinateUnits="mm", IntendedFor="sub-01/ieeg/sub-01_photo.jpg"
            ),
        }
    del tree["sub-01/anat/sub-01_T1w.json"]
    tree[at("photo.jpg")] = b"\xff\xd8\xff\xe0 a picture\n"
    return tree


def make_emg() -> Tree:
    """Return muscles of two places, one in the coordinates of the other."""
    at = "sub-01/emg/sub-01_{}".format
    return make_root() | {
        at("task-grip_emg.edf"): _SIGNAL,
        at("task-grip_emg.json"): to_json(
            TaskName="grip",
            EMGPlacementScheme="Measured",
            EMGReference="elbow",
            SamplingFrequency=2000,
            PowerLineFrequency=50,
            RecordingType="continuous",
            SoftwareFilters="n/a",
            EMGChannelCount=2,
        ),
        at("task-grip_events.tsv"): _EVENTS,
        at("task-grip_channels.tsv"): to_tsv("name type units\nE1 EMG uV\nE2 EMG uV"),
        at("electrodes.tsv"): to_tsv("name x y z coordinate_system\nE1 1 2 n/a arm\nE2 3 2 n/a hand"),
        at("space-arm_coordsystem.json"): to_json(
            EMGCoordinateSystem="Other", EMGCoordinateUnits="percent", EMGCoordinateSystemDescription="along the arm"
        ),
        at("space-hand_coordsystem.json"): to_json(
            EMGCoordinateSystem="Other",
            EMGCoordinateUnits="mm",
            EMGCoordinateSystemDescription="on the hand",
            ParentCoordinateSystem="arm",
            AnchorCoordinates=[1, 2],
            AnchorElectrode="E1",
        ),
    }


def make_meg() -> Tree:
    """Return MEG in a CTF folder (sub-01) and as FIF with calibration (sub-02), and the empty room."""
    sidecar = {
        "TaskName": "go",
        "SamplingFrequency": 1200,
        "PowerLineFrequency": 50,
        "DewarPosition": "upright",
        "SoftwareFilters": {"SpatialCompensation": {"GradientOrder": "0th"}},
        "DigitizedLandmarks": True,
        "DigitizedHeadPoints": False,
    }
    channels = to_tsv("name type units status\nMLC11 MEGGRADAXIAL T good\nUPPT001 TRIG V n/a")
    room = "sub-emptyroom/ses-19000101/meg/sub-emptyroom_ses-19000101_task-noise_meg"
    tree = make_root(["01", "02", "emptyroom"]) | {f"{room}.ds/{name}": _SIGNAL for name in ("a.meg4", "a.res4")}
    tree[f"{room}.json"] = to_json(**{**sidecar, "TaskName": "noise"})
    for subject in ("01", "02"):
        at = f"sub-{subject}/meg/sub-{subject}_{{}}".format
        tree |= {
            at("task-go_meg.json"): to_json(**sidecar, AssociatedEmptyRoom=f"{room}.ds"),
            at("task-go_channels.tsv"): channels,
            at("task-go_events.tsv"): _EVENTS,
            at("coordsystem.json"): to_json(MEGCoordinateSystem="CTF", MEGCoordinateUnits="cm"),
            at("headshape.pos"): _SIGNAL,
        }
    ctf = "sub-01/meg/sub-01_task-go_meg.ds"
    tree |= {f"{ctf}/sub-01_task-go_meg.{kind}": _SIGNAL for kind in ("meg4", "res4", "hc")}
    tree[f"{ctf}/hz.ds/deep.txt"] = _SIGNAL
    return tree | {
        "sub-02/meg/sub-02_task-go_split-01_meg.fif": _SIGNAL,
        "sub-02/meg/sub-02_task-go_split-02_meg.fif": _SIGNAL,
        "sub-02/meg/sub-02_acq-calibration_meg.dat": _SIGNAL,
        "sub-02/meg/sub-02_acq-crosstalk_meg.fif": _SIGNAL,
    }


def make_nirs() -> Tree:
    """Return light through the head, with an accelerometer beside it."""
    at = "sub-01/nirs/sub-01_{}".format
    return make_root() | {
        at("task-go_nirs.snirf"): _SIGNAL,
        at("task-go_nirs.json"): to_json(
            TaskName="go",
            SamplingFrequency=10,
            NIRSChannelCount=2,
            NIRSSourceOptodeCount=1,
            NIRSDetectorOptodeCount=1,
            ACCELChannelCount=1,
            ShortChannelCount=1,
        ),
        at("task-go_events.tsv"): _EVENTS,
        at("task-go_channels.tsv"): to_tsv("""
            name type source detector wavelength_nominal units component short_channel
            S1-D1 NIRSCWAMPLITUDE S1 D1 760 V n/a true
            S1-D1b NIRSCWAMPLITUDE S1 D1 850 V n/a false
            acc ACCEL n/a n/a n/a g x false
        """),
        at("optodes.tsv"): to_tsv("""
            name type x y z template_x template_y template_z
            S1 source 1 2 3 1 2 3
            D1 detector n/a n/a n/a 2 2 3
        """),
        at("coordsystem.json"): to_json(NIRSCoordinateSystem="CapTrak", NIRSCoordinateUnits="mm"),
    }


def make_motion() -> Tree:
    """Return the path of a marker."""
    at = "sub-01/motion/sub-01_task-walk_{}".format
    return make_root() | {
        at("tracksys-imu_motion.tsv"): b"0.1\t0.2\n0.2\t0.3\n0.3\t0.3\n",
        at("tracksys-imu_motion.json"): to_json(TaskName="walk", SamplingFrequency=60),
        at("tracksys-imu_channels.tsv"): to_tsv("""
            name component type tracked_point units
            t1_x x POS foot m
            t1_y y POS foot m
        """),
        at("events.tsv"): _EVENTS,
    }
