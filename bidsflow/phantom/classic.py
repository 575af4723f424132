"""Single-frame DICOM as Siemens VE writes it: mosaics for echo-planar series, CSA headers, 12 bits."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from bidsflow.phantom import header
from bidsflow.phantom.csa import Element, make_element, pack_header
from bidsflow.phantom.grid import Array, Grid
from bidsflow.phantom.header import Study, find_diffusion, format_number, format_numbers
from bidsflow.phantom.phoenix import format_protocol
from bidsflow.phantom.protocol import Series
from bidsflow.phantom.render import Volume

_SOFTWARE = "syngo MR E11"
_VERSION = 51130001
_MOSAIC_FORMS = {"epi", "diffusion", "labelled"}


def write_volume(study: Study, series: Series, volume: Volume) -> Iterator[Dataset]:
    """Yield the data sets of one volume: one mosaic, or one image per slice."""
    base = _make_base(study, series, volume)
    if series.form in _MOSAIC_FORMS:
        yield _make_mosaic(base, study, series, volume)
    else:
        yield from _make_slices(base, study, series, volume)


def _make_base(study: Study, series: Series, volume: Volume) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = header.MR_STORAGE
    header.add_patient(ds, study)
    header.add_study(ds, study)
    header.add_series(ds, study, series)
    header.add_equipment(ds, manufacturer="SIEMENS", software=_SOFTWARE)
    header.add_sequence(ds, series, volume.echo, volume.grid)
    ds.SequenceName = _name_sequence(series, volume)
    ds.ImageType = _list_image_type(series, volume)
    ds.TransmitCoilName = "Body"
    ds.AcquisitionNumber = volume.index + 1
    ds.ImageOrientationPatient = format_numbers((*volume.grid.row, *volume.grid.column))
    ds.PixelSpacing = format_numbers((volume.grid.spacing[1], volume.grid.spacing[0]))
    if (volume.slope, volume.intercept) != (1.0, 0.0):
        ds.RescaleSlope = format_number(volume.slope)
        ds.RescaleIntercept = format_number(volume.intercept)
        ds.RescaleType = "US"
    return ds


def _name_sequence(series: Series, volume: Volume) -> str:
    """Return Sequence Name; diffusion writes the b-value and the number of the direction into it."""
    if series.form != "diffusion":
        return series.sequence.name
    b_value = series.b_values[volume.index]
    if not b_value:
        return "ep_b0"
    weighted = sum(1 for b in series.b_values[: volume.index + 1] if b)
    return f"ep_b{b_value:.0f}#{weighted}"


def _list_image_type(series: Series, volume: Volume) -> list[str]:
    if series.form == "adc":
        return ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"]
    if series.form == "diffusion":
        return ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE", "ND", "MOSAIC"]
    if series.form == "phase":
        return ["ORIGINAL", "PRIMARY", "P", "ND"]
    if series.labels:
        return ["ORIGINAL", "PRIMARY", "ASL", "NONE", "ND", "MOSAIC"]
    echo = [f"TE{volume.echo + 1}"] if series.form == "epi" and len(series.sequence.te_ms) > 1 else []
    mosaic = ["MOSAIC"] if series.form == "epi" else []
    return ["ORIGINAL", "PRIMARY", "M", *echo, "ND", *mosaic]


def _finish(ds: Dataset, study: Study, series: Series, instance: int, seconds: float) -> None:
    """Give an image its number, identifier and times; `seconds` counts from the start of the series."""
    moment = series.start + timedelta(seconds=seconds)
    ds.InstanceNumber = instance
    ds.SOPInstanceUID = study.instance_uid(series, instance)
    ds.AcquisitionDate = ds.ContentDate = ds.InstanceCreationDate = header.format_date(moment)
    ds.AcquisitionTime = header.format_time(moment)
    ds.ContentTime = ds.InstanceCreationTime = header.format_time(moment + timedelta(seconds=2))


def _make_slices(base: Dataset, study: Study, series: Series, volume: Volume) -> Iterator[Dataset]:
    grid, count = volume.grid, volume.grid.shape[2]
    echoes = len(series.sequence.te_ms) if series.form != "phase" else 1
    echo = volume.echo if series.form != "phase" else 0
    for k in range(count):
        ds = copy.copy(base)
        instance = (volume.index * echoes + echo) * count + k + 1
        position = grid.position(k)
        ds.ImagePositionPatient = format_numbers(position)
        ds.SliceLocation = format_number(float(grid.normal @ position))
        late = 0.0 if series.sequence.dimensions == "3D" else series.slice_times[k]
        _finish(ds, study, series, instance, late)
        _add_private(ds, study, series, volume, _list_image_elements(series, volume, position, k))
        pixels = volume.pixels[k]
        header.add_pixels(
            ds, rows=grid.shape[1], columns=grid.shape[0], data=pixels.tobytes(), largest=int(pixels.max())
        )
        yield ds


def tile_slices(pixels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return slices side by side in the smallest square that holds them, as Siemens' mosaics.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)

    Examples
    --------
    >>> tile_slices(np.arange(3, dtype=np.uint16).reshape(3, 1, 1)).tolist()
    [[0, 1], [2, 0]]
    """
    count, rows, columns = pixels.shape
    side = math.ceil(math.sqrt(count))
    full = np.zeros((side * side, rows, columns), dtype=np.uint16)
    full[:count] = pixels
    return full.reshape(side, side, rows, columns).swapaxes(1, 2).reshape(side * rows, side * columns)


