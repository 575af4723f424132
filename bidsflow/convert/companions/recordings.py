"""From what lies in an export to `_physio.tsv.gz` beside the runs that it was recorded with, matched by time."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bidsflow import schema
from bidsflow.convert.companions.done import Answer, fingerprint, recall, remember
from bidsflow.convert.companions.logfiles import Source, Unused, find_sources, list_candidates
from bidsflow.convert.companions.physio import DAY, Recording, Trace
from bidsflow.convert.companions.place import Companion, Fate, Placed, place, stands_as_written
from bidsflow.dataset import describe
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.occasions import base_of
from bidsflow.dicom.series import Inventory, Series
from bidsflow.names import BidsName, parse_name

#: Seconds by which the first volume of a log may miss the time of the first image, and that are kept around a run.
_NEAR, _AROUND = 10.0, 10.0
_WAITS = "its run is up for review: it is put beside it once that is converted"
_SKIPPED = "its run is skipped: convert that, and it is put beside it"
#: Stands for the name of a run that gets none.
_NO_NAME = BidsName("skipped", "func", "physio")
_WORDS = {
    "cardiac": "Pulse, as the finger sensor measured it",
    "respiratory": "Breathing, as the belt measured it",
    "external": "External input of the scanner: 1 where it logged a signal",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A run that something may have been recorded with.

    Attributes
    ----------
    name : BidsName
        Of its images, without what tells echoes and parts apart; of a run that is skipped it says nothing.
    study : str
        StudyInstanceUID.
    day : str
        ``YYYYMMDD``.
    start, length : float
        Seconds since midnight of the first volume, and seconds until the last ends.
    volumes : int
        How many.
    folders : tuple of str
        Where its files lie.
    """

    name: BidsName
    study: str
    day: str
    start: float
    length: float
    volumes: int
    folders: tuple[str, ...]


def find_runs(inventory: Inventory, stands: Mapping[tuple[str, int], str]) -> tuple[Run, ...]:
    """Return the runs that recordings may belong to: what has volumes, and a name to which BIDS knows a recording.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    stands : mapping of (str, int) to str
        Where images stand, by SeriesInstanceUID and rank.
    """
    found: dict[BidsName, Run] = {}
    for series in inventory.series:
        for rank, image in enumerate(series.images, start=1):
            path = stands.get((series.uid, rank))
            if path is None or image.volumes < 2 or len(series.started) < 14:
                continue
            name = parse_name(path)
            name = BidsName(name.sub, name.datatype, "physio", "", name.ses,
                            tuple(one for one in name.entities if one[0] not in ("echo", "part")))  # fmt: skip
            if schema.allows(name.with_ext(".tsv.gz")):
                found.setdefault(name, _make_run(name, series, image.volumes))
    return tuple(found.values())


def find_skipped(inventory: Inventory, skipped: Collection[tuple[str, int]]) -> tuple[Run, ...]:
    """Return the runs that a plan skips, by SeriesInstanceUID and rank of their images: only their times are of use."""
    return tuple(
        _make_run(_NO_NAME, series, image.volumes)
        for series in inventory.series
        for rank, image in enumerate(series.images, start=1)
        if (series.uid, rank) in skipped and image.volumes > 1 and len(series.started) >= 14
    )


def _make_run(name: BidsName, series: Series, volumes: int) -> Run:
    text = series.started
    start = int(text[8:10]) * 3600 + int(text[10:12]) * 60 + float(text[12:])
    length = volumes * max(series.header.numbers("RepetitionTime") or (0.0,)) / 1000
    folders = {os.path.dirname(one.file.path) for one in series.instances}  # noqa: PTH120 - once per file
    return Run(name, base_of(series), text[:8], start, length, volumes, tuple(sorted(folders)))


