"""`bidsflow run`: run a BIDS App; `bidsflow-NAME` is the same command under the name that containers call."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import INTERRUPTED, TARGET, TOOL, USAGE, end_help

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from bidsflow.app.invocation import Invocation
    from bidsflow.app.outcome import Event, Outcome
    from bidsflow.app.spec import Pipeline

HELP_END = end_help(
    {
        "bidsflow run qc BIDS_DIR OUTPUT_DIR participant group": "everyone, then the group",
        "bidsflow run qc BIDS_DIR OUTPUT_DIR participant --participant-label 01 02": "two people",
        "bidsflow run qc --help": "the options of one pipeline",
        "bidsflow run qc BIDS_DIR OUTPUT_DIR participant --container qc.sif": "in a container, of Docker or Apptainer",
    },
    {
        0: "everything that was asked for is there",
        1: "it failed for someone; the others are there",
        65: "the dataset does not keep to BIDS, or nothing in it can be used",
        70: "there is nothing that it could run on",
    },
    USAGE, TOOL, TARGET, INTERRUPTED,
)  # fmt: skip
#: What typer is told of a command whose options are the pipeline's.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def run(
    context: typer.Context,
    pipeline: Annotated[
        str, typer.Argument(help="Name of a pipeline, or the folder of one: qc, ./my-pipeline.", show_default=False)
    ] = "",
) -> None:
    """Run a BIDS App: bidsflow run PIPELINE BIDS_DIR OUTPUT_DIR participant|group [options].

    bidsflow run qc --help lists the options of qc; bidsflow pipelines lists what there is.
    """
    if pipeline in ("", "-h", "--help"):
        _explain()
        raise typer.Exit(0 if pipeline or context.args else USAGE)
    raise typer.Exit(call(pipeline, context.args, f"bidsflow run {shlex.quote(pipeline)}"))


def _explain() -> None:
    from bidsflow.app.registry import find_pipelines
    from bidsflow.cli.container import HELP as CONTAINER_HELP

    typer.echo("Usage: bidsflow run PIPELINE BIDS_DIR OUTPUT_DIR participant|group [options]\n")
    typer.echo("Pipelines:")
    for one in find_pipelines().pipelines:
        typer.echo(f"  {one.name:<12}{one.summary}")
    typer.echo(f"\nbidsflow run PIPELINE --help lists its options.\n\n{CONTAINER_HELP}\n\n{HELP_END}")


def call(name: str, arguments: Sequence[str], prog: str) -> int:
    """Run a pipeline as a command line asks for it, and return the exit code.

    Parameters
    ----------
    name : str
        Of the pipeline, or its folder.
    arguments : sequence of str
        What follows on the command line.
    prog : str
        How the command was called.
    """
    from bidsflow.cli import container

    asked, arguments = container.take_options(arguments)
    if asked.image and not container.is_for_cluster(arguments):
        return container.run(name, arguments, prog, asked)
    if asked.image and container.is_foreign(name):
        from bidsflow.cli.submit import submit_foreign

        return submit_foreign(name, arguments, asked)

    from bidsflow.app.command import parse
    from bidsflow.app.registry import find_pipeline
    from bidsflow.app.run import run as run_pipeline

    prog = container.name_call(prog, asked)
    pipeline = find_pipeline(name)
    invocation = parse(pipeline, arguments, prog)
    if invocation.request.executor != "local":
        from bidsflow.cli.submit import submit

        if asked.image:
            asked = container.prepare_for_nodes(asked, invocation.request)
        return submit(pipeline, replace(invocation, container=container.list_options(asked) if asked.image else ()))
    if asked.image:  # a site profile that says local
        return container.run(name, arguments, prog, asked)
    with Show(pipeline, invocation) as show:
        outcome = run_pipeline(pipeline, invocation, show.hear)
    show.sum_up(outcome)
    return outcome.exit_code


class Show:
    """Says on the terminal what happens: a bar per participant and one for all, or plain lines where there is none."""

    def __init__(self, pipeline: Pipeline, invocation: Invocation) -> None:
        from rich.console import Console

        self.console: Console = Console(stderr=True, highlight=False)
        self.pipeline = pipeline
        self.invocation = invocation
        self.quiet = invocation.verbosity < 0
        self.live = self.console.is_terminal and not self.quiet
        self.began = time.monotonic()
        self._progress: Progress | None = None
        self._all: TaskID | None = None
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Show:
        """Begin to show."""
        if self.live:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[step]}"),
            )  # fmt: skip
            self._progress = Progress(*columns, console=self.console, transient=True)
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End to show."""
        if self._progress is not None:
            self._progress.stop()

    def hear(self, event: Event) -> None:
        """Show an event."""
        if self.quiet:
            return
        if self._progress is not None:
            self._move_bars(self._progress, event)
        line = self._line(event)
        if line:
            (self._progress.console if self._progress else self.console).print(line, markup=False, soft_wrap=True)

    def _line(self, event: Event) -> str:
        who = f"sub-{event.participant}"
        match event.kind:
            case "validating":
                return f"validating {self.invocation.bids_dir}"
            case "indexing":
                return "looking for images"
            case "begin":
                skipped = f"; done before and unchanged: {_labels(event.text)}" if event.text else ""
                return f"{self.pipeline.name}: {_people(event.value)} to run{skipped}"
            case "done":
                return f"{who}: done"
            case "failed":
                return f"{who}: FAILED, {event.text}"
            case "group":
                return f"group level over {_people(event.value)}"
            case "step" if self.invocation.verbosity > 0:
                return f"{who}: {event.text}"
            case "note":
                return event.text
        return ""

    def _move_bars(self, progress: Progress, event: Event) -> None:
        match event.kind:
            case "begin" if event.value:
                self._all = progress.add_task("participants", total=event.value, step="")
            case "started":
                self._bars[event.participant] = progress.add_task(f"sub-{event.participant}", total=None, step="")
            case "steps":
                progress.update(self._bars[event.participant], total=event.value)
            case "step":
                progress.update(self._bars[event.participant], advance=1, step=event.text)
            case "writing":
                progress.update(self._bars[event.participant], step="writing")
            case "done" | "failed":
                if event.participant in self._bars:
                    progress.remove_task(self._bars.pop(event.participant))
                    if self._all is not None:
                        progress.advance(self._all)

    def sum_up(self, outcome: Outcome) -> None:
        """Say at the end what came of it."""
        for line in outcome.planned:
            typer.echo(line)
        if self.quiet and not outcome.failed:
            return
        target = self.invocation.output_dir
        parts = [
            f"{len(outcome.done)} done" if outcome.done else "",
            f"{len(outcome.unchanged)} unchanged" if outcome.unchanged else "",
            f"{len(outcome.failed)} failed" if outcome.failed else "",
            f"{len(outcome.without)} without such images" if outcome.without else "",
            f"{len(outcome.to_do)} to do" if outcome.to_do else "",
            "group level done" if outcome.group else "",
        ]
        took = f" ({_duration(time.monotonic() - self.began)})"
        self._say(f"{self.pipeline.name}: {', '.join(filter(None, parts)) or 'nothing to do'}{took}")
        for page in outcome.pages:
            self._say(f"  what failed: {page}")
        if outcome.done or outcome.group:
            self._say(f"  results: {target}")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def _labels(text: str, n_shown: int = 5) -> str:
    labels = text.split(", ")
    more = f" and {len(labels) - n_shown} more" if len(labels) > n_shown else ""
    return ", ".join(f"sub-{one}" for one in labels[:n_shown]) + more


def _people(number: float) -> str:
    return f"{int(number)} participant{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
