"""Errors of JSON Schema; the expected ones were taken from Ajv 8 as the reference validator sets it up."""

from typing import Any

import pytest

from bidsflow.validate.rules.jsonschema import compile_schema

TEXT_OR_MIXED = {"anyOf": [{"type": "string", "format": "unit"}, {"type": "string", "enum": ["mixed"]}]}
TEXT = "must be string"
ALLOWED = "must be equal to one of the allowed values"
ANY = "must match a schema in anyOf"
ADDRESS = {"type": "object", "required": ["street"], "properties": {"street": {"type": "string", "minLength": 1}}}
RECURSIVE = {
    "definitions": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/definitions/tree"}}}},
    "$ref": "#/definitions/tree",
}

CASES: list[tuple[dict[str, Any], Any, list[tuple[str, str]]]] = [
    ({}, object, []),
    ({"type": "integer"}, 1.0, []),
    ({"type": "integer"}, 1.5, [("", "must be integer")]),
    ({"type": "integer"}, True, [("", "must be integer")]),
    ({"type": "number"}, float("inf"), [("", "must be number")]),
    ({"type": "number"}, False, [("", "must be number")]),
    ({"type": "boolean"}, 1, [("", "must be boolean")]),
    ({"type": "null"}, None, []),
    ({"type": ["string", "number"]}, [], [("", "must be string,number")]),
    ({"type": "object"}, [], [("", "must be object")]),
    ({"type": "number", "exclusiveMinimum": 0}, 0, [("", "must be > 0")]),
    ({"type": "number", "minimum": 0, "maximum": 1}, 2, [("", "must be <= 1")]),
    ({"minimum": 0}, "text", []),
    ({"type": "array", "minItems": 2, "maxItems": 2}, [1], [("", "must NOT have fewer than 2 items")]),
    ({"type": "array", "items": {"type": "number"}}, [1, "a", "b"], [("/1", "must be number")]),
    (
        {"type": "array", "items": {"type": "array", "items": {"minimum": 0}}},
        [[1], [0, -1]],
        [("/1/1", "must be >= 0")],
    ),
    ({"enum": [1, "a"]}, 1.0, []),
    ({"enum": [1, "a"]}, True, [("", ALLOWED)]),
    ({"type": "string", "enum": ["a"]}, 5, [("", TEXT)]),
    ({"const": {"a": [1]}}, {"a": [True]}, [("", "must be equal to constant")]),
    ({"type": "string", "maxLength": 1}, "é\U0001f600", [("", "must NOT have more than 1 characters")]),
    ({"type": "string", "pattern": "^a$"}, "a\n", [("", 'must match pattern "^a$"')]),
    ({"format": "word"}, "-- ab --", []),  # a format is searched for, not matched as a whole
    ({"format": "word"}, "--", [("", 'must match format "word"')]),
    ({"format": "word"}, 5, []),
    ({"format": "unknown"}, "--", []),
    (ADDRESS, {}, [("", "must have required property 'street'")]),
    (ADDRESS, {"street": ""}, [("/street", "must NOT have fewer than 1 characters")]),
    ({"additionalProperties": False, "properties": {"a": {}}}, {"b": 1}, [("", "must NOT have additional properties")]),
    ({"additionalProperties": {"type": "string"}}, {"a/b~": 1}, [("/a~1b~0", TEXT)]),
    ({"patternProperties": {"^x": {"type": "string"}}}, {"xa": 1, "b": 1}, [("/xa", TEXT)]),
    ({"allOf": [{"minimum": 1}, {"minimum": 2}]}, 0, [("", "must be >= 1")]),
    ({"not": {"type": "string"}}, "a", [("", "must NOT be valid")]),
    (TEXT_OR_MIXED, "mm", []),
    (TEXT_OR_MIXED, 1, [("", TEXT), ("", TEXT), ("", ALLOWED), ("", ANY)]),  # the type does not end an alternative
    (
        {"anyOf": [{"type": "array", "items": TEXT_OR_MIXED}]},
        [1],
        [*[("/0", TEXT)] * 2, ("/0", ALLOWED), ("/0", ANY), ("", ANY)],
    ),
    ({"anyOf": [{"type": "string"}, {}]}, 1, []),
    ({"oneOf": [{"type": "number"}, {"minimum": 1}]}, 0, []),
    ({"oneOf": [{"type": "number"}, {"minimum": 1}]}, 2, [("", "must match exactly one schema in oneOf")]),
    ({"uniqueItems": True}, [1, True, "1", [1], [1.0, 2]], []),
    (
        {"uniqueItems": True},
        [{"a": 1}, {"a": 1.0}],
        [("", "must NOT have duplicate items (items ## 0 and 1 are identical)")],
    ),
    (RECURSIVE, {"left": {"left": 5}}, [("/left/left", "must be object")]),
]


@pytest.mark.parametrize(("schema", "value", "expected"), CASES)
def test_errors_are_those_of_ajv(schema: dict[str, Any], value: Any, expected: list[tuple[str, str]]) -> None:
    check = compile_schema(schema, {"word": "[a-z]+", "unit": ".*"})
    assert [tuple(error) for error in check(value)] == expected


def test_many_items_are_compared_in_no_time() -> None:
    check = compile_schema({"uniqueItems": True})
    assert check([{"a": place} for place in range(100_000)]) == ()
