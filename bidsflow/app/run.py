"""Run a pipeline: choose, check, skip what is done, run a process per participant, then the group level.

A participant that fails never stops the others. Whatever ends a run, the same command goes on from there.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bidsflow.app import logs, provenance, state
from bidsflow.app.choice import choose_participants
from bidsflow.app.faults import Fault, sort_issues
from bidsflow.app.group import plan_group, run_group
from bidsflow.app.inputs import Inputs, Participant, find_inputs
from bidsflow.app.invocation import Invocation
from bidsflow.app.methods import describe_setting
from bidsflow.app.outcome import Event, Outcome, Tell
from bidsflow.app.participant import clean_work, stage_report
from bidsflow.app.places import check_places
from bidsflow.app.pool import Watch, build, run_tasks, share_machine
from bidsflow.app.spec import Level, Pipeline
from bidsflow.app.task import Task, is_done
from bidsflow.dataset.tree import STATE, Dataset
from bidsflow.dataset.write import commit, locked, staging
from bidsflow.errors import InputError, RunError


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
        If the dataset as a whole does not keep to BIDS, or is none.
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
    describe_setting(pipeline, call.params)  # what is wrong with it is told now, not when participants are done
    labels = choose_participants(call.bids_dir, call.selection)
    run_id = call.run_name or time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(4)
    if call.reports_only:
        return _report_again(pipeline, call, run_id, tell)
    outcome = Outcome(run_id)
    if Level.PARTICIPANT in call.levels:
        inputs = _look_at_inputs(pipeline, call, labels, tell)
        outcome = _run_level(pipeline, call, run_id, inputs, tell)
    if Level.GROUP not in call.levels or _is_stopped(call, outcome):
        return outcome
    if call.dry_run:
        return replace(outcome, planned=(*outcome.planned, *plan_group(call, outcome)))
    return run_group(pipeline, call, outcome, tell)


def _is_stopped(call: Invocation, outcome: Outcome) -> bool:
    """Return whether a failure leaves nothing to do for the group level."""
    nobody = not outcome.to_do and not state.list_finished(Dataset(call.output_dir))
    return bool(outcome.failed) and (call.stop_on_first_crash or nobody)


def _look_at_inputs(pipeline: Pipeline, call: Invocation, labels: Sequence[str], tell: Tell) -> Inputs:
    """Return what the chosen participants have, and what is wrong with it: validation is a part of that."""
    faults = [] if call.skip_validation else _validate(call, labels, tell)
    tell(Event("indexing"))
    inputs = find_inputs(call.bids_dir, pipeline, labels, call.selection, _database(call)).refuse(faults)
    if not inputs.participants and not inputs.faults:
        kinds = " or ".join(query.suffix for query in pipeline.reads)
        raise RunError(f"{call.bids_dir}: no {kinds} image fits what was asked for")
    return inputs


def _validate(call: Invocation, labels: Sequence[str], tell: Tell) -> list[Fault]:
    """Return the faults of chosen participants; an error that concerns everybody ends the run.

    What no chosen participant reads is not checked: neither others, nor folders beside theirs (``phenotype/``).
    """
    from bidsflow.validate import run as validate

    tell(Event("validating"))
    report = validate(call.bids_dir, subjects=tuple(labels), ignore_warnings=True)
    common, faults = sort_issues(call.bids_dir, report.errors, labels, call.selection)
    if common:
        groups = replace(report, issues=tuple(common)).groups
        shown = "\n".join(f"  - {group.code}: {group.count} x, {', '.join(group.examples)}" for group in groups)
        hint = f"See bidsflow validate {call.bids_dir}; --skip-bids-validation goes on all the same"
        raise InputError(f"{call.bids_dir}: the dataset does not keep to BIDS\n{shown}\n", hint)
    return faults


def _database(call: Invocation) -> Path | None:
    """Return where the index is kept: a dry run keeps none unless it was said where."""
    return call.database_dir or (None if call.dry_run else call.work_dir / "index")


def _run_level(pipeline: Pipeline, call: Invocation, run_id: str, inputs: Inputs, tell: Tell) -> Outcome:
    """Run the participants that are not done yet."""
    for fault in inputs.faults:
        tell(Event("failed", fault.participant, f"{fault.path}: {fault.reason}"))
    if (call.output_dir / STATE).is_dir() and not call.dry_run:
        with locked(Dataset(call.output_dir)):
            pass  # finishes what a killed run began to bring in
    tasks = [_task(pipeline, call, run_id, one) for one in inputs.participants]
    done = [task for task in tasks if not call.force and is_done(task)]
    todo = [task for task in tasks if task not in done]
    unchanged = tuple(task.participant.label for task in done)
    start = Outcome(run_id, unchanged=unchanged, failed=inputs.refused, without=inputs.without, faults=inputs.faults)
    tell(Event("begin", value=len(todo), text=", ".join(unchanged)))
    if call.dry_run:
        to_do = tuple(task.participant.label for task in todo)
        return replace(start, planned=tuple(map(_describe_task, todo)), to_do=to_do)
    _settle(call, done)
    if not todo and not inputs.faults:
        return start
    dataset = state.open_derivatives(call.output_dir)
    logs.write_top(dataset, pipeline, call, run_id)
    pages = logs.write_refusals(dataset, pipeline, call, run_id, inputs.faults)
    watch = Watch(tell, call.stop_on_first_crash)
    if todo:
        share = share_machine(len(todo), call.resources, pipeline.memory_gb)
        try:
            run_tasks(todo, share, dataset, call, watch)
        finally:  # what was said is kept, also of a run that is stopped
            pages += _keep_words(dataset, todo, watch)
            logs.write_methods(dataset, pipeline, call)
    return replace(start, done=tuple(sorted(watch.done)), failed=(*inputs.refused, *watch.failed), pages=pages)


def _task(pipeline: Pipeline, call: Invocation, run_id: str, participant: Participant) -> Task:
    known = state.read_marker(Dataset(call.output_dir), participant.label).inputs
    inputs = provenance.look_at_all(participant, known)
    return Task(pipeline, participant, call, inputs, run_id, search=tuple(filter(None, sys.path)))


def _settle(call: Invocation, done: Iterable[Task]) -> None:
    """Forget what failed of participants that are done as it was asked for, and clean up after them if that was."""
    for task in done:
        state.forget_failure(Dataset(call.output_dir), task.participant.label)
        if call.clean_work:
            clean_work(task)


def _keep_words(dataset: Dataset, tasks: Sequence[Task], watch: Watch) -> tuple[Path, ...]:
    """Keep the logs of participants in the output folder, and write the pages of those that failed; return these."""
    for task in tasks:
        logs.keep_log(dataset, task)
    for label in watch.done:
        state.forget_failure(dataset, label)
    for label in watch.failed:
        failure = watch.failures[label][0]
        state.note_failure(dataset, label, f"{failure.step}: {failure.reason}".lstrip(": "), tasks[0].run_id)
    labels = {task.participant.label: task for task in tasks}
    return tuple(logs.write_crash(dataset, labels[label], failures) for label, failures in watch.failures.items())


def _describe_task(task: Task) -> str:
    flow = build(task)
    images = ", ".join(str(image.name) for image in task.participant.images)
    return f"sub-{task.participant.label}: {len(flow.steps)} steps on {images}"


def _report_again(pipeline: Pipeline, call: Invocation, run_id: str, tell: Tell) -> Outcome:
    """Make the reports of participants that are done again, and the group's."""
    dataset = Dataset(call.output_dir.resolve())
    chosen = set(choose_participants(call.bids_dir, call.selection))
    labels = tuple(label for label in state.list_finished(dataset) if label in chosen)
    if not labels:
        raise RunError(f"{call.output_dir}: no participant is done", "Run without --reports-only first")
    if call.dry_run:
        outcome = Outcome(run_id, planned=tuple(f"sub-{label}: its page again" for label in labels), to_do=labels)
        group = plan_group(call, Outcome(run_id)) if Level.GROUP in call.levels else ()
        return replace(outcome, planned=(*outcome.planned, *group))
    dataset = state.open_derivatives(call.output_dir)
    failed: dict[str, Path] = {}
    for label in labels:
        tell(Event("started", label))
        setting = state.read_marker(dataset, label).setting
        with staging(dataset) as staged:
            tree = staged.tree()
            try:
                stage_report(dataset.root, pipeline, label, setting, into=tree)
            except Exception as error:  # noqa: BLE001  a pipeline may raise anything; the other participants go on
                failed[label] = logs.note_error(dataset, f"logs/{run_id}/sub-{label}_report.log", error)
                tell(Event("failed", label, f"{type(error).__name__}: {error}"))
                continue
            with locked(dataset):
                commit(staged, tree)
        tell(Event("done", label))
    done = tuple(label for label in labels if label not in failed)
    outcome = Outcome(run_id, done=done, failed=tuple(failed), pages=tuple(failed.values()))
    return run_group(pipeline, call, outcome, tell) if Level.GROUP in call.levels else outcome
