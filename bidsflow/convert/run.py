"""Carry out a plan: convert series in a staging area, commit each session whole."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bidsflow.convert.assemble import Converted, Session, assemble, group_by_folder
from bidsflow.convert.dcm2niix import Dcm2niix, Output, check_output, compress, find_program, link_series, match_outputs
from bidsflow.convert.ledger import Ledger, is_same, read_ledger, source_digest, write_key
from bidsflow.convert.people import person_pattern
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.sidecar import clean_sidecar, scrub_nifti
from bidsflow.convert.subjects import Key
from bidsflow.convert.supply import agree_on_repetition, supply_fields
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import Staging, commit, locked, staging, storage_errors
from bidsflow.dicom.series import Inventory, Series
from bidsflow.errors import ConversionError, PlanError, StorageError
from bidsflow.names import parse_name

_log = logging.getLogger(__name__)


class Status(StrEnum):
    """What became of a planned image."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    EDITED = "left alone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A planned image and what became of it.

    Attributes
    ----------
    row : PlanRow
        The plan for it.
    status : Status
        What became of it.
    reason : str
        Why, where it is neither written nor unchanged.
    """

    row: PlanRow
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a conversion did.

    Attributes
    ----------
    outcomes : tuple of Outcome
        One per row of the plan that was to be converted, in its order.
    reviews, skipped : tuple of PlanRow
        The other rows.
    """

    outcomes: tuple[Outcome, ...]
    reviews: tuple[PlanRow, ...]
    skipped: tuple[PlanRow, ...]

    @property
    def complete(self) -> bool:
        """Whether every planned image is on disk."""
        return all(one.status is not Status.FAILED for one in self.outcomes)

    def count(self, status: Status) -> int:
        """Return how many images ended in a way."""
        return sum(one.status is status for one in self.outcomes)


#: Tells how many series of how many are done, and the title of the last one.
Progress = Callable[[int, int, str], None]


def check_fit(plan: Plan, inventory: Inventory, where: str) -> None:
    """Make sure that a plan speaks of what the export holds.

    Raises
    ------
    PlanError
        If a row names a series or an image that the export does not have, or has with other files.
    """
    known = {series.uid: series for series in inventory.series}
    problems = []
    for row in plan.decided(Decision.CONVERT):
        series = known.get(row.series_uid)
        if series is None:
            problems.append(f"{row.title}: the export has no such series; plan again, or set its decision to skip")
        elif not 1 <= row.image <= len(series.images):
            problems.append(f"{row.title}: the series has {len(series.images)} images, not {row.image}; plan again")
        elif series.images[row.image - 1].n_instances != row.n_files:
            found = series.images[row.image - 1].n_instances
            problems.append(f"{row.title}: planned with {row.n_files} files, the export now has {found}; plan again")
    if problems:
        raise PlanError(where, tuple(problems))


