"""What to convert and where to: exports, dataset, study and plan of one command."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.convert.meanwhile import Basis
    from bidsflow.convert.naming.guess import Guess
    from bidsflow.convert.plan import Plan
    from bidsflow.convert.planner import Planned
    from bidsflow.convert.study.apply import StudyFile
    from bidsflow.dataset.tree import Dataset
    from bidsflow.dicom.series import Inventory

#: Folders of subjects and sessions that a message names.
_FOLDERS = 8


@dataclass(frozen=True, slots=True)
class Conversion:
    """What to plan and where to: a person's plan or our own, and which of its rows."""

    exports: tuple[Path, ...]
    dataset: Dataset
    plan: Plan | None
    study: StudyFile | None
    where: str
    sessions: str
    subject_labels: tuple[str, ...]
    session_labels: tuple[str, ...]
    jobs: int
    keep: bool = False
    command: tuple[str, ...] = ()

    @property
    def chooses(self) -> bool:
        """Whether it may ask for what is not there."""
        return bool(self.plan or self.subject_labels or self.session_labels)


def open_both(request: Conversion, err: Console, stack: ExitStack) -> tuple[Inventory, Planned | None]:
    """Open the exports and the dataset; a new dataset that would get nothing is not left behind.

    Parameters
    ----------
    stack : ExitStack
        Until it is closed, what archives hold can be read.

    Returns
    -------
    inventory : Inventory
        What the exports hold.
    idle : Planned or None
        What is planned, where it converts nothing and the dataset was new. None is left then, unless images are up for
        review: what waits is remembered.

    Raises
    ------
    SourceError
        If an export does not exist, cannot be read or holds no DICOM images, or not those that were asked for.
    PlanError
        If the plan does not fit the export.
    DatasetError
        If the dataset cannot be opened or made.
    """
    from bidsflow.cli.steps import opened
    from bidsflow.convert.held import meet_dataset
    from bidsflow.convert.pending import note_images
    from bidsflow.convert.plan import Decision
    from bidsflow.dataset.tree import discard_new, open_dataset
    from bidsflow.errors import PlanError, SourceError, StorageError

    for export in request.exports:
        try:
            export.stat()
        except FileNotFoundError as error:
            raise SourceError(str(export), "no such file or folder", "Check the path of the export") from error
        except OSError as error:
            raise SourceError(str(export), f"cannot be opened ({error.strerror})", "Check the path") from error
    root = request.dataset.root
    new = not request.dataset.state.is_dir()  # in one that is there another run may be at work
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    dataset = open_dataset(root, request.exports)
    try:
        room = dataset.state / "unpacked"
        inventory = stack.enter_context(opened(request.exports, dataset.index_file, err, room, digests=True))
        inventory = meet_dataset(dataset, inventory)
        idle = _find_idle(request, inventory) if new else None
    except (SourceError, PlanError, StorageError):
        stack.close()
        if new:
            discard_new(dataset, made)
        raise
    if idle is not None and not idle.plan.decided(Decision.REVIEW):
        stack.close()
        discard_new(dataset, made)
    elif idle is not None:
        note_images(dataset, (), idle.plan.decided(Decision.REVIEW), ())
    return inventory, idle


def _find_idle(request: Conversion, inventory: Inventory) -> Planned | None:
    """Return the plan if it converts nothing whatever dcm2niix's opinions are; who is there does not depend on them.

    Raises
    ------
    PlanError
        As `plan_conversion`.
    """
    from bidsflow.convert.plan import Decision
    from bidsflow.convert.planner import undecided
    from bidsflow.convert.study.apply import lay_over

    if request.plan is None and undecided(inventory, lay_over(request.study, inventory, request.exports)):
        if request.chooses:
            plan_conversion(request, inventory, {})
        return None
    planned = plan_conversion(request, inventory, {})
    return None if planned.plan.decided(Decision.CONVERT) else planned


def read_plan(path: Path) -> Plan:
    """Return the plan in a file that a person may have edited.

    Raises
    ------
    SourceError
        If the file cannot be read.
    PlanError
        If it is no text, or rows cannot be read, or have names that BIDS does not know.
    """
    from bidsflow.convert.plan import from_bytes
    from bidsflow.errors import SourceError

    try:
        data = path.read_bytes()
    except OSError as error:
        hint = "Write one with: bidsflow plan EXPORT -o plan.tsv"
        raise SourceError(str(path), f"the plan cannot be read ({error.strerror})", hint) from error
    return from_bytes(data, str(path))


def ask_opinions(request: Conversion, inventory: Inventory, folder: Path | None = None) -> dict[str, Guess]:
    """Return dcm2niix's opinion on the series that need one, by SeriesInstanceUID.

    What the dataset holds has its name and needs none.
    """
    from bidsflow.convert.ledger import read_taken
    from bidsflow.convert.opinion import ask_dcm2niix
    from bidsflow.convert.planner import undecided
    from bidsflow.convert.study.apply import lay_over

    book, held = lay_over(request.study, inventory, request.exports), {uid for uid, _ in read_taken(request.dataset)}
    questions = [one for one in undecided(inventory, book) if one.series.uid not in held]
    return ask_dcm2niix(questions, request.jobs, folder)


