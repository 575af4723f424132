"""Folders of files, at any depth and in any layout."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsflow.dicom.series import File, SetAside
from bidsflow.errors import SourceError


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk over an export found.

    Attributes
    ----------
    files : tuple of File
        Regular files in the order of their path, each once.
    set_aside : tuple of SetAside
        What could not be looked at: unreadable folders, dangling links, devices.
    """

    files: tuple[File, ...]
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
    files: dict[str, File] = {}
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
            for one in _walk(str(root), seen):
                if isinstance(one, File):
                    files[one.path] = one
                else:
                    aside.append(one)
        elif stat.S_ISREG(status.st_mode):
            files[str(root)] = File(str(root), status.st_size, status.st_mtime_ns, status.st_ino)
        else:
            raise SourceError(str(export), "neither a folder nor a file", "A device, a pipe or a socket is no export")
    return Found(tuple(files[path] for path in sorted(files)), tuple(sorted(aside, key=lambda one: one.path)))


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[File | SetAside]:
    """Yield what stands below a folder, without recursion (exports nest deep)."""
    pending = [folder]
    while pending:
        here = pending.pop()
        try:
            status = os.stat(here)  # noqa: PTH116 - a str walk is several times faster than one of Path objects
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as found:
                entries = list(found)
        except OSError as error:
            yield SetAside(here, f"the folder cannot be read ({error.strerror})", lost=True)
            continue
        for entry in entries:
            try:
                status = entry.stat()
            except OSError as error:
                yield SetAside(entry.path, f"cannot be looked at ({error.strerror})", lost=True)
                continue
            if stat.S_ISDIR(status.st_mode):
                pending.append(entry.path)
            elif stat.S_ISREG(status.st_mode):
                yield File(entry.path, status.st_size, status.st_mtime_ns, status.st_ino)
            else:
                yield SetAside(entry.path, "not a regular file (a device, a pipe or a socket)", harmless=True)
