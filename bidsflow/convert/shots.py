"""An image as the wiring of field maps sees it: what it is, and under which conditions it was measured. Pure.

A dataset keeps this of what it holds, so that a field map and a run that came in two exports find each other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from bidsflow.convert.conditions import Condition, Frames, Slab, judge_frames, read_condition, take_turns
from bidsflow.convert.naming import words
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import only_b_zero
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import find_contradiction, is_echo_planar, phase_encoding
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

#: Suffixes of what EPI reads out and field maps correct.
_RUNS = frozenset({"bold", "dwi", "sbref", "cbv"})
#: The same of perfusion, which other readouts measure as well.
_PERFUSION = frozenset({"asl", "m0scan"})

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One image, with what decides whether it is part of a field, and which field is true of it.

    Attributes
    ----------
    series_uid, rank : str, int
        Where it comes from.
    datatype, suffix : str
        ``""`` where unknown.
    component, echo : str, int
        See `dicom.series.Image`.
    direction : str
        Where phase encoding runs to (``AP``, ...); ``""`` where unknown.
    measurement : str
        What the images of one measurement have in common.
    planar : bool
        Whether EPI has read it out, as far as its header tells.
    weighted : bool
        Whether it has volumes that diffusion weights, or may have.
    condition : Condition
        How it was measured.
    kind : str
        What the physics say; ``""`` where that is not known.
    decision : Decision
        What is to become of it.
    settled : bool
        Whether its labels stay as they are; the others are wired.
    identifier, sources : str, tuple of str
        Labels that it has: of the field that it measures, and of those that correct it. What is wired may get others.
    standing : bool
        Whether it stands in the dataset, and the plan knows nothing of it.
    echo_time : float
        In ms; 0 where unknown.
    volumes : int
        How many it has; 0 where unknown.
    """

    series_uid: str
    rank: int
    datatype: str
    suffix: str
    component: str
    echo: int
    direction: str
    measurement: str
    planar: bool
    weighted: bool
    condition: Condition
    kind: str = ""
    decision: Decision = Decision.CONVERT
    settled: bool = False
    identifier: str = ""
    sources: tuple[str, ...] = ()
    standing: bool = False
    echo_time: float = 0.0
    volumes: int = 0

    @property
    def to_convert(self) -> bool:
        """Whether it is, or becomes, a file."""
        return self.decision is Decision.CONVERT

    @property
    def image(self) -> tuple[str, int]:
        """Where it comes from: SeriesInstanceUID and rank."""
        return self.series_uid, self.rank

    @property
    def fixed(self) -> str:
        """Label of the field that it measures, whatever else is found; ``""`` where it is free."""
        return self.identifier if self.settled else ""

    @property
    def is_magnitude(self) -> bool:
        """Whether its values are magnitudes, which show where distortion moved them."""
        return self.component == "magnitude"

    @property
    def is_blip(self) -> bool:
        """Whether it is an EPI that was measured to be half of a field map."""
        return self.to_convert and (self.datatype, self.suffix) == ("fmap", "epi")

    @property
    def is_run(self) -> bool:
        """Whether field maps may correct it; what waits for a person may be converted as it is."""
        return is_run(self.datatype, self.suffix) and self.decision is not Decision.SKIP


def is_run(datatype: str, suffix: str) -> bool:
    """Return whether images of a name are such as field maps correct, where they were read out by EPI."""
    return suffix in _RUNS or (datatype == "perf" and suffix in _PERFUSION)


def is_distorted(datatype: str, header: Header) -> bool:
    """Return whether a run was read out by EPI, as far as its header tells; of perfusion it has to tell."""
    return bool(is_echo_planar(header)) or (datatype != "perf" and not header.words("ScanningSequence"))


