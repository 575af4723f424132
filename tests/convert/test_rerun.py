"""Runs after the first: only what is missing or changed is done, and what is left alone is said."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pydicom import Dataset as Header
from pydicom import dcmread

from bidsflow.convert.content import read_content, stamp
from bidsflow.convert.ledger import format_ledger, read_ledger
from bidsflow.convert.planner import make_plan as make_plan_of
from bidsflow.convert.run import convert
from bidsflow.dataset.tree import Dataset, open_dataset
from bidsflow.dicom.inventory import take_inventory
from bidsflow.digest import KIND
from bidsflow.phantom import make_sessions, write
from bidsflow.sources import find_files

from .conftest import Ran, read_times, read_tree

Cli = Callable[..., Ran]
REST = "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold"


@pytest.fixture
def done(my_export: Path, tmp_path: Path, cli: Cli) -> Path:
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    return tmp_path / "bids"


def find_changes(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """Return the files, not the folders, that were written or went away; bidsflow's own left out."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return {name for name in changed if Path(name).suffix and not name.startswith(".bidsflow")}


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {next(iter(row.values())): row for row in rows}


def make_plan(export: Path, target: Path, cli: Cli, change: Callable[[dict[str, str]], None]) -> Path:
    """Write the plan for a dataset, with each row changed."""
    out = target.parent / "plan.tsv"
    assert cli("plan", export, "--bids-dir", target, "-o", out).code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text()), delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        change(row)
    out.write_text("\n".join("\t".join(cells) for cells in [list(rows[0]), *(row.values() for row in rows)]) + "\n")
    return out


def test_nothing_is_touched_where_nothing_has_changed(done: Path, my_export: Path, cli: Cli) -> None:
    before = read_times(done)
    ran = cli("convert", my_export, done)
    assert (ran.code, ran.out) == (0, f"{done}: 8 unchanged\n")
    assert read_times(done) == before


@pytest.mark.parametrize("ext", [".nii.gz", ".json"])
def test_only_what_was_deleted_is_made_again(ext: str, done: Path, my_export: Path, cli: Cli) -> None:
    tree, before = read_tree(done), read_times(done)
    (done / f"{REST}{ext}").unlink()
    ran = cli("convert", my_export, done)
    assert (ran.code, ran.out) == (0, f"{done}: 1 written, 7 unchanged\n")
    assert read_tree(done) == tree
    assert find_changes(before, read_times(done)) <= {f"{REST}.nii.gz", f"{REST}.json"}


def test_sidecar_that_was_edited_is_left_alone_and_said(done: Path, my_export: Path, cli: Cli) -> None:
    sidecar = done / f"{REST}.json"
    sidecar.write_text(sidecar.read_text().replace('"rest"', '"sleep"'))
    tree = read_tree(done)
    ran = cli("convert", my_export, done)
    assert ran.code == 0
    assert "7 unchanged, 1 left alone" in ran.out.replace("1 left alone, 7 unchanged", "7 unchanged, 1 left alone")
    assert "sub-01_ses-01_task-rest_bold.json changed by hand" in ran.err
    assert read_tree(done) == tree
    assert cli("convert", my_export, done, "--force").code == 0
    assert '"rest"' in sidecar.read_text()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:200] + bytes([data[200] ^ 255]) + data[201:],
        lambda data: gzip.compress(gzip.decompress(data)[:-2]),
        lambda data: gzip.compress(b"no image at all"),
    ],
    ids=["cut off", "empty", "a byte is wrong", "voxels are missing", "no image"],
)
def test_image_that_is_damaged_is_told_from_an_edited_one(
    damage: Callable[[bytes], bytes], done: Path, my_export: Path, cli: Cli
) -> None:
    tree, image = read_tree(done), done / f"{REST}.nii.gz"
    image.write_bytes(damage(image.read_bytes()))
    ran = cli("convert", my_export, done)
    assert (ran.code, ran.out) == (1, f"{done}: 7 unchanged, 1 failed\n")
    assert f"{image.name} is damaged" in ran.err
    image.unlink()
    assert cli("convert", my_export, done).code == 0
    assert read_tree(done) == tree


