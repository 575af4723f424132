"""What dcm2niix is asked before a plan is made, and how much of a series it reads for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from bidsflow.convert import opinion
from bidsflow.convert.naming.guess import Question
from bidsflow.convert.opinion import ask_dcm2niix
from bidsflow.convert.planner import undecided
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Inventory
from bidsflow.phantom import write
from bidsflow.phantom.defects import compress_files
from bidsflow.sources import find_files


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    """An export of GE's research sequence, of which only dcm2niix tells where the phase encoding runs to."""
    root = tmp_path_factory.mktemp("ge")
    export = root / write(root, dialect="ge", size="tiny", series=["topup", "dwi"]).export
    for path in filter(Path.is_file, export.rglob("*")):
        ds = pydicom.dcmread(path)
        ds.private_block(0x0019, "GEMS_ACQU_01").add_new(0x9C, "LO", "epi_pepolar")
        ds.save_as(path)
    return take_inventory(find_files([export]).files)


def test_nothing_is_asked_that_headers_tell(tmp_path: Path) -> None:
    truth = write(tmp_path, dialect="ge", size="tiny", series=["topup", "rest", "dwi"])
    assert undecided(take_inventory(find_files([tmp_path / truth.export]).files)) == ()


def write_program(folder: Path, script: str) -> str:
    program = folder / "dcm2niix"
    program.write_text("#!/bin/sh\nwhile [ $# -gt 3 ]; do shift; done\n" + script)
    program.chmod(0o755)
    return str(program)


def test_one_volume_tells_of_a_direction_what_all_tell(scanned: Inventory) -> None:
    questions = undecided(scanned)
    assert {question.name for question in questions} == {False}
    of_one_volume = ask_dcm2niix(questions)
    assert of_one_volume == ask_dcm2niix([replace(question, name=True) for question in questions])
    assert {"AP", "PA"} <= {guess.direction for guess in of_one_volume.values()}


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


@pytest.mark.parametrize("change", [Path.unlink, spoil], ids=["gone", "damaged"])
def test_series_that_changes_before_it_is_asked_about_stops_no_other(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    export = tmp_path / write(tmp_path, dialect="ge", size="tiny", series=["topup"]).export
    compress_files(export)
    inventory = take_inventory(find_files([export]).files)
    first, *others = inventory.series
    for one in first.instances:
        change(Path(one.file.path))
    guesses = ask_dcm2niix([Question(one, name=True) for one in inventory.series])
    assert set(guesses) == {one.uid for one in others} != set()


def test_of_a_direction_only_one_volume_is_read(
    scanned: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = max(undecided(scanned), key=lambda one: len(one.series.instances))
    slices, files = question.series.images[0].matrix[2], len(question.series.instances)
    assert files > slices
    count = 'echo $(ls | wc -l) >> "$(dirname "$0")/read"; exit 2'
    monkeypatch.setattr(opinion, "find_program", lambda: write_program(tmp_path, count))
    assert ask_dcm2niix([question]) == {}
    # refused as one volume, the series is asked about as a whole; where its name is open, at once
    assert (tmp_path / "read").read_text().split() == [str(slices), str(files)]
    ask_dcm2niix([replace(question, name=True)])
    assert (tmp_path / "read").read_text().split()[2:] == [str(files)]
