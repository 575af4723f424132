"""The language of the schema: its own examples, and what JavaScript makes of odd values."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.errors import ExpressionError
from bidsflow.validate.compile.javascript import UNDEFINED, equals, kind_of, less, to_number, to_text, truthy
from bidsflow.validate.compile.rules import compile_expression
from bidsflow.validate.compile.schema import REFERENCE_VERSION, load_schema
from bidsflow.validate.compile.syntax import find_names, parse
from bidsflow.validate.context.context import Context, Dataset, Facts
from bidsflow.validate.context.walk import File, Folder
from bidsflow.validate.readers.ignore import IgnoreRules

VERSIONS = (REFERENCE_VERSION, None)
EXAMPLES = [(version, test) for version in VERSIONS for test in load_schema(version).data["meta"]["expression_tests"]]


def make_context(**fields: Any) -> Context:
    tree = Folder("", "", None)
    tree.files["README"] = File("README", "/README", tree, 10)
    facts = Facts(dataset_description={"DatasetType": "raw"})
    shared = Dataset(tree, IgnoreRules(()), load_schema().data, facts, frozenset(), frozenset(), "raw")
    file = File("sub-01_bold.nii.gz", "/sub-01_bold.nii.gz", tree)
    context = Context(shared, file, file.path, {"sub": "01"}, "func", "bold", ".nii.gz", "mri")
    for name, value in fields.items():
        setattr(context, name, value)
    return context


def collect_expressions(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {text for key in ("selectors", "checks") for text in node.get(key) or () if isinstance(text, str)}
        return own.union(*map(collect_expressions, node.values()))
    return set().union(*map(collect_expressions, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize(("version", "test"), EXAMPLES, ids=lambda value: str(value)[:60])
def test_example_of_the_schema_has_its_result(version: str | None, test: dict[str, Any]) -> None:
    value = compile_expression(test["expression"])(make_context())
    assert test["result"] == (None if value is UNDEFINED else value)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_expression_of_the_schema_can_be_asked(version: str | None) -> None:
    schema = load_schema(version).data
    texts = collect_expressions(schema["rules"]) | collect_expressions(schema["meta"])
    assert len(texts) > 400
    for text in texts:
        compile_expression(text)(make_context())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sidecar.EchoTime2 - sidecar.EchoTime1", 0.5),
        ("sidecar.Missing.Deeper", None),
        ('"EchoTime1" in sidecar', True),
        ("1 in [7, 8]", True),
        ("2 in [7, 8]", False),
        ("sidecar.List[1]", "b"),
        ("sidecar.List[9]", UNDEFINED),
        ("!sidecar.Empty", False),
        ("sidecar.Missing || sidecar.List", ["a", "b"]),
        ('exists("README", "dataset")', 1),
        ("exists([1], 'dataset')", None),
        ("-2 * 3", -6),
        ("2 ** 3 ** 2", 512),
        ("1 / 0", math.inf),
        ("'3' * '4'", 12),
        ("unknown(1)", None),
        ("max([])", -math.inf),
        ("count(null, 1)", None),
    ],
)
def test_odd_value_is_what_javascript_makes_of_it(text: str, value: Any) -> None:
    sidecar = {"EchoTime1": 0.5, "EchoTime2": 1.0, "List": ["a", "b"], "Empty": []}
    assert compile_expression(text)(make_context(sidecar=sidecar)) == value


@pytest.mark.parametrize("text", ["a ==", "(1", "[1 2]", "a.", "a.1", "f(", "#", "{a}", "'open"])
def test_text_that_is_no_expression_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert " ".join(text.split()) in str(caught.value)


def test_names_are_those_of_the_context_that_are_read() -> None:
    names = find_names(parse('match(suffix, "x") && dataset.subjects.sub_dirs[sidecar.n] == -json.x'))
    assert names == {"suffix", "dataset.subjects", "sidecar", "json"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        (" 12 ", 12),
        ("1e3", 1000),
        ("0x1F", 31),
        ("-Infinity", -math.inf),
        (".5", 0.5),
        ("5.", 5),
        ("\ufeff7", 7),
    ],
)
def test_text_is_a_number_as_javascript_reads_it(text: str, number: float) -> None:
    assert to_number(text) == number


@pytest.mark.parametrize("text", ["n/a", "1_000", "nan", "inf", "12px", "0x", "1e", "--1", "\u0661"])
def test_text_is_no_number_as_javascript_reads_it(text: str) -> None:
    assert math.isnan(to_number(text))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(UNDEFINED),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(values, values)
def test_any_two_values_can_be_compared(a: Any, b: Any) -> None:
    assert equals(a, b) == equals(b, a)
    assert isinstance(less(a, b), bool)
    assert isinstance(truthy(a), bool)
    assert isinstance(to_text(a), str)
    assert kind_of(a) in ("null", "boolean", "number", "string", "array", "object")


@given(values)
def test_checks_of_the_schema_stand_any_sidecar(value: Any) -> None:
    texts = sorted(text for text in collect_expressions(load_schema().data["rules"]["checks"]) if "sidecar" in text)
    sidecar = {"RepetitionTime": value, "SliceTiming": value, "EchoTime": value, "IntendedFor": value}
    context = make_context(sidecar=sidecar, nifti_header={"dim": [4, 1, 1, 1, 1], "pixdim": [1.0] * 8, "shape": [1]})
    for text in texts:
        compile_cached(text)(context)


_compiled: dict[str, Any] = {}


def compile_cached(text: str) -> Any:
    if text not in _compiled:
        _compiled[text] = compile_expression(text)
    return _compiled[text]
