"""How a dataset stands: what is in it and from what, what waits and what was set aside. Reads only."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass

from bidsflow.convert.companions.images import list_images
from bidsflow.convert.companions.place import read_placed
from bidsflow.convert.content import Stamp, is_same, verify
from bidsflow.convert.ledger import read_ledger
from bidsflow.convert.pending import Quarantined, Waiting, hash_uid, read_pending
from bidsflow.dataset.tree import Dataset
from bidsflow.names import parse_name


@dataclass(frozen=True, slots=True)
class Held:
    """An image of a dataset.

    Attributes
    ----------
    path : str
        BIDS path without extension.
    series : str
        A keyed hash of its SeriesInstanceUID: equal for images of one series, meaningless elsewhere.
    source : str
        Digest of the DICOM instances that it was made of.
    instances : int
        How many these were; 0 where that was not noted.
    edited, missing : tuple of str
        Files of it that a person has changed, and that are gone.
    """

    path: str
    series: str
    source: str
    instances: int
    edited: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Its subject and session: ``sub-01/ses-01``."""
        return parse_name(self.path).folder


@dataclass(frozen=True, slots=True)
class Put:
    """Events or a recording that bidsflow has put beside an image.

    Attributes
    ----------
    path : str
        Relative to the dataset.
    state : str
        ``edited``, ``missing``, ``alone`` (its image is not there), or ``""``.
    """

    path: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a dataset stands.

    Attributes
    ----------
    images : tuple of Held
        By path.
    waiting : tuple of Waiting
        What failed or is in doubt.
    quarantined : tuple of Quarantined
        Files of exports that are not used.
    companions : tuple of Put
        By path.
    commits : int
        Commits that a run began and did not finish; the next command finishes them.
    at_work : int
        Runs that are at work.
    """

    images: tuple[Held, ...]
    waiting: tuple[Waiting, ...]
    quarantined: tuple[Quarantined, ...]
    companions: tuple[Put, ...] = ()
    commits: int = 0
    at_work: int = 0


def read_status(dataset: Dataset) -> Standing:
    """Return how a dataset stands; files are read only where size or time are not as they were written.

    Raises
    ------
    DatasetError
        If a file of bidsflow is damaged.
    """
    folders = [file.stem for file in sorted((dataset.state / "ledger").glob("*.json"))]
    images = []
    for folder in folders:
        for path, entry in read_ledger(dataset, folder).items():
            missing = tuple(name for name in entry.files if not (dataset.root / name).exists())
            edited = tuple(
                name
                for name, stamp in entry.files.items()
                if name not in missing and verify(dataset.root / name, stamp) is None
            )
            series = hash_uid(dataset, entry.series_uid)
            images.append(Held(path, series, entry.content or entry.source, entry.instances, edited, missing))
    pending = read_pending(dataset)
    return Standing(
        tuple(sorted(images, key=lambda one: one.path)),
        pending.images,
        tuple(one for one, _ in pending.files),
        tuple(Put(path, _look(dataset, path, known)) for path, known in sorted(read_placed(dataset).items())),
        len(list((dataset.state / "journal").glob("*.json"))),
        sum(_is_alive(dataset, one.name) for one in (dataset.state / "staging").glob("run-*")),
    )


def _look(dataset: Dataset, path: str, known: Stamp) -> str:
    if not (dataset.root / path).exists():
        return "missing"
    if not list_images(dataset.root, parse_name(path)):
        return "alone"
    return "" if is_same(dataset.root / path, known) else "edited"


def _is_alive(dataset: Dataset, name: str) -> bool:
    """Return whether the process of a staging folder lives: it holds a lock as long."""
    try:
        with (dataset.state / "staging" / name / "owner").open("rb") as owner:
            fcntl.flock(owner, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
