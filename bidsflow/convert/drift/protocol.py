"""Hold images against the protocol that a study gives. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from bidsflow.convert.drift.cohort import judge_count
from bidsflow.convert.drift.findings import Against, Finding, Kind
from bidsflow.convert.drift.observation import PARAMETERS, Observation, Value, is_same, is_way, show_value
from bidsflow.convert.study.spec import Expected, Limit

#: Fields of a study, which are those of DICOM and of bidsflow's own findings: the parameter, the factor from its unit
#: to that of DICOM, and which of several numbers is meant (None: the one there is).
_FIELDS: Mapping[str, tuple[str, float, int | None]] = {
    "RepetitionTime": ("RepetitionTime", 1e3, None),
    "EchoTime": ("EchoTime", 1e3, None),
    "InversionTime": ("InversionTime", 1e3, None),
    "FlipAngle": ("FlipAngle", 1.0, None),
    "MagneticFieldStrength": ("MagneticFieldStrength", 1.0, None),
    "PixelBandwidth": ("PixelBandwidth", 1.0, None),
    "n_volumes": ("Volumes", 1.0, None),
    "n_columns": ("Matrix", 1.0, 0),
    "n_rows": ("Matrix", 1.0, 1),
    "n_slices": ("Matrix", 1.0, 2),
    "Columns": ("Matrix", 1.0, 0),
    "Rows": ("Matrix", 1.0, 1),
    "PixelSpacing": ("VoxelSize", 1.0, 0),
    "SpacingBetweenSlices": ("VoxelSize", 1.0, 2),
    "b_max": ("BValues", 1.0, -1),
    "direction": ("PhaseEncodingDirection", 1.0, None),
    "SequenceFile": ("Sequence", 1.0, None),
    "ReceiveCoilName": ("ReceiveCoilName", 1.0, None),
    "ManufacturerModelName": ("ManufacturersModelName", 1.0, None),
    "SoftwareVersions": ("SoftwareVersions", 1.0, None),
}
#: Parameters with a number for each axis of an image.
_AXES = frozenset({"Matrix", "VoxelSize"})
#: Numbers that a study gives without a tolerance are equal within this share (29.999999 for 30).
_SHARE = 0.001
#: Of these, one measurement makes several images.
_PARTS = re.compile(r"_(?:run|echo|part)-[0-9a-zA-Z]+")


def fields_of(expected: Sequence[Expected]) -> frozenset[str]:
    """Return the fields that a protocol gives and that no parameter stands for: they are read as they are."""
    return frozenset(field for one in expected for field in one.parameters) - _FIELDS.keys()


def given_parameters(observations: Sequence[Observation], expected: Sequence[Expected]) -> dict[str, frozenset[str]]:
    """Return, by name, the parameters that a protocol gives as a whole: one side of a voxel is not the voxel."""
    given: dict[str, set[str]] = defaultdict(set)
    for name in {one.name for one in observations}:
        for one in expected:
            if fits(name, one.name):
                whole = (_FIELDS[field] for field in one.parameters if field in _FIELDS)
                given[name] |= {key for key, _, rank in whole if rank is None}
                given[name] |= {"Volumes"} if one.volumes else set()
    return {name: frozenset(keys) for name, keys in given.items()}


def parameter_of(field: str) -> str:
    """Return the parameter that a field of a study is, or is a part of: ``Matrix`` for ``n_slices``."""
    return _FIELDS.get(field, (field,))[0]


def fits(name: str, pattern: str) -> bool:
    """Return whether an image is meant by a part of a protocol; runs, echoes and parts do not tell.

    Examples
    --------
    >>> fits("func/task-rest_echo-1_bold", "func/task-rest_bold"), fits("fmap/dir-AP_epi", "fmap/*_epi")
    (True, True)
    """
    return fnmatchcase(name, pattern) or fnmatchcase(_shorten(name), _shorten(pattern))


def _shorten(name: str) -> str:
    folder, _, stem = name.rpartition("/")
    return f"{folder}/{_PARTS.sub('', f'_{stem}')[1:]}"


def compare_protocol(observations: Sequence[Observation], expected: Sequence[Expected]) -> Iterator[Finding]:
    """Give what visits lack or have too often, what no protocol names, and values that the protocol does not have."""
    by_visit: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for one in observations:
        by_visit[one.visit].append(one)
    for (subject, session), members in sorted(by_visit.items()):
        for part in expected:
            ours = [one for one in members if fits(one.name, part.name)]
            if not part.sessions or session in part.sessions:
                yield from _compare_count(part, ours, subject, session)
            for one in ours:
                yield from _compare_image(part, one)
        for one in members:
            if not any(fits(one.name, part.name) for part in expected):
                yield Finding(Kind.EXTRA, one.name, "1 image", "none", Against.STUDY, subject, session, "", one.where)


def _compare_count(part: Expected, ours: Sequence[Observation], subject: str, session: str) -> Iterator[Finding]:
    count = _count_runs(ours)
    least, most = part.runs
    if (part.optional and not count) or least <= count <= most:
        return
    wanted = str(least) if least == most else f"{least} to {most}"
    where = ours[0].where if ours else ""
    yield Finding(judge_count(count, least, most), part.name, str(count) if count else "none", wanted, Against.STUDY,
                  subject, session, where=where)  # fmt: skip


def _count_runs(ours: Sequence[Observation]) -> int:
    """Return how often something was measured: echoes and parts of one measurement count once."""
    by_name = Counter(one.name for one in ours)
    runs: dict[str, int] = {}
    for name, count in by_name.items():
        short = _shorten(name)
        runs[short] = max(runs.get(short, 0), count)
    return sum(runs.values())


def _compare_image(part: Expected, one: Observation) -> Iterator[Finding]:
    volumes = one.parameters.get("Volumes")
    if part.volumes and isinstance(volumes, int | float) and not part.volumes[0] <= volumes <= part.volumes[1]:
        least, most = part.volumes
        kind = Kind.SHORT if volumes < least else Kind.CHANGED
        wanted = str(least) if least == most else f"{least} to {most}"
        yield _tell(kind, one, "Volumes", f"{volumes:g}", wanted)
    for field, limit in part.parameters.items():
        key, factor, rank = _FIELDS.get(field, (field, 1.0, None))
        measured = one.parameters.get(key)
        found = _pick(measured, rank)
        if found is None or (one.is_turned and key in _AXES and _is_along_any(measured, limit)):
            continue
        if key == "PhaseEncodingDirection" and is_way(str(found), str(limit.value)):
            continue
        value = found * factor if isinstance(found, int | float) else found
        if not _is_within(value, limit):
            kind = Kind.SHORT if key == "Volumes" and _is_less(value, limit.value) else Kind.CHANGED
            told = key if rank is None else field
            yield _tell(kind, one, told, show_value(key, found), show_value(key, _to_unit(limit.value, factor)))


def _tell(kind: Kind, one: Observation, key: str, found: str, wanted: str) -> Finding:
    return Finding(kind, one.name, found, wanted, Against.STUDY, one.subject, one.session, key, one.where)


def _pick(value: Value | None, rank: int | None) -> Value | None:
    if rank is None or not isinstance(value, tuple):
        return value
    return value[rank] if len(value) > max(rank, 0) else None


def _is_within(value: Value, limit: Limit) -> bool:
    if isinstance(limit.value, str) or isinstance(value, str):
        return str(value) == str(limit.value)
    return is_same(value, float(limit.value), limit.tolerance, 0.0 if limit.tolerance else _SHARE)


def _is_along_any(measured: Value | None, limit: Limit) -> bool:
    return isinstance(measured, tuple) and any(_is_within(one, limit) for one in measured)


def _is_less(value: Value, limit: str | float) -> bool:
    return isinstance(value, int | float) and isinstance(limit, int | float) and value < limit


def _to_unit(value: str | float, factor: float) -> Value:
    return value if isinstance(value, str) else value / factor


def note_unknown(observations: Sequence[Observation], expected: Sequence[Expected]) -> tuple[str, ...]:
    """Return the fields of a protocol that no image says anything of."""
    known = {key for one in observations for key in one.parameters}
    names = {one.name for one in observations}
    parts = [part for part in expected if any(fits(name, part.name) for name in names)]  # the others are missing
    asked = {(field, parameter_of(field)) for part in parts for field in part.parameters}
    lost = sorted(field for field, key in asked if key not in known and key not in PARAMETERS)
    lost += sorted(field for field, key in asked if key not in known and key in PARAMETERS)
    return (f"the study gives {', '.join(lost)}, of which no image says anything: not compared",) if lost else ()
