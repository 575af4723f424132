"""Run jobs: a command each, with what it may use of a machine. Knows nothing of BIDS.

Comes in: `Job` values. Goes out: what each said while it ran, and how it ended. Leaves no process behind.
"""

from bidsflow.executors.base import Ended, Job, Request, Watcher

__all__ = ["Ended", "Job", "Request", "Watcher"]
