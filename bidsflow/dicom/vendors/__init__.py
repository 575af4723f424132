"""What each maker writes in places of its own: one file per maker, bytes in, text values by keyword out.

The keywords are the same for all makers: ``PhaseEncodingPositive``, ``ShimSetting``, ``SequenceFile``,
``PlannedVolumes``, ``PlannedSlices``, ``MosaicSlices``, ``TurboFactor``, ``EchoSpacing`` (in microseconds).
"""

from __future__ import annotations

from collections.abc import Mapping

from bidsflow.dicom.vendors import ge, siemens


def read_protocol(maker: str, blobs: Mapping[str, bytes]) -> dict[str, str]:
    """Return what the protocol dumps of a maker say; empty where it has none or they are broken."""
    if maker == "SIEMENS":
        return siemens.read_protocol(blobs)
    if maker == "GE":
        return ge.read_protocol(blobs)
    return {}
