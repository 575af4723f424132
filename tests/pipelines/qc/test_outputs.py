"""What qc leaves behind, looked at from all sides."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from bidsflow_pipelines.qc.dictionary import describe_measure
from bidsflow_pipelines.qc.files import MODALITIES, measures_of

from bidsflow.validate import run as validate
from tests.pipelines.qc.build import Finished, copy, run_qc

IMAGES = {
    "01": ("anat/sub-01_T1w", "func/sub-01_task-rest_bold", "dwi/sub-01_dir-AP_dwi"),
    "02": ("func/sub-02_task-rest_bold",),
}


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_every_image_has_measures_figures_and_a_mask(finished: Finished) -> None:
    for label, images in IMAGES.items():
        folder = finished.qc / f"sub-{label}"
        assert sorted(path.stem for path in (folder / "figures").iterdir()) == sorted(
            image.rpartition("/")[2] for image in images
        )
        for image in images:
            content = json.loads((folder / f"{image}.json").read_text())
            assert content["Sources"] == [f"bids:raw:sub-{label}/{image}.nii.gz"]
            assert content["scanner"] == "Siemens bidsflow phantom 3 T"
            stem = image.rpartition("_")[0]
            assert (folder / f"{stem}_desc-brain_mask.nii.gz").is_file()


def test_every_measure_has_a_meaning(finished: Finished) -> None:
    seen: dict[str, set[str]] = {modality: set() for modality in MODALITIES}
    for label, images in IMAGES.items():
        for image in images:
            measures = measures_of(json.loads((finished.qc / f"sub-{label}" / f"{image}.json").read_text()))
            seen[image.rpartition("_")[2]] |= set(measures)
    assert [len(seen[modality]) > 35 for modality in ("T1w", "bold", "dwi")] == [True, True, True]
    for name in set().union(*seen.values()):
        assert describe_measure(name)["Description"]


def test_tables_of_the_group_have_a_row_for_each_image_and_a_meaning_for_each_column(finished: Finished) -> None:
    for modality, names in {
        "T1w": ["sub-01_T1w"],
        "bold": ["sub-01_task-rest_bold", "sub-02_task-rest_bold"],
        "dwi": ["sub-01_dir-AP_dwi"],
    }.items():
        rows = read_table(finished.qc / f"group_{modality}.tsv")
        assert [row["bids_name"] for row in rows] == names
        meanings = json.loads((finished.qc / f"group_{modality}.json").read_text())
        assert list(meanings) == list(rows[0])
        assert all(meaning["Description"] for meaning in meanings.values())
        assert {row["scanner"] for row in rows} == {"Siemens bidsflow phantom 3 T"}
        for row in rows:
            assert all(row.values())  # what is not known says n/a


def test_table_of_volumes_says_what_its_columns_mean(finished: Finished) -> None:
    for path in finished.qc.glob("sub-*/func/*_desc-qc_timeseries.tsv"):
        rows = read_table(path)
        about = json.loads(path.with_suffix(".json").read_text())
        assert len(rows) == 20
        for column in rows[0]:
            assert about[column]["Description"]
        assert rows[0]["framewise_displacement"] == "n/a"
        assert float(rows[1]["framewise_displacement"]) > 0


def test_page_has_a_section_a_rating_and_the_drawings_of_each_image(finished: Finished) -> None:
    for label, images in IMAGES.items():
        html = (finished.qc / f"sub-{label}.html").read_text()
        for image in images:
            assert f"sub-{label}/{image}.nii.gz" in html.replace("<wbr>", "")
        assert html.count("Save as JSON") == len(images)
        assert "Motion, signal and carpet" in html
        for title in ("Fractional anisotropy", "Brain and tissues"):
            assert (title in html) == (label == "01")


def test_page_of_the_group_leads_to_the_pages_of_participants(finished: Finished) -> None:
    html = (finished.qc / "group_qc.html").read_text()
    for label in IMAGES:
        assert f'href="sub-{label}.html' in html


def test_derivatives_are_valid(finished: Finished) -> None:
    report = validate(finished.qc, ignore_warnings=True)
    assert [f"{issue.code} {issue.location}" for issue in report.errors] == []


def test_reports_only_makes_the_same_pages_again(finished: Finished, tmp_path: Path) -> None:
    made = copy(finished, tmp_path)
    before = (made.qc / "sub-02.html").read_bytes()
    (made.qc / "sub-02.html").unlink()
    run_qc(made.bids, made.qc, "participant", "--reports-only")
    assert (made.qc / "sub-02.html").read_bytes() == before


def test_new_participant_is_added_and_the_others_are_left_alone(finished: Finished, tmp_path: Path) -> None:
    made = copy(finished, tmp_path)
    for path in (made.bids / "sub-02" / "func").iterdir():
        copied = made.bids / "sub-03" / "func" / path.name.replace("sub-02", "sub-03")
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    old = {path: path.stat().st_mtime_ns for path in made.qc.glob("sub-0[12]/**/*")}
    done = run_qc(made.bids, made.qc, "participant", "group")
    assert "1 done, 2 unchanged" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in old} == old
    rows = read_table(made.qc / "group_bold.tsv")
    assert [row["participant_id"] for row in rows] == ["sub-01", "sub-02", "sub-03"]
    assert [rows[1][name] for name in ("tsnr", "fd_mean")] == [rows[2][name] for name in ("tsnr", "fd_mean")]
    assert len(read_table(made.qc / "group_T1w.tsv")) == 1
    assert 'href="sub-03.html' in (made.qc / "group_qc.html").read_text()
