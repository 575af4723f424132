"""Runs a heuristic in a process of its own that can do nothing but answer (`apart`)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bidsflow.errors import ConfigError

#: The process itself ends after 20 s of work.
_SECONDS = 60
_MAX_ANSWER = 16 << 20


def ask_heuristic(text: str, where: str, visits: Sequence[Sequence[Mapping[str, object]]]) -> dict[str, Any]:
    """Return what a heuristic answers: for each visit, templates and the series that it gives them.

    Raises
    ------
    ConfigError
        If it fails, takes too long, or does what it may not.
    """
    question = json.dumps({"source": text, "name": Path(where).name, "visits": visits})
    program = Path(__file__).with_name("apart.py")
    command = [sys.executable, "-I", "-S", "-B", str(program)]
    with tempfile.TemporaryDirectory() as empty:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=empty, env={},
            start_new_session=True, close_fds=True, text=True,
        )  # fmt: skip
        try:
            out, _ = process.communicate(question, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise ConfigError(where, (f"the heuristic took more than {_SECONDS} s and was stopped",)) from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    answer = _parse(out, where)
    if "error" in answer:
        line = f" (line {answer['line']})" if answer.get("line") else ""
        said = f": {answer['said']}" if answer.get("said") else ""
        hint = "; it may import the standard library and nothing else, and read and write no file"
        refused = answer["error"] in ("PermissionError", "ImportError", "ModuleNotFoundError")
        raise ConfigError(where, (f"the heuristic failed with {answer['error']}{line}{said}{hint if refused else ''}",))
    return answer


def _parse(out: str, where: str) -> dict[str, Any]:
    answer: Any = None
    if len(out) <= _MAX_ANSWER:
        with suppress(ValueError, RecursionError):
            answer = json.loads(out)
    if not isinstance(answer, dict):
        raise ConfigError(where, ("the heuristic ended without an answer: it takes too much time or memory",))
    return answer
