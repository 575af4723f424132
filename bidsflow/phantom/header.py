"""The parts of a header that every maker writes alike: patient, study, series, geometry, pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from bidsflow.phantom.grid import LPS_TO_RAS, Array, Grid
from bidsflow.phantom.protocol import Series, Session
from bidsflow.phantom.uid import make_rng, make_uid

MR_STORAGE = UID("1.2.840.10008.5.1.4.1.1.4")
ENHANCED_STORAGE = UID("1.2.840.10008.5.1.4.1.1.4.1")
#: Scanners at 3 T, megahertz.
FREQUENCY = 123.25
MODEL = "bidsflow phantom"


@dataclass(frozen=True, slots=True)
class Study:
    """What all series of a session share.

    Attributes
    ----------
    label : str
        Names the session's identifiers and random streams.
    shim : tuple of int
        Three linear and five second-order currents, set once at the start of the session.
    """

    session: Session
    seed: int
    label: str
    shim: tuple[int, ...]

    @property
    def uid(self) -> str:
        """Return the Study Instance UID."""
        return make_uid(self.seed, self.label, "study")

    def series_uid(self, series: Series) -> str:
        """Return the Series Instance UID."""
        return make_uid(self.seed, self.label, "series", series.number)

    def instance_uid(self, series: Series, instance: int) -> str:
        """Return the SOP Instance UID of the numbered image of a series."""
        return make_uid(self.seed, self.label, "series", series.number, "instance", instance)


def make_study(session: Session, seed: int) -> Study:
    """Return the study of a session; its identifiers depend on the seed and on who came when."""
    label = f"{session.subject.label}/{session.label}"
    rng = make_rng(seed, label, "shim")
    linear = rng.integers(-6000, 6000, size=3).tolist()
    second = rng.integers(-700, 700, size=5).tolist()
    return Study(session, seed, label, (*linear, *second))


def format_date(value: date) -> str:
    """Return a DICOM date (VR DA)."""
    return value.strftime("%Y%m%d")


def format_time(value: datetime) -> str:
    """Return a DICOM time with microseconds (VR TM)."""
    return value.strftime("%H%M%S.%f")


def format_number(value: float) -> str:
    """Return a decimal string of at most 16 characters (VR DS, DICOM PS3.5 6.2).

    Examples
    --------
    >>> format_number(2.46), format_number(-1 / 3)
    ('2.46', '-0.3333333333')
    """
    text = f"{round(float(value), 10) + 0.0:.10g}"
    return text if len(text) <= 16 else f"{float(value):.8g}"


def format_numbers(values: Iterable[float] | Array) -> list[str]:
    """Return decimal strings for a vector."""
    return [format_number(v) for v in values]


def make_meta(dataset: Dataset) -> FileMetaDataset:
    """Return the file meta information of a data set (DICOM PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(make_uid(0, "bidsflow", "implementation"))
    meta.ImplementationVersionName = "BIDSFLOW_PHANTOM"
    return meta


def find_diffusion(series: Series, volume: int) -> tuple[float, Array] | None:
    """Return b-value and direction (LPS) of a diffusion-weighted volume; None for other series."""
    if not series.b_values:
        return None
    return series.b_values[volume], LPS_TO_RAS * np.array(series.directions[volume])


def add_patient(ds: Dataset, study: Study) -> None:
    """Write the patient module; the age follows from the dates."""
    subject, day = study.session.subject, study.session.start.date()
    born = subject.birth_date
    age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    ds.SpecificCharacterSet = subject.charset
    ds.PatientName = subject.patient_name
    ds.PatientID = subject.patient_id
    ds.PatientBirthDate = format_date(born)
    ds.PatientSex = subject.sex
    ds.PatientAge = f"{age:03d}Y"
    ds.PatientWeight = format_number(subject.weight_kg)


def add_study(ds: Dataset, study: Study) -> None:
    """Write the study module."""
    start = study.session.start
    ds.StudyInstanceUID = study.uid
    ds.StudyID = "1"
    ds.StudyDate = format_date(start)
    ds.StudyTime = format_time(start)
    ds.StudyDescription = "Phantom^Brain"
    ds.AccessionNumber = ""
    ds.ReferringPhysicianName = ""
    ds.FrameOfReferenceUID = make_uid(study.seed, study.label, "frame")
    ds.PositionReferenceIndicator = ""


def add_series(ds: Dataset, study: Study, series: Series) -> None:
    """Write the series module."""
    ds.SeriesInstanceUID = study.series_uid(series)
    ds.SeriesNumber = series.number
    ds.SeriesDescription = series.description
    ds.ProtocolName = series.description.removesuffix("_SBRef").removesuffix("_ADC")
    ds.SeriesDate = format_date(series.start)
    ds.SeriesTime = format_time(series.start)
    ds.Modality = "MR"
    ds.BodyPartExamined = "BRAIN"
    ds.PatientPosition = "HFS"
    if series.comment:
        ds.ImageComments = series.comment


def add_equipment(ds: Dataset, *, manufacturer: str, software: str | list[str]) -> None:
    """Write the equipment module; model and institution say that the data are made up."""
    ds.Manufacturer = manufacturer
    ds.ManufacturerModelName = MODEL
    ds.InstitutionName = "Phantom"
    ds.InstitutionAddress = "Phantom"
    ds.InstitutionalDepartmentName = "Phantom"
    ds.StationName = "PHANTOM1"
    ds.DeviceSerialNumber = "00001"
    ds.SoftwareVersions = software
    ds.MagneticFieldStrength = "3"


def add_pixels(ds: Dataset, *, rows: int, columns: int, data: bytes, largest: int) -> None:
    """Write the pixel module for 12 of 16 bits, without sign."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = rows
    ds.Columns = columns
    ds.BitsAllocated = 16
    ds.BitsStored = 12
    ds.HighBit = 11
    ds.PixelRepresentation = 0
    ds.SmallestImagePixelValue = 0
    ds.LargestImagePixelValue = largest
    ds.add_new("PixelData", "OW", data)


def add_sequence(ds: Dataset, series: Series, echo: int, grid: Grid) -> None:
    """Write the MR image module of a single-frame image (DICOM PS3.3 C.8.3.1)."""
    sequence, contrast = series.sequence, series.sequence.contrast
    ds.ScanningSequence = list(sequence.scanning)
    ds.SequenceVariant = list(sequence.variant)
    ds.ScanOptions = list(sequence.options)
    ds.MRAcquisitionType = sequence.dimensions
    ds.AngioFlag = "N"
    ds.SliceThickness = format_number(grid.thickness)
    ds.RepetitionTime = format_number(contrast.tr_ms)
    ds.EchoTime = format_number(sequence.te_ms[echo])
    ds.EchoNumbers = echo + 1
    if contrast.ti_ms:
        ds.InversionTime = format_number(contrast.ti_ms)
    ds.NumberOfAverages = "1"
    ds.ImagingFrequency = format_number(FREQUENCY)
    ds.ImagedNucleus = "1H"
    ds.SpacingBetweenSlices = format_number(grid.spacing[2])
    ds.NumberOfPhaseEncodingSteps = grid.shape[1]
    ds.EchoTrainLength = series.readout.lines if series.readout else sequence.echo_train
    ds.PercentSampling = "100"
    ds.PercentPhaseFieldOfView = "100"
    ds.PixelBandwidth = format_number(sequence.bandwidth)
    ds.AcquisitionMatrix = [grid.shape[1], 0, 0, grid.shape[0]]
    ds.InPlanePhaseEncodingDirection = "COL"
    ds.FlipAngle = format_number(contrast.flip_deg)
    ds.VariableFlipAngleFlag = "N"
    ds.SAR = "0.05"
