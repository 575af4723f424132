"""Scripts of arrays, run by a real shell: what they note, how they end, that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bidsflow.executors.base import Request
from bidsflow.executors.script import (
    LOGS,
    SCRATCH_FAILED,
    SCRIPT,
    SETUP_FAILED,
    STATES,
    TASKS,
    WORK,
    format_tasks,
    write_script,
)
from bidsflow.executors.slurm import Slurm
from bidsflow.executors.standing import Note, read_notes

#: Prints its arguments, a line each; waits for a signal and ends as it is told to.
ECHO = ("printf", "%s\n")
WAIT = """
import signal, sys, time
def end(number, frame):
    open(sys.argv[1] + ".told", "a").write(signal.Signals(number).name + "\\n")
    sys.exit(int(sys.argv[2]))
signal.signal(signal.SIGTERM, end)
open(sys.argv[1] + ".here", "w")
time.sleep(60)
"""


def make(folder: Path, command: Sequence[str], tasks: Sequence[Sequence[str]] = ((),), **asked: object) -> Path:
    """Write the folder of an array, and return it."""
    request = Request("slurm", **asked)  # type: ignore[arg-type]
    for name in (STATES, LOGS):
        (folder / name).mkdir(parents=True)
    dialect = Slurm().speak("toy", request, len(tasks))
    (folder / SCRIPT).write_text(write_script(folder, "toy", command, request, dialect, "bidsflow 1"))
    (folder / TASKS).write_text(format_tasks(tasks))
    return folder


def start(folder: Path, index: int | str = 1, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Run the script as Slurm does: from another folder, from a copy."""
    copy = folder.parent / f"slurm_script-{index}"
    copy.write_text((folder / SCRIPT).read_text())
    known = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SGE", "TMPDIR"))}
    told = {"SLURM_ARRAY_JOB_ID": "18", "SLURM_ARRAY_TASK_ID": str(index), "SLURMD_NODENAME": "n2"}
    return subprocess.Popen(
        ["bash", copy, *map(str, arguments)], env={**known, **told, **environment}, cwd="/", text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(folder: Path, index: int | str = 1, *arguments: object, **environment: str) -> tuple[int, str, str]:
    """Return how the script ended, and what it said."""
    process = start(folder, index, *arguments, **environment)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def note_of(folder: Path, number: int = 1) -> Note:
    return read_notes(folder)[number]


def wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.01)


@pytest.mark.parametrize("code", [0, 1, 7, 137])
def test_task_notes_how_it_ended(tmp_path: Path, code: int) -> None:
    folder = make(tmp_path / "a", ("bash", "-c", f"exit {code}"))
    assert run(folder)[0] == code
    note = note_of(folder)
    assert (note.attempts, note.job, note.node, note.code) == (1, "18.1", "n2", code)
    assert time.time() - 60 < note.began <= note.ended


