"""How images of a dataset are wired to each other, and what stands there beside what a plan converts. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.plan import PlanRow
from bidsflow.convert.shots import Shot


@dataclass(frozen=True, slots=True)
class Links:
    """How an image of a dataset is wired.

    Attributes
    ----------
    identifier : str
        Label of the field that it measures, ``""`` for none.
    sources : tuple of str
        Labels of the fields that correct it.
    targets : tuple of str
        URIs of the images that it is intended for.
    """

    identifier: str = ""
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """An image that stands in a dataset, stays there, and is not converted.

    Attributes
    ----------
    path, series_uid : str
        Its name and where it came from.
    links : Links
        How it is wired.
    named : bool
        Whether the plan speaks of it (skips it, or has it for review).
    shot : Shot or None
        How it was measured; None where no version of bidsflow has noted that.
    edited : bool
        Whether a person has changed its sidecar.
    former : str
        Label of the field that it measured before others came beside it; ``""`` where it had none, or has it still.
    body_part : str
        What its sidecar says of it (BodyPartExamined of the header), ``""`` where it says nothing.
    """

    path: str
    series_uid: str
    links: Links
    named: bool
    shot: Shot | None = None
    edited: bool = False
    former: str = ""
    body_part: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether its wiring is known and nobody has edited it: what it is corrected by is told by its labels alone."""
        return self.shot is not None and not self.edited

    def look(self) -> Shot | None:
        """Return how it was measured and is wired."""
        if self.shot is None:
            return None
        settled = self.named or self.edited
        return replace(
            self.shot, settled=settled, identifier=self.links.identifier, sources=self.links.sources, standing=True
        )


@dataclass(frozen=True, slots=True)
class Held:
    """What a dataset holds of one folder beside what a plan converts.

    Attributes
    ----------
    before : mapping of str to Links
        How the images that are to be converted are wired now, by the path that they are to have; none for new ones.
    staying : tuple of Standing
        The other images of the folder.
    """

    before: Mapping[str, Links]
    staying: tuple[Standing, ...]

    @property
    def strangers(self) -> tuple[Standing, ...]:
        """The images of which the plan knows nothing."""
        return tuple(one for one in self.staying if not one.named)


#: Tells what the dataset holds of the folders of some rows.
LookUp = Callable[[Sequence[PlanRow]], Mapping[str, Held]]


def hold_nothing(_rows: Sequence[PlanRow]) -> Mapping[str, Held]:
    """Return what a dataset that is not there yet holds."""
    return {}


def read_links(sidecar: Mapping[str, object]) -> Links:
    """Return the wiring in a sidecar; what a person wrote there in another form counts as none."""
    identifier = sidecar.get("B0FieldIdentifier")
    return Links(
        identifier if isinstance(identifier, str) else "",
        _texts(sidecar.get("B0FieldSource")),
        _texts(sidecar.get("IntendedFor")),
    )


def _texts(value: object) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    return tuple(one for one in several if isinstance(one, str))


def sources(row: PlanRow) -> tuple[str, ...]:
    """Return the labels of the fields that correct the image of a row."""
    return tuple(label for label in row.b0_source.replace(" ", "").split(",") if label)
