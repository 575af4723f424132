"""A conversion held against the answer key of a phantom: names, and what the images and sidecars say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.names import BidsName, parse_name

if TYPE_CHECKING:
    from bidsflow.phantom import ImageTruth, SeriesTruth, SessionTruth, Truth

#: How far a time in a sidecar may be from the truth, in seconds: Siemens writes slice times in steps of 2.5 ms.
_TIME_TOLERANCE = 0.003
_TOLERANCE = 1e-3


class Verdict(StrEnum):
    """How the plan for an image relates to the truth."""

    SAME = "same"
    SHORTER = "shorter"
    OTHER = "other name"
    MISSED = "missed"
    EXTRA = "extra"
    ASKED = "asked"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Answer:
    """One image: what was planned, and what is true.

    Attributes
    ----------
    title : str
        How people know the series.
    planned : str
        The path in the plan where the image is to be converted; else ``""``.
    expected : str
        The path that the truth gives; ``""`` where the truth leaves the image out.
    verdict : Verdict
        What comes of the two.
    remark : str
        Why the truth leaves it out, or in what the names differ.
    """

    title: str
    planned: str
    expected: str
    verdict: Verdict
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A converted image as it stands on disk.

    Attributes
    ----------
    row : PlanRow
        The plan for it.
    shape : tuple of int
        Of the voxel array.
    sidecar : mapping
        The JSON beside it.
    b_values : tuple of float
        In s/mm²; empty where the image has no table of them.
    """

    row: PlanRow
    shape: tuple[int, ...]
    sidecar: Mapping[str, object]
    b_values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """One quantity over all images: for how many it is known, and how many have it right.

    Attributes
    ----------
    what : str
        The quantity.
    known : int
        Images for which the truth knows it.
    same : int
        Images that agree.
    absent : tuple of str
        Images that do not say.
    other : tuple of str
        Images that say something else.
    """

    what: str
    known: int
    same: int
    absent: tuple[str, ...]
    other: tuple[str, ...]


def compare_names(plan: Plan, truths: Sequence[Truth]) -> tuple[Answer, ...]:
    """Return an answer for every image that the truth or the plan knows of, in the order of the truth.

    Parameters
    ----------
    plan : Plan
        Of the export that the truths describe. Images of a series stand in the order of their rank.
    truths : sequence of Truth
        One per phantom; their subjects must differ.
    """
    rows: dict[str, list[PlanRow]] = {}
    for row in plan.rows:
        rows.setdefault(row.series_uid, []).append(row)
    answers: list[Answer] = []
    for session, series in _list_series(truths):
        found = sorted(rows.pop(series.uid, []), key=lambda row: row.image)
        expected = [_path_of(session, name) for name in series.names]
        for place in range(max(len(found), len(expected))):
            planned = found[place] if place < len(found) else None
            path = expected[place] if place < len(expected) else ""
            answers.append(_judge(f"{series.number} {series.description}", planned, path, series.skip))
    answers += [_judge(row.title, row, "", "not in the answer key") for rest in rows.values() for row in rest]
    return tuple(answers)


def _list_series(truths: Sequence[Truth]) -> Iterator[tuple[SessionTruth, SeriesTruth]]:
    for truth in truths:
        for session in truth.sessions:
            for series in session.series:
                yield session, series


def _path_of(session: SessionTruth, image: ImageTruth) -> str:
    return str(BidsName(session.subject, image.datatype, image.suffix, "", session.session, image.entities))


def _judge(title: str, row: PlanRow | None, expected: str, skip: str) -> Answer:
    planned = row.path if row is not None and row.decision is Decision.CONVERT else ""
    if row is not None and row.decision is Decision.REVIEW:
        return Answer(title, "", expected, Verdict.ASKED, skip)
    if not planned:
        return Answer(title, "", expected, Verdict.MISSED if expected else Verdict.LEFT_OUT, skip)
    if not expected:
        return Answer(title, planned, "", Verdict.EXTRA, skip)
    if planned == expected:
        return Answer(title, planned, expected, Verdict.SAME)
    dropped = _dropped(parse_name(planned), parse_name(expected))
    if dropped:
        remark = f"unique without {dropped}, which BIDS does not require"
        return Answer(title, planned, expected, Verdict.SHORTER, remark)
    return Answer(title, planned, expected, Verdict.OTHER)


