"""Run a pipeline: choose, check, skip what is done, run a process per participant, then the group level.

A participant that fails never stops the others. Whatever ends a run, the same command goes on from there.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.app import derivatives, logs, provenance
from bidsflow.app.inputs import Fault, Inputs, Participant, choose_participants, find_inputs
from bidsflow.app.invocation import Invocation, Resources
from bidsflow.app.participant import build_flow, stage_report
from bidsflow.app.registry import load
from bidsflow.app.spec import Level, Pipeline
from bidsflow.app.task import KILLED, Failure, Task, is_done, write_task
from bidsflow.dataset.tree import STATE, Dataset, check_target
from bidsflow.dataset.write import commit, locked, staging
from bidsflow.errors import BidsflowError, InputError, OptionError, PipelineError, RunError
from bidsflow.executors import Ended, Job
from bidsflow.executors.local import run_jobs

if TYPE_CHECKING:
    from bidsflow.app.workflow import Flow

OK, SOME_FAILED, INVALID_INPUT, NOTHING_TO_DO = 0, 1, 65, 70
#: Threads that a lone participant's steps get where nobody says how many.
MOST_THREADS = 4
#: Variables that bound the threads of numerical libraries.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens during a run, for whoever shows it.

    Attributes
    ----------
    kind : str
        ``validating``, ``indexing``, ``begin`` (`value` participants to run), ``started``, ``steps`` (`value` of
        them), ``step`` (one is done), ``writing``, ``done``, ``failed``, ``group``, ``note``.
    participant : str
        Label, ``""`` where it concerns all.
    text : str
        The step, the reason, the note.
    value : float
        A number, where the kind has one.
    """

    kind: str
    participant: str = ""
    text: str = ""
    value: float = 0.0


Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    run_id : str
        Its name in ``logs/``.
    done, unchanged, failed, without : tuple of str
        Participants: done now; done before and unchanged; failed; without anything that the pipeline reads.
    faults : tuple of Fault
        Images that could not be used.
    pages : tuple of Path
        Pages that say what failed.
    group : bool
        Whether the group level ran.
    planned : tuple of str
        What a dry run would do, a line each.
    """

    run_id: str
    done: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    pages: tuple[Path, ...] = ()
    group: bool = False
    planned: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """What the command returns."""
        if self.failed:
            return SOME_FAILED if self.done or self.unchanged or self.pages else INVALID_INPUT
        return OK


@dataclass(slots=True)
class _Watch:
    """Collects what the participants' processes say."""

    tell: Tell
    stop_early: bool
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def began(self, job: Job) -> None:
        self.tell(Event("started", job.name))

    def said(self, job: Job, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        match said.get("event") if isinstance(said, dict) else None:
            case "steps":
                self.tell(Event("steps", job.name, value=said["total"]))
            case "step" if said["status"] != "start":
                self.tell(Event("step", job.name, said["step"]))
            case "writing":
                self.tell(Event("writing", job.name))
            case "failed":
                inputs = tuple((str(key), str(value)) for key, value in said["inputs"])
                self.failures.setdefault(job.name, []).append(Failure(said["step"], inputs, said["trace"]))

    def ended(self, ended: Ended) -> bool:
        name = ended.job.name
        if ended.code == 0:
            self.done.append(name)
            self.tell(Event("done", name))
            return True
        self.failed.append(name)
        if name not in self.failures:
            self.failures[name] = [Failure("", (), _explain_end(ended))]
        self.tell(Event("failed", name, f"{self.failures[name][0].step}: {self.failures[name][0].reason}".lstrip(": ")))
        return not self.stop_early


def _explain_end(ended: Ended) -> str:
    """Return why a process ended that had no time to say so."""
    if ended.code == -9:
        return KILLED
    if ended.code < 0:
        return f"the process was ended by signal {-ended.code}"
    return f"the process ended with exit code {ended.code}; see its log"


def run(pipeline: Pipeline, call: Invocation, tell: Tell = lambda event: None) -> Outcome:
    """Run a pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        What to run.
    call : Invocation
        On what, and how.
    tell : callable
        Hears what happens.

    Raises
    ------
    OptionError
        If what was asked for cannot be meant.
    InputError
        If the dataset does not keep to BIDS, or is none.
    RunError
        If there is nothing to do.
    DatasetError
        If the output folder is not ours.
    StorageError
        If the disk is full.
    KeyboardInterrupt
        If the user interrupts; the same command goes on from there.
    """
    check_places(pipeline, call)
    labels = choose_participants(call.bids_dir, call.selection)
    run_id = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)
    if call.reports_only:
        return _report_again(pipeline, call, run_id, tell)
    outcome = Outcome(run_id)
    if Level.PARTICIPANT in call.levels:
        _validate(call, tell)
        tell(Event("indexing"))
        inputs = find_inputs(call.bids_dir, pipeline, labels, call.selection, _database(call))
        if not inputs.participants and not inputs.faults:
            kinds = " or ".join(query.suffix for query in pipeline.reads)
            raise RunError(f"{call.bids_dir}: no {kinds} image fits what was asked for")
        outcome = _run_level(pipeline, call, run_id, inputs, tell)
    stopped = outcome.failed and (call.stop_on_first_crash or not derivatives.list_finished(Dataset(call.output_dir)))
    if Level.GROUP in call.levels and not call.dry_run and not stopped:
        outcome = _run_group(pipeline, call, outcome, tell)
    return outcome


