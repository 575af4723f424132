"""What was converted from what: the memory that lets a second run do only what is missing or changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Any

from bidsflow.convert.cohort import Cohort, Shape
from bidsflow.convert.namesakes import Made, read_scan
from bidsflow.convert.plan import Decision, Plan
from bidsflow.convert.subjects import Key, folder_of
from bidsflow.convert.times import read_times
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import write_durably
from bidsflow.dicom.series import File, Series
from bidsflow.dicom.source import GZIP
from bidsflow.digest import KIND, digest_file, write_digest
from bidsflow.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was when it was written.

    Attributes
    ----------
    size, mtime_ns : int
        A file with the same of both is taken for the same.
    digest : str
        `digest.digest_file` of its content, which decides where they differ.
    """

    size: int
    mtime_ns: int
    digest: str


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


@dataclass(frozen=True, slots=True)
class Content:
    """What the files of a series hold.

    Attributes
    ----------
    digest : str
        Of their bytes, wherever they lie and in whichever order.
    packed : frozenset of str
        Paths of those that are compressed by gzip.
    source, marks : str
        See `source_digest` and `mark_digest`.
    numbers : str
        See `list_numbers`.
    """

    digest: str
    packed: frozenset[str]
    source: str
    marks: str
    numbers: str = ""


#: Begins the name, in a key, of a person of whom nothing is known but the label.
_STRANGER = "unknown\x1f"

#: So many ledgers are kept in mind; a large study has some thousands.
_LEDGERS = 16_384

#: Entries by BIDS path without extension.
Ledger = dict[str, Entry]


def source_digest(series: Series) -> str:
    """Return a digest of the instances of a series that does not depend on where they lie or in which order."""
    return _digest(f"{one.header.text('SOPInstanceUID')} {file.size}" for one in series.instances for file in one.files)


def read_content(series: Series, like: str = KIND) -> Content:
    """Return what the files of a series hold: pixels may be corrected under the same UIDs.

    Parameters
    ----------
    series : Series
        The series.
    like : str
        A digest of content, which may be that of an earlier version; the digest is of its kind.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    kind = KIND if like.startswith(KIND) else ""
    lines, packed = [], set()
    for one in series.instances:
        for file in one.files:
            if kind and one.digest and file is one.file and _has_stayed(file):
                digest = write_digest(one.digest)  # of a file that is not compressed
            else:
                digest, start = digest_file(file.path, kind)
                if start.startswith(GZIP):
                    packed.add(file.path)
            lines.append(f"{one.header.text('SOPInstanceUID')} {digest}")
    return Content(kind + _digest(lines), frozenset(packed), source_digest(series), mark_digest(series),
                   list_numbers(series))  # fmt: skip


def _has_stayed(file: File) -> bool:
    """Return whether a file is as it was when its header was read, which may be long ago (a queue of a cluster)."""
    if file.passing:
        return True
    status = os.stat(file.path)  # noqa: PTH116 - asked of each of many small files
    return (status.st_size, status.st_mtime_ns, status.st_ino) == (file.size, file.mtime_ns, file.inode)


def mark_digest(series: Series) -> str:
    """Return a digest of what changes with the bytes of a series, and with a copy of it as well: times and inodes."""
    files = ((one.header.text("SOPInstanceUID"), file) for one in series.instances for file in one.files)
    return _digest(f"{uid} {file.mtime_ns} {file.inode}" for uid, file in files)


def list_numbers(series: Series) -> str:
    """Return which InstanceNumbers the instances of a series have, as ranges: they show what another export lacks.

    Examples
    --------
    >>> sorted(read_numbers("1-3,7")), read_numbers("")
    ([1, 2, 3, 7], frozenset())
    """
    numbers = sorted({one.header.integer("InstanceNumber") for one in series.instances} - {0})
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)


def read_numbers(text: str) -> frozenset[int]:
    """Return the numbers that `list_numbers` has written; none where it is no such text."""
    spans = [part.partition("-") for part in text.split(",")] if re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text) else []
    return frozenset(number for first, _, last in spans for number in range(int(first), int(last or first) + 1))


def fields_digest(fields: Mapping[str, object]) -> str:
    """Return a digest of the fields that a study puts into a sidecar, ``""`` for none."""
    return _digest([json.dumps(fields, sort_keys=True)]) if fields else ""


def _digest(lines: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).hexdigest()


def stamp(path: Path, like: str = KIND) -> Stamp:
    """Return what identifies the present content of a file, by a digest of the same kind as another."""
    status = path.stat()
    return Stamp(status.st_size, status.st_mtime_ns, digest_file(path, like)[0])


def verify(path: Path, known: Stamp) -> Stamp | None:
    """Return the stamp of a file that still has the content that it was written with; None where it has not.

    Only where size or time differ is the file read; the stamp that is returned saves that the next time.
    """
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (known.size, known.mtime_ns):
        return known
    if status.st_size != known.size:
        return None
    now = stamp(path, known.digest)
    return now if now.digest == known.digest else None


def is_same(path: Path, known: Stamp) -> bool:
    """Return whether a file still has the content that it was written with."""
    return verify(path, known) is not None


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


def read_key(dataset: Dataset) -> Key:
    """Return the private key of a dataset; an empty one where nothing was converted yet.

    Subjects that someone else has put into the dataset count as people whom no header names, so that no one else
    gets their labels.

    Raises
    ------
    DatasetError
        If the key is damaged, or lost.
    """
    stored = read_json(dataset.key_file)
    if not stored and any((dataset.state / "ledger").glob("*.json")):
        hint = "Restore it from a backup, or convert into a new folder: without it no one knows who is who"
        raise DatasetError(str(dataset.key_file), "the private key of the dataset is gone", hint)
    try:
        subjects = {person: str(label) for person, label in stored.get("subjects", {}).items()}
        places = {study: (str(sub), str(ses)) for study, (sub, ses) in stored.get("sessions", {}).items()}
        shifts = {subject: int(days) for subject, days in stored.get("shifts", {}).items()}
        began = {study: str(day) for study, day in stored.get("days", {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise say_damaged(dataset.key_file) from error
    folders = dataset.root.glob("sub-*") if dataset.root.is_dir() else ()
    present = {folder.name.removeprefix("sub-") for folder in folders if folder.is_dir()}
    strangers = {f"{_STRANGER}{label}": label for label in sorted(present - set(subjects.values()))}
    held = {folder: study for folder, study in read_former(dataset).items() if holds_files(dataset.root, folder)}
    return Key({**subjects, **strangers}, places, shifts, held, began)


def read_shifts(dataset: Dataset) -> dict[str, int]:
    """Return by how many days the dates of each subject are moved, by label.

    Raises
    ------
    DatasetError
        If the key is damaged.
    """
    try:
        return {label: int(days) for label, days in read_json(dataset.key_file).get("shifts", {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise say_damaged(dataset.key_file) from error


def read_former(dataset: Dataset) -> dict[str, str]:
    """Return the folders that visits have given up, each with its StudyInstanceUID.

    Raises
    ------
    DatasetError
        If the key is damaged.
    """
    try:
        return {folder: str(study) for folder, study in read_json(dataset.key_file).get("former", {}).items()}
    except AttributeError as error:
        raise say_damaged(dataset.key_file) from error


def holds_files(root: Path, folder: str) -> bool:
    """Return whether a visit has files in its folder; those of a subject's sessions are not its own."""
    names = (str(one.relative_to(root / folder)) for one in (root / folder).rglob("*") if one.is_file())
    return any("/" in folder or not (name.startswith("ses-") or name.endswith("_sessions.tsv")) for name in names)


