"""What qc costs, and which part of it goes to nipype and to keeping books.

    python benchmarks/qc.py [BIDS_DIR] [--participant 01] [--rounds 3] [--json]

Without a dataset, a participant of the phantom is measured, of medium size. Compared are two processes: `bidsflow run
qc` for one participant, steps one after another; and a process that calls the same functions with the same arguments in
the same order, each in a folder of its own, and nothing else: no nipype, no index, no derivatives, no pages. Counted is
user and system time of the process and its children, so that others on the machine change little; rounds take turns,
and medians are shown. `start` is a dry run: Python, the index of the dataset and the building of the workflow.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bidsflow.app.pool import THREAD_VARIABLES


@dataclass
class Direct:
    """A workflow that runs each step at once, in a folder of its own, and keeps nothing."""

    folder: Path
    params: Any
    threads: int = 1
    others: Mapping[str, Path] = field(default_factory=dict)

    @property
    def workflow(self) -> SimpleNamespace:
        """What qc asks for the folder of."""
        return SimpleNamespace(base_dir=str(self.folder))

    def add(self, function: Callable[..., Any], name: str = "", *, memory_gb: float = 0.2, **inputs: Any) -> Any:
        """Run a step; return its outputs by name."""
        place = self.folder / (name or function.__name__)
        place.mkdir(parents=True)
        os.chdir(place)
        if "threads" in inspect.signature(function).parameters:
            inputs["threads"] = self.threads
        return function(**inputs)._asdict()

    def keep(self, *_: object, **__: object) -> None:
        """Keep nothing."""


@dataclass(frozen=True)
class Result:
    """Seconds of processor time, medians of the rounds; the share is of what goes beyond the direct calls."""

    dataset: str
    images: int
    rounds: int
    pipeline: float
    direct: float
    start: float
    share: float


def run_direct(dataset: Path, label: str) -> int:
    """Call the steps of one participant; return how many images it has."""
    from bidsflow.app.inputs import find_inputs
    from bidsflow.app.invocation import Selection
    from bidsflow.app.registry import find_pipeline, load

    pipeline = find_pipeline("qc")
    (participant,) = find_inputs(dataset, pipeline, [label], Selection()).participants
    with tempfile.TemporaryDirectory() as folder:
        load(pipeline.workflow)(Direct(Path(folder) / "work", pipeline.params()), participant)
        os.chdir("/")
    return len(participant.images)


def processor_time(command: Sequence[str]) -> tuple[float, str]:
    """Run a command with one thread; return the user and system time of it and its children, and what it printed."""
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measure(dataset: Path, label: str, rounds: int) -> Result:
    pipelines, directs, starts, images = [], [], [], 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            command = [
                sys.executable, "-m", "bidsflow", "run", "qc", str(dataset), out + "/out", "participant",
                "--participant-label", label, "--n-cpus", "1", "--omp-nthreads", "1", "--skip-bids-validation",
            ]  # fmt: skip
            starts.append(processor_time([*command, "--dry-run"])[0])
            pipelines.append(processor_time(command)[0])
        seconds, said = processor_time([sys.executable, __file__, str(dataset), "--participant", label, "--direct"])
        directs.append(seconds)
        images = int(said.split()[-1])
    share = statistics.median((whole - bare) / bare for whole, bare in zip(pipelines, directs, strict=True))
    medians = (round(statistics.median(times), 2) for times in (pipelines, directs, starts))
    return Result(dataset.name, images, rounds, *medians, round(share, 4))


def make_dataset(folder: Path) -> Path:
    from bidsflow.phantom import write

    write(folder / "scan", size="medium", series=["t1w", "rest", "dwi"])
    subprocess.run(
        [sys.executable, "-m", "bidsflow", "convert", folder / "scan" / "dicom", folder / "bids"], check=True
    )
    return folder / "bids"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--participant", default="01")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--direct", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.direct:
        print(run_direct(given.dataset.resolve(), given.participant))
        return
    with tempfile.TemporaryDirectory() as folder:
        dataset = given.dataset.resolve() if given.dataset else make_dataset(Path(folder))
        found = measure(dataset, given.participant, given.rounds)
    if given.json:
        print(json.dumps(asdict(found)))
        return
    print(f"{found.dataset}, {found.images} images, medians of {found.rounds} rounds, CPU seconds")
    print(f"bidsflow run qc   {found.pipeline:8.2f}")
    print(f"steps alone       {found.direct:8.2f}")
    print(f"start (dry run)   {found.start:8.2f}")
    print(f"lost              {100 * found.share:8.1f} %")


if __name__ == "__main__":
    main()
