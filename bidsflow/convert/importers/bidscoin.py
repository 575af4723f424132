"""From a bidsmap of BIDScoin, versions 3 and 4, to a study. Pure.

Source: BIDScoin 4.6.2, ``bids.py`` (`match_runvalue`: the whole value fits a regular expression; `get_matching_run`:
the order of the datatypes; `dynamicvalue`), ``heuristics/bidsmap_dccn.yaml``; https://bidscoin.readthedocs.io.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bidsflow.convert.importers.imported import (
    Imported,
    LeftOutError,
    Note,
    check_pattern,
    keep_valid,
    merge_notes,
    parse_entities,
    search_whole,
    split_sidecar,
)
from bidsflow.convert.plan import Decision
from bidsflow.convert.study.fields import FIELDS
from bidsflow.convert.study.spec import Condition, Relation, Rule, Sessions, Source, Study, Subjects
from bidsflow.errors import ConfigError

#: No bidsmap unfolds to more values; the template of BIDScoin has some thousands.
_MOST_NODES = 500_000
_RENAMED = {"EffectiveEchoTime": "EchoTime", "PhaseEncodingDirection": "direction"}
_SETTINGS = {"bidsignore": "bidsflow writes nothing that must be ignored", "unzip": "bidsflow reads archives itself"}
#: What older versions call the datatype of what is left out; newer ones name it in their options.
_LEFT_OUT = "leave_out"
#: Of two echoes, BIDScoin names both after the first, and corrects that when it converts: bidsflow finds out itself.
_FIRST_ECHO = frozenset({"magnitude", "magnitude1", "phase1"})
#: Where older versions look for labels: in the folders of the source (BIDScoin 3.5, ``bids.py``).
_SOURCE_PATHS = {"sub-": "/sub-(.*?)/", "ses-": "/ses-(.*?)/"}
#: The version from which on patterns are regular expressions.
_EXPRESSIONS = (3, 6)
#: Keys of `bids` that are no entities.
_NOT_ENTITIES = frozenset({"suffix", "fallback", "run"})
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_LIST = re.compile(r"\[('[^']*'(?:, *'[^']*')*)\]")
_QUOTED = re.compile(r"(?:\.\*)?'([^'\\.*+?|()\[\]]+)'(?:\.\*)?")
_DYNAMIC = re.compile(r"<{1,2}([^<>:]+)(?::([^<>]*(?:\(\?P?<[^<>]*>[^<>]*)*))?>{1,2}")


def import_bidscoin(text: str, where: str) -> Imported:
    """Return the study that a bidsmap describes.

    Raises
    ------
    ConfigError
        If the text is no YAML, or no bidsmap.
    """
    content = _parse(text, where)
    options = _find_options(content)
    section = content.get("DICOM")
    if not isinstance(section, dict):
        raise ConfigError(where, ("it has no section DICOM: a bidsmap of scanner data has one",))
    notes = [
        Note(name, "left out: rules of a bidsmap for other sources than DICOM are not carried over")
        for name in content
        if name not in ("DICOM", "Options", "$schema", "PlugIns", "Plugins") and isinstance(content[name], dict)
    ]
    notes += [Note(f"Options.bidscoin.{key}", f"left out: {why}") for key, why in _SETTINGS.items() if options.get(key)]
    subjects, sessions = _read_labels(section, notes)
    rules: list[tuple[str, Rule]] = []
    for datatype in _order(section, options):
        for rank, item in enumerate(section[datatype] or []):
            place = f"DICOM.{datatype}[{rank}]"
            try:
                rule = _make_rule(datatype, item, options, place, notes)
            except LeftOutError as error:
                notes.append(Note(place, f"left out: {error}"))
                continue
            if rule is not None:
                rules += [(place, one) for one in (rule, _follow_first_echo(rule)) if one is not None]
    kept, refused = keep_valid(rules)
    version = str(options.get("version", "")) or "?"
    return Imported(
        Study(subjects=subjects, sessions=sessions, rules=kept), f"BIDScoin {version}", merge_notes((*notes, *refused))
    )


def _parse(text: str, where: str) -> dict[str, Any]:
    """Return the tree of a YAML text: plain values only, and no more than a person wrote."""
    import yaml  # type: ignore[import-untyped]

    loader = yaml.SafeLoader(text)
    loader.yaml_implicit_resolvers = _to_yaml_1_2(yaml.SafeLoader.yaml_implicit_resolvers)
    try:
        node = loader.get_single_node()
        if node is not None and _weigh(node, {}) > _MOST_NODES:
            raise ConfigError(where, (f"it unfolds to more than {_MOST_NODES} values: no bidsmap does",))
        content = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        told = getattr(error, "problem", None) or type(error).__name__
        raise ConfigError(where, (f"it is no YAML of plain values{line}: {told}",)) from error
    finally:
        loader.dispose()
    if not isinstance(content, dict):
        raise ConfigError(where, ("it is no bidsmap: expected sections such as Options and DICOM",))
    return content


def _to_yaml_1_2(resolvers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules for plain words without those that YAML 1.2 dropped: ``YES`` is a text, and so is a day."""
    gone = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    kept = {first: [rule for rule in rules if rule[0] not in gone] for first, rules in resolvers.items()}
    truth = (gone[0], re.compile(r"true|True|TRUE|false|False|FALSE"))
    return {**kept, **{first: [*kept.get(first, []), truth] for first in "tTfF"}}


