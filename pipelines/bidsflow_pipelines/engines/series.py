"""Series of volumes on disk, read one volume at a time."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bidsflow_pipelines.engines.images import Affine, Image


@dataclass(frozen=True, slots=True)
class Series:
    """A series of volumes that stays on disk.

    Attributes
    ----------
    proxy : object
        What nibabel reads from.
    shape : tuple of int
        Voxels and volumes.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS millimetres.
    """

    proxy: Any
    shape: tuple[int, int, int, int]
    affine: Affine

    def __len__(self) -> int:
        return self.shape[3]

    def __getitem__(self, index: int) -> Image:
        """Return one volume as float32; what is not finite becomes 0."""
        data = np.array(self.proxy[..., index], dtype=np.float32)  # a copy: float32 on disk is mapped, read only
        return np.nan_to_num(data, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


@contextmanager
def open_series(path: Path) -> Iterator[Series]:
    """Open a series so that any volume can be read at once, with the memory of one.

    A compressed file is unpacked into the current folder for as long as it is open: in a stream, a volume can only be
    reached through all those before it.

    Raises
    ------
    ValueError
        If the image has not four dimensions.
    """
    import nibabel as nib

    with TemporaryDirectory(dir=Path.cwd(), prefix="series-") as folder:
        plain = path
        if path.name.endswith(".gz"):
            plain = Path(folder) / path.name.removesuffix(".gz")
            with gzip.open(path) as packed, plain.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
        image = nib.load(plain)
        if len(image.shape) != 4:
            raise ValueError(f"expected a series of volumes, not an image of shape {image.shape}")
        yield Series(image.dataobj, image.shape, np.asarray(image.affine, dtype=np.float64))


def create_series(name: str, shape: tuple[int, ...], affine: Affine, repetition_time: float) -> tuple[Path, Image]:
    """Create a series in the current folder and return its path and the array that writes to it.

    It is not compressed, so that volumes can be written in any order, with the memory of one.
    """
    import nibabel as nib

    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_zooms((*np.sqrt(np.square(affine[:3, :3]).sum(axis=0)).tolist(), repetition_time))
    header.set_xyzt_units("mm", "sec")
    header.set_data_offset(352)
    path = Path.cwd() / name
    with path.open("wb") as stream:
        stream.write(header.binaryblock + bytes(4))
        stream.truncate(352 + 4 * int(np.prod(shape)))
    return path, np.memmap(path, dtype=np.float32, mode="r+", offset=352, shape=shape, order="F")
