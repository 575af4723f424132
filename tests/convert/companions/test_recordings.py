"""Pulse and breathing stand beside their runs, at the right times."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bidsflow.convert.companions.recordings import add_recordings
from bidsflow.convert.dcm2niix import find_program
from bidsflow.convert.ledger import read_taken
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.inventory import take_inventory
from bidsflow.phantom import make_sessions, write
from bidsflow.phantom.defects import compress_files
from bidsflow.phantom.physio import wave, write_logs
from bidsflow.sources import find_files

from ..conftest import read_times, read_tree

BOLD = "func/sub-01_task-rest"
KINDS = {"cardiac": "PULS", "respiratory": "RESP"}


@pytest.fixture(scope="session", params=["cmrr", "xml", "text"])
def logged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One visit with two runs of which the scanner logged pulse and breathing. Read only."""
    root = tmp_path_factory.mktemp("logged")
    truth = write(root / "scan", sessions=make_sessions(1, 1), series=("rest", "task"))
    write_logs(root / "scan", truth, form=request.param)
    return root / "scan" / "dicom"


def read_physio(root: Path, stem: str) -> tuple[dict[str, Any], list[list[str]]]:
    sidecar = json.loads((root / f"{stem}_physio.json").read_text())
    rows = gzip.decompress((root / f"{stem}_physio.tsv.gz").read_bytes()).decode().splitlines()
    return sidecar, [row.split("\t") for row in rows]


def test_recordings_stand_beside_their_runs_at_the_right_times(logged: Path, tmp_path: Path, cli: Any) -> None:
    ran = cli("convert", logged, tmp_path / "bids")
    assert ran.code == 0, ran.said
    found = sorted((tmp_path / "bids").rglob("*_physio.tsv.gz"))
    assert len(found) == 4
    for path in found:
        stem = str(path).removesuffix("_physio.tsv.gz")
        sidecar, rows = read_physio(Path("/"), stem)
        label = stem.rpartition("-")[2]
        assert sidecar["Columns"][0] == label
        step = 1 / sidecar["SamplingFrequency"]
        expected = [wave(KINDS[label], sidecar["StartTime"] + n * step) for n in range(len(rows))]
        assert max(abs(int(row[0]) - want) for row, want in zip(rows, expected, strict=True)) <= 16
        assert all(len(row) == len(sidecar["Columns"]) for row in rows)
        if "trigger" in sidecar["Columns"]:
            column = sidecar["Columns"].index("trigger")
            marks = [n for n, row in enumerate(rows) if row[column] == "1"]
            assert marks[0] == round(-sidecar["StartTime"] / step)
    assert cli("validate", tmp_path / "bids").code == 0


def test_compressed_recordings_are_those_that_they_hold(logged: Path, tmp_path: Path, cli: Any) -> None:
    packed = Path(shutil.copytree(logged, tmp_path / "packed"))
    compress_files(packed)
    trees = []
    for export in (logged, packed):
        target = tmp_path / f"{export.name}-bids"
        assert cli("convert", export, target).code == 0
        trees.append({name: data for name, data in read_tree(target).items() if "_physio" in name})
    assert len(trees[0]) == 8
    assert trees[1] == trees[0]


@pytest.mark.parametrize("form", ["cmrr", "xml"])
def test_recordings_are_those_that_dcm2niix_makes(form: str, tmp_path: Path, cli: Any) -> None:
    """An independent reader of the same objects; it knows runs neither by time nor by name."""
    assert cli("phantom", tmp_path / "scan", "--series", "rest", "--logs", form).code == 0
    assert cli("convert", tmp_path / "scan" / "dicom", tmp_path / "bids").code == 0
    command = [find_program(), "-z", "n", "-f", "x", "-o", tmp_path, tmp_path / "scan" / "dicom"]
    subprocess.run(list(map(str, command)), capture_output=True, check=False)
    theirs = sorted(tmp_path.glob("x*_physio.tsv.gz"))
    if not theirs:
        pytest.skip("this dcm2niix reads no recordings (before 1.0.20260603)")
    for path in theirs:
        label = path.name.partition("_recording-")[2].partition("_")[0]
        stem = tmp_path / "bids" / "sub-01" / "func" / f"sub-01_task-rest_recording-{label}"
        sidecar, rows = read_physio(tmp_path, str(stem))
        reference, expected = read_physio(tmp_path, str(path).removesuffix("_physio.tsv.gz"))
        keys = ("Columns", "SamplingFrequency", "StartTime")
        assert [sidecar[key] for key in keys] == [reference[key] for key in keys]
        assert [list(map(float, row[:2])) for row in rows] == [list(map(float, row[:2])) for row in expected]
        beats, others = ([n for n, row in enumerate(some) if float(row[-1])] for some in (rows, expected))
        assert all(abs(one - two) <= 1 for one, two in zip(beats, others, strict=True))  # nearest, and next, sample


