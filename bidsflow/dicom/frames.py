"""What the functional groups of a multi-frame instance say, summed up over its frames (PS3.3 C.7.6.16)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bidsflow.dicom.geometry import run_one_way, unite_near

#: Joins the entries of ``Frames.Images``, and the fields of one entry.
ENTRY, FIELD = ";", "|"

#: What differs from one volume of arterial spin labelling to the next.
_OF_VOLUMES = ("ASLContext", "SiemensLabelDelay")
_COMPONENTS = frozenset({"MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED"})


def merge_groups(
    texts: Mapping[str, str], shared: Sequence[dict[str, str]], frames: Sequence[dict[str, str]]
) -> dict[str, str]:
    """Return the values of the top level, and beneath them those of the functional groups, summed up.

    Empty values of the top level hide nothing.
    """
    if not frames:
        return dict(texts)
    return summarise_frames(shared, frames) | {key: text for key, text in texts.items() if text}


def summarise_frames(shared: Sequence[dict[str, str]], frames: Sequence[dict[str, str]]) -> dict[str, str]:
    r"""Return the values of the shared groups and of the first frame, and a summary of all frames.

    The summary is ``Frames.DiffusionBValue`` (the distinct b-values), ``Frames.Images``: one entry for each
    combination of echo time, component and orientation, with its frames and its distinct slice positions, and what
    labelled volumes are: ``Frames.ASLContext`` and ``Frames.SiemensLabelDelay``, one value for each volume.
    ``Frames.Scattered`` stands where the slices of some image do not follow each other through space, volume by volume.

    Examples
    --------
    >>> frame = {"EffectiveEchoTime": "30.0", "ImagePositionPatient": "0\\0\\1", "DiffusionBValue": "0.0"}
    >>> summary = summarise_frames([{"RepetitionTime": "2000"}], [frame, frame])
    >>> summary["RepetitionTime"], summary["EchoTime"], summary["Frames.Images"]
    ('2000', '30.0', '30.0|||2|1')
    """
    common = shared[0] if shared else {}
    merged = {**(frames[0] if frames else {}), **common}
    counts: dict[tuple[str, str, str], int] = {}
    places: dict[tuple[str, str, str], list[str]] = {}
    b_values: set[str] = set()
    for frame in frames:
        values = {**common, **frame}
        key = (
            values.get("EffectiveEchoTime", ""),
            values.get("ComplexImageComponent", ""),
            values.get("ImageOrientationPatient", ""),
        )
        counts[key] = counts.get(key, 0) + 1
        places.setdefault(key, []).append(values.get("ImagePositionPatient", ""))
        b_values.add(values.get("DiffusionBValue", ""))
    # Only where spellings of places do not repeat from volume to volume: looking at numbers takes time.
    scattered = {key: _unite(some) for key, some in places.items() if _is_scattered(some)}
    places |= scattered
    entries = []
    for echo, component, orientation in sorted(counts):
        key = (echo, component, orientation)
        known = component if component in _COMPONENTS else ""
        entry = (_one_number(echo), known, _numbers(orientation), str(counts[key]), str(len(set(places[key]))))
        entries.append(FIELD.join(entry))
    numbers = {number for text in b_values if (number := _one_number(text))}
    merged["Frames.Images"] = ENTRY.join(entries)
    merged["Frames.DiffusionBValue"] = "\\".join(sorted(numbers, key=float))
    if any(map(_is_scattered, scattered.values())):
        merged["Frames.Scattered"] = "1"
    for keyword in _OF_VOLUMES:
        if keyword in common or any(keyword in frame for frame in frames):
            merged[f"Frames.{keyword}"] = _tell_volumes([{**common, **frame} for frame in frames], keyword)
    for ours, theirs in (("EchoTime", "EffectiveEchoTime"), ("InversionTime", "InversionTimes")):
        if theirs in merged:
            merged[ours] = merged[theirs]
    return merged


def _unite(places: Sequence[str]) -> list[str]:
    first = unite_near(places)
    return [first[place] for place in places]


def _is_scattered(places: Sequence[str]) -> bool:
    r"""Return whether places, in the order of the file, are anything but volumes that each run through space one way.

    Examples
    --------
    >>> _is_scattered(["0\\0\\2", "0\\0\\1", "0\\0\\2", "0\\0\\1"]), _is_scattered(["0\\0\\1", "0\\0\\3", "0\\0\\2"])
    (False, True)
    """
    volume = tuple(dict.fromkeys(places))
    return any(place != volume[rank % len(volume)] for rank, place in enumerate(places)) or not run_one_way(volume)


def _tell_volumes(frames: Sequence[Mapping[str, str]], keyword: str) -> str:
    """Return a value for each volume, in the order of TemporalPositionIndex.

    MIXED where slices of a volume contradict, or where volumes do not follow each other in the file: dcm2niix puts such
    frames into an order of its own (v1.0.20260724, frames of dcm_qa_xa30 by slice).
    """
    texts = [frame.get("TemporalPositionIndex", "") for frame in frames]
    course = [int(text) if text.isdecimal() else 0 for text in texts]
    volumes: dict[int, set[str]] = {}
    for index, frame in zip(course, frames, strict=True):
        volumes.setdefault(index, set()).add(frame.get(keyword, ""))
    if course != sorted(course):
        return "\\".join("MIXED" for _ in volumes)
    return "\\".join(said.pop() if len(said) == 1 else "MIXED" for said in volumes.values())


def _numbers(text: str) -> str:
    """Return a text of numbers as it is, ``""`` for any other."""
    try:
        return text if all(math.isfinite(float(word)) for word in text.split("\\")) else ""
    except ValueError:
        return ""


def _one_number(text: str) -> str:
    return _numbers(text.split("\\", 1)[0])
