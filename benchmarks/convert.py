"""What a conversion costs, beside dcm2niix alone and beside other converters. See README.md in this folder.

All tools run on the same folders, one after the other, round after round, so that a busy machine treats them alike.
Ratios are taken within a round. They all call the same dcm2niix, so the voxels of an image tell which one it is.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from meter import Cost, measure_command

BARE, BIDSFLOW, AGAIN, DCM2BIDS, BIDS_MANAGER = "dcm2niix", "bidsflow", "bidsflow again", "dcm2bids", "BIDS Manager"
#: Wall time against dcm2niix where that takes long enough to tell, CPU time against it, and seconds for a tiny export.
TARGET_WALL, TARGET_CPU, TARGET_FIXED = 0.5, 0.7, 0.5
LONG_ENOUGH = 2.0
TINY = "tiny"
_LIMIT_S = 900


@dataclass(frozen=True, slots=True)
class Export:
    """A folder to convert, with the folders of each study in it."""

    name: str
    root: Path
    studies: tuple[tuple[Path, ...], ...]
    n_files: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one tool: what to convert, an empty folder for it, and what bare dcm2niix wrote in the first round."""

    export: Export
    out: Path
    reference: Path
    jobs: int


@dataclass(frozen=True, slots=True)
class Tool:
    """A converter: its version, its commands for a job, and the folder of the job that its images are in."""

    name: str
    version: str
    commands: Callable[[Job], list[list[str]]]
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What a tool made of an export.

    Attributes
    ----------
    images : tuple of int
        How many NIfTI files it makes; more than one number where that differs from round to round.
    mb : float
        Their size on disk.
    left_out : tuple of str
        Images of bare dcm2niix whose voxels no image has, by the name that dcm2niix gave them.
    other : int
        Images whose voxels bare dcm2niix does not have.
    """

    images: tuple[int, ...]
    mb: float
    left_out: tuple[str, ...]
    other: int


@dataclass(frozen=True, slots=True)
class Row:
    """One tool on one export; medians over the rounds."""

    export: str
    tool: str
    check: Check
    cost: Cost
    wall_ratio: float | None
    cpu_ratio: float | None
    failures: int


def main() -> int:
    """Measure, print and save; end with 1 if a tool failed."""
    options = parse_options()
    with work_folder(options.work) as work:
        bench = Bench(work, find_tools(options, work), options.rounds, options.jobs)
        exports = [describe_export(folder, folder.name) for folder in options.exports or make_phantoms(options, work)]
        if not options.no_tiny:
            tiny = make_phantom(work / "phantoms" / TINY, "classic", "tiny", "localizer,t1w")
            exports.insert(0, describe_export(tiny, TINY))
        load = os.getloadavg()
        rows = [row for export in exports for row in bench.measure(export)]
        report = {
            "machine": describe_machine() | {"load_before": load[0], "load_after": os.getloadavg()[0]},
            "tools": {tool.name: tool.version for tool in bench.tools},
            "rounds": options.rounds,
            "jobs": options.jobs,
            "exports": [{"name": one.name, "files": one.n_files, "mb": one.n_bytes / 1e6} for one in exports],
            "rows": [asdict(row) for row in rows],
        }
    print_report(report, rows, exports)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(any(row.failures for row in rows))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n")[1])
    parser.add_argument("exports", nargs="*", type=Path, help="folders of DICOM files; if none, made-up ones")
    parser.add_argument("--phantom", default="classic,enhanced,ge", help="dialects of the made-up exports")
    parser.add_argument("--size", default="medium", help="of the made-up exports: tiny, small, medium or large")
    parser.add_argument("--no-tiny", action="store_true", help="leave out the tiny export that shows the fixed cost")
    parser.add_argument("--rounds", type=int, default=5, help="after one that does not count")
    parser.add_argument("--jobs", type=int, default=count_processors(), help="for the tools that can")
    parser.add_argument("--dcm2bids", type=Path, metavar="BIN", help="folder that dcm2bids is installed in")
    parser.add_argument("--bids-manager", type=Path, metavar="BIN", help="folder that bidsmgr-scan is installed in")
    parser.add_argument("--work", type=Path, help="keep made-up exports and the outputs of the first round here")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args()


def count_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def work_folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="bidsflow-benchmark-") as name:
        yield Path(name).resolve()


# --- what is converted -----------------------------------------------------------------------------------------------


def make_phantoms(options: argparse.Namespace, work: Path) -> list[Path]:
    names = [name.strip() for name in options.phantom.split(",")]
    return [make_phantom(work / "phantoms" / f"{name}-{options.size}", name, options.size, "") for name in names]


def make_phantom(folder: Path, dialect: str, size: str, series: str) -> Path:
    """Return the folder of a made-up export under its own name, made in a process of its own to keep this one small."""
    export = folder / folder.name
    if not export.exists():
        print(f"making {folder.name} ...", file=sys.stderr)
        command = [*bidsflow_command(), "phantom", str(folder), "--dialect", dialect, "--size", size]
        subprocess.run([*command, "--series", series] if series else command, check=True, stdout=subprocess.DEVNULL)
        (folder / "dicom").rename(export)
    return export


def describe_export(folder: Path, name: str) -> Export:
    """Return an export with its studies: the folders that hold files of each Study Instance UID, as high as can be."""
    root = folder.resolve()
    files = sorted(path for path in root.rglob("*") if path.is_file())
    first_of_folder = {path.parent: path for path in reversed(files)}
    # In a process of its own, to keep this one small.
    command = [sys.executable, "-c", _STUDIES, *map(str, first_of_folder.values())]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    by_study: dict[str, list[Path]] = {}
    for uid, parent in zip(listing, first_of_folder, strict=True):
        if uid:
            by_study.setdefault(uid, []).append(parent)
    tops = {uid: Path(os.path.commonpath(parents)) for uid, parents in by_study.items()}
    alone = all(not a.is_relative_to(b) for x, a in tops.items() for y, b in tops.items() if x != y)
    studies = [(tops[uid],) if alone else tuple(sorted(parents)) for uid, parents in by_study.items()]
    return Export(name, root, tuple(sorted(studies)) or ((root,),), len(files), sum(p.stat().st_size for p in files))


_STUDIES = """
import sys, pydicom
for path in sys.argv[1:]:
    try:
        print(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
    except Exception:
        print()
"""


# --- the tools -------------------------------------------------------------------------------------------------------


def find_tools(options: argparse.Namespace, work: Path) -> list[Tool]:
    """Return what is to be compared; all of them find the same dcm2niix first on their PATH."""
    dcm2niix = find_dcm2niix()
    programs = work / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "dcm2niix").unlink(missing_ok=True)
    (programs / "dcm2niix").symlink_to(dcm2niix)
    version = subprocess.run([dcm2niix, "-v"], capture_output=True, text=True, check=False).stdout.split()[-1]
    ours = ask(Path(sys.executable), "bidsflow")
    tools = [
        Tool(BARE, version, lambda job: convert_with_dcm2niix(dcm2niix, job)),
        Tool(BIDSFLOW, ours, convert_with_bidsflow, "bids"),
        Tool(AGAIN, ours, convert_with_bidsflow, "bids"),
    ]
    if options.dcm2bids:
        folder = program_folder(options.dcm2bids)
        tools.append(
            Tool(DCM2BIDS, ask(folder / "python", "dcm2bids"), lambda job: convert_with_dcm2bids(folder, job), "bids")
        )
    if options.bids_manager:
        bin_dir = program_folder(options.bids_manager)
        version = ask(bin_dir / "python", "bids-manager")
        tools.append(Tool(BIDS_MANAGER, version, lambda job: convert_with_bids_manager(bin_dir, dcm2niix, job), "bids"))
    return tools


def find_dcm2niix() -> str:
    """Return the program itself, not the Python script that the package puts before it."""
    code = "import dcm2niix; print(dcm2niix.bin)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    program = found.stdout.strip() if found.returncode == 0 else shutil.which("dcm2niix")
    if not program:
        sys.exit("dcm2niix was not found; install it with: pip install dcm2niix")
    return program


def program_folder(given: Path) -> Path:
    folder = given if given.is_dir() else given.parent
    return (folder if folder.name == "bin" else folder / "bin" if (folder / "bin").is_dir() else folder).absolute()


def ask(python: Path, package: str) -> str:
    """Return the version of a package that an interpreter has."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def bidsflow_command() -> list[str]:
    beside = Path(sys.executable).with_name("bidsflow")
    return [str(beside) if beside.exists() else "bidsflow"]


def convert_with_dcm2niix(program: str, job: Job) -> list[list[str]]:
    options = ["-b", "y", "-ba", "y", "-z", "y", "-f", "%s_%d"]
    return [[program, *options, "-o", str(job.out), str(job.export.root)]]


def convert_with_bidsflow(job: Job) -> list[list[str]]:
    return [[*bidsflow_command(), "convert", str(job.export.root), str(job.out / "bids"), "--jobs", str(job.jobs)]]


def convert_with_dcm2bids(folder: Path, job: Job) -> list[list[str]]:
    """Return one call per study, after the scaffold; the configuration is written here and costs nothing."""
    config, bids = job.out / "config.json", job.out / "bids"
    config.write_text(json.dumps(write_criteria(job.reference)), encoding="utf-8")
    commands = [[str(folder / "dcm2bids_scaffold"), "-o", str(bids)]]
    for number, study in enumerate(job.export.studies, start=1):
        where = ["-d", *map(str, study), "-p", f"{number:02d}", "-c", str(config), "-o", str(bids)]
        commands.append([str(folder / "dcm2bids"), *where])
    return commands


def write_criteria(reference: Path) -> dict[str, object]:
    """Return what someone who knows the study would write for dcm2bids: which description and number is which image."""
    found: dict[str, dict[str, object]] = {}
    for sidecar in sorted(reference.glob("*.json")):
        content = json.loads(sidecar.read_text(encoding="utf-8", errors="replace"))
        datatype, name = (*content.get("BidsGuess", []), "", "")[:2]
        if datatype not in ("anat", "func", "fmap", "dwi", "perf"):
            continue
        keys = ("SeriesDescription", "SeriesNumber", "EchoTime", "ImageType")
        criteria = {key: content[key] for key in keys if content.get(key)}
        one = {"datatype": datatype, "suffix": name.rpartition("_")[2], "criteria": criteria}
        found.setdefault(json.dumps(criteria), one | ({"custom_entities": "task-any"} if datatype == "func" else {}))
    return {"descriptions": list(found.values())}


def convert_with_bids_manager(folder: Path, dcm2niix: str, job: Job) -> list[list[str]]:
    plan, jobs = str(job.out / "scan.tsv"), ["--jobs", str(job.jobs)]
    return [
        [str(folder / "bidsmgr-scan"), *jobs, str(job.export.root), plan],
        [str(folder / "bidsmgr-convert"), *jobs, "--dcm2niix", dcm2niix, plan, str(job.out / "bids")],
    ]


# --- measuring -------------------------------------------------------------------------------------------------------


class Bench:
    """Runs tools on exports in turn.

    Parameters
    ----------
    work : Path
        A folder for outputs, for a home of the tools that is nobody's, and for logs.
    """

    def __init__(self, work: Path, tools: Sequence[Tool], rounds: int, jobs: int) -> None:
        self.tools = tuple(tools)
        self._work = work
        self._rounds = rounds
        self._jobs = jobs
        self._home = work / "home"
        self._home.mkdir(exist_ok=True)

    def measure(self, export: Export) -> list[Row]:
        """Return a row for every tool; the first round fills caches, checks the images and is not counted."""
        first = self._work / "first" / export.name
        shutil.rmtree(first, ignore_errors=True)
        costs: dict[str, list[Cost]] = {tool.name: [] for tool in self.tools}
        failures: Counter[str] = Counter()
        checks: dict[str, Check] = {}
        counts: dict[str, set[int]] = {tool.name: set() for tool in self.tools}
        for round_ in range(self._rounds + 1):
            print(f"{export.name}: round {round_} of {self._rounds}", file=sys.stderr)
            where = first if round_ == 0 else self._work / "round"
            for tool in self.tools:
                cost = self._run(tool, Job(export, out_folder(where, tool), first / BARE, self._jobs))
                if cost is None:
                    failures[tool.name] += 1
                elif round_:
                    costs[tool.name].append(cost)
                counts[tool.name].add(len(list_images(out_folder(where, tool) / tool.folder)))
            if round_ == 0:
                known = fingerprint(first / BARE)
                checks = {tool.name: check_images(out_folder(first, tool) / tool.folder, known) for tool in self.tools}
            else:
                shutil.rmtree(where)
        return [
            summarize(
                export, tool.name, replace(checks[tool.name], images=tuple(sorted(counts[tool.name]))),
                costs[tool.name], costs[BARE], failures[tool.name],
            )
            for tool in self.tools
        ]  # fmt: skip

    def _run(self, tool: Tool, job: Job) -> Cost | None:
        """Return what all commands of a tool cost together; None if one of them failed."""
        job.out.mkdir(parents=True, exist_ok=True)
        log = self._work / f"{tool.name}.log".replace(" ", "-")
        parts = []
        with log.open("w", encoding="utf-8") as out:
            for command in tool.commands(job):
                cost, code = measure_command(command, out, self._work, self._environment(), _LIMIT_S)
                if code:
                    out.flush()
                    said = log.read_text(errors="replace").splitlines()[-8:]
                    print(f"{tool.name} on {job.export.name}: exit code {code}", *said, sep="\n  ", file=sys.stderr)
                    return None
                parts.append(cost)
        return Cost(sum(p.wall for p in parts), sum(p.cpu for p in parts), max(p.rss_mb for p in parts))

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join((str(self._work / "programs"), os.environ.get("PATH", os.defpath)))
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "PYTHON"))}
        return kept | {"PATH": path, "HOME": str(self._home), "QT_QPA_PLATFORM": "offscreen"}


