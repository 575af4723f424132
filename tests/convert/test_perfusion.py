"""Labelled blood of made-up scanners, the whole way: table, fields, and the M0 that goes with it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from bidsflow.phantom import write
from bidsflow.phantom.protocol import Series
from tests.convert.labelled import write_philips

Cli = Callable[..., Any]
_PLACE = os.environ.get("BIDSFLOW_SHARED", "") or Path(__file__).resolve().parents[3] / "shared"
REAL = Path(_PLACE) / "data/dicom/siemens-xa30-session"
RUN, M0 = "sub-01/perf/sub-01_asl", "sub-01/perf/sub-01_m0scan"


@pytest.fixture(scope="module")
def xa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("xa")
    write(root, dialect="enhanced", size="tiny", series=["asl"])
    return root / "dicom"


def read_sidecar(dataset: Path, path: str) -> dict[str, Any]:
    return json.loads((dataset / f"{path}.json").read_text())


def test_labelled_blood_of_xa_becomes_a_valid_run_with_its_m0(xa: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", xa, target).code == 0  # the validator finds no error, too
    table = (target / f"{RUN}context.tsv").read_text().split()
    assert table == ["volume_type", "label", "control", "label", "control"]
    run, scan = read_sidecar(target, RUN), read_sidecar(target, M0)
    assert scan["IntendedFor"] == [f"bids::{RUN}.nii.gz"]
    told = {
        "M0Type": "Separate", "PostLabelingDelay": 1.5, "LabelingDuration": 1.8, "BackgroundSuppression": True,
        "TotalAcquiredPairs": 2, "RepetitionTimePreparation": 4.8, "ArterialSpinLabelingType": "PCASL",
    }  # fmt: skip
    assert {key: run[key] for key in told} == told


def test_volumes_are_those_that_the_table_names(xa: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    cli("convert", xa, target)
    means = np.asarray(nib.load(target / f"{RUN}.nii.gz").dataobj).mean(axis=(0, 1, 2))
    assert means[[0, 2]].max() < means[[1, 3]].min()


def test_a_table_that_is_lost_is_made_again(xa: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    cli("convert", xa, target)
    table = target / f"{RUN}context.tsv"
    before = table.read_bytes()
    table.unlink()
    assert "1 written, 1 unchanged" in cli("convert", xa, target).out
    assert table.read_bytes() == before


def test_a_run_without_its_m0_says_so_until_that_comes(xa: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    m0, run = sorted(folder for folder in xa.rglob("*") if any(folder.glob("*.dcm")))
    cli("convert", run, target)
    assert read_sidecar(target, RUN)["M0Type"] == "Absent"
    assert cli("convert", m0, target).code == 0
    assert not (target / f"{M0}.nii.gz").exists()  # alone it is intended for nothing that the plan knows
    assert cli("convert", xa, target).code == 0
    assert read_sidecar(target, RUN)["M0Type"] == "Separate"


@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real exports")
def test_a_real_series_of_xa_tells_its_delay_apart_from_its_labelling(tmp_path: Path, cli: Cli) -> None:
    """dcm2niix says 0.8 s of this one, the labelling duration."""
    export = tmp_path / "scan"
    shutil.copytree(REAL / "25_asl_2d_tra", export)
    for file in export.iterdir():
        dataset = pydicom.dcmread(file)
        for element in dataset.iterall():
            if element.tag == 0x00189258:
                element.value = 800
        dataset.save_as(file)
    assert cli("convert", export, tmp_path / "bids").code == 0
    table = (tmp_path / "bids" / f"{RUN}context.tsv").read_text().split()
    assert table == ["volume_type", "m0scan", *["label", "control"] * 3]
    sidecar = read_sidecar(tmp_path / "bids", RUN)
    assert (sidecar["LabelingDuration"], sidecar["PostLabelingDelay"]) == (0.8, 1.8)


def edit_files(export: Path, change: Callable[[pydicom.Dataset], object]) -> None:
    for file in sorted(export.rglob("*.dcm")):
        ds = pydicom.dcmread(file)
        change(ds)
        ds.save_as(file)


def test_two_passes_of_ge_become_a_valid_run(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "ge", dialect="ge", series=["asl"])
    ran = cli("plan", tmp_path / "ge/dicom")
    assert "(0043,10A3) says 1 deltam, 1 m0scan; GE's own 3dasl always suppresses the background" in ran.out
    assert cli("convert", tmp_path / "ge/dicom", tmp_path / "bids").code == 0
    assert (tmp_path / f"bids/{RUN}context.tsv").read_text().split() == ["volume_type", "deltam", "m0scan"]
    told = {
        "M0Type": "Included", "PostLabelingDelay": 1.5, "LabelingDuration": 1.8, "BackgroundSuppression": True,
        "TotalAcquiredPairs": 3, "RepetitionTimePreparation": 4.846, "ArterialSpinLabelingType": "PCASL",
    }  # fmt: skip
    run = read_sidecar(tmp_path / "bids", RUN)
    assert {key: run[key] for key in told} == told
    means = np.asarray(nib.load(tmp_path / f"bids/{RUN}.nii.gz").dataobj).mean(axis=(0, 1, 2))
    assert 10 * means[0] < means[1]


def test_a_difference_that_ge_declares_to_be_derived_is_no_copy(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "ge", dialect="ge", series=["asl"])

    def declare(ds: pydicom.Dataset) -> None:
        weighted = ds[0x0043, 0x10A3].value == "PSEUDOCONTINUOUS"
        ds.ImageType = ["DERIVED", "PRIMARY", "ASL", "PERFUSION", "ASL"] if weighted else ["ORIGINAL", "PRIMARY", "ASL"]

    edit_files(tmp_path / "ge/dicom", declare)
    ran = cli("convert", tmp_path / "ge/dicom", tmp_path / "bids")
    assert (ran.code, ran.err) == (0, "")
    assert (tmp_path / f"bids/{RUN}context.tsv").read_text().split() == ["volume_type", "deltam"]
    run, scan = read_sidecar(tmp_path / "bids", RUN), read_sidecar(tmp_path / "bids", M0)
    assert (run["M0Type"], run["PostLabelingDelay"], run["TotalAcquiredPairs"]) == ("Separate", 1.5, 3)
    assert scan["IntendedFor"] == [f"bids::{RUN}.nii.gz"]
    dark, bright = (nib.load(tmp_path / f"bids/{path}.nii.gz").get_fdata().mean() for path in (RUN, M0))
    assert 10 * dark < bright


def test_delays_that_ge_encodes_wait_for_what_no_header_tells(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "ge", dialect="ge", series=["asl"])
    export, plan = tmp_path / "ge/dicom", tmp_path / "plan.tsv"
    edit_files(export, lambda ds: ds.private_block(0x0019, "GEMS_ACQU_01").add_new(0x9E, "LO", "EASL"))
    ran = cli("plan", export, "-o", plan)
    assert "GE's eASL encodes delays in its volumes" in ran.err
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    ran = cli("convert", export, tmp_path / "bids", "--plan", plan)
    assert (ran.code, (tmp_path / "bids").exists()) == (65, False)
    assert "as asl BIDS requires aslcontext.tsv, BackgroundSuppression" in ran.err


PAIRS = ("control", "label") * 2
PHILIPS = """version = 1
[[series]]
match = { SeriesDescription = "SOURCE - pCASL" }
[series.sidecar]
ArterialSpinLabelingType = "PCASL"
LabelingDuration = 1.8
PostLabelingDelay = 1.8
BackgroundSuppression = false
"""


class Numbered(NamedTuple):
    types: tuple[str, ...]
    phases: int = 1


@pytest.mark.parametrize(
    "case",
    [
        Numbered(PAIRS),
        Numbered(PAIRS[::-1]),
        Numbered(("label", "control", "control", "label")),
        Numbered(("control",) * 2 + ("label",) * 2, phases=2),
        Numbered(("label",) * 2 + ("control",) * 2, phases=2),
    ],
    ids=lambda case: f"{'-'.join(one[0] for one in case.types)} of {case.phases}",
)
def test_the_table_of_philips_fits_the_voxels_however_its_volumes_are_numbered(
    case: Numbered, tmp_path: Path, cli: Cli
) -> None:
    """dcm2niix puts volumes of Philips into an order of its own."""
    export, study, target = (
        write_philips(tmp_path, case.types, phases=case.phases),
        tmp_path / "s.toml",
        tmp_path / "bids",
    )
    study.write_text(
        PHILIPS.replace("= false", "= false\nRepetitionTimePreparation = 4.6" if case.phases > 1 else "= false")
    )
    ran = cli("convert", export, target, "--study", study)
    assert ran.code == 0, ran.said
    table = (target / f"{RUN}context.tsv").read_text().split()[1:]
    means = np.asarray(nib.load(target / f"{RUN}.nii.gz").dataobj).mean(axis=(0, 1, 2))
    assert sorted(table) == sorted(case.types)
    middle = (means.max() + means.min()) / 2
    assert table == ["control" if mean > middle else "label" for mean in means]
    sidecar = read_sidecar(target, RUN)
    assert sidecar["RepetitionTimePreparation"] == (4.55 if case.phases == 1 else 4.6)
    assert sidecar["TotalAcquiredPairs"] == 2


def test_the_table_of_philips_fits_the_voxels_where_slices_are_numbered_at_random(tmp_path: Path, cli: Cli) -> None:
    export, study, plan = write_philips(tmp_path, PAIRS[::-1]), tmp_path / "study.toml", tmp_path / "plan.tsv"
    numbers = random.Random(1).sample(range(10**6), 1000)
    edit_files(export, lambda ds: setattr(ds, "InstanceNumber", numbers.pop()))
    study.write_text(PHILIPS)
    assert "2 control, 2 label" in cli("plan", export, "--study", study, "-o", plan).err
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    assert cli("convert", export, tmp_path / "bids", "--study", study, "--plan", plan).code == 0
    table = (tmp_path / f"bids/{RUN}context.tsv").read_text().split()[1:]
    means = np.asarray(nib.load(tmp_path / f"bids/{RUN}.nii.gz").dataobj).mean(axis=(0, 1, 2))
    assert table != sorted(table)
    assert table == ["control" if mean > means.mean() else "label" for mean in means]


def test_the_table_of_philips_fits_the_voxels_where_each_slice_has_a_slope(tmp_path: Path, cli: Cli) -> None:
    export, study = write_philips(tmp_path, PAIRS[::-1]), tmp_path / "study.toml"
    slopes = (f"{1.2 + rank / 100:.2f}" for rank in range(1000))
    edit_files(export, lambda ds: setattr(ds, "RescaleSlope", next(slopes)))
    study.write_text(PHILIPS)
    assert cli("convert", export, tmp_path / "bids", "--study", study).code == 0
    assert nib.load(tmp_path / f"bids/{RUN}.nii.gz").get_data_dtype() == np.float32
    assert (tmp_path / f"bids/{RUN}context.tsv").read_text().split()[1:] == list(PAIRS[::-1])


def test_labels_of_philips_are_told_and_the_rest_is_missing(tmp_path: Path, cli: Cli) -> None:
    ran = cli("plan", write_philips(tmp_path, PAIRS))
    missing = "nothing tells ArterialSpinLabelingType, PostLabelingDelay, BackgroundSuppression: a study"
    assert missing in ran.out
    assert "label type (2005,1429) says 2 control, 2 label, and voxels will tell which is which" in ran.out


def test_slices_of_philips_that_cannot_be_compared_are_not_converted(tmp_path: Path, cli: Cli) -> None:
    export, study = write_philips(tmp_path, PAIRS), tmp_path / "study.toml"
    edit_files(export, lambda ds: ds.compress(RLELossless, generate_instance_uid=False))
    study.write_text(PHILIPS)
    ran = cli("convert", export, tmp_path / "bids", "--study", study)
    assert ran.code == 1
    assert "which of the volumes that dcm2niix made are labels is not known" in ran.err
    assert not list(tmp_path.glob("bids/**/*_asl*"))
    study.write_text(PHILIPS.replace("[series.sidecar]", f"aslcontext = {list(PAIRS)}\n[series.sidecar]"))
    ran = cli("convert", export, tmp_path / "bids", "--study", study)
    assert ran.code == 0, ran.said
    assert (tmp_path / f"bids/{RUN}context.tsv").read_text().split()[1:] == list(PAIRS)


def test_types_that_a_study_gives_against_the_labels_of_philips_are_told(tmp_path: Path, cli: Cli) -> None:
    export, study = write_philips(tmp_path, PAIRS), tmp_path / "study.toml"
    given = 'aslcontext = ["label", "control", "label", "control"]'
    study.write_text(PHILIPS.replace("[series.sidecar]", f"{given}\n[series.sidecar]"))
    ran = cli("convert", export, tmp_path / "bids", "--study", study)
    assert "its headers say other types of the same voxels" in ran.err


def test_labels_that_are_brighter_than_controls_are_told(xa: Path, tmp_path: Path, cli: Cli) -> None:
    def swap(series: Series) -> Series:
        return (
            replace(series, volumes=14, planned=14, labels=("label", "control") * 7) if series.volumes > 1 else series
        )

    write(tmp_path / "xa", dialect="enhanced", size="tiny", series=["asl"], edit=swap)
    for types, told in ((("label", "control") * 7, False), (("control", "label") * 7, True)):
        study = tmp_path / "study.toml"
        given = f"aslcontext = {list(types)}\nsidecar = {{ BackgroundSuppression = false }}"
        study.write_text(f'version = 1\n[[series]]\nmatch = {{ SeriesDescription = "asl_2d_tra" }}\n{given}\n')
        ran = cli("convert", tmp_path / "xa/dicom", tmp_path / str(told), "--study", study)
        assert ("its labels are brighter than its controls by" in ran.err) == told


def test_pulses_of_ve_need_but_the_order_of_their_volumes(tmp_path: Path, cli: Cli) -> None:
    def pulse(series: Series) -> Series:
        return replace(series, sequence=replace(series.sequence, program=r"%SiemensSeq%\ep2d_pasl"))

    write(tmp_path / "ve", series=["asl"], edit=pulse)
    ran = cli("plan", tmp_path / "ve/dicom")
    assert "of which nothing tells aslcontext.tsv, TotalAcquiredPairs:" in ran.out
    study = tmp_path / "study.toml"
    types = '["label", "control", "label", "control"]'
    study.write_text(f'version = 1\n[[series]]\nmatch = {{ SeriesDescription = "asl_2d_tra" }}\naslcontext = {types}\n')
    ran = cli("convert", tmp_path / "ve/dicom", tmp_path / "bids", "--study", study)
    assert ran.code == 0, ran.said
    told = {
        "ArterialSpinLabelingType": "PASL", "PostLabelingDelay": 1.99, "BackgroundSuppression": False,
        "BolusCutOffFlag": True, "BolusCutOffDelayTime": 0.7, "BolusCutOffTechnique": "QUIPSSII",
        "RepetitionTimePreparation": 4.8, "TotalAcquiredPairs": 2, "M0Type": "Separate",
    }  # fmt: skip
    run = read_sidecar(tmp_path / "bids", RUN)
    assert {key: run[key] for key in told} == told


def test_mosaics_that_do_not_say_what_they_are_wait(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "ve", series=["asl"])
    ran = cli("convert", tmp_path / "ve/dicom", tmp_path / "bids")
    assert "the headers do not tell which of its volumes are control, label or M0" in ran.err


def test_what_a_study_says_of_ge_and_ve_is_converted(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "ge", dialect="ge", series=["asl"])
    write(tmp_path / "ve", series=["asl"])
    study = tmp_path / "study.toml"
    study.write_text(
        """version = 1
