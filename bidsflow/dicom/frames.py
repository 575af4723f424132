"""What the functional groups of a multi-frame instance say, summed up over its frames (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Sequence

#: Joins the entries of ``Frames.Images``, and the fields of one entry.
ENTRY, FIELD = ";", "|"


def summarise_frames(shared: Sequence[dict[str, str]], frames: Sequence[dict[str, str]]) -> dict[str, str]:
    r"""Return the values of the shared groups and of the first frame, and a summary of all frames.

    The summary is ``Frames.DiffusionBValue`` (the distinct b-values) and ``Frames.Images``: one entry for each
    combination of echo time, component and orientation, with its frames and its distinct slice positions.

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
    places: dict[tuple[str, str, str], set[str]] = {}
    for frame in frames:
        values = {**common, **frame}
        echo = values.get("EffectiveEchoTime", "")
        component = values.get("ComplexImageComponent", "")
        key = (echo, component, values.get("ImageOrientationPatient", ""))
        counts[key] = counts.get(key, 0) + 1
        places.setdefault(key, set()).add(values.get("ImagePositionPatient", ""))
    entries = [FIELD.join((*key, str(counts[key]), str(len(places[key])))) for key in sorted(counts)]
    b_values = {text for frame in frames if (text := frame.get("DiffusionBValue", common.get("DiffusionBValue", "")))}
    merged["Frames.Images"] = ENTRY.join(entries)
    merged["Frames.DiffusionBValue"] = "\\".join(sorted(b_values, key=float))
    for ours, theirs in (("EchoTime", "EffectiveEchoTime"), ("InversionTime", "InversionTimes")):
        if theirs in merged:
            merged[ours] = merged[theirs]
    return merged
