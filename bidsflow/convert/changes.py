"""What a conversion would do to a dataset, image by image, without doing it. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bidsflow.convert.carrying import foresee_stale
from bidsflow.convert.companions.follow import find_moves
from bidsflow.convert.drift.findings import count_words
from bidsflow.convert.folder import Session
from bidsflow.convert.ledger import read_taken
from bidsflow.convert.participants import read_said
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.rewiring import Rewired, foresee_rewiring
from bidsflow.convert.subjects import Key
from bidsflow.convert.survey import Status, planned_paths, survey
from bidsflow.convert.tables import settle_participant
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.series import Inventory
from bidsflow.names import home_of, parse_name


class Change(StrEnum):
    """What would become of a planned image."""

    NEW = "new"
    AGAIN = "again"
    MOVED = "moved"
    UNCHANGED = "unchanged"
    LEFT_ALONE = "left alone"
    IMPOSSIBLE = "impossible"


_KNOWN = {Status.UNCHANGED: Change.UNCHANGED, Status.EDITED: Change.LEFT_ALONE, Status.FAILED: Change.IMPOSSIBLE}


@dataclass(frozen=True, slots=True)
class Prospect:
    """A planned image and what would become of it.

    Attributes
    ----------
    row : PlanRow
        The plan for it.
    change : Change
        What would become of it.
    reason : str
        Why; ``""`` where it is new or unchanged.
    former : str
        Where it stands now, if it would move.
    """

    row: PlanRow
    change: Change
    reason: str = ""
    former: str = ""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a conversion would do.

    Attributes
    ----------
    prospects : tuple of Prospect
        One per image that the plan converts, in its order.
    rewired : tuple of Rewired
        Sidecars of images that would stay, and that would change with the images around them.
    notes : tuple of str
        What a person should know of the tables.
    """

    prospects: tuple[Prospect, ...]
    rewired: tuple[Rewired, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing stands in the way of what is planned, as far as is known before."""
        return all(one.change is not Change.IMPOSSIBLE for one in self.prospects)


def foresee(dataset: Dataset, plan: Plan, inventory: Inventory, *, force: bool = False) -> Foresight:
    """Return what a conversion would do to a dataset.

    Raises
    ------
    DatasetError
        If a ledger is damaged.
    """
    found: dict[tuple[str, int], Prospect] = {}
    rewired: list[Rewired] = []
    surveyed = survey(dataset, plan, {series.uid: series for series in inventory.series}, force=force)
    for work in surveyed:
        fresh = {row.path for row in work.planned}
        rewiring = foresee_rewiring(dataset, work.session, fresh)
        rewiring = replace(rewiring, by_hand=(*rewiring.by_hand, *foresee_stale(dataset, work.session, fresh)))
        rewired += rewiring.rewired
        for outcome in work.done:
            row = outcome.row
            reason = rewiring.advise(work.session.find_place(row), outcome.reason)
            found[row.series_uid, row.image] = Prospect(row, _KNOWN[outcome.status], reason)
        for row in work.planned:
            image = row.series_uid, row.image
            reason = work.why[image]
            former = work.session.former.get(image, "")
            change = Change.MOVED if former else Change.AGAIN if reason else Change.NEW
            found[image] = Prospect(row, change, rewiring.advise(row.path, reason), former)
    prospects = tuple(found[row.series_uid, row.image] for row in plan.decided(Decision.CONVERT))
    notes = _foresee_participants(dataset, [one.session for one in surveyed])
    return Foresight(prospects, tuple(sorted(rewired, key=lambda one: one.path)), notes)


def _foresee_participants(dataset: Dataset, sessions: Sequence[Session]) -> tuple[str, ...]:
    """Return what a person would be told of the rows of subjects."""
    draft, known = Draft(dataset, dataset.state / "nothing"), read_said(dataset)
    people = {parse_name(one.rows[0].path).sub: one for one in sessions}
    settled = (settle_participant(draft, sub, one.subject, one.heir_of, known) for sub, one in people.items())
    return tuple(sorted(note for one in settled for note in one.notes))


def find_left(dataset: Dataset, plan: Plan) -> tuple[str, ...]:
    """Return the images that the dataset holds, that belong to the sessions of a plan, and that it does not name."""
    taken = read_taken(dataset)
    wanted = planned_paths(plan.decided(Decision.CONVERT))
    folders = {parse_name(path).folder for path in wanted.values()}
    named = {(row.series_uid, row.image) for row in plan.rows}
    left = (
        path for image, path in taken.items() if image not in wanted and (image in named or home_of(path) in folders)
    )
    return tuple(sorted(left))


def note_split(dataset: Dataset, key: Key, inventory: Inventory, prospects: Sequence[Prospect] = ()) -> tuple[str, ...]:
    """Return a sentence for each label that keeps images of somebody who has another one now.

    Parameters
    ----------
    key : Key
        As the conversion follows it.
    prospects : sequence of Prospect, optional
        What is still to be done: images that move are not kept.
    """
    moving = {(one.row.series_uid, one.row.image) for one in prospects if one.former}
    studies = {series.uid: series.study_uid for series in inventory.series}
    kept: Counter[tuple[str, str]] = Counter()
    for (uid, rank), path in read_taken(dataset).items():
        label, _ = key.sessions.get(studies.get(uid, ""), ("", ""))
        if label and (uid, rank) not in moving and label != (former := parse_name(path).sub):
            kept[former, label] += 1
    return tuple(
        f"sub-{former} keeps {count_words(count, 'image')} of the person who is sub-{label} now, since images "
        "that are not converted do not move: let the study or the plan convert them, or delete them"
        for (former, label), count in sorted(kept.items())
    )


def foresee_companions(dataset: Dataset, prospects: Sequence[Prospect]) -> dict[str, str]:
    """Return where events and recordings would go with images that move, by their former path.

    Raises
    ------
    DatasetError
        If the memory of what was put beside images is damaged.
    """
    return find_moves(dataset, {one.former: one.row.path for one in prospects if one.former})
