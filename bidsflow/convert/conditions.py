"""Under which conditions an image was measured, as far as they decide whether a field map is true of it. Pure.

A field map is true of a run while the shim, and the place of the head, stay as they were. Sources: BIDS, "Fieldmap
data"; DICOM PS3.3 C.7.4.1.1.1 (a frame of reference goes with the person on the table).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from bidsflow.convert.visits import LONGEST_BREAK, seconds_of
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Image, Series

Vector = tuple[float, float, float]

#: A field that covers less than this part of a run's slices is not that of the run.
_COVERED = 0.5
#: Shims that differ by less than this part of themselves are two adjustments on one head. Scanners adjust the shim for
#: each protocol unless they are told not to: 5 to 11 % between neighbours in public exports of Siemens and GE.
_ALIKE = 0.2
#: Direction cosines that differ by less are one: those of an image are rounded.
_ROUNDED = 0.02
#: Slices whose normals have less than this in common stand square on each other.
_SQUARE = 1e-6
#: Frames of reference tell who was moved where there are no more of them than this part of the measurements, and
#: nothing at all where nearly each measurement has its own.
_SHARED, _EACH_ITS_OWN = 2 / 3, 0.8
#: Terms of a shim that gradients make. Siemens' hold the offset of the gradient coil, too, which dwarfs the person's.
_LINEAR = 3


@dataclass(frozen=True, slots=True)
class Slab:
    """Where slices lie in the patient.

    Attributes
    ----------
    normal : tuple of float
        Their direction, of length 1.
    centre : tuple of float
        Between the middles of the first and the last, in mm.
    reach : float
        From the centre to the outer faces of the outer slices, in mm.
    """

    normal: Vector
    centre: Vector
    reach: float


@dataclass(frozen=True, slots=True)
class Condition:
    """What decides whether a field is that of a run.

    Attributes
    ----------
    shim : str
        Values joined by a backslash; ``""`` where unknown.
    frame : str
        Digest of FrameOfReferenceUID; ``""`` where unknown, or where it tells nothing of the person.
    study : str
        Digest of StudyInstanceUID.
    grid : tuple
        Matrix, orientation and size of voxels.
    seconds : float or None
        Since an arbitrary moment; None where no time of day is known.
    number : int
        Of the series, for people.
    slab : Slab or None
        Where its slices lie; None where the headers do not say of each.
    turn : int
        Number of the series, where no time tells the order of a session (the numbers of a study rise as it is
        measured); 0 where times tell it, or numbers do not.
    perhaps : str
        As `frame`, where that may tell something of the person, and may not.
    """

    shim: str
    frame: str
    study: str
    grid: tuple[object, ...]
    seconds: float | None
    number: int
    slab: Slab | None = None
    turn: int = 0
    perhaps: str = ""


def read_condition(series: Series, image: Image) -> Condition:
    """Return how an image was measured."""
    header, frame = image.header, series.header.text("FrameOfReferenceUID")
    sizes = (*header.numbers("PixelSpacing"), header.number("SliceThickness"))
    directions = tuple(round(value, 1) + 0.0 for value in image.orientation)
    grid = (image.matrix, directions, tuple(round(size, 1) for size in sizes))
    return Condition(
        read_shim(series.header), _disguise(frame), _disguise(series.study_uid), grid,
        seconds_of(series.started), series.number, find_slab(series, image),
    )  # fmt: skip


def _disguise(uid: str) -> str:
    """Return a digest of a UID, which is stored: that two are one is all that is asked of it."""
    return hashlib.blake2b(uid.encode(), digest_size=8).hexdigest() if uid else ""


class Frames(StrEnum):
    """What the frames of reference of a session tell."""

    TELLING = "who was moved"
    DOUBTFUL = "perhaps who was moved"
    MADE_UP = "nothing"


def judge_frames(frames: Sequence[str]) -> Frames:
    """Return what the frames of reference of the measurements of a session, in order of time, tell.

    They tell who was moved where each new one stays until the next, and where measurements share them. Siemens XA goes
    back and forth between two, by how a protocol sets the table; some anonymisers write a new one into each series.

    Examples
    --------
    >>> [str(judge_frames(frames)) for frames in ("AAAB", "ABB", "AABBA", "ABBC", "ABCD")]
    ['who was moved', 'who was moved', 'perhaps who was moved', 'perhaps who was moved', 'nothing']
    """
    known = [frame for frame in frames if frame]
    blocks, own = len(list(groupby(known))), len(set(known))
    if own > _EACH_ITS_OWN * len(known):
        return Frames.MADE_UP
    return Frames.TELLING if blocks == own <= _SHARED * len(known) else Frames.DOUBTFUL


def take_turns(conditions: Sequence[Condition]) -> bool:
    """Return whether nothing but their numbers tells the order of the series of a session, of each one condition.

    Anonymisation takes all times away, or sets all to one moment. Numbers of two studies say nothing of each other.
    """
    numbers = [one.number for one in conditions]
    times, studies = {one.seconds for one in conditions}, {one.study for one in conditions}
    return len(times) == 1 and len(studies) == 1 and len(set(numbers)) == len(numbers) and 0 not in numbers


def find_slab(series: Series, image: Image) -> Slab | None:
    """Return where the slices of an image lie, from the place of each; None for mosaics and multi-frame files.

    Source: DICOM PS3.3 C.7.6.2.1.1: the place is that of the middle of the first voxel, rows and columns go from there.
    """
    sizes, thick = image.header.numbers("PixelSpacing"), image.header.number("SliceThickness")
    if len(image.orientation) != 6 or len(sizes) != 2 or not thick:
        return None
    where = {
        (header.text("ImageOrientationPatient"), header.text("ImagePositionPatient"))
        for header in (one.header for one in series.instances)
        if "Frames.Images" not in header
    }
    ours = {text for text in {text for text, _ in where} if _is_near(text, image.orientation)}
    texts = {place for text, place in where if text in ours}
    places = [place for text in texts if len(place := Header({"Place": text}).numbers("Place")) == 3]
    if len(places) < 2 or len(places) != image.matrix[2]:
        return None
    rows, columns = image.orientation[:3], image.orientation[3:]
    normal = (
        rows[1] * columns[2] - rows[2] * columns[1], rows[2] * columns[0] - rows[0] * columns[2],
        rows[0] * columns[1] - rows[1] * columns[0],
    )  # fmt: skip
    depths = sorted((_dot(normal, place), place) for place in places)
    (low, first), (high, last) = depths[0], depths[-1]
    across, down = sizes[1] * (image.matrix[0] - 1) / 2, sizes[0] * (image.matrix[1] - 1) / 2
    centre = [
        (a + b) / 2 + row * across + column * down for a, b, row, column in zip(first, last, rows, columns, strict=True)
    ]
    return Slab(normal, (centre[0], centre[1], centre[2]), (high - low + thick) / 2)


def _is_near(text: str, orientation: Sequence[float]) -> bool:
    """Return whether a text holds direction cosines, up to how `Image.orientation` rounds them."""
    found = Header({"Directions": text}).numbers("Directions")
    return len(found) == len(orientation) and math.dist(found, orientation) < _ROUNDED


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def cover(field: Slab, run: Slab) -> float:
    """Return which part of the line through the middle of a run's slices lies between the outer slices of a field."""
    along = _dot(field.normal, run.normal)
    away = _dot(field.normal, run.centre) - _dot(field.normal, field.centre)
    if abs(along) < _SQUARE:
        return float(abs(away) <= field.reach)
    ends = sorted((side * field.reach - away) / along for side in (-1, 1))
    inside = min(ends[1], run.reach) - max(ends[0], -run.reach)
    return max(0.0, inside) / (2 * run.reach)


