"""The protocol as text that Siemens puts into every image ("Phoenix"): what was planned at the console."""

from __future__ import annotations

from bidsflow.phantom.grid import Grid
from bidsflow.phantom.header import Study
from bidsflow.phantom.perfusion import list_protocol
from bidsflow.phantom.protocol import Series

_HEAD = '<XProtocol> \n{\n  <Name> "PhoenixMetaProtocol" \n  <ID> 1000002 \n  <Userversion> 2.0 \n}\n'


def format_protocol(study: Study, series: Series, grid: Grid, *, version: int) -> str:
    """Return the protocol of a series; it holds what was planned, which an aborted run does not reach.

    Parameters
    ----------
    version : int
        Of the scanner's software, as in ``ulVersion``.
    """
    values = [("ulVersion", version), *_list_values(study, series, grid)]
    quoted = ((key, f'""{value}""' if isinstance(value, str) else value) for key, value in values)
    lines = "".join(f"{key}\t = \t{value}\n" for key, value in quoted)
    begin = f"### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData version={version} ###\n"
    return f"{_HEAD}{begin}{lines}### ASCCONV END ###"


def _list_values(study: Study, series: Series, grid: Grid) -> list[tuple[str, float | str]]:
    sequence, contrast = series.sequence, series.sequence.contrast
    solid = sequence.dimensions == "3D"
    out: list[tuple[str, float | str]] = [
        ("tSequenceFileName", sequence.program),
        ("tProtocolName", series.description),
        ("lContrasts", len(sequence.te_ms)),
        ("lRepetitions", series.planned - 1),
        ("ucFlipAngleMode", 1),
        ("ucCoilCombineMode", 1),
        ("sProtConsistencyInfo.tBaselineString", "N4_VE11C_LATEST_20160120"),
        ("sTXSPEC.asNucleusInfo[0].flReferenceAmplitude", 257.0),
    ]
    out += [(f"sGRADSPEC.asGPAData[0].lOffset{axis}", v) for axis, v in zip("XYZ", study.shim, strict=False)]
    out += [(f"sGRADSPEC.alShimCurrent[{i}]", v) for i, v in enumerate(study.shim[3:])]
    out.append(("alTR[0]", round(contrast.tr_ms * 1000)))
    if contrast.ti_ms:
        out.append(("alTI[0]", round(contrast.ti_ms * 1000)))
    out += [(f"alTE[{i}]", round(te * 1000)) for i, te in enumerate(sequence.te_ms)]
    out += [
        ("sSliceArray.lSize", 1 if solid else grid.shape[2]),
        ("sKSpace.ucDimension", 4 if solid else 2),
        ("sKSpace.lImagesPerSlab", grid.shape[2] if solid else 32),  # in 2D it counts nothing
        ("sKSpace.lBaseResolution", grid.shape[0]),
        ("sKSpace.lPhaseEncodingLines", grid.shape[1]),
        ("sKSpace.dPhaseResolution", 1.0),
        ("sFastImaging.lEPIFactor", series.readout.lines if series.readout else 1),
        ("sCoilSelectMeas.aRxCoilSelectData[0].asList[0].sCoilElementID.tCoilID", "HeadNeck_64"),
        ("sPat.lAccelFactPE", 1),
        ("sPat.lAccelFact3D", 1),
    ]
    return out + list_protocol(series)
