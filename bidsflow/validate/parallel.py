"""Checks the files of a large dataset in several processes, each with a tree of its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from bidsflow.validate import engine
from bidsflow.validate.cache import Note, renumber
from bidsflow.validate.check import Checker, walk_files
from bidsflow.validate.issues import Head, TableWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bidsflow.validate.context.walk import File
    from bidsflow.validate.options import Options

#: Parts for each process: enough that none waits long for the last one, few enough to be cheap to send.
_PARTS: int = 8


class _Worker:
    """What a process keeps between the parts that it is given."""

    checker: Checker
    files: dict[str, File]


def check_in_parallel(
    study: engine.Study, files: list[File], table: TableWriter, jobs: int, progress: engine.Progress | None
) -> Iterator[Note]:
    """Give the notes on files of a study, in their order.

    Parameters
    ----------
    study : Study
        Of the dataset.
    files : list of File
        In the order of the tree.
    table : TableWriter
        Numbers what issues say.
    jobs : int
        Number of processes.
    progress : callable, optional
        Called with how many files are done, and how many there are.

    Yields
    ------
    note : Note
    """
    parts = list(_split(files, max(len(files) // (jobs * _PARTS), 1)))
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else None
    )
    if hasattr(context, "set_forkserver_preload"):
        context.set_forkserver_preload(["bidsflow.validate.parallel"])
    done = 0
    with ProcessPoolExecutor(jobs, context, _begin, (study.root, study.options, study.only)) as pool:
        try:
            for heads, found in pool.map(_check_part, [[file.path for file in part] for part in parts]):
                numbers = [table.number(head) for head in heads]
                yield from (renumber(note, numbers, table) for note in found)
                done += len(found)
                if progress:
                    progress(done, len(files))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _split(files: list[File], size: int) -> Iterator[list[File]]:
    """Give the files in parts of about a size; those of a subject stay together."""
    part: list[File] = []
    top = ""
    for file in files:
        above = file.path.split("/", 2)[1]
        if above != top and len(part) >= size:
            yield part
            part = []
        top = above
        part.append(file)
    if part:
        yield part


def _begin(root: str, options: Options, only: tuple[str, ...] | None) -> None:
    """Make a process ready: it reads the tree for itself."""
    study = engine.open_study(root, options, only)
    _Worker.checker = engine.make_checker(study)
    _Worker.files = {file.path: file for file in walk_files(study.dataset, study.tree)}


def _check_part(paths: list[str]) -> tuple[list[Head], list[Note]]:
    """Return the notes on some files, and what the numbers in them mean."""
    table = TableWriter()
    files = [_Worker.files[path] for path in paths]
    notes = list(engine.check_in_turn(_Worker.checker, files, table))
    return list(table.heads), notes
