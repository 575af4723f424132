"""HED annotations: what Hierarchical Event Descriptors in tables and sidecars get wrong, as `hedtools` finds it.

The package is an extra (``pip install 'bidsflow[hed]'``) and is imported when the first annotation is met; nothing is
ever downloaded. The steps, and what ends them, are those of the reference validator (npm package ``hed-validator``),
so that as many issues are found of each kind; see also https://hed-specification.readthedocs.io, appendix B.
"""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bidsflow.validate.installed import find_hedtools
from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.readers.raw import enter_failure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from bidsflow.validate.context.context import Context

#: Key of a verdict's shared issues under which a dataset is told, once, that its schema of HED cannot be had.
VERSION: Final = ("", "HEDVersion")
#: Key, without an issue, that says of a file that its annotations were not checked: `hedtools` is not installed.
UNCHECKED: Final = ("", "HED")

_COLUMN: Final = "HED"
_WARNING: Final = 10
_MISSING: Final = frozenset({"", "n/a"})
#: Names that no key and no level of a sidecar may have, whatever the case.
_RESERVED: Final = frozenset({"hed", "n/a"})

#: The schemas that the reference brings along; it downloads others, where there is a network.
_OF_REFERENCE: Final = frozenset({
    "8.0.0", "8.1.0", "8.2.0", "8.3.0", "8.4.0",
    "lang_1.0.0", "lang_1.1.0", "score_1.2.0", "score_2.0.0", "score_2.1.0",
})  # fmt: skip
#: What hedtools finds beyond the reference, and what the schema of BIDS has a check for already.
_LEFT_OUT: Final = frozenset({"STYLE_WARNING", "ONSETS_UNORDERED"})
#: How the reference names what hedtools names otherwise: the code, words of the message, the code of the reference.
_CODES: Final = (
    ("TEMPORAL_TAG_ERROR", "found in another location", "TAG_GROUP_ERROR"),
    ("TEMPORAL_TAG_ERROR", "subgroups for group", "TAG_GROUP_ERROR"),
    ("CHARACTER_INVALID", "Class allows", "VALUE_INVALID"),
)
#: Whatever else is wrong with a string is not looked for before these are set right.
_OF_SYNTAX: Final = frozenset({"COMMA_MISSING", "PARENTHESES_MISMATCH", "TAG_EMPTY"})
#: Of what is wrong with one tag, the first of these is reported.
_OF_TAGS: Final = (
    "PLACEHOLDER_INVALID", "TAG_NAMESPACE_PREFIX_INVALID", "TAG_INVALID", "TAG_EXTENSION_INVALID", "TAG_REQUIRES_CHILD",
)  # fmt: skip
#: Whatever is no ASCII, and no control code either.
_FOREIGN: Final = re.compile(r"[^\x00-\x9f]")
#: References to columns, as sidecars may have them.
_REFERENCE: Final = re.compile(r"\{[^{}]+\}")


class _Note(NamedTuple):
    """Something to say of annotations: a code of the HED specification, how bad it is, and where it was seen."""

    code: str
    is_error: bool
    message: str
    line: int = 0
    column: str = ""
    level: str = ""


class _Sidecar(NamedTuple):
    """Annotations of columns: as they were written, as hedtools wants them, and what is wrong with them."""

    annotations: Mapping[str, Any]
    sidecar: Any
    definitions: Any
    notes: tuple[_Note, ...]


def is_annotated(context: Context) -> bool:
    """Return whether a file is, or inherits, something that is annotated with HED."""
    if context.extension == ".tsv":
        return _COLUMN in context.columns or _has_annotations(context.sidecar)
    return context.extension == ".json" and _has_annotations(context.json)


def _has_annotations(document: Any) -> bool:
    if type(document) is not dict:
        return False
    return any(type(value) is dict and _COLUMN in value for value in document.values())


