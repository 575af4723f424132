"""Field maps and repeats, driven through: export, plan, conversion, sidecars on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.convert.ledger import read_cohort
from bidsflow.convert.plan import Decision, PlanRow, from_tsv
from bidsflow.dataset.tree import Dataset
from bidsflow.phantom import make_sessions, write
from tests.convert.conftest import Ran, read_tree

Cli = Callable[..., Ran]

KINDS = ("fieldmap", "topup", "aborted", "sbref", "rest", "mebold", "dwi")


@pytest.fixture(scope="session")
def wired_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One visit with two sorts of field maps, and runs of all sorts. Read only: change a copy."""
    root = tmp_path_factory.mktemp("wired")
    write(root / "scan", sessions=make_sessions(1, 1), size="tiny", series=KINDS)
    return root / "scan" / "dicom"


@pytest.fixture
def export(wired_export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(wired_export, tmp_path / "export"))


def read_wiring(root: Path) -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return identifier, sources and targets of every image of a dataset, by path; both sides are held together."""
    wiring = {}
    for image in sorted(root.glob("sub-*/**/*.nii.gz")):
        sidecar = json.loads(Path(str(image).replace(".nii.gz", ".json")).read_text())
        source = sidecar.get("B0FieldSource", [])
        sources = (source,) if isinstance(source, str) else tuple(source)
        path = str(image.relative_to(root))
        wiring[path] = sidecar.get("B0FieldIdentifier", ""), sources, tuple(sidecar.get("IntendedFor", []))
    for path, (identifier, _, targets) in wiring.items():
        own = {other: links for other, links in wiring.items() if other.partition("/")[0] == path.partition("/")[0]}
        corrected = sorted(f"bids::{other}" for other, (_, sources, _) in own.items() if identifier in sources)
        carries = "/fmap/" in path and "magnitude" not in path and identifier
        assert sorted(targets) == (corrected if carries else []), path
    measured = {identifier for identifier, _, _ in wiring.values()} - {""}
    assert all(label in measured for _, sources, _ in wiring.values() for label in sources)
    return wiring


@pytest.mark.parametrize("late", ["gre_field", "SpinEchoFieldMap_PA", "BOLD_nback", "SBRef", "DWI", "BOLD"])
def test_what_comes_late_leaves_both_sides_of_the_wiring_whole(
    late: str, export: Path, tmp_path: Path, cli: Cli
) -> None:
    kept, target = tmp_path / "kept", tmp_path / "bids"
    kept.mkdir()
    moved = {folder: kept / folder.name for folder in export.rglob(f"*{late}*") if folder.is_dir()}
    homes = {there: here for here, there in ((here, here.rename(there)) for here, there in moved.items())}
    assert cli("convert", export, target).code == 0
    before = read_wiring(target)
    for there, here in homes.items():
        there.rename(here)
    assert cli("convert", export, target).code == 0
    after = read_wiring(target)
    assert before.keys() <= after.keys()
    assert cli("convert", export, tmp_path / "fresh" / "bids").code == 0
    fresh = read_wiring(tmp_path / "fresh" / "bids")
    assert {path: links[0][:3] for path, links in after.items()} == {
        path: links[0][:3] for path, links in fresh.items()
    }
    tree = read_tree(target)
    assert cli("convert", export, target).code == 0
    assert read_tree(target) == tree


def read_rows(plan: Path) -> list[PlanRow]:
    return list(from_tsv(plan.read_text()).rows)


def test_a_stopped_run_is_had_by_one_cell(export: Path, tmp_path: Path, cli: Cli) -> None:
    plan, target = tmp_path / "plan.tsv", tmp_path / "bids"
    assert cli("plan", export, "-o", plan).code == 0
    (stopped,) = (row for row in read_rows(plan) if row.repeat.startswith("aborted"))
    assert stopped.decision is Decision.REVIEW
    header, *lines = plan.read_text().splitlines()
    at = header.split("\t").index("decision")
    for rank, line in enumerate(lines):
        cells = line.split("\t")
        if cells[0] == stopped.series_uid:
            lines[rank] = "\t".join([*cells[:at], "convert", *cells[at + 1 :]])
    plan.write_text("\n".join([header, *lines]) + "\n")
    ran = cli("convert", export, target, "--plan", plan)
    assert ran.code == 0, ran.said
    whole = stopped.path.replace("_run-2", "")
    wiring = read_wiring(target)
    assert wiring[f"{stopped.path}.nii.gz"] == wiring[f"{whole}.nii.gz"]
    assert wiring[f"{whole}.nii.gz"][1]


def test_a_run_that_was_cut_is_short_and_a_dataset_remembers_the_others(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "scan", sessions=make_sessions(4, 1), series=("rest",))
    *others, last = sorted(path for path in (tmp_path / "scan" / "dicom").iterdir() if path.is_dir())
    target = tmp_path / "bids"
    assert cli("convert", *others, target).code == 0
    (people,) = read_cohort(Dataset(target)).volumes.values()
    assert len(people) == 3
    (usual,) = set(people.values())
    for file in sorted(file for file in last.rglob("*") if file.is_file())[usual // 2 :]:
        file.unlink()
    ran = cli("plan", last, "--bids-dir", target, "--tsv")
    (row,) = from_tsv(ran.out).rows
    assert (row.decision, row.repeat) == (Decision.CONVERT, f"short ({usual // 2} of {usual} volumes)")
    assert "nothing repeats it, and it is converted" in ran.err.replace("\n", " ")
