"""What was converted from what: the memory that lets a second run do only what is missing or changed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from sys import intern

from bidsflow.convert.cohort import Cohort, Shape
from bidsflow.convert.content import Stamp
from bidsflow.convert.memory import read_json, say_damaged
from bidsflow.convert.namesakes import Made, read_scan
from bidsflow.convert.plan import Decision, Plan
from bidsflow.convert.times import read_times
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import write_durably


@dataclass(frozen=True, slots=True)
class Entry:
    """One converted image.

    Attributes
    ----------
    series_uid, image : str, int
        Where it came from.
    source : str
        Digest of the instances that it was made of.
    files : mapping of str to Stamp
        What was written, by path relative to the dataset.
    instances : int
        How many instances they were; 0 where that was not noted.
    content, marks : str
        Digests of the bytes of their files, and of the times and numbers by which the files were known; the bytes are
        read again where the marks differ. ``""`` where that was not noted.
    fields : str
        Digest of the fields that a study put into its sidecar; ``""`` where there were none.
    protocol : str
        `cohort.protocol_of` of the image, ``""`` where that was not noted.
    volumes : int
        How many it has.
    moment : str
        `twins.moment_of` of its series; ``""`` where that is not known, or was not noted.
    ruled : tuple of str
        What a study gave of its name, sorted: see `spec.Rule.given`.
    examination : str
        `parrec.mark_examination` of its series; ``""`` where that is not known, or was not noted.
    program : str
        What made it; ``""`` where that was not noted.
    numbers : str
        `list_numbers` of its series; ``""`` where that is not known, or was not noted.
    named_protocol : str
        `cohort.name_protocol` of the image, ``""`` where that was not noted, or it has no name.
    matrix : tuple of int
        Its columns, rows and slices; empty where that was not noted.
    shot : str
        `shots.write_shot` of it, by which field maps and runs of other exports find it; ``""`` where not noted.
    made : str
        `commands.note_command` of what made it; ``""`` where that was not noted.
    scan : str
        `namesakes.note_scan` of its series; ``""`` where that was not noted.
    """

    series_uid: str
    image: int
    source: str
    files: Mapping[str, Stamp]
    instances: int = 0
    content: str = ""
    marks: str = ""
    fields: str = ""
    protocol: str = ""
    volumes: int = 0
    moment: str = ""
    ruled: tuple[str, ...] = ()
    examination: str = ""
    program: str = ""
    numbers: str = ""
    named_protocol: str = ""
    matrix: tuple[int, ...] = ()
    shot: str = ""
    made: str = ""
    scan: str = ""


#: So many ledgers are kept in mind; a large study has some thousands.
_LEDGERS = 16_384

#: Entries by BIDS path without extension.
Ledger = dict[str, Entry]


def read_ledger(dataset: Dataset, folder: str) -> Ledger:
    """Return what stands in one folder of a subject or session; empty where nothing was converted to it.

    Raises
    ------
    DatasetError
        If the ledger is damaged.
    """
    stored = read_json(dataset.ledger_file(folder))
    try:
        return {
            path: Entry(
                entry["series_uid"], int(entry["image"]), entry["source"],
                {name: Stamp(**values) for name, values in entry["files"].items()}, int(entry.get("instances", 0)),
                str(entry.get("content", "")), str(entry.get("marks", "")),
                str(entry.get("fields", "")), str(entry.get("protocol", "")), int(entry.get("volumes", 0)),
                str(entry.get("moment", "")), tuple(map(str, entry.get("ruled", ()))),
                str(entry.get("examination", "")), str(entry.get("program", "")), str(entry.get("numbers", "")),
                str(entry.get("named_protocol", "")), tuple(map(int, entry.get("matrix", ()))),
                str(entry.get("shot", "")), str(entry.get("made", "")), str(entry.get("scan", "")),
            )
            for path, entry in stored.items()
        }  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise say_damaged(dataset.ledger_file(folder)) from error


def format_ledger(ledger: Ledger) -> bytes:
    """Return a ledger as it is stored."""
    return json.dumps({path: asdict(ledger[path]) for path in sorted(ledger)}, indent=1).encode()


@dataclass(frozen=True, slots=True)
class _Brief:
    """What all of a dataset has to know of one image: see `Entry`."""

    path: str
    series_uid: str
    image: int
    protocol: str
    volumes: int
    moment: str
    ruled: tuple[str, ...]
    examination: str
    program: str
    named_protocol: str
    matrix: tuple[int, ...]
    origin: Made


def _read_briefs(dataset: Dataset) -> Iterator[tuple[str, tuple[_Brief, ...]]]:
    """Give what stands in each folder, by the name of its ledger; what has not changed in this process is not reread.

    A conversion asks five times who stands where, at moments between which other runs may commit.
    """
    for file in sorted((dataset.state / "ledger").glob("*.json"), key=lambda file: file.name):
        with suppress(FileNotFoundError):  # another run has taken it away
            now = file.stat()
            yield file.stem, _read_brief(dataset, file.stem, (now.st_mtime_ns, now.st_size, now.st_ino))


@lru_cache(maxsize=_LEDGERS)
def _read_brief(dataset: Dataset, folder: str, _mark: tuple[int, int, int]) -> tuple[_Brief, ...]:
    """Return what stands in a folder, with what many images have in common once."""
    return tuple(
        _Brief(path, intern(one.series_uid), one.image, intern(one.protocol), one.volumes, one.moment, one.ruled,
               intern(one.examination), intern(one.program), intern(one.named_protocol), one.matrix,
               made_of(one))
        for path, one in read_ledger(dataset, folder).items()
    )  # fmt: skip


def _read_number(shot: str) -> int:
    """Return the SeriesNumber of what `shots.write_shot` has kept; 0 where it tells none."""
    try:
        return int(json.loads(shot)["condition"]["number"])
    except (KeyError, TypeError, ValueError):
        return 0


def read_made(dataset: Dataset) -> dict[tuple[str, int], Made]:
    """Return what is known of the series that images were made of, by SeriesInstanceUID and rank."""
    return {(one.series_uid, one.image): one.origin for _, briefs in _read_briefs(dataset) for one in briefs}


def made_of(entry: Entry) -> Made:
    """Return what is known of the series that an image was made of."""
    number, names = read_scan(entry.scan) or (_read_number(entry.shot), None)
    return Made(number, names, intern(entry.protocol), intern(entry.named_protocol), entry.moment)


def read_taken(dataset: Dataset) -> dict[tuple[str, int], str]:
    """Return the BIDS path of every image that was converted, by SeriesInstanceUID and rank."""
    return {(one.series_uid, one.image): one.path for _, briefs in _read_briefs(dataset) for one in briefs}


def read_ruled(dataset: Dataset) -> dict[tuple[str, int], frozenset[str]]:
    """Return what a study gave of the names of images, by SeriesInstanceUID and rank."""
    every = (one for _, briefs in _read_briefs(dataset) for one in briefs)
    return {(one.series_uid, one.image): frozenset(one.ruled) for one in every if one.ruled}


def read_programs(dataset: Dataset) -> frozenset[str]:
    """Return what made the images of a dataset; ``""`` stands for what was not noted."""
    return frozenset(one.program for _, briefs in _read_briefs(dataset) for one in briefs)


def read_cohort(dataset: Dataset) -> Cohort:
    """Return how long the runs of everyone in a dataset are, how large their images, and when they were measured."""
    volumes: dict[str, dict[str, int]] = defaultdict(dict)
    moments: dict[str, tuple[str, str]] = {}
    examinations: dict[str, str] = {}
    shapes: dict[str, dict[str, frozenset[Shape]]] = defaultdict(dict)
    lengths: dict[str, tuple[str, int]] = {}
    times: dict[str, str] = {}
    for name, briefs in _read_briefs(dataset):
        subject = name.partition("_")[0].removeprefix("sub-")
        told = read_times(dataset, name.replace("_", "/"))
        for one in briefs:
            if one.path in told:
                times[one.path] = told[one.path]
            if one.protocol:
                people = volumes[one.protocol]
                people[subject] = max(people.get(subject, 0), one.volumes)
                lengths[one.path] = one.protocol, one.volumes
            if one.named_protocol and one.matrix:
                own = shapes[one.named_protocol]
                own[subject] = own.get(subject, frozenset()) | {one.matrix}
            if one.moment:
                moments[one.moment] = one.series_uid, subject
            if one.examination:
                examinations[one.examination] = subject
    return Cohort(volumes, moments, examinations, shapes, lengths, times=times)


def read_skipped(dataset: Dataset) -> frozenset[tuple[str, int]]:
    """Return the images that a person said to skip, by SeriesInstanceUID and rank."""
    stored = read_json(dataset.skipped_file)
    try:
        return frozenset((uid, int(image)) for uid, images in stored.items() for image in images)
    except (TypeError, ValueError) as error:
        raise say_damaged(dataset.skipped_file) from error


def note_skipped(dataset: Dataset, plan: Plan) -> None:
    """Remember what a person's plan says to skip, and forget what it decides otherwise. The caller holds the lock."""
    before = read_skipped(dataset)
    said = {(row.series_uid, row.image): row.decision for row in plan.rows}
    now = {image for image in before if said.get(image, Decision.SKIP) is Decision.SKIP}
    now |= {image for image, decision in said.items() if decision is Decision.SKIP}
    if now != before:
        by_uid: dict[str, list[int]] = {}
        for uid, image in sorted(now):
            by_uid.setdefault(uid, []).append(image)
        write_durably(dataset.skipped_file, json.dumps(by_uid, indent=1).encode(), mode=0o600)
