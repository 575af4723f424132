"""What a run works on: the images of each participant, found by pybids, and what is wrong with them before it begins.

Only the chosen participants are indexed, and the index is kept for the next run of an unchanged dataset.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bidsflow.app.invocation import Selection
from bidsflow.app.spec import Pipeline, Query
from bidsflow.errors import BidsflowError, InputError, OptionError
from bidsflow.names import BidsName, parse_name

_log = logging.getLogger(__name__)
_IMAGES = (".nii", ".nii.gz")
#: Folders of a dataset that hold no raw data.
_ASIDE = ("derivatives", "sourcedata", "code", "stimuli", "phenotype")
#: What pybids calls the entities that users know by their short names.
_LONG = {
    "sub": "subject", "ses": "session", "acq": "acquisition", "ce": "ceagent", "rec": "reconstruction",
    "dir": "direction", "mod": "modality", "trc": "tracer", "stain": "staining",
}  # fmt: skip
#: What a filter cannot choose by: participants are chosen already, the rest are settings of pybids.
_RESERVED = frozenset(
    ("subject", "return_type", "target", "scope", "regex_search", "absolute_paths", "invalid_filters", "filters")
)


@dataclass(frozen=True, slots=True)
class Image:
    """One raw image.

    Attributes
    ----------
    path : Path
        Absolute.
    name : BidsName
        What it is.
    metadata : mapping
        Its sidecars, inherited ones included.
    companions : tuple of str
        Files beside it that belong to it, by extension: ``.bval``.
    """

    path: Path
    name: BidsName
    metadata: Mapping[str, Any] = field(default_factory=dict)
    companions: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """``T1w``, ``bold``, ..."""
        return self.name.suffix

    @property
    def uri(self) -> str:
        """The image as a BIDS URI of the raw dataset, as derivatives name their sources."""
        return f"bids:raw:{self.name}"

    def beside(self, ext: str) -> Path:
        """Return the path of a companion: ``.bval``."""
        return self.path.with_name(self.name.stem + ext)


@dataclass(frozen=True, slots=True)
class Participant:
    """The images of one participant.

    Attributes
    ----------
    label : str
        Without ``sub-``.
    images : tuple of Image
        In the order of their paths.
    """

    label: str
    images: tuple[Image, ...]

    def of(self, suffix: str) -> tuple[Image, ...]:
        """Return the images of one kind."""
        return tuple(image for image in self.images if image.suffix == suffix)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an image cannot be used, found before anything runs."""

    participant: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"sub-{self.participant}: {self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a dataset has for a pipeline.

    Attributes
    ----------
    participants : tuple of Participant
        Those that can be run.
    faults : tuple of Fault
        What is wrong with images; their participants are not among those that can be run.
    without : tuple of str
        Participants who have nothing that the pipeline reads.
    """

    participants: tuple[Participant, ...]
    faults: tuple[Fault, ...] = ()
    without: tuple[str, ...] = ()


def list_participants(root: Path) -> tuple[str, ...]:
    """Return the labels of all participants that have a folder, in the order of their names."""
    return tuple(one.name.removeprefix("sub-") for one in sorted(root.glob("sub-*")) if one.is_dir())


def choose_participants(root: Path, selection: Selection) -> tuple[str, ...]:
    """Return the labels to run.

    Raises
    ------
    InputError
        If the folder is no dataset, or a participant who was asked for is not in it.
    """
    if not (root / "dataset_description.json").is_file():
        raise InputError(f"{root}: no dataset_description.json in this folder", "Give the root of a BIDS dataset")
    known = list_participants(root)
    missing = [one for one in (*selection.participants, *selection.without) if one not in known]
    if missing:
        shown = ", ".join(f"sub-{one}" for one in known[:8]) + (", ..." if len(known) > 8 else "")
        raise OptionError(
            f"{root}: there is no {' and no '.join(f'sub-{one}' for one in missing)}",
            f"It has {shown or 'no participants'}",
        )
    wanted = selection.participants or known
    return tuple(one for one in known if one in wanted and one not in selection.without)


def find_inputs(
    root: Path, pipeline: Pipeline, labels: Sequence[str], selection: Selection, database: Path | None = None
) -> Inputs:
    """Return the images of participants that a pipeline reads.

    Parameters
    ----------
    root : Path
        The raw dataset.
    pipeline : Pipeline
        What is read.
    labels : sequence of str
        Participants, without ``sub-``.
    selection : Selection
        Which of their images.
    database : Path, optional
        A folder for the index; what is there is used if the dataset has not changed since.

    Raises
    ------
    OptionError
        If the selection names an entity that there is none of.
    InputError
        If the dataset as a whole cannot be indexed.
    """
    faults: list[Fault] = []
    try:
        layout = _open_layout(root, labels, database)
    except InputError:
        faults = [fault for label in labels for fault in check_sidecars(root, label)]
        if not faults:
            raise
        broken = {fault.participant for fault in faults}
        labels = [label for label in labels if label not in broken]
        layout = _open_layout(root, labels, database)
    try:
        inputs = _choose_images(layout, root, pipeline, labels, selection)
        if database is not None and inputs.participants:  # else a run that does nothing would leave folders
            _keep_index(layout, database / _index_name(root, labels))
    finally:
        _close(layout)
    return replace(inputs, faults=(*faults, *inputs.faults))


def _choose_images(layout: Any, root: Path, pipeline: Pipeline, labels: Sequence[str], selection: Selection) -> Inputs:
    """Return what a layout has of each participant."""
    faults: list[Fault] = []
    participants, without = [], []
    for label in labels:
        images = [image for query in pipeline.reads for image in _find(layout, root, query, label, selection)]
        found = [fault for image, query in images for fault in check_image(root, image, query, label)]
        faults += found
        if not images:
            without.append(label)
        elif not found:
            ordered = sorted((image for image, _ in images), key=lambda one: str(one.name))
            participants.append(Participant(label, tuple(ordered)))
    return Inputs(tuple(participants), tuple(faults), tuple(without))


def _open_layout(root: Path, labels: Sequence[str], database: Path | None) -> Any:
    """Return a pybids layout of some participants, from its database where nothing has changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bids.layout import BIDSLayout

        where = database / _index_name(root, labels) if database is not None else None
        if where is not None and where.is_dir():
            try:
                return BIDSLayout(root, validate=False, database_path=where)
            except Exception:  # noqa: BLE001  damaged, or of another version; whatever sqlalchemy and pybids raise
                shutil.rmtree(where, ignore_errors=True)
        return _index(root, labels)


