"""What each volume of arterial spin labelling is, for ``_aslcontext.tsv``: from headers that say so, or from a person.

An order that no header shows is never assumed: the same sequence begins with a control, a label or an M0, as it is set.
Philips tells which slice is of a label, and dcm2niix puts the volumes into an order of its own: the voxels tell it.

Sources: BIDS, "Arterial Spin Labeling perfusion data" (``volume_type``); DICOM PS3.3 C.8.13.5.14 (ASL Context, per
frame); GE's notes in dcm2niix (``GE/README.md``: (0043,10A3) of the perfusion-weighted and of the proton-density pass);
dcm_qa_philips_asl (MRImageLabelType, (2005,1429) of Philips).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bidsflow.convert.companions.voxels import find_types
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import sequence_maker
from bidsflow.dicom.series import Image, Instance, Series
from bidsflow.errors import ConversionError

#: What ``volume_type`` may say (BIDS schema, ``objects.columns.volume_type``).
VOLUME_TYPES = ("control", "label", "m0scan", "deltam", "cbf", "noRF", "n/a")
#: Extension of the table behind the path of its image: ``sub-01_asl`` has ``sub-01_aslcontext.tsv``.
TABLE = "context.tsv"
#: Under which a study gives the volume types of an image, beside the fields of its sidecar.
GIVEN = "aslcontext"

_DICOM_TYPES = {"LABEL": "label", "CONTROL": "control", "M_ZERO_SCAN": "m0scan"}
#: GE subtracts label from control in k-space; its second pass labels nothing.
_GE_TYPES = {"PSEUDOCONTINUOUS": "deltam", "PULSED": "deltam", "CONTINUOUS": "m0scan"}
#: GE's sequence of several delays, whose elements for the delay and the labelling say something else (issue 957;
#: ExploreASL, issue 1516; OSIPI's pyaslreport, which tells it by this name).
_GE_ENCODED = "easl"
_PHILIPS_TYPES = {"LABEL": "label", "CONTROL": "control"}
#: Words by which research sequences of Siemens mark their volumes in Image Comments (dcm2niix, issue 895).
_COMMENTS = (
    ("m0scan", re.compile(r"(?<![A-Z0-9])M0(?![0-9])")),
    ("control", re.compile(r"(?<![A-Z])CONTROL(?![A-Z])")),
    ("label", re.compile(r"(?<![A-Z])(?:LABEL|TAG)(?![A-Z])")),
)


@dataclass(frozen=True, slots=True)
class Context:
    """What the volumes of an image are.

    Attributes
    ----------
    types : tuple of str
        One of `VOLUME_TYPES` for each volume, in order; empty where the headers do not tell all of them.
    because : str
        A clause: what tells, or why nothing does.
    """

    types: tuple[str, ...]
    because: str


def read_context(series: Series, image: Image) -> Context:
    """Return what the volumes of an image are, as far as the headers of its series tell.

    Parameters
    ----------
    series, image : Series, Image
        The image and the series that it belongs to.
    """
    if any(_GE_ENCODED in series.header.text(name).lower() for name in ("GeInternalSequence", "GePulseSequence")):
        return Context((), "GE's eASL encodes delays in its volumes, and no element tells them")
    if len(series.images) > 1 and (kind := _tell_image(series, image)):
        return Context((kind,), f"{_TELLERS[_tell_pass]} says 1 {kind}")
    if len(series.images) != 1 or not series.instances:
        return Context((), "which files of the series are which volume is not known")
    for tell, where in _TELLERS.items():
        found = tell_volumes(series.instances, tell)
        if tell is _tell_label and not all(found):
            found = _count_labels(series.instances)
        if not any(found):
            continue
        if tell is _tell_frame and sequence_maker(series.header) == "PHILIPS" and len(found) > 1:
            return Context((), "dcm2niix puts volumes of Philips into an order of its own (issue 533)")
        if len(found) != image.volumes or not all(found):
            return Context((), f"{where} does not tell what all of its {image.volumes} volumes are")
        if tell is _tell_pass and found != ["m0scan"] and (found.count("deltam") != 1 or found.count("m0scan") > 1):
            # GE's eASL encodes several delays in its volumes, which the header does not tell (dcm2niix, issue 957)
            return Context((), f"{where} does not tell the delays of its {found.count('deltam')} differences")
        if tell is _tell_label and found.count("label") != found.count("control"):
            return Context((), f"{where} says {summarise_types(found)}, which are no pairs")
        seen = ", and voxels will tell which is which" if tell is _tell_label else ""
        return Context(tuple(found), f"{where} says {summarise_types(found)}{seen}")
    return Context((), "the headers do not tell which of its volumes are control, label or M0")


def see_types(series: Series, image: Image, nifti: Path) -> tuple[str, ...]:
    """Return what the volumes of an image are that dcm2niix made, in its own order; empty where voxels do not tell it.

    Parameters
    ----------
    series, image : Series, Image
        The image and the series that it belongs to.
    nifti : Path
        What dcm2niix made of it, uncompressed.

    """
    if len(series.images) != 1 or not read_context(series, image).types:
        return ()
    if any("Frames.Images" in one.header for one in series.instances) or len(series.instances) <= image.volumes:
        return ()  # frames, or mosaics: dcm2niix leaves them as they follow each other
    tell = _choose_teller(series)
    return find_types(nifti, series.instances, lambda header: next(iter(tell(header)), ""))


def check_seen(series: Series, image: Image, seen: Sequence[str]) -> None:
    """Refuse an image whose volumes dcm2niix has rearranged, and of which voxels did not tell what they are.

    Raises
    ------
    ConversionError
        If headers tell of each slice what it is, and nothing which volume a slice is in.
    """
    if not seen and read_context(series, image).types and _choose_teller(series) is _tell_label:
        raise ConversionError(
            series.title,
            "which of the volumes that dcm2niix made are labels is not known: its voxels could not be compared with "
            "those of the export. Export it uncompressed, or give the types of the volumes, in the order in which "
            "dcm2niix writes them, as aslcontext in study.toml",
        )


def _choose_teller(series: Series) -> Callable[[Header], list[str]]:
    """Return what told the types of the volumes of a series."""
    return next(tell for tell in _TELLERS if any(any(tell(one.header)) for one in series.instances))


def tell_volumes(instances: Sequence[Instance], tell: Callable[[Header], Sequence[str]]) -> list[str]:
    """Return what is told of each volume, in order of acquisition; ``""`` where nothing is, or its slices contradict.

    Parameters
    ----------
    instances : sequence of Instance
        Of one image, in order of acquisition.
    tell : callable
        Returns a text for each volume that a header speaks of: several for a multi-frame instance.
    """
    if any("Frames.Images" in one.header for one in instances):
        return [said for one in instances for said in tell(one.header)]
    places: dict[str, list[str]] = defaultdict(list)
    for one in instances:
        places[one.header.text("ImagePositionPatient")] += tell(one.header)
    told = (set(column) for column in zip_longest(*places.values(), fillvalue=""))
    return [said.pop() if len(said) == 1 else "" for said in told]


def _tell_frame(header: Header) -> list[str]:
    return [_DICOM_TYPES.get(word, "") for word in header.words("Frames.ASLContext")]


def _tell_pass(header: Header) -> list[str]:
    return [_GE_TYPES.get(header.text("GeAslContrast").upper(), "")]


def _count_labels(instances: Sequence[Instance]) -> list[str]:
    """Return the volumes of Philips, controls first, whose slices are numbered at random; empty where places differ."""
    places: dict[str, list[str]] = defaultdict(list)
    for one in instances:
        places[one.header.text("ImagePositionPatient")] += _tell_label(one.header)
    (first, *others) = map(sorted, places.values())
    return first if all(one == first for one in others) and all(first) else []


def _tell_image(series: Series, image: Image) -> str:
    """Return what an image of one volume is of which GE says that it is derived, while the other pass is not."""
    if sequence_maker(series.header) != "GE" or image.volumes != 1:
        return ""
    (kind,) = _tell_pass(image.header)
    alike = [one for one in series.instances if _tell_pass(one.header) == [kind]]
    rivals = [one for one in series.images if _tell_pass(one.header) == [kind]]
    return kind if len(alike) == image.n_instances and len(rivals) == 1 else ""


def _tell_label(header: Header) -> list[str]:
    return [_PHILIPS_TYPES.get(header.text("PhilipsLabel"), "")]


def _tell_comment(header: Header) -> list[str]:
    text = header.text("ImageComments").upper()
    found = [name for name, pattern in _COMMENTS if pattern.search(text)]
    return [found[0] if len(found) == 1 else ""]


_TELLERS: dict[Callable[[Header], list[str]], str] = {
    _tell_frame: "ASL Context (0018,9257)",
    _tell_pass: "(0043,10A3)",
    _tell_label: "label type (2005,1429)",
    _tell_comment: "ImageComments",
}


def summarise_types(types: Sequence[str]) -> str:
    """Return how many volumes of each type there are.

    Examples
    --------
    >>> summarise_types(["m0scan", "label", "control", "label", "control"])
    '1 m0scan, 2 label, 2 control'
    """
    return ", ".join(f"{types.count(one)} {one}" for one in dict.fromkeys(types))


def find_fault(types: Sequence[str], volumes: int) -> str:
    """Return what is wrong with volume types that a person gives, ``""`` where nothing is.

    Examples
    --------
    >>> find_fault(["control", "label"], 2), find_fault(["control", "tag"], 2)
    ('', 'tag is no volume type; known are control, label, m0scan, deltam, cbf, noRF, n/a')
    """
    unknown = next((one for one in types if one not in VOLUME_TYPES), "")
    if unknown:
        return f"{unknown} is no volume type; known are {', '.join(VOLUME_TYPES)}"
    return "" if len(types) == volumes else f"{len(types)} volume types are given, and the image has {volumes} volumes"


def format_context(types: Sequence[str]) -> str:
    r"""Return the text of an ``_aslcontext.tsv``.

    Examples
    --------
    >>> format_context(["control", "label"])
    'volume_type\ncontrol\nlabel\n'
    """
    return "\n".join(("volume_type", *types, ""))
