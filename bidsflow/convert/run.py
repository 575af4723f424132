"""Carry out a plan: convert series in a staging area, commit each session whole."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from bidsflow.convert.assemble import Converted, assemble, find_replaced
from bidsflow.convert.carrying import set_by
from bidsflow.convert.commands import make_command, note_command
from bidsflow.convert.companions.aslcontext import GIVEN, TABLE, check_seen, format_context, see_types
from bidsflow.convert.companions.labelling import OWN_FIELDS, check_table, describe_labelling, describe_m0
from bidsflow.convert.dcm2niix import Dcm2niix, find_program
from bidsflow.convert.drift.findings import count_words
from bidsflow.convert.fit import check_fit
from bidsflow.convert.folder import Session
from bidsflow.convert.former import drop_former
from bidsflow.convert.given import note_replaced
from bidsflow.convert.gradients import check_gradients
from bidsflow.convert.laying import find_own_folders, lay_out, reads_in_place
from bidsflow.convert.ledger import Content, fields_digest, read_content, read_key, read_ledger, stamp, write_key
from bidsflow.convert.meanwhile import Basis, find_new_homes, mark_ledgers, renew
from bidsflow.convert.namesakes import count_images
from bidsflow.convert.outputs import Output, check_output, compress, match_outputs, note_left_out
from bidsflow.convert.parrec import convert_pair
from bidsflow.convert.pending import make_secret, note_images
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.remains import Remain, find_remains
from bidsflow.convert.rewiring import Rewired
from bidsflow.convert.sidecar import clean_sidecar, scrub_nifti
from bidsflow.convert.subjects import Key
from bidsflow.convert.supply import (
    agree_on_repetition,
    note_polarity,
    supply_b_values,
    supply_fields,
    supply_quantities,
)
from bidsflow.convert.survey import MISSING, Outcome, Status, Work, find_blocked, planned_paths, survey
from bidsflow.convert.tables import check_tables
from bidsflow.convert.verdict import find_errors, get_ready
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import Staging, commit, locked, staging, storage_errors
from bidsflow.dicom.images import is_derived
from bidsflow.dicom.parrec import is_pair
from bidsflow.dicom.person import person_pattern
from bidsflow.dicom.series import Inventory, Series
from bidsflow.errors import ConversionError, DatasetError, PlanError, StorageError, ToolError, describe_error
from bidsflow.names import parse_name
from bidsflow.validate import Issue

__all__ = ["Outcome", "Result", "Status", "check_fit", "convert"]

_log = logging.getLogger(__name__)


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


#: Tells how many series of how many are done, and the title of the last one.
Progress = Callable[[int, int, str], None]


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
        order = _Order(plan, by_uid, key, own, made)
        crew = _Crew(staged, order, tool, jobs=jobs, force=force, basis=basis, progress=progress)
        outcomes = crew.carry_out(work)
        with locked(dataset):
            drop_former(staged)
    renewed = None if crew.plan is plan else crew.plan
    plan, work = crew.plan, list({**{one.session.folder: one for one in work}, **crew.renewed}.values())
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


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done, and by which command: a plan, series by UID, whose data goes where, who has an own folder."""

    plan: Plan
    by_uid: Mapping[str, Series]
    key: Key
    own_folders: Mapping[str, tuple[Path, int]]
    made: str


