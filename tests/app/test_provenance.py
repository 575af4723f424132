"""What is kept of a run, and what makes it run again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.app.inputs import Participant, find_inputs
from bidsflow.app.invocation import Selection
from bidsflow.app.provenance import Input, digest_file, digest_task, find_change, look_at_all
from bidsflow.app.spec import Pipeline, Query

from .conftest import write_image


def take(toy: Pipeline, dataset: Path) -> Participant:
    pipeline = replace(toy, reads=(*toy.reads, Query("dwi", "dwi", companions=(".bval", ".bvec"))))
    return find_inputs(dataset, pipeline, ("01",), Selection()).participants[0]


def test_record_holds_what_was_run(finished: Path) -> None:
    (log,) = (finished / "out").glob("logs/*/sub-01.json")
    record = json.loads(log.read_text())
    assert (record["Pipeline"], record["Version"], record["Run"]) == ("toy", "1.2.0", log.parent.name)
    assert record["Parameters"]["factor"] == 2.0
    assert {"bidsflow", "nipype", "nibabel", "numpy"} <= record["Versions"].keys()
    assert list(record["Inputs"]) == ["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
    image = "sub-01/anat/sub-01_desc-scaled_T1w.nii.gz"
    assert record["Outputs"][image] == digest_file(finished / "out" / image)
    steps = {step["step"]: step for step in record["Steps"]}
    assert steps.keys() == {"scale_1", "measure_1_images", "measure_1"}
    assert steps["scale_1"]["seconds"] > 0
    assert steps["scale_1"]["cpu_seconds"] > 0
    assert 0.01 < steps["scale_1"]["peak_gb"] < 4
    assert not steps["scale_1"]["reused"]


def test_digest_is_the_same_for_the_same_inputs(toy: Pipeline, dataset: Path) -> None:
    assert look_at_all(take(toy, dataset), {}) == look_at_all(take(toy, dataset), {})


def rewrite(seen: dict[str, Input], **changes: str) -> dict[str, Input]:
    return {uri: replace(one, files=tuple(replace(each, **changes) for each in one.files)) for uri, one in seen.items()}


def contents(seen: dict[str, Input]) -> set[str]:
    return {each.content for one in seen.values() for each in one.files}


def test_image_that_is_as_it_was_is_not_read_again(toy: Pipeline, dataset: Path) -> None:
    participant = take(toy, dataset)
    known = rewrite(look_at_all(participant, {}), content="as noted")
    assert contents(look_at_all(participant, known)) == {"as noted"}


def test_image_of_another_time_is_read_again(toy: Pipeline, dataset: Path) -> None:
    participant = take(toy, dataset)
    seen = look_at_all(participant, {})
    assert look_at_all(participant, rewrite(seen, stamp="1:1", content="as noted")) == seen


def touch(image: Path) -> None:
    os.utime(image, ns=(1, 1))


def drop(image: Path) -> None:
    image.unlink()
    image.symlink_to("../../.git/annex/objects/xx/MD5E-s1--a.nii.gz")


def change_without_trace(image: Path) -> None:
    data = bytearray(image.read_bytes())
    data[-1] ^= 1
    image.write_bytes(data)


CHANGES = [
    (lambda image: None, ""),
    (touch, ""),
    (drop, ""),
    (change_without_trace, "sub-01/anat/sub-01_T1w.nii.gz has changed since"),
    (lambda image: image.write_bytes(b"x"), "sub-01/anat/sub-01_T1w.nii.gz has changed since"),
    (Path.unlink, "sub-01/anat/sub-01_T1w.nii.gz is no longer there"),
]


@pytest.mark.parametrize(("harm", "said"), CHANGES)
def test_change_of_an_image_is_found(harm, said: str, toy: Pipeline, dataset: Path) -> None:  # type: ignore[no-untyped-def]
    (seen,) = look_at_all(take(toy, dataset), {}).values()
    harm(dataset / "sub-01/anat/sub-01_T1w.nii.gz")
    assert find_change(dataset, seen) == said


@pytest.mark.parametrize("ext", [".bval", ".bvec", ".nii.gz", ".json"])
def test_digest_changes_with_every_file_of_an_image(ext: str, toy: Pipeline, dataset: Path) -> None:
    image = write_image(dataset / "sub-01/dwi/sub-01_dwi.nii.gz", metadata={"A": 1})
    for one, text in ((".bval", "0 1000"), (".bvec", "0 1\n0 0\n0 0")):
        image.with_name(f"sub-01_dwi{one}").write_text(text)
    before = look_at_all(take(toy, dataset), {})
    changed = image.with_name(f"sub-01_dwi{ext}")
    if ext == ".nii.gz":
        write_image(changed, value=9)
    else:
        changed.write_text('{"A": 2}' if ext == ".json" else "0 2000")
    after = look_at_all(take(toy, dataset), {})
    assert [uri for uri in before if before[uri].digest != after[uri].digest] == [
        "bids:raw:sub-01/dwi/sub-01_dwi.nii.gz"
    ]


def test_digest_of_a_task_changes_with_all_that_matters(toy: Pipeline) -> None:
    first = digest_task(toy, {"a": 1})
    others = [
        digest_task(replace(toy, version="2"), {"a": 1}),
        digest_task(replace(toy, name="other"), {"a": 1}),
        digest_task(toy, {"a": 2}),
    ]
    assert len({first, *others}) == 4
    assert digest_task(toy, {"a": 1}) == first
