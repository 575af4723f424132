"""By what files and series are known again: what they hold, and what tells without reading them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bidsflow.dicom.series import File, Series
from bidsflow.dicom.source import GZIP
from bidsflow.digest import KIND, digest_file, write_digest


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
