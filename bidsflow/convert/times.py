"""When the images of a dataset were acquired: its tables of scans say so, in dates that were moved. Reads only."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bidsflow.convert.place import Place
from bidsflow.dataset.draft import read_table
from bidsflow.dataset.tree import Dataset
from bidsflow.errors import DatasetError

#: A date, and a time of the day.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def read_times(dataset: Dataset, folder: str) -> dict[str, str]:
    """Return when the images of a folder were acquired, by path without extension; none where that is not known.

    A person may have taken the times out, or may have broken the table: whoever writes to it says so.
    """
    name = Place.of(folder).scans
    try:
        rows = read_table(dataset.root / name, "filename")
    except (FileNotFoundError, DatasetError):
        return {}
    times = {f"{folder}/{row['filename'].removesuffix('.nii.gz')}": row.get("acq_time", "") for row in rows}
    return {path: time for path, time in times.items() if _TIME.match(time)}


def has_moment(time: str) -> bool:
    """Return whether a time as tables have it names a moment of the day, which anonymisation sets to midnight.

    Examples
    --------
    >>> has_moment("1900-01-01T09:43:47.5"), has_moment("1900-01-01T00:00:00"), has_moment("n/a")
    (True, False, False)
    """
    return bool(_TIME.match(time) and time[11:].strip("0:."))


def say_disorder(runs: Mapping[str, str]) -> str:
    """Return which run began when, where runs are not numbered in the order of time; ``""`` where they are.

    Parameters
    ----------
    runs : mapping of str to str
        Times as tables have them, by the number of the run; a run without a number counts as the first.

    Examples
    --------
    >>> say_disorder({"1": "1900-01-01T09:43:47", "2": "1900-01-01T09:13:47"})
    'run-1 at 09:43, run-2 at 09:13'
    >>> say_disorder({"1": "1900-01-09T09:13:47", "2": "1900-01-01T09:13:47"})
    'run-1 at 1900-01-09 09:13, run-2 at 1900-01-01 09:13'
    >>> say_disorder({"1": "1900-01-01T09:13:47", "2": "1900-01-01T09:43:47"})
    ''
    """
    if not all(map(has_moment, runs.values())):
        return ""
    ordered = sorted(runs, key=lambda run: (int(run) if run.isdecimal() else 1, runs[run]))
    if [runs[run] for run in ordered] == sorted(runs.values()):
        return ""
    start = 0 if len({time[:10] for time in runs.values()}) > 1 else 11  # days are told where they differ
    said = {run: runs[run][start:16].replace("T", " ") for run in ordered}
    return ", ".join(f"{f'run-{run}' if run else 'the one without a number'} at {time}" for run, time in said.items())
