"""The files that describe a whole dataset: its description, README, changes and tasks.

Everything is staged in a draft. What people wrote there stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from importlib.metadata import version

from bidsflow import __version__
from bidsflow.convert.ledger import read_taken
from bidsflow.dataset import describe, origin
from bidsflow.dataset.draft import Draft
from bidsflow.names import parse_name


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


def stage_top(draft: Draft, tasks: set[str], description: Mapping[str, object], *, numbered: bool) -> None:
    """Stage the files that describe the whole dataset, where it does not have them yet, or not whole."""
    generators = generated_by()
    title, image = draft.dataset.root.name, origin.name_image()
    files = {
        "dataset_description.json": describe.dataset_description(
            title, generators, origin.describe_image(image) if image else {}
        ),
        "README": describe.readme(title, generators, numbered=numbered),
        "CHANGES": describe.changes(date.today().isoformat(), __version__),
        **dict(map(_task_file, sorted(tasks))),
    }
    for file, text in files.items():
        if draft.find(file) is None:
            draft.write(file, text.encode())
    readme = draft.find("README")
    if not numbered and readme is not None and describe.PROMISE in (said := readme.read_bytes()):
        draft.write("README", said.replace(describe.PROMISE, b""))  # which the study does not keep
    present = draft.find("dataset_description.json")
    if description and present is not None:
        old = present.read_text(encoding="utf-8", errors="surrogateescape")
        new = describe.fill_description(old, title, description)
        draft.write("dataset_description.json", new.encode("utf-8", errors="surrogateescape"))


@cache
def generated_by() -> tuple[tuple[str, str], ...]:
    """Return the programs that make a dataset, with their versions."""
    return (("bidsflow", origin.name_version()), ("dcm2niix", version("dcm2niix")))
