"""Single-frame DICOM as GE writes it: one image per slice, private groups GEMS, 16 bits with sign."""

from __future__ import annotations

import copy
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from bidsflow.phantom import header
from bidsflow.phantom.header import Study, find_diffusion, format_number, format_numbers
from bidsflow.phantom.perfusion import label_pass
from bidsflow.phantom.protocol import Readout, Series
from bidsflow.phantom.render import Volume


class _Psd(NamedTuple):
    """How GE names a pulse sequence: file, internal name, and what it writes into the standard fields."""

    file: str
    internal: str
    scanning: list[str]
    options: list[str]


_PSD = {
    "localizer": _Psd("3plane", "SSFSE", ["GR"], ["FAST_GEMS"]),
    "t1w": _Psd("efgre3d", "EFGRE3D", ["GR"], ["FAST_GEMS", "EDR_GEMS", "IR"]),
    "t2w": _Psd("3dfse", "3DFSE", ["SE"], ["FAST_GEMS", "EDR_GEMS"]),
    "flair": _Psd("fse-xl", "FSE-XL", ["SE", "IR"], ["FAST_GEMS", "FS"]),
    "pdw": _Psd("fse-xl", "FSE-XL", ["SE"], ["FAST_GEMS"]),
    "fieldmap": _Psd("fgre", "FGRE", ["GR"], ["FAST_GEMS"]),
    "topup": _Psd("epi2", "EPI2", ["EP", "SE"], ["EPI_GEMS", "FS"]),
    "dwi": _Psd("epi2", "EPI2", ["EP", "SE"], ["EPI_GEMS", "FS"]),
    "adc": _Psd("epi2", "EPI2", ["EP", "SE"], ["EPI_GEMS", "FS"]),
    "asl": _Psd("3dasl", "ASL", ["RM"], ["EDR_GEMS", "SPIRAL_GEMS", "FS"]),
}
_BOLD = _Psd("epiRT", "EPI", ["EP", "GR"], ["EPI_GEMS", "FS"])
#: Added to b-values in (0043,1039) (dcm2niix, GE notes).
_B_OFFSET = 1_000_000_000
_REVISION = 26.002


def write_volume(study: Study, series: Series, volume: Volume) -> Iterator[Dataset]:
    """Yield the data sets of one volume, one per slice."""
    base = _make_base(study, series, volume)
    pixels = _sign_pixels(series, volume)
    count, echoes = volume.grid.shape[2], len(series.sequence.te_ms)
    for k in range(count):
        ds = copy.copy(base)
        instance = (volume.index * count + k) * echoes + volume.echo + 1
        ds.InstanceNumber = instance
        ds.SOPInstanceUID = study.instance_uid(series, instance)
        position = volume.grid.position(k)
        ds.ImagePositionPatient = format_numbers(position)
        ds.SliceLocation = format_number(position[2])
        ds.InStackPositionNumber = k + 1
        if series.readout:
            # From the protocol dcm2niix takes the order for fMRI only; from here, in 0.1 ms, for spin echoes too.
            relation = ds.private_block(0x0021, "GEMS_RELA_01")
            relation.add_new(0x5E, "DS", format_number(1e4 * series.slice_times[k]))
        _add_pixels(ds, pixels[k])
        yield ds


def _make_base(study: Study, series: Series, volume: Volume) -> Dataset:
    grid, psd = volume.grid, _PSD.get(series.key, _BOLD)
    ds = Dataset()
    ds.SOPClassUID = header.MR_STORAGE
    header.add_patient(ds, study)
    header.add_study(ds, study)
    header.add_series(ds, study, series)
    software = ["27", "LX", "MR Software release:DV26.0_R01_1725.a"]
    header.add_equipment(ds, manufacturer="GE MEDICAL SYSTEMS", software=software)
    header.add_sequence(ds, series, volume.echo, grid)
    ds.ScanningSequence = psd.scanning
    ds.SequenceVariant = ["SS", "SK"] if series.readout else ["SS", "SP", "SK"]
    ds.ScanOptions = psd.options
    ds.EchoTrainLength = 1 if series.readout else series.sequence.echo_train
    ds.ImageType = _list_image_type(series)
    # GE stamps every image of a series with the start of the series.
    for name in ("Acquisition", "Content"):
        setattr(ds, f"{name}Date", header.format_date(series.start))
        setattr(ds, f"{name}Time", series.start.strftime("%H%M%S"))
    ds.SeriesTime = series.start.strftime("%H%M%S")
    ds.ProtocolName = "Phantom brain"
    ds.ReceiveCoilName = "32Ch Head"
    ds.AcquisitionNumber = 1
    ds.ImagesInAcquisition = str(grid.shape[2])
    ds.NumberOfTemporalPositions = str(series.planned)
    ds.StackID = "1"
    ds.ReconstructionDiameter = format_number(grid.shape[0] * grid.spacing[0])
    ds.ImageOrientationPatient = format_numbers((*grid.row, *grid.column))
    ds.PixelSpacing = format_numbers((grid.spacing[1], grid.spacing[0]))
    _add_private(ds, study, series, volume, psd)
    if series.labels:
        label_pass(ds, series.labels[volume.index])
    return ds


