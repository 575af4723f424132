"""Where things stand in a dataset that bidsflow writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsflow.errors import DatasetError

#: The folder of bidsflow inside a dataset. Hidden, so that validators pass over it; private, so that it is not shared.
STATE = ".bidsflow"

_ABOUT = """\
This folder belongs to bidsflow. It is PRIVATE: private/key.json says whose data stands under which label, and
inventory.sqlite holds the headers of the export. Keep it on this machine; leave it out when you share the dataset.

private/         the key (who is who, shifted dates); without it new scans get new labels
ledger/          what was converted from what, so that a second run does only what is missing or changed
journal/         commits under way; the next command finishes them
staging/         work in progress; removed when a run ends
inventory.sqlite headers that were read, so that an unchanged file is not read twice (may be deleted)
"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that is open for writing.

    Attributes
    ----------
    root : Path
        Absolute path of the dataset.
    """

    root: Path

    @property
    def state(self) -> Path:
        """Folder of bidsflow's own files."""
        return self.root / STATE

    @property
    def key_file(self) -> Path:
        """Who is who: private."""
        return self.state / "private" / "key.json"

    @property
    def index_file(self) -> Path:
        """Headers that were read before: private."""
        return self.state / "inventory.sqlite"

    def ledger_file(self, folder: str) -> Path:
        """Return where it is kept what stands in one folder of a subject or session (``sub-01/ses-01``)."""
        return self.state / "ledger" / f"{folder.replace('/', '_')}.json"


def check_target(root: Path, exports: Sequence[Path] = ()) -> Path:
    """Return the absolute path of a folder that may become, or is, a dataset of bidsflow. Writes nothing.

    Raises
    ------
    DatasetError
        If it lies inside an export or around one, is a file, is not writable, or holds files that are not bidsflow's.
    """
    target = root.resolve()
    for export in exports:
        source = export.resolve()
        if target == source or source in target.parents:
            raise DatasetError(str(root), "the dataset would lie inside the export", "Choose a folder outside of it")
        if target in source.parents and not (target / STATE).is_dir():
            raise DatasetError(str(root), f"the export {export} lies inside the dataset", "Move the export out of it")
    if target.exists():
        if not target.is_dir():
            raise DatasetError(str(root), "this is a file, not a folder", "Name a folder for the dataset")
        if not os.access(target, os.W_OK | os.X_OK):
            raise DatasetError(str(root), "the folder cannot be written to", "Check its permissions")
        strangers = [one.name for one in target.iterdir() if not one.name.startswith(".")]
        if strangers and not (target / STATE).is_dir():
            shown = ", ".join(sorted(strangers)[:3])
            raise DatasetError(
                str(root),
                f"the folder is not empty and was not made by bidsflow (it holds {shown})",
                "Name a new folder",
            )
    return target


def open_dataset(root: Path, exports: Sequence[Path] = ()) -> Dataset:
    """Open a dataset, or make a new one.

    Raises
    ------
    DatasetError
        As `check_target`, or if the folder cannot be made.
    """
    target = check_target(root, exports)
    dataset = Dataset(target)
    try:
        for folder in (dataset.state, *(dataset.state / name for name in ("private", "ledger", "journal", "staging"))):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = dataset.state / "README"
        if not about.exists():
            about.write_text(_ABOUT)
    except OSError as error:
        raise DatasetError(
            str(root), f"the folder cannot be made ({error.strerror})", "Check the disk and permissions"
        ) from error
    return dataset
