"""What is remembered of a validation, so that the next one looks only at what has changed.

A verdict on a file holds as long as nothing has changed of what it was made of: the file itself, the files that it
inherits from or belongs to, the names in its folder and in those above, the paths that it was looked whether they
exist, what all files of the dataset share, the schema, the options and the version of bidsflow. What depends on
something else is not remembered.

The memory lies in the user's cache folder, never in the dataset.
"""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from bidsflow.validate.check import Traits, Verdict
from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.store import find_folder, keep_newest, read_data, write_data

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bidsflow.validate.context.walk import File, Folder

#: A file that changed less than this before it was read may change again without a sign of it (the clock of a file
#: system ticks every few milliseconds, that of some every two seconds).
_TICK_NS: Final = 100_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
_SECOND_NS: Final = 1_000_000_000
#: Files that are kept for one dataset: two for each way of validating it that was used last.
_KEPT: Final = 6


@dataclass(slots=True)
class Memory:
    """The verdicts of the last validation.

    Attributes
    ----------
    stamps : dict of str to tuple of int
        Size and times of every file that there was.
    digests : dict of str to bytes
        Of every folder: the names in it and above.
    verdicts : dict of str to tuple
        By path, as they are written.
    heads : list of tuple
        What the issues say, but for where.
    """

    stamps: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    verdicts: dict[str, Any] = field(default_factory=dict)
    heads: list[tuple[Any, ...]] = field(default_factory=list)

    def recall(self, tree: Folder, files: Iterable[File]) -> list[Verdict | None]:
        """Return the verdicts on some files that still hold, in their order."""
        now = {file.path: (file.size, file.mtime, file.ctime) for file in tree.walk()} if self.verdicts else {}
        return [self._recall(tree, file, now) for file in files]

    def _recall(self, tree: Folder, file: File, now: dict[str, tuple[int, int, int]]) -> Verdict | None:
        data = self.verdicts.get(file.path)
        if data is None or self.digests.get(file.folder.path) != file.folder.digest:
            return None
        issues, shared, used, touched, traits = data
        if any(path not in now or self.stamps.get(path) != now[path] for path in (file.path, *used)):
            return None
        if any((tree.find(path[1:]) is not None) != there for path, there in touched.items()):
            return None
        inherited = {(where, key): [self._thaw(one, where) for one in found] for where, key, found in shared}
        location = file.path[1:]
        return Verdict([self._thaw(one, location) for one in issues], inherited, used, touched, True, Traits(*traits))

    def _thaw(self, data: Any, location: str) -> Issue:
        number, location = data if data.__class__ is tuple else (data, location)
        code, severity, *rest = self.heads[number]
        return Issue(code, Severity(severity), location, *rest)


class _Heads(dict[tuple[Any, ...], int]):
    """What issues say, but for where: each once, with its number."""

    def freeze(self, issue: Issue, location: str) -> Any:
        """Return the number of what an issue says, with the location unless that is the given one."""
        head = (issue.code, issue.severity.value, issue.subcode, issue.message, issue.rule, issue.affects, issue.line)
        number = self.setdefault(head, len(self))
        return number if issue.location == location else (number, issue.location)


def find_place(root: str, key: str) -> Path:
    """Return the file for what is remembered of a dataset under a key (schema, options, what all files share)."""
    where = blake2b(os.path.realpath(root).encode(errors="surrogateescape"), digest_size=8).hexdigest()
    return find_folder() / where / f"{key}.bin"


def load_memory(place: Path) -> Memory:
    """Return what is remembered; nothing where there is no file, or one that is damaged."""
    data = read_data(place)
    if data is None:
        return Memory()
    return Memory(*data)


def save_memory(place: Path, tree: Folder, files: Iterable[tuple[File, Verdict]], started: int) -> None:
    """Remember the verdicts on files, but for those that changed when the validation had hardly begun.

    Parameters
    ----------
    place : Path
        As `find_place` gives it.
    tree : Folder
        The dataset.
    files : iterable of (File, Verdict)
        What was checked.
    started : int
        When the tree was read, in nanoseconds since 1970.
    """
    stamps = {file.path: (file.size, file.mtime, file.ctime) for file in tree.walk() if is_settled(file.ctime, started)}
    heads = _Heads()
    kept = {
        file.path: _freeze(verdict, file.path[1:], heads)
        for file, verdict in files
        if file.path in stamps and verdict.lasting
    }
    digests = {folder.path: folder.digest for folder in _walk_folders(tree)}
    write_data(place, (stamps, digests, kept, list(heads)))
    keep_newest(place.parent, _KEPT)


def load_outcome(place: Path, digest: bytes) -> tuple[list[Issue], Any] | None:
    """Return the issues of a dataset as a whole, and what was kept with them, if nothing has changed in it."""
    data = read_data(place)
    if data is None or data[0] != digest:
        return None
    _, heads, paths, head_numbers, path_numbers, rest = data
    known = [(code, Severity(severity), *more) for code, severity, *more in heads]
    chosen = map(known.__getitem__, array("L", head_numbers))
    places = map(paths.__getitem__, array("L", path_numbers))
    make = partial(tuple.__new__, Issue)
    issues = [
        make((code, severity, location, subcode, message, rule, affects, line))
        for (code, severity, subcode, message, rule, affects, line), location in zip(chosen, places, strict=True)
    ]
    return issues, rest


def save_outcome(place: Path, digest: bytes, issues: Iterable[Issue], rest: Any) -> None:
    """Remember the issues of a dataset as a whole."""
    heads, paths = _Heads(), dict[str, int]()
    head_numbers, path_numbers = array("L"), array("L")
    for issue in issues:
        head_numbers.append(heads.freeze(issue, issue.location))
        path_numbers.append(paths.setdefault(issue.location, len(paths)))
    write_data(place, (digest, list(heads), list(paths), head_numbers.tobytes(), path_numbers.tobytes(), rest))


def is_settled(changed: int, started: int) -> bool:
    """Return whether a change after a moment would show in the time (``ctime``) that a file has of its last one."""
    return changed < started - (_TICK_NS if changed % _SECOND_NS else _COARSE_TICK_NS)


def _freeze(verdict: Verdict, location: str, heads: _Heads) -> tuple[Any, ...]:
    issues = [heads.freeze(issue, location) for issue in verdict.issues]
    shared = [
        (where, key, [heads.freeze(issue, where) for issue in found]) for (where, key), found in verdict.shared.items()
    ]
    return issues, shared, verdict.used, dict(verdict.touched), tuple(verdict.traits)


def _walk_folders(folder: Folder) -> Iterable[Folder]:
    yield folder
    for below in folder.folders.values():
        yield from _walk_folders(below)
