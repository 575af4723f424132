"""Put together what a scanner gave several SeriesInstanceUIDs though it measured it as one series. Pure.

A series has one UID (PS3.3 C.7.3.1). Siemens' XA software breaks that in its interoperability format, with a UID for
each volume, and now and then within a run; Canon in classic files, with a UID for each slice (dcm2niix issues 394, 495,
599 and 655). What stays the same is what the console shows: the number of the series, its names and its time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bidsflow.dicom.series import Instance

#: How the names of makers begin whose scanners do so; Toshiba's became Canon's.
_MAKERS: Final = ("SIEMENS", "CANON", "TOSHIBA")
#: What the parts of one series have in common.
_SHARED: Final = (
    "StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "SeriesNumber", "SeriesDescription",
    "ProtocolName", "SeriesTime", "Manufacturer", "DeviceSerialNumber", "ComplexImageComponent", "Rows", "Columns",
    "FrameOfReferenceUID",
)  # fmt: skip
#: Values of ImageType that count the echoes of a volume (CMRR); all others are those of a series.
_ECHO: Final = re.compile(r"TE\d+")
#: What tells instances of a part from those of another; where it does not, one is a copy of the other.
_OWN: Final = (
    "AcquisitionNumber", "InstanceNumber", "AcquisitionDateTime", "AcquisitionTime", "ContentTime",
    "TemporalPositionIdentifier", "ImagePositionPatient", "EchoTime",
)  # fmt: skip


def join_parts(by_uid: Mapping[str, Sequence[Instance]]) -> Iterator[tuple[str, Sequence[Instance], int]]:
    """Yield the series, the parts of one under the UID of the first that was measured: it stays when a series grows.

    Parts are joined where they agree in all that a scanner keeps for a series, and no instance of one can be told to be
    a copy of an instance of another (a series that was sent twice under new UIDs).

    Parameters
    ----------
    by_uid : mapping of str to sequence of Instance
        Instances by SeriesInstanceUID, those of one patient and study.

    Yields
    ------
    series : (str, sequence of Instance, int)
        UID, instances, and the number of UIDs that they had.
    """
    candidates: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for uid, members in by_uid.items():
        header = members[0].header
        maker = header.text("Manufacturer").strip().upper()
        if maker.startswith(_MAKERS) and header.integer("SeriesNumber") > 0:
            kinds = (word for word in header.words("ImageType") if not _ECHO.fullmatch(word))
            candidates[*(header.text(keyword) for keyword in _SHARED), *kinds].append(uid)
        else:
            yield uid, members, 1
    for uids in candidates.values():
        owned = [_own(one) for uid in uids for one in by_uid[uid]] if len(uids) > 1 else []
        if len(set(owned)) == len(owned) > 0:
            ordered = _number([by_uid[uid] for uid in uids])
            yield next(uid for uid in uids if any(one is ordered[0] for one in by_uid[uid])), ordered, len(uids)
        else:
            yield from ((uid, by_uid[uid], 1) for uid in uids)


def _number(parts: Sequence[Sequence[Instance]]) -> tuple[Instance, ...]:
    """Return the instances of parts in order of acquisition.

    Where numbers begin anew in each part, parts follow each other in time; else numbers run through all of them.
    """
    members = [one for part in parts for one in part]
    numbers = {one.header.integer("InstanceNumber") for one in members}
    if len(numbers) < len(members):
        ordered = sorted(parts, key=lambda part: min(map(_when, part)))
        return tuple(one for part in ordered for one in sorted(part, key=_number_of))
    return tuple(sorted(members, key=_number_of))


def _number_of(instance: Instance) -> int:
    return instance.header.integer("InstanceNumber")


def _when(instance: Instance) -> tuple[str, int, int]:
    header = instance.header
    time = header.text("AcquisitionDateTime") or header.text("AcquisitionTime") or header.text("ContentTime")
    return time, header.integer("AcquisitionNumber"), header.integer("InstanceNumber")


def _own(instance: Instance) -> tuple[str, ...]:
    return tuple(instance.header.text(keyword) for keyword in _OWN)
