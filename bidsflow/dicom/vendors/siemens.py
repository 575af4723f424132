"""Siemens: the CSA headers of VA to VE, and the text protocol of all versions up to XA.

Sources: the layout of CSA headers as documented in nibabel (``doc/source/dicom/siemens_csa.rst``); the protocol is
the section between ``### ASCCONV BEGIN`` and ``### ASCCONV END``, one ``name = value`` per line.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from itertools import takewhile

_LINE = re.compile(rb'^([A-Za-z][\w.\[\]]*)\s*=\s*"*([^"\r\n#]*)', re.MULTILINE)
_SHIM_OFFSETS = tuple(f"sGRADSPEC.asGPAData[0].lOffset{axis}" for axis in "XYZ")
_SHIM_CURRENTS = tuple(f"sGRADSPEC.alShimCurrent[{rank}]" for rank in range(5))
_MAX_ITEMS = 4096
_MAX_DELAYS = 64


def read_protocol(blobs: Mapping[str, bytes]) -> dict[str, str]:
    """Return what the CSA headers and the protocol text say, under the keywords of this package."""
    texts: dict[str, str] = {}
    csa = read_csa(blobs.get("CsaImage", b""))
    for keyword, name in (
        ("PhaseEncodingPositive", "PhaseEncodingDirectionPositive"),
        ("MosaicSlices", "NumberOfImagesInMosaic"),
        ("SiemensBValue", "B_value"),
    ):
        if csa.get(name, "") != "":
            texts[keyword] = csa[name]
    protocol = read_ascconv(blobs.get("CsaSeries", b"") or blobs.get("SiemensProtocol", b""))
    shims = [protocol.get(name, "") for name in _SHIM_OFFSETS + _SHIM_CURRENTS]
    if any(shims):
        texts["ShimSetting"] = "\\".join(shim or "0" for shim in shims)
    if "tSequenceFileName" in protocol:
        texts["SequenceFile"] = re.split(r"[\\/]+", protocol["tSequenceFileName"])[-1]
    for keyword, name in (
        ("TurboFactor", "sFastImaging.lTurboFactor"),
        ("EchoSpacing", "sFastImaging.lEchoSpacing"),
        ("MultibandFactor", "sSliceAcceleration.lMultiBandFactor"),
        ("InPlaneAcceleration", "sPat.lAccelFactPE"),
    ):
        if protocol.get(name, "").isdigit():
            texts[keyword] = protocol[name]
    if protocol.get("lRepetitions", "").isdigit():
        texts["PlannedVolumes"] = str(int(protocol["lRepetitions"]) + 1)
    if slices := _count_slices(protocol):
        texts["PlannedSlices"] = str(slices)
    return texts | _read_labelling(protocol)


def _count_slices(protocol: Mapping[str, str]) -> int:
    """Return the slices of a volume, 0 where the protocol has several slabs or directions, or does not say.

    ``lSize`` counts slices in 2D, slabs in 3D; ``lImagesPerSlab`` has a value without meaning in 2D. It counts what is
    made of a slab, without oversampling and with interpolation (``lPartitions`` counts what is measured).
    """
    dimension, count = _plain(protocol, "sKSpace.ucDimension"), int(_plain(protocol, "sSliceArray.lSize") or 0)
    if dimension == "4" and count == 1:
        return int(_plain(protocol, "sKSpace.lImagesPerSlab") or 0)
    axes = ("dSag", "dCor", "dTra")
    normals = {
        tuple(protocol.get(f"sSliceArray.asSlice[{rank}].sNormal.{axis}", "0") for axis in axes)
        for rank in range(min(count, _MAX_ITEMS))
    }
    return count if dimension == "2" and len(normals) == 1 else 0


def _read_labelling(protocol: Mapping[str, str]) -> dict[str, str]:
    """Return how blood is labelled, times in microseconds as the protocol has them; empty where it is not.

    Every protocol of XA has ``sAsl.ulMode``; it is 1 where nothing is labelled (XA30, 21 series of one session).
    """
    if (research := _read_research(protocol)) is not None:
        return research
    if _plain(protocol, "sAsl.ulMode") in ("", "1"):
        return {}
    count = _plain(protocol, "sAsl.ulDelayArraySize")
    delays = [_plain(protocol, f"sAsl.sPostLabelingDelay[{rank}]") for rank in range(min(int(count or 0), _MAX_DELAYS))]
    texts = {
        "LabelMode": _plain(protocol, "sAsl.ulMode"),
        "LabelDelays": "\\".join(delays),
        "LabelDuration": _plain(protocol, "sAsl.ulLabelingDuration"),
        "LabelSuppression": _plain(protocol, "sAsl.ulSuppressionMode"),
        "LabelInversions": "\\".join(_plain(protocol, f"alTI[{rank}]") or "0" for rank in range(3)),
    }
    return {keyword: text for keyword, text in texts.items() if text.strip("\\")}


def _read_research(protocol: Mapping[str, str]) -> dict[str, str] | None:
    """Return the same of a sequence of a university; None for all others.

    Those of Oxford (T. Okell, J. Woods) have it in ``alFree``, in ms, the 2D one of D. J. J. Wang in ``adFree``: blocks
    of 20 pulses that last 18.4 ms, and a delay in microseconds. Of his 3D one dcm2niix and ExploreASL read different
    times out of the same places, so it tells none here. That the background is suppressed stands in ``alFree`` as
    well: 2 and 3 are ways to do so in the sequences of Oxford, 1 in the 3D one of Wang (VE11C). What else stands there
    tells nothing, for a protocol leaves zeros out.

    Sources: dcm2niix, ``nii_dicom_batch.cpp``; ExploreASL, ``xASL_bids_PhoenixProtocolAnalyzer.m``.
    """
    file = protocol.get("tSequenceFileName", "").lower()
    if "vepcasl" in file:
        volumetric = "tgse" in file
        duration, delays = (10, range(30, 38)) if volumetric else (9, range(11, 31))
        found = [_plain(protocol, f"sWipMemBlock.alFree[{rank}]") for rank in (duration, *delays)]
        times = list(takewhile(lambda value: value > 0, (1000 * int(text or 0) for text in found)))
        texts = {"LabelDuration": str(times[0]), "LabelDelays": "\\".join(map(str, times[1:]))} if times[1:] else {}
        suppressed = _plain(protocol, f"sWipMemBlock.alFree[{5 if volumetric else 3}]") in ("2", "3")
        return texts | ({"LabelSuppressed": "YES"} if suppressed else {})
    if "ep2d_pcasl" in file:
        blocks, delay = (protocol.get(f"sWipMemBlock.adFree[{rank}]", "") for rank in (3, 2))
        try:
            return {"LabelDuration": f"{18400 * float(blocks):.0f}", "LabelDelays": f"{float(delay):.0f}"}
        except ValueError:
            return {}
    if "tgse_pcasl" not in file:
        return None
    suppressed = "tgse_pcasl_ve11c" in file and _plain(protocol, "sWipMemBlock.alFree[13]") == "1"
    return {"LabelSuppressed": "YES"} if suppressed else {}


def _plain(protocol: Mapping[str, str], name: str) -> str:
    """Return an integer of the protocol in decimal, which VB and VE write in hexadecimal here and there; or nothing."""
    try:
        return str(int(protocol.get(name, ""), 0))
    except ValueError:
        return ""


def read_csa(data: bytes) -> dict[str, str]:
    r"""Return the first value of each entry of a CSA header; several values are joined by a backslash.

    A header that is broken gives what was read until then.
    """
    entries: dict[str, str] = {}
    if data[:4] != b"SV10":
        return entries
    try:
        (count,) = struct.unpack_from("<I", data, 8)
        pos = 16
        for _ in range(min(count, _MAX_ITEMS)):
            name, _, _, _, n_items, _ = struct.unpack_from("<64si4siii", data, pos)
            pos += 84
            values = []
            for _ in range(min(max(n_items, 0), _MAX_ITEMS)):
                (length,) = struct.unpack_from("<4xi8x", data, pos)
                pos += 16
                if length > 0:
                    values.append(data[pos : pos + length].split(b"\0")[0].strip().decode("latin-1"))
                    pos += (length + 3) // 4 * 4
            entries[name.split(b"\0")[0].decode("latin-1")] = "\\".join(value for value in values if value)
    except struct.error:
        return entries
    return entries


def read_ascconv(data: bytes) -> dict[str, str]:
    """Return the protocol as text values by their full name."""
    begin = data.rfind(b"### ASCCONV BEGIN")
    end = data.find(b"### ASCCONV END", begin)
    if begin < 0:
        return {}
    section = data[begin : end if end > 0 else len(data)]
    return {name.decode("latin-1"): value.strip().decode("latin-1") for name, value in _LINE.findall(section)}
