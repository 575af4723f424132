"""What befalls tasks on a real cluster: the state is told truthfully, nothing is lost, a retry completes everything."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.conftest import read_derivatives

from .conftest import Site, expect_local, obey

pytestmark = pytest.mark.cluster

ALL = [f"sub-{one:02}" for one in range(1, 7)]
#: Enough for a task, and what one of them is ordered to take. Grid Engine counts what is mapped, not what is used.
MEMORY = {"slurm": ("900M", 1500), "sge": ("6G", 9000)}


def phases(found: dict[str, dict[str, object]]) -> dict[str, object]:
    return {name: one["phase"] for name, one in found.items()}


def test_faults_are_told_and_retried_to_completion(site: Site) -> None:
    memory, too_much = MEMORY[site.executor]
    for label, order in {"02": "fail", "03": f"memory {too_much}", "04": "wait", "05": "wait", "06": "kill"}.items():
        site.order(label, order)
    line = (*site.line(site.out, "participant", "group"), "--executor", site.executor, "--time", "1m", "--mem", memory)
    both = [site.start(*line) for _ in range(2)]  # two submissions at once
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    batches = [one.parent.name for one in site.scripts() if not one.parent.name.endswith("-group")]
    assert len(batches) == 1

    found = site.wait_until(_05="running")
    assert [name for name in found if name != "group"] == ALL
    site.cancel_task(found["sub-05"])
    found = site.wait_for_end()
    assert phases(found) == {
        "sub-01": "done", **dict.fromkeys(ALL[1:], "failed"), "group": "done",
    }  # fmt: skip
    assert found["sub-02"]["cause"] == "error"
    assert any("as ordered" in line for line in found["sub-02"]["log_end"])
    assert found["sub-03"]["cause"] == "memory"  # Grid Engine gives no more than was asked for: it ends by itself
    assert found["sub-04"]["cause"] == "time limit"
    assert found["sub-05"]["cause"] in ("cancelled", "killed")
    assert found["sub-06"]["cause"] in ("error", "memory")
    assert {name.partition("/")[0] for name in read_derivatives(site.out) if name.startswith("sub-")} == {"sub-01"}
    assert (site.out / "group_drill.tsv").read_text().split() == ["participant", "01"]

    for label in ("02", "03", "04", "05", "06"):
        site.order(label, "")
    site.call("jobs", site.out, "--retry", "--time", "10m")
    found = site.wait_for_end()
    assert set(phases(found).values()) == {"done"}, found
    newest = [one for one in site.scripts() if not one.parent.name.endswith("-group")][-1]
    assert len((newest.parent / "tasks.txt").read_text().splitlines()) == 5
    assert read_derivatives(site.out) == expect_local(site, "participant", "group")
    assert "nothing to submit" in site.submit()
    assert list((site.out / ".bidsflow" / "staging").iterdir()) == []


def test_cancelled_run_is_completed_by_submitting_it_again(site: Site, tmp_path: Path) -> None:
    shutil.rmtree(site.root / "bids" / "sub-06")
    scratch = tmp_path / "scratch"
    site.order("01", "wait")
    site.order("02", "wait")
    site.submit("--array-limit", 2, "--scratch", scratch, levels=("participant", "group"))
    site.wait_until(_01="running", _02="running", _03="pending")
    assert len(list(scratch.iterdir())) == 2
    site.call("jobs", site.out, "--cancel", codes=(0, 1))
    found = site.wait_for_end()
    assert {one["cause"] for one in found.values()} == {"cancelled"}
    assert not list(read_derivatives(site.out)) or "group_drill.tsv" not in read_derivatives(site.out)
    for label in ("01", "02"):
        site.order(label, "")
    site.submit("--scratch", scratch, levels=("participant", "group"))
    assert set(phases(site.wait_for_end()).values()) == {"done"}
    assert read_derivatives(site.out) == expect_local(site, "participant", "group")
    assert list(scratch.iterdir()) == []


def test_script_that_was_edited_and_submitted_by_hand_is_followed(site: Site) -> None:
    for one in ALL[2:]:
        shutil.rmtree(site.root / "bids" / one)
    site.order("01", "wait")
    site.order("02", "wait")
    site.submit()
    site.call("jobs", site.out, "--cancel", codes=(0, 1))
    site.wait_for_end()
    site.order("01", "")
    site.order("02", "")
    (script,) = site.scripts()
    text = script.read_text()
    script.write_text(text.replace("set -u\n", f"set -u\ntouch '{site.out.parent.parent}/edited'\n", 1))
    site.submit_by_hand(script, 2)
    found = site.wait(lambda found: all(one["phase"] == "done" for one in found.values()))
    assert sorted(found) == ALL[:2]
    assert (site.out.parent.parent / "edited").exists()
    assert read_derivatives(site.out) == expect_local(site)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 512)


def test_full_disk_leaves_nothing_half_written(site: Site, small_disk: Path, tmp_path: Path) -> None:
    for one in ALL[1:]:
        shutil.rmtree(site.root / "bids" / one)
    site = replace(site, out=small_disk / "out")
    site.order("01", "wait")
    site.submit("--work-dir", tmp_path / "work")
    site.wait_until(_01="running")
    while not list((tmp_path / "work").rglob("scale_1/*")):
        site.jobs()
    fill(small_disk / "ballast")
    site.order("01", "")
    found = site.wait_for_end()
    assert found["sub-01"]["phase"] == "failed"
    assert not [name for name in read_derivatives(site.out) if name.startswith("sub-01/")]
    (small_disk / "ballast").unlink()
    site.call("jobs", site.out, "--retry")
    assert phases(site.wait_for_end()) == {"sub-01": "done"}
    ours, local = read_derivatives(site.out), expect_local(site)
    assert {**ours, "dataset_description.json": b""} == {**local, "dataset_description.json": b""}  # paths are others


def test_task_of_a_node_that_dies_is_run_again(site: Site) -> None:
    """``BIDSFLOW_TEST_KILL_NODE="crash {node}"``, ``BIDSFLOW_TEST_START_NODE="boot {node}"``, for Slurm."""
    if site.executor != "slurm" or not os.environ.get("BIDSFLOW_TEST_START_NODE"):
        pytest.skip("BIDSFLOW_TEST_START_NODE holds no command")
    for one in ALL[1:]:
        shutil.rmtree(site.root / "bids" / one)
    site.order("01", "wait")
    site.submit()
    node = site.wait_until(_01="running")["sub-01"]["node"]
    obey("BIDSFLOW_TEST_KILL_NODE", node=node)
    try:
        found = site.wait(lambda found: found["sub-01"]["phase"] != "running")
        assert found["sub-01"]["phase"] == "pending"
        assert "attempt 2" in found["sub-01"]["reason"]
    finally:
        obey("BIDSFLOW_TEST_START_NODE", node=node)
    site.order("01", "")
    found = site.wait_for_end()  # Slurm lets it wait for two minutes
    assert (found["sub-01"]["phase"], found["sub-01"]["attempts"]) == ("done", 2)
    assert read_derivatives(site.out) == expect_local(site)


def test_restart_of_the_scheduler_loses_nothing(site: Site) -> None:
    """``BIDSFLOW_TEST_STOP_SLURM`` and ``BIDSFLOW_TEST_START_SLURM`` (or ``_SGE``) stop and start its controller."""
    name = site.executor.upper()
    if not os.environ.get(f"BIDSFLOW_TEST_START_{name}"):
        pytest.skip(f"BIDSFLOW_TEST_START_{name} holds no command")
    for one in ALL[2:]:
        shutil.rmtree(site.root / "bids" / one)
    site.order("01", "wait")
    site.order("02", "wait")
    site.submit("--array-limit", 1)
    site.wait_until(_01="running", _02="pending")
    obey(f"BIDSFLOW_TEST_STOP_{name}")
    try:
        assert phases(site.jobs()) == {"sub-01": "running", "sub-02": "pending"}
        site.order("01", "")
        again = site.start(*site.line(site.out), "--executor", site.executor)
        again.communicate(timeout=300)
        assert again.returncode == 69
    finally:
        obey(f"BIDSFLOW_TEST_START_{name}")
    site.order("02", "")
    assert phases(site.wait_for_end()) == {"sub-01": "done", "sub-02": "done"}
    assert read_derivatives(site.out) == expect_local(site)


def test_conversion_on_a_cluster_makes_the_same_dataset(executor: str, tmp_path: Path) -> None:
    from bidsflow.phantom import make_sessions, write

    write(tmp_path / "scan", sessions=make_sessions(2, 2), series=("sbref", "rest"))
    site = Site(executor, tmp_path, tmp_path / "é o'clock" / "bids")
    site.out.parent.mkdir()
    site.call("convert", tmp_path / "scan" / "dicom", site.out, "--executor", executor)
    found = site.wait_for_end()
    assert (len(found), set(phases(found).values())) == (4, {"done"}), found
    site.call("convert", tmp_path / "scan" / "dicom", tmp_path / "local" / "bids")
    assert read_derivatives(site.out) == read_derivatives(tmp_path / "local" / "bids")
    assert list((site.out / ".bidsflow" / "jobs").glob("*/parcels/*")) == []
