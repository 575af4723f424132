"""Which sidecars of images that stay change with the images around them: a dry run says so, and a conversion does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate

from bidsflow.convert.rewiring import FieldChange

from .conftest import Ran, read_tree
from .test_rerun import make_plan

Cli = Callable[..., Ran]
SESSION = "sub-01/ses-01"
AP, PA = (f"{SESSION}/fmap/sub-01_ses-01_dir-{direction}_epi.json" for direction in ("AP", "PA"))
BOLD, SBREF = (f"{SESSION}/func/sub-01_ses-01_task-rest_{suffix}.json" for suffix in ("bold", "sbref"))
FIELD = "pepolar1ses01"


@pytest.fixture
def late(my_export: Path, tmp_path: Path, cli: Cli) -> tuple[Path, Path]:
    """An export to which one half of a field map has come after it was converted, and the dataset."""
    target, kept = tmp_path / "bids", tmp_path / "kept"
    first = sorted(folder for folder in my_export.rglob("*_PA") if folder.is_dir())[0]
    home = first.rename(kept)
    assert cli("convert", my_export, target).code == 0
    home.rename(first)
    return my_export, target


def read_changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Return the sidecars of images that are in both trees and that differ."""
    both = (name for name in before.keys() & after.keys() if name.startswith("sub-") and name.endswith(".json"))
    return {name for name in both if before[name] != after[name]}


def test_a_late_field_map_is_told_with_what_it_rewires(late: tuple[Path, Path], cli: Cli) -> None:
    export, target = late
    before = read_tree(target)
    said = cli("convert", export, target, "--dry-run")
    foreseen = json.loads(cli("convert", export, target, "--dry-run", "--json").out)
    assert read_tree(target) == before
    done = cli("convert", export, target)
    assert done.code == 0, done.said
    changed = read_changed(before, read_tree(target))
    assert {BOLD, SBREF, AP} == changed == {one["path"] for one in foreseen["rewired"]}
    (bold,) = (one["fields"] for one in foreseen["rewired"] if one["path"] == BOLD)
    assert bold == {"B0FieldSource": {"before": None, "after": FIELD}}
    for ran in (said.out, done.err):
        assert f"rewired {BOLD}: B0FieldSource +{FIELD}" in ran
        assert ran.count("rewired sub-01") == 3
    assert "To be done: 1 new, 7 unchanged, 3 sidecars rewired" in said.out
    assert done.out == f"{target}: 1 written, 7 unchanged, 3 sidecars rewired\n"
    again = cli("convert", export, target)
    assert again.out == f"{target}: 8 unchanged\n"


def test_json_of_both_says_the_same(late: tuple[Path, Path], cli: Cli) -> None:
    export, target = late
    foreseen = json.loads(cli("convert", export, target, "--dry-run", "--json").out)["rewired"]
    assert len(foreseen) == 3
    assert json.loads(cli("convert", export, target, "--json").out)["rewired"] == foreseen
    assert json.loads(cli("convert", export, target, "--json").out)["rewired"] == []


def test_what_a_plan_rewires_without_a_new_image_is_told(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0

    def change(row: dict[str, str]) -> None:
        if f"{row['path']}.json" == BOLD:
            row["b0_source"] = "n/a"

    plan = make_plan(my_export, target, cli, change)
    said = cli("convert", my_export, target, "--plan", plan, "--dry-run").out
    done = cli("convert", my_export, target, "--plan", plan)
    uri = f"bids::{BOLD.replace('.json', '.nii.gz')}"
    for ran in (said, done.err):
        assert f"rewired {BOLD}: B0FieldSource -{FIELD}\n" in ran
        assert f"rewired {AP}: IntendedFor -{uri}\n" in ran
    assert "To be done: 8 unchanged, 3 sidecars rewired" in said
    assert done.out == f"{target}: 8 unchanged, 3 sidecars rewired\n"


@pytest.mark.parametrize("lost", [False, True], ids=["the image stays", "the image is made again"])
def test_wiring_that_an_edited_sidecar_does_not_get_is_told(lost: bool, late: tuple[Path, Path], cli: Cli) -> None:
    export, target = late
    sidecar = target / BOLD
    edited = {**json.loads(sidecar.read_text()), "B0FieldSource": "gre1", "TaskName": "sleep"}
    sidecar.write_text(json.dumps(edited))
    if lost:
        Path(str(sidecar).replace(".json", ".nii.gz")).unlink()
    foreseen = cli("convert", export, target, "--dry-run").out
    done = cli("convert", export, target)
    assert done.code == 0, done.said
    assert json.loads(sidecar.read_text()) == edited
    assert f"{BOLD.replace('.json', '.nii.gz')}" in (target / PA).read_text()
    for ran in (foreseen, done.err):
        (line,) = (one for one in ran.splitlines() if f'{sidecar.name} would say "B0FieldSource": "{FIELD}"' in one)
        assert "TaskName" not in line
        assert ran.count("rewired sub-01") == 2
    assert f"{sidecar.name} changed by hand" in done.err
    sidecar.write_text(json.dumps({**edited, "B0FieldSource": [FIELD]}))
    assert "would say" not in cli("convert", export, target).err


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"B0FieldSource": {"of": "mine"}}'])
def test_a_sidecar_that_cannot_be_compared_stops_nothing(text: str, late: tuple[Path, Path], cli: Cli) -> None:
    export, target = late
    (target / BOLD).write_text(text)
    for words in (("--dry-run",), ()):
        ran = cli("convert", export, target, *words)
        assert (ran.code, ran.said.count("rewired sub-01")) == (0, 2), ran.said
    assert (target / BOLD).read_text() == text


