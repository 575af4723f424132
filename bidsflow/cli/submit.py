"""What a submission to a cluster says on the terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bidsflow.app.cluster import Submission
    from bidsflow.app.invocation import Invocation
    from bidsflow.app.spec import Pipeline


def submit(pipeline: Pipeline, invocation: Invocation) -> int:
    """Submit the tasks of a run, say what was submitted, and return the exit code."""
    from bidsflow.app.cluster import submit as send

    submission = send(pipeline, invocation)
    if invocation.dry_run:
        _explain(submission)
    elif invocation.verbosity >= 0:
        _tell(submission, invocation)
    return 0


def _tell(submission: Submission, invocation: Invocation) -> None:
    for names, what in ((submission.done, "done before and unchanged"), (submission.live, "submitted before")):
        if names:
            typer.echo(f"{len(names)} {what}: {_shorten(names)}")
    for batch in submission.batches:
        ids = ", ".join(job for job, _ in batch.jobs)
        after = f", after {', '.join(batch.after)}" if batch.after else ""
        typer.echo(f"{batch.level}: {_shorten(batch.names)}: {batch.request.executor} job {ids}{after}")
    if not submission.batches:
        typer.echo("nothing to submit; --force does again what is done")
        return
    typer.echo(f"scripts and logs: {submission.folder / submission.batches[0].id}")
    typer.echo(f"How it stands: bidsflow jobs {shlex.quote(str(invocation.output_dir))}")


def _explain(submission: Submission) -> None:
    """Say what would be submitted: the script, as it would be written."""
    from bidsflow.executors.batches import draft_script

    if submission.done:
        typer.echo(f"{len(submission.done)} done before and unchanged: {_shorten(submission.done)}")
    for batch in submission.batches:
        typer.echo(f"{batch.level}: would submit {_shorten(batch.names)} with this script\n")
        typer.echo(draft_script(submission.folder, batch))
    if not submission.batches:
        typer.echo("nothing to submit")


def _shorten(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return f"{len(names)} tasks ({shown}, ...)" if len(names) > 5 else shown
