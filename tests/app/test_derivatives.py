"""What describes derivatives, and where they stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bidsflow.app import derivatives
from bidsflow.app.spec import Pipeline
from bidsflow.app.state import read_json
from bidsflow.dataset.origin import CONTAINER
from bidsflow.errors import RunError


def test_description_names_program_container_and_sources(
    toy: Pipeline, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = json.loads((dataset / "dataset_description.json").read_text())
    (dataset / "dataset_description.json").write_text(json.dumps({**raw, "DatasetDOI": "doi:10.1/toys"}))
    monkeypatch.setenv(CONTAINER, "docker://x/toy:1")
    others = {"anat": tmp_path / "elsewhere" / "anat"}
    description = derivatives.describe_dataset(toy, dataset, tmp_path / "out", others)
    assert description["DatasetType"] == "derivative"
    assert description["Name"] == "Toys: toy"
    assert description["GeneratedBy"][0]["Name"] == "bidsflow toy"
    assert description["GeneratedBy"][0]["Version"] == "1.2.0"
    assert description["GeneratedBy"][0]["Container"]["Tag"] == "x/toy:1"
    assert description["DatasetLinks"] == {"raw": "../bids", "anat": "../elsewhere/anat"}
    assert description["SourceDatasets"] == [{"DOI": "doi:10.1/toys"}]
    assert description["Authors"] == ["T. Toy"]


@pytest.mark.parametrize("name", ["/etc/x", "../x", "sub-01/../../x", ""])
def test_derivative_outside_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="outside"):
        derivatives.place_of(name)


def test_values_that_json_does_not_know_are_told_with_the_file(tmp_path: Path) -> None:
    import numpy as np

    target = derivatives.stage_file(tmp_path, "a.json", {"x": np.float32(1.5), "n": np.int64(3), "v": np.ones(2)})
    assert json.loads(target.read_text()) == {"x": 1.5, "n": 3, "v": [1.0, 1.0]}
    with pytest.raises(RunError, match=r"sub-01/b\.json"):
        derivatives.stage_file(tmp_path, "sub-01/b.json", {"x": object()})


def test_numbers_that_are_none_are_null(tmp_path: Path) -> None:
    """JSON has no word for NaN or infinity (RFC 8259, section 6); readers in other languages stop at it."""
    content = {"x": float("nan"), "deep": [{"y": float("inf")}, 1.0]}
    text = derivatives.stage_file(tmp_path, "a.json", content).read_text()
    found = json.loads(text, parse_constant=pytest.fail)
    assert found == {"x": None, "deep": [{"y": None}, 1.0]}


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "\x00"])
def test_file_without_an_object_reads_as_empty(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    assert read_json(tmp_path / "a.json") == {}


def test_file_that_is_no_text_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
    assert read_json(tmp_path / "a.json") == {}
    assert read_json(tmp_path / "nothing.json") == {}


def test_cohort_has_a_result_for_each_participant(finished: Path, toy: Pipeline) -> None:
    cohort = derivatives.Cohort(finished / "out", ("01", "02"), toy.params(), finished / "bids")
    found = [path.name for one in cohort.participants() for path in one.find("**/*_T1w.nii.gz")]
    assert found == ["sub-01_desc-scaled_T1w.nii.gz", "sub-02_desc-scaled_T1w.nii.gz"]
