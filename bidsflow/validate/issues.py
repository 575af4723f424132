"""What a validation finds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How bad an issue is: an error makes a dataset invalid, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with, or missing from, one file.

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
        What was seen here, beyond the meaning of the code.
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
    def place(self) -> str:
        """The location, with the line where there is one: ``participants.tsv:2``."""
        return f"{self.location}:{self.line}" if self.line else self.location


@dataclass(frozen=True, slots=True)
class Group:
    """All issues of one code, subcode and severity.

    Attributes
    ----------
    code, subcode, severity
        As in `Issue`.
    count : int
        How many issues there are.
    examples : tuple of str
        The places of the first few, each once.
    message : str
        What the code means and how to set it right; what was seen follows where it is the same for all.
    """

    code: str
    subcode: str
    severity: Severity
    count: int
    examples: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one validation.

    Attributes
    ----------
    root : str
        The dataset, as given.
    issues : tuple of Issue
        In the order in which the engine found them.
    schema_version : str
        Version of the BIDS schema that was asked: ``1.2.7``.
    bids_version : str
        Version of BIDS that the dataset claims to follow; ``""`` where it claims none.
    engine : str
        What validated, with its version: ``bids-validator-deno 3.0.2``.
    n_files : int
        How many files the dataset holds, ignored ones not counted.
    meanings : mapping of str to str
        For each code that occurs, what it means and what to do.

    Examples
    --------
    >>> empty = Issue("EMPTY_FILE", Severity.ERROR, "sub-01/anat/sub-01_T1w.nii.gz")
    >>> report = Report("ds", (empty,), meanings={"EMPTY_FILE": "Empty files not allowed."})
    >>> report.ok, report.groups[0].count, report.groups[0].message
    (False, 1, 'Empty files not allowed.')
    """

    root: str
    issues: tuple[Issue, ...]
    schema_version: str = ""
    bids_version: str = ""
    engine: str = ""
    n_files: int = 0
    meanings: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Issue, ...]:
        """The issues that make the dataset invalid."""
        return tuple(issue for issue in self.issues if issue.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """The issues that do not."""
        return tuple(issue for issue in self.issues if issue.severity is Severity.WARNING)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The issues by code and subcode: errors first, then by code, the most frequent subcode first."""
        members: dict[tuple[str, str, Severity], list[Issue]] = {}
        for issue in self.issues:
            members.setdefault((issue.code, issue.subcode, issue.severity), []).append(issue)
        groups = (_group(issues, self.meanings) for issues in members.values())
        return tuple(sorted(groups, key=lambda group: (group.severity, group.code, -group.count, group.subcode)))


def _group(issues: list[Issue], meanings: Mapping[str, str], n_examples: int = 3) -> Group:
    """Sum up issues that share code, subcode and severity."""
    first = issues[0]
    places = tuple(dict.fromkeys(issue.place for issue in issues if issue.place))
    seen = {issue.message for issue in issues}
    parts = (meanings.get(first.code, ""), seen.pop() if len(seen) == 1 else "")
    message = " ".join(" ".join(part.split()) for part in parts if part)
    return Group(first.code, first.subcode, first.severity, len(issues), places[:n_examples], message)