def write_key(dataset: Dataset, key: Key) -> None:
    """Store the private key, readable by its owner only, with what other runs have added. The caller holds the lock.

    Raises
    ------
    DatasetError
        If another run has given a label of this key to someone else since it was read.
    """
    stored = read_key(dataset)
    others = {label for person, label in stored.subjects.items() if person not in key.subjects}
    for label in {label for person, label in key.subjects.items() if person not in stored.subjects} & others:
        hint = "Run the same command again"
        raise DatasetError(str(dataset.root), f"another run has just given the label sub-{label} to someone else", hint)
    subjects = {**stored.subjects, **key.subjects}
    known = {person: label for person, label in subjects.items() if not person.startswith(_STRANGER)}
    places = {**stored.sessions, **key.sessions}
    labels = {*known.values(), *(sub for sub, _ in places.values())}
    shifts = {label: days for label, days in {**stored.shifts, **key.shifts}.items() if label in labels}
    left = {folder_of(place): study for study, place in stored.sessions.items() if places[study] != place}
    taken = set(map(folder_of, places.values()))
    former = {folder: study for folder, study in {**read_former(dataset), **left}.items() if folder not in taken}
    began = {study: day for study, day in {**key.days, **stored.days}.items() if study in places}
    merged = Key(known, places, shifts, former, began)
    text = json.dumps(asdict(merged), indent=1, sort_keys=True).encode()
    if not dataset.key_file.exists() or dataset.key_file.read_bytes() != text:
        write_durably(dataset.key_file, text, mode=0o600)


def read_json(path: Path) -> dict[str, Any]:
    """Return what a file of bidsflow holds; nothing where it is absent.

    Raises
    ------
    DatasetError
        If it is damaged.
    """
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise say_damaged(path) from error
    if not isinstance(stored, dict):
        raise say_damaged(path)
    return stored


def say_damaged(path: Path) -> DatasetError:
    """Return the error for a file of bidsflow that cannot be understood."""
    return DatasetError(
        str(path), "this file of bidsflow is damaged", "Restore it from a backup, or convert into a new folder"
    )
