"""`bidsflow run ... --container` as a user types it, with a Podman that says what it was asked.

The programs are stand-ins here; tests/containers has the real ones.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.cli.container import Asked, is_for_cluster, name_call, take_options
from bidsflow.errors import OptionError

#: Has the image x:1; running it says the words, and ends as a file tells it.
_PODMAN = """#!/bin/sh
case "$1 $2" in
  "image inspect") for last; do :; done; test "$last" = x:1 ;;
  "run "*) printf '%s\\n' "$@"; exit "$(cat "$CODE")" ;;
esac
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return what runs `bidsflow run` in a folder with a dataset ``in``."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/podman").write_text(_PODMAN)
    (tmp_path / "bin/apptainer").write_text("#!/bin/sh\nexit 1\n")
    for program in ("podman", "apptainer"):
        (tmp_path / "bin" / program).chmod(0o755)
    (tmp_path / "in").mkdir()
    code = tmp_path / "code"

    def call(*words: str, ends: int = 0) -> subprocess.CompletedProcess[str]:
        code.write_text(str(ends))
        environment = {**os.environ, "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "CODE": str(code)}
        command = [sys.executable, "-m", "bidsflow", "run", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)

    return call


WORDS = ("in", "out", "participant", "--participant-label", "01")
PODMAN = ("--container", "x:1", "--container-runtime", "podman")


@pytest.mark.parametrize("code", [0, 1, 65, 143])
def test_exit_code_is_that_of_the_container(code: int, run: Run, tmp_path: Path) -> None:
    done = run("qc", *WORDS, *PODMAN, ends=code)
    assert (done.returncode, done.stderr) == (code, "")
    said = done.stdout.splitlines()
    assert said[-6:] == ["x:1", f"{tmp_path}/in", f"{tmp_path}/out", *WORDS[2:]]
    assert "BIDSFLOW_CALLED=bidsflow run qc --container x:1 --container-runtime podman" in said
    assert (tmp_path / "out").is_dir()


def test_dry_run_prints_a_line_that_does_it(run: Run, tmp_path: Path) -> None:
    line = run("qc", *WORDS, *PODMAN, "--dry-run").stdout
    assert line.count("\n") == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "code").write_text("3")
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "CODE": str(tmp_path / "code")}
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout == run("qc", *WORDS, *PODMAN).stdout
    assert (tmp_path / "out").is_dir()


def test_app_of_others_gets_its_options_as_they_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "licence.txt").touch()
    words = ("--fs-license-file", "licence.txt", "--output-spaces", "MNI152NLin2009cAsym:res-2", "--nthreads=2")
    said = run("fmriprep", *WORDS, *words, *PODMAN).stdout.splitlines()
    assert said[-5:] == [words[0], f"{tmp_path}/licence.txt", *words[2:]]
    assert "--read-only" not in said


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nowhere", "out", "participant", "--container", "x:1"), 65, "no such file or folder"),
        ((*WORDS, "--container", "y:2", "--container-runtime", "podman"), 69, "podman pull y:2"),
        ((*WORDS, "--container", "y.sif", "--container-runtime", "apptainer"), 69, "y.sif"),
        ((*WORDS, "--container"), 2, "expected a value"),
        ((*WORDS, "--container-network"), 2, "--container IMAGE"),
        ((*WORDS, *PODMAN, "--container-args", "'"), 2, "quotes"),
        (("in", "in/dataset_description.json/out", "participant", *PODMAN), 73, "cannot be made"),
    ],
)
def test_mistake_is_said_before_anything_runs(
    words: tuple[str, ...], code: int, text: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "in/dataset_description.json").touch()
    done = run("qc", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_output_that_cannot_be_written_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    done = run("qc", *WORDS, *PODMAN)
    assert done.returncode == 73
    assert "you cannot write to it" in done.stderr


def test_options_of_a_container_are_taken_out() -> None:
    asked, rest = take_options(
        ["a", "--container=x.sif", "b", "--container_args", "--nv -B '/a b'", "--container-args=-c", "--dry_run"]
    )
    assert asked == Asked("x.sif", extra=("--nv", "-B", "/a b", "-c"), dry_run=True)
    assert rest == ["a", "b"]


def test_help_of_run_names_every_option(run: Run) -> None:
    said = run("--help").stdout
    assert {"--container", "--container-runtime", "--container-args", "--container-network"} <= set(said.split())


def test_dry_run_without_a_container_is_the_pipelines() -> None:
    assert take_options(["a", "--dry-run"]) == (Asked(), ["a", "--dry-run"])


def test_submission_keeps_its_dry_run() -> None:
    words = ["a", "b", "participant", "--executor", "slurm", "--dry-run"]
    assert take_options(["--container", "x.sif", *words]) == (Asked("x.sif"), words)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a b participant", False),
        ("a b participant --executor slurm", True),
        ("a b participant --site=here", True),
        ("a b participant --executor local", False),
        ("a b participant --executor=local", False),
    ],
)
def test_submission_is_told_from_a_run(line: str, expected: bool) -> None:
    assert is_for_cluster(line.split()) is expected


def test_call_is_named_as_it_was_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIDSFLOW_CALLED", raising=False)
    asked = Asked("a b.sif", "apptainer", ("--nv", "-B", "/a b"), network=True)
    said = name_call("bidsflow run ./x", asked)
    assert take_options(shlex.split(said)) == (asked, ["bidsflow", "run", "./x"])
    monkeypatch.setenv("BIDSFLOW_CALLED", said)
    assert name_call("bidsflow-x", Asked()) == said


def test_image_is_needed_for_options_of_a_container() -> None:
    with pytest.raises(OptionError, match="there is no image"):
        take_options(["--container-runtime", "docker"])
