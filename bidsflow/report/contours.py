"""The outline of a mask as a line that a page can draw. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Which sides of a cell of 2 x 2 pixels the outline joins, by which of its corners are inside (upper left 8, upper
# right 4, lower right 2, lower left 1); both diagonal cases keep the two pixels apart. Lorensen and Cline (1987),
# in the plane; the direction is such that every side that is left is entered by the cell beyond it.
_TOP, _RIGHT, _BOTTOM, _LEFT = (0, -1), (1, 0), (0, 1), (-1, 0)
_JOINS = {
    1: ((_BOTTOM, _LEFT),),
    2: ((_RIGHT, _BOTTOM),),
    3: ((_RIGHT, _LEFT),),
    4: ((_TOP, _RIGHT),),
    5: ((_TOP, _RIGHT), (_BOTTOM, _LEFT)),
    6: ((_TOP, _BOTTOM),),
    7: ((_TOP, _LEFT),),
    8: ((_LEFT, _TOP),),
    9: ((_BOTTOM, _TOP),),
    10: ((_LEFT, _TOP), (_RIGHT, _BOTTOM)),
    11: ((_RIGHT, _TOP),),
    12: ((_LEFT, _RIGHT),),
    13: ((_BOTTOM, _RIGHT),),
    14: ((_LEFT, _BOTTOM),),
}


def trace_outline(mask: NDArray[np.bool_], *, origin: tuple[int, int] = (0, 0)) -> str:
    """Return the outline of a mask as SVG path data, in halves of a pixel.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        First row at the top.
    origin : tuple of int
        Where the upper left corner of the mask lies: x and y, in pixels.

    Returns
    -------
    d : str
        Closed loops between the centres of the pixels inside and outside; holes have their own. ``""`` for an empty
        mask.

    Examples
    --------
    >>> import numpy as np
    >>> trace_outline(np.array([[False, True]]))
    'M3 0l-1 1 1 1 1-1z'
    """
    left, top = 2 * origin[0], 2 * origin[1]
    return "".join(_write_loop([(x + left, y + top) for x, y in loop]) for loop in _link_steps(_find_steps(mask)))


def _find_steps(mask: NDArray[np.bool_]) -> dict[tuple[int, int], tuple[int, int]]:
    """Return for each point of the outlines the one that follows."""
    import numpy as np

    inside = np.pad(np.asarray(mask, dtype=np.uint8), 1)
    code = 8 * inside[:-1, :-1] + 4 * inside[:-1, 1:] + 2 * inside[1:, 1:] + inside[1:, :-1]
    steps: dict[tuple[int, int], tuple[int, int]] = {}
    for case, joins in _JOINS.items():
        rows, columns = np.nonzero(code == case)
        for (x0, y0), (x1, y1) in joins:
            # The middle of cell (0, 0) is the upper left corner of the first pixel.
            starts = zip((2 * columns + x0).tolist(), (2 * rows + y0).tolist(), strict=True)
            ends = zip((2 * columns + x1).tolist(), (2 * rows + y1).tolist(), strict=True)
            steps.update(zip(starts, ends, strict=True))
    return dict(sorted(steps.items(), key=lambda step: (step[0][1], step[0][0])))


def _link_steps(steps: dict[tuple[int, int], tuple[int, int]]) -> list[list[tuple[int, int]]]:
    loops = []
    while steps:
        point = next(iter(steps))
        loop = []
        while point in steps:
            loop.append(point)
            point = steps.pop(point)
        loops.append(loop)
    return loops


def _write_loop(loop: list[tuple[int, int]]) -> str:
    """Return a closed loop in relative steps, straight runs as one."""
    (x, y), steps = loop[0], [(0, 0)]
    for (x0, y0), (x1, y1) in pairwise([*loop, loop[0]]):
        dx, dy = x1 - x0, y1 - y0
        px, py = steps[-1]
        if px * dy == py * dx and px * dx + py * dy > 0:
            steps[-1] = (px + dx, py + dy)
        else:
            steps.append((dx, dy))
    # The last one is what `z` draws.
    numbers = " ".join(f"{dx} {dy}" for dx, dy in steps[1:-1]).replace(" -", "-")
    return f"M{x} {y}l{numbers}z"
