"""Where the command begins: imports nothing before it knows what to say of Ctrl-C, and little for an old answer."""

from __future__ import annotations

import atexit
import gc
import sys

#: A file could not be read or written (sysexits.h, EX_IOERR).
EXIT_IO = 74
#: What a shell expects of a program that Ctrl-C has stopped.
EXIT_INTERRUPTED = 130
#: Commands that make a value for each of many files, none of them in a cycle. Python looks for cycles after every 700
#: values that stay, which is a tenth of their time.
_MANY_VALUES = frozenset({"check", "convert", "plan", "scan", "status", "study", "trace", "validate"})
_SELDOM = 300_000
INTERRUPTED = "interrupted: nothing half-written was left; the same command goes on from here"


def main() -> None:
    """Run the command line."""
    try:
        if sys.argv[1:2] == ["validate"]:
            _answer_again()
        if not _MANY_VALUES.isdisjoint(sys.argv[1:2]):
            gc.set_threshold(_SELDOM)
            atexit.register(gc.freeze)  # Python looks for cycles once more before it ends, in all that then goes anyway
        from bidsflow.cli import main as commands
    except (KeyboardInterrupt, RuntimeError) as error:
        _end(error)
    commands.main()


def main_of_pipeline() -> None:
    """Run a pipeline under its own name, ``bidsflow-qc``, as containers and platforms call it."""
    try:
        from bidsflow.cli import main as commands
    except (KeyboardInterrupt, RuntimeError) as error:
        _end(error)
    commands.main_of_pipeline()


def is_interrupt(error: BaseException) -> bool:
    """Return whether Ctrl-C is what has stopped an import.

    Up to Python 3.11 a class in the making wraps what comes in between (``__set_name__``).
    """
    return isinstance(error, KeyboardInterrupt) or (
        isinstance(error, RuntimeError) and isinstance(error.__cause__, KeyboardInterrupt)
    )


def _answer_again() -> None:
    """End with an answer that was given before, if there is one and it still holds.

    Whatever else goes wrong, the question is answered anew.
    """
    from bidsflow.cli.again import answer_again

    try:
        code = answer_again(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"error: {error.strerror}\n")
        sys.exit(EXIT_IO)
    except Exception as error:
        if is_interrupt(error):
            raise
        return
    if code is not None:
        sys.exit(code)


def _end(error: BaseException) -> None:
    if not is_interrupt(error):
        raise error
    sys.stderr.write(INTERRUPTED + "\n")
    sys.exit(EXIT_INTERRUPTED)
