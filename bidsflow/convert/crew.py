"""Convert the series of a plan side by side, and commit each session whole, as soon as all of its series are done."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from bidsflow.convert.assemble import Converted, assemble, find_replaced
from bidsflow.convert.carrying import set_by
from bidsflow.convert.content import fields_digest
from bidsflow.convert.folder import Session
from bidsflow.convert.ledger import read_ledger
from bidsflow.convert.making import Bench, make_images
from bidsflow.convert.meanwhile import Watch
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.rewiring import Rewired
from bidsflow.convert.survey import Outcome, Status, Work, find_blocked, planned_paths
from bidsflow.convert.verdict import get_ready
from bidsflow.dataset.write import commit, locked, storage_errors
from bidsflow.dicom.series import Series
from bidsflow.errors import DatasetError
from bidsflow.names import parse_name

_log = logging.getLogger(__name__)

#: Tells how many series of how many are done, and the title of the last one.
Progress = Callable[[int, int, str], None]


class Crew:
    """Converts series in threads (dcm2niix and the compression run outside of Python's lock) and commits sessions."""

    def __init__(self, bench: Bench, watch: Watch, *, jobs: int, force: bool, progress: Progress) -> None:
        self._bench = bench
        self._watch = watch
        self._jobs = jobs
        self._force = force
        self._progress = progress
        #: Images that could not be converted.
        self._failed: set[tuple[str, int]] = set()
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
                pool.submit(self._make, one.session.series[uid], one.todo[uid]): (one, uid)
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
            self._bench.tool.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()
        return outcomes

    def _set_by(self, session: Session, images: Collection[tuple[str, int]]) -> None:
        """Set by what goes along with images that get another name."""
        with storage_errors(self._bench.staged.dataset.root):
            self._carried |= {
                image: set_by(self._bench.staged.dataset, along, self._bench.staged.work("carried"))
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

    def _make(self, series: Series, rows: Sequence[PlanRow]) -> list[Converted] | str:
        return make_images(self._bench, self._watch.plan, series, rows, self._carried)

    def _commit(self, work: Work, converted: Sequence[Converted]) -> list[Outcome]:
        """Commit a session, and those that its images belong to since another run has given it another label."""
        outcomes = self._commit_one(work, converted)
        while (home := self._watch.pop_home()) is not None:
            self._pending[home.session.folder] = set(planned_paths(home.planned))
            outcomes += self._commit_one(home, [])
        return outcomes

    def _commit_one(self, work: Work, converted: Sequence[Converted]) -> list[Outcome]:
        """Commit a session, and return what became of its images but for those that could not be converted.

        What another run has committed since the plan was made is looked at under the lock, so that nothing comes
        between; what then gets another name, or is no longer for review, is converted outside of it.
        """
        dataset, made = self._bench.staged.dataset, list(converted)
        self._pending.pop(work.session.folder)
        failed: list[Outcome] = []
        try:
            while True:
                with locked(dataset), storage_errors(dataset.root):
                    work = self._watch.look(work, self._pending.keys())
                    lacking = self._find_lacking(work, made)
                    if not lacking:
                        return [*failed, *self._bring_in(work, self._choose(work, made))]
                for uid, rows in lacking.items():
                    self._set_by(work.session, planned_paths(rows))
                    found = self._make(work.session.series[uid], rows)
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
            if (
                row is not None
                and row.path == one.row.path
                and one.fields == fields_digest(self._watch.plan.fields_of(row))
            ):
                chosen[row.path] = replace(one, row=row)
        return list(chosen.values())

    def _bring_in(self, work: Work, converted: Sequence[Converted]) -> list[Outcome]:
        """Commit a session as it is to be now; the lock is held."""
        dataset, session = self._bench.staged.dataset, work.session
        if not session.rows:
            return []
        leaving = set().union(*self._pending.values())
        rows = [one.row for one in converted]
        ledger = read_ledger(dataset, session.folder)
        blocked = find_blocked(dataset, {session.folder: ledger}, rows, force=self._force, leaving=leaving)
        free = [one for one in converted if (one.row.series_uid, one.row.image) not in blocked]
        tree = self._bench.staged.tree()
        others = self._watch.list_unchanged({parse_name(path).folder for path in session.former.values()})
        made = assemble(dataset, tree, session, free, self._watch.key)
        replaced = find_replaced(dataset, tree, [one.row.path for one in free], made.remove)
        commit(self._bench.staged, tree, made.remove, replaced)
        self._watch.note_own(others)
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
