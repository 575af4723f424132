"""Lay out one session as it will stand in the dataset: images, sidecars, and the tables around them.

Works in a staging tree only; `dataset.write.commit` brings the tree into the dataset.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

from bidsflow import __version__
from bidsflow.convert.ledger import Entry, Ledger, Stamp, format_ledger, is_same, read_ledger, source_digest, stamp
from bidsflow.convert.people import participant_row, shifted_time
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.sidecar import Json, complete_sidecar
from bidsflow.convert.subjects import Key
from bidsflow.convert.supply import supply_echo_times
from bidsflow.dataset import describe
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.tsv import columns_of, format_tsv, merge_rows, parse_tsv
from bidsflow.dicom.series import Series
from bidsflow.names import BidsName, parse_name

_PARTICIPANT_COLUMNS = ("participant_id", "age", "sex")


@dataclass(frozen=True, slots=True)
class Converted:
    """One image, ready to be laid out.

    Attributes
    ----------
    row : PlanRow
        The plan for it.
    sidecar : dict
        Cleaned, without what only the session knows.
    files : dict of str to Path
        Staged files by extension: ``.nii.gz``, ``.bval``, ``.bvec``.
    """

    row: PlanRow
    sidecar: Json
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Session:
    """What the plan says of one folder (``sub-01`` or ``sub-01/ses-01``).

    Attributes
    ----------
    folder : str
        Relative to the dataset.
    rows : tuple of PlanRow
        Every row that is to be converted into it.
    series : mapping of str to Series
        The series of the rows, by SeriesInstanceUID.
    """

    folder: str
    rows: tuple[PlanRow, ...]
    series: Mapping[str, Series]


def assemble(dataset: Dataset, tree: Path, session: Session, converted: Sequence[Converted], key: Key) -> list[str]:
    """Stage a session, and return the files of the dataset that go away with it. The caller holds the lock.

    Parameters
    ----------
    dataset : Dataset
        As it is before the commit.
    tree : Path
        Empty folder that will mirror the dataset.
    session : Session
        What the plan says.
    converted : sequence of Converted
        The images that are new or changed; the others stay as they are, but for their wiring.
    key : Key
        For the shifted dates.
    """
    ledger = read_ledger(dataset, session.folder)
    fresh = {one.row.path: one for one in converted}
    there = [row for row in session.rows if row.path in fresh or row.path in ledger]
    remove = _outdated(dataset, ledger, fresh)
    for row in there:
        if row.path in fresh:
            ledger[row.path] = _stage_image(tree, fresh[row.path], there, session)
        elif (entry := _rewire(dataset, tree, row, there, session, ledger[row.path])) is not None:
            ledger[row.path] = entry
    _stage(tree, dataset.ledger_file(session.folder).relative_to(dataset.root), format_ledger(ledger))
    if there:
        _stage_scans(dataset, tree, session, there, key)
        _stage_subject(dataset, tree, session, key)
        _stage_top(dataset, tree, there)
    return remove


def _outdated(dataset: Dataset, ledger: Ledger, fresh: Mapping[str, Converted]) -> list[str]:
    """Take out of the ledger what the new images replace, and return the files that go away.

    An image that got another name leaves no copy under its old one, unless a person changed that by hand.
    """
    moved = {(one.row.series_uid, one.row.image): path for path, one in fresh.items()}
    remove = []
    for path, entry in list(ledger.items()):
        target = moved.get((entry.series_uid, entry.image))
        if target is None:
            continue
        kept = {f"{target}{ext}" for ext in (".json", *fresh[target].files)}
        remove += [
            name for name, known in entry.files.items()
            if name not in kept and (dataset.root / name).exists() and is_same(dataset.root / name, known)
        ]  # fmt: skip
        del ledger[path]
    return remove


def _stage_image(tree: Path, one: Converted, there: Sequence[PlanRow], session: Session) -> Entry:
    files: dict[str, Stamp] = {}
    for ext, source in one.files.items():
        target = tree / f"{one.row.path}{ext}"
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        files[f"{one.row.path}{ext}"] = stamp(target)
    name = f"{one.row.path}.json"
    files[name] = _stage(tree, Path(name), describe.to_json(_complete(one.sidecar, one.row, there, session)).encode())
    return Entry(one.row.series_uid, one.row.image, source_digest(session.series[one.row.series_uid]), files)


def _rewire(
    dataset: Dataset, tree: Path, row: PlanRow, there: Sequence[PlanRow], session: Session, entry: Entry
) -> Entry | None:
    """Stage the sidecar of an image that stays, where the session around it has changed its wiring."""
    name = f"{row.path}.json"
    present = dataset.root / name
    if name not in entry.files or not present.exists() or not is_same(present, entry.files[name]):
        return None
    old = present.read_bytes()
    new = describe.to_json(_complete(json.loads(old), row, there, session)).encode()
    if new == old:
        return None
    return Entry(entry.series_uid, entry.image, entry.source, {**entry.files, name: _stage(tree, Path(name), new)})


def _complete(sidecar: Mapping[str, object], row: PlanRow, there: Sequence[PlanRow], session: Session) -> Json:
    name = parse_name(row.path)
    times = {
        parse_name(other.path).suffix: session.series[other.series_uid].images[other.image - 1].echo_time
        for other in there
        if row.b0_identifier and other.b0_identifier == row.b0_identifier
    }
    known = {other.b0_identifier for other in there} - {""}
    sources = [label for label in _labels(row) if label in known]
    carries = row.b0_identifier and not name.suffix.startswith("magnitude")
    targets = [f"bids::{other.path}.nii.gz" for other in there if carries and row.b0_identifier in _labels(other)]
    return complete_sidecar(
        supply_echo_times(sidecar, name, times),
        suffix=name.suffix,
        task=name.entity("task"),
        field=row.b0_identifier,
        corrected_by=sources,
        intended_for=sorted(targets),
    )


def _labels(row: PlanRow) -> list[str]:
    return row.b0_source.replace(" ", "").split(",")


def _stage(tree: Path, name: Path, data: bytes) -> Stamp:
    target = tree / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return stamp(target)


def _stage_table(
    dataset: Dataset, tree: Path, name: str, rows: Iterable[Mapping[str, str]], first: Sequence[str]
) -> list[str]:
    """Stage a table with new rows among those that it has, and return its columns."""
    present = dataset.root / name
    old = parse_tsv(present.read_text()) if present.exists() else []
    merged = merge_rows(old, list(rows), first[0])
    columns = columns_of(merged, first)
    _stage(tree, Path(name), format_tsv(merged, columns).encode())
    return columns


def _stage_scans(dataset: Dataset, tree: Path, session: Session, there: Sequence[PlanRow], key: Key) -> None:
    name = parse_name(there[0].path)
    shift = key.shifts.get(name.sub, 0)
    rows = []
    for row in there:
        started = session.series[row.series_uid].started
        relative = f"{row.path}.nii.gz".removeprefix(f"{session.folder}/")
        time = {"acq_time": text} if (text := shifted_time(started, shift)) else {}
        rows.append({"filename": relative, **time})
    _stage_table(dataset, tree, f"{session.folder}/{_prefix(name)}_scans.tsv", rows, ("filename", "acq_time"))


def _prefix(name: BidsName) -> str:
    return f"sub-{name.sub}_ses-{name.ses}" if name.ses else f"sub-{name.sub}"


def _stage_subject(dataset: Dataset, tree: Path, session: Session, key: Key) -> None:
    """Stage the subject's row among the participants, and the session's row among the sessions."""
    name = parse_name(session.rows[0].path)
    series = list(session.series.values())
    if name.ses:
        start = min((one.started for one in series if one.started), default="")
        time = {"acq_time": text} if (text := shifted_time(start, key.shifts.get(name.sub, 0))) else {}
        rows = [{"session_id": f"ses-{name.ses}", **time}]
        _stage_table(dataset, tree, f"sub-{name.sub}/sub-{name.sub}_sessions.tsv", rows, ("session_id", "acq_time"))
    row = participant_row(name.sub, series)
    present = dataset.root / "participants.tsv"
    known = parse_tsv(present.read_text()) if present.exists() else []
    before = next((one for one in known if one.get("participant_id") == row["participant_id"]), {})
    row = {**row, **{column: value for column, value in before.items() if value != "n/a"}}
    columns = _stage_table(dataset, tree, "participants.tsv", [row], _PARTICIPANT_COLUMNS)
    if len(columns) > 1 and not (dataset.root / "participants.json").exists():
        _stage(tree, Path("participants.json"), describe.participants_columns(columns).encode())


def _stage_top(dataset: Dataset, tree: Path, there: Sequence[PlanRow]) -> None:
    """Stage the files that describe the whole dataset, where it does not have them yet."""
    generators = generated_by()
    title = dataset.root.name
    tasks = {name.entity("task") for row in there if (name := parse_name(row.path)).suffix == "bold"}
    files = {
        "dataset_description.json": describe.dataset_description(title, generators),
        "README": describe.readme(title, generators),
        "CHANGES": describe.changes(date.today().isoformat(), __version__),
        **{f"task-{task}_bold.json": describe.to_json({"TaskName": task}) for task in sorted(tasks)},
    }
    for file, text in files.items():
        if not (dataset.root / file).exists():
            _stage(tree, Path(file), text.encode())


@cache
def generated_by() -> tuple[tuple[str, str], ...]:
    """Return the programs that make a dataset, with their versions."""
    return (("bidsflow", __version__), ("dcm2niix", version("dcm2niix")))


def group_by_folder(rows: Iterable[PlanRow]) -> dict[str, list[PlanRow]]:
    """Return rows by the folder of subject or session that they go to."""
    folders: dict[str, list[PlanRow]] = defaultdict(list)
    for row in rows:
        folders[parse_name(row.path).folder].append(row)
    return folders
