"""Positrons, microscopes, behaviour, eyes; and what stands beside the subjects."""

from __future__ import annotations

from tests.validate.defects.content import image, ome, to_gzip, to_json, to_nifti, to_tiff, to_tsv
from tests.validate.defects.datasets.common import README, make_root
from tests.validate.defects.tree import Tree

_BLOOD = (
    "time plasma_radioactivity metabolite_parent_fraction metabolite_polar_fraction hplc_recovery_fractions "
    "whole_blood_radioactivity"
)


def make_pet() -> Tree:
    """Return two frames of a tracer, with blood drawn by hand."""
    return make_root() | {
        "sub-01/anat/sub-01_T1w.nii": to_nifti(),
        "sub-01/pet/sub-01_pet.nii.gz": image((4, 4, 4, 2)),
        "sub-01/pet/sub-01_pet.json": to_json(
            Manufacturer="Maker",
            ManufacturersModelName="Model",
            Units="Bq/mL",
            TracerName="FDG",
            TracerRadionuclide="F18",
            InjectedRadioactivity=400,
            InjectedRadioactivityUnits="MBq",
            InjectedMass=5,
            InjectedMassUnits="ug",
            SpecificRadioactivity=35,
            SpecificRadioactivityUnits="GBq/ug",
            ModeOfAdministration="bolus",
            TimeZero="10:00:00",
            ScanStart=0,
            InjectionStart=0,
            FrameTimesStart=[0, 60],
            FrameDuration=[60, 60],
            AcquisitionMode="list mode",
            ImageDecayCorrected=True,
            ImageDecayCorrectionTime=0,
            ReconMethodName="OSEM",
            ReconMethodParameterLabels=["iterations", "subsets"],
            ReconMethodParameterUnits=["none", "none"],
            ReconMethodParameterValues=[4, 16],
            ReconFilterType="Gaussian",
            ReconFilterSize=5,
            AttenuationCorrection="CT",
        ),
        "sub-01/pet/sub-01_recording-manual_blood.json": to_json(
            PlasmaAvail=True,
            PlasmaFreeFraction=5,
            PlasmaFreeFractionMethod="filter",
            MetaboliteAvail=True,
            MetaboliteMethod="HPLC",
            MetaboliteRecoveryCorrectionApplied=True,
            WholeBloodAvail=True,
            DispersionCorrected=False,
        ),
        "sub-01/pet/sub-01_recording-manual_blood.tsv": to_tsv(f"{_BLOOD}\n0 0 1 0 1 0\n60 12.5 0.8 0.1 0.9 10"),
    }  # fmt: skip


