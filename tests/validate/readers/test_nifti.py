"""Headers of images; where nifti-reader-js departs from nifti1.h, its answers are expected."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from bidsflow.errors import FileFault
from bidsflow.validate.readers.nifti import axis_codes, load_header

OBLIQUE = (-2.0, 0, 0, 90, 0, 0.1, 2.0, -90, 0, 2.0, -0.1, -90)  # left, superior, anterior


def nifti_1(
    order: str = "<",
    *,
    dim: tuple[int, ...] = (4, 64, 64, 30, 100, 1, 1, 1),
    pixdim: tuple[float, ...] = (1, 2.4, 2.4, 3, 2.0005, 0, 0, 0),
    codes: tuple[int, int] = (0, 0),
    quaternion: tuple[float, float, float] = (0, 0, 0),
    offset: tuple[float, float, float] = (0, 0, 0),
    srow: tuple[float, ...] = (0,) * 12,
) -> bytes:
    header = bytearray(352)
    struct.pack_into(order + "i", header, 0, 348)
    header[39] = 0b111001
    struct.pack_into(order + "8h", header, 40, *dim)
    struct.pack_into(order + "8f", header, 76, *pixdim)
    header[123] = 2 | 8
    struct.pack_into(order + "2h6f12f", header, 252, *codes, *quaternion, *offset, *srow)
    header[344:348] = b"n+1\0"
    return bytes(header)


def nifti_2(order: str = "<", dim: tuple[int, ...] = (3, 64, 64, 30, 1, 1, 1, 1)) -> bytes:
    header = bytearray(544)
    struct.pack_into(order + "i", header, 0, 540)
    header[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into(order + "8q", header, 16, *dim)
    struct.pack_into(order + "8d", header, 104, 1, 0.1, 2, 3, 0, 0, 0, 0)
    struct.pack_into(order + "12d", header, 400, *OBLIQUE)
    struct.pack_into(order + "i", header, 500, 3 | 16)
    return bytes(header)


def load(folder: Path, data: bytes) -> dict[str, Any]:
    (folder / "image").write_bytes(data)
    return load_header(str(folder / "image"))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_first_version_is_read(tmp_path: Path, order: str, pack: Any) -> None:
    single = struct.unpack("f", struct.pack("f", 2.4))[0]
    longer = struct.unpack("f", struct.pack("f", 2.0005))[0]
    assert load(tmp_path, pack(nifti_1(order))) == {
        "dim": [4, 64, 64, 30, 100, 1, 1, 1],
        "pixdim": [1.0, 2.4, 2.4, 3.0, 2.001 if longer * 1000 >= 2000.5 else 2.0, 0.0, 0.0, 0.0],
        "shape": [64, 64, 30, 100],
        "voxel_sizes": [single, single, 3.0, longer],
        "dim_info": {"freq": 1, "phase": 2, "slice": 3},
        "xyzt_units": {"xyz": "mm", "t": "sec"},
        "qform_code": 0,
        "sform_code": 0,
        "axis_codes": ["R", "A", "S"],
    }


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_second_version_is_read(tmp_path: Path, order: str, pack: Any) -> None:
    header = load(tmp_path, pack(nifti_2(order)))
    assert (header["shape"], header["voxel_sizes"]) == ([64, 64, 30], [0.1, 2.0, 3.0])
    assert header["xyzt_units"] == {"xyz": "um", "t": "msec"}
    assert header["axis_codes"] == ["L", "S", "A"]  # although its codes are 0


def test_large_dimensions_are_doubles_in_the_second_version(tmp_path: Path) -> None:
    dim = load(tmp_path, nifti_2("<", (3, 2**53 + 1, -1, 2**40, 0, 0, 0, 0)))["dim"]
    assert dim[1:4] == [2**53, -(2**64), 2**40]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0, 0), ["R", "A", "S"]),
        ((1, 0), ["L", "P", "S"]),
        ((0, 1), ["L", "S", "A"]),
        ((1, 1), ["L", "S", "A"]),
        ((2, 1), ["L", "P", "S"]),
        ((1, 2), ["L", "S", "A"]),
    ],
)
def test_larger_code_gives_the_affine(tmp_path: Path, codes: tuple[int, int], expected: list[str]) -> None:
    header = load(tmp_path, nifti_1(codes=codes, quaternion=(0, 0, 1), srow=OBLIQUE))
    assert header["axis_codes"] == expected


@pytest.mark.parametrize("count", [-9, -2, -1, 0, 9])
def test_shape_is_a_slice_when_the_number_of_dimensions_is_wrong(tmp_path: Path, count: int) -> None:
    dim = (count, 1, 2, 3, 4, 5, 6, 7)
    assert load(tmp_path, nifti_1(dim=dim))["shape"] == list(dim[1 : count + 1])


@pytest.mark.parametrize("quaternion", [(1, 1, 1), (math.nan, 0, 0)])
def test_axes_are_unknown_when_the_quaternion_is_none(tmp_path: Path, quaternion: tuple[float, float, float]) -> None:
    assert load(tmp_path, nifti_1(codes=(1, 0), quaternion=quaternion))["axis_codes"] is None


def test_axes_are_unknown_when_the_affine_is_not_finite(tmp_path: Path) -> None:
    assert load(tmp_path, nifti_1(codes=(1, 0), offset=(math.inf, 0, 0)))["axis_codes"] is None


def test_axes_of_zeros_are_named_all_the_same() -> None:
    assert axis_codes(((0.0,) * 4,) * 3) == ["L", "L", "L"]


UNREADABLE = {
    "empty": b"",
    "two-bytes": b"\x1f\x8b",
    "cut": nifti_1()[:347],
    "second-cut": nifti_2()[:539],
    "pair": nifti_1().replace(b"n+1", b"ni1"),
    "no-size": b"\0\0\0\0" + nifti_1()[4:],
    "gzip-cut": gzip.compress(nifti_1())[:-20],
    "gzip-more": gzip.compress(nifti_1()) + b"more",
    "gzip-other": gzip.compress(b"nothing"),
    "zlib": zlib.compress(nifti_1()),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_header_is_unreadable_when_it_is_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FileFault, match=r"^NIFTI_HEADER_UNREADABLE$"):
        load(tmp_path, data)


def test_checksum_does_not_matter(tmp_path: Path) -> None:
    assert load(tmp_path, gzip.compress(nifti_1() + bytes(400))[:-8] + b"12345678")["shape"] == [64, 64, 30, 100]
