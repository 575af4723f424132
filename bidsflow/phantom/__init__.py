"""A pretend scanner: writes DICOM exports whose content is known.

In: who comes when, whose DICOM, which series, a seed. Out: ``dicom/``, an export that dcm2niix converts as
it does a real one, and beside it ``truth/`` with the answer key. The same arguments give the same bytes. It
never reads an export, and knows nothing of how one is converted.
"""

from bidsflow.phantom.export import DIALECTS, write
from bidsflow.phantom.motion import Pose
from bidsflow.phantom.protocol import (
    GROUPS,
    KEYS,
    SIZES,
    ImageName,
    Series,
    Session,
    Subject,
    make_sessions,
)
from bidsflow.phantom.truth import ImageTruth, SeriesTruth, SessionTruth, Truth, read_truth

__all__ = [
    "DIALECTS",
    "GROUPS",
    "KEYS",
    "SIZES",
    "ImageName",
    "ImageTruth",
    "Pose",
    "Series",
    "SeriesTruth",
    "Session",
    "SessionTruth",
    "Subject",
    "Truth",
    "make_sessions",
    "read_truth",
    "write",
]
