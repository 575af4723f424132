"""The files that describe a whole dataset: its description, README, changes and tasks.

Everything is staged in a draft. What people wrote there stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from functools import cache
from importlib.metadata import version

from bidsflow import __version__
from bidsflow.convert.ledger import read_programs, read_taken
from bidsflow.dataset import describe, origin
from bidsflow.dataset.draft import Draft
from bidsflow.dicom.parrec import is_pair
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

#: What makes images of DICOM, and of a PAR and its REC.
DCM2NIIX, NIBABEL = "dcm2niix", "nibabel"
#: The files that name what made the dataset.
_NAMING = ("dataset_description.json", "README")


def list_tasks(paths: Iterable[str]) -> set[str]:
    """Return the tasks of the runs among some images."""
    names = map(parse_name, paths)
    return {name.entity("task") for name in names if name.suffix == "bold"} - {""}


def _task_file(task: str) -> tuple[str, str]:
    return f"task-{task}_bold.json", describe.to_json({"TaskName": task})


def list_unused_tasks(draft: Draft, left: Iterable[str], present: set[str]) -> list[str]:
    """Return the files of tasks that lose their last image with this commit, where no one has added to them."""
    gone = set(left)
    lost = list_tasks(gone) - present
    if not lost:
        return []
    used = list_tasks(path for path in read_taken(draft.dataset).values() if path not in gone)
    files = [(draft.dataset.root / name, text) for name, text in map(_task_file, sorted(lost - used))]
    return [file.name for file, text in files if file.is_file() and file.read_bytes() == text.encode()]


def name_program(series: Series) -> str:
    """Return what makes the images of a series."""
    return NIBABEL if is_pair(series) else DCM2NIIX


def stage_top(
    draft: Draft, tasks: set[str], programs: Collection[str], description: Mapping[str, object], *, numbered: bool
) -> None:
    """Stage the files that describe the whole dataset, where it does not have them yet, or not whole.

    Parameters
    ----------
    draft : Draft
        Of the commit of a session.
    tasks, programs : set of str
        Of the runs of the session, and what made those of its images that are new.
    description : mapping
        Fields for ``dataset_description.json``.
    numbered : bool
        Whether labels of subjects say nothing of the person.
    """
    title, container = draft.dataset.root.name, _describe_container()
    new = any(draft.find(file) is None for file in _NAMING)
    generators = generated_by({*programs, *(_list_used(draft) if new else ())})
    files = {
        "dataset_description.json": describe.dataset_description(title, generators, container),
        "README": describe.readme(title, generators, numbered=numbered),
        "CHANGES": describe.changes(date.today().isoformat(), __version__),
        **dict(map(_task_file, sorted(tasks))),
    }
    for file, text in files.items():
        if draft.find(file) is None:
            draft.write(file, text.encode())
    _add_programs(draft, programs)
    readme = draft.find("README")
    if not numbered and readme is not None and describe.PROMISE in (said := readme.read_bytes()):
        draft.write("README", said.replace(describe.PROMISE, b""))  # which the study does not keep
    present = draft.find("dataset_description.json")
    if description and present is not None:
        old = present.read_text(encoding="utf-8", errors="surrogateescape")
        filled = describe.fill_description(old, title, description)
        draft.write("dataset_description.json", filled.encode("utf-8", errors="surrogateescape"))


def _add_programs(draft: Draft, programs: Collection[str]) -> None:
    """Name the programs that make their first images of a dataset; who takes a name out again is heeded."""
    if _name_programs(draft, programs):  # else no ledger need be read
        for file, data in _name_programs(draft, set(programs) - _list_used(draft)).items():
            draft.write(file, data)


def _name_programs(draft: Draft, programs: Collection[str]) -> dict[str, bytes]:
    """Return the files that do not name some programs, with them."""
    added = generated_by(programs)
    description, readme = (b"" if one is None else one.read_bytes() for one in map(draft.find, _NAMING))
    named = describe.add_generators(description, added, _describe_container()), describe.name_generators(readme, added)
    return {file: new for file, old, new in zip(_NAMING, (description, readme), named, strict=True) if new != old}


def _list_used(draft: Draft) -> set[str]:
    """Return what made the images that a dataset has; images of which that was not noted are of dcm2niix."""
    return {program or DCM2NIIX for program in read_programs(draft.dataset)}


def _describe_container() -> dict[str, str]:
    image = origin.name_image()
    return origin.describe_image(image) if image else {}


@cache
def _find_version(program: str) -> str:
    return version(program)


def generated_by(programs: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the programs that make a dataset, bidsflow first, with their versions."""
    return (("bidsflow", origin.name_version()), *((one, _find_version(one)) for one in sorted(programs)))
