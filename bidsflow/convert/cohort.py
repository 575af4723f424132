"""How many volumes other people's runs of one protocol have, and how many voxels their images. Pure.

What was prescribed is not in every header, and says nothing where it was changed at the console. What is usual is told
by the others: the median of at least three people, one value each, so that runs that were stopped count nowhere.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bidsflow.convert.subjects import Key
from bidsflow.dicom.series import Image, Inventory, Series
from bidsflow.dicom.tags import find_maker

#: Fewer people tell nothing of what is usual.
_ENOUGH = 3
#: Deviations, in units of a standard deviation as the median of absolute deviations estimates it, that are usual.
_USUAL = 3 * 1.4826
#: What part of the others have a matrix that is usual.
_MOST = 0.8
#: Columns, rows and slices.
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cohort:
    """What a dataset remembers of everyone's images.

    Attributes
    ----------
    volumes : mapping of str to mapping
        Volumes of the longest run of each subject, by `protocol_of` and the subject's label.
    moments : mapping of str to (str, str)
        SeriesInstanceUID and subject's label by `twins.moment_of`.
    examinations : mapping of str to str
        Subject's label by `parrec.mark_examination`.
    shapes : mapping of str to mapping
        The matrices of each subject's images, by `name_protocol` and the subject's label.
    lengths : mapping of str to (str, int)
        `protocol_of` and volumes of what a dataset holds, by its path.
    kinds : mapping of str to Counter
        How many subjects have the same matrices, by `name_protocol`; `take_cohort` counts them once for all.
    times : mapping of str to str
        When what a dataset holds was acquired, as its tables say (`times.read_times`), by its path.
    counts : mapping of str to Counter
        How many subjects have the same volumes, by `protocol_of`; `take_cohort` counts them once for all.
    """

    volumes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    moments: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    examinations: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, Mapping[str, frozenset[Shape]]] = field(default_factory=dict)
    lengths: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    kinds: Mapping[str, Counter[frozenset[Shape]]] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Counter[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for a protocol.

    Attributes
    ----------
    volumes : int
        The median of other people.
    least : int
        A run with fewer volumes is short. It equals `volumes` where the others do not differ; tasks that end with the
        person have longer and shorter runs.
    people : int
        How many others there are.
    """

    volumes: int
    least: int
    people: int


def protocol_of(series: Series, image: Image) -> str:
    """Return a digest that is equal for images of one protocol: its name, and the physics of what was measured."""
    header = series.header
    parts = (
        find_maker(header.text("Manufacturer")), series.protocol_name or series.description,
        f"{header.number('RepetitionTime'):.0f}", f"{image.echo_time:.1f}", f"{header.number('FlipAngle'):.0f}",
        image.matrix, image.component,
    )  # fmt: skip
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def name_protocol(series: Series, image: Image) -> str:
    """Return a digest that is equal for images of one protocol, whatever their matrix; ``""`` where it has no name.

    ImageType belongs to it: what is computed of a measurement (a projection) may have slices of another number.
    """
    names, header = (series.protocol_name, series.description), image.header
    parts = (
        find_maker(header.text("Manufacturer")), names, f"{header.number('RepetitionTime'):.0f}",
        f"{image.echo_time:.1f}", f"{header.number('FlipAngle'):.0f}", image.component, image.echo,
        image.orientation if len(series.images) > 1 else (), header.words("ImageType"),
    )  # fmt: skip
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest() if any(names) else ""


def take_cohort(inventory: Inventory, key: Key, before: Cohort) -> Cohort:
    """Return the volumes and matrices of everyone in an export, and of those whom the dataset has already."""
    cohort: dict[str, dict[str, int]] = defaultdict(dict)
    for protocol, people in before.volumes.items():
        cohort[protocol] |= people
    shapes: dict[str, dict[str, frozenset[Shape]]] = defaultdict(dict)
    for protocol, matrices in before.shapes.items():
        shapes[protocol] |= matrices
    for series in inventory.series:
        person = key.sessions[series.study_uid][0]
        for image in series.images:
            people = cohort[protocol_of(series, image)]
            people[person] = max(people.get(person, 0), image.volumes)
            if named := name_protocol(series, image):
                shapes[named][person] = shapes[named].get(person, frozenset()) | {image.matrix}
    kinds = {protocol: Counter(matrices.values()) for protocol, matrices in shapes.items()}
    counts = {protocol: Counter(people.values()) for protocol, people in cohort.items()}
    return replace(before, volumes=cohort, shapes=shapes, kinds=kinds, counts=counts)


