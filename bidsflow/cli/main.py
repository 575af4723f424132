"""The command line: `bidsflow COMMAND ...`. Each command is a file of this folder; heavy imports stay inside it."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from bidsflow import __version__
from bidsflow.cli.convert import convert
from bidsflow.cli.demo import demo
from bidsflow.cli.dump import dump
from bidsflow.cli.phantom import phantom
from bidsflow.cli.plan import plan
from bidsflow.cli.scan import scan
from bidsflow.cli.validate import validate
from bidsflow.errors import BidsflowError, describe_error

#: What a shell expects of a program that Ctrl-C has stopped.
EXIT_INTERRUPTED = 130
#: A file could not be read or written (sysexits.h, EX_IOERR).
EXIT_IO = 74

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Guides: docs/ in the source of bidsflow.",
)
for _command, _panel in (
    (scan, "From the scanner to BIDS"),
    (plan, "From the scanner to BIDS"),
    (convert, "From the scanner to BIDS"),
    (validate, "From the scanner to BIDS"),
    (dump, "Look closer"),
    (phantom, "Try it out"),
    (demo, "Try it out"),
):
    app.command(rich_help_panel=_panel)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bidsflow {__version__}")
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
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks
            signal.signal(number, _interrupt)
    try:
        app(standalone_mode=True)
    except BidsflowError as error:
        _fail(str(error), error.exit_code)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            typer.echo("interrupted: nothing half-written was left; the same command goes on from here", err=True)
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or type(error).__name__}", EXIT_IO)
    except Exception as error:
        _fail(f"bidsflow stumbled ({describe_error(error)}). Please report this line", BidsflowError.exit_code)


def _fail(message: str, code: int) -> NoReturn:
    """Print a message that cannot control the terminal, and end."""
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo("".join(char if char.isprintable() or char == "\n" else "?" for char in message), err=True)
    sys.exit(code)
