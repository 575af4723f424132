"""What a validation finds, as values; very many of them in little memory."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, overload


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


class Overview(NamedTuple):
    """What a short report shows of a table.

    Attributes
    ----------
    counts : dict of int to int
        How often each of the heads occurs, in the order of the first.
    leads : list of tuple of int
        Head and path of the first issues of each code, subcode and severity: as many as are at `N_LEADS` places.
    """

    counts: dict[int, int]
    leads: list[tuple[int, int]]


#: Places of a group that an overview holds: the examples of a short report, and one to know that there are more.
N_LEADS: Final = 3


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
    overview : Overview, optional
        As the attribute; made when it is asked for.
    """

    __slots__ = ("_overview", "heads", "kinds", "paths", "places")

    def __init__(
        self,
        heads: Sequence[Head],
        paths: Sequence[str],
        kinds: array[int],
        places: array[int],
        overview: Overview | None = None,
    ) -> None:
        self.heads = heads
        self.paths = paths
        self.kinds = kinds
        self.places = places
        self._overview = overview

    def __len__(self) -> int:
        return len(self.kinds)

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> IssueTable: ...
    def __getitem__(self, index: int | slice) -> Issue | IssueTable:
        if isinstance(index, slice):
            return IssueTable(self.heads, self.paths, self.kinds[index], self.places[index])
        return self.make(self.kinds[index], self.places[index])

    def __iter__(self) -> Iterator[Issue]:
        return map(self.make, self.kinds, self.places)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def make(self, kind: int, place: int) -> Issue:
        """Return an issue by the numbers of its head and of its path."""
        code, severity, subcode, message, rule, affects, line = self.heads[kind]
        return tuple.__new__(Issue, (code, severity, self.paths[place], subcode, message, rule, affects, line))

    @property
    def overview(self) -> Overview:
        """What a short report shows."""
        if self._overview is None:
            self._overview = self._look_over()
        return self._overview

    def _look_over(self) -> Overview:
        counts = dict(Counter(self.kinds))
        groups = self._group_heads(counts)
        seen: list[set[str]] = [set() for _ in counts]
        leads = []
        for kind, place in zip(self.kinds, self.places, strict=True):
            known = seen[groups[kind]]
            if len(known) < N_LEADS:
                leads.append((kind, place))
                known.add(self.make(kind, place).place)
        return Overview(counts, leads)

    def _group_heads(self, kinds: Iterable[int]) -> dict[int, int]:
        """Return for each of the heads the number of its group, in the order of the first of each."""
        numbers: dict[tuple[str, str, Severity], int] = {}
        named = ((kind, self.heads[kind]) for kind in kinds)
        return {
            kind: numbers.setdefault((head.code, head.subcode, head.severity), len(numbers)) for kind, head in named
        }

    def count_severity(self, severity: Severity) -> int:
        """Return how many issues are of a severity."""
        return sum(number for kind, number in self.overview.counts.items() if self.heads[kind].severity is severity)

    def list_heads(self) -> list[Head]:
        """Return what the issues say, each once, in the order of the first."""
        return [self.heads[kind] for kind in self.overview.counts]

    def select(self, keep: Callable[[Head], bool]) -> IssueTable:
        """Return the issues of which what they say is wanted."""
        wanted = {kind for kind in self.overview.counts if keep(self.heads[kind])}
        if len(wanted) == len(self.overview.counts):
            return self
        kinds, places = array("I"), array("I")
        if wanted:
            for kind, place in zip(self.kinds, self.places, strict=True):
                if kind in wanted:
                    kinds.append(kind)
                    places.append(place)
        return IssueTable(self.heads, self.paths, kinds, places)

    def outline(self) -> list[Outline]:
        """Return the issues as `split` does, but of each group the first few only."""
        counts, leads = self.overview
        groups = self._group_heads(counts)
        firsts: list[list[Issue]] = [[] for _ in set(groups.values())]
        for kind, place in leads:
            firsts[groups[kind]].append(self.make(kind, place))
        outlines = [Outline(first, 0, []) for first in firsts]
        for kind, count in counts.items():
            outlines[groups[kind]].number += count
            outlines[groups[kind]].messages.append(self.heads[kind].message)
        return outlines

    def split(self) -> list[IssueTable]:
        """Return the issues by code, subcode and severity, in the order of the first of each."""
        groups = self._group_heads(self.overview.counts)
        tables = [IssueTable(self.heads, self.paths, array("I"), array("I")) for _ in set(groups.values())]
        for kind, place in zip(self.kinds, self.places, strict=True):
            table = tables[groups[kind]]
            table.kinds.append(kind)
            table.places.append(place)
        return tables


class Outline(Sequence[Issue]):
    """The first of many issues, with how many there are, and what they say.

    Parameters
    ----------
    firsts : sequence of Issue
        In their order; what it holds.
    number : int
        How many there are: its length.
    messages : list of str
        What any of them says.
    """

    __slots__ = ("firsts", "messages", "number")

    def __init__(self, firsts: Sequence[Issue], number: int, messages: list[str]) -> None:
        self.firsts = firsts
        self.number = number
        self.messages = messages

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Issue]: ...
    def __getitem__(self, index: int | slice) -> Issue | Sequence[Issue]:
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
        self.kinds = array("I")
        self.places = array("I")
        self._shared: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def share(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return an equal value that was given before, so that one is held instead of many."""
        return self._shared.setdefault(value, value)

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
