"""Citation files; what is expected was taken from the reference validator."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.errors import FileFault
from bidsflow.validate.rules.citation import check_citation, parse_yaml

VALID = "cff-version: 1.2.0\nmessage: Cite it.\ntitle: Data\nauthors:\n  - family-names: Doe\n"
DATE = {"date": "[0-9]{4}-[0-9]{2}-[0-9]{2}"}


def check(folder: Path, data: str | bytes, **options: Any) -> list[tuple[str, str]]:
    (folder / "CITATION.cff").write_bytes(data if isinstance(data, bytes) else data.encode())
    return check_citation(str(folder / "CITATION.cff"), DATE, **options)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", []),
        ("date-released: '2020-01-01'\n", []),
        ("date-released: 2020-01-01\n", [("/date-released", "must be string")]),
        ("version: 1.0\n", []),
        ("type: other\n", [("/type", "must be equal to one of the allowed values")]),
        ("abstract:\n", [("/abstract", "must be string")]),
        ("foo: bar\n", [("", "must NOT have additional properties")]),
        ("url: x\n", [("/url", 'must match pattern "^(https|http|ftp|sftp)://.+"')]),
    ],
)
def test_citation_is_checked(tmp_path: Path, more: str, expected: list[tuple[str, str]]) -> None:
    assert check(tmp_path, VALID + more) == expected


def test_date_is_text_when_that_is_asked_for(tmp_path: Path) -> None:
    assert check(tmp_path, VALID + "date-released: 2020-01-01\n", dates_are_text=True) == []


def test_nothing_is_no_citation(tmp_path: Path) -> None:
    assert check(tmp_path, "") == [("", "must be object")]


WORDS = {
    "yes": "yes", "On": "On", "True": True, "tRUE": "tRUE", "~": None, "Null": None, "nULL": "nULL",
    "017": 15, "08": "08", "0o17": "0o17", "0x1F": 31, "-0x1F": -31, "0X1F": "0X1F", "0b11": 3, "1_000": 1000,
    "1_": "1_", "1:30": "1:30", "1e3": 1000, "5.": 5, ".5": 0.5, "+.5": "+.5", ".inf": float("inf"), "1.2.0": "1.2.0",
    "12345678901234567890": 12345678901234567890.0, "2020-01-01": {}, "2020-1-1": "2020-1-1", "2020-01-01 10:00:00": {},
    "10.5281/zenodo.1": "10.5281/zenodo.1", "'5'": "5", "!!str 5": "5", "=": "=", "<<": "<<",
}  # fmt: skip


@pytest.mark.parametrize(("word", "value"), WORDS.items())
def test_word_means_what_the_reference_takes_it_for(word: str, value: object) -> None:
    assert parse_yaml(f"a: {word}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("--- a", "a"),
        ("1: b\ntrue: c\nnull: d", {"1": "b", "true": "c", "null": "d"}),
        ("<<: {x: 1, a: 1}\na: 2", {"x": 1, "a": 2}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("%YAML 1.1\n---\na: yes", {"a": "yes"}),
    ],
)
def test_document_is_read(text: str, value: object) -> None:
    assert parse_yaml(text) == value


FAULTS = {
    "key-twice": "a: 1\na: 2",
    "two-documents": "a: 1\n---\nb: 2",
    "unknown-tag": "a: !foo 5",
    "open": "a: [1",
    "unknown-alias": "a: *x",
    "own-member": "a: &x [*x]",
    "deep": "[" * 10_000,
    "laughs": "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]\n" for i in range(1, 12)),
}


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
def test_text_is_no_yaml(text: str) -> None:
    with pytest.raises(FileFault, match="FILE_READ"):
        parse_yaml(text)


def test_utf_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="UTF-16"):
        check(tmp_path, VALID.encode("utf-16"))


@given(st.text(st.sampled_from("ab:-[]{}&*!?|>'\"%@`#,<. \n\t0158_e~")) | st.text())
def test_nothing_but_faults_is_raised_for_any_text(text: str) -> None:
    try:
        parse_yaml(text)
    except FileFault as fault:
        assert fault.code == "FILE_READ"  # noqa: PT017


@pytest.mark.parametrize(
    "text",
    [
        VALID.replace(": ", ":\t"), VALID.replace("  - ", "\t-\t"), VALID.replace("\n", "\t# note\n"),
        VALID + "abstract: a\tb\n",
    ],
)  # fmt: skip
def test_tabs_may_stand_between_words(tmp_path: Path, text: str) -> None:
    assert check(tmp_path, text) == []


def test_tab_before_a_word_is_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(FileFault):
        check(tmp_path, VALID + "abstract:\n\tword\n")
