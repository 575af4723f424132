"""Where phase encoding runs to, in the patient and in an image that dcm2niix makes.

dcm2niix keeps the order of columns of a two-dimensional measurement and turns the order of its rows, so that ``i`` runs
along the rows of DICOM and ``j`` against its columns.

Sources: BIDS, ``PhaseEncodingDirection`` (from the first index of an axis to its last, ``-`` for the other way); DICOM
PS3.3 C.8.3.1.1.10 (InPlanePhaseEncodingDirection), C.8.13.5.5 (RectilinearPhaseEncodeReordering).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bidsflow.dicom.header import Header
from bidsflow.dicom.tags import find_maker

_AXES = {"COL": "j", "COLUMN": "j", "ROW": "i"}
#: Ends of the axes of the patient (left, posterior, head are their positive ends): along them, and against them.
_COURSES = (("RL", "LR"), ("AP", "PA"), ("FH", "HF"))
#: What GE calls encoding along the axis and against it: REVERSE_LINEAR is dcm2niix's "Unflipped".
_GE_ORDER = {"REVERSE_LINEAR": "1", "LINEAR": "0"}
#: Of the length of an axis, what has to lie along that of the patient by which people call it.
_ALONG = 0.5


def phase_encoding(header: Header) -> str:
    """Return where phase encoding runs to in the patient: ``AP``, ``PA``, ``LR``, ``RL``, ``HF`` or ``FH``.

    ``""`` where the axis or its polarity is not in the header (Philips keeps the polarity to itself).
    """
    axis, polarity = find_axis(header), find_polarity(header)
    if not axis or not polarity:
        return ""
    return name_course(axis if (polarity == "1") == (axis == "i") else f"{axis}-", header)


def find_axis(header: Header) -> str:
    """Return the axis of phase encoding, ``i`` or ``j``; ``""`` where the header does not say."""
    return _AXES.get(header.text("InPlanePhaseEncodingDirection"), "")


def find_polarity(header: Header) -> str:
    """Return ``1`` where encoding runs with the rows or columns of DICOM, ``0`` where against; ``""`` where unknown.

    Siemens' PhaseEncodingDirectionPositive says so; of GE, RectilinearPhaseEncodeReordering, else its user data
    (`vendors.ge`). GE's research sequence ``epi_pepolar`` turns volumes as a variable of its own says, and nothing is
    told of it.
    """
    known = header.text("PhaseEncodingPositive")
    if find_maker(header.text("Manufacturer")) == "GE":
        if "epi_pepolar" in header.text("GePulseSequence"):
            return ""
        known = _GE_ORDER.get(header.text("RectilinearPhaseEncodeReordering"), known)
    return known if known in ("0", "1") else ""


def name_course(encoding: str, header: Header) -> str:
    r"""Return where a PhaseEncodingDirection runs to in the patient, ``""`` where that is not known.

    Examples
    --------
    >>> sagittal = Header({"ImageOrientationPatient": r"0\1\0\0\0\-1"})
    >>> name_course("i", sagittal), name_course("j", sagittal)
    ('AP', 'FH')
    """
    course = _find_course(encoding, header.numbers("ImageOrientationPatient"))
    if not any(course):
        return ""
    main = max(range(3), key=lambda place: abs(course[place]))
    return _COURSES[main][0 if course[main] > 0 else 1]


def encode_course(direction: str, axis: str, header: Header) -> str:
    """Return the PhaseEncodingDirection along an axis that runs to where a direction says.

    Parameters
    ----------
    direction : str
        ``AP``, ``PA``, ``LR``, ``RL``, ``HF`` or ``FH``.
    axis : str
        ``i`` or ``j``.
    header : Header
        With the orientation of the image.

    Returns
    -------
    encoding : str
        ``i``, ``i-``, ``j`` or ``j-``; ``""`` where the axis does not run there, or the orientation is not known.
    """
    place = next((number for number, ends in enumerate(_COURSES) if direction in ends), None)
    course = _find_course(axis, header.numbers("ImageOrientationPatient"))
    if place is None or len(course) != 3 or abs(course[place]) < _ALONG:
        return ""
    return axis if (course[place] > 0) == (direction == _COURSES[place][0]) else f"{axis}-"


def find_contradiction(direction: str, header: Header) -> str:
    """Return where phase encoding runs to if a header contradicts a direction, ``""`` where it does not.

    Where the polarity is unknown, the axis may contradict: ``along the axis of R and L``.
    """
    if not any(direction in ends for ends in _COURSES):
        return ""
    if measured := phase_encoding(header):
        return measured if measured != direction else ""
    axis = find_axis(header)
    course = name_course(axis, header)
    if not course or encode_course(direction, axis, header):
        return ""
    return f"along the axis of {course[0]} and {course[1]}"


def _find_course(encoding: str, orientation: Sequence[float]) -> tuple[float, ...]:
    """Return the course of a PhaseEncodingDirection in the patient (mm of a mm), empty where it is not known."""
    if not re.fullmatch("[ij]-?", encoding) or len(orientation) != 6:
        return ()
    along = orientation[:3] if encoding[0] == "i" else [-part for part in orientation[3:]]
    return tuple(-part for part in along) if encoding.endswith("-") else tuple(along)
