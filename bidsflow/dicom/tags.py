"""The DICOM elements that bidsflow uses, as data: keyword, tag, value representation, private creator.

Sources: DICOM PS3.6 (data dictionary), PS3.3 C.7.6.16 (functional groups); private elements as listed in pydicom's
private dictionary and in dcm2niix's ``nii_dicom.cpp``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Element(NamedTuple):
    """One element: its keyword, its value representation, and the creator of its block where it is private."""

    keyword: str
    vr: str
    creator: str = ""


def _table(text: str) -> dict[int, Element]:
    """Return the elements of lines ``GGGGEEEE VR Keyword``, keyed by ``group << 16 | element``."""
    rows = (line.split() for line in text.strip().splitlines())
    return {int(tag, 16): Element(keyword, vr) for tag, vr, keyword in rows}


#: Standard elements at the top level of an instance, read from every file.
TOP: dict[int, Element] = _table("""
00080005 CS SpecificCharacterSet
00080008 CS ImageType
00080016 UI SOPClassUID
00080018 UI SOPInstanceUID
00080020 DA StudyDate
00080021 DA SeriesDate
00080022 DA AcquisitionDate
00080023 DA ContentDate
0008002A DT AcquisitionDateTime
00080030 TM StudyTime
00080031 TM SeriesTime
00080032 TM AcquisitionTime
00080033 TM ContentTime
00080060 CS Modality
00080070 LO Manufacturer
0008103E LO SeriesDescription
00081090 LO ManufacturerModelName
00089205 CS PixelPresentation
00089208 CS ComplexImageComponent
00089209 CS AcquisitionContrast
00100010 PN PatientName
00100020 LO PatientID
00100030 DA PatientBirthDate
00100040 CS PatientSex
00101010 AS PatientAge
00180010 LO ContrastBolusAgent
00180015 CS BodyPartExamined
00180020 CS ScanningSequence
00180021 CS SequenceVariant
00180022 CS ScanOptions
00180023 CS MRAcquisitionType
00180024 SH SequenceName
00180025 CS AngioFlag
00180050 DS SliceThickness
00180080 DS RepetitionTime
00180081 DS EchoTime
00180082 DS InversionTime
00180086 IS EchoNumbers
00180087 DS MagneticFieldStrength
00180088 DS SpacingBetweenSlices
00180091 IS EchoTrainLength
00181000 LO DeviceSerialNumber
00181020 LO SoftwareVersions
00181030 LO ProtocolName
00181042 TM ContrastBolusStartTime
00181250 SH ReceiveCoilName
00181310 US AcquisitionMatrix
00181312 CS InPlanePhaseEncodingDirection
00181314 DS FlipAngle
00181316 DS SAR
00185100 CS PatientPosition
00189005 SH PulseSequenceName
00189008 CS EchoPulseSequence
00189014 CS PhaseContrast
00189015 CS TimeOfFlightContrast
00189017 CS SteadyStatePulseSequence
00189018 CS EchoPlanarPulseSequence
00189025 CS SpectrallySelectedSuppression
00189034 CS RectilinearPhaseEncodeReordering
00189075 CS DiffusionDirectionality
00189087 FD DiffusionBValue
00189089 FD DiffusionGradientOrientation
00189250 CS ArterialSpinLabelingContrast
00189258 UL ASLPulseTrainDuration
0020000D UI StudyInstanceUID
0020000E UI SeriesInstanceUID
00200011 IS SeriesNumber
00200012 IS AcquisitionNumber
00200013 IS InstanceNumber
00200032 DS ImagePositionPatient
00200037 DS ImageOrientationPatient
00200052 UI FrameOfReferenceUID
00200100 IS TemporalPositionIdentifier
00200105 IS NumberOfTemporalPositions
00201002 IS ImagesInAcquisition
00204000 LT ImageComments
00280002 US SamplesPerPixel
00280008 IS NumberOfFrames
00280010 US Rows
00280011 US Columns
00280030 DS PixelSpacing
00280100 US BitsAllocated
00280301 CS BurnedInAnnotation
00281054 LO RescaleType
""")

#: Elements inside functional groups of multi-frame instances.
FUNCTIONAL: dict[int, Element] = _table("""
00089007 CS FrameType
00089208 CS ComplexImageComponent
00180050 DS SliceThickness
00180080 DS RepetitionTime
00180088 DS SpacingBetweenSlices
00180091 IS EchoTrainLength
00181312 CS InPlanePhaseEncodingDirection
00181314 DS FlipAngle
00189009 CS InversionRecovery
00189016 CS Spoiling
00189020 CS MagnetizationTransfer
00189079 FD InversionTimes
00189082 FD EffectiveEchoTime
00189087 FD DiffusionBValue
00189089 FD DiffusionGradientOrientation
00189342 CS ContrastBolusAgentAdministered
00200032 DS ImagePositionPatient
00200037 DS ImageOrientationPatient
00189241 US GradientEchoTrainLength
00189254 FD ASLSlabThickness
00189257 CS ASLContext
00189258 UL ASLPulseTrainDuration
00189259 CS ASLCrusherFlag
0018925A FD ASLCrusherFlowLimit
0018925C CS ASLBolusCutoffFlag
0018925E LO ASLBolusCutoffTechnique
0018925F UL ASLBolusCutoffDelayTime
00209128 UL TemporalPositionIndex
00280030 DS PixelSpacing
00281054 LO RescaleType
""")

#: Sequences of functional groups that hold elements of `FUNCTIONAL` (PS3.3 C.7.6.16.2, C.8.13.5), and Siemens' own two.
DESCEND: frozenset[int] = frozenset({
    0x00189076, 0x00189112, 0x00189114, 0x00189115, 0x00189117, 0x00189125, 0x00189226, 0x00189251, 0x0018925D,
    0x00189260, 0x00189341,
    0x00209111, 0x00209113, 0x00209116, 0x00289110, 0x00289145, 0x002110FE, 0x002111FE,
})  # fmt: skip

SHARED_GROUPS = 0x52009229
FRAME_GROUPS = 0x52009230
PIXEL_DATA = 0x7FE00010
FLOAT_PIXEL_DATA = (0x7FE00008, 0x7FE00009)


def _private(creator: str, text: str) -> dict[int, Element]:
    rows = (line.split() for line in text.strip().splitlines())
    return {int(tag, 16): Element(keyword, vr, creator) for tag, vr, keyword in rows}


#: Private elements, read from every file. The tag is the one in the usual block; the creator decides where it stands.
PRIVATE: dict[int, Element] = {
    **_private("SIEMENS MR HEADER", """
