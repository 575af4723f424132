"""Several runs at once, on file systems of all kinds: the tree is as if they had come one after another."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bidsflow.dataset.lock import describe_holder, name_process
from bidsflow.dataset.tree import open_dataset
from bidsflow.phantom import make_sessions, write
from bidsflow.phantom.physio import write_logs

from .conftest import finish, read_tree, spawn
from .test_crash import _HOOKED

PEOPLE = ("01", "02", "03", "04")

#: Runs the command on a file system that refuses something: an audit event of Python ends with that error.
_REFUSING = """
import os, sys
event, number, part = sys.argv[1], int(sys.argv[2]), sys.argv[3]
del sys.argv[1:4]
def hook(kind, args):
    if kind == event and (not part or any(part in str(one) for one in args)):
        raise OSError(number, os.strerror(number), str(args[0]))
from bidsflow.cli.main import main
sys.addaudithook(hook)
main()
"""


@pytest.fixture(scope="module")
def four_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people, one visit each, with field maps and recordings. Read only."""
    root = tmp_path_factory.mktemp("four") / "scan"
    write_logs(root, write(root, size="tiny", sessions=make_sessions(4, 1), series=("topup", "sbref", "rest")))
    return root / "dicom"


def test_four_runs_at_once_leave_what_they_leave_one_after_another(four_people: Path, tmp_path: Path) -> None:
    one, all_at_once = tmp_path / "one" / "bids", tmp_path / "all" / "bids"
    for person in PEOPLE:
        assert finish(spawn("convert", four_people, one, "--subject", person)).code == 0
    started = [spawn("convert", four_people, all_at_once, "--subject", person, "-j", 1) for person in PEOPLE]
    for ran in map(finish, started):
        assert ran.code == 0, ran.err
    expected = read_tree(one)
    assert read_tree(all_at_once) == expected
    assert {f"sub-{person}/sub-{person}_scans.tsv" for person in PEOPLE} < expected.keys()
    assert expected["participants.tsv"].count(b"\nsub-") == len(PEOPLE)
    for room in ("journal", "staging"):
        assert not any((all_at_once / ".bidsflow" / room).iterdir())


def test_file_system_without_locks_is_said_and_nothing_is_written(two_people: Path, tmp_path: Path) -> None:
    ran = finish(spawn("fcntl.flock", errno.ENOLCK, "", "convert", two_people, tmp_path / "bids", script=_REFUSING))
    assert ran.code == 73, ran.said
    assert "its lock cannot be had (No locks available): its file system may know no locks" in ran.err
    assert not read_tree(tmp_path / "bids")


@pytest.mark.parametrize(("event", "number"), [("os.link", errno.ENOTSUP), ("os.chmod", errno.EPERM)])
def test_file_system_without_links_or_rights_gets_the_same_tree(
    event: str, number: int, small_export: Path, tmp_path: Path, reference: dict[str, bytes]
) -> None:
    ran = finish(spawn(event, number, "", "convert", small_export, tmp_path / "bids", script=_REFUSING))
    assert ran.code == 0, ran.said
    assert read_tree(tmp_path / "bids") == reference


def test_commit_that_the_file_system_refuses_is_said_and_finished_by_the_next_run(
    small_export: Path, tmp_path: Path, reference: dict[str, bytes]
) -> None:
    words = ("os.rename", errno.EIO, "/bids/sub-01", "convert", small_export, tmp_path / "bids")
    ran = finish(spawn(*words, script=_REFUSING))
    assert ran.code == 73, ran.said
    assert "a commit is under way and cannot be finished" in ran.err
    assert not list((tmp_path / "bids").glob("sub-*/**/*.nii.gz"))
    assert finish(spawn("convert", small_export, tmp_path / "bids")).code == 0
    assert read_tree(tmp_path / "bids") == reference


def test_run_that_waits_says_for_whom(two_people: Path, tmp_path: Path, monkeypatch: Any) -> None:
    dataset = open_dataset(tmp_path / "bids")
    script = "import bidsflow.dataset.lock as lock; lock.PATIENCE = 0.1; lock.hold.__wrapped__.__defaults__ = (0.1,)\n"
    with (dataset.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(name_process(os.getpid()))
        lock.flush()
        run = spawn("convert", two_people, tmp_path / "bids",
                    script=script + "from bidsflow.cli.main import main; main()")  # fmt: skip
        assert run.stderr is not None
        said = run.stderr.readline()
    assert f"held by process {os.getpid()} on {socket.gethostname()}. If it hangs, end it" in said
    assert finish(run).code == 0


def test_holder_that_is_gone_or_elsewhere_is_told_apart() -> None:
    done = subprocess.Popen([sys.executable, "-c", "pass"])
    text = name_process(done.pid)
    done.wait()
    assert "is gone" in describe_holder(text)
    reused = name_process(os.getpid()).rpartition(" ")[0] + " 1"
    assert "is gone" in describe_holder(reused)
    assert "hangs" in describe_holder(name_process(os.getpid()))
    assert describe_holder("node7 12 99").startswith("process 12 on node7. If it is not at work any more")
    assert "has not said its name" in describe_holder("")


@pytest.mark.parametrize(
    ("title", "pattern"),
    [
        ("journal of the recordings", r"journal/\S+\.json "),
        ("a recording", r"commit-\S+/sub-01/func/\S+_physio\.json (?!\S*/staging/)"),
        ("an archive of originals", r"commit-\S+/sourcedata (?!\S*/staging/)"),
    ],
    ids=lambda text: text if "\\" not in text else "",
)
def test_killed_run_leaves_recordings_and_originals_to_the_next(title: str, pattern: str, tmp_path: Path) -> None:
    write_logs(tmp_path / "scan", write(tmp_path / "scan", series=("rest",)))
    words = ("convert", "--keep-source", tmp_path / "scan" / "dicom")
    assert finish(spawn(*words, tmp_path / "one" / "bids")).code == 0
    target = tmp_path / "two" / "bids"
    rank = 2 if title.startswith("journal") else 1  # the first is that of the session
    ran = finish(spawn("os.rename", pattern, rank, "SIGKILL", *words, target, script=_HOOKED))
    assert ran.code == -9, ran.said
    assert read_tree(target) != read_tree(tmp_path / "one" / "bids")
    assert finish(spawn(*words, target)).code == 0
    assert read_tree(target) == read_tree(tmp_path / "one" / "bids")