def _make_mosaic(base: Dataset, study: Study, series: Series, volume: Volume) -> Dataset:
    grid = volume.grid
    columns, rows, _ = grid.shape
    mosaic = tile_slices(volume.pixels)
    # Siemens places the corner as if the whole mosaic were one slice about the centre of the first.
    excess = np.array([mosaic.shape[1] - columns, mosaic.shape[0] - rows]) / 2
    position = grid.position(0)
    position = position - np.asarray(grid.row) * excess[0] * grid.spacing[0]
    position = position - np.asarray(grid.column) * excess[1] * grid.spacing[1]
    ds = copy.copy(base)
    ds.ImagePositionPatient = format_numbers(position)
    ds.SliceLocation = format_number(float(grid.normal @ position))
    instance = volume.index * len(series.sequence.te_ms) + volume.echo + 1
    seconds = volume.index * series.sequence.contrast.tr_ms / 1000
    _finish(ds, study, series, instance, seconds)
    elements = _list_image_elements(series, volume, position, 0)
    times = [1000 * t for t in series.slice_times]
    elements.append(make_element("NumberOfImagesInMosaic", "US", grid.shape[2]))
    elements.append(make_element("MosaicRefAcqTimes", "FD", *times))
    _add_private(ds, study, series, volume, elements)
    block = ds.private_block(0x0019, "SIEMENS MR HEADER")
    block.add_new(0x0A, "US", grid.shape[2])
    block.add_new(0x29, "FD", times)
    header.add_pixels(
        ds, rows=mosaic.shape[0], columns=mosaic.shape[1], data=mosaic.tobytes(), largest=int(mosaic.max())
    )
    return ds


def _list_image_elements(series: Series, volume: Volume, position: Array, k: int) -> list[Element]:
    """Return the elements of the CSA image header (0029,1010) that converters read."""
    grid = volume.grid
    columns, rows, _ = grid.shape
    positive = 1 if series.readout is None or series.readout.direction == "AP" else 0
    out = [
        make_element("EchoLinePosition", "IS", rows // 2),
        make_element("EchoColumnPosition", "IS", columns // 2),
        make_element("ICE_Dims", "LO", f"X_{volume.echo + 1}_1_1_1_1_1_1_1_1_1_1_1"),
        make_element("ProtocolSliceNumber", "IS", k),
        make_element("RealDwellTime", "IS", 1e9 / (2 * columns * series.sequence.bandwidth)),
        make_element("SliceMeasurementDuration", "DS", series.sequence.contrast.tr_ms),
        make_element("AcquisitionMatrixText", "SH", f"{rows}*{columns}"),
        make_element("PhaseEncodingDirectionPositive", "IS", positive),
        make_element("SliceNormalVector", "FD", *grid.normal.tolist()),
        make_element("SlicePosition_PCS", "FD", *position.tolist()),
        make_element("ImaCoilString", "LO", "HEA;HEP"),
    ]
    if series.readout:
        out.append(make_element("BandwidthPerPixelPhaseEncode", "FD", series.readout.bandwidth))
    diffusion = find_diffusion(series, volume.index)
    if diffusion:
        b_value, vector = diffusion
        out.append(make_element("B_value", "IS", b_value))
        out.append(make_element("DiffusionDirectionality", "CS", "DIRECTIONAL" if b_value else "NONE"))
        if b_value:
            matrix = (b_value * np.outer(vector, vector))[np.triu_indices(3)]
            out.append(make_element("DiffusionGradientDirection", "FD", *vector.tolist()))
            out.append(make_element("B_matrix", "FD", *matrix.tolist()))
    return out


def _list_series_elements(study: Study, series: Series, grid: Grid) -> list[Element]:
    """Return the elements of the CSA series header (0029,1020) that converters read."""
    return [
        make_element("TransmitterCalibration", "DS", 257.0),
        make_element("PositivePCSDirections", "SH", "+LPH"),
        make_element("ReadoutOS", "FD", 2.0),
        make_element("CoilString", "LO", "HEA;HEP"),
        make_element("MrPhoenixProtocol", "UN", format_protocol(study, series, grid, version=_VERSION)),
    ]


def _add_private(ds: Dataset, study: Study, series: Series, volume: Volume, elements: list[Element]) -> None:
    """Write groups 0019, 0029 and 0051; groups 0019 and 0029 say the same, as on the scanner."""
    grid = volume.grid
    csa = ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    csa.add_new(0x08, "CS", "IMAGE NUM 4")
    csa.add_new(0x09, "LO", header.format_date(series.start))
    csa.add_new(0x10, "OB", pack_header(elements))
    csa.add_new(0x18, "CS", "MR")
    csa.add_new(0x19, "LO", header.format_date(series.start))
    csa.add_new(0x20, "OB", pack_header(_list_series_elements(study, series, grid)))
    block = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x08, "CS", "IMAGE NUM 4")
    block.add_new(0x09, "LO", "1.0")
    if series.readout:
        block.add_new(0x28, "FD", series.readout.bandwidth)
    diffusion = find_diffusion(series, volume.index)
    if diffusion:
        b_value, vector = diffusion
        block.add_new(0x0C, "IS", str(int(b_value)))
        block.add_new(0x0D, "CS", "DIRECTIONAL" if b_value else "NONE")
        if b_value:
            block.add_new(0x0E, "FD", vector.tolist())
            block.add_new(0x27, "FD", (b_value * np.outer(vector, vector))[np.triu_indices(3)].tolist())
    text = ds.private_block(0x0051, "SIEMENS MR HEADER", create=True)
    text.add_new(0x08, "CS", "IMAGE NUM 4")
    text.add_new(0x09, "LO", "1.0")
    text.add_new(0x0B, "LO", f"{grid.shape[1]}*{grid.shape[0]}")
    text.add_new(0x0F, "LO", "HEA;HEP")
    text.add_new(0x13, "SH", "+LPH")
    text.add_new(0x16, "LO", "/".join(_list_image_type(series, volume)[2:]))
