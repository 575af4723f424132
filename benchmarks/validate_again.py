"""What a validation costs when nothing has changed, beside a bare walk over the dataset.

    python benchmarks/validate_again.py [--subjects 100,500,2000] [--rounds 9] [DATASET ...]

The command and the walk, each a process of its own, take turns; then, within one process, `bidsflow.validate.run` and
the same walk do. Ratios are taken within a turn, then their median. CPU is user and system time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from meter import Cost
from validate import _WALK, Meter, make_dataset

#: Prints CPU seconds of a walk, and of a validation of what has not changed, turn by turn.
_WITHIN = """
import os, sys, time
from bidsflow.validate import run

def walk(root):
    pending = [root]
    while pending:
        for entry in os.scandir(pending.pop()):
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            else:
                entry.stat()

run(sys.argv[1])
for _ in range(int(sys.argv[2])):
    times = [time.process_time()]
    for work in (walk, run):
        work(sys.argv[1])
        times.append(time.process_time())
    print(times[1] - times[0], times[2] - times[1])
"""


def main() -> int:
    """Measure and print; end with 1 if a command failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n")[2])
    parser.add_argument("datasets", nargs="*", type=Path, metavar="DATASET", help="instead of made-up ones")
    parser.add_argument("--subjects", default="100,500,2000", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--work", type=Path, help="where the datasets are made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bidsflow-again-", dir=options.work) as name:
        work = Path(name)
        meter = Meter(work)
        made = (make_dataset(work / f"s{number}", number) for number in options.subjects)
        return max([measure(meter, root.resolve(), options.rounds) for root in options.datasets or made], default=0)


def measure(meter: Meter, root: Path, rounds: int) -> int:
    """Print what each costs on one dataset; return 1 if one failed."""
    ours = (sys.executable, "-m", "bidsflow", "validate", str(root))
    commands = {
        "bare walk": (sys.executable, "-c", _WALK, str(root)),
        "as text": ours,
        "as JSON": (*ours, "--json"),
        "as text into a file": (*ours, "-o", str(meter.work / "report.txt")),
    }
    time.sleep(1)  # what changed just now is not remembered
    for command in commands.values():
        meter.run(command)
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            cost = meter.run(command)
            if cost is None:
                print(f"{name} failed: {meter.complaint()}", file=sys.stderr)
                return 1
            costs[name].append(cost)
    n_files = sum(len(files) for _, _, files in os.walk(root))
    print(f"\n{root.name}, {n_files} files, load {os.getloadavg()[0]:.1f}")
    for name, measured in costs.items():
        cpu, wall = (tell([getattr(c, key) for c in measured], [getattr(c, key) for c in costs["bare walk"]])
                     for key in ("cpu", "wall"))  # fmt: skip
        print(f"{name:28} CPU {cpu}   wall {wall}")
    done = subprocess.run(
        [sys.executable, "-c", _WITHIN, str(root), str(rounds)],
        check=True, capture_output=True, text=True, env=meter.environment,
    )  # fmt: skip
    walks, runs = zip(*(map(float, line.split()) for line in done.stdout.splitlines()), strict=True)
    print(f"{'called from Python':28} CPU {tell(runs, walks)}")
    return 0


def tell(ours: Sequence[float], walks: Sequence[float]) -> str:
    """Return the median of seconds, and that of ratios to a walk in the same turn."""
    ratio = statistics.median(one / walk for one, walk in zip(ours, walks, strict=True))
    return f"{statistics.median(ours):6.3f} s ({ratio:4.2f})"


if __name__ == "__main__":
    sys.exit(main())
