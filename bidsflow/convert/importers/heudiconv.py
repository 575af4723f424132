"""From a heuristic of heudiconv to a study: it is asked what it makes of the series of an export.

A heuristic is a program, so what it would make of other series cannot be read from it. Its answers become rules on what
tells the series of one name from all others. Sources: heudiconv 1.5.1, ``dicoms.py`` (`create_seqinfo`), ``convert.py``
(templates); https://heudiconv.readthedocs.io.
"""

from __future__ import annotations

import ast
import hashlib
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import PurePath
from typing import Any

from bidsflow.convert.importers.imported import Imported, Note, keep_valid, merge_notes, parse_entities
from bidsflow.convert.importers.sandbox import ask_heuristic
from bidsflow.convert.plan import Decision
from bidsflow.convert.study.fields import FIELDS, read_field
from bidsflow.convert.study.spec import Condition, Relation, Rule, Study
from bidsflow.dicom.person import hide_people, person_pattern
from bidsflow.dicom.series import Image, Inventory, Series
from bidsflow.errors import ConfigError

#: What tells series apart, the most telling first; rules ask for as few as do.
_TELLING = (
    "ProtocolName", "SeriesDescription", "ImageType", "SiemensImageType", "component", "SequenceName", "EchoTime",
    "n_slices", "n_volumes", "RepetitionTime",
)  # fmt: skip
#: Where heudiconv looks for the name of a sequence.
_SEQUENCES = ("SequenceName", "GePulseSequence", "PulseSequenceName")
_NUMBERS = frozenset(name for name in _TELLING if FIELDS.get(name) is float)
_REPROIN = re.compile(r"protocols2fix|heudiconv\.heuristics\.reproin|def parse_series_spec\b")
_PLACE = re.compile(r"\{(\w*)[^{}]*\}")
#: Fields of heudiconv's SeqInfo that are not shown to a heuristic, since they say who or when, or are files.
_WITHHELD = frozenset({
    "patient_id", "patient_age", "patient_sex", "date", "time", "study_description", "referring_physician_name",
    "accession_number", "series_uid", "example_dcm_file", "custom",
})  # fmt: skip
#: A run that a heuristic has numbered itself.
_NUMBERED = re.compile(r"_run-\d+(?=_)")
#: Of these, templates make folders and the beginning of names.
_WHO = ("sub", "ses")


@dataclass(frozen=True, slots=True)
class _Seen:
    """An image of a series, what a heuristic called it, and what rules can ask of it."""

    template: str
    values: Mapping[str, str]


def import_heudiconv(text: str, where: str, inventory: Inventory | None) -> Imported:
    """Return the study that a heuristic describes, as far as the series of an export show it.

    Raises
    ------
    ConfigError
        If there is no export, or the heuristic fails.
    """
    if _REPROIN.search(text):
        told = (
            "names after ReproIn are understood without rules, so it was not run; repairs of names (protocols2fix) are "
            "not carried over"
        )
        return Imported(Study(), "heudiconv (ReproIn)", (Note("heuristic", told),))
    if inventory is None:
        told = "a heuristic is a program: add --export EXPORT, with series of every kind, to ask what it makes of them"
        raise ConfigError(where, (told,))
    visits = _group_visits(inventory)
    withheld = _find_withheld(text)
    told = f"{', '.join(withheld)}: not shown to it, since that may say who or when"
    try:
        answer = ask_heuristic(text, where, [_make_rows(visit) for visit in visits])
    except ConfigError as error:
        raise (ConfigError(where, (*error.problems, f"it asks for {told}")) if withheld else error) from None
    notes = list(_note_settings(answer))
    if withheld:
        notes.append(Note("infotodict", f"asks for {told}; names that depend on it may be others"))
    seen = _leave_runs(_read_answers(answer["answers"], visits, where, notes), notes)
    rules = [("heuristic", rule) for rule in _make_rules(seen, notes)]
    kept, refused = keep_valid(rules)
    return Imported(Study(rules=kept), "heudiconv", merge_notes((*notes, *refused)))