def test_image_that_was_edited_and_is_whole_is_left_alone(done: Path, my_export: Path, cli: Cli) -> None:
    image = done / f"{REST}.nii.gz"
    image.write_bytes(gzip.compress(gzip.decompress(image.read_bytes())[:-2] + b"me"))
    ran = cli("convert", my_export, done)
    assert (ran.code, ran.out) == (0, f"{done}: 7 unchanged, 1 left alone\n")
    assert f"{image.name} changed by hand" in ran.err


def test_dataset_that_was_copied_without_its_times_is_hashed_once(done: Path, my_export: Path, cli: Cli) -> None:
    tree = read_tree(done)
    for file in (done / "sub-01").rglob("*"):
        os.utime(file, ns=(10**18, 10**18))
    assert cli("convert", my_export, done).out == f"{done}: 8 unchanged\n"
    assert read_tree(done) == tree
    for folder in ("sub-01/ses-01", "sub-01/ses-02"):
        stamps = {
            name: one for entry in read_ledger(Dataset(done), folder).values() for name, one in entry.files.items()
        }
        assert {one.mtime_ns for one in stamps.values()} == {10**18}
        assert all((done / name).stat().st_size == one.size for name, one in stamps.items())
    before = read_times(done)
    assert cli("convert", my_export, done).out == f"{done}: 8 unchanged\n"
    assert read_times(done) == before


def test_touched_file_with_the_same_content_is_unchanged(done: Path, my_export: Path, cli: Cli) -> None:
    for file in done.rglob("*.json"):
        file.touch()
    assert "8 unchanged" in cli("convert", my_export, done).out


def test_moved_dataset_goes_on(done: Path, my_export: Path, cli: Cli) -> None:
    moved = done.rename(done.with_name("moved"))
    assert "8 unchanged" in cli("convert", my_export, moved).out


def test_moved_export_goes_on(done: Path, my_export: Path, cli: Cli) -> None:
    moved = my_export.rename(my_export.with_name("moved"))
    assert "8 unchanged" in cli("convert", moved, done).out


def test_pixels_that_were_corrected_under_the_same_uids_are_converted(done: Path, my_export: Path, cli: Cli) -> None:
    file = next(path for path in sorted(my_export.rglob("*BOLD_rest/*.dcm")))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1  # at the end, a mosaic may have no slice
    file.write_bytes(data)
    before = (done / f"{REST}.nii.gz").read_bytes()
    assert cli("convert", my_export, done).out == f"{done}: 1 written, 7 unchanged\n"
    assert (done / f"{REST}.nii.gz").read_bytes() != before
    assert cli("convert", my_export, done).out == f"{done}: 8 unchanged\n"


class CaseDoubt(NamedTuple):
    files: str
    change: Callable[[Header], None]
    says: str


def name_another(header: Header) -> None:
    header.PatientName, header.PatientID, header.PatientBirthDate = "Else^Some", "ELSE", "19500101"


def take_place(header: Header) -> None:
    header.PixelSpacing = [0, 0]


DOUBTS = {
    "another person": CaseDoubt("*.dcm", name_another, "it is someone else's than that of sub-01 now; the image stays"),
    "no geometry": CaseDoubt("*BOLD_rest/*.dcm", take_place, "its voxels have no possible size (PixelSpacing 0\\0)"),
}


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "forced"])
@pytest.mark.parametrize("name", DOUBTS)
def test_image_is_not_replaced_by_one_that_is_in_doubt(
    name: str, force: tuple[str, ...], done: Path, my_export: Path, cli: Cli
) -> None:
    case = DOUBTS[name]
    for file in my_export.rglob(case.files):
        header = dcmread(file)
        case.change(header)
        header.save_as(file)
    before = read_tree(done)
    ran = cli("convert", my_export, done, *force)
    assert ran.code == 1
    assert case.says in ran.err
    assert read_tree(done) == before


