"""The process of one participant: what it is told, and what it tells."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.app.command import parse
from bidsflow.app.inputs import find_inputs
from bidsflow.app.participant import build_flow, settings
from bidsflow.app.provenance import Input, look_at_all
from bidsflow.app.run import run
from bidsflow.app.spec import Pipeline
from bidsflow.app.task import Task, is_done, read_task, write_task
from bidsflow.executors.local import EVENTS

from .conftest import Call


@pytest.fixture
def task(toy: Pipeline, call: Call, dataset: Path) -> Task:
    participant = find_inputs(dataset, toy, ("01",), call().selection).participants[0]
    return Task(toy, participant, call(), look_at_all(participant, {}), "the-run", search=tuple(filter(None, sys.path)))


def start(task: Task, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bidsflow.app", str(write_task(task))]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_task_is_read_as_it_was_written(task: Task) -> None:
    path = write_task(task)
    assert read_task(path) == task
    assert not path.exists()


def test_task_finds_its_pipeline_in_a_process_that_does_not_know_it(task: Task) -> None:
    path = write_task(task)
    script = "import sys, pathlib, bidsflow.app.task as p; print(p.read_task(pathlib.Path(sys.argv[1])).params)"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.startswith("Params(factor=2.0")


def test_participant_is_done_without_anyone_who_listens(task: Task) -> None:
    done = start(task)
    assert done.returncode == 0, done.stderr
    assert is_done(task)
    assert not is_done(replace(task, inputs={**task.inputs, "bids:raw:new": Input((), "1")}))


@pytest.mark.parametrize("processors", [1, 2])
def test_participant_is_done_in_folders_with_a_percent_sign(
    toy: Pipeline, dataset: Path, tmp_path: Path, processors: int
) -> None:
    """nipype's configuration takes it for the beginning of a name."""
    odd = tmp_path / "100% of %(home)s"
    odd.mkdir()
    line = (dataset, odd / "out", "participant", "--skip-bids-validation", "-w", odd / "work", "--n-cpus", processors)
    outcome = run(toy, parse(toy, tuple(map(str, line)), "bidsflow run toy"))
    assert outcome.exit_code == 0


def test_crash_is_kept_in_a_folder_with_a_percent_sign(task: Task, tmp_path: Path) -> None:
    params = {**task.invocation.params, "trouble": "raise:here"}
    work = tmp_path / "100%"
    done = start(replace(task, invocation=replace(task.invocation, params=params, work_dir=work)))
    assert "the toy is broken: here" in done.stderr
    assert list(work.rglob("crash-*"))


def test_failure_is_printed_and_is_the_exit_code(task: Task) -> None:
    params = {**task.invocation.params, "trouble": "raise:here"}
    done = start(replace(task, invocation=replace(task.invocation, params=params)))
    assert done.returncode == 1
    assert "the toy is broken: here" in done.stderr
    assert not is_done(task)


def test_process_ends_when_nobody_listens_any_more(task: Task, tmp_path: Path) -> None:
    """Its run was killed: its work would be in the way of the next one."""
    params = {**task.invocation.params, "trouble": "sleep:600"}
    path = write_task(replace(task, invocation=replace(task.invocation, params=params)))
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "bidsflow.app", str(path)], pass_fds=(write,), start_new_session=True,
        env={**os.environ, EVENTS: str(write)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    while b"step" not in os.read(read, 4096):
        pass
    os.close(read)
    assert process.wait(timeout=60) == -9


def test_process_that_speaks_first_ends_as_well() -> None:
    """What it says to nobody may fail before it has seen that nobody listens."""
    code = "from bidsflow.app import participant as own; own._end_with_reader = print; own._open_pipe()({'event': 'x'})"
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=(write,), start_new_session=True,
        env={**os.environ, EVENTS: str(write)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    assert process.wait(timeout=60) == -9


def test_workflow_is_built_without_running(task: Task) -> None:
    flow = build_flow(task)
    assert flow.steps == ("scale_1", "measure_1", "measure_1_images")
    assert not task.work.exists()


def test_other_derivatives_are_handed_to_the_workflow(task: Task, tmp_path: Path) -> None:
    invocation = replace(task.invocation, derivatives={"anat": tmp_path})
    assert build_flow(replace(task, invocation=invocation)).others == {"anat": tmp_path}


def test_nipype_waits_for_nothing(task: Task) -> None:
    """Two seconds for each wave of steps are what it waits if nobody says otherwise."""
    assert float(settings(task)["poll_sleep_duration"]) < 0.1


def test_digest_does_not_depend_on_how_much_of_the_machine_is_used(task: Task) -> None:
    assert replace(task, n_procs=8, threads=4, memory_gb=99.0).digest == task.digest
    assert pickle.loads(pickle.dumps(task)).digest == task.digest
