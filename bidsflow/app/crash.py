"""A page that says what failed, with which input, and how to run only that again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bidsflow.app.invocation import OutputLayout
from bidsflow.app.task import Failure, Task
from bidsflow.report.page import render
from bidsflow.report.values import Fact, Listing, Note, Page, Pairs, Section, Tone


def rerun_command(task: Task) -> str:
    """Return the command that runs one participant again as it was run; it goes on from the steps that are done."""
    call = task.invocation
    prog = shlex.split(call.prog) or ["bidsflow", "run", task.pipeline.name]
    nested = call.layout is OutputLayout.NESTED
    output = call.output_dir.parent if nested else call.output_dir
    short = (*prog, str(call.bids_dir), str(output), "participant")
    config = ("--config", str(call.output_dir / "logs" / task.run_id / "config.toml"))
    return shlex.join((*short, "--participant-label", task.participant.label, *config))


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
    sections = [_section(failure) for failure in failures]
    sections.append(
        Section(
            "How to go on",
            (
                Note("The other participants are not touched. Steps that are done are not repeated.", Tone.INFO),
                Listing("Run only this participant again", rerun_command(task)),
            ),
        )
    )
    if log:
        sections.append(Section("Log", (Listing("The last lines of its process", log),)))
    images = tuple((image.suffix, str(image.name)) for image in task.participant.images)
    sections.append(Section("Input", (Pairs("Images", images),)))
    return render(
        Page(
            f"sub-{task.participant.label}: {task.pipeline.name} failed",
            failures[0].reason if failures else "",
            facts=(Fact(len(failures), "failed steps", Tone.ERROR),),
            sections=tuple(sections),
            details=(
                ("Pipeline", f"{task.pipeline.name} {task.pipeline.version}"),
                ("Run", task.run_id),
            ),
        )
    )


def _section(failure: Failure) -> Section:
    return Section(
        f"Step {failure.step}" if failure.step else "Outside of the steps",
        (
            Note(failure.reason, Tone.ERROR),
            *((Pairs("It was given", failure.inputs),) if failure.inputs else ()),
            Listing("Where it happened", failure.trace),
        ),
    )
