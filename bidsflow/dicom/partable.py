"""What a Philips PAR says, as nibabel reads it: the scan, a record for each slice, and which make one image.

Sources: nibabel's ``parrec``, which reads the versions 4, 4.1 and 4.2; the comments in the files themselves.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from bidsflow.errors import HeaderError

#: Begins what is said of a pair that is set aside.
NAME: Final = "Philips PAR/REC"
#: ``image_type_mr``: those that are sure. Others differ between exports (16 and 17 are maps of diffusion to some, and
#: magnitude and phase to others).
TYPES: Final = {0: "M", 1: "R", 2: "I", 3: "P", 11: "ADC", 18: "B0 MAP"}
COMPONENTS: Final = {0: "MAGNITUDE", 1: "REAL", 2: "IMAGINARY", 3: "PHASE"}
#: ``scanning sequence`` of phase contrast, and of field maps.
PHASE_CONTRAST: Final = 4

_MARK: Final = b"# === DATA DESCRIPTION FILE"
#: No honest PAR is larger (bytes).
_LARGEST: Final = 64 << 20
_VERSIONS: Final = ("V4", "V4.1", "V4.2")
_ONE_AT_A_TIME = threading.Lock()  # what keeps Python's warnings quiet concerns all threads


class Kind(NamedTuple):
    """What the slices of one image have in common.

    Attributes
    ----------
    type, sequence : int
        ``image_type_mr`` and ``scanning sequence``.
    echo_time : float
        In milliseconds.
    orientation : int
        1 transverse, 2 sagittal, 3 coronal.
    angles : tuple of float
        Around ap, fh and rl, in degrees.
    """

    type: int
    sequence: int
    echo_time: float
    orientation: int
    angles: tuple[float, ...]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what nibabel warns of from the user: it is checked here."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_par(path: str) -> bool:
    """Return whether a file has the name and the first bytes of a PAR.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if not path.lower().endswith(".par"):
        return False
    with Path(path).open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def parse_par(path: Path) -> tuple[dict[str, Any], Any]:
    """Return what a PAR says of its scan, and a record for each slice of each image in the order of its REC.

    Raises
    ------
    HeaderError
        If it cannot be understood.
    OSError
        If it cannot be read.
    """
    from nibabel.parrec import parse_PAR_header

    if path.stat().st_size > _LARGEST:
        raise HeaderError(f"{NAME}: a PAR of more than {_LARGEST >> 20} MiB")
    text = path.read_text(encoding="latin-1")
    found = re.search(r"image export tool\s+(V\S+)", text)
    version = found[1] if found else "an unknown version"
    if version not in _VERSIONS:
        raise HeaderError(f"{NAME}: a PAR of {version}; those of {', '.join(_VERSIONS)} are read")
    try:
        with quiet():
            info, rows = parse_PAR_header(StringIO(text))
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
        raise HeaderError(f"{NAME}: the PAR cannot be understood ({type(error).__name__})") from error
    if not len(rows):
        raise HeaderError(f"{NAME}: the PAR lists no images")
    return info, rows


def group_rows(rows: Any) -> dict[Kind, list[int]]:
    """Return the places of the records of each image, in the order of the first of them."""
    groups: dict[Kind, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        angles = tuple(round(float(angle), 2) + 0.0 for angle in row["image angulation"])
        kind = int(row["image_type_mr"]), int(row["scanning sequence"]), round(float(row["echo_time"]), 2)
        groups[Kind(*kind, int(row["slice orientation"]), angles)].append(place)
    return dict(groups)


def find_axes(orientation: int, angles: Sequence[float]) -> Any:
    """Return the directions of columns, rows and slices in the patient.

    Parameters
    ----------
    orientation : int
        1 transverse, 2 sagittal, 3 coronal.
    angles : sequence of float
        Around ap, fh and rl, in degrees.

    Returns
    -------
    axes : ndarray, shape (3, 3)
        In its columns: where the index of columns, that of rows, and the number of slices run to (DICOM's LPS).
    """
    import numpy as np
    from nibabel.eulerangles import euler2mat
    from nibabel.parrec import ACQ_TO_PSL, slice_orientation_codes

    ap, fh, rl = np.deg2rad(np.asarray(angles, dtype=float))
    turn = euler2mat(z=rl) @ euler2mat(x=ap) @ euler2mat(y=fh)  # in nibabel's order, which was found by trial
    psl = turn @ ACQ_TO_PSL[slice_orientation_codes.label[orientation]][:3, :3]
    return psl[[2, 0, 1]]


def find_directions(kind: Kind) -> str:
    """Return the ImageOrientationPatient of an image of a PAR."""
    return join_numbers(find_axes(kind.orientation, kind.angles)[:, :2].T.ravel())


def find_phase_axis(info: Mapping[str, Any], axes: Any) -> str:
    """Return whether phases are encoded along a column (``COL``) or a row of pixels (``ROW``); ``""`` for neither."""
    said = {"Anterior-Posterior": 1, "Right-Left": 0, "Feet-Head": 2}.get(info["prep_direction"].strip())
    if said is None:
        return ""
    main = max(range(3), key=lambda axis: abs(float(axes[said, axis])))
    return ("ROW", "COL", "")[main]


def name_type(info: Mapping[str, Any], kind: Kind) -> str:
    """Return the ImageType of an image of a PAR."""
    words = ["ORIGINAL" if kind.type in (*COMPONENTS, 18) else "DERIVED", "PRIMARY"]
    words.append(TYPES.get(kind.type, f"TYPE {kind.type}"))
    if kind.sequence == PHASE_CONTRAST and any(info["phase_enc_velocity"]):
        words.append("PCA")
    elif kind.sequence > 2:  # neither inversion recovery nor spin nor gradient echo
        words.append(f"SEQUENCE {kind.sequence}")
    return "\\".join([*words, "ASL"] if int(info.get("nr_label_types", 0)) > 1 else words)


def join_numbers(values: Sequence[float]) -> str:
    """Return numbers as a header has them."""
    return "\\".join(f"{float(value) + 0.0:.6g}" for value in values)
