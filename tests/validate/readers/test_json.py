"""JSON as ECMAScript reads it; the verdicts were taken from the reference validator."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.errors import FileFault
from bidsflow.validate.readers.json import _parse_deep, load_json, parse_json

FAULTS = {
    b"": "JSON_INVALID",
    b'{"a": NaN}': "JSON_INVALID",
    b'{"a": -Infinity}': "JSON_INVALID",
    b'{"a": 01}': "JSON_INVALID",
    b'{"a": 1,}': "JSON_INVALID",
    b'{"a": "\x01"}': "JSON_INVALID",
    b"{}\x00": "JSON_INVALID",
    b"\xc2\xa0{}": "JSON_INVALID",
    b"null": "JSON_NOT_AN_OBJECT",
    b"[1]": "JSON_NOT_AN_OBJECT",
    b'"text"': "JSON_NOT_AN_OBJECT",
    b"\xef\xbb\xbf{}": "INVALID_JSON_ENCODING",
    b'{"a": "\xe9"}': "INVALID_JSON_ENCODING",
    b'{"a": "\xed\xa0\x80"}': "INVALID_JSON_ENCODING",
    "{}".encode("utf-16"): "INVALID_JSON_ENCODING",
}

VALUES = {
    b'{"a": 1, "b": 2, "a": 3}': {"a": 3, "b": 2},
    b'{"a": 1e999, "b": -1e999}': {"a": float("inf"), "b": float("-inf")},
    b'{"a": 9007199254740993}': {"a": 9007199254740992.0},
    b'{"a": ' + b"9" * 5000 + b"}": {"a": float("inf")},
    b'{"a": "\\ud800\x7f"}': {"a": "\ud800\x7f"},
    b' \t\r\n{"a": [1, 2.5, true, null]} ': {"a": [1, 2.5, True, None]},
}


def write(folder: Path, data: bytes) -> str:
    (folder / "file").write_bytes(data)
    return str(folder / "file")


@pytest.mark.parametrize(("data", "code"), FAULTS.items())
def test_fault_has_the_code_of_the_issue(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(FileFault) as caught:
        load_json(write(tmp_path, data))
    assert caught.value.code == code


@pytest.mark.parametrize(("data", "value"), VALUES.items())
def test_value_is_what_ecmascript_has(tmp_path: Path, data: bytes, value: object) -> None:
    assert load_json(write(tmp_path, data)) == value


def test_message_quotes_the_start_when_it_is_no_object(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match=r'JSON_NOT_AN_OBJECT: "012345678\.\.\.$'):
        load_json(write(tmp_path, b'"0123456789"'))


def test_deep_nesting_is_valid_but_cut(tmp_path: Path) -> None:
    value = load_json(write(tmp_path, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"b":1}'))
    assert value["b"] == 1
    assert len(json.dumps(value)) < 1000


def test_deep_nesting_is_invalid_when_it_does_not_end(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="JSON_INVALID"):
        load_json(write(tmp_path, b'{"a":' + b"[" * 100_000 + b"}" * 100_000))


def test_file_is_not_read_when_it_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="FILE_READ"):
        load_json(write(tmp_path, b'{"a": 1}'), max_bytes=7)


TEXTS = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
).map(json.dumps)


@given(TEXTS, st.integers(0, 30), st.sampled_from(["", *'[]{},:" 1x']))
def test_both_parsers_agree(text: str, place: int, damage: str) -> None:
    text = text[:place] + damage + text[place:]
    assert outcome(parse_json, text) == outcome(_parse_deep, text)


def outcome(parse: object, text: str) -> object:
    try:
        return parse(text)  # type: ignore[operator]
    except ValueError:
        return ValueError
