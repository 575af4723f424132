"""The names of a plan go with those that the dataset has, and with what was decided of its images before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bidsflow.convert.drafting import Named
from bidsflow.convert.known import Known
from bidsflow.convert.plan import LONGEST, NOT_APPLICABLE, Decision, PlanRow
from bidsflow.convert.runs import find_runs, free_proposals, key_of, refuse_conflicts
from bidsflow.convert.study.apply import NO_RULES, Rulebook
from bidsflow.convert.study.stand import doubt_misfit, stand_as_ruled
from bidsflow.dicom.series import Series
from bidsflow.names import home_of

#: An image: SeriesInstanceUID and rank in its series.
_RowKey = tuple[str, int]


def settle_names(named: Named, by_uid: Mapping[str, Series], known: Known, book: Rulebook) -> list[PlanRow]:
    """Return the rows with names that go with those that the dataset has."""
    labelled = {series.uid for series in by_uid.values() if book.gives_labels(series)}
    rows = [doubt_misfit(row, by_uid[row.series_uid], book) if key_of(row) in named.ruled else row
            for row in named.rows]  # fmt: skip
    formerly = {} if book is NO_RULES else known.ruled
    kept = stand_as_ruled(rows, known.taken, named.ruled, labelled, named.shared, formerly)
    rows = [_heed_skip(row, known.skipped) for row in _keep_taken(rows, kept, known.taken)]
    near = _find_near(rows, kept)
    rows = refuse_conflicts(find_runs(rows, near, named.shared), near)
    return free_proposals(list(map(_doubt_length, rows)), near, named.shared)


def _find_near(rows: Sequence[PlanRow], taken: Mapping[_RowKey, str]) -> dict[_RowKey, str]:
    """Return what is taken by images of the rows, or in their folders: nothing else can be in the way of a name."""
    images = set(map(key_of, rows))
    homes = {home_of(row.path).lower() for row in rows}  # disks may not tell cases apart
    return {image: path for image, path in taken.items() if image in images or home_of(path).lower() in homes}


def _keep_taken(rows: Sequence[PlanRow], taken: Mapping[_RowKey, str], before: Mapping[_RowKey, str]) -> list[PlanRow]:
    """Return the rows with the names that their images have in the dataset, or are given by the study instead."""
    kept = []
    for row in rows:
        path = taken.get((row.series_uid, row.image))
        if (
            path is not None
            and row.decision is not Decision.SKIP
            and (path, Decision.CONVERT) != (row.path, row.decision)
        ):
            moves = path != before[key_of(row)]
            said = "Converted before, and moved by the study" if moves else "Converted before under this name"
            evidence = f"{said}. {row.evidence}"
            row = replace(row, path=path, decision=Decision.CONVERT, evidence=evidence)
        kept.append(row)
    return kept


def _heed_skip(row: PlanRow, skipped: Collection[tuple[str, int]]) -> PlanRow:
    if row.decision is Decision.SKIP or (row.series_uid, row.image) not in skipped:
        return row
    evidence = f"Skipped by a person in an earlier plan. {row.evidence}"
    return replace(row, decision=Decision.SKIP, path=NOT_APPLICABLE, evidence=evidence, b0_identifier="", b0_source="")


def _doubt_length(row: PlanRow) -> PlanRow:
    """Return the row of a name that no disk takes with a doubt."""
    length = len(row.path.rpartition("/")[2])
    if row.decision is not Decision.CONVERT or length <= LONGEST:
        return row
    evidence = f"Its name has {length} characters, and disks allow {LONGEST}: use shorter labels. {row.evidence}"
    return replace(row, decision=Decision.REVIEW, evidence=evidence, b0_identifier="")
