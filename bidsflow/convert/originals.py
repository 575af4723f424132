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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bidsflow.convert.ledger import mark_digest, read_json, say_damaged
from bidsflow.convert.pending import hash_uid
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import commit, locked, staging, storage_errors
from bidsflow.dicom.series import Inventory, Series
from bidsflow.errors import SourceError
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
    """

    folder: str
    archive: str
    files: int
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Original:
    """A file to keep, and its name in an archive."""

    name: str
    path: Path


def keep_originals(
    dataset: Dataset, inventory: Inventory, paths: Mapping[str, str], *, dry: bool = False
) -> tuple[Kept, ...]:
    """Archive the files of the studies that images were converted of, a session at a time.

    Parameters
    ----------
    dataset : Dataset
        Where to.
    inventory : Inventory
        What the export holds: of a study all of its series are kept, those that were skipped too.
    paths : mapping of str to str
        The BIDS path of an image of each converted series, by SeriesInstanceUID.
    dry : bool
        Only say what would be kept.

    Raises
    ------
    SourceError
        If a file of the export cannot be read any more.
    DatasetError
        If the dataset cannot be written to, or the memory of what was kept is damaged.
    StorageError
        If the disk is full.
    """
    sessions = _group(inventory, paths)
    done = []
    for folder, series in sessions.items():
        studies = sorted({hash_uid(dataset, one.study_uid) for one in series})
        marks = hashlib.blake2b("".join(sorted(map(mark_digest, series))).encode(), digest_size=16).hexdigest()
        memory = _read_memory(dataset)
        former = tuple(
            name
            for other, entry in memory.items()
            if other != folder and set(entry["studies"]) & set(studies)
            for name in _list_parts(dataset, other)
        )
        parts = _list_parts(dataset, folder)
        if parts and memory.get(folder, {}).get("marks") == marks:
            done.append(Kept(folder, "", 0, former))
            continue
        missing = list(_find_missing(dataset, parts, _list_originals(series)))
        archive = _name_part(folder, len(parts) + 1) if missing else ""
        if not dry:
            entry = {"marks": marks, "studies": studies}
            _write(dataset, folder, archive, missing, entry)
        done.append(Kept(folder, archive, len(missing), former))
    return tuple(done)


def _group(inventory: Inventory, paths: Mapping[str, str]) -> dict[str, list[Series]]:
    """Return the series of each session: those of the studies of which something was converted into it."""
    folders: dict[str, set[str]] = defaultdict(set)
    for series in inventory.series:
        if series.uid in paths:
            folders[series.study_uid].add(parse_name(paths[series.uid]).folder)
    found: dict[str, list[Series]] = defaultdict(list)
    for series in inventory.series:
        own = {parse_name(paths[series.uid]).folder} if series.uid in paths else folders[series.study_uid]
        for folder in own:
            found[folder].append(series)
    return dict(sorted(found.items()))


def _list_originals(series: Sequence[Series]) -> list[_Original]:
    found = []
    for one in series:
        words = to_plain_letters(one.description or one.protocol_name)
        label = "".join(char if char.isalnum() or char in "-_" else "_" for char in words)[:60]
        for instance in one.instances:
            path = Path(instance.file.path)
            uid = instance.header.text("SOPInstanceUID")
            ext = ".dcm.gz" if path.name.lower().endswith(".gz") else ".dcm"
            found.append(_Original(f"{one.number:04d}_{label}/{uid}{ext}", path))
    return sorted(found, key=lambda one: one.name)


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
        raise SourceError("the export", f"a file cannot be read any more ({error.strerror})") from error


class _Reader:
    """Reads a file for tarfile, and computes its digest on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self._stream.read(size)
        self.digest.update(data)
        return data


def _write(
    dataset: Dataset, folder: str, archive: str, originals: Sequence[_Original], entry: Mapping[str, object]
) -> None:
    """Write a part with its list, and remember what was kept; all of it or nothing."""
    with staging(dataset) as staged, storage_errors(dataset.root):
        draft = Draft(dataset, staged.tree())
        if archive:
            lines = _pack(originals, draft.place(archive))
            draft.place(_name_list(archive)).write_text("".join(lines), encoding="utf-8")
            for name in (archive, _name_list(archive)):
                (draft.tree / name).chmod(0o600)
            for parent in (draft.tree / archive).parents:
                if parent == draft.tree / "sourcedata" or parent == draft.tree:
                    break
                parent.chmod(0o700)
        with locked(dataset):
            if archive and (dataset.root / archive).exists():
                return  # another run was here; the next one sees what it has left out
            memory = {**_read_memory(dataset), folder: entry}
            text = json.dumps({name: memory[name] for name in sorted(memory)}, indent=1)
            draft.write(str(_memory_file(dataset).relative_to(dataset.root)), text.encode())
            commit(staged, draft.tree)


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
                    reader = _Reader(stream)
                    tar.addfile(info, reader)
            except OSError as error:
                if error.errno is None or error.filename == str(one.path):
                    reason = error.strerror or "it has changed meanwhile"
                    raise SourceError("the export", f"a file cannot be read any more ({reason})") from error
                raise
            lines.append(f"{reader.digest.hexdigest()}  {one.name}\n")
    return lines


def _name_part(folder: str, rank: int) -> str:
    return f"sourcedata/{folder}/{folder.replace('/', '_')}_dicom{f'-{rank}' if rank > 1 else ''}.tar.gz"


def _name_list(archive: str) -> str:
    return archive.removesuffix(".tar.gz") + ".sha256"


def _list_parts(dataset: Dataset, folder: str) -> list[str]:
    """Return the parts of a session that are there with their lists, in order."""
    parts: list[str] = []
    while True:
        name = _name_part(folder, len(parts) + 1)
        if not all((dataset.root / one).is_file() for one in (name, _name_list(name))):
            return parts
        parts.append(name)


def _memory_file(dataset: Dataset) -> Path:
    return dataset.state / "originals.json"


def _read_memory(dataset: Dataset) -> dict[str, dict[str, Any]]:
    stored = read_json(_memory_file(dataset))
    if not all(isinstance(entry, dict) and isinstance(entry.get("studies"), list) for entry in stored.values()):
        raise say_damaged(_memory_file(dataset))
    return stored
