"""Make NIfTI images of a Philips PAR and its REC, each with a sidecar and tables as dcm2niix would write them.

dcm2niix reads PARs too, without support: its sidecars lack the repetition time, echoes are mixed, and a REC that breaks
off goes unnoticed (v1.0.20260724). nibabel gives the order of slices and the affine. Values are those that Philips
calls floating point, as dcm2niix has them by default: they can be compared between scans, a phase is in radians and a
field in Hz. Rows run upwards in the file, and slices so that the axes are left-handed, as in files of dcm2niix.

Sources: the comments of a PAR ("FP = DV / (RS * SS)"; Chenevert et al., Transl Oncol 2014, PMC3998685); FSL, "bvecs"
(in the axes of the file, where these are left-handed).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsflow.convert.nifti import read_shape
from bidsflow.convert.outputs import Output
from bidsflow.dicom.partable import (
    Kind,
    find_axes,
    find_directions,
    find_phase_axis,
    group_rows,
    name_type,
    parse_par,
    quiet,
)
from bidsflow.dicom.series import Image, Instance, Series
from bidsflow.errors import ConversionError, HeaderError

#: Times of dynamics are rounded to 10 ms; repetition times that differ by more than this share are not of volumes.
_SAME_TIME = 0.01
#: ``image_type_mr`` of phases, and how far from -pi (radians) they may begin.
_PHASE, _ALMOST = 3, 0.01
#: A technique as Philips writes it, which no one types.
_TECHNIQUE = re.compile(r"[A-Za-z0-9-]{2,12}")


def convert_pair(series: Series, target: Path) -> dict[int, Output]:
    """Write the images of a pair into a folder, and return them by rank (from 1).

    Parameters
    ----------
    series : Series
        One whose instances are PARs.
    target : Path
        An empty folder.

    Raises
    ------
    ConversionError
        If the pair is not what it was when it was scanned, or does not make whole volumes.
    OSError
        If a file cannot be read or written.
    """
    import numpy as np

    if len(series.instances) != 1 or series.instances[0].beside is None:
        raise ConversionError(series.title, "several PARs say that they are this series")
    instance = series.instances[0]
    try:
        info, rows = parse_par(Path(instance.file.path))
        raw = _read_rec(instance, rows)
        places = _find_images(info, rows)
        found = {}
        for rank, image in enumerate(series.images, start=1):
            kind, own = places[_mark_image(image)]
            stack = _sort(info, rows[own])
            pixels = raw[np.asarray(own)[stack.order]]
            found[rank] = _write_image(image, kind, stack, pixels, target / f"image_{rank}.nii")
    except HeaderError as error:
        raise ConversionError(series.title, error.reason) from error
    except (KeyError, ValueError, IndexError, AssertionError) as error:
        raise ConversionError(series.title, f"its PAR does not make whole images ({error})") from error
    return found


def _read_rec(instance: Instance, rows: Any) -> Any:
    """Return the pixels, a slice for each record of the PAR: (slices, rows, columns)."""
    import numpy as np

    bits, sizes = {int(size) for size in rows["image pixel size"]}, {tuple(size) for size in rows["recon resolution"]}
    if len(bits) > 1 or len(sizes) > 1 or not bits <= {8, 16}:
        raise ValueError("its slices differ in size")
    if rows["index in REC file"].tolist() != list(range(len(rows))):
        raise ValueError("it does not list its images in the order of its REC")
    columns, high = (int(size) for size in sizes.pop())
    dtype = np.dtype(f"<u{bits.pop() // 8}")
    raw: Any = np.memmap(instance.files[-1].path, dtype, mode="r", shape=(len(rows), high, columns))
    return raw


def _find_images(info: Mapping[str, Any], rows: Any) -> dict[tuple[object, ...], tuple[Kind, list[int]]]:
    """Return the places of the records of each image, by what `_mark_image` says of it.

    Raises
    ------
    ValueError
        If there are several stacks: a PAR has angles and a middle for one.
    """
    groups = group_rows(rows)
    if len({(kind.orientation, kind.angles) for kind in groups}) > 1:
        raise ValueError("its slices point in several directions")
    return {_mark_kind(info, kind): (kind, places) for kind, places in groups.items()}


def _mark_kind(info: Mapping[str, Any], kind: Kind) -> tuple[object, ...]:
    directions = tuple(round(float(word), 2) + 0.0 for word in find_directions(kind).split("\\"))
    return name_type(info, kind), kind.echo_time, directions


def _mark_image(image: Image) -> tuple[object, ...]:
    return image.header.text("ImageType"), image.echo_time, image.orientation


@dataclass(frozen=True, slots=True)
class _Stack:
    """The slices of one image in order.

    Attributes
    ----------
    info : mapping
        What the PAR says of the scan.
    rows : ndarray, shape (volumes, slices)
        Their records.
    order : ndarray, shape (volumes * slices,)
        Where they stand among those of the image.
    affine : ndarray, shape (4, 4)
        Indices of columns, rows and slices to scanner millimetres (RAS+).
    slope, intercept : ndarray, shape (volumes, slices)
        What makes values of pixels.
    """

    info: Mapping[str, Any]
    rows: Any
    order: Any
    affine: Any
    slope: Any
    intercept: Any


def _sort(info: Mapping[str, Any], rows: Any) -> _Stack:
    """Return the slices of one image in nibabel's strict order: volume by volume, echoes and dynamics by number.

    Raises
    ------
    ValueError
        If they do not fill volumes.
    """
    import numpy as np
    from nibabel.parrec import PARRECError, PARRECHeader

    slices = len(set(rows["slice number"].tolist()))
    try:
        with quiet():  # a run that was stopped has fewer dynamics than planned, of which nibabel warns
            header = PARRECHeader({**info, "max_slices": slices}, rows, permit_truncated=True, strict_sort=True)
            order = header.get_sorted_slice_indices()
            affine = header.get_affine()
            method = "fp" if (rows["scale slope"] * rows["rescale slope"]).all() else "dv"
            scales = header.get_data_scaling(method)  # (1, 1, slices[, volumes])
    except PARRECError as error:
        raise ValueError(str(error).partition("(")[0].strip()) from error
    if not np.isfinite(affine).all():
        raise ValueError("it does not say where its slices lie")
    if len(order) != len(rows):
        raise ValueError(f"{len(rows)} slices do not fill volumes of {slices}")
    slope, intercept = (part[0, 0].T.reshape(-1, slices) for part in scales)
    return _Stack(info, rows[order].reshape(-1, slices), order, affine, slope, intercept)


def _write_image(image: Image, kind: Kind, stack: _Stack, pixels: Any, path: Path) -> Output:
    """Write an image with its companions.

    Parameters
    ----------
    image : Image
        What it was planned as.
    kind : Kind
        What its slices have in common.
    stack : _Stack
        Its slices.
    pixels : ndarray, shape (volumes * slices, rows, columns)
        As in the REC, in the order of the stack.
    path : Path
        Of the ``.nii``.
    """
    import nibabel as nib
    import numpy as np

    data = pixels.reshape(*stack.rows.shape, *pixels.shape[1:]).transpose(3, 2, 1, 0)  # x, y, slice, volume
    affine, flips = _face(stack.affine, data.shape)
    data = data[:, :: flips[1], :: flips[2]]
    even = np.ptp(stack.slope) == 0 and np.ptp(stack.intercept) == 0
    if even:
        values = data.astype(np.int16) if data.dtype.itemsize == 1 or data.max() < 2**15 else data
    else:
        slope, intercept = (part.T[None, None, :: flips[2]] for part in (stack.slope, stack.intercept))
        values = (data * slope + intercept).astype(np.float32)
    repetition = find_repetition(stack.info, stack.rows)
    made = nib.Nifti1Image(values if values.shape[3] > 1 else values[..., 0], affine)
    made.header.set_xyzt_units("mm", "sec")
    if values.shape[3] > 1:
        made.header["pixdim"][4] = repetition
    if even:
        made.header.set_slope_inter(float(stack.slope[0, 0]), float(stack.intercept[0, 0]))
    made.set_qform(affine, 1)
    made.set_sform(affine, 1)
    made.to_filename(path)
    sidecar = _describe(image, kind, stack, repetition) | (_describe_scaling(stack) if even else {})
    path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
    return Output(path, sidecar, _write_tables(kind, stack, affine, path), read_shape(path))


def _face(affine: Any, shape: Sequence[int]) -> tuple[Any, tuple[int, int, int]]:
    """Return an affine with rows turned upwards, and slices where axes were right-handed, and the steps along axes."""
    import numpy as np

    turned = affine @ _flip(1, shape)
    if np.linalg.det(turned[:3, :3]) < 0:
        return turned, (1, -1, 1)
    return turned @ _flip(2, shape), (1, -1, -1)


def _flip(axis: int, shape: Sequence[int]) -> Any:
    import numpy as np

    flip = np.eye(4)
    flip[axis, axis], flip[axis, 3] = -1, shape[axis] - 1
    return flip


def find_repetition(info: Mapping[str, Any], rows: Any) -> float:
    """Return the time from one volume to the next in seconds.

    Where a volume takes several repetitions (three-dimensional runs), only the times of dynamics tell.

    Parameters
    ----------
    info : mapping
        What the PAR says of the scan.
    rows : ndarray, shape (volumes, slices)
        Records of an image.
    """
    said = float(info["repetition_time"][0]) / 1000
    begun = sorted(set(rows["dyn_scan_begin_time"][:, 0].tolist()))
    if len(begun) < 2 or len(begun) != len(rows):
        return said
    measured = (begun[-1] - begun[0]) / (len(begun) - 1)
    return said if abs(measured - said) <= _SAME_TIME * said else round(measured, 4)


def _describe(image: Image, kind: Kind, stack: _Stack, repetition: float) -> dict[str, object]:
    import nibabel as nib

    header, first = image.header, stack.rows[0, 0]
    axis = {"COL": "j", "ROW": "i"}.get(find_phase_axis(stack.info, find_axes(kind.orientation, kind.angles)), "")
    technique = stack.info["tech"].strip()
    known: dict[str, object] = {
        "Modality": "MR",
        "Manufacturer": "Philips",
        "PatientPosition": header.text("PatientPosition"),
        "MRAcquisitionType": header.text("MRAcquisitionType"),
        "ImageType": header.text("ImageType").split("\\"),
        "PulseSequenceType": technique if _TECHNIQUE.fullmatch(technique) else "",
        "EchoTime": kind.echo_time / 1000,
        "RepetitionTime": repetition,
        "InversionTime": float(first["Inversion delay"]) / 1000,
        "FlipAngle": float(first["image_flip_angle"]),
        "EchoTrainLength": int(first["TURBO factor"]),
        "SliceThickness": float(first["slice thickness"]),
        "SpacingBetweenSlices": float(first["slice thickness"]) + float(first["slice gap"]),
        "WaterFatShift": float(stack.info.get("water_fat_shift", 0.0)),
        "PhaseEncodingAxis": axis,
        "Units": "rad" if kind.type == _PHASE and _is_in_radians(stack) else "",
        "ImageOrientationPatientDICOM": list(image.orientation),
    }
    told = {key: value for key, value in known.items() if value not in ("", 0, 0.0)}
    return {**told, "ConversionSoftware": "nibabel", "ConversionSoftwareVersion": nib.__version__}


def _is_in_radians(stack: _Stack) -> bool:
    """Return whether the values of a phase begin at -pi, which of 12 bits is -3.142; a field in Hz begins elsewhere."""
    return bool(abs(stack.intercept + math.pi).max() < _ALMOST)


def _describe_scaling(stack: _Stack) -> dict[str, object]:
    """Return what the values were made with, under the names that dcm2niix has for it."""
    first = stack.rows[0, 0]
    return {
        "PhilipsRescaleSlope": float(first["rescale slope"]),
        "PhilipsRescaleIntercept": float(first["rescale intercept"]),
        "PhilipsScaleSlope": float(first["scale slope"]),
        "UsePhilipsFloatNotDisplayScaling": int(bool(first["scale slope"] * first["rescale slope"])),
    }


def _write_tables(kind: Kind, stack: _Stack, affine: Any, path: Path) -> dict[str, Path]:
    """Write b-values and directions of a diffusion image; PARs before V4.1 have no directions.

    Directions are the patient's, as their columns are called (ap, fh, rl), and are turned to the axes of the file.

    Raises
    ------
    ValueError
        If slices of one volume differ.
    """
    import numpy as np

    rows = stack.rows
    if not int(stack.info["diffusion"]) or kind.type:
        return {}
    lines = {".bval": [rows["diffusion_b_factor"]]}
    if "diffusion" in (rows.dtype.names or ()):
        axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        ras = rows["diffusion"][..., [2, 0, 1]] * (-1, -1, 1)
        lines[".bvec"] = list(np.moveaxis(ras @ axes, -1, 0))
    tables = {}
    for ext, values in lines.items():
        if any(np.ptp(one, axis=1).any() for one in values):
            raise ValueError("slices of one volume have different weightings")
        text = "\n".join(" ".join(f"{value + 0.0:.6g}" for value in one[:, 0]) for one in values)
        tables[ext] = path.with_suffix(ext)
        tables[ext].write_text(f"{text}\n", encoding="utf-8")
    return tables
