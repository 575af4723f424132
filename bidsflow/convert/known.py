"""What a plan has to know of the dataset that it is for. Values only; `held.read_known` reads them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from bidsflow.convert.cohort import Cohort
from bidsflow.convert.links import LookUp, Standing, hold_nothing
from bidsflow.convert.namesakes import Made
from bidsflow.convert.subjects import Key

#: An image: SeriesInstanceUID and rank in its series.
Image = tuple[str, int]


def find_nothing(_folder: str, _uids: Collection[str]) -> tuple[Standing, ...]:
    """Return the images of a dataset that is not there yet."""
    return ()


@dataclass(frozen=True, slots=True)
class Known:
    """What a dataset holds and remembers; nothing, where there is none yet.

    Attributes
    ----------
    key : Key
        Who is who.
    taken : mapping of (str, int) to str
        The paths of images that it holds, by SeriesInstanceUID and rank. They keep their names.
    ruled : mapping of (str, int) to frozenset of str
        What a study gave of the names of these: see `spec.Rule.given`.
    skipped : collection of (str, int)
        The images that a person said to skip in an earlier plan.
    made : mapping of (str, int) to Made
        What is known of the series that they were made of.
    cohort : Cohort
        How long everyone's runs are, and when they were measured.
    look_up : callable
        Tells what the dataset holds beside the images of a plan, which may complete fields.
    find_beside : callable
        Tells which images a folder holds that are of none of some series.
    """

    key: Key = field(default_factory=Key)
    taken: Mapping[Image, str] = field(default_factory=dict)
    ruled: Mapping[Image, frozenset[str]] = field(default_factory=dict)
    skipped: Collection[Image] = ()
    made: Mapping[Image, Made] = field(default_factory=dict)
    cohort: Cohort = field(default_factory=Cohort)
    look_up: LookUp = hold_nothing
    find_beside: Callable[[str, Collection[str]], tuple[Standing, ...]] = find_nothing


#: Of a dataset that is not there yet.
NOTHING = Known()
