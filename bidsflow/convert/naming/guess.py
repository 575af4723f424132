"""dcm2niix's own guess at a BIDS name, as a second opinion. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import name_course
from bidsflow.dicom.series import Series


@dataclass(frozen=True, slots=True)
class Question:
    """What dcm2niix is asked.

    Attributes
    ----------
    series : Series
        What it is asked about.
    name : bool
        Whether its name is open. Where it is not, only where its phase encoding runs to is, which one volume tells.
    """

    series: Series
    name: bool


@dataclass(frozen=True, slots=True)
class Guess:
    """What dcm2niix says of an image.

    Attributes
    ----------
    datatype, suffix : str
        From ``BidsGuess``; ``""`` where it has none.
    direction : str
        Where phase encoding runs to: ``AP``, ``PA``, ``LR``, ``RL``, ``HF`` or ``FH``; ``""`` where no header tells.
    """

    datatype: str
    suffix: str
    direction: str = ""


def read_guess(sidecar: Mapping[str, object]) -> Guess:
    """Return the guess in a sidecar that dcm2niix wrote.

    Its direction is that of PhaseEncodingDirection. The ``dir`` in its name has one also where no header tells the
    polarity, and is that of axial slices.

    Examples
    --------
    >>> guess = {"BidsGuess": ["func", "_acq-epfid2_dir-AP_run-3_bold"]}
    >>> axial = {"ImageOrientationPatientDICOM": [1, 0, 0, 0, 1, 0]}
    >>> read_guess({**guess, **axial, "PhaseEncodingDirection": "j-"})
    Guess(datatype='func', suffix='bold', direction='AP')
    >>> read_guess({**guess, **axial, "PhaseEncodingAxis": "j"})
    Guess(datatype='func', suffix='bold', direction='')
    """
    direction = _read_direction(sidecar)
    value = sidecar.get("BidsGuess")
    if not isinstance(value, list) or len(value) != 2:
        return Guess("", "", direction)
    pieces = str(value[1]).strip("_").split("_")
    return Guess(str(value[0]), pieces[-1], direction)


def _read_direction(sidecar: Mapping[str, object]) -> str:
    encoding, orientation = sidecar.get("PhaseEncodingDirection"), sidecar.get("ImageOrientationPatientDICOM")
    if not isinstance(encoding, str) or not isinstance(orientation, list):
        return ""
    return name_course(encoding, Header({"ImageOrientationPatient": "\\".join(map(str, orientation))}))
