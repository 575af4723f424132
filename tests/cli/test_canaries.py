"""Folders called after the person and the day: no command says so, unless it is asked to."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless
from typer.testing import CliRunner

from bidsflow.cli.main import app
from bidsflow.cli.pages import show_inventory
from bidsflow.dicom.inventory import take_inventory
from bidsflow.phantom import write
from bidsflow.report.page import render
from bidsflow.report.values import Page
from bidsflow.sources import find_files, show_aside

#: The person of the images, and one of whom nothing can be used.
PERSON = {"PatientName": "Kanarie^Zeldzaam", "PatientID": "CANID-77123", "PatientBirthDate": "19610823"}
OTHER = {"PatientName": "Vogelaar^Piet", "PatientID": "CANOTHER9", "PatientBirthDate": "19700101"}
WORDS = re.compile(r"kanarie|zeldzaam|canid|77123|19610823|vogelaar|piet|canother|19700101|20240304|2024-03-04", re.I)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export in which something of every kind is set aside."""
    scan, root = tmp_path_factory.mktemp("scan"), tmp_path_factory.mktemp("given") / "export"
    write(scan, series=["t1w"])
    images = sorted((scan / "dicom").rglob("*.dcm"))
    for rank, path in enumerate(images):
        ds = dcmread(path)
        for keyword, value in PERSON.items():
            setattr(ds, keyword, value)
        ds.SeriesDescription = "t1 Kanarie CANID-77123"
        target = root / "Kanarie_Zeldzaam" / "CANID-77123_19610823" / "2024-03-04" / f"20240304_{rank:04}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(target)
    folder, ds = target.parent, dcmread(target)
    shutil.copy(target, folder / "Kanarie_copy.dcm")
    (folder / "Zeldzaam_cut.dcm").write_bytes(target.read_bytes()[:-50])
    (folder / "Kanarie.txt").touch()
    with zipfile.ZipFile(folder / "Kanarie.zip", "w") as archive:
        archive.write(target)
    for keyword, value in OTHER.items():
        setattr(ds, keyword, value)
    ds.SOPInstanceUID = "1.2.3"  # in the same series
    (root / "Vogelaar_Piet").mkdir()
    ds.save_as(root / "Vogelaar_Piet" / "CANOTHER9.dcm")
    return root


COMMANDS = [
    ("scan", "EXPORT"),
    ("scan", "EXPORT", "--set-aside"),
    ("scan", "EXPORT", "--json"),
    ("scan", "EXPORT", "--tsv"),
    ("plan", "EXPORT"),
    ("plan", "EXPORT", "--json"),
    ("plan", "EXPORT", "--tsv"),
    ("plan", "EXPORT", "-o", "OUT/plan.tsv"),
    ("convert", "EXPORT", "OUT/bids"),
    ("convert", "EXPORT", "OUT/bids", "--json"),
    ("convert", "EXPORT", "OUT/bids", "--dry-run"),
    ("convert", "EXPORT", "OUT/bids", "--dry-run", "--json"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_names_the_person(command: tuple[str, ...], export: Path, tmp_path: Path) -> None:
    args = [arg.replace("EXPORT", str(export)).replace("OUT", str(tmp_path)) for arg in command]
    result = CliRunner().invoke(app, ["-vv", *args])
    assert result.exit_code == 0
    assert WORDS.findall(result.output) == []
    for path in tmp_path.glob("plan.tsv"):
        assert WORDS.findall(path.read_text()) == []


def test_export_without_images_does_not_name_the_person(export: Path, tmp_path: Path) -> None:
    shutil.copytree(export / "Vogelaar_Piet", tmp_path / "in" / "x")
    for path in (tmp_path / "in" / "x").iterdir():
        path.write_bytes(path.read_bytes()[:-50])
        path.rename(path.with_name("Vogelaar.dcm"))
    result = CliRunner().invoke(app, ["scan", str(tmp_path / "in")])
    assert "1 x its pixel data is truncated" in str(result.exception)
    assert WORDS.findall(str(result.exception)) == []


def test_failure_does_not_name_the_person(export: Path, tmp_path: Path) -> None:
    shutil.copytree(export / "Kanarie_Zeldzaam", tmp_path / "in" / "Kanarie_Zeldzaam")
    for path in [*(tmp_path / "in").rglob("Kanarie*.zip"), *(tmp_path / "in").rglob("*_copy.dcm")]:
        path.unlink()  # beside them, the last slice stands for two images
    for path in (tmp_path / "in").rglob("2024*.dcm"):
        ds = dcmread(path)
        ds.PixelData = encapsulate([b"no picture"])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
        ds.save_as(path)
    result = CliRunner().invoke(app, ["-vv", "convert", str(tmp_path / "in"), str(tmp_path / "bids")])
    assert result.exit_code == 1
    assert "failed" in result.output
    assert WORDS.findall(result.output) == []


def test_page_does_not_name_the_person(export: Path) -> None:
    found = find_files([export])
    inventory = take_inventory(found.files, set_aside=found.set_aside)
    aside = show_aside(inventory, [export])
    assert len(aside) == 5
    html = render(Page("x", sections=(show_inventory(inventory, aside),))).replace("<wbr>", "")
    assert "a copy of ***_***/***_***/***/***_" in html
    assert WORDS.findall(html) == []


def test_who_asks_is_told_where_files_are(export: Path) -> None:
    result = CliRunner().invoke(app, ["scan", str(export), "--json", "--identified"])
    told = json.loads(result.stdout)
    assert str(export / "Vogelaar_Piet" / "CANOTHER9.dcm") in {one["path"] for one in told["set_aside"]}
    assert told["series"][0]["patient"] == PERSON["PatientID"]
