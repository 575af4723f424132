"""Convert on a cluster: a task for each session that has something to do; each commits its own.

The export is scanned and planned once, where the command was given; a task gets the rows and headers of its session.
Where another run has changed that session before the task commits, the task plans the whole export again.
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bidsflow.convert.meanwhile import Basis
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan
from bidsflow.convert.rewiring import foresee_rewiring
from bidsflow.convert.run import Result, convert
from bidsflow.convert.subjects import Key
from bidsflow.convert.survey import Work, survey
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import staging, write_durably
from bidsflow.dicom.series import Inventory
from bidsflow.errors import BidsflowError
from bidsflow.executors.base import Request
from bidsflow.executors.batches import CPUS, Batch, adopt, new_id, read_batches, submit_batch, submitting, write_batch
from bidsflow.executors.standing import Desk, stand
from bidsflow.names import parse_name

LEVEL = "session"
_PARCELS = "parcels"
#: In the folder of a batch: how to plan its exports again. It goes with the last parcel, since it names people.
_AGAIN = "again.pickle"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a task has to convert.

    Attributes
    ----------
    root : Path
        The dataset.
    plan : Plan
        Rows of a session.
    inventory : Inventory
        Their series.
    key : Key
        Of the dataset.
    force : bool
        Convert again what is there.
    basis : Basis or None
        What the plan knew of the dataset.
    command : tuple of str
        Words of the command line.
    given_in : str
        The folder where it was given; the task runs in another.
    """

    root: Path
    plan: Plan
    inventory: Inventory
    key: Key
    force: bool
    basis: Basis | None = None
    command: tuple[str, ...] = ()
    given_in: str = ""


@dataclass(frozen=True, slots=True)
class _StoredPlanner:
    """Plans the exports of a batch again; all of its tasks share one file."""

    file: Path

    def __call__(self) -> Plan:
        plan: Plan = pickle.loads(self.file.read_bytes())()
        return plan


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was submitted.

    Attributes
    ----------
    batch : Batch or None
        None where there is nothing to do.
    folder : Path
        Where scripts and logs are.
    unchanged : int
        Sessions that are done.
    live : tuple of str
        Sessions that wait or run already.
    """

    batch: Batch | None
    folder: Path
    unchanged: int
    live: tuple[str, ...]


def submit(
    plan: Plan,
    inventory: Inventory,
    dataset: Dataset,
    key: Key,
    request: Request,
    *,
    basis: Basis | None = None,
    force: bool = False,
    command: Sequence[str] = (),
) -> Submitted:
    """Submit a task for each session of a plan that is not done, and does not wait or run already.

    The parameters are those of `run.convert`; `request` says what is asked of the cluster.

    Raises
    ------
    ToolError
        If the scheduler is not there, does not answer, or refuses.
    DatasetError
        If bidsflow's own files are damaged.
    StorageError
        If the disk is full.
    """
    by_uid = {series.uid: series for series in inventory.series}
    room = dataset.state / "jobs"
    with staging(dataset):
        work = survey(dataset, plan, by_uid, force=force)
        due = [one.session.folder for one in work if _is_due(dataset, one)]
    with submitting(room):
        batches = [adopt(room, batch) for batch in read_batches(room)]
        live = tuple(sorted(one.name for one in stand(room, batches, Desk()) if one.is_live))
        todo = [folder for folder in due if _name(folder) not in live]
        unchanged = len(work) - len(due)
        made = new_id()
        if not todo:
            return Submitted(None, room, unchanged, live)
        parcels = room / made / _PARCELS
        parcels.mkdir(parents=True, mode=0o700)
        words = []
        basis = basis and _store(basis, room / made / _AGAIN)
        for number, folder in enumerate(todo, 1):
            cut = _cut(inventory, plan, folder)
            parcel = Parcel(
                dataset.root, _choose(plan, folder), cut, key, force, basis, tuple(command), str(Path.cwd())
            )  # fmt: skip
            file = parcels / f"{number}.pickle"
            write_durably(file, pickle.dumps(parcel), mode=0o600)  # headers hold names
            words.append((str(file),))
        task = (sys.executable, "-m", "bidsflow.convert", "--jobs", CPUS)
        names = tuple(map(_name, todo))
        batch = Batch(made, "bidsflow-convert", LEVEL, task, names, tuple(words), request, written=time.time())
        write_batch(room, batch)
        sent = submit_batch(room, batch)
        for old in batches:
            _drop_parcels(room / old.id, old, names)
        return Submitted(sent, room / made, unchanged, live)


def _store(basis: Basis, file: Path) -> Basis:
    """Return what a plan knew of a dataset, to be read by tasks: the headers of the whole export are written once."""
    write_durably(file, pickle.dumps(basis.plan_again), mode=0o600)
    return replace(basis, plan_again=_StoredPlanner(file))


def _is_due(dataset: Dataset, work: Work) -> bool:
    """Return whether a session has images to be converted, or sidecars that change."""
    return bool(work.todo) or bool(foresee_rewiring(dataset, work.session, ()).rewired)


def _drop_parcels(folder: Path, batch: Batch, names: Collection[str]) -> None:
    """Remove the parcels of sessions that were submitted again since: they hold names of people."""
    for number, name in enumerate(batch.names, 1):
        if batch.level == LEVEL and name in names:
            _drop(folder / _PARCELS / f"{number}.pickle")


def _drop(parcel: Path) -> None:
    """Remove a parcel, and with the last one what all shared."""
    parcel.unlink(missing_ok=True)
    if not any(parcel.parent.glob("*.pickle")):
        (parcel.parent.parent / _AGAIN).unlink(missing_ok=True)


def _name(folder: str) -> str:
    return folder.replace("/", "_")


def _choose(plan: Plan, folder: str) -> Plan:
    """Return the rows of a session, whatever the plan decided."""
    return replace(plan, rows=tuple(row for row in plan.rows if _folder_of(row.path) == folder), notes=())


def _folder_of(path: str) -> str:
    try:
        return "" if path == NOT_APPLICABLE else parse_name(path).folder
    except BidsflowError:  # what stands on a row for review need not be a name yet
        return ""


def _cut(inventory: Inventory, plan: Plan, folder: str) -> Inventory:
    """Return the series of a session, and of the whole subject where its row of participants.tsv needs them."""
    subject = folder.partition("/")[0]
    rows = [row for row in plan.decided(Decision.CONVERT) if _folder_of(row.path).partition("/")[0] == subject]
    own = {row.series_uid for row in (*rows, *_choose(plan, folder).rows)}
    series = tuple(one for one in inventory.series if one.uid in own)
    return replace(inventory, series=series, set_aside=())


def run_parcel(file: Path, jobs: int) -> Result:
    """Convert what a task has to; its file goes when every image is on disk.

    Raises
    ------
    OSError
        If the parcel cannot be read.
    """
    parcel: Parcel = pickle.loads(file.read_bytes())
    result = convert(
        parcel.plan, parcel.inventory, Dataset(parcel.root), parcel.key, jobs=jobs, force=parcel.force,
        basis=parcel.basis, command=parcel.command, folder=parcel.given_in,
    )  # fmt: skip
    if result.complete:
        _drop(file)
    return result