def shoot_draft(draft: Draft) -> Shot:
    """Return the image of a draft."""
    series, image = draft.series, draft.image
    return Shot(
        series.uid, draft.rank, draft.datatype, draft.suffix, image.component, image.echo, draft.direction,
        draft.measurement, is_distorted(draft.datatype, series.header), not only_b_zero(image),
        read_condition(series, image), draft.finding.kind, draft.decision, echo_time=image.echo_time,
        volumes=image.volumes,
    )  # fmt: skip


def shoot_row(row: PlanRow, series: Series) -> Shot:
    """Return the image of a row that is converted; only its name says what it is."""
    name, image = parse_name(row.path), series.images[row.image - 1]
    typed = words.direction(series)
    typed = "" if find_contradiction(typed, series.header) else typed
    return Shot(
        series.uid, row.image, name.datatype, name.suffix, image.component, image.echo,
        phase_encoding(series.header) or name.entity("dir") or typed, series.measurement or series.uid,
        is_distorted(name.datatype, series.header), not only_b_zero(image), read_condition(series, image),
        echo_time=image.echo_time, volumes=image.volumes,
    )  # fmt: skip


def by_time(shot: Shot) -> tuple[float, int]:
    """Return what images are put in order of acquisition by."""
    return shot.condition.seconds or 0.0, shot.condition.number


def heed_session(shots: Sequence[Shot]) -> list[Shot]:
    """Return the images of a session with what only all of it shows.

    That is what frames of reference tell of who was moved (they are taken away where that is nothing), and whether the
    numbers of series have to tell the order.

    Parameters
    ----------
    shots : sequence of Shot
        In order of acquisition.
    """
    series = {shot.series_uid: shot.condition for shot in shots}
    measured = {shot.measurement: shot.condition.frame for shot in reversed(shots)}
    telling = judge_frames(list(measured.values()))
    numbered = take_turns(list(series.values()))
    return [
        replace(
            shot,
            condition=replace(
                shot.condition,
                frame=shot.condition.frame if telling is Frames.TELLING else "",
                perhaps=shot.condition.frame if telling is Frames.DOUBTFUL else "",
                turn=shot.condition.number if numbered else 0,
            ),
        )
        for shot in shots
    ]


def write_shot(shot: Shot, shift: int | None) -> str:
    """Return what a dataset keeps of an image, as JSON.

    Parameters
    ----------
    shot : Shot
        Its labels are those of its sidecar, and are not kept.
    shift : int or None
        Days by which the dates of the dataset are moved; where that is not known, no time is kept.
    """
    kept = {
        key: getattr(shot, key)
        for key in (
            "datatype", "suffix", "component", "echo", "direction", "measurement", "planar", "weighted", "echo_time",
            "volumes",
        )
    }  # fmt: skip
    seconds = shot.condition.seconds
    moved = None if seconds is None or shift is None else seconds + _DAY * shift
    condition = {**asdict(shot.condition), "seconds": moved}
    return json.dumps({**kept, "kind": str(shot.kind), "condition": condition}, separators=(",", ":"))


def read_shot(kept: str, series_uid: str, rank: int, shift: int | None) -> Shot | None:
    """Return the image of which `write_shot` has kept something; None where it is nothing, or of another version.

    Parameters
    ----------
    kept : str
        JSON; may be empty.
    series_uid, rank : str, int
        Where the image came from.
    shift : int or None
        As for `write_shot`.
    """
    try:
        values = json.loads(kept)
        condition = _read_condition(values.pop("condition"), shift)
        return Shot(series_uid, rank, condition=condition, **values)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _read_condition(kept: object, shift: int | None) -> Condition:
    if not isinstance(kept, dict):
        raise TypeError(kept)
    slab, seconds = kept["slab"], kept["seconds"]
    moved = None if seconds is None or shift is None else float(seconds) - _DAY * shift
    grid = tuple(tuple(part) for part in kept["grid"])
    place = None if slab is None else Slab(_vector(slab["normal"]), _vector(slab["centre"]), float(slab["reach"]))
    return Condition(kept["shim"], kept["frame"], kept["study"], grid, moved, int(kept["number"]), place)


def _vector(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = map(float, values)
    return x, y, z
