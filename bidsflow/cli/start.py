"""Where the command begins: imports nothing before it knows what to say of Ctrl-C."""

from __future__ import annotations

import sys

#: What a shell expects of a program that Ctrl-C has stopped.
EXIT_INTERRUPTED = 130
INTERRUPTED = "interrupted: nothing half-written was left; the same command goes on from here"


def main() -> None:
    """Run the command line."""
    _start("main")


def main_of_pipeline() -> None:
    """Run a pipeline under its own name, ``bidsflow-qc``, as containers and platforms call it."""
    _start("main_of_pipeline")


def is_interrupt(error: BaseException) -> bool:
    """Return whether Ctrl-C is what has stopped an import.

    Up to Python 3.11 a class in the making wraps what comes in between (``__set_name__``).
    """
    return isinstance(error, KeyboardInterrupt) or (
        isinstance(error, RuntimeError) and isinstance(error.__cause__, KeyboardInterrupt)
    )


def _start(name: str) -> None:
    try:
        from bidsflow.cli import main as commands
    except (KeyboardInterrupt, RuntimeError) as error:
        if not is_interrupt(error):
            raise
        sys.stderr.write(INTERRUPTED + "\n")
        sys.exit(EXIT_INTERRUPTED)
    getattr(commands, name)()