def check_places(pipeline: Pipeline, call: Invocation) -> None:
    """Refuse an output folder that would spoil something.

    Raises
    ------
    OptionError
        If it is the dataset itself, lies around it, or lies in it outside of ``derivatives/``.
    DatasetError
        If it holds what is not ours.
    """
    raw, out = call.bids_dir.resolve(), call.output_dir.resolve()
    if _is_below(out, raw) and raw / "derivatives" not in out.parents:
        hint = f"Choose another folder, or one below {call.bids_dir / 'derivatives'}"
        raise OptionError(f"{call.output_dir}: derivatives cannot stand among the raw data", hint)
    if out in raw.parents:
        raise OptionError(f"{call.output_dir}: the dataset lies inside the output folder", "Choose another folder")
    work = call.work_dir.resolve()
    if _is_below(work, raw) and not _is_below(work, raw / "derivatives"):
        raise OptionError(f"{call.work_dir}: the work folder lies among the raw data", "Choose another folder")
    if _is_below(work, out) and not _is_below(work, out / STATE):
        hint = "Leave --work-dir away, or choose another folder"
        raise OptionError(f"{call.work_dir}: the work folder lies among the derivatives", hint)
    check_target(call.output_dir)
    made = derivatives.read_json(out / "dataset_description.json")
    programs = [one.get("Name") for one in made.get("GeneratedBy", ()) if isinstance(one, dict)]
    if made and derivatives.generator_name(pipeline) not in programs:
        hint = "Choose another folder: each pipeline has one of its own"
        raise OptionError(f"{call.output_dir}: this is a dataset, and not one of {pipeline.name}", hint)


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _validate(call: Invocation, tell: Tell) -> None:
    if call.skip_validation:
        return
    from bidsflow.validate import run as validate

    tell(Event("validating"))
    report = validate(call.bids_dir, ignore_warnings=True)
    if not report.ok:
        shown = "\n".join(f"  - {group.code}: {group.count} x, {', '.join(group.examples)}" for group in report.groups)
        hint = f"See bidsflow validate {call.bids_dir}; --skip-bids-validation goes on all the same"
        raise InputError(f"{call.bids_dir}: the dataset does not keep to BIDS\n{shown}\n", hint)


def _database(call: Invocation) -> Path | None:
    """Return where the index is kept: a dry run keeps none unless it was said where."""
    return call.database_dir or (None if call.dry_run else call.work_dir / "index")


