"""Keep the DICOM files of each session in ``sourcedata/``, in archives with SHA-256 sums, where a person asks for it.

An archive is never changed: what comes later goes into a further part. Members are named after their series and their
SOPInstanceUID, so that it does not matter where an export lay; the same files make the same bytes. They are the
originals and name the person: folders and files are readable by their owner alone.

Source: BIDS, "Source vs. raw vs. derived data".
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bidsflow.convert.content import mark_digest
from bidsflow.convert.memory import read_json, say_damaged
from bidsflow.convert.pending import hash_uid
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import commit, locked, staging, storage_errors
from bidsflow.dicom.occasions import base_of
from bidsflow.dicom.series import Inventory, Series
from bidsflow.names import parse_name, to_plain_letters

_LEVEL = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the originals of one session.

    Attributes
    ----------
    folder : str
        ``sub-01`` or ``sub-01/ses-01``.
    archive : str
        The new part, relative to the dataset; ``""`` where everything was kept before.
    files : int
        Members of the new part.
    former : tuple of str
        Archives of the same studies under labels that these have given up.
    unread : int
        Files that are not kept, since they cannot be read any more.
    """

    folder: str
    archive: str
    files: int
    former: tuple[str, ...] = ()
    unread: int = 0


class _UnreadError(Exception):
    """A file of the export cannot be read any more, or changes while it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class _Original:
    """A file to keep, and its name in an archive."""

    name: str
    path: Path


@dataclass(slots=True)
class _Contents:
    """What belongs to one session: series, and objects that are no images (recordings, reports)."""

    series: list[Series] = field(default_factory=list)
    objects: list[_Original] = field(default_factory=list)

    @property
    def marks(self) -> str:
        """A digest that changes with the files."""
        stats = [(one.name, one.path.stat()) for one in self.objects if one.path.is_file()]
        seen = sorted(f"{name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}" for name, stat in stats)
        return hashlib.blake2b("".join([*sorted(map(mark_digest, self.series)), *seen]).encode(),
                               digest_size=16).hexdigest()  # fmt: skip


def keep_originals(
    dataset: Dataset, inventory: Inventory, paths: Mapping[str, str], *, dry: bool = False
) -> tuple[Kept, ...]:
    """Archive the files of the studies that images were converted of, a session at a time.

    Parameters
    ----------
    dataset : Dataset
        Where to.
    inventory : Inventory
        What the export holds: of a study all of its series are kept, those that were skipped too, and the objects that
        are no images.
    paths : mapping of str to str
        The BIDS path of an image of each converted series, by SeriesInstanceUID.
    dry : bool
        Only say what would be kept.

    Raises
    ------
    DatasetError
        If the dataset cannot be written to, or the memory of what was kept is damaged.
    StorageError
        If the disk is full.
    """
    done = []
    for folder, held in _group(inventory, paths).items():
        studies, marks = _hash_studies(dataset, held.series), held.marks
        memory = _read_memory(dataset)
        former = _list_former(dataset, memory, folder, studies)
        if _list_parts(dataset, folder) and memory.get(folder, {}).get("marks") == marks:
            done.append(Kept(folder, "", 0, former))
            continue
        originals = sorted([*_list_originals(held.series), *held.objects], key=lambda one: one.name)
        entry = {"marks": marks, "studies": studies}
        archive, files, unread = _keep(dataset, folder, originals, entry, dry=dry)
        done.append(Kept(folder, archive, files, former, unread))
    return tuple(done)


def _keep(
    dataset: Dataset, folder: str, originals: Sequence[_Original], entry: Mapping[str, object], *, dry: bool
) -> tuple[str, int, int]:
    """Archive the files of a session that no part holds yet, but for those that cannot be read.

    Returns
    -------
    archive : str
        The new part, ``""`` for none.
    files, unread : int
        Its members, and the files that are left out: the next run looks at them again.
    """
    there = [one for one in originals if one.path.is_file() and os.access(one.path, os.R_OK)]
    while True:
        seen = entry if len(there) == len(originals) else {**entry, "marks": ""}
        try:
            missing = list(_find_missing(dataset, _list_parts(dataset, folder), there))
            archive = _name_free(dataset, folder) if missing else ""
            if dry or _write(dataset, folder, archive, missing, seen):
                return archive, len(missing), len(originals) - len(there)
        except _UnreadError as error:
            there = [one for one in there if one.path != error.path]


def find_former(dataset: Dataset, inventory: Inventory, paths: Mapping[str, str]) -> tuple[str, ...]:
    """Return the archives of an export's studies under labels that these have given up; see `keep_originals`.

    Raises
    ------
    DatasetError
        If the memory of what was kept is damaged.
    """
    memory = _read_memory(dataset)
    folders: dict[str, list[Series]] = defaultdict(list)
    for series in inventory.series if memory else ():
        if series.uid in paths:
            folders[parse_name(paths[series.uid]).folder].append(series)
    return tuple(
        name
        for folder, series in sorted(folders.items())
        for name in _list_former(dataset, memory, folder, _hash_studies(dataset, series))
    )


def _hash_studies(dataset: Dataset, series: Iterable[Series]) -> list[str]:
    return sorted({hash_uid(dataset, one.study_uid) for one in series})


def _list_former(
    dataset: Dataset, memory: Mapping[str, Mapping[str, Any]], folder: str, studies: Iterable[str]
) -> tuple[str, ...]:
    others = [other for other, entry in memory.items() if other != folder and set(entry["studies"]) & set(studies)]
    return tuple(name for other in others for name in _list_parts(dataset, other))


def _group(inventory: Inventory, paths: Mapping[str, str]) -> dict[str, _Contents]:
    """Return what belongs to each session: all of the studies of which something was converted into it."""
    folders: dict[str, set[str]] = defaultdict(set)
    objects: dict[str, set[str]] = defaultdict(set)  # which say no more than their StudyInstanceUID
    for series in inventory.series:
        if series.uid in paths:
            folders[series.study_uid].add(parse_name(paths[series.uid]).folder)
            objects[base_of(series)].add(parse_name(paths[series.uid]).folder)
    found: dict[str, _Contents] = defaultdict(_Contents)
    for series in inventory.series:
        own = {parse_name(paths[series.uid]).folder} if series.uid in paths else folders[series.study_uid]
        for folder in own:
            found[folder].series.append(series)
    for study, original in _find_objects(inventory):
        for folder in objects.get(study, ()):
            found[folder].objects.append(original)
    return dict(sorted(found.items()))


def _find_objects(inventory: Inventory) -> Iterator[tuple[str, _Original]]:
    """Yield the DICOM objects of an export that are no images, each after its StudyInstanceUID."""
    import pydicom

    from bidsflow.dicom.text import quiet_pydicom

    tags = ["StudyInstanceUID", "SOPInstanceUID", "SeriesNumber"]
    for aside in inventory.set_aside:
        kind = aside.reason.removeprefix("not an image (").removesuffix(")")
        if kind == aside.reason:
            continue
        path = Path(aside.path)
        try:
            with quiet_pydicom("ignore"):
                header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
                uid, number = str(header.SOPInstanceUID), int(header.get("SeriesNumber") or 0)
                study = str(header.StudyInstanceUID)
        except Exception:  # noqa: BLE001 - pydicom raises what it likes; what names no study belongs to none
            continue
        yield study, _Original(_name_member(number, kind, uid, path), path)  # its description may name the person


def _list_originals(series: Sequence[Series]) -> list[_Original]:
    found = []
    for one in series:
        for instance in one.instances:
            uid, words = instance.header.text("SOPInstanceUID"), one.description or one.protocol_name
            for file in instance.files:
                path = Path(file.path)
                found.append(_Original(_name_member(one.number, words, uid, path), path))
    return found


def _name_member(number: int, words: str, uid: str, path: Path) -> str:
    label = "".join(char if char.isalnum() or char in "-_" else "_" for char in to_plain_letters(words))[:60]
    known = {".gz": ".dcm.gz", ".par": ".PAR", ".rec": ".REC"}
    return f"{number:04d}_{label}/{uid}{known.get(path.suffix.lower(), '.dcm')}"


def _find_missing(dataset: Dataset, parts: Sequence[str], originals: Iterable[_Original]) -> Iterator[_Original]:
    """Yield the files that no part holds as they are now."""
    held: dict[str, set[str]] = defaultdict(set)
    for part in parts:
        for line in (dataset.root / _name_list(part)).read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            held[name].add(digest)
    for one in originals:
        if one.name not in held or _digest(one.path) not in held[one.name]:
            yield one


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _UnreadError(path) from error


class _Reader:
    """Reads a file for tarfile, and computes its digest on the way."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream, self._path = stream, path
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise _UnreadError(self._path) from error
        self.digest.update(data)
        return data


