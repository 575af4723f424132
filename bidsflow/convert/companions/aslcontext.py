"""What each volume of arterial spin labelling is, for ``_aslcontext.tsv``: from headers that say so, or from a person.

An order that no header shows is never assumed: the same sequence begins with a control, a label or an M0, as it is set.

Sources: BIDS, "Arterial Spin Labeling perfusion data" (``volume_type``); DICOM PS3.3 C.8.13.5.14 (ASL Context, per
frame); GE's notes in dcm2niix (``GE/README.md``: (0043,10A3) of the perfusion-weighted and of the proton-density pass).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import sequence_maker
from bidsflow.dicom.series import Image, Instance, Series

#: What ``volume_type`` may say (BIDS schema, ``objects.columns.volume_type``).
VOLUME_TYPES = ("control", "label", "m0scan", "deltam", "cbf", "noRF", "n/a")
#: Extension of the table behind the path of its image: ``sub-01_asl`` has ``sub-01_aslcontext.tsv``.
TABLE = "context.tsv"
#: Under which a study gives the volume types of an image, beside the fields of its sidecar.
GIVEN = "aslcontext"

_DICOM_TYPES = {"LABEL": "label", "CONTROL": "control", "M_ZERO_SCAN": "m0scan"}
#: GE subtracts label from control in k-space; its second pass labels nothing.
_GE_TYPES = {"PSEUDOCONTINUOUS": "deltam", "PULSED": "deltam", "CONTINUOUS": "m0scan"}
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
    if len(series.images) != 1 or not series.instances:
        return Context((), "which files of the series are which volume is not known")
    for tell, where in ((_tell_frame, "ASL Context (0018,9257)"), (_tell_pass, "(0043,10A3)"),
                        (_tell_comment, "ImageComments")):  # fmt: skip
        found = tell_volumes(series.instances, tell)
        if not any(found):
            continue
        if sequence_maker(series.header) == "PHILIPS" and len(found) > 1:
            return Context((), "dcm2niix puts volumes of Philips into an order of its own (issue 533)")
        if len(found) != image.volumes or not all(found):
            return Context((), f"{where} does not tell what all of its {image.volumes} volumes are")
        if tell is _tell_pass and (found.count("deltam") != 1 or found.count("m0scan") > 1):
            # GE's eASL encodes several delays in its volumes, which the header does not tell (dcm2niix, issue 957)
            return Context((), f"{where} does not tell the delays of its {found.count('deltam')} differences")
        return Context(tuple(found), f"{where} says {summarise_types(found)}")
    return Context((), "the headers do not tell which of its volumes are control, label or M0")


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


def _tell_comment(header: Header) -> list[str]:
    text = header.text("ImageComments").upper()
    found = [name for name, pattern in _COMMENTS if pattern.search(text)]
    return [found[0] if len(found) == 1 else ""]


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
