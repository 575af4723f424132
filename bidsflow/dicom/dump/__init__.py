"""Every element of one DICOM file as rows and as JSON, with what identifies a person masked.

Comes in: one file, or a pydicom dataset. Goes out: rows, or a document in the DICOM JSON model. Never reads a value
longer than a mebibyte (pixel data foremost), never follows a sequence deeper than `MAX_DEPTH`, and gives out no text
that could drive a terminal. `file` touches the disk; the rest turns a dataset into values.
"""

from bidsflow.dicom.dump.document import select_json, to_json
from bidsflow.dicom.dump.file import read_file
from bidsflow.dicom.dump.limits import MAX_DEPTH
from bidsflow.dicom.dump.rows import DumpRow, rows, select_rows
from bidsflow.dicom.dump.tag import parse_tag
from bidsflow.dicom.dump.value import escape, shorten

__all__ = [
    "MAX_DEPTH",
    "DumpRow",
    "escape",
    "parse_tag",
    "read_file",
    "rows",
    "select_json",
    "select_rows",
    "shorten",
    "to_json",
]