def match(
    runs: Sequence[Run],
    inventory: Inventory,
    studies: Collection[str] | None = None,
    waiting: Sequence[Run] = (),
    skipped: Sequence[Run] = (),
) -> tuple[list[Companion], list[Unused]]:
    """Return the files to stand beside runs, and the recordings that go nowhere.

    Of several recordings of one signal of one run, that of a DICOM object counts, then the first by path.

    Parameters
    ----------
    studies : collection of str, optional
        StudyInstanceUIDs of what was asked for; recordings of others are passed over.
    waiting : sequence of Run
        Runs that are up for review: recordings of theirs wait with them.
    skipped : sequence of Run
        Runs that are skipped: recordings of theirs are told of.
    """
    files: dict[str, Companion] = {}
    unused: list[Unused] = []
    sources = list(find_sources(inventory))
    unused += [one for one in sources if isinstance(one, Unused)]
    for source in sorted(
        (one for one in sources if isinstance(one, Source)), key=lambda one: (not one.study, one.files)
    ):
        try:
            recording = source.read()
            pairs = _pair_or_wait(recording, source, runs, {_WAITS: waiting, _SKIPPED: skipped})
        except ValueError as error:
            unused.append(Unused(source.files[0], str(error), source.study))
            continue
        if studies is not None:
            pairs = [pair for pair in pairs if pair[0].study in studies]
            if not pairs:
                continue
        live = [trace for trace in recording.traces if not trace.is_flat]
        if not live:
            unused.append(Unused(source.files[0], "its signals are constant: no sensor was attached", source.study))
        for run, zero in pairs:
            for trace in live:
                made = _make_files(run, zero, recording, trace)
                if made[0].path not in files:
                    files |= {one.path: one for one in made}
                elif files[made[0].path].data != made[0].data:
                    unused.append(Unused(source.files[0], f"{made[0].path} was made of another recording"))
    return list(files.values()), [one for one in unused if studies is None or not one.study or one.study in studies]


def _pair_or_wait(
    recording: Recording, source: Source, runs: Sequence[Run], absent: Mapping[str, Sequence[Run]]
) -> list[tuple[Run, float]]:
    """Return what `_pair` does; `absent` are runs that are not converted, by what is said of their recordings.

    Raises
    ------
    ValueError
        As `_pair`; or if its run is not converted.
    """
    try:
        return _pair(recording, source, runs)
    except ValueError as error:
        reason = str(error)
    for said, others in absent.items():
        try:
            _pair(recording, source, others)
        except ValueError:
            continue
        raise ValueError(said)
    raise ValueError(reason)


def _pair(recording: Recording, source: Source, runs: Sequence[Run]) -> list[tuple[Run, float]]:
    """Return the runs of a recording, each with the time that its StartTime counts from.

    Raises
    ------
    ValueError
        If there is none, or more than one that it may belong to.
    """
    if source.study:
        runs = [run for run in runs if run.study == source.study]
    if not recording.volumes:
        return _pair_by_span(recording, source, runs)
    if len(recording.volumes) == 1:
        raise ValueError("it was recorded with a single volume (a reference)")
    first = recording.volumes[0]
    near = [run for run in runs if abs(_apart(run.start, first)) < _NEAR]
    near = _of_one_visit(near, source)
    if not near:
        raise ValueError("no run with several volumes began when it was recorded")
    run = min(near, key=lambda one: abs(_apart(one.start, first)))
    if len(recording.volumes) < run.volumes:
        raise ValueError(f"it covers {len(recording.volumes)} of the {run.volumes} volumes of its run")
    zero = min(recording.volumes, key=lambda one: abs(_apart(one, run.start)))
    return [(run, first if len(recording.volumes) == run.volumes else zero)]


def _pair_by_span(recording: Recording, source: Source, runs: Sequence[Run]) -> list[tuple[Run, float]]:
    trace = recording.traces[0]
    inside = [
        run for run in runs if _apart(run.start, trace.start) >= 0 and _apart(trace.stop, run.start + run.length) >= 0
    ]
    inside = _of_one_visit(inside, source)
    if not inside:
        raise ValueError("no run lies within the time that it covers")
    return [(run, run.start) for run in inside]


def _apart(one: float, two: float) -> float:
    """Return by how many seconds one time of day is later than another, across midnight."""
    return (one - two + DAY / 2) % DAY - DAY / 2


def _of_one_visit(runs: Sequence[Run], source: Source) -> list[Run]:
    """Return the runs of one visit; logs know the time of day only, so that a day in the name, or the folder, decides.

    Raises
    ------
    ValueError
        If they belong to several visits.
    """
    days = set(re.findall(r"(?<!\d)(?:19|20)\d{6}(?!\d)", os.path.basename(source.files[0])))  # noqa: PTH119
    if days:
        runs = [run for run in runs if run.day in days]
    if len({run.study for run in runs}) > 1:
        folder = os.path.dirname(source.files[0])  # noqa: PTH120
        while len(folder) > 1:
            near = [run for run in runs if any(f"{one}/".startswith(f"{folder}/") for one in run.folders)]
            if near:
                runs = near
                break
            folder = os.path.dirname(folder)  # noqa: PTH120
    if len({run.study for run in runs}) > 1:
        raise ValueError("it fits runs of several visits: put it into the folder of its own")
    return list(runs)


