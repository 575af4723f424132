"""What a study says of sidecars, held against what headers tell. Pure.

A study goes before headers, which may be wrong. Where the two contradict each other a person is told; what would break
an image is not done.

Sources: BIDS schema, ``rules.checks.mri`` (SliceTiming has a time for each slice, within RepetitionTime),
``objects.metadata.PhaseEncodingDirection``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import NamedTuple

from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import find_axis, find_polarity
from bidsflow.dicom.series import Image, Series

#: Fields of BIDS with the same name in DICOM, and the factor from the unit of DICOM to that of BIDS.
_FACTORS = {
    "RepetitionTime": 1e-3, "EchoTime": 1e-3, "InversionTime": 1e-3, "FlipAngle": 1.0, "MagneticFieldStrength": 1.0,
    "SliceThickness": 1.0,
}  # fmt: skip
_DIRECTIONS = ("i", "i-", "j", "j-", "k", "k-")
#: Numbers are equal that differ by no more than this share: scanners write 29.999999 for 30.
_TOLERANCE = 1e-3
#: Fields that change what an image is used for: its clock, or its geometry.
SERIOUS = frozenset({"RepetitionTime", "PhaseEncodingDirection"})
#: Lists and tables longer than this many letters are counted instead of shown.
_LONG = 60


class Clash(NamedTuple):
    """A field of which a study and the headers say different things."""

    key: str
    given: object
    told: object

    def __str__(self) -> str:
        return f"{self.key} = {show(self.given)}, and its headers say {show(self.told)}"


class Fault(NamedTuple):
    """A field that no image can have as a study gives it, and why."""

    key: str
    reason: str


def show(value: object) -> str:
    """Return a value as people read it: JSON, and what is long is counted.

    Examples
    --------
    >>> show("j-"), show(0.03), show([0.0] * 60), show([0.0, float("inf")])
    ('"j-"', '0.03', '60 values', '[0.0, "inf"]')
    """
    text = f"{value:.6g}" if isinstance(value, float) else json.dumps(_spell(value), ensure_ascii=False)
    return f"{len(value)} values" if isinstance(value, list | dict) and len(text) > _LONG else text


def _spell(value: object) -> object:
    """Return a value with words for numbers that JSON does not have."""
    if isinstance(value, list):
        return [_spell(one) for one in value]
    if isinstance(value, dict):
        return {key: _spell(one) for key, one in value.items()}
    return f"{value:g}" if isinstance(value, float) and not math.isfinite(value) else value


def find_fault(image: Image, given: Mapping[str, object]) -> Fault | None:
    """Return what a study gives that would break an image, None where nothing does.

    Parameters
    ----------
    image : Image
        What its headers tell.
    given : mapping
        Fields of the study for its sidecar, in the units of BIDS.
    """
    direction = given.get("PhaseEncodingDirection")
    if direction is not None and direction not in _DIRECTIONS:
        return Fault("PhaseEncodingDirection", f"is {show(direction)}, and BIDS has {', '.join(_DIRECTIONS)}")
    if "RepetitionTime" in given and not _is_duration(given["RepetitionTime"]):
        return Fault("RepetitionTime", f"is {show(given['RepetitionTime'])}: BIDS has a number of seconds above 0")
    if "SliceTiming" not in given:
        return None
    times, slices = given["SliceTiming"], image.matrix[2]
    if not isinstance(times, list) or not all(map(_is_number, times)):
        return Fault("SliceTiming", "is no list of numbers: BIDS has a time in seconds for each slice")
    if odd := [one for one in times if not 0 <= one < math.inf]:
        return Fault("SliceTiming", f"holds {show(odd[0])}: times count from the beginning of a volume, 0 or later")
    along = str(given.get("SliceEncodingDirection", "k"))
    if along.startswith("k") and slices and len(times) != slices:
        count = f"{len(times)} value{'s' if len(times) != 1 else ''}"
        return Fault("SliceTiming", f"has {count}, and the image has {slices} slices")
    repetition = given.get("RepetitionTime", _read_number("RepetitionTime", image.header))
    if isinstance(repetition, int | float) and 0 < repetition * (1 + _TOLERANCE) < max(times, default=0):
        return Fault("SliceTiming", f"reaches {max(times):g} s, beyond a RepetitionTime of {repetition:g} s")
    return None


def find_clashes(series: Series, image: Image, given: Mapping[str, object]) -> tuple[Clash, ...]:
    """Return the fields of a study that contradict the headers of an image of a series."""
    told = tell_fields(image)
    found = [Clash(key, given[key], told[key]) for key in told if key in given and not is_same(given[key], told[key])]
    direction = tell_direction(series.header)
    wanted = given.get("PhaseEncodingDirection")
    if direction and isinstance(wanted, str) and wanted not in direction:
        found.append(Clash("PhaseEncodingDirection", wanted, " or ".join(direction)))
    return tuple(found)


def is_serious(clash: Clash, image: Image) -> bool:
    """Return whether what contradicts the headers changes what an image is used for; one volume has no clock."""
    return clash.key in SERIOUS and (clash.key != "RepetitionTime" or image.volumes > 1)


def tell_fields(image: Image) -> dict[str, float]:
    """Return the numbers of BIDS that the headers of an image tell, in the units of BIDS; 0 tells nothing."""
    numbers = {key: _read_number(key, image.header) for key in _FACTORS}
    numbers["EchoTime"] = image.echo_time * _FACTORS["EchoTime"]
    return {key: value for key, value in numbers.items() if value > 0}


def _read_number(key: str, header: Header) -> float:
    return header.number(key) * _FACTORS[key]


def tell_direction(header: Header) -> tuple[str, ...]:
    """Return the PhaseEncodingDirection that headers allow: one, two where they keep the polarity, none if unknown.

    What is measured in 3D dcm2niix may lay out anew, and nothing is told of that.
    """
    axis, polarity = find_axis(header), find_polarity(header)
    if not axis or header.text("MRAcquisitionType") != "2D":
        return ()
    if not polarity:
        return axis, f"{axis}-"
    return (axis if (polarity == "1") == (axis == "i") else f"{axis}-",)


def is_same(one: object, other: object) -> bool:
    """Return whether two values of a sidecar are equal, numbers to a thousandth part.

    Examples
    --------
    >>> is_same(2, 2.0001), is_same([0, 1.0], [0.0, 1]), is_same("j", "j-"), is_same([0], 0)
    (True, True, False, False)
    """
    if _is_number(one) and _is_number(other):
        first, second = float(one), float(other)  # type: ignore[arg-type]
        return abs(first - second) <= _TOLERANCE * max(abs(first), abs(second))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return one == other


def _is_duration(value: object) -> bool:
    return _is_number(value) and 0 < float(value) < math.inf  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def note_replaced(sidecar: Mapping[str, object], given: Mapping[str, object]) -> tuple[str, ...]:
    """Return which values of a sidecar a study replaces by others, a clause.

    Parameters
    ----------
    sidecar : mapping
        Of the image, as the headers make it. What is only estimated there may be replaced unsaid.
    given : mapping
        Fields of the study.
    """
    clashes = [Clash(key, given[key], sidecar[key]) for key in given if key in sidecar]
    said = [str(one) for one in clashes if not is_same(one.given, one.told) and f"Estimated{one.key}" not in sidecar]
    return (f"the study gives {'; '.join(said)}: written as the study says",) if said else ()
