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
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from bidsflow.validate.check import Traits, Verdict
from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.store import find_folder, read_data, write_data

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bidsflow.validate.context.walk import File, Folder

#: A file that changed less than this before it was read may change again without a sign of it (the clock of a file
#: system ticks every few milliseconds, that of some every two seconds).
_TICK_NS: Final = 100_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
_SECOND_NS: Final = 1_000_000_000


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
    """

    stamps: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    verdicts: dict[str, Any] = field(default_factory=dict)

    def recall(self, tree: Folder, files: Iterable[File]) -> list[Verdict | None]:
        """Return the verdicts on some files that still hold, in their order."""
        now = {file.path: (file.size, file.mtime, file.ctime) for file in tree.walk()} if self.verdicts else {}
        return [self._recall(tree, file, now) for file in files]

    def _recall(self, tree: Folder, file: File, now: dict[str, tuple[int, int, int]]) -> Verdict | None:
        data = self.verdicts.get(file.path)
        if data is None or self.digests.get(file.folder.path) != file.folder.digest:
            return None
        used, touched = data[2], data[3]
        if any(path not in now or self.stamps.get(path) != now[path] for path in (file.path, *used)):
            return None
        same = all((tree.find(path[1:]) is not None) == there for path, there in touched.items())
        return _thaw(data) if same else None


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
    stamps = {
        file.path: (file.size, file.mtime, file.ctime)
        for file in tree.walk()
        if is_settled(max(file.mtime, file.ctime), started)
    }
    kept = {
        file.path: _freeze(verdict) for file, verdict in files if file.path in stamps and verdict.lasting
    }  # fmt: skip
    digests = {folder.path: folder.digest for folder in _walk_folders(tree)}
    write_data(place, (stamps, digests, kept))


def load_outcome(place: Path, digest: bytes) -> tuple[list[Issue], Any] | None:
    """Return the issues of a dataset as a whole, and what was kept with them, if nothing has changed in it."""
    data = read_data(place)
    if data is None or data[0] != digest:
        return None
    _, heads, paths, head_numbers, path_numbers, rest = data
    known = [(code, Severity(severity), *more) for code, severity, *more in heads]
    chosen = map(known.__getitem__, array("L", head_numbers))
    places = map(paths.__getitem__, array("L", path_numbers))
    issues = [
        Issue(code, severity, location, *more) for (code, severity, *more), location in zip(chosen, places, strict=True)
    ]
    return issues, rest


def save_outcome(place: Path, digest: bytes, issues: Iterable[Issue], rest: Any) -> None:
    """Remember the issues of a dataset as a whole: each head (all but the location) and each location once."""
    heads: dict[tuple[Any, ...], int] = {}
    paths: dict[str, int] = {}
    head_numbers, path_numbers = array("L"), array("L")
    for issue in issues:
        code, severity, location, *more = freeze_issue(issue)
        head_numbers.append(heads.setdefault((code, severity, *more), len(heads)))
        path_numbers.append(paths.setdefault(location, len(paths)))
    write_data(place, (digest, list(heads), list(paths), head_numbers.tobytes(), path_numbers.tobytes(), rest))


def is_settled(changed: int, started: int) -> bool:
    """Return whether a change after a moment would show in the times of a file that last changed at another."""
    return changed < started - (_TICK_NS if changed % _SECOND_NS else _COARSE_TICK_NS)


def freeze_issue(issue: Issue) -> tuple[Any, ...]:
    """Return an issue as what `marshal` writes."""
    return (
        issue.code, issue.severity.value, issue.location, issue.subcode, issue.message, issue.rule,
        issue.affects, issue.line,
    )  # fmt: skip


def thaw_issue(data: tuple[Any, ...]) -> Issue:
    """Return the issue again."""
    code, severity, *rest = data
    return Issue(code, Severity(severity), *rest)


def _freeze(verdict: Verdict) -> tuple[Any, ...]:
    shared = [(*key, [freeze_issue(issue) for issue in issues]) for key, issues in verdict.shared.items()]
    issues = [freeze_issue(issue) for issue in verdict.issues]
    return issues, shared, verdict.used, dict(verdict.touched), tuple(verdict.traits)


def _thaw(data: tuple[Any, ...]) -> Verdict:
    issues, shared, used, touched, traits = data
    inherited = {(where, key): [thaw_issue(issue) for issue in found] for where, key, found in shared}
    return Verdict([thaw_issue(issue) for issue in issues], inherited, used, touched, True, Traits(*traits))


def _walk_folders(folder: Folder) -> Iterable[Folder]:
    yield folder
    for below in folder.folders.values():
        yield from _walk_folders(below)
