"""A pretend scanner: writes DICOM exports whose content is known.

In: who comes when, whose DICOM, which series, a seed. Out: ``dicom/``, an export that dcm2niix converts as
it does a real one, and beside it ``truth/`` with the answer key. The same arguments give the same bytes. It
knows nothing of how an export is read or converted.
"""

from bidsflow.phantom.defects import Defect, inject_defects, share_patient_id
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
    "Defect",
    "ImageName",
    "ImageTruth",
    "Pose",
    "Series",
    "SeriesTruth",
    "Session",
    "SessionTruth",
    "Subject",
    "Truth",
    "inject_defects",
    "make_sessions",
    "read_truth",
    "share_patient_id",
    "write",
]
