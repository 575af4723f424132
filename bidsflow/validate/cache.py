"""What is remembered of a validation, so that the next one looks only at what has changed.

A verdict on a file holds as long as nothing has changed of what it was made of: the file itself, the files that it
inherits from or belongs to, the names in its folder and in those above, the paths that it was looked whether they
exist, what all files of the dataset share, the schema, the options and the version of bidsflow. What depends on
something else is not remembered.

The memory lies in the user's cache folder, never in the dataset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bidsflow.validate.issues import Issue, TableWriter
from bidsflow.validate.kept import read_data
from bidsflow.validate.outcome import read_heads, write_heads
from bidsflow.validate.store import is_settled, keep_newest, keep_newest_folders, write_data

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bidsflow.validate.check import Verdict
    from bidsflow.validate.context.walk import File, Folder

_NOTHING: Final[dict[str, bool]] = {}
#: Files that are kept for one dataset: two for each way of validating it that was used last.
_KEPT: Final = 6


class Note(NamedTuple):
    """A verdict as it is remembered.

    Attributes
    ----------
    kinds : tuple
        For each issue the number of what it says; with the location, where that is not the file. Files of one kind
        often have the same issues: they have them in common.
    shared : list of tuple
        As `Verdict.shared`: location, key, and as for `kinds` what is said.
    used, touched, traits
        As in `Verdict`.
    lasting, failed : bool
        As in `Verdict`; only those that last and have not failed get into the memory.
    """

    kinds: tuple[Any, ...]
    shared: list[tuple[str, str, tuple[Any, ...]]]
    used: tuple[str, ...]
    touched: dict[str, bool]
    traits: tuple[Any, ...]
    lasting: bool = True
    failed: bool = False


@dataclass(slots=True)
class Memory:
    """The verdicts of the last validation.

    Attributes
    ----------
    stamps : dict of str to tuple of int
        Size and times of every file that there was.
    digests : dict of str to bytes
        Of every folder: the names in it and above.
    notes : dict of str to tuple
        By path, what was noted, but for `Note.lasting` and `Note.failed`.
    heads : list of tuple
        What the issues say, but for where.
    """

    stamps: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    heads: list[tuple[Any, ...]] = field(default_factory=list)

    def open_table(self) -> TableWriter:
        """Return what notes are read and made with: the numbers of what is said are those of the memory."""
        return TableWriter(read_heads(self.heads))

    def recall(self, tree: Folder, files: Iterable[File]) -> list[Note | None]:
        """Return what was noted of some files and still holds, in their order."""
        now = {file.path: (file.size, file.mtime, file.ctime) for file in tree.walk()} if self.notes else {}
        return [self._recall(tree, file, now) for file in files]

    def _recall(self, tree: Folder, file: File, now: dict[str, tuple[int, int, int]]) -> Note | None:
        data = self.notes.get(file.path)
        if data is None or self.digests.get(file.folder.path) != file.folder.digest:
            return None
        note = Note(*data)
        if any(path not in now or self.stamps.get(path) != now[path] for path in (file.path, *note.used)):
            return None
        same = all((tree.find(path[1:]) is not None) == there for path, there in note.touched.items())
        return note if same else None


def make_note(verdict: Verdict, location: str, table: TableWriter) -> Note:
    """Return a verdict as it is remembered; what its issues say is numbered by a table."""
    shared = [(where, key, _number(found, where, table)) for (where, key), found in verdict.shared.items()]
    kinds = _number(verdict.issues, location, table)
    traits = table.share(tuple(verdict.traits))
    return Note(kinds, shared, verdict.used, dict(verdict.touched) or _NOTHING, traits, verdict.lasting, verdict.failed)


def renumber(note: Note, numbers: list[int], table: TableWriter) -> Note:
    """Return a note with the numbers of another table."""

    def change(kinds: tuple[Any, ...]) -> tuple[Any, ...]:
        made = [(numbers[kind[0]], kind[1]) if kind.__class__ is tuple else numbers[kind] for kind in kinds]
        return table.share(tuple(made))

    shared = [(where, key, change(kinds)) for where, key, kinds in note.shared]
    return note._replace(kinds=change(note.kinds), shared=shared, traits=table.share(note.traits))


def _number(issues: list[Issue], location: str, table: TableWriter) -> tuple[Any, ...]:
    """Return the numbers of what issues say, with the location of those that have another than most."""
    made = [
        table.number(issue.head) if issue.location == location else (table.number(issue.head), issue.location)
        for issue in issues
    ]
    return table.share(tuple(made))


def load_memory(place: Path) -> Memory:
    """Return what is remembered; nothing where there is no file, or one that is damaged."""
    data = read_data(place)
    return Memory() if data is None else Memory(*data)


def save_memory(
    place: Path, tree: Folder, notes: Iterable[tuple[File, Note]], table: TableWriter, started: int
) -> None:
    """Remember what was noted of files, but for those that changed when the validation had hardly begun.

    Parameters
    ----------
    place : Path
        As `find_place` gives it.
    tree : Folder
        The dataset.
    notes : iterable of (File, Note)
        Of what was checked.
    table : TableWriter
        Knows what the numbers in the notes mean.
    started : int
        When the tree was read, in nanoseconds since 1970.
    """
    stamps = {file.path: (file.size, file.mtime, file.ctime) for file in tree.walk() if is_settled(file.ctime, started)}
    good = ((file.path, note) for file, note in notes if note.lasting and not note.failed)
    kept = {path: tuple(note[:-2]) for path, note in good if path in stamps}
    digests = {folder.path: folder.digest for folder in _walk_folders(tree)}
    write_data(place, (stamps, digests, kept, write_heads(table.heads)))
    keep_newest(place.parent, _KEPT)
    keep_newest_folders()


def _walk_folders(folder: Folder) -> Iterable[Folder]:
    yield folder
    for below in folder.folders.values():
        yield from _walk_folders(below)