def out_folder(where: Path, tool: Tool) -> Path:
    """Return the folder of a tool; the second run of bidsflow meets the dataset of the first."""
    return where / (BIDSFLOW if tool.name == AGAIN else tool.name).replace(" ", "-")


def summarize(
    export: Export, tool: str, check: Check, costs: Sequence[Cost], bare: Sequence[Cost], failures: int
) -> Row:
    if not costs:
        return Row(export.name, tool, check, Cost(0, 0, 0), None, None, failures)
    cost = Cost(*(statistics.median(getattr(one, name) for one in costs) for name in ("wall", "cpu", "rss_mb")))
    if len(costs) != len(bare):
        return Row(export.name, tool, check, cost, None, None, failures)
    wall = statistics.median(one.wall / other.wall for one, other in zip(costs, bare, strict=True))
    cpu = statistics.median(one.cpu / other.cpu for one, other in zip(costs, bare, strict=True))
    return Row(export.name, tool, check, cost, wall, cpu, failures)


def list_images(folder: Path) -> list[Path]:
    """Return the NIfTI files that a tool shows to its user: not what it keeps in folders of its own."""
    found = (path for path in folder.rglob("*.nii*") if path.name.endswith((".nii", ".nii.gz")))
    return sorted(path for path in found if not is_private(path.relative_to(folder)))


