"""The private key of a dataset, as it is kept: whose data stands under which label, and by how many days dates move."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from bidsflow.convert.memory import read_json, say_damaged
from bidsflow.convert.subjects import Key, folder_of
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import write_durably
from bidsflow.errors import DatasetError

#: Begins the name, in a key, of a person of whom nothing is known but the label.
_STRANGER = "unknown\x1f"


def read_key(dataset: Dataset) -> Key:
    """Return the private key of a dataset; an empty one where nothing was converted yet.

    Subjects that someone else has put into the dataset count as people whom no header names, so that no one else
    gets their labels.

    Raises
    ------
    DatasetError
        If the key is damaged, or lost.
    """
    stored = read_json(dataset.key_file)
    if not stored and any((dataset.state / "ledger").glob("*.json")):
        hint = "Restore it from a backup, or convert into a new folder: without it no one knows who is who"
        raise DatasetError(str(dataset.key_file), "the private key of the dataset is gone", hint)
    try:
        subjects = {person: str(label) for person, label in stored.get("subjects", {}).items()}
        places = {study: (str(sub), str(ses)) for study, (sub, ses) in stored.get("sessions", {}).items()}
        shifts = {subject: int(days) for subject, days in stored.get("shifts", {}).items()}
        began = {study: str(day) for study, day in stored.get("days", {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise say_damaged(dataset.key_file) from error
    folders = dataset.root.glob("sub-*") if dataset.root.is_dir() else ()
    present = {folder.name.removeprefix("sub-") for folder in folders if folder.is_dir()}
    strangers = {f"{_STRANGER}{label}": label for label in sorted(present - set(subjects.values()))}
    held = {folder: study for folder, study in read_former(dataset).items() if holds_files(dataset.root, folder)}
    return Key({**subjects, **strangers}, places, shifts, held, began)


def read_shifts(dataset: Dataset) -> dict[str, int]:
    """Return by how many days the dates of each subject are moved, by label.

    Raises
    ------
    DatasetError
        If the key is damaged.
    """
    try:
        return {label: int(days) for label, days in read_json(dataset.key_file).get("shifts", {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise say_damaged(dataset.key_file) from error


def read_former(dataset: Dataset) -> dict[str, str]:
    """Return the folders that visits have given up, each with its StudyInstanceUID.

    Raises
    ------
    DatasetError
        If the key is damaged.
    """
    try:
        return {folder: str(study) for folder, study in read_json(dataset.key_file).get("former", {}).items()}
    except AttributeError as error:
        raise say_damaged(dataset.key_file) from error


def holds_files(root: Path, folder: str) -> bool:
    """Return whether a visit has files in its folder; those of a subject's sessions are not its own."""
    names = (str(one.relative_to(root / folder)) for one in (root / folder).rglob("*") if one.is_file())
    return any("/" in folder or not (name.startswith("ses-") or name.endswith("_sessions.tsv")) for name in names)


def write_key(dataset: Dataset, key: Key) -> None:
    """Store the private key, readable by its owner only, with what other runs have added. The caller holds the lock.

    Raises
    ------
    DatasetError
        If another run has given a label of this key to someone else since it was read.
    """
    stored = read_key(dataset)
    others = {label for person, label in stored.subjects.items() if person not in key.subjects}
    for label in {label for person, label in key.subjects.items() if person not in stored.subjects} & others:
        hint = "Run the same command again"
        raise DatasetError(str(dataset.root), f"another run has just given the label sub-{label} to someone else", hint)
    subjects = {**stored.subjects, **key.subjects}
    known = {person: label for person, label in subjects.items() if not person.startswith(_STRANGER)}
    places = {**stored.sessions, **key.sessions}
    labels = {*known.values(), *(sub for sub, _ in places.values())}
    shifts = {label: days for label, days in {**stored.shifts, **key.shifts}.items() if label in labels}
    left = {folder_of(place): study for study, place in stored.sessions.items() if places[study] != place}
    taken = set(map(folder_of, places.values()))
    former = {folder: study for folder, study in {**read_former(dataset), **left}.items() if folder not in taken}
    began = {study: day for study, day in {**key.days, **stored.days}.items() if study in places}
    merged = Key(known, places, shifts, former, began)
    text = json.dumps(asdict(merged), indent=1, sort_keys=True).encode()
    if not dataset.key_file.exists() or dataset.key_file.read_bytes() != text:
        write_durably(dataset.key_file, text, mode=0o600)
