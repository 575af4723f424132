"""The export as a whole: same arguments, same bytes; people, names and the answer key."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom.filereader import dcmread

from bidsflow.errors import DatasetError, StorageError
from bidsflow.phantom import (
    DIALECTS,
    Session,
    Subject,
    Truth,
    inject_defects,
    make_sessions,
    read_truth,
    write,
)
from bidsflow.phantom.defects import EXPORT_DEFECTS, FILE_DEFECTS, list_files, share_patient_id
from bidsflow.phantom.protocol import Series

SHORT = ("fieldmap", "adc")


def hash_tree(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in list_files(root)}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_write_gives_the_same_bytes_for_the_same_arguments(dialect: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, dialect=dialect, series=("fieldmap", "topup"))
    write(tmp_path / "c", dialect=dialect, series=("fieldmap", "topup"), seed=1)
    first, second, other = (hash_tree(tmp_path / n) for n in "abc")
    assert first == second
    assert len(first) >= 10
    assert sum(first.get(k) == v for k, v in other.items()) == 0


def test_truth_survives_a_round_trip(tmp_path: Path) -> None:
    truth = write(tmp_path / "x", series=("t1w", "topup", "task"))
    assert read_truth(tmp_path / "x" / "truth" / "truth.json") == truth
    assert isinstance(truth, Truth)
    assert str(tmp_path) not in (tmp_path / "x" / "truth" / "truth.json").read_text()


def test_truth_lists_the_files(tmp_path: Path) -> None:
    truth = write(tmp_path / "x", series=["adc"], sessions=make_sessions(2, 2))
    assert sum(s.files for s in truth.series) == len(list_files(tmp_path / "x" / truth.export))
    for series in truth.series:
        files = list_files(tmp_path / "x" / truth.export / series.folder)
        assert len(files) == series.files
        assert {dcmread(f, stop_before_pixels=True).SeriesInstanceUID for f in files} == {series.uid}


def test_identifiers_are_unique_and_valid(tmp_path: Path) -> None:
    truth = write(tmp_path / "x", series=["adc"], sessions=make_sessions(2, 2))
    headers = [dcmread(f, stop_before_pixels=True) for f in list_files(tmp_path / "x" / truth.export)]
    instances = [h.SOPInstanceUID for h in headers]
    assert len(set(instances)) == len(instances)
    assert all(uid.is_valid for uid in instances)
    assert len({h.StudyInstanceUID for h in headers}) == 4
    assert len({(h.PatientID, str(h.PatientName), h.PatientBirthDate) for h in headers}) == 2


def test_write_refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    with pytest.raises(DatasetError, match="not an empty folder"):
        write(tmp_path, series=SHORT)
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize(
    "wrong", [{"series": ["t1"]}, {"dialect": "philips"}, {"size": "huge"}], ids=["series", "dialect", "size"]
)
def test_write_names_what_it_does_not_know(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="known are"):
        write(tmp_path / "x", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


STRESS = [
    ("../../etc/passwd", 'O\'Brien^"Zoe"', "ISO_IR 100"),
    ("$(rm -rf .)", "Müller^Jörg^^Dr.", "ISO_IR 100"),
    ("日本/42", "Yamada^Tarou=山田^太郎=やまだ^たろう", "ISO_IR 192"),
    ("  ", "", "ISO_IR 192"),
]


@pytest.mark.parametrize(("patient_id", "name", "charset"), STRESS, ids=["path", "shell", "script", "blank"])
@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_write_keeps_hostile_names_in_the_headers_only(
    dialect: str, patient_id: str, name: str, charset: str, tmp_path: Path
) -> None:
    subject = Subject("01", patient_id, name, date(1980, 2, 29), charset=charset)
    session = Session(subject, "", datetime(2024, 2, 28, 23, 59, 30))
    truth = write(tmp_path / "x", sessions=[session], dialect=dialect, series=["adc"])
    files = list_files(tmp_path / "x" / truth.export)
    header = dcmread(files[0], stop_before_pixels=True)
    assert str(header.PatientName) == name
    assert header.PatientID == patient_id.rstrip()
    assert header.PatientAge == "043Y"
    assert {p.name for p in tmp_path.iterdir()} == {"x"}
    assert truth.sessions[0].patient_id == patient_id
    assert all(str(f.relative_to(tmp_path)).isascii() for f in files)


def test_edit_changes_a_series_before_it_is_written(tmp_path: Path) -> None:
    def hide(series: Series) -> Series:
        return replace(series, description=f"Series {series.number}")

    truth = write(tmp_path / "x", series=["t1w", "adc"], edit=hide)
    assert [s.description for s in truth.series] == ["Series 1", "Series 2"]
    header = dcmread(list_files(tmp_path / "x" / truth.export)[0], stop_before_pixels=True)
    assert header.SeriesDescription == header.ProtocolName == "Series 1"


def test_maps_have_the_shape_of_their_affine(tmp_path: Path) -> None:
    truth = write(tmp_path / "x", series=["fieldmap"])
    session = truth.sessions[0]
    field = np.load(tmp_path / "x" / "truth" / session.field_map)
    labels = np.load(tmp_path / "x" / "truth" / session.label_map)
    assert field.shape == truth.find_series("fieldmap").shape
    assert set(np.unique(labels)) <= set(range(-1, len(truth.tissues)))
    marker = np.linalg.inv(session.label_affine) @ [*session.marker, 1]
    there = labels[tuple(np.rint(marker[:3]).astype(int))]
    assert truth.tissues[there].name == "capsule"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    truth = write(tmp_path / "x", series=SHORT)
    return tmp_path / "x" / truth.export


def test_defects_change_what_they_say(export: Path) -> None:
    before = hash_tree(export)
    defects = inject_defects(export, list(FILE_DEFECTS))
    after = hash_tree(export)
    changed = {k for k in before | after if before.get(k) != after.get(k)}
    assert changed == {str(d.path.relative_to(export)) for d in defects}
    assert [d.kind for d in defects] == list(FILE_DEFECTS)


def test_damaged_files_are_damaged_as_their_name_says(export: Path) -> None:
    path = {d.kind: d.path for d in inject_defects(export, list(FILE_DEFECTS))}
    assert path["empty"].stat().st_size == 0
    assert b"DICM" not in path["text"].read_bytes()
    assert path["header-cut"].stat().st_size == 700
    whole = dcmread(path["pixels-cut"], defer_size=64)
    assert "SeriesInstanceUID" in whole
    assert path["pixels-cut"].stat().st_size < path["copy"].stat().st_size - 500
    assert "PixelData" not in dcmread(path["no-pixels"])
    assert "SeriesInstanceUID" not in dcmread(path["no-series-uid"])
    assert path["no-preamble"].read_bytes()[:2] == b"\x02\x00"
    assert "SOPInstanceUID" in dcmread(path["no-preamble"], force=True)
    assert not path["lost"].exists()
    original = path["copy"].with_name(path["copy"].name.replace("_copy", ""))
    assert path["copy"].read_bytes() == original.read_bytes()
    original = path["clash"].with_name(path["clash"].name.replace("_clash", ""))
    assert dcmread(path["clash"]).SOPInstanceUID == dcmread(original).SOPInstanceUID
    assert path["clash"].read_bytes() != original.read_bytes()


def test_export_defects_keep_the_bytes(export: Path) -> None:
    import gzip

    before = sorted(hash_tree(export).values())
    inject_defects(export, ["flat"])
    assert sorted(hash_tree(export).values()) == before
    assert all(p.parent == export for p in list_files(export))
    names = [dcmread(p, stop_before_pixels=True).SeriesNumber for p in list_files(export)[:8]]
    assert len(set(names)) > 1
    inject_defects(export, ["no-extension"])
    assert all(not p.suffix for p in list_files(export))
    inject_defects(export, ["gzip"])
    unpacked = [hashlib.sha256(gzip.decompress(p.read_bytes())).hexdigest() for p in list_files(export)]
    assert sorted(unpacked) == before
    assert set(EXPORT_DEFECTS) == {"flat", "no-extension", "gzip"}


def test_inject_names_an_unknown_defect(export: Path) -> None:
    with pytest.raises(ValueError, match="known are empty"):
        inject_defects(export, ["rain"])


def test_two_patients_can_share_an_id() -> None:
    first, second = share_patient_id(make_sessions(2))
    assert first.subject.patient_id == second.subject.patient_id
    assert first.subject.patient_name != second.subject.patient_name


@pytest.mark.parametrize(("stop", "error"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, ""), StorageError)])
def test_nothing_is_left_of_an_export_that_was_stopped(
    stop: BaseException, error: type[BaseException], tmp_path: Path
) -> None:
    def fail(title: str, done: int, total: int) -> None:
        if done:
            raise stop

    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "a" / "new", tmp_path / "empty"):
        with pytest.raises(error):
            write(root, series=("fieldmap",), progress=fail)
    assert [one.name for one in tmp_path.rglob("*")] == ["empty"]
