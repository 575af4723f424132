"""Values of a pile are what was put there, packed or not."""

from __future__ import annotations

import pickle
from itertools import pairwise

import pytest

from bidsflow.dicom.header import Header
from bidsflow.dicom.pile import Pile, Shelf, _join_instances, _split_instances
from bidsflow.dicom.series import File, Instance
from bidsflow.dicom.shared import Variation

BASE = {"SOPInstanceUID": "1.2.0", "Rows": "64"}


def make_instances(count: int, first: int = 0) -> list[Instance]:
    return [
        Instance(
            File(f"/export/\udce9 {number}", number, 5, 2**64 - 1, number % 2 == 0),
            Header(
                Variation(BASE, {"SOPInstanceUID": f"1.2.{number}"}) if number % 3 else {"Rows": "1"},
                "absent",
                ("odd",),
            ),
            File(f"/export/{number}.REC", 7, 8) if number % 5 == 0 else None,
            bytes([number % 256]) * 16 if number % 7 else b"",
        )
        for number in range(first, first + count)
    ]


def shelve(most: int) -> Shelf[Instance]:
    return Shelf(_split_instances, _join_instances, most)


def is_packed(pile: Pile[Instance]) -> bool:
    return all(one is not two for one, two in zip(pile, pile, strict=True))


@pytest.mark.parametrize("most", [0, 1, 100, 700, 10_000])
def test_values_come_back_as_they_were(most: int) -> None:
    shelf = shelve(most)
    one, other = make_instances(600), make_instances(70, first=1000)
    pile, beside = shelf.pile(), shelf.pile(other)
    for instance in one:
        pile.append(instance)
    assert list(pile) == one
    assert beside == tuple(other)
    assert [pile[rank] for rank in (0, 255, 256, 599, -1, -600)] == [one[rank] for rank in (0, 255, 256, 599, -1, -600)]
    assert pile[1:5] == tuple(one[1:5])
    assert pile != beside
    with pytest.raises(IndexError):
        pile[600]
    assert pickle.loads(pickle.dumps(pile)) == tuple(one)
    assert pile.take() == one
    assert (len(pile), list(pile)) == (0, [])


def test_values_are_packed_only_when_they_are_many() -> None:
    shelf = shelve(100)
    first = shelf.pile(make_instances(60))
    assert not is_packed(first)
    first.take()
    second = shelf.pile(make_instances(90))
    assert not is_packed(second)
    third = shelf.pile(make_instances(11))
    assert is_packed(second)
    assert is_packed(third)


def test_packed_headers_have_in_common_what_they_had() -> None:
    bases = [
        one.header.values.base
        for one in shelve(0).pile(make_instances(600))
        if isinstance(one.header.values, Variation)
    ]
    assert all(one is two for one, two in pairwise(bases))
