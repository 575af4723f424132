"""The outcome of a validation: its issues, grouped and filtered, and what the dataset holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bidsflow.validate.issues import Head, Issue, IssueTable, Outline, Severity

_Members = TypeVar("_Members", bound=Sequence[Issue])


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
class Summary:
    """What a dataset holds, as the reference validator sums it up.

    Attributes
    ----------
    subjects, sessions : tuple of str
        Labels that occur in names, in the order in which they were met.
    tasks : tuple of str
        Names of the tasks, as JSON files give them (``TaskName``).
    modalities : tuple of str
        As they are written (``MRI``, ``iEEG``), the most frequent first.
    secondary_modalities : tuple of str
        ``MRI_Functional``, ``PET_Static``, and so on; the most frequent first.
    data_types : tuple of str
        ``anat``, ``func``, and so on.
    total_files, size : int
        How many files were looked at; how many bytes they have.
    data_processed : bool
        Whether it is a derivative.
    schema_version : str
        Version of the BIDS schema that was asked.
    subject_metadata : tuple of mappings
        By participant: ``participantId``, and ``age``, ``sex`` and ``group`` where participants.tsv has them.
    """

    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    secondary_modalities: tuple[str, ...] = ()
    data_types: tuple[str, ...] = ()
    total_files: int = 0
    size: int = 0
    data_processed: bool = False
    schema_version: str = ""
    subject_metadata: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found in a dataset, before a configuration grades it.

    Attributes
    ----------
    issues : IssueTable
        In the order of the files.
    summary : Summary
        What the dataset holds.
    bids_version : str
        That the dataset claims to follow.
    meanings : mapping of str to str
        What the codes mean.
    notes : tuple of str
        What could not be checked, and what to do about it.
    fingerprint : str
        As in `Report`.
    failed : bool
        Whether something could not be read or run for a reason outside of the dataset, which may pass.
    """

    issues: IssueTable
    summary: Summary
    bids_version: str
    meanings: Mapping[str, str]
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one validation.

    A report of a dataset with derivatives that were validated, too, holds their reports; all that follows from the
    issues (`ok`, `errors`, `warnings`, `groups`, `filter`, iteration) takes them in, with locations below `root`.

    Attributes
    ----------
    root : str
        The dataset, as given.
    issues : sequence of Issue
        Of the dataset itself, in the order in which the engine found them.
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
    ignored : tuple of Issue
        What the configuration silences; in no count.
    derivatives : mapping of str to Report
        By folder below `root` (``derivatives/fmriprep``): the datasets within that were validated, too.
    summary : Summary
        What the dataset holds.
    notes : tuple of str
        What could not be checked, and what to do about it.
    fingerprint : str
        Of the names, sizes and times of all that was validated: as long as it is the same, so is the report. ``""``
        where only a part was validated, nothing is remembered, or the dataset may have changed meanwhile.

    Examples
    --------
    >>> empty = Issue("EMPTY_FILE", Severity.ERROR, "sub-01/anat/sub-01_T1w.nii.gz")
    >>> report = Report("ds", (empty,), meanings={"EMPTY_FILE": "Empty files not allowed."})
    >>> report.ok, report.groups[0].count, report.groups[0].message
    (False, 1, 'Empty files not allowed.')
    >>> [issue.code for issue in report], report.filter(location="sub-02/").ok
    (['EMPTY_FILE'], True)
    """

    root: str
    issues: Sequence[Issue]
    schema_version: str = ""
    bids_version: str = ""
    engine: str = ""
    n_files: int = 0
    meanings: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[Issue, ...] = ()
    derivatives: Mapping[str, Report] = field(default_factory=dict)
    summary: Summary = field(default_factory=Summary)
    notes: tuple[str, ...] = ()
    fingerprint: str = field(default="", compare=False)

    def __iter__(self) -> Iterator[Issue]:
        """Give every issue, those of derivatives last, with locations below the root."""
        yield from self.issues
        for folder, report in self.derivatives.items():
            for issue in report:
                yield _move(issue, f"{folder}/")

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        errors = any(head.severity is Severity.ERROR for head in list_heads(self.issues))
        return not errors and all(report.ok for report in self.derivatives.values())

    @property
    def errors(self) -> tuple[Issue, ...]:
        """The issues that make the dataset invalid."""
        return tuple(issue for issue in self if issue.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """The issues that do not."""
        return tuple(issue for issue in self if issue.severity is Severity.WARNING)

    def count(self, severity: Severity) -> int:
        """Return how many issues there are of a severity, those of derivatives among them."""
        within = sum(report.count(severity) for report in self.derivatives.values())
        return count_severity(self.issues, severity) + within

    @property
    def groups(self) -> tuple[Group, ...]:
        """The issues by code and subcode: errors first, then by code, the most frequent subcode first."""
        meanings = self.all_meanings
        return tuple(_group(issues, meanings) for issues in group_issues(self))

    @property
    def all_meanings(self) -> Mapping[str, str]:
        """The meanings of the codes that occur here or in a derivative."""
        meanings: dict[str, str] = {}
        for report in self.derivatives.values():
            meanings |= report.all_meanings
        return meanings | dict(self.meanings)

    @property
    def n_all_files(self) -> int:
        """How many files were looked at, those of derivatives among them."""
        return self.n_files + sum(report.n_all_files for report in self.derivatives.values())

    def filter(
        self,
        *,
        code: str | None = None,
        subcode: str | None = None,
        severity: str | None = None,
        location: str | None = None,
        rule: str | None = None,
    ) -> Report:
        """Return a report with just the issues that are asked for.

        Parameters
        ----------
        code, subcode, severity, rule : str, optional
            As in `Issue`.
        location : str, optional
            A pattern as in ``.gitignore``: ``sub-01/``, ``*_bold.json``, ``**/anat/*``; with a slash before it, the
            path of one file.

        Examples
        --------
        >>> issues = [Issue("C", Severity.WARNING, f"sub-0{n}/anat/x.json") for n in (1, 2)]
        >>> Report("ds", tuple(issues)).filter(severity="warning", location="sub-02/").issues[0].location
        'sub-02/anat/x.json'
        """
        wanted = {"code": code, "subcode": subcode, "severity": severity, "rule": rule}
        exact = tuple((name, value) for name, value in wanted.items() if value is not None)
        fits = match_location(location) if location is not None else None

        def keep(issue: Issue, above: str) -> bool:
            if any(getattr(issue, name) != value for name, value in exact):
                return False
            return fits is None or (bool(issue.location) and fits(above + issue.location))

        return _select(self, keep, "")


def match_location(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a path below the root is meant by a pattern.

    Parameters
    ----------
    pattern : str
        As in ``.gitignore``, whatever the case of letters; with a slash before it, the path of one file.

    Examples
    --------
    >>> [match_location(pattern)("sub-01/anat/sub-01_T1w.json") for pattern in ("*.json", "sub-01/", "anat", "/anat")]
    [True, True, True, False]
    """
    if pattern.startswith("/"):
        exact = pattern[1:]
        return lambda path: path == exact
    from bidsflow.validate.readers.ignore import IgnoreRules

    return IgnoreRules([pattern]).ignores


def group_issues(issues: Iterable[Issue]) -> list[Sequence[Issue]]:
    """Return issues by code, subcode and severity: errors first, then by code, the most frequent subcode first."""
    if isinstance(issues, Report) and not issues.derivatives:
        issues = issues.issues
    groups: list[Sequence[Issue]]
    if isinstance(issues, IssueTable):
        groups = list(issues.split())
    else:
        members: dict[tuple[str, str, Severity], list[Issue]] = {}
        for issue in issues:
            members.setdefault((issue.code, issue.subcode, issue.severity), []).append(issue)
        groups = list(members.values())
    return _rank(groups)


def _rank(groups: Iterable[_Members]) -> list[_Members]:
    return sorted(groups, key=lambda group: (group[0].severity, group[0].code, -len(group), group[0].subcode))


def outline_issues(report: Report) -> list[Outline]:
    """Return groups as `group_issues`, of each only the first few issues; their lengths are those of the whole."""
    if report.derivatives or not isinstance(report.issues, IssueTable):
        return [outline_group(group) for group in group_issues(report)]
    return _rank(report.issues.outline())


def outline_group(issues: Sequence[Issue]) -> Outline:
    """Return issues of one code as an outline that holds all of them."""
    return Outline(issues, len(issues), [head.message for head in list_heads(issues)])


def join_outlines(groups: Sequence[Outline]) -> Outline:
    """Return the issues of some groups, one after another."""
    issues = [issue for group in groups for issue in group]
    messages = [message for group in groups for message in group.messages]
    return Outline(issues, sum(map(len, groups)), messages)


def list_heads(issues: Sequence[Issue]) -> Sequence[Head | Issue]:
    """Return what issues say, each once; they have all fields but the location."""
    return issues.list_heads() if isinstance(issues, IssueTable) else issues


def count_severity(issues: Sequence[Issue], severity: Severity) -> int:
    """Return how many issues are of a severity."""
    if isinstance(issues, IssueTable):
        return issues.count_severity(severity)
    return sum(issue.severity is severity for issue in issues)


def select_severity(issues: Sequence[Issue], severity: Severity) -> Sequence[Issue]:
    """Return the issues of a severity."""
    if isinstance(issues, IssueTable):
        return issues.select(lambda head: head.severity is severity)
    return tuple(issue for issue in issues if issue.severity is severity)


def _select(report: Report, keep: Callable[[Issue, str], bool], above: str) -> Report:
    """Return a report with the issues that are to be kept; `above` is where it lies."""
    within = {name: _select(one, keep, f"{above}{name}/") for name, one in report.derivatives.items()}
    issues = tuple(issue for issue in report.issues if keep(issue, above))
    ignored = tuple(issue for issue in report.ignored if keep(issue, above))
    codes = {issue.code for issue in (*issues, *ignored)}
    meanings = {code: text for code, text in report.meanings.items() if code in codes}
    return replace(report, issues=issues, ignored=ignored, meanings=meanings, derivatives=within)


def _move(issue: Issue, above: str) -> Issue:
    """Return an issue as it is seen from a folder above."""
    location = above + issue.location if issue.location else ""
    return issue._replace(location=location, affects=tuple(above + path for path in issue.affects))


def _group(issues: Sequence[Issue], meanings: Mapping[str, str], n_examples: int = 3) -> Group:
    """Sum up issues that share code, subcode and severity."""
    first = issues[0]
    places: dict[str, None] = {}
    for issue in issues:
        if issue.place:
            places.setdefault(issue.place)
        if len(places) == n_examples:
            break
    same = first.message if all(issue.message == first.message for issue in issues) else ""
    message = " ".join(" ".join(part.split()) for part in (meanings.get(first.code, ""), same) if part)
    return Group(first.code, first.subcode, first.severity, len(issues), tuple(places), message)
