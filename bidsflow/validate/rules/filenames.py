"""Whether a file may be called what it is called, where it lies (``rules.files``, ``rules.directories``).

Codes, and which of them are looked for in which order, are those of the reference validator, which has them in its
code and not in the schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from bidsflow.validate.compile.regex import compile_pattern
from bidsflow.validate.context.names import NO_LABEL
from bidsflow.validate.issues import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bidsflow.validate.context.context import Context, Dataset


class _Rule(NamedTuple):
    """One rule of ``rules.files``: what may be in the names that it knows; None where it does not say.

    `entities` are the keys as they stand in names, `required` those among them that must be there.
    """

    where: str
    path: str | None
    stem: re.Pattern[str] | None
    suffixes: frozenset[str] | None
    extensions: frozenset[str] | None
    datatypes: frozenset[str] | None
    entities: frozenset[str] | None
    required: tuple[str, ...]


class _Fault(NamedTuple):
    code: str
    message: str
    rule: str = ""


class _Verdict(NamedTuple):
    """What holds for all names of one make: the rules that fit best with their faults, and what the name keeps."""

    rules: tuple[tuple[_Rule, tuple[_Fault, ...]], ...]
    keeps: tuple[bool, bool, bool]


@dataclass(frozen=True)
class FilenameRules:
    """The rules for names in one dataset.

    Attributes
    ----------
    dataset : Dataset
        Its type decides which rules there are.
    """

    dataset: Dataset
    _verdicts: dict[Any, _Verdict] = field(default_factory=dict)
    _labels: dict[tuple[str, str], bool] = field(default_factory=dict)

    def check(self, context: Context) -> list[Issue]:
        """Return what is wrong with a name; takes from `context` the parts that the rules for it do not know.

        Parameters
        ----------
        context : Context
            Of a file or folder; its entities, suffix and extension are emptied where no rule that fits has any.

        Returns
        -------
        issues : list of Issue
        """
        verdict = self._check_folder(context) if context.file.is_folder else self._check_file(context)
        entities, extension, suffix = verdict.keeps
        faults = [] if verdict.rules or context.path == "/.bidsignore" else [_Fault("NOT_INCLUDED", "")]
        if not entities:
            context.entities = {}
        if not extension:
            context.extension = ""
        if not suffix:
            context.suffix = ""
        faults += self._check_labels(context, verdict)
        faults += self._weigh(context, verdict)
        faults += self._check_order(context)
        return [Issue(code, Severity.ERROR, context.location, "", text, rule) for code, text, rule in faults]

    def _check_folder(self, context: Context) -> _Verdict:
        """Return whether the standard knows a folder's name; of the name, no rule uses the parts."""
        name = context.file.name.strip("/")
        found = next((where for where, fits in self._folder_rules if fits(name)), None)
        rule = _Rule(found or "", None, None, None, None, None, None, ())
        return _Verdict(((rule, ()),) if found else (), (False, False, False))

    def _check_file(self, context: Context) -> _Verdict:
        """Return the rules for a name of this make; kept, since most names of a dataset are of few makes."""
        by_path = self._by_path.get(context.path)
        stem = context.file.name.partition(".")[0]
        by_stem = tuple(
            rule
            for rule in self._by_stem
            if (rule.datatypes is None or context.datatype in rule.datatypes) and rule.stem and rule.stem.match(stem)
        )
        at_root = context.path.count("/") == 1
        make = (context.datatype, context.suffix, context.extension, *context.entities, "", by_path, by_stem, at_root)
        verdict = self._verdicts.get(make)
        if verdict is None:
            found = [
                rule
                for rule in self._rules
                if rule is by_path or rule in by_stem or (rule.suffixes and context.suffix in rule.suffixes)
            ]
            verdict = self._verdicts[make] = _judge(found, context, at_root=at_root)
        return verdict

    def _weigh(self, context: Context, verdict: _Verdict) -> list[_Fault]:
        """Return the faults of the one rule that fits, or that each of several has some."""
        if not verdict.rules:
            return []
        place = [] if context.file.is_folder else list(_check_place(context))
        if len(verdict.rules) == 1:
            return [*verdict.rules[0][1], *place]
        if not place and any(not faults for _, faults in verdict.rules):
            return []
        names = ", ".join(rule.where for rule, _ in verdict.rules)
        return [_Fault("ALL_FILENAME_RULES_HAVE_ISSUES", f"Rules that matched with issues: {names}")]

    def _check_labels(self, context: Context, verdict: _Verdict) -> Iterator[_Fault]:
        """Give what is wrong with the labels of entities."""
        entities = context.entities
        if NO_LABEL in entities.values() and any(rule.suffixes is not None for rule, _ in verdict.rules):
            lacking = ", ".join(key for key, label in entities.items() if label == NO_LABEL)
            yield _Fault("ENTITY_WITH_NO_LABEL", lacking)
        for pair in entities.items():
            right = self._labels.get(pair)
            if right is None:
                pattern = self._label_patterns.get(pair[0])
                right = self._labels[pair] = pattern is None or pattern.search(pair[1]) is not None
            if not right:
                pattern = self._label_patterns[pair[0]]
                yield _Fault("INVALID_ENTITY_LABEL", f"entity: {pair[0]} label: {pair[1]} pattern: {pattern.pattern}")

    def _check_order(self, context: Context) -> Iterator[_Fault]:
        """Give the name as it would be with its entities in their order, if it is another."""
        if not context.entities:
            return
        order = self._order
        known = sorted((key for key in context.entities if key in order), key=order.__getitem__)
        pieces = [f"{key}-{context.entities[key]}" for key in known]
        expected = "_".join([*pieces, context.suffix + context.extension])
        if context.file.name != expected:
            yield _Fault("FILENAME_MISMATCH", f"Expected filename: {expected}")

    @cached_property
    def _rules(self) -> tuple[_Rule, ...]:
        files = self.dataset.schema["rules"]["files"]
        entities = self.dataset.schema["objects"]["entities"]
        groups = [key for key in files if key != "deriv" or self.dataset.kind == "derivative"]
        return tuple(rule for key in groups for rule in _find_rules(files[key], f"rules.files.{key}", entities))

    @cached_property
    def _by_path(self) -> dict[str, _Rule]:
        return {f"/{rule.path}": rule for rule in self._rules if rule.path}

    @cached_property
    def _by_stem(self) -> tuple[_Rule, ...]:
        return tuple(rule for rule in self._rules if rule.stem)

    @cached_property
    def _order(self) -> dict[str, int]:
        schema = self.dataset.schema
        names = [schema["objects"]["entities"][key]["name"] for key in schema["rules"]["entities"]]
        return {name: rank for rank, name in enumerate(names)}

    @cached_property
    def _label_patterns(self) -> dict[str, re.Pattern[str]]:
        objects = self.dataset.schema["objects"]
        formats = objects["formats"]
        return {
            entity["name"]: compile_pattern(f"^{formats[entity['format']]['pattern']}$")
            for entity in objects["entities"].values()
            if entity.get("format") in formats
        }

    @cached_property
    def _folder_rules(self) -> tuple[tuple[str, Any], ...]:
        """The rules for folders, as tests of a name."""
        schema = self.dataset.schema
        where = f"rules.directories.{self.dataset.kind}"
        found = []
        for key, rule in schema["rules"]["directories"].get(self.dataset.kind, {}).items():
            if "name" in rule:
                found.append((f"{where}.{key}", rule["name"].__eq__))
            if "entity" in rule and (entity := schema["objects"]["entities"].get(rule["entity"])):
                prefix = f"{entity['name']}-"
                found.append((f"{where}.{key}", lambda name, prefix=prefix: name.startswith(prefix)))
            if "value" in rule:
                found.append((f"{where}.{key}", schema["objects"][f"{rule['value']}s"].__contains__))
        return tuple(found)


