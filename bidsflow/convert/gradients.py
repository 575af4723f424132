"""Whether the tables of a diffusion image are whole and say what its headers say.

What makes a table unusable is refused; what only a model has to know of is told.

Sources: BIDS, "Diffusion imaging data" (``bval``, ``bvec``: unit vectors in image space, zero without weighting);
DICOM PS3.3 C.8.13.5.9 (Diffusion Gradient Orientation, in the patient); Siemens (0019,100E) likewise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from bidsflow.convert.outputs import Output
from bidsflow.dicom.images import is_derived
from bidsflow.dicom.physics import B_ZERO
from bidsflow.dicom.series import Image, Instance, Series
from bidsflow.errors import ConversionError

Vector = tuple[float, ...]

#: b-values that agree to this share, or to this many s/mm², are one: some makers round them, some add the crushers.
_SAME_SHARE, _SAME_B = 0.05, 20.0
#: Lengths within this of 1 are rounded ones.
_UNIT = 0.02
#: Components of two unit vectors that agree to this (about 3 degrees) are equal.
_TURN = 0.05
#: From this many weighted volumes on, equal directions are no choice of a protocol.
_MANY = 6
#: Axes with all components this near to 0 or 1 are those of the patient: nothing is to be turned.
_STRAIGHT = 0.02
#: Volumes whose direction is looked up in their headers.
_SAMPLE = 4


def check_gradients(series: Series, image: Image, output: Output) -> tuple[str, ...]:
    """Return what a person should know of the tables of a diffusion image, a clause each.

    Raises
    ------
    ConversionError
        If they do not have a value and a direction for each of its volumes, or hold what is none.
    """
    values = _read_table(series, output, ".bval", 1)[0]
    rows = _read_table(series, output, ".bvec", 3)
    if min(values) < 0:
        raise ConversionError(series.title, "dcm2niix wrote a .bval with negative b-values")
    vectors = [tuple(column) for column in zip(*rows, strict=True)]
    notes = (
        _note_values(values, image.b_values),
        _note_lengths(values, vectors),
        _note_directions(values, vectors),
        _note_turn(series, image, values, vectors),
    )
    return tuple(note for note in notes if note)


def _read_table(series: Series, output: Output, ext: str, rows: int) -> list[list[float]]:
    path = output.tables.get(ext)
    if path is None:
        said = "dcm2niix finds no b-values in it" if ext == ".bval" else "nothing tells its directions"
        raise ConversionError(series.title, f"{said}, which a dwi must have")
    lines = [line.split() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    if [len(line) for line in lines] != [output.volumes] * rows:
        raise ConversionError(series.title, f"dcm2niix wrote a {ext} that does not fit {output.volumes} volumes")
    try:
        table = [[float(word) for word in line] for line in lines]
    except ValueError:
        table = [[math.nan]]
    if not all(math.isfinite(value) for line in table for value in line):
        raise ConversionError(series.title, f"dcm2niix wrote a {ext} with values that are no numbers")
    return table


def _note_values(values: Sequence[float], announced: Sequence[float]) -> str:
    """Return how b-values that weight differ from those of the headers; GE's say nothing of the others."""
    if not announced:
        return ""
    new = any(not _is_among(value, announced) for value in values if value >= B_ZERO)
    lost = any(not _is_among(value, values) for value in announced if value >= B_ZERO)
    if not new and not lost:
        return ""
    shown, told = (", ".join(f"{value:g}" for value in sorted(set(several))) for several in (values, announced))
    return f"its b-values ({shown} s/mm2) are not those of the headers ({told})"


def _is_among(value: float, others: Sequence[float]) -> bool:
    return any(abs(value - other) <= max(_SAME_B, _SAME_SHARE * value) for other in others)


