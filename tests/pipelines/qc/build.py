"""One run of qc on a small phantom dataset, shared by all tests that look at what comes out."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bidsflow.phantom import Truth, make_sessions, read_truth, write

#: Who has what: finding the brain of a T1w takes half a minute, and the motion of a diffusion series ten seconds, so
#: that one person's are enough.
SCANS = {"01": ("t1w", "rest", "dwi"), "02": ("rest",)}


@dataclass(frozen=True, slots=True)
class Finished:
    """A dataset and what qc made of it. Read only: change a copy.

    Attributes
    ----------
    bids, qc : Path
        The dataset, and its derivatives.
    truths : mapping of str to Truth
        The answer key of each participant.
    """

    bids: Path
    qc: Path
    truths: dict[str, Truth]


def bidsflow(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that has to succeed."""
    command = [sys.executable, "-m", "bidsflow", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def run_qc(bids: Path, out: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run qc with what is known of the phantom: it has one receiver channel."""
    return bidsflow("run", "qc", bids, out, *arguments, "--skip-bids-validation", "--n-cpus", 2, "--coils", 1)


def finish_once(factory: pytest.TempPathFactory) -> Finished:
    """Return the run; the first process that asks makes it, the others of a parallel test session wait for it."""
    root = factory.getbasetemp()
    folder = (root.parent if root.name.startswith("popen-") else root) / "qc-finished"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            for half_made in ("01", "02", "bids", "qc"):
                shutil.rmtree(folder / half_made, ignore_errors=True)
            for person, series in zip(make_sessions(2, 1), SCANS.values(), strict=True):
                write(folder / person.subject.label, sessions=[person], series=series)
            bidsflow("convert", *(folder / label / "dicom" for label in SCANS), folder / "bids")
            run_qc(folder / "bids", folder / "qc", "participant", "group")
            (folder / "done").touch()
    truths = {label: read_truth(folder / label / "truth" / "truth.json") for label in SCANS}
    return Finished(folder / "bids", folder / "qc", truths)


def copy(finished: Finished, folder: Path) -> Finished:
    """Return a copy to change; times of modification are kept."""
    for name in ("bids", "qc"):
        shutil.copytree(getattr(finished, name), folder / name, symlinks=True)
    return Finished(folder / "bids", folder / "qc", finished.truths)
