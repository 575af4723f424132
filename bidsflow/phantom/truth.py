"""What is really in an export: the answer key that lies beside it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsflow.errors import SourceError

Vector = tuple[float, ...]
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ImageTruth:
    """One image that a converter makes of a series.

    Attributes
    ----------
    datatype, suffix : str
        In BIDS.
    entities : tuple of (key, value)
        Without sub and ses.
    echo_time : float
        Seconds.
    """

    datatype: str
    suffix: str
    entities: tuple[tuple[str, str], ...]
    echo_time: float


@dataclass(frozen=True, slots=True)
class SeriesTruth:
    """What is known of one series; times in seconds, vectors in RAS millimetres.

    Attributes
    ----------
    folder : str
        Where its files are, relative to the export; all series share it in a flat export.
    files : int
        How many files the scanner sent.
    outputs : int
        How many images dcm2niix makes of them.
    shape : tuple of int
        Columns, rows, slices and, where there are several, volumes.
    affine : tuple of tuple of float
        From (column, row, slice) to RAS; dcm2niix stores the rows of axial images in reverse.
    names, skip : tuple of ImageTruth, str
        What it is in BIDS, or why it is left out.
    slice_times : tuple of float
        In the order of the slices.
    directions : tuple of tuple of float
        Of the diffusion gradients in the scanner.
    motion : tuple of tuple of float
        For each volume tx, ty, tz in millimetres and rx, ry, rz in radians relative to the first, see `Pose`.
    """

    key: str
    folder: str
    uid: str
    number: int
    description: str
    start: str
    files: int
    outputs: int
    shape: tuple[int, ...]
    affine: tuple[Vector, ...]
    planned: int
    names: tuple[ImageTruth, ...]
    skip: str
    repetition_time: float
    phase_encoding: str
    echo_spacing: float
    total_readout: float
    slice_times: Vector
    b_values: Vector
    directions: tuple[Vector, ...]
    motion: tuple[Vector, ...]
    onsets: Vector
    block: float
    percent: float


@dataclass(frozen=True, slots=True)
class SessionTruth:
    """What is known of one session.

    Attributes
    ----------
    pose : tuple of float
        How the head lies in the scanner, see `Pose`.
    shim : tuple of int
        Shim currents, the same for all series.
    marker : tuple of float
        Centre of the bright capsule at the right, front and top, RAS in the scanner.
    active : tuple of float
        Centre of the active region, RAS in the scanner.
    active_radius : float
        Millimetres.
    field_map : str
        File with the field in hertz (columns, rows, slices) of the echo-planar grid, beside the truth.
    label_map : str
        File with the index of the tissue that fills most of a voxel of the T1w grid; -1 in air.
    """

    subject: str
    session: str
    patient_id: str
    patient_name: str
    study_uid: str
    start: str
    folder: str
    pose: Vector
    shim: tuple[int, ...]
    marker: Vector
    active: Vector
    active_radius: float
    field_map: str
    field_affine: tuple[Vector, ...]
    label_map: str
    label_affine: tuple[Vector, ...]
    series: tuple[SeriesTruth, ...]


@dataclass(frozen=True, slots=True)
class TissueTruth:
    """The parameters of a tissue; the tensor in the axes of the head, mm²/s, row by row."""

    name: str
    density: float
    t1: float
    t2: float
    t2star: float
    tensor: Vector


@dataclass(frozen=True, slots=True)
class Truth:
    """The answer key of an export.

    Attributes
    ----------
    export : str
        The folder to scan, relative to the folder that was written.
    tissues : tuple of TissueTruth
        Indices of the label maps point into it.
    """

    version: int
    seed: int
    dialect: str
    size: str
    export: str
    tissues: tuple[TissueTruth, ...]
    sessions: tuple[SessionTruth, ...]

    @property
    def series(self) -> tuple[SeriesTruth, ...]:
        """Return the series of all sessions."""
        return tuple(s for session in self.sessions for s in session.series)

    def find_series(self, key: str) -> SeriesTruth:
        """Return the first series of a kind.

        Raises
        ------
        KeyError
            No series of the kind was scanned.
        """
        for series in self.series:
            if series.key == key:
                return series
        raise KeyError(key)


def format_truth(truth: Truth) -> str:
    """Return an answer key as JSON, the same text for the same key."""
    return json.dumps(dataclasses.asdict(truth), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _freeze(value: Any) -> Any:
    return tuple(_freeze(v) for v in value) if isinstance(value, list) else value


def _build_series(row: dict[str, Any]) -> SeriesTruth:
    names = tuple(ImageTruth(**{k: _freeze(v) for k, v in name.items()}) for name in row["names"])
    return SeriesTruth(**{k: _freeze(v) for k, v in row.items() if k != "names"}, names=names)


def _build_session(row: dict[str, Any]) -> SessionTruth:
    series = tuple(_build_series(s) for s in row["series"])
    return SessionTruth(**{k: _freeze(v) for k, v in row.items() if k != "series"}, series=series)


def read_truth(path: Path) -> Truth:
    """Return the answer key in a ``truth.json``.

    Raises
    ------
    SourceError
        The file is of another version.
    """
    row = json.loads(path.read_text(encoding="utf-8"))
    if row["version"] != _VERSION:
        raise SourceError(str(path), f"version {row['version']} of the answer key, known is {_VERSION}")
    tissues = tuple(TissueTruth(**{k: _freeze(v) for k, v in t.items()}) for t in row["tissues"])
    sessions = tuple(_build_session(s) for s in row["sessions"])
    rest = {k: v for k, v in row.items() if k not in {"tissues", "sessions"}}
    return Truth(**rest, tissues=tissues, sessions=sessions)