def _index(root: Path, labels: Sequence[str]) -> Any:
    """Return a pybids layout of some participants, in memory."""
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    only = "|".join(map(re.escape, labels))
    others = re.compile(rf"^/sub-(?!(?:{only})(?:/|$))")
    ignore = [others, re.compile(rf"^/(?:{'|'.join(_ASIDE)})(?:/|$)"), re.compile(r"/\.")]
    try:
        return BIDSLayout(root, validate=False, indexer=BIDSLayoutIndexer(validate=False, ignore=ignore))
    except (ValueError, OSError) as error:
        raise InputError(f"{root}: the dataset cannot be indexed ({error})") from error


def _keep_index(layout: Any, where: Path) -> None:
    """Save an index: whole or not at all, and in the place of those of the same participants before a change."""
    if where.is_dir():
        return
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=where.parent, prefix="new-") as half:
            _save(layout, Path(half, "index"))
            with suppress(OSError):  # another run was faster
                Path(half, "index").rename(where)
    except (OSError, sqlite3.Error) as error:  # it only saves time
        _log.warning("the index of the dataset cannot be kept in %s (%s)", where.parent, error)
        return
    for old in where.parent.glob(f"{where.name.partition('-')[0]}-*"):
        if old != where:
            shutil.rmtree(old, ignore_errors=True)


def _save(layout: Any, folder: Path) -> None:
    """Write the database of a layout where pybids looks for it; its own `save` closes neither end."""
    folder.mkdir()
    engine = layout.connection_manager.engine
    with closing(sqlite3.connect(folder / "layout_index.sqlite")) as copy, engine.connect() as original:
        original.connection.driver_connection.backup(copy)


def _close(layout: Any) -> None:
    """Close the database of a layout, which pybids leaves open."""
    layout.session.close()
    layout.connection_manager.engine.dispose()


def _index_name(root: Path, labels: Sequence[str]) -> str:
    """Return the name of an index: of which participants it is, and of what state of their files."""
    who = "\0".join((os.fspath(root), version("pybids"), *sorted(labels)))
    digest = hashlib.blake2b(who.encode(errors="surrogateescape"), digest_size=8)
    return f"{digest.hexdigest()}-{fingerprint(root, labels)}"


def fingerprint(root: Path, labels: Iterable[str]) -> str:
    """Return what changes with any file of some participants, or with a file that all of them inherit from."""
    digest = hashlib.blake2b(os.fsencode(root), digest_size=16)
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.is_file():
            _count_in(digest, entry)
    for label in sorted(labels):
        folders = [root / f"sub-{label}"]
        seen: set[tuple[int, int]] = set()  # links may lead in circles
        while folders:
            folder = folders.pop()
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            for entry in sorted(os.scandir(folder), key=lambda one: one.name):
                if entry.is_dir():
                    folders.append(Path(entry.path))
                else:
                    _count_in(digest, entry)
    return digest.hexdigest()


