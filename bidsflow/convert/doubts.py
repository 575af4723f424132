"""Why an image of a dataset is not made again of a series that has changed: nobody knows whose, or where it lies. Pure.

An image that is there was converted without these doubts, or because a person said so; it stays what it was then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from bidsflow.convert.fit import find_made_up
from bidsflow.convert.known import Known
from bidsflow.convert.namesakes import NAMESAKE, doubt_series
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.subjects import Key, is_someone_else, person_of
from bidsflow.dicom.series import Inventory, Series

#: Stands in the evidence of a row that is of someone else than the images of its study in the dataset.
_STRANGER: Final = "name and ID it is someone else's than that of"


def find_untrusted(
    inventory: Inventory, known: Known, doubtful: Mapping[str, str], labelled: Collection[str] = ()
) -> dict[tuple[str, int], str]:
    """Return why images of a dataset are to stay as they are, by SeriesInstanceUID and rank; none for the others.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    known : Known
        What the dataset has.
    doubtful : mapping of str to str
        Why no one can say whose series are, by SeriesInstanceUID.
    labelled : collection of str
        SeriesInstanceUIDs of which a study says whose they are.
    """
    return {
        (series.uid, rank): reason
        for series in inventory.series
        for rank, image in enumerate(series.images, start=1)
        if (series.uid, rank) in known.taken
        and (
            reason := find_made_up(series, image)
            or _ask_whose(series, known.key, doubtful, labelled)
            or doubt_series(known.made.get((series.uid, rank)), series, rank)
        )
    }


def _ask_whose(series: Series, key: Key, doubtful: Mapping[str, str], labelled: Collection[str]) -> str:
    return doubtful.get(series.uid, "") or ("" if series.uid in labelled else find_stranger(series, key))


def find_stranger(series: Series, key: Key) -> str:
    """Return that a series names someone else than its study did when the dataset got it, ``""`` where it does not."""
    sub, _ = key.sessions.get(series.study_uid, ("", ""))
    person = person_of(series)
    owners = [one for one, label in key.subjects.items() if label == sub]
    if not owners or person in owners or not all(is_someone_else(person, owner) for owner in owners):
        return ""
    return f"by {_STRANGER} sub-{sub} now"


def ask_person(plan: Plan, disputed: Mapping[tuple[str, int], str]) -> Plan:
    """Return a plan that puts before a person what a conversion would leave as it is.

    Parameters
    ----------
    plan : Plan
        For a dataset.
    disputed : mapping of (str, int) to str
        Why images that the dataset has would stay, by SeriesInstanceUID and rank: see `survey.find_disputed`.
    """
    return replace(plan, rows=tuple(_ask(row, disputed.get((row.series_uid, row.image), "")) for row in plan.rows))


def _ask(row: PlanRow, doubt: str) -> PlanRow:
    if not doubt:
        return row
    if row.decision is Decision.SKIP:
        return replace(row, evidence=f"{row.evidence} Its series has changed, and {doubt}.")
    same = "they are one person" if _STRANGER in doubt else "both are one series" if NAMESAKE in doubt else ""
    advice = "skip it, and the image stays as it is" + (f"; convert it if {same}, and it is replaced" if same else "")
    evidence = f"Its series has changed, and {doubt}: {advice}. {row.evidence}"
    return replace(row, decision=Decision.REVIEW, evidence=evidence)


def is_answered(row: PlanRow) -> bool:
    """Return whether a person who converts a row was told that it is someone else's, and so says that they are one."""
    return _STRANGER in row.evidence
