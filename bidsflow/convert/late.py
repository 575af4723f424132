"""What is said of images that come after others of their session: what stands keeps its name. Pure.

Had everything come at once, names would be others: runs are numbered by time, and labels tell apart what was measured
differently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.runs import key_of
from bidsflow.convert.times import say_disorder
from bidsflow.names import home_of, parse_name

#: An image: SeriesInstanceUID and rank in its series.
_Image = tuple[str, int]

#: Suffixes of one field map by gradient echoes.
_FIELD = ("magnitude1", "magnitude2", "phase1", "phase2", "phasediff")
#: So many names are shown.
_SHOWN = 6
_TOGETHER = "plan all exports of the session together with --bids-dir"


@dataclass(frozen=True, slots=True)
class Placed:
    """An image as it stands once a plan is carried out.

    Attributes
    ----------
    path : str
        Without extension.
    time : str
        When it was acquired, in dates that are moved; ``""`` where that is not known.
    new : bool
        Whether the dataset does not have it yet.
    otherwise : str
        The name that it has by its export alone, where that is another; ``""`` where it is not, or not known.
    here : bool
        Whether the export holds it.
    """

    path: str
    time: str
    new: bool
    otherwise: str
    here: bool


def note_late(
    drafted: Sequence[PlanRow],
    rows: Sequence[PlanRow],
    taken: Mapping[_Image, str],
    shared: Mapping[_Image, str],
    times: Mapping[str, str],
    *,
    told: Collection[_Image] = (),
) -> tuple[str, ...]:
    """Return a note for each session of which names would be others, had everything come at once; when it has new ones.

    Parameters
    ----------
    drafted : sequence of PlanRow
        The images of the export, named as if there were no dataset.
    rows : sequence of PlanRow
        The same, with names that go with the dataset.
    taken : mapping of (str, int) to str
        The paths of images that the dataset holds.
    shared : mapping of (str, int) to str
        What the images of one measurement have in common.
    times : mapping of str to str
        When images were acquired, by path.
    told : collection of (str, int)
        Images of which it is said already why they have their name.
    """
    alone = {key_of(row): row.path for row in drafted if row.decision is Decision.CONVERT}
    kept = [row for row in rows if row.decision is Decision.CONVERT and key_of(row) not in told]
    late = [row for row in kept if key_of(row) not in taken]
    if not late:
        return ()
    kinds = {_kind(row.path) for row in late}
    measured = {shared[key_of(row)] for row in late}
    here = [row for row in kept if _kind(row.path) in kinds or shared[key_of(row)] in measured]
    images = [_place(row, taken, times, alone) for row in here]
    present = {*map(key_of, rows)}
    homes = {home_of(row.path) for row in late}
    images += [
        Placed(path, times.get(path, ""), new=False, otherwise="", here=False)
        for image, path in taken.items()
        if home_of(path) in homes and image not in present and _kind(path) in kinds
    ]
    folders: dict[str, list[Placed]] = defaultdict(list)
    for image in images:
        folders[parse_name(image.path).folder].append(image)
    return tuple(note for folder, some in sorted(folders.items()) for note in _note_folder(folder, some))


def _place(row: PlanRow, taken: Collection[_Image], times: Mapping[str, str], alone: Mapping[_Image, str]) -> Placed:
    name = alone.get(key_of(row), row.path)
    return Placed(
        row.path, times.get(row.path, ""), key_of(row) not in taken, name if name != row.path else "", here=True
    )


def _note_folder(folder: str, images: Sequence[Placed]) -> Iterable[str]:
    groups: dict[Hashable, list[Placed]] = defaultdict(list)
    for image in images:
        groups[_base(image.path)].append(image)
    settled: set[Hashable] = set()
    for members in groups.values():
        if parse_name(members[0].path).suffix == "sbref" or not _is_mixed(members):
            continue
        runs: dict[str, str] = {}
        for one in members:
            run = parse_name(one.path).entity("run")
            runs[run] = min(runs.get(run, one.time), one.time)
        if said := say_disorder(runs):
            settled.add(_kind(members[0].path))
            stem = str(parse_name(members[0].path).with_entity("run", ""))
            yield (
                f"{folder}: the runs of {stem} are not numbered in the order of time ({said}): what was converted "
                "before keeps its name, and logs by number of run may be of another; to number them by time, "
                f"{_TOGETHER}, exchange their paths in the plan (and those of their references), and convert with it"
            )
    rest = [image for image in images if _kind(image.path) not in settled]
    if said := _say_names([image for image in rest if not _lacks_siblings(image, groups)]):
        yield (
            f"{folder}: what was converted before keeps its name; in one conversion {said}; to have it so, "
            f"{_TOGETHER}, write these names into its paths, and convert with it"
        )
        return
    half = [some for some in groups.values() if _is_mixed(some) and _is_half_numbered(some)]
    if apart := [some for some in half if _kind(some[0].path) not in settled]:
        paths = sorted({image.path for image in apart[0]})
        yield (
            f"{folder}: {' and '.join(paths)} are runs of one name, and in one conversion each would have a number, "
            "or the words in its label that tell it apart; "
            f"what was converted before keeps its name; to have it so, {_TOGETHER}, change paths, and convert with it"
        )


def _say_names(images: Sequence[Placed]) -> str:
    """Return which names would be others, ``""`` where none would."""
    changes = [f"{image.path} would be {image.otherwise.rpartition('/')[2]}" for image in images if image.otherwise]
    more = f", and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return ", ".join(changes[:_SHOWN]) + more


def _lacks_siblings(image: Placed, groups: Mapping[Hashable, Sequence[Placed]]) -> bool:
    """Return whether the export does not hold all images of a name, so that it does not tell their number."""
    return not all(one.here for one in groups[_base(image.path)])


def _is_mixed(members: Sequence[Placed]) -> bool:
    """Return whether images came one after the other, and for that have other names."""
    late, before = any(one.new for one in members), any(not one.new for one in members)
    return late and before and (any(one.otherwise for one in members) or not all(one.here for one in members))


def _is_half_numbered(members: Sequence[Placed]) -> bool:
    runs = {parse_name(one.path).entity("run") for one in members}
    return "" in runs and len(runs) > 1


def _kind(path: str) -> Hashable:
    """Return what images share of which one may change the name of another."""
    name = parse_name(path)
    suffix = "phasediff" if name.suffix in _FIELD else "bold" if name.suffix == "sbref" else name.suffix
    return name.folder, name.datatype, suffix, name.entity("task")


def _base(path: str) -> Hashable:
    """Return what the names of runs share."""
    name = parse_name(path)
    labels = tuple(pair for pair in name.entities if pair[0] not in ("run", "echo", "part"))
    return name.folder, name.datatype, "phasediff" if name.suffix in _FIELD else name.suffix, labels
