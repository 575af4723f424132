"""Headers that share memory say what they said."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from bidsflow.dicom.header import Header
from bidsflow.dicom.shared import Sharer, Variation

KEYS = [f"Keyword{number}" for number in range(30)]


@given(st.lists(st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=30), min_size=1, max_size=12))
def test_shared_values_are_equal_to_what_they_were(rows: list[list[str]]) -> None:
    sharer = Sharer()
    plain = [dict(zip(KEYS, row, strict=False)) for row in rows]
    for values, shared in [(values, sharer.share(values)) for values in plain]:
        assert shared == values
        assert values == shared
        assert list(shared.items()) == list(values.items())
        assert (shared.get("Keyword0"), shared.get("no", "x"), "no" in shared, len(shared)) == (
            values["Keyword0"], "x", False, len(values),
        )  # fmt: skip
        assert pickle.loads(pickle.dumps(Header(shared))) == Header(values)


def test_a_header_like_another_holds_the_differences_only() -> None:
    sharer = Sharer()
    first = dict.fromkeys(KEYS, "x")
    assert not isinstance(sharer.share(first), Variation)
    second = sharer.share({**first, "Keyword3": "y"})
    assert isinstance(second, Variation)
    assert second.own == {"Keyword3": "y"}


def test_a_header_unlike_the_others_is_the_first_of_its_kind() -> None:
    sharer = Sharer()
    sharer.share(dict.fromkeys(KEYS, "x"))
    assert not isinstance(sharer.share(dict.fromkeys(KEYS, "y")), Variation)
    assert isinstance(sharer.share({**dict.fromkeys(KEYS, "y"), "Keyword0": "z"}), Variation)
