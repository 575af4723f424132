"""Hold what was measured against a study's protocol and against the cohort. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bidsflow.convert.drift.cohort import (
    compare_presence,
    compare_sessions,
    compare_values,
    find_usual,
    note_small,
)
from bidsflow.convert.drift.findings import Against, Drift, Finding, Kind, merge_findings
from bidsflow.convert.drift.observation import PARAMETERS, Observation
from bidsflow.convert.drift.protocol import compare_protocol, given_parameters, note_unknown, parameter_of
from bidsflow.convert.study.spec import Expected

_RANK = {key: rank for rank, key in enumerate(("", *PARAMETERS))}


def compare(observations: Sequence[Observation], expected: Sequence[Expected] = ()) -> Drift:
    """Return how images differ from the protocol of a study and from those of other subjects.

    Where a study gives a protocol, that says which images there should be, and of each the values that it names; all
    other values, and without a protocol the images too, are held against what is usual.
    """
    findings: list[Finding] = []
    if expected and not observations:
        findings.append(Finding(Kind.MISSING, "all", "none", "images", Against.STUDY))
    elif expected:
        findings += compare_protocol(observations, expected)
    else:
        findings += [*compare_sessions(observations), *compare_presence(observations)]
    told = {_about(one) for one in findings}
    others = compare_values(observations, given_parameters(observations, expected))
    findings += [one for one in others if _about(one) not in told]
    return Drift(
        visits=tuple(sorted({one.visit for one in observations})),
        present=frozenset((*one.visit, one.name) for one in observations),
        usual=find_usual(observations),
        findings=tuple(sorted(merge_findings(findings), key=_order)),
        notes=(*note_small(observations), *note_unknown(observations, expected)),
    )


def _about(one: Finding) -> tuple[str, ...]:
    """Return what a finding is about: an image, and a parameter of it."""
    return one.subject, one.session, one.name, one.where, parameter_of(one.parameter)


def _order(one: Finding) -> tuple[object, ...]:
    return one.subject, one.session, one.name, _RANK.get(one.parameter, len(_RANK)), one.where, one.kind
