"""Where DICOM comes from, one file per kind of source.

Comes in: what the user typed (folders, files). Goes out: the files to look at, and what could not be looked at with
a reason; of files that are not DICOM, what they are instead. Never writes into an export, never interprets a header.
"""

from bidsflow.sources.archive import Unpacked, find_archives, unpack
from bidsflow.sources.aside import Aside, show_aside, tell_packed
from bidsflow.sources.dicomdir import miss_files
from bidsflow.sources.folder import Found, find_files
from bidsflow.sources.scratch import common_room, scratch

__all__ = [
    "Aside", "Found", "Unpacked", "common_room", "find_archives", "find_files", "miss_files", "scratch", "show_aside",
    "tell_packed", "unpack",
]  # fmt: skip