def _find_rules(node: dict[str, Any], where: str, entities: dict[str, Any]) -> Iterator[_Rule]:
    """Give the rules for names below a part of the schema."""
    if not node.keys() & {"path", "stem", "suffixes"}:
        for key, below in node.items():
            if isinstance(below, dict):
                yield from _find_rules(below, f"{where}.{key}", entities)
        return
    levels = node.get("entities")
    stem = node.get("stem")
    yield _Rule(
        where,
        node.get("path"),
        re.compile(re.escape(stem).replace(r"\*", "[^/]*") + r"\Z") if stem else None,
        _freeze(node.get("suffixes")),
        _freeze(node.get("extensions")),
        _freeze(node.get("datatypes")),
        None if levels is None else frozenset(entities[key]["name"] for key in levels),
        tuple(entities[key]["name"] for key, level in (levels or {}).items() if level == "required"),
    )


def _freeze(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _judge(found: list[_Rule], context: Context, *, at_root: bool) -> _Verdict:
    """Return the rules that fit a name best, with what it does not fulfil of each."""
    if len(found) > 1:
        found = [rule for rule in found if rule.datatypes and context.datatype in rule.datatypes] or found
    if len(found) > 1:
        found = [rule for rule in found if _knows_parts(rule, context)] or found
    keeps = (
        any(rule.entities for rule in found),
        any(rule.extensions for rule in found),
        any(rule.suffixes for rule in found),
    )
    entities = tuple(context.entities) if keeps[0] else ()
    extension = context.extension if keeps[1] else ""
    faults = [(rule, tuple(_check_rule(rule, context.datatype, entities, extension, at_root))) for rule in found]
    return _Verdict(tuple(faults), keeps)


def _knows_parts(rule: _Rule, context: Context) -> bool:
    """Return whether a rule knows the extension and all entities of a name."""
    knows_extension = rule.extensions is None or context.extension in rule.extensions
    return knows_extension and (rule.entities is None or context.entities.keys() <= rule.entities)


def _check_rule(
    rule: _Rule, datatype: str, entities: tuple[str, ...], extension: str, at_root: bool
) -> Iterator[_Fault]:
    """Give what a name does not fulfil of one rule."""
    if rule.entities is not None:
        missing = [] if at_root else [key for key in rule.required if key not in entities]
        if missing:
            yield _Fault("MISSING_REQUIRED_ENTITY", f"{', '.join(missing)} missing from rule {rule.where}", rule.where)
        foreign = [key for key in entities if key not in rule.entities]
        if foreign:
            yield _Fault("ENTITY_NOT_IN_RULE", f"{', '.join(foreign)} not in rule {rule.where}", rule.where)
    if datatype and rule.datatypes is not None and datatype not in rule.datatypes:
        yield _Fault("DATATYPE_MISMATCH", f"Datatype rule being applied: {rule.where}", rule.where)
    if rule.extensions is not None and extension not in rule.extensions:
        yield _Fault("EXTENSION_MISMATCH", "", rule.where)


def _check_place(context: Context) -> Iterator[_Fault]:
    """Give where a file should lie by its subject and session, or template and cohort."""
    if not context.entities.get("tpl"):
        yield from _check_above(context, "sub", "ses")
    if not context.entities.get("sub"):
        yield from _check_above(context, "tpl", "cohort")


def _check_above(context: Context, first: str, second: str) -> Iterator[_Fault]:
    upper, lower, path = context.entities.get(first), context.entities.get(second), context.path
    if upper:
        expected = f"/{first}-{upper}/" + (f"{second}-{lower}/" if lower else "")
        if not path.startswith(expected):
            yield _Fault("INVALID_LOCATION", f"Expected location: {expected}")
    elif path.startswith(f"/{first}-"):
        yield _Fault("INVALID_LOCATION", f"Expected location: /{context.file.name}")
    if not lower and f"/{second}-" in path:
        yield _Fault("INVALID_LOCATION", f"Unexpected {second} directory")


def check_case(context: Context) -> list[Issue]:
    """Return whether another file of the folder has the same name but for its case."""
    folder = context.file.folder
    alike = folder.lowered.get(context.file.name.lower(), ())
    others = tuple(file.path[1:] for file in alike if file is not context.file)
    return [Issue("CASE_COLLISION", Severity.ERROR, context.location, affects=others)] if others else []
