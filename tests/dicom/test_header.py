"""Values of a header by type, and text from bytes."""

from __future__ import annotations

import logging

import pytest

from bidsflow.dicom.frames import merge_groups
from bidsflow.dicom.header import Header
from bidsflow.dicom.tags import (
    BLOBS,
    FUNCTIONAL,
    FUNCTIONAL_BLOBS,
    FUNCTIONAL_PRIVATE,
    LAST_GROUP,
    PRIVATE,
    TOP,
    find_maker,
)
from bidsflow.dicom.text import decode_values, quiet_pydicom


@pytest.mark.parametrize(
    ("text", "numbers", "integer"),
    [
        ("1.5\\-2", (1.5, -2.0), 1), ("", (), 7), ("abc", (), 7), ("1\\x", (), 7), ("nan", (), 7), ("inf\\1", (), 7),
        ("1e300", (1e300,), 7), (" 3 \\ ", (3.0,), 3), ("9" * 5000, (), 7),
    ],
)  # fmt: skip
def test_numbers_are_numbers_or_nothing(text: str, numbers: tuple[float, ...], integer: int) -> None:
    header = Header({"X": text})
    assert header.numbers("X") == numbers
    assert header.integer("X", 7) == integer


def test_an_empty_value_is_as_good_as_none() -> None:
    header = Header({"X": ""})
    assert "X" not in header
    assert header.text("Y") == header.text("X") == ""
    assert header.words("X") == ()


@pytest.mark.parametrize(
    ("vr", "data", "charset", "text"),
    [
        ("CS", b"A \\ B\0", "", "A\\B"),
        ("LT", b" two \\ lines\r\n", "", "two \\ lines"),
        ("PN", "Müller^Jörg".encode("latin-1"), "ISO_IR 100", "Müller^Jörg"),
        ("PN", "Müller^Jörg".encode(), "ISO_IR 192", "Müller^Jörg"),
        (
            "PN",
            b"\xd4\xcf\xc0\xde=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            "ﾔﾏﾀﾞ=山田^太郎",
        ),
        ("LO", b"\x1b$)C\xb1\xe8", "\\ISO 2022 IR 149", "김"),
        ("CS", b"\xe9", "ISO_IR 192", "é"),
        ("US", b"\1\0\2\0\3", "", "1\\2"),
        ("SV", b"\xff" * 8, "", "-1"),
        ("FL", b"", "", ""),
    ],
)
def test_bytes_become_text(vr: str, data: bytes, charset: str, text: str) -> None:
    assert decode_values([("X", vr, data)], charset) == ({"X": text}, ())


def test_numbers_may_be_big_endian() -> None:
    assert decode_values([("X", "US", b"\1\0")], order=">")[0] == {"X": "256"}


def test_pydicom_logs_nothing_of_what_is_in_a_file(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), quiet_pydicom("ignore"):
        logging.getLogger("pydicom").warning("Doe^John")
    assert caplog.records == []
    assert not logging.getLogger("pydicom").disabled


def test_groups_stand_beneath_the_top_level() -> None:
    merged = merge_groups({"EchoTime": "", "FlipAngle": "9"}, [{"FlipAngle": "8"}], [{"EffectiveEchoTime": "30.0"}])
    assert (merged["EchoTime"], merged["FlipAngle"]) == ("30.0", "9")
    assert merge_groups({"EchoTime": ""}, [{"FlipAngle": "8"}], []) == {"EchoTime": ""}


def test_every_wanted_element_is_within_reach() -> None:
    assert max(tag >> 16 for tag in TOP) <= min(LAST_GROUP.values())
    for tag, element in PRIVATE.items():
        if not element.creator.startswith("GEMS") and not element.creator.startswith("Image Private"):
            assert tag >> 16 <= LAST_GROUP["SIEMENS" if "SIEMENS" in element.creator else "PHILIPS"]
    assert all(tag >> 16 <= LAST_GROUP["GE"] for tag, one in PRIVATE.items() if one.creator.startswith("GEMS"))


def test_no_keyword_stands_for_two_elements() -> None:
    keywords = [one.keyword for table in (TOP, PRIVATE, BLOBS, FUNCTIONAL_BLOBS) for one in table.values()]
    assert len(set(keywords)) == len(keywords)
    nested = [one.keyword for table in (FUNCTIONAL, FUNCTIONAL_PRIVATE) for one in table.values()]
    assert len(set(nested)) == len(nested)


@pytest.mark.parametrize(
    ("name", "maker"),
    [("SIEMENS", "SIEMENS"), ("Siemens Healthineers", "SIEMENS"), ("GE MEDICAL SYSTEMS", "GE"), ("Philips", "PHILIPS"),
     ("UIH", "UIH"), ("United Imaging Healthcare", "UIH"), ("TOSHIBA", ""), ("CANON_MEC", ""), ("", "")],
)  # fmt: skip
def test_makers_are_known_by_the_beginning_of_their_name(name: str, maker: str) -> None:
    assert find_maker(name) == maker
