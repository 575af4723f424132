"""dcm2niix's own guess at a BIDS name, as a second opinion. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
        Where phase encoding runs to: ``AP``, ``PA``, ``LR`` or ``RL``; ``""`` where unknown.
    """

    datatype: str
    suffix: str
    direction: str = ""


def read_guess(sidecar: Mapping[str, object]) -> Guess:
    """Return the guess in a sidecar that dcm2niix wrote.

    Examples
    --------
    >>> read_guess({"BidsGuess": ["func", "_acq-epfid2_dir-AP_run-3_bold"]})
    Guess(datatype='func', suffix='bold', direction='AP')
    """
    value = sidecar.get("BidsGuess")
    if not isinstance(value, list) or len(value) != 2:
        return Guess("", "")
    datatype, name = str(value[0]), str(value[1])
    pieces = name.strip("_").split("_")
    direction = next((piece[4:] for piece in pieces if piece.startswith("dir-")), "")
    return Guess(datatype, pieces[-1], direction)