def read_shim(header: Header) -> str:
    """Return the settings of the shim as a header has them, ``""`` where it has none."""
    return header.text("ShimSetting") or "\\".join(header.text(f"GeShim{axis}") for axis in "XYZ").strip("\\")


def compare_shims(one: str, other: str) -> float | None:
    r"""Return by which part of themselves two shims differ; None where one is not known.

    Examples
    --------
    >>> compare_shims("3\\4\\-12", "3\\4\\-12"), round(compare_shims("3\\4\\-12", "3\\5\\-12"), 2)
    (0.0, 0.07)
    """
    if not one or not other:
        return None
    ours, theirs = (Header({"Shim": text}).numbers("Shim") for text in (one, other))
    if one == other or not ours or len(ours) != len(theirs):
        return 0.0 if one == other else math.inf
    apart = math.dist(ours, theirs)
    size = max(math.hypot(*ours[_LINEAR:]), math.hypot(*theirs[_LINEAR:])) or max(
        math.hypot(*ours), math.hypot(*theirs)
    )
    return apart / size if apart else 0.0


def is_another_shim(one: str, other: str) -> bool:
    """Return whether two shims are known to be those of different states of the scanner or the head."""
    apart = compare_shims(one, other)
    return apart is not None and apart > _ALIKE


def distance(field: Condition, run: Condition) -> float:
    """Return how long after a field a run was measured, in seconds; 0 where that is not known.

    Where numbers tell the order in the place of times, how many series later.
    """
    if field.turn and run.turn:
        return float(run.turn - field.turn)
    return 0.0 if field.seconds is None or run.seconds is None else run.seconds - field.seconds


