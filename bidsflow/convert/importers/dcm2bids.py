"""From a configuration of dcm2bids, versions 2 and 3, to a study. Pure.

Source: dcm2bids 3.3.1, ``sidecar.py`` (what a criterion means) and ``acquisition.py`` (what a description makes);
https://unfmontreal.github.io/Dcm2Bids. Criteria are held against dcm2niix's sidecars, rules of a study against headers:
what differs between the two is translated here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from bidsflow.convert.importers.imported import (
    Imported,
    LeftOutError,
    Note,
    check_pattern,
    keep_valid,
    leave_rest,
    merge_notes,
    parse_entities,
    split_sidecar,
    with_groups,
)
from bidsflow.convert.plan import Decision
from bidsflow.convert.study.fields import FIELDS
from bidsflow.convert.study.spec import Condition, Relation, Rule, Scalar, Study
from bidsflow.errors import ConfigError

#: Keys of sidecars under another name in the header, and the factor to its unit.
_RENAMED: Mapping[str, tuple[str, float]] = {
    "RepetitionTime": ("RepetitionTime", 1e3),
    "EchoTime": ("EchoTime", 1e3),
    "InversionTime": ("InversionTime", 1e3),
    "EchoNumber": ("echo", 1.0),
    "SeriesNumber": ("series_number", 1.0),
    "ManufacturersModelName": ("ManufacturerModelName", 1.0),
    "PulseSequenceDetails": ("SequenceFile", 1.0),
    "ImageTypeText": ("SiemensImageType", 1.0),
}
#: BIDS, PhaseEncodingDirection, of slices that lie axially, as those of nearly every EPI: dcm2niix keeps the columns,
#: which go from right to left.
_DIRECTIONS = {"j": "PA", "j-": "AP", "i": "RL", "i-": "LR"}
#: What dcm2niix adds to ImageType.
_COMPONENTS = {"MAGNITUDE": "magnitude", "PHASE": "phase", "REAL": "real", "IMAGINARY": "imaginary"}
#: What dcm2niix calls makers, whatever their headers call them: it goes by how these begin (``nii_dicom.cpp``).
_MAKERS = {
    "Siemens": "SI", "GE": "GE", "Philips": "PH", "Toshiba": "TO", "Canon": "CA", "UIH": "UI", "Bruker": "BR",
    "Hitachi": "HI", "MRSolutions": "MR", "Hyperfine": "HY",
}  # fmt: skip
#: What dcm2niix finds elsewhere where the header lacks it: enhanced DICOM has no ``ScanningSequence``, Siemens no coil.
_SOMETIMES = frozenset({
    "ScanningSequence", "SequenceVariant", "ScanOptions", "ReceiveCoilName", "EchoNumbers", "direction",
})  # fmt: skip
_OLD = {
    "dataType": "datatype", "modalityLabel": "suffix", "customLabels": "custom_entities",
    "sidecarChanges": "sidecar_changes",
}  # fmt: skip
_OLD_TOP = {"searchMethod": "search_method", "caseSensitive": "case_sensitive"}
_KNOWN = frozenset({"datatype", "suffix", "custom_entities", "criteria", "sidecar_changes", "id", "intended_for"})
#: Settings that have no counterpart, and why.
_SETTINGS = {
    "dcm2niixOptions": "bidsflow chooses the options of dcm2niix itself",
    "post_op": "bidsflow runs no commands on images; deface them afterwards",
    "defaceTpl": "bidsflow runs no commands on images; deface them afterwards",
    "compKeys": "bidsflow orders runs by the time of acquisition",
    "auto_extract_entities": "bidsflow finds task, dir and echo itself where a rule does not give them",
    "do_not_reorder_entities": "bidsflow writes entities in the order of BIDS",
}
_NUMBER_START = re.compile(r"(\d+)\.(\d*)\*")
_WILD = re.compile(r"[*?\[]")
_FILE_NUMBER = re.compile(r"0*(\d+)_\*")
_FLAGS = re.compile(r"\A\(\?([aimsx]+)\)(.*)\Z", re.DOTALL)
_SEQUENCE_FOLDER = re.compile(r"%\w+%(?:\\\\|/)")
_FILE_PHASE = re.compile(r"\*?(?:_?e\d)?_?ph(?:\.json|\.\*|\*)?")  # a phase difference is the only phase of its series
_FILE_ECHO = re.compile(r"\*_e(\d)(?:\.json|\.\*|\*)?")


@dataclass(frozen=True, slots=True)
class _Config:
    """The settings that say how criteria are meant."""

    regular: bool = False
    case_sensitive: bool = True
    extractors: Mapping[str, Sequence[str]] = field(default_factory=dict)


def import_dcm2bids(text: str, where: str) -> Imported:
    """Return the study that a configuration describes.

    Raises
    ------
    ConfigError
        If the text is no JSON, or no such configuration.
    """
    content = _parse(text, where)
    content = {_OLD_TOP.get(key, key): value for key, value in content.items()}
    version = "2" if any(_OLD.keys() & one.keys() for one in content["descriptions"]) else "3"
    config = _read_config(content, where)
    rules: list[tuple[str, Rule]] = []
    doubts: list[tuple[str, Rule]] = []
    notes = list(_note_settings(content))
    for rank, description in enumerate(content["descriptions"]):
        place = f"descriptions[{rank}]"
        description = {_OLD.get(key, key): value for key, value in description.items()}
        try:
            made = list(_make_rules(description, config, place, notes))
        except LeftOutError as error:
            notes.append(Note(f"{place} ({_title(description)})", f"left out: {error}"))
            continue
        rules += [(place, rule) for rule in made]
        doubts += [(place, doubt) for doubt in map(_doubt, made[-1:]) if doubt is not None]
    kept, refused = keep_valid([*rules, *doubts])
    notes += refused
    lost = any(note.text.startswith("left out") and note.where.count(".") == 0 and "[" in note.where for note in notes)
    told = "no description that could be carried over names it" if lost else "no description names it"
    last = leave_rest(Decision.REVIEW if lost else Decision.SKIP, f"{told} (dcm2bids converts only what one names)")
    return Imported(Study(rules=(*kept, last)), f"dcm2bids {version}", merge_notes(notes))


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(where, (f"it is no JSON: {error}",)) from error
    if not isinstance(content, dict) or not isinstance(content.get("descriptions"), list):
        raise ConfigError(where, ('it has no list "descriptions": a configuration of dcm2bids has one',))
    faulty = [rank for rank, one in enumerate(content["descriptions"]) if not isinstance(one, dict)]
    if faulty:
        raise ConfigError(where, tuple(f"descriptions[{rank}]: expected an object" for rank in faulty))
    return content


def _read_config(content: Mapping[str, Any], where: str) -> _Config:
    extractors = content.get("extractors", {})
    if not isinstance(extractors, dict):
        raise ConfigError(where, ("extractors: expected an object",))
    lists = {
        key: [str(one) for one in (value if isinstance(value, list) else [value])] for key, value in extractors.items()
    }
    sensitive = content.get("case_sensitive", True)
    return _Config(content.get("search_method") == "re", sensitive is not False, lists)


def _note_settings(content: Mapping[str, Any]) -> Iterator[Note]:
    for key, why in _SETTINGS.items():
        if content.get(key):
            yield Note(key, why)
    if content.get("dup_method") == "dup":
        yield Note("dup_method", "what was measured twice gets runs: __dup is no name of BIDS")


def _title(description: Mapping[str, Any]) -> str:
    return f"{description.get('datatype', '?')}/{description.get('suffix', '?')}"


def _make_rules(description: Mapping[str, Any], config: _Config, place: str, notes: list[Note]) -> Iterator[Rule]:
    """Give the rules of a description: with what extractors find, and without.

    Raises
    ------
    LeftOutError
        If it asks for what no rule can ask for, or lacks what it must have.
    """
    datatype, suffix, criteria = (description.get(key) for key in ("datatype", "suffix", "criteria"))
    if not isinstance(datatype, str) or not isinstance(suffix, str) or not isinstance(criteria, dict) or not criteria:
        raise LeftOutError("it must have datatype, suffix and criteria")
    if "in" in criteria or "equal" in criteria:  # version 1
        raise LeftOutError("its criteria are those of dcm2bids 1")
    for key in sorted(description.keys() - _KNOWN):
        notes.append(Note(f"{place}.{key}", "left out: not known"))
    if any(key in description for key in ("IntendedFor", "intended_for", "intendedFor")):
        notes.append(Note(f"{place}.intended_for", "left out: bidsflow wires fields to runs itself"))
    match = [one for key, value in criteria.items() for one in _translate(key, value, config)]
    sidecar: dict[str, Any] = {}
    if isinstance(changes := description.get("sidecar_changes", {}), dict):
        sidecar, told = split_sidecar(changes, f"{place}.sidecar_changes")
        notes += told
    custom = description.get("custom_entities", "")
    pieces = custom if isinstance(custom, list) else str(custom).strip("_").split("_")
    entities, bare = parse_entities(str(one) for one in pieces)
    if "run" in entities:
        notes.append(
            Note(f"{place}.custom_entities", f"run-{entities['run']} is kept: leave it out to have runs numbered")
        )
    rule = Rule(tuple(match), Decision.CONVERT, datatype, suffix.strip("_"), entities, sidecar)
    conditions, labels = _extract(bare, config)
    for piece in bare:
        if piece not in labels:
            notes.append(Note(f"{place}.custom_entities", f"{piece!r} is left out: {_say_unknown(piece)}"))
    if labels:
        yield with_groups(rule, conditions, labels)
    yield rule


def _say_unknown(piece: str) -> str:
    """Return why a piece of a name is not carried over."""
    if piece.startswith(("sub-", "ses-")):
        return "[subjects] and [sessions] of the study say who and when"
    return "no extractor gives it, or BIDS does not know it"


def _doubt(rule: Rule) -> Rule | None:
    """Return a rule that puts up for review what a rule would name, did its header say all that is asked for."""
    lacking = sorted({one.field for one in rule.match} & _SOMETIMES)
    if not lacking:
        return None
    asked = [one for one in rule.match if one.field not in lacking]
    absent = [Condition(lacking[0], Relation.BETWEEN, (-math.inf, math.inf), negated=True)
              if FIELDS[lacking[0]] is float else Condition(lacking[0], Relation.REGEX, ".", negated=True)]  # fmt: skip
    because = f"its header does not say {lacking[0]}, which the configuration of dcm2bids asks for"
    return Rule((*asked, *absent), Decision.REVIEW, rule.datatype, rule.suffix, rule.entities, because=because)


def _extract(wanted: Sequence[str], config: _Config) -> tuple[list[Condition], dict[str, str]]:
    """Return the expressions that find labels, and the labels as templates."""
    conditions: list[Condition] = []
    labels: dict[str, str] = {}
    for key, patterns in config.extractors.items():
        name, _ = _RENAMED.get(key, (key, 1.0))
        if FIELDS.get(name) is not str:
            continue
        for pattern in patterns:
            groups = [group for group in re.compile(check_pattern(pattern)).groupindex if group in wanted]
            if groups and not labels.keys() & set(groups):
                conditions.append(Condition(name, Relation.REGEX, pattern))
                labels |= {group: f"{{{group}}}" for group in groups}
    return conditions, labels


def _translate(key: str, value: object, config: _Config) -> Iterator[Condition]:
    """Give the conditions on a header that a criterion on a sidecar stands for.

    Raises
    ------
    LeftOutError
        If there are none.
    """
    if key == "SidecarFilename":
        yield _read_file_name(value)
        return
    if key in ("ImageType", "ImageTypeText"):
        yield from _read_image_type(key, value, config)
        return
    if key == "PhaseEncodingDirection":
        yield _read_direction(value, config)
        return
    if key == "Manufacturer":
        yield _read_maker(value, config)
        return
    name, factor = _RENAMED.get(key, (key, 1.0))
    if key == "EchoNumber" and str(value) != "1":  # a phase difference alone has echo 2; 1 is written for several only
        name = "EchoNumbers"
    kind = FIELDS.get(name)
    if kind is None:
        raise LeftOutError(
            f"no header says {key}, which dcm2niix works out" if key[:1].isupper() else f"{key} is unknown"
        )
    if kind is float:
        yield from _read_number(key, name, factor, value)
    elif isinstance(value, dict):
        yield _read_any(name, value, config)
    elif isinstance(value, list):
        raise LeftOutError(f"{key} is one text, and the criterion is a list, which never fits")
    elif value in ("", None):
        yield Condition(name, Relation.REGEX, ".", negated=True)
    else:
        yield _read_text(name, str(value), config)


def _read_text(name: str, pattern: str, config: _Config) -> Condition:
    """Return the condition that a text fits a pattern."""
    if config.regular:
        pattern = _FLAGS.sub(r"(?\1:\2)", check_pattern(pattern))  # flags of one alternative, not of all
        if name == "SequenceFile":
            pattern = _cut_folder(pattern)
        return Condition(name, Relation.REGEX, rf"\A(?:{pattern})")
    if name == "SequenceFile":  # %SiemensSeq%\ep2d_bold: the header's own name, without the folder
        pattern = re.split(r"[\\/%]", pattern)[-1] or pattern
    if not config.case_sensitive:
        return Condition(name, Relation.REGEX, f"(?i){_to_regex(pattern)}")
    return Condition(name, Relation.GLOB if _WILD.search(pattern) else Relation.EQUALS, pattern)


def _cut_folder(pattern: str) -> str:
    """Return an expression on the name of a sequence without its folder.

    Raises
    ------
    LeftOutError
        If it is not clear where the folder ends.
    """
    cut = _SEQUENCE_FOLDER.sub("", pattern, count=1)
    if re.search(r"%|\\\\|/", cut):
        raise LeftOutError(f"PulseSequenceDetails: headers have no folder of the sequence ({pattern[:40]!r})")
    return cut


def _fits(word: str, value: object, config: _Config) -> bool:
    """Return whether dcm2bids lets a text of a sidecar pass a criterion."""
    patterns = value["any"] if isinstance(value, dict) and value.keys() == {"any"} else [value]
    for one in map(str, patterns if isinstance(patterns, list) else [patterns]):
        if config.regular:
            found = re.match(check_pattern(one), word) is not None
        else:
            found = fnmatchcase(word, one) or (not config.case_sensitive and fnmatchcase(word.lower(), one.lower()))
        if found:
            return True
    return False


def _to_regex(pattern: str) -> str:
    """Return a pattern of a shell as a regular expression to search."""
    start = "" if pattern.startswith("*") else r"\A"
    end = "" if pattern.endswith("*") and len(pattern) > 1 else r"\Z"
    pieces = re.split(r"(\*|\?|\[[^\]]+\])", pattern.strip("*"))
    told = {"*": ".*", "?": "."}
    inner = "".join(told.get(one, one.replace("[!", "[^") if one.startswith("[") else re.escape(one)) for one in pieces)
    return f"{start}{inner}{end if pattern.strip('*') else ''}"


def _read_any(name: str, value: Mapping[str, Any], config: _Config) -> Condition:
    patterns = value.get("any")
    if value.keys() != {"any"} or not isinstance(patterns, list) or not patterns:
        raise LeftOutError(f"{next(iter(value), 'nothing')!r} is no comparison of texts")
    made = [_read_text(name, str(one), config) for one in patterns]
    if config.regular or not config.case_sensitive:
        flag = "" if config.regular else "(?i)"
        return Condition(name, Relation.REGEX, flag + "|".join(str(one.value).removeprefix("(?i)") for one in made))
    return Condition(name, Relation.ANY, tuple(one.value for one in made if isinstance(one.value, str)))


def _read_number(key: str, name: str, factor: float, value: object) -> Iterator[Condition]:
    """Give the conditions on a number, in the unit of the header."""
    if isinstance(value, dict) and len(value) == 1:
        relation, limits = next(iter(value.items()))
        numbers = [_number(key, one) * factor for one in (limits if isinstance(limits, list) else [limits])]
        if relation == "any":
            yield Condition(name, Relation.ANY, tuple(map(_round, numbers)))
            return
        if len(numbers) != (2 if relation in ("btw", "btwe") else 1):
            raise LeftOutError(f"{key}: {relation!r} has {len(numbers)} values")
        yield from _compare(key, name, relation, [_round(number) for number in numbers])
        return
    if isinstance(value, str) and (found := _NUMBER_START.fullmatch(value)):  # 0.03*: all that begins so
        least = float(f"{found[1]}.{found[2] or 0}")
        step = 10.0 ** -len(found[2])
        yield Condition(name, Relation.BETWEEN, (_round(least * factor), _round((least + step) * factor)))
        return
    yield Condition(name, Relation.EQUALS, _round(_number(key, value) * factor))


def _compare(key: str, name: str, relation: str, numbers: Sequence[float]) -> Iterator[Condition]:
    match relation:
        case "lt":
            yield Condition(name, Relation.LESS, numbers[0])
        case "gt":
            yield Condition(name, Relation.MORE, numbers[0])
        case "le":
            yield Condition(name, Relation.BETWEEN, (-math.inf, numbers[0]))
        case "ge":
            yield Condition(name, Relation.BETWEEN, (numbers[0], math.inf))
        case "btwe":
            yield Condition(name, Relation.BETWEEN, tuple(sorted(numbers)))
        case "btw":
            yield Condition(name, Relation.MORE, min(numbers))
            yield Condition(name, Relation.LESS, max(numbers))
        case _:
            raise LeftOutError(f"{key}: {relation!r} is no comparison of dcm2bids")


def _number(key: str, value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise LeftOutError(f"{key}: {str(value)[:40]!r} is no number, and patterns on numbers have no counterpart")
    return number


def _round(number: float) -> float:
    """Return a number without the noise of a change of unit."""
    return float(f"{number:.9g}")


def _read_image_type(key: str, value: object, config: _Config) -> Iterator[Condition]:
    """Give the conditions on ImageType.

    dcm2niix writes it in pieces, also at underscores, and adds what the image holds (MAGNITUDE, PHASE, ...).
    """
    name = _RENAMED.get(key, (key, 1.0))[0]
    several = value.get("any") if isinstance(value, dict) and value.keys() == {"any"} else [value]
    if not isinstance(several, list) or not several or not all(isinstance(one, list) and one for one in several):
        raise LeftOutError(f"{key} is a list, and the criterion is none: it never fits")
    if config.regular:
        raise LeftOutError(f"regular expressions on the list {key} have no counterpart")
    lists = [[str(word) for word in words] for words in several]
    components = {_COMPONENTS.get(words[-1], "") for words in lists}
    lists = [one for words in lists for one in _without_component(words, config)]
    plain = config.case_sensitive and not any(_WILD.search(word) for words in lists for word in words)
    if plain:
        globs: list[Scalar] = ["?".join(words) for words in lists]  # whatever parts them in the header
        yield Condition(name, Relation.ANY, tuple(globs)) if globs[1:] else Condition(name, Relation.GLOB, globs[0])
    else:
        told = "|".join(r"[\\_]".join(map(_word_to_regex, words)) for words in lists)
        flag = "" if config.case_sensitive else "(?i)"
        yield Condition(name, Relation.REGEX, rf"{flag}\A(?:{told})\Z")
    if len(components) == 1 and (part := components.pop()):
        yield Condition("component", Relation.EQUALS, part)


def _without_component(words: list[str], config: _Config) -> Iterator[list[str]]:
    """Give a list as headers have it: without the last word, where dcm2niix added that, and both where it may have."""
    if words[-1] in _COMPONENTS:
        yield words[:-1]
        return
    yield words
    if words[1:] and any(_fits(one, words[-1], config) for one in _COMPONENTS):
        yield words[:-1]


def _word_to_regex(pattern: str) -> str:
    r"""Return a pattern of a shell as an expression that stays within one word of ImageType.

    Examples
    --------
    >>> _word_to_regex("TE*"), _word_to_regex("FM3.2")
    ('TE[^\\\\_]*', 'FM3\\.2')
    """
    pieces = re.split(r"(\*|\?|\[[^\]]+\])", pattern)
    told = {"*": r"[^\\_]*", "?": r"[^\\_]"}
    return "".join(told.get(one, one.replace("[!", "[^") if one.startswith("[") else re.escape(one)) for one in pieces)


def _read_direction(value: object, config: _Config) -> Condition:
    known = tuple(one for code, one in _DIRECTIONS.items() if _fits(code, value, config))
    if not known:
        raise LeftOutError("PhaseEncodingDirection can be i, i-, j or j-, with slices that lie axially")
    if len(known) > 1:
        return Condition("direction", Relation.ANY, known)
    return Condition("direction", Relation.EQUALS, known[0])


def _read_maker(value: object, config: _Config) -> Condition:
    """Return the condition on the maker that a pattern on dcm2niix's name for it stands for."""
    known = [start for name, start in _MAKERS.items() if _fits(name, value, config)]
    if not known:
        raise LeftOutError(f"Manufacturer is one of {', '.join(_MAKERS)} in sidecars, so that it never fits")
    return Condition("Manufacturer", Relation.REGEX, rf"(?i)\A(?:{'|'.join(known)})")


def _read_file_name(value: object) -> Condition:
    """Return the condition that a pattern on dcm2niix's file name stands for: its number, an echo, a phase."""
    if isinstance(value, str):
        if found := _FILE_NUMBER.fullmatch(value):
            return Condition("series_number", Relation.EQUALS, int(found[1]))
        if found := _FILE_ECHO.fullmatch(value):
            return Condition("echo", Relation.EQUALS, int(found[1]))
        if _FILE_PHASE.fullmatch(value):
            return Condition("component", Relation.EQUALS, "phase")
    raise LeftOutError(
        f"SidecarFilename {str(value)[:40]!r} is a name that dcm2niix makes; ask for a field of the header"
    )
