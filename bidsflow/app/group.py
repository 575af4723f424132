"""The group level: over results that are of today's images, with a note of who was left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bidsflow.app import derivatives, logs, methods, provenance, state
from bidsflow.app.choice import list_participants
from bidsflow.app.invocation import Invocation
from bidsflow.app.outcome import Event, Outcome, Tell
from bidsflow.app.registry import load
from bidsflow.app.spec import Pipeline
from bidsflow.app.state import Marker
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import commit, locked, staging
from bidsflow.errors import PipelineError, RunError


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is for the group level.

    Attributes
    ----------
    labels : tuple of str
        Participants whose results are of today's images.
    left_out : mapping of str to str
        The others who were done or tried, and why they are left out.
    notes : tuple of str
        All that a reader of the group's files should know, a sentence each.
    """

    labels: tuple[str, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()


def take_stock(call: Invocation) -> Stock:
    """Return whose results the group level takes; nothing is written."""
    dataset = Dataset(call.output_dir.resolve())
    finished = state.list_finished(dataset)
    there = set(list_participants(call.bids_dir))
    failures = state.read_failures(dataset)
    left_out = {}
    for label in sorted({*finished, *failures}):
        if label in finished and label not in there:
            left_out[label] = "the participant is no longer in the dataset"
        elif label in failures:
            left_out[label] = f"failed{' since' if label in finished else ''}: {failures[label]}"
        elif why := _find_change(call.bids_dir, state.read_marker(dataset, label)):
            left_out[label] = why
    labels = tuple(label for label in finished if label not in left_out)
    notes = tuple(_leave_out(label, why) for label, why in left_out.items())
    return Stock(labels, left_out, (*notes, *_compare_settings(dataset, labels, call)))


def _find_change(raw: Path, marker: Marker) -> str:
    if not marker.files:
        return "the note of what was done is damaged; run the participant level again"
    return next(filter(None, (provenance.find_change(raw, one) for one in marker.inputs.values())), "")


def _compare_settings(dataset: Dataset, labels: tuple[str, ...], call: Invocation) -> list[str]:
    """Return who was made in which way where participants were not all made alike, or not as it is asked for now."""
    settings = state.list_settings(dataset, labels)
    notes = []
    if len(settings) > 1:
        differences = methods.list_differences(settings)
        ways = (
            f"{', '.join(f'sub-{label}' for label in who)} with {how}"
            for (_, who), how in zip(settings, differences, strict=True)
        )
        notes.append(f"participants were not all made alike: {'; '.join(ways)}")
    for name, value in call.params.items():
        others = [who for setting, who in settings if setting.params.get(name, value) != value]
        if others:
            people = ", ".join(f"sub-{label}" for who in others for label in who)
            notes.append(
                f"{name}={value} is asked for now; {people} had another value, and the results stay as they are"
            )
    return notes


def plan_group(call: Invocation, outcome: Outcome) -> tuple[str, ...]:
    """Return what a dry run says of the group level, after what it says of participants.

    Raises
    ------
    RunError
        If nobody is done and nobody would be.
    """
    stock = take_stock(call)
    fresh = {fault.participant: f"failed: {fault.path}: {fault.reason}" for fault in reversed(outcome.faults)}
    left_out = {**stock.left_out, **fresh}
    taken = sorted({*stock.labels, *outcome.to_do} - fresh.keys())
    if not taken:
        raise _nobody(call, stock)
    people = ", ".join(f"sub-{label}" for label in taken)
    notes = [_leave_out(label, why) for label, why in left_out.items() if label not in taken]
    return (f"group level over {people}", *notes)


def _leave_out(label: str, why: str) -> str:
    return f"sub-{label} is left out: {why}"


def _nobody(call: Invocation, stock: Stock) -> RunError:
    why = "".join(f"\n  - {note}" for note in stock.notes)
    what = "no participant is done" if not why else "there are no results of today's images"
    return RunError(f"{call.output_dir}: {what}{why}", "Run the participant level first")


def run_group(pipeline: Pipeline, call: Invocation, outcome: Outcome, tell: Tell) -> Outcome:
    """Run the group level over all participants whose results are of today's images.

    Raises
    ------
    RunError
        If there are none.
    PipelineError
        If the group level of the pipeline fails.
    """
    stock = take_stock(call)
    if not stock.labels:
        raise _nobody(call, stock)
    tell(Event("group", value=len(stock.labels)))
    for note in stock.notes:
        tell(Event("note", text=f"group level: {note}"))
    dataset = state.open_derivatives(call.output_dir)
    params = pipeline.params(**call.params)
    cohort = derivatives.Cohort(dataset.root, stock.labels, params, call.bids_dir, stock.notes)
    try:
        files = load(pipeline.group)(cohort)
    except Exception as error:  # a pipeline may raise anything
        log = logs.note_error(dataset, f"logs/{outcome.run_id}/group.log", error)
        reason = f"the group level failed ({type(error).__name__}: {error}); see {log}"
        raise PipelineError(pipeline.name, reason) from error
    _commit_files(dataset, pipeline, call, files, stock, outcome.run_id)
    if call.run_name:
        logs.write_methods(dataset, pipeline, call)
    return replace(outcome, group=True)


def _commit_files(
    dataset: Dataset, pipeline: Pipeline, call: Invocation, files: Mapping[str, bytes], stock: Stock, run_id: str
) -> None:
    """Bring in what the group level made, with a record; what it made before and does not make now goes."""
    note = state.group_file(dataset)
    before = state.read_json(note).get("Outputs", {})
    with staging(dataset) as staged:
        tree = staged.tree()
        outputs = {}
        for name, data in files.items():
            target = tree / derivatives.place_of(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            outputs[name] = provenance.digest_file(target)
        record = {
            "Pipeline": pipeline.name,
            "Version": pipeline.version,
            "Run": run_id,
            "Parameters": dict(call.params),
            "Versions": provenance.list_versions(),
            "Participants": {label: state.read_marker(dataset, label).run for label in stock.labels},
            "LeftOut": dict(stock.left_out),
            "Notes": list(stock.notes),
            "Outputs": outputs,
        }
        for name in (f"logs/{run_id}/group.json", note.relative_to(dataset.root).as_posix()):
            derivatives.stage_file(tree, name, record)
        gone = [name for name in before if name not in outputs and derivatives.is_inside(name)]
        with locked(dataset):
            commit(staged, tree, [name for name in gone if (dataset.root / name).is_file()])
