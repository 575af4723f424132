"""What patterns leave out: the odd cases of a comparison with npm's `ignore` on 200 000 random ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.validate.readers.ignore import OPAQUE, IgnoreRules

CASES = [
    # patterns, paths that are left out, paths that are not
    (OPAQUE, ["code/a", "CODE/a", "sourcedata/b/c"], ["code", "sub-01/code/a", "docs/a", "codes/a"]),
    (["*.txt"], ["a.txt", "b/a.TXT", "a.txt/b"], ["a.txt.gz"]),
    (["a/"], ["a/b", "b/a/c"], ["a", "b/a"]),
    (["/a"], ["a", "A/b"], ["b/a"]),
    (["a/b"], ["a/b", "a/b/c"], ["c/a/b"]),
    (["/a/**"], ["a/b", "a/b/c"], ["a", "b/a/c"]),
    (["**/a"], ["a", "b/c/a"], ["ba"]),
    (["a/**/b"], ["a/b", "a/c/d/b"], ["ab", "a/cb"]),
    (["a/*"], ["a/b", "a/b/c"], ["a", "b/a/c"]),
    (["*a*b*"], ["ab", "xaxbx", "d/ab"], ["ba", "a/b"]),
    (["*.txt", "!keep.txt"], ["a.txt"], ["keep.txt", "b/keep.txt"]),
    (["a/", "!a/b"], ["a/b"], []),  # nothing comes back from a folder that is left out
    (["/code/", "!/code/a"], ["code/a"], []),
    (["a?"], ["ab"], ["a", "a/"]),
    (["[a-c]x", "[!d]y", "[[:digit:]]z"], ["bx", "ey", "1z"], ["dx", "dy", "az"]),
    (["[]a]x", "[a-]y", r"[\]]z"], ["]x", "-y", "]z"], ["bx", "by"]),
    (["[", "[a", "[[:no:]]"], [], ["[", "a", "[a"]),
    ([r"\!a", r"\#b", r"c\*"], ["!a", "#b", "c*"], ["a", "b", "cd"]),
    (["#a", "", "  "], [], ["#a", "a", " "]),
    (["a ", r"b\ "], ["a", "b "], ["a ", "b"]),
    (["a\\"], [], ["a", "a\\"]),
    (["sub-01/\r"], ["sub-01/a"], ["b/sub-01/a"]),  # a line that ends with CRLF is bound to the root
    (["\r"], ["a", "b/c"], []),  # and an empty one leaves out everything
    (["(a", "$", "{b", "c|d", "^e", "f.g"], ["(a", "$", "{b", "c|d", "^e", "f.g"], ["a", "c", "e", "fxg"]),
    ([".**", "!/.bidsignore"], [".git/a", "a/.b", ".c"], [".bidsignore", "a.b"]),
]


@pytest.mark.parametrize(("patterns", "out", "stays"), CASES, ids=lambda value: "".join(value)[:30])
def test_paths_are_left_out_as_by_npm_ignore(patterns: list[str], out: list[str], stays: list[str]) -> None:
    rules = IgnoreRules(patterns)
    assert [path for path in out if not rules.ignores(path)] == []
    assert [path for path in stays if rules.ignores(path)] == []


def test_many_stars_need_no_time() -> None:
    assert not IgnoreRules(["*a" * 40 + "b"]).ignores("a" * 250)


@given(st.lists(st.text(st.sampled_from("ab*?/[]!^-\\:. \r\n#(){}+|$\0é"))), st.text(min_size=1))
def test_no_pattern_raises(lines: list[str], path: str) -> None:
    assert IgnoreRules(lines).ignores(path) in (True, False)