def _weigh(node: Any, known: dict[int, int]) -> int:
    """Return how many values a node unfolds to, aliases each time: a bomb of ten lines makes billions."""
    if id(node) not in known:
        known[id(node)] = _MOST_NODES + 1  # of itself: never ends
        below = node.value if isinstance(node.value, list) else []
        parts = [part for pair in below for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_weigh(part, known) for part in parts)
    return known[id(node)]


def _find_options(content: Mapping[str, Any]) -> Mapping[str, Any]:
    options = content.get("Options")
    inner = options.get("bidscoin") if isinstance(options, dict) else None
    return inner if isinstance(inner, dict) else {}


def _list(options: Mapping[str, Any], key: str, default: str) -> list[str]:
    value = options.get(key)
    return [str(one) for one in value] if isinstance(value, list) else [default]


def _ignored(options: Mapping[str, Any]) -> list[str]:
    return [*_list(options, "ignoretypes", "exclude"), _LEFT_OUT]


def _order(section: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
    """Return the datatypes in the order in which BIDScoin looks through them: ignored ones, fmap, others, unknown."""
    ignored, unknown = _ignored(options), _list(options, "unknowntypes", "extra_data")
    found = [name for name in section if isinstance(section[name], list)]
    ranks = {**dict.fromkeys(ignored, 0), "fmap": 1, **dict.fromkeys(unknown, 3)}
    return sorted(found, key=lambda name: ranks.get(name, 2))


def _make_rule(datatype: str, item: object, options: Mapping[str, Any], place: str, notes: list[Note]) -> Rule | None:
    """Return the rule of a run item; None for a stub that matches nothing.

    Raises
    ------
    LeftOutError
        If it asks for what no rule can ask for.
    """
    if not isinstance(item, dict):
        raise LeftOutError("it is no run item")
    wild = _is_older(options, _EXPRESSIONS)
    match = [one for key, value in _filled(item, "attributes") for one in _read_attribute(key, value, wild=wild)]
    for room in ("properties", "filesystem"):  # 4, and before
        match += [_read_property(key, str(value)) for key, value in _filled(item, room)]
    if not match:
        return None
    if datatype in _ignored(options):
        return Rule(tuple(match), Decision.SKIP, because="excluded in the bidsmap")
    bids = item.get("bids")
    if datatype in _list(options, "unknowntypes", "extra_data") or not isinstance(bids, dict):
        raise LeftOutError("BIDScoin has no name of BIDS for it; bidsflow names it by what was measured")
    sidecar: dict[str, Any] = {}
    if isinstance(meta := item.get("meta"), dict):
        dynamic = {key for key, value in meta.items() if "<" in str(value)}
        notes += [
            Note(f"{place}.meta.{key}", "left out: it is filled from the header at run time") for key in sorted(dynamic)
        ]
        fixed = {str(key): value for key, value in meta.items() if key not in dynamic and value is not None}
        sidecar, told = split_sidecar(fixed, f"{place}.meta")
        notes += told
    labels, groups = _read_bids(bids, place, notes)
    suffix = str(_choose(bids.get("suffix")) or "")
    if not suffix or "<" in suffix:
        raise LeftOutError("it has no fixed suffix")
    if datatype == "fmap" and suffix in _FIRST_ECHO:
        suffix = ""
    return Rule((*match, *groups), Decision.CONVERT, datatype, suffix, labels, sidecar)


def _filled(item: Mapping[str, Any], room: str) -> Iterator[tuple[str, Any]]:
    values = item.get(room)
    for key, value in values.items() if isinstance(values, dict) else ():
        if value not in (None, ""):
            yield str(key), value


def _is_older(options: Mapping[str, Any], version: tuple[int, int]) -> bool:
    found = re.match(r"(\d+)\.(\d+)", str(options.get("version", "")))
    return found is not None and (int(found[1]), int(found[2])) < version


def _follow_first_echo(rule: Rule) -> Rule | None:
    """Return a rule that names the later echoes of a series as its first; None where echoes do not tell.

    BIDScoin looks at one file of a series, and a bidsmap holds the echo of that.
    """
    others = tuple(one for one in rule.match if one.field not in ("EchoTime", "EchoNumbers"))
    if not others or len(others) == len(rule.match):
        return None
    because = rule.because or "a later echo of such a series"
    return replace(rule, match=(*others, Condition("echo", Relation.MORE, 1.0)), because=because)


def _read_attribute(key: str, value: object, *, wild: bool) -> Iterator[Condition]:
    """Give the conditions that a pattern on an attribute stands for; of older versions, one of a shell.

    Raises
    ------
    LeftOutError
        If there are none.
    """
    name = _RENAMED.get(key, key)
    kind = FIELDS.get(name)
    pattern = str(value).strip()
    if kind is None:
        raise LeftOutError(f"{key} is no element of the header that bidsflow reads")
    if kind is float:
        try:
            yield Condition(name, Relation.EQUALS, float(pattern))
        except ValueError:
            raise LeftOutError(
                f"{key}: {pattern[:40]!r} is no number, and patterns on numbers have no counterpart"
            ) from None
    elif found := _LIST.fullmatch(pattern):  # BIDScoin sees several values as Python writes a list
        yield Condition(name, Relation.EQUALS, "\\".join(re.findall(r"'([^']*)'", found[1])))
    elif wild:
        yield Condition(name, Relation.GLOB if re.search(r"[*?\[]", pattern) else Relation.EQUALS, pattern)
    elif "'" in pattern:
        words = _QUOTED.fullmatch(pattern)
        if words is None:
            raise LeftOutError(f"{key}: {pattern[:40]!r} is a pattern on a list as Python writes it; name one value")
        yield Condition(name, Relation.CONTAINS, words[1])
    elif not _SPECIAL.search(pattern) or not _is_expression(pattern):
        yield Condition(name, Relation.EQUALS, pattern)
    else:
        yield Condition(name, Relation.REGEX, _search_either(check_pattern(pattern)))


def _is_expression(pattern: str) -> bool:
    """Return whether a text is a regular expression; what is none fits itself only (``*tfl3d1_16ns``)."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _search_either(pattern: str) -> str:
    r"""Return an expression that is found where the whole text fits a pattern, or is the pattern to the letter.

    A bidsmap holds values as headers have them beside patterns that someone wrote.

    Examples
    --------
    >>> _search_either("T1.*"), _search_either("T1 (a+b)")
    ('\\AT1', '\\AT1 (a+b)\\Z|\\AT1\\ \\(a\\+b\\)\\Z')
    """
    found = search_whole(pattern)
    return found if re.search(found, pattern) else rf"{found}|\A{re.escape(pattern)}\Z"


def _read_property(key: str, pattern: str) -> Condition:
    """Return the condition on files that a property stands for."""
    if key == "filepath" and re.match(r"(?:\(\?i\))?\.\*/?", pattern) and pattern.endswith(".*"):
        return Condition("folder", Relation.REGEX, search_whole(check_pattern(pattern)).replace("/", "(?:/|^|$)"))
    if key == "nrfiles" and pattern.isdecimal():
        return Condition("n_files", Relation.EQUALS, int(pattern))
    raise LeftOutError(f"the property {key} ({pattern[:40]!r}) is one of files, and rules look at headers and folders")


def _choose(value: object) -> object:
    """Return the chosen value of a menu: a list that ends with the rank of its choice."""
    if isinstance(value, list) and value and isinstance(value[-1], int):
        return value[value[-1]] if 0 <= value[-1] < len(value) - 1 else ""
    return value


def _read_bids(bids: Mapping[str, Any], place: str, notes: list[Note]) -> tuple[dict[str, str], list[Condition]]:
    """Return the entities of a run item, and the conditions that fill their templates."""
    labels: dict[str, str] = {}
    groups: list[Condition] = []
    for key, value in bids.items():
        text = str(_choose(value) or "")
        if not text or key in _NOT_ENTITIES:
            if key == "run" and text and "<" not in text:
                labels["run"] = text
            continue
        if key == "IntendedFor":
            notes.append(Note(f"{place}.bids.{key}", "left out: bidsflow wires fields to runs itself"))
            continue
        entities, rest = parse_entities([f"{key}-{text}"])
        if rest:
            notes.append(Note(f"{place}.bids.{key}", f"left out: {key} is no entity of BIDS"))
            continue
        try:
            label, asked = _read_dynamic(key, entities[key])
        except LeftOutError as error:
            notes.append(Note(f"{place}.bids.{key}", f"left out: {error}"))
            continue
        if label.startswith("{"):
            told = (
                "kept, but the words of such a label begin with capitals: a_b becomes aB, which BIDScoin writes as ab"
            )
            notes.append(Note(f"{place}.bids.{key}", told))
        labels[key] = label
        groups += asked
    return labels, groups


def _read_dynamic(key: str, text: str) -> tuple[str, list[Condition]]:
    """Return a label, as a template where it is made of attributes: ``<ProtocolName>``."""
    if "<" not in text:
        return re.sub(r"[^0-9a-zA-Z+]", "", text), []
    found = _DYNAMIC.fullmatch(text)
    if found is None:
        raise LeftOutError(f"{text[:40]!r} is made of several parts")
    name = _RENAMED.get(found[1], found[1])
    if FIELDS.get(name) is None:
        raise LeftOutError(f"{found[1]} is no element of the header that bidsflow reads")
    if not found[2]:
        return f"{{{name}}}", []
    if FIELDS[name] is float:
        raise LeftOutError(f"an expression on {found[1]}, which holds numbers")
    return f"{{{key}}}", [Condition(name, Relation.REGEX, _name_group(found[2], key))]


def _name_group(pattern: str, name: str) -> str:
    """Return an expression whose only group has a name."""
    check_pattern(pattern)
    if re.compile(pattern).groups != 1:
        raise LeftOutError(f"{pattern[:40]!r} has not one group, so that it is open which is the label")
    return re.sub(r"(?<!\\)\((?!\?)", f"(?P<{name}>", pattern, count=1)


def _read_labels(section: Mapping[str, Any], notes: list[Note]) -> tuple[Subjects, Sessions]:
    """Return where labels of subjects and sessions come from."""
    participant = section.get("participant")
    texts = []
    for new, old in (("participant_id", "subject"), ("session_id", "session")):
        value = participant.get(new, {}) if isinstance(participant, dict) else section.get(old, "")
        value = value.get("value", "") if isinstance(value, dict) else value
        texts.append(str(value or ""))
    subjects, sessions = Subjects(), Sessions()
    place = "DICOM.participant.participant_id" if isinstance(participant, dict) else "DICOM.subject"
    try:
        subjects = Subjects(*_read_source(texts[0], "sub-")) if texts[0] else subjects
    except LeftOutError as error:
        notes.append(Note(place, f"left out, subjects are numbered: {error}"))
    if subjects.source is Source.PATIENT_ID or subjects.source is Source.PATIENT_NAME:
        notes.append(Note(place, f"kept: labels of subjects are made of {subjects.source}, which may say who they are"))
    place = place.replace("participant_id", "session_id").replace("subject", "session")
    if not texts[1]:
        return subjects, replace(sessions, names="never")
    try:
        sessions = Sessions(*_read_source(texts[1], "ses-"), optional=True)
    except LeftOutError as error:
        notes.append(Note(place, f"left out, sessions are numbered: {error}"))
    return subjects, sessions


def _read_source(text: str, prefix: str) -> tuple[Source, str]:
    if text.strip("<>") == "SourceFilePath":
        text = f"<<filepath:{_SOURCE_PATHS[prefix]}>>"
    found = _DYNAMIC.fullmatch(text)
    if found is None:
        raise LeftOutError(f"{text[:40]!r} is not made of one attribute")
    sources = {"filepath": Source.FOLDER, "PatientID": Source.PATIENT_ID, "PatientName": Source.PATIENT_NAME}
    if found[1] not in sources:
        raise LeftOutError(f"{found[1]} gives no labels in bidsflow: PatientID, PatientName or a folder do")
    pattern = check_pattern(found[2] or "")
    if found[1] == "filepath":  # BIDScoin sees the whole path, with a slash at both ends of each folder
        inner = pattern.removeprefix("/").removesuffix("/")
        pattern = f"(?:^|/){inner}(?:/|$)"
    return sources[found[1]], pattern
