"""Bad input: each says what, where and what to do, ends with its code, and loses nothing."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag

from bidsflow.phantom import write

from .conftest import Ran, finish, needs_root, read_tree, spawn

Cli = Callable[..., Ran]


def check(ran: Ran, code: int, *texts: str) -> None:
    assert ran.code == code, ran.said
    assert "Traceback" not in ran.said
    for text in texts:
        assert text in ran.said, ran.said


def edit(export: Path, pattern: str, **values: object) -> None:
    """Set elements of every file of an export whose folder matches."""
    for path in sorted(export.rglob(f"{pattern}/*.dcm")):
        ds = dcmread(path)
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        ds.save_as(path)


# Where from and where to.


def test_folder_without_dicom_leaves_no_dataset_behind(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("hello")
    check(
        cli("convert", tmp_path / "in", tmp_path / "out"), 65, "in: no DICOM images found (1 x not DICOM)", "Give the"
    )
    assert not (tmp_path / "out").exists()


def test_folder_that_is_not_there(tmp_path: Path, cli: Cli) -> None:
    check(cli("convert", tmp_path / "in", tmp_path / "out"), 65, "in: no such file or folder", "Check the path")
    assert not (tmp_path / "out").exists()


@needs_root
@pytest.mark.parametrize(
    ("closed", "option", "code", "says"),
    [
        ("export", [], 65, "Check its permissions"),
        ("target", [], 73, "Check its permissions"),
        ("target/.bidsflow", ["--dry-run"], 73, "run this as the user who converted"),
    ],
)
def test_folder_that_may_not_be_read(closed: str, option: list[str], code: int, says: str, two_people: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        base = Path(name)
        shutil.copytree(two_people, base / "export")
        (base / "target" / ".bidsflow").mkdir(parents=True)
        base.chmod(0o755)
        subprocess.run(["chown", "-R", "65534:65534", base], check=True)
        (base / closed).chmod(0)
        script = "from bidsflow.cli.main import main; main()"
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
        if subprocess.run([*other, "-c", "pass"], capture_output=True, check=False).returncode:
            pytest.skip("this Python does not start for another user")
        command = [*other, "-c", script, "convert", *option]
        done = subprocess.run([*command, base / "export", base / "target"], capture_output=True, text=True, check=False)
    check(Ran(done.returncode, done.stdout, done.stderr), code, says)


def test_dataset_inside_the_export(my_export: Path, cli: Cli) -> None:
    check(cli("convert", my_export, my_export / "bids"), 73, "the dataset would lie inside the export", "Choose a")
    assert not (my_export / "bids").exists()


def test_dataset_that_is_the_export(my_export: Path, cli: Cli) -> None:
    check(cli("convert", my_export, my_export), 73, "the dataset would lie inside the export")


def test_export_inside_a_folder_that_is_no_dataset(my_export: Path, cli: Cli) -> None:
    check(cli("convert", my_export, my_export.parent), 73, "lies inside the dataset", "Move the export out")


def test_export_in_the_sourcedata_of_a_new_dataset(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export, target = tmp_path / "bids" / "sourcedata", tmp_path / "bids"
    shutil.copytree(two_people / "P001", export)
    (target / "notes.txt").touch()
    check(cli("convert", export, target), 73, "it holds notes.txt)")
    (target / "notes.txt").unlink()
    check(cli("convert", export, target, "--dry-run"), 0)
    check(cli("convert", export, target), 0)
    check(cli("convert", export, target), 0, "unchanged")


def test_export_inside_a_dataset_is_its_source(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    check(cli("convert", two_people / "P001", target), 0)
    shutil.copytree(two_people / "P002", target / "sourcedata" / "P002")
    check(cli("convert", target / "sourcedata", target), 0, "2 written")
    assert (target / "sub-02").is_dir()


def test_dataset_that_is_not_ours(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    check(cli("convert", two_people, tmp_path), 73, "was not made by bidsflow", "thesis.doc", "Name a new folder")
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.doc"]


def test_dataset_that_is_a_file(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "out").write_text("mine")
    check(cli("convert", two_people, tmp_path / "out"), 73, "this is a file, not a folder", "Name a folder")


def test_dataset_below_a_file(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "out").write_text("mine")
    check(cli("convert", two_people, tmp_path / "out" / "bids"), 73, "Not a directory")


def test_dataset_behind_links_in_circles(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    check(cli("convert", two_people, tmp_path / "a"), 73, "Check the")


def test_one_path_is_not_enough(two_people: Path, cli: Cli) -> None:
    check(cli("convert", two_people), 2, "at least one export and, last, the dataset")


def test_name_that_is_too_long(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    check(cli("convert", two_people, tmp_path / ("x" * 300)), 73, "File name too long")


def test_export_may_be_one_file(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    file = next(two_people.rglob("*SBRef/*.dcm"))
    check(cli("convert", file, tmp_path / "bids"), 0)


# Plans.


@pytest.fixture
def plan(two_people: Path, tmp_path: Path, cli: Cli) -> Path:
    check(cli("plan", two_people, "-o", tmp_path / "plan.tsv"), 0)
    return tmp_path / "plan.tsv"


def read_rows(plan: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(plan.read_text().splitlines(), delimiter="\t"))


def write_rows(plan: Path, rows: list[dict[str, str]]) -> None:
    plan.write_text("\n".join(["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]) + "\n")


class CasePlan(NamedTuple):
    title: str
    change: Callable[[list[dict[str, str]]], None]
    texts: tuple[str, ...]


BAD_PLANS = [
    CasePlan("one path twice", lambda rows: rows[1].update(path=rows[0]["path"]), ("2 rows claim", "skip one")),
    CasePlan("unknown series", lambda rows: rows[0].update(series_uid="1.2.3"), ("no such series", "plan again")),
    CasePlan("other number of files", lambda rows: rows[0].update(n_files="7"), ("planned with 7 files", "plan again")),
    CasePlan("no such image", lambda rows: rows[0].update(image="4"), ("the series has 1 images, not 4",)),
    CasePlan("no name of BIDS", lambda rows: rows[0].update(path="sub-01/anat/sub-01_bold"), ("BIDS has no image",)),
    CasePlan("outside", lambda rows: rows[0].update(path="../../etc/passwd"), ("relative to the dataset",)),
    CasePlan("absolute", lambda rows: rows[0].update(path="/etc/passwd"), ("relative to the dataset",)),
    CasePlan("odd label", lambda rows: rows[0].update(path="sub-0_1/anat/sub-0_1_T1w"), ("0_1",)),
    CasePlan("odd decision", lambda rows: rows[0].update(decision="maybe"), ("'maybe' is none of",)),
    CasePlan("no number", lambda rows: rows[0].update(image="one"), ("image is 'one', not a number",)),
    CasePlan("no uid", lambda rows: rows[0].update(series_uid=""), ("series_uid is empty",)),
    CasePlan("row twice", lambda rows: rows.append(rows[0] | {"path": "sub-9/func/sub-9_task-a_bold"}), ("2 rows",)),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD_PLANS, ids=lambda case: case.title)
def test_plan_that_cannot_be_carried_out(
    case: CasePlan, plan: Path, two_people: Path, tmp_path: Path, cli: Cli
) -> None:
    rows = read_rows(plan)
    case.change(rows)
    write_rows(plan, rows)
    check(cli("convert", two_people, tmp_path / "bids", "--plan", plan), 65, "plan.tsv", *case.texts)
    assert read_tree(tmp_path / "bids") == {}


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda data: data.replace(b"\t", b";"), "cells where the header has 14"),
        (lambda data: b"", "not the header of a plan"),
        (lambda data: data.replace(b"BOLD", b"B\xe9LD"), "is not UTF-8"),
        (lambda data: data.decode().encode("utf-16"), ""),
        (lambda data: data.replace(b"BOLD", b"B\0LD"), ""),
        (lambda data: os.urandom(300), ""),
    ],
)
def test_plan_that_cannot_be_read(
    damage: Callable[[bytes], bytes], text: str, plan: Path, two_people: Path, tmp_path: Path, cli: Cli
) -> None:
    plan.write_bytes(damage(plan.read_bytes()))
    ran = cli("convert", two_people, tmp_path / "bids", "--plan", plan)
    assert (ran.code == 65 and "plan.tsv" in ran.err) or (text == "" and ran.code == 0), ran.said
    check(ran, ran.code, text)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: "\n".join("\t".join(f'"{cell}"' for cell in line.split("\t")) for line in text.splitlines()),
        lambda text: text.rstrip("\n") + "\n\t\t\t\t\t\t\t\t\t\t\t\t\n\n",
        lambda text: "\n".join(line + "\tmy note" for line in text.splitlines()),
        lambda text: "\n".join("\t".join(reversed(line.split("\t"))) for line in text.splitlines()),
    ],
)
def test_plan_that_a_spreadsheet_saved(
    damage: Callable[[str], str], plan: Path, two_people: Path, tmp_path: Path, cli: Cli
) -> None:
    plan.write_bytes(damage(plan.read_text()).encode())
    check(cli("convert", two_people, tmp_path / "bids", "--plan", plan), 0, "4 written")


def test_plan_with_a_quote_in_a_description_loses_no_row(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    edit(export / "P001", "*SBRef", SeriesDescription='"odd SBRef')
    check(cli("plan", export, "-o", tmp_path / "plan.tsv"), 0, "4 images")
    check(cli("convert", export, tmp_path / "bids", "--plan", tmp_path / "plan.tsv"), 0, "4 written")


def test_plan_that_is_not_there(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    ran = cli("convert", two_people, tmp_path / "bids", "--plan", tmp_path / "plan.tsv")
    check(ran, 65, "the plan cannot be read (No such file", "Write one with: bidsflow plan")
    assert not (tmp_path / "bids").exists()


# Series.


def test_series_that_dcm2niix_refuses_stops_no_other(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    for path in (export / "P001").rglob("*rest/*.dcm"):
        ds = dcmread(path)
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"  # JPEG, which these bytes are not
        ds.PixelData = encapsulate([bytes(ds.PixelData[:1000])])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
        ds.save_as(path)
    ran = cli("convert", export, tmp_path / "bids")
    check(ran, 1, "3 written, 1 failed", "BOLD_rest")
    found = read_tree(tmp_path / "bids")
    assert sum(name.endswith(".nii.gz") for name in found) == 3
    assert b"task-rest_bold" not in found["sub-01/sub-01_scans.tsv"]
    shutil.rmtree(export)
    shutil.copytree(two_people, export)
    check(cli("convert", export, tmp_path / "bids"), 0, "1 written, 3 unchanged")


def test_image_with_writing_on_it_waits_for_a_person(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    edit(export / "P001", "*rest", BurnedInAnnotation="YES")
    check(cli("convert", export, tmp_path / "bids"), 0, "3 written, 1 for review", "may show the name of the person")
    plan = tmp_path / "plan.tsv"
    check(cli("plan", export, "--bids-dir", tmp_path / "bids", "-o", plan), 0)
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    ran = cli("convert", export, tmp_path / "bids", "--plan", plan)
    check(ran, 0, "1 written, 3 unchanged", "may show the name of the person")


def test_series_with_pixels_of_no_size(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    edit(export / "P001", "*rest", PixelSpacing=[0, 0])
    ran = cli("convert", export, tmp_path / "bids")
    check(ran, ran.code, "written")
    assert ran.code in (0, 1)


def test_part_of_an_export_that_breaks_off_is_told_by_the_exit_code(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    last = sorted((export / "P001").rglob("*rest/*.dcm"))[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[:-2000])
    (export / "P003.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    ran = cli("convert", export, tmp_path / "bids")
    check(ran, 1, "truncated (fetch it again)", "a 7z archive (unpack it first", "2 parts of the export cannot be read")
    check(cli("status", tmp_path / "bids"), 0, "2 files set aside")
    last.write_bytes(whole)
    (export / "P003.7z").unlink()
    check(cli("convert", export, tmp_path / "bids"), 0)
    check(cli("status", tmp_path / "bids"), 0, "0 files set aside")


def test_series_whose_files_vanish_stops_no_other(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    check(cli("convert", export, tmp_path / "bids"), 0)
    gone = next((export / "P001").rglob("*rest/*.dcm"))
    gone.unlink()
    ran = cli("convert", export, tmp_path / "bids")
    assert ran.code in (0, 1), ran.said
    check(ran, ran.code, "3 unchanged")


def test_a_reference_that_was_sent_again_is_used_once(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people / "P001", tmp_path / "export"))
    shutil.copytree(next(export.rglob("*SBRef")), tmp_path / "export" / "again")
    for path in (tmp_path / "export" / "again").iterdir():
        ds = dcmread(path)
        ds.SeriesInstanceUID += ".9"
        ds.SOPInstanceUID += ".9"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(path)
    ran = cli("convert", export, tmp_path / "bids")
    assert ran.code == 0, ran.said
    names = [name for name in read_tree(tmp_path / "bids") if name.endswith("sbref.nii.gz")]
    assert len(names) == 1, ran.said  # the one that its run follows at once; the other is for a person


def test_study_with_nothing_to_convert_says_so_and_leaves_no_dataset(tmp_path: Path, cli: Cli) -> None:
    check(cli("phantom", tmp_path / "scan", "--series", "localizer"), 0)
    ran = cli("convert", tmp_path / "scan" / "dicom", tmp_path / "new" / "bids")
    check(ran, 0, "nothing to convert", "bidsflow plan EXPORT")
    assert not (tmp_path / "new").exists()


def test_plan_that_only_skips_leaves_no_dataset(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    plan = tmp_path / "plan.tsv"
    check(cli("plan", two_people, "-o", plan), 0)
    plan.write_text(plan.read_text().replace("\tconvert\t", "\tskip\t"))
    check(cli("convert", two_people, tmp_path / "bids", "--plan", plan), 0, "nothing to convert, 4 skipped")
    assert not (tmp_path / "bids").exists()
    (tmp_path / "bids").mkdir()
    check(cli("convert", two_people, tmp_path / "bids", "--plan", plan), 0, "nothing to convert, 4 skipped")
    assert not any((tmp_path / "bids").iterdir())


ODD = ["../../../etc/x", "a\"b'c", "\x1b[31mred", "x" * 64, "nul\0byte", "<script>alert(1)</script>", "-rf",
       "; rm -rf /", "$(id)", "per cent %s %n", "[bold]", "a\\b", "naïve", "日本", ""]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_reach_no_name_and_no_terminal(text: str, two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people / "P001", tmp_path / "export"))
    raw = text.encode("utf-8" if "日" in text else "latin-1")
    raw += b" " * (len(raw) % 2)
    for path in export.rglob("*.dcm"):
        ds = dcmread(path)
        for keyword, vr in (("PatientID", "LO"), ("PatientName", "PN"), ("SeriesDescription", "LO"),
                            ("ProtocolName", "LO"), ("ImageComments", "LT"), ("StudyDescription", "LO")):  # fmt: skip
            tag = Tag(keyword)
            ds._dict[tag] = RawDataElement(tag, vr, len(raw), raw, 0, False, True)
        ds.save_as(path)
    ran = cli("convert", export, tmp_path / "bids")
    check(ran, 0)
    assert "\x1b" not in ran.said
    names = set(read_tree(tmp_path / "bids"))
    assert all(re.fullmatch(r"[A-Za-z0-9_/.-]+", name) for name in names)
    assert "alert" not in "".join(names)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bids", "export"]
    again = cli("convert", export, tmp_path / "bids")
    check(again, 0)
    assert "written" not in again.out


def test_one_id_under_two_names_is_up_for_review(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    edit(export, "*", PatientID="SAME")
    ran = cli("convert", export, tmp_path / "bids")
    check(ran, 0, "4 for review", "one patient ID stands for different names")
    assert read_tree(tmp_path / "bids") == {}


# What bidsflow keeps for itself.


@pytest.fixture
def done(two_people: Path, tmp_path: Path, cli: Cli) -> Path:
    check(cli("convert", two_people, tmp_path / "bids"), 0)
    return tmp_path / "bids"


def test_dataset_whose_memory_is_gone_is_left_alone(done: Path, two_people: Path, cli: Cli) -> None:
    before = read_tree(done)
    shutil.rmtree(done / ".bidsflow")
    check(
        cli("convert", two_people, done), 73, "was not made by bidsflow, or has lost its .bidsflow", "Name a new folder"
    )
    assert read_tree(done) == before


@pytest.mark.parametrize("name", ["private/key.json", "ledger/sub-01.json", "journal/x.json"])
def test_damaged_memory_is_said_and_nothing_is_changed(name: str, done: Path, two_people: Path, cli: Cli) -> None:
    before = read_tree(done)
    (done / ".bidsflow" / name).write_bytes(b'{"a": \xff')
    check(cli("convert", two_people, done), 73, Path(name).name, "is damaged")
    assert read_tree(done) == before


def test_lost_key_is_said(done: Path, two_people: Path, cli: Cli) -> None:
    (done / ".bidsflow" / "private" / "key.json").unlink()
    check(cli("convert", two_people, done), 73, "the private key of the dataset is gone", "Restore it")


def test_lost_ledger_overwrites_nothing_but_by_force(done: Path, two_people: Path, cli: Cli) -> None:
    before = read_tree(done)
    (done / ".bidsflow" / "ledger" / "sub-01.json").unlink()
    check(cli("convert", two_people, done), 1, "2 unchanged, 2 failed", "is in the way")
    assert read_tree(done) == before
    check(cli("convert", two_people, done, "--force"), 0, "4 written")
    assert read_tree(done) == before


@pytest.mark.parametrize("data", [b"", b"garbage" * 500])
def test_damaged_index_is_built_anew(data: bytes, done: Path, two_people: Path, cli: Cli) -> None:
    (done / ".bidsflow" / "inventory.sqlite").write_bytes(data)
    check(cli("convert", two_people, done), 0, "4 unchanged")


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("participants.tsv", b"participant_id;age\nsub-01;34\n", "no column participant_id"),
        ("participants.tsv", "participant_id\tname\nsub-01\tÉva\n".encode("latin-1"), "not UTF-8"),
        ("participants.tsv", b"participant_id\nsub-01\nsub-01\n", "two rows have the same participant_id"),
        ("sub-01/sub-01_scans.tsv", b"file\nx\n", "no column filename"),
    ],
)
def test_table_that_cannot_be_read_is_said_before_the_work_begins(
    name: str, data: bytes, text: str, done: Path, two_people: Path, cli: Cli
) -> None:
    (done / name).write_bytes(data)
    before = read_tree(done)
    check(cli("convert", two_people, done, "--force"), 73, name, text)
    assert read_tree(done) == before


# Two at once.


def test_two_runs_at_once_make_what_one_after_the_other_makes(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    trees = []
    for rank, order in enumerate((("P001", "P002"), ("P002", "P001"))):
        for person in order:
            check(cli("convert", two_people / person, tmp_path / str(rank) / "bids"), 0)
        trees.append(read_tree(tmp_path / str(rank) / "bids"))
    for trial in range(2):
        target = tmp_path / f"both{trial}" / "bids"
        started = [spawn("convert", two_people / person, target) for person in ("P001", "P002")]
        for ran in map(finish, started):
            check(ran, 0, "2 written")
        assert read_tree(target) in trees


def test_two_runs_of_the_same_command_at_once(small_export: Path, tmp_path: Path, reference: dict[str, bytes]) -> None:
    target = tmp_path / "bids"
    for ran in map(finish, [spawn("convert", small_export, target) for _ in range(3)]):
        check(ran, 0)
    assert read_tree(target) == reference
    check(finish(spawn("convert", small_export, target)), 0, "8 unchanged")


@pytest.mark.parametrize(
    "values", [{"PixelSpacing": [0, 0]}, {"ImageOrientationPatient": [0] * 6}], ids=lambda values: next(iter(values))
)
def test_image_without_a_place_is_never_converted(values: dict[str, list[int]], tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "scan", dialect="ge", series=["t1w"])
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    for file in export.rglob("*.dcm"):
        header = dcmread(file)
        for keyword, value in values.items():
            setattr(header, keyword, value)
        header.save_as(file)
    ran = cli("convert", export, target)
    assert "1 for review" in ran.said
    plan = tmp_path / "plan.tsv"
    assert cli("plan", export, "-o", plan).code == 0
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    ran = cli("convert", export, target, "--plan", plan)
    assert ran.code == 65
    assert "where it lies would be made up" in ran.said
    assert not list(target.rglob("*.nii.gz"))
