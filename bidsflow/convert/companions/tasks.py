"""Logs of a laboratory and the runs of a dataset that they belong to. Writes through `place` only."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsflow import schema
from bidsflow.convert.companions.events import describe_events, make_events
from bidsflow.convert.companions.logs import FORMATS, decode
from bidsflow.convert.companions.place import Companion, Placed, place
from bidsflow.convert.companions.tasklogs import TaskLogs
from bidsflow.convert.times import read_times, say_disorder
from bidsflow.dataset.tree import Dataset
from bidsflow.errors import BidsflowError
from bidsflow.names import BidsName, parse_name

#: No log is larger (bytes).
_LARGEST = 256 << 20
#: Seconds of the units of time that NIfTI knows; where none is said, BIDS means seconds.
_CLOCKS = {"msec": 1e-3, "usec": 1e-6}


@dataclass(frozen=True, slots=True)
class Refused:
    """A log of which nothing was made.

    Attributes
    ----------
    where : str
        Path of the events that it would have been, or its task where it fits no run.
    path : str
        Of the log. Private: people call logs after people.
    reason : str
        Why, with the line.
    """

    where: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the logs.

    Attributes
    ----------
    placed : tuple of Placed
        Files of BIDS.
    refused : tuple of Refused
        Logs of which nothing was made.
    without : tuple of str
        Runs of the tasks that no log was found for: paths of the events that they lack.
    unknown : tuple of str
        Tasks that no run of the dataset has.
    tasks : tuple of str
        Those that it has.
    disordered : tuple of str
        What is to be said of runs that are not numbered in the order of time, where logs are found by their numbers.
    """

    placed: tuple[Placed, ...]
    refused: tuple[Refused, ...]
    without: tuple[str, ...]
    unknown: tuple[str, ...]
    tasks: tuple[str, ...]
    disordered: tuple[str, ...] = ()


def list_runs(dataset: Dataset) -> dict[BidsName, Path]:
    """Return the runs of a dataset: the name of their events, and one of their images."""
    found: dict[BidsName, Path] = {}
    for path in sorted(dataset.root.glob("sub-*/**/func/*_bold.nii.gz")):
        try:
            name = parse_name(str(path.relative_to(dataset.root)))
        except BidsflowError:
            continue
        entities = tuple(one for one in name.entities if one[0] not in ("echo", "part"))
        events = BidsName(name.sub, name.datatype, "events", ".tsv", name.ses, entities)
        if schema.allows(events):
            found.setdefault(events, path)
    return found


def add_events(
    dataset: Dataset, tasks: Sequence[TaskLogs], base: Path, *, force: bool = False, dry: bool = False
) -> Added:
    """Make events of logs and put them beside their runs, all of them in one commit.

    Parameters
    ----------
    base : Path
        Folder that the paths of logs are relative to, where they are no absolute ones.
    force : bool
        Replace what others wrote.
    dry : bool
        Only say what would become of each.

    Raises
    ------
    DatasetError
        If the dataset cannot be written to, or a file of bidsflow is damaged.
    StorageError
        If the disk is full.
    """
    companions: list[Companion] = []
    refused: list[Refused] = []
    without: list[str] = []
    every = list_runs(dataset)
    present = {name.entity("task") for name in every}
    for task in tasks:
        runs = {name: image for name, image in every.items() if name.entity("task") == task.task}
        logs: dict[BidsName, list[str]] = defaultdict(list)
        for path, found in find_logs(task, base, list(runs)):
            if isinstance(found, str):
                refused.append(Refused(f"task-{task.task}", path, found))
            else:
                logs[found].append(path)
        for name, paths in logs.items():
            try:
                companions += _make_files(task, name, paths, base, runs[name])
            except ValueError as error:
                refused.append(Refused(str(name), paths[0], str(error)))
        without += [str(name) for name in runs if name not in logs and not (dataset.root / str(name)).exists()]
    placed = place(dataset, companions, force=force, dry=dry)
    unknown = tuple(task.task for task in tasks if task.task not in present)
    numbered = {task.task for task in tasks if "{run}" in task.logs}
    timed = {name: path for name, path in every.items() if name.entity("task") in numbered}
    disordered = find_disordered(dataset, timed)
    return Added(placed, tuple(refused), tuple(without), unknown, tuple(sorted(present)), disordered)


def find_disordered(dataset: Dataset, runs: Mapping[BidsName, Path]) -> tuple[str, ...]:
    """Return what is to be said of runs that are not numbered in the order of time: an earlier one came later.

    Parameters
    ----------
    runs : mapping of BidsName to Path
        The names of their events, and one of their images, as `list_runs` has them.
    """
    folders = {folder: read_times(dataset, folder) for folder in {name.folder for name in runs}}
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name, path in runs.items():
        image = str(path.relative_to(dataset.root)).removesuffix(".nii.gz")
        stem = str(name.with_entity("run", "").with_ext(""))
        groups[stem][name.entity("run")] = folders[name.folder].get(image, "")
    return tuple(
        f"{stem.removesuffix('_events')}: its runs are not numbered in the order of time ({said}); look whether the "
        "numbers of the logs mean the same runs"
        for stem, own in sorted(groups.items())
        if (said := say_disorder(own))
    )


def find_logs(task: TaskLogs, base: Path, runs: Sequence[BidsName]) -> Iterator[tuple[str, BidsName | str]]:
    """Yield the logs of a task, each with its run, or why it has none."""
    absolute = task.logs.startswith("/")
    for file in sorted(Path("/" if absolute else base).glob(task.glob)):
        path = file.as_posix() if absolute else file.relative_to(base).as_posix()
        match = task.pattern.fullmatch(path)
        if match is None or not file.is_file():
            continue
        labels = match.groupdict()
        fits = [name for name in runs if _fits(name, labels)]
        if len(fits) == 1:
            yield path, fits[0]
        elif fits:
            yield path, f"it fits {len(fits)} runs: put {{session}} or {{run}} into the pattern"
        else:
            yield path, "no run of the dataset has its subject, session and run"


def _fits(name: BidsName, labels: dict[str, str]) -> bool:
    own = {"subject": name.sub, "session": name.ses, "run": name.entity("run") or "1"}
    return all(_is_same(own[key], text) for key, text in labels.items())


def _is_same(label: str, text: str) -> bool:
    """Return whether a text is a label; numbers may have other zeros before them."""
    return label == text or (label.isdecimal() and text.isdecimal() and int(label) == int(text))


def _make_files(task: TaskLogs, name: BidsName, paths: Sequence[str], base: Path, image: Path) -> list[Companion]:
    """Return the table and the sidecar of one run.

    Raises
    ------
    ValueError
        If there are several logs, or the one cannot be read.
    """
    if len(paths) > 1:
        raise ValueError(f"{len(paths)} logs belong to this run: make the pattern narrower")
    file = base / paths[0]
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError("it is larger than any log")
        data = file.read_bytes()
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error
    rows = FORMATS[task.form].read(decode(data))
    table = make_events(task, rows, end=_read_end(image))
    return [
        Companion(str(name), table.encode()),
        Companion(str(name.with_ext(".json")), describe_events(task).encode()),
    ]


def _read_end(image: Path) -> float:
    """Return how many seconds a run lasts, by its image; infinity where that does not tell."""
    import nibabel as nib

    try:
        header = nib.load(image).header
        step = float(header.get_zooms()[3]) * _CLOCKS.get(header.get_xyzt_units()[1], 1.0)
        length = int(header.get_data_shape()[3]) * step
    except (OSError, IndexError, nib.filebasedimages.ImageFileError):
        return math.inf
    return length if step > 0 else math.inf
