"""The index of a disc, DICOMDIR: which files belong to it, so that those which are gone are missed.

Source: DICOM PS3.3 annex F (Basic Directory), PS3.10 section 8 (File IDs).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bidsflow.dicom.series import SetAside
from bidsflow.dicom.text import quiet_pydicom
from bidsflow.sources.folder import Found

NAME = "DICOMDIR"


def miss_files(found: Found) -> Found:
    """Return what was found, with a line for each DICOMDIR that lists files which are not there.

    Discs are copied under names in capitals or not: these are taken for the same. A DICOMDIR that cannot be read says
    nothing. One often stays beside a part of its disc that was copied on purpose: what is gone is told, as no fault.
    """
    indexes = [file.path for file in found.files if os.path.basename(file.path).upper() == NAME]  # noqa: PTH119
    if not indexes:
        return found
    lists = {index: [path.upper() for path in _list_files(Path(index))] for index in indexes}
    wanted = {path for listed in lists.values() for path in listed}
    there = {path for file in found.files if (path := file.path.upper()) in wanted}
    aside = list(found.set_aside)
    for index, listed in lists.items():
        gone = sum(path not in there for path in listed)
        if gone:
            aside.append(SetAside(index, f"{gone} of the {len(listed)} files that it lists are not there"))
    return Found(found.files, tuple(sorted(aside, key=lambda one: one.path)))


def _list_files(index: Path) -> Iterator[str]:
    """Yield the paths of the files that a DICOMDIR lists."""
    from pydicom import dcmread

    with quiet_pydicom("ignore"):
        try:
            records = dcmread(index).get("DirectoryRecordSequence") or ()
            listed = [record.get("ReferencedFileID") or () for record in records]
        except Exception:  # noqa: BLE001 - on broken bytes pydicom raises whatever its parts raise
            return
    for parts in listed:
        names = [parts] if isinstance(parts, str) else [str(part) for part in parts]
        if names and not any(name in (".", "..") or "/" in name or "\0" in name for name in names):
            yield str(index.parent.joinpath(*names))
