"""A session that comes in two exports, one after the other, is wired as one that comes whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.convert.plan import Decision, Plan, PlanRow, from_tsv, to_tsv
from bidsflow.phantom import make_sessions, write
from tests.convert.conftest import Ran, read_tree

Cli = Callable[..., Ran]
Part = Callable[[str], Path]
KINDS = ("fieldmap", "topup", "sbref", "rest", "dwi", "t1w")
#: What is taken out of the export. A reference waits for its run, and is given again: it has a test of its own.
PATTERNS = ("*BOLD*", "*SpinEcho*", "*_PA", "*_AP", "*gre_field*", "*DWI*", "*dwi*", "*T1*")


@pytest.fixture(scope="session", params=["classic", "enhanced", "ge"])
def session_export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One visit with two sorts of field maps, by three sorts of scanners. Read only: change a copy."""
    root = tmp_path_factory.mktemp(request.param)
    write(root / "scan", sessions=make_sessions(1, 1), size="tiny", series=KINDS, dialect=request.param)
    return root / "scan" / "dicom"


@pytest.fixture
def part(session_export: Path, tmp_path: Path) -> Part:
    """Copy an export, and move the series whose folders match a pattern into another; the rest is `early`."""
    shutil.copytree(session_export, tmp_path / "early")

    def move(pattern: str) -> Path:
        late = tmp_path / "late"
        for folder in sorted(one for one in (tmp_path / "early").rglob(pattern) if one.is_dir()):
            shutil.move(folder, late / folder.relative_to(tmp_path / "early"))
        return late

    return move


def read_sidecars(root: Path) -> dict[str, Mapping[str, object]]:
    return {str(file.relative_to(root)): json.loads(file.read_text()) for file in sorted(root.glob("sub-*/**/*.json"))}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("turned", [False, True], ids=["late second", "late first"])
def test_two_exports_are_wired_as_one(
    pattern: str, turned: bool, session_export: Path, part: Part, tmp_path: Path, cli: Cli
) -> None:
    late, early = part(pattern), tmp_path / "early"
    if not late.is_dir():
        pytest.skip("this scanner has no such series")
    whole, target = tmp_path / "whole", tmp_path / "bids"
    assert cli("convert", session_export, whole).code == 0
    first, second = (late, early) if turned else (early, late)
    assert cli("convert", first, target).code == 0
    plan = tmp_path / "plan.tsv"
    assert cli("plan", second, "--bids-dir", target, "-o", plan).code == 0
    foreseen = json.loads(cli("convert", second, target, "--dry-run", "--json").out)["rewired"]
    done = cli("convert", second, target, "--plan", plan, "--json")
    assert done.code == 0, done.said
    assert json.loads(done.out)["rewired"] == foreseen
    assert read_sidecars(target) == read_sidecars(whole)
    tree = read_tree(target)
    for again in (first, second):
        assert cli("convert", again, target).code == 0
        assert read_tree(target) == tree


def read_source(root: Path, name: str) -> object:
    return json.loads((root / f"sub-01/{name}.json").read_text()).get("B0FieldSource")


