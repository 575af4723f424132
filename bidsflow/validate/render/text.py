"""A report for people: one line per kind of issue, and what to do about it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from bidsflow.validate.issues import Severity

if TYPE_CHECKING:
    from rich.text import Text

    from bidsflow.validate.issues import Group, Report

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}
_N_EXAMPLES = 2
_INDENT = " " * 9  # below the count, right of the severity


def render_text(report: Report, *, width: int = 100) -> Text:
    """Return a report with one line per code and subcode; errors stand last, next to the verdict.

    Parameters
    ----------
    report : Report
        Of `bidsflow.validate.run`.
    width : int
        Columns to which explanations are wrapped; lines with paths are left whole, so that they can be copied.

    Returns
    -------
    text : rich.text.Text
        Styled; ``text.plain`` is the same without colours. Holds no control character but the line feed.
    """
    from rich.text import Text

    text = Text()
    explained = ""
    digits = max((len(str(group.count)) for group in report.groups), default=1)
    for group in sorted(report.groups, key=lambda group: group.severity is Severity.ERROR):
        text.append(f"{group.severity:9}", _STYLES[group.severity])
        text.append(f"{group.count:{digits}} x ").append(_title(group), "bold").append(_examples(group)).append("\n")
        message = _explanation(group, report, explained=explained)
        explained = group.code
        if message:
            lines = textwrap.wrap(_printable(message), max(width - len(_INDENT), 20))
            text.append("".join(f"{_INDENT}{line}\n" for line in lines), "dim")
    return text.append(verdict(report), "bold green" if report.ok else "bold red").append("\n")


def verdict(report: Report) -> str:
    """Return the outcome in one line.

    Examples
    --------
    >>> from bidsflow.validate.issues import Issue, Report
    >>> verdict(Report("ds", (Issue("EMPTY_FILE", Severity.ERROR, "README"),), n_files=34))
    'not valid: 1 error, 0 warnings in 34 files'
    """
    counts = f"{_count(len(report.errors), 'error')}, {_count(len(report.warnings), 'warning')}"
    return f"{'valid' if report.ok else 'not valid'}: {counts} in {_count(report.n_files, 'file')}"


def _explanation(group: Group, report: Report, *, explained: str) -> str:
    """Say what to do: all of it for an error; for warnings, which come in dozens, once per code."""
    if group.severity is Severity.ERROR:
        return group.message
    return "" if group.code == explained else report.meanings.get(group.code, "")


def _title(group: Group) -> str:
    return _printable(f"{group.code} ({group.subcode})" if group.subcode else group.code)


def _examples(group: Group) -> str:
    shown = group.examples[:_N_EXAMPLES]
    if not shown:
        return ""
    more = ", ..." if len(group.examples) > len(shown) else ""
    return _printable(f": {', '.join(shown)}{more}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _printable(text: str) -> str:
    """Escape what could act on a terminal: file names may hold anything."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