0019100A US MosaicSlices
0019100C IS SiemensBValue
0019100E FD SiemensGradient
"""),
    **_private("GEMS_ACQU_01", """
0019109C LO GePulseSequence
0019109E LO GeInternalSequence
"""),
    **_private("GEMS_RELA_01", "0021104F SS GeLocations"),
    **_private("GEMS_IMAG_01", "00271062 FL GeExcitations"),
    **_private("GEMS_PARM_01", """
00431002 SS GeShimX
00431003 SS GeShimY
00431004 SS GeShimZ
0043102F SS GeImageType
00431039 IS GeBValue
004310A3 CS GeAslContrast
004310A5 IS GeLabelDuration
"""),
    **_private("Image Private Header", """
00651009 FD UihBValue
00651050 DS UihGridSlices
"""),
    **_private("Philips Imaging DD 001", """
20011003 FL PhilipsBValue
20011004 CS PhilipsDiffusionDirection
20011008 IS PhilipsPhase
20011013 SL PhilipsEpiFactor
20011018 SL PhilipsSlices
20011020 LO PhilipsTechnique
20011081 IS PhilipsDynamics
"""),
    **_private("Philips MR Imaging DD 005", "20051429 CS PhilipsLabel"),
}  # fmt: skip

#: Private elements inside functional groups (Siemens XA).
FUNCTIONAL_PRIVATE: dict[int, Element] = _private(
    "SIEMENS MR SDI 02",
    """
0021111C IS PhaseEncodingPositive
00211175 CS SiemensImageType
00211189 FD SiemensLabelDelay
""",
)

#: Elements whose values are bytes, read only from one file of a series.
BLOBS: dict[int, Element] = {
    **_private("GEMS_SERS_01", "0025101B OB GeProtocol"),
    **_private("GEMS_PARM_01", "0043102A OB GeUserData"),
    **_private("SIEMENS CSA HEADER", """
00291010 OB CsaImage
00291020 OB CsaSeries
"""),
}  # fmt: skip

#: Bytes inside the shared functional groups: the protocol of Siemens XA.
FUNCTIONAL_BLOBS: dict[int, Element] = _private("SIEMENS MR SDS 01", "00211019 OB SiemensProtocol")

#: Last group to read for each maker; beyond it stands nothing of `TOP` or `PRIVATE`. ``""`` is every other maker.
LAST_GROUP: dict[str, int] = {"SIEMENS": 0x0028, "GE": 0x0043, "PHILIPS": 0x2005, "UIH": 0x0065, "": 0x2001}

#: How makers begin their names (dcm2niix tells them apart by the first two letters).
_MAKERS = {
    "SIEMENS": "SIEMENS",
    "GE": "GE",
    "PHILIPS": "PHILIPS",
    "UIH": "UIH",
    "UNITED IMAGING": "UIH",
    "SHANGHAI UNITED IMAGING": "UIH",
}


def find_maker(manufacturer: str) -> str:
    """Return the short name of a maker: ``SIEMENS``, ``GE``, ``PHILIPS``, ``UIH`` or ``""`` for every other.

    Examples
    --------
    >>> find_maker("Siemens Healthineers"), find_maker("GE MEDICAL SYSTEMS"), find_maker("CANON_MEC")
    ('SIEMENS', 'GE', '')
    """
    name = manufacturer.strip("\0 ").upper()
    return next((short for start, short in _MAKERS.items() if name.startswith(start)), "")


@lru_cache(maxsize=64)
def last_group(manufacturer: str) -> int:
    """Return the last group to read of a single-frame file of a maker."""
    return LAST_GROUP[find_maker(manufacturer)]
