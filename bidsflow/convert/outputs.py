"""What dcm2niix wrote for a series: matched to what was planned, checked, and packed. Knows nothing of BIDS names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bidsflow.convert.nifti import is_flat, read_announced_size, read_shape
from bidsflow.dataset.room import claim_room
from bidsflow.dicom.images import is_derived, is_noise
from bidsflow.dicom.series import Image, Series
from bidsflow.errors import ConversionError

#: Name of its files, before what dcm2niix appends.
NAME = "image"
#: What dcm2niix appends to the name of an image that it computed itself, or that it made of an overlay (ROI).
_COMPUTED = re.compile(r"_(?:ADC|TRACE\w*|FA|Eq(?:_\d+)?|Tilt(?:_\d+)?|Crop(?:_\d+)?|MoCo|ROI\d+)$")
#: What it appends to the name of the whole of a diffusion series from which it took volumes that are weighted and have
#: no direction: Philips appends a trace, or an ADC.
_WHOLE = "_ADC"
#: What it appends to the name of an image without excitation.
_NOISE_MARK = "_noRF"
_COMPONENT_MARKS = (("_ph", "phase"), ("_real", "real"), ("_imaginary", "imaginary"))
#: Echo times that agree to this (ms) are the same; sidecars carry seconds with six digits.
_SAME_ECHO = 0.02
#: Bytes that are compressed at once; more than the caches hold take a quarter longer.
_CHUNK = 256 << 10


@dataclass(frozen=True, slots=True)
class Output:
    """One image that dcm2niix wrote.

    Attributes
    ----------
    nifti : Path
        The uncompressed image.
    sidecar : dict
        Its JSON.
    tables : dict of str to Path
        Its other companions by extension: ``.bval``, ``.bvec``.
    shape : tuple of int
        Size in voxels along each dimension of the file, up to the last that is not 1.
    whole : int
        Volumes before dcm2niix took computed ones out (a trace, an ADC); 0 where it took none.
    """

    nifti: Path
    sidecar: dict[str, object]
    tables: dict[str, Path]
    shape: tuple[int, ...]
    whole: int = 0

    @property
    def stem(self) -> str:
        """Name without extension, with the marks that dcm2niix appended."""
        return self.nifti.name.removesuffix(".nii")

    @property
    def component(self) -> str:
        """Which part of the complex signal it holds."""
        for mark, name in _COMPONENT_MARKS:
            if mark in self.stem:
                return name
        return next((name for name in ("phase", "real", "imaginary") if name.upper() in self.words), "magnitude")

    @property
    def words(self) -> tuple[str, ...]:
        """The values of ImageType, as far as dcm2niix passes them on."""
        kinds = self.sidecar.get("ImageType")
        return tuple(str(word) for word in kinds) if isinstance(kinds, list) else ()

    @property
    def echo_time(self) -> float:
        """In milliseconds, 0 where unknown."""
        value = self.sidecar.get("EchoTime")
        return float(value) * 1000 if isinstance(value, (int, float)) else 0.0

    @property
    def b_values(self) -> str:
        """The text of its ``.bval``, ``""`` where there is none."""
        table = self.tables.get(".bval")
        return table.read_text(errors="replace") if table is not None else ""

    @property
    def volumes(self) -> int:
        """Number of volumes."""
        return self.shape[3] if len(self.shape) > 3 else 1


def collect(folder: Path, *, sidecars_only: bool = False) -> tuple[Output, ...]:
    """Return the images in a folder that dcm2niix wrote to, in the order of their names."""
    outputs = []
    for sidecar in sorted(folder.glob("*.json")):
        nifti = sidecar.with_suffix(".nii")
        if not sidecars_only and not nifti.exists():
            continue
        tables = {ext: path for ext in (".bval", ".bvec") if (path := sidecar.with_suffix(ext)).exists()}
        # dcm2niix copies control characters of the header as they are
        content = json.loads(sidecar.read_text(encoding="utf-8", errors="replace"), strict=False)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - told like text that is no JSON at all
        outputs.append(Output(nifti, content, tables, () if sidecars_only else read_shape(nifti)))
    known = {output.nifti for output in outputs}
    for nifti in sorted(folder.glob("*.nii")):
        if nifti not in known:
            outputs.append(Output(nifti, {}, {}, read_shape(nifti)))
    return tuple(outputs)


def match_outputs(series: Series, outputs: Sequence[Output]) -> dict[int, Output]:
    """Return which output is which image of a series, by the rank of the image (from 1).

    What dcm2niix computed itself (an ADC, a trace), or made of an overlay, is left out; where nothing else came out,
    the series is that. Everything else must be one image of the series.

    Raises
    ------
    ConversionError
        If an image has no output, or an output is no image: dcm2niix splits the series otherwise than its headers do.
    """
    wholes = {output.stem.removesuffix(_WHOLE): output.volumes for output in outputs if output.stem.endswith(_WHOLE)}
    kept = [output for output in outputs if not _COMPUTED.search(output.stem)] or list(outputs)
    left = [
        replace(output, whole=wholes[output.stem]) if wholes.get(output.stem, 0) > output.volumes else output
        for output in kept
    ]
    found: dict[int, Output] = {}
    if len(left) == len(series.images) == 1:
        return {1: left[0]}
    for rank, image in enumerate(series.images, start=1):
        fits = [output for output in left if _fits(image, output, several=len(series.images) > 1)]
        if len(fits) > 1:  # Philips gives a map in Hz no echo time, and its magnitude one
            fits = [output for output in fits if bool(output.echo_time) == bool(image.echo_time)] or fits
        if len(fits) > 1:
            derived = is_derived(image.header.words("ImageType"))
            fits = [output for output in fits if is_derived(output.words) == derived] or fits
        if len(fits) > 1:
            fits = [output for output in fits if output.volumes == image.volumes]
        if len(fits) == 1:
            found[rank] = fits[0]
            left.remove(fits[0])
    if left or len(found) < len(series.images):
        planned, made = len(series.images), len(outputs)
        raise ConversionError(
            series.title,
            f"dcm2niix splits it otherwise than planned: {planned} image{'s' if planned > 1 else ''} planned, "
            f"{made} made ({', '.join(output.stem.removeprefix(NAME) or 'plain' for output in outputs)})",
        )
    return found


def _fits(image: Image, output: Output, *, several: bool) -> bool:
    if output.component != image.component or (several and is_noise(image.header) != (_NOISE_MARK in output.stem)):
        return False
    if several and image.echo_time and output.echo_time and abs(image.echo_time - output.echo_time) > _SAME_ECHO:
        return False
    directions = output.sidecar.get("ImageOrientationPatientDICOM")
    if several and isinstance(directions, list) and image.orientation:
        return all(abs(float(one) - two) < 0.02 for one, two in zip(directions, image.orientation, strict=False))
    return True


def check_output(series: Series, image: Image, output: Output) -> None:
    """Make sure that an output is whole, in space, and has the voxels and volumes that its headers announce.

    Raises
    ------
    ConversionError
        If it has not.
    StorageError
        If it is not whole because the disk is full, or a quota is reached.
    """
    missing = read_announced_size(output.nifti) - output.nifti.stat().st_size
    if missing > 0:
        claim_room(output.nifti.parent, missing)
        raise ConversionError(series.title, "dcm2niix wrote less than its own header announces")
    if image.volumes not in (output.volumes, output.whole):
        raise ConversionError(
            series.title, f"dcm2niix made {output.volumes} volumes where the headers announce {image.volumes}"
        )
    if sorted(output.shape[:3]) != sorted(image.matrix):
        made, announced = ("x".join(map(str, size)) for size in (output.shape[:3], image.matrix))
        raise ConversionError(series.title, f"dcm2niix made {made} voxels where the headers announce {announced}")
    if is_flat(output.nifti):  # as of makers that number volume by volume, where someone numbered slice by slice
        why = "dcm2niix found no direction from slice to slice (order of InstanceNumber)"
        raise ConversionError(series.title, f"{why}: its image would be flat. Convert the scanner's own export")


def note_left_out(output: Output) -> tuple[str, ...]:
    """Return what a person should know of volumes that an output lacks, a clause."""
    if not output.whole:
        return ()
    count = output.whole - output.volumes
    return (f"{count} of {output.whole} volumes left out, weighted without a direction (a trace or an ADC)",)


def compress(source: Path, target: Path, scrub: Callable[[bytes], bytes]) -> None:
    """Compress an image deterministically (no name and no time in the gzip header) and durably; remove its source.

    Parameters
    ----------
    source, target : Path
        The ``.nii`` and the ``.nii.gz``.
    scrub : callable
        Gets the first bytes of the file, at least its header, and returns them cleaned.
    """
    from isal import isal_zlib

    packer = isal_zlib.compressobj(level=3, wbits=31)
    with source.open("rb") as stream, target.open("wb") as out:
        chunk = scrub(stream.read(_CHUNK))
        while chunk:
            out.write(packer.compress(chunk))
            chunk = stream.read(_CHUNK)
        out.write(packer.flush())
        out.flush()
        os.fsync(out.fileno())  # here, in a thread, so that the commit does not wait for the disk
    source.unlink()