def _note_lengths(values: Sequence[float], vectors: Sequence[Vector]) -> str:
    """Return which weighted volumes have no direction, or one that is no unit vector."""
    weighted = [(rank, math.hypot(*vectors[rank])) for rank, value in enumerate(values) if value >= B_ZERO]
    none = [rank for rank, length in weighted if length < _UNIT]
    if none and len(none) == len(weighted):
        return "none of its weighted volumes has a direction: traces, of which no tensor can be made"
    if none:  # Philips appends the isotropic mean to a DTI
        which = ", ".join(str(rank + 1) for rank in none)
        return f"volume {which} of {len(values)} is weighted without a direction, as a trace is: no part of a tensor"
    odd = [length for _, length in weighted if abs(length - 1) > _UNIT]
    return f"the directions of {len(odd)} weighted volumes are no unit vectors (from {min(odd):.2f})" if odd else ""


def _note_directions(values: Sequence[float], vectors: Sequence[Vector]) -> str:
    directions = [vectors[rank] for rank, value in enumerate(values) if value >= B_ZERO and any(vectors[rank])]
    if len(directions) < _MANY or any(not _is_parallel(directions[0], other) for other in directions):
        return ""
    return f"all its {len(directions)} directions are the same"


def _is_parallel(one: Vector, other: Vector) -> bool:
    """Return whether two vectors are equal, or opposite, which is the same to diffusion."""
    return any(all(abs(a - sign * b) < _TURN for a, b in zip(one, other, strict=True)) for sign in (1, -1))


def _note_turn(series: Series, image: Image, values: Sequence[float], vectors: Sequence[Vector]) -> str:
    """Return whether directions were not turned from the patient's axes to those of oblique slices."""
    if len(image.orientation) != 6 or not _is_oblique(image.orientation):
        return ""
    instances = _choose_own(series, image)
    if len(instances) != len(values):
        return ""
    ranks = [rank for rank, value in enumerate(values) if value >= B_ZERO and any(vectors[rank])][:_SAMPLE]
    pairs = []
    for rank in ranks:
        measured = _read_direction(instances[rank])
        if measured is not None:
            pairs.append((vectors[rank], turn(image.orientation, measured)))
    if not pairs or any(_agree(pairs, signs) for signs in itertools.product((1, -1), repeat=3)):
        return ""
    return "its directions are not those of the headers in the axes of its oblique slices"


def _choose_own(series: Series, image: Image) -> Sequence[Instance]:
    """Return the instances of a series without the traces that were appended, or those alone."""
    if len(series.images) == 1:
        return series.instances
    derived = is_derived(image.header.words("ImageType"))
    return [one for one in series.instances if is_derived(one.header.words("ImageType")) == derived]


def _is_oblique(orientation: Sequence[float]) -> bool:
    return any(_STRAIGHT < abs(value) < 1 - _STRAIGHT for value in orientation)


def _agree(pairs: Sequence[tuple[Vector, Vector]], signs: tuple[int, ...]) -> bool:
    """Return whether vectors are equal once the axes of the image are flipped, which files may be."""
    return all(
        _is_parallel(one, tuple(sign * part for sign, part in zip(signs, other, strict=True))) for one, other in pairs
    )


def turn(orientation: Sequence[float], vector: Vector) -> Vector:
    """Return a vector of the patient along rows, columns and normal of slices.

    Parameters
    ----------
    orientation : sequence of float
        Direction cosines of rows and columns (PS3.3 C.7.6.2.1.1).
    vector : tuple of float
        x, y, z in the patient.

    Examples
    --------
    >>> turn((0, 1, 0, 0, 0, -1), (1.0, 0.0, 0.0))
    (0.0, 0.0, -1.0)
    """
    a, b, c, d, e, f = orientation
    axes = ((a, b, c), (d, e, f), (b * f - c * e, c * d - a * f, a * e - b * d))
    return tuple(sum(x * y for x, y in zip(axis, vector, strict=True)) + 0.0 for axis in axes)


def _read_direction(instance: Instance) -> Vector | None:
    """Return the direction of a volume that has a file of its own; None where its header does not tell.

    GE's directions are in the axes of the image already, and stand elsewhere.
    """
    header = instance.header
    vector = header.numbers("DiffusionGradientOrientation") or header.numbers("SiemensGradient")
    return vector if len(vector) == 3 and abs(math.hypot(*vector) - 1) < _UNIT else None