#: Entities that BIDS requires of no image (schema, ``rules.files.raw``): they tell several images apart.
_OPTIONAL = frozenset({"acq", "ce", "rec", "dir", "run"})


def _dropped(planned: BidsName, expected: BidsName) -> str:
    """Return the optional entities that are all that a planned name lacks; ``""`` where more is different."""
    lacking = [pair for pair in expected.entities if pair not in planned.entities]
    reduced = expected
    for key, _ in lacking:
        reduced = reduced.with_entity(key, "")
    # Of a pair of field maps the direction is what a reader looks for.
    allowed = _OPTIONAL - ({"dir"} if expected.suffix == "epi" else set())
    if str(reduced) != str(planned) or not {key for key, _ in lacking} <= allowed:
        return ""
    return ", ".join(f"{key}-{value}" for key, value in lacking)


def count_verdicts(answers: Sequence[Answer]) -> dict[Verdict, int]:
    """Return how many answers have each verdict, all verdicts named."""
    return {verdict: sum(one.verdict is verdict for one in answers) for verdict in Verdict}


def compare_content(images: Sequence[Written], truths: Sequence[Truth]) -> tuple[Tally, ...]:
    """Return for each quantity how many images on disk have it as it was scanned."""
    known = {series.uid: series for _, series in _list_series(truths)}
    found: dict[str, list[tuple[str, bool | None]]] = {}
    for image in images:
        series = known.get(image.row.series_uid)
        if series is not None:
            for what, agrees in _check_image(image, series):
                found.setdefault(what, []).append((image.row.path, agrees))
    return tuple(
        Tally(
            what,
            len(checks),
            sum(agrees is True for _, agrees in checks),
            tuple(path for path, agrees in checks if agrees is None),
            tuple(path for path, agrees in checks if agrees is False),
        )
        for what, checks in found.items()
    )


def _check_image(image: Written, series: SeriesTruth) -> Iterator[tuple[str, bool | None]]:
    """Yield each quantity with whether it is as scanned, None where the image does not say."""
    sidecar, rank = image.sidecar, image.row.image - 1
    yield "Matrix and volumes", sorted(image.shape) == sorted(series.shape)
    # The difference of two echoes has two echo times, not one.
    if rank < len(series.names) and series.names[rank].suffix != "phasediff":
        yield "EchoTime", _agrees(sidecar.get("EchoTime"), (series.names[rank].echo_time,))
    yield "RepetitionTime", _agrees(sidecar.get("RepetitionTime"), (series.repetition_time,))
    if series.phase_encoding:
        direction = sidecar.get("PhaseEncodingDirection")
        yield "PhaseEncodingDirection", None if direction is None else direction == series.phase_encoding
        yield "TotalReadoutTime", _agrees(sidecar.get("TotalReadoutTime"), (series.total_readout,))
    if series.slice_times and image.row.path.split("/")[-2] == "func":
        yield "SliceTiming", _agrees(sidecar.get("SliceTiming"), series.slice_times, _TIME_TOLERANCE)
    if series.b_values:
        yield "b-values", _agrees(list(image.b_values) or None, series.b_values)


def _agrees(found: object, expected: Sequence[float], atol: float = 0.0) -> bool | None:
    """Return whether a number or a list of numbers is as expected; None where there is none."""
    if found is None:
        return None
    values = found if isinstance(found, list) else [found]
    if len(values) != len(expected) or not all(isinstance(value, int | float) for value in values):
        return False
    return all(
        abs(value - true) <= max(atol, _TOLERANCE * abs(true)) for value, true in zip(values, expected, strict=True)
    )
