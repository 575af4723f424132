"""What an importer hands back, and what all of them do: take patterns and names over. Only `read_text` opens a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bidsflow.convert.given import SERIOUS
from bidsflow.convert.plan import Decision
from bidsflow.convert.study.conditions import LITERAL, repeats_within
from bidsflow.convert.study.read import parse_study
from bidsflow.convert.study.spec import Condition, Json, Relation, Rule, Study
from bidsflow.convert.study.write import format_study
from bidsflow.errors import ConfigError, StudyError
from bidsflow.names import ENTITY_ORDER

#: No configuration that a person wrote is larger.
_MAX_BYTES = 4 << 20
#: Nor is an expression longer that a person wrote.
_MAX_PATTERN = 500
#: What says which field corrects which image; bidsflow finds that out itself.
WIRING = frozenset({"IntendedFor", "B0FieldIdentifier", "B0FieldSource"})


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that was not carried over, or not as it was.

    Attributes
    ----------
    where : str
        Its path in the file: ``descriptions[3].criteria.SidecarFilename``.
    text : str
        What becomes of it, and why.
    """

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A foreign configuration as a study.

    Attributes
    ----------
    study : Study
        What could be carried over.
    tool : str
        Whose configuration it was.
    notes : tuple of Note
        What could not, in the order of the file.
    """

    study: Study
    tool: str
    notes: tuple[Note, ...] = field(default=())


class LeftOutError(ValueError):
    """A part of a configuration has no counterpart in a study; the message says why."""


def read_text(path: Path) -> str:
    """Return the text of a configuration.

    Raises
    ------
    ConfigError
        If it cannot be read, is no text, or is larger than any that a person wrote.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ConfigError(str(path), (f"it is larger than {_MAX_BYTES >> 20} MiB: no configuration is",))
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), (f"it cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), (f"it is not UTF-8 (byte {error.start})",)) from error


def check_pattern(pattern: str) -> str:
    """Return a regular expression that is one, and that ends in time on every text.

    Raises
    ------
    LeftOutError
        If it is none, is very long, or repeats what is repeated within: ``(a+)+`` takes years on thirty letters.

    Examples
    --------
    >>> check_pattern("(?i).*(MPRAGE|T1w).*")
    '(?i).*(MPRAGE|T1w).*'
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise LeftOutError(f"{pattern[:60]!r} is no regular expression ({error})") from error
    if len(pattern) > _MAX_PATTERN:
        raise LeftOutError(f"the expression has {len(pattern)} characters: write a shorter one")
    if repeats_within(pattern):
        raise LeftOutError(f"{pattern[:60]!r} repeats what is repeated, which may take for ever: simplify it")
    return pattern


def search_whole(pattern: str) -> str:
    r"""Return an expression that is found where the whole text fits a pattern; as short as it can be.

    Examples
    --------
    >>> search_whole("(?i).*MPRAGE.*"), search_whole("T1.*"), search_whole("T[12]w")
    ('(?i)MPRAGE', '\\AT1', '\\AT[12]w\\Z')
    """
    flags = re.match(r"\(\?[aiLmsux]+\)", pattern)
    start = flags[0] if flags else ""
    core = pattern[len(start) :]
    inner = core.removeprefix(".*")
    opened = len(inner) < len(core)
    closed = inner.endswith(".*") and not inner.endswith("\\.*")
    inner = inner.removesuffix(".*") if closed else inner
    whole = f"(?:{inner})" if _has_branches(inner) and not (opened and closed) else inner
    return f"{start}{'' if opened else chr(92) + 'A'}{whole}{'' if closed else chr(92) + 'Z'}"


def _has_branches(pattern: str) -> bool:
    """Return whether a bar stands outside of all groups."""
    rest, before = LITERAL.sub("x", pattern), ""
    while rest != before:
        before, rest = rest, re.sub(r"\([^()]*\)", "x", rest)
    return "|" in rest


def merge_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Return notes that say the same as one, with the first of their places.

    Examples
    --------
    >>> [str(note) for note in merge_notes([Note("a", "left out"), Note("b", "left out"), Note("c", "kept")])]
    ['a, b: left out', 'c: kept']
    """
    places: dict[str, list[str]] = {}
    for note in notes:
        where = places.setdefault(note.text, [])
        if note.where not in where:
            where.append(note.where)
    told = {text: ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
            for text, where in places.items()}  # fmt: skip
    return tuple(Note(where, text) for text, where in told.items())


def parse_entities(pieces: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return the entities in the pieces of a name by their short key, and the pieces that are none of BIDS.

    Examples
    --------
    >>> parse_entities(["task-rest", "foo-1", "dir"])
    ({'task': 'rest'}, ['foo-1', 'dir'])
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    for piece in pieces:
        key, dash, value = piece.partition("-")
        if dash and value and key in ENTITY_ORDER[3:] and key != "cohort":
            found[key] = value
        elif piece:
            rest.append(piece)
    return found, rest


def split_sidecar(values: Mapping[str, object], where: str) -> tuple[dict[str, Json], list[Note]]:
    """Return the fields for a sidecar that can be carried over, and notes on the others."""
    kept: dict[str, Json] = {}
    notes: list[Note] = []
    for key, value in values.items():
        if key in WIRING:
            notes.append(
                Note(f"{where}.{key}", "left out: bidsflow wires fields to runs itself (see b0_source in the plan)")
            )
        elif key == "TaskName":
            notes.append(Note(f"{where}.{key}", "left out: bidsflow writes it from the label of the task"))
        elif is_json(value):
            kept[str(key)] = value  # type: ignore[assignment]
        else:
            notes.append(Note(f"{where}.{key}", f"left out: {str(value)[:40]!r} cannot stand in a study file"))
    return kept, notes


def is_json(value: object) -> bool:
    """Return whether a value can stand in a study: TOML knows no null, JSON neither dates nor infinity."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(is_json, value))
    return isinstance(value, str | int) or (isinstance(value, float) and abs(value) < float("inf"))


def keep_valid(rules: Sequence[tuple[str, Rule]]) -> tuple[tuple[Rule, ...], list[Note]]:
    """Return the rules that a study may hold, and notes on the others: names that BIDS does not allow, for example.

    Parameters
    ----------
    rules : sequence of (str, Rule)
        Where each comes from, and the rule.
    """
    kept: list[Rule] = []
    notes: list[Note] = []
    for where, rule in rules:
        try:
            parse_study(format_study(Study(rules=(rule,))))
        except StudyError as error:
            told = "; ".join(problem.partition(": ")[2] or problem for problem in error.problems)
            notes.append(Note(where, f"left out: {told}"))
            continue
        kept.append(_leave_open(rule))
    return tuple(kept), notes


def _leave_open(rule: Rule) -> Rule:
    """Return a rule that does not decide what its fields may contradict.

    ``decision = "convert"`` says of a study that the headers are wrong. No other tool's configuration says that.
    """
    return replace(rule, decision=None) if rule.decision is Decision.CONVERT and SERIOUS & set(rule.sidecar) else rule


def leave_rest(decision: Decision, because: str) -> Rule:
    """Return the last rule: what becomes of images that no other rule names."""
    return Rule((Condition("n_files", Relation.MORE, 0),), decision, because=because)


def with_groups(rule: Rule, conditions: Iterable[Condition], labels: Mapping[str, str]) -> Rule:
    """Return a rule that asks for more, and takes labels from what it finds."""
    return replace(rule, match=(*rule.match, *conditions), entities={**rule.entities, **labels})


def format_imported(found: Imported, name: str) -> str:
    """Return the text of a study file, with what could not be carried over as comments at its top.

    Parameters
    ----------
    found : Imported
        The study.
    name : str
        The file that it was made of.
    """
    lines = [f"From {name} ({found.tool}). The first rule that fits an image counts."]
    if found.notes:
        lines += ["", "Not carried over, or not as it was:", *(f"- {note}" for note in found.notes)]
    plain = ("".join(char if char.isprintable() else "?" for char in line) for line in lines)
    comments = "".join(f"# {line}".rstrip() + "\n" for line in plain)
    return f"{comments}\n{format_study(found.study)}"
