"""What a plan says of one folder of a subject or session. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bidsflow.convert.companions.aslcontext import TABLE
from bidsflow.convert.content import Stamp
from bidsflow.convert.ledger import Entry
from bidsflow.convert.plan import PlanRow
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

#: Files that make an image, in the order in which they are looked for.
EXTENSIONS = (".nii.gz", ".json", ".bval", ".bvec", TABLE, ".nii")


@dataclass(frozen=True, slots=True)
class Carried:
    """What goes along, as it is, with an image that gets another name.

    Attributes
    ----------
    former : str
        BIDS path that the image had.
    entry : Entry
        What was written there.
    files : tuple of str
        Extensions of the files that go along: those that a person has edited, or all.
    whole : bool
        Whether all go along, since the series has changed and a person has edited what was made of it before.
    """

    former: str
    entry: Entry
    files: tuple[str, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """What the plan says of one folder (``sub-01`` or ``sub-01/ses-01``).

    Attributes
    ----------
    folder : str
        Relative to the dataset.
    rows : tuple of PlanRow
        Every row that is to be converted into it.
    named, converted : frozenset of (str, int)
        All images that the plan speaks of, and those that it converts, by SeriesInstanceUID and rank.
    series : mapping of str to Series
        The series of the rows, by SeriesInstanceUID.
    subject : tuple of Series
        The series of all sessions of the subject.
    former : mapping of (str, int) to str
        Where the dataset has images of these rows under another name: path by SeriesInstanceUID and rank.
    heir_of : tuple of str
        Labels that the subject has had, and under which the plan leaves no image.
    seen : mapping of str to Stamp
        Files of the dataset that have a new time (it was copied without its times) and the content that they had.
    marks : mapping of (str, int) to str
        `mark_digest` of the series of images that are as they were converted, by SeriesInstanceUID and rank.
    kept : frozenset of str
        Files that a person has edited, of images that are made again because they are missing.
    carried : mapping of (str, int) to Carried
        Files that a person has edited, of images that get another name, by SeriesInstanceUID and rank.
    description : mapping
        Fields for ``dataset_description.json``.
    numbered : bool
        Whether labels of subjects say nothing of the person.
    ruled : mapping of (str, int) to frozenset of str, or None
        What a study gives of the names of images; None where no study has made the names.
    """

    folder: str
    rows: tuple[PlanRow, ...]
    named: frozenset[tuple[str, int]]
    converted: frozenset[tuple[str, int]]
    series: Mapping[str, Series]
    subject: tuple[Series, ...] = ()
    former: Mapping[tuple[str, int], str] = field(default_factory=dict)
    heir_of: tuple[str, ...] = ()
    seen: Mapping[str, Stamp] = field(default_factory=dict)
    marks: Mapping[tuple[str, int], str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    carried: Mapping[tuple[str, int], Carried] = field(default_factory=dict)
    description: Mapping[str, object] = field(default_factory=dict)
    numbered: bool = True
    ruled: Mapping[tuple[str, int], frozenset[str]] | None = None

    def find_place(self, row: PlanRow) -> str:
        """Return where the image of a row stands until it is written: under its former name, if it has one."""
        return self.former.get((row.series_uid, row.image), row.path)


def group_by_folder(rows: Iterable[PlanRow]) -> dict[str, list[PlanRow]]:
    """Return rows by the folder of subject or session that they go to."""
    folders: dict[str, list[PlanRow]] = defaultdict(list)
    for row in rows:
        folders[parse_name(row.path).folder].append(row)
    return folders
