"""Field maps and runs in two exports, of which an earlier version noted nothing: told, and how they would be wired."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.convert.counterparts import note_counterparts
from bidsflow.convert.links import Held, Links, Standing
from bidsflow.convert.plan import Decision, PlanRow, from_tsv
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Patient, Series

from .conftest import Ran

Cli = Callable[..., Ran]
FIELD = "pepolar1ses01"
BASE = PlanRow("", 1, 0, "", "", 1, 1, Decision.CONVERT, "", 0.9, "")


def row(number: int, name: str, label: str = "", source: str = "") -> PlanRow:
    datatype, stem = name.split("/")
    return replace(BASE, series_uid=f"1.{number}", series_number=number, series_description=stem.rpartition("_")[2],
                   path=f"sub-01/{datatype}/sub-01_{stem}", b0_identifier=label, b0_source=source)  # fmt: skip


def standing(name: str, label: str = "", source: str = "", *, named: bool = False) -> Standing:
    links = Links(label, (source,) if source else ())
    return Standing(row(99, name).path, "1.99", links, named)


class Case(NamedTuple):
    row: PlanRow
    held: tuple[Standing, ...]
    says: tuple[str, ...] = ()
    sequence: str = "EP"


AP, PA = standing("fmap/dir-AP_epi", "pepolar1"), standing("fmap/dir-PA_epi", "pepolar1")
HALF = standing("fmap/dir-AP_epi")
BOLD, PERFUSION = row(3, "func/task-a_bold"), row(4, "perf/asl")
NEW_HALF = row(5, "fmap/dir-PA_epi")
CASES = {
    "a run comes after its field map": Case(
        BOLD, (AP, PA), ("field maps", "(sub-01_dir-AP_epi, sub-01_dir-PA_epi)", "series 3 (bold)", "write pepolar1 in")
    ),
    "perfusion by EPI does": Case(PERFUSION, (AP, PA), ("series 4 (asl)",)),
    "perfusion by a spiral is corrected by none": Case(PERFUSION, (AP, PA), sequence="RM"),
    "a half has no label to write": Case(BOLD, (HALF,), ("field maps", "BIDS_DIR)")),
    "the run is wired": Case(replace(BOLD, b0_source="gre1"), (AP, PA)),
    "the plan speaks of the field map": Case(BOLD, (replace(AP, named=True), replace(PA, named=True))),
    "magnitudes alone are no field map": Case(BOLD, (standing("fmap/magnitude1", "gre1"),)),
    "a map of the transmit field is none": Case(BOLD, (standing("fmap/acq-fa_TB1TFL"),)),
    "an anatomy needs none": Case(row(1, "anat/T1w"), (AP, PA)),
    "the run is skipped": Case(replace(BOLD, decision=Decision.SKIP), (AP, PA)),
    "the other half is there": Case(NEW_HALF, (HALF,), ("images of", "(sub-01_dir-AP_epi)", "series 5 (epi)")),
    "a field map comes after its run": Case(
        row(6, "fmap/phasediff", "gre1"), (standing("func/task-a_bold"),), ("(sub-01_task-a_bold)", "(phasediff)")
    ),
    "whose runs have theirs": Case(row(6, "fmap/phasediff", "gre1"), (standing("func/task-a_bold", "", "gre2"), HALF)),
    "a whole pair needs no half": Case(replace(NEW_HALF, b0_identifier="pepolar1"), (HALF,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_may_belong_together_is_told(name: str) -> None:
    case = CASES[name]
    header = Header({"ScanningSequence": case.sequence})
    series = Series(case.row.series_uid, "1", Patient("P1", "", "", ""), 1, "", "", "", (), (), header)
    notes = note_counterparts([case.row], {series.uid: series}, {"sub-01": Held({}, case.held)})
    assert len(notes) == bool(case.says)
    for part in case.says:
        assert part in notes[0]
        assert notes[0].startswith("sub-01: ")
        assert "bidsflow convert EXPORT1 EXPORT2 BIDS_DIR" in notes[0]


@pytest.fixture
def parted(my_export: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Take the series whose folders match a pattern out of an export, into one of their own."""

    def part(pattern: str) -> Path:
        late = tmp_path / "late"
        for folder in sorted(one for one in my_export.rglob(pattern) if one.is_dir()):
            shutil.move(folder, late / folder.relative_to(my_export))
        return late

    return part


def forget_shots(target: Path) -> None:
    """Make the ledgers of a dataset those of a version that did not note how images were measured."""
    for file in (target / ".bidsflow" / "ledger").glob("*.json"):
        ledger = json.loads(file.read_bytes())
        file.write_text(json.dumps({path: entry | {"shot": ""} for path, entry in ledger.items()}))


@pytest.mark.parametrize("pattern", ["*BOLD*", "*SpinEcho*", "*_PA"])
def test_what_came_in_two_exports_is_told_until_both_are_converted_together(
    pattern: str, parted: Callable[[str], Path], my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target, late = tmp_path / "bids", parted(pattern)
    said = "convert both exports together (bidsflow convert EXPORT1 EXPORT2 BIDS_DIR)"
    first = cli("convert", my_export, target)
    assert (first.code, said in first.err) == (0, False)
    forget_shots(target)
    planned = json.loads(cli("plan", late, "--bids-dir", target, "--json").out)
    assert [said in note for note in planned["notes"]] == [True, True]  # of both sessions
    foreseen = cli("convert", late, target, "--dry-run").err
    done = cli("convert", late, target)
    told = json.loads(cli("convert", late, target, "--json").out)
    assert (done.code, told["notes"]) == (0, planned["notes"])
    assert done.err.count(said) == foreseen.count(said) == 2
    together = cli("convert", my_export, late, target)
    assert (together.code, said in together.err) == (0, False)
    assert "rewired" in together.err
    assert said not in cli("convert", late, target).err


def test_evidence_says_which_field_maps_the_dataset_has(
    parted: Callable[[str], Path], my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target, late = tmp_path / "bids", parted("*BOLD*")
    assert cli("convert", my_export, target).code == 0
    forget_shots(target)
    for words, said, unsaid in (
        (("--bids-dir", target), "holds no field map, but the dataset has field maps", "was measured"),
        ((), "no field map was measured", "the dataset has"),
    ):
        rows = from_tsv(cli("plan", late, "--tsv", *words).out).rows
        assert len(rows) == 4
        assert all(said in row.evidence and unsaid not in row.evidence for row in rows)
    assert (
        "(sub-01_ses-01_dir-AP_epi, sub-01_ses-01_dir-PA_epi)" in cli("plan", late, "--bids-dir", target, "--tsv").out
    )
