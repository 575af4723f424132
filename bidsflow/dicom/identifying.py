"""Which elements tell who was scanned, where and when: rules around DICOM's own table (`profile`).

Deciding only: tags and value representations come in, a verdict goes out. Nothing here opens a file or
knows pydicom, so that showing a header and de-identifying one rest on the same data.

Notes
-----
The rules, in the order in which they are asked:

1. Every attribute of table E.1-1 (PS3.15, edition 2026c) identifies, whatever its action. That hides
   descriptions and protocol names too: the Basic Profile removes them, because people type names into them.
2. By value representation, wherever the element stands: names (PN), dates and times of day (DA, DT, TM),
   ages (AS), application entities (AE: they name the site) and addresses (UR). UIDs (UI) identify unless
   DICOM itself registered them (1.2.840.10008...: classes and transfer syntaxes) or they name an
   implementation.
3. A private element is trusted as little as possible: text only if `SAFE_PRIVATE` lists it, numbers written
   as text only if a private dictionary knows the element, binary numbers unless their name speaks of a
   person or a date. Everything else, the vendors' own headers foremost (Siemens CSA and Phoenix hold
   patient weight and dated UIDs), identifies.
4. A public element that no dictionary knows is read like a private one.

Below a sequence that identifies, every value does (code sequences spell out what their attribute hides);
the walker of the dataset has to carry that down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bidsflow.dicom.profile import profile_action

#: Value representations that identify by what they are.
IDENTIFYING_VRS: Final = frozenset({"PN", "DA", "DT", "TM", "AS", "AE", "UR"})

#: Numbers in binary: too small to hold a person, save for dates counted in seconds (`_PERSONAL_NAME`).
BINARY_NUMBERS: Final = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT"})

#: Numbers written as text.
TEXT_NUMBERS: Final = frozenset({"IS", "DS"})

#: Text that `SAFE_PRIVATE` can vouch for.
SHORT_TEXT: Final = frozenset({"CS", "SH", "LO"})

#: Public attributes outside the table that identify all the same: free text of structured reports, and what
#: a sending application puts into the file meta information.
BEYOND_TABLE: Final = frozenset({0x00020102, 0x0040A160})

_DICOM_ROOT = "1.2.840.10008."
_IMPLEMENTATION_CLASS_UID = 0x00020012
_PERSONAL_NAME = re.compile(
    r"date|birth|patient|operator|physician|serial|institut|hospital|station|suite|host|address|phone|comment"
    r"|time ?stamp|start time|\bage\b|\buid\b|user name",
    re.IGNORECASE,
)


def identifies(tag: int, vr: str, *, name: str = "", creator: str = "", text: str = "") -> bool:
    r"""Tell whether the value of an element may identify a person, a place or a date.

    Parameters
    ----------
    tag : int
        Group and element.
    vr : str
        Value representation, two letters.
    name : str
        What a dictionary calls the element; empty where none knows it.
    creator : str
        Private creator of the block; empty for public elements.
    text : str
        The value; looked at for UIDs only, several joined by a backslash.

    Returns
    -------
    verdict : bool
        True where in doubt.

    Examples
    --------
    >>> identifies(0x00100010, "PN", name="PatientName"), identifies(0x00180081, "DS", name="EchoTime")
    (True, False)
    >>> identifies(0x00080016, "UI", name="SOPClassUID", text="1.2.840.10008.5.1.4.1.1.4")
    False
    >>> identifies(0x0019100C, "IS", creator="SIEMENS MR HEADER", name="B_value")
    False
    >>> identifies(0x00291020, "OB", creator="SIEMENS CSA HEADER", name="CSA Series Header Info")
    True
    """
    if vr == "SQ":
        return bool(profile_action(tag))
    if tag in BEYOND_TABLE or profile_action(tag) or vr in IDENTIFYING_VRS:
        return True
    if vr == "UI":
        known = all(uid.startswith(_DICOM_ROOT) for uid in text.split("\\") if uid)
        return not known and tag != _IMPLEMENTATION_CLASS_UID
    if (tag >> 16) % 2 or not name:
        return _private_identifies(tag, vr, name, creator)
    return False


def _private_identifies(tag: int, vr: str, name: str, creator: str) -> bool:
    """Tell whether the value of an element outside the public dictionary may identify."""
    if (tag >> 16) % 2 and 0x10 <= tag & 0xFFFF <= 0xFF:
        return vr != "LO"  # the creator itself; one that is no LO is none
    if vr in SHORT_TEXT and tag & 0xFF in SAFE_PRIVATE.get((creator, tag >> 16), frozenset()):
        return False
    if vr in TEXT_NUMBERS:
        return not name or bool(_PERSONAL_NAME.search(name))
    return vr not in BINARY_NUMBERS or bool(_PERSONAL_NAME.search(name))


#: Private text that only states how the scanner was set, by creator and group: the elements worth reading
#: in a header dump, each seen in exports of the vendor. The CSA header version (0029,xx09) is missing on
#: purpose: it is a date.
SAFE_PRIVATE: Final[Mapping[tuple[str, int], frozenset[int]]] = MappingProxyType(
    {
        ("SIEMENS MR HEADER", 0x0019): frozenset({0x08, 0x0D, 0x0F, 0x11}),
        ("SIEMENS MR HEADER", 0x0051): frozenset(
            {0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x11, 0x12, 0x13, 0x16, 0x17, 0x19}
        ),
        ("SIEMENS CSA HEADER", 0x0029): frozenset({0x08, 0x18}),
        ("SIEMENS MR SDS 01", 0x0021): frozenset(
            {0x08, 0x09, 0x0C, 0x37, 0x3D, 0x47, 0x48, 0x49, 0x55, 0x5A, 0x5B, 0x5C, 0x5E, 0x5F}
        ),
        ("SIEMENS MR SDI 02", 0x0021): frozenset({0x1A, 0x41, 0x4F, 0x56, 0x58, 0x75, 0x77, 0x78, 0x79, 0x8B}),
        ("GEMS_ACQU_01", 0x0019): frozenset({0x18, 0x1A, 0x9C, 0x9E}),
        ("GEMS_PARM_01", 0x0043): frozenset({0x81, 0x84, 0x89, 0x8A, 0x90, 0x97, 0xA3, 0xA4, 0xBB}),
        ("Philips Imaging DD 001", 0x2001): frozenset(
            {0x04, 0x0B, 0x10, 0x12, 0x19, 0x1C, 0x1F, 0x20, 0x21, 0x25, 0x33, 0x36, 0x87, 0x97, 0xA1}
        ),
        ("Philips MR Imaging DD 001", 0x2005): frozenset({0x05, 0x35, 0xA1}),
    }
)
