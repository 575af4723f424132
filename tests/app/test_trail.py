"""From a derivative back to the raw image, and to the DICOM series where bidsflow converted it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from bidsflow.app.trail import to_lines, trace_file
from bidsflow.dataset.origin import name_version
from bidsflow.errors import BidsflowError, InputError, OptionError
from bidsflow.phantom import write

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


RAW = "bids/sub-01/anat/sub-01_T1w.nii.gz"


def lose_dataset(copy: Path) -> None:
    (copy / "bids").rename(copy / "moved")


def lose_image(copy: Path) -> None:
    (copy / RAW).unlink()


def drop_image(copy: Path) -> None:
    lose_image(copy)
    (copy / RAW).symlink_to("../../.git/annex/objects/xx/MD5E-s1--a.nii.gz")


def change_image(copy: Path) -> None:
    write_image(copy / RAW, value=7)


@pytest.mark.parametrize("name", [IMAGE, "out/sub-01.html"])
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda copy: None, "as it was then"),
        (change_image, "CHANGED since"),
        (lose_image, "no longer there"),
        (drop_image, "only with git-annex, not here"),
        (lose_dataset, "cannot be found from here"),
    ],
)
def test_state_of_the_raw_image_is_told(harm, said: str, name: str, copy: Path) -> None:  # type: ignore[no-untyped-def]
    harm(copy)
    (raw,) = trace_file(copy / name).sources
    assert raw.facts["content"] == said


def test_page_leads_to_the_images_of_its_participant(finished: Path) -> None:
    origin = trace_file(finished / "out/sub-01.html")
    assert "factor=2.0" in origin.facts["parameters"]
    assert [one.path for one in origin.sources] == [str(finished / RAW)]


def test_figure_leads_to_the_image_it_was_drawn_from(copy: Path) -> None:
    """A pipeline names no sources of figures; the steps that they come from do."""
    (log,) = (copy / "out").glob("logs/*/sub-01.json")
    figure = "sub-01/figures/sub-01_T1w.json"
    sources = json.loads(log.read_text())["Sources"]
    assert sources[figure] == ["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
    assert [one.path for one in trace_file(copy / "out" / figure).sources] == [str(copy / RAW)]


def test_table_of_the_group_leads_to_participants_and_their_images(copy: Path) -> None:
    change_image(copy)
    origin = trace_file(copy / "out/group_toy.tsv")
    assert origin.facts["content"] == "as it was written"
    assert [(one.kind, one.path) for one in origin.sources] == [
        ("participant", str(copy / "out/sub-01")),
        ("participant", str(copy / "out/sub-02")),
    ]
    assert [raw.facts["content"] for one in origin.sources for raw in one.sources] == [
        "CHANGED since",
        "as it was then",
    ]


def test_participant_that_was_made_again_after_the_group_is_told(copy: Path) -> None:
    marker = copy / "out/.bidsflow/finished/sub-02.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "run": "later"}))
    _, two = trace_file(copy / "out/group_toy.tsv").sources
    assert two.facts["content"].startswith("made again since")


@pytest.mark.parametrize("name", ["out/README.md", "out/dataset_description.json", "out/.bidsignore", RAW])
def test_file_that_nothing_is_known_of_is_refused(name: str, finished: Path) -> None:
    with pytest.raises(InputError, match="nothing is known"):
        trace_file(finished / name)


def test_folder_is_refused(finished: Path) -> None:
    with pytest.raises(OptionError, match="this is a folder"):
        trace_file(finished / "out/sub-01")


def test_several_files_are_traced_and_those_that_cannot_be_are_told(finished: Path) -> None:
    names = [IMAGE, "out/README.md", "out/sub-02.html", "out/sub-01"]
    command = [sys.executable, "-m", "bidsflow", "trace", *(str(finished / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 65
    assert done.stdout.count("from the raw image") == 2
    assert "README.md: nothing is known" in done.stderr
    assert "sub-01: this is a folder" in done.stderr
    listed = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False).stdout
    assert [Path(one["path"]).name for one in json.loads(listed)] == [Path(names[0]).name, "sub-02.html"]


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


@pytest.mark.parametrize("sources", [["nonsense"], "bids:raw", [3], ["bids:other:x"], ["file:///etc/passwd"]])
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


def test_raw_image_leads_to_the_commands_that_made_it(tmp_path: Path) -> None:
    export, bids = tmp_path / "export", tmp_path / "my bids"
    write(export, series=("t1w",))
    words = ["convert", str(export / "dicom"), str(bids), "--jobs", "1"]
    subprocess.run([sys.executable, "-m", "bidsflow", *words], check=True, capture_output=True, cwd=tmp_path)
    (image,) = bids.rglob("*_T1w.nii.gz")
    facts = trace_file(image).facts
    assert shlex.split(facts["command"]) == ["bidsflow", *words]
    assert facts["in"] == str(tmp_path)
    assert facts["versions"] == f"bidsflow {name_version()}, dcm2niix {metadata.version('dcm2niix')}"
    assert facts["converter"].startswith("dcm2niix -g i -d 0 -b y -ba y -z n")
    (note,) = (bids / ".bidsflow" / "commands").iterdir()
    assert note.stat().st_mode & 0o077 == 0
    note.unlink()
    assert trace_file(image).facts["command"].startswith("not recorded")
