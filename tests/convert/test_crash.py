"""Kill it at any moment: the same command makes the dataset that an undisturbed run makes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.phantom import make_sessions, write
from bidsflow.phantom.physio import write_logs

from .conftest import Ran, finish, read_tree, spawn

#: Runs the command and sends a signal to its process group, or to itself, when an audit event comes for the n-th time.
_HOOKED = """
import os, re, signal, sys
event, pattern, rank, name = sys.argv[1], re.compile(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
del sys.argv[1:5]
from bidsflow.cli.main import main
seen = 0
def hook(kind, args):
    global seen
    if kind == event and pattern.search(" ".join(str(one) for one in args)):
        seen += 1
        if seen == rank:
            number = getattr(signal, name)
            os.killpg(0, number) if name == "SIGKILL" else os.kill(os.getpid(), number)
sys.addaudithook(hook)
main()
"""


class Moment(NamedTuple):
    """The n-th time that something happens (an audit event of Python whose arguments match)."""

    title: str
    event: str
    pattern: str
    rank: int


#: ``open`` of a file, ``os.rename SOURCE TARGET``, ``os.remove``, ``subprocess.Popen``: see "Audit events" of Python.
MOMENTS = [
    Moment("scan", "open", r"\.dcm", 30),
    Moment("key is put in place", "os.rename", r"key\.json ", 1),
    Moment("dcm2niix", "subprocess.Popen", "dcm2niix", 3),
    Moment("compression", "open", r"image\w*\.nii\.gz w", 3),
    Moment("an image is staged", "os.rename", r"commit-\S+\.nii\.gz", 2),
    Moment("second session is staged", "open", r"commit-\S+scans\.tsv w", 2),
    Moment("journal is put in place", "os.rename", r"journal/\S+\.json ", 1),
    *(Moment(f"rename {rank} of the commits", "os.rename", r"staging/run-\S+/commit-\S+ (?!\S*/staging/)", rank)
      for rank in (1, 2, 3, 7, 9)),
    Moment("journal is removed", "os.remove", r"journal/\S+\.json", 1),
    Moment("staging is swept", "shutil.rmtree", r"staging/run-\w+ ", 1),
]  # fmt: skip
QUICK = {"scan", "dcm2niix", "compression", "journal is put in place", "rename 1 of the commits",
         "rename 3 of the commits", "rename 9 of the commits", "journal is removed"}  # fmt: skip


def run_until(moment: Moment, name: str, export: Path, target: Path) -> Ran:
    words = (moment.event, moment.pattern, moment.rank, name, "convert", "-j", 2, export, target)
    return finish(spawn(*words, script=_HOOKED))


def check_finished(export: Path, target: Path, reference: dict[str, bytes]) -> None:
    """The same command finishes the job and leaves nothing behind."""
    ran = finish(spawn("convert", export, target))
    assert ran.code == 0, ran.err
    assert read_tree(target) == reference
    assert not any((target / ".bidsflow" / "journal").iterdir())
    assert not any((target / ".bidsflow" / "staging").iterdir())


def find_processes(text: str) -> list[str]:
    """Return the command lines of the living that hold a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text in line and state != "Z":
            found.append(line)
    return found


def sort_by_cost(moments: list[Moment]) -> list[object]:
    """Return the moments as parameters; all but a handful are slow."""
    return [
        pytest.param(moment, id=moment.title, marks=[] if moment.title in QUICK else [pytest.mark.slow])
        for moment in moments
    ]


@pytest.mark.parametrize("moment", sort_by_cost(MOMENTS))
def test_killed_run_is_finished_by_the_same_command(
    moment: Moment, small_export: Path, tmp_path: Path, reference: dict[str, bytes]
) -> None:
    target = tmp_path / "bids"
    ran = run_until(moment, "SIGKILL", small_export, target)
    if ran.code == 0 and moment.title.startswith("rename"):
        pytest.skip("this run has fewer renames")
    assert ran.code == -signal.SIGKILL, ran.said
    check_finished(small_export, target, reference)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("scan", "SIGTERM"), ("dcm2niix", "SIGINT"), ("rename 3 of the commits", "SIGINT"),
        ("journal is removed", "SIGTERM"), ("staging is swept", "SIGINT"),
    ],
)  # fmt: skip
def test_interrupted_run_cleans_up_and_is_finished_by_the_same_command(
    title: str, name: str, small_export: Path, tmp_path: Path, reference: dict[str, bytes]
) -> None:
    moment = next(moment for moment in MOMENTS if moment.title == title)
    target = tmp_path / "bids"
    ran = run_until(moment, name, small_export, target)
    assert ran.code == 130, ran.said
    assert "interrupted" in ran.err
    assert "Traceback" not in ran.said
    assert not any((target / ".bidsflow" / "staging").glob("*"))
    assert not any((target / ".bidsflow" / "journal").glob("*"))
    assert find_processes(str(target)) == []
    check_finished(small_export, target, reference)


