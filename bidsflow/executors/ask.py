"""Call a program of a scheduler and hear its answer."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bidsflow.errors import ToolError

#: Seconds that a scheduler may take to answer; a busy one takes its time.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said.

    Attributes
    ----------
    code : int
        Its exit code.
    out, err : str
        What it printed.
    """

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """What it said last, in one line."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return " ".join(line.strip() for line in lines[-3:]) or f"exit code {self.code}"


def ask(*words: str, folder: Path | None = None) -> Answer:
    """Return what a program says.

    Raises
    ------
    ToolError
        If it is not there, or does not answer in time.
    """
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        hint = "Run this where jobs can be submitted (a login node), or choose another --executor"
        raise ToolError(words[0], "this program is not on this machine", hint) from error
    except OSError as error:
        raise ToolError(words[0], error.strerror or "it cannot be started") from error
    except subprocess.TimeoutExpired as error:
        reason = f"no answer in {PATIENCE:.0f} s; the scheduler is busy or down"
        last = (error.stderr or b"").decode(errors="replace").strip().rpartition("\n")[2]
        reason += f" ({last})" if last else ""
        raise ToolError(words[0], reason, "Try again later; what was submitted goes on") from error
    return Answer(done.returncode, done.stdout, done.stderr)


def demand(*words: str, folder: Path | None = None) -> str:
    """Return what a program prints.

    Raises
    ------
    ToolError
        If it fails.
    """
    answer = ask(*words, folder=folder)
    if answer.code:
        raise ToolError(words[0], answer.complaint)
    return answer.out


def is_unanswered(error: ToolError) -> bool:
    """Return whether a scheduler may have done what it was asked for, and could not say so in time.

    Examples
    --------
    >>> is_unanswered(ToolError("sbatch", "Socket timed out on send/recv operation"))
    True
    """
    return re.search(r"no answer|timed out|[Uu]nable to contact|Zero Bytes|not connected", error.reason) is not None


def read_ranges(text: str) -> list[int]:
    """Return the numbers in ranges of tasks.

    Examples
    --------
    >>> read_ranges("3-7:2,9")
    [3, 5, 7, 9]
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match:
            first = int(match[1])
            numbers += range(first, int(match[2] or first) + 1, int(match[3] or 1))
    return numbers
