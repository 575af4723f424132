"""Checks the files of one dataset, one after another, against the rules that concern them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from bidsflow.validate.compile.javascript import OF_EVERY_OBJECT, ThrownError
from bidsflow.validate.compile.rules import holds
from bidsflow.validate.context.load import Loader
from bidsflow.validate.context.walk import File, Folder
from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.readers.raw import watch_failures
from bidsflow.validate.rules import hed
from bidsflow.validate.rules.checks import make_check
from bidsflow.validate.rules.columns import ColumnRules
from bidsflow.validate.rules.fields import Definitions, make_fields
from bidsflow.validate.rules.filenames import FilenameRules, check_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bidsflow.validate.compile.rules import Rule, RuleBook, Test
    from bidsflow.validate.context.context import Context, Dataset


class Traits(NamedTuple):
    """What the summary of a dataset wants to know of a file."""

    subject: str | None = None
    session: str | None = None
    datatype: str = ""
    modality: str = ""
    reconstruction: str = ""
    task: str | None = None


class Verdict(NamedTuple):
    """What was found about one file.

    Attributes
    ----------
    issues : list of Issue
        Its own.
    shared : dict of (str, str) to list of Issue
        By sidecar and key: errors in values that the file inherits, the same for all files that do.
    used : tuple of str
        The other files that were read.
    touched : dict of str to bool
        The paths that were looked for, and whether they are there.
    lasting : bool
        Whether the verdict stays as it is when subjects come and go.
    traits : Traits
        What the summary counts.
    failed : bool
        Whether something could not be read or run for a reason outside of the dataset, which may pass.
    """

    issues: list[Issue]
    shared: dict[tuple[str, str], list[Issue]]
    used: tuple[str, ...] = ()
    touched: Mapping[str, bool] = MappingProxyType({})
    lasting: bool = True
    traits: Traits = Traits()
    failed: bool = False


class _Candidate(NamedTuple):
    """A rule that concerns a kind of file, with what is left to ask of each file."""

    applies: Test | None
    checks: tuple[Callable[[Context], Iterable[Issue]], ...]


@dataclass(slots=True)
class Checker:
    """Checks files of one dataset.

    Attributes
    ----------
    dataset : Dataset
        What all files share.
    book : RuleBook
        The rules of its schema.
    loader : Loader
        Makes the contexts.
    """

    dataset: Dataset
    book: RuleBook
    loader: Loader
    names: FilenameRules = field(init=False)
    _tables: ColumnRules = field(init=False)
    _definitions: Definitions = field(init=False)
    _checks: dict[str, tuple[Callable[[Context], Iterable[Issue]], ...]] = field(default_factory=dict)
    _candidates: dict[tuple[str, str, str, str], tuple[_Candidate, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = FilenameRules(self.dataset)
        overlooked = OF_EVERY_OBJECT if self.dataset.compat else frozenset[str]()
        self._tables = ColumnRules(self.dataset.schema, overlooked)
        self._definitions = Definitions(self.dataset.schema)

    def check(self, file: File) -> Verdict:
        """Return what is wrong with a file."""
        facts = self.dataset.facts
        facts.asked = False
        shared: dict[tuple[str, str], list[Issue]] = {}
        with watch_failures() as failed:
            context, issues = self.loader.load(file)
            if not (self.dataset.kind == "raw" and "derivatives" in file.path):
                self._judge(context, issues, shared)
        used = tuple(other.path for other in self.loader.used)
        return Verdict(issues, shared, used, context.touched, not facts.asked, _find_traits(context), bool(failed))

    def _judge(self, context: Context, issues: list[Issue], shared: dict[tuple[str, str], list[Issue]]) -> None:
        """Add what the rules have to say of a file."""
        file = context.file
        if file.size == 0 and not file.is_folder:
            issues.append(Issue("EMPTY_FILE", Severity.ERROR, file.path[1:]))
        issues += self.names.check(context)
        issues += check_case(context)
        for candidate in self._find_candidates(context):
            try:
                if candidate.applies is not None and not candidate.applies(context):
                    continue
            except ThrownError:
                continue
            for check in candidate.checks:
                for issue in check(context):
                    if issue.code == "JSON_SCHEMA_VALIDATION_ERROR" and issue.affects:
                        known = shared.setdefault((issue.location, issue.subcode), [])
                        if not known or known[0].rule == issue.rule:  # what another rule says of it is the same
                            known.append(issue)
                    else:
                        issues.append(issue)
        if hed.is_annotated(context):
            found, of_dataset = hed.check_annotations(context)
            issues += found
            shared |= of_dataset

    def _find_candidates(self, context: Context) -> tuple[_Candidate, ...]:
        """Return the rules for files of a kind."""
        kind = (context.datatype, context.suffix, context.extension, context.modality)
        found = self._candidates.get(kind)
        if found is None:
            rules = (rule for rule in self.book.rules if holds(rule.by_kind, context))
            found = self._candidates[kind] = tuple(_Candidate(rule.by_file, self._make_checks(rule)) for rule in rules)
        return found

    def _make_checks(self, rule: Rule) -> tuple[Callable[[Context], Iterable[Issue]], ...]:
        """Return the functions that check files against a rule, made when the rule is first needed."""
        made = self._checks.get(rule.path)
        if made is None:
            made = self._checks[rule.path] = tuple(self._read_rule(rule))
        return made

    def _read_rule(self, rule: Rule) -> Iterator[Callable[[Context], Iterable[Issue]]]:
        if "checks" in rule.data:
            yield make_check(rule)
        if "columns" in rule.data:
            yield from self._tables.make_checks(rule)
        if "fields" in rule.data:
            yield make_fields(rule, self._definitions)


def _find_traits(context: Context) -> Traits:
    entities = context.entities
    task = context.json.get("TaskName")
    return Traits(
        entities.get("sub"), entities.get("ses"), context.datatype, context.modality, entities.get("rec", ""),
        task if isinstance(task, str) else None,
    )  # fmt: skip


def walk_files(dataset: Dataset, folder: Folder) -> Iterator[File]:
    """Give what is to be checked in and below a folder: files, folders as such, and folders that stand for files."""
    for file in folder.files.values():
        if not dataset.ignores(file.path):
            yield file
    for below in folder.folders.values():
        if dataset.ignores_folder(below):
            continue
        pseudo = dataset.is_pseudo(below)
        opaque = pseudo or dataset.is_opaque(below)
        yield _stand_for(below, opaque=opaque, pseudo=pseudo)
        if not opaque:
            yield from walk_files(dataset, below)


def _stand_for(folder: Folder, *, opaque: bool, pseudo: bool) -> File:
    """Return a folder as a file: one that is looked into, or one that stands for a file (a ``.ds`` of CTF)."""
    size = sum(file.size for file in folder.walk()) if opaque else 0
    assert folder.parent is not None
    file = File(f"{folder.name}/", f"{folder.path}/", folder.parent, size)
    file.is_folder = not pseudo
    return file


def find_links(dataset: Dataset, folder: Folder) -> Iterator[Issue]:
    """Give the links in and below a folder that lead nowhere, and the folders that cannot be listed."""
    codes = {"broken": "SYMLINK_BROKEN", "cycle": "SYMLINK_CYCLE", "unreadable": "FILE_READ"}
    for link in folder.links:
        if not dataset.ignores(link.path):
            message = link.target if link.reason == "unreadable" else f"Symlink target: {link.target}"
            yield Issue(codes[link.reason], Severity.ERROR, link.path[1:], "", message)
    for below in folder.folders.values():
        if not (dataset.ignores_folder(below) or dataset.is_pseudo(below) or dataset.is_opaque(below)):
            yield from find_links(dataset, below)
