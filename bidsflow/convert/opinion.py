"""Ask dcm2niix for a second opinion on the series that headers and words leave open."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bidsflow.convert.dcm2niix import Dcm2niix, find_program
from bidsflow.convert.laying import lay_out
from bidsflow.convert.naming.guess import Guess, Question, read_guess
from bidsflow.dataset.write import storage_errors
from bidsflow.dicom.parrec import is_pair
from bidsflow.dicom.series import Instance, Series
from bidsflow.dicom.source import is_gzip
from bidsflow.errors import ConversionError, StorageError, ToolError


def ask_dcm2niix(questions: Sequence[Question], jobs: int = 1, folder: Path | None = None) -> dict[str, Guess]:
    """Return dcm2niix's guess at each series by SeriesInstanceUID; none for those that it refuses.

    Sidecars are written to a temporary folder, no images.

    Parameters
    ----------
    questions : sequence of Question
        See `planner.undecided`.
    jobs : int
        Series that are looked at at the same time.
    folder : Path, optional
        Where to make the temporary folder; by default where the system has them.

    Raises
    ------
    StorageError
        If the disk is full: without an opinion names would differ from those of a run with one.
    """
    questions = [one for one in questions if not is_pair(one.series)]  # dcm2niix guesses nothing of a PAR
    if not questions:
        return {}
    tool = Dcm2niix(find_program())
    work = Path(tempfile.mkdtemp(prefix="bidsflow-", dir=folder))
    pool = ThreadPoolExecutor(jobs)
    try:
        with storage_errors(work.parent):
            guesses = list(pool.map(lambda pair: _ask(tool, pair[1], work / str(pair[0])), enumerate(questions)))
        return {one.series.uid: guess for one, guess in zip(questions, guesses, strict=True) if guess is not None}
    finally:
        tool.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(work, ignore_errors=True)


def _ask(tool: Dcm2niix, question: Question, folder: Path) -> Guess | None:
    series = question.series
    sample = series.instances if question.name else _find_volume(series)
    guess = _convert(tool, series, sample, folder / "sample")
    if guess is None and len(sample) < len(series.instances):
        return _convert(tool, series, series.instances, folder / "all")
    return guess


def _find_volume(series: Series) -> Sequence[Instance]:
    """Return the first instance at each place: a volume tells of a direction what thousands of files tell."""
    places: dict[str, Instance] = {}
    for one in series.instances:
        places.setdefault(one.header.text("ImagePositionPatient"), one)
    return tuple(places.values())


def _convert(tool: Dcm2niix, series: Series, instances: Sequence[Instance], folder: Path) -> Guess | None:
    source, target = folder / "in", folder / "out"
    source.mkdir(parents=True)
    target.mkdir()
    try:
        with storage_errors(folder):
            packed = {one.file.path for one in instances if is_gzip(one.file.path)}
            lay_out(series, instances, source, packed)
            return read_guess(tool.run(series, source, target, sidecars_only=True)[0].sidecar)
    except (StorageError, ToolError):
        raise
    except (ConversionError, OSError):  # what is damaged, or gone by now, is told where it is to be converted
        return None
