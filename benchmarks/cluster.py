"""What it costs to submit, to ask after, and to report on arrays of thousands of tasks on a real scheduler.

    python benchmarks/cluster.py --executor slurm [--tasks 500 1000 2000 4000] [--room DIR] [--json]

Each task is ``true``: what is measured is bidsflow and the scheduler. Seconds of wall clock, of this machine:

- submit: writing the folder of the batch, and the scheduler's answer;
- poll: `bidsflow jobs` while tasks wait and run, one call of the scheduler's programs;
- notes: the same when all have ended and have said so, which asks no scheduler;
- accounts: the same without their notes, from the scheduler's accounting alone;
- run: from submission until the last task has ended.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bidsflow.executors.base import Phase, Request
from bidsflow.executors.batches import Batch, new_id, read_batches, submit_batch, write_batch
from bidsflow.executors.standing import Desk, Standing, stand


def measure(executor: str, count: int, room: Path) -> dict[str, Any]:
    """Return the seconds that each step took for an array of some length."""
    names = tuple(f"task-{number:06}" for number in range(1, count + 1))
    request = Request(executor, memory_gb=0.1, minutes=10)
    batch = Batch(new_id(), "bidsflow-bench", "participant", ("true",), names, ((),) * count, request)
    room = room / batch.id
    room.mkdir()

    def send() -> None:
        write_batch(room, batch)
        submit_batch(room, batch)

    began = time.monotonic()
    found: dict[str, Any] = {"tasks": count, "submit": _time(send)[0]}
    polls = []
    while True:
        seconds, standings = _time(lambda: look(room))
        polls.append(seconds)
        if not any(one.is_live for one in standings):
            break
        time.sleep(min(20.0, 2.0 + count / 500))
    found |= {"run": time.monotonic() - began, "poll": sorted(polls[:-1] or polls)[len(polls[:-1] or polls) // 2]}
    found["notes"], standings = _time(lambda: look(room))
    found["done"] = sum(one.phase is Phase.DONE for one in standings)
    shutil.rmtree(room / batch.id / "states")
    time.sleep(3)  # accounting lags behind
    found["accounts"], standings = _time(lambda: look(room))
    found["known"] = sum(one.phase is Phase.DONE for one in standings)
    return found


def look(room: Path) -> tuple[Standing, ...]:
    """Return where all tasks stand."""
    return stand(room, read_batches(room), Desk())


def _time(step: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    result = step()
    return time.monotonic() - began, result


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--executor", default="slurm")
    parser.add_argument("--tasks", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    parser.add_argument("--room", type=Path, help="where the folders of batches go; the nodes have to see it")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=given.room) as folder:
        for count in given.tasks:
            rows.append(measure(given.executor, count, Path(folder)))
            if not given.json:
                print("  ".join(f"{key} {value:.2f}" if isinstance(value, float) else f"{key} {value}"
                                for key, value in rows[-1].items()), flush=True)  # fmt: skip
    if given.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
