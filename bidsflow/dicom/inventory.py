"""Take the inventory of an export: read headers, drop copies, group what is left into series."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bidsflow.dicom.grouping import agree, find_collisions, group_series, in_order, refuse
from bidsflow.dicom.header import Header
from bidsflow.dicom.index import Index, Reading
from bidsflow.dicom.read import Reader, read_blobs
from bidsflow.dicom.series import File, Instance, Inventory, SetAside
from bidsflow.dicom.shared import Sharer
from bidsflow.dicom.source import inflated
from bidsflow.dicom.tags import find_maker
from bidsflow.dicom.twins import find_twins
from bidsflow.dicom.vendors import read_protocol
from bidsflow.errors import HeaderError

#: Tells how many files of how many have been looked at.
Progress = Callable[[int, int], None]

#: Names of files that lie in every folder and that no one misses.
_HARMLESS = frozenset({".ds_store", "thumbs.db", "desktop.ini", "dicomdir", "license", "readme"})
_HARMLESS_ENDS = (".txt", ".md", ".pdf", ".json", ".xml", ".html", ".csv", ".tsv", ".jpg", ".png", ".log")
#: Begins the keywords of what a protocol says, beside those of the header that it is stored with.
_PROTOCOL = "Protocol."
_PROTOCOL_READ = "Protocol.Read"


def take_inventory(
    files: Sequence[File],
    *,
    set_aside: Sequence[SetAside] = (),
    index_path: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Inventory:
    """Return what an export holds.

    Parameters
    ----------
    files : sequence of File
        Everything that lies in the export.
    set_aside : sequence of SetAside
        What could not even be listed.
    index_path : Path or None
        Where readings are kept from one scan to the next; None keeps none.
    progress : callable
        Called now and then with the files looked at and their number.
    """
    index = Index(index_path)
    try:
        readings, fresh = _read_all(files, index, progress)
        aside = list(set_aside)
        instances = []
        protocols: dict[str, dict[str, str]] = {}
        for file in files:
            reading = readings[file.path]
            if isinstance(reading, str):
                aside.append(SetAside(file.path, reading, _is_harmless(file.path, reading)))
                continue
            header, protocol = _split(reading)
            if protocol is not None:
                protocols[file.path] = protocol
            if (reason := refuse(header)) is not None:
                aside.append(SetAside(file.path, *reason))
            else:
                instances.append(Instance(file, header))
        kept, copies = _drop_copies(instances)
        series, strangers = group_series(kept, _read_protocols(kept, protocols, index))
    finally:
        index.close()
    aside += [*copies, *strangers]
    return Inventory(
        series=series,
        set_aside=tuple(sorted(aside, key=lambda one: one.path)),
        collisions=find_collisions(series),
        n_read=fresh,
        n_reused=len(files) - fresh,
        twins=find_twins(series),
    )


def _read_all(files: Sequence[File], index: Index, progress: Progress) -> tuple[dict[str, Reading], int]:
    """Return the reading of each file by path, and how many were read now."""
    readings = index.known(files)
    fresh: dict[str, tuple[File, Reading]] = {}
    reader, sharer = Reader(), Sharer()
    for done, file in enumerate(files):
        if done % 256 == 0:
            progress(done, len(files))
        if file.path not in readings:
            reading = _read(reader, file)
            if isinstance(reading, Header):
                reading = Header(sharer.share(reading.values), reading.pixels, reading.problems)
            readings[file.path] = reading
            fresh[file.path] = (file, reading)
    progress(len(files), len(files))
    index.remember(fresh)
    return readings, len(fresh)


def _read(reader: Reader, file: File) -> Reading:
    if file.size == 0:
        return "empty file"
    try:
        return reader.read(file.path)
    except HeaderError as error:
        return error.reason
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _is_harmless(path: str, reason: str) -> bool:
    name = Path(path).name.lower()
    if name in _HARMLESS or name.startswith("._"):
        return True
    return reason == "not DICOM" and name.endswith(_HARMLESS_ENDS)


def _drop_copies(instances: Sequence[Instance]) -> tuple[list[Instance], list[SetAside]]:
    """Return each instance once: of equal files the first, of different files under one UID none."""
    by_uid: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_uid[instance.header.text("SOPInstanceUID")].append(instance)
    kept: list[Instance] = []
    aside: list[SetAside] = []
    for members in by_uid.values():
        if len(members) == 1:
            kept.append(members[0])
        elif len({_digest(one.file.path) for one in members}) == 1:
            kept.append(members[0])
            aside += [SetAside(one.file.path, f"a copy of {members[0].file.path}", True) for one in members[1:]]
        else:
            reason = "its SOPInstanceUID stands for different images in this export; neither is used"
            aside += [SetAside(one.file.path, reason) for one in members]
    return kept, aside


def _digest(path: str) -> str:
    digest = hashlib.blake2b()
    try:
        for piece in inflated(path):
            digest.update(piece)
    except (HeaderError, OSError):
        return path
    return digest.hexdigest()


def _split(stored: Header) -> tuple[Header, dict[str, str] | None]:
    """Return a header, and what the protocol beside it says; None where it was not looked for."""
    if _PROTOCOL_READ not in stored:
        return stored, None
    plain = {key: text for key, text in stored.values.items() if not key.startswith(_PROTOCOL)}
    protocol = {
        key.removeprefix(_PROTOCOL): text
        for key, text in stored.values.items()
        if key.startswith(_PROTOCOL) and key != _PROTOCOL_READ
    }
    return Header(plain, stored.pixels, stored.problems), protocol


def _read_protocols(
    instances: Sequence[Instance], known: Mapping[str, dict[str, str]], index: Index
) -> dict[str, dict[str, str]]:
    """Return what the maker's protocol says for the first instance of each series, by path."""
    by_series: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_series[instance.header.text("SeriesInstanceUID")].append(instance)
    protocols: dict[str, dict[str, str]] = {}
    fresh: dict[str, tuple[File, Reading]] = {}
    for members in by_series.values():
        first = in_order(agree(members)[0])[0]
        path, header = first.file.path, first.header
        if path in known:
            protocols[path] = known[path]
            continue
        protocol = _protocol(find_maker(header.text("Manufacturer")), path)
        protocols[path] = protocol
        stored = {_PROTOCOL + key: text for key, text in protocol.items()} | {_PROTOCOL_READ: "1"}
        fresh[path] = (first.file, Header({**header.values, **stored}, header.pixels, header.problems))
    index.remember(fresh)
    return protocols


def _protocol(name: str, path: str) -> dict[str, str]:
    try:
        return read_protocol(name, read_blobs(path)) if name in ("SIEMENS", "GE") else {}
    except (HeaderError, OSError):
        return {}
