"""The images of a dataset as observations: what sidecars and NIfTI headers say. Opens them, writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bidsflow.convert.drift.headers import shorten_name
from bidsflow.convert.drift.observation import Observation, Value, is_number, merge_b_values, number_scanners
from bidsflow.errors import BidsflowError, DatasetError, FileFault
from bidsflow.names import BidsName, parse_name
from bidsflow.validate.context.inheritance import AmbiguousError, find_inherited
from bidsflow.validate.context.walk import File, read_tree
from bidsflow.validate.readers.gradients import load_rows
from bidsflow.validate.readers.json import load_json
from bidsflow.validate.readers.nifti import load_header

_NUMBERS = (
    "RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "EffectiveEchoSpacing", "TotalReadoutTime",
    "PixelBandwidth", "MultibandAccelerationFactor", "ParallelReductionFactorInPlane", "PartialFourier",
    "MagneticFieldStrength",
)  # fmt: skip
_WORDS = {
    "ReceiveCoilName": "ReceiveCoilName", "SoftwareVersions": "SoftwareVersions",
    "ManufacturersModelName": "ManufacturersModelName", "DeviceSerialNumber": "Scanner",
}  # fmt: skip
_ASIDE = frozenset({"derivatives", "sourcedata", "code", "stimuli", "phenotype"})
#: Kinds of images that an MR scanner measures.
_DATATYPES = frozenset({"anat", "func", "dwi", "fmap", "perf"})
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}
#: How headers and people call head and feet.
_ENDS = {"S": "H", "I": "F"}


def observe_dataset(root: Path, fields: Collection[str] = ()) -> tuple[Observation, ...]:
    """Return what the images of a dataset say of how they were measured.

    Parameters
    ----------
    root : Path
        The dataset; its derivatives are left out.
    fields : collection of str
        Keys of sidecars to read as they are, beside the parameters.

    Raises
    ------
    DatasetError
        If the folder cannot be listed.
    """
    try:
        tree = read_tree(str(root), skip=_ASIDE)
    except OSError as error:
        raise DatasetError(str(root), error.strerror or "it cannot be listed") from error
    found = []
    for file in tree.walk():
        name = _parse(file)
        if name is not None:
            sidecar = _merge(file)
            more = {
                key: sidecar[key] for key in fields if isinstance(sidecar.get(key), str) or is_number(sidecar.get(key))
            }
            parameters = {**more, **dict(_read(file, sidecar))}
            found.append(Observation(name.sub, name.ses, shorten_name(name), file.path[1:], parameters, is_turned=True))
    return number_scanners(found)


def _parse(file: File) -> BidsName | None:
    if not file.name.endswith((".nii.gz", ".nii")):
        return None
    try:
        name = parse_name(file.path[1:])
    except BidsflowError:
        return None
    return name if name.datatype in _DATATYPES else None


def _merge(file: File) -> dict[str, Any]:
    """Return the metadata of an image (BIDS, the inheritance principle); what cannot be read says nothing."""
    merged: dict[str, Any] = {}
    with suppress(AmbiguousError):
        for files in find_inherited(file):
            merged = _load(files[0].disk) | merged
    return merged


def _load(path: str) -> dict[str, Any]:
    try:
        return load_json(path)
    except FileFault:
        return {}


def _read(file: File, sidecar: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """Give what is known of an image."""
    for key in _NUMBERS:
        if is_number(sidecar.get(key)):
            yield key, float(sidecar[key])
    for key, ours in _WORDS.items():
        if word := _to_text(sidecar.get(key)):
            yield ours, word
    if words := sidecar.get("ImageType"):
        yield "ImageType", " ".join(str(word).upper() for word in (words if isinstance(words, list) else [words]))
    if details := _to_text(sidecar.get("PulseSequenceDetails")):
        yield "Sequence", details.replace("\\", "/").rsplit("/", 1)[-1].removeprefix("%")
    header: dict[str, Any] = {}
    with suppress(FileFault):
        header = load_header(file.disk)
    yield from _read_header(header)
    if direction := _direction(sidecar, header.get("axis_codes")):
        yield "PhaseEncodingDirection", direction
    if shells := _read_shells(file):
        yield "BValues", shells


def _to_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""


def _read_header(header: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """Give what a NIfTI header says of the grid."""
    shape, sizes = header.get("shape", []), header.get("voxel_sizes", [])
    if len(shape) < 3:
        return
    yield "Volumes", shape[3] if len(shape) > 3 else 1
    yield "Matrix", tuple(float(count) for count in shape[:3])
    if header["xyzt_units"]["xyz"] in ("mm", "unknown"):
        yield "VoxelSize", tuple(float(size) for size in sizes[:3])


def _direction(sidecar: Mapping[str, Any], codes: list[str] | None) -> str:
    """Return where phase encoding runs to in the patient, as ``AP``; as BIDS says it where the image does not tell.

    Source: BIDS, PhaseEncodingDirection: from the first to the last index of the axis, ``-`` for the other way.

    Examples
    --------
    >>> _direction({"PhaseEncodingDirection": "j-"}, ["R", "A", "S"]), _direction({"PhaseEncodingAxis": "i"}, None)
    ('AP', 'i')
    """
    said = sidecar.get("PhaseEncodingDirection")
    told = said if isinstance(said, str) else sidecar.get("PhaseEncodingAxis")
    if not isinstance(told, str) or told[:1] not in ("i", "j", "k"):
        return ""
    if codes is None:
        return told
    end = codes["ijk".index(told[0])]
    start = _OPPOSITE[end]
    if told.endswith("-"):
        start, end = end, start
    start, end = _ENDS.get(start, start), _ENDS.get(end, end)
    if said is None:
        return next(both for both in ("RL/LR", "AP/PA", "FH/HF") if f"{start}{end}" in both)
    return start + end


def _read_shells(file: File) -> tuple[float, ...]:
    """Return the b-values of a diffusion series, merged to shells."""
    if file.parts.suffix != "dwi":
        return ()
    try:
        files = next(find_inherited(file, extensions=(".bval",)), None)
        rows = load_rows(files[0].disk) if files else []
        return merge_b_values([float(field) for row in rows for field in row])
    except (AmbiguousError, FileFault, ValueError):
        return ()
