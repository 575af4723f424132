"""Labelled blood of made-up scanners, the whole way: table, fields, and the M0 that goes with it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bidsflow.phantom import write

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
    pydicom = pytest.importorskip("pydicom")
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


def test_two_passes_of_ge_wait_for_what_no_header_tells(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "ge", dialect="ge", series=["asl"])
    export, plan = tmp_path / "ge/dicom", tmp_path / "plan.tsv"
    ran = cli("plan", export, "-o", plan)
    assert "of which nothing tells BackgroundSuppression:" in ran.err
    assert "(0043,10A3) says 1 deltam, 1 m0scan" in ran.err
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    ran = cli("convert", export, tmp_path / "bids", "--plan", plan)
    assert (ran.code, (tmp_path / "bids").exists()) == (65, False)
    assert "as asl BIDS requires BackgroundSuppression, which nothing tells" in ran.err


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
    assert "aslcontext.tsv (1 volume types are given, and the image has 2 volumes), BackgroundSuppression" in ran.out
