"""Validates a dataset, a part of it, or one with all the datasets within."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidsflow import __version__
from bidsflow.errors import DatasetError
from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.options import Options, make_options
from bidsflow.validate.report import Report, list_heads, select_severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bidsflow.validate.report import Outcome

    Progress = Callable[[int, int], None]

_DESCRIPTION = "dataset_description.json"


def run(
    root: str | Path,
    options: Options | None = None,
    *,
    progress: Progress | None = None,
    **given: Any,
) -> Report:
    """Return what is wrong with a dataset.

    Parameters
    ----------
    root : str or Path
        The folder with ``dataset_description.json``; that it is missing is an issue like any other.
    options : Options, optional
        How to validate.
    progress : callable, optional
        Called now and then with how many files have been checked, and how many there are.
    **given
        Instead of `options`, any of its attributes by name: ``run("ds", ignore_warnings=True)``.

    Returns
    -------
    report : Report
        Issues, and which schema was asked.

    Raises
    ------
    DatasetError
        If `root` is no folder, or cannot be listed.
    SchemaError
        If the schema that was asked for is not to be had.
    ConfigError
        If a configuration cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     [issue.code for issue in run(empty).errors][:1]
    ['MISSING_DATASET_DESCRIPTION']
    """
    options = make_options(**given) if options is None else options
    return _validate(_check_root(root), options, None, progress)


def validate_paths(
    root: str | Path, paths: Iterable[str | Path], options: Options | None = None, **given: Any
) -> Report:
    """Return what is wrong with some files of a dataset, or with what some folders hold.

    Other files are read only if these inherit from them, or belong to them. What can be said of the whole dataset only
    (a sidecar that nothing uses, participants that are not listed) is not.

    Parameters
    ----------
    root : str or Path
        The dataset.
    paths : iterable of str or Path
        Files and folders below it (``sub-01``, ``sub-01/ses-1``, ``sub-01/anat/sub-01_T1w.nii.gz``),
        relative to it or absolute.
    options, **given
        As for `run`.

    Returns
    -------
    report : Report

    Raises
    ------
    DatasetError
        If `root` is no folder, or a path does not lie below it.
    """
    options = make_options(**given) if options is None else options
    folder = _check_root(root)
    return _validate(folder, options, tuple(_find_within(folder, Path(path)) for path in paths), None)


def _validate(root: Path, options: Options, only: tuple[str, ...] | None, progress: Progress | None) -> Report:
    """Return the report on a dataset, and on those within if asked."""
    from bidsflow.validate.whole import validate

    try:
        outcome = validate(str(root), options, only, progress)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise DatasetError(str(root), f"the folder cannot be listed: {reason}", "See who may read it") from error
    report = _make_report(str(root), outcome, options)
    if not options.recursive or only is not None:
        return report
    # the configuration is about the outer dataset; what is within has its own
    inner = replace(options, config=None, subjects=(), nested=True)
    listed = list(_find_derivatives(root))
    within = {}
    for name in sorted(listed):
        before = tuple(str(root / other) for other in listed[: listed.index(name)]) if options.compat else ()
        within[name] = _validate(root / name, replace(inner, before=before), None, progress)
    return replace(report, derivatives=within)


def _make_report(root: str, outcome: Outcome, options: Options) -> Report:
    """Return an outcome as a report, graded as the configuration says."""
    issues: Sequence[Issue] = outcome.issues
    ignored: tuple[Issue, ...] = ()
    if options.config is not None:
        from bidsflow.validate.config import apply_config

        issues, ignored = apply_config(options.config, issues)
    if options.ignore_warnings:
        issues, ignored = select_severity(issues, Severity.ERROR), ()
    codes = {issue.code for issue in ignored} | {head.code for head in list_heads(issues)}
    return Report(
        root=root,
        issues=issues,
        schema_version=outcome.summary.schema_version,
        bids_version=outcome.bids_version,
        engine=f"bidsflow {__version__}",
        n_files=outcome.summary.total_files,
        meanings={code: text for code, text in outcome.meanings.items() if code in codes},
        ignored=ignored,
        summary=outcome.summary,
        notes=outcome.notes,
        fingerprint=outcome.fingerprint,
    )


def _check_root(root: str | Path) -> Path:
    folder = Path(root)
    if not folder.is_dir():
        raise DatasetError(str(root), "this is not a folder", "Give the root of a BIDS dataset")
    return folder


def _find_within(root: Path, path: Path) -> str:
    """Return a path below the root, with a leading slash."""
    try:
        inner = path.relative_to(root.absolute()) if path.is_absolute() else path
    except ValueError:
        inner = Path("..")
    if ".." in inner.parts:
        raise DatasetError(str(path), f"it does not lie below {root}", "Give paths of the dataset") from None
    return "/" + inner.as_posix()


def _find_derivatives(root: Path) -> Iterator[str]:
    """Give the datasets below ``derivatives/``, in the order in which the file system lists them."""
    folder = root / "derivatives"
    if folder.is_dir():
        for below in folder.iterdir():
            if not re.match(r"\.", below.name) and (below / _DESCRIPTION).is_file():
                yield f"derivatives/{below.name}"
