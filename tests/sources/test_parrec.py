"""Pairs of PAR and REC are told apart from halves, and name no one."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from bidsflow.sources.aside import find_content
from bidsflow.sources.parrec import describe_pair

#: Pairs that nibabel brings for its own tests: whole ones, and a PAR with more dynamics than its REC has.
DATA = Path(str(files("nibabel"))) / "tests" / "data"
WHOLE = "phantom_EPI_asc_CLEAR_2_1"

pytestmark = pytest.mark.skipif(not (DATA / f"{WHOLE}.PAR").exists(), reason="nibabel was installed without its tests")


def test_whole_pair_is_told_by_its_scan_and_once(tmp_path: Path) -> None:
    for ext in (".PAR", ".REC"):
        shutil.copy(DATA / f"{WHOLE}{ext}", tmp_path / f"x{ext.lower()}")
    par, rec = (find_content(str(tmp_path / name)) for name in ("x.par", "x.rec"))
    assert par is not None
    assert rec is not None
    assert par.name == "Philips PAR/REC, FEEPI, 9 slices, 3 dynamics, TR 2000 ms; a whole pair"
    assert "export the images as DICOM" in par.advice
    assert (par.harmless, rec.harmless) == (False, True)
    text = (DATA / f"{WHOLE}.PAR").read_text(encoding="latin-1")
    assert "Konvertertest" in text
    assert not {"Konvertertest", "EPI_asc", "2014"} & set(par.name.replace(",", " ").split())


def test_rec_that_breaks_off_is_told(tmp_path: Path) -> None:
    shutil.copy(DATA / f"{WHOLE}.PAR", tmp_path)
    (tmp_path / f"{WHOLE}.REC").write_bytes((DATA / f"{WHOLE}.REC").read_bytes()[:-10])
    assert "its REC breaks off (221174 of 221184 bytes)" in describe_pair(str(tmp_path / f"{WHOLE}.PAR")).name


@pytest.mark.parametrize(("ext", "said"), [(".PAR", "a PAR without its REC"), (".REC", "a REC without its PAR")])
def test_half_a_pair_is_told(ext: str, said: str, tmp_path: Path) -> None:
    shutil.copy(DATA / f"{WHOLE}{ext}", tmp_path)
    assert said in describe_pair(str(tmp_path / f"{WHOLE}{ext}")).name
