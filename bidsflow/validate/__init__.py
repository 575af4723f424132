"""Whether a dataset keeps to BIDS: findings as values, whichever engine finds them.

Comes in: the root of a dataset. Goes out: a `Report` of `Issue` values, with the version of the schema that was asked.
Never changes the dataset, never raises for what is wrong in it, never needs the network.
"""

from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.options import Options
from bidsflow.validate.report import Group, Report
from bidsflow.validate.run import run, validate_paths

__all__ = ["Group", "Issue", "Options", "Report", "Severity", "run", "validate_paths"]