def copy_place(files: list[Path]) -> None:
    """Put into one slice what another one holds, under the UID and number that it has."""
    here, other = (dcmread(files[rank]) for rank in (len(files) // 2, len(files) // 2 + 1))
    here.ImagePositionPatient, here.PixelData = other.ImagePositionPatient, other.PixelData
    here.save_as(files[len(files) // 2])


def leave_gap(files: list[Path]) -> None:
    """Move the slices of one half away from those of the other."""
    for file in files[len(files) // 2 :]:
        header = dcmread(file)
        normal = np.cross(*np.array(header.ImageOrientationPatient, float).reshape(2, 3))
        place = np.array(header.ImagePositionPatient, float)
        header.ImagePositionPatient = [f"{value:.4f}" for value in place + np.sign(place @ normal) * 40 * normal]
        header.save_as(file)


def number_anew(files: list[Path]) -> None:
    """Give the images of a run numbers that say nothing of their order."""
    for number, file in enumerate(reversed(files), start=1):
        header = dcmread(file)
        header.InstanceNumber = number
        header.save_as(file)


@pytest.mark.parametrize(("kind", "lose"), [("t1w", copy_place), ("t1w", leave_gap), ("rest", number_anew)])
def test_image_is_not_replaced_by_one_in_doubt(
    kind: str, lose: Callable[[list[Path]], None], tmp_path: Path, cli: Cli
) -> None:
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    write(tmp_path / "scan", size="tiny", sessions=make_sessions(1, 1), series=(kind,))
    assert cli("convert", export, target).code == 0
    before = read_tree(target)
    lose(sorted(export.rglob("*.dcm")))
    for _ in range(2):
        ran = cli("convert", export, target)
        assert (ran.code, ran.out) == (1, f"{target}: 1 failed\n"), ran.said
        assert "its series has changed, and is in doubt now (" in ran.err
        assert "; it stays as it is, --force makes it of what there is" in ran.err
        assert read_tree(target) == before
    assert "impossible" in cli("convert", export, target, "--dry-run").out
    assert cli("status", target).out.count("its series has changed, and is in doubt now") == 1
    assert "is in doubt now" not in cli("convert", export, target, "--force").err


def test_copy_of_an_export_is_read_once(done: Path, my_export: Path, cli: Cli) -> None:
    copy = shutil.copytree(my_export, my_export.with_name("copy"))
    ledger, tree = done / ".bidsflow" / "ledger", read_tree(done)
    before = read_tree(ledger)
    assert cli("convert", copy, done).out == f"{done}: 8 unchanged\n"
    after = read_tree(ledger)
    assert all(after[name] != before[name] for name in before)
    assert cli("convert", copy, done).out == f"{done}: 8 unchanged\n"
    assert (read_tree(ledger), read_tree(done)) == (after, tree)


def test_file_that_changes_after_the_scan_is_converted_again(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    """Also where it gets its bytes back meanwhile: the image has others."""
    copy = shutil.copytree(my_export, my_export.with_name("copy"))
    inventory = take_inventory(find_files([copy]).files, digests=True)
    planned, dataset = make_plan_of(inventory), open_dataset(tmp_path / "bids")
    file = next(path for path in sorted(copy.rglob("*BOLD_rest/*.dcm")))
    before = file.read_bytes()
    data = bytearray(before)
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    convert(planned.plan, inventory, dataset, planned.key)
    assert cli("convert", copy, dataset.root).out == f"{dataset.root}: 8 unchanged\n"
    file.write_bytes(before)
    assert cli("convert", copy, dataset.root).out == f"{dataset.root}: 1 written, 7 unchanged\n"


def test_file_that_vanishes_after_the_scan_is_named_as_the_reason(my_export: Path, tmp_path: Path) -> None:
    inventory = take_inventory(find_files([my_export]).files, digests=True)
    planned = make_plan_of(inventory)
    next(path for path in sorted(my_export.rglob("*BOLD_rest/*.dcm"))).unlink()
    result = convert(planned.plan, inventory, open_dataset(tmp_path / "bids"), planned.key)
    failed = {one.row.path: one.reason for one in result.outcomes if not one.is_written}
    assert failed == {REST: "its files cannot be read (No such file or directory)"}


def test_pixels_that_were_corrected_in_an_archive_are_converted(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    done = tmp_path / "bids"
    archive = shutil.make_archive(str(tmp_path / "one"), "zip", my_export)
    assert cli("convert", archive, done).code == 0
    again = shutil.make_archive(str(tmp_path / "again"), "gztar", my_export)
    assert cli("convert", again, done).out == f"{done}: 8 unchanged\n"
    file = next(path for path in sorted(my_export.rglob("*BOLD_rest/*.dcm")))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    corrected = shutil.make_archive(str(tmp_path / "corrected"), "zip", my_export)
    assert cli("convert", corrected, done).out == f"{done}: 1 written, 7 unchanged\n"


def test_dataset_with_digests_of_an_earlier_version_goes_on(done: Path, my_export: Path, cli: Cli) -> None:
    copy = shutil.copytree(my_export, my_export.with_name("copy"))
    dataset = Dataset(done)
    inventory = take_inventory(find_files([my_export]).files, digests=True)
    contents = {one.uid: read_content(one, "").digest for one in inventory.series}
    assert all(len(content) == 32 for content in contents.values())
    for folder in ("sub-01/ses-01", "sub-01/ses-02"):
        ledger = read_ledger(dataset, folder)
        earlier = {
            path: replace(
                entry,
                content=contents[entry.series_uid],
                files={name: stamp(done / name, "") for name in entry.files},
            )
            for path, entry in ledger.items()
        }
        assert earlier != ledger
        dataset.ledger_file(folder).write_bytes(format_ledger(earlier))
    for file in (done / "sub-01").rglob("*"):
        os.utime(file, ns=(10**18, 10**18))
    assert cli("convert", copy, done).out == f"{done}: 8 unchanged\n"
    file = next(path for path in sorted(copy.rglob("*BOLD_rest/*.dcm")))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert cli("convert", copy, done).out == f"{done}: 1 written, 7 unchanged\n"
    assert read_ledger(dataset, "sub-01/ses-01")[REST].content.startswith(KIND)
    assert cli("convert", copy, done).out == f"{done}: 8 unchanged\n"


def test_new_series_is_added_and_wired(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "scan", series=("topup", "sbref", "rest"))
    export, late = tmp_path / "scan" / "dicom", tmp_path / "late"
    late.mkdir()
    for folder in sorted(export.rglob("*SpinEcho*")):
        folder.rename(late / folder.name)
    target = tmp_path / "bids"
    assert cli("convert", export, target).code == 0
    bold = target / "sub-01" / "func" / "sub-01_task-rest_bold"
    before, image = json.loads(Path(f"{bold}.json").read_text()), Path(f"{bold}.nii.gz").stat().st_mtime_ns
    assert "B0FieldSource" not in before
    shutil.copytree(late, export / "late")
    ran = cli("convert", export, target)
    assert (ran.code, ran.out) == (0, f"{target}: 2 written, 2 unchanged, 2 sidecars rewired\n")
    after = json.loads(Path(f"{bold}.json").read_text())
    assert after.pop("B0FieldSource")
    assert after == before
    assert Path(f"{bold}.nii.gz").stat().st_mtime_ns == image
    assert len(read_rows(target / "sub-01" / "sub-01_scans.tsv")) == 4
    assert f"{target}: 4 unchanged\n" == cli("convert", export, target).out
    fresh = tmp_path / "fresh" / "bids"
    assert cli("convert", export, fresh).code == 0
    assert read_tree(fresh) == read_tree(target)


def test_late_instances_are_converted_with_the_others(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    files = sorted(next(my_export.rglob("*BOLD_rest")).iterdir())
    late = [file.rename(tmp_path / file.name) for file in files[-4:]]
    target = tmp_path / "bids"
    cli("convert", my_export, target)
    for file in late:
        file.rename(files[0].with_name(file.name))
    ran = cli("convert", my_export, target)
    assert ran.code == 0, ran.said
    assert "1 written, 7 unchanged" in ran.out, ran.said
    fresh = tmp_path / "fresh" / "bids"
    assert cli("convert", my_export, fresh).code == 0
    assert read_tree(fresh) == read_tree(target)


def test_export_that_lost_instances_harms_no_image(done: Path, my_export: Path, cli: Cli) -> None:
    tree = read_tree(done)
    for file in sorted(next(my_export.rglob("*BOLD_rest")).iterdir())[4:8]:
        file.unlink()
    ran = cli("convert", my_export, done)
    assert (ran.code, ran.out) == (1, f"{done}: 7 unchanged, 1 failed\n"), ran.said
    assert "files that it was made of; it stays as it is (--force would make it of these alone)" in ran.err
    assert read_tree(done) == tree
    assert cli("convert", my_export, done, "--force").code == 0
    assert read_tree(done) != tree


@pytest.mark.parametrize("cut", [4, -4])
def test_other_part_of_a_run_in_an_export_of_its_own_replaces_nothing(
    cut: int, my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    """Whether it is the smaller part or the larger one: what came first is not among its files."""
    files = sorted(next(my_export.rglob("*BOLD_rest")).iterdir())
    rest, target = tmp_path / "rest", tmp_path / "bids"
    rest.mkdir()
    size = len(files[:cut])
    for file in files[cut:]:
        file.rename(rest / file.name)
    text = '[[series]]\nmatch = { SeriesDescription = "BOLD_rest" }\ndecision = "convert"\n'
    study = tmp_path / "study.toml"
    study.write_text(f"version = 1\n{text}")
    cli("convert", my_export, target, "--study", study)
    before = read_tree(target)
    assert f"{REST}.nii.gz" in before
    ran = cli("convert", rest, target, "--study", study)
    assert ran.code == 1, ran.said
    assert (
        f"it was made of {size} files, and the export holds {len(files) - size} files, others of its series" in ran.err
    )
    assert "give all exports of the series to one command" in ran.err
    assert "--force" not in ran.err
    assert read_tree(target) == before
    ran = cli("convert", my_export, rest, target, "--study", study)
    assert ran.code == 0, ran.said
    assert "1 written" in ran.out


@pytest.mark.parametrize("loss", ["missing", "damaged"])
def test_image_is_made_again_beside_a_sidecar_that_was_edited(loss: str, done: Path, my_export: Path, cli: Cli) -> None:
    sidecar, image = done / f"{REST}.json", done / f"{REST}.nii.gz"
    whole, edited = image.read_bytes(), sidecar.read_text().replace('"rest"', '"sleep"')
    sidecar.write_text(edited)
    if loss == "damaged":
        image.write_bytes(whole[:99])
        ran = cli("convert", my_export, done)
        assert (ran.code, ran.out) == (1, f"{done}: 7 unchanged, 1 failed\n"), ran.said
        assert f"{image.name} is damaged; delete it, and" in ran.err
    image.unlink()
    ran = cli("convert", my_export, done)
    assert (ran.code, ran.out) == (0, f"{done}: 1 written, 7 unchanged\n"), ran.said
    assert f"{sidecar.name} changed by hand, and kept as it is" in ran.err
    assert (image.read_bytes(), sidecar.read_text()) == (whole, edited)
    ran = cli("convert", my_export, done)
    assert "1 left alone" in ran.out
    assert f"{sidecar.name} changed by hand" in ran.err


def test_new_subject_keeps_the_labels_of_the_others(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", two_people / "P002", target).code == 0
    first = read_tree(target)
    assert cli("convert", two_people, target).code == 0
    after = read_tree(target)
    assert {name: after[name] for name in first if name.startswith("sub")} == {
        name: data for name, data in first.items() if name.startswith("sub")
    }
    assert list(read_rows(target / "participants.tsv")) == ["sub-01", "sub-02"]


def test_image_with_another_name_leaves_nothing_behind(done: Path, my_export: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace("ses-01_task-rest", "ses-01_task-sleep")

    ran = cli("convert", my_export, done, "--plan", make_plan(my_export, done, cli, change))
    assert ran.code == 0, ran.said
    assert "2 moved, 6 unchanged" in ran.out
    names = set(read_tree(done))
    assert not [name for name in names if name.startswith("sub-01/ses-01") and "rest" in name]
    scans = read_rows(done / "sub-01/ses-01/sub-01_ses-01_scans.tsv")
    assert {name.split("_task-")[1] for name in scans if "task" in name} == {"sleep_bold.nii.gz", "sleep_sbref.nii.gz"}
    assert "task-sleep_bold.json" in names
    assert "task-rest_bold.json" in names  # the other session has it
    assert "8 unchanged" in cli("convert", my_export, done).out


def test_task_that_loses_its_last_image_loses_its_file(done: Path, my_export: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace("task-rest", "task-sleep")

    assert cli("convert", my_export, done, "--plan", make_plan(my_export, done, cli, change)).code == 0
    assert not (done / "task-rest_bold.json").exists()
    assert (done / "task-sleep_bold.json").exists()


def test_images_may_swap_names(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "scan", series=("topup",))
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    assert cli("convert", export, target).code == 0
    table = target / "sub-01" / "sub-01_scans.tsv"
    rows = [{**row, "note": row["filename"][-13:-11]} for row in read_rows(table).values()]
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    table.write_text("\n".join(lines) + "\n")
    before = read_tree(target)
    swap = {"AP": "PA", "PA": "AP"}

    def change(row: dict[str, str]) -> None:
        head, tail = row["path"].split("dir-")
        row["path"] = f"{head}dir-{swap[tail[:2]]}{tail[2:]}"

    ran = cli("convert", export, target, "--plan", make_plan(export, target, cli, change))
    assert (ran.code, ran.out) == (0, f"{target}: 2 moved\n"), ran.said
    after = read_tree(target)
    assert after.keys() == before.keys()
    name = "sub-01/fmap/sub-01_dir-{}_epi.nii.gz"
    assert after[name.format("AP")] == before[name.format("PA")]
    assert after[name.format("PA")] == before[name.format("AP")]
    assert {one[-13:-11]: row["note"] for one, row in read_rows(table).items()} == swap


def test_subject_with_another_label_takes_everything_along(done: Path, my_export: Path, cli: Cli) -> None:
    table = done / "participants.tsv"
    table.write_text("participant_id\tage\tsex\tgroup\nsub-01\t34\tM\tcontrol\n")

    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace("sub-01", "sub-C7")

    plan = make_plan(my_export, done, cli, change)
    ran = cli("convert", my_export, done, "--plan", plan)
    assert (ran.code, ran.out) == (0, f"{done}: 8 moved\n"), ran.said
    assert not (done / "sub-01").exists()
    assert read_rows(table) == {"sub-C7": {"participant_id": "sub-C7", "age": "34", "sex": "M", "group": "control"}}
    assert not list((done / ".bidsflow" / "ledger").glob("sub-01*"))
    assert "8 unchanged" in cli("convert", my_export, done).out
    fresh = done.parent / "fresh" / "bids"
    assert cli("convert", my_export, fresh, "--plan", plan).code == 0
    assert read_tree(fresh).keys() == read_tree(done).keys()


def test_session_with_another_label_leaves_nothing_behind(done: Path, my_export: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace("ses-02", "ses-followup")

    plan = make_plan(my_export, done, cli, change)
    assert cli("convert", my_export, done, "--plan", plan).code == 0
    assert sorted(one.name for one in (done / "sub-01").iterdir()) == ["ses-01", "ses-followup", "sub-01_sessions.tsv"]
    assert list(read_rows(done / "sub-01" / "sub-01_sessions.tsv")) == ["ses-01", "ses-followup"]
    fresh = done.parent / "fresh" / "bids"
    assert cli("convert", my_export, fresh, "--plan", plan).code == 0
    assert read_tree(fresh) == read_tree(done)


def test_series_that_is_skipped_later_stays_and_is_said(done: Path, my_export: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        if row["path"] == REST:
            row["decision"] = "skip"

    ran = cli("convert", my_export, done, "--plan", make_plan(my_export, done, cli, change))
    assert ran.code == 0
    assert f"left alone {REST}: converted before, and not to be converted by this plan" in ran.err
    assert (done / f"{REST}.nii.gz").exists()


def test_series_that_is_gone_from_the_export_stays_and_is_said(done: Path, my_export: Path, cli: Cli) -> None:
    shutil.rmtree(next(folder for folder in sorted(my_export.rglob("*BOLD_rest"))))
    before = read_tree(done)
    ran = cli("convert", my_export, done)
    assert (ran.code, ran.out) == (0, f"{done}: 7 unchanged\n")
    assert f"left alone {REST}" in ran.err
    assert read_tree(done) == before


@pytest.mark.parametrize("options", [(), ("--force",)], ids=["again", "forced"])
def test_part_of_a_session_keeps_the_wiring_of_the_whole(
    options: tuple[str, ...], small_export: Path, tmp_path: Path, cli: Cli
) -> None:
    visit, target = sorted(small_export.glob("*/*"))[0], tmp_path / "bids"
    assert cli("convert", visit, target).code == 0
    before = read_tree(target)
    for part in ("*SpinEcho*", "*SpinEcho*_AP", "*BOLD*", "*S[Bp]*"):  # the last: all but the run of the reference
        export = tmp_path / f"part {part[1:-1]}"
        for folder in visit.glob(part):
            shutil.copytree(folder, export / folder.name)
        ran = cli("convert", export, target, *options)
        assert ran.code == 0, ran.said
        assert "label" not in ran.err
        assert read_tree(target) == before


@pytest.fixture(scope="session")
def gradient_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One visit with a gradient-echo field map. Read only."""
    root = tmp_path_factory.mktemp("gradient")
    write(root / "scan", series=("fieldmap", "rest"))
    return root / "scan" / "dicom"


def edit_plan(plan: Path, how: str, suffix: str) -> None:
    """Take the rows of a suffix out of a plan, or skip them."""
    header, *rows = plan.read_text().splitlines()
    if how == "deleted":
        rows = [row for row in rows if suffix not in row]
    else:
        rows = [row.replace("\tconvert\t", f"\t{how}\t") if suffix in row else row for row in rows]
    plan.write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize("how", ["deleted", "skip", "review"])
@pytest.mark.parametrize("suffix", ["_magnitude1", "_phasediff", "fmap/"])
def test_field_stays_whole_with_images_that_stay_in_the_dataset(
    how: str, suffix: str, gradient_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", gradient_export, target).code == 0
    before, plan = read_tree(target), make_plan(gradient_export, target, cli, lambda row: None)
    edit_plan(plan, how, suffix)
    ran = cli("convert", gradient_export, target, "--plan", plan)
    assert ran.code == 0, ran.said
    assert "left alone" in ran.err
    assert "label" not in ran.err
    assert read_tree(target) == before
    ran = cli("convert", gradient_export, target)
    assert (ran.code, "label" in ran.err) == (0, False)
    assert read_tree(target) == before


def test_field_breaks_with_an_image_that_is_gone_from_the_dataset(
    gradient_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", gradient_export, target).code == 0
    plan = make_plan(gradient_export, target, cli, lambda row: None)
    for file in target.rglob("*_magnitude1.*"):
        file.unlink()
    edit_plan(plan, "skip", "_magnitude1")
    ran = cli("convert", gradient_export, target, "--plan", plan)
    assert ran.code == 0
    assert "the field gre1 lacks its magnitude1 image" in ran.err
    assert not [file for file in target.rglob("*.json") if "B0Field" in file.read_text()]


def copy_later(source: Path, target: Path, hour: str) -> None:
    """Write the series of a study again, as if they were measured once more at another hour."""
    for path in sorted(source.rglob("*.dcm")):
        ds = dcmread(path)
        ds.SeriesInstanceUID, ds.SOPInstanceUID = f"{ds.SeriesInstanceUID}.{hour}", f"{ds.SOPInstanceUID}.{hour}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.SeriesNumber = int(ds.SeriesNumber) + int(hour)
        for keyword in ("SeriesTime", "AcquisitionTime", "ContentTime"):
            setattr(ds, keyword, hour + str(getattr(ds, keyword))[2:])
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(copy)


def test_fields_of_two_exports_of_one_session_stay_two(small_export: Path, tmp_path: Path, cli: Cli) -> None:
    first, second, target = sorted(small_export.glob("*/*"))[0], tmp_path / "later", tmp_path / "bids"
    copy_later(first, second, "23")
    for export in (first, second):
        assert cli("convert", export, target).code == 0
    before = read_tree(target)
    for export in (first, second, first):
        assert cli("convert", export, target).out == f"{target}: 4 unchanged\n"
        assert read_tree(target) == before
    found = {name: json.loads(data) for name, data in before.items() if name.endswith("_epi.json")}
    labels = {name: sidecar["B0FieldIdentifier"] for name, sidecar in found.items()}
    assert len(labels) == 4
    assert len(set(labels.values())) == 2


def test_one_subject_or_session_can_be_chosen(two_people: Path, small_export: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("convert", two_people, tmp_path / "a", "--subject", "sub-02").code == 0
    assert sorted(one.name for one in (tmp_path / "a").glob("sub-*")) == ["sub-02"]
    assert cli("convert", two_people, tmp_path / "a").code == 0
    fresh = tmp_path / "b" / "a"
    assert cli("convert", two_people, fresh).code == 0
    assert read_tree(fresh) == read_tree(tmp_path / "a")
    assert cli("convert", small_export, tmp_path / "c", "--session", "02").code == 0
    assert sorted(one.name for one in (tmp_path / "c" / "sub-01").glob("ses-*")) == ["ses-02"]
    ran = cli("convert", small_export, tmp_path / "c", "--session", "9")
    assert ran.code == 65
    assert "no image belongs to the subjects and sessions that were asked for" in ran.err


def test_what_people_add_to_tables_stays(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", two_people / "P001", target).code == 0
    (target / "participants.tsv").write_text(
        "participant_id\tage\tsex\tnote\nsub-pilot\t20\tF\ta  \u2028 b\nsub-01\tn/a\tF\tmy note\n", encoding="utf-8"
    )
    (target / "participants.json").write_text('{"note": {"Description": "mine"}}')
    scans = target / "sub-01" / "sub-01_scans.tsv"
    scans.write_text(
        scans.read_text().replace("acq_time", "acq_time\tquality").replace("\n", "\t1\n").replace("\t1", "", 1)
    )
    before = read_rows(scans)
    assert cli("convert", two_people, target).code == 0
    rows = read_rows(target / "participants.tsv")
    assert rows["sub-pilot"]["note"] == "a  \u2028 b"
    assert (rows["sub-01"]["sex"], rows["sub-01"]["note"]) == ("F", "my note")
    assert rows["sub-02"]["note"] == "n/a"
    described = json.loads((target / "participants.json").read_text())
    assert described["note"] == {"Description": "mine"}
    assert {"age", "sex"} <= described.keys()
    assert read_rows(scans) == before


def test_forced_run_makes_the_same_dataset(done: Path, my_export: Path, cli: Cli) -> None:
    before = read_tree(done)
    assert cli("convert", my_export, done, "--force").out == f"{done}: 8 written\n"
    assert read_tree(done) == before


def test_age_is_that_of_the_first_session_whichever_is_done_first(tmp_path: Path, cli: Cli) -> None:
    people = make_sessions(1, 2)
    write(tmp_path / "scan", sessions=people, series=("topup",))
    for path in (tmp_path / "scan").rglob("*.dcm"):
        ds = dcmread(path)
        ds.PatientAge = "034Y" if str(ds.StudyDate) == f"{people[0].start:%Y%m%d}" else "036Y"
        ds.save_as(path)
    assert cli("convert", tmp_path / "scan" / "dicom", tmp_path / "bids", "-j", "1").code == 0
    assert read_rows(tmp_path / "bids" / "participants.tsv")["sub-01"]["age"] == "34"


def test_second_visit_without_dates_gets_no_date(tmp_path: Path, two_people: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people / "P001", tmp_path / "export"))
    for path in export.rglob("*.dcm"):
        ds = dcmread(path)
        for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime"):
            if keyword in ds:
                setattr(ds, keyword, "")
        ds.save_as(path)
    assert cli("convert", export, tmp_path / "bids").code == 0
    assert "acq_time" not in (tmp_path / "bids" / "sub-01" / "sub-01_scans.tsv").read_text()


def test_second_visit_does_not_join_the_first_without_being_asked(small_export: Path, tmp_path: Path, cli: Cli) -> None:
    first, target = sorted(small_export.glob("*/*"))[0], tmp_path / "bids"
    assert cli("convert", first, target).code == 0
    before = read_tree(target)
    for _ in range(2):
        ran = cli("convert", small_export, target)
        assert (ran.code, ran.out) == (0, f"{target}: 4 unchanged, 4 for review\n"), ran.said
        assert "second study of this subject, in a dataset without sessions" in ran.err
        assert "--sessions always" in ran.err
        assert read_tree(target) == before
    assert cli("convert", small_export, target, "--sessions", "always").out == f"{target}: 4 written, 4 unchanged\n"
    assert (target / "sub-01" / "ses-02").is_dir()
    assert cli("convert", small_export, target).out == f"{target}: 8 unchanged\n"


def test_second_study_joins_the_first_where_both_are_one_visit(small_export: Path, tmp_path: Path, cli: Cli) -> None:
    first, target = sorted(small_export.glob("*/*"))[0], tmp_path / "bids"
    assert cli("convert", first, target).code == 0
    assert cli("convert", small_export, target, "--sessions", "never").out == f"{target}: 4 written, 4 unchanged\n"
    assert (target / "sub-01/func/sub-01_task-rest_run-2_bold.nii.gz").exists()
    assert cli("convert", small_export, target).out == f"{target}: 8 unchanged\n"