def _run_level(pipeline: Pipeline, call: Invocation, run_id: str, inputs: Inputs, tell: Tell) -> Outcome:
    """Run the participants that are not done yet."""
    broken = tuple(dict.fromkeys(fault.participant for fault in inputs.faults))
    for fault in inputs.faults:
        tell(Event("failed", fault.participant, f"{fault.path}: {fault.reason}"))
    if (call.output_dir / STATE).is_dir() and not call.dry_run:
        with locked(Dataset(call.output_dir)):
            pass  # finishes what a killed run began to bring in
    tasks = [_task(pipeline, call, run_id, one) for one in inputs.participants]
    done = [task for task in tasks if not call.force and is_done(task)]
    todo = [task for task in tasks if task not in done]
    unchanged = tuple(task.participant.label for task in done)
    start = Outcome(run_id, unchanged=unchanged, failed=broken, without=inputs.without, faults=inputs.faults)
    tell(Event("begin", value=len(todo), text=", ".join(unchanged)))
    if call.dry_run:
        return replace(start, planned=tuple(map(_describe_task, todo)))
    if not todo:
        return start
    dataset = derivatives.open_derivatives(call.output_dir)
    logs.write_top(dataset, pipeline, call, run_id)
    share = share_machine(len(todo), call.resources, pipeline.memory_gb)
    watch = _Watch(tell, call.stop_on_first_crash)
    try:
        _run_tasks(todo, share, dataset, call, watch)
    finally:  # what was said is kept, also of a run that is stopped
        pages = _keep_words(dataset, todo, watch)
    return replace(start, done=tuple(watch.done), failed=broken + tuple(watch.failed), pages=pages)


def _task(pipeline: Pipeline, call: Invocation, run_id: str, participant: Participant) -> Task:
    known = derivatives.read_marker(Dataset(call.output_dir), participant.label).inputs
    inputs = provenance.look_at_all(participant, known)
    return Task(pipeline, participant, call, inputs, run_id, search=tuple(filter(None, sys.path)))


@dataclass(frozen=True, slots=True)
class Share:
    """How participants share a machine.

    Attributes
    ----------
    at_once : int
        Participants that run at the same time.
    n_procs, threads : int
        Steps of each at once, and threads of a step.
    memory_gb : float
        Memory of each.
    """

    at_once: int
    n_procs: int
    threads: int
    memory_gb: float


