"""From a dataset to the report: which schema, what all files share, every file, the dataset as a whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bidsflow import __version__
from bidsflow.errors import FileFault
from bidsflow.validate import cache
from bidsflow.validate.check import Checker, find_links, walk_files
from bidsflow.validate.compile.javascript import UNDEFINED, to_text, truthy
from bidsflow.validate.compile.rules import compile_rules
from bidsflow.validate.compile.schema import Schema, load_schema, name_schema
from bidsflow.validate.context.context import Dataset, Facts
from bidsflow.validate.context.load import Loader
from bidsflow.validate.context.walk import File, Folder, read_tree, sort_as_listed
from bidsflow.validate.digests import name_value
from bidsflow.validate.installed import find_hedtools, name_code
from bidsflow.validate.issues import Issue, Severity, TableWriter
from bidsflow.validate.meanings import find_meanings
from bidsflow.validate.readers.ignore import OPAQUE, IgnoreRules
from bidsflow.validate.readers.json import load_json
from bidsflow.validate.readers.raw import decode_text, read_start, watch_failures
from bidsflow.validate.readers.tsv import load_tsv
from bidsflow.validate.report import Outcome
from bidsflow.validate.rules import hed
from bidsflow.validate.rules.dataset import check_citation_file, check_scope, find_unused_sidecars, find_unused_stimuli
from bidsflow.validate.store import find_place
from bidsflow.validate.summary import sum_up
from bidsflow.validate.survey import IGNORE_FILE, LEFT_OUT

if TYPE_CHECKING:
    from bidsflow.validate.options import Options

#: Rows that are checked of each table, if not told otherwise: as the reference.
DEFAULT_ROWS: Final = 1000
#: Below this many files to check, processes cost more than they bring.
_MANY: Final = 1500
_HED_UNCHECKED: Final = "annotations in HED were not checked: pip install 'bidsflow[hed]'"
_DESCRIPTION: Final = "dataset_description.json"
_MAX_IGNORE_BYTES: Final = 1 << 20

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Study:
    """A dataset made ready to be checked.

    Attributes
    ----------
    root : str
        Where it is.
    options : Options
        What is asked.
    schema : Schema
        Its rules.
    tree : Folder
        Its names.
    dataset : Dataset
        What all files share.
    issues : list of Issue
        What was found on the way.
    ignored : tuple of str
        The lines of ``.bidsignore``.
    started : int
        When the tree was read, in nanoseconds since 1970.
    only : tuple of str, optional
        Files and folders that are to be checked; all if None.
    failed : bool
        As in `Verdict`.
    """

    root: str
    options: Options
    schema: Schema
    tree: Folder
    dataset: Dataset
    issues: list[Issue]
    ignored: tuple[str, ...]
    started: int
    only: tuple[str, ...] | None = None
    failed: bool = False

    @property
    def key(self) -> str:
        """Tells whether verdicts on files of this study hold for another."""
        options, facts = self.options, self.dataset.facts
        shared = (facts["dataset_description"], facts["datatypes"], self.ignored)
        asked = (options.compat, options.max_rows, options.ignore_nifti_headers)
        return name_value((__version__, name_code(), find_hedtools(), self.schema.digest, asked, shared))

    @property
    def remembers(self) -> bool:
        """Whether verdicts are kept: not those that depend on other datasets, or on what could not be read."""
        return self.options.cache and not self.options.before and not self.failed

    def wants(self, path: str) -> bool:
        """Return whether a file is to be checked; with subjects, those at the root are, too."""
        if self.only is None:
            return True
        if self.options.subjects and path.count("/") == 1:
            return True
        return any(path == chosen or path.startswith(f"{chosen.rstrip('/')}/") for chosen in self.only)

    def knows_users(self, location: str) -> bool:
        """Return whether all files that could make use of one are checked."""
        return self.only is None or any(f"/{location}".startswith(f"{chosen.rstrip('/')}/") for chosen in self.only)


def open_study(root: str, options: Options, only: tuple[str, ...] | None = None) -> Study:
    """Return a dataset made ready to be checked; what it takes and raises is that of `whole.validate`."""
    if only is None and options.subjects:
        only = tuple(f"/sub-{label}" for label in options.subjects)
    started = time.time_ns()
    schema = load_schema(name_schema(options))
    tree = read_tree(root, LEFT_OUT, only, loops=options.compat)
    _take_from_others(tree, options.before)
    with watch_failures() as failed:
        description, issues = _read_description(tree, options)
        ignored = tuple(_read_ignored(tree, options))
        dataset = _describe(tree, schema, description, IgnoreRules([*OPAQUE, *ignored]), options)
    return Study(root, options, schema, tree, dataset, issues, ignored, started, only, bool(failed))


def _take_from_others(tree: Folder, roots: tuple[str, ...]) -> None:
    """Let tables and JSON files at the root be read from the first of other datasets that has them."""
    for file in tree.files.values():
        if file.name.endswith((".json", ".tsv")):
            others = (os.path.join(root, file.name) for root in roots)  # noqa: PTH118 -- text, as all paths to open
            file.read_from(next(filter(os.path.isfile, others), file.disk))


def make_checker(study: Study) -> Checker:
    """Return what checks the files of a study."""
    options = study.options
    book = compile_rules(study.schema)
    max_rows = DEFAULT_ROWS if options.max_rows is None else options.max_rows
    whole = frozenset() if options.compat or options.max_rows is not None else frozenset({"/participants.tsv"})
    loader = Loader(
        study.dataset, book.associations, max_rows, whole=whole, read_headers=not options.ignore_nifti_headers
    )  # fmt: skip
    return Checker(study.dataset, book, loader)


def check_study(study: Study, progress: Progress | None = None) -> Outcome:
    """Return what is wrong with a dataset; the datasets within are left out."""
    dataset, tree = study.dataset, study.tree
    files = [file for file in walk_files(dataset, tree) if study.wants(file.path)]
    place = find_place(study.root, study.key)
    memory = cache.load_memory(place) if study.remembers else cache.Memory()
    table = memory.open_table()
    notes = memory.recall(tree, files)
    del memory
    missing = [number for number, note in enumerate(notes) if note is None]
    made = _check_files(study, [files[number] for number in missing], table, progress)
    for number, note in zip(missing, made, strict=True):
        notes[number] = note
    found = [(file, note) for file, note in zip(files, notes, strict=True) if note is not None]
    if study.remembers and missing and study.only is None:
        cache.save_memory(place, tree, found, table, study.started)
    _mark_viewed(tree, (note for _, note in found))
    links = list(find_links(dataset, tree))
    table.extend([*study.issues, *links])
    shared = _enter(found, table, _find_teller(found) if study.options.compat else None)
    table.extend(issue for issue in find_unused_sidecars(dataset) if study.knows_users(issue.location))
    failed = False
    if study.only is None:
        table.extend(find_unused_stimuli(dataset))
        with watch_failures() as unread:
            table.extend(check_citation_file(dataset, dates_are_text=not study.options.compat))
        failed = bool(unread)
        table.extend(check_scope(dataset, study.options))
    description = dataset.facts["dataset_description"]
    traits = ((file, note.traits) for file, note in found)
    summary = sum_up(tree, traits, description, study.schema.version)
    unchecked = (_HED_UNCHECKED,) if hed.UNCHECKED in shared else ()
    meanings = find_meanings({head.code for head in table.heads}, study.schema.data)
    failed |= study.failed or any(link.code == "FILE_READ" for link in links) or any(note.failed for _, note in found)
    bids_version = str(description.get("BIDSVersion") or "")
    return Outcome(table.finish(), summary, bids_version, meanings, unchecked, failed=failed)


def _find_teller(found: list[tuple[File, cache.Note]]) -> File | None:
    """Return the file by which the reference says that a dataset has no version of HED, if it does."""
    annotated = [file for file, note in found if any(one[:2] == hed.VERSION for one in note.shared)]
    return sort_as_listed(annotated)[0] if annotated else None


def _enter(found: list[tuple[File, cache.Note]], table: TableWriter, teller: File | None) -> set[tuple[str, str]]:
    """Enter the issues of files; what several inherit from a sidecar counts once. Return what they share."""
    shared: set[tuple[str, str]] = set()
    for file, note in found:
        _add(note.kinds, file.path[1:], table)
        for where, key, kinds in note.shared:
            if (where, key) not in shared and not (teller and file is not teller and (where, key) == hed.VERSION):
                shared.add((where, key))
                _add(kinds, where, table)
    return shared


def _add(kinds: tuple[Any, ...], location: str, table: TableWriter) -> None:
    for kind in kinds:
        if kind.__class__ is tuple:
            table.add(*kind)
        else:
            table.add(kind, location)


def _check_files(
    study: Study, files: list[File], table: TableWriter, progress: Progress | None
) -> Iterator[cache.Note]:
    """Give the notes on some files, made by several processes if they are many."""
    jobs = study.options.jobs or 1
    if jobs > 1 and len(files) > _MANY:
        from bidsflow.validate.parallel import check_in_parallel

        return check_in_parallel(study, files, table, jobs, progress)
    return check_in_turn(make_checker(study), files, table, progress) if files else iter(())


def check_in_turn(
    checker: Checker, files: list[File], table: TableWriter, progress: Progress | None = None
) -> Iterator[cache.Note]:
    """Give the notes on some files, one after another."""
    top = ""
    for number, file in enumerate(files):
        above = file.path.split("/", 2)[1]
        if above != top:
            checker.loader.forget()
            if top in checker.dataset.tree.folders:
                checker.dataset.tree.folders[top].forget()
            top = above
        if progress and number % 100 == 0:
            progress(number, len(files))
        yield cache.make_note(checker.check(file), file.path[1:], table)


def _mark_viewed(tree: Folder, notes: Iterable[cache.Note]) -> None:
    """Mark the files that others have made use of."""
    used: set[str] = set()
    for note in notes:
        used.update(note.used)
        used.update(path for path, there in note.touched.items() if there)
    for path in used:
        file = tree.find(path[1:])
        if file is not None:
            file.viewed = True


def _read_description(tree: Folder, options: Options) -> tuple[dict[str, Any], list[Issue]]:
    """Return the description of a dataset, with its type; that it cannot be read, the reference reports twice."""
    file = tree.files.get(_DESCRIPTION)
    issues = []
    description: dict[str, Any] = {}
    if file is None:
        issues.append(Issue("MISSING_DATASET_DESCRIPTION", Severity.ERROR, "", affects=(_DESCRIPTION,)))
    else:
        try:
            description = dict(load_json(file.disk))
        except FileFault as fault:
            if options.compat:
                issues.append(Issue(fault.code, Severity.ERROR, _DESCRIPTION, fault.subcode, fault.message))
    if not truthy(description.get("DatasetType")):
        description["DatasetType"] = "derivative" if truthy(description.get("GeneratedBy")) else "raw"
    return description, issues


def _describe(
    tree: Folder, schema: Schema, description: dict[str, Any], ignore: IgnoreRules, options: Options
) -> Dataset:
    """Return what all files of a dataset share."""
    objects, rules = schema.data["objects"], schema.data["rules"]
    folders = rules["directories"].get(to_text(description["DatasetType"]), {})
    extensions = (str(extension["value"]) for extension in objects["extensions"].values())
    datatypes = [] if options.compat else sorted(_find_datatypes(tree, objects["datatypes"]))
    modalities = [name for name, rule in rules["modalities"].items() if set(rule["datatypes"]) & set(datatypes)]
    subjects = {
        "sub_dirs": [name for name in tree.folders if name.startswith("sub-")],
        "participant_id": _read_participants(tree),
    }
    facts = Facts(
        dataset_description=description, tree={}, ignored=[], datatypes=datatypes, modalities=modalities,
        subjects=subjects
    )  # fmt: skip
    return Dataset(
        tree,
        ignore,
        schema.data,
        facts,
        frozenset(f"/{rule['name']}" for rule in folders.values() if rule.get("opaque")),
        frozenset(extension for extension in extensions if extension.endswith("/")),
        to_text(description["DatasetType"]),
        options.compat,
    )


def _find_datatypes(folder: Folder, known: dict[str, Any], depth: int = 0) -> set[str]:
    """Return the datatypes that subjects and sessions have folders for."""
    if folder.unread:
        names = _list_folders(folder.unread)
        sessions = (name for name in names if name.startswith("ses-"))
        return names.union(*(_list_folders(f"{folder.unread}/{name}") for name in sessions)) & known.keys()
    found = {name for name in folder.folders if depth and name in known}
    if depth < 2:
        for name, below in folder.folders.items():
            if name.startswith(("sub-", "ses-")):
                found |= _find_datatypes(below, known, depth + 1)
    return found


def _list_folders(disk: str) -> set[str]:
    """Return the names of the folders in one."""
    try:
        with os.scandir(disk) as listing:
            return {entry.name for entry in listing if entry.is_dir()}
    except OSError:
        return set()


def _read_participants(tree: Folder) -> Any:
    """Return the participants' labels; undefined where there is no such column."""
    file = tree.files.get("participants.tsv")
    try:
        return load_tsv(file.disk, -1).get("participant_id", UNDEFINED) if file else UNDEFINED
    except FileFault:
        return UNDEFINED


def _read_ignored(tree: Folder, options: Options) -> list[str]:
    """Return the lines of .bidsignore; a carriage return at the end of one counts to the reference only."""
    file = tree.files.get(IGNORE_FILE) if not (options.compat and options.nested) else None
    try:
        lines = decode_text(read_start(file.disk, _MAX_IGNORE_BYTES)).split("\n") if file else []
    except FileFault:
        return []
    return lines if options.compat else [line.removesuffix("\r") for line in lines]