def make_micr() -> Tree:
    """Return slices under two microscopes, as OME-TIFF, as PNG and as a folder of chunks."""
    at = "sub-01/micr/sub-01_sample-{}".format
    sidecar = {"PixelSize": [0.5, 0.5, 1.0], "PixelSizeUnits": "um"}
    return make_root() | {
        "samples.tsv": to_tsv("sample_id participant_id sample_type\nsample-A sub-01 tissue\nsample-B sub-01 tissue"),
        at("A_SPIM.ome.tif"): to_tiff(description=ome()),
        at("A_SPIM.json"): to_json(**sidecar),
        at("B_chunk-1_SEM.png"): b"\x89PNG\r\n\x1a\n",
        at("B_chunk-1_SEM.json"): to_json(
            **sidecar,
            ChunkTransformationMatrix=[[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            ChunkTransformationMatrixAxis=["X", "Y"],
        ),
        at("B_BF.ome.zarr/.zattrs"): b"{}\n",
        at("B_BF.ome.zarr/0/0"): b"voxels\n",
        at("B_BF.json"): to_json(**sidecar),
        at("A_photo.jpg"): b"\xff\xd8\xff\xe0\n",
    }


def make_beh() -> Tree:
    """Return answers, pictures that were shown, and eyes that looked at them."""
    at = "sub-01/beh/sub-01_task-look_{}".format
    screen = {
        "ScreenDistance": 0.6,
        "ScreenOrigin": ["top", "left"],
        "ScreenResolution": [800, 600],
        "ScreenSize": [0.4, 0.3],
    }
    return make_root() | {
        "stimuli/face.png": b"\x89PNG\r\n\x1a\n",
        "stimuli/set/house.png": b"\x89PNG\r\n\x1a\n",
        at("beh.tsv"): to_tsv("trial_type response_time score\nface 0.3 1\nhouse 0.5 2"),
        at("beh.json"): to_json(TaskName="look", score={"Description": "points", "Units": "arbitrary"}),
        at("events.tsv"): to_tsv("onset duration stim_file\n0 1 face.png\n2 1 set/house.png\n4 1 n/a"),
        at("events.json"): to_json(StimulusPresentation=screen),
        at("recording-eye1_physio.tsv.gz"): to_gzip(b"0\t400\t300\t5\n10\t401\t300\t5\n"),
        at("recording-eye1_physio.json"): to_json(
            SamplingFrequency=100,
            StartTime=0,
            PhysioType="eyetrack",
            RecordedEye="left",
            SampleCoordinateSystem="gaze-on-screen",
            Columns=["timestamp", "x_coordinate", "y_coordinate", "pupil_size"],
            pupil_size={"Description": "the diameter", "Units": "arbitrary"},
        ),
        at("recording-eye1_physioevents.tsv.gz"): to_gzip(b"0\t10\tfixation\n"),
        at("recording-eye1_physioevents.json"): to_json(
            Columns=["onset", "duration", "trial_type"], OnsetSource="timestamp"
        ),
        at("stim.tsv.gz"): to_gzip(b"1\n2\n"),
        at("stim.json"): to_json(SamplingFrequency=10, StartTime=0, Columns=["loudness"], loudness={"Units": "dB"}),
    }


def make_extras() -> Tree:
    """Return a dataset with citation, genetics, questionnaires, links to others, and a broken-free derivative."""
    tree = make_root(["01", "02"], Genetics={"Dataset": "https://example.org/genes"}, DatasetLinks={"raw": "../raw"})
    tree["dataset_description.json"] = to_json(
        Name="Extras",
        BIDSVersion="1.10.0",
        DatasetType="raw",
        Genetics={"Dataset": "https://example.org/genes"},
        DatasetLinks={"raw": "https://example.org/raw"},
        Keywords=["small"],
    )
    return tree | {
        "README": README,
        "CITATION.cff": (
            b"cff-version: 1.2.0\nmessage: Please cite it.\ntitle: Extras\n"
            b"authors:\n  - family-names: Author\n    given-names: A.\nlicense: CC0-1.0\n"
        ),
        "genetic_info.json": to_json(GeneticLevel="Genetic", SampleOrigin="blood"),
        "phenotype/mood.tsv": to_tsv("participant_id score\nsub-01 3\nsub-02 5"),
        "phenotype/mood.json": to_json(
            MeasurementToolMetadata={"Description": "a questionnaire"},
            score={"Description": "points", "Units": "arbitrary"},
        ),
        "sub-01/anat/sub-01_T1w.nii.gz": image(),
        "sub-02/anat/sub-02_T1w.nii.gz": image(),
        "derivatives/clean/dataset_description.json": to_json(
            Name="Clean", BIDSVersion="1.10.0", DatasetType="derivative", GeneratedBy=[{"Name": "cleaner"}]
        ),
        "derivatives/clean/README": README,
        "derivatives/clean/sub-01/anat/sub-01_desc-clean_T1w.nii.gz": image(),
        "derivatives/clean/sub-01/anat/sub-01_desc-clean_T1w.json": to_json(SkullStripped=False),
        "derivatives/loose/what ever.txt": b"no dataset\n",
    }


def make_hed() -> Tree:
    """Return events that are annotated with HED, in the table and in its sidecar."""
    return make_root(HEDVersion="8.3.0") | {
        "task-go_bold.json": to_json(TaskName="go", RepetitionTime=2.0),
        "task-go_events.json": to_json(trial_type={"HED": {"go": "Sensory-event, Red", "stop": "Sensory-event, Blue"}}),
        "sub-01/func/sub-01_task-go_bold.nii.gz": image((4, 4, 4, 4)),
        "sub-01/func/sub-01_task-go_events.tsv": to_tsv(
            "onset duration trial_type HED\n1 1 go Agent-action\n6 1 stop n/a"
        ),
    }