def share_machine(participants: int, resources: Resources, memory_gb: float) -> Share:
    """Return how participants share a machine: as many at once as processors and memory allow.

    Parameters
    ----------
    participants : int
        How many are to run.
    resources : Resources
        What may be used.
    memory_gb : float
        What each needs.
    """
    most = min(MOST_THREADS, resources.n_procs) if participants == 1 else 1
    threads = resources.omp_threads or most
    fit = int(resources.memory_gb // memory_gb)
    at_once = max(1, min(participants, resources.n_procs // threads, fit))
    n_procs = max(1, resources.n_procs // at_once)
    return Share(at_once, n_procs, min(threads, n_procs), resources.memory_gb / at_once)


def _run_tasks(tasks: Sequence[Task], share: Share, dataset: Dataset, call: Invocation, watch: _Watch) -> None:
    jobs = []
    for task in tasks:
        mine = replace(task, n_procs=share.n_procs, threads=share.threads, memory_gb=share.memory_gb)
        command = (sys.executable, "-m", "bidsflow.app", str(write_task(mine)))
        jobs.append(Job(task.participant.label, command, task.log))
    threads = dict.fromkeys(THREAD_VARIABLES, str(share.threads))
    if call.write_graph:
        path = dataset.root / "logs" / tasks[0].run_id / "graph.dot"
        logs.write_graph(_build(tasks[0]), path)
    try:
        run_jobs(jobs, watch, n_parallel=share.at_once, environment={**threads, "PYTHONHASHSEED": "0"})
    finally:
        for job in jobs:
            job.log.with_suffix(".task").unlink(missing_ok=True)  # of those that never began


def _keep_words(dataset: Dataset, tasks: Sequence[Task], watch: _Watch) -> tuple[Path, ...]:
    """Keep the logs of participants in the output folder, and write the pages of those that failed; return these."""
    for task in tasks:
        logs.keep_log(dataset, task)
    labels = {task.participant.label: task for task in tasks}
    return tuple(logs.write_crash(dataset, labels[label], failures) for label, failures in watch.failures.items())


def _build(task: Task) -> Flow:
    """Return the workflow of a participant, built in this process: only to be looked at."""
    try:
        return build_flow(task)
    except BidsflowError:
        raise
    except Exception as error:  # a pipeline may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        reason = f"its workflow cannot be built ({type(error).__name__}: {error}; {where})"
        raise PipelineError(task.pipeline.name, reason) from error


def _describe_task(task: Task) -> str:
    flow = _build(task)
    images = ", ".join(str(image.name) for image in task.participant.images)
    return f"sub-{task.participant.label}: {len(flow.steps)} steps on {images}"


def _run_group(pipeline: Pipeline, call: Invocation, outcome: Outcome, tell: Tell) -> Outcome:
    """Run the group level over all participants that are done."""
    labels = derivatives.list_finished(Dataset(call.output_dir))
    if not labels:
        raise RunError(f"{call.output_dir}: no participant is done", "Run the participant level first")
    tell(Event("group", value=len(labels)))
    dataset = derivatives.open_derivatives(call.output_dir)
    cohort = derivatives.Cohort(dataset.root, labels, pipeline.params(**call.params), call.bids_dir)
    try:
        files = load(pipeline.group)(cohort)
    except Exception as error:  # a pipeline may raise anything
        log = logs.note_error(dataset, f"logs/{outcome.run_id}/group.log", error)
        reason = f"the group level failed ({type(error).__name__}: {error}); see {log}"
        raise PipelineError(pipeline.name, reason) from error
    _commit_files(dataset, files)
    return replace(outcome, group=True)


def _commit_files(dataset: Dataset, files: Mapping[str, bytes]) -> None:
    with staging(dataset) as staged:
        tree = staged.tree()
        for name, data in files.items():
            target = tree / derivatives.place_of(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        with locked(dataset):
            commit(staged, tree)


def _report_again(pipeline: Pipeline, call: Invocation, run_id: str, tell: Tell) -> Outcome:
    """Make the reports of participants that are done again, and the group's."""
    dataset = Dataset(call.output_dir.resolve())
    chosen = set(choose_participants(call.bids_dir, call.selection))
    labels = tuple(label for label in derivatives.list_finished(dataset) if label in chosen)
    if not labels:
        raise RunError(f"{call.output_dir}: no participant is done", "Run without --reports-only first")
    if call.dry_run:
        return Outcome(run_id, planned=tuple(f"sub-{label}: its page again" for label in labels))
    dataset = derivatives.open_derivatives(call.output_dir)
    params = pipeline.params(**call.params)
    failed: dict[str, Path] = {}
    for label in labels:
        tell(Event("started", label))
        with staging(dataset) as staged:
            tree = staged.tree()
            try:
                stage_report(dataset.root, pipeline, label, params, into=tree)
            except Exception as error:  # noqa: BLE001  a pipeline may raise anything; the other participants go on
                failed[label] = logs.note_error(dataset, f"logs/{run_id}/sub-{label}_report.log", error)
                tell(Event("failed", label, f"{type(error).__name__}: {error}"))
                continue
            with locked(dataset):
                commit(staged, tree)
        tell(Event("done", label))
    done = tuple(label for label in labels if label not in failed)
    outcome = Outcome(run_id, done=done, failed=tuple(failed), pages=tuple(failed.values()))
    return _run_group(pipeline, call, outcome, tell) if Level.GROUP in call.levels else outcome
