"""One image as it was measured, wherever that was read, and how its values are compared. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeAlias

Value: TypeAlias = str | float | tuple[float, ...]
"""Of a parameter: a word, a number, or several numbers in order."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a protocol sets, and how far two values of it may differ and still be the same.

    Attributes
    ----------
    label : str
        For people.
    unit : str
        Of its numbers; those of BIDS.
    absolute, relative : float
        Two numbers are the same within the larger of `absolute` and `relative` times the one that is expected.
    """

    label: str
    unit: str = ""
    absolute: float = 0.0
    relative: float = 0.0


#: What is compared, under the keys of BIDS where it has one. Tolerances are what scanners vary by themselves: TE and TR
#: that follow the angle of the slices, flip angles limited by the absorbed energy, sizes that are rounded in headers.
PARAMETERS: Final[Mapping[str, Parameter]] = MappingProxyType({
    "Volumes": Parameter("volumes"),
    "RepetitionTime": Parameter("TR", "s", relative=0.01),
    "EchoTime": Parameter("TE", "s", absolute=0.0001),
    "InversionTime": Parameter("TI", "s", relative=0.01),
    "FlipAngle": Parameter("flip angle", "°", absolute=0.5),
    "VoxelSize": Parameter("voxel size", "mm", absolute=0.01),
    "Matrix": Parameter("matrix"),
    "PhaseEncodingDirection": Parameter("phase encoding"),
    "EffectiveEchoSpacing": Parameter("echo spacing", "s", relative=0.01),
    "TotalReadoutTime": Parameter("readout time", "s", relative=0.01),
    "PixelBandwidth": Parameter("bandwidth", "Hz/px", relative=0.01),
    "MultibandAccelerationFactor": Parameter("multiband"),
    "ParallelReductionFactorInPlane": Parameter("acceleration in plane", absolute=0.01),
    "PartialFourier": Parameter("partial Fourier", absolute=0.01),
    "BValues": Parameter("b-values", "s/mm²", absolute=30, relative=0.05),
    "ImageType": Parameter("image type"),
    "Sequence": Parameter("sequence"),
    "ReceiveCoilName": Parameter("coil"),
    "MagneticFieldStrength": Parameter("field strength", "T", absolute=0.1),
    "ManufacturersModelName": Parameter("scanner model"),
    "SoftwareVersions": Parameter("software"),
    "Scanner": Parameter("scanner"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Observation:
    """One image as it was measured.

    Attributes
    ----------
    subject, session : str
        Labels; `session` is ``""`` where there are none.
    name : str
        What subjects share: ``func/task-rest_bold``, without subject, session and run.
    where : str
        How people find it: a path, or a series.
    parameters : mapping of str to Value
        By the keys of `PARAMETERS`; what is not known is absent.
    is_turned : bool
        Whether the axes may stand in another order than columns, rows and slices of the scanner, as in a dataset:
        dcm2niix turns three-dimensional images that are not transverse.
    """

    subject: str
    session: str
    name: str
    where: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    is_turned: bool = False

    @property
    def visit(self) -> tuple[str, str]:
        """Subject and session."""
        return self.subject, self.session


def is_same(found: Value, expected: Value, absolute: float = 0.0, relative: float = 0.0) -> bool:
    """Return whether two values are the same within tolerances.

    Examples
    --------
    >>> is_same(2.01, 2.0, relative=0.01), is_same((2.0, 2.0), (2.0, 2.5)), is_same("AP", "PA")
    (True, False, False)
    """
    match found, expected:
        case str(), str():
            return found == expected
        case tuple(), tuple():
            return len(found) == len(expected) and all(
                is_same(one, other, absolute, relative) for one, other in zip(found, expected, strict=True)
            )
        case int() | float(), int() | float():
            return abs(found - expected) <= max(absolute, relative * abs(expected)) + 1e-9
    return False


def is_usual(key: str, found: Value, expected: Value) -> bool:
    """Return whether two values of a parameter are the same within its own tolerances."""
    if key == "PhaseEncodingDirection" and isinstance(found, str) and isinstance(expected, str):
        return is_way(found, expected)
    rule = PARAMETERS.get(key, Parameter(key))
    return is_same(found, expected, rule.absolute, rule.relative)


def is_way(found: str, expected: str) -> bool:
    """Return whether phase encoding may run the same way; where only its axis is known, it may run either way.

    Examples
    --------
    >>> is_way("AP", "AP"), is_way("AP/PA", "PA"), is_way("AP", "PA"), is_way("AP/PA", "RL")
    (True, True, False, False)
    """
    return not {*found.split("/")}.isdisjoint(expected.split("/"))


def show_value(key: str, value: Value) -> str:
    """Return a value for reading, with its unit; seconds below a tenth, and echo times, as milliseconds.

    Examples
    --------
    >>> show_value("EchoTime", 0.03), show_value("VoxelSize", (2.0, 2.0, 2.5)), show_value("Sequence", "ep2d")
    ('30 ms', '2 x 2 x 2.5 mm', 'ep2d')
    """
    unit = PARAMETERS[key].unit if key in PARAMETERS else ""
    if isinstance(value, str):
        return value
    if unit == "s" and isinstance(value, int | float) and (abs(value) < 0.1 or key == "EchoTime"):
        value, unit = value * 1000, "ms"
    numbers = value if isinstance(value, tuple) else (value,)
    text = (", " if key == "BValues" else " x ").join(f"{number:.5g}" for number in numbers)
    return f"{text} {unit}".strip()


def show_values(key: str, values: Sequence[Value]) -> str:
    """Return several values for reading."""
    return " or ".join(show_value(key, value) for value in values)


def label_of(key: str) -> str:
    """Return what people call a parameter."""
    return PARAMETERS[key].label if key in PARAMETERS else key


def merge_b_values(values: Sequence[float]) -> tuple[float, ...]:
    """Return the shells of a diffusion series: b-values that scanners vary by direction count as one.

    Examples
    --------
    >>> merge_b_values([0, 5, 995, 1000, 1005, 2000])
    (0, 1000, 2000)
    """
    shells: list[list[float]] = []
    for value in sorted(values):
        if shells and value - shells[-1][0] <= max(50.0, 0.1 * shells[-1][0]):
            shells[-1].append(value)
        else:
            shells.append([value])
    return tuple(round(shell[len(shell) // 2] / 10) * 10 if shell[0] > 10 else 0 for shell in shells)


def is_number(value: object) -> bool:
    """Return whether a value of a sidecar is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number_scanners(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return the observations with serial numbers replaced by ``scanner 1``, ``scanner 2`` in the order they are seen.

    A serial number leads to an institution; that it changed is all that matters here.
    """
    numbers: dict[Value, str] = {}
    told = []
    for one in observations:
        serial = one.parameters.get("Scanner")
        if serial is None:
            told.append(one)
            continue
        name = numbers.setdefault(serial, f"scanner {len(numbers) + 1}")
        told.append(replace(one, parameters={**one.parameters, "Scanner": name}))
    return tuple(told)
