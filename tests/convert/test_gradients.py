"""Tables of diffusion: what is no table is refused, what a model has to know of is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.convert.gradients import check_gradients, turn
from bidsflow.convert.outputs import Output
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File, Image, Instance, Patient, Series
from bidsflow.errors import ConversionError
from bidsflow.phantom.catalog import spread_directions

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
#: Axial slices that are tilted by 30 degrees about the left-right axis.
OBLIQUE = (1.0, 0.0, 0.0, 0.0, math.cos(math.pi / 6), math.sin(math.pi / 6))
Vector = tuple[float, ...]


def check(
    folder: Path,
    bval: str | None,
    bvec: str | None,
    volumes: int,
    *,
    announced: tuple[float, ...] = (),
    orientation: tuple[float, ...] = AXIAL,
    measured: Sequence[Vector] = (),
    appended: tuple[Header, ...] = (),
) -> tuple[str, ...]:
    tables = {}
    for ext, text in ((".bval", bval), (".bvec", bvec)):
        if text is not None:
            tables[ext] = folder / f"image{ext}"
            tables[ext].write_text(text)
    image = Image(Header({}), (4, 4, 2), volumes, b_values=announced, orientation=orientation)
    headers = [*appended, *(Header({"SiemensGradient": "\\".join(map(str, one))}) for one in measured)]
    instances = tuple(Instance(File(f"/{rank}", 1, 1), one) for rank, one in enumerate(headers))
    images = (image, *(Image(one, (4, 4, 2), 1) for one in appended))
    series = Series("1", "2", Patient("", "", "", ""), 3, "dwi", "", "", images, instances, Header({}))
    return check_gradients(series, image, Output(folder / "image.nii", {}, tables, (4, 4, 2, volumes)))


def table(vectors: Sequence[Vector]) -> str:
    return "\n".join(" ".join(f"{value:.6f}" for value in row) for row in zip(*vectors, strict=True))


@pytest.mark.parametrize(
    ("bval", "bvec", "reason"),
    [
        (None, None, "finds no b-values"),
        ("0 1000", "0 0\n0 0\n0 1", r"a \.bval that does not fit 3 volumes"),
        ("0 1000 1000", "0 0 1\n0 0 1\n0 1", r"a \.bvec that does not fit 3 volumes"),
        ("0 1000 1000", "0 0 1\n", r"a \.bvec that does not fit"),
        ("", "", r"a \.bval that does not fit"),
        ("0 nan 1000", "0 0 1\n0 0 1\n0 1 0", r"a \.bval with values that are no numbers"),
        ("0 1000 1000", "0 0 1\n0 - 1\n0 1 0", r"a \.bvec with values that are no numbers"),
        ("0 -1 1000", "0 0 1\n0 0 0\n0 1 0", r"a \.bval with negative b-values"),
    ],
)
def test_tables_that_are_none_are_refused(bval: str | None, bvec: str | None, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=reason):
        check(tmp_path, bval, bvec, 3)


class Case(NamedTuple):
    bval: str
    vectors: Sequence[Vector]
    announced: tuple[float, ...] = ()
    says: tuple[str, ...] = ()


X, Y, Z, NO = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)
CASES = {
    "usual": Case("0 1000 1000 1000", (NO, X, Y, Z), (0.0, 1000.0)),
    "rounded b-values": Case("5 995 2010", (NO, X, Y), (0.0, 1000.0, 2000.0)),
    "b-values that Philips numbers": Case("0 1000", (NO, X), (0.001, 0.002, 1000.0)),
    "b-values of GE, without zero": Case("0 1000", (NO, X), (1000.0,)),
    "other b-values": Case(
        "0 1000", (NO, X), (0.0, 700.0), ("its b-values (0, 1000 s/mm2) are not those of the headers (0, 700)",)
    ),
    "a shell is lost": Case("0 1000", (NO, X), (0.0, 1000.0, 2000.0), ("its b-values (0, 1000 s/mm2) are not",)),
    "isotropic mean at the end": Case(
        "0 1000 1000 1000", (NO, X, Y, NO), (), ("volume 4 of 4 is weighted without a direction",)
    ),
    "traces only": Case("0 500 1000", (NO, NO, NO), (), ("none of its weighted volumes has a direction",)),
    "scaled vectors": Case(
        "0 1000 1000", (NO, X, (0.5, 0.5, 0.0)), (), ("the directions of 1 weighted volumes are no unit vectors",)
    ),
    "one direction": Case("0" + 6 * " 1000", (NO, *[X] * 6), (), ("all its 6 directions are the same",)),
    "one direction and its opposite": Case(
        "0" + 6 * " 1000", (NO, *[X] * 5, (-1.0, 0.0, 0.0)), (), ("all its 6 directions are the same",)
    ),
    "repeated by choice": Case("0" + 5 * " 1000", (NO, *[X] * 5)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_model_has_to_know_is_told(case: Case, tmp_path: Path) -> None:
    notes = check(tmp_path, case.bval, table(case.vectors), len(case.vectors), announced=case.announced)
    assert len(notes) == len(case.says)
    assert all(note.startswith(start) for note, start in zip(notes, case.says, strict=True))


MEASURED = (NO, *spread_directions(6))
TURNED = "its directions are not those of the headers in the axes of its oblique slices"


@pytest.mark.parametrize(
    ("orientation", "vectors", "says"),
    [
        (OBLIQUE, [turn(OBLIQUE, one) for one in MEASURED], ()),
        (OBLIQUE, [(x, -y, z) for x, y, z in (turn(OBLIQUE, one) for one in MEASURED)], ()),  # rows upside down
        (OBLIQUE, MEASURED, (TURNED,)),
        (OBLIQUE, [(y, x, z) for x, y, z in (turn(OBLIQUE, one) for one in MEASURED)], (TURNED,)),
        (AXIAL, [(y, x, z) for x, y, z in MEASURED], ()),  # not looked at: nothing is to be turned
    ],
    ids=["turned", "flipped", "not turned", "axes swapped", "straight slices"],
)
def test_directions_of_oblique_slices_are_held_against_the_headers(
    orientation: tuple[float, ...], vectors: Sequence[Vector], says: tuple[str, ...], tmp_path: Path
) -> None:
    bval = "0" + 6 * " 1000"
    assert check(tmp_path, bval, table(vectors), 7, orientation=orientation, measured=MEASURED) == says


def test_traces_do_not_keep_directions_from_being_held_against_the_headers(tmp_path: Path) -> None:
    trace = Header({"ImageType": "DERIVED\\PRIMARY\\DIFFUSION\\TRACEW"})
    bval = "0" + 6 * " 1000"
    for vectors, says in ((MEASURED, (TURNED,)), ([turn(OBLIQUE, one) for one in MEASURED], ())):
        found = check(tmp_path, bval, table(vectors), 7, orientation=OBLIQUE, measured=MEASURED, appended=(trace,))
        assert found == says
