"""Where DICOM comes from, one file per kind of source.

Comes in: what the user typed (folders, files). Goes out: the files to look at, and what could not be looked at with
a reason. Never writes into an export, never interprets a header.
"""

from bidsflow.sources.folder import Found, find_files

__all__ = ["Found", "find_files"]
