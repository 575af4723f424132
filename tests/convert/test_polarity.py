"""The polarity of GE's phase encoding: what headers tell is what dcm2niix makes of them, and what nothing tells."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pydicom
import pytest

from bidsflow.convert.dcm2niix import find_program
from bidsflow.convert.given import tell_direction
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.physics import phase_encoding
from bidsflow.phantom import write
from bidsflow.sources import find_files

AXIAL, SAGITTAL, TURNED = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [-1, 0, 0, 0, -1, 0]
USER_DATA = (0x0043, 0x102A)


class Case(NamedTuple):
    """User data (version, flag of the blips, order of views), and what else an image of GE is given."""

    said: str
    user: tuple[float, int, int] | None
    order: str = ""
    rows: str = "COL"
    orientation: list[int] = AXIAL
    course: str = ""
    sequence: str = "epi2"


CASES = [
    Case("blips as usual", (26.002, 0, 0), course="AP"),
    Case("blips turned", (26.002, 4, 0), course="PA"),
    Case("views from the bottom", (26.002, 0, 2), course="PA"),
    Case("both", (26.002, 4, 2), course="AP"),
    Case("other bits", (26.002, 0xFFFB, 1), course="AP"),
    Case("an older layout", (24.0, 4, 0), course="PA"),
    Case("an older layout, views from the bottom", (12.0, 4, 2), course="AP"),
    Case("the first of the newer layout", (25.003, 0, 2), course="PA"),
    Case("the last of the older layout", (25.001, 0, 2), course="PA"),
    Case("a layout that nobody knows", (45.0, 4, 0)),
    Case("no user data", None),
    Case("an order of views that says nothing", None, "CENTRIC"),
    Case("only the order of views", None, "LINEAR", course="PA"),
    Case("only the order of views, reversed", None, "REVERSE_LINEAR", course="AP"),
    Case("the order of views before user data", (26.002, 0, 0), "LINEAR", course="PA"),
    Case("along the rows", None, "LINEAR", "ROW", course="LR"),
    Case("along the rows, reversed", None, "REVERSE_LINEAR", "ROW", course="RL"),
    Case("sagittal slices", None, "LINEAR", "ROW", SAGITTAL, course="PA"),
    Case("sagittal slices, along the columns", (26.002, 0, 0), "", "COL", SAGITTAL, course="HF"),
    Case("slices upside down", None, "LINEAR", "COL", TURNED, course="AP"),
]


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One volume of a field map of GE."""
    root = tmp_path_factory.mktemp("ge")
    export = root / write(root, dialect="ge", size="tiny", series=["topup"]).export
    files = sorted(path for path in export.rglob("*") if path.is_file())
    headers = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in files}
    first = min(one.SeriesNumber for one in headers.values())
    members = [path for path, one in headers.items() if one.SeriesNumber == first]
    places = {str(headers[path].ImagePositionPatient): path for path in members}
    return list(places.values())


def pack_user_data(version: float, blips: int, views: int) -> bytes:
    """Return user data as dcm2niix reads them, with a header of raw data that begins at byte 100."""
    start, shift = 100, 0x4C if version >= 25.002 else 0
    data = bytearray(start + 0x600)
    struct.pack_into("<H", data, 24, start)
    struct.pack_into("<f", data, start, version)
    struct.pack_into("<H", data, start + shift + 0x3A, 0x0800)
    struct.pack_into("<H", data, start + shift + 0x30, blips)
    struct.pack_into("<H", data, start + (0x354 if shift else 0x394), views)
    return bytes(data)


def lay_down(case: Case, volume: list[Path], folder: Path) -> None:
    for number, path in enumerate(volume):
        ds = pydicom.dcmread(path)
        del ds[USER_DATA]
        if case.user is not None:
            ds.private_block(0x0043, "GEMS_PARM_01").add_new(0x2A, "OB", pack_user_data(*case.user))
        if case.order:
            ds.RectilinearPhaseEncodeReordering = case.order
        ds.private_block(0x0019, "GEMS_ACQU_01").add_new(0x9C, "LO", case.sequence)
        ds.InPlanePhaseEncodingDirection, ds.ImageOrientationPatient = case.rows, case.orientation
        x, y, z, a, b, c = case.orientation
        normal = (y * c - z * b, z * a - x * c, x * b - y * a)
        ds.ImagePositionPatient = [part * 4 * number for part in normal]
        ds.save_as(folder / f"{number}.dcm")


def ask(folder: Path, target: Path) -> dict[str, object]:
    target.mkdir()
    subprocess.run([find_program(), "-b", "o", "-f", "x", "-o", target, folder], capture_output=True, check=True)
    return dict(json.loads((target / "x.json").read_text()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.said)
def test_headers_of_ge_tell_the_polarity_that_dcm2niix_writes(case: Case, volume: list[Path], tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    lay_down(case, volume, folder)
    (series,) = take_inventory(find_files([folder]).files).series
    told = tell_direction(series.header)
    sidecar = ask(folder, tmp_path / "out")
    expected = sidecar.get("PhaseEncodingDirection")
    assert told == ((expected,) if expected else ("j", "j-"))
    assert phase_encoding(series.header) == case.course


@pytest.mark.parametrize("change", [lambda data: data[:900], lambda data: data[:30], lambda data: b""])
def test_user_data_that_are_cut_tell_nothing(
    change: Callable[[bytes], bytes], volume: list[Path], tmp_path: Path
) -> None:
    for number, path in enumerate(volume):
        ds = pydicom.dcmread(path)
        ds[USER_DATA].value = change(pack_user_data(26.002, 4, 0))
        ds.save_as(tmp_path / f"{number}.dcm")
    (series,) = take_inventory(find_files([tmp_path]).files).series
    assert phase_encoding(series.header) == ""


def test_of_the_sequence_that_turns_volumes_by_a_variable_nothing_is_told(volume: list[Path], tmp_path: Path) -> None:
    lay_down(Case("", (26.002, 0, 0), "LINEAR", sequence="epi_pepolar"), volume, tmp_path)
    (series,) = take_inventory(find_files([tmp_path]).files).series
    assert phase_encoding(series.header) == ""
