"""Multi-frame DICOM as Siemens XA writes it: one volume per file, 12 bits, private functional groups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from bidsflow.phantom import header
from bidsflow.phantom.grid import Array
from bidsflow.phantom.header import Study, find_diffusion, format_number, format_numbers
from bidsflow.phantom.perfusion import DELAY, label_frame
from bidsflow.phantom.phoenix import format_protocol
from bidsflow.phantom.protocol import Series
from bidsflow.phantom.render import Volume
from bidsflow.phantom.uid import make_uid

_SOFTWARE = "syngo MR XA30"
_VERSION = 63010001
_SHARED = "SIEMENS MR SDS 01"
_FRAME = "SIEMENS MR SDI 02"
_PLANE_GROUP, _STACK, _IN_STACK, _TIME = (Tag(t) for t in (0x00209111, 0x00209056, 0x00209057, 0x00209128))


def write_volume(study: Study, series: Series, volume: Volume) -> Iterator[Dataset]:
    """Yield one multi-frame data set with all slices of a volume."""
    echoes = 1 if series.form == "phase" else len(series.sequence.te_ms)
    echo = 0 if series.form == "phase" else volume.echo
    instance = volume.index * echoes + echo + 1
    ds = Dataset()
    ds.SOPClassUID = header.ENHANCED_STORAGE
    ds.SOPInstanceUID = study.instance_uid(series, instance)
    header.add_patient(ds, study)
    header.add_study(ds, study)
    header.add_series(ds, study, series)
    header.add_equipment(ds, manufacturer="Siemens Healthineers", software=_SOFTWARE)
    _add_acquisition(ds, series, volume, instance)
    _add_dimensions(ds, study, series)
    columns, rows, slices = volume.grid.shape
    ds.NumberOfFrames = slices
    header.add_pixels(ds, rows=rows, columns=columns, data=volume.pixels.tobytes(), largest=int(volume.pixels.max()))
    ds.SharedFunctionalGroupsSequence = Sequence([_make_shared(study, series, volume)])
    common = _make_common(series, volume)
    frames = [_make_frame(series, volume, k, common) for k in range(slices)]
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    yield ds


def _list_image_type(series: Series) -> list[str]:
    if series.form == "adc":
        return ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
    if series.labels:
        return ["ORIGINAL", "PRIMARY", "ASL", "NONE"]
    if series.form == "epi" and series.sequence.contrast.kind == "spoiled":
        return ["ORIGINAL", "PRIMARY", "FMRI", "NONE"]
    return ["ORIGINAL", "PRIMARY", {"diffusion": "DIFFUSION", "phase": "P"}.get(series.form, "M"), "NONE"]


def _list_image_text(series: Series) -> list[str]:
    """Return the image type as VE wrote it, which XA keeps in (0021,1175)."""
    kind = ["M" if k == "FMRI" else k for k in _list_image_type(series)]
    return [*(kind if series.form in {"diffusion", "adc"} else kind[:3]), "ND"]


def _add_frame_type(ds: Dataset, series: Series) -> None:
    """Write what the data set and each of its frames say alike (DICOM PS3.3 C.8.16.2)."""
    ds.PixelPresentation = "MONOCHROME"
    ds.VolumetricProperties = "VOLUME" if series.sequence.dimensions == "3D" else "DISTORTED"
    ds.VolumeBasedCalculationTechnique = "NONE"
    ds.ComplexImageComponent = "PHASE" if series.form == "phase" else "MAGNITUDE"
    contrast = "DIFFUSION" if series.form in {"diffusion", "adc"} else "UNKNOWN"
    ds.AcquisitionContrast = "PERFUSION" if series.labels else contrast


def _add_acquisition(ds: Dataset, series: Series, volume: Volume, instance: int) -> None:
    """Write the modules of the acquisition that stand outside the functional groups."""
    sequence = series.sequence
    moment = series.volume_start(volume.index)
    ds.ImageType = _list_image_type(series)
    _add_frame_type(ds, series)
    ds.ContentDate = ds.InstanceCreationDate = header.format_date(moment)
    ds.ContentTime = ds.InstanceCreationTime = header.format_time(moment + timedelta(seconds=2))
    ds.AcquisitionDateTime = moment.strftime("%Y%m%d%H%M%S.%f")
    ds.InstanceNumber = instance
    ds.AcquisitionNumber = volume.index + 1
    ds.NumberOfTemporalPositions = series.planned
    ds.MRAcquisitionType = sequence.dimensions
    ds.SpacingBetweenSlices = format_number(volume.grid.spacing[2])
    ds.ContentQualification = "RESEARCH"
    if series.labels:
        ds.ArterialSpinLabelingContrast = "PSEUDOCONTINUOUS"
    ds.PulseSequenceName = sequence.name
    ds.EchoPulseSequence = "SPIN" if "SE" in sequence.scanning else "GRADIENT"
    ds.MultipleSpinEcho = "YES" if "SE" in sequence.scanning else "NO"
    ds.MultiPlanarExcitation = "NO"
    ds.PhaseContrast = "NO"
    ds.TimeOfFlightContrast = "NO"
    ds.SteadyStatePulseSequence = "NONE"
    ds.EchoPlanarPulseSequence = "YES" if series.readout else "NO"
    ds.SaturationRecovery = "NO"
    ds.SpectrallySelectedSuppression = "FAT" if sequence.contrast.fat_saturated else "NONE"
    ds.OversamplingPhase = "NONE"
    ds.GeometryOfKSpaceTraversal = "RECTILINEAR"
    ds.SegmentedKSpaceTraversal = "SINGLE"
    ds.RectilinearPhaseEncodeReordering = "LINEAR"
    ds.KSpaceFiltering = "NONE"
    ds.AcquisitionDuration = float(series.duration)
    ds.NumberOfKSpaceTrajectories = 1
    ds.ResonantNucleus = "1H"
    ds.ApplicableSafetyStandardAgency = "IEC"
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.PresentationLUTShape = "IDENTITY"


def _add_dimensions(ds: Dataset, study: Study, series: Series) -> None:
    """Write the multi-frame dimension module: stack, position in the stack, time (DICOM PS3.3 C.7.6.17)."""
    uid = make_uid(study.seed, study.label, "dimension", series.number)
    ds.DimensionOrganizationSequence = Sequence([_item(DimensionOrganizationUID=uid)])

    def index(pointer: BaseTag) -> Dataset:
        return _item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=_PLANE_GROUP,
        )

    ds.DimensionIndexSequence = Sequence([index(p) for p in (_STACK, _IN_STACK, _TIME)])


def _item(**values: object) -> Dataset:
    """Return a sequence item with named elements."""
    out = Dataset()
    for name, value in values.items():
        setattr(out, name, value)
    return out


def _make_shared(study: Study, series: Series, volume: Volume) -> Dataset:
    """Return what holds for all frames (DICOM PS3.3 C.8.13.5)."""
    sequence, contrast, grid = series.sequence, series.sequence.contrast, volume.grid
    train = series.readout.lines if series.readout else sequence.echo_train
    out = Dataset()
    out.MRImagingModifierSequence = Sequence(
        [
            _item(
                PixelBandwidth=format_number(sequence.bandwidth),
                MagnetizationTransfer="NONE",
                BloodSignalNulling="NO",
                Tagging="NONE",
                TransmitterFrequency=header.FREQUENCY,
            )
        ]
    )
    coil = _item(ReceiveCoilName="HeadNeck_64", ReceiveCoilType="MULTICOIL", QuadratureReceiveCoil="NO")
    out.MRReceiveCoilSequence = Sequence([coil])
    out.MRTransmitCoilSequence = Sequence([_item(TransmitCoilName="Body", TransmitCoilType="BODY")])
    timing = _item(
        RepetitionTime=format_number(contrast.tr_ms),
        EchoTrainLength=train,
        FlipAngle=format_number(contrast.flip_deg),
        RFEchoTrainLength=0 if series.readout else sequence.echo_train,
        GradientEchoTrainLength=train if series.readout else 0,
    )
    out.MRTimingAndRelatedParametersSequence = Sequence([timing])
    modifier = _item(
        InversionRecovery="YES" if contrast.ti_ms else "NO",
        FlowCompensation="NONE",
        Spoiling="NONE",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        ParallelAcquisition="NO",
        PartialFourier="NO",
    )
    if contrast.ti_ms:
        modifier.InversionTimes = float(contrast.ti_ms)
    out.MRModifierSequence = Sequence([modifier])
    geometry = _item(
        PercentSampling="100",
        PercentPhaseFieldOfView="100",
        InPlanePhaseEncodingDirection="COLUMN",
        MRAcquisitionFrequencyEncodingSteps=grid.shape[0],
        MRAcquisitionPhaseEncodingStepsInPlane=grid.shape[1],
    )
    out.MRFOVGeometrySequence = Sequence([geometry])
    _add_shared_private(out, study, series, volume)
    return out


def _add_shared_private(ds: Dataset, study: Study, series: Series, volume: Volume) -> None:
    """Write (0021,10FE): what VE kept in the CSA series header."""
    sequence = series.sequence
    item = Dataset()
    block = item.private_block(0x0021, _SHARED, create=True)
    block.add_new(0x05, "IS", ["0", "0", "0"])
    block.add_new(0x0C, "SH", "+LPH")
    protocol = format_protocol(study, series, volume.grid, version=_VERSION)
    block.add_new(0x10, "IS", str(_VERSION))
    block.add_new(0x12, "FD", 2.0)
    block.add_new(0x19, "OB", _pad(protocol.encode("latin-1")))
    block.add_new(0x33, "SH", "AS82")
    block.add_new(0x38, "DS", "257")
    block.add_new(0x5A, "CS", list(sequence.scanning))
    block.add_new(0x5B, "CS", list(sequence.variant))
    block.add_new(0x5C, "CS", list(sequence.options))
    ds.private_block(0x0021, _SHARED, create=True).add_new(0xFE, "SQ", Sequence([item]))


def _pad(data: bytes) -> bytes:
    return data + b" " * (len(data) % 2)


def _make_common(series: Series, volume: Volume) -> Dataset:
    """Return what all slices of a volume say alike, each in its own words: made once, written with every frame."""
    grid = volume.grid
    out = Dataset()
    out.MREchoSequence = Sequence([_item(EffectiveEchoTime=float(series.sequence.te_ms[volume.echo]))])
    diffusion = find_diffusion(series, volume.index)
    if diffusion:
        out.MRDiffusionSequence = Sequence([_make_diffusion(*diffusion)])
    label_frame(out, series.labels, volume.index)
    out.MRAveragesSequence = Sequence([_item(NumberOfAverages="1")])
    kind = _item(FrameType=_list_image_type(series))
    _add_frame_type(kind, series)
    out.MRImageFrameTypeSequence = Sequence([kind])
    orientation = format_numbers((*grid.row, *grid.column))
    out.PlaneOrientationSequence = Sequence([_item(ImageOrientationPatient=orientation)])
    measures = _item(
        SliceThickness=format_number(grid.thickness),
        SpacingBetweenSlices=format_number(grid.spacing[2]),
        PixelSpacing=format_numbers((grid.spacing[1], grid.spacing[0])),
    )
    out.PixelMeasuresSequence = Sequence([measures])
    scaling = _item(
        RescaleIntercept=format_number(volume.intercept),
        RescaleSlope=format_number(volume.slope),
        RescaleType="US",
    )
    out.PixelValueTransformationSequence = Sequence([scaling])
    return out


def _make_frame(series: Series, volume: Volume, k: int, common: Dataset) -> Dataset:
    """Return what holds for one slice, with what it has in common with the others."""
    position = volume.grid.position(k)
    moment = series.volume_start(volume.index)
    late = 0.0 if series.sequence.dimensions == "3D" else series.slice_times[k]
    excited = (moment + timedelta(seconds=late)).strftime("%Y%m%d%H%M%S.%f")
    out = Dataset()
    out.update(common)
    content = _item(
        FrameAcquisitionDateTime=excited,
        FrameReferenceDateTime=excited,
        FrameAcquisitionDuration=float(series.sequence.contrast.tr_ms),
        StackID="1",
        InStackPositionNumber=k + 1,
        TemporalPositionIndex=volume.index + 1,
        FrameAcquisitionNumber=volume.index + 1,
        DimensionIndexValues=[1, k + 1, volume.index + 1],
    )
    out.FrameContentSequence = Sequence([content])
    out.PlanePositionSequence = Sequence([_item(ImagePositionPatient=format_numbers(position))])
    _add_frame_private(out, series, volume, position, k)
    return out


def _make_diffusion(b_value: float, vector: Array) -> Dataset:
    """Return the MR diffusion functional group (DICOM PS3.3 C.8.13.5.9)."""
    out = _item(
        DiffusionDirectionality="BMATRIX" if b_value else "NONE",
        DiffusionBValue=float(b_value),
    )
    if b_value:
        gradient = _item(DiffusionGradientOrientation=vector.tolist())
        out.DiffusionGradientDirectionSequence = Sequence([gradient])
        axes = [a + b for a, b in zip("XXXYYZ", "XYZYZZ", strict=True)]
        values = (b_value * np.outer(vector, vector))[np.triu_indices(3)].tolist()
        matrix = {f"DiffusionBValue{name}": value for name, value in zip(axes, values, strict=True)}
        out.DiffusionBMatrixSequence = Sequence([_item(**matrix)])
    return out


def _add_frame_private(ds: Dataset, series: Series, volume: Volume, position: Array, k: int) -> None:
    """Write (0021,11FE): what VE kept in the CSA image header."""
    positive = 1 if series.readout is None or series.readout.direction == "AP" else 0
    columns, rows, _ = volume.grid.shape
    item = Dataset()
    block = item.private_block(0x0021, _FRAME, create=True)
    late = 0.0 if series.sequence.dimensions == "3D" else series.slice_times[k]
    block.add_new(0x04, "DS", format_number(late))
    block.add_new(0x06, "LO", f"X_{volume.echo + 1}_1_1_1_1_1_1_1_1_1_1_1")
    block.add_new(0x1C, "IS", str(positive))
    block.add_new(0x42, "IS", str(int(1e9 / (2 * columns * series.sequence.bandwidth))))
    block.add_new(0x4F, "LO", "HC1-6")
    if series.readout:
        block.add_new(0x53, "FD", series.readout.bandwidth)
    block.add_new(0x58, "SH", f"{rows}*{columns}")
    block.add_new(0x5B, "FD", position.tolist())
    block.add_new(0x5E, "IS", str(k))
    block.add_new(0x75, "CS", _list_image_text(series))
    block.add_new(0x88, "DS", format_number(float(volume.grid.normal @ position)))
    if series.labels:
        block.add_new(0x89, "FD", float(DELAY))
    ds.private_block(0x0021, _FRAME, create=True).add_new(0xFE, "SQ", Sequence([item]))
