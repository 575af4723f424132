"""How a conversion grows with the export: time and memory for 1, 10 and 100 sessions of the phantom.

    python benchmarks/convert_scale.py [--sessions 1,10,100] [--rounds 3] [--dialect classic] [--jobs 2]

Each size is converted into a new dataset, and then once more, when nothing is left to do. bidsflow and dcm2niix are
separate processes; memory is that of the largest. Seconds are user and system time of all of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from meter import Cost, measure_command

_LIMIT_S = 3600


def main() -> int:
    """Measure and print; end with 1 if a conversion failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", default="1,10,100", type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dialect", default="classic")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--work", type=Path, help="where the exports are made")
    options = parser.parse_args()
    failed = 0
    print("| sessions | files | CPU s | per session | wall s | MB | again, CPU s | per session | again, MB |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for number in options.sessions:
        with tempfile.TemporaryDirectory(prefix="bidsflow-scale-", dir=options.work) as name:
            failed += measure(Path(name).resolve(), number, options)
    return min(failed, 1)


def measure(work: Path, number: int, options: argparse.Namespace) -> int:
    """Print the row of one size; return 1 if a conversion failed."""
    kind = ("--subjects", str(number), "--dialect", options.dialect, "--size", "tiny")
    made = [*command(), "phantom", str(work / "ph"), *kind]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    export = work / "ph" / "dicom"
    n_files = sum(len(files) for _, _, files in os.walk(export))
    first, again = [], []
    for _ in range(options.rounds):
        shutil.rmtree(work / "bids", ignore_errors=True)
        for costs in (first, again):
            cost = convert(work, export, options.jobs)
            if cost is None:
                print(f"{number} sessions: the conversion failed; see above", file=sys.stderr)
                return 1
            costs.append(cost)
    new, old = (Cost(*(statistics.median(getattr(one, key) for one in costs) for key in ("wall", "cpu", "rss_mb")))
                for costs in (first, again))  # fmt: skip
    print(
        f"| {number} | {n_files} | {new.cpu:.2f} | {new.cpu / number:.2f} | {new.wall:.2f} | {new.rss_mb:.0f} "
        f"| {old.cpu:.2f} | {old.cpu / number:.3f} | {old.rss_mb:.0f} |",
        flush=True,
    )
    return 0


def convert(work: Path, export: Path, jobs: int) -> Cost | None:
    """Return what a conversion costs; None, and what it said, if it failed."""
    log = work / "log.txt"
    words = [*command(), "convert", str(export), str(work / "bids"), "--jobs", str(jobs)]
    with log.open("w", encoding="utf-8") as out:
        cost, code = measure_command(words, out, work, os.environ, _LIMIT_S)
    if code == 0:
        return cost
    print(log.read_text(encoding="utf-8", errors="replace")[-2000:], file=sys.stderr)
    return None


def command() -> list[str]:
    """Return the words that call bidsflow in this environment."""
    return [sys.executable, "-m", "bidsflow"]


if __name__ == "__main__":
    sys.exit(main())
