"""Write pairs of PAR and REC as Philips' research export does, with a known content.

Source: the comments of PARs of version 4.2, and those that come with nibabel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HEAD = """# === DATA DESCRIPTION FILE ======================================================
#
# CAUTION - Investigational device.
#
# Dataset name: E:\\Export\\{name}
#
# CLINICAL TRYOUT             Research image export tool     {version}
#
# === GENERAL INFORMATION ========================================================
#
.    Patient name                       :   {patient}
.    Examination name                   :   {exam}
.    Protocol name                      :   {protocol}
.    Examination date/time              :   {moment}
.    Series Type                        :   Image   MRSERIES
.    Acquisition nr                     :   {number}
.    Reconstruction nr                  :   1
.    Scan Duration [sec]                :   14
.    Max. number of cardiac phases      :   1
.    Max. number of echoes              :   {echoes}
.    Max. number of slices/locations    :   {slices}
.    Max. number of dynamics            :   {planned}
.    Max. number of mixes               :   1
.    Patient position                   :   Head First Supine
.    Preparation direction              :   {preparation}
.    Technique                          :   {technique}
.    Scan resolution  (x, y)            :   {columns}  {rows}
.    Scan mode                          :   {mode}
.    Repetition time [ms]               :   {repetition:.3f}
.    FOV (ap,fh,rl) [mm]                :   240.000  70.000  240.000
.    Water Fat shift [pixels]           :   11.050
.    Angulation midslice(ap,fh,rl)[degr]:   {angles}
.    Off Centre midslice(ap,fh,rl) [mm] :   {centre}
.    Flow compensation <0=no 1=yes> ?   :   0
.    Presaturation     <0=no 1=yes> ?   :   0
.    Phase encoding velocity [cm/sec]   :   0.000000  0.000000  0.000000
.    MTC               <0=no 1=yes> ?   :   0
.    SPIR              <0=no 1=yes> ?   :   1
.    EPI factor        <0,1=no EPI>     :   {epi}
.    Dynamic scan      <0=no 1=yes> ?   :   {dynamic}
.    Diffusion         <0=no 1=yes> ?   :   {diffusion}
.    Diffusion echo time [ms]           :   0.0000
.    Max. number of diffusion values    :   {weightings}
.    Max. number of gradient orients    :   {orients}
.    Number of label types   <0=no ASL> :   0
#
# === IMAGE INFORMATION ==========================================================
#  sl ec  dyn ph ty    idx pix scan% rec size                (re)scale              window        angulation
"""
#: (re)scale of a type: intercept, slope, scale slope. Phases are in milliradians, of a field in Hz.
SCALES = {0: (0.0, 2.0, 0.005), 3: (-3141.59265, 1.534355, 651.74), 18: (-500.0, 0.2442, 4.095)}


@dataclass(frozen=True)
class Pair:
    """One scan. `weightings` are b-values with directions (ap, fh, rl), a volume each."""

    protocol: str = "T1W_3D_TFE"
    number: int = 3
    patient: str = "Doe^Jane"
    moment: str = "2014.08.05 / 11:27:34"
    exam: str = "brain"
    technique: str = "T1TFE"
    mode: str = "3D"
    repetition: float = 8.1
    echo_times: tuple[float, ...] = (3.7,)
    flip: float = 8.0
    inversion: float = 900.0
    epi: int = 1
    dynamics: int = 1
    planned: int = 0
    step: float = 0.0
    types: tuple[int, ...] = (0,)
    sequence: int = 2
    weightings: tuple[tuple[float, tuple[float, float, float]], ...] = ()
    orientation: int = 1
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    centre: tuple[float, float, float] = (2.0, -5.0, 9.0)
    preparation: str = "Anterior-Posterior"
    shape: tuple[int, int, int] = (16, 12, 5)
    spacing: tuple[float, float] = (2.0, 2.0)
    thickness: float = 3.0
    gap: float = 0.5
    version: str = "V4.2"
    scales: dict[int, tuple[float, float, float]] = field(default_factory=lambda: dict(SCALES))


T1 = Pair(shape=(160, 160, 5), spacing=(1.5, 1.5))
BOLD = Pair(
    protocol="fMRI_rest", number=4, technique="FEEPI", mode="MS", repetition=2000.0, echo_times=(30.0,), flip=90.0,
    inversion=0.0, epi=39, dynamics=12, step=2.0,
)  # fmt: skip
DIRECTIONS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0.6, 0.8, 0), (0, 0.6, 0.8), (0.8, 0, 0.6))
DWI = Pair(
    protocol="DTI_6", number=5, technique="DwiSE", mode="MS", repetition=7000.0, echo_times=(80.0,), flip=90.0,
    inversion=0.0, epi=51, sequence=1, weightings=((0.0, (0, 0, 0)), *((1000.0, one) for one in DIRECTIONS)),
    angles=(-20.0, 5.0, 10.0),
)  # fmt: skip
FIELD = Pair(
    protocol="B0_2echo", number=6, technique="FFE", mode="MS", repetition=600.0, echo_times=(4.6, 6.9), flip=60.0,
    inversion=0.0, types=(0, 3),
)  # fmt: skip
FIELD_HZ = Pair(
    protocol="B0_map", number=7, technique="FFE", repetition=20.0, echo_times=(2.5,), inversion=0.0, types=(0, 18)
)


def write_pair(folder: Path, pair: Pair, *, name: str = "", ext: tuple[str, str] = (".PAR", ".REC")) -> Path:
    """Write a pair, and return the path of its PAR; a pixel tells where it stands (see `make_pixels`)."""
    folder.mkdir(parents=True, exist_ok=True)
    name = name or f"{pair.protocol}_{pair.number}_1"
    columns, rows, slices = pair.shape
    words = {
        "name": name, "version": pair.version, "patient": pair.patient, "exam": pair.exam, "protocol": pair.protocol,
        "moment": pair.moment, "number": pair.number, "echoes": len(pair.echo_times), "slices": slices,
        "planned": pair.planned or pair.dynamics, "preparation": pair.preparation, "technique": pair.technique,
        "columns": columns, "rows": rows, "mode": pair.mode, "repetition": pair.repetition,
        "angles": _list(pair.angles, 3), "centre": _list(pair.centre, 3), "epi": pair.epi,
        "dynamic": int(pair.dynamics > 1), "diffusion": int(bool(pair.weightings)),
        "weightings": len({b for b, _ in pair.weightings}) or 1, "orients": max(1, len(pair.weightings) - 1),
    }  # fmt: skip
    lines, pixels = _make_lines(pair)
    end = "\n# === END OF DATA DESCRIPTION FILE ===============================================\n"
    par = folder / f"{name}{ext[0]}"
    head = "".join(line for line in HEAD.format(**words).splitlines(keepends=True) if not _is_newer(line, pair.version))
    par.write_text(head + "\n" + "\n".join(lines) + "\n" + end, encoding="latin-1", newline="\r\n")
    (folder / f"{name}{ext[1]}").write_bytes(np.stack(pixels).astype("<u2").tobytes())
    return par


def make_pixels(pair: Pair, slice_number: int, volume: int, echo: int, kind: int) -> np.ndarray:
    """Return the pixels of one slice (rows, columns), which differ by all that tells slices apart."""
    columns, rows, _ = pair.shape
    ramp = np.arange(rows)[:, None] * 7 + np.arange(columns)[None, :]
    return ramp % 512 + 512 * ((slice_number + 2 * volume + 3 * echo + 5 * kind) % 7)


def _make_lines(pair: Pair) -> tuple[list[str], list[np.ndarray]]:
    """Return a line for each slice, the slices of a volume first to last, and the pixels in their order."""
    lines, pixels = [], []
    volumes = pair.weightings or ((0.0, (0.0, 0.0, 0.0)),) * pair.dynamics
    for volume, (b_value, direction) in enumerate(volumes):
        for kind in pair.types:
            for echo, echo_time in enumerate(pair.echo_times, start=1):
                for number in range(1, pair.shape[2] + 1):
                    dynamic = 1 if pair.weightings else volume + 1
                    order = (int(b_value > 0) + 1, max(1, volume)) if pair.weightings else (1, 1)
                    intercept, slope, scale = pair.scales[kind]
                    cells = [
                        f"{number} {echo} {dynamic} 1 {kind} {pair.sequence} {len(lines)} 16 100",
                        f"{pair.shape[0]} {pair.shape[1]} {intercept:.5f} {slope:.6f} {scale:.5e} 1070 1860",
                        _list(pair.angles, 2), _list(_place(pair, number), 2), f"{pair.thickness:.3f} {pair.gap:.3f}",
                        f"0 {pair.orientation} 0 2 {_list(pair.spacing, 3)} {echo_time:.2f}",
                        f"{volume * pair.step:.2f} 0.00 {b_value:.2f} 1 {pair.flip:.2f} 0 0 0 1 {pair.inversion:.1f}",
                    ]  # fmt: skip
                    if pair.version != "V4":
                        cells.append(f"{order[0]} {order[1]} 7 0 {_list(direction, 3)}")
                    if pair.version == "V4.2":
                        cells.append("1")
                    lines.append("  ".join(cells))
                    pixels.append(make_pixels(pair, number, volume, echo, kind))
    return lines, pixels


def _is_newer(line: str, version: str) -> bool:
    """Return whether a line came with a later version."""
    later = {
        "V4": ("Max. number of diffusion", "Max. number of gradient", "Number of label"),
        "V4.1": ("Number of label",),
    }
    return any(words in line for words in later.get(version, ()))


def _place(pair: Pair, number: int) -> tuple[float, ...]:
    """Return where the middle of a slice lies: ap, fh, rl."""
    from bidsflow.dicom.partable import find_axes

    normal = find_axes(pair.orientation, pair.angles)[:, 2]
    away = (number - (pair.shape[2] + 1) / 2) * (pair.thickness + pair.gap)
    return tuple(middle + away * normal[axis] for middle, axis in zip(pair.centre, (1, 2, 0), strict=True))


def _list(values: Sequence[float], digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)