[[series]]
match = { GePulseSequence = "3dasl" }
sidecar = { BackgroundSuppression = true }
[[series]]
match = { SeriesDescription = "asl_2d_tra" }
aslcontext = ["label", "control", "label", "control"]
sidecar = { ArterialSpinLabelingType = "PCASL" }
"""
    )
    for export, types in (("ge", ["deltam", "m0scan"]), ("ve", ["label", "control"] * 2)):
        target = tmp_path / export / "bids"
        ran = cli("convert", tmp_path / export / "dicom", target, "--study", study)
        assert ran.code == 0, ran.said
        assert (target / f"{RUN}context.tsv").read_text().split() == ["volume_type", *types]
    ge, ve = (read_sidecar(tmp_path / export / "bids", RUN) for export in ("ge", "ve"))
    assert {"BackgroundSuppression": True, "M0Type": "Included", "TotalAcquiredPairs": 3}.items() <= ge.items()
    assert {"PostLabelingDelay": 1.5, "M0Type": "Separate"}.items() <= ve.items()
    assert "aslcontext" not in ve
    study.write_text(study.read_text().replace('"control"]', '"n/a"]'))
    assert "1 written, 1 unchanged" in cli("convert", tmp_path / "ve/dicom", tmp_path / "ve/bids", "--study", study).out


def test_types_that_do_not_fit_the_volumes_wait(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "ge", dialect="ge", series=["asl"])
    study = tmp_path / "study.toml"
    study.write_text('version = 1\n[[series]]\nmatch = { kind = "*labelling" }\naslcontext = ["deltam"]\n')
    ran = cli("plan", tmp_path / "ge/dicom", "--study", study)
    assert "aslcontext.tsv (1 volume types are given, and the image has 2 volumes): a study" in ran.out
