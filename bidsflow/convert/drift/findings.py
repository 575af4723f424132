"""What a comparison has found, as values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bidsflow.convert.drift.observation import Value

#: What tells apart the images that one measurement makes.
_PARTS = re.compile(r"(?:(?<=[/_])(?:echo|part)-[0-9a-zA-Z]+_)")


class Kind(StrEnum):
    """How an image, or a visit, is not as it should be."""

    MISSING = "missing"
    EXTRA = "extra"
    REPEATED = "repeated"
    SHORT = "short"
    CHANGED = "changed"
    #: No value is usual: the study has several.
    DIVIDED = "divided"


class Against(StrEnum):
    """What an image was held against."""

    STUDY = "study"
    COHORT = "cohort"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes
    ----------
    kind : Kind
        What it is.
    name : str
        Which image: ``func/task-rest_bold``; ``all`` for a whole session.
    found, expected : str
        For reading, with units.
    against : Against
        Who says so.
    subject, session : str
        Labels; both ``""`` where all subjects are concerned.
    parameter : str
        Key of what differs; ``""`` where the image as a whole is meant.
    where : str
        The file or series; ``""`` where there is none.
    """

    kind: Kind
    name: str
    found: str
    expected: str
    against: Against
    subject: str = ""
    session: str = ""
    parameter: str = ""
    where: str = ""

    @property
    def visit(self) -> str:
        """Subject and session as people know them; ``all`` where every subject is concerned."""
        return name_visit(self.subject, self.session) if self.subject else "all"


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for the images of one name.

    Attributes
    ----------
    name : str
        ``func/task-rest_bold``.
    visits, images : int
        In how many visits it is, and how often.
    parameters : mapping of str to tuple of Value
        What most subjects have, several where runs differ on purpose; absent where too few have it, or do not agree.
    """

    name: str
    visits: int
    images: int
    parameters: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """The whole comparison.

    Attributes
    ----------
    visits : tuple of (str, str)
        Subjects and sessions that were looked at.
    present : frozenset of (str, str, str)
        Subject, session and name of each image.
    usual : tuple of Usual
        One for each name, in its order.
    findings : tuple of Finding
        What differs: by visit, what concerns all of them first.
    notes : tuple of str
        What could not be compared, and why.
    """

    visits: tuple[tuple[str, str], ...]
    present: frozenset[tuple[str, str, str]]
    usual: tuple[Usual, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def name_visit(subject: str, session: str) -> str:
    """Return how people know a visit.

    Examples
    --------
    >>> name_visit("01", "pre"), name_visit("01", "")
    ('sub-01 ses-pre', 'sub-01')
    """
    return f"sub-{subject} ses-{session}" if session else f"sub-{subject}"


def count_words(number: int, word: str) -> str:
    """Return a number of things.

    Examples
    --------
    >>> count_words(1, "visit"), count_words(2, "visit")
    ('1 visit', '2 visits')
    """
    return f"{number} {word}{'' if number == 1 else 's'}"


def join_parts(name: str) -> str:
    """Return the name that the echoes and parts of one measurement share.

    Examples
    --------
    >>> join_parts("func/task-rest_echo-2_part-mag_bold")
    'func/task-rest_bold'
    """
    return _PARTS.sub("", name)


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with one in place of those that say the same of each echo or part of a measurement."""
    groups: dict[Finding, list[Finding]] = {}
    for one in findings:
        groups.setdefault(replace(one, name=join_parts(one.name), where=join_parts(one.where)), []).append(one)
    return [
        members[0] if len(members) == 1 else replace(shared, where=members[0].where)
        for shared, members in groups.items()
    ]
