"""A report as one self-contained page: groups that fold, filters, places page by page; no network, fit for print.

The page shows the first places of each group; the rest lie in it as numbers and are shown by its script, so that a
hundred thousand issues make a page that a browser opens at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bidsflow.dataset.files import save_bytes
from bidsflow.validate.issues import Severity
from bidsflow.validate.render.advice import (
    end_sentence,
    find_page,
    get_fix,
    shorten,
    tell_field,
    tell_seen,
    to_plain,
    to_printable,
)
from bidsflow.validate.render.text import tell_size, verdict
from bidsflow.validate.report import group_issues

if TYPE_CHECKING:
    from bidsflow.validate.issues import Issue
    from bidsflow.validate.report import Report

#: Places of a group that are there without the script, and on each of its pages.
PAGE_SIZE: Final = 100
#: Places that are there without the script in all: with very many groups, each shows fewer.
_MOST_PLACES: Final = 6000
_LEAST_PLACES: Final = 10
_MOST_SAID: Final = 500
#: Only what stands in the page itself may act in it; nothing may be fetched or sent.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an issue is, and what was seen there unless that is the same for the whole group."""

    text: str
    line: int
    seen: str


@dataclass(frozen=True, slots=True)
class _Group:
    """A code and a subcode."""

    number: int
    subcode: str
    count: int
    field: str
    seen: str
    rules: tuple[str, ...]
    places: tuple[_Place, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """A code."""

    severity: str
    code: str
    count: int
    meaning: str
    fix: str
    link: str
    groups: tuple[_Group, ...]


def save_html(report: Report, path: str | os.PathLike[str]) -> Path:
    """Write a report as a page; readers see the old file or the new one, never a part.

    Parameters
    ----------
    report : Report
        Of `bidsflow.validate.run`.
    path : path-like
        The HTML file. An older file is replaced.

    Raises
    ------
    StorageError
        If the file cannot be written. The older file, if any, is untouched.
    """
    return Path(save_bytes([render_html(report).encode("utf-8", "backslashreplace")], path))


def render_html(report: Report) -> str:
    """Return a report as a page.

    Parameters
    ----------
    report : Report
        Of `bidsflow.validate.run`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder = Path(__file__).parent / "page"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    grouped = group_issues(report) + group_issues(report.ignored)
    data, numbers = _collect(grouped)
    sections = _make_sections(grouped, numbers, report)
    errors = sum(section.count for section in sections if section.severity == Severity.ERROR)
    warnings = sum(section.count for section in sections if section.severity == Severity.WARNING)
    return environment.get_template("report.html.j2").render(
        report=report,
        name=to_printable(Path(report.root).resolve().name or report.root),
        sections=sections,
        errors=errors,
        warnings=warnings,
        facts=_list_facts(report),
        derivatives={to_printable(folder): verdict(one) for folder, one in report.derivatives.items()},
        page_size=PAGE_SIZE,
        policy=POLICY,
        css=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup((folder / "script.js").read_text(encoding="utf-8")),
        data=Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")),
    )


def _collect(grouped: list[Sequence[Issue]]) -> tuple[dict[str, Any], dict[str, int]]:
    """Return all places as numbers: paths and messages once, and for each group which, in order."""
    paths: dict[str, int] = {}
    seen: dict[str, int] = {}
    groups = []
    for group in grouped:
        differ = len({issue.message for issue in group}) > 1
        one: dict[str, Any] = {"p": [paths.setdefault(_locate(issue), len(paths)) for issue in group]}
        if any(issue.line for issue in group):
            one["l"] = [issue.line for issue in group]
        if differ:
            one["m"] = [seen.setdefault(_tell_seen(issue), len(seen)) for issue in group]
        groups.append(one)
    return {"paths": list(paths), "seen": list(seen), "groups": groups}, paths


def _make_sections(grouped: list[Sequence[Issue]], paths: dict[str, int], report: Report) -> tuple[_Section, ...]:
    """Return what the page shows of each code."""
    n_places = max(_LEAST_PLACES, min(PAGE_SIZE, _MOST_PLACES // max(len(grouped), 1)))
    meanings = report.all_meanings
    sections = []
    numbered = enumerate(grouped)
    for (severity, code), same in groupby(numbered, key=lambda item: (item[1][0].severity, item[1][0].code)):
        groups = tuple(_make_group(number, group, n_places) for number, group in same)
        meaning = end_sentence(shorten(to_plain(meanings.get(code, "")) or code, _MOST_SAID))
        count = sum(group.count for group in groups)
        sections.append(
            _Section(
                severity.value, to_printable(code), count, to_printable(meaning), get_fix(code), find_page(code), groups
            )
        )
    return tuple(sections)


def _make_group(number: int, group: Sequence[Issue], n_places: int) -> _Group:
    differ = len({issue.message for issue in group}) > 1
    first = group[0]
    field = tell_field(first.message)
    places = tuple(
        _Place(_locate(issue), issue.line, _tell_seen(issue) if differ else "") for issue in group[:n_places]
    )  # fmt: skip
    return _Group(
        number=number,
        subcode=to_printable(first.subcode),
        count=len(group),
        field=to_printable(shorten(field, _MOST_SAID)),
        seen="" if differ else _tell_seen(first),
        rules=tuple(dict.fromkeys(issue.rule for issue in group if issue.rule))[:5],
        places=places,
    )


def _locate(issue: Issue) -> str:
    return to_printable(issue.location or (issue.affects[0] if issue.affects else "the dataset"))


def _tell_seen(issue: Issue) -> str:
    return to_printable(shorten(tell_seen(issue.message), _MOST_SAID))


def _list_facts(report: Report) -> dict[str, str]:
    """Return what the head of the page says of the dataset."""
    summary = report.summary
    facts = {
        "Files": f"{report.n_all_files:,}".replace(",", "\u202f"),
        "Size": tell_size(summary.size) if summary.total_files else "",
        "Subjects": str(len(summary.subjects) or ""),
        "Sessions": str(len(summary.sessions) or ""),
        "Modalities": ", ".join(summary.modalities),
        "Tasks": ", ".join(summary.tasks[:5]) + (", ..." if len(summary.tasks) > 5 else ""),
        "BIDS version": report.bids_version,
        "Schema": report.schema_version,
        "Validator": report.engine,
    }
    return {label: to_printable(value) if label != "Files" else value for label, value in facts.items() if value}