def find_change(field: Condition, run: Condition) -> str:
    """Return a clause on why a field map is not true of a run: it lies elsewhere, or something was changed between.

    ``""`` where nothing is known to have changed. The very same shim says that nothing was, whatever else differs; a
    person who is moved is told from the frame of reference where no shim tells.
    """
    if field.slab is not None and run.slab is not None and (part := cover(field.slab, run.slab)) < _COVERED:
        return f"series {field.number} covers {round(100 * part)} % of its slices"
    apart = compare_shims(field.shim, run.shim)
    if apart == 0:
        return ""
    when = f"{'after' if distance(field, run) >= 0 else 'before'} series {field.number}"
    if apart is not None and apart > _ALIKE:
        return f"the shim was changed {when}"
    if apart is None and field.frame and run.frame and field.frame != run.frame:
        return f"the person was moved {when} (another FrameOfReferenceUID)"
    same_frame = field.frame and field.frame == run.frame
    if field.study != run.study and not same_frame and abs(distance(field, run)) > LONGEST_BREAK:
        return f"series {field.number} was measured on another visit"
    return ""


def may_lie_apart(one: Condition, other: Condition) -> bool:
    """Return whether someone may have been moved between two images: no shim tells, and frames of reference may."""
    unknown = compare_shims(one.shim, other.shim) is None
    return unknown and bool(one.perhaps and other.perhaps) and one.perhaps != other.perhaps


def rank_match(field: Condition, run: Condition) -> tuple[int, bool, bool, float]:
    """Return how well a field fits a run, to be compared: by shim and frame, geometry, before or after it, and time."""
    apart = compare_shims(field.shim, run.shim)
    same_place = bool(field.frame) and field.frame == run.frame
    state = 2 * (apart == 0) + (apart is not None) + same_place
    after = distance(field, run)
    return state, field.grid == run.grid, after >= 0, -abs(after)


def say_match(field: Condition, run: Condition, rivals: Sequence[Condition]) -> str:
    """Return a clause on why a field was chosen for a run, among the other fields that nothing speaks against."""
    apart = compare_shims(field.shim, run.shim)
    why = []
    if apart == 0:
        why.append("the same shim")
    elif apart is not None:
        why.append(f"nearly the same shim, {max(1, round(100 * apart))} % apart,")
    if field.grid == run.grid:
        why.append("the same geometry")
    ours = rank_match(field, run)
    if not rivals:
        why += ["the only one"] * (not why)
    near = any(rank_match(rival, run)[:2] == ours[:2] for rival in rivals)
    if near:
        why.append(f"the nearest {'by series number' if run.turn else 'in time'} {'before' if ours[2] else 'after'} it")
    said = " and ".join(why).removesuffix(",") or "the nearest to its shim and place"
    lacks = ["no times tell the order"] * bool(near and run.turn)
    lacks += ["the headers hold no shim settings"] * (apart is None)
    lacks += ["the frames of reference are two, which here need not mean a move"] * may_lie_apart(field, run)
    return f"{said}; less certain, since {' and '.join(lacks)}" if lacks else said