def _find_withheld(text: str) -> list[str]:
    """Return the withheld fields that a heuristic reads; none where it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    imported = {one.asname or one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    read = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id in imported)
    }
    return sorted(read & _WITHHELD)


def _note_settings(answer: Mapping[str, Any]) -> Iterator[Note]:
    if answer.get("intended_for"):
        told = ", ".join(f"{key}: {value}" for key, value in answer["intended_for"].items())
        yield Note("POPULATE_INTENDED_FOR_OPTS", f"left out ({told}): bidsflow wires fields by shim, geometry and time")
    for name in answer.get("defines", ()):
        yield Note(name, "left out: subjects, sessions and files are chosen in the study and on the command line")
    if answer.get("kept"):
        yield Note("heuristic", f"was run, but the kernel did not take away {' and '.join(answer['kept'])} from it")


def _group_visits(inventory: Inventory) -> list[list[Series]]:
    """Return the series of each study, in the order of their numbers, as heudiconv hands them to a heuristic."""
    studies: dict[str, list[Series]] = defaultdict(list)
    for series in inventory.series:
        studies[series.study_uid].append(series)
    return [sorted(members, key=lambda one: one.number) for members in studies.values()]


def series_id(series: Series) -> str:
    """Return what heudiconv calls a series."""
    return f"{series.number}-{series.protocol_name}"


def _make_rows(visit: Sequence[Series]) -> list[dict[str, object]]:
    """Return the rows that a heuristic sees of a visit: what was measured, and nothing of the person or the day."""
    total, key = 0, secrets.token_bytes(16)
    rows: list[dict[str, object]] = []
    for series in visit:
        total += len(series.instances)
        header = series.header
        words = header.words("ImageType")
        image = series.images[0]
        rows.append({
            "total_files_till_now": total, "example_dcm_file": "image.dcm", "series_id": series_id(series),
            "dcm_dir_name": _folder_of(series), "series_files": len(series.instances), "unspecified": "",
            **dict(zip(("dim1", "dim2", "dim3", "dim4"), _dimensions(series, image), strict=True)),
            "TR": header.number("RepetitionTime", -1000.0) / 1000,
            "TE": image.echo_time or header.number("EchoTime", -1.0),
            "protocol_name": series.protocol_name, "is_motion_corrected": "MOCO" in words,
            "is_derived": "DERIVED" in words,
            "patient_id": hashlib.blake2b(series.patient.key.encode(), key=key, digest_size=6).hexdigest(),
            "study_description": "", "referring_physician_name": "", "series_description": series.description,
            "sequence_name": next(filter(None, map(header.text, _SEQUENCES)), ""),
            "image_type": list(words), "accession_number": "", "patient_age": None, "patient_sex": None,
            "date": "19000101", "series_uid": series_id(series), "time": f"{series.number:06d}.000000", "custom": None,
        })  # fmt: skip
    return rows


def _folder_of(series: Series) -> str:
    """Return the name of the folder of a series, as heudiconv has it, without the person."""
    if not series.instances:
        return ""
    return hide_people(PurePath(series.instances[0].file.path).parent.name, person_pattern(series.patient))


def _dimensions(series: Series, image: Image) -> tuple[int, int, int, int]:
    """Return dim1 to dim4 as heudiconv has them: of classic slices the third is the number of files."""
    columns, rows, slices = image.matrix
    files = len(series.instances)
    if "Frames.Images" in image.header:
        return rows, columns, slices, image.volumes if image.volumes > 1 else files
    if "MOSAIC" in image.header.words("ImageType"):
        return rows, columns, slices, files
    return rows, columns, files, 1


def _read_answers(
    answers: Sequence[Sequence[Any]], visits: Sequence[Sequence[Series]], where: str, notes: list[Note]
) -> list[_Seen]:
    """Return every image of every visit with the template that it was given, ``""`` for none."""
    seen: list[_Seen] = []
    for told, visit in zip(answers, visits, strict=True):
        given: dict[str, str] = {}
        for (template, *_), items in told:
            for item in _flatten(items):
                name, more = (str(item.get("item", "")), item) if isinstance(item, dict) else (str(item), {})
                if given.get(name, template) != template:
                    notes.append(Note("infotodict", f"gives one series two names; {template!r} is left out"))
                    continue
                given[name] = _fill(str(template), {key: value for key, value in more.items() if key != "item"})
        for series in visit:
            template = given.get(series_id(series), "")
            seen += [_Seen(template, _values(series, image)) for image in series.images]
    if not any(one.template for one in seen):
        raise ConfigError(where, ("the heuristic names no series of this export; give one of its study",))
    return seen


def _leave_runs(seen: Sequence[_Seen], notes: list[Note]) -> list[_Seen]:
    """Return images with templates without the runs that a heuristic has counted.

    What is measured twice under one name differs in nothing, or in the number of volumes of this one export. Runs that
    have descriptions of their own are kept.
    """
    runs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in seen:
        called = (one.values["ProtocolName"], one.values["SeriesDescription"])
        runs[(_NUMBERED.sub("", one.template), *called)].add(one.template)
    counted = {bare for (bare, *_), templates in runs.items() if len(templates) > 1}
    told = "run is left to bidsflow, which numbers what was measured twice by time"
    notes += [Note(bare, told) for bare in sorted(counted)]
    return [
        replace(one, template=bare) if (bare := _NUMBERED.sub("", one.template)) in counted else one for one in seen
    ]


def _fill(template: str, more: Mapping[str, Any]) -> str:
    """Return a template with what the heuristic gives for this series; numbers, people and the rest stay open."""
    return _PLACE.sub(lambda found: str(more.get(found[1], found[0])), template)


def _flatten(items: object) -> Iterator[Any]:
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, list):
            yield from _flatten(item)
        elif item:
            yield item


def _values(series: Series, image: Image) -> dict[str, str]:
    return {name: read_field(name, series, image) for name in _TELLING if name in FIELDS}


def _make_rules(seen: Sequence[_Seen], notes: list[Note]) -> Iterator[Rule]:
    """Give rules that tell the images of each template from all others, and skip what has none."""
    done: set[tuple[object, ...]] = set()
    for one in sorted(seen, key=lambda image: not image.template):
        match = _tell_apart(one, seen)
        if match is None:
            told = f"{one.template or 'no name'} for {one.values['ProtocolName']!r}"
            note = Note("infotodict", f"left out: {told}; nothing that rules see tells it from series of another name")
            if note not in notes:
                notes.append(note)
            continue
        rule = _make_rule(one.template, match, notes)
        key = (match, one.template)
        if rule is not None and key not in done:
            done.add(key)
            yield rule


def _tell_apart(one: _Seen, seen: Sequence[_Seen]) -> tuple[Condition, ...] | None:
    """Return the fewest conditions that an image holds and no image of another template; None where there are none.

    One of them is on what the series is called, where it is called anything: an echo time alone would hold for series
    that this export does not have.
    """
    others = [image for image in seen if image.template != one.template]
    fields = [name for name, value in one.values.items() if value]
    called = set(fields) & {"ProtocolName", "SeriesDescription"}
    for count in (1, 2, 3):
        for some in combinations(fields, count):
            if (not called or called & set(some)) and not any(
                all(image.values[name] == one.values[name] for name in some) for image in others
            ):
                return tuple(_ask(name, one.values[name]) for name in some)
    return None


def _ask(name: str, value: str) -> Condition:
    return Condition(name, Relation.EQUALS, float(value.partition("\\")[0]) if name in _NUMBERS else value)


def _make_rule(template: str, match: tuple[Condition, ...], notes: list[Note]) -> Rule | None:
    """Return the rule of a template; None where it makes no name of BIDS."""
    if not template:
        return Rule(match, Decision.SKIP, because="the heuristic gives it no name")
    folder, _, stem = template.rpartition("/")
    datatype = folder.rpartition("/")[2]
    *pieces, suffix = re.sub(r"\{(?:bids_subject_session_prefix|session)\}_?", "", stem).split("_")
    fixed = [piece for piece in pieces if "{" not in piece and piece.partition("-")[0] not in _WHO]
    entities, rest = parse_entities(fixed)
    if "{" in datatype + suffix or not datatype or rest:
        note = Note(template, "left out: it makes no name of BIDS")
        if note not in notes:
            notes.append(note)
        return None
    open_ones = [piece for piece in pieces if "{" in piece and not piece.startswith(("run-", "sub-", "ses-", "{"))]
    for piece in open_ones:
        note = Note(template, f"{piece} is left to bidsflow")
        if note not in notes:
            notes.append(note)
    # heudiconv numbers the echoes of a field map's magnitude itself, and so do we
    return Rule(match, Decision.CONVERT, datatype, "" if suffix == "magnitude" else suffix, entities)
