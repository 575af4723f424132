"""3D images to mosaics of slices, with the outlines of masks over them.

Comes in: an open image and arrays on its grid. Goes out: a `shapes.Drawing`. The picture holds one pixel per voxel, so
that nothing is smoothed before it is looked at; outlines are lines, which stay sharp when the page is enlarged.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from bidsflow.report.contours import trace_outline
from bidsflow.report.panels import Grid, find_window, orient_plane
from bidsflow.report.scan import Image, grid_of, to_real
from bidsflow.report.shapes import Drawing, Ink, Path, Picture, Shape, Words, place_box
from bidsflow.report.values import format_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as Raster

View: TypeAlias = Literal["sagittal", "coronal", "axial"]
Box: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First and last index (the last one excluded) along each array axis."""

_VIEWS: tuple[View, ...] = ("sagittal", "coronal", "axial")
_WIDTH = 960.0
_GAP = 2  # voxels between slices
_MAX_PIXELS = 2_000_000
_MAX_BYTES = 220_000
_QUALITIES = (95, 90, 80, 70, 60)
_BARS_MM = (100, 50, 20, 10, 5)
_FOOT = 22.0
# Noise of a magnitude image follows a Rayleigh distribution: four medians are 4.7 sigma (Gudbjartsson 1995).
_NOISE_MEDIANS = 4.0
# Five of the colours of cividis, which falls and rises in lightness for every kind of sight (Nuñez et al. 2018).
_CIVIDIS = ((0, 34, 78), (65, 77, 107), (124, 123, 120), (188, 175, 111), (254, 232, 56))


@dataclass(frozen=True, slots=True)
class Outline:
    """A mask whose edge is drawn.

    Attributes
    ----------
    label : str
        What it is, for the legend.
    mask : ndarray of bool, shape (i, j, k)
        On the grid of the image.
    ink : Ink
        Of the line.
    """

    label: str
    mask: NDArray[np.bool_]
    ink: Ink = Ink.ORANGE


@dataclass(frozen=True, slots=True)
class Look:
    """How values become shades.

    Attributes
    ----------
    window : tuple of float
        The values at both ends of the scale.
    scale : {'grey', 'inverted', 'cividis'}
        Black to white, white to black, or dark blue to yellow.
    unit : str
        Of the values; where given, a bar with the scale is drawn.
    """

    window: tuple[float, float]
    scale: Literal["grey", "inverted", "cividis"] = "grey"
    unit: str = ""


def draw_mosaic(
    img: Image,
    *,
    title: str,
    view: View = "axial",
    many: int = 18,
    outlines: tuple[Outline, ...] = (),
    box: Box | None = None,
    look: Look | None = None,
    caption: str = "",
) -> Drawing:
    """Return slices of an image side by side.

    Parameters
    ----------
    img : Image
        With three axes in space; of further ones the first volume is shown. Complex values are shown as magnitudes,
        colours as luminance.
    title : str
        What it shows.
    view : {'axial', 'coronal', 'sagittal'}
        Which way the slices face: the nearest array axis is taken, nothing is interpolated.
    many : int
        At most how many slices.
    outlines : tuple of Outline
        Drawn over the slices.
    box : Box, optional
        The part to show, as from `find_box`; everything by default.
    look : Look, optional
        By default grey from the 2nd to the 98th percentile of what is shown.
    caption : str
        One sentence or two.

    Returns
    -------
    drawing : Drawing
        Left is on the left. Without shapes, but with a note, if there is nothing to see.

    Raises
    ------
    ValueError
        If a mask has another shape than the image.
    """
    grid = grid_of(img)
    for outline in outlines:
        if outline.mask.shape != grid.shape:
            raise ValueError(f"outline {outline.label!r}: shape {outline.mask.shape}, the image has {grid.shape}")
    box = box or ((0, grid.shape[0]), (0, grid.shape[1]), (0, grid.shape[2]))
    axis = grid.world.index(_VIEWS.index(view))
    chosen = _choose_slices(box[axis], many)
    if grid.signs[axis] < 0:
        chosen = chosen[::-1]
    volume = _read_volume(img)  # at once: a compressed file would be read anew for every slice
    planes = [_cut(volume, grid, axis, index, box) for index in chosen]
    if not planes or not planes[0].size:
        return Drawing(title, caption=caption, note="There is nothing to show.", plate=True)
    look = look or Look(find_window(tuple(planes)))
    sheet = _lay_out(planes[0].shape, len(planes), grid, axis)
    shapes: list[Shape] = [_paint(planes, sheet, look)]
    for outline in outlines:
        d = "".join(
            trace_outline(_turn(outline.mask[_plane_index(axis, index, box)] > 0, grid, axis), origin=sheet.corner(n))
            for n, index in enumerate(chosen)
        )
        shapes.append(Path(d, outline.ink, outline.label, 1.4, scale=(sheet.scale[0] / 2, sheet.scale[1] / 2)))
    shapes += _letter(sheet, chosen, axis, img, grid)
    if look.unit:
        shapes += _draw_scale(sheet, look)
    low, high = look.window
    return Drawing(
        title,
        sheet.size[0],
        sheet.size[1] + (_FOOT if look.unit else 0.0),
        tuple(shapes),
        alt=_describe(title, view, len(planes), outlines),
        caption=caption,
        details=(
            "left is on the left (neurological)" if grid.oriented else "sides unknown: the header does not tell",
            f"{look.scale} from {format_number(low)} to {format_number(high)}" + (f" {look.unit}" if look.unit else ""),
            f"{len(planes)} of {box[axis][1] - box[axis][0]} slices",
        ),
        plate=True,
    )