def is_private(path: Path) -> bool:
    return any(part.startswith(".") or part == "tmp_dcm2bids" for part in path.parts)


def hash_voxels(image: Path) -> str:
    """Return a hash of what follows the NIfTI-1 header and its extensions, in which tools may differ."""
    digest = hashlib.blake2b(digest_size=16)
    with gzip.open(image) if image.suffix == ".gz" else image.open("rb") as stream:
        stream.read(352)
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(folder: Path) -> Counter[tuple[str, str]]:
    return Counter((hash_voxels(image), image.name.partition(".nii")[0]) for image in list_images(folder))


def check_images(folder: Path, known: Counter[tuple[str, str]]) -> Check:
    """Return what a tool made of the images that bare dcm2niix makes."""
    images = list_images(folder)
    made = Counter(hash_voxels(image) for image in images)
    left_out = []
    for (voxels, name), _ in sorted(known.items(), key=lambda item: item[0][1]):
        if made[voxels]:
            made[voxels] -= 1
        else:
            left_out.append(name)
    size = sum(image.stat().st_size for image in images) / 1e6
    return Check((len(images),), size, tuple(left_out), sum(made.values()))


# --- telling ---------------------------------------------------------------------------------------------------------


def describe_machine() -> dict[str, object]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": time.strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": count_processors(),
        "memory_gb": round(memory),
        "python": platform.python_version(),
    }


