"""Digests tell bytes that changed, and those of earlier versions still hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bidsflow.digest import digest_file, digest_of, write_digest


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 300_000])
def test_file_has_the_digest_of_its_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    file = tmp_path / "a"
    file.write_bytes(data)
    assert digest_file(file) == (write_digest(digest_of(data)), data[:65_536])
    assert digest_file(file, write_digest(digest_of(b""))) == digest_file(file)


def test_kind_of_an_earlier_digest_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    earlier = hashlib.blake2b(b"abc", digest_size=16).hexdigest()
    assert digest_file(file, earlier)[0] == earlier
    assert digest_file(file, "0" * 32)[0] == earlier


def test_one_bit_makes_another_digest() -> None:
    data = bytearray(70_000)
    digests = {digest_of(bytes(data))}
    for place in range(0, len(data), 7_001):
        data[place] ^= 1
        digests.add(digest_of(bytes(data)))
    assert len(digests) == 11
