"""A page that says what failed, with which input, and how to run only that again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bidsflow.app.faults import Fault
from bidsflow.app.invocation import Invocation, OutputLayout
from bidsflow.app.spec import Pipeline
from bidsflow.app.task import Failure, Task
from bidsflow.report.page import render
from bidsflow.report.values import Fact, Listing, Note, Page, Pairs, Section, Tone


def rerun_command(pipeline: Pipeline, call: Invocation, label: str, run_id: str) -> str:
    """Return the command that runs one participant again as it was run; it goes on from the steps that are done."""
    prog = shlex.split(call.prog) or ["bidsflow", "run", pipeline.name]
    nested = call.layout is OutputLayout.NESTED
    output = call.output_dir.parent if nested else call.output_dir
    short = (*prog, str(call.bids_dir), str(output), "participant")
    config = ("--config", str(call.output_dir / "logs" / run_id / "config.toml"))
    return shlex.join((*short, "--participant-label", label, *config))


def crash_page(task: Task, failures: Sequence[Failure], log: str) -> str:
    """Return the page of a participant that failed.

    Parameters
    ----------
    task : Task
        What was run.
    failures : sequence of Failure
        What went wrong.
    log : str
        The last lines of what its process printed.
    """
    pipeline, label = task.pipeline, task.participant.label
    again = rerun_command(pipeline, task.invocation, label, task.run_id)
    sections = [_section(failure) for failure in failures]
    sections.append(_how_to_go_on("Steps that are done are not repeated.", again))
    if log:
        sections.append(Section("Log", (Listing("The last lines of its process", log),)))
    images = tuple((image.suffix, str(image.name)) for image in task.participant.images)
    sections.append(Section("Input", (Pairs("Images", images),)))
    fact = Fact(len(failures), "failed steps", Tone.ERROR)
    return _page(pipeline, label, task.run_id, failures[0].reason if failures else "", fact, sections)


def refusal_page(pipeline: Pipeline, call: Invocation, run_id: str, faults: Sequence[Fault]) -> str:
    """Return the page of a participant that was not begun.

    Parameters
    ----------
    pipeline : Pipeline
        What was to be run.
    call : Invocation
        How.
    run_id : str
        Of the call.
    faults : sequence of Fault
        What is wrong with the files of this one participant; at least one.
    """
    label = faults[0].participant
    shown = Pairs("What cannot be used", tuple((fault.path, fault.reason) for fault in faults))
    again = rerun_command(pipeline, call, label, run_id)
    sections = [Section("Input", (shown,)), _how_to_go_on("Set right what is listed above first.", again)]
    fact = Fact(len(faults), "faults", Tone.ERROR)
    return _page(pipeline, label, run_id, "Nothing was run: its files cannot be used", fact, sections)


def _page(pipeline: Pipeline, label: str, run_id: str, reason: str, fact: Fact, sections: Sequence[Section]) -> str:
    details = (("Pipeline", f"{pipeline.name} {pipeline.version}"), ("Run", run_id))
    title = f"sub-{label}: {pipeline.name} failed"
    return render(Page(title, reason, facts=(fact,), sections=tuple(sections), details=details))


def _how_to_go_on(advice: str, command: str) -> Section:
    note = Note(f"The other participants are not touched. {advice}", Tone.INFO)
    return Section("How to go on", (note, Listing("Run only this participant again", command)))


def _section(failure: Failure) -> Section:
    return Section(
        f"Step {failure.step}" if failure.step else "Outside of the steps",
        (
            Note(failure.reason, Tone.ERROR),
            *((Pairs("It was given", failure.inputs),) if failure.inputs else ()),
            Listing("Where it happened", failure.trace),
        ),
    )