def test_signals_at_random_moments(small_export: Path, tmp_path: Path, reference: dict[str, bytes]) -> None:
    seed = random.SystemRandom().randrange(10**9)
    rng = random.Random(seed)
    for trial in range(3):
        target = tmp_path / str(trial) / "bids"
        process = spawn("convert", small_export, target)
        time.sleep(0.3 + 0.6 * rng.random())
        number = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
        os.killpg(process.pid, number) if process.poll() is None else None
        ran = finish(process)
        if ran.code not in (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT) and "Traceback" not in ran.err:
            assert ran.code == 130, (seed, ran)
            assert not any((target / ".bidsflow" / "staging").glob("*")), seed
        check_finished(small_export, target, reference)


#: How many runs are killed in each of the slow tests.
KILLS = int(os.environ.get("BIDSFLOW_KILLS", "30"))


def kill_often(words: Sequence[object], target: Path, before: Path | None = None) -> None:
    """Kill a command at random moments; given again, it makes what an undisturbed run makes.

    Parameters
    ----------
    words : sequence of object
        The command, with None for the dataset.
    target : Path
        Below which datasets are made.
    before : Path, optional
        The dataset that each trial begins with.
    """

    def begin(name: str) -> tuple[Path, list[object]]:
        bids = target / name / "bids"
        if before is not None:
            shutil.copytree(before, bids)
        return bids, [bids if word is None else word for word in words]

    first, command = begin("reference")
    began = time.monotonic()
    ran = finish(spawn(*command), timeout=600)
    length = time.monotonic() - began
    assert ran.code == 0, ran.err
    expected = read_tree(first)
    seed = random.SystemRandom().randrange(10**9)
    rng = random.Random(seed)
    kills = 0
    while kills < KILLS:
        bids, command = begin(f"at-{kills}")
        for _ in range(rng.randrange(1, 4)):
            process = spawn(*command)
            time.sleep(length * rng.random())
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            finish(process)
            kills += 1
        ran = finish(spawn(*command), timeout=600)
        assert ran.code == 0, (seed, kills, ran.err)
        assert read_tree(bids) == expected, (seed, kills)
        assert not any((bids / ".bidsflow" / "journal").iterdir())
        shutil.rmtree(bids)


@pytest.mark.slow
def test_random_kills_of_a_conversion(small_export: Path, tmp_path: Path) -> None:
    kill_often(("convert", small_export, None), tmp_path)


@pytest.mark.slow
def test_random_kills_of_a_person_who_gets_another_label(tmp_path: Path) -> None:
    export, before, study = tmp_path / "scan" / "dicom", tmp_path / "before", tmp_path / "study.toml"
    truth = write(tmp_path / "scan", sessions=make_sessions(1, 2), series=("task",))
    write_logs(tmp_path / "scan", truth, form="cmrr")
    study.write_text("version = 1\n[subjects]\nfrom = 'PatientID'\npattern = '\\d+'\n")
    assert finish(spawn("convert", export, before)).code == 0
    kill_often(("convert", export, None, "--study", study), tmp_path, before)


@pytest.mark.slow
@pytest.mark.shared
def test_random_kills_on_real_exports(tmp_path: Path) -> None:
    export = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"
    if not export.is_dir():
        pytest.skip("the scanner exports are not here")
    kill_often(("convert", export, None), tmp_path)