def edit(target: Path, export: Path) -> None:
    sidecar = json.loads((target / BOLD).read_text())
    (target / BOLD).write_text(json.dumps({**sidecar, "CogAtlasID": "mine"}))


def lose_files(target: Path, export: Path) -> None:
    for file in list_rest(export)[12:]:
        file.unlink()


def break_pixels(target: Path, export: Path) -> None:
    for file in list_rest(export):
        header = dcmread(file)
        header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"  # JPEG
        header.PixelData = encapsulate([b"no JPEG"])
        header["PixelData"].VR = "OB"
        header.save_as(file)


def list_rest(export: Path) -> list[Path]:
    """Return the files of the resting run of the first visit."""
    first = sorted(folder for folder in export.rglob("*BOLD_rest") if folder.is_dir())[0]
    return sorted(file for file in first.iterdir() if file.is_file())


@pytest.mark.parametrize("hold", [lose_files, break_pixels])
def test_run_that_keeps_its_name_after_all_stays_what_field_maps_are_for(
    hold: Callable[[Path, Path], None], my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    hold(target, my_export)
    plan = make_plan(my_export, target, cli, rename_rest)
    before = read_tree(target)
    said = cli("convert", my_export, target, "--plan", plan, "--dry-run")
    done = cli("convert", my_export, target, "--plan", plan)
    assert "rewired" not in done.said, done.said
    assert hold is break_pixels or "rewired" not in said.said  # a dry run does not foresee that a series fails
    assert (done.code, "1 failed" in done.out) == (1, True)
    after = read_tree(target)
    assert after.keys() == before.keys()
    assert read_changed(before, after) == set()
    assert f"bids::{BOLD.replace('.json', '.nii.gz')}" in json.loads((target / AP).read_text())["IntendedFor"]


def rename_rest(row: dict[str, str]) -> None:
    if row["path"].startswith(SESSION):
        row["path"] = row["path"].replace("task-rest_bold", "task-movie_bold")


def test_edited_run_that_gets_another_name_is_told_what_it_would_say(late: tuple[Path, Path], cli: Cli) -> None:
    export, target = late
    edit(target, export)
    plan = make_plan(export, target, cli, rename_rest)
    said = cli("convert", export, target, "--plan", plan, "--dry-run").out
    done = cli("convert", export, target, "--plan", plan)
    now = BOLD.replace("task-rest", "task-movie")
    for ran in (said, done.err):
        assert f'{now.rpartition("/")[2]} would say "B0FieldSource": "{FIELD}"' in ran
        assert ran.count("rewired sub-01") == 2
    uri = f"bids::{now.replace('.json', '.nii.gz')}"
    assert all(uri in json.loads((target / half).read_text())["IntendedFor"] for half in (AP, PA))


def test_run_that_stays_in_a_folder_that_others_leave_keeps_its_field_maps(
    my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    lose_files(target, my_export)

    def change(row: dict[str, str]) -> None:
        if row["path"] == BOLD.removesuffix(".json"):
            row["path"] = row["path"].replace("ses-01", "ses-02").replace("task-rest", "task-rest_run-9")
            row["b0_source"] = "n/a"

    plan = make_plan(my_export, target, cli, change)
    said = cli("convert", my_export, target, "--plan", plan, "--dry-run").out
    done = cli("convert", my_export, target, "--plan", plan)
    assert (done.code, "1 failed" in done.out) == (1, True), done.said
    uri = f"bids::{BOLD.replace('.json', '.nii.gz')}"
    assert "rewired" not in done.err + said
    assert all(uri in json.loads((target / half).read_text())["IntendedFor"] for half in (AP, PA))


def keep_only_rest(export: Path) -> None:
    home = list_rest(export)[0].parent
    for file in export.rglob("*.dcm"):
        if file.parent != home:
            file.unlink()


def read_targets(target: Path) -> list[list[str]]:
    return [json.loads((target / half).read_text()).get("IntendedFor", []) for half in (AP, PA)]


def test_field_maps_that_an_export_lacks_follow_a_run_to_its_new_name(
    my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    before = read_targets(target)
    keep_only_rest(my_export)
    plan = make_plan(my_export, target, cli, rename_rest)
    said = json.loads(cli("convert", my_export, target, "--plan", plan, "--dry-run", "--json").out)["rewired"]
    done = json.loads(cli("convert", my_export, target, "--plan", plan, "--json").out)["rewired"]
    assert said == done
    assert {one["path"] for one in done} == {AP, PA}
    wanted = [[uri.replace("task-rest_bold", "task-movie_bold") for uri in sorted(uris)] for uris in before]
    assert wanted == read_targets(target) != before
    assert cli("convert", my_export, target).out == f"{target}: 1 unchanged\n"


@pytest.mark.parametrize("alone", [False, True], ids=["whole export", "run alone"])
def test_field_maps_are_not_intended_for_a_run_that_goes_to_another_session(
    alone: bool, my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    if alone:
        keep_only_rest(my_export)

    def change(row: dict[str, str]) -> None:
        if row["path"] == BOLD.removesuffix(".json"):
            row["path"] = row["path"].replace("ses-01", "ses-02").replace("task-rest", "task-movie")
            row["b0_source"] = "n/a"

    plan = make_plan(my_export, target, cli, change)
    said = json.loads(cli("convert", my_export, target, "--plan", plan, "--dry-run", "--json").out)["rewired"]
    done = json.loads(cli("convert", my_export, target, "--plan", plan, "--json").out)["rewired"]
    assert {AP, PA} == {one["path"] for one in done}
    assert said == done
    uri = f"bids::{BOLD.replace('.json', '.nii.gz')}"
    assert not any(uri in targets for targets in read_targets(target))
    assert all(targets for targets in read_targets(target))


@pytest.mark.parametrize("edited", [False, True], ids=["as written", "edited"])
def test_label_of_a_plan_wires_a_late_run_to_field_maps_of_the_dataset(
    edited: bool, my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target, kept = tmp_path / "bids", tmp_path / "kept"
    home = list_rest(my_export)[0].parent
    late = home.rename(kept)
    assert cli("convert", my_export, target).code == 0
    late.rename(home)
    keep_only_rest(my_export)
    if edited:
        (target / AP).write_text(json.dumps({**json.loads((target / AP).read_text()), "Mine": 1}))

    def change(row: dict[str, str]) -> None:
        row["b0_source"] = FIELD

    plan = make_plan(my_export, target, cli, change)
    before = (target / AP).read_bytes()
    assert cli("convert", my_export, target, "--plan", plan).code == 0
    assert json.loads((target / BOLD).read_text())["B0FieldSource"] == FIELD
    uri = f"bids::{BOLD.replace('.json', '.nii.gz')}"
    of_ap, of_pa = read_targets(target)
    assert uri in of_pa
    assert (target / AP).read_bytes() == before if edited else uri in of_ap


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, "a", "IntendedFor +a"),
        ("a", None, "IntendedFor -a"),
        ("a", ["a", "b"], "IntendedFor +b"),
        (["a", "b"], ["b", "c"], "IntendedFor -a +c"),
        (["a", "b"], ["b", "a"], "IntendedFor now ['b', 'a']"),
    ],
)
def test_a_change_is_what_is_lost_and_gained(before: object, after: object, said: str) -> None:
    assert str(FieldChange("IntendedFor", before, after)) == said
