"""Where things stand in a dataset that bidsflow writes."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bidsflow.errors import DatasetError, StorageError

#: The folder of bidsflow inside a dataset. Hidden, so that validators pass over it; private, so that it is not shared.
STATE = ".bidsflow"

#: Where BIDS has the export that a dataset was made of.
_SOURCES = "sourcedata"
#: Where a dataset has its study specification (BIDS, "Storage of code").
_STUDY = ("code", "study.toml")
_ROOMS = ("private", "ledger", "journal", "staging")
_ABOUT = """\
This folder belongs to bidsflow. It is PRIVATE: private/key.json says whose data stands under which label, and
inventory.sqlite holds the headers of the export. Keep it on this machine; leave it out when you share the dataset.

private/         the key (who is who, shifted dates); without it new scans get new labels; ages and sexes of headers
ledger/          what was converted from what, so that a second run does only what is missing or changed
companions.json  recordings and events that were put beside images
originals.json   what was archived in sourcedata/
pending.json     what failed, is in doubt or was set aside; see bidsflow status
skipped.json     images that a plan of yours said to skip
journal/         commits under way; the next command finishes them
staging/         work in progress; removed when a run ends
recordings.json  what became of recordings the last time (may be deleted)
replaced/        images that were replaced or given up, by the time of it (may be deleted)
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

    @property
    def pending_file(self) -> Path:
        """What runs could not do."""
        return self.state / "pending.json"

    @property
    def participants_file(self) -> Path:
        """What headers said of people when their rows were written. Private."""
        return self.state / "private" / "participants.json"

    @property
    def secret_file(self) -> Path:
        """What UIDs are hashed with. Private."""
        return self.state / "private" / "secret"

    @property
    def skipped_file(self) -> Path:
        """What a person said to skip."""
        return self.state / "skipped.json"

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
    return _check(root, exports, os.R_OK | os.W_OK | os.X_OK)


def check_readable(root: Path, exports: Sequence[Path] = ()) -> Path:
    """Return the absolute path of what may become, or is, a dataset of bidsflow, for who writes nothing to it.

    Raises
    ------
    DatasetError
        As `check_target`, but that it may lie on a disk that is read-only.
    """
    return _check(root, exports, os.R_OK | os.X_OK)


def _check(root: Path, exports: Sequence[Path], access: int) -> Path:
    try:
        target = root.resolve()
        for export in exports:
            _check_apart(root, target, export)
        if target.exists():
            _check_folder(root, target, access, exports)
    except DatasetError:
        raise
    except (OSError, RuntimeError) as error:  # resolve() has no better word for links that lead in circles
        reason = getattr(error, "strerror", None) or "its links lead in circles"
        raise DatasetError(str(root), f"the folder cannot be opened ({reason})", "Check the path") from error
    return target


def _check_apart(root: Path, target: Path, export: Path) -> None:
    source = export.resolve()
    if target == source or source in target.parents:
        raise DatasetError(str(root), "the dataset would lie inside the export", "Choose a folder outside of it")
    if target in source.parents and not (target / STATE).is_dir() and not _is_source(target, source):
        raise DatasetError(str(root), f"the export {export} lies inside the dataset", "Move the export out of it")


def _is_source(target: Path, source: Path) -> bool:
    """Return whether an export lies where BIDS has the sources of a dataset (BIDS, "Source vs. raw vs. derived")."""
    return (target / _SOURCES) in (source, *source.parents)


def _check_folder(root: Path, target: Path, access: int, exports: Sequence[Path]) -> None:
    if not target.is_dir():
        raise DatasetError(str(root), "this is a file, not a folder", "Name a folder for the dataset")
    what = "read and written to" if access & os.W_OK else "read"
    if not os.access(target, access):
        raise DatasetError(str(root), f"the folder cannot be {what}", "Check its permissions")
    if (target / STATE).is_dir():
        if not os.access(target / STATE, access):
            hint = "It is private: run this as the user who converted, or ask for access"
            raise DatasetError(str(root), f"its {STATE} cannot be {what}", hint)
        return
    own = {_SOURCES} if any(_is_source(target, export.resolve()) for export in exports) else set()
    own |= {_STUDY[0]} if target.joinpath(*_STUDY).is_file() else set()  # put there for the first conversion to heed
    strangers = sorted({one.name for one in target.iterdir() if not one.name.startswith(".")} - own)
    if strangers:
        shown = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        raise DatasetError(
            str(root),
            f"the folder is not empty and was not made by bidsflow, or has lost its {STATE} (it holds {shown})",
            "Name a new folder",
        )


def open_dataset(
    root: Path, exports: Sequence[Path] = (), *, rooms: Sequence[str] = _ROOMS, about: str = _ABOUT
) -> Dataset:
    """Open a dataset, or make a new one.

    Parameters
    ----------
    root : Path
        The dataset.
    exports : sequence of Path
        What it must not lie in.
    rooms : sequence of str
        Folders of bidsflow's own in it; ``journal`` and ``staging`` are always there.
    about : str
        What is said of them in a README beside.

    Raises
    ------
    DatasetError
        As `check_target`, or if the folder cannot be made.
    StorageError
        If the disk is full.
    """
    target = check_target(root, exports)
    dataset = Dataset(target)
    try:
        for folder in (dataset.state, *(dataset.state / name for name in {*rooms, "journal", "staging"})):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = dataset.state.stat().st_mode
        if mode & 0o007:  # copied or unpacked with other rights; a group may have been let in on purpose
            dataset.state.chmod(mode & 0o770)
        page = dataset.state / "README"
        if not page.exists():
            page.write_text(about)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(str(root), "the disk is full") from error
        raise DatasetError(
            str(root), f"the folder cannot be made ({error.strerror})", "Check the disk and permissions"
        ) from error
    return dataset


def discard_new(dataset: Dataset, made: Sequence[Path]) -> None:
    """Take back a dataset that was only just opened; one in which anything was converted, or is at work, stays.

    Parameters
    ----------
    made : sequence of Path
        The folders that were made for it, the deepest first: those that were there before are not ours to remove.
    """
    if any((dataset.state / name).exists() for name in ("private/key.json", "lock")):
        return
    for name in ("README", "inventory.sqlite"):
        (dataset.state / name).unlink(missing_ok=True)
    with suppress(OSError):  # not empty: another run is at work
        for folder in (*(dataset.state / name for name in _ROOMS), dataset.state, *made):
            folder.rmdir()
