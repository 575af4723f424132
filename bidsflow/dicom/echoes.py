"""Echoes of one measurement to which the scanner gave series of their own. Pure.

Siemens' and CMRR's sequences can be told to write each echo as a series, and so can archives. One scanner measures one
thing at a time: series of one geometry and excitation that begin within one repetition are echoes of one measurement,
whatever they are called, and series that begin one after the other are not, though their names and times be alike.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bidsflow.dicom.images import is_derived
from bidsflow.dicom.physics import Kind, classify, is_echo_planar, is_gradient
from bidsflow.dicom.series import Series
from bidsflow.dicom.twins import has_time

#: Echo times that differ by less than this (ms) are one echo.
_SAME_ECHO: Final = 0.01
#: Starts of one measurement may lie this far apart in s where a repetition is shorter: some times have whole seconds.
_LEAST_APART: Final = 1.0
#: Words of ImageType and of a protocol's name that count echoes (CMRR: ``TE2``, ``_E01``).
_ECHO_WORD: Final = re.compile(r"(?<![A-Z0-9])(?:TE|E|ECHO)[-_ ]?\d+(?![A-Z0-9])", re.IGNORECASE)
_PLANAR: Final = (Kind.GRADIENT_EPI, Kind.EPI)


def join_echoes(series: Sequence[Series]) -> tuple[Series, ...]:
    """Return the series, those that are echoes of one measurement with their ranks in it (`Series.echo_times`).

    Where nothing tells the time, EchoNumbers do (PS3.3 C.8.3.1): two measurements begin with 1 both. One time for all
    of a study tells nothing, unless the study is one such measurement.

    Parameters
    ----------
    series : sequence of Series
        All of an export; their order stays.
    """
    sizes = Counter(one.study_uid for one in series)
    moments: dict[str, set[str]] = defaultdict(set)
    alike: dict[Hashable, list[Series]] = defaultdict(list)
    for one in series:
        moments[one.study_uid].add(one.started)
        if _may_be_echo(one):
            alike[_readout_key(one)].append(one)
    joined: dict[str, Series] = {}
    for members in alike.values():
        if len(_rank(members)) < 2 or not all(map(_has_echoes, members)):
            continue
        if len(members) == sizes[members[0].study_uid] and _is_one_run(members):
            joined |= {one.uid: one for one in _join(members)}
            continue
        begun = [(begin, one) for one in members if has_time(one) and (begin := _begin(one)) is not None]
        told = len(begun) == len(members) and len(moments[members[0].study_uid]) > 1
        for echoes in _part_by_time(begun) if told else _part_by_number(members):
            joined |= {one.uid: one for one in _join(echoes)}
    return tuple(joined.get(one.uid, one) for one in series)


def drop_echo_words(name: str) -> str:
    """Return the name of a protocol without the words that count its echoes.

    Examples
    --------
    >>> drop_echo_words("me_movie_E01") == drop_echo_words("me_movie_E02")
    True
    """
    return _ECHO_WORD.sub("", name)


def _may_be_echo(series: Series) -> bool:
    """Return whether all images of a series are of one echo, as they were measured."""
    times = {one.echo_time for one in series.images}
    return len(times) == 1 and min(times) > 0 and not is_derived(series.header.words("ImageType"))


def _has_echoes(series: Series) -> bool:
    """Return whether the echoes of such a measurement are images of one kind; those of spin echoes are PDw and T2w."""
    if is_echo_planar(series.header):
        return classify(series, series.images[0]).kind in _PLANAR
    return is_gradient(series.header)


def _readout_key(series: Series) -> Hashable:
    """Return what the echoes of one measurement have in common."""
    header, image = series.header, series.images[0]
    texts = tuple(header.text(keyword) for keyword in ("Manufacturer", "ScanningSequence", "MRAcquisitionType"))
    numbers = tuple(round(header.number(keyword), 1) for keyword in ("RepetitionTime", "FlipAngle", "InversionTime"))
    voxel = *header.numbers("PixelSpacing"), header.number("SliceThickness")
    words = {*image.header.words("ImageType"), *image.header.words("SiemensImageType")}
    components = tuple(one.component for one in series.images)
    return (
        series.study_uid, series.patient.key, drop_echo_words(series.protocol_name), components, image.matrix,
        image.orientation, image.volumes > 1, voxel, texts, numbers,
        frozenset(word for word in words if not _ECHO_WORD.fullmatch(word)),
    )  # fmt: skip


def _is_one_run(members: Sequence[Series]) -> bool:
    """Return whether series, if they are all of a study, are echoes of one EPI that began together.

    Of several measurements, one moment is what an anonymiser set; nobody measures one run thrice for its echo times.
    """
    first = members[0]
    together = len(members) == len(_rank(members)) and {one.started for one in members} == {first.started}
    return together and has_time(first) and bool(is_echo_planar(first.header))


def _rank(members: Iterable[Series]) -> list[float]:
    """Return the echo times of some series in ms, each once, ascending."""
    times: list[float] = []
    for time in sorted(_echo_time(one) for one in members):
        if not times or time - times[-1] > _SAME_ECHO:
            times.append(time)
    return times


def _part_by_time(begun: Iterable[tuple[datetime, Series]]) -> list[list[Series]]:
    """Return the series by measurement: those that began within one repetition."""
    parted: list[list[Series]] = []
    first = datetime.min
    for begin, one in sorted(begun, key=lambda pair: pair[0]):
        if parted and begin - first <= _reach(one):
            parted[-1].append(one)
        else:
            parted.append([one])
            first = begin
    return [echoes for together in parted for echoes in _part_copies(together)]


def _begin(series: Series) -> datetime | None:
    """Return when a series was measured, None where its time is none (``246161``)."""
    whole, _, fraction = series.started.partition(".")
    try:
        return datetime.strptime(whole.ljust(14, "0"), "%Y%m%d%H%M%S") + timedelta(seconds=float(f"0.{fraction or 0}"))
    except ValueError:
        return None


def _reach(series: Series) -> timedelta:
    return timedelta(seconds=max(_LEAST_APART, series.header.number("RepetitionTime") / 1000))


def _part_copies(together: Sequence[Series]) -> list[list[Series]]:
    """Return the series of one moment by set of echoes: some were sent twice; none where the sets are not equal."""
    by_time: dict[float, list[Series]] = defaultdict(list)
    for one in sorted(together, key=lambda one: (one.number, one.uid)):
        by_time[next(time for time in _rank(together) if _echo_time(one) - time <= _SAME_ECHO)].append(one)
    if len({len(some) for some in by_time.values()}) != 1:
        return []
    return [list(echoes) for echoes in zip(*by_time.values(), strict=True)]


def _part_by_number(members: Sequence[Series]) -> list[list[Series]]:
    """Return the series by measurement where times are unknown: EchoNumbers rise within one; none where unsure."""
    parted: list[list[Series]] = []
    for one in sorted(members, key=lambda one: (one.number, one.uid)):
        if parted and _number(one) > _number(parted[-1][-1]) > 0:
            parted[-1].append(one)
        else:
            parted.append([one])
    alike = len({tuple(_rank(echoes)) for echoes in parted}) == 1
    return parted if alike and all(echoes == sorted(echoes, key=_echo_time) for echoes in parted) else []


def _number(series: Series) -> int:
    return series.images[0].header.integer("EchoNumbers")


def _join(echoes: Sequence[Series]) -> list[Series]:
    """Return the echoes of a measurement with their ranks; none where there is one echo only."""
    times = tuple(_rank(echoes))
    first = min(echoes, key=_echo_time).uid
    if len(times) < 2:
        return []
    joined = []
    for one in echoes:
        rank = 1 + sum(_echo_time(one) - time > _SAME_ECHO for time in times)
        images = tuple(replace(image, echo=rank) for image in one.images)
        joined.append(replace(one, images=images, measurement=first, echo_times=times))
    return joined


def _echo_time(series: Series) -> float:
    return series.images[0].echo_time
