"""What lies in an export and may hold a recording: objects and log files, opened where they are asked for."""

from __future__ import annotations

import mmap
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from bidsflow.convert.companions.physio import Recording, read_logs, read_payload, read_text
from bidsflow.dicom.grouping import PHYSIO
from bidsflow.dicom.series import Inventory, SetAside
from bidsflow.dicom.source import inflated, is_gzip
from bidsflow.errors import HeaderError

#: Text files of the monitoring unit, and those of it that are not read.
_TEXTS, _UNREAD = frozenset({".puls", ".resp"}), frozenset({".ecg", ".ext", ".ext2"})
#: Log files of CMRR sequences that were not packed into DICOM.
_LOG = re.compile(r"(.+)_(Info|PULS|RESP|ECG|EXT)\.log")
#: Objects that may hold a recording, as the inventory calls them.
OBJECTS = frozenset(f"not an image ({name})" for name in ("raw data", "spectroscopy", PHYSIO))
#: Tags of the elements that recordings stand in, as little-endian files have them.
_ELEMENTS = (b"\xe1\x7f\x10\x10", b"\x00\x56\x20\x00")
#: No recording is larger (bytes).
_LARGEST = 256 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Something that holds a recording, or should.

    Attributes
    ----------
    files : tuple of str
        One, or the logs of one measurement.
    study : str
        StudyInstanceUID; ``""`` where it is not known.
    read : callable
        Returns the recording, or raises `ValueError` with the reason.
    """

    files: tuple[str, ...]
    study: str
    read: Callable[[], Recording]


@dataclass(frozen=True, slots=True)
class Unused:
    """A recording that goes nowhere.

    Attributes
    ----------
    path : str
        Of its first file. Private.
    reason : str
        Why, in a clause.
    study : str
        StudyInstanceUID; ``""`` where it is not known.
    """

    path: str
    reason: str
    study: str = ""


def list_candidates(inventory: Inventory) -> list[str]:
    """Return the paths of what `find_sources` looks into."""
    ends = _TEXTS | _UNREAD
    return [
        one.path
        for one in inventory.set_aside
        if one.reason in OBJECTS
        or (one.reason == "not DICOM" and (_suffix(one.path) in ends or _LOG.fullmatch(_name(one.path))))
    ]


def find_sources(inventory: Inventory) -> Iterator[Source | Unused]:
    """Yield what may hold recordings, in the order of its paths; what turns out to hold none is passed over."""
    logs: dict[str, list[str]] = defaultdict(list)
    for aside in inventory.set_aside:
        suffix = _suffix(aside.path)
        if aside.reason in OBJECTS:
            found = _open_object(aside)
            if found is not None:
                yield found
        elif aside.reason != "not DICOM":
            continue
        elif suffix in _TEXTS:
            yield Source((aside.path,), "", lambda path=aside.path, kind=suffix: read_text(_read(path), kind))  # type: ignore[misc]
        elif suffix in _UNREAD:
            yield Unused(aside.path, f"a {suffix} log of the monitoring unit, of which versions differ, is not read")
        elif match := _LOG.fullmatch(_name(aside.path)):
            logs[match[1]].append(aside.path)
    for paths in logs.values():
        yield Source(tuple(paths), "", lambda paths=paths: read_logs(map(_read, paths)))  # type: ignore[misc]


def _name(path: str) -> str:
    """Return the path that a file would have if it were not compressed by gzip."""
    return path[:-3] if path.lower().endswith(".gz") else path


def _suffix(path: str) -> str:
    return Path(_name(path)).suffix.lower()


def _read(path: str) -> str:
    return _read_bytes(path).decode("utf-8", errors="replace")


def _read_bytes(path: str) -> bytes:
    """Return what a file holds, through gzip.

    Raises
    ------
    ValueError
        If it cannot be read, or is too large.
    """
    data = bytearray()
    try:
        for piece in inflated(path):
            data += piece
            if len(data) > _LARGEST:
                raise ValueError("it is larger than any recording")
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error
    except HeaderError as error:
        raise ValueError(str(error)) from error
    return bytes(data)


def _open_object(aside: SetAside) -> Source | Unused | None:
    """Return the recording in a DICOM object, None where it holds none.

    Source: where the element stands, see `physio`; XA30 put it into SpectroscopyData (``readCMRRPhysio.m``).
    """
    if not _mentions(aside.path, _ELEMENTS):
        return Unused(aside.path, "it is called a recording and holds none") if PHYSIO in aside.reason else None
    import pydicom

    from bidsflow.dicom.text import quiet_pydicom

    try:
        with quiet_pydicom("ignore"):
            wanted = [0x7FE10010, 0x7FE11010, 0x56000020, "ImageType", "StudyInstanceUID", "SeriesDescription"]
            source = BytesIO(_read_bytes(aside.path)) if is_gzip(aside.path) else aside.path
            found = pydicom.dcmread(source, specific_tags=wanted)
            element = found.get(0x7FE11010) or found.get(0x56000020)
            payload = element.value if element is not None else None
            study = str(found.get("StudyInstanceUID", ""))
            kinds = "\\".join(map(str, found.get("ImageType") or ()))
            title = str(found.get("SeriesDescription", ""))
    except Exception:  # noqa: BLE001 - pydicom raises what it likes on odd bytes
        return None
    named = "PHYSIO" in kinds.upper() or "physiolog" in title.lower()
    if not isinstance(payload, bytes) or not payload:
        return Unused(aside.path, "it is called a recording and holds none", study) if named else None
    try:
        recording = read_payload(payload)
    except ValueError as error:
        return Unused(aside.path, str(error), study) if named else None
    return Source((aside.path,), study, lambda: recording)


def _mentions(path: str, elements: Sequence[bytes]) -> bool:
    """Return whether a file may hold one of some elements: told without parsing, since most raw data hold none."""
    try:
        if is_gzip(path):
            data = _read_bytes(path)
            return any(one in data for one in elements)
        with Path(path).open("rb") as stream:
            if not 0 < os.fstat(stream.fileno()).st_size <= _LARGEST:
                return False
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return any(mapped.find(one) >= 0 for one in elements)
    except (OSError, ValueError):
        return False
