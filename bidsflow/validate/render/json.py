"""A report for programs: the JSON of the reference validator (bids-validator-deno 3.0), field by field.

Notes
-----
One object::

    issues
        issues        one object per issue: code, subCode, severity, location, issueMessage, affects, rule, line;
                      what does not apply is left out. Locations are below the dataset and begin with a slash; an issue
                      of the dataset as a whole has none, but says which files it affects. What a configuration
                      silences is there with the severity "ignore".
        codeMessages  by code: what it means
    summary           sessions, subjects, subjectMetadata, tasks, modalities, secondaryModalities, totalFiles, size,
                      dataProcessed, pet, dataTypes, schemaVersion
    derivativesSummary  only after a recursive validation: by folder (``/derivatives/fmriprep/``), the same again

Two oddities of the reference are kept, since programs may rely on them: the location of CITATION.cff has no slash, and
``affects`` of MULTIPLE_INHERITABLE_FILES is one text instead of a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from bidsflow.validate.issues import Head, Issue, IssueTable
from bidsflow.validate.report import list_heads

if TYPE_CHECKING:
    from bidsflow.validate.report import Report, Summary

_CITATION: Final = "CITATION.cff"
_CITATION_CODES: Final = frozenset({"CITATION_CFF_VALIDATION_ERROR", "FILE_READ"})
_ONE_AFFECTED: Final = "MULTIPLE_INHERITABLE_FILES"

#: Issues that are written at once.
_AT_ONCE: Final = 500
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
#: Locations that are written otherwise than most.
_ODD_PLACES: Final = frozenset({"", _CITATION})

#: Bytes of a file name that are no UTF-8 (PEP 383): JSON can only hold them escaped.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def render_json(report: Report, *, indent: int | None = None) -> str:
    """Return a report as JSON text.

    Parameters
    ----------
    report : Report
        Of `bidsflow.validate.run`.
    indent : int, optional
        Spaces by which each level is indented; by default all stands on one line.
    """
    return "".join(iter_json(report)) if indent is None else _dump(to_document(report), indent)


def iter_json(report: Report) -> Iterator[str]:
    """Give a report as pieces of JSON text, so that a report of any size needs little memory."""
    yield '{"issues":{"issues":['
    comma = ""
    for piece in chain(_write_issues(report.issues), _write_issues(report.ignored)):
        yield comma
        yield piece
        comma = ","
    yield f'],"codeMessages":{_dump(_to_messages(report))}}},"summary":{_dump(_to_summary(report.summary))}'
    if report.derivatives:
        yield ',"derivativesSummary":{'
        for number, (folder, one) in enumerate(report.derivatives.items()):
            yield f"{',' if number else ''}{_dump(_to_key(folder))}:"
            yield from iter_json(one)
        yield "}"
    yield "}"


def _write_issues(issues: Sequence[Issue]) -> Iterator[str]:
    """Give issues as JSON text without brackets, some hundred at once."""
    if not isinstance(issues, IssueTable):
        yield from (_dump(_to_issue(issue)) for issue in issues)
        return
    before, after = zip(*(_write_around(head) for head in issues.heads), strict=True) if issues.heads else ((), ())
    where = [_dump(f"/{path}") if path not in _ODD_PLACES else "" for path in issues.paths]
    for start in range(0, len(issues), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        yield ",".join([
            f"{before[kind]}{where[place]}{after[kind]}"
            if before[kind] and where[place]
            else _dump(_to_issue(issues.make(kind, place)))
            for kind, place in zip(issues.kinds[part], issues.places[part], strict=True)
        ])  # fmt: skip


def _write_around(head: Head) -> tuple[str, str]:
    """Return what stands before and after the location; nothing if that is not all that depends on it."""
    if head.affects:
        return "", ""
    text = _dump(_to_issue(Issue(head[0], head[1], "x", *head[2:])))
    before, key, after = text.partition(',"location":')  # a quote within a text has a backslash before it
    return before + key, after.removeprefix('"/x"')


def to_document(report: Report) -> dict[str, Any]:
    """Return a report as the object that this module's notes describe."""
    document: dict[str, Any] = {
        "issues": {
            "issues": [_to_issue(issue) for issue in _list_issues(report)],
            "codeMessages": _to_messages(report),
        },
        "summary": _to_summary(report.summary),
    }
    if report.derivatives:
        document["derivativesSummary"] = {_to_key(name): to_document(one) for name, one in report.derivatives.items()}
    return document


def _list_issues(report: Report) -> Iterable[Issue]:
    return chain(report.issues, report.ignored)


def _to_messages(report: Report) -> dict[str, str]:
    """Return the meanings of the codes that occur, in the order in which they do."""
    codes = dict.fromkeys(one.code for one in chain(list_heads(report.issues), report.ignored))
    return {code: report.meanings.get(code, "") for code in codes}


def _to_issue(issue: Issue) -> dict[str, Any]:
    found: dict[str, Any] = {"code": issue.code}
    is_citation = issue.location == _CITATION and issue.code in _CITATION_CODES
    if issue.subcode or (is_citation and issue.code != "FILE_READ"):
        found["subCode"] = issue.subcode
    found["severity"] = issue.severity.value
    affects = issue.affects
    if issue.location:
        found["location"] = issue.location if is_citation else f"/{issue.location}"
    if issue.message:
        found["issueMessage"] = issue.message
    if affects:
        found["affects"] = f"/{affects[0]}" if issue.code == _ONE_AFFECTED else [f"/{path}" for path in affects]
    if issue.rule:
        found["rule"] = issue.rule
    if issue.line:
        found["line"] = issue.line
    return found


def _to_summary(summary: Summary) -> dict[str, Any]:
    return {
        "sessions": list(summary.sessions),
        "subjects": list(summary.subjects),
        "subjectMetadata": [
            {key: _to_number(value) for key, value in one.items()} for one in summary.subject_metadata
        ],
        "tasks": list(summary.tasks),
        "modalities": list(summary.modalities),
        "secondaryModalities": list(summary.secondary_modalities),
        "totalFiles": summary.total_files,
        "size": summary.size,
        "dataProcessed": summary.data_processed,
        "pet": {},
        "dataTypes": list(summary.data_types),
        "schemaVersion": summary.schema_version,
    }  # fmt: skip


def _to_number(value: Any) -> Any:
    """Return a number as JavaScript writes it: whole ones without a point, none that is not finite."""
    if not isinstance(value, float):
        return value
    if value in (float("inf"), float("-inf")) or value != value:  # noqa: PLR0124
        return None
    return int(value) if value.is_integer() else value


def _to_key(folder: str) -> str:
    return f"/{folder}/"


def _dump(value: Any, indent: int | None = None) -> str:
    text = _COMPACT.encode(value) if indent is None else json.dumps(value, ensure_ascii=False, indent=indent)
    return text if text.isascii() else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
