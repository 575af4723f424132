"""Stop it, kill it, fill its disk, run it twice: the same command makes what an undisturbed run makes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bidsflow.app.state import open_derivatives
from bidsflow.dataset.write import write_durably
from tests.executors.test_local import is_alive, wait_until_gone

from .conftest import Spawn, make_dataset, read_derivatives

OPTIONS = ("participant", "--skip-bids-validation", "--n-cpus", "2")


def finish(process: subprocess.Popen[str], patience: float = 180) -> tuple[int, str]:
    _, said = process.communicate(timeout=patience)
    return process.returncode, said


def wait_for(condition: Callable[[], object], patience: float = 60) -> None:
    until = time.monotonic() + patience
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()


def find_children(out: Path) -> list[int]:
    """Return the processes of participants whose derivatives go into a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if b"bidsflow.app" in command and os.fsencode(out) in command:
            found.append(int(path.parent.name))
    return [pid for pid in found if is_alive(pid)]


def find_parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def read_apart_from_parameters(out: Path) -> dict[str, object]:
    """Return what was made, by path; sidecars without the parameters, which say what trouble there was."""
    made: dict[str, object] = {}
    for name, data in read_derivatives(out).items():
        plain = json.loads(data) if name.startswith("sub-") and name.endswith(".json") else None
        made[name] = {**plain, "GeneratedBy": ""} if isinstance(plain, dict) else data
    return made


def expect_same(out: Path, finished: Path) -> None:
    """What was made is what an undisturbed run makes, but for the link to the raw data and the group level."""
    apart = ("dataset_description.json", "group_toy.tsv")
    made, expected = read_apart_from_parameters(out), read_apart_from_parameters(finished / "out")
    assert sorted({*made} - {*apart}) == sorted({*expected} - {*apart})
    assert [name for name in made if name not in apart and made[name] != expected[name]] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_every_process_and_the_same_command_goes_on(
    number: signal.Signals, toy_folder: Path, spawn: Spawn, finished: Path, tmp_path: Path
) -> None:
    out, go = tmp_path / "out", tmp_path / "go"
    command = (toy_folder, finished / "bids", out, *OPTIONS, "--trouble", f"wait:{go}", "--who", "02")
    running = spawn(*command)
    wait_for(go.with_suffix(".here").exists)
    running.send_signal(number)
    code, said = finish(running)
    assert code == 130
    assert "the same command goes on" in said
    assert find_children(out) == []
    assert not (out / "sub-02").exists()
    go.touch()
    code, said = finish(spawn(*command))
    assert code == 0, said
    expect_same(out, finished)
    assert not list((out / ".bidsflow" / "staging").iterdir())


