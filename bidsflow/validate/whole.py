"""A dataset as a whole: the outcome of the last time, if nothing has changed since, else a look at what has."""

from __future__ import annotations

import time
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

from bidsflow.validate.compile.schema import name_schema
from bidsflow.validate.digests import name_value
from bidsflow.validate.installed import list_versions
from bidsflow.validate.outcome import load_outcome, save_outcome
from bidsflow.validate.report import Outcome, Summary
from bidsflow.validate.store import find_place, is_settled
from bidsflow.validate.survey import survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from bidsflow.validate.options import Options

    Progress = Callable[[int, int], None]


def validate(root: str, options: Options, only: tuple[str, ...] | None, progress: Progress | None) -> Outcome:
    """Return what is wrong with a dataset; those within are left out.

    Parameters
    ----------
    root : str
        The dataset.
    options : Options
        What is asked.
    only : tuple of str, optional
        Files and folders, with a leading slash, that are to be checked; by default the subjects of `options`, or all.
    progress : callable, optional
        Called now and then with how many files have been checked, and how many there are.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    OSError
        If `root` cannot be listed.
    SchemaError
        If there is no such schema.
    """
    if not options.cache or only is not None or options.subjects or options.before:
        return _look(root, options, only, progress)
    place = find_place(root, f"whole-{_name(options)}")
    started = time.time_ns()
    digest, newest = survey(root)
    known = load_outcome(place, digest)
    if known is not None:
        issues, (summary, *rest) = known
        return replace(Outcome(issues, Summary(*summary), *rest), fingerprint=digest.hex())
    outcome = _look(root, options, None, progress)
    if outcome.failed or not is_settled(newest, started) or survey(root)[0] != digest:
        return outcome
    rest = [astuple(outcome.summary), outcome.bids_version, dict(outcome.meanings), outcome.notes]
    save_outcome(place, digest, outcome.issues, rest)
    return replace(outcome, fingerprint=digest.hex())


def _look(root: str, options: Options, only: tuple[str, ...] | None, progress: Progress | None) -> Outcome:
    """Look at a dataset; what is needed for that takes longer to import than to say that nothing has changed."""
    from bidsflow.validate.engine import check_study, open_study

    return check_study(open_study(root, options, only), progress)


def _name(options: Options) -> str:
    """Return a short name for all that an outcome depends on, beside the dataset."""
    asked = (
        *list_versions(name_schema(options)), options.compat, options.nested, options.max_rows,
        options.ignore_nifti_headers, options.dataset_types, options.blacklist_modalities,
    )  # fmt: skip
    return name_value(asked)