def check_annotations(context: Context) -> tuple[list[Issue], dict[tuple[str, str], list[Issue]]]:
    """Return what is wrong with the annotations of a file, and what is wrong with the dataset: `VERSION`, `UNCHECKED`.

    Notes
    -----
    Whatever hedtools raises is an issue, too: ``INTERNAL_ERROR``. To judge as the reference does is to report a warning
    as often as it comes across it: whenever it reads a string, and again in each row.
    """
    location = context.path[1:]
    claimed = context.dataset["dataset_description"].get("HEDVersion")
    if not claimed and claimed != []:
        missing = "dataset_description.json has no HEDVersion"
        return [], {VERSION: [_make_issue(_Note("SCHEMA_LOAD_FAILED", True, missing), location)]}
    compat = context.shared.compat
    versions = tuple(dict.fromkeys(map(str, claimed))) if isinstance(claimed, list) else (str(claimed),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if compat:
                _check_names(versions, _OF_REFERENCE, "the reference validator")
            if not find_hedtools():
                return [], {UNCHECKED: []}
            _import_hedtools()
            _load_schema(versions)
        except Exception as error:  # noqa: BLE001 -- of another package, in any of its parts
            if isinstance(error, OSError | MemoryError):
                enter_failure(repr(error))
            note = _Note("SCHEMA_LOAD_FAILED", True, " ".join(str(error).split()))
            return [], {VERSION: [_make_issue(note, "")]}
        try:
            notes = _check_file(context, versions, compat=compat)
        except Exception as error:  # noqa: BLE001 -- as above
            enter_failure(repr(error))
            notes = [_Note("INTERNAL_ERROR", True, f"hedtools {find_hedtools()}: {error!r}")]
    return [_make_issue(note, location) for note in (notes if compat else dict.fromkeys(notes))], {}


def _make_issue(note: _Note, location: str) -> Issue:
    code, severity = ("HED_ERROR", Severity.ERROR) if note.is_error else ("HED_WARNING", Severity.WARNING)
    return Issue(code, severity, location, note.code, note.message, line=note.line)


@cache
def _load_schema(versions: tuple[str, ...]) -> Any:
    """Return a schema that hedtools brings along."""
    from hed.schema import load_schema_version
    from hed.schema.hed_cache import INSTALLED_CACHE_LOCATION

    if not versions or any("," in version for version in versions):
        raise ValueError(f"HEDVersion is not a version or a list of versions: {', '.join(versions)}")
    installed = {
        path.stem.removeprefix("HED").removeprefix("_") for path in Path(INSTALLED_CACHE_LOCATION).glob("*.xml")
    }
    _check_names(versions, installed, f"hedtools {find_hedtools()}")
    return load_schema_version(list(versions), INSTALLED_CACHE_LOCATION)


def _check_names(versions: tuple[str, ...], known: Collection[str], owner: str) -> None:
    for version in versions:
        if version.rpartition(":")[2] not in known:
            raise ValueError(f"HED {version} is not one of the schemas of {owner}")


def _import_hedtools() -> None:
    """Import hedtools; that this fails (another package of a wrong version) is no fault of the dataset."""
    try:
        _import_inflect()
        import_module("hed.schema")
    except Exception as error:
        enter_failure(repr(error))
        raise


def _import_inflect() -> None:
    """Import what hedtools forms plurals with, without the checks of types that take it seconds to set up."""
    if "inflect" in sys.modules or "typeguard" in sys.modules:
        return
    stand_in = ModuleType("typeguard")
    stand_in.__dict__["typechecked"] = lambda function: function
    sys.modules["typeguard"] = stand_in
    try:
        import_module("inflect")
    except ImportError:  # it wants more of the checks by now: hedtools imports it with them
        sys.modules.pop("inflect", None)
    finally:
        del sys.modules["typeguard"]


def _check_file(context: Context, versions: tuple[str, ...], *, compat: bool) -> Iterable[_Note]:
    is_table = context.extension == ".tsv"
    document = context.sidecar if is_table else context.json
    misuse = _find_misuse(document)
    if misuse:
        return [_Note("SIDECAR_INVALID", True, misuse)]
    annotations = {
        key.strip(): entry[_COLUMN] for key, entry in document.items() if type(entry) is dict and _COLUMN in entry
    }
    written, columns = json.dumps(annotations, ensure_ascii=False), context.columns
    if compat and not _load_schema(versions).schema_83_props:
        written = _spell_out(written)
        columns = {name: [_spell_out(cell) for cell in cells] for name, cells in columns.items()}
    sidecar = _read_sidecar(written, versions)
    return _check_table(columns, sidecar, versions, compat=compat) if is_table else sidecar.notes


def _spell_out(text: str) -> str:
    """Return a text in ASCII: the reference takes other letters with any schema, hedtools from 8.3.0 on."""
    return text if text.isascii() else _FOREIGN.sub(lambda found: f"u{ord(found[0]):x}", text)


def _find_misuse(document: Mapping[str, Any]) -> str:
    """Return the first thing that is wrong with how a sidecar holds its annotations."""
    for key, entry in document.items():
        if key.strip().lower() in _RESERVED:
            return f"{key!r} cannot be the name of a column"
        if type(entry) is dict and _COLUMN in entry:
            levels = entry[_COLUMN]
            if type(levels) is dict:
                for level, text in levels.items():
                    if level.strip().lower() in _RESERVED:
                        return f"{key}: {level!r} cannot be annotated"
                    if type(text) is not str:
                        return f"{key}: the annotation of {level!r} is not text"
            elif type(levels) is not str:
                return f"{key}: HED is neither text nor an object"
        elif _is_annotated_below(entry):
            return f"{key}: HED belongs on the second level"
    return ""


def _is_annotated_below(value: Any) -> bool:
    if type(value) is not dict:
        return False
    return any(key.upper() == _COLUMN or _is_annotated_below(below) for key, below in value.items())


@lru_cache(maxsize=32)
def _read_sidecar(text: str, versions: tuple[str, ...]) -> _Sidecar:
    """Return annotations by column; those of one sidecar are checked once, whatever the number of tables."""
    from hed.models.sidecar import Sidecar
    from hed.validator.sidecar_validator import SidecarValidator

    schema = _load_schema(versions)
    annotations = json.loads(text)
    written = {key: {_COLUMN: _write_levels(entry)} for key, entry in annotations.items() if entry}
    sidecar = Sidecar(io.StringIO(json.dumps(written)))
    notes = [_complete(note, written) for note in _translate(SidecarValidator(schema).validate(sidecar))]
    notes += [_crossed(annotation) for annotation in _find_texts(annotations) if _is_crossed(annotation)]
    if any("{}" in annotation.replace(" ", "") for annotation in _find_texts(annotations)):
        notes.append(_Note("SIDECAR_BRACES_INVALID", True, "braces without the name of a column"))
    if not any(note.is_error for note in notes):
        notes = [note for note in notes for _ in range(2)]  # the reference reads valid strings a second time
    return _Sidecar(annotations, sidecar, sidecar.get_def_dict(schema), tuple(notes))


def _is_crossed(text: str) -> bool:
    """Return whether a parenthesis is closed before it is opened, in as many of both: hedtools counts them only."""
    depth = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return text.count("(") == text.count(")")
    return False


def _crossed(text: str) -> _Note:
    return _Note("PARENTHESES_MISMATCH", True, f"a parenthesis is closed that is not open in {text!r}")


def _find_texts(annotations: Mapping[str, Any]) -> Iterator[str]:
    for levels in annotations.values():
        yield from (levels,) if isinstance(levels, str) else levels.values()


def _complete(note: _Note, written: Mapping[str, Any]) -> _Note:
    """Return a note with its level, which hedtools leaves out where a column has one only."""
    levels = written.get(note.column, {}).get(_COLUMN)
    return note._replace(level=next(iter(levels))) if isinstance(levels, dict) and len(levels) == 1 else note


def _write_levels(annotation: Any) -> Any:
    """Return the annotation of a column without the levels that have none.

    A blank at an end of a level is no mistake to the reference; such a level is just never met.
    """
    if isinstance(annotation, str):
        return annotation
    return {level if level == level.strip() else repr(level): text for level, text in annotation.items() if text}


def _check_table(
    columns: Mapping[str, list[str]], sidecar: _Sidecar, versions: tuple[str, ...], *, compat: bool
) -> list[_Note]:
    """Return what is wrong with a table: its sidecar, its cells, its rows; the first with an error is the last read."""
    from hed.validator.spreadsheet_validator import SpreadsheetValidator

    validator = SpreadsheetValidator(_load_schema(versions), sidecar.definitions)
    notes = list(sidecar.notes)
    for find in (_check_cells, _check_values, _check_rows, _find_missing_levels):
        if any(note.is_error for note in notes):
            return notes
        if compat and find is _check_rows:  # the reference finds them in the rows, again
            notes += [note for note in notes if note.line]
            notes += [again for note in sidecar.notes[::2] for again in _repeat_in_rows(note, columns, sidecar)]
        notes += find(validator, columns, sidecar)
    return notes


def _check_cells(validator: Any, columns: Mapping[str, list[str]], sidecar: _Sidecar) -> Iterator[_Note]:
    """Give what is wrong with the column of annotations, for each row."""
    from hed.errors import ErrorHandler

    for text, rows in _find_values(columns.get(_COLUMN, ())).items():
        plain = _REFERENCE.sub("", text)
        if "{" in plain or "}" in plain:
            notes = [_Note("SIDECAR_BRACES_INVALID", True, f"a brace without its other in {text!r}")]
        elif _is_crossed(text):
            notes = [_crossed(text)]
        else:
            found = validator.validate_hed_column(_COLUMN, {text: rows}, ErrorHandler(), full_string=True)
            notes = _translate(found)
            if "#" in text and not any(note.code in _OF_SYNTAX for note in notes):
                notes = [_Note("PLACEHOLDER_INVALID", True, f"# stands for a value, in sidecars only: {text!r}")]
            elif plain != text and not any(note.is_error and note.code != "CHARACTER_INVALID" for note in notes):
                notes = [_Note("CHARACTER_INVALID", True, f"columns can be referred to in sidecars only: {text!r}")]
        yield from (note._replace(line=row + 2) for row in rows for note in notes)


def _check_values(validator: Any, columns: Mapping[str, list[str]], sidecar: _Sidecar) -> Iterator[_Note]:
    """Give what is wrong with the values that are put in for ``#``, for each row."""
    from hed.errors import ErrorHandler

    for name, template in sidecar.annotations.items():
        if isinstance(template, str):
            for value, rows in _find_values(columns.get(name, ())).items():
                notes = _translate(validator.validate_value_column(name, template, {value: rows}, ErrorHandler()))
                yield from (note._replace(line=row + 2) for row in rows for note in notes)


def _check_rows(validator: Any, columns: Mapping[str, list[str]], sidecar: _Sidecar) -> list[_Note]:
    """Return what is wrong with rows as a whole, and with their order in time: of that, the first."""
    from hed.errors import ErrorHandler
    from hed.models.tabular_input import TabularInput
    from pandas import DataFrame

    wanted = {name: cells for name, cells in columns.items() if name in {*sidecar.annotations, _COLUMN, "onset"}}
    if not any(wanted.values()):
        return []
    table = TabularInput(DataFrame(wanted, dtype=str), sidecar.sidecar)
    notes = [*_find_definitions(columns, sidecar), *_translate(validator.validate_assembled(table, ErrorHandler()))]
    late = [note for note in notes if note.code == "TEMPORAL_TAG_ERROR"][1:] if "onset" in columns else []
    return [note for note in notes if note not in late]


def _find_definitions(columns: Mapping[str, list[str]], sidecar: _Sidecar) -> Iterator[_Note]:
    """Give an error for each row with a value that stands for a definition."""
    for name, levels in sidecar.annotations.items():
        if isinstance(levels, dict):
            defining = {level for level, text in levels.items() if "definition/" in text.lower()}
            for row, value in enumerate(columns.get(name, ()) if defining else ()):
                if value in defining:
                    yield _Note("DEFINITION_INVALID", True, f"{name}: {value!r} stands for a definition", row + 2)


def _find_missing_levels(validator: Any, columns: Mapping[str, list[str]], sidecar: _Sidecar) -> Iterator[_Note]:
    """Give a warning for each column with values that the sidecar does not annotate."""
    if _COLUMN not in columns and _COLUMN in sidecar.sidecar.get_column_refs():
        yield _Note("SIDECAR_KEY_MISSING", False, "the sidecar refers to {HED}, and there is no column HED")
    for name, cells in columns.items():
        levels = sidecar.annotations.get(name)
        if isinstance(levels, dict):
            missing = [value for value in _find_values(cells) if value not in levels]
            if missing:
                yield _Note("SIDECAR_KEY_MISSING", False, f"{name}: not annotated are {', '.join(missing)}")


def _find_values(cells: Iterable[str]) -> dict[str, list[int]]:
    """Return the rows of each value, from 0."""
    rows: dict[str, list[int]] = {}
    for number, text in enumerate(cells):
        if text not in _MISSING:
            rows.setdefault(text, []).append(number)
    return rows


def _repeat_in_rows(note: _Note, columns: Mapping[str, list[str]], sidecar: _Sidecar) -> Iterator[_Note]:
    """Give what was found in a sidecar for each row that it annotates."""
    levels = sidecar.annotations.get(note.column)
    for row, value in enumerate(columns.get(note.column, ())):
        if value not in _MISSING and (isinstance(levels, str) or value == note.level):
            yield note._replace(line=row + 2)


def _translate(found: Iterable[Mapping[str, Any]]) -> list[_Note]:
    """Return what hedtools found as the reference would say it: of each tag one thing, of each string the worst."""
    strings: dict[tuple[Any, ...], dict[Any, _Note]] = {}
    for issue in found:
        note = _read_issue(issue)
        if note.code in _LEFT_OUT or _is_misplaced(issue):
            continue
        tag = issue.get("source_tag")
        subject: Any = (str(tag), getattr(tag, "span", None)) if tag is not None else note.code
        if note.code == "TAG_EXTENDED":
            subject = note.code
        elif note.code == "SIDECAR_BRACES_INVALID":  # the same reference, or the same brace, in many levels
            note, subject = note._replace(level=""), note.message.partition(" Improper symbol")[0]
        known = strings.setdefault((note.line, note.column, note.level), {})
        if subject not in known or _rank(note) < _rank(known[subject]):
            known[subject] = note
    return [note for known in strings.values() for note in _find_worst(list(known.values()))]


def _read_issue(issue: Mapping[str, Any]) -> _Note:
    code, message = issue["code"], issue["message"]
    for theirs, words, ours in _CODES:
        if code == theirs and words in message:
            code = ours
            break
    is_error = issue["severity"] < _WARNING
    if code == "TAG_EXTENDED" and " " in issue["source_tag"].extension:
        code, is_error = "TAG_EXTENSION_INVALID", True  # no name has a blank, see nameClass of the schemas
    level = issue.get("ec_sidecarKeyName", "")
    return _Note(code, is_error, message, issue.get("ec_row", 0), issue.get("ec_sidecarColumnName", ""), level)


def _is_misplaced(issue: Mapping[str, Any]) -> bool:
    """Return whether it is that a column has both definitions and other annotations, which the reference accepts."""
    return issue["code"] == "DEFINITION_INVALID" and "ec_HedString" not in issue and "ec_sidecarColumnName" in issue


def _rank(note: _Note) -> tuple[bool, int]:
    return not note.is_error, _OF_TAGS.index(note.code) if note.code in _OF_TAGS else len(_OF_TAGS)


def _find_worst(notes: list[_Note]) -> list[_Note]:
    """Return the errors of syntax in a string; all errors if there are none; the warnings if there are none, either."""
    errors = [note for note in notes if note.is_error]
    braces = [note for note in errors if "Improper symbol" in note.message]
    return braces or [note for note in errors if note.code in _OF_SYNTAX] or errors or notes
