"""Labels for protocols of one suffix in one session, made from what they differ in. Pure.

Repeats of one protocol are runs; different protocols are not. The labels are, in this order and only as far as they
are needed:

=================  ===================================================================
``3D``, ``ax``...  3D, or the plane of slices: ``ax``, ``cor``, ``sag``
``tse``            diffusion that is not read out by EPI
``IR``             prepared by an inversion, beside images that are not
``fs``             without fat, beside images with it
``ME``             several echoes, beside one
``b1000``          the highest b-value in s/mm2
``0p5x3mm``        the voxel: in plane, and the slices' thickness where it differs
``TI``, ``TE``,    times in ms
``TR``
``FA``             the flip angle in degrees
``64vol``          volumes of diffusion
words              what only one protocol's name has, where the images cover other places
=================  ===================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from bidsflow.convert.naming import personwords
from bidsflow.convert.naming.draft import Draft
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import is_echo_planar, is_parallel, slice_plane
from bidsflow.names import to_label

Drafts = list[Draft]
#: The images of one measurement: echoes, parts and filters belong together.
Measurement = Sequence[Draft]

#: Values that differ by less than this share are one: scanners adapt repetition times a little.
_TOLERANCE = 0.1
#: A label made of words is no longer than this.
_LONGEST = 24


def tell_protocols_apart(drafts: Drafts) -> Drafts:
    """Give the protocols of one name labels by what they differ in; repeats of one protocol stay alike.

    References take the label of their run (`references.follow_runs`).
    """
    groups: dict[Hashable, dict[str, Drafts]] = defaultdict(lambda: defaultdict(list))
    for draft in drafts:
        if draft.to_convert and draft.datatype in ("anat", "func", "dwi") and draft.suffix != "sbref":
            groups[_name(draft)][draft.measurement].append(draft)
    labels: dict[int, tuple[str, str]] = {}
    for group in groups.values():
        for members, label, why in _split(list(group.values())):
            labels |= {id(draft): (label, why) for one in members for draft in one}
    return [_relabel(draft, *labels.get(id(draft), ("", ""))) for draft in drafts]


def _name(draft: Draft) -> Hashable:
    return draft.datatype, draft.suffix, draft.without("echo", "part", "rec", "run")


def _relabel(draft: Draft, label: str, why: str) -> Draft:
    if not label or draft.exact:
        return draft
    return draft.with_entity("acq", draft.entity("acq") + label).noted(
        f"acq-{label}: the images of this session that are {draft.suffix} differ in {why}"
    )


def _split(measurements: Sequence[Measurement]) -> list[tuple[list[Measurement], str, str]]:
    """Return classes of equal measurements, each with its label and what the label stands for."""
    classes = [(list(measurements), "", "")]
    for said, tokens in _CRITERIA:
        divided = []
        for members, label, why in classes:
            parts: dict[str, list[Measurement]] = defaultdict(list)
            for token, one in zip(tokens(members) if len(members) > 1 else [""], members, strict=True):
                parts[token].append(one)
            if len(parts) == 1:
                divided.append((members, label, why))
            else:
                reason = f"{why} and {said}" if why else said
                divided += [(part, label + token, reason) for token, part in parts.items()]
        classes = divided
    return classes


def _header(one: Measurement) -> Header:
    return one[0].series.header


def _planes(members: Sequence[Measurement]) -> list[str]:
    """Return ``3D`` or a plane; the planes of 3D images as well where several differ.

    Slices that are tilted a little more or less are one plane, also where they lie between two.
    """
    flat = [_header(one).text("MRAcquisitionType") != "3D" for one in members]
    images = [one[0].image for one in members]
    planes = [min(slice_plane(other) for other in images if is_parallel(image, other)) for image in images]
    cubes = {where for where, is_flat in zip(planes, flat, strict=True) if not is_flat}
    return [where if is_flat else "3D" + where * (len(cubes) > 1) for where, is_flat in zip(planes, flat, strict=True)]


def _readouts(members: Sequence[Measurement]) -> list[str]:
    return ["tse" if one[0].datatype == "dwi" and not is_echo_planar(_header(one)) else "" for one in members]


def _inversions(members: Sequence[Measurement]) -> list[str]:
    return ["IR" if _header(one).number("InversionTime") > 0 and one[0].datatype == "anat" else "" for one in members]


def _suppressions(members: Sequence[Measurement]) -> list[str]:
    """Return ``fs`` for anatomy without fat (ScanOptions FS, PS3.3 C.8.3.1; SpectrallySelectedSuppression)."""
    return ["fs" if one[0].datatype == "anat" and _hides_fat(_header(one)) else "" for one in members]


def _hides_fat(header: Header) -> bool:
    return "FS" in header.words("ScanOptions") or "FAT" in header.text("SpectrallySelectedSuppression").upper()


def _echoes(members: Sequence[Measurement]) -> list[str]:
    return ["ME" if len({draft.image.echo for draft in one}) > 1 else "" for one in members]


def _voxels(members: Sequence[Measurement]) -> list[str]:
    """Return the voxels: one number where thickness equals the plane, or all have the same thickness."""
    plane_mm = _merge([(_header(one).numbers("PixelSpacing") or (0.0,))[0] for one in members])
    thick = _merge([_header(one).number("SliceThickness") for one in members])
    if min(plane_mm) <= 0 or len(set(zip(plane_mm, thick, strict=True))) == 1:
        return [""] * len(members)
    return [
        f"{_number(x)}mm" if z <= 0 or abs(x - z) <= _TOLERANCE * x else f"{_number(x)}x{_number(z)}mm"
        for x, z in zip(plane_mm, thick, strict=True)
    ]


def _values(mark: str, read: Callable[[Measurement], float]) -> Callable[[Sequence[Measurement]], list[str]]:
    """Return a criterion: numbers with a mark, those that are nearly equal under one number."""

    def tokens(members: Sequence[Measurement]) -> list[str]:
        return [f"{mark}{_number(value)}" if value > 0 else "" for value in _merge([read(one) for one in members])]

    return tokens


def _volumes(members: Sequence[Measurement]) -> list[str]:
    """Return the volumes of diffusion, counted exactly: other tables of directions have few more or less."""
    return [f"{one[0].image.volumes}vol" if one[0].datatype == "dwi" else "" for one in members]


def _merge(values: Sequence[float]) -> list[float]:
    """Return the values, each replaced by the lowest of those that lie in one row without a gap."""
    merged: dict[float, float] = {}
    last = 0.0
    for value in sorted(set(values)):
        near = last and value - last <= _TOLERANCE * last
        merged[value] = merged[last] if near else value
        last = value
    return [merged[value] for value in values]


def _number(value: float) -> str:
    """Return a number as a label may hold it: whole from ten on, else two digits with a ``p`` for the point.

    Examples
    --------
    >>> _number(0.5), _number(3.0), _number(2.98), _number(96.4)
    ('0p5', '3', '3', '96')
    """
    text = f"{value:.0f}" if value >= 10 else f"{round(value, 2 if value < 1 else 1):g}"
    return text.replace(".", "p")


def _own_words(members: Sequence[Measurement]) -> list[str]:
    """Return what only some protocols' names have, where the images do not cover the same place."""
    if len({one[0].geometry for one in members}) == 1:
        return [""] * len(members)
    found = [personwords.telling_words(one[0].series) for one in members]
    common = set.intersection(*({word.lower() for word in own} for own in found))
    labels = [to_label(" ".join(word for word in own if word.lower() not in common))[:_LONGEST] for own in found]
    patients = [one[0].series.patient for one in members]
    named = any(personwords.names_person([label], who) for label, who in zip(labels, patients, strict=True))
    return [""] * len(members) if named else labels


_CRITERIA: tuple[tuple[str, Callable[[Sequence[Measurement]], list[str]]], ...] = (
    ("plane", _planes),
    ("readout", _readouts),
    ("b-value", _values("b", lambda one: max(one[0].image.b_values, default=0.0) * (one[0].datatype == "dwi"))),
    ("inversion", _inversions),
    ("fat suppression", _suppressions),
    ("echoes", _echoes),
    ("voxel", _voxels),
    ("TI", _values("TI", lambda one: _header(one).number("InversionTime") * (one[0].datatype == "anat"))),
    ("TE", _values("TE", lambda one: min(draft.image.echo_time for draft in one))),
    ("TR", _values("TR", lambda one: _header(one).number("RepetitionTime"))),
    ("flip angle", _values("FA", lambda one: _header(one).number("FlipAngle"))),
    ("volumes", _volumes),
    ("words", _own_words),
)
