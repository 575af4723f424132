"""Whether what was written is valid BIDS: our own validator asked about the folders that a conversion wrote to."""

from __future__ import annotations

from collections.abc import Sequence

from bidsflow.convert.survey import Outcome
from bidsflow.dataset.tree import Dataset
from bidsflow.names import parse_name
from bidsflow.validate import Issue, validate_paths

#: What a conversion keeps at the root of a dataset.
_ROOT_FILES = ("dataset_description.json", "participants.tsv", "participants.json", "README")


def get_ready() -> None:
    """Load what `find_errors` needs, at a time when nothing else is to be done."""
    import bidsflow.validate.engine  # noqa: F401


def find_errors(dataset: Dataset, outcomes: Sequence[Outcome]) -> tuple[Issue, ...]:
    """Return the errors in files that a conversion wrote; what others put beside them is theirs to answer for.

    Parameters
    ----------
    dataset : Dataset
        As it is on disk now.
    outcomes : sequence of Outcome
        What became of the planned images.

    Returns
    -------
    errors : tuple of Issue
    """
    written = {one.row.path for one in outcomes if one.is_written}
    if not written:
        return ()
    folders = {parse_name(path).folder for path in written}
    report = validate_paths(dataset.root, [*sorted(folders), *_ROOT_FILES], cache=False, ignore_warnings=True)
    tables = {f"{folder}/{folder.replace('/', '_')}_scans" for folder in folders}
    contexts = {f"{path}context" for path in written if path.endswith("_asl")}
    ours = written | contexts | tables | {name.partition(".")[0] for name in _ROOT_FILES}
    return tuple(issue for issue in report.errors if _cut_extension(issue.location) in ours)


def _cut_extension(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + name.partition(".")[0]
