r"""Read a Philips PAR as the header of the enhanced DICOM file that would say the same.

A PAR is a text: parameters of the scan, then a line for each slice of each image; its pixels are in a REC beside it.
With DICOM's keywords, names follow from the same rules as those of any other series.

What DICOM has and a PAR has not: UIDs (that of a series is made of all that the pair holds), an ID and a birth date,
the time of a series (only that of the examination), field strength, slice order and the polarity of phase encoding.

Sources: nibabel's ``parrec``, which reads the versions 4, 4.1 and 4.2; the comments in the files themselves; numbers
of series as Philips gives them in DICOM (acquisition times 100 plus reconstruction).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bidsflow.dicom.frames import ENTRY, FIELD
from bidsflow.dicom.header import Header
from bidsflow.dicom.partable import (
    COMPONENTS,
    NAME,
    PHASE_CONTRAST,
    TYPES,
    find_axes,
    find_directions,
    find_phase_axis,
    group_rows,
    join_numbers,
    name_type,
    parse_par,
)
from bidsflow.dicom.series import Series, is_placeholder
from bidsflow.dicom.tags import find_maker
from bidsflow.errors import HeaderError

#: Keywords that no DICOM has: the bytes that the REC must hold, what makes a series doubtful, and a digest that one
#: acquisition of one examination has, whatever its pixels are.
REC_BYTES, DOUBTS, SCAN = "Par.RecBytes", "Par.Doubts", "Par.Scan"

#: How techniques are called that refocus by a gradient, and by radio frequency; EPI may be either.
_GRADIENT: Final = re.compile(r"FFE|TFE|^FE|PRESTO")
_SPIN: Final = re.compile(r"SE|GRASE|IR|MIX")
#: Patient Position as DICOM has it (PS3.3 C.7.3.1.1.2).
_POSITIONS: Final = {
    "HEAD FIRST SUPINE": "HFS", "HEAD FIRST PRONE": "HFP", "FEET FIRST SUPINE": "FFS", "FEET FIRST PRONE": "FFP",
}  # fmt: skip
#: What the scanner itself puts around the name of a protocol.
_AROUND: Final = re.compile(r"^WIP\s+|\s+(?:SENSE|CLEAR)$")
#: How many pieces of a REC are read to tell it from others, and of how many bytes.
_PIECES, _PIECE = 32, 8192
#: Slices may lie this far (mm) from where angulation and distance put them: offcentres are rounded.
_MISPLACED: Final = 1.0
#: Angles of slices are rounded, too (degrees).
_TURNED: Final = 0.1


def is_pair(series: Series) -> bool:
    """Return whether a series is a PAR with its REC."""
    return REC_BYTES in series.header


def mark_examination(series: Series, kind: str = "") -> str:
    """Return a digest of the moment of an examination of Philips, and of the way it was exported; ``""`` of others.

    Parameters
    ----------
    series : Series
        One of it.
    kind : str
        ``par`` or ``dicom``; the series' own where none is given.
    """
    date, time = (series.header.text(word) for word in ("StudyDate", "StudyTime"))
    if not date or not time[:6].strip("0") or find_maker(series.header.text("Manufacturer")) != "PHILIPS":
        return ""
    return _make_uid(kind or ("par" if is_pair(series) else "dicom"), date, time[:6])


def read_par(path: str) -> Header:
    """Return the header of a PAR.

    Raises
    ------
    HeaderError
        If it is of a version that nibabel does not read, or contradicts itself.
    OSError
        If it cannot be read.
    """
    info, rows = parse_par(Path(path))
    try:
        return _make_header(info, rows)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
        raise HeaderError(f"{NAME}: the PAR contradicts itself ({type(error).__name__})") from error


def _make_header(info: Mapping[str, Any], rows: Any) -> Header:
    first, groups = rows[0], list(group_rows(rows).values())
    values = {
        "Modality": "MR",
        "Manufacturer": "Philips",
        "NumberOfFrames": str(len(rows)),
        "Columns": str(int(first["recon resolution"][0])),
        "Rows": str(int(first["recon resolution"][1])),
        "BitsAllocated": str(int(first["image pixel size"])),
        REC_BYTES: str(_count_bytes(rows)),
        **_identify(info, rows),
        **_describe_scan(info, first),
        **_describe_place(rows[groups[0][rows["slice number"][groups[0]].argmin()]]),
        **_describe_images(info, rows),
        DOUBTS: "\\".join(_find_doubts(info, rows)),
    }
    return Header({key: text for key, text in values.items() if text})


def _identify(info: Mapping[str, Any], rows: Any) -> dict[str, str]:
    """Return who was scanned when, and UIDs.

    Person, examination and number do not tell a series: anonymisation makes them equal for all. Its UID is one of all
    that the PAR holds, to which `identify` adds the pixels.
    """
    name, protocol = info["patient_name"].strip(), _AROUND.sub("", info["protocol_name"].strip())
    date, time = _read_moment(info)
    exam = (name, info["exam_name"], info["exam_date"])
    numbers = (int(info["acq_nr"]), int(info["recon_nr"]), info["protocol_name"], info["series_type"])
    uid = _make_uid("series", sorted(map(str, info.items())), rows.tobytes().hex())
    return {
        "PatientName": "" if is_placeholder(name) else name,
        "StudyDate": date,
        "StudyTime": time,
        "AcquisitionDate": date,  # without a time, which only the examination has
        "StudyInstanceUID": _make_uid("study", *exam),
        "SeriesInstanceUID": uid,
        "SOPInstanceUID": f"{uid}.1",
        SCAN: _make_uid("scan", *exam, *numbers),
        "SeriesNumber": str(100 * numbers[0] + numbers[1]),
        "SeriesDescription": protocol,
        "ProtocolName": protocol,
    }


def _make_uid(*parts: object) -> str:
    """Return a UID that is the same for the same parts (PS3.5 annex B.2)."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=15).digest()
    return f"2.25.{int.from_bytes(digest)}"


