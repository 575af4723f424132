"""What a person changes in a plan is carried out, or refused before anything is written."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from bidsflow.phantom import make_sessions, write

from .conftest import Ran, read_tree
from .test_rerun import make_plan, read_rows
from .test_valid import PROGRAM, find_errors

Cli = Callable[..., Ran]
FIELD_KEYS = {"B0FieldIdentifier", "B0FieldSource", "IntendedFor"}


def read_sidecar(root: Path, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((root / "sub-01" / "ses-01" / f"{name}.json").read_text())
    return found


def test_skipping_one_half_of_a_pair_leaves_no_label_of_it(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        if row["path"] == "sub-01/ses-01/fmap/sub-01_ses-01_dir-PA_epi":
            row["decision"] = "skip"

    target = tmp_path / "bids"
    ran = cli("convert", my_export, target, "--plan", make_plan(my_export, target, cli, change))
    assert ran.code == 0, ran.said
    for name in ("fmap/sub-01_ses-01_dir-AP_epi", "func/sub-01_ses-01_task-rest_bold"):
        assert not FIELD_KEYS & read_sidecar(target, name).keys()
    assert "B0FieldSource" in (target / "sub-01/ses-02/func/sub-01_ses-02_task-rest_bold.json").read_text()


def test_half_that_fails_takes_the_labels_along_until_it_is_there(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target, bold = tmp_path / "bids", "func/sub-01_ses-01_task-rest_bold"
    obstacle = target / "sub-01/ses-01/fmap/sub-01_ses-01_dir-PA_epi.nii.gz"
    assert cli("convert", my_export, target, "--session", "02").code == 0
    obstacle.parent.mkdir(parents=True)
    obstacle.write_bytes(b"")
    assert cli("convert", my_export, target).code == 1
    assert not FIELD_KEYS & read_sidecar(target, bold).keys()
    obstacle.unlink()
    assert cli("convert", my_export, target).code == 0
    assert "B0FieldSource" in read_sidecar(target, bold)


@pytest.mark.parametrize(
    ("column", "name", "value", "says"),
    [
        ("b0_source", "task-rest_bold", "pepolar1ses1", "is it 'pepolar1ses01'?"),
        ("b0_identifier", "dir-PA_epi", "pepolar1ses0l", "'pepolar1ses0l', where the images that it goes with have"),
        ("path", "task-rest_bold", "sub-01/ses-01/anat/sub-01_ses-01_T1w", "a T1w has one volume"),
        ("path", "task-rest_bold", "sub-01/ses-01/perf/sub-01_ses-01_asl", "BIDS requires aslcontext.tsv"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    column: str, name: str, value: str, says: str, my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    def change(row: dict[str, str]) -> None:
        if row["path"].endswith(f"ses-01_{name}"):
            row[column] = value

    target = tmp_path / "bids"
    ran = cli("convert", my_export, target, "--plan", make_plan(my_export, target, cli, change))
    assert ran.code == 65
    assert says in ran.err
    assert "series " in ran.err
    assert not list(target.glob("sub-*"))


def reverse_phase_encoding(folder: Path, copy: Path) -> None:
    """Write a series again as another one, measured later and in the opposite direction (Siemens' CSA header)."""
    for path in folder.glob("*.dcm"):
        ds = dcmread(path)
        csa = ds[0x0029, 0x1010]
        start = csa.value.index(b"PhaseEncodingDirectionPositive\0") + 100  # name, description of the tag, of its item
        assert csa.value[start : start + 1] in b"01"
        flipped = b"0" if csa.value[start : start + 1] == b"1" else b"1"
        csa.value = csa.value[:start] + flipped + csa.value[start + 1 :]
        ds.SeriesInstanceUID = UID(f"{ds.SeriesInstanceUID}.9")
        ds.SOPInstanceUID = UID(f"{ds.SOPInstanceUID}.9")
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.SeriesNumber = int(ds.SeriesNumber) + 50
        ds.SeriesDescription = ds.ProtocolName = "DWI_b1000_PA"
        ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "235000.000000"
        copy.mkdir(exist_ok=True)
        ds.save_as(copy / path.name)


@pytest.mark.validator
@pytest.mark.skipif(PROGRAM is None, reason="the reference validator is not installed (extra `dev`)")
def test_diffusion_in_opposite_directions_is_its_own_field(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "scan", sessions=make_sessions(1, 1), size="tiny", series=("dwi",))
    (folder,) = {path.parent for path in (tmp_path / "scan" / "dicom").rglob("*DWI*/*.dcm")} - set(
        (tmp_path / "scan" / "dicom").rglob("*ADC*")
    )
    reverse_phase_encoding(folder, folder.with_name("PA"))
    assert cli("convert", tmp_path / "scan" / "dicom", tmp_path / "bids").code == 0
    for direction in ("AP", "PA"):
        sidecar = json.loads((tmp_path / f"bids/sub-01/dwi/sub-01_dir-{direction}_dwi.json").read_text())
        assert (sidecar["B0FieldIdentifier"], sidecar["B0FieldSource"]) == ("pepolar1", "pepolar1")
        assert "IntendedFor" not in sidecar
    assert find_errors(tmp_path / "bids") == []


def test_plan_of_a_spreadsheet_makes_the_same_dataset(
    my_export: Path, tmp_path: Path, cli: Cli, reference: dict[str, bytes]
) -> None:
    target = tmp_path / "bids"
    plan = make_plan(my_export, target, cli, lambda row: None)
    rows = [line.split("\t") for line in plan.read_text().splitlines()]
    plan.write_text("\n".join(";".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows))
    shutil.rmtree(target, ignore_errors=True)
    assert cli("convert", my_export, target, "--plan", plan).code == 0
    assert read_tree(target) == reference


def test_first_visit_can_be_moved_into_a_session_by_the_plan(
    my_export: Path, tmp_path: Path, cli: Cli, reference: dict[str, bytes]
) -> None:
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("convert", sorted(my_export.glob("*/*"))[0], target).code == 0
    assert cli("plan", my_export, "--bids-dir", target, "--sessions", "always", "-o", plan).code == 0
    text = plan.read_text()
    for folder in ("fmap", "func"):
        text = text.replace(f"sub-01/{folder}/sub-01_", f"sub-01/ses-01/{folder}/sub-01_ses-01_")
    plan.write_text(text)
    assert cli("convert", my_export, target, "--plan", plan).code == 0
    found = read_tree(target)
    assert found.keys() == reference.keys()
    images = {name for name in reference if name.endswith(".nii.gz")}
    assert {name: found[name] for name in images} == {name: reference[name] for name in images}
    # The plan kept the label of a field of a visit without a session; now it is that of the session.
    assert cli("convert", my_export, target).out == f"{target}: 8 unchanged, 4 sidecars rewired\n"
    assert cli("convert", my_export, target).out == f"{target}: 8 unchanged\n"


def swap_directions(row: dict[str, str]) -> None:
    head, tail = row["path"].split("dir-")
    row["path"] = f"{head}dir-{ {'AP': 'PA', 'PA': 'AP'}[tail[:2]] }{tail[2:]}"


@pytest.fixture
def pair(tmp_path: Path, cli: Cli) -> tuple[Path, Path]:
    """An export with a pair of blips, and the dataset made of it."""
    write(tmp_path / "scan", series=("topup",))
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    assert cli("convert", export, target).code == 0
    return export, target


def test_image_that_cannot_leave_keeps_its_place(pair: tuple[Path, Path], cli: Cli) -> None:
    export, target = pair
    (target / "sub-01/fmap/sub-01_dir-LR_epi.nii.gz").write_bytes(b"mine")
    before = read_tree(target)
    onwards = {"AP": "LR", "PA": "AP"}  # the file of a person stops the first, and so the second

    def change(row: dict[str, str]) -> None:
        head, tail = row["path"].split("dir-")
        row["path"] = f"{head}dir-{onwards[tail[:2]]}{tail[2:]}"

    ran = cli("convert", export, target, "--plan", make_plan(export, target, cli, change))
    assert ran.code == 1
    assert (ran.err.count("is in the way"), ran.out) == (2, f"{target}: 2 failed\n")
    assert read_tree(target) == before


def test_force_leaves_no_second_image_of_one_name(pair: tuple[Path, Path], cli: Cli) -> None:
    export, target = pair
    before = set(read_tree(target))
    for ext in (".nii", ".bval"):
        (target / f"sub-01/fmap/sub-01_dir-AP_epi{ext}").write_bytes(b"mine")
    (target / "sub-01/fmap/sub-01_dir-AP_epi.nii.gz").unlink()
    assert cli("convert", export, target, "--force").code == 0
    assert set(read_tree(target)) == before


def test_image_that_fails_keeps_its_place(pair: tuple[Path, Path], cli: Cli) -> None:
    export, target = pair
    plan, before = make_plan(export, target, cli, swap_directions), read_tree(target)
    for path in sorted(export.rglob("*_AP/*.dcm")):
        ds = dcmread(path)
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"  # JPEG, which these bytes are not
        ds.PixelData = encapsulate([bytes(ds.PixelData[:1000])])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
        ds.save_as(path)
    ran = cli("convert", export, target, "--plan", plan)
    assert ran.code == 1
    assert ran.out == f"{target}: 2 failed\n"
    assert read_tree(target) == before


def test_plan_that_gives_someone_the_place_of_another_is_refused(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("convert", two_people / "P001", target).code == 0
    before = read_tree(target)
    assert cli("plan", two_people / "P002", "-o", plan).code == 0  # without --bids-dir it begins with sub-01 again
    plan.write_text(plan.read_text().replace("task-rest", "task-other"))
    ran = cli("convert", two_people / "P002", target, "--plan", plan)
    assert ran.code == 65
    assert "sub-01 of this dataset is someone else" in ran.err
    assert read_tree(target) == before
    text = plan.read_text().replace("sub-01/func/sub-01", "sub-01/ses-02/func/sub-01_ses-02")
    plan.write_text(text)  # if they are one after all
    ran = cli("convert", two_people / "P002", target, "--plan", plan)
    assert (ran.code, ran.err.count("joins sub-01, who is someone else")) == (0, 1), ran.said
    assert "someone else" not in cli("convert", two_people / "P002", target, "--plan", plan).err


def test_two_people_swap_labels_by_way_of_a_free_one(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", two_people, target).code == 0
    table = target / "participants.tsv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{head}\tgroup", *(f"{row}\tg{rank}" for rank, row in enumerate(rows))]) + "\n")
    before = read_tree(target)

    def rename(**labels: str) -> int:
        def change(row: dict[str, str]) -> None:
            here = row["path"].partition("/")[0].removeprefix("sub-")
            row["path"] = row["path"].replace(f"sub-{here}", f"sub-{labels.get(f's{here}', here)}")

        (tmp_path / "plan.tsv").unlink(missing_ok=True)
        return cli("convert", two_people, target, "--plan", make_plan(two_people, target, cli, change)).code

    assert rename(s01="02", s02="01") == 65  # what the tables say of the one would pass to the other
    assert read_tree(target) == before
    assert [rename(s01="07"), rename(s02="01"), rename(s07="02")] == [0, 0, 0]
    bold = "sub-{0}/func/sub-{0}_task-rest_bold.nii.gz"
    assert read_tree(target)[bold.format("02")] == before[bold.format("01")]
    swapped = [row.replace("sub-01", "X").replace("sub-02", "sub-01").replace("X", "sub-02") for row in rows]
    expected = sorted(f"{row}\tg{rank}" for rank, row in enumerate(swapped))
    assert table.read_text().splitlines()[1:] == expected


