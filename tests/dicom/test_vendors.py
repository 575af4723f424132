"""What the makers write in places of their own comes out, and broken bytes cost only what is broken."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.dicom.vendors import ge, read_protocol, siemens


def pack_csa(entries: Sequence[tuple[str, Sequence[str]]]) -> bytes:
    """Return a CSA header as VB and VE write it (nibabel, siemens_csa.rst): six items an entry, most of them empty."""
    body = b""
    for name, values in entries:
        items = [value.encode("latin-1") + b"\0" for value in values] + [b""] * max(0, 6 - len(values))
        body += struct.pack("<64si4siii", name.encode(), len(values), b"IS\0\0", 6, len(items), 77)
        for item in items:
            body += struct.pack("<4i", len(item), len(item), 77, len(item)) + item + b"\0" * (-len(item) % 4)
    return b"SV10\4\3\2\1" + struct.pack("<2I", len(entries), 77) + body


PROTOCOL = b"""<XProtocol> { "tSequenceFileName" = "no" }
### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData version=41310008 ###
ulVersion                          = 51130001
tSequenceFileName                  = ""%SiemensSeq%\\ep2d_bold""
tProtocolName                      = ""rest""
sGRADSPEC.asGPAData[0].lOffsetX    = -1804
sGRADSPEC.asGPAData[0].lOffsetZ    = 12 # a comment
sGRADSPEC.alShimCurrent[3]         = -77
lRepetitions                       = 159
### ASCCONV END ###
tSequenceFileName = "after"
"""
CSA = [
    ("EchoLinePosition", ["64"]),
    ("PhaseEncodingDirectionPositive", ["1"]),
    ("NumberOfImagesInMosaic", ["36      "]),
    ("B_value", []),
    ("ImaRelTablePosition", ["0", "0", "-12"]),
]


def test_a_csa_header_is_read() -> None:
    found = siemens.read_csa(pack_csa(CSA))
    assert found == {
        "EchoLinePosition": "64",
        "PhaseEncodingDirectionPositive": "1",
        "NumberOfImagesInMosaic": "36",
        "B_value": "",
        "ImaRelTablePosition": "0\\0\\-12",
    }


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("sAsl.ulMode = 1\nsAsl.ulSuppressionMode = 1", {}),
        ("sAsl.ulMode = 0x1", {}),
        ("sAsl.ulMode = 0x4\nsAsl.ulSuppressionMode = 0x2\nalTI[0] = 700000\nalTI[2] = 1990000",
         {"LabelMode": "4", "LabelSuppression": "2", "LabelInversions": "700000\\0\\1990000"}),
        ("sAsl.ulMode = 32\nsAsl.ulLabelingDuration = 1800000\nsAsl.ulDelayArraySize = 2\n"
         "sAsl.sPostLabelingDelay[0] = 500000\nsAsl.sPostLabelingDelay[1] = 900000\nsAsl.sPostLabelingDelay[2] = 7",
         {"LabelMode": "32", "LabelDuration": "1800000", "LabelDelays": "500000\\900000",
          "LabelInversions": "0\\0\\0"}),
        ("sAsl.ulMode = 4\nsWipMemBlock.alFree[9] = 1400\nsWipMemBlock.alFree[11] = 250\n"
         "sWipMemBlock.alFree[12] = 500\ntSequenceFileName = %CustomerSeq%to_ep2d_VEPCASL",
         {"LabelDuration": "1400000", "LabelDelays": "250000\\500000"}),
        ("sWipMemBlock.alFree[3] = 3\nsWipMemBlock.alFree[9] = 1400\nsWipMemBlock.alFree[11] = 250\n"
         "tSequenceFileName = to_ep2d_VEPCASL",
         {"LabelDuration": "1400000", "LabelDelays": "250000", "LabelSuppressed": "YES"}),
        ("sWipMemBlock.alFree[5] = 1\ntSequenceFileName = jw_tgse_VEPCASL", {}),
        ("sWipMemBlock.alFree[10] = 1400\nsWipMemBlock.alFree[30] = 1500\ntSequenceFileName = jw_tgse_VEPCASL",
         {"LabelDuration": "1400000", "LabelDelays": "1500000"}),
        ("sWipMemBlock.adFree[2] = 200000.0\nsWipMemBlock.adFree[3] = 82.0\ntSequenceFileName = ep2d_pcasl_ve11c",
         {"LabelDuration": "1508800", "LabelDelays": "200000"}),
        ("tSequenceFileName = ep2d_pcasl_ve11c", {}),
        ("sAsl.ulMode = 4\ntSequenceFileName = tgse_pcasl_ve11c", {}),
        ("sWipMemBlock.alFree[13] = 1\ntSequenceFileName = tgse_pcasl_ve11c", {"LabelSuppressed": "YES"}),
    ],
    ids=["none", "none in hex", "pulsed", "pseudo-continuous", "Oxford", "Oxford, suppressed", "Oxford, not known",
         "Oxford 3D", "Wang", "empty", "Wang 3D", "Wang 3D, suppressed"],
)  # fmt: skip
def test_how_blood_is_labelled_is_read_where_it_is(lines: str, found: dict[str, str]) -> None:
    text = f"### ASCCONV BEGIN ###\n{lines}\n### ASCCONV END ###".encode()
    read = read_protocol("SIEMENS", {"CsaSeries": text})
    assert {key: value for key, value in read.items() if key != "SequenceFile"} == found


names = st.text("ABCdef_", min_size=1, max_size=12)
values = st.text("0123456789.-", min_size=1, max_size=9)


@given(st.dictionaries(names, st.lists(values, max_size=8), max_size=8))
def test_any_csa_header_comes_back(entries: dict[str, list[str]]) -> None:
    packed = pack_csa(list(entries.items()))
    assert siemens.read_csa(packed) == {name: "\\".join(items) for name, items in entries.items()}


@given(st.integers(0, 700), st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6))
def test_a_broken_csa_header_gives_what_was_read_until_then(cut: int, flips: list[tuple[int, int]]) -> None:
    packed = bytearray(pack_csa(CSA))
    whole = siemens.read_csa(bytes(packed))
    assert siemens.read_csa(bytes(packed[:cut])).items() <= whole.items()
    for place, value in flips:
        packed[place % len(packed)] = value
    siemens.read_csa(bytes(packed))


@pytest.mark.parametrize("claim", [0x7FFFFFFF, -1, 0xFFFF])
def test_claims_of_a_csa_header_cost_nothing(claim: int) -> None:
    packed = bytearray(pack_csa(CSA))
    for place in (8, 16 + 76, 16 + 84, 16 + 84 + 4):
        broken = bytearray(packed)
        struct.pack_into("<i", broken, place, claim)
        siemens.read_csa(bytes(broken))


@pytest.mark.parametrize("data", [b"", b"SV10", b"SV10\4\3\2\1", b"\1\0\0\0MM", b"\0" * 500])
def test_what_is_no_csa_header_is_empty(data: bytes) -> None:
    assert siemens.read_csa(data) == {}


def test_the_protocol_text_is_the_section_between_its_marks() -> None:
    found = siemens.read_ascconv(PROTOCOL)
    assert found["tSequenceFileName"] == "%SiemensSeq%\\ep2d_bold"
    assert found["sGRADSPEC.asGPAData[0].lOffsetZ"] == "12"
    assert found["lRepetitions"] == "159"
    assert len(found) == 7


@pytest.mark.parametrize("data", [b"", b"### ASCCONV END ###", b"lRepetitions = 3"])
def test_without_marks_there_is_no_protocol(data: bytes) -> None:
    assert siemens.read_ascconv(data) == {}


def test_a_protocol_that_is_cut_off_is_read_to_its_end() -> None:
    assert siemens.read_ascconv(PROTOCOL[:260])["ulVersion"] == "51130001"


def test_siemens_says_what_conversion_needs() -> None:
    blobs = {"CsaImage": pack_csa(CSA), "CsaSeries": pack_csa([("MrPhoenixProtocol", [PROTOCOL.decode()])])}
    assert read_protocol("SIEMENS", blobs) == {
        "PhaseEncodingPositive": "1",
        "MosaicSlices": "36",
        "ShimSetting": "-1804\\0\\12\\0\\0\\0\\-77\\0",
        "SequenceFile": "ep2d_bold",
        "PlannedVolumes": "160",
    }


def test_siemens_xa_has_the_protocol_alone() -> None:
    found = read_protocol("SIEMENS", {"SiemensProtocol": PROTOCOL})
    assert found["SequenceFile"] == "ep2d_bold"
    assert "PhaseEncodingPositive" not in found


def pack_ge(text: bytes) -> bytes:
    packed = gzip.compress(text)
    return len(packed).to_bytes(4, "little") + packed


def test_ge_says_what_conversion_needs() -> None:
    block = pack_ge(b'set PSEQ "epi2"\nset IOPT "EPI, MPh"\n set SEDESC "a \xe9"\nnonsense\n')
    assert read_protocol("GE", {"GeProtocol": block}) == {"SequenceFile": "epi2, EPI, MPh"}
    assert ge.read_block(block)["SEDESC"] == "a é"


@given(st.integers(0, 90), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=4))
def test_a_broken_ge_block_is_survived(cut: int, flips: list[tuple[int, int]]) -> None:
    packed = bytearray(pack_ge(b'set PSEQ "epi2"\nset IOPT "EPI, MPh"\n' * 3))
    for place, value in flips:
        packed[place % len(packed)] = value
    read_protocol("GE", {"GeProtocol": bytes(packed)})
    read_protocol("GE", {"GeProtocol": bytes(packed[:cut])})


def test_a_ge_block_that_is_a_bomb_is_cut_off() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(32)) + packer.flush()
    assert read_protocol("GE", {"GeProtocol": b"\0\0\0\0" + packed}) == {}


@pytest.mark.parametrize("maker", ["PHILIPS", "UIH", "", "SIEMENS", "GE"])
def test_without_dumps_there_is_nothing(maker: str) -> None:
    assert read_protocol(maker, {}) == {}


def test_siemens_protocol_says_how_it_accelerates() -> None:
    text = b"### ASCCONV BEGIN ###\nsSliceAcceleration.lMultiBandFactor = 4\nsPat.lAccelFactPE = 2\n### ASCCONV END ###"
    found = read_protocol("SIEMENS", {"CsaSeries": text})
    assert (found["MultibandFactor"], found["InPlaneAcceleration"]) == ("4", "2")


class Slab(NamedTuple):
    lines: dict[str, str]
    slices: str | None


SLABS = {
    "2D": Slab({"sKSpace.ucDimension": "2", "sSliceArray.lSize": "36", "sKSpace.lImagesPerSlab": "32"}, "36"),
    "2D, hexadecimal": Slab({"sKSpace.ucDimension": "0x2", "sSliceArray.lSize": "36"}, "36"),
    "3D": Slab({"sKSpace.ucDimension": "4", "sSliceArray.lSize": "1", "sKSpace.lImagesPerSlab": "176"}, "176"),
    "slabs": Slab({"sKSpace.ucDimension": "4", "sSliceArray.lSize": "4", "sKSpace.lImagesPerSlab": "40"}, None),
    "no dimension": Slab({"sSliceArray.lSize": "36"}, None),
    "several directions": Slab({
        "sKSpace.ucDimension": "2", "sSliceArray.lSize": "2", "sSliceArray.asSlice[0].sNormal.dTra": "1.0",
        "sSliceArray.asSlice[1].sNormal.dSag": "1.0",
    }, None),
}  # fmt: skip


@pytest.mark.parametrize("name", SLABS)
def test_slices_are_counted_where_the_protocol_of_siemens_is_clear(name: str) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in SLABS[name].lines.items())
    data = f"### ASCCONV BEGIN ###\n{text}### ASCCONV END ###".encode()
    assert read_protocol("SIEMENS", {"SiemensProtocol": data}).get("PlannedSlices") == SLABS[name].slices