class _Crew:
    """Converts series in threads (dcm2niix and the compression run outside of Python's lock) and commits sessions."""

    def __init__(
        self,
        staged: Staging,
        order: _Order,
        tool: Dcm2niix,
        *,
        jobs: int,
        force: bool,
        basis: Basis | None,
        progress: Progress,
    ) -> None:
        self._staged = staged
        #: As it was given, but for sessions that other runs have changed meanwhile.
        self.plan = order.plan
        self._order = order
        self._jobs = jobs
        self._force = force
        self._basis = basis
        self._progress = progress
        #: By which it is known whether another run has changed a folder.
        self._marks = {} if basis is None else dict(basis.marks)
        #: What there was to do in sessions that were planned again, by folder.
        self.renewed: dict[str, Work] = {}
        #: What is to be done in folders of which nothing was planned before other runs gave sessions new labels.
        self._homes: dict[str, Work] = {}
        #: Folders that get images of such sessions, and are planned again whether another run has changed them or not.
        self._grown: set[str] = set()
        #: Images that could not be converted.
        self._failed: set[tuple[str, int]] = set()
        self._tool = tool
        #: Images that are still to be written, by folder.
        self._pending: dict[str, set[tuple[str, int]]] = {}
        #: Staged files that go along with images that get another name, by image and extension.
        self._carried: dict[tuple[str, int], dict[str, Path]] = {}
        #: Sidecars of images that stayed and that have changed, in no order.
        self.rewired: list[Rewired] = []
        #: What a person should know of the tables, in no order.
        self.notes: list[str] = []

    def carry_out(self, work: Sequence[Work]) -> list[Outcome]:
        """Convert and commit everything, and return the outcomes in no order."""
        outcomes: list[Outcome] = []
        self._pending = {one.session.folder: set(planned_paths(one.planned)) for one in work}
        for one in work:
            self._set_by(one.session, self._pending[one.session.folder])
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="convert")
        try:
            jobs = {
                pool.submit(self._convert, one.session.series[uid], one.todo[uid]): (one, uid)
                for one in work
                for uid in sorted(one.todo, key=lambda uid, one=one: (-_bytes(one.session.series[uid]), uid))  # type: ignore[misc]
            }
            if jobs:
                get_ready()
            for one in work:
                if not one.todo:
                    outcomes += self._commit(one, [])
            outcomes += self._gather(jobs)
        except BaseException:
            self._tool.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()
        return outcomes

    def _set_by(self, session: Session, images: Collection[tuple[str, int]]) -> None:
        """Set by what goes along with images that get another name."""
        with storage_errors(self._staged.dataset.root):
            self._carried |= {
                image: set_by(self._staged.dataset, along, self._staged.work("carried"))
                for image, along in session.carried.items()
                if image in images
            }

    def _gather(self, jobs: Mapping[Future[list[Converted] | str], tuple[Work, str]]) -> list[Outcome]:
        """Commit each session when the last of its series is done, and return what became of every row."""
        outcomes: list[Outcome] = []
        made: dict[str, list[Converted]] = defaultdict(list)
        open_series = {one.session.folder: set(one.todo) for one, _ in jobs.values()}
        for done, future in enumerate(as_completed(jobs), start=1):
            one, uid = jobs[future]
            folder, converted = one.session.folder, future.result()
            if isinstance(converted, str):
                outcomes += self._fail(one.session, uid, one.todo[uid], converted)
                self._pending[folder] -= planned_paths(one.todo[uid]).keys()
            else:
                made[folder] += converted
            open_series[folder].discard(uid)
            if not open_series[folder]:
                outcomes += self._commit(one, made.pop(folder, []))
            self._progress(done, len(jobs), one.session.series[uid].title)
        return outcomes

    def _fail(self, session: Session, uid: str, rows: Sequence[PlanRow], reason: str) -> list[Outcome]:
        """Return the outcomes of the images of a series that cannot be converted."""
        _log.warning("%s: %s", session.series[uid].title, reason)
        self._failed |= planned_paths(rows).keys()
        return [Outcome(row, Status.FAILED, reason) for row in rows]

    def _convert(self, series: Series, rows: Sequence[PlanRow]) -> list[Converted] | str:
        """Convert one series into the staging area; return why not where it fails.

        Raises
        ------
        StorageError
            If the disk is full, which ends the whole run.
        ToolError
            If dcm2niix cannot be started, which ends the whole run as well.
        """
        folder = self._staged.work("series")
        source, target = folder / "in", folder / "out"
        try:
            with storage_errors(self._staged.dataset.root):
                source.mkdir()
                target.mkdir()
                content = read_content(series)  # before it is read: what changes meanwhile is done again
                pair = is_pair(series)
                found = convert_pair(series, target) if pair else self._run_tool(series, content, source, target)
                converted = [self._finish(series, row, found[row.image], content) for row in rows]
                shutil.rmtree(source)
                return converted
        except (StorageError, ToolError):
            raise
        except ConversionError as error:
            reason = error.reason
        except OSError as error:
            reason = f"its files cannot be read ({error.strerror or type(error).__name__})"
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a series, the others go on
            reason = f"bidsflow stumbles over it ({describe_error(error)}); please report this"
        shutil.rmtree(folder, ignore_errors=True)
        return reason

    def _run_tool(self, series: Series, content: Content, source: Path, target: Path) -> dict[int, Output]:
        """Have dcm2niix convert a series, in its own folder where that holds nothing else; `source` is an empty one."""
        own = self._order.own_folders.get(series.uid)
        in_place = own is not None and reads_in_place(series.instances, *own, content.packed)
        export = own[0] if own is not None and in_place else source
        if export is source:
            lay_out(series, series.instances, source, content.packed)
        return match_outputs(series, self._tool.run(series, export, target))

    def _finish(self, series: Series, row: PlanRow, output: Output, content: Content) -> Converted:
        image, name = series.images[row.image - 1], parse_name(row.path)
        check_output(series, image, output)
        weighted = name.suffix == "dwi" and name.entity("part") in ("", "mag")
        notes = note_left_out(output)
        if weighted:
            notes = (*notes, *self._note_skipped(series), *check_gradients(series, image, output))
        cleaned = clean_sidecar(output.sidecar, person_pattern(series.patient))
        supplied = supply_fields(cleaned, name, image.header)
        sidecar = supply_quantities(supplied, name, series.header)
        sidecar = supply_b_values(sidecar, name, output.b_values)
        fields = self.plan.fields_of(row)
        types: tuple[str, ...] = ()
        if name.datatype == "perf":
            seen = see_types(series, image, output.nifti) if name.suffix == "asl" else ()
            if name.suffix == "asl" and GIVEN not in fields:
                check_seen(series, image, seen)
            labelling = describe_labelling(series, image, fields, seen) if name.suffix == "asl" else None
            own = labelling.fields if labelling is not None else describe_m0(series, image)
            sidecar = {key: value for key, value in sidecar.items() if key not in OWN_FIELDS} | dict(own)
            if labelling is not None:
                types = labelling.types
                notes = (*notes, *check_table(labelling, seen, output.nifti))
        typed = note_polarity(cleaned, supplied, name) if "PhaseEncodingDirection" not in fields else ()
        notes = (*notes, *typed, *note_replaced(sidecar, fields))
        sidecar |= {key: value for key, value in fields.items() if key != GIVEN}
        packed = output.nifti.with_suffix(".nii.gz")
        compress(output.nifti, packed, lambda data: agree_on_repetition(scrub_nifti(data), sidecar))
        tables = output.tables if name.suffix == "dwi" else {}
        if types:
            tables = {TABLE: output.nifti.with_suffix(".tsv")}
            tables[TABLE].write_text(format_context(types), encoding="utf-8")
        files = {".nii.gz": packed, **tables}
        stamps = {ext: stamp(path) for ext, path in files.items()}
        carried = self._carried.get((row.series_uid, row.image), {})
        return Converted(row, sidecar, files, stamps, content, notes, fields_digest(fields), carried, self._order.made)

    def _note_skipped(self, series: Series) -> tuple[str, ...]:
        """Return what a person should know of derived volumes of a series that the plan skips, a clause."""
        if not any(is_derived(one.header.words("ImageType")) for one in series.images):
            return ()
        rows = [row for row in self.plan.decided(Decision.SKIP) if row.series_uid == series.uid]
        skipped = [series.images[row.image - 1] for row in rows]
        count = sum(one.volumes for one in skipped if is_derived(one.header.words("ImageType")))
        said = f"{count} derived volume{'s' if count > 1 else ''} of its series left out (a trace or an ADC)"
        return (said,) if count else ()

    def _commit(self, work: Work, converted: Sequence[Converted]) -> list[Outcome]:
        """Commit a session, and those that its images belong to since another run has given it another label."""
        outcomes = self._commit_one(work, converted)
        while self._homes:
            _, home = self._homes.popitem()
            self._pending[home.session.folder] = set(planned_paths(home.planned))
            outcomes += self._commit_one(home, [])
        return outcomes

    def _commit_one(self, work: Work, converted: Sequence[Converted]) -> list[Outcome]:
        """Commit a session, and return what became of its images but for those that could not be converted.

        What another run has committed since the plan was made is looked at under the lock, so that nothing comes
        between; what then gets another name, or is no longer for review, is converted outside of it.
        """
        dataset, made = self._staged.dataset, list(converted)
        self._pending.pop(work.session.folder)
        failed: list[Outcome] = []
        try:
            while True:
                with locked(dataset), storage_errors(dataset.root):
                    work = self._renew(work)
                    lacking = self._find_lacking(work, made)
                    if not lacking:
                        return [*failed, *self._bring_in(work, self._choose(work, made))]
                for uid, rows in lacking.items():
                    self._set_by(work.session, planned_paths(rows))
                    found = self._convert(work.session.series[uid], rows)
                    if isinstance(found, str):
                        failed += self._fail(work.session, uid, rows, found)
                    else:
                        made += found
        except DatasetError as error:
            if not made:
                raise
            _log.warning("%s: %s", work.session.folder, error)
            rows = [row for row in work.planned if (row.series_uid, row.image) not in self._failed]
            return [*failed, *work.done, *(Outcome(row, Status.FAILED, str(error)) for row in rows)]

    def _renew(self, work: Work) -> Work:
        """Return what there is to do in a session now: planned again, where another run has changed it."""
        dataset, folder = self._staged.dataset, work.session.folder
        if self._basis is None:
            return work
        now = mark_ledgers(dataset, [folder])[folder]
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
        found = survey(dataset, plan, self._order.by_uid, force=self._force)
        nothing = Work(replace(work.session, rows=()), {}, (), {})
        renewed = next((one for one in found if one.session.folder == folder), nothing)
        self.renewed[folder] = renewed
        if homes:
            self._order = replace(self._order, key=read_key(dataset))
            self._move(homes, found)
        return renewed

    def _move(self, homes: Collection[str], found: Iterable[Work]) -> None:
        """Note what folders get of a session that has another label now; the lock is held."""
        self._grown |= self._pending.keys() & set(homes)
        fresh = {one.session.folder: one for one in found if one.session.folder in set(homes) - self._grown}
        self._homes |= fresh
        self.renewed |= fresh
        self._marks |= mark_ledgers(self._staged.dataset, fresh)

    def _find_lacking(self, work: Work, made: Sequence[Converted]) -> dict[str, list[PlanRow]]:
        """Return the rows of a session that are still to be converted, or under another name, by series."""
        there = {image for one in self._choose(work, made) for image in planned_paths([one.row])}
        lacking: dict[str, list[PlanRow]] = defaultdict(list)
        for row in work.planned:
            image = row.series_uid, row.image
            if image not in there and image not in self._failed:
                lacking[row.series_uid].append(row)
        return lacking

    def _choose(self, work: Work, made: Sequence[Converted]) -> list[Converted]:
        """Return the images that are as a session wants them."""
        wanted = {(row.series_uid, row.image): row for row in work.planned}
        chosen = {}
        for one in made:
            row = wanted.get((one.row.series_uid, one.row.image))
            if row is not None and row.path == one.row.path and one.fields == fields_digest(self.plan.fields_of(row)):
                chosen[row.path] = replace(one, row=row)
        return list(chosen.values())

    def _bring_in(self, work: Work, converted: Sequence[Converted]) -> list[Outcome]:
        """Commit a session as it is to be now; the lock is held."""
        dataset, session = self._staged.dataset, work.session
        if not session.rows:
            return []
        leaving = set().union(*self._pending.values())
        rows = [one.row for one in converted]
        ledger = read_ledger(dataset, session.folder)
        blocked = find_blocked(dataset, {session.folder: ledger}, rows, force=self._force, leaving=leaving)
        free = [one for one in converted if (one.row.series_uid, one.row.image) not in blocked]
        tree = self._staged.tree()
        others = self._list_unchanged({parse_name(path).folder for path in session.former.values()})
        made = assemble(dataset, tree, session, free, self._order.key)
        replaced = find_replaced(dataset, tree, [one.row.path for one in free], made.remove)
        commit(self._staged, tree, made.remove, replaced)
        self._marks |= mark_ledgers(dataset, others)
        shutil.rmtree(tree, ignore_errors=True)
        self.rewired += made.rewiring.rewired
        self.notes += made.notes
        _log.info("%s: %d images written", session.folder, len(free))
        outcomes = [
            replace(one, reason=made.rewiring.advise(session.find_place(one.row), one.reason)) for one in work.done
        ]
        noted = {(one.row.series_uid, one.row.image): one.notes for one in converted}
        for row in rows:
            reason = blocked.get((row.series_uid, row.image), "")
            by_hand = filter(None, [made.rewiring.advise(row.path, _say_kept(session, row))])
            said = "; ".join((*by_hand, *noted.get((row.series_uid, row.image), ())))
            done = Status.MOVED if (row.series_uid, row.image) in session.former else Status.WRITTEN
            outcomes.append(Outcome(row, Status.FAILED if reason else done, reason or said))
        return outcomes

    def _list_unchanged(self, folders: Iterable[str]) -> list[str]:
        """Return the folders that no other run has changed; images leave them by a commit of our own."""
        now = mark_ledgers(self._staged.dataset, folders)
        return [folder for folder, mark in now.items() if mark == self._marks.get(folder, "")]


def _say_kept(session: Session, row: PlanRow) -> str:
    """Return which files of an image stay as a person has edited them, ``""`` for none."""
    along = session.carried.get((row.series_uid, row.image))
    if along is not None:
        if along.whole:
            return "moved as it is, changes by hand included, though its series has changed; --force makes it again"
        names = ", ".join(f"{row.path.rpartition('/')[2]}{ext}" for ext in along.files)
        return f"{names} changed by hand, and moved as it is"
    kept = sorted(name.rpartition("/")[2] for name in session.kept if name.partition(".")[0] == row.path)
    return f"{', '.join(kept)} changed by hand, and kept as it is" if kept else ""


def _bytes(series: Series) -> int:
    return sum(file.size for one in series.instances for file in one.files)
