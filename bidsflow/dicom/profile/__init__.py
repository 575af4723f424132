"""What DICOM's Basic Application Level Confidentiality Profile does with each attribute: a table, and its look-up.

Source: PS3.15 table E.1-1, edition 2026c.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bidsflow.dicom.profile.documents import DOCUMENTS
from bidsflow.dicom.profile.procedures import PROCEDURES
from bidsflow.dicom.profile.scans import SCANS

#: Families of tags in the table: (mask, value under the mask, action). Curves, overlay data, overlay
#: comments.
REPEATING: Final[tuple[tuple[int, int, str], ...]] = (
    (0xFF000000, 0x50000000, "X"),
    (0xFF00FFFF, 0x60003000, "X"),
    (0xFF00FFFF, 0x60004000, "X"),
)

#: Table E.1-1 "Application Level Confidentiality Profile Attributes", PS3.15 2026c: tag to the action of
#: the Basic Profile.
BASIC_PROFILE: Final[Mapping[int, str]] = MappingProxyType({**SCANS, **PROCEDURES, **DOCUMENTS})


def profile_action(tag: int) -> str:
    """Return what the Basic Profile does with an attribute.

    Parameters
    ----------
    tag : int
        Group and element, as in ``0x00100010``.

    Returns
    -------
    action : str
        ``D`` (dummy value), ``Z`` (empty), ``X`` (remove), ``U`` (new UID) or a choice such as ``X/Z/D``;
        ``""`` for what the table does not list.

    Examples
    --------
    >>> profile_action(0x00100010), profile_action(0x60023000), profile_action(0x00280010)
    ('Z', 'X', '')
    """
    if action := BASIC_PROFILE.get(tag):
        return action
    return next((action for mask, value, action in REPEATING if tag & mask == value), "")
