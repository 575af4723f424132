"""What a validation costs, beside the reference validator and others.

    python benchmarks/validate.py [--subjects 100,500,2000] [--rounds 3] [--bidsval BIN] [--json FILE]

Datasets are made up, with realistic files. Each measurement is paired with one of the reference on the same dataset
right before, so that a busy machine treats both alike; ratios are taken within a pair, then their median.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import platform
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from meter import Cost, measure_command

REFERENCE = "bids-validator-deno"
#: Ends of commands that mean a complete report.
_COMPLETE = (0, 1, 16)
_LIMIT_S = 3600

#: The floor: names and states of all files, nothing read.
_WALK = """
import os, sys
pending = [sys.argv[1]]
while pending:
    for entry in os.scandir(pending.pop()):
        if entry.is_dir(follow_symlinks=False):
            pending.append(entry.path)
        else:
            entry.stat()
"""

_PYBIDS = "import sys; from bids import BIDSLayout; BIDSLayout(sys.argv[1], validate=True)"


@dataclass(frozen=True, slots=True)
class Case:
    """A way to validate.

    Attributes
    ----------
    name : str
        As it is printed.
    command : tuple of str
        The dataset is appended.
    before : function
        What is done to the dataset before each run, not measured.
    warm : bool
        Whether the command runs once, not measured, so that it finds what it kept.
    """

    name: str
    command: tuple[str, ...]
    before: Callable[[Path], None] = lambda _root: None
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One case on one dataset; medians, and medians of the ratios to the reference within each pair."""

    dataset: str
    files: int
    case: str
    cost: Cost
    cpu_ratio: float
    wall_ratio: float
    failures: int


def main() -> int:
    """Measure, print, save; end with 1 if a command failed."""
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="bidsflow-validate-", dir=options.work) as name:
        work = Path(name)
        meter = Meter(work)
        cases = find_cases(options)
        rows: list[Row] = []
        load = os.getloadavg()[0]
        for n_subjects in options.subjects:
            root = make_dataset(work / f"s{n_subjects}", n_subjects)
            rows += measure(meter, root, cases, options.rounds)
            shutil.rmtree(root)
    report = {
        "machine": describe_machine() | {"load_before": load, "load_after": os.getloadavg()[0]},
        "versions": describe_versions(options),
        "rounds": options.rounds,
        "rows": [asdict(row) for row in rows],
    }
    print_rows(report, rows)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return int(any(row.failures for row in rows))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n")[2])
    parser.add_argument("--subjects", default="0,100,500,2000", type=lambda text: [int(n) for n in text.split(",")],
                        help="one dataset for each number; 0 is an empty one, which shows the start-up")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="of the parallel case")
    parser.add_argument("--bidsval", type=Path, metavar="BIN", help="folder that bidsval is installed in")
    parser.add_argument("--no-pybids", action="store_true", help="leave out pybids, which is slow on many subjects")
    parser.add_argument("--cases", default="", help="only those whose name contains one of these words: cold,again")
    parser.add_argument("--work", type=Path, help="where the datasets are made")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args()


def find_cases(options: argparse.Namespace) -> list[Case]:
    """Return the reference first, then us, then whoever else is installed."""
    here = Path(sys.executable).parent
    ours = (sys.executable, "-m", "bidsflow", "validate", "--compat", "--json")
    cases = [
        Case("bidsflow, cold, one process", (*ours, "--no-cache", "--jobs", "1")),
        Case(f"bidsflow, cold, {options.jobs} workers", (*ours, "--no-cache", "--jobs", str(options.jobs))),
        Case("bidsflow, again, unchanged", ours, warm=True),
        Case("bidsflow, again, one sidecar changed", ours, before=change_sidecar, warm=True),
    ]
    if options.bidsval:
        cases.append(Case("bidsval", (str(options.bidsval / "bidsval"), "validate", "--out-type", "json")))
    if importlib.util.find_spec("bids") and not options.no_pybids:
        cases.append(Case("pybids, validate=True", (sys.executable, "-c", _PYBIDS)))
    cases.append(Case("bare walk", (sys.executable, "-I", "-S", "-c", _WALK)))
    if words := [word for word in options.cases.split(",") if word]:
        cases = [case for case in cases if any(word in case.name for word in words)]
    program = here / REFERENCE if (here / REFERENCE).exists() else Path(shutil.which(REFERENCE) or REFERENCE)
    return [Case("reference", (str(program), "--json")), *cases]


# --- what is validated -----------------------------------------------------------------------------------------------