def test_a_second_run_writes_nothing(logged: Path, tmp_path: Path, cli: Any) -> None:
    assert cli("convert", logged, tmp_path / "bids").code == 0
    before = read_times(tmp_path / "bids")
    assert cli("convert", logged, tmp_path / "bids").code == 0
    assert read_times(tmp_path / "bids") == before


def test_unchanged_log_is_not_read_again(logged: Path, tmp_path: Path, cli: Any) -> None:
    target = tmp_path / "bids"
    export = Path(shutil.copytree(logged, tmp_path / "export"))
    assert cli("convert", export, target).code == 0
    logs = [*export.rglob("*_PhysioLog/*.dcm"), *export.rglob("*.puls"), *export.rglob("*.resp")]
    for file in logs:  # as if unchanged, and yet unreadable as a log
        times, size = file.stat().st_mtime_ns, file.stat().st_size
        if file.suffix != ".dcm":
            file.write_bytes(bytes(size))
            os.utime(file, ns=(times, times))
    ran = cli("convert", export, target)
    assert ran.code == 0
    assert "recording" not in ran.err.replace("a recording of pulse or breathing", "")
    found = next(target.glob("sub-*/func/*_physio.tsv.gz"))
    before = found.read_bytes()
    found.unlink()
    ran = cli("convert", logged, target)
    assert found.read_bytes() == before


def test_recording_that_fits_no_run_is_told_and_names_no_one(my_export: Path, tmp_path: Path, cli: Any) -> None:
    folder = my_export / "PHANTOM00001"
    folder.mkdir()
    (folder / "late.puls").write_text(
        f"1 2 40 280 {'7 8 ' * 25} 5003\nLogStartMDHTime:  1000\nLogStopMDHTime:   2000\n6003\n"
    )
    ran = cli("convert", my_export, tmp_path / "bids")
    assert ran.code == 0
    assert "recording ***/late.puls: no run lies within the time that it covers" in ran.err
    assert not list((tmp_path / "bids").rglob("*_physio*"))


def test_what_others_wrote_is_left_alone(logged: Path, tmp_path: Path, cli: Any) -> None:
    target = tmp_path / "bids"
    assert cli("convert", logged, target).code == 0
    sidecar = next(target.rglob("*_physio.json"))
    sidecar.write_text("{}")
    ran = cli("convert", logged, target)
    assert "changed by hand" in ran.err
    assert sidecar.read_text() == "{}"
    assert cli("convert", logged, target, "--force").code == 0
    assert "SamplingFrequency" in sidecar.read_text()
    assert [one.read_text() for one in target.rglob(".bidsflow/replaced/*/sub-01/func/*_physio.json")] == ["{}"]


def test_recording_goes_with_its_run(logged: Path, tmp_path: Path, cli: Any) -> None:
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("convert", logged, target).code == 0
    before = {file.name for file in target.glob("sub-*/**/*_physio.tsv.gz")}
    assert cli("plan", logged, "--bids-dir", target, "-o", plan).code == 0
    plan.write_text(plan.read_text().replace("_task-rest", "_task-eyes"))
    ran = cli("convert", logged, target, "--plan", plan)
    assert ran.code == 0, ran.said
    assert "left behind" not in ran.err
    after = {file.name for file in target.glob("sub-*/**/*_physio.tsv.gz")}
    assert after == {name.replace("_task-rest", "_task-eyes") for name in before} != before


def test_nothing_is_put_beside_a_run_that_another_command_renames_meanwhile(
    logged: Path, tmp_path: Path, cli: Any
) -> None:
    target, inventory = tmp_path / "bids", take_inventory(find_files([logged]).files)
    for task in ("a", "b"):
        (tmp_path / f"{task}.toml").write_text(
            f'version = 1\n[[series]]\nmatch = {{ SeriesDescription = "*rest*" }}\nname = "func/task-{task}_bold"\n'
        )
    assert cli("convert", logged, target, "--study", tmp_path / "a.toml").code == 0
    seen = read_taken(Dataset(target))
    for file in target.glob("sub-*/func/*task-a*_physio*"):
        file.unlink()
    assert cli("convert", logged, target, "--study", tmp_path / "b.toml").code == 0
    before = read_tree(target)
    placed, _ = add_recordings(Dataset(target), inventory, seen)
    assert read_tree(target) == before
    left = {one.path for one in placed if "its run has gone from there meanwhile" in one.reason}
    assert left == {one.path for one in placed if "task-a" in one.path} != set()