def _list_image_type(series: Series) -> list[str]:
    if series.form == "adc":
        return ["DERIVED", "SECONDARY", "ADC"]
    return ["ORIGINAL", "PRIMARY", "EPI" if series.readout else "OTHER", "NONE"]


def _sign_pixels(series: Series, volume: Volume) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Return the values as GE stores them: phases in milliradians, magnitudes as they are."""
    if series.form != "phases":
        return volume.pixels.astype(np.int16)
    turns = (volume.pixels * volume.slope + volume.intercept) / 4096
    return np.asarray(np.rint(turns * np.pi * 1000).astype(np.int16))


def _add_pixels(ds: Dataset, pixels: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    ds.SmallestImagePixelValue = int(pixels.min())
    ds.LargestImagePixelValue = int(pixels.max())
    ds.add_new("PixelData", "OW", pixels.tobytes())


def pack_protocol(series: Series) -> bytes:
    """Return the protocol data block (0025,101B): its length, then text packed by gzip.

    Converters read the order of the slices from it.
    """
    contrast = series.sequence.contrast
    lines = {
        "PLANE": "AXIAL",
        "SEDESC": series.description,
        "IMODE": series.sequence.dimensions,
        "FLIPANG": f"{contrast.flip_deg:.0f}",
        "TE": f"{series.sequence.te_ms[0]:.1f}",
        "NECHO": str(len(series.sequence.te_ms)),
        "TR": f"{contrast.tr_ms:.1f}",
        "SLICEORDER": "1",
        "VIEWORDER": "0",
        "NOSLC": str(series.grid.shape[2]),
        "SLTHICK": f"{series.grid.thickness:.1f}",
    }
    text = "".join(f'{key} "{value}"\n' for key, value in lines.items()).encode("latin-1")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = packer.compress(text) + packer.flush()
    block = len(data).to_bytes(4, "little") + data
    return block + b"\0" * (len(block) % 2)


def pack_user_data(readout: Readout) -> bytes:
    """Return the user defined data (0043,102A), from which converters read the phase-encoding polarity.

    Notes
    -----
    Byte 24 holds where the raw data header begins; in it stand the revision of the software (a float), a flag
    for echo-planar data and the polarity (bit 2); for their places see dcm2niix, ``nii_dicom.cpp``.
    """
    start, shift = 64, 0x4C
    block = bytearray(start + shift + 0x500)
    struct.pack_into("<H", block, 24, start)
    struct.pack_into("<f", block, start, _REVISION)
    struct.pack_into("<H", block, start + shift + 0x3A, 0x0800)
    struct.pack_into("<H", block, start + shift + 0x30, 0x0004 if readout.direction == "PA" else 0)
    return bytes(block)


def _add_private(ds: Dataset, study: Study, series: Series, volume: Volume, psd: _Psd) -> None:
    """Write the groups GEMS_ACQU_01, GEMS_RELA_01, GEMS_SERS_01 and GEMS_PARM_01."""
    grid = volume.grid
    acquisition = ds.private_block(0x0019, "GEMS_ACQU_01", create=True)
    acquisition.add_new(0x5A, "FL", float(series.duration * 1e6))
    acquisition.add_new(0x7E, "SS", len(series.sequence.te_ms))
    acquisition.add_new(0x9C, "LO", psd.file)
    acquisition.add_new(0x9E, "LO", psd.internal)
    relation = ds.private_block(0x0021, "GEMS_RELA_01", create=True)
    relation.add_new(0x4F, "SS", grid.shape[2])
    relation.add_new(0x5E, "DS", "0.000000")
    series_block = ds.private_block(0x0025, "GEMS_SERS_01", create=True)
    series_block.add_new(0x07, "SL", grid.shape[2] * series.planned * len(series.sequence.te_ms))
    series_block.add_new(0x1B, "OB", pack_protocol(series))
    parameters = ds.private_block(0x0043, "GEMS_PARM_01", create=True)
    for offset, current in zip((0x02, 0x03, 0x04), study.shim, strict=False):
        parameters.add_new(offset, "SS", current)
    if series.readout:
        parameters.add_new(0x2C, "SS", round(series.readout.echo_spacing * 1e6))
        parameters.add_new(0x2A, "OB", pack_user_data(series.readout))
        parameters.add_new(0x83, "DS", ["1", "1"])
        parameters.add_new(0x8A, "CS", "COL")
    parameters.add_new(0x2F, "SS", 1 if series.form == "phases" else 0)
    diffusion = find_diffusion(series, volume.index)
    if diffusion:
        b_value, vector = diffusion
        # In the axes of the image: frequency, phase, and slice backwards.
        along = vector @ grid.rotation * [1, 1, -1]
        for offset, part in zip((0xBB, 0xBC, 0xBD), along.tolist(), strict=True):
            acquisition.add_new(offset, "DS", format_number(part))
        acquisition.add_new(0xE0, "DS", str(sum(1 for b in series.b_values if b)))
        parameters.add_new(0x39, "IS", [str(_B_OFFSET + int(b_value)), "8", "0", "0"])
        parameters.add_new(0x30, "SS", 16 if b_value else 14)
