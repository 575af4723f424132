"""Folders of files, at any depth and in any layout."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsflow.dicom.pile import shelve_files
from bidsflow.dicom.series import File, SetAside
from bidsflow.errors import SourceError


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk over an export found.

    Attributes
    ----------
    files : sequence of File
        Regular files in the order of their path, each once; a million of them take some ten megabytes.
    set_aside : tuple of SetAside
        What could not be looked at: unreadable folders, dangling links, devices.
    """

    files: Sequence[File]
    set_aside: tuple[SetAside, ...]


def find_files(exports: Sequence[Path]) -> Found:
    """Return every file below some folders; a path that is a file itself is taken as it is, a DICOMDIR as its disc.

    Links to files are followed, links to folders too unless they lead back into the path (each folder is visited once).

    Parameters
    ----------
    exports : sequence of Path
        Folders or files.

    Raises
    ------
    SourceError
        If a path does not exist or cannot be opened.
    """
    files = shelve_files().pile()
    last, in_order = "", True
    aside: list[SetAside] = []
    seen: set[tuple[int, int]] = set()
    for export in exports:
        root = Path(os.path.abspath(export))  # noqa: PTH100 - resolve() would follow links, which the user did not ask for
        try:
            status = root.stat()
        except FileNotFoundError as error:
            raise SourceError(str(export), "no such file or folder", "Check the path of the export") from error
        except OSError as error:
            raise SourceError(str(export), f"cannot be opened ({error.strerror})", "Check its permissions") from error
        if root.name.upper() == "DICOMDIR" and stat.S_ISREG(status.st_mode):
            root, status = root.parent, root.parent.stat()  # the index of a disc stands for the disc
        if stat.S_ISDIR(status.st_mode):
            if not os.access(root, os.R_OK | os.X_OK):
                raise SourceError(str(export), "the folder cannot be read", "Check its permissions")
            found = _walk(str(root), seen, aside)
        elif stat.S_ISREG(status.st_mode):
            found = iter([File(str(root), status.st_size, status.st_mtime_ns, status.st_ino)])
        else:
            raise SourceError(str(export), "neither a folder nor a file", "A device, a pipe or a socket is no export")
        for file in found:
            in_order = in_order and last < file.path
            last = file.path
            files.append(file)
    if not in_order:  # exports that lie in each other, or were not given in the order of their names
        by_path = {file.path: file for file in files}
        files = shelve_files().pile([by_path[path] for path in sorted(by_path)])
    return Found(files, tuple(sorted(aside, key=lambda one: one.path)))


def _walk(folder: str, seen: set[tuple[int, int]], aside: list[SetAside]) -> Iterator[File]:
    """Yield the files below a folder in the order of their path, without recursion (exports nest deep).

    What cannot be looked at is added to `aside`.
    """
    pending = [_list_names(folder, seen, aside)]
    while pending:
        here, names = pending[-1]
        if not names:
            pending.pop()
            continue
        path = here + names.pop()
        if path.endswith("/"):
            pending.append(_list_names(path[:-1], seen, aside))
            continue
        try:
            status = os.stat(path)  # noqa: PTH116 - a str walk is several times faster than one of Path objects
        except OSError as error:
            aside.append(SetAside(path, f"cannot be looked at ({error.strerror})", lost=True))
            continue
        if stat.S_ISREG(status.st_mode):
            yield File(path, status.st_size, status.st_mtime_ns, status.st_ino)
        else:
            aside.append(SetAside(path, "not a regular file (a device, a pipe or a socket)", harmless=True))


def _list_names(folder: str, seen: set[tuple[int, int]], aside: list[SetAside]) -> tuple[str, list[str]]:
    """Return how the paths of what stands in a folder begin, and the names, the first last; folders end with a slash.

    With the slash names are in the order of the paths below them (``a-1`` comes before ``a/1``).
    """
    here = folder if folder.endswith("/") else f"{folder}/"
    try:
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            return here, []
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            return here, sorted((f"{one.name}/" if _is_folder(one) else one.name for one in entries), reverse=True)
    except OSError as error:
        aside.append(SetAside(folder, f"the folder cannot be read ({error.strerror})", lost=True))
        return here, []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere one may look
        return False