def test_dry_run_tells_of_recordings_and_writes_nothing(logged: Path, tmp_path: Path, cli: Any) -> None:
    ran = cli("convert", logged, tmp_path / "bids", "--dry-run")
    assert ran.code == 0, ran.said
    assert "4 recordings of pulse or breathing to put beside their runs" in ran.out
    assert not (tmp_path / "bids").exists()


def test_plan_tells_of_a_recording(tmp_path: Path, cli: Any) -> None:
    assert cli("phantom", tmp_path / "scan", "--series", "rest", "--logs", "cmrr").code == 0
    assert "1 x not an image (a recording of pulse or breathing)" in cli("plan", tmp_path / "scan" / "dicom").err


@pytest.mark.parametrize("form", ["cmrr", "text"])
def test_recordings_of_people_who_were_not_asked_for_are_passed_over(form: str, tmp_path: Path, cli: Any) -> None:
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    truth = write(tmp_path / "scan", sessions=make_sessions(2, 1), series=("rest",))
    write_logs(tmp_path / "scan", truth, form=form)
    for more in (("--dry-run",), ()):
        ran = cli("convert", export, target, "--subject", "01", *more)
        assert ran.code == 0, ran.said
        assert "no run" not in ran.said
    assert {file.parts[-3] for file in target.glob("sub-*/func/*_physio.tsv.gz")} == {"sub-01"}
    assert cli("convert", export, target).code == 0
    assert {file.parts[-3] for file in target.glob("sub-*/func/*_physio.tsv.gz")} == {"sub-01", "sub-02"}


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize("which", ["*rest*", "*"])
def test_recording_waits_with_a_run_that_is_up_for_review(
    which: str, logged: Path, tmp_path: Path, cli: Any, dry: tuple[str, ...]
) -> None:
    study = tmp_path / "study.toml"
    study.write_text(f'version = 1\n[[series]]\nmatch = {{ SeriesDescription = "{which}" }}\ndecision = "review"\n')
    ran = cli("convert", logged, tmp_path / "bids", "--study", study, *dry)
    assert ran.code == 0
    assert "its run is up for review" in ran.said
    assert "no run" not in ran.said
    if not dry:
        told = json.loads(cli("convert", logged, tmp_path / "bids", "--study", study, "--json").out)["recordings"]
        assert any("its run is up for review" in one["reason"] for one in told)


def decide(plan: Path, which: str, decision: str) -> Path:
    """Write a plan beside one, with another decision on some of its rows."""
    lines = plan.read_text().splitlines(keepends=True)
    rows = [line.replace("\tconvert\t", f"\t{decision}\t") if which in line else line for line in lines]
    out = plan.with_name(f"{decision}.tsv")
    out.write_text("".join(rows))
    return out


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["", "dry"])
def test_recording_of_a_run_that_is_skipped_says_so(
    logged: Path, tmp_path: Path, cli: Any, dry: tuple[str, ...]
) -> None:
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("plan", logged, "-o", plan).code == 0
    ran = cli("convert", logged, target, "--plan", decide(plan, "rest", "skip"), *dry)
    assert ran.code == 0, ran.said
    assert "its run is skipped" in ran.said
    assert "no run" not in ran.said
    assert cli("convert", logged, target, "--plan", plan).code == 0
    assert len(list(target.rglob("*_physio.tsv.gz"))) == 4


def test_recording_is_put_beside_its_run_once_that_is_decided(logged: Path, tmp_path: Path, cli: Any) -> None:
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("plan", logged, "-o", plan).code == 0
    review = decide(plan, "motor", "review")
    assert "its run is up for review" in cli("convert", logged, target, "--plan", review).said
    assert cli("convert", logged, target, "--plan", plan).code == 0
    assert len(list(target.rglob("*_physio.tsv.gz"))) == 4


def test_recording_is_traced_to_what_made_it(logged: Path, tmp_path: Path, cli: Any) -> None:
    target = tmp_path / "bids"
    assert cli("convert", logged, target).code == 0
    found = next(target.rglob("*_physio.json"))
    assert "bidsflow convert, of a recording" in cli("trace", found).out
    found.write_text("{}")
    assert "CHANGED since it was written" in cli("trace", found).out
