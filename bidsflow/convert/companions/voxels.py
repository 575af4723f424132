"""What voxels tell of labelled blood: which volume of an image is which of the export, and whether labels are darker.

dcm2niix puts volumes of Philips into an order of its own, which is not always the one that it documents (issue 533:
controls first; v1.0.20260724 does so where numbers tell nothing, and leaves labels first where they are numbered
first). So its volumes are looked up among the slices of the export: no order is assumed.

Whether labels are darker than controls can only confirm a table, never make one. The blood is a share of one percent or
less, as much as a scanner drifts from pair to pair (dcm_qa_xa30: 0.2 to 0.3 % in three pairs, a drift of 0.2 %), an M0
is no brighter than the rest where nothing is suppressed (6 % there), and where the background is, magnitudes turn their
sign with it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bidsflow.dicom.header import Header
from bidsflow.dicom.pixels import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT
from bidsflow.dicom.series import Instance
from bidsflow.dicom.source import inflated
from bidsflow.errors import HeaderError

if TYPE_CHECKING:
    import numpy as np

#: Transfer syntaxes whose pixels are as they are.
_PLAIN: Final = frozenset({IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN})
#: Differences of neighbours from which on their mean can be told from drift and noise.
_FEWEST_PAIRS: Final = 6
#: Standard errors by which labels have to be brighter.
_SURE: Final = 5.0
#: Voxels with a smaller share of the brightest signal are air.
_TISSUE: Final = 0.25


def find_types(nifti: Path, instances: Sequence[Instance], tell: Callable[[Header], str]) -> tuple[str, ...]:
    """Return what each volume of an image is, by the slices of the export that hold the same values.

    Parameters
    ----------
    nifti : Path
        The image as dcm2niix wrote it, uncompressed.
    instances : sequence of Instance
        Of its series, one slice each.
    tell : callable
        Returns what the header of a slice says that it is.

    Returns
    -------
    types : tuple of str
        One for each volume; empty where the slices of a volume contradict, or are found nowhere: they are compressed.
    """
    told: dict[bytes, set[str]] = {}
    for one in instances:
        mark = _mark_slice(one)
        if not mark:
            return ()
        told.setdefault(mark, set()).add(tell(one.header))
    known = {mark: said.pop() for mark, said in told.items() if len(said) == 1}  # empty slices may be in all volumes
    types = tuple(_name_volume(slices, known) for slices in _mark_volumes(nifti))
    return types if all(types) else ()


def note_bright_labels(nifti: Path, types: Sequence[str]) -> str:
    """Return a clause that says that labels are brighter than controls, ``""`` where they are not for sure.

    Each control is compared with the labels beside it, so that a drift of the scanner does not count. Only for images
    whose background is not suppressed.

    Parameters
    ----------
    nifti : Path
        The image, uncompressed.
    types : sequence of str
        What its volumes are.
    """
    import nibabel as nib
    import numpy as np

    voxels = np.asarray(nib.load(nifti).dataobj, dtype=np.float32)
    if voxels.ndim != 4 or voxels.shape[3] != len(types):
        return ""
    mean = voxels.mean(axis=3)
    tissue = mean > _TISSUE * np.percentile(mean, 99)
    if not tissue.any():  # nothing but zeros
        return ""
    means = voxels[tissue].mean(axis=0)
    signs = [{"control": 1.0, "label": -1.0}.get(one, 0.0) for one in types]
    ranks = [rank for rank in range(1, len(types) - 1) if signs[rank - 1] == signs[rank + 1] == -signs[rank] != 0]
    if len(ranks) < _FEWEST_PAIRS:
        return ""
    gaps = np.array([signs[rank] * (means[rank] - (means[rank - 1] + means[rank + 1]) / 2) for rank in ranks])
    error = float(gaps.std(ddof=1)) / np.sqrt(len(gaps))
    if gaps.mean() >= -_SURE * error:
        return ""
    share = -100 * float(gaps.mean() / means.mean())
    return f"its labels are brighter than its controls by {share:.2g} %: if they are swapped, perfusion is negative"


def _name_volume(slices: Sequence[bytes], known: Mapping[bytes, str]) -> str:
    found = {known[mark] for mark in slices if mark in known}
    return found.pop() if len(found) == 1 else ""


def _mark_volumes(nifti: Path) -> Iterator[list[bytes]]:
    """Yield a mark of the values of each slice of each volume."""
    import nibabel as nib
    import numpy as np

    voxels = np.asanyarray(nib.load(nifti).dataobj.get_unscaled())
    for volume in np.moveaxis(voxels.reshape(*voxels.shape[:3], -1), 3, 0):
        yield [_mark(volume[:, :, rank]) for rank in range(volume.shape[2])]


def _mark_slice(one: Instance) -> bytes:
    """Return a mark of the values of a slice, ``b""`` where they are compressed, or not of 16 bits."""
    import numpy as np
    import pydicom

    try:
        data = b"".join(inflated(one.file.path))
    except (HeaderError, OSError):
        return b""
    wanted = ["PixelData", "BitsAllocated", "Rows", "Columns"]
    ds = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=wanted)
    pixels, size = ds.get("PixelData", b""), ds.get("Rows", 0) * ds.get("Columns", 0)
    if ds.get("BitsAllocated") != 16 or len(pixels) != 2 * size or one.header.text("TransferSyntaxUID") not in _PLAIN:
        return b""
    order = ">" if one.header.text("TransferSyntaxUID") == BIG_ENDIAN else "<"
    return _mark(np.frombuffer(pixels, dtype=f"{order}u2"))


def _mark(values: np.ndarray) -> bytes:
    """Return the same for the same values, however a slice is turned and scaled: how often each value is there.

    dcm2niix writes products where slopes differ from slice to slice (Philips), and the values themselves elsewhere.
    """
    import numpy as np

    counts = np.unique(values, return_counts=True)[1]
    return hashlib.blake2b(counts.astype(np.int64).tobytes(), digest_size=16).digest()
