"""What a person has edited goes along, as it is, where its image gets another name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from .conftest import Ran, finish, read_tree, spawn
from .test_crash import _HOOKED, Moment
from .test_edits import read_replaced, rename
from .test_rerun import make_plan, read_rows

Cli = Callable[..., Ran]
FUNC = "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold"
FMAP = "sub-01/ses-01/fmap/sub-01_ses-01_dir-AP_epi"
MOVED = FUNC.replace("sub-01", "sub-77")


@pytest.fixture
def target(my_export: Path, tmp_path: Path, cli: Cli) -> Path:
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    return tmp_path / "bids"


def deface(image: Path) -> bytes:
    """Change some voxels of an image, and return its new bytes."""
    data = bytearray(gzip.decompress(image.read_bytes()))
    data[-40:] = bytes(40)
    image.write_bytes(gzip.compress(bytes(data), mtime=0))
    return image.read_bytes()


def edit(sidecar: Path, **fields: object) -> None:
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **fields}))


def correct_pixels(export: Path) -> None:
    for file in export.rglob("*BOLD_rest/*.dcm"):
        header = dcmread(file)
        header.PixelData = bytes(len(header.PixelData))
        header.save_as(file)


def test_edited_image_goes_along_with_its_person(my_export: Path, target: Path, cli: Cli) -> None:
    defaced, before = deface(target / f"{FUNC}.nii.gz"), read_tree(target)
    ran = rename({"sub-01": "sub-77"}, my_export, target, cli)
    assert ran.code == 0, ran.said
    assert "sub-77_ses-01_task-rest_bold.nii.gz changed by hand, and moved as it is" in ran.err
    assert not (target / "sub-01").exists()
    after = read_tree(target)
    assert after.keys() == {name.replace("sub-01", "sub-77") for name in before}
    assert after[f"{MOVED}.nii.gz"] == defaced
    assert list(read_rows(target / "participants.tsv")) == ["sub-77"]
    assert not [name for name in read_replaced(target) if name.endswith(".nii.gz")]
    assert f"edited {MOVED}.nii.gz" in cli("status", target).out
    assert cli("convert", my_export, target).out == f"{target}: 7 unchanged, 1 left alone\n"


def test_dry_run_tells_that_edits_go_along(my_export: Path, target: Path, cli: Cli) -> None:
    deface(target / f"{FUNC}.nii.gz")

    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace("task-rest", "task-film")

    plan = make_plan(my_export, target, cli, change)
    said = cli("convert", my_export, target, "--plan", plan, "--dry-run").out
    assert "bold.nii.gz changed by hand, which goes along as it is" in said
    assert "left alone" not in said


def test_edited_sidecar_says_the_new_names(my_export: Path, target: Path, cli: Cli) -> None:
    edit(target / f"{FUNC}.json", Mine="by hand")
    edit(target / f"{FMAP}.json", Mine=1)
    intended = json.loads((target / f"{FMAP}.json").read_text())["IntendedFor"]
    before = (target / f"{FUNC}.json").read_bytes()
    assert rename({"sub-01": "sub-77", "task-rest": "task-film"}, my_export, target, cli).code == 0
    moved = MOVED.replace("task-rest", "task-film")
    sidecar = json.loads((target / f"{moved}.json").read_text())
    assert (sidecar["TaskName"], sidecar["Mine"]) == ("film", "by hand")
    field_map = json.loads((target / f"{FMAP.replace('sub-01', 'sub-77')}.json").read_text())
    renamed = [one.replace("sub-01", "sub-77").replace("task-rest", "task-film") for one in intended]
    assert (sorted(field_map["IntendedFor"]), field_map["Mine"]) == (sorted(renamed), 1)
    assert read_replaced(target)[f"{FUNC}.json"] == before
    assert f"edited {moved}.json" in cli("status", target).out


def test_name_of_a_task_that_a_person_wrote_stays_and_is_told(my_export: Path, target: Path, cli: Cli) -> None:
    edit(target / f"{FUNC}.json", TaskName="my own words")
    before = (target / f"{FUNC}.json").read_bytes()
    ran = rename({"task-rest": "task-film"}, my_export, target, cli)
    moved = target / f"{FUNC.replace('task-rest', 'task-film')}.json"
    assert moved.read_bytes() == before
    assert 'task-film_bold.json would say "TaskName": "film"' in ran.err


def test_text_that_is_no_sidecar_goes_along_byte_by_byte(my_export: Path, target: Path, cli: Cli) -> None:
    (target / f"{FUNC}.json").write_text("{not yet")
    rename({"task-rest": "task-film"}, my_export, target, cli)
    assert (target / f"{FUNC.replace('task-rest', 'task-film')}.json").read_text() == "{not yet"


def test_edits_are_exchanged_with_the_names(my_export: Path, target: Path, cli: Cli) -> None:
    ahead, back = target / f"{FMAP}.nii.gz", target / f"{FMAP.replace('-AP', '-PA')}.nii.gz"
    defaced, other = deface(ahead), back.read_bytes()
    edit(back.with_suffix("").with_suffix(".json"), Mine=1)
    ran = rename({"dir-AP": "dir-PA", "dir-PA": "dir-AP"}, my_export, target, cli)
    assert ran.code == 0, ran.said
    assert (ahead.read_bytes(), back.read_bytes()) == (other, defaced)
    assert json.loads((target / f"{FMAP}.json").read_text())["Mine"] == 1
    assert "Mine" not in json.loads((target / f"{FMAP.replace('-AP', '-PA')}.json").read_text())


def test_edits_go_along_where_another_visit_takes_the_place(my_export: Path, target: Path, cli: Cli) -> None:
    defaced = deface(target / f"{FUNC}.nii.gz")
    rename({"ses-01": "ses-09", "task-rest": "task-film"}, my_export, target, cli)
    assert rename({"ses-02": "ses-01", "task-film": "task-rest"}, my_export, target, cli).code == 0
    assert (target / f"{FUNC.replace('ses-01', 'ses-09')}.nii.gz").read_bytes() == defaced
    assert (target / f"{FUNC}.nii.gz").read_bytes() != defaced


def test_image_of_a_series_that_has_changed_since_moves_whole(my_export: Path, target: Path, cli: Cli) -> None:
    edit(target / f"{FUNC}.json", Mine=1)
    before = (target / f"{FUNC}.nii.gz").read_bytes()
    correct_pixels(my_export)
    ran = rename({"sub-01": "sub-77"}, my_export, target, cli)
    assert "moved as it is, changes by hand included, though its series has changed" in ran.err
    assert (target / f"{MOVED}.nii.gz").read_bytes() == before
    assert json.loads((target / f"{MOVED}.json").read_text())["Mine"] == 1
    assert "its series has changed, but" in cli("convert", my_export, target).err
    assert cli("convert", my_export, target, "--force").code == 0
    assert (target / f"{MOVED}.nii.gz").read_bytes() != before


def test_fields_of_a_study_are_still_told_after_a_move(my_export: Path, target: Path, cli: Cli) -> None:
    edit(target / f"{FUNC}.json", Mine=1)
    study = target.parent / "study.toml"
    study.write_text(
        'version = 1\n[[series]]\nmatch = { SeriesDescription = "BOLD_rest" }\ntask = "film"\n'
        'sidecar = { CogAtlasID = "https://example.org" }\n'
    )
    assert cli("convert", my_export, target, "--study", study).code == 0
    moved = FUNC.replace("task-rest", "task-film")
    assert "CogAtlasID" not in (target / f"{moved}.json").read_text()
    assert "the study says other fields for its sidecar, but" in cli("convert", my_export, target, "--study", study).err


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_edits_outlive_a_run_that_is_killed_while_it_moves_them(
    rank: int, my_export: Path, target: Path, cli: Cli
) -> None:
    defaced = deface(target / f"{FUNC}.nii.gz")
    edit(target / f"{FUNC}.json", Mine=1)

    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace("task-rest", "task-film")

    plan = make_plan(my_export, target, cli, change)
    moment = Moment("", "os.rename", r"staging/run-\S+/commit-\S+ (?!\S*/staging/)", rank)
    words = (moment.event, moment.pattern, moment.rank, "SIGKILL", "convert", my_export, target, "--plan", plan)
    assert finish(spawn(*words, script=_HOOKED)).code != 0
    assert finish(spawn("convert", my_export, target, "--plan", plan)).code == 0
    moved = target / f"{FUNC.replace('task-rest', 'task-film')}.nii.gz"
    assert moved.read_bytes() == defaced
    assert json.loads(moved.with_suffix("").with_suffix(".json").read_text())["Mine"] == 1
    assert not (target / f"{FUNC}.nii.gz").exists()
