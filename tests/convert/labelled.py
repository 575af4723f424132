"""Labelled blood as Philips writes it: made of slices of a made-up scanner, whose voxels show what is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pydicom

from bidsflow.phantom import write
from bidsflow.phantom.protocol import Series


def write_philips(root: Path, types: Sequence[str], *, phases: int = 1) -> Path:
    """Write a run whose slices say whether they are of a label, as single files, and return the folder.

    Parameters
    ----------
    root : Path
        Gets a folder ``dicom``.
    types : sequence of str
        ``label`` and ``control`` in the order in which the scanner numbers the volumes; those of a repetition follow
        each other.
    phases : int
        Readouts after each preparation.

    Notes
    -----
    Elements: dcm_qa_philips_asl (pairs share a TemporalPositionIdentifier, phases have a number and a TriggerTime);
    creators as in series of Philips 5.7.
    """

    def label(series: Series) -> Series:
        return replace(series, labels=tuple(types), volumes=len(types), planned=len(types))

    write(root, dialect="ge", series=["asl"], edit=label)
    files = sorted((root / "dicom").rglob("*.dcm"), key=lambda file: pydicom.dcmread(file).InstanceNumber)
    slices = len(files) // len(types)
    for rank, file in enumerate(files):
        ds = pydicom.dcmread(file)
        _dress(ds, types[rank // slices], rank // slices, phases, len(types))
        slice_number = ds.private_block(0x2001, "Philips Imaging DD 001")
        slice_number.add_new(0x0A, "IS", rank % slices + 1)
        slice_number.add_new(0x18, "SL", slices)
        ds.save_as(file)
    return root / "dicom"


def _dress(ds: pydicom.Dataset, kind: str, volume: int, phases: int, volumes: int) -> None:
    ds.remove_private_tags()
    for name in ("InversionTime", "SequenceName"):
        if name in ds:
            delattr(ds, name)
    ds.Manufacturer, ds.ImageType = "Philips", ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"]
    ds.SeriesDescription = ds.ProtocolName = "SOURCE - pCASL"
    ds.ScanningSequence, ds.SequenceVariant, ds.RepetitionTime = "GR", "SK", "4550"
    ds.TemporalPositionIdentifier = volume // (2 * phases) + 1
    ds.NumberOfTemporalPositions = volumes // (2 * phases)
    ds.TriggerTime = str(300 + 250 * (volume % phases)) if phases > 1 else "0"
    imaging = ds.private_block(0x2001, "Philips Imaging DD 001", create=True)
    imaging.add_new(0x08, "IS", volume % phases + 1)
    imaging.add_new(0x20, "LO", "FEEPI")
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1.27717", "0", "normalized"
    for number in range(1, 6):
        block = ds.private_block(0x2005, f"Philips MR Imaging DD 00{number}", create=True)
        if number == 1:
            block.add_new(0x0E, "FL", 0.0129432)  # Scale Slope: values are given by both
    block.add_new(0x29, "CS", kind.upper())
