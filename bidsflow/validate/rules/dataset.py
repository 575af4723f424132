"""What is said when all files have been seen: companions of nothing, stimuli that no event uses, the citation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bidsflow.errors import FileFault
from bidsflow.validate.issues import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bidsflow.validate.context.context import Dataset
    from bidsflow.validate.context.walk import File, Folder
    from bidsflow.validate.options import Options

_STANDALONE: Final = ("dataset_description.json", "genetic_info.json")
CITATION: Final = "CITATION.cff"


def find_unused_sidecars(dataset: Dataset) -> Iterator[Issue]:
    """Give the JSON files that no other file has inherited from."""
    for file in _walk_seen(dataset, dataset.tree):
        if not file.viewed and file.name.endswith(".json") and file.name not in _STANDALONE:
            yield Issue("SIDECAR_WITHOUT_DATAFILE", Severity.ERROR, file.path[1:])


def find_unused_stimuli(dataset: Dataset) -> Iterator[Issue]:
    """Give one issue with all files of ``stimuli/`` that no table has named."""
    folder = dataset.tree.folders.get("stimuli")
    if folder is None:
        return
    unused = tuple(file.path[1:] for file in _walk_seen(dataset, folder) if not file.viewed)
    if unused:
        yield Issue("UNUSED_STIMULUS", Severity.WARNING, "", affects=unused)


def check_citation_file(dataset: Dataset, *, dates_are_text: bool) -> Iterator[Issue]:
    """Give what is wrong with CITATION.cff; to the reference, a date without quotes is no text."""
    file = dataset.tree.files.get(CITATION)
    if file is None:
        return
    from bidsflow.validate.rules.citation import check_citation

    try:
        errors = check_citation(file.disk, dates_are_text=dates_are_text)
    except FileFault as fault:
        yield Issue("FILE_READ", Severity.ERROR, CITATION, "", fault.message, line=fault.line)
        return
    for where, message in errors:
        yield Issue("CITATION_CFF_VALIDATION_ERROR", Severity.ERROR, CITATION, where, message)


def check_scope(dataset: Dataset, options: Options) -> Iterator[Issue]:
    """Give what is there and was not to be: another type of dataset, data of a modality."""
    if options.dataset_types and dataset.kind not in options.dataset_types:
        message = f'"DatasetType": "{dataset.kind}"'
        yield Issue("UNSUPPORTED_DATASET_TYPE", Severity.ERROR, "dataset_description.json", "", message)
    if not options.blacklist_modalities:
        return
    rules = dataset.schema["rules"]["modalities"]
    banned = {
        datatype
        for name in options.blacklist_modalities
        for datatype in rules.get(name.lower(), {}).get("datatypes", ())
    }
    for name, subject in dataset.tree.folders.items():
        if name.startswith("sub-"):
            sessions = [below for key, below in subject.folders.items() if key.startswith("ses-")]
            for folder in (subject, *sessions):
                for datatype in banned & folder.folders.keys():
                    yield Issue("BLACKLISTED_MODALITY", Severity.ERROR, f"{folder.path}/{datatype}"[1:])


def _walk_seen(dataset: Dataset, folder: Folder) -> Iterator[File]:
    """Give the files in and below a folder that are checked."""
    for file in folder.files.values():
        if not dataset.ignores(file.path):
            yield file
    for below in folder.folders.values():
        if not (dataset.ignores_folder(below) or dataset.is_pseudo(below) or dataset.is_opaque(below)):
            yield from _walk_seen(dataset, below)