def plan_conversion(request: Conversion, inventory: Inventory, opinions: dict[str, Guess]) -> Planned:
    """Return the rows that were asked for, with the key that they follow.

    Raises
    ------
    PlanError
        If the plan does not fit the export, or no row is left.
    """
    from bidsflow.convert.held import read_known
    from bidsflow.convert.namesakes import follow_uids
    from bidsflow.convert.planner import follow_plan, make_plan
    from bidsflow.convert.run import check_fit
    from bidsflow.convert.study.apply import choose_sessions, lay_over
    from bidsflow.convert.subjects import Sessions

    known = read_known(request.dataset)
    book = lay_over(request.study, inventory, request.exports)
    if request.plan is not None:
        given = follow_uids(request.plan, inventory)
        staying = [one for held in known.look_up(given.rows).values() for one in held.staying]
        given = replace(given, fields=book.list_fields(given, inventory))
        check_fit(given, inventory, request.where, staying)
        planned = follow_plan(given, inventory, known.key, request.where, known.look_up, book=book)
    else:
        sessions = Sessions(choose_sessions(request.sessions, book.study.sessions))
        planned = make_plan(inventory, known, guesses=opinions, sessions=sessions, book=book)
    chosen = _choose(planned.plan, request.subject_labels, request.session_labels)
    fields = None if request.study is None else book.list_fields(chosen, inventory)
    told = replace(chosen, fields=fields, description=book.study.dataset, numbered=not book.labels.subjects)
    asked_for = {(row.series_uid, row.image) for row in chosen.rows}
    others = tuple(row for row in planned.plan.rows if (row.series_uid, row.image) not in asked_for)
    return replace(planned, plan=told, others=others)


def reserve(request: Conversion, inventory: Inventory) -> tuple[Inventory, Planned, Basis]:
    """Plan, and store the key before another run can give the same labels to others.

    Returns
    -------
    inventory : Inventory
        With the visits that the dataset has by now.
    planned : Planned
        What to convert.
    basis : Basis
        What the plan knew of the dataset.
    """
    from bidsflow.convert.held import meet_dataset
    from bidsflow.convert.ledger import note_skipped
    from bidsflow.convert.meanwhile import Basis, list_folders, mark_ledgers
    from bidsflow.convert.namesakes import follow_uids
    from bidsflow.convert.private import write_key
    from bidsflow.dataset.write import locked, staging

    dataset = request.dataset
    opinions: dict[str, Guess] = {}
    if request.plan is None:
        with staging(dataset) as staged:
            opinions = ask_opinions(request, inventory, staged.folder)
    with locked(dataset):
        inventory = meet_dataset(dataset, inventory)
        planned = plan_conversion(request, inventory, opinions)
        write_key(dataset, planned.key)
        if request.plan is not None:
            note_skipped(dataset, follow_uids(request.plan, inventory))
        marks = mark_ledgers(dataset, list_folders(planned.plan.rows))
    return inventory, planned, Basis(marks, partial(_plan_again, request, inventory, opinions))


def _plan_again(request: Conversion, inventory: Inventory, opinions: dict[str, Guess]) -> Plan:
    """Return the plan of the same exports for what the dataset has now; the caller holds the lock."""
    from bidsflow.convert.held import meet_dataset
    from bidsflow.convert.private import write_key

    whole = replace(request, subject_labels=(), session_labels=())
    planned = plan_conversion(whole, meet_dataset(request.dataset, inventory), opinions)
    write_key(request.dataset, planned.key)
    return planned.plan


def _choose(plan: Plan, subjects: Sequence[str], sessions: Sequence[str]) -> Plan:
    """Return the rows of some subjects and sessions.

    Raises
    ------
    SourceError
        If no row is left.
    """
    from bidsflow.convert.plan import NOT_APPLICABLE, Decision
    from bidsflow.errors import BidsflowError, SourceError
    from bidsflow.names import parse_name

    if not subjects and not sessions:
        return plan
    wanted = {label.removeprefix("sub-") for label in subjects}, {label.removeprefix("ses-") for label in sessions}
    rows, folders = [], set()
    for row in plan.rows:
        if row.path == NOT_APPLICABLE:
            continue
        try:
            name = parse_name(row.path)
        except BidsflowError:  # what stands on a row for review need not be a name yet
            continue
        if row.decision is not Decision.SKIP:
            folders.add(name.folder)
        if (not subjects or name.sub in wanted[0]) and (not sessions or name.ses in wanted[1]):
            rows.append(row)
    if all(row.decision is Decision.SKIP for row in rows):
        asked = [f"--subject {label}" for label in subjects] + [f"--session {label}" for label in sessions]
        known = sorted(folders)
        there = f"There are: {', '.join(known[:_FOLDERS])}{', ...' if len(known) > _FOLDERS else ''}" if known else ""
        reason = "no image belongs to the subjects and sessions that were asked for"
        raise SourceError(" ".join(asked), reason, there)
    return replace(plan, rows=tuple(rows))
