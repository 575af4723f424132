"""Supply what BIDS requires of a sidecar and dcm2niix leaves out, where the headers tell. Pure.

Source of the requirements: BIDS schema, ``rules.sidecars.func``, ``.fmap`` and ``.qmri``. Nothing is invented: what
the headers do not tell stays out, and the validator says so.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import encode_course
from bidsflow.names import BidsName


def supply_fields(sidecar: Mapping[str, object], name: BidsName, header: Header) -> dict[str, object]:
    """Return a sidecar with what its image must have and the headers tell.

    Parameters
    ----------
    sidecar : mapping
        As dcm2niix wrote it, cleaned.
    name : BidsName
        What the image is.
    header : Header
        Header of its first instance.
    """
    filled = dict(sidecar)
    repetition = header.number("RepetitionTime") / 1000
    if name.suffix in ("bold", "cbv") and repetition > 0 and not {"RepetitionTime", "VolumeTiming"} & filled.keys():
        filled["RepetitionTime"] = repetition
    if (name.datatype, name.suffix) == ("fmap", "epi"):
        named = encode_course(name.entity("dir"), str(filled.get("PhaseEncodingAxis", "")), header)
        if named and "PhaseEncodingDirection" not in filled:
            filled["PhaseEncodingDirection"] = named
        if "TotalReadoutTime" not in filled and "EstimatedTotalReadoutTime" in filled:
            filled["TotalReadoutTime"] = filled["EstimatedTotalReadoutTime"]
    if name.entity("part") == "phase":
        filled.setdefault("Units", "arbitrary")  # scanners write a turn as 4096 steps or 6283; "rad" where it is known
    return filled


def note_polarity(before: Mapping[str, object], after: Mapping[str, object], name: BidsName) -> tuple[str, ...]:
    """Return that a sidecar has the polarity of phase encoding from a name, as none of the headers tells it.

    Parameters
    ----------
    before, after : mapping
        The sidecar without and with what was supplied.
    name : BidsName
        What the image is.
    """
    encoding = after.get("PhaseEncodingDirection")
    if encoding is None or encoding == before.get("PhaseEncodingDirection"):
        return ()
    return (
        f"no header tells the polarity of its phase encoding: PhaseEncodingDirection {encoding} follows from "
        f"dir-{name.entity('dir')} in its name, which is what people typed: check it",
    )


def supply_quantities(sidecar: Mapping[str, object], name: BidsName, header: Header) -> dict[str, object]:
    """Return the sidecar of an image of a collection that makes a map with what BIDS requires of it.

    Parameters
    ----------
    sidecar : mapping
        As `supply_fields` returns it.
    name : BidsName
        What the image is.
    header : Header
        Header of its series, with what the maker's protocol adds.
    """
    filled = dict(sidecar)
    repetition = header.number("RepetitionTime") / 1000
    if name.suffix in ("VFA", "MTS", "MPM") and repetition > 0:
        filled.setdefault("RepetitionTimeExcitation", repetition)  # a spoiled 3D readout excites once a repetition
        filled.setdefault("PulseSequenceType", "Spoiled gradient echo")
    if name.suffix in ("MTR", "MTS", "MPM"):
        filled["MTState"] = name.entity("mt") == "on"
    if name.suffix == "MP2RAGE":
        # Siemens counts from inversion to inversion, and the excitations after each: lTurboFactor, lEchoSpacing (us)
        shots, spacing = header.integer("TurboFactor"), header.number("EchoSpacing") / 1e6
        known = {
            "RepetitionTimePreparation": repetition, "NumberShots": shots, "RepetitionTimeExcitation": spacing
        }  # fmt: skip
        filled |= {key: value for key, value in known.items() if value > 0 and key not in filled}
    return filled


def supply_b_values(sidecar: Mapping[str, object], name: BidsName, table: str) -> dict[str, object]:
    """Return the sidecar of a trace of several volumes with their b-values (s/mm2), which BIDS has no table for.

    Parameters
    ----------
    sidecar : mapping
        Of the image.
    name : BidsName
        What the image is.
    table : str
        The ``.bval`` that dcm2niix wrote; ``""`` where it wrote none.
    """
    values = [float(word) for word in table.split()]
    if name.suffix != "trace" or len(values) < 2:
        return dict(sidecar)
    return {**sidecar, "DiffusionBValue": values}


def supply_echo_times(sidecar: Mapping[str, object], name: BidsName, times: Mapping[str, float]) -> dict[str, object]:
    """Return the sidecar of a phase difference with the echo times of its magnitudes, where it lacks them.

    Parameters
    ----------
    sidecar : mapping
        Of the phase difference.
    name : BidsName
        What the image is.
    times : mapping of str to float
        Echo time in milliseconds by suffix (``magnitude1``, ``magnitude2``) of the same field map.
    """
    filled = dict(sidecar)
    if name.suffix == "phasediff" and not {"EchoTime1", "EchoTime2"} <= filled.keys():
        first, second = times.get("magnitude1", 0.0), times.get("magnitude2", 0.0)
        if 0 < first < second:
            filled["EchoTime1"], filled["EchoTime2"] = first / 1000, second / 1000
    return filled


def agree_on_repetition(header: bytes, sidecar: Mapping[str, object]) -> bytes:
    """Return a NIfTI-1 header whose time step is the RepetitionTime of the sidecar, as BIDS demands.

    dcm2niix takes the two from different elements, which disagree for some GE sequences. Source: nifti1.h,
    ``pixdim[4]`` (offset 92), ``xyzt_units`` (offset 123).

    Parameters
    ----------
    header : bytes
        At least the first 348 bytes of a file.
    sidecar : mapping
        Its sidecar.
    """
    repetition = sidecar.get("RepetitionTime")
    order = "<" if struct.unpack_from("<i", header)[0] == 348 else ">"
    dims = struct.unpack_from(f"{order}8h", header, 40)
    if not isinstance(repetition, (int, float)) or dims[0] < 4 or dims[4] < 2:
        return header
    unit = header[123]
    seconds = struct.unpack_from(f"{order}f", header, 92)[0] * {16: 1e-3, 24: 1e-6}.get(unit & 0x38, 1.0)
    if round(seconds, 3) == round(float(repetition), 3):
        return header
    step = struct.pack(f"{order}f", float(repetition))
    return header[:92] + step + header[96:123] + bytes([unit & 0x07 | 8]) + header[124:]
