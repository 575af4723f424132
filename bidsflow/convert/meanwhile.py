"""What other runs have committed since a plan was made, and the plan that takes it in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.private import read_key
from bidsflow.convert.subjects import Key
from bidsflow.convert.survey import Work, survey
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.series import Series
from bidsflow.digest import digest_file
from bidsflow.errors import BidsflowError, PlanError
from bidsflow.names import parse_name

_log = logging.getLogger(__name__)


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


class Watch:
    """Looks whether other runs have changed sessions since they were planned, and plans those again.

    Whoever asks it holds the lock of the dataset, so that nothing comes between the answer and a commit.
    """

    def __init__(
        self, dataset: Dataset, plan: Plan, key: Key, by_uid: Mapping[str, Series], basis: Basis | None, *, force: bool
    ) -> None:
        self._dataset = dataset
        #: As it was given, but for sessions that other runs have changed meanwhile.
        self.plan = plan
        #: Whose data goes where: as it was given, or with the labels that other runs have given.
        self.key = key
        self._by_uid = by_uid
        self._basis = basis
        self._force = force
        #: By which it is known whether another run has changed a folder.
        self._marks = {} if basis is None else dict(basis.marks)
        #: What there was to do in sessions that were planned again, by folder.
        self.renewed: dict[str, Work] = {}
        #: What is to be done in folders of which nothing was planned before other runs gave sessions new labels.
        self._homes: dict[str, Work] = {}
        #: Folders that get images of such sessions, and are planned again whether another run has changed them or not.
        self._grown: set[str] = set()

    def look(self, work: Work, waiting: Collection[str]) -> Work:
        """Return what there is to do in a session now: planned again, where another run has changed it.

        Parameters
        ----------
        work : Work
            What there was to do by the plan.
        waiting : collection of str
            The folders that are still to be committed, this one left out.
        """
        folder = work.session.folder
        if self._basis is None:
            return work
        now = mark_ledgers(self._dataset, [folder])[folder]
        if now == self._marks.get(folder, "") and folder not in self._grown:
            return work
        self._marks[folder] = now
        self._grown.discard(folder)
        try:
            plan = renew(self.plan, folder, self._basis.plan_again())
        except PlanError as error:  # what is in the way is told of each image
            _log.warning("%s: another run has changed it, and it cannot be planned again: %s", folder, error)
            return work
        _log.info("%s: planned again, since another run has changed it", folder)
        homes = find_new_homes(self.plan, plan, folder)
        self.plan = plan
        found = survey(self._dataset, plan, self._by_uid, force=self._force)
        nothing = Work(replace(work.session, rows=()), {}, (), {})
        renewed = next((one for one in found if one.session.folder == folder), nothing)
        self.renewed[folder] = renewed
        if homes:
            self.key = read_key(self._dataset)
            self._move(set(homes), found, waiting)
        return renewed

    def _move(self, homes: set[str], found: Iterable[Work], waiting: Collection[str]) -> None:
        """Note what folders get of a session that has another label now."""
        self._grown |= homes & set(waiting)
        fresh = {one.session.folder: one for one in found if one.session.folder in homes - self._grown}
        self._homes |= fresh
        self.renewed |= fresh
        self._marks |= mark_ledgers(self._dataset, fresh)

    def pop_home(self) -> Work | None:
        """Return what is to be done in a folder of which nothing was planned before, each once; None for no more."""
        return self._homes.popitem()[1] if self._homes else None

    def list_unchanged(self, folders: Iterable[str]) -> list[str]:
        """Return the folders that no other run has changed; images leave them by a commit of our own."""
        now = mark_ledgers(self._dataset, folders)
        return [folder for folder, mark in now.items() if mark == self._marks.get(folder, "")]

    def note_own(self, folders: Iterable[str]) -> None:
        """Note that a commit of our own has changed folders."""
        self._marks |= mark_ledgers(self._dataset, folders)
