"""Split the instances of a series into the images that they make. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from bidsflow.dicom.frames import ENTRY, FIELD
from bidsflow.dicom.geometry import unite_places
from bidsflow.dicom.header import Header
from bidsflow.dicom.pick import Pick
from bidsflow.dicom.series import Image, Instance
from bidsflow.dicom.tags import find_maker
from bidsflow.dicom.tiles import count_tiles, find_untiled

_COMPONENTS = ("magnitude", "phase", "real", "imaginary")
_GE_COMPONENTS = {"0": "magnitude", "1": "phase", "2": "real", "3": "imaginary"}
#: Where b-values stand; that of GE, the last, is coded.
_B_KEYWORDS = (
    "Frames.DiffusionBValue", "DiffusionBValue", "SiemensBValue", "PhilipsBValue", "UihBValue", "GeBValue",
)  # fmt: skip
#: Nothing, zero and a weight: so many kinds of b-values has a series of which some were lost.
_SPOKEN = 3
#: What tells the images of a series apart.
_SPLITTING = (
    "ImageOrientationPatient", "EchoTime", "Columns", "Rows", "ImageType", "ComplexImageComponent", "GeImageType",
    "Manufacturer",
)  # fmt: skip
#: Begins what is said of an image whose last volume lacks slices.
CUT_SHORT = "a volume is incomplete"
#: What is said of a series of which only some slices are derived: each part would become an image of its own.
APART = "some of its slices are original and others derived (ImageType), at places of their own"
#: What is said of images at the same places that dcm2niix puts into one file, although their values have two meanings.
MIXED = (
    "a field map in Hz and its magnitude have one echo time, and dcm2niix makes one image of both: export each as a "
    "series of its own"
)
#: Values of ImageType of a field map in Hz (Philips, GE).
_FIELD_WORDS = frozenset({"B0", "B0 MAP", "FIELD MAP"})
#: Fewer steps between slices tell nothing of their usual distance.
_FEW_STEPS = 4
#: No slices lie nearer to each other than this (mm).
_NO_STEP = 0.01
#: Echo times that differ by less than this (ms) are one echo.
_SAME_ECHO = 0.01
#: What dcm2niix looks for in the values of ImageType, joined (v1.0.20260724, by trial with all makers).
_DERIVED_MARKS = ("DERIVED", "_ADC_", "_FA_", "_TRACE_", "_TRACEW_")
#: Component, echo time, orientation, columns, rows, and whether it is derived.
_Key = tuple[str, float, tuple[float, ...], int, int, bool]
#: GE adds 1e9 to b-values that a person typed (dcm2niix, ``nii_dicom.cpp``).
_GE_B_OFFSET = 1_000_000_000


def component(header: Header) -> str:
    """Return which part of the complex signal an instance holds.

    Sources: ComplexImageComponent (PS3.3 C.8.13.3.1.1), third value of ImageType of Siemens, Philips and UIH,
    (0043,102F) of GE.
    """
    if find_maker(header.text("Manufacturer")) == "GE" and "GeImageType" in header:
        return _GE_COMPONENTS.get(header.text("GeImageType"), "magnitude")
    declared = header.text("ComplexImageComponent").lower()
    if declared in _COMPONENTS:
        return declared
    for word in header.words("ImageType")[2:]:
        if word in ("P", "PHASE", "PHASE MAP") or word.startswith("P_"):
            return "phase"
        if word in ("R", "REAL") or word.startswith("R_"):
            return "real"
        if word in ("I", "IMAGINARY") or word.startswith("I_"):
            return "imaginary"
    return "magnitude"


def is_noise(header: Header) -> bool:
    """Return whether a file of frames holds volumes without excitation, from (0021,1075) of Siemens XA.

    CMRR's multiband sequences append such volumes to a run; dcm2niix makes an image of their own of them.
    """
    return "Frames.Images" in header and "NOISE" in header.words("SiemensImageType")


def is_derived(words: Sequence[str]) -> bool:
    """Return whether dcm2niix takes an image for derived, which it keeps apart from the others of its series.

    Philips, and others now and then, put a trace or an ADC into the series of the volumes that it was computed of.

    Parameters
    ----------
    words : sequence of str
        The values of ImageType.

    Examples
    --------
    >>> [is_derived(("ORIGINAL", "PRIMARY", word, "ND")) for word in ("M", "ADC", "TRACEW")], is_derived(("DERIVED",))
    ([False, True, True], True)
    """
    joined = "_".join(words).replace(" ", "_")
    return any(mark in joined for mark in _DERIVED_MARKS)


def b_values(header: Header) -> tuple[float, ...]:
    """Return the b-values of an instance in s/mm², distinct and ascending; empty where it says nothing of diffusion."""
    for keyword in _B_KEYWORDS[:-1]:
        values = header.numbers(keyword)
        if values:
            return tuple(sorted(set(values)))
    coded = header.numbers("GeBValue")
    if coded and coded[0] >= 0:
        value = coded[0] % _GE_B_OFFSET if coded[0] >= _GE_B_OFFSET else coded[0]
        return (value,) if 0 < value < 100_000 else ()
    return ()


def split_images(instances: Sequence[Instance], shared: Header) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """Return the images of one series, and what is odd about them.

    Parameters
    ----------
    instances : sequence of Instance
        In order of acquisition.
    shared : Header
        The header of the series with what its maker's protocol adds (mosaics).
    """
    problems: list[str] = []
    many: list[Instance] = []
    single: list[Instance] = []
    for one in instances:
        (many if "Frames.Images" in one.header else single).append(one)
    images = _multiframe_images(many, problems) + _classic_images(single, shared, problems)
    images = _number_echoes(images)
    order = sorted(
        images, key=lambda one: (_COMPONENTS.index(one.component), one.echo, one.orientation, is_noise(one.header))
    )
    return tuple(order), tuple(problems)


def _classic_images(instances: Sequence[Instance], shared: Header, problems: list[str]) -> list[Image]:
    groups: dict[_Key, list[Header]] = defaultdict(list)
    keys: dict[tuple[str, ...], _Key] = {}
    take = Pick(*_SPLITTING)
    for instance in instances:
        header = instance.header
        spelling = take(header)  # the same for most instances of a series
        if spelling not in keys:
            directions = tuple(round(value, 2) + 0.0 for value in header.numbers("ImageOrientationPatient"))
            size = (header.integer("Columns"), header.integer("Rows"))
            derived = is_derived(header.words("ImageType"))
            keys[spelling] = (component(header), round(header.number("EchoTime"), 2), directions, *size, derived)
        groups[keys[spelling]].append(header)
    images = []
    take = Pick(*_B_KEYWORDS, "RescaleType", "ImageType")
    for (part, echo_time, orientation, columns, rows, derived), headers in groups.items():
        slices, volumes, rest = _count_slices(headers)
        mosaic = count_tiles(headers[0], shared, slices)
        originals = groups.get((part, echo_time, orientation, columns, rows, False), []) if derived else []
        if mosaic:
            tiles = math.isqrt(mosaic - 1) + 1
            matrix, volumes = (columns // tiles, rows // tiles, mosaic), len(headers)
        else:
            untiled = find_untiled(headers[0], shared, slices)
            problems += [untiled] if untiled else []
            if rest:
                problems.append(f"{CUT_SHORT}: {len(headers)} images do not fill volumes of {slices} slices")
            gap = _find_gap(headers, orientation)
            problems += [gap] if gap else []
            matrix = (columns, rows, slices)
            if originals and _lie_apart(headers, originals):
                problems.append(APART)
        spelled = {take(header): header for header in headers}  # few, where slices are many
        found = sorted({value for header in spelled.values() for value in b_values(header)})
        unsaid = "" if derived else _find_unsaid(headers, spelled.values())  # an ADC has none
        problems += [unsaid] if unsaid else []
        if len({_is_in_hz(header) for header in spelled.values()}) > 1:
            problems.append(MIXED)
        first = _tell_common(headers) if originals else headers[0]
        images.append(Image(first, matrix, volumes, 0, echo_time, part, orientation, tuple(found), len(headers)))
    return images


def _find_unsaid(headers: Sequence[Header], distinct: Iterable[Header]) -> str:
    """Return that some images say no b-value where others say zero; ``""`` where all say one, or none says zero.

    Makers that write nothing where nothing weights (GE) never write zero. dcm2niix takes what is not said for zero.
    """
    said = {b_values(header) for header in distinct}
    if not {(), (0.0,)} <= said or len(said) < _SPOKEN:
        return ""
    count = sum(not b_values(header) for header in headers)
    return f"{count} of its {len(headers)} images say no b-value, where others say 0: they lost parts of their headers"


def _is_in_hz(header: Header) -> bool:
    return header.text("RescaleType").upper() == "HZ" or bool(_FIELD_WORDS & {*header.words("ImageType")[2:]})


def _lie_apart(headers: Sequence[Header], others: Sequence[Header]) -> bool:
    """Return whether images have places that others lack, and the others places that they lack."""
    first = unite_places(one.text("ImagePositionPatient") for some in (headers, others) for one in some)
    ours, theirs = ({first[one.text("ImagePositionPatient")] for one in some} for some in (headers, others))
    return not (ours <= theirs or theirs <= ours)


def _tell_common(headers: Sequence[Header]) -> Header:
    """Return the first of some derived images, with those values of ImageType alone that all of them have.

    dcm2niix makes one image of all that is derived: of an ADC and a trace, for instance, which is neither.
    """
    first, kinds = headers[0], {one.text("ImageType") for one in headers}
    if len(kinds) == 1:
        return first
    shared = set.intersection(*(set(kind.split("\\")) for kind in kinds)) - {"DERIVED", "ORIGINAL"}
    said = ("DERIVED", *(word for word in first.text("ImageType").split("\\") if word in shared))
    return Header({**first.values, "ImageType": "\\".join(said)}, first.pixels, first.problems)


def _count_slices(headers: Sequence[Header]) -> tuple[int, int, int]:
    """Return the slices of a volume, the volumes, and how many slices the last one has too few or too many."""
    frames = headers[0].integer("NumberOfFrames", 1)
    if frames > 1:  # several frames without functional groups: nothing says where they lie
        return frames, len(headers), 0
    slices = _count_places(headers)
    return slices, math.ceil(len(headers) / slices), len(headers) % slices


def _count_places(headers: Iterable[Header]) -> int:
    return len(set(unite_places(header.text("ImagePositionPatient") for header in headers).values()))


def _find_gap(headers: Sequence[Header], orientation: tuple[float, ...]) -> str:
    """Return a clause where slices of one image lie further apart than the others, or hardly apart; else ``""``.

    Source: the distance of slices along their normal (PS3.3 C.7.6.2.1.1).
    """
    if len(orientation) != 6:
        return ""
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    spelled = {header.text("ImagePositionPatient"): header for header in headers}
    places = (spelled[text].numbers("ImagePositionPatient") for text in set(unite_places(spelled).values()))
    depths = sorted(sum(x * n for x, n in zip(place, normal, strict=True)) for place in places if len(place) == 3)
    steps = sorted(after - before for before, after in pairwise(depths))
    usual = steps[len(steps) // 2] if steps else 0.0
    if steps and usual < _NO_STEP < steps[-1]:
        return f"its slices move by less than {_NO_STEP:g} mm, for which dcm2niix would mix them (ImagePositionPatient)"
    if len(steps) < _FEW_STEPS or steps[-1] < 1.5 * usual:
        return ""
    return f"slices are missing: a gap of {steps[-1]:.1f} mm where slices lie {usual:.1f} mm apart"


def _multiframe_images(instances: Sequence[Instance], problems: list[str]) -> list[Image]:
    groups: dict[tuple[str, float, tuple[float, ...], int, int, bool, str, bool], list[tuple[Header, int, int]]]
    groups = defaultdict(list)
    for instance in instances:
        header = instance.header
        size = (header.integer("Columns"), header.integer("Rows"), is_noise(header))
        for entry in header.text("Frames.Images").split(ENTRY):
            echo, part, directions, frames, places, own = (*entry.split(FIELD), "")[:6]
            orientation = tuple(round(float(value), 2) + 0.0 for value in directions.split("\\") if value)
            said = Header({**header.values, "ImageType": own}, header.pixels, header.problems) if own else header
            word = part.lower() if part.lower() in _COMPONENTS else component(said)
            derived = is_derived(said.words("ImageType"))
            key = (word, round(float(echo or 0), 2), orientation, *size, own, derived)
            groups[key].append((said, int(frames), int(places)))
    images = []
    for key, members in groups.items():
        part, echo_time, orientation, columns, rows, *_, derived = key
        headers = [one for one, _, _ in members]
        header = _tell_common(headers) if derived and (*key[:-1], False) in groups else headers[0]
        slices = max(places for _, _, places in members)
        if slices == 1:  # one frame per file
            slices = _count_places(headers)
        volumes = math.ceil(sum(frames for _, frames, _ in members) / slices)
        matrix = (columns, rows, slices)
        found = sorted({value for one in headers for value in b_values(one)})
        unsaid = "" if derived else _find_unsaid(headers, headers)
        problems += [unsaid] if unsaid else []
        images.append(Image(header, matrix, volumes, 0, echo_time, part, orientation, tuple(found), len(members)))
    return images


def _number_echoes(images: Sequence[Image]) -> list[Image]:
    """Return the images with their echoes ranked by time, where a series has more than one."""
    times: list[float] = []
    for value in sorted({image.echo_time for image in images if image.echo_time > 0}):
        if not times or value - times[-1] > _SAME_ECHO:
            times.append(value)
    if len(times) < 2:
        return list(images)
    return [replace(one, echo=1 + sum(one.echo_time - time > _SAME_ECHO for time in times)) for one in images]
