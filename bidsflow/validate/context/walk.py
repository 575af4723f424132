"""One walk over a dataset: folders and files with what a directory listing and a `stat` tell. Opens nothing."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from bidsflow.validate.context.names import Parts, split_name
from bidsflow.validate.digests import make_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A key of git-annex, as the name of what a link points to: ``SHA256E-s1234--abcd.nii.gz``.
#: Source: https://git-annex.branchable.com/internals/key_format/
_ANNEX_KEY = re.compile(r"[A-Z0-9_]+(?:-[a-zA-Z]\d+)*?-s(\d+)(?:-[a-zA-Z]\d+)*--.+")
#: Folders may be reached through links; a chain that is longer is taken for a loop (Linux follows 40 links).
_MAX_DEPTH: Final = 40
#: What may be listed again, through links to folders above, before they are taken for the loops that they are.
_MOST_AGAIN: Final = 20_000


class Link(NamedTuple):
    """What cannot be followed: its path; what a link points to, or why; ``broken``, ``cycle`` or ``unreadable``."""

    path: str
    target: str
    reason: str


class File:
    """A file of the tree, or a folder that stands for one (``.ds``, ``.zarr``).

    Attributes
    ----------
    path : str
        From the root on, with a leading slash; a folder's ends with one.
    folder : Folder
        Where it lies.
    size : int
        In bytes.
    mtime, ctime : int
        When its content and its entry last changed, in nanoseconds since 1970.
    is_folder : bool
        Whether it is a folder that is looked into.
    viewed : bool
        Whether something made use of it.
    """

    __slots__ = ("_disk", "_parts", "ctime", "folder", "is_folder", "mtime", "name", "path", "size", "viewed")

    def __init__(
        self,
        name: str,
        path: str,
        folder: Folder,
        size: int = 0,
        disk: str | None = os.devnull,
        times: tuple[int, int] = (0, 0),
    ) -> None:
        self.name = name
        self.path = path
        self.folder = folder
        self.size = size
        self.mtime, self.ctime = times
        self._disk = disk  # None where it lies in its folder, as most do: a path for each takes as much as all else
        self.is_folder = False
        self.viewed = False
        self._parts: Parts | None = None

    @property
    def disk(self) -> str:
        """The path to open; that of nothing (`os.devnull`) where the content is elsewhere, or there is none."""
        return f"{self.folder.disk}/{self.name}" if self._disk is None else self._disk

    def read_from(self, disk: str) -> None:
        """Let the content be that of another file."""
        self._disk = disk

    @property
    def parts(self) -> Parts:
        """The parts of the name."""
        if self._parts is None:
            self._parts = split_name(self.name)
        return self._parts

    def forget(self) -> None:
        """Drop the parts of the name until they are asked for again."""
        self._parts = None


_ByLabels = dict[tuple[str, ...], dict[tuple[str, ...], list[File]]]


class Folder:
    """A folder of the tree.

    Attributes
    ----------
    path : str
        From the root on, with a leading slash and none behind; ``""`` for the root.
    parent : Folder, optional
        None for the root.
    files, folders : dict of str to File or Folder
        By name, sorted.
    links : list of Link
        What leads nowhere.
    disk : str
        Where it is; known once it is listed.
    unread : str
        The path on disk as long as the folder has not been listed; it is when something is looked for in it.
    """

    __slots__ = (
        "_by_kind",
        "_by_labels",
        "_digest",
        "_lowered",
        "disk",
        "files",
        "folders",
        "links",
        "name",
        "parent",
        "path",
        "unread",
        "viewed",
    )

    def __init__(self, name: str, path: str, parent: Folder | None) -> None:
        self.name = name
        self.path = path
        self.parent = parent
        self.files: dict[str, File] = {}
        self.folders: dict[str, Folder] = {}
        self.links: list[Link] = []
        self.unread = self.disk = ""
        self.viewed = False
        self._by_kind: dict[tuple[str, str], list[File]] | None = None
        self._by_labels: dict[tuple[str, str], _ByLabels] = {}
        self._digest: bytes | None = None
        self._lowered: dict[str, list[File]] | None = None

    @property
    def by_kind(self) -> dict[tuple[str, str], list[File]]:
        """The files by extension and suffix."""
        if self._by_kind is None:
            self._by_kind = {}
            for file in self.files.values():
                self._by_kind.setdefault((file.parts.extension, file.parts.suffix), []).append(file)
        return self._by_kind

    def by_labels(self, kind: tuple[str, str]) -> _ByLabels:
        """Return the files of an extension and suffix by their entities: keys in order, then their labels."""
        found = self._by_labels.get(kind)
        if found is None:
            found = self._by_labels[kind] = {}
            for file in self.by_kind.get(kind, ()):
                entities = file.parts.entities
                keys = tuple(sorted(entities))
                labels = tuple([entities[key] for key in keys])
                found.setdefault(keys, {}).setdefault(labels, []).append(file)
        return found

    @property
    def lowered(self) -> dict[str, list[File]]:
        """The files by their names in lower case."""
        if self._lowered is None:
            self._lowered = {}
            for file in self.files.values():
                self._lowered.setdefault(file.name.lower(), []).append(file)
        return self._lowered

    @property
    def digest(self) -> bytes:
        """Tells whether the folder, or one above, holds files of other names."""
        if self._digest is None:
            above = self.parent.digest if self.parent else b""
            names = make_hash(8)
            names.update(above + "/".join(self.files).encode(errors="surrogateescape"))
            self._digest = names.digest()
        return self._digest

    def forget(self) -> None:
        """Drop what was made of the names in and below, until it is asked for again."""
        self._by_kind = self._lowered = None
        self._by_labels = {}
        for file in self.files.values():
            file.forget()
        for folder in self.folders.values():
            folder.forget()

    def read(self) -> None:
        """List the folder, and those below, if that was put off."""
        disk, self.unread = self.unread, ""
        if disk:
            _fill(self, disk, (), iter(()))

    def find(self, path: str) -> File | Folder | None:
        """Return what lies at a path below the folder, without leading slash."""
        folder = self
        *above, name = path.split("/")
        for step in above:
            below = folder.folders.get(step)
            if below is None:
                return None
            folder = below
            if folder.unread:
                folder.read()
        return folder.files.get(name) or folder.folders.get(name)

    def walk(self) -> Iterator[File]:
        """Give all files below, folder by folder."""
        yield from self.files.values()
        for folder in self.folders.values():
            yield from folder.walk()


def read_tree(
    root: str, skip: frozenset[str] = frozenset(), only: tuple[str, ...] | None = None, *, loops: bool = False
) -> Folder:
    """Return the tree below a folder, without names that begin with a dot (``.bidsignore`` at the root stays).

    Parameters
    ----------
    root : str
        The dataset.
    skip : frozenset of str
        Names at the root that are left out.
    only : tuple of str, optional
        Paths with a leading slash: subjects that none of them concerns are listed when something is looked for there.
    loops : bool
        Follow links to folders above until the operating system ends it, as the reference does, unless that is a lot.

    Returns
    -------
    folder : Folder

    Raises
    ------
    OSError
        If `root` itself cannot be listed. A folder below that cannot be is empty, and among the links of its parent.
    """
    tree = Folder("", "", None)
    found = Path(root).stat()
    tops = None if only is None else frozenset(path.split("/")[1] for path in only)
    again = iter(range(_MOST_AGAIN if loops else 0))
    _fill(tree, root, ((found.st_dev, found.st_ino),), again, skip, tops)
    return tree


def sort_as_listed(files: Iterable[File]) -> list[File]:
    """Return files in the order in which the file system lists names, those of a folder before the folders in it."""
    listed: dict[str, dict[str, int]] = {}

    def rank(file: File) -> list[tuple[bool, int]]:
        ranks = []
        below: File | Folder = file
        folder: Folder | None = file.folder
        while folder:
            if folder.disk not in listed:
                with os.scandir(folder.disk) as listing:
                    listed[folder.disk] = {entry.name: number for number, entry in enumerate(listing)}
            ranks.append((isinstance(below, Folder), listed[folder.disk].get(below.name, 0)))
            below, folder = folder, folder.parent
        return ranks[::-1]

    return sorted(files, key=rank)


def _fill(
    folder: Folder,
    disk: str,
    above: tuple[tuple[int, int], ...],
    again: Iterator[int],
    skip: frozenset[str] = frozenset(),
    tops: frozenset[str] | None = None,
) -> None:
    """List a folder, and those below."""
    folder.disk = disk
    try:
        with os.scandir(disk) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        if folder.parent is None:
            raise
        folder.parent.links.append(Link(folder.path, error.strerror or "it cannot be listed", "unreadable"))
        return
    if len(set(above)) < len(above):
        deque(islice(again, len(entries)), maxlen=0)
    for entry in entries:
        name = entry.name
        if (not folder.path and name in skip) or (name[0] == "." and (folder.path or name != ".bidsignore")):
            continue
        path = f"{folder.path}/{name}"
        try:
            found = entry.stat()
        except OSError as error:
            _add_lost(folder, entry, path, error)
            continue
        if stat.S_ISREG(found.st_mode):
            folder.files[name] = File(
                name, path, folder, found.st_size, None, (found.st_mtime_ns, found.st_ctime_ns)
            )  # fmt: skip
        elif stat.S_ISDIR(found.st_mode):
            place = (found.st_dev, found.st_ino)
            if entry.is_symlink() and (place in above or len(above) > _MAX_DEPTH) and next(again, None) is None:
                folder.links.append(Link(path, str(Path(entry.path).readlink()), "cycle"))
                continue
            below = Folder(name, path, folder)
            folder.folders[name] = below
            if tops is not None and name not in tops and name.startswith("sub-"):
                below.unread = entry.path
                continue
            _fill(below, entry.path, (*above, place), again)


def _add_lost(folder: Folder, entry: os.DirEntry[str], path: str, error: OSError) -> None:
    """Enter what cannot be reached: content that git-annex has elsewhere, or a link that leads nowhere."""
    try:
        target = Path(entry.path).readlink()
    except OSError:
        folder.files[entry.name] = File(entry.name, path, folder, 0, None)
        return
    key = _ANNEX_KEY.fullmatch(target.name)
    if key:
        folder.files[entry.name] = File(entry.name, path, folder, int(key[1]))
    else:
        folder.links.append(Link(path, str(target), "cycle" if error.errno == errno.ELOOP else "broken"))