def print_report(report: dict[str, object], rows: Sequence[Row], exports: Sequence[Export]) -> None:
    print(json.dumps(report["machine"]), json.dumps(report["tools"]), sep="\n", end="\n\n")
    print("| export | tool | images | MB | wall s | CPU s | RSS MB | wall ratio | CPU ratio |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    titles = {one.name: f"{one.name} ({one.n_files} files, {one.n_bytes / 1e6:.0f} MB)" for one in exports}
    for row in rows:
        title = titles.pop(row.export, "")
        ratios = [f"{ratio:.2f}" if ratio is not None else "" for ratio in (row.wall_ratio, row.cpu_ratio)]
        cost = [f"{row.cost.wall:.2f}", f"{row.cost.cpu:.2f}", f"{row.cost.rss_mb:.0f}"] if row.cost.wall else [""] * 3
        print(
            "|",
            " | ".join(
                [title, row.tool, " or ".join(map(str, row.check.images)), f"{row.check.mb:.1f}", *cost, *ratios]
            ),
            "|",
        )
    print()
    for line in (*list_remarks(rows), *list_verdicts(rows)):
        print(line)


def list_remarks(rows: Sequence[Row]) -> Iterator[str]:
    """Tell what the tools did not convert, or converted otherwise than dcm2niix alone does."""
    for row in rows:
        if row.failures:
            yield f"- {row.export}, {row.tool}: failed {row.failures} times"
        if len(row.check.images) > 1:
            yield f"- {row.export}, {row.tool}: the number of images differs from round to round: {row.check.images}"
        if not any(row.check.images):
            yield f"- {row.export}, {row.tool}: no images"
        if any(row.check.images) and row.check.left_out and row.tool != AGAIN:
            yield f"- {row.export}, {row.tool}: not converted: {', '.join(row.check.left_out)}"
        if row.check.other and row.tool != AGAIN:
            yield f"- {row.export}, {row.tool}: {row.check.other} images with other voxels than those of dcm2niix"


def list_verdicts(rows: Sequence[Row]) -> Iterator[str]:
    """Tell which targets are met."""
    bare = {row.export: row.cost.wall for row in rows if row.tool == BARE}
    for row in rows:
        if row.tool != BIDSFLOW or row.wall_ratio is None or row.cpu_ratio is None:
            continue
        if row.export == TINY:
            yield judge(row.export, "wall", row.cost.wall, TARGET_FIXED, " s")
            continue
        if bare[row.export] >= LONG_ENOUGH:
            yield judge(row.export, "wall ratio", row.wall_ratio, TARGET_WALL, "")
        yield judge(row.export, "CPU ratio", row.cpu_ratio, TARGET_CPU, "")


def judge(export: str, what: str, value: float, target: float, unit: str) -> str:
    return f"- {export}: {what} {value:.2f}{unit}, target {target:.2f}{unit}: {'met' if value <= target else 'MISSED'}"


if __name__ == "__main__":
    sys.exit(main())