def convert(
    plan: Plan,
    inventory: Inventory,
    dataset: Dataset,
    key: Key,
    *,
    jobs: int = 1,
    force: bool = False,
    progress: Progress = lambda done, total, title: None,
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
    progress : callable
        Called after each series.

    Raises
    ------
    StorageError
        If the disk is full; the sessions committed until then stay.
    """
    by_uid = {series.uid: series for series in inventory.series}
    with staging(dataset) as staged, storage_errors(dataset.root):
        with locked(dataset):
            write_key(dataset, key)
        work = [
            _survey(dataset, folder, rows, by_uid, force=force)
            for folder, rows in group_by_folder(plan.decided(Decision.CONVERT)).items()
        ]
        outcomes = _Crew(staged, key, jobs, progress).carry_out(work)
    found = {(one.row.series_uid, one.row.image): one for one in outcomes}
    ordered = tuple(found[(row.series_uid, row.image)] for row in plan.decided(Decision.CONVERT))
    return Result(ordered, plan.decided(Decision.REVIEW), plan.decided(Decision.SKIP))


@dataclass(frozen=True, slots=True)
class _Work:
    """What there is to do in one folder: rows to convert by series, and the outcomes of those that need nothing."""

    session: Session
    todo: Mapping[str, tuple[PlanRow, ...]]
    done: tuple[Outcome, ...]


def _survey(
    dataset: Dataset, folder: str, rows: Sequence[PlanRow], by_uid: Mapping[str, Series], *, force: bool
) -> _Work:
    """Return what of a folder has to be converted, and what is there already."""
    ledger = read_ledger(dataset, folder)
    todo: dict[str, list[PlanRow]] = defaultdict(list)
    done: list[Outcome] = []
    for row in rows:
        outcome = None if force else _look(dataset, ledger, row, by_uid[row.series_uid])
        if outcome is None:
            todo[row.series_uid].append(row)
        else:
            done.append(outcome)
    session = Session(folder, tuple(rows), {row.series_uid: by_uid[row.series_uid] for row in rows})
    return _Work(session, {uid: tuple(members) for uid, members in todo.items()}, tuple(done))


def _look(dataset: Dataset, ledger: Ledger, row: PlanRow, series: Series) -> Outcome | None:
    """Return the outcome of a row that needs no conversion; None where it has to be converted."""
    entry = ledger.get(row.path)
    files = [f"{row.path}{ext}" for ext in (".nii.gz", ".json")] if entry is None else list(entry.files)
    present = [name for name in files if (dataset.root / name).exists()]
    if entry is None or (entry.series_uid, entry.image) != (row.series_uid, row.image):
        if not present:
            return None
        return Outcome(row, Status.FAILED, f"{present[0]} is in the way; move it, or give the image another name")
    edited = [Path(name).name for name in present if not is_same(dataset.root / name, entry.files[name])]
    complete = len(present) == len(files)
    if complete and entry.source == source_digest(series):
        return (
            Outcome(row, Status.EDITED, f"{', '.join(edited)} changed by hand")
            if edited
            else Outcome(row, Status.UNCHANGED)
        )
    if edited:
        because = "its series has changed" if complete else "files of it are missing"
        return Outcome(row, Status.EDITED, f"{because}, but {edited[0]} was changed by hand; --force replaces it")
    return None


class _Crew:
    """Converts series in threads (dcm2niix and the compression run outside of Python's lock) and commits sessions."""

    def __init__(self, staged: Staging, key: Key, jobs: int, progress: Progress) -> None:
        self._staged = staged
        self._key = key
        self._jobs = jobs
        self._progress = progress
        self._tool = Dcm2niix(find_program())

    def carry_out(self, work: Sequence[_Work]) -> list[Outcome]:
        """Convert and commit everything, and return the outcomes in no order."""
        outcomes = [outcome for one in work for outcome in one.done]
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="convert")
        try:
            jobs = {
                pool.submit(self._convert, one.session.series[uid], one.todo[uid]): (one, uid)
                for one in work
                for uid in sorted(one.todo, key=lambda uid, one=one: (-_bytes(one.session.series[uid]), uid))  # type: ignore[misc]
            }
            for one in work:
                if not one.todo:
                    self._commit(one, [])
            outcomes += self._gather(jobs)
        except BaseException:
            self._tool.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()
        return outcomes

    def _gather(self, jobs: Mapping[Future[list[Converted] | str], tuple[_Work, str]]) -> list[Outcome]:
        """Commit each session when the last of its series is done, and return what became of every row."""
        outcomes: list[Outcome] = []
        made: dict[str, list[Converted]] = defaultdict(list)
        open_series = {one.session.folder: set(one.todo) for one, _ in jobs.values()}
        for done, future in enumerate(as_completed(jobs), start=1):
            one, uid = jobs[future]
            folder, converted = one.session.folder, future.result()
            if isinstance(converted, str):
                _log.warning("%s: %s", one.session.series[uid].title, converted)
                outcomes += [Outcome(row, Status.FAILED, converted) for row in one.todo[uid]]
            else:
                made[folder] += converted
                outcomes += [Outcome(row, Status.WRITTEN) for row in one.todo[uid]]
            open_series[folder].discard(uid)
            if not open_series[folder]:
                self._commit(one, made.pop(folder, []))
            self._progress(done, len(jobs), one.session.series[uid].title)
        return outcomes

    def _convert(self, series: Series, rows: Sequence[PlanRow]) -> list[Converted] | str:
        """Convert one series into the staging area; return why not where it fails.

        Raises
        ------
        StorageError
            If the disk is full, which ends the whole run.
        """
        folder = self._staged.work("series")
        source, target = folder / "in", folder / "out"
        try:
            with storage_errors(self._staged.dataset.root):
                source.mkdir()
                target.mkdir()
                link_series(series.instances, source)
                found = match_outputs(series, self._tool.run(series, source, target))
                converted = [self._finish(series, row, found[row.image]) for row in rows]
                shutil.rmtree(source)
                return converted
        except StorageError:
            raise
        except ConversionError as error:
            return error.reason
        except OSError as error:
            return f"its files cannot be read ({error.strerror})"

    def _finish(self, series: Series, row: PlanRow, output: Output) -> Converted:
        image, name = series.images[row.image - 1], parse_name(row.path)
        check_output(series, image, output)
        if name.suffix == "dwi" and name.entity("part") in ("", "mag") and ".bval" not in output.tables:
            raise ConversionError(series.title, "dcm2niix finds no b-values in it, which a dwi must have")
        cleaned = clean_sidecar(output.sidecar, person_pattern(series.patient))
        sidecar = supply_fields(cleaned, name, image.header)
        packed = output.nifti.with_suffix(".nii.gz")
        compress(output.nifti, packed, lambda data: agree_on_repetition(scrub_nifti(data), sidecar))
        tables = output.tables if name.suffix == "dwi" else {}
        return Converted(row, sidecar, {".nii.gz": packed, **tables})

    def _commit(self, work: _Work, converted: Sequence[Converted]) -> None:
        dataset = self._staged.dataset
        with locked(dataset), storage_errors(dataset.root):
            tree = self._staged.tree()
            remove = assemble(dataset, tree, work.session, converted, self._key)
            commit(self._staged, tree, remove)
            shutil.rmtree(tree, ignore_errors=True)
        _log.info("%s: %d images written", work.session.folder, len(converted))


def _bytes(series: Series) -> int:
    return sum(one.file.size for one in series.instances)
