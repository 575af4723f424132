"""A study that was written is read as the same study."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.plan import Decision
from bidsflow.convert.study.fields import FIELDS
from bidsflow.convert.study.read import parse_study
from bidsflow.convert.study.spec import (
    Condition,
    Expected,
    Limit,
    Relation,
    Rule,
    Sessions,
    Source,
    Study,
    Subjects,
    Table,
)
from bidsflow.convert.study.write import format_study

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
LABELS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=6)
NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(allow_nan=False, width=32))
FINITE = st.one_of(st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False))
PATTERNS = st.sampled_from(["", r"sub-(\d+)", "(?P<label>[A-Z']+)", 'a"b\\.'])
WORDS = st.sampled_from(["SeriesDescription", "Manufacturer", "ImageType", "folder", "PhilipsTechnique"])
VALUES = st.sampled_from([name for name, kind in FIELDS.items() if kind is float])
JSON = st.recursive(
    st.one_of(TEXTS, FINITE, st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
FIELDS_OF_JSON = st.dictionaries(TEXTS, JSON, max_size=3)


def _condition() -> st.SearchStrategy[Condition]:
    texts = st.builds(
        Condition, WORDS, st.sampled_from([Relation.EQUALS, Relation.GLOB, Relation.CONTAINS]), TEXTS, st.booleans()
    )
    regexes = st.builds(Condition, WORDS, st.just(Relation.REGEX), PATTERNS, st.booleans())
    either = st.builds(
        Condition, WORDS, st.just(Relation.ANY), st.lists(TEXTS, min_size=1, max_size=3).map(tuple), st.booleans()
    )
    numbers = st.builds(
        Condition, VALUES, st.sampled_from([Relation.EQUALS, Relation.LESS, Relation.MORE, Relation.CONTAINS]), NUMBERS,
        st.booleans(),
    )  # fmt: skip
    between = st.builds(
        Condition, VALUES, st.just(Relation.BETWEEN), st.tuples(NUMBERS, NUMBERS).map(sorted).map(tuple), st.booleans()
    )
    return st.one_of(texts, regexes, either, numbers, between)


def _conditions() -> st.SearchStrategy[tuple[Condition, ...]]:
    """Return conditions; those on one field stand together, as a table of TOML has them."""
    found = st.lists(_condition(), min_size=1, max_size=4)
    return found.map(lambda some: tuple(sorted(some, key=lambda one: one.field)))


NAMES = st.sampled_from([
    ("", "", {}), ("func", "bold", {"task": "rest"}), ("anat", "T1w", {"acq": "", "run": "1"}), ("", "", {"task": "a"}),
    ("dwi", "", {}), ("", "sbref", {"dir": "{PatientPosition}x"}),
])  # fmt: skip


def _rule() -> st.SearchStrategy[Rule]:
    return st.builds(
        lambda match, name, **more: Rule(match, datatype=name[0], suffix=name[1], entities=name[2], **more),
        _conditions(), NAMES, decision=st.sampled_from([None, *Decision]), sidecar=FIELDS_OF_JSON,
        aslcontext=st.lists(st.sampled_from(["control", "label"]), max_size=3).map(tuple), because=st.just("") | TEXTS,
    )  # fmt: skip


SPANS = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: tuple(sorted(pair)))
LIMITS = st.one_of(
    st.dictionaries(VALUES, st.builds(Limit, FINITE, st.floats(0, 100)), max_size=2),
    st.dictionaries(WORDS, st.builds(Limit, TEXTS), max_size=2),
)
EXPECTED = st.builds(
    Expected, st.sampled_from(["func/task-rest_bold", "fmap/*_epi"]), SPANS, st.none() | SPANS, LIMITS, st.booleans(),
    st.lists(LABELS, max_size=2).map(tuple),
)  # fmt: skip
KEYS = st.sampled_from([Source.PATIENT_ID, Source.PATIENT_NAME, Source.FOLDER])
SUBJECTS = st.one_of(
    st.just(Subjects()),
    st.builds(Subjects, KEYS, PATTERNS),
    st.builds(Subjects, st.just(Source.TABLE), PATTERNS, st.builds(Table, TEXTS, TEXTS, TEXTS, KEYS)),
)
SESSIONS = st.one_of(
    st.builds(Sessions, labels=st.lists(LABELS, max_size=3, unique_by=str.lower).map(tuple),
              names=st.sampled_from(["auto", "always", "never"])),
    st.builds(Sessions, st.just(Source.TABLE), PATTERNS,
              st.builds(Table, TEXTS, TEXTS, TEXTS, KEYS, st.just("") | TEXTS), optional=st.booleans()),
)  # fmt: skip


def _is_usable(labels: Subjects | Sessions) -> bool:
    """Return whether a study may say so: a folder needs a pattern."""
    return bool(labels.pattern) or Source.FOLDER not in (labels.source, labels.table and labels.table.by)


EVENTS = st.dictionaries(LABELS, st.fixed_dictionaries(
    {"logs": st.just("{subject}.csv"), "start": st.sampled_from([0, "t"]), "onset": TEXTS.filter(bool)},
    optional={"where": st.just({"kind": ["a", "b"]}), "levels": st.just({"trial_type": {"a": "left hand"}})},
), max_size=2)  # fmt: skip

STUDIES = st.builds(
    Study, st.just("") | TEXTS, SUBJECTS.filter(_is_usable), SESSIONS.filter(_is_usable),
    st.lists(_rule(), max_size=2).map(tuple), st.lists(EXPECTED, max_size=2).map(tuple), FIELDS_OF_JSON,
    st.lists(_conditions(), max_size=2).map(tuple),
    st.dictionaries(st.sampled_from(["Name", "Authors", "License"]), JSON, max_size=2), EVENTS,
)  # fmt: skip


@given(STUDIES)
def test_study_is_the_same_when_written_and_read(study: Study) -> None:
    assert parse_study(format_study(study)) == study
