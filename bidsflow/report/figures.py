"""NIfTI images to figures: slices the right way up, with the letters that say so.

Comes in: a path or an image. Goes out: a `values.Figure`, always: an image that cannot be shown yields a figure that
says why, for a report must not fail on what it reports.
"""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path

from bidsflow.report.draw import Row, encode
from bidsflow.report.panels import Grid, Panel, choose_cuts, find_window, orient_plane
from bidsflow.report.scan import Image, Scan, grid_of, read_cuts
from bidsflow.report.values import Figure, Trace, format_number

_MAX_BYTES = 60_000
_MAX_PLANE = 2**25  # voxels of one slice: more is a damaged header, or nothing for a page
_MIN_WIDTH = 160
_MAX_HEIGHT = 360
_MANY_3D, _MANY_4D, _PER_ROW = 12, 6, 6
_MIN_VOLUMES = 4  # with fewer, a spread or a line says nothing
_MIN_TILT_DEG = 5.0


def mosaic(
    source: str | os.PathLike[str] | Image,
    *,
    title: str = "",
    caption: str = "",
    max_width: int = 640,
) -> Figure:
    """Return a figure of an image: three orthogonal slices, or slices as acquired where they are thick or few.

    Parameters
    ----------
    source : path-like or Image
        A NIfTI file or an open image. Of several volumes, the mean and the standard deviation over time are shown,
        and the mean of each volume as a line.
    title : str
        The file name by default.
    caption : str
        One sentence, if there is something to say.
    max_width : int
        In pixels. The picture is made smaller where it would take more than 60 kB.

    Returns
    -------
    figure : Figure
        A grey PNG; left is on the left (neurological convention) and the letters say so. Without a picture, but with
        a note, if there is nothing to see or the file cannot be read.

    Raises
    ------
    ValueError
        If `max_width` is less than 160 pixels.
    """
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    if max_width < _MIN_WIDTH:
        raise ValueError(f"max_width is {max_width}: a mosaic needs {_MIN_WIDTH} pixels")
    name = title or (Path(source).name if isinstance(source, str | os.PathLike) else "image")
    try:
        # One open file for all slices: a compressed file is then read once, from start to end.
        img = nib.load(source, keep_file_open=True) if isinstance(source, str | os.PathLike) else source
        return _draw(img, name, caption, max_width)
    except FileNotFoundError:
        reason = "there is no such file"
    except (OSError, EOFError, ValueError, OverflowError, zlib.error, ImageFileError, HeaderDataError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged or not an image"
    return Figure(title=name, caption=caption, note=f"This image cannot be shown: {reason}.")


def _draw(img: Image, title: str, caption: str, max_width: int) -> Figure:
    grid = grid_of(img)
    details = _describe(img, grid)
    if not img.shape or 0 in img.shape:
        return Figure(title=title, caption=caption, details=details, note="This image has no voxels.")
    if math.prod(sorted(img.shape[:3])[-2:]) > _MAX_PLANE:
        return Figure(title=title, caption=caption, details=details, note="This image is too large to be shown.")
    n_volumes = math.prod(img.shape[3:])
    several = n_volumes >= _MIN_VOLUMES
    cuts, orthogonal = choose_cuts(grid, many=_MANY_4D if several else _MANY_3D)
    scan = read_cuts(img, cuts)
    low, high = find_window(scan.means)
    if low == high:
        what = f"are all {format_number(low)}" if any(map(math.isfinite, scan.signal)) else "hold no finite value"
        return Figure(title=title, caption=caption, details=details, note=f"The slices to be shown {what}.")
    means = tuple(orient_plane(plane, cut.axis, grid) for plane, cut in zip(scan.means, cuts, strict=True))
    rows = _to_rows(means, f"mean of {len(scan.signal)} volumes" if n_volumes > 1 else "")
    if several:
        spreads = (orient_plane(plane, cut.axis, grid) for plane, cut in zip(scan.spreads, cuts, strict=True))
        rows += _to_rows(tuple(spreads), "standard deviation over the volumes")
    data, width, height = encode(rows, max_width=max_width, max_height=_MAX_HEIGHT, max_bytes=_MAX_BYTES)
    view = "Sagittal, coronal and axial slice" if orthogonal else f"{len(cuts)} {means[0].view} slices"
    return Figure(
        title=title,
        data=data,
        width=width,
        height=height,
        alt=f"{view} of {title}" + (", mean and standard deviation" if several else ""),
        caption=caption,
        details=(*details, f"grey window {format_number(low)} to {format_number(high)}"),
        note=_find_note(grid, scan),
        traces=(Trace(_label_trace(scan), scan.signal),) if several else (),
    )


def _to_rows(panels: tuple[Panel, ...], label: str) -> tuple[Row, ...]:
    window = find_window(tuple(panel.pixels for panel in panels))
    chunks = [panels[start : start + _PER_ROW] for start in range(0, len(panels), _PER_ROW)]
    return tuple(Row(chunk, window, "" if rank else label) for rank, chunk in enumerate(chunks))


def _describe(img: Image, grid: Grid) -> tuple[str, ...]:
    import numpy as np

    facts = [" × ".join(map(str, img.shape[:3])) + " voxels"]
    if grid.measured:
        facts.append(" × ".join(f"{mm:.3g}" for mm in grid.spacing[: len(img.shape)]) + " mm")
    if len(img.shape) > 3:
        facts.append(f"{math.prod(img.shape[3:])} volumes")
    if grid.tilt_deg >= _MIN_TILT_DEG:
        facts.append(f"tilted by {grid.tilt_deg:.0f}°")
    dtype = np.dtype(img.dataobj.dtype)
    return (*facts, "colour" if dtype.names else dtype.name)


def _find_note(grid: Grid, scan: Scan) -> str:
    notes = []
    if not grid.oriented:
        notes.append("The header does not say how the image lies in the scanner: sides are unknown.")
    if scan.n_unusable:
        notes.append(f"Values that are not finite (black in the picture): {format_number(scan.n_unusable)}.")
    return " ".join(notes)


def _label_trace(scan: Scan) -> str:
    return "Mean of each volume" if scan.every == 1 else f"Mean of every {scan.every}th volume"
