"""What a validation finds, as values; very many of them in little memory."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, overload


class Severity(StrEnum):
    """How bad an issue is: an error makes a dataset invalid, a warning does not, what is ignored was silenced."""

    ERROR = "error"
    WARNING = "warning"
    IGNORE = "ignore"


class Issue(NamedTuple):
    """One thing that is wrong with, or missing from, one file.

    A named tuple, since large datasets have hundreds of thousands, and a tuple is made in a quarter of the time.

    Attributes
    ----------
    code : str
        As the reference validator names it: ``TSV_COLUMN_MISSING``.
    severity : Severity
        Error or warning.
    location : str
        POSIX path below the root of the dataset, without a leading slash; ``""`` for the dataset itself.
    subcode : str
        What in the file is meant: the key of a sidecar, the column of a table.
    message : str
        What was seen here, beyond the meaning of the code; may have several lines.
    rule : str
        The rule of the BIDS schema that was broken: ``rules.checks.dataset.ParticipantIDMismatch``.
    affects : tuple of str
        Other files that are concerned, written like `location`.
    line : int
        Line of a text file, from 1; 0 where the issue concerns the whole file.
    """

    code: str
    severity: Severity
    location: str
    subcode: str = ""
    message: str = ""
    rule: str = ""
    affects: tuple[str, ...] = ()
    line: int = 0

    @property
    def head(self) -> Head:
        """What it says, but for where."""
        return Head(self[0], self[1], *self[3:])

    @property
    def place(self) -> str:
        """The location, with the line where there is one: ``participants.tsv:2``; else the first file it affects."""
        if self.line:
            return f"{self.location}:{self.line}"
        return self.location or (self.affects[0] if self.affects else "")


class Head(NamedTuple):
    """What an issue says, but for where; the fields are those of `Issue`."""

    code: str
    severity: Severity
    subcode: str
    message: str
    rule: str
    affects: tuple[str, ...]
    line: int


class IssueTable(Sequence[Issue]):
    """Issues that are made when they are looked at.

    A dataset of two thousand people may well have four hundred thousand issues, of some hundred kinds. As tuples they
    take 100 MB and a second; here they take eight bytes each.

    Parameters
    ----------
    heads : sequence of Head
        What issues say.
    paths : sequence of str
        Where they are.
    kinds, places : array of int
        Of each issue: which of the heads, and which of the paths.
    """

    __slots__ = ("heads", "kinds", "paths", "places")

    def __init__(self, heads: Sequence[Head], paths: Sequence[str], kinds: array[int], places: array[int]) -> None:
        self.heads = heads
        self.paths = paths
        self.kinds = kinds
        self.places = places

    def __len__(self) -> int:
        return len(self.kinds)

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> IssueTable: ...
    def __getitem__(self, index: int | slice) -> Issue | IssueTable:
        if isinstance(index, slice):
            return IssueTable(self.heads, self.paths, self.kinds[index], self.places[index])
        return _make(self.heads[self.kinds[index]], self.paths[self.places[index]])

    def __iter__(self) -> Iterator[Issue]:
        heads = map(self.heads.__getitem__, self.kinds)
        return map(_make, heads, map(self.paths.__getitem__, self.places))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def count_severity(self, severity: Severity) -> int:
        """Return how many issues are of a severity."""
        return sum(number for kind, number in Counter(self.kinds).items() if self.heads[kind].severity is severity)

    def list_heads(self) -> list[Head]:
        """Return what the issues say, each once, in the order of the first."""
        return [self.heads[kind] for kind in dict.fromkeys(self.kinds)]

    def select(self, keep: Callable[[Head], bool]) -> IssueTable:
        """Return the issues of which what they say is wanted."""
        wanted = [keep(head) for head in self.heads]
        if all(wanted[kind] for kind in set(self.kinds)):
            return self
        pairs = [pair for pair in zip(self.kinds, self.places, strict=True) if wanted[pair[0]]]
        return IssueTable(
            self.heads, self.paths, array("L", (kind for kind, _ in pairs)), array("L", (place for _, place in pairs))
        )

    def outline(self, most: int) -> list[Outline]:
        """Return the issues as `split` does, but of each group the first `most` only."""
        counts = Counter(self.kinds)
        numbers: dict[tuple[str, str, Severity], int] = {}
        firsts: list[list[Issue]] = []
        totals: list[int] = []
        group_of: dict[int, int] = {}
        for kind, count in counts.items():  # in the order of the first of each
            head = self.heads[kind]
            group = group_of[kind] = numbers.setdefault((head.code, head.subcode, head.severity), len(numbers))
            if group == len(totals):
                firsts.append([])
                totals.append(0)
            totals[group] += count
        lacking = sum(min(total, most) for total in totals)
        for kind, place in zip(self.kinds, self.places, strict=True):
            known = firsts[group_of[kind]]
            if len(known) < most:
                known.append(_make(self.heads[kind], self.paths[place]))
                lacking -= 1
                if not lacking:
                    break
        return [Outline(known, total) for known, total in zip(firsts, totals, strict=True)]

    def split(self) -> list[IssueTable]:
        """Return the issues by code, subcode and severity, in the order of the first of each."""
        numbers: dict[tuple[str, str, Severity], int] = {}
        group_of = {}
        for kind in dict.fromkeys(self.kinds):
            head = self.heads[kind]
            group_of[kind] = numbers.setdefault((head.code, head.subcode, head.severity), len(numbers))
        kinds = [array("L") for _ in numbers]
        places = [array("L") for _ in numbers]
        for kind, place in zip(self.kinds, self.places, strict=True):
            group = group_of[kind]
            kinds[group].append(kind)
            places[group].append(place)
        return [IssueTable(self.heads, self.paths, *pair) for pair in zip(kinds, places, strict=True)]


class Outline(Sequence[Issue]):
    """The first of many issues, with how many there are: all that a short report shows.

    Parameters
    ----------
    firsts : list of Issue
        In their order; what it holds.
    number : int
        How many there are: its length.
    """

    __slots__ = ("firsts", "number")

    def __init__(self, firsts: list[Issue], number: int) -> None:
        self.firsts = firsts
        self.number = number

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> list[Issue]: ...
    def __getitem__(self, index: int | slice) -> Issue | list[Issue]:
        return self.firsts[index]

    def __iter__(self) -> Iterator[Issue]:
        return iter(self.firsts)


class TableWriter:
    """Makes a table, issue by issue.

    Parameters
    ----------
    heads : iterable of Head
        What is known to be said, with the numbers of its order.
    """

    def __init__(self, heads: Iterable[Head] = ()) -> None:
        self.heads: dict[Head, int] = {head: number for number, head in enumerate(heads)}
        self.paths: dict[str, int] = {}
        self.kinds = array("L")
        self.places = array("L")

    def number(self, head: Head) -> int:
        """Return the number of what is said."""
        return self.heads.setdefault(head, len(self.heads))

    def add(self, kind: int, location: str) -> None:
        """Add an issue by the number of what it says."""
        self.kinds.append(kind)
        self.places.append(self.paths.setdefault(location, len(self.paths)))

    def extend(self, issues: Iterable[Issue]) -> None:
        """Add issues."""
        for issue in issues:
            self.add(self.number(issue.head), issue.location)

    def finish(self) -> IssueTable:
        """Return the table."""
        return IssueTable(list(self.heads), list(self.paths), self.kinds, self.places)


def _make(head: Head, location: str) -> Issue:
    code, severity, subcode, message, rule, affects, line = head
    return tuple.__new__(Issue, (code, severity, location, subcode, message, rule, affects, line))
