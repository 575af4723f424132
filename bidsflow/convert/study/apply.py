"""A study laid over an inventory: which rule an image has, which fields its sidecar gets, who is called what."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from bidsflow.convert.companions.aslcontext import GIVEN
from bidsflow.convert.plan import Decision, Plan
from bidsflow.convert.study.conditions import find_match
from bidsflow.convert.study.fields import read_field
from bidsflow.convert.study.labels import make_labels, read_tables
from bidsflow.convert.study.names import TEMPLATE
from bidsflow.convert.study.read import read_study
from bidsflow.convert.study.spec import Condition, Json, Rule, Sessions, Study
from bidsflow.convert.subjects import NO_LABELS, Labels
from bidsflow.dicom.series import Image, Inventory, Series
from bidsflow.names import to_label

#: Where a dataset has its study: with the code that made it (BIDS, "Storage of code").
HOME = "code/study.toml"


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A study with what it needs to know of an inventory. Without a study, it says nothing.

    Attributes
    ----------
    study : Study
        What it says.
    name : str
        Name of its file, for the evidence.
    folders : mapping of str to str
        The folder of each series from the name of the export on, by SeriesInstanceUID.
    labels : Labels
        Of subjects and sessions.
    """

    study: Study = field(default_factory=Study)
    name: str = "study.toml"
    folders: Mapping[str, str] = field(default_factory=dict)
    labels: Labels = NO_LABELS

    def find_rule(self, series: Series, image: Image) -> Rule | None:
        """Return what the study says of an image, templates filled and its place in the file before its reason."""
        place, rule = self._look_up(series, image)
        if rule is None:
            return None
        because = f"{place} of {self.name}" + (f" ({rule.because})" if rule.because else "")
        return replace(rule, because=because)

    def find_place(self, series: Series, image: Image) -> str:
        """Return where in the file the rule of an image stands, ``series[0]``; ``""`` where it has none."""
        return self._look_up(series, image)[0]

    def find_source(self, series: Series, image: Image, key: str) -> str:
        """Return where in the file a field for the sidecar of an image stands: ``series[0].sidecar.EchoTime of``..."""
        place, rule = self._look_up(series, image)
        table = f"{place}.sidecar" if rule is not None and key in rule.sidecar else "sidecar"
        return f"{table}.{key} of {self.name}"

    def _look_up(self, series: Series, image: Image) -> tuple[str, Rule | None]:
        for rank, conditions in enumerate(self.study.exclude):
            if self._match(conditions, series, image) is not None:
                return f"exclude[{rank}]", Rule(conditions, Decision.SKIP)
        for rank, rule in enumerate(self.study.rules):
            groups = self._match(rule.match, series, image)
            if groups is not None:
                return f"series[{rank}]", replace(rule, entities=self._fill(rule.entities, groups, series, image))
        return "", None

    def gives_labels(self, series: Series) -> bool:
        """Return whether the study says which subject or session a series belongs to."""
        labels = self.labels
        return bool(labels.order) or series.study_uid in labels.subjects or series.study_uid in labels.sessions

    def find_fields(self, series: Series, image: Image) -> dict[str, Json]:
        """Return the fields that the study wants in the sidecar of an image.

        Under `aslcontext.GIVEN` it says what its volumes are, which goes to a table.
        """
        rule = self.find_rule(series, image)
        types: dict[str, Json] = {GIVEN: list(rule.aslcontext)} if rule and rule.aslcontext else {}
        return {**self.study.sidecar, **(rule.sidecar if rule else {}), **types}

    def list_fields(self, plan: Plan, inventory: Inventory) -> dict[tuple[str, int], dict[str, Json]]:
        """Return the fields that the study wants in the sidecars of a plan's images, by SeriesInstanceUID and rank."""
        wanted = {(row.series_uid, row.image) for row in plan.decided(Decision.CONVERT)}
        return {
            (series.uid, rank): self.find_fields(series, image)
            for series in inventory.series
            for rank, image in enumerate(series.images, start=1)
            if (series.uid, rank) in wanted
        }

    def _match(self, conditions: Sequence[Condition], series: Series, image: Image) -> dict[str, str] | None:
        groups: dict[str, str] = {}
        for one in conditions:
            found = find_match(one, read_field(one.field, series, image, self.folders.get(series.uid, "")))
            if found is None:
                return None
            groups |= found
        return groups

    def _fill(
        self, entities: Mapping[str, str], groups: Mapping[str, str], series: Series, image: Image
    ) -> dict[str, str]:
        """Return labels with what their templates stand for; a label that would be empty is left to the evidence."""

        def look_up(found: re.Match[str]) -> str:
            name = found[1]
            text = groups[name] if name in groups else read_field(name, series, image, self.folders.get(series.uid, ""))
            return to_label(text)

        filled = {key: TEMPLATE.sub(look_up, value) for key, value in entities.items()}
        return {key: value for key, value in filled.items() if value or not entities[key]}


#: Of no study.
NO_RULES = Rulebook()


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study and the file that holds it, which tables are relative to."""

    study: Study
    path: Path


def find_study(given: Path | None, bids_dir: Path | None) -> StudyFile | None:
    """Return the study that is in force: the one that was asked for, else the one of the dataset, else None.

    Raises
    ------
    StudyError
        As `read.read_study`.
    """
    home = None if bids_dir is None else bids_dir / HOME
    found = given is None and home is not None and os.path.lexists(home)  # what cannot be read is told
    path = home if found else given
    return None if path is None else StudyFile(read_study(path), path)


def lay_over(file: StudyFile | None, inventory: Inventory, exports: Sequence[Path]) -> Rulebook:
    """Return a study laid over an inventory; one that says nothing where there is no study.

    Raises
    ------
    StudyError
        If a table cannot be used, or labels contradict each other.
    """
    if file is None:
        return NO_RULES
    study, where = file.study, str(file.path)
    folders = find_folders(inventory, exports)
    tables = read_tables(study, file.path.parent, where)
    labels = make_labels(study, tables, inventory.series, folders, where)
    return Rulebook(study, file.path.name, folders, labels)


def find_folders(inventory: Inventory, exports: Sequence[Path]) -> dict[str, str]:
    """Return the folder of each series from the name of its export on, with slashes, by SeriesInstanceUID."""
    roots = sorted((one.resolve() for one in exports), key=lambda one: -len(one.parts))
    return {
        series.uid: _shorten(_known_path(series.instances[0].file.path, inventory.origins), roots)
        for series in inventory.series
        if series.instances
    }


def _known_path(path: str, origins: Sequence[tuple[str, str]]) -> PurePath:
    """Return the path that people know a file by, which may lie in an archive."""
    for folder, origin in origins:
        if PurePath(path).is_relative_to(folder):
            return PurePath(origin) / PurePath(path).relative_to(folder)
    return PurePath(path)


def _shorten(path: PurePath, roots: Sequence[Path]) -> str:
    root = next((root for root in roots if path.is_relative_to(root)), None)
    return (path.parent if root is None or root == path else path.parent.relative_to(root.parent)).as_posix()


def choose_sessions(asked: str, sessions: Sessions) -> str:
    """Return whether names have a session: what was asked for on the command line, else what the study says."""
    return sessions.names if asked == "auto" else asked