def _write(
    dataset: Dataset, folder: str, archive: str, originals: Sequence[_Original], entry: Mapping[str, object]
) -> bool:
    """Write a part with its list, and remember what was kept; all of it or nothing.

    Returns
    -------
    written : bool
        False where another run has taken the name meanwhile: its part may hold some of the files.
    """
    with staging(dataset) as staged, storage_errors(dataset.root):
        draft = Draft(dataset, staged.tree())
        if archive:
            lines = _pack(originals, draft.place(archive))
            draft.place(_name_list(archive)).write_text("".join(lines), encoding="utf-8")
            for name in (archive, _name_list(archive)):
                (draft.tree / name).chmod(0o600)
            for parent in (draft.tree / archive).parents:
                if parent == draft.tree:
                    break
                parent.chmod(0o700)
        with locked(dataset):
            if archive and archive != _name_free(dataset, folder):
                return False
            memory = {**_read_memory(dataset), folder: entry}
            text = json.dumps({name: memory[name] for name in sorted(memory)}, indent=1)
            draft.write(str(_memory_file(dataset).relative_to(dataset.root)), text.encode())
            commit(staged, draft.tree)
    return True


def _pack(originals: Sequence[_Original], target: Path) -> list[str]:
    """Write an archive, and return the lines of its list as ``sha256sum`` writes them."""
    from isal import igzip

    lines = []
    with (
        target.open("wb") as raw,
        igzip.IGzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for one in originals:
            try:
                with one.path.open("rb") as stream:
                    info = tarfile.TarInfo(one.name)
                    info.size = os.fstat(stream.fileno()).st_size
                    info.mode = 0o600
                    reader = _Reader(stream, one.path)
                    tar.addfile(info, reader)
            except OSError as error:
                if error.errno is None or error.filename == str(one.path):  # tarfile has no number for what breaks off
                    raise _UnreadError(one.path) from error
                raise
            lines.append(f"{reader.digest.hexdigest()}  {one.name}\n")
    return lines


def _name_part(folder: str, rank: int) -> str:
    return f"sourcedata/{folder}/{folder.replace('/', '_')}_dicom{f'-{rank}' if rank > 1 else ''}.tar.gz"


def _name_list(archive: str) -> str:
    return archive.removesuffix(".tar.gz") + ".sha256"


def _list_parts(dataset: Dataset, folder: str) -> list[str]:
    """Return the parts of a session that are there with their lists, in order."""
    names = _list_taken(dataset, folder)
    return [name for name in names if all((dataset.root / one).is_file() for one in (name, _name_list(name)))]


def _list_taken(dataset: Dataset, folder: str) -> list[str]:
    """Return the names of the parts of a session of which anything is there, in order."""
    names: list[str] = []
    while True:
        name = _name_part(folder, len(names) + 1)
        if not any(os.path.lexists(dataset.root / one) for one in (name, _name_list(name))):
            return names
        names.append(name)


def _name_free(dataset: Dataset, folder: str) -> str:
    """Return the name of the next part of a session: an archive that has lost its list keeps its own."""
    return _name_part(folder, len(_list_taken(dataset, folder)) + 1)


def _memory_file(dataset: Dataset) -> Path:
    return dataset.state / "originals.json"


def _read_memory(dataset: Dataset) -> dict[str, dict[str, Any]]:
    stored = read_json(_memory_file(dataset))
    if not all(isinstance(entry, dict) and isinstance(entry.get("studies"), list) for entry in stored.values()):
        raise say_damaged(_memory_file(dataset))
    return stored