def make_dataset(root: Path, n_subjects: int) -> Path:
    """Write a valid dataset: T1w, two to four runs of BOLD, diffusion, a field map of two directions, scans.tsv.

    Headers are those of real images, with a kilobyte of noise for their voxels: no validator reads on. The same number
    of subjects gives the same bytes.
    """
    dice = random.Random(n_subjects)
    labels = [f"{number:04}" for number in range(1, n_subjects + 1)]
    people = "".join(f"sub-{label}\t{dice.randint(18, 80)}\t{dice.choice('FM')}\n" for label in labels)
    files: dict[str, bytes] = {
        "README": b"A made-up dataset, for measuring what it costs to validate one.\n" * 4,
        "CHANGES": b"1.0.0 2020-01-01\n  - First.\n",
        "dataset_description.json": _json(
            Name="Made up", BIDSVersion="1.10.0", DatasetType="raw", License="CC0", Authors=["A. Author", "B. Author"]
        ),
    }
    if labels:
        files["participants.tsv"] = f"participant_id\tage\tsex\n{people}".encode()
        files["participants.json"] = _json(age={"Description": "Years.", "Units": "year"}, sex={"Description": "Sex."})
        files["task-nback_events.json"] = _json(
            trial_type={"Description": "What was asked.", "Levels": {"go": "Respond.", "stop": "Do not."}},
            response_time={"Description": "From the onset.", "Units": "s"},
        )
    _write(root, files)
    for label in labels:
        _write(root, _subject(label, dice))
    return root


def _subject(label: str, dice: random.Random) -> dict[str, bytes]:
    """Return the files of one subject."""
    at, stem = f"sub-{label}", f"sub-{label}"
    device = {
        "Manufacturer": "Siemens", "ManufacturersModelName": "Prisma", "MagneticFieldStrength": 3,
        "DeviceSerialNumber": "12345", "SoftwareVersions": "syngo MR XA30", "InstitutionName": "Somewhere",
        "PulseSequenceType": "EPI", "ScanningSequence": "EP", "SequenceVariant": "SK", "MRAcquisitionType": "2D",
    }  # fmt: skip
    epi = {"EffectiveEchoSpacing": 0.00058, "TotalReadoutTime": 0.05, "PhaseEncodingDirection": "j-"}
    files = {
        f"{at}/anat/{stem}_T1w.nii.gz": _image((176, 256, 256), (1, 1, 1, 2.3), dice),
        f"{at}/anat/{stem}_T1w.json": _json(**device | {"MRAcquisitionType": "3D"}, EchoTime=0.003, FlipAngle=9),
    }
    runs = [f"func/{stem}_task-nback_run-{run}_bold" for run in range(1, dice.choice((2, 3, 4, 4)) + 1)]
    for run in runs:
        files[f"{at}/{run}.nii.gz"] = _image((64, 64, 36, 240), (3, 3, 3.3, 2), dice)
        slices = [round(0.05 * index, 3) for index in range(36)]
        files[f"{at}/{run}.json"] = _json(
            **device, **epi, TaskName="nback", RepetitionTime=2.0, EchoTime=0.03, FlipAngle=77, SliceTiming=slices
        )
        files[f"{at}/{run.removesuffix('_bold')}_events.tsv"] = _events(dice)
    directions = 64
    bvals = " ".join(["0", *["1000"] * (directions - 1)])
    bvecs = [" ".join(f"{dice.uniform(-1, 1):.6f}" for _ in range(directions)) for _ in range(3)]
    files |= {
        f"{at}/dwi/{stem}_dwi.nii.gz": _image((96, 96, 60, directions), (2, 2, 2, 8.4), dice),
        f"{at}/dwi/{stem}_dwi.json": _json(**device, **epi, RepetitionTime=8.4, EchoTime=0.09),
        f"{at}/dwi/{stem}_dwi.bval": f"{bvals}\n".encode(),
        f"{at}/dwi/{stem}_dwi.bvec": ("\n".join(bvecs) + "\n").encode(),
    }
    for direction, sign in (("AP", "j-"), ("PA", "j")):
        name = f"{at}/fmap/{stem}_dir-{direction}_epi"
        files[f"{name}.nii.gz"] = _image((64, 64, 36, 3), (3, 3, 3.3, 8), dice)
        intended = [f"bids::{at}/{run}.nii.gz" for run in runs]
        files[f"{name}.json"] = _json(**device, **epi | {"PhaseEncodingDirection": sign}, IntendedFor=intended)
    images = sorted(path.removeprefix(f"{at}/") for path in files if path.endswith(".nii.gz"))
    scans = "".join(f"{path}\t1900-01-01T10:{number:02}:00\n" for number, path in enumerate(images))
    return files | {f"{at}/{stem}_scans.tsv": f"filename\tacq_time\n{scans}".encode()}


def _events(dice: random.Random) -> bytes:
    rows = ["onset\tduration\ttrial_type\tresponse_time"]
    for trial in range(60):
        time = f"{dice.uniform(0.2, 1):.3f}" if dice.random() < 0.9 else "n/a"
        rows.append(f"{trial * 7.5 + dice.random():.3f}\t1.0\t{dice.choice(('go', 'stop'))}\t{time}")
    return ("\n".join(rows) + "\n").encode()


def _image(shape: Sequence[int], steps: Sequence[float], dice: random.Random) -> bytes:
    """Return a compressed NIfTI-1 image with a true header. Source: nifti1.h."""
    dim = [len(shape), *shape, *[1] * (7 - len(shape))]
    head = struct.pack("<i35xB8h3f4h", 348, 0, *dim, 0, 0, 0, 0, 4, 16, 0)
    head += struct.pack("<8f3fhBB4f2i", 1, *steps, 0, 0, 0, 352, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0)
    head += bytes(104) + struct.pack("<2h6f", 1, 1, 0, 0, 0, -90, -126, -72)
    x, y, z = steps[:3]
    head += struct.pack("<12f", x, 0, 0, -90, 0, y, 0, -126, 0, 0, z, -72) + bytes(16) + b"n+1\0" + bytes(4)
    return gzip.compress(head + dice.randbytes(1024), 6, mtime=0)


