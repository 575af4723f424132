"""What a submission to a cluster says on the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bidsflow.app.cluster import Submission
    from bidsflow.app.invocation import Invocation
    from bidsflow.app.spec import Pipeline
    from bidsflow.cli.container import Asked


def submit(pipeline: Pipeline, invocation: Invocation) -> int:
    """Submit the tasks of a run, say what was submitted, and return the exit code."""
    from bidsflow.app.cluster import submit as send

    submission = send(pipeline, invocation)
    if invocation.dry_run:
        _explain(submission)
    elif invocation.verbosity >= 0:
        _tell(submission, invocation.output_dir)
    return 0


def submit_foreign(name: str, words: Sequence[str], asked: Asked) -> int:
    """Submit the tasks of a BIDS App of others, say what was submitted, and return the exit code."""
    from bidsflow.app.foreign import parse
    from bidsflow.app.foreign import submit as send
    from bidsflow.cli import container

    call = parse(name, words)
    call = replace(call, container=container.list_options(container.prepare_for_nodes(asked, call.request)))
    submission = send(call)
    if call.dry_run:
        _explain(submission)
    else:
        _tell(submission, call.output_dir)
    return 0


def _tell(submission: Submission, output_dir: Path) -> None:
    for names, what in ((submission.done, "done before"), (submission.live, "submitted before")):
        if names:
            typer.echo(f"{len(names)} {what}: {_shorten(names)}")
    for note in submission.notes:
        typer.echo(f"note: {note}", err=True)
    for batch in submission.batches:
        ids = ", ".join(job for job, _ in batch.jobs)
        after = f", after {', '.join(batch.after)}" if batch.after else ""
        typer.echo(f"{batch.level}: {_shorten(batch.names)}: {batch.request.executor} job {ids}{after}")
    if not submission.batches:
        typer.echo("nothing to submit; --force does again what is done")
        return
    typer.echo(f"scripts and logs: {submission.folder / submission.batches[0].id}")
    typer.echo(f"How it stands: bidsflow jobs {shlex.quote(str(output_dir))}")


def _explain(submission: Submission) -> None:
    """Say what would be submitted: the script, as it would be written."""
    from bidsflow.executors.batches import draft_script

    if submission.done:
        typer.echo(f"{len(submission.done)} done before: {_shorten(submission.done)}")
    for note in submission.notes:
        typer.echo(f"note: {note}", err=True)
    for batch in submission.batches:
        typer.echo(f"{batch.level}: would submit {_shorten(batch.names)} with this script\n")
        typer.echo(draft_script(submission.folder, batch))
    if not submission.batches:
        typer.echo("nothing to submit")


def _shorten(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return f"{len(names)} tasks ({shown}, ...)" if len(names) > 5 else shown
