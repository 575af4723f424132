"""Carry out a plan, and say what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.commands import make_command, note_command
from bidsflow.convert.crew import Crew, Progress
from bidsflow.convert.dcm2niix import Dcm2niix, find_program
from bidsflow.convert.drift.findings import count_words
from bidsflow.convert.fit import check_fit
from bidsflow.convert.former import drop_former
from bidsflow.convert.laying import find_own_folders
from bidsflow.convert.making import Bench
from bidsflow.convert.meanwhile import Basis, Watch
from bidsflow.convert.namesakes import count_images
from bidsflow.convert.pending import make_secret, note_images
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.private import write_key
from bidsflow.convert.remains import Remain, find_remains
from bidsflow.convert.rewiring import Rewired
from bidsflow.convert.subjects import Key
from bidsflow.convert.survey import MISSING, Outcome, Status, Work, planned_paths, survey
from bidsflow.convert.tables import check_tables
from bidsflow.convert.verdict import find_errors
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import locked, staging, storage_errors
from bidsflow.dicom.series import Inventory
from bidsflow.validate import Issue

__all__ = ["Outcome", "Result", "Status", "check_fit", "convert"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a conversion did.

    Attributes
    ----------
    outcomes : tuple of Outcome
        One per row of the plan that was to be converted, in its order.
    reviews, skipped : tuple of PlanRow
        The other rows.
    remains : tuple of Remain
        Files of others that keep the former names of images.
    errors : tuple of Issue
        What the validator says of the files that were written.
    rewired : tuple of Rewired
        Sidecars of images that stayed, and that changed with the images around them.
    notes : tuple of str
        What a person should know of the tables.
    renewed : Plan or None
        The plan as it was carried out, where other runs have changed a session after it was made; else None.
    """

    outcomes: tuple[Outcome, ...]
    reviews: tuple[PlanRow, ...]
    skipped: tuple[PlanRow, ...]
    remains: tuple[Remain, ...] = ()
    errors: tuple[Issue, ...] = ()
    rewired: tuple[Rewired, ...] = ()
    notes: tuple[str, ...] = ()
    renewed: Plan | None = None

    @property
    def complete(self) -> bool:
        """Whether every planned image is on disk, and valid."""
        return not self.errors and all(one.status is not Status.FAILED for one in self.outcomes)

    def count(self, status: Status) -> int:
        """Return how many images ended in a way."""
        return sum(one.status is status for one in self.outcomes)


def convert(  # noqa: PLR0913 - each is an option of its own
    plan: Plan,
    inventory: Inventory,
    dataset: Dataset,
    key: Key,
    *,
    jobs: int = 1,
    force: bool = False,
    basis: Basis | None = None,
    progress: Progress = lambda done, total, title: None,
    tell: Callable[[str], None] = lambda note: None,
    tool: Dcm2niix | None = None,
    command: Sequence[str] = (),
    folder: str = "",
) -> Result:
    """Carry out a plan.

    Sessions are committed whole, as soon as their series are done. A series that fails costs its own images; what
    is unchanged since it was converted is not converted again; what a person changed by hand is left alone.

    Parameters
    ----------
    plan : Plan
        Checked by `plan.check_rows` and `check_fit`.
    inventory : Inventory
        What the export holds.
    dataset : Dataset
        Where to write.
    key : Key
        Whose data stands where; stored with the first commit.
    jobs : int
        Series that are converted at the same time.
    force : bool
        Convert again what is there, changes by hand included.
    basis : Basis, optional
        What the plan knew of the dataset: where another run has changed a session since, that is planned again before
        it is committed. Without, names and wires are those of the plan, and what has become impossible fails.
    progress : callable
        Called after each series.
    tell : callable
        Gets what a person should know before anything is written.
    tool : Dcm2niix, optional
        By default, the one that comes with bidsflow.
    command : sequence of str
        Words of the command line, which the dataset remembers in its private folder.
    folder : str
        Where it was given, by default the current folder.

    Raises
    ------
    StorageError
        If the disk is full; the sessions committed until then stay.
    DatasetError
        If bidsflow's own files, or a table of the dataset, are damaged.
    ToolError
        If dcm2niix is missing.
    """
    by_uid = {series.uid: series for series in inventory.series}
    with staging(dataset) as staged, storage_errors(dataset.root):
        with locked(dataset):
            if basis is None:  # else it was stored with the plan, and another run may have given new labels since
                write_key(dataset, key)
            make_secret(dataset)
        work = survey(dataset, plan, by_uid, force=force)
        _tell_missing(work, tell)
        check_tables(dataset, [one.session.folder for one in work])
        own = find_own_folders(inventory) if any(one.todo for one in work) else {}
        tool = tool or Dcm2niix(find_program())
        made = ""
        if any(one.todo for one in work):
            with locked(dataset):
                made = note_command(dataset, make_command(command, folder))
        watch = Watch(dataset, plan, key, by_uid, basis, force=force)
        crew = Crew(Bench(staged, tool, own, made), watch, jobs=jobs, force=force, progress=progress)
        outcomes = crew.carry_out(work)
        with locked(dataset):
            drop_former(staged)
    renewed = None if watch.plan is plan else watch.plan
    plan, work = watch.plan, list({**{one.session.folder: one for one in work}, **watch.renewed}.values())
    found = {(one.row.series_uid, one.row.image): one for one in outcomes}
    rows = plan.decided(Decision.CONVERT)
    ordered = tuple(replace(found[(row.series_uid, row.image)], row=row) for row in rows)
    remains = find_remains(dataset, _find_moved(ordered, work))
    errors = _find_errors(dataset, ordered)
    reviews, skipped = plan.decided(Decision.REVIEW), plan.decided(Decision.SKIP)
    note_images(dataset, ordered, reviews, skipped, count_images(inventory))
    rewired = tuple(sorted(crew.rewired, key=lambda one: one.path))
    return Result(ordered, reviews, skipped, remains, errors, rewired, tuple(sorted(crew.notes)), renewed)


def _find_errors(dataset: Dataset, outcomes: Sequence[Outcome]) -> tuple[Issue, ...]:
    """Return the errors in files that were written; what is seen in the midst of a commit of another run is none."""
    if not find_errors(dataset, outcomes):
        return ()
    with locked(dataset):
        return find_errors(dataset, outcomes)


def _tell_missing(work: Sequence[Work], tell: Callable[[str], None]) -> None:
    lost = [row for one in work for row in one.planned if one.why[row.series_uid, row.image] == MISSING]
    if lost:
        tell(f"the dataset has lost files of {count_words(len(lost), 'image')}, which are made again")


def _find_moved(outcomes: Sequence[Outcome], work: Sequence[Work]) -> dict[str, str]:
    """Return where images are now that stood elsewhere before, by their former path."""
    former = {image: path for one in work for image, path in one.session.former.items()}
    written = planned_paths([one.row for one in outcomes if one.is_written])
    return {former[image]: path for image, path in written.items() if image in former}