def _count_in(digest: Any, entry: os.DirEntry[str]) -> None:
    try:
        status = entry.stat()
    except OSError:  # a link to content that is not here
        status = entry.stat(follow_symlinks=False)
    digest.update(f"{entry.path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))


def _find(
    layout: Any,
    root: Path,
    query: Query,
    label: str,
    selection: Selection,
) -> list[tuple[Image, Query]]:
    wanted: dict[str, Any] = {"suffix": query.suffix, "datatype": query.datatype, "extension": list(_IMAGES)}
    wanted |= _to_filter(query, selection.filters.get(query.suffix.lower(), {}))
    try:
        paths = layout.get(subject=label, return_type="filename", invalid_filters="error", **wanted)
    except ValueError as error:
        raise OptionError(f"the filter for {query.suffix} does not fit this dataset: {error}") from None
    images = []
    for path in sorted(map(Path, paths)):
        try:
            name = parse_name(path.relative_to(root).as_posix())
        except BidsflowError:  # a name that BIDS does not know is for the validator to report
            continue
        if _is_selected(name, selection):
            metadata = to_plain(layout.get_metadata(str(path)))
            images.append((Image(path, name, metadata, query.companions), query))
    return images


def _to_filter(query: Query, given: Mapping[str, object]) -> dict[str, Any]:
    """Return a filter as pybids takes it.

    Raises
    ------
    InputError
        If it chooses participants, or is none of files.
    """
    from bids.layout import Query as Special

    wanted = {_LONG.get(key, key): value for key, value in given.items()}
    if taken := sorted(_RESERVED & wanted.keys()):
        hint = "Choose participants by --participant-label" if "subject" in taken else ""
        raise OptionError(f"the filter for {query.suffix} cannot hold {', '.join(taken)}", hint)
    special = {f"Query.{one.name}": one for one in Special}
    return {key: special.get(value, value) if isinstance(value, str) else value for key, value in wanted.items()}


def _is_selected(name: BidsName, selection: Selection) -> bool:
    runs = {run.lstrip("0") for run in selection.runs}
    checks = (
        (name.ses, set(selection.sessions)),
        (name.entity("task"), set(selection.tasks)),
        (name.entity("run").lstrip("0"), runs),
    )
    return all(not wanted or not value or value in wanted for value, wanted in checks)


def check_sidecars(root: Path, label: str) -> list[Fault]:
    """Return the sidecars of a participant that cannot be read."""
    faults = []
    for path in sorted((root / f"sub-{label}").rglob("*.json")):
        where = path.relative_to(root).as_posix()
        reason = _absent(path, where)
        try:
            if not reason:
                json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            reason = "it is no JSON"
        if reason:
            faults.append(Fault(label, where, reason))
    return faults


def check_image(root: Path, image: Image, query: Query, label: str) -> list[Fault]:
    """Return what stops an image from being used: absent content, missing metadata, missing companions."""
    where = image.path.relative_to(root).as_posix()
    reasons = [_absent(image.path, where)]
    missing = [key for key in query.needs if key not in image.metadata]
    if missing:
        reasons.append(f"its sidecar has no {' and no '.join(missing)}")
    for ext in query.companions:
        beside = image.beside(ext)
        reasons.append(_absent(beside, beside.relative_to(root).as_posix()))
    return [Fault(label, where, reason) for reason in reasons if reason]


def _absent(path: Path, where: str) -> str:
    """Return why the content of a file is not there, ``""`` where it is."""
    get = f"fetch it first: datalad get {where}"
    if path.is_symlink() and not path.exists():
        return f"its content is not here; {get}"
    if not path.exists():
        return f"{where} is missing"
    if not os.access(path, os.R_OK):
        return f"{where} cannot be read; check its permissions"
    size = path.stat().st_size
    if size == 0:
        return f"{where} is empty"
    if size < 32768 and b"/annex/objects" in path.read_bytes()[:512]:
        return f"it is a pointer of git-annex without content; {get}"
    return ""


def describe_inputs(participants: Sequence[Participant]) -> str:
    """Return in a few words what there is to do.

    Examples
    --------
    >>> image = Image(Path("x"), BidsName("01", "anat", "T1w", ".nii.gz"))
    >>> describe_inputs([Participant("01", (image, image))])
    '1 participant, 2 T1w'
    """
    counts: dict[str, int] = {}
    for participant in participants:
        for image in participant.images:
            counts[image.suffix] = counts.get(image.suffix, 0) + 1
    people = f"{len(participants)} participant{'s' if len(participants) != 1 else ''}"
    return ", ".join([people, *(f"{count} {suffix}" for suffix, count in sorted(counts.items()))])


def to_plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(metadata, default=str))
    return plain