def identify(header: Header, path: str) -> Header:
    """Return the header of a PAR with UIDs of its REC, too: tables of two people may be equal, their pixels are not.

    Of large RECs some pieces are read, for which the noise of two measurements differs.

    Raises
    ------
    OSError
        If the REC cannot be read.
    """
    with Path(path).open("rb") as file:
        size, pieces = file.seek(0, 2), []
        for rank in range(_PIECES if size > _PIECES * _PIECE else 0):
            file.seek(rank * size // _PIECES)
            pieces.append(file.read(_PIECE))
        sample = b"".join(pieces)
        if not sample.strip(b"\0"):  # a small file, or one that shows nothing there
            file.seek(0)
            sample = hashlib.file_digest(file, "blake2b").digest()
    uid = _make_uid("series", header.text("SeriesInstanceUID"), sample.hex())
    named = {"SeriesInstanceUID": uid, "SOPInstanceUID": f"{uid}.1"}
    return Header({**header.values, **named}, header.pixels, header.problems)


def _read_moment(info: Mapping[str, Any]) -> tuple[str, str]:
    """Return date and time of an examination as DICOM writes them, ``""`` for what is not known.

    Midnight is no time; nor, where no one is named, is any full hour: anonymisation sets such times for all.

    Examples
    --------
    >>> _read_moment({"patient_name": "Doe", "exam_date": "2014.08.05 / 12:00:00"})
    ('20140805', '120000')
    >>> _read_moment({"patient_name": "anon", "exam_date": "2014.08.05 / 12:00:00"})
    ('20140805', '')
    """
    text = info["exam_date"]
    date = re.search(r"(\d{4})\.(\d\d)\.(\d\d)", text)
    time = re.search(r"(\d\d):(\d\d):(\d\d)", text)
    known = "".join(time.groups()) if time and date else ""
    unset = known.endswith("0000") if is_placeholder(info["patient_name"]) else not known.strip("0")
    return "".join(date.groups()) if date else "", "" if unset else known


def _describe_scan(info: Mapping[str, Any], first: Any) -> dict[str, str]:
    technique = info["tech"].strip().upper()
    pulse = "GRADIENT" if _GRADIENT.search(technique) else "SPIN" if _SPIN.search(technique) else ""
    planar = int(info["epi_factor"]) > 1 and "EPI" in technique
    position = " ".join(info["patient_position"].upper().split())
    inversion = float(first["Inversion delay"])
    return {
        "PhilipsTechnique": technique,
        "PhilipsEpiFactor": str(int(info["epi_factor"])),
        "PhilipsSlices": str(int(info["max_slices"])),
        "PhilipsDynamics": str(int(info["max_dynamics"])),
        "NumberOfTemporalPositions": str(int(info["max_dynamics"])) if int(info["max_dynamics"]) > 1 else "",
        "EchoPulseSequence": pulse,
        "EchoPlanarPulseSequence": "YES" if planar else "",
        "MRAcquisitionType": {"3D": "3D"}.get(info["scan_mode"].strip().upper(), "2D"),
        "MagnetizationTransfer": "OFF_RESONANCE" if int(info["mtc"]) else "",
        "PhaseContrast": "YES" if any(info["phase_enc_velocity"]) else "",
        "RepetitionTime": _show(info["repetition_time"][0]),
        "EchoTime": _show(first["echo_time"]),
        "InversionTime": _show(inversion) if inversion > 0 else "",
        "FlipAngle": _show(first["image_flip_angle"]),
        "EchoTrainLength": str(int(first["TURBO factor"])),
        "PatientPosition": _POSITIONS.get(position, position if position in _POSITIONS.values() else ""),
    }


def _describe_place(first: Any) -> dict[str, str]:
    axes = find_axes(int(first["slice orientation"]), first["image angulation"])
    columns, rows = (int(size) for size in first["recon resolution"])
    wide, high = (float(size) for size in first["pixel spacing"])
    corner = _find_centre(first) - axes[:, 0] * wide * (columns - 1) / 2 - axes[:, 1] * high * (rows - 1) / 2
    return {
        "PixelSpacing": f"{_show(high)}\\{_show(wide)}",  # the distance of rows first (PS3.3 10.7.1.3)
        "SliceThickness": _show(first["slice thickness"]),
        "SpacingBetweenSlices": _show(float(first["slice thickness"]) + float(first["slice gap"])),
        "ImageOrientationPatient": join_numbers(axes[:, :2].T.ravel()),
        "ImagePositionPatient": join_numbers(corner),
    }


def _describe_images(info: Mapping[str, Any], rows: Any) -> dict[str, str]:
    """Return the images, as `frames.summarise_frames` does, each with an ImageType of its own."""
    entries = []
    groups = group_rows(rows)
    for kind, places in groups.items():
        slices = {int(number) for number in rows["slice number"][places]}
        entry = (_show(kind.echo_time), COMPONENTS.get(kind.type, ""), find_directions(kind), str(len(places)),
                 str(len(slices)), name_type(info, kind))  # fmt: skip
        entries.append(FIELD.join(entry))
    first = next(iter(groups))
    weighted = {float(value) for value in rows["diffusion_b_factor"]} if int(info["diffusion"]) else set()
    return {
        "ImageType": name_type(info, first),
        "InPlanePhaseEncodingDirection": find_phase_axis(info, find_axes(first.orientation, first.angles)),
        "Frames.Images": ENTRY.join(entries),
        "Frames.DiffusionBValue": join_numbers(sorted(weighted)),
    }


def _find_doubts(info: Mapping[str, Any], rows: Any) -> list[str]:
    """Return what a person has to look at before an image is made of a PAR."""
    doubts = []
    if not _read_moment(info)[1]:
        doubts.append("its PAR has no time of the examination that is sure, so that nothing tells whose it is")
    groups = group_rows(rows)
    for kind, places in groups.items():
        if kind.type not in TYPES:
            doubts.append(f"its PAR has images of type {kind.type}, which is not the same to all exports")
        if kind.type == 3 and kind.sequence == PHASE_CONTRAST and not any(info["phase_enc_velocity"]):
            doubts.append("its PAR does not say whether its phases are angles, or a field in Hz")
        slices = rows["slice number"][places]
        if len(slices) % len(set(slices.tolist())):
            doubts.append(f"a volume is incomplete: {len(slices)} slices do not fill volumes of {len(set(slices))}")
        middle = None
        if len({(one.orientation, one.angles) for one in groups}) == 1:
            middle = info["off_center"]
            if not all(abs(one - two) < _TURNED for one, two in zip(info["angulation"], kind.angles, strict=True)):
                doubts.append("its slices have other angles than their stack")
        doubts += _find_misplaced(rows[places], find_axes(kind.orientation, kind.angles), middle)
    if rows["index in REC file"].tolist() != list(range(len(rows))):
        doubts.append("its PAR does not list its images in the order of its REC")
    if int(info["diffusion"]) and "diffusion" not in (rows.dtype.names or ()):
        doubts.append("its PAR (V4) has b-values and no directions of diffusion")
    return list(dict.fromkeys(doubts))


def _find_misplaced(rows: Any, axes: Any, middle: Any) -> list[str]:
    """Return what is wrong with the places of slices: they must lie where angulation and numbers put them.

    Some exports number slices the other way, write offcentres in another order (dcm2niix turns such slices round by
    rules that were found by trial), or say transverse of coronal ones (R11): where they lie would be a guess.

    Parameters
    ----------
    rows : ndarray
        Records of one image.
    axes : ndarray, shape (3, 3)
        From `find_axes`.
    middle : ndarray, shape (3,), or None
        Where the middle of the stack lies (ap, fh, rl), where there is one stack.
    """
    import numpy as np

    order = np.argsort(rows["slice number"], kind="stable")
    low, high = rows[order[0]], rows[order[-1]]
    count = int(high["slice number"]) - int(low["slice number"])
    step = float(low["slice thickness"]) + float(low["slice gap"])
    expected = axes[:, 2] * step * count
    first, last = _find_centre(low), _find_centre(high)
    away = float(np.linalg.norm(last - first - expected))
    if middle is not None:
        away = max(away, float(np.linalg.norm((first + last) / 2 - _to_lps(middle))))
    if away <= max(_MISPLACED, 0.02 * step * count):  # NaN is no less than anything
        return []
    return [f"its slices have places that contradict their angulation (by {away:.0f} mm)"]


def _find_centre(row: Any) -> Any:
    return _to_lps(row["image offcentre"])


def _to_lps(place: Any) -> Any:
    """Return a place that a PAR has as ap, fh, rl in the order of DICOM."""
    return place[[2, 0, 1]].astype(float)


def _count_bytes(rows: Any) -> int:
    sizes = rows["recon resolution"].astype(int)
    return int((rows["image pixel size"].astype(int) // 8 * sizes[:, 0] * sizes[:, 1]).sum())


def _show(value: float) -> str:
    return f"{float(value):.10g}"
