"""Write an export and its answer key to disk: the only module of this room with effects, beside `defects`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from bidsflow.errors import DatasetError, StorageError
from bidsflow.phantom import classic, enhanced, ge
from bidsflow.phantom.anatomy import TISSUES, make_head
from bidsflow.phantom.catalog import lay_out, plan_session
from bidsflow.phantom.field import compute_field
from bidsflow.phantom.grid import Array, Grid
from bidsflow.phantom.header import Study, make_meta, make_study
from bidsflow.phantom.motion import Pose, make_pose, move_points
from bidsflow.phantom.protocol import SIZES, Series, Session, Size, make_sessions, select_keys
from bidsflow.phantom.render import Scene, Volume, render_series
from bidsflow.phantom.truth import (
    ImageTruth,
    SeriesTruth,
    SessionTruth,
    TissueTruth,
    Truth,
    format_truth,
)

EXPORT, TRUTH = "dicom", "truth"


class Dialect(Protocol):
    """How a maker writes one volume of one echo."""

    def __call__(self, study: Study, series: Series, volume: Volume) -> Iterator[Dataset]:
        """Yield the data sets, one per file."""


DIALECTS: dict[str, Dialect] = {
    "classic": classic.write_volume,
    "enhanced": enhanced.write_volume,
    "ge": ge.write_volume,
}


@dataclass(frozen=True, slots=True)
class _Visit:
    """One session while it is written."""

    study: Study
    scene: Scene
    series: tuple[Series, ...]
    folder: str


def write(
    root: Path,
    *,
    sessions: Sequence[Session] | None = None,
    dialect: str = "classic",
    seed: int = 0,
    size: str = "small",
    series: Sequence[str] | None = None,
    edit: Callable[[Series], Series] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Truth:
    """Write a scanner export with a known content; the same arguments give the same bytes.

    Parameters
    ----------
    root : Path
        A folder that is absent or empty. The export goes to ``root/dicom``, the answer key to ``root/truth``.
    sessions : sequence of Session, optional
        Who comes when; by default one made-up person once, see `make_sessions`.
    dialect : str
        Whose DICOM, a key of `DIALECTS`.
    seed : int
        Changes heads, noise, motion, identifiers and people.
    size : {"tiny", "small", "medium", "large"}
        Of matrices and numbers of volumes, see `Size`.
    series : sequence of str, optional
        Kinds of series or groups of them, see `select_keys`; by default all.
    edit : callable, optional
        Changes a planned series before it is written, for example its description.
    progress : callable, optional
        Called before each series with its description, how many are written and how many there are.

    Returns
    -------
    truth : Truth
        The answer key, as in ``root/truth/truth.json``.

    Raises
    ------
    DatasetError
        The folder is not empty.
    StorageError
        The disk refuses. Nothing of the export is left then, nor after an interrupt.
    ValueError
        A dialect, size or kind of series that is not known.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"{dialect!r} is no dialect; known are {', '.join(DIALECTS)}")
    if size not in SIZES:
        raise ValueError(f"{size!r} is no size; known are {', '.join(SIZES)}")
    keys = select_keys(series)
    people = make_sessions(seed=seed) if sessions is None else tuple(sessions)
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DatasetError(str(root), "not an empty folder", "Choose a new one: nothing is overwritten")
    maker = "ge" if dialect == "ge" else "siemens"
    visits = tuple(
        _plan_visit(session, index, seed, plan_session(session, SIZES[size], keys, maker, edit))
        for index, session in enumerate(people)
    )
    total, done, out = sum(len(v.series) for v in visits), 0, []
    try:
        for folder in (EXPORT, TRUTH):
            (root / folder).mkdir(parents=True)
        for visit in visits:
            truths = []
            for one in visit.series:
                if progress:
                    progress(one.description, done, total)
                truths.append(_write_series(root / EXPORT, visit, one, DIALECTS[dialect]))
                done += 1
            out.append(_write_maps(root / TRUTH, visit, tuple(truths), SIZES[size]))
        truth = Truth(1, seed, dialect, size, EXPORT, _list_tissues(), tuple(out))
        (root / TRUTH / "truth.json").write_text(format_truth(truth), encoding="utf-8")
    except BaseException as error:
        _discard(root, made)
        if isinstance(error, OSError):
            raise StorageError(str(root), error.strerror or str(error)) from error
        raise
    return truth


def _discard(root: Path, made: Sequence[Path]) -> None:
    """Take back a half export, which no one could use, so that the same command can begin again."""
    for part in (EXPORT, TRUTH):
        shutil.rmtree(root / part, ignore_errors=True)
    with suppress(OSError):
        for folder in made:
            folder.rmdir()


def _plan_visit(session: Session, index: int, seed: int, series: tuple[Series, ...]) -> _Visit:
    study = make_study(session, seed)
    scene = Scene(make_head(seed, session.subject.label), make_pose(seed, study.label), seed, study.label)
    return _Visit(study, scene, series, f"P{index + 1:03d}/{session.start:%Y%m%d_%H%M}")


def _name_folder(series: Series) -> str:
    return f"{series.number:04d}_" + re.sub(r"[^A-Za-z0-9_-]+", "_", series.description)


