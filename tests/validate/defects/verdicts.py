"""What a validator says of a dataset, in the form in which two of them are compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PROGRAM: Final = "bids-validator-deno"

#: How the reference is asked in each mode.
MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "headers": (),
    "nohdr": ("--ignoreNiftiHeaders",),
    "recursive": ("--recursive", "--ignoreNiftiHeaders"),
    "allrows": ("--max-rows", "-1"),
}
#: And our command.
OUR_MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "headers": (),
    "nohdr": ("--ignore-nifti-headers",),
    "recursive": ("--recursive", "--ignore-nifti-headers"),
    "allrows": ("--max-rows", "-1"),
}
#: And our function.
_OUR_KEYWORDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "headers": {},
    "nohdr": {"ignore_nifti_headers": True},
    "recursive": {"recursive": True, "ignore_nifti_headers": True},
    "allrows": {"max_rows": -1},
}

#: Which dataset (``""``: the outer one), code, subcode, severity, location; then more where it was asked for.
Finding = tuple[str, ...]
#: Sorted; ``None`` where the validator ended without a report.
Verdict = tuple[Finding, ...] | None

#: What identifies a finding, and what else is said of it.
KEYS: Final = ("code", "subCode", "severity", "location")
MORE_KEYS: Final = (*KEYS, "rule", "line", "affects")


def find_reference() -> Path | None:
    """Return the reference validator, beside the running Python or on the search path."""
    beside = Path(sys.executable).parent / PROGRAM
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    return Path(found) if found else None


def read_verdict(document: Mapping[str, Any], keys: Sequence[str] = KEYS) -> tuple[Finding, ...]:
    """Return the findings in the JSON of the reference, of nested datasets too, sorted."""
    return tuple(sorted(_findings(document, "", keys)))


def _findings(document: Mapping[str, Any], dataset: str, keys: Sequence[str]) -> Iterator[Finding]:
    for issue in document["issues"]["issues"]:
        yield (dataset, *(_text(issue.get(key)) for key in keys))
    for name, part in document.get("derivativesSummary", {}).items():
        yield from _findings(part, f"{dataset}{name}", keys)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(sorted(map(str, value)))
    return "" if value is None else str(value)


def ask_reference(program: Path, root: Path, mode: str, keys: Sequence[str] = KEYS) -> Verdict:
    """Return what the reference says; needs no network."""
    document = run_validator([str(program), str(root), "--json", *MODES[mode]])
    return None if document is None else read_verdict(document, keys)


def run_validator(command: Sequence[str], timeout: float = 600) -> Mapping[str, Any] | None:
    """Run a validator that prints the JSON of the reference; ``None`` where it prints none, or takes for ever."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, "NO_COLOR": "1"},
            check=False,
        )
        document = json.loads(done.stdout) if done.returncode in (0, 16) else None
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return document if isinstance(document, dict) and "issues" in document else None


def ask_ours(root: Path, mode: str) -> Mapping[str, Any]:
    """Return what bidsflow says within this process, in the JSON of the reference; keeps and reads no cache."""
    from bidsflow.validate import run
    from bidsflow.validate.render.json import render_json

    report = run(root, compat=True, jobs=1, cache=False, **_OUR_KEYWORDS[mode])
    document: Mapping[str, Any] = json.loads(render_json(report))
    return document
