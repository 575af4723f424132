"""A report for programs: JSON of a form that stays.

Notes
-----
One object::

    format          "bidsflow-validation"
    format_version  1; raised when a key is removed or changes its meaning, not when one is added
    root            the dataset as given
    valid           true where there is no error
    engine, schema_version, bids_version   as in `Report`
    n_files, n_errors, n_warnings          counts
    groups          one object per code and subcode: code, subcode, severity, count, examples, message
    issues          one object per issue: code, subcode, severity, location, line, message, rule, affects

Every key is always there; what is absent is ``""``, ``0`` or ``[]``. Errors come before warnings in ``groups``;
``issues`` keeps the order of the engine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bidsflow.validate.issues import Group, Issue, Report

FORMAT: Final = "bidsflow-validation"
FORMAT_VERSION: Final = 1


def render_json(report: Report) -> str:
    """Return a report as JSON text.

    Parameters
    ----------
    report : Report
        Of `bidsflow.validate.run`.
    """
    return json.dumps(to_document(report), indent=2)


def to_document(report: Report) -> dict[str, Any]:
    """Return a report as the object that this module's notes describe."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "root": report.root,
        "valid": report.ok,
        "engine": report.engine,
        "schema_version": report.schema_version,
        "bids_version": report.bids_version,
        "n_files": report.n_files,
        "n_errors": len(report.errors),
        "n_warnings": len(report.warnings),
        "groups": [_group(group) for group in report.groups],
        "issues": [_issue(issue) for issue in report.issues],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "code": group.code,
        "subcode": group.subcode,
        "severity": group.severity.value,
        "count": group.count,
        "examples": list(group.examples),
        "message": group.message,
    }


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "code": issue.code,
        "subcode": issue.subcode,
        "severity": issue.severity.value,
        "location": issue.location,
        "line": issue.line,
        "message": issue.message,
        "rule": issue.rule,
        "affects": list(issue.affects),
    }
