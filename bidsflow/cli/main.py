"""The command line: `bidsflow COMMAND ...`. Each command is a file of this folder; heavy imports stay inside it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from bidsflow.cli import (
    convert,
    demo,
    dump,
    jobs,
    new_pipeline,
    package,
    phantom,
    pipelines,
    plan,
    run,
    scan,
    trace,
    validate,
)
from bidsflow.cli.options import unwrap
from bidsflow.cli.start import EXIT_INTERRUPTED, INTERRUPTED
from bidsflow.errors import BidsflowError, describe_error

#: A file could not be read or written (sysexits.h, EX_IOERR).
EXIT_IO = 74

_START = """\
Start here:
bidsflow demo DIR                 the whole way, on made-up data
bidsflow scan EXPORT              what a folder from the scanner holds
bidsflow convert EXPORT BIDS_DIR  make a BIDS dataset of it
bidsflow COMMAND --help           options, examples, exit codes"""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_START,
)
for _command, _end, _panel in (
    (scan.scan, scan.HELP_END, "From the scanner to BIDS"),
    (plan.plan, plan.HELP_END, "From the scanner to BIDS"),
    (convert.convert, convert.HELP_END, "From the scanner to BIDS"),
    (pipelines.pipelines, pipelines.HELP_END, "Run BIDS Apps"),
    (jobs.jobs, jobs.HELP_END, "Run BIDS Apps"),
    (new_pipeline.new_pipeline, new_pipeline.HELP_END, "Run BIDS Apps"),
    (package.package, package.HELP_END, "Run BIDS Apps"),
    (dump.dump, dump.HELP_END, "Look closer"),
    (trace.trace, trace.HELP_END, "Look closer"),
    (phantom.phantom, phantom.HELP_END, "Try it out"),
    (demo.demo, demo.HELP_END, "Try it out"),
):
    app.command(help=unwrap(_command.__doc__ or ""), epilog=_end, rich_help_panel=_panel)(_command)
app.command(
    cls=validate.ValidateCommand,
    help=unwrap(validate.validate.__doc__ or ""),
    epilog=validate.HELP_END,
    rich_help_panel="From the scanner to BIDS",
)(validate.validate)
app.command(
    help=unwrap(run.run.__doc__ or ""),
    epilog=run.HELP_END,
    rich_help_panel="Run BIDS Apps",
    context_settings=run.PASS_ON,
    add_help_option=False,
)(run.run)


def _print_version(wanted: bool) -> None:
    if wanted:
        from bidsflow.dataset.origin import name_version

        typer.echo(f"bidsflow {name_version()}")
        raise typer.Exit


@app.callback()
def bidsflow(
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more; -vv says why.")] = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Neuroimaging data from the scanner to results that others can check."""
    import logging

    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    if not verbose:
        logging.getLogger("bidsflow").setLevel(logging.ERROR)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; whatever goes wrong becomes one message and an exit code."""
    _guard(lambda: app(standalone_mode=True))


def main_of_pipeline() -> None:
    """Run a pipeline under its own name, ``bidsflow-qc``, as containers and platforms call it."""
    name = Path(sys.argv[0]).name.removeprefix("bidsflow-")
    _guard(lambda: sys.exit(run.call(name, sys.argv[1:], f"bidsflow-{name}")))


def _guard(command: Callable[[], None]) -> None:
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks
            signal.signal(number, _interrupt)
    try:
        command()
    except KeyboardInterrupt:
        typer.echo(INTERRUPTED, err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BidsflowError as error:
        _fail(str(error), error.exit_code)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            typer.echo(INTERRUPTED, err=True)
        raise
    except OSError as error:
        where = f"{_name_file(error)}: " if error.filename else ""
        _fail(f"{where}{error.strerror or type(error).__name__}", EXIT_IO)
    except Exception as error:
        _fail(f"bidsflow stumbled ({describe_error(error)}). Please report this line", BidsflowError.exit_code)


def _name_file(error: OSError) -> str:
    """Return the file of an error so that it may be shown: what the user has typed, and names in a dataset.

    What lies in an export is often called after the person and the day.
    """
    from bidsflow.dataset.tree import STATE

    if not isinstance(error.filename, str | bytes):
        return str(error.filename)
    name = os.fsdecode(error.filename)
    for locate in (os.path.abspath, os.path.realpath):
        path = Path(locate(name))
        for word in sys.argv[1:]:
            root = Path(locate(word))
            is_dataset = (root / STATE).is_dir() and not path.is_relative_to(root / "sourcedata")
            if root in path.parents and not is_dataset:
                return f"a file below {word}"
    return name


def _fail(message: str, code: int) -> NoReturn:
    """Print a message that cannot control the terminal, and end."""
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo("".join(char if char.isprintable() or char == "\n" else "?" for char in message), err=True)
    sys.exit(code)
