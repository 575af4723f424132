"""From a derivative back to the raw image, and to the DICOM series where bidsflow converted it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bidsflow.app.trail import to_lines, trace_file
from bidsflow.errors import BidsflowError

from .conftest import write_image

IMAGE = "out/sub-01/anat/sub-01_desc-scaled_T1w.nii.gz"


@pytest.mark.parametrize("name", [IMAGE, IMAGE.replace(".nii.gz", ".json"), "out/sub-01/anat/sub-01_T1w.json"])
def test_derivative_leads_to_its_raw_image(name: str, finished: Path) -> None:
    origin = trace_file(finished / name)
    assert origin.kind == "derivative"
    assert origin.facts["made by"] == "toy 1.2.0"
    assert "factor=2.0" in origin.facts["parameters"]
    assert origin.facts["content"] == "as it was written"
    (raw,) = origin.sources
    assert raw.path == str(finished / "bids/sub-01/anat/sub-01_T1w.nii.gz")
    assert raw.facts["digest then"]
    text = "\n".join(to_lines(origin))
    assert "from the raw image" in text


def test_change_since_is_told(copy: Path) -> None:
    write_image(copy / IMAGE, value=5)
    assert trace_file(copy / IMAGE).facts["content"].startswith("CHANGED")


def test_raw_image_that_is_gone_is_told(copy: Path) -> None:
    (copy / "bids").rename(copy / "moved")
    (raw,) = trace_file(copy / IMAGE).sources
    assert raw.facts["content"] == "cannot be found from here"


def test_derivative_without_records_still_leads_to_its_source(copy: Path) -> None:
    import shutil

    shutil.rmtree(copy / "out" / "logs")
    origin = trace_file(copy / IMAGE)
    assert origin.facts == {}
    assert len(origin.sources) == 1


def test_sources_that_lead_in_circles_end(copy: Path) -> None:
    sidecar = (copy / IMAGE).with_name("sub-01_desc-scaled_T1w.json")
    sidecar.write_text(json.dumps({"Sources": ["bids::sub-01/anat/sub-01_desc-scaled_T1w.nii.gz"]}))
    assert trace_file(copy / IMAGE).sources[0].sources == ()


@pytest.mark.parametrize("sources", [["nonsense"], "bids:raw:sub-01", [3], ["bids:other:x"], ["file:///etc/passwd"]])
def test_odd_sources_are_told_and_nothing_more(sources: object, copy: Path) -> None:
    (copy / IMAGE).with_name("sub-01_desc-scaled_T1w.json").write_text(json.dumps({"Sources": sources}))
    (source,) = trace_file(copy / IMAGE).sources
    assert source.facts["content"] == "cannot be found from here"


def test_latest_run_that_made_a_file_is_told(copy: Path) -> None:
    (log,) = (copy / "out").glob("logs/*/sub-01.json")
    old = json.loads(log.read_text())
    for name, version in (("20200101-000000-ffff", "0.1"), ("20990101-000000-0000", "9.9")):
        (copy / "out/logs" / name).mkdir()
        (copy / "out/logs" / name / "sub-01.json").write_text(json.dumps({**old, "Version": version}))
    assert trace_file(copy / IMAGE).facts["made by"] == "toy 9.9"


def test_file_that_is_in_no_dataset_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.nii.gz").touch()
    for name in ("x.nii.gz", "nothing.nii.gz", "."):
        with pytest.raises(BidsflowError):
            trace_file(tmp_path / name)


def test_command_prints_json(finished: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bidsflow", "trace", "--json", str(finished / IMAGE)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    origin = json.loads(done.stdout)
    assert origin["sources"][0]["kind"] == "raw"


def test_trail_leads_to_the_series_where_bidsflow_converted(tmp_path: Path) -> None:
    from bidsflow.app.contract import make_dataset

    dataset = make_dataset(tmp_path, subjects=1)
    image = sorted(dataset.glob("sub-*/**/*_T1w.nii.gz"))[0]
    origin = trace_file(image)
    assert origin.facts["made by"] == "bidsflow convert"
    assert origin.sources[0].kind == "dicom"
    assert origin.sources[0].path.replace(".", "").isdigit()
