"""From dcm2niix's sidecar to ours: what identifies goes, what BIDS needs comes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, object]

#: Fields that dcm2niix writes even when asked to anonymise, and that tell who, where or when, or that people type.
#: (Measured with version 1.0.20260724 and ``-ba y``.)
IDENTIFYING = frozenset({
    "AccessionNumber", "AcquisitionDateTime", "AcquisitionTime", "DeviceSerialNumber", "ImageComments",
    "InstitutionAddress", "InstitutionalDepartmentName", "InstitutionName", "OperatorsName", "PatientAge",
    "PatientBirthDate", "PatientID", "PatientName", "PatientSex", "PatientSize", "PatientWeight",
    "PerformingPhysicianName", "ProcedureStepDescription", "ProtocolName", "ReferringPhysicianName",
    "SeriesDescription", "SeriesInstanceUID", "StationName", "StudyDate", "StudyDescription", "StudyID",
    "StudyInstanceUID", "StudyTime",
})  # fmt: skip

#: Fields that are true of dcm2niix's run and not of the image.
_NOT_METADATA = frozenset({"BidsGuess", "SeriesNumber"})
#: Fields that say which images measure a B0 field, and which it corrects.
WIRING = ("B0FieldIdentifier", "B0FieldSource", "IntendedFor")
_PERSONAL = re.compile(r"Patient(?!Position)|Physician|Operator|UID$|DateTime$|Date$|Accession")
#: An institution is named where a study says so, and not because a scanner did.
_SUSPECT = re.compile(rf"{_PERSONAL.pattern}|Institution|Address")
#: Fields that hold terms of DICOM or of the maker, which no one types: a person called Prisma loses no metadata.
_CODED = frozenset({
    "BodyPart", "BodyPartExamined", "CoilCombinationMethod", "ConversionSoftware", "ConversionSoftwareVersion",
    "ImageType", "InPlanePhaseEncodingDirectionDICOM", "MRAcquisitionType", "Manufacturer", "ManufacturersModelName",
    "MatrixCoilMode", "Modality", "PatientPosition", "PhaseEncodingAxis", "PhaseEncodingDirection",
    "PulseSequenceType", "ScanOptions", "ScanningSequence", "SequenceVariant",
})  # fmt: skip


def is_personal(key: str) -> bool:
    """Return whether a field says who was scanned, by whom or on which day, by its name."""
    return _PERSONAL.search(key) is not None or key in ("StudyID", "StudyTime", "AcquisitionTime")


def clean_sidecar(raw: Mapping[str, object], person: re.Pattern[str] | None = None) -> Json:
    """Return a sidecar without what identifies a person, a place or a day.

    Parameters
    ----------
    raw : mapping
        As dcm2niix wrote it.
    person : re.Pattern, optional
        Finds the person in a text (see `dicom.person`); a field whose text names the person goes, whatever it
        is called.
    """
    return {
        key: value
        for key, value in raw.items()
        if key not in IDENTIFYING
        and key not in _NOT_METADATA
        and not _SUSPECT.search(key)
        and (person is None or key in _CODED or not any(person.search(text) for text in _texts(value)))
    }


def _texts(value: object) -> Iterator[str]:
    """Yield the texts in a value of JSON; numbers are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _texts(one)


def complete_sidecar(
    cleaned: Mapping[str, object],
    *,
    suffix: str,
    task: str = "",
    field: str = "",
    corrected_by: Sequence[str] = (),
    intended_for: Sequence[str] = (),
) -> Json:
    """Return a sidecar with the fields that BIDS wants and that dcm2niix cannot know.

    Parameters
    ----------
    cleaned : mapping
        As `clean_sidecar` returns it, or a sidecar of the dataset whose wiring has changed.
    suffix : str
        BIDS suffix of the image.
    task : str
        Label of the task, ``""`` where there is none.
    field : str
        B0FieldIdentifier.
    corrected_by : sequence of str
        B0FieldSource.
    intended_for : sequence of str
        BIDS URIs of the images that this one corrects.
    """
    sidecar = {key: value for key, value in cleaned.items() if key not in WIRING}
    if task:
        sidecar["TaskName"] = task
    if suffix == "fieldmap":
        sidecar.setdefault("Units", "Hz")
    return sidecar | tell_links(field, corrected_by, intended_for)


def tell_links(field: str, corrected_by: Sequence[str], intended_for: Sequence[str]) -> Json:
    """Return the fields of a sidecar that wire its image; see `complete_sidecar`."""
    links: Json = {}
    if field:
        links["B0FieldIdentifier"] = field
    if corrected_by:
        links["B0FieldSource"] = corrected_by[0] if len(corrected_by) == 1 else list(corrected_by)
    if intended_for:
        links["IntendedFor"] = list(intended_for)
    return links


def scrub_nifti(header: bytes) -> bytes:
    """Return a NIfTI-1 header without free text that holds times and comments.

    dcm2niix writes the time of acquisition to ``descrip`` (offset 148, 80 bytes) and ImageComments to ``aux_file``
    (offset 228, 24 bytes). Source: nifti1.h.

    Parameters
    ----------
    header : bytes
        At least the first 348 bytes of a file.
    """
    description = re.sub(rb";?(?:time|date)=[^;\x00]*", b"", header[148:228], flags=re.IGNORECASE).lstrip(b";")
    return header[:148] + description.ljust(80, b"\0")[:80] + bytes(24) + header[252:]
