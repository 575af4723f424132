"""Lay the files of a series out for dcm2niix, or let it read the folder that they have for themselves."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from bidsflow.dicom.header import Header
from bidsflow.dicom.pixels import DEFLATED, EXPLICIT, IMPLICIT
from bidsflow.dicom.read import MENDED
from bidsflow.dicom.series import Instance, Inventory, Series
from bidsflow.dicom.source import is_gzip
from bidsflow.dicom.text import quiet_pydicom
from bidsflow.errors import ConversionError


def lay_out(series: Series, instances: Sequence[Instance], folder: Path, packed: Set[str]) -> None:
    """Lay files of a series out for dcm2niix, without copying them.

    Hard links are made where the file system takes them (they cost an eighth of symbolic ones), symbolic ones
    elsewhere. What dcm2niix does not read as it is, it gets as a copy: files compressed by gzip or deflated, files
    without the preamble of DICOM or with a wrong transfer syntax, and parts of a series under UIDs of their own, which
    get one UID and one numbering.

    Parameters
    ----------
    series : Series
        The series.
    instances : sequence of Instance
        Those of its instances that are wanted.
    folder : Path
        Where to.
    packed : set of str
        Paths of the files that are compressed by gzip.

    Raises
    ------
    ConversionError
        If a file of which a copy is needed is damaged.
    OSError
        If a file cannot be read, or the copy not be written.
    """
    for rank, instance in enumerate(instances):
        target = Path(f"{folder}/{rank:06d}.dcm")
        changes = {"SeriesInstanceUID": series.uid, "InstanceNumber": rank + 1} if series.parts > 1 else {}
        try:
            _lay_one(instance, target, changes, packed)
        except Exception as error:  # of damaged bytes zlib and pydicom raise whatever their parts raise
            if isinstance(error, OSError) and error.errno is not None:
                raise
            reason = f"file {rank + 1} of {len(instances)} is damaged: fetch it again"
            raise ConversionError(series.title, reason) from error


def _lay_one(instance: Instance, target: Path, changes: Mapping[str, object], packed: Set[str]) -> None:
    path = instance.file.path
    if changes or _needs_mending(instance.header):
        _write_again(path, target, changes)
    elif path in packed:
        with gzip.open(path) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
    else:
        _link(path, str(target))


def _link(path: str, target: str) -> None:
    try:
        if os.path.islink(path):  # noqa: PTH114 - a Path costs as much as the link
            path = os.path.realpath(path)  # a link to the link would dangle
        os.link(path, target)
    except OSError:
        os.symlink(path, target)  # noqa: PTH211


def find_own_folders(inventory: Inventory) -> dict[str, tuple[Path, int]]:
    """Return the folders that dcm2niix may read as they are, and the files known in them, by SeriesInstanceUID.

    Such a folder holds every file of one series and nothing else that dcm2niix would take for an image. Most exports
    have one folder per series, and laying thousands of files out again costs more than converting them. No file is
    opened here; see `reads_in_place`.
    """
    tenants: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    homes: dict[str, Counter[str]] = {}
    for series in inventory.series:
        found = homes[series.uid] = Counter(os.path.dirname(one.file.path) for one in series.instances)  # noqa: PTH120
        counts.update(found)
        for folder in found:
            tenants[folder].add(series.uid)
    for aside in inventory.set_aside:
        folder = os.path.dirname(aside.path)  # noqa: PTH120
        counts[folder] += 1
        if aside.reason not in ("not DICOM", "empty file"):
            tenants[folder].add(aside.path)
    own: dict[str, tuple[Path, int]] = {}
    for series in inventory.series:
        folder = next(iter(homes[series.uid]))
        if len(homes[series.uid]) == 1 and tenants[folder] == {series.uid} and series.parts == 1:
            own[series.uid] = Path(folder), counts[folder]
    return own


def reads_in_place(instances: Sequence[Instance], folder: Path, known: int, packed: Set[str]) -> bool:
    """Return whether all files of a folder are those that the inventory knows, and none needs a copy.

    Parameters
    ----------
    instances : sequence of Instance
        Those of the series that the folder is of.
    folder, known : Path, int
        See `find_own_folders`.
    packed : set of str
        Paths of the files that are compressed by gzip.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    if packed or any(_needs_mending(one.header) for one in instances):
        return False
    with os.scandir(folder) as entries:
        return sum(not entry.is_dir() for entry in entries) == known


def _needs_mending(header: Header) -> bool:
    return not MENDED.isdisjoint(header.problems) or header.text("TransferSyntaxUID") == DEFLATED


#: What keeps pydicom quiet concerns all threads.
_ONE_AT_A_TIME = threading.Lock()


def _write_again(path: str, target: Path, changes: Mapping[str, object]) -> None:
    """Write a copy of a file as PS3.10 wants it and dcm2niix reads it, with some values changed."""
    import pydicom

    with (
        _ONE_AT_A_TIME,
        quiet_pydicom("ignore"),
        gzip.open(path) if is_gzip(path) else Path(path).open("rb") as stream,
    ):
        dataset = pydicom.dcmread(stream, force=True)
        dataset.preamble = bytes(128)
        dataset.update(changes)
        if dataset.file_meta.get("TransferSyntaxUID", DEFLATED) == DEFLATED:
            dataset.file_meta.TransferSyntaxUID = IMPLICIT if dataset.original_encoding[0] else EXPLICIT
        dataset.save_as(target, enforce_file_format=True)
