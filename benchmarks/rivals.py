"""What converters make of the same export, of which the truth is known: names, losses, wiring, validity, kills, cost.

    python benchmarks/rivals.py [--heudiconv BIN] [--dcm2bids BIN] [--bids-manager BIN] [--dialects classic,enhanced,ge]

BIN is the folder of an environment in which the tool is installed. bidsflow and BIDS Manager are given the export and
nothing else. dcm2bids and heudiconv can do nothing without a configuration: they get one that was written from the
answer key, as nobody has it in life, by description, echo time and image type (never by series number, which changes
from visit to visit), and are told which folder is which person. So their names are the best that they can be.

An image is known by its voxels: all tools call the same dcm2niix. Of what a tool has put into folders of BIDS (not what
it keeps in folders of its own, or says to be ignored), an image is

- right: the suffix, the folder and the entities echo, part, inv and, of a pair of field maps, dir are those of the key;
- wrong: it is there under a name that says something else;
- extra: the key leaves it out (localizers, a run that was aborted);
- lost: it was to be there, and is not.

People are counted by folders. Errors are those of the reference validator. Wired are the runs and diffusion images
that a field map of the tool names in IntendedFor or shares a B0FieldIdentifier with; dangling are names in IntendedFor
that lead nowhere. For the kills the tool's processes are killed at a moment drawn between its start and its usual
end, and the same commands are given again: `same` leaves the images of a run that nobody has disturbed, `stops` ends
with an error, `silent` ends with success and without all of the images, `more` has others beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from convert import (
    Job,
    ask,
    bidsflow_command,
    convert_with_bids_manager,
    convert_with_bidsflow,
    count_processors,
    describe_export,
    describe_machine,
    find_dcm2niix,
    hash_voxels,
    program_folder,
    work_folder,
)
from meter import Cost, measure_command

from bidsflow.errors import PathNameError
from bidsflow.names import BidsName, parse_name
from bidsflow.phantom.truth import ImageTruth, SeriesTruth, Truth, read_truth

#: Entities that decide whether a name says what an image is; labels of task, run and acquisition are a matter of taste.
DECISIVE = ("echo", "part", "inv")
WIRED = ("bold", "sbref", "dwi")
_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True)
class Image:
    """An image that bare dcm2niix makes: whose it is, its truth, and what a configuration may go by."""

    subject: str
    series: SeriesTruth
    truth: ImageTruth | None
    image_type: tuple[str, ...]
    echo_time: float


@dataclass(frozen=True, slots=True)
class Tool:
    """A converter: its version, and its commands for a job and the key; it leaves a dataset in ``job.out / "bids"``."""

    name: str
    version: str
    commands: Callable[[Job, Mapping[str, Image]], list[list[str]]]


@dataclass(frozen=True, slots=True)
class Tree:
    """What a tool has left: the voxels of each image in a folder of BIDS, by path."""

    images: tuple[tuple[str, str], ...]

    @property
    def voxels(self) -> Counter[str]:
        """Return how often each image is there."""
        return Counter(voxels for _, voxels in self.images)


@dataclass(frozen=True, slots=True)
class Row:
    """One tool on one export."""

    export: str
    tool: str
    code: int
    people: str
    right: int
    wrong: int
    extra: int
    lost: int
    errors: int
    wired: int
    to_wire: int
    dangling: int
    kills: Mapping[str, int]
    wall: float
    cpu: float
    rss_mb: float
    wrong_names: tuple[str, ...]


def main() -> int:
    """Measure, print and save."""
    options = parse_options()
    with work_folder(options.work) as work:
        bench = Bench(work, options)
        rows = [row for dialect in options.dialects.split(",") for row in bench.measure(dialect.strip())]
        report = {
            "machine": describe_machine(),
            "tools": {tool.name: tool.version for tool in bench.tools},
            "rows": [asdict(row) for row in rows],
        }
    print(format_table(rows))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialects", default="classic,enhanced,ge", help="of the made-up exports")
    parser.add_argument("--size", default="small", help="of the made-up exports")
    parser.add_argument("--subjects", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=5, help="per tool and export")
    parser.add_argument("--rounds", type=int, default=3, help="whose median is the cost")
    parser.add_argument("--jobs", type=int, default=count_processors(), help="for the tools that can")
    for name in ("heudiconv", "dcm2bids", "bids-manager"):
        parser.add_argument(f"--{name}", type=Path, metavar="BIN", help=f"folder that {name} is installed in")
    parser.add_argument("--work", type=Path, help="keep everything here")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args()


# --- the tools -------------------------------------------------------------------------------------------------------


def find_tools(options: argparse.Namespace, dcm2niix: str) -> list[Tool]:
    tools = [Tool("bidsflow", ask(Path(sys.executable), "bidsflow"), lambda job, _key: convert_with_bidsflow(job))]
    if options.bids_manager:
        where = program_folder(options.bids_manager)
        tools.append(
            Tool(
                "BIDS Manager", ask(where / "python", "bids-manager"),
                lambda job, _key: convert_with_bids_manager(where, dcm2niix, job),
            )
        )  # fmt: skip
    if options.dcm2bids:
        here = program_folder(options.dcm2bids)
        version = ask(here / "python", "dcm2bids")
        tools.append(Tool("dcm2bids, told", version, lambda job, key: convert_with_dcm2bids(here, job, key)))
    if options.heudiconv:
        there = program_folder(options.heudiconv)
        version = ask(there / "python", "heudiconv")
        tools.append(Tool("heudiconv, told", version, lambda job, key: convert_with_heudiconv(there, job, key)))
    return tools


def convert_with_dcm2bids(folder: Path, job: Job, key: Mapping[str, Image]) -> list[list[str]]:
    """Return one call per person, after the scaffold."""
    descriptions: dict[str, dict[str, object]] = {}
    for image in key.values():
        if image.truth is None:
            continue
        criteria = {
            "SeriesDescription": image.series.description, "EchoTime": image.echo_time,
            "ImageType": list(image.image_type),
        }  # fmt: skip
        entities = "_".join(f"{name}-{label}" for name, label in image.truth.entities)
        one = {"datatype": image.truth.datatype, "suffix": image.truth.suffix, "criteria": criteria}
        descriptions[json.dumps(criteria)] = one | ({"custom_entities": entities} if entities else {})
    config, bids = job.out / "config.json", job.out / "bids"
    config.write_text(json.dumps({"descriptions": list(descriptions.values())}), encoding="utf-8")
    # a person who runs it again does not begin the dataset again, which the scaffold would refuse
    commands = [] if bids.exists() else [[str(folder / "dcm2bids_scaffold"), "-o", str(bids)]]
    for number, study in enumerate(job.export.studies, start=1):
        where = ["-d", *map(str, study), "-p", f"{number:02d}", "-c", str(config), "-o", str(bids)]
        commands.append([str(folder / "dcm2bids"), *where])
    return commands


_HEURISTIC = """\
NAMES = {names!r}


