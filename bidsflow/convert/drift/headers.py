"""The images of an export as observations: what its headers say, under the names that its plan gives. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from bidsflow.convert.drift.observation import Observation, Value, merge_b_values, number_scanners
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow
from bidsflow.convert.study.fields import FIELDS, read_field
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import phase_encoding
from bidsflow.dicom.series import Image, Inventory, Series
from bidsflow.errors import BidsflowError
from bidsflow.names import BidsName, parse_name

#: DICOM keyword, key of BIDS, and what a number of the header is multiplied with to have the unit of BIDS.
_NUMBERS = (
    ("RepetitionTime", "RepetitionTime", 1e-3),
    ("InversionTime", "InversionTime", 1e-3),
    ("FlipAngle", "FlipAngle", 1.0),
    ("MagneticFieldStrength", "MagneticFieldStrength", 1.0),
    ("MultibandFactor", "MultibandAccelerationFactor", 1.0),
    ("InPlaneAcceleration", "ParallelReductionFactorInPlane", 1.0),
)
_WORDS = (
    ("ReceiveCoilName", "ReceiveCoilName"),
    ("SoftwareVersions", "SoftwareVersions"),
    ("ManufacturerModelName", "ManufacturersModelName"),
    ("DeviceSerialNumber", "Scanner"),
    ("SequenceFile", "Sequence"),
)
#: Axes of phase encoding whose polarity the header keeps to itself.
_AXES = ("RL/LR", "AP/PA", "FH/HF")


def observe_export(inventory: Inventory, plan: Plan, fields: Collection[str] = ()) -> tuple[Observation, ...]:
    """Return what was measured, image by image; localizers and maps that the plan skips are left out.

    Images that a person has to name yet stand under the description of their series.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    plan : Plan
        The names of its images.
    fields : collection of str
        Fields of a study (`study.fields.FIELDS`) to read as they are, beside the parameters.
    """
    by_uid = {series.uid: series for series in inventory.series}
    visits = _find_visits(plan, by_uid)
    found = []
    for row in plan.rows:
        series = by_uid.get(row.series_uid)
        if series is None or row.decision is Decision.SKIP or len(series.images) < row.image:
            continue
        name = _parse(row)
        subject, session = (name.sub, name.ses) if name else visits.get(series.study_uid, ("", ""))
        if not subject:
            continue
        shown = shorten_name(name) if name else f"not named: {row.series_description or row.protocol_name}"
        image = series.images[row.image - 1]
        parameters = {**_read_fields(series, image, fields), **dict(_read(series, image))}
        found.append(Observation(subject, session, shown, row.title, parameters))
    return number_scanners(found)


def shorten_name(name: BidsName) -> str:
    """Return what the images of a protocol share: no subject, session, run.

    Examples
    --------
    >>> shorten_name(parse_name("sub-01/func/sub-01_task-rest_run-2_bold"))
    'func/task-rest_bold'
    """
    pairs = [f"{key}-{value}" for key, value in name.entities if key != "run"]
    return f"{name.datatype}/{'_'.join([*pairs, name.suffix])}"


def _parse(row: PlanRow) -> BidsName | None:
    if row.path == NOT_APPLICABLE:
        return None
    try:
        return parse_name(row.path)
    except BidsflowError:
        return None


def _find_visits(plan: Plan, by_uid: Mapping[str, Series]) -> dict[str, tuple[str, str]]:
    """Return subject and session of each study, as the rows that have a name say."""
    found: dict[str, tuple[str, str]] = {}
    for row in plan.rows:
        name = _parse(row)
        if name is not None and row.series_uid in by_uid:
            found.setdefault(by_uid[row.series_uid].study_uid, (name.sub, name.ses))
    return found


def _read_fields(series: Series, image: Image, fields: Collection[str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name in fields:
        text = read_field(name, series, image)
        if text:
            found[name] = _to_number(text) if FIELDS.get(name) is float else text
    return found


def _to_number(text: str) -> Value:
    try:
        return float(text.partition("\\")[0])
    except ValueError:
        return text


def _read(series: Series, image: Image) -> Iterator[tuple[str, Value]]:
    """Give what the headers of an image say."""
    header = image.header
    both = (header, series.header)
    yield "Volumes", image.volumes
    yield "Matrix", tuple(map(float, image.matrix))
    for keyword, key, factor in _NUMBERS:
        number = next((one.number(keyword) for one in both if one.number(keyword) > 0), 0.0)
        if number and (key != "MultibandAccelerationFactor" or number > 1):  # CMRR keeps its own, and says 1 here
            yield key, number * factor
    if image.echo_time > 0:
        yield "EchoTime", image.echo_time / 1000
    if size := _voxel_size(header):
        yield "VoxelSize", size
    if direction := _direction(header, series.header):
        yield "PhaseEncodingDirection", direction
    if image.b_values:
        yield "BValues", merge_b_values(image.b_values)
    for keyword, key in _WORDS:
        word = next((one.text(keyword) for one in both if one.text(keyword)), "")
        if word:
            yield key, " ".join(word.replace("\\", ", ").split())
    if words := header.words("ImageType"):
        yield "ImageType", " ".join(words)


def _voxel_size(header: Header) -> tuple[float, ...]:
    """Return rows, columns and the distance of slices in mm; empty where the header does not say all."""
    plane = header.numbers("PixelSpacing")
    depth = header.number("SpacingBetweenSlices") or header.number("SliceThickness")
    return (plane[1], plane[0], depth) if len(plane) == 2 and depth > 0 else ()


def _direction(header: Header, shared: Header) -> str:
    """Return where phase encoding runs to; both ways where the polarity is not known."""
    if known := phase_encoding(header) or phase_encoding(shared):
        return known
    axis = {"COL": 3, "COLUMN": 3, "ROW": 0}.get(header.text("InPlanePhaseEncodingDirection"))
    orientation = header.numbers("ImageOrientationPatient")
    if axis is None or len(orientation) != 6:
        return ""
    course = orientation[axis : axis + 3]
    return _AXES[max(range(3), key=lambda i: abs(course[i]))]
