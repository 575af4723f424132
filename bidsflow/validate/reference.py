"""The reference validator (bids-validator-deno), driven as a program and read through its JSON."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from bidsflow.errors import ToolError
from bidsflow.validate.issues import Issue, Report, Severity

logger = logging.getLogger(__name__)

PROGRAM: Final = "bids-validator-deno"
HINT: Final = "Install it with: pip install 'bidsflow[validate]'"

#: What the program returns after a complete validation: without and with errors.
_COMPLETE = (0, 16)

#: The severity of issues that a configuration file silences: they stand in the JSON all the same.
_IGNORED = "ignore"

#: Rows of each table that the program looks at unless told otherwise.
_DEFAULT_ROWS = 1000


def find_program() -> Path:
    """Return the reference validator: beside the running Python first, then on the search path.

    Raises
    ------
    ToolError
        If it is not installed.
    """
    beside = Path(sys.executable).parent / PROGRAM
    if beside.is_file():
        return beside
    if found := shutil.which(PROGRAM):
        return Path(found)
    raise ToolError(PROGRAM, "the reference validator is not installed", HINT)


def run_reference(
    root: Path,
    *,
    ignore_warnings: bool = False,
    ignore_nifti_headers: bool = False,
    recursive: bool = False,
    config: Path | None = None,
    max_rows: int | None = None,
    program: Path | None = None,
) -> Report:
    """Validate a dataset by the reference validator; needs no network.

    Parameters
    ----------
    root : Path
        The dataset.
    ignore_warnings, ignore_nifti_headers : bool
        Leave out warnings; do not open images.
    recursive : bool
        Validate the datasets below ``derivatives/``, too.
    config : Path, optional
        A JSON file that lowers, raises or ignores codes, as the reference validator defines it.
    max_rows : int, optional
        How many rows of each table to check; -1 for all. By default as many as the reference does (1000), or as
        ``participants.tsv`` has: cut off there, it would miss participants and report a mismatch that is none.
    program : Path, optional
        The executable; by default the one that `find_program` finds.

    Raises
    ------
    ToolError
        If the program is missing, cannot be started, or ends without a report.
    """
    program = find_program() if program is None else program
    rows = _rows_needed(root) if max_rows is None else max_rows
    command = [str(program), str(root.absolute()), "--json", "--max-rows", str(rows)]
    command += ["--ignoreWarnings"] if ignore_warnings else []
    command += ["--ignoreNiftiHeaders"] if ignore_nifti_headers else []
    command += ["--recursive"] if recursive else []
    command += ["--config", str(config.absolute())] if config is not None else []
    output = _call(command)
    try:
        document = json.loads(output)
        return parse_report(document, str(root), engine=_engine(program), bids_version=_claimed_version(root))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ToolError(
            program.name, "its report cannot be understood", "Update it with: pip install -U 'bidsflow[validate]'"
        ) from error


def parse_report(document: Mapping[str, Any], root: str, *, engine: str = PROGRAM, bids_version: str = "") -> Report:
    """Turn the JSON of the reference validator into a report.

    Parameters
    ----------
    document : mapping
        ``issues`` (``issues``, ``codeMessages``), ``summary``, and ``derivativesSummary`` after a recursive run, where
        each derivative has the first two again, with locations below itself.
    root : str
        The dataset, for the report.
    engine, bids_version : str
        For the report; the document does not have them.

    Examples
    --------
    >>> document = {
    ...     "issues": {
    ...         "issues": [{"code": "EMPTY_FILE", "severity": "error", "location": "/README"}],
    ...         "codeMessages": {"EMPTY_FILE": "Empty files not allowed."},
    ...     },
    ...     "summary": {"totalFiles": 2, "schemaVersion": "1.2.7"},
    ... }
    >>> parse_report(document, "ds").issues
    (Issue(code='EMPTY_FILE', severity=<Severity.ERROR: 'error'>, location='README', ...),)
    """
    parts = {"": document, **document.get("derivativesSummary", {})}
    issues: list[Issue] = []
    meanings: dict[str, str] = {}
    n_files = 0
    for below, part in parts.items():
        prefix = below.strip("/") + "/" if below.strip("/") else ""
        issues += [_issue(found, prefix) for found in part["issues"]["issues"] if found["severity"] != _IGNORED]
        meanings |= {code: " ".join(text.split()) for code, text in part["issues"]["codeMessages"].items()}
        n_files += int(part["summary"]["totalFiles"])
    schema_version = str(document["summary"].get("schemaVersion", ""))
    return Report(root, tuple(issues), schema_version, bids_version, engine, n_files, meanings)


def _issue(found: Mapping[str, Any], prefix: str) -> Issue:
    """Turn one issue into ours."""
    affects = tuple(prefix + str(path).lstrip("/") for path in found.get("affects") or ())
    location = str(found.get("location") or "").lstrip("/")
    return Issue(
        code=str(found["code"]),
        severity=Severity(found["severity"]),
        location=prefix + location if location or not affects else affects[0],
        subcode=str(found.get("subCode") or ""),
        message=" ".join(str(found.get("issueMessage") or "").split()),
        rule=str(found.get("rule") or ""),
        affects=affects,
        line=int(found.get("line") or 0),
    )


def _call(command: list[str]) -> str:
    """Run the program to its end and return what it printed; take it down with us when we are interrupted."""
    logger.debug("running %s", " ".join(command))
    started: list[subprocess.Popen[str]] = []

    def start() -> None:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1"},
            encoding="utf-8",
            errors="replace",
        )
        started.append(process)

    try:
        with ThreadPoolExecutor(1) as starter:  # signals interrupt the main thread, which so never loses a child
            starter.submit(start).result()
        (process,) = started
        output, complaint = process.communicate()
    except OSError as error:
        raise ToolError(Path(command[0]).name, f"it cannot be started ({error.strerror})", HINT) from error
    except BaseException:
        for process in started:
            with process:
                process.kill()
        raise
    if process.returncode not in _COMPLETE:
        raise ToolError(Path(command[0]).name, f"it ended with {process.returncode}{_last_words(complaint)}")
    return output


def _last_words(complaint: str) -> str:
    """Return what the program complained of, without colours and its stack trace."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", complaint)
    lines = [line.strip() for line in plain.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    wanted = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "")
    return f": {wanted.removeprefix('error: ')}" if wanted else " and said nothing"


def _rows_needed(root: Path) -> int:
    """Return a limit for the rows of tables that does not cut off participants."""
    try:
        with (root / "participants.tsv").open("rb") as file:
            return max(_DEFAULT_ROWS, sum(1 for _ in file))
    except OSError:
        return _DEFAULT_ROWS


def _claimed_version(root: Path) -> str:
    try:
        description = json.loads((root / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return ""
    return str(description.get("BIDSVersion", "")) if isinstance(description, dict) else ""


def _engine(program: Path) -> str:
    """Name the program and its version; asked itself, it gives the commit of whichever folder one stands in."""
    if program.parent == Path(sys.executable).parent and program.name == PROGRAM:
        try:
            return f"{PROGRAM} {metadata.version(PROGRAM)}"
        except metadata.PackageNotFoundError:
            logger.debug("%s is beside this Python but is not one of its packages", program)
    return program.name
