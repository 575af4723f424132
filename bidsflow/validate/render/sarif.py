"""A report for code scanning and editors: SARIF 2.1.0, one result per issue.

Sources: OASIS Static Analysis Results Interchange Format 2.1.0 (sections are named below).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from bidsflow.validate.issues import Severity
from bidsflow.validate.render.advice import end_sentence, find_page, get_fix, get_sentence, shorten, tell_seen, to_plain

if TYPE_CHECKING:
    from bidsflow.validate.issues import Issue
    from bidsflow.validate.report import Report

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PROJECT: Final = "https://github.com/bids-standard/bids-specification"

#: What paths are relative to (3.14.14); where that is on this machine is not told.
_BASE: Final = "%SRCROOT%"
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.IGNORE: "note"}
_MOST_SAID: Final = 300
_DESCRIPTION: Final = "dataset_description.json"


def render_sarif(report: Report) -> str:
    """Return a report as SARIF text.

    Parameters
    ----------
    report : Report
        Of `bidsflow.validate.run`.
    """
    return "".join(iter_sarif(report))


def iter_sarif(report: Report) -> Iterator[str]:
    """Give a report as pieces of SARIF text, so that a report of any size needs little memory.

    Issues of derivatives within are among the results; those that a configuration silences are suppressed (3.35).
    """
    silenced = list(_list_ignored(report))
    codes = dict.fromkeys([issue.code for issue in report] + [issue.code for issue in silenced])
    worst = {issue.code: issue.severity for issue in silenced}
    for issue in report:
        if worst.get(issue.code) is not Severity.ERROR:
            worst[issue.code] = issue.severity
    meanings = report.all_meanings
    numbers = {code: number for number, code in enumerate(codes)}
    yield f'{{"$schema":{json.dumps(SCHEMA)},"version":"2.1.0","runs":[{{"tool":{{"driver":'
    rules = [_make_rule(code, meanings.get(code, ""), worst[code]) for code in codes]
    yield f'{_dump(_make_driver(report, rules))}}},"columnKind":"unicodeCodePoints"'
    base = {_BASE: {"description": {"text": "The root of the dataset."}}}
    yield f',"originalUriBaseIds":{_dump(base)},"results":['
    comma = ""
    texts: dict[tuple[str, str, str], str] = {}
    for issue in chain(report, silenced):
        key = (issue.code, issue.subcode, issue.message)
        if key not in texts:
            texts[key] = _tell(issue, meanings.get(issue.code, ""))
        yield comma + _dump(_make_result(issue, numbers[issue.code], texts[key]))
        comma = ","
    yield "]}]}\n"


def _list_ignored(report: Report, above: str = "") -> Iterator[Issue]:
    """Give what configurations silence, with locations below the root."""
    for issue in report.ignored:
        yield issue._replace(location=above + issue.location, affects=tuple(above + path for path in issue.affects))
    for folder, one in report.derivatives.items():
        yield from _list_ignored(one, f"{above}{folder}/")


def _make_driver(report: Report, rules: list[dict[str, Any]]) -> dict[str, Any]:
    name, _, version = report.engine.rpartition(" ")
    driver: dict[str, Any] = {"name": name or version or "bidsflow", "informationUri": _PROJECT}
    if name and version:
        driver["version"] = version
    if report.schema_version:
        driver["properties"] = {"bidsSchemaVersion": report.schema_version, "bidsVersion": report.bids_version}
    return {**driver, "rules": rules}


def _make_rule(code: str, meaning: str, severity: Severity) -> dict[str, Any]:
    """Return the description of a code (3.49)."""
    full = to_plain(meaning) or code
    fix = get_fix(code)
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("_")),
        "shortDescription": {"text": end_sentence(shorten(get_sentence(full), _MOST_SAID))},
        "fullDescription": {"text": end_sentence(full)},
        "help": {
            "text": fix or end_sentence(full),
            "markdown": f"{fix or end_sentence(full)}\n\n[What others have asked]({find_page(code)})",
        },
        "helpUri": find_page(code),
        "defaultConfiguration": {"level": _LEVELS[severity]},
    }


def _tell(issue: Issue, meaning: str) -> str:
    """Return what is wrong, in a line."""
    what = get_sentence(to_plain(meaning)) or issue.code
    seen = shorten(tell_seen(issue.message), _MOST_SAID)
    return f"{issue.subcode}{': ' * bool(issue.subcode)}{end_sentence(what)}" + (
        f" {end_sentence(seen)}" if seen else ""
    )


def _make_result(issue: Issue, number: int, text: str) -> dict[str, Any]:
    """Return an issue (3.27)."""
    where, *others = [issue.location] if issue.location else list(issue.affects[:1]) or [_DESCRIPTION]
    others += [path for path in issue.affects if path != where]
    result: dict[str, Any] = {
        "ruleId": issue.code,
        "ruleIndex": number,
        "level": _LEVELS[issue.severity],
        "message": {"text": text},
        "locations": [_make_location(where, issue.line)],
    }
    if others:
        result["relatedLocations"] = [_make_location(path, 0) for path in others]
    properties = {"subCode": issue.subcode, "rule": issue.rule}
    if any(properties.values()):
        result["properties"] = {key: value for key, value in properties.items() if value}
    if issue.severity is Severity.IGNORE:
        result["suppressions"] = [{"kind": "external", "justification": "Silenced by the configuration."}]
    return result


def _make_location(path: str, line: int) -> dict[str, Any]:
    uri = quote(path.encode("utf-8", "surrogateescape"), safe="/")
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": _BASE}}
    if line:
        physical["region"] = {"startLine": line}
    return {"physicalLocation": physical}


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