def find_usual(cohort: Cohort, members: Sequence[Series], person: str) -> dict[tuple[str, int], Usual]:
    """Return what is usual for each image of a person, by SeriesInstanceUID and rank; none where too few others tell.

    Parameters
    ----------
    cohort : Cohort
        Everyone's, by `take_cohort`.
    members : sequence of Series
        The person's.
    person : str
        Label of the person, whose own runs do not count.
    """
    found = {}
    for series in members:
        for rank, image in enumerate(series.images, start=1):
            protocol = protocol_of(series, image)
            own = cohort.volumes.get(protocol, {}).get(person)
            others = cohort.counts.get(protocol, Counter()) - Counter([] if own is None else [own])
            if others.total() >= _ENOUGH:
                found[series.uid, rank] = _summarise(others)
    return found


def find_other_shapes(cohort: Cohort, members: Sequence[Series], person: str) -> dict[tuple[str, int], str]:
    """Return a clause for each image of a person that has another matrix than most others, by its UID and rank.

    Nothing is said where fewer than three others have the same, or many of them differ among themselves. Who has both
    matrices is no witness: a protocol may be measured in two ways in one session.

    Parameters
    ----------
    cohort : Cohort
        Everyone's, by `take_cohort`.
    members : sequence of Series
        The person's.
    person : str
        Label of the person, whose own images do not count.
    """
    found = {}
    for series in members:
        for rank, image in enumerate(series.images, start=1):
            protocol = name_protocol(series, image)
            own = cohort.shapes.get(protocol, {}).get(person)
            others = cohort.kinds.get(protocol, Counter()) - Counter([own] if own else [])
            usual, count = _find_most(others, image.matrix)
            if count >= max(_ENOUGH, _MOST * others.total()):
                others_have = f"{count} other people have {_show(usual)} under this protocol"
                found[series.uid, rank] = f"it has {_show(image.matrix)} voxels, and {others_have}"
    return found


def _find_most(kinds: Mapping[frozenset[Shape], int], own: Shape) -> tuple[Shape, int]:
    """Return the matrix that most people have who do not have a given one, and how many of these there are."""
    counts: Counter[Shape] = Counter()
    for shapes, count in kinds.items():
        if own not in shapes:
            counts.update(dict.fromkeys(shapes, count))
    return counts.most_common(1)[0] if counts else ((), 0)


def _show(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def summarise(volumes: Sequence[int]) -> Usual:
    """Return what is usual, from one number for each person.

    Examples
    --------
    >>> summarise([300, 300, 12, 300])
    Usual(volumes=300, least=300, people=4)
    >>> summarise([280, 300, 320]).least
    212
    """
    return _summarise(Counter(volumes))


def _summarise(volumes: Mapping[int, int]) -> Usual:
    """Return what is usual, from how many people have each number: numbers are few where people are many."""
    middle = _find_median(volumes.items())
    distances: Counter[float] = Counter()
    for one, count in volumes.items():
        distances[abs(one - middle)] += count
    spread = _find_median(distances.items())
    return Usual(math.floor(middle), math.ceil(middle - _USUAL * spread), sum(volumes.values()))


def _find_median(counts: Iterable[tuple[float, int]]) -> float:
    """Return the median of numbers, by how often each is there."""
    ordered, passed, low = sorted(counts), 0, None
    total = sum(count for _, count in ordered)
    for number, count in ordered:
        passed += count
        if low is None and 2 * passed >= total:
            low = number
        if low is not None and 2 * passed > total:
            return low if total % 2 else (low + number) / 2
    raise ValueError(ordered)
