"""Hold what was measured against a study's protocol and against the cohort. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bidsflow.convert.drift.cohort import (
    FEWEST,
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

#: Stands in no label.
_JOINT = "/"
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
    few = len({one.subject for one in observations}) < FEWEST
    peers = _as_peers(observations) if few else observations
    others = compare_values(peers, given_parameters(observations, expected))
    findings += [one for one in (map(_as_visit, others) if few else others) if _about(one) not in told]
    return Drift(
        visits=tuple(sorted({one.visit for one in observations})),
        present=frozenset((*one.visit, one.name) for one in observations),
        usual=find_usual(peers),
        findings=tuple(sorted(merge_findings(findings), key=_order)),
        notes=(*note_small(observations), *note_unknown(observations, expected)),
    )


def _as_peers(observations: Sequence[Observation]) -> list[Observation]:
    """Return images as if each visit were of another subject: a phantom comes every week."""
    return [replace(one, subject=_JOINT.join(one.visit), session="") for one in observations]


def _as_visit(finding: Finding) -> Finding:
    """Return a finding on such a visit with its own subject and session."""
    subject, joint, session = finding.subject.partition(_JOINT)
    if not joint:
        return replace(finding, expected="one value in most visits")
    return replace(finding, subject=subject, session=session)


def _about(one: Finding) -> tuple[str, ...]:
    """Return what a finding is about: an image, and a parameter of it."""
    return one.subject, one.session, one.name, one.where, parameter_of(one.parameter)


def _order(one: Finding) -> tuple[object, ...]:
    return one.subject, one.session, one.name, _RANK.get(one.parameter, len(_RANK)), one.where, one.kind