def test_task_that_is_run_again_counts_attempts(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", ("bash", "-c", "exit 3"))
    run(folder)
    run(folder)
    assert note_of(folder).attempts == 2


WORDS = ("", "a b", "it's", 'say "hi"', "$HOME", "`id`", "$(id)", "\\", "täsk ü", "*", "-n", "&", "#no", "!", "{work}")


def test_words_reach_the_command_as_they_are(tmp_path: Path) -> None:
    folder = make(tmp_path / "é o'clock $HOME `x`", (*ECHO, *WORDS), [("one",), WORDS])
    assert run(folder, 2)[1].splitlines() == [*WORDS, *WORDS]
    assert run(folder, 1)[1].splitlines() == [*WORDS, "one"]


@pytest.mark.parametrize("options", [("--mem", "8G", "--force", "--x", "a b"), ("--", "--a"), ("word", "--a")])
def test_lines_of_the_command_hold_all_words(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert run(make(tmp_path / "a", (*ECHO, *options)))[1].splitlines() == [*options]


def test_second_chunk_has_its_own_tasks(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", ECHO, [("one",), ("two",), ("three",)])
    assert run(folder, 1, 2)[1] == "three\n"
    assert note_of(folder, 3).job == "18.1"


@pytest.mark.parametrize(("index", "arguments"), [(4, ()), (2, (2,))])
def test_number_out_of_range_runs_nothing(tmp_path: Path, index: int, arguments: tuple[int, ...]) -> None:
    folder = make(tmp_path / "a", ("touch", str(tmp_path / "ran")), [("1",), ("2",), ("3",)])
    code, _, said = run(folder, index, *arguments)
    assert (code, "has no line 4" in said) == (2, True)
    assert not (tmp_path / "ran").exists()
    assert read_notes(folder) == {}


@pytest.mark.parametrize("index", ["", "undefined"])
def test_script_that_is_no_array_says_how_to_submit_it(tmp_path: Path, index: str) -> None:
    folder = make(tmp_path / "a", ("touch", str(tmp_path / "ran")))
    code, _, said = run(folder, index)
    assert (code, "task of an array" in said) == (2, True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_signal_reaches_the_command_whose_exit_code_counts(tmp_path: Path, number: signal.Signals) -> None:
    folder = make(tmp_path / "a", (sys.executable, "-S", "-c", WAIT, str(tmp_path / "x"), "9"))
    process = start(folder)
    wait_for(tmp_path / "x.here")
    process.send_signal(number)
    process.communicate(timeout=30)
    assert (tmp_path / "x.told").read_text() == "SIGTERM\n"
    assert (process.returncode, note_of(folder).code) == (9, 9)


def test_exit_code_counts_where_the_command_ends_before_the_shell_looks(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", (sys.executable, "-S", "-c", WAIT, str(tmp_path / "x"), "9"))
    script = (folder / SCRIPT).read_text()
    passed_on = 'kill -TERM "$child" 2>/dev/null'
    assert passed_on in script
    (folder / SCRIPT).write_text(script.replace(passed_on, f"{passed_on}; sleep 0.5"))
    process = start(folder)
    wait_for(tmp_path / "x.here")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert (process.returncode, note_of(folder).code) == (9, 9)


def test_signals_that_come_twice_do_not_end_the_script_first(tmp_path: Path) -> None:
    slow = WAIT.replace("    sys.exit", "    time.sleep(0.5); sys.exit")
    folder = make(tmp_path / "a", (sys.executable, "-S", "-c", slow, str(tmp_path / "x"), "5"))
    process = start(folder)
    wait_for(tmp_path / "x.here")
    process.send_signal(signal.SIGTERM)
    wait_for(tmp_path / "x.told")
    process.send_signal(signal.SIGUSR2)
    process.communicate(timeout=30)
    assert note_of(folder).code == 5


def test_scratch_is_one_folder_for_each_task_and_goes(tmp_path: Path) -> None:
    scratch = tmp_path / "my scratch"
    folder = make(tmp_path / "a", ("bash", "-c", 'touch "$1/file"; echo "$1"', "x", WORK), scratch="$PLACE/deep")
    code, out, _ = run(folder, PLACE=str(scratch))
    assert code == 0
    assert Path(out.strip()).parent == scratch / "deep"
    assert list((scratch / "deep").iterdir()) == []


def test_scratch_is_a_part_of_a_word(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", (*ECHO, f"{WORK}/a b"), scratch=str(tmp_path / "s"))
    assert run(folder)[1].strip().endswith("/a b")
    assert str(tmp_path / "s" / "bidsflow-") in run(folder)[1]


def test_scratch_goes_after_a_signal(tmp_path: Path) -> None:
    command = (sys.executable, "-S", "-c", WAIT, str(tmp_path / "x"), "130", WORK)
    folder = make(tmp_path / "a", command, scratch=str(tmp_path / "s"))
    process = start(folder)
    wait_for(tmp_path / "x.here")
    assert len(list((tmp_path / "s").iterdir())) == 1
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert note_of(folder).code == 130
    assert list((tmp_path / "s").iterdir()) == []


def test_scratch_in_a_variable_that_is_unset_fails_before_the_command(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", ("touch", str(tmp_path / "ran")), scratch="$TMPDIR")
    code, _, said = run(folder)
    assert "TMPDIR" in said
    assert (code, note_of(folder).code) == (SCRATCH_FAILED, SCRATCH_FAILED)
    assert not (tmp_path / "ran").exists()


def test_scratch_where_none_can_be_made_fails_before_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = make(tmp_path / "a", ("touch", str(tmp_path / "ran")), scratch=str(tmp_path / "file"))
    assert run(folder)[0] == SCRATCH_FAILED == note_of(folder).code
    assert not (tmp_path / "ran").exists()


def test_setup_runs_before_the_command_in_its_shell(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", ("bash", "-c", 'echo "$A $B"'), setup=("export A='a  b'", "B=2; export B  # two"))
    assert run(folder)[1] == "a  b 2\n"


@pytest.mark.parametrize("line", ["false", "no-such-command", "false  # a remark", "module() { return 3; }; module x"])
def test_setup_that_fails_ends_the_task_before_the_command(tmp_path: Path, line: str) -> None:
    folder = make(tmp_path / "a", ("touch", str(tmp_path / "ran")), setup=("true", line))
    assert run(folder)[0] == SETUP_FAILED == note_of(folder).code
    assert not (tmp_path / "ran").exists()


def test_setup_may_use_variables_that_are_unset(tmp_path: Path) -> None:
    """What activates an environment often does: conda's and Lmod's scripts test variables that need not be there."""
    folder = make(tmp_path / "a", ("echo", "ran"), setup=('if [ -n "$PS1" ]; then echo interactive; fi',))
    assert run(folder)[1] == "ran\n"


def test_task_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        format_tasks([("a\nb",)])


def test_script_says_how_it_is_submitted_by_hand(tmp_path: Path) -> None:
    folder = make(tmp_path / "a b", ECHO, [("1",), ("2",)], array_limit=1)
    text = (folder / SCRIPT).read_text()
    assert f"#     cd '{folder}'\n#     sbatch --array=1-2%1 run.sh\n" in text


def test_scratch_may_be_named_by_what_setup_sets(tmp_path: Path) -> None:
    setup = (f"export MINE={tmp_path}/scratch",)
    folder = make(tmp_path / "a", ("test", "-d", WORK), scratch="$MINE", setup=setup)
    assert run(folder)[0] == 0
    assert list((tmp_path / "scratch").iterdir()) == []