def outline_labels(labels: NDArray[np.integer], names: dict[int, str]) -> tuple[Outline, ...]:
    """Return the outlines of the parts of a segmentation.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k)
        On the grid of the image.
    names : dict of int to str
        The labels to outline and what they are called; ``{1: "CSF"}``.

    Returns
    -------
    outlines : tuple of Outline
        In the order of `names`, each with its own ink; a label that does not occur has none.
    """
    inks = (Ink.ORANGE, Ink.SKY, Ink.GREEN, Ink.YELLOW, Ink.PURPLE, Ink.BLUE)
    masks = ((name, labels == label) for label, name in names.items())
    found = [(name, mask) for name, mask in masks if mask.any()]
    return tuple(Outline(name, mask, inks[k % len(inks)]) for k, (name, mask) in enumerate(found))


def find_air_look(img: Image) -> Look | None:
    """Return a look that shows what is in the air around the head: ghosts, spikes, aliasing, ringing.

    Parameters
    ----------
    img : Image
        As for `draw_mosaic`.

    Returns
    -------
    look : Look or None
        White to black up to four times the median of the outermost voxels (5 % of each side but the lower one, where
        the neck is). None if these are all zero: the scanner or a tool has blanked the air.
    """
    import numpy as np

    grid = grid_of(img)
    volume = _read_volume(img)
    edge = np.zeros(grid.shape, dtype=bool)
    for axis in range(3):
        depth = max(1, grid.shape[axis] // 20)
        sides = [slice(0, depth), slice(-depth, None)]
        if grid.world[axis] == 2:
            sides = sides[1:] if grid.signs[axis] > 0 else sides[:1]
        for side in sides:
            edge[(slice(None),) * axis + (side,)] = True
    values = np.abs(volume[edge])
    values = values[np.isfinite(values) & (values > 0)]
    # A few voxels that are not zero are left by interpolation, not by noise.
    if values.size < 0.05 * edge.sum():
        return None
    return Look((0.0, _NOISE_MEDIANS * float(np.median(values))), "inverted")


def find_box(mask: NDArray[np.bool_], *, margin: int = 3) -> Box:
    """Return the smallest box around a mask, widened by a margin.

    Parameters
    ----------
    mask : ndarray, shape (i, j, k)
        What is not zero counts.
    margin : int
        In voxels, on every side.

    Returns
    -------
    box : Box
        Within the grid; all of it if the mask is empty.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((9, 9, 9)); mask[4, 5, 6] = 1
    >>> find_box(mask, margin=1)
    ((3, 6), (4, 7), (5, 8))
    """
    import numpy as np

    sides = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, mask.shape[axis])
        sides.append((max(0, first - margin), min(mask.shape[axis], last + margin)))
    return sides[0], sides[1], sides[2]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Where the slices lie: rows of equal cells, in voxels of the picture."""

    cell: tuple[int, int]  # width and height
    n_columns: int
    n_rows: int
    scale: tuple[float, float]  # pixels of the drawing per voxel
    mm: float  # pixels of the drawing per millimetre

    def corner(self, rank: int) -> tuple[int, int]:
        row, column = divmod(rank, self.n_columns)
        return column * (self.cell[0] + _GAP), row * (self.cell[1] + _GAP)

    @property
    def voxels(self) -> tuple[int, int]:
        return (
            self.n_columns * (self.cell[0] + _GAP) - _GAP,
            self.n_rows * (self.cell[1] + _GAP) - _GAP,
        )

    @property
    def size(self) -> tuple[float, float]:
        return _WIDTH, round(self.voxels[1] * self.scale[1], 2)


def _choose_slices(ends: tuple[int, int], many: int) -> list[int]:
    """Return the middles of as many equal slabs: the outermost slices are often empty."""
    n = ends[1] - ends[0]
    shown = min(many, n)
    return [ends[0] + int((2 * k + 1) * n / (2 * shown)) for k in range(shown)]


def _lay_out(shape: tuple[int, ...], n: int, grid: Grid, axis: int) -> _Sheet:
    across, up = sorted((a for a in range(3) if a != axis), key=lambda a: grid.world[a])
    rows, columns = shape
    width, height = columns * grid.spacing[across], rows * grid.spacing[up]
    # About as wide as a screen, with full rows where that can be had.
    wanted = math.sqrt(n * 1.5 * height / width)
    n_columns = min(range(1, n + 1), key=lambda c: (abs(math.log(c / wanted)) + 0.4 * (-n % c) / c, c))
    mm = _WIDTH / (n_columns * width + (n_columns - 1) * _GAP * grid.spacing[across])
    scale = (mm * grid.spacing[across], mm * grid.spacing[up])
    return _Sheet((columns, rows), n_columns, math.ceil(n / n_columns), scale, mm)


def _plane_index(axis: int, index: int, box: Box) -> tuple[int | slice, ...]:
    return tuple(index if a == axis else slice(*box[a]) for a in range(3))


def _turn(plane: NDArray[np.bool_], grid: Grid, axis: int) -> NDArray[np.bool_]:
    import numpy as np

    return np.asarray(orient_plane(plane.astype(np.float32), axis, grid).pixels > 0)


def _cut(volume: NDArray[np.float32], grid: Grid, axis: int, index: int, box: Box) -> NDArray[np.float32]:
    import numpy as np

    return np.asarray(orient_plane(volume[_plane_index(axis, index, box)], axis, grid).pixels)


def _read_volume(img: Image) -> NDArray[np.float32]:
    import numpy as np

    where = (slice(None),) * min(3, len(img.shape)) + (0,) * max(0, len(img.shape) - 3)
    values = np.asarray(img.dataobj[where])
    if values.dtype.names or np.iscomplexobj(values):
        values = to_real(values)
    return np.asarray(values, dtype=np.float32).reshape((*img.shape[:3], 1, 1)[:3])


def _paint(planes: list[NDArray[np.float32]], sheet: _Sheet, look: Look) -> Picture:
    import numpy as np
    from PIL import Image as Pictures

    width, height = sheet.voxels
    levels = np.zeros((height, width), dtype=np.uint8)
    for rank, plane in enumerate(planes):
        x, y = sheet.corner(rank)
        levels[y : y + plane.shape[0], x : x + plane.shape[1]] = find_levels(plane, look)
    picture = Pictures.fromarray(colour_levels(levels, look))
    if width * height > _MAX_PIXELS:
        shrink = math.sqrt(_MAX_PIXELS / (width * height))
        picture = picture.resize((round(width * shrink), round(height * shrink)), Pictures.Resampling.BOX)
    return Picture(encode_webp(picture, max_bytes=_MAX_BYTES), "image/webp", 0.0, 0.0, *sheet.size)


def find_levels(plane: NDArray[np.floating], look: Look) -> NDArray[np.uint8]:
    """Return where values lie on a scale, 0 to 255; what is not finite lies at its lower end."""
    import numpy as np

    low, high = look.window
    unit = (np.nan_to_num(plane, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    levels = np.round(np.clip(unit, 0.0, 1.0) * 255).astype(np.uint8)
    return np.asarray(255 - levels if look.scale == "inverted" else levels, dtype=np.uint8)


def colour_levels(levels: NDArray[np.uint8], look: Look) -> NDArray[np.uint8]:
    """Return grey values, or colours along one more axis, for what `find_levels` returned."""
    return _colour(levels) if look.scale == "cividis" else levels


def encode_webp(picture: Raster, *, max_bytes: int) -> bytes:
    """Return a picture as WebP: lossless where it is small enough, otherwise as good as fits.

    Parameters
    ----------
    picture : PIL.Image.Image
        Grey or coloured.
    max_bytes : int
        Quality is lowered until it fits, down to 60 of 100; then the picture is made smaller.

    Returns
    -------
    data : bytes
        The file.
    """
    from PIL.Image import Resampling

    for options in ({"lossless": True, "quality": 50}, *({"quality": q, "method": 4} for q in _QUALITIES)):
        data = _write_webp(picture, **options)
        if len(data) <= max_bytes:
            return data
    while len(data) > max_bytes and min(picture.size) > 1:
        shrink = 0.95 * math.sqrt(max_bytes / len(data))
        width, height = (max(1, int(n * shrink)) for n in picture.size)
        picture = picture.resize((width, height), Resampling.BOX)
        data = _write_webp(picture, quality=_QUALITIES[-1], method=4)
    return data


def _write_webp(picture: Raster, **options: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", **options)
    return stream.getvalue()


def _colour(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import numpy as np

    stops = np.linspace(0, 255, len(_CIVIDIS))
    table = np.stack([np.interp(np.arange(256), stops, channel) for channel in zip(*_CIVIDIS, strict=True)], axis=-1)
    return np.asarray(table.round().astype(np.uint8)[levels])


def _letter(sheet: _Sheet, chosen: list[int], axis: int, img: Image, grid: Grid) -> list[Shape]:
    """Return the sides of the first slice, the place of every slice, and a bar of known length."""
    import numpy as np

    w, h = sheet.cell[0] * sheet.scale[0], sheet.cell[1] * sheet.scale[1]
    shapes: list[Shape] = []
    panel = orient_plane(np.zeros([n for a, n in enumerate(grid.shape) if a != axis], np.float32), axis, grid)
    if panel.letters:
        left, right, top = panel.letters[0], panel.letters[1], panel.letters[2]
        shapes += [
            Words(left, 5.0, h / 2, "start", Ink.TEXT, 14.0),
            Words(right, w - 5.0, h / 2, "end", Ink.TEXT, 14.0),
            Words(top, w / 2, 20.0, "middle", Ink.TEXT, 14.0),
        ]
        middle = [(n - 1) / 2 for n in grid.shape]
        for rank, index in enumerate(chosen):
            voxel = [float(index) if a == axis else middle[a] for a in range(3)]
            place = float((np.asarray(img.affine) @ [*voxel, 1.0])[grid.world[axis]])
            x, y = (c * s for c, s in zip(sheet.corner(rank), sheet.scale, strict=True))
            shapes.append(Words(f"{place:.0f}".replace("-", "\u2212"), x + 5.0, y + h - 6.0, "start", Ink.SOFT, 11.0))
    length = next((mm for mm in _BARS_MM if mm * sheet.mm <= 0.45 * w), 0) if grid.measured else 0
    if length:
        x, y = (c * s for c, s in zip(sheet.corner(len(chosen) - 1), sheet.scale, strict=True))
        end, base = x + w - 6.0, y + h - 7.0
        shapes += [
            Path(f"M{end - length * sheet.mm:.5g} {base:.5g}H{end:.5g}", Ink.TEXT, width=2.0),
            Words(f"{length} mm", end, base - 5.0, "end", Ink.TEXT, 11.0),
        ]
    return shapes


def _draw_scale(sheet: _Sheet, look: Look) -> list[Shape]:
    import numpy as np
    from PIL import Image as Pictures

    ramp = np.arange(256, dtype=np.uint8)[None, :]
    pixels = _colour(ramp) if look.scale == "cividis" else 255 - ramp if look.scale == "inverted" else ramp
    data = encode_webp(Pictures.fromarray(pixels), max_bytes=_MAX_BYTES)
    y, left, width = sheet.size[1] + 7.0, 90.0, 240.0
    low, high = (format_number(v) for v in look.window)
    return [
        Picture(data, "image/webp", left, y, width, 10.0),
        Path(place_box(left, y, width, 10.0), Ink.SOFT, width=0.75),
        Words(low, left - 6.0, y + 9.5, "end"),
        Words(f"{high} {look.unit}", left + width + 6.0, y + 9.5),
    ]


def _describe(title: str, view: str, n: int, outlines: tuple[Outline, ...]) -> str:
    over = " with the outlines of " + ", ".join(o.label for o in outlines) if outlines else ""
    return f"{title}: {n} {view} slices{over}"