def _make_files(run: Run, zero: float, recording: Recording, trace: Trace) -> list[Companion]:
    """Return the table and the sidecar of one signal of one run."""
    if not recording.volumes:
        shift = round(_apart(run.start, trace.start) + trace.start - run.start)  # 0, or a day
        begin = run.start + shift - _AROUND
        trace = trace.cut(begin, begin + run.length + 2 * _AROUND)
    columns = {
        name: tuple("n/a" if one is None else str(one) for one in values) for name, values in trace.columns.items()
    }
    described: dict[str, object] = {
        name: {"Description": _WORDS.get(name, "Electrocardiogram, one channel"), "Units": "arbitrary"}
        for name in trace.columns
    }
    if recording.volumes:
        columns["trigger"] = _mark(trace, recording.volumes)
        described["trigger"] = {"Description": "1 at the sample nearest to the beginning of a volume, else 0"}
    if trace.beats:
        name = f"{trace.label}_trigger"
        columns[name] = _mark(trace, trace.beats)
        described[name] = {"Description": "1 where the scanner found a beat or a breath, else 0"}
    rows = "".join("\t".join(cells) + "\n" for cells in zip(*columns.values(), strict=True))
    sidecar = {
        "SamplingFrequency": _plain(1 / trace.step),
        "StartTime": _plain(_apart(trace.start, zero)),
        "Columns": list(columns),
        "Manufacturer": "Siemens",
        **described,
    }
    stem = str(run.name.with_entity("recording", trace.label))
    return [
        Companion(f"{stem}.tsv.gz", _compress(rows.encode())),
        Companion(f"{stem}.json", describe.to_json(sidecar).encode()),
    ]


def _mark(trace: Trace, times: Sequence[float]) -> tuple[str, ...]:
    points = {math.floor(_apart(time, trace.start) / trace.step + 0.5 + 1e-6) for time in times}
    return tuple("1" if point in points else "0" for point in range(trace.length))


def _plain(value: float) -> float | int:
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _compress(data: bytes) -> bytes:
    """Return data as gzip, the same bytes for the same data."""
    import gzip

    return gzip.compress(data, 6, mtime=0)


def add_recordings(
    dataset: Dataset,
    inventory: Inventory,
    stands: Mapping[tuple[str, int], str],
    *,
    waiting: Mapping[tuple[str, int], str] = MappingProxyType({}),
    skipped: Collection[tuple[str, int]] = (),
    studies: Collection[str] | None = None,
    force: bool = False,
    dry: bool = False,
) -> tuple[tuple[Placed, ...], tuple[Unused, ...]]:
    """Put the recordings of an export beside their runs, and return what became of each, and those that go nowhere.

    Parameters
    ----------
    stands : mapping of (str, int) to str
        Where images stand, by SeriesInstanceUID and rank.
    waiting : mapping of (str, int) to str
        Where those would stand that are up for review.
    skipped : collection of (str, int)
        Those that are skipped, and do not stand anywhere.
    studies : collection of str, optional
        StudyInstanceUIDs of what was asked for; by default all.
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
    runs, late, gone = find_runs(inventory, stands), find_runs(inventory, waiting), find_skipped(inventory, skipped)
    files = list_candidates(inventory)
    if not files:
        return (), ()
    mark = fingerprint(dataset, files, (runs, late, gone, *sorted(studies or ())))
    known = recall(dataset, mark)
    if known is not None and not force and stands_as_written(dataset, known.made):
        done = tuple(Placed(path, Fate.UNCHANGED) for path in known.made)
        return done, tuple(Unused(files[rank], reason) for rank, reason in known.unused)
    companions, unused = match(runs, inventory, studies, late, gone)
    placed = place(dataset, companions, force=force, dry=dry)
    if not dry:
        ranks = {path: rank for rank, path in enumerate(files)}
        told = tuple((ranks[one.path], one.reason) for one in unused)
        remember(dataset, mark, Answer(tuple(one.path for one in companions), told))
    return placed, tuple(unused)
