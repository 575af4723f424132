"""The page of a participant that failed."""

from __future__ import annotations

import html
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.app.command import parse
from bidsflow.app.crash import crash_page, rerun_command
from bidsflow.app.inputs import Image, Participant
from bidsflow.app.spec import Pipeline
from bidsflow.app.task import Failure, Task
from bidsflow.names import parse_name


@pytest.fixture
def task(toy: Pipeline, tmp_path: Path) -> Task:
    line = (str(tmp_path / "my bids"), str(tmp_path / "out"), "participant", "--participant-label", "01", "02")
    image = Image(tmp_path / "x", parse_name("sub-02/anat/sub-02_T1w.nii.gz"))
    return Task(toy, Participant("02", (image,)), parse(toy, line, "bidsflow run './my toy/'"), {}, "the-run")


def test_page_shows_step_inputs_reason_and_log(task: Task) -> None:
    failure = Failure("scale_1", (("image", "/x/<b>.nii"),), "Traceback:\n  File\nValueError: 3 < 4 & more\n")
    page = crash_page(task, [failure, replace(failure, step="scale_2")], "last words")
    assert "<b>.nii" not in page
    text = html.unescape(page)
    for piece in ("scale_1", "scale_2", "/x/<b>.nii", "ValueError: 3 < 4 & more", "last words", "sub-02_T1w.nii.gz"):
        assert piece in text


def test_page_of_a_process_that_said_nothing_is_made(task: Task) -> None:
    assert "Outside of the steps" in crash_page(task, [Failure("", (), "killed")], "")


def test_command_repeats_one_participant_with_the_same_configuration(task: Task, tmp_path: Path) -> None:
    words = shlex.split(rerun_command(task.pipeline, task.invocation, "02", task.run_id))
    assert words[:3] == ["bidsflow", "run", "./my toy/"]
    assert words[3:6] == [str(tmp_path / "my bids"), str(tmp_path / "out"), "participant"]
    assert words[6:8] == ["--participant-label", "02"]
    assert words[8:] == ["--config", str(tmp_path / "out/logs/the-run/config.toml")]


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        ("Traceback:\n  File x\nValueError: a\n", "ValueError: a"),
        ("ValueError: two\n\tlines\n", "ValueError: two"),
        ("", "unknown"),
        ("bidsflow.errors.FlowError: step x: y", "FlowError: step x: y"),
    ],
)
def test_reason_is_the_last_line(trace: str, reason: str) -> None:
    assert Failure("", (), trace).reason == reason
