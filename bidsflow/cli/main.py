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

from bidsflow.cli.commands import LazyGroup
from bidsflow.cli.start import EXIT_INTERRUPTED, EXIT_IO, INTERRUPTED, is_interrupt
from bidsflow.errors import BidsflowError, describe_error

_START = """\
Start here:
bidsflow demo DIR                 the whole way, on made-up data
bidsflow scan EXPORT              what a folder from the scanner holds
bidsflow convert EXPORT BIDS_DIR  make a BIDS dataset of it
bidsflow COMMAND --help           options, examples, exit codes"""

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_START,
)


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
        logging.getLogger("bidsflow.dataset.lock").setLevel(logging.WARNING)  # who waits is told for whom


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; whatever goes wrong becomes one message and an exit code."""
    _guard(lambda: app(standalone_mode=True, obj=tuple(sys.argv[1:])))


def main_of_pipeline() -> None:
    """Run a pipeline under its own name, ``bidsflow-qc``, as containers and platforms call it."""
    _guard(_call_pipeline)


def _call_pipeline() -> NoReturn:
    from bidsflow.cli import run

    name = Path(sys.argv[0]).name.removeprefix("bidsflow-")
    sys.exit(run.call(name, sys.argv[1:], f"bidsflow-{name}"))


def _guard(command: Callable[[], None]) -> None:
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks
            signal.signal(number, _interrupt)
    try:
        command()
    except KeyboardInterrupt:
        _end_interrupted()
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
        if is_interrupt(error):
            _end_interrupted()
        _fail(f"bidsflow stumbled ({describe_error(error)}). Please report this line", BidsflowError.exit_code)


def _end_interrupted() -> NoReturn:
    typer.echo(INTERRUPTED, err=True)
    sys.exit(EXIT_INTERRUPTED)


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