def _json(**fields: object) -> bytes:
    return (json.dumps(fields, indent=2) + "\n").encode()


def _write(root: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def change_sidecar(root: Path) -> None:
    """Change one field of the last subject's T1w; back again the next time."""
    for path in sorted(root.glob("sub-*/anat/*_T1w.json"))[-1:]:
        fields = json.loads(path.read_bytes())
        fields["FlipAngle"] = 17 - fields["FlipAngle"]
        path.write_bytes(_json(**fields))


# --- how it is measured ----------------------------------------------------------------------------------------------


class Meter:
    """Runs commands with an empty home folder and tells what they cost."""

    def __init__(self, work: Path) -> None:
        self.work = work
        home = work / "home"
        home.mkdir()
        self.environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "NO_COLOR": "1"}

    def run(self, command: Sequence[str]) -> Cost | None:
        """Return the cost of a command, or nothing where it failed."""
        try:
            with (self.work / "output").open("wb") as output:
                cost, code = measure_command(command, output, self.work, self.environment, _LIMIT_S)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
        return cost if code in _COMPLETE else None

    def complaint(self) -> str:
        """Return the last line of what the last command said."""
        lines = (self.work / "output").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""


def measure(meter: Meter, root: Path, cases: Sequence[Case], rounds: int) -> list[Row]:
    """Return a row for each case on one dataset."""
    n_files = sum(len(files) for _, _, files in os.walk(root))
    print(f"{root.name}: {n_files} files ...", file=sys.stderr)
    reference, others = cases[0], cases[1:]
    meter.run([*reference.command, str(root)])  # fills the page cache
    all_reference: list[Cost] = []
    pairs: dict[str, list[tuple[Cost, Cost]]] = {case.name: [] for case in others}
    failures = dict.fromkeys((case.name for case in cases), 0)
    for case in others:
        if case.warm:
            meter.run([*case.command, str(root)])
    for _ in range(rounds):
        for case in others:
            theirs = meter.run([*reference.command, str(root)])
            case.before(root)
            cost = meter.run([*case.command, str(root)])
            if theirs is None or cost is None:
                failures[case.name if theirs else reference.name] += 1
                print(f"{case.name if theirs else reference.name} failed: {meter.complaint()}", file=sys.stderr)
                continue
            all_reference.append(theirs)
            pairs[case.name].append((theirs, cost))
    rows = [_row(root.name, n_files, reference.name, [(cost, cost) for cost in all_reference], failures)]
    return rows + [_row(root.name, n_files, case.name, pairs[case.name], failures) for case in others]


def _row(dataset: str, files: int, case: str, pairs: Sequence[tuple[Cost, Cost]], failures: dict[str, int]) -> Row:
    def median(values: Sequence[float]) -> float:
        return statistics.median(values) if values else float("nan")

    cost = Cost(*(median([getattr(ours, key) for _, ours in pairs]) for key in ("wall", "cpu", "rss_mb")))
    return Row(
        dataset, files, case, cost,
        cpu_ratio=median([ours.cpu / theirs.cpu for theirs, ours in pairs]),
        wall_ratio=median([ours.wall / theirs.wall for theirs, ours in pairs]),
        failures=failures[case],
    )  # fmt: skip


# --- what is printed -------------------------------------------------------------------------------------------------


def describe_machine() -> dict[str, object]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"system": platform.platform(), "python": platform.python_version(), "cores": cores}


def describe_versions(options: argparse.Namespace) -> dict[str, str]:
    versions = {}
    for package in (REFERENCE, "bidsflow", "pybids"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if options.bidsval:
        done = subprocess.run([options.bidsval / "bidsval", "--version"], capture_output=True, text=True, check=False)
        versions["bidsval"] = done.stdout.split()[-1] if done.stdout.split() else "?"
    return versions


def print_rows(report: dict[str, object], rows: Sequence[Row]) -> None:
    print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))  # type: ignore[attr-defined]
    print(", ".join(f"{key} {value}" for key, value in report["versions"].items()))  # type: ignore[attr-defined]
    dataset = ""
    for row in rows:
        if row.dataset != dataset:
            dataset = row.dataset
            title = f"{dataset}, {row.files} files"
            print(f"\n{title:40}{'CPU s':>9}{'wall s':>9}{'RSS MB':>9}{'CPU ratio':>11}{'wall ratio':>12}")
        cost = row.cost
        failed = f"  failed {row.failures}x" if row.failures else ""
        print(f"{row.case:40}{cost.cpu:9.2f}{cost.wall:9.2f}{cost.rss_mb:9.0f}", end="")
        print(f"{row.cpu_ratio:11.2f}{row.wall_ratio:12.2f}{failed}")


if __name__ == "__main__":
    sys.exit(main())
