"""From a `Study` to the text of a study file, with comments. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from bidsflow.convert.study.conditions import format_conditions
from bidsflow.convert.study.spec import Expected, Json, Limit, Rule, Sessions, Source, Study, Subjects, Table

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def format_study(study: Study) -> str:
    """Return a study as text that `read.parse_study` reads as the same study.

    Examples
    --------
    >>> print(format_study(Study(name="Memory")), end="")
    version = 1
    name = "Memory"
    """
    blocks = [
        format_head(study),
        *(f"[[exclude]]\n{format_pairs(format_conditions(one))}" for one in study.exclude),
        *map(format_rule, study.rules),
        *map(format_expected, study.expected),
        *(f"[events.{task}]\n{format_pairs(table)}" for task, table in study.events.items() if isinstance(table, dict)),
    ]
    return "\n".join(block for block in blocks if block)


def format_head(study: Study) -> str:
    """Return what comes before the blocks: version, name, subjects, sessions, what holds for all images."""
    top: dict[str, Json] = {"version": study.version, **({"name": study.name} if study.name else {})}
    tables: dict[str, Mapping[str, Json]] = {
        "subjects": _label_keys(study.subjects),
        "sessions": _label_keys(study.sessions),
        "dataset": study.dataset,
        "sidecar": study.sidecar,
    }
    parts = [format_pairs(top), *(f"\n[{name}]\n{format_pairs(values)}" for name, values in tables.items() if values)]
    return "".join(parts)


def _label_keys(labels: Subjects | Sessions) -> dict[str, Json]:
    """Return the keys of a table of labels that differ from what holds without them."""
    keys: dict[str, Json] = {}
    if labels.source is not Source.NUMBER:
        keys["from"] = labels.source.value
    if labels.pattern:
        keys["pattern"] = labels.pattern
    if labels.table is not None:
        keys["table"] = _table_keys(labels.table)
    if isinstance(labels, Sessions):
        keys |= {"labels": list(labels.labels)} if labels.labels else {}
        keys |= {"names": labels.names} if labels.names != "auto" else {}
        keys |= {"optional": True} if labels.optional else {}
    return keys


def _table_keys(table: Table) -> dict[str, Json]:
    keys: dict[str, Json] = {"path": table.path, "key": table.key, "label": table.label, "by": table.by.value}
    return keys | ({"date": table.date} if table.date else {})


def format_rule(rule: Rule) -> str:
    """Return the block of a rule."""
    keys: dict[str, Json] = {"match": format_conditions(rule.match)}
    named = {key: value for key, value in rule.entities.items() if value}
    if rule.datatype and rule.suffix:
        pairs = "".join(f"{key}-{value}_" for key, value in named.items())
        keys["name"] = f"{rule.datatype}/{pairs}{rule.suffix}"
        named = {}
    else:
        keys |= {"datatype": rule.datatype} if rule.datatype else {}
        keys |= {"suffix": rule.suffix} if rule.suffix else {}
    keys |= named | {key: value for key, value in rule.entities.items() if not value}
    keys |= {"decision": rule.decision.value} if rule.decision else {}
    keys |= {"because": rule.because} if rule.because else {}
    keys |= {"aslcontext": list(rule.aslcontext)} if rule.aslcontext else {}
    keys |= {"sidecar": dict(rule.sidecar)} if rule.sidecar else {}
    return f"[[series]]\n{format_pairs(keys)}"


def format_expected(expected: Expected) -> str:
    """Return the block of a part of the protocol."""
    keys: dict[str, Json] = {"name": expected.name}
    keys |= {"runs": _format_span(expected.runs)} if expected.runs != (1, 1) else {}
    keys |= {"volumes": _format_span(expected.volumes)} if expected.volumes else {}
    keys |= {"optional": True} if expected.optional else {}
    keys |= {"sessions": list(expected.sessions)} if expected.sessions else {}
    if expected.parameters:
        keys["parameters"] = {name: _format_limit(limit) for name, limit in expected.parameters.items()}
    return f"[[expected]]\n{format_pairs(keys)}"


def _format_span(span: tuple[int, int]) -> Json:
    return span[0] if span[0] == span[1] else list(span)


def _format_limit(limit: Limit) -> Json:
    return {"value": limit.value, "tolerance": limit.tolerance} if limit.tolerance else limit.value


def format_pairs(table: Mapping[str, Json]) -> str:
    """Return the lines ``key = value`` of a table, those in it on one line each."""
    return "".join(f"{_format_key(key)} = {format_value(value)}\n" for key, value in table.items())


def _format_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quote(key)


def format_value(value: Json) -> str:
    r"""Return a value as TOML 1.0 writes it.

    Examples
    --------
    >>> format_value({"regex": "task_(\\w+)", "n": [1, 2.5, True]})
    "{ regex = 'task_(\\w+)', n = [1, 2.5, true] }"
    """
    if isinstance(value, dict):
        pairs = ", ".join(f"{_format_key(key)} = {format_value(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(format_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 2**53 else repr(value)
    return _quote(value) if isinstance(value, str) else repr(value)


def _quote(text: str) -> str:
    """Return a text in quotes; without escapes where it has backslashes, as regular expressions do."""
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    # JSON escapes as TOML does, but for DEL, which TOML wants escaped (TOML 1.0, "String").
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