def infotodict(seqinfo):
    info, seen = {{}}, {{}}
    for s in seqinfo:
        templates = NAMES.get(s.series_description, [])
        nth = seen[s.series_description] = seen.get(s.series_description, -1) + 1
        if templates:
            key = (templates[min(nth, len(templates) - 1)], ("nii.gz",), None)
            info.setdefault(key, []).append(s.series_id)
    return info
"""


def convert_with_heudiconv(folder: Path, job: Job, key: Mapping[str, Image]) -> list[list[str]]:
    """Return one call per person; of several echoes heudiconv numbers the names itself."""
    names: dict[str, list[str]] = {}
    for image in sorted(key.values(), key=lambda image: image.series.number):
        if image.truth is None:
            continue
        several = len(image.series.names) > 1
        suffix = image.truth.suffix.rstrip("12") if several and image.truth.datatype == "fmap" else image.truth.suffix
        entities = "".join(f"{k}-{v}_" for k, v in image.truth.entities if k != "echo")
        # a run that was made twice gets numbers, for it cannot be told which of the two is whole
        again = "run-{item:02d}_" if _is_repeated(image, key) else ""
        template = f"sub-{{subject}}/{image.truth.datatype}/sub-{{subject}}_{entities}{again}{suffix}"
        known = names.setdefault(image.series.description, [])  # of a description that several series have: in order
        known += [] if template in known else [template]
    heuristic = job.out / "heuristic.py"
    heuristic.write_text(_HEURISTIC.format(names=names), encoding="utf-8")
    program = [str(folder / "heudiconv"), "-f", str(heuristic), "-c", "dcm2niix", "-b", "--minmeta"]
    return [
        [*program, "-o", str(job.out / "bids"), "-s", f"{number:02d}", "--files", *map(str, study)]
        for number, study in enumerate(job.export.studies, start=1)
    ]


def _is_repeated(image: Image, key: Mapping[str, Image]) -> bool:
    alike = {
        other.series.uid
        for other in key.values()
        if (other.subject, other.series.description, other.image_type)
        == (image.subject, image.series.description, image.image_type)
    }  # fmt: skip
    return len(alike) > 1


# --- measuring -------------------------------------------------------------------------------------------------------


class Bench:
    """Runs tools on exports in turn, below a folder with a home that is nobody's."""

    def __init__(self, work: Path, options: argparse.Namespace) -> None:
        self._work = work
        self._options = options
        self._dcm2niix = find_dcm2niix()
        self.tools = find_tools(options, self._dcm2niix)
        self._draw = random.Random(options.seed)
        programs, home = work / "programs", work / "home"
        for folder in (programs, home):
            folder.mkdir(exist_ok=True)
        (programs / "dcm2niix").unlink(missing_ok=True)
        (programs / "dcm2niix").symlink_to(self._dcm2niix)
        path = os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath)))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        self._environment = kept | {"PATH": path, "HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}

    def measure(self, dialect: str) -> list[Row]:
        """Return a row for every tool on one export."""
        made = self._work / "exports" / dialect
        if not made.exists():
            words = ["phantom", str(made), "--dialect", dialect, "--size", self._options.size]
            words += ["--subjects", str(self._options.subjects), "--seed", str(self._options.seed)]
            subprocess.run([*bidsflow_command(), *words], check=True, stdout=subprocess.DEVNULL)
        truth = read_truth(made / "truth" / "truth.json")
        export = describe_export(made / truth.export, dialect)
        key = self._make_key(export.root, truth, self._work / "key" / dialect)
        rows, costs = [], dict[str, list[Cost]]()
        bare = Tool("dcm2niix alone", "", lambda job, _key: [[
            self._dcm2niix, "-b", "y", "-ba", "y", "-z", "y", "-f", "%s_%d", "-o", str(job.out), str(job.export.root)
        ]])  # fmt: skip
        codes: dict[str, int] = {}
        for round_ in range(self._options.rounds):
            for tool in (bare, *self.tools):
                print(f"{dialect}: {tool.name}, round {round_ + 1}", file=sys.stderr)
                out = self._clear(dialect, tool)
                cost, codes[tool.name] = self._run(tool, Job(export, out, out, self._options.jobs), key)
                costs.setdefault(tool.name, []).append(cost)
        for tool in self.tools:
            out = self._place(dialect, tool)
            tree = read_tree(out)
            kills = self._kill(tool, dialect, Job(export, out, out, self._options.jobs), key, tree, costs[tool.name])
            middle = [
                statistics.median(getattr(one, name) / (getattr(other, name) if name != "rss_mb" else 1)
                    for one, other in zip(costs[tool.name], costs[bare.name], strict=True))
                for name in ("wall", "cpu", "rss_mb")
            ]  # fmt: skip
            rows.append(judge(dialect, tool.name, codes[tool.name], find_dataset(out), tree, key, kills, middle))
            print(format_table(rows[-1:]), *rows[-1].wrong_names, sep="\n", file=sys.stderr)
        return rows

    def _place(self, dialect: str, tool: Tool) -> Path:
        return self._work / "out" / dialect / tool.name.replace(" ", "-").replace(",", "")

    def _clear(self, dialect: str, tool: Tool) -> Path:
        out = self._place(dialect, tool)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return out

    def _make_key(self, root: Path, truth: Truth, out: Path) -> dict[str, Image]:
        """Return what each image of bare dcm2niix is, by its voxels."""
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        command = [self._dcm2niix, "-b", "y", "-ba", "n", "-z", "n", "-f", "%j_%e_%p", "-o", str(out), str(root)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=self._environment)
        by_uid = {series.uid: (session.subject, series) for session in truth.sessions for series in session.series}
        key = {}
        for image in sorted(out.glob("*.nii")):
            sidecar = json.loads(image.with_suffix(".json").read_text(encoding="utf-8", errors="replace"))
            subject, series = by_uid[sidecar["SeriesInstanceUID"]]
            echo_time = sidecar.get("EchoTime", 0.0)
            near = [name for name in series.names if abs(name.echo_time - echo_time) < 1e-4 or len(series.names) == 1]
            image_type = tuple(sidecar.get("ImageType", ()))
            key[hash_voxels(image)] = Image(subject, series, near[0] if near else None, image_type, echo_time)
        return key

    def _run(self, tool: Tool, job: Job, key: Mapping[str, Image]) -> tuple[Cost, int]:
        """Return what all commands of a tool cost together, and the first exit code that is not zero."""
        parts, worst = [], 0
        with (job.out / "log").open("w", encoding="utf-8") as log:
            for command in tool.commands(job, key):
                cost, code = measure_command(command, log, self._work, self._environment, _LIMIT_S)
                parts.append(cost)
                worst = worst or code
        return Cost(sum(p.wall for p in parts), sum(p.cpu for p in parts), max(p.rss_mb for p in parts)), worst

    def _kill(
        self, tool: Tool, dialect: str, job: Job, key: Mapping[str, Image], whole: Tree, costs: Sequence[Cost]
    ) -> dict[str, int]:
        """Return how it went on after each of several kills."""
        usual = statistics.median(cost.wall for cost in costs)
        ends: Counter[str] = Counter()
        keep = job.out.with_name(f"{job.out.name}-whole")
        shutil.rmtree(keep, ignore_errors=True)
        job.out.rename(keep)
        for number in range(self._options.kills):
            print(f"{dialect}: {tool.name}, kill {number + 1}", file=sys.stderr)
            self._clear(dialect, tool)
            self._end_early(tool.commands(job, key), self._draw.uniform(0.1, 0.95) * usual, job.out / "log")
            _, code = self._run(tool, job, key)
            ends[tell_end(code, read_tree(job.out), whole)] += 1
        shutil.rmtree(job.out)
        keep.rename(job.out)
        return dict(ends)

    def _end_early(self, commands: Sequence[Sequence[str]], after: float, log: Path) -> None:
        """Run commands one after another, and kill all their processes some seconds after the first has begun."""
        script = " && ".join(" ".join(map(_quote, command)) for command in commands)
        with log.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                cwd=self._work, env=self._environment, start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(after)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _quote(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def tell_end(code: int, tree: Tree, whole: Tree) -> str:
    """Return how a run that follows a kill has ended."""
    if code:
        return "stops"
    if tree.images == whole.images:
        return "same"
    return "silent" if whole.voxels - tree.voxels else "more"


# --- what was made ---------------------------------------------------------------------------------------------------


def find_dataset(out: Path) -> Path:
    """Return the dataset that a tool has made, which BIDS Manager puts into a folder of the export's name."""
    below = sorted((out / "bids").glob("*/dataset_description.json"))
    return below[0].parent if below else out / "bids"


def read_tree(out: Path) -> Tree:
    """Return the images in the folders of subjects of a dataset."""
    root = find_dataset(out)
    ignored = root / ".bidsignore"
    rules = ignored.read_text(encoding="utf-8").split() if ignored.is_file() else []
    found = sorted(path for path in root.glob("sub-*/**/*.nii*") if path.is_file())
    kept = (path for path in found if not any(path.relative_to(root).match(rule.strip("/")) for rule in rules))
    return Tree(tuple((str(path.relative_to(root)), hash_voxels(path)) for path in kept))


def judge(
    export: str, tool: str, code: int, root: Path, tree: Tree, key: Mapping[str, Image], kills: Mapping[str, int],
    middle: Sequence[float],
) -> Row:  # fmt: skip
    """Return what a tool has made of an export."""
    right, wrong, extra = 0, [], 0
    for path, voxels in tree.images:
        image = key.get(voxels)
        if image is None or image.truth is None:
            extra += 1
        elif is_right(path, image.truth):
            right += 1
        else:
            wrong.append(f"{path} is {image.truth.datatype}/{image.truth.suffix} ({image.series.description})")
    lost = sum(1 for voxels, image in key.items() if image.truth is not None and not tree.voxels[voxels])
    wired, to_wire, dangling = read_wiring(root, tree)
    errors = count_errors(root) if tree.images else 0
    scanned = {image.subject for image in key.values()}
    found = {path.split("/")[0] for path, _ in tree.images}
    return Row(
        export, tool, code, f"{len(found)} of {len(scanned)}", right, len(wrong), extra, lost, errors,
        wired, to_wire, dangling, kills, *middle,
        tuple(wrong),
    )  # fmt: skip


def is_right(path: str, truth: ImageTruth) -> bool:
    """Return whether a path in a dataset says what an image is."""
    try:
        name = parse_name(path)
    except PathNameError:
        return False
    if (name.datatype, name.suffix) != (truth.datatype, truth.suffix):
        return False
    decisive = (*DECISIVE, "dir") if truth.suffix == "epi" else DECISIVE
    return _pick(name, decisive) == {key: value.lstrip("0") for key, value in truth.entities if key in decisive}


def _pick(name: BidsName, keys: Sequence[str]) -> dict[str, str]:
    return {key: value.lstrip("0") for key, value in name.entities if key in keys}


def read_wiring(root: Path, tree: Tree) -> tuple[int, int, int]:
    """Return how many runs and diffusion images have a field map, how many there are, and how many links are dead."""
    sidecars = {path: _read(root / f"{path.partition('.nii')[0]}.json") for path, _ in tree.images}
    identifiers, targets, dangling = set[str](), set[str](), 0
    for path, sidecar in sidecars.items():
        if "/fmap/" not in path:
            continue
        identifiers |= set(_list(sidecar.get("B0FieldIdentifier")))
        for uri in _list(sidecar.get("IntendedFor")):
            target = uri.removeprefix("bids::") if uri.startswith("bids:") else f"{path.split('/')[0]}/{uri}"
            targets.add(target)
            dangling += not (root / target).exists()
    runs = [path for path in sidecars if path.partition(".nii")[0].rpartition("_")[2] in WIRED]
    wired = [
        path for path in runs
        if path in targets or identifiers & set(_list(sidecars[path].get("B0FieldSource")))
    ]  # fmt: skip
    return len(wired), len(runs), dangling


def _read(path: Path) -> dict[str, object]:
    return json.loads(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else {}


def _list(value: object) -> list[str]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []


def count_errors(root: Path) -> int:
    """Return how many errors the reference validator finds."""
    program = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run([program, str(root), "--json"], capture_output=True, check=False)
    return sum(issue["severity"] == "error" for issue in json.loads(done.stdout)["issues"]["issues"])


def format_table(rows: Sequence[Row]) -> str:
    """Return rows as a table in Markdown; costs are ratios to dcm2niix alone."""
    heads = ["export", "tool", "people", "right", "wrong", "extra", "lost", "errors", "wired", "dangling",
             "killed, then the same again", "wall", "CPU", "MB", "exit"]  # fmt: skip
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    for row in rows:
        kills = ", ".join(f"{count} {end}" for end, count in sorted(row.kills.items())) or "-"
        cells = [row.export, row.tool, row.people, row.right, row.wrong, row.extra, row.lost, row.errors,
                 f"{row.wired} of {row.to_wire}", row.dangling, kills,
                 f"{row.wall:.1f}", f"{row.cpu:.1f}", f"{row.rss_mb:.0f}", row.code]  # fmt: skip
        lines.append(" | ".join(map(str, cells)))
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
