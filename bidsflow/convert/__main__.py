"""The process of one session on a cluster: ``python -m bidsflow.convert PARCEL --jobs N``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bidsflow.convert.cluster import run_parcel
from bidsflow.errors import BidsflowError, describe_error

#: What a shell expects of a program that Ctrl-C has stopped.
_INTERRUPTED = 130


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Convert a session, print a line for each image, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bidsflow.convert")
    parser.add_argument("parcel", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    if not given.parcel.exists():  # the task ran before, and was sent again
        print("everything of this session was written before")  # noqa: T201  the log of this process
        return 0
    try:
        result = run_parcel(given.parcel, given.jobs)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BidsflowError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return getattr(error, "exit_code", 1)
    except OSError as error:
        print(describe_error(error), file=sys.stderr)  # noqa: T201
        return 74
    for one in result.outcomes:
        print(f"{one.status} {one.row.path}{f': {one.reason}' if one.reason else ''}")  # noqa: T201
    for sidecar in result.rewired:
        print(f"rewired {sidecar.path}")  # noqa: T201
    for note in result.notes:
        print(f"note {note}")  # noqa: T201
    for issue in result.errors:
        print(f"not valid {issue.place}: {issue.code} {issue.subcode}", file=sys.stderr)  # noqa: T201
    return 0 if result.complete else 1


if __name__ == "__main__":
    sys.exit(main())
