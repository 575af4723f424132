"""Whether our verdicts are those of the reference: of the whole table as recorded, of a part as it answers today."""

from __future__ import annotations

import importlib.util
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.validate.defects.change import Mutation
from tests.validate.defects.datasets import BASES
from tests.validate.defects.drawn import draw_dataset
from tests.validate.defects.mutations import MUTATIONS
from tests.validate.defects.record import expected_verdict, pack, read_expected, unpack
from tests.validate.defects.tree import digest_tree, write_tree
from tests.validate.defects.verdicts import Verdict, ask_ours, ask_reference, find_reference, read_verdict

PROGRAM = find_reference()
RECORD = read_expected()
BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}

real = [
    pytest.mark.slow,
    pytest.mark.validator,
    pytest.mark.skipif(PROGRAM is None, reason="the reference validator is not installed (extra `dev`)"),
]
#: Drawn once, so that each run asks about the same.
SAMPLE = sorted(random.Random(1).sample(sorted(BY_NAME), 60))


#: Where we differ on purpose, or for a reason that is not worth its cost (docs/validator.md lists them, too).
KNOWN = {
    "json_nested_deep": "the reference runs out of stack, at some 2750 levels, where a number is made of the value",
}


def _expect(name: str) -> tuple[pytest.MarkDecorator, ...]:
    if name.startswith("hed_") and importlib.util.find_spec("hed") is None:
        return (pytest.mark.skip(reason="needs the extra `hed`"),)
    return (pytest.mark.xfail(reason=KNOWN[name], strict=True),) if name in KNOWN else ()


def differences(theirs: Verdict, found: Verdict) -> dict[str, object]:
    """Say what differs, small enough to read; nothing where the reference ended without a report."""
    if theirs is None:
        return {}
    missing, extra = Counter(theirs) - Counter(found or ()), Counter(found or ()) - Counter(theirs)
    return {key: pack(value.elements()) for key, value in (("missing", missing), ("extra", extra)) if value}


def test_names_of_mutations_are_unique() -> None:
    assert len(BY_NAME) == len(MUTATIONS)


def test_no_dataset_stands_in_the_table_twice() -> None:
    trees = Counter(entry["tree"] for entry in RECORD["mutations"].values())
    assert [tree for tree, count in trees.items() if count > 1] == []


@pytest.mark.parametrize("base", BASES)
def test_datasets_are_those_that_were_recorded(base: str) -> None:
    tree = BASES[base]()
    stale = [
        mutation.name
        for mutation in MUTATIONS
        if mutation.base == base
        and RECORD["mutations"].get(mutation.name, {}).get("tree") != digest_tree(mutation.apply(tree))
    ]
    assert stale == [], "run: python -m tests.validate.defects.record"


def test_nothing_is_recorded_that_is_not_in_the_table() -> None:
    assert sorted(RECORD["mutations"]) == sorted(BY_NAME)


@pytest.mark.parametrize("base", BASES)
def test_datasets_without_a_defect_have_no_error(base: str) -> None:
    errors = [finding for finding in unpack(RECORD["bases"][base]) if finding[3] == "error"]
    assert errors == []


def test_packed_findings_come_back() -> None:
    found = [("", "A", "b", "error", "/x"), ("", "A", "b", "error", "/x"), ("/d/", "A", "", "warning", "")]
    assert sorted(unpack(pack(found)).elements()) == sorted(found)


@pytest.mark.parametrize("name", [pytest.param(name, marks=_expect(name)) for name in BY_NAME])
def test_verdict_is_that_of_the_reference(name: str, tmp_path: Path) -> None:
    mutation = BY_NAME[name]
    root = write_tree(mutation.apply(BASES[mutation.base]()), tmp_path / mutation.name)
    for mode in mutation.modes:
        found = read_verdict(ask_ours(root, mode))
        assert differences(expected_verdict(RECORD, mutation, mode), found) == {}, mode


class TestReference:
    """What was recorded is still what the reference says."""

    pytestmark = real

    @pytest.mark.parametrize("name", SAMPLE)
    def test_record_is_what_the_reference_says(self, name: str, tmp_path: Path) -> None:
        assert PROGRAM is not None
        mutation = BY_NAME[name]
        root = write_tree(mutation.apply(BASES[mutation.base]()), tmp_path / mutation.name)
        for mode in mutation.modes:
            assert ask_reference(PROGRAM, root, mode) == expected_verdict(RECORD, mutation, mode), mode

    @pytest.mark.parametrize("seed", range(12))
    def test_verdicts_agree_on_datasets_drawn_from_the_schema(self, seed: int, tmp_path: Path) -> None:
        assert PROGRAM is not None
        root = write_tree(draw_dataset(seed), tmp_path / "dataset")
        found = read_verdict(ask_ours(root, "headers"))
        assert differences(ask_reference(PROGRAM, root, "headers"), found) == {}

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), base=st.sampled_from(sorted(BASES)))
    def test_verdicts_agree_on_several_defects_at_once(
        self, data: st.DataObject, base: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        assert PROGRAM is not None
        chosen = data.draw(st.lists(st.sampled_from(_mutations_of(base)), min_size=2, max_size=4, unique=True))
        tree = BASES[base]()
        for mutation in chosen:
            try:
                tree = mutation.apply(tree)
            except (AssertionError, LookupError, ValueError):  # what it changes is no longer there
                continue
        root = write_tree(tree, tmp_path_factory.mktemp("several") / "dataset")
        for mode in sorted({mode for mutation in chosen for mode in mutation.modes}):
            found = read_verdict(ask_ours(root, mode))
            assert differences(ask_reference(PROGRAM, root, mode), found) == {}, mode


def _mutations_of(base: str) -> list[Mutation]:
    return [mutation for mutation in MUTATIONS if mutation.base == base]
