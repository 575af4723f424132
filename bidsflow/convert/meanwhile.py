"""What other runs have committed since a plan was made, and the plan that takes it in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.dataset.tree import Dataset
from bidsflow.digest import digest_file
from bidsflow.errors import BidsflowError
from bidsflow.names import parse_name


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan knew of a dataset, and how it is made again.

    Attributes
    ----------
    marks : mapping of str to str
        What `mark_ledgers` said of its folders when it was made, under the lock of the dataset.
    plan_again : callable
        Returns the plan of the same exports for what the dataset has now; the caller holds the lock.
    """

    marks: Mapping[str, str]
    plan_again: Callable[[], Plan]


def mark_ledgers(dataset: Dataset, folders: Iterable[str]) -> dict[str, str]:
    """Return what tells, by folder, whether another run has changed what the dataset holds of it; ``""`` for nothing.

    The caller holds the lock.
    """
    files = {folder: dataset.ledger_file(folder) for folder in folders}
    return {folder: digest_file(file)[0] if file.exists() else "" for folder, file in files.items()}


def list_folders(rows: Iterable[PlanRow]) -> set[str]:
    """Return the folders of subjects and sessions that rows go to, whatever is decided of them."""
    return {folder_of(row) for row in rows} - {""}


def folder_of(row: PlanRow) -> str:
    """Return the folder of a row's subject or session; ``""`` where its path is no name."""
    try:
        return parse_name(row.path).folder
    except BidsflowError:
        return ""


def renew(plan: Plan, folder: str, now: Plan) -> Plan:
    """Return a plan in which one folder is as a later plan of the same exports has it.

    Images of other folders stay as they were: those are settled by themselves. One that was to come into the folder
    goes to another subject where its person has another label by now. One that by what is known now belongs to another
    session (a visit of its own under the StudyInstanceUID of the first) is for review.

    Parameters
    ----------
    plan, now : Plan
        The plan, and the later one.
    folder : str
        Of a subject or session.

    Returns
    -------
    renewed : Plan
        With the notes of the later plan in the place of those on the folder.
    """
    later = {(row.series_uid, row.image): row for row in now.rows}
    rows = tuple(_choose(row, later.get((row.series_uid, row.image), row), folder) for row in plan.rows)
    others = [note for note in plan.notes if not note.startswith(f"{folder}:")]
    notes = tuple(dict.fromkeys([*others, *now.notes]))
    return replace(now, rows=rows, notes=notes)


def _choose(before: PlanRow, now: PlanRow, folder: str) -> PlanRow:
    home = folder_of(now)
    if {folder_of(before), home} <= {folder, ""}:
        return now
    if folder_of(before) != folder or before.decision is not Decision.CONVERT:
        return before
    if home.partition("/")[0] != folder.partition("/")[0]:
        return now
    said = f"What another command has converted meanwhile shows that it belongs to {home}: convert its export again."
    return replace(now, decision=Decision.REVIEW, evidence=f"{said} {now.evidence}")


def find_new_homes(before: Plan, now: Plan, folder: str) -> tuple[str, ...]:
    """Return the other folders to which a renewed plan converts images that one folder was to get, sorted."""
    later = {(row.series_uid, row.image): row for row in now.decided(Decision.CONVERT)}
    rows = (later.get((row.series_uid, row.image)) for row in before.rows if folder_of(row) == folder)
    return tuple(sorted({folder_of(row) for row in rows if row is not None} - {folder}))