def test_page_of_a_failure_is_there_when_the_run_is_stopped_later(
    toy_folder: Path, spawn: Spawn, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (tmp_path / "bids").symlink_to(finished / "bids")
    running = spawn(toy_folder, tmp_path / "bids", out, *OPTIONS, "--trouble", "fail-or-wait")
    assert running.stderr is not None
    said = iter(running.stderr.readline, "")
    assert any("sub-01: FAILED" in line for line in said)
    running.send_signal(signal.SIGINT)
    assert finish(running)[0] == 130
    assert [path.name for path in out.glob("logs/*/*.html")] == ["sub-01_crash.html"]
    assert [path.name for path in out.glob("logs/*/sub-01.log")] == ["sub-01.log"]


def test_killed_run_takes_its_processes_along_and_the_same_command_goes_on(
    toy_folder: Path, spawn: Spawn, finished: Path, tmp_path: Path
) -> None:
    out, go = tmp_path / "out", tmp_path / "go"
    command = (toy_folder, finished / "bids", out, *OPTIONS, "--trouble", f"wait:{go}")
    running = spawn(*command)
    wait_for(go.with_suffix(".here").exists)
    running.kill()
    finish(running)
    wait_for(lambda: not find_children(out))
    go.touch()
    code, said = finish(spawn(*command))
    assert code == 0, said
    expect_same(out, finished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_any_moment_may_be_the_last(seed: int, toy_folder: Path, spawn: Spawn, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dice = random.Random(seed)
    for _ in range(3):
        running = spawn(toy_folder, finished / "bids", out, *OPTIONS)
        time.sleep(dice.uniform(0.3, 8))
        os.killpg(running.pid, dice.choice([signal.SIGTERM, signal.SIGKILL]))
        finish(running)
    wait_for(lambda: not find_children(out))
    code, said = finish(spawn(toy_folder, finished / "bids", out, *OPTIONS))
    assert code == 0, said
    expect_same(out, finished)


def test_commit_under_way_is_finished_when_all_is_done(
    toy_folder: Path, spawn: Spawn, copy: Path, finished: Path
) -> None:
    """A run was killed between the renaming of a participant's folder and of its report."""
    out = copy / "out"
    dataset = open_derivatives(out)
    tree = dataset.state / "staging" / "run-x" / "commit-y"
    tree.mkdir(parents=True)
    (tree / "README.md").write_bytes(b"brought in")
    moves = [[str((tree / "README.md").relative_to(dataset.root)), "README.md"]]
    write_durably(
        dataset.state / "journal" / "run-x-commit-y.json", json.dumps({"moves": moves, "remove": []}).encode()
    )
    code, said = finish(spawn(toy_folder, copy / "bids", out, *OPTIONS))
    assert code == 0, said
    assert "nothing to do" in said or "unchanged" in said
    assert (out / "README.md").read_bytes() == b"brought in"
    assert not list((dataset.state / "journal").iterdir())


def test_two_runs_of_one_participant_wait_for_each_other(
    toy_folder: Path, spawn: Spawn, finished: Path, tmp_path: Path
) -> None:
    out, go = tmp_path / "out", tmp_path / "go"
    trouble = ("--trouble", f"wait:{go}", "--participant-label", "01")
    first = spawn(toy_folder, finished / "bids", out, *OPTIONS, *trouble)
    wait_for(go.with_suffix(".here").exists)
    second = spawn(toy_folder, finished / "bids", out, *OPTIONS, *trouble)
    assert second.stderr is not None
    assert any("sub-01: another run is at work on it" in line for line in iter(second.stderr.readline, ""))
    go.touch()
    for running in (first, second):
        code, said = finish(running)
        assert code == 0, said
    assert len(list(out.glob("logs/*/sub-01.json"))) == 1, "the second run did what the first had done"
    assert len(list(out.glob("logs/*/sub-01.log"))) == 2


def test_run_does_not_wait_for_what_was_killed_with_its_participant(
    toy_folder: Path, spawn: Spawn, finished: Path, tmp_path: Path
) -> None:
    """Steps at work have nobody then who ends them, and hold what says that a participant is worked on."""
    out, go = tmp_path / "out", tmp_path / "go"
    command = (toy_folder, finished / "bids", out, *OPTIONS, "--participant-label", "01")
    first = spawn(*command, "--trouble", f"wait:{go}")
    wait_for(go.with_suffix(".here").exists)
    children = find_children(out)
    (participant,) = (pid for pid in children if find_parent(pid) == first.pid)
    assert len(children) > 1, "steps have processes of their own"
    first.send_signal(signal.SIGSTOP)  # it cannot end what the participant leaves behind
    os.kill(participant, signal.SIGKILL)
    first.kill()
    code, said = finish(spawn(*command))
    assert code == 0, said
    assert wait_until_gone(children) == []


def test_two_runs_of_different_participants_go_into_one_folder(
    toy_folder: Path, spawn: Spawn, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    runs = [spawn(toy_folder, finished / "bids", out, *OPTIONS, "--participant-label", label) for label in ("01", "02")]
    for running in runs:
        code, said = finish(running)
        assert code == 0, said
    expect_same(out, finished)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk in memory, with options; again to change them."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        again = "remount," if os.path.ismount(folder) else ""
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("disks cannot be mounted here")
        return folder

    yield mount
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@needs_root
@pytest.mark.parametrize("size", ["16k", "100k", "200k"])
def test_full_disk_is_said_and_the_same_command_goes_on(
    size: str, toy_folder: Path, spawn: Spawn, finished: Path, disk: Callable[[str], Path]
) -> None:
    out = disk(f"size={size}") / "out"
    code, said = finish(spawn(toy_folder, finished / "bids", out, *OPTIONS))
    assert code in (1, 74), said
    assert "full" in said or "No space left" in said
    assert "stumbled" not in said
    for label in ("01", "02"):
        assert (out / f"sub-{label}").exists() == (out / f".bidsflow/finished/sub-{label}.json").exists()
    disk("size=16m")
    code, said = finish(spawn(toy_folder, finished / "bids", out, *OPTIONS))
    assert code == 0, said
    expect_same(out, finished)


@needs_root
def test_output_that_cannot_be_written_is_said(
    toy_folder: Path, spawn: Spawn, finished: Path, disk: Callable[[str], Path], tmp_path: Path
) -> None:
    disk("size=1m")
    out = disk("ro") / "out"
    code, said = finish(spawn(toy_folder, finished / "bids", out, *OPTIONS, "-w", tmp_path / "work"))
    assert code in (73, 74)
    assert "stumbled" not in said


@needs_root
def test_dataset_that_cannot_be_written_is_enough(
    toy_folder: Path, spawn: Spawn, finished: Path, disk: Callable[[str], Path], tmp_path: Path
) -> None:
    bids = make_dataset(disk("size=1m") / "bids")
    disk("ro")
    code, said = finish(spawn(toy_folder, bids, tmp_path / "out", *OPTIONS))
    assert code == 0, said
    expect_same(tmp_path / "out", finished)