def _write_series(export: Path, visit: _Visit, series: Series, dialect: Dialect) -> SeriesTruth:
    folder = f"{visit.folder}/{_name_folder(series)}"
    (export / folder).mkdir(parents=True)
    count = 0
    for volume in render_series(visit.scene, series):
        for ds in dialect(visit.study, series, volume):
            ds.file_meta = make_meta(ds)
            path = export / folder / f"{int(ds.InstanceNumber):05d}.dcm"
            dcmwrite(path, ds, enforce_file_format=True)
            count += 1
    return _describe_series(visit, series, folder, count)


def _tuples(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.round(6).tolist())


def _describe_series(visit: _Visit, series: Series, folder: str, files: int) -> SeriesTruth:
    """Return what is known of a series that was written."""
    echoes = series.sequence.te_ms if series.form != "phase" else series.sequence.te_ms[1:]
    names = tuple(
        ImageTruth(name.datatype, name.suffix, name.entities, te / 1000)
        for name, te in zip(series.names, echoes, strict=False)
    )
    readout, blocks = series.readout, series.blocks
    volumes = (series.volumes,) if series.volumes > 1 else ()
    return SeriesTruth(
        key=series.key,
        folder=folder,
        uid=visit.study.series_uid(series),
        number=series.number,
        description=series.description,
        start=series.start.isoformat(),
        files=files,
        outputs=len(echoes) * len(series.grids),
        shape=(*series.grid.shape, *volumes),
        affine=_tuples(series.grid.affine),
        planned=series.planned,
        names=names,
        skip=series.skip,
        repetition_time=series.sequence.contrast.tr_ms / 1000,
        phase_encoding=readout.bids_direction if readout else "",
        echo_spacing=readout.echo_spacing if readout else 0.0,
        total_readout=readout.total_readout if readout else 0.0,
        slice_times=series.slice_times if readout else (),
        b_values=series.b_values,
        directions=series.directions,
        motion=tuple(p.values for p in visit.scene.motion(series)) if series.moves else (),
        onsets=blocks.onsets if blocks else (),
        block=blocks.duration if blocks else 0.0,
        percent=blocks.percent if blocks else 0.0,
    )


def _place(pose: Pose, point: tuple[float, float, float]) -> tuple[float, ...]:
    moved = pose.rotation @ np.array(point) + np.array(pose.values[:3])
    return tuple(moved.round(4).tolist())


def _write_maps(folder: Path, visit: _Visit, series: tuple[SeriesTruth, ...], size: Size) -> SessionTruth:
    """Write the maps of a session and return its part of the answer key."""
    session, scene = visit.study.session, visit.scene
    geometry = lay_out(size)
    stem = f"sub-{session.subject.label}" + (f"_ses-{session.label}" if session.label else "")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)
    points = geometry.epi.points().reshape(3, -1)
    field = compute_field(points, scene.pose)
    np.save(folder / f"{stem}_field.npy", _to_columns(field, geometry.epi))
    np.save(folder / f"{stem}_labels.npy", _label_tissues(scene, geometry.volume))
    return SessionTruth(
        subject=session.subject.label,
        session=session.label,
        patient_id=session.subject.patient_id,
        patient_name=session.subject.patient_name,
        study_uid=visit.study.uid,
        start=session.start.isoformat(),
        folder=visit.folder,
        pose=scene.pose.values,
        shim=visit.study.shim,
        marker=_place(scene.pose, scene.head.marker),
        active=_place(scene.pose, scene.head.active.centre),
        active_radius=min(scene.head.active.axes),
        field_map=f"{stem}_field.npy",
        field_affine=_tuples(geometry.epi.affine),
        label_map=f"{stem}_labels.npy",
        label_affine=_tuples(geometry.volume.affine),
        series=series,
    )


def _to_columns(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], grid: Grid) -> Array:
    """Return a flat map as (columns, rows, slices)."""
    columns, rows, slices = grid.shape
    return np.ascontiguousarray(values.reshape(slices, rows, columns).transpose(2, 1, 0))


def _label_tissues(scene: Scene, grid: Grid) -> Array:
    """Return which tissue fills most of each voxel, as indices into TISSUES; -1 in air."""
    labels = []
    for plane in np.moveaxis(grid.points(), 1, 0):
        inside = move_points(scene.pose.inverse, plane.reshape(3, -1))
        weights = scene.head.weights(inside, grid.edge)
        parts = np.stack([weights[scene.head.select(t.name)].sum(axis=0) for t in TISSUES])
        labels.append(np.where(parts.sum(axis=0) < 0.5, -1, parts.argmax(axis=0)).astype(np.int8))
    return _to_columns(np.concatenate(labels), grid)


def _list_tissues() -> tuple[TissueTruth, ...]:
    return tuple(
        TissueTruth(
            t.name,
            t.density,
            t.t1_ms / 1000,
            t.t2_ms / 1000,
            t.t2star_ms / 1000,
            tuple(round(v, 9) for v in t.tensor.ravel().tolist()),
        )
        for t in TISSUES
    )