BOLD, DWI = "func/sub-01_task-rest_bold", "dwi/sub-01_dir-AP_dwi"


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_what_a_person_has_wired_stays(part: Part, tmp_path: Path, cli: Cli) -> None:
    late, early, target, plan = part("*_PA"), tmp_path / "early", tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("plan", early, "-o", plan).code == 0
    rows = from_tsv(plan.read_text()).rows
    told = tuple(replace(row, b0_source="") if row.path.endswith(BOLD) else row for row in rows)
    plan.write_text(to_tsv(Plan(told)))
    assert cli("convert", early, target, "--plan", plan).code == 0
    assert (read_source(target, BOLD), read_source(target, DWI)) == (None, "gre1")
    assert cli("convert", late, target).code == 0
    assert (read_source(target, BOLD), read_source(target, DWI)) == (None, "pepolar1")


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_an_edited_sidecar_stays(part: Part, tmp_path: Path, cli: Cli) -> None:
    late, early, target = part("*SpinEcho*"), tmp_path / "early", tmp_path / "bids"
    assert cli("convert", early, target).code == 0
    sidecar = target / f"sub-01/{BOLD}.json"
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"Instructions": "rest"}))
    before = sidecar.read_bytes()
    assert cli("convert", late, target).code == 0
    assert sidecar.read_bytes() == before
    assert (read_source(target, BOLD), read_source(target, DWI)) == ("gre1", "pepolar1")
    (target_of,) = {tuple(json.loads(file.read_text())["IntendedFor"]) for file in target.rglob("*_epi.json")}
    assert f"bids::sub-01/{BOLD}.nii.gz" not in target_of


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_a_later_version_notes_what_an_earlier_one_did_not(part: Part, tmp_path: Path, cli: Cli) -> None:
    late, early, target = part("*_PA"), tmp_path / "early", tmp_path / "bids"
    assert cli("convert", early, target).code == 0
    (ledger,) = (target / ".bidsflow" / "ledger").glob("*.json")
    ledger.write_text(json.dumps({path: one | {"shot": ""} for path, one in json.loads(ledger.read_bytes()).items()}))
    ran = cli("convert", late, target)
    assert (ran.code, "convert both exports together" in ran.err, read_source(target, DWI)) == (0, True, "gre1")
    assert cli("convert", early, late, target).code == 0
    assert all(entry["shot"] for entry in json.loads(ledger.read_bytes()).values())
    assert read_source(target, DWI) == "pepolar1"


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_no_true_date_and_no_uid_is_kept(session_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", session_export, target).code == 0
    (ledger,) = (target / ".bidsflow" / "ledger").glob("*.json")
    (frame,) = {dcmread(file, stop_before_pixels=True).FrameOfReferenceUID for file in session_export.rglob("*.dcm")}
    assert str(frame) not in ledger.read_text()
    for entry in json.loads(ledger.read_bytes()).values():
        seconds = json.loads(entry["shot"])["condition"]["seconds"]
        assert date.fromordinal(int(seconds // 86400)).year < 1925  # BIDS, "Scans file"


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
@pytest.mark.parametrize("pattern", ["0002_gre*", "0003_gre*", "*_PA"])
def test_a_part_of_a_field_map_that_is_sent_again_takes_nothing_away(
    pattern: str, session_export: Path, tmp_path: Path, cli: Cli
) -> None:
    export, target = Path(shutil.copytree(session_export, tmp_path / "export")), tmp_path / "bids"
    assert cli("convert", export, target).code == 0
    before = read_sidecars(target)
    (series,) = export.rglob(pattern)
    files = sorted(series.iterdir())
    for file in files[len(files) // 2 :]:
        file.unlink()
    assert cli("convert", export, target).code == 1  # it stays as it is, and this is told
    assert read_sidecars(target) == before


def read_plan(plan: Path) -> tuple[PlanRow, ...]:
    return from_tsv(plan.read_text()).rows


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
@pytest.mark.parametrize("label", ["", "gre1"])
def test_a_plan_that_knew_the_dataset_decides(label: str, part: Part, tmp_path: Path, cli: Cli) -> None:
    late, early, target, plan = part("*BOLD_rest"), tmp_path / "early", tmp_path / "bids", tmp_path / "plan.tsv"
    for reference in (tmp_path / "early").rglob("*SBRef"):
        shutil.move(reference, late / reference.relative_to(early))  # it waits for its run
    assert cli("convert", early, target).code == 0
    assert cli("convert", late, target).code == 0
    assert read_source(target, BOLD) == "pepolar1"
    assert cli("plan", late, "--bids-dir", target, "-o", plan).code == 0
    told = [replace(row, b0_source=label) if row.path.endswith(BOLD) else row for row in read_plan(plan)]
    plan.write_text(to_tsv(Plan(tuple(told))))
    assert cli("convert", late, target, "--plan", plan).code == 0
    assert read_source(target, BOLD) == (label or None)


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_a_plan_that_knew_no_dataset_takes_nothing_away(part: Part, tmp_path: Path, cli: Cli) -> None:
    late, early, target, plan = part("*BOLD*"), tmp_path / "early", tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("convert", early, target).code == 0
    assert cli("convert", late, target).code == 0
    before = read_sidecars(target)
    assert cli("plan", late, "-o", plan).code == 0
    assert cli("convert", late, target, "--plan", plan).code == 0
    assert read_sidecars(target) == before


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_a_run_that_is_sent_again_with_a_better_field_map_gets_that(part: Part, tmp_path: Path, cli: Cli) -> None:
    late, early, target = part("*SpinEcho*"), tmp_path / "early", tmp_path / "bids"
    assert cli("convert", early, target).code == 0
    assert read_source(target, BOLD) == "gre1"
    for run in [one for one in early.rglob("*BOLD_rest*") if one.is_dir()]:
        shutil.move(run, late / run.relative_to(early))
    assert cli("convert", late, target).code == 0
    assert read_source(target, BOLD) == "pepolar1"


@pytest.mark.parametrize("session_export", ["ge"], indirect=True)
def test_who_was_moved_is_known_across_exports(part: Part, tmp_path: Path, cli: Cli) -> None:
    late, early, target, whole = part("*BOLD*"), tmp_path / "early", tmp_path / "bids", tmp_path / "whole"
    for file in (one for root in (late, early) for one in root.rglob("*.dcm")):
        dataset = dcmread(file)
        for tag in (0x00431002, 0x00431003, 0x00431004):  # the shim
            if tag in dataset:
                del dataset[tag]
        if int(dataset.SeriesNumber) > 5:  # after the field maps
            dataset.FrameOfReferenceUID = "1.2.3.4"
        dataset.save_as(file)
    for root, exports in ((whole, (early, late)), (target, (late,)), (target, (early,))):
        assert cli("convert", *exports, root).code == 0
    assert (read_source(whole, BOLD), read_source(target, BOLD)) == (None, None)
    assert read_sidecars(target) == read_sidecars(whole)


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
@pytest.mark.parametrize("here", ["BRAIN", "NECK"])
def test_a_neck_waits_beside_a_head_of_another_export(here: str, part: Part, tmp_path: Path, cli: Cli) -> None:
    late, target, plan = part("*DWI*"), tmp_path / "bids", tmp_path / "plan.tsv"
    name_part(late, "NECK")
    name_part(tmp_path / "early", here)
    assert cli("convert", tmp_path / "early", target).code == 0
    assert cli("plan", late, "--bids-dir", target, "-o", plan).code == 0
    expected = Decision.CONVERT if here == "NECK" else Decision.REVIEW
    assert {row.decision for row in read_plan(plan) if "/dwi/" in row.path} == {expected}


def name_part(folder: Path, part: str) -> None:
    for file in folder.rglob("*.dcm"):
        ds = dcmread(file)
        ds.BodyPartExamined = part
        ds.save_as(file)


@pytest.mark.parametrize("turned", [False, True], ids=["reference last", "reference first"])
def test_a_reference_in_another_export_than_its_run(
    turned: bool, session_export: Path, part: Part, tmp_path: Path, cli: Cli
) -> None:
    late, early, whole, target = part("*SBRef*"), tmp_path / "early", tmp_path / "whole", tmp_path / "bids"
    if not late.is_dir():
        pytest.skip("this scanner has no such series")
    assert cli("convert", session_export, whole).code == 0
    for export in (late, early, late) if turned else (early, late):
        assert cli("convert", export, target).code == 0
    assert read_sidecars(target) == read_sidecars(whole)
    assert read_tree(target).keys() == read_tree(whole).keys()


@pytest.fixture
def phases(session_export: Path, tmp_path: Path) -> Path:
    """The phases of the functional run, as an export of their own."""
    (run,) = {one for one in session_export.rglob("*BOLD_rest") if one.is_dir()}
    (tmp_path / "phases").mkdir()
    for file in sorted(run.iterdir()):
        dataset = dcmread(file)
        for key in ("SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, key, f"{getattr(dataset, key)}.7")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.ImageType = ["P" if word == "M" else word for word in dataset.ImageType]
        dataset.SeriesNumber = int(dataset.SeriesNumber) + 50
        dataset.save_as(tmp_path / "phases" / file.name)
    return tmp_path / "phases"


PARTS = {f"sub-01/func/sub-01_task-rest_part-{part}_bold.nii.gz" for part in ("mag", "phase")}


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_phases_before_their_magnitudes_are_as_one_conversion(
    session_export: Path, phases: Path, tmp_path: Path, cli: Cli
) -> None:
    whole, target = tmp_path / "whole", tmp_path / "bids"
    assert cli("convert", session_export, phases, whole).code == 0
    assert cli("convert", phases, target).code == 0
    assert cli("convert", session_export, target).code == 0
    assert read_tree(whole).keys() >= PARTS
    assert read_tree(target).keys() == read_tree(whole).keys()
    assert read_sidecars(target) == read_sidecars(whole)


@pytest.mark.parametrize("session_export", ["classic"], indirect=True)
def test_phases_after_their_magnitudes_are_told_and_a_plan_makes_them_one_conversion(
    session_export: Path, phases: Path, tmp_path: Path, cli: Cli
) -> None:
    whole, target, plan = tmp_path / "whole", tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("convert", session_export, phases, whole).code == 0
    assert cli("convert", session_export, target).code == 0
    told = "sub-01/func/sub-01_task-rest_bold would be sub-01_task-rest_part-mag_bold"
    assert told in cli("plan", phases, "--bids-dir", target, "-o", plan).said
    late = cli("convert", phases, target)
    assert (late.code, told in late.err) == (0, True)
    assert told not in cli("convert", phases, target).err
    assert cli("plan", session_export, phases, "--bids-dir", target, "-o", plan, "--force").code == 0
    rows = read_plan(plan)
    assert f"sub-01/{BOLD}" in {row.path for row in rows}
    renamed = [
        replace(row, path=row.path.replace("_bold", "_part-mag_bold")) if row.path == f"sub-01/{BOLD}" else row
        for row in rows
    ]
    plan.write_text(to_tsv(Plan(tuple(renamed))))
    assert cli("convert", session_export, phases, target, "--plan", plan).code == 0
    assert read_tree(target).keys() == read_tree(whole).keys()
    assert read_sidecars(target) == read_sidecars(whole)
