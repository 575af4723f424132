"""Whether a dataset keeps to BIDS: findings as values, whichever engine finds them.

Comes in: the root of a dataset. Goes out: a `Report` of `Issue` values, with the version of the schema that was asked.
Never changes the dataset, never raises for what is wrong in it, never needs the network.

What is named here is imported when it is used: to see that nothing has changed takes less time than that.
"""

TYPE_CHECKING = False  # `typing` takes longer to import than to say that a small dataset is as it was
if TYPE_CHECKING:
    from bidsflow.validate.issues import Issue, Severity
    from bidsflow.validate.options import Options
    from bidsflow.validate.report import Group, Report
    from bidsflow.validate.validation import run, validate_paths
else:
    _HOMES = {
        "Group": "report", "Issue": "issues", "Options": "options", "Report": "report", "Severity": "issues",
        "run": "validation", "validate_paths": "validation",
    }  # fmt: skip

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value


__all__ = ["Group", "Issue", "Options", "Report", "Severity", "run", "validate_paths"]
