"""The commands as a user types them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from bidsflow.app.spec import Pipeline

from .conftest import Spawn


def bidsflow(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bidsflow", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_run_says_what_it_does_and_what_came_of_it(
    toy_folder: Path, spawn: Spawn, dataset: Path, tmp_path: Path
) -> None:
    process = spawn(toy_folder, dataset, tmp_path / "out", "participant", "--skip-bids-validation",
                    "--trouble", "raise:x", "--who", "02", "-v")  # fmt: skip
    out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, "")
    for text in ("toy: 2 participants to run", "sub-01: scale_1", "sub-01: done", "sub-02: FAILED, scale_1: ValueError",
                 "1 done, 1 failed", "what failed: ", f"results: {tmp_path / 'out'}"):  # fmt: skip
        assert text in said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 0), (("--participant-label", "99"), 2), (("--trouble", "raise:x"), 1)],
)
def test_quiet_run_says_errors_only(
    arguments: tuple[str, ...], code: int, toy_folder: Path, spawn: Spawn, dataset: Path, tmp_path: Path
) -> None:
    process = spawn(toy_folder, dataset, tmp_path / "out", "participant", "--skip-bids-validation", "-q",
                    "--participant-label", "01", *arguments)  # fmt: skip
    out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (code, "")
    assert bool(said) == bool(code)


def test_progress_is_shown_on_a_terminal(toy_folder: Path, dataset: Path, tmp_path: Path) -> None:
    here, there = pty.openpty()
    command = [sys.executable, "-m", "bidsflow", "run", f"{toy_folder}/", dataset, tmp_path / "out", "participant",
               "--skip-bids-validation", "--trouble", "raise:x", "--who", "02"]  # fmt: skip
    process = subprocess.Popen(
        list(map(str, command)), stdin=there, stdout=there, stderr=there, close_fds=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(there)
    said = b""
    while True:
        try:
            piece = os.read(here, 4096)
        except OSError:  # how Linux says that the other side of a terminal has gone
            break
        if not piece:
            break
        said += piece
    os.close(here)
    assert process.wait() == 1
    text = said.decode(errors="replace")
    assert "participants" in text
    assert "sub-02: FAILED" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_of_a_pipeline_lists_its_options(arguments: tuple[str, ...], toy_folder: Path) -> None:
    done = bidsflow("run", f"{toy_folder}/", *arguments)
    assert done.returncode == 0
    for text in ("--participant-label", "--factor", "a.u.", "exit codes", "--no-keep-sign"):
        assert text in done.stdout


def test_version_is_that_of_the_pipeline(toy_folder: Path) -> None:
    done = bidsflow("run", f"{toy_folder}/", "--version")
    assert done.stdout.startswith("toy 1.2.0 (bidsflow ")


@pytest.mark.parametrize("arguments", [(), ("./nothing/",), ("nothing",), ("not/a/folder", "a", "b", "participant")])
def test_pipeline_that_is_not_there_is_said(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = bidsflow("run", *arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "stumbled" not in done.stderr


def test_help_of_run_lists_pipelines() -> None:
    done = bidsflow("run", "--help")
    assert done.returncode == 0
    assert "BIDS_DIR OUTPUT_DIR participant|group" in done.stdout


def test_command_of_a_pipeline_is_the_same_as_run(tmp_path: Path) -> None:
    """Containers call ``bidsflow-toy``; the name of the program says which pipeline."""
    script = (
        "import sys; sys.argv[0] = '/bin/bidsflow-none-such'; from bidsflow.cli.main import main_of_pipeline as m; m()"
    )
    done = subprocess.run([sys.executable, "-c", script, "a", "b"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no pipeline none-such" in done.stderr


def test_listed_pipelines_are_json_with_their_parameters() -> None:
    done = bidsflow("pipelines", "--json")
    assert done.returncode == 0
    for one in json.loads(done.stdout):
        assert {"name", "version", "summary", "levels", "reads", "parameters"} <= one.keys()


def test_broken_pipelines_are_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "stranger_bad.py").write_text("def (:")
    about = tmp_path / "stranger_bad-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger_bad\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[bidsflow.pipelines]\nbad = stranger_bad:PIPELINE\n")
    done = subprocess.run(
        [sys.executable, "-m", "bidsflow", "pipelines"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0
    assert "stranger_bad" in done.stderr
    assert "SyntaxError" in done.stderr


def test_error_text_survives_odd_names(toy: Pipeline, toy_folder: Path, tmp_path: Path) -> None:
    done = bidsflow("run", f"{toy_folder}/", tmp_path / "no\x1b[31m%s {x}", tmp_path / "out", "participant")
    assert done.returncode == 65
    assert "\x1b[31m" not in done.stderr.replace("\x1b[31m\x1b[1merror: ", "")


def test_starting_loads_nothing_heavy(toy_folder: Path) -> None:
    """Reading declarations is what lists, help and shell completion do."""
    script = (
        "import sys; from bidsflow.app.registry import find_pipeline, find_pipelines;"
        "from bidsflow.app.command import make_parser;"
        f"find_pipelines(); make_parser(find_pipeline({str(toy_folder) + '/'!r}), 'x').format_help();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "nibabel", "pydicom", "nipype", "nilearn", "scipy", "bids", "ants", "SimpleITK", "dipy"}
    assert not heavy & set(done.stdout.split())