def rename(labels: dict[str, str], export: Path, target: Path, cli: Cli) -> Ran:
    """Carry out the plan of a dataset with other labels."""

    def change(row: dict[str, str]) -> None:
        row["path"] = re.sub("|".join(labels), lambda found: labels[found[0]], row["path"])

    (target.parent / "plan.tsv").unlink(missing_ok=True)
    return cli("convert", export, target, "--plan", make_plan(export, target, cli, change))


def add_column(table: Path, name: str, cells: dict[str, str]) -> None:
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{head}\t{name}", *(f"{row}\t{cells[row.split()[0]]}" for row in rows)]) + "\n")


def test_cells_go_with_the_person_though_files_of_others_stay(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", two_people, target).code == 0
    table, events = target / "participants.tsv", target / "sub-01/func/sub-01_task-rest_events.tsv"
    add_column(table, "group", {"sub-01": "pat", "sub-02": "ctl"})
    before = read_rows(table)
    events.write_text("onset\tduration\n1\t2\n")
    assert rename({"sub-01": "sub-09"}, two_people, target, cli).code == 0
    rows = read_rows(table)
    assert rows["sub-09"] == {**before["sub-01"], "participant_id": "sub-09"}
    assert rows["sub-01"] == {"participant_id": "sub-01", "age": "n/a", "sex": "n/a", "group": "n/a"}
    ran = rename({"sub-02": "sub-01"}, two_people, target, cli)
    assert (ran.code, "sub-01 still holds files of someone who is sub-09 now" in ran.err) == (65, True)
    assert rename({"sub-09": "sub-01"}, two_people, target, cli).code == 0  # back to its own
    assert read_rows(table) == before
    assert rename({"sub-01": "sub-09"}, two_people, target, cli).code == 0
    events.unlink()
    assert rename({"sub-02": "sub-01"}, two_people, target, cli).code == 0
    assert read_rows(table)["sub-01"] == {**before["sub-02"], "participant_id": "sub-01"}


def test_cells_that_a_person_wrote_go_along_from_all_sessions(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    table = target / "participants.tsv"
    table.write_text("participant_id\tage\nsub-01\t77\n")
    assert rename({"sub-01": "sub-09"}, my_export, target, cli).code == 0
    assert list(read_rows(table)) == ["sub-09"]
    assert read_rows(table)["sub-09"]["age"] == "77"


@pytest.mark.parametrize("stays", [False, True], ids=["nothing", "events"])
def test_cells_go_with_the_session(stays: bool, my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    table, events = target / "sub-01/sub-01_sessions.tsv", target / "sub-01/ses-01/func/sub-01_ses-01_events.tsv"
    add_column(table, "note", {"ses-01": "pre", "ses-02": "post"})
    before = read_rows(table)
    if stays:
        events.write_text("onset\tduration\n1\t2\n")
    assert rename({"ses-01": "ses-02", "ses-02": "ses-01"}, my_export, target, cli).code == 65
    assert rename({"ses-01": "ses-09"}, my_export, target, cli).code == 0
    rows = read_rows(table)
    assert rows["ses-09"] == {**before["ses-01"], "session_id": "ses-09"}
    assert rows.get("ses-01") == ({"session_id": "ses-01", "acq_time": "n/a", "note": "n/a"} if stays else None)
    if stays:
        ran = rename({"ses-02": "ses-01"}, my_export, target, cli)
        assert (ran.code, "sub-01/ses-01 still holds files of a visit that is sub-01/ses-09" in ran.err) == (65, True)
        events.unlink()
    assert rename({"ses-02": "ses-01"}, my_export, target, cli).code == 0
    assert read_rows(table)["ses-01"] == {**before["ses-02"], "session_id": "ses-01"}


def test_dates_of_a_person_stay_under_another_label(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", two_people, target).code == 0
    scans = "sub-{0}/sub-{0}_scans.tsv"
    before = (target / scans.format("02")).read_text()
    for labels in ({"sub-01": "sub-09"}, {"sub-02": "sub-01"}):
        assert rename(labels, two_people, target, cli).code == 0
    assert (target / scans.format("01")).read_text() == before.replace("sub-02", "sub-01")


def test_people_whom_a_plan_joins_are_told(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace("sub-02/func/sub-02_task-rest", "sub-01/func/sub-01_task-other")

    target = tmp_path / "bids"
    ran = cli("convert", two_people, target, "--plan", make_plan(two_people, target, cli, change))
    assert (ran.code, ran.err.count("sub-01 is 2 people by their headers")) == (0, 1), ran.said


MOVES = {
    "subject": ("sub-01", "sub-07", ("func/sub-01_task-rest_events.tsv", "beh/sub-01_task-x_beh.tsv", "notes.txt")),
    "run": ("task-rest_", "task-rest_run-2_", ("func/sub-01_task-rest_events.tsv",)),
}


@pytest.mark.parametrize("name", MOVES)
def test_files_of_others_that_an_image_leaves_behind_are_told(
    name: str, two_people: Path, tmp_path: Path, cli: Cli
) -> None:
    old, new, told = MOVES[name]
    export, target = two_people / "P001", tmp_path / "bids"
    assert cli("convert", export, target).code == 0
    others = [*MOVES["subject"][2], "func/sub-01_task-rest_recording-a_physio.tsv.gz", "anat/sub-01_T2w.nii.gz"]
    for other in others:
        file = target / "sub-01" / other
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")

    def change(row: dict[str, str]) -> None:
        row["path"] = row["path"].replace(old, new)

    plan = make_plan(export, target, cli, change)
    ran = cli("convert", export, target, "--plan", plan)
    assert ran.code == 0, ran.said
    assert all((target / "sub-01" / other).read_text() == "mine" for other in others)
    image = "sub-01/func/sub-01_task-rest_bold. R".replace(old, new)
    for other in told:
        assert f"left behind sub-01/{other}: bidsflow did not write it" in ran.err
        beside = image if other.startswith("func") else "sub-07. R"
        assert (
            f"{other}: bidsflow did not write it, so it keeps its name; what it stood beside is now {beside}" in ran.err
        )
    assert ran.err.count("left behind") == (5 if name == "subject" else 2)
    assert "left behind" not in cli("convert", export, target, "--plan", plan).err


def read_replaced(root: Path) -> dict[str, bytes]:
    """Return what was put by, by its path in the dataset, whatever the commit."""
    rooms = (root / ".bidsflow" / "replaced").glob("*")
    return {
        str(file.relative_to(room)): file.read_bytes() for room in rooms for file in room.rglob("*") if file.is_file()
    }


def test_what_force_replaces_is_put_by(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target, name = tmp_path / "bids", "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.json"
    assert cli("convert", my_export, target).code == 0
    assert cli("convert", my_export, target).code == 0
    edited = b'{"Modality": "MR", "Comment": "mine"}'
    (target / name).write_bytes(edited)
    assert cli("convert", my_export, target).code == 0
    assert read_replaced(target) == {}
    assert cli("convert", my_export, target, "--force").code == 0
    assert read_replaced(target) == {name: edited}
    assert (target / name).read_bytes() != edited


def test_image_that_moves_is_not_put_by(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0

    def change(row: dict[str, str]) -> None:
        if row["path"] == "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold":
            row["path"] = "sub-01/ses-01/func/sub-01_ses-01_task-rest_acq-new_bold"

    assert cli("convert", my_export, target, "--plan", make_plan(my_export, target, cli, change)).code == 0
    assert (target / "sub-01/ses-01/func/sub-01_ses-01_task-rest_acq-new_bold.nii.gz").is_file()
    assert not [name for name in read_replaced(target) if name.endswith(".nii.gz")]
