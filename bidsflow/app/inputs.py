"""What a run works on: the images of each participant, found by pybids, and what is wrong with them before it begins.

Only the chosen participants are indexed, and the index is kept for the next run of an unchanged dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bidsflow.app.choice import check_words, is_selected, to_filter
from bidsflow.app.faults import Fault, check_image, check_sidecars
from bidsflow.app.index import close_layout, keep_index, open_layout
from bidsflow.app.invocation import Selection
from bidsflow.app.spec import Pipeline, Query
from bidsflow.errors import BidsflowError, InputError, OptionError
from bidsflow.names import BidsName, parse_name

_IMAGES = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Image:
    """One raw image.

    Attributes
    ----------
    path : Path
        Absolute.
    name : BidsName
        What it is.
    metadata : mapping
        Its sidecars, inherited ones included.
    companions : tuple of str
        Files beside it that belong to it, by extension: ``.bval``.
    """

    path: Path
    name: BidsName
    metadata: Mapping[str, Any] = field(default_factory=dict)
    companions: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """``T1w``, ``bold``, ..."""
        return self.name.suffix

    @property
    def uri(self) -> str:
        """The image as a BIDS URI of the raw dataset, as derivatives name their sources."""
        return f"bids:raw:{self.name}"

    def beside(self, ext: str) -> Path:
        """Return the path of a companion: ``.bval``."""
        return self.path.with_name(self.name.stem + ext)


@dataclass(frozen=True, slots=True)
class Participant:
    """The images of one participant.

    Attributes
    ----------
    label : str
        Without ``sub-``.
    images : tuple of Image
        In the order of their paths.
    """

    label: str
    images: tuple[Image, ...]

    def of(self, suffix: str) -> tuple[Image, ...]:
        """Return the images of one kind."""
        return tuple(image for image in self.images if image.suffix == suffix)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a dataset has for a pipeline.

    Attributes
    ----------
    participants : tuple of Participant
        Those that can be run.
    faults : tuple of Fault
        What is wrong with images; their participants are not among those that can be run.
    without : tuple of str
        Participants who have nothing that the pipeline reads.
    """

    participants: tuple[Participant, ...]
    faults: tuple[Fault, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """The participants who cannot be run, in the order in which their faults were found."""
        return tuple(dict.fromkeys(fault.participant for fault in self.faults))

    def refuse(self, faults: Iterable[Fault]) -> Inputs:
        """Return the inputs with more faults: their participants are not run; who has nothing to run stays as is."""
        known = {fault.path for fault in self.faults}
        concerned = {one.label for one in self.participants} | set(self.refused)
        more = [one for one in faults if one.participant in concerned and one.path not in known]
        broken = {one.participant for one in more}
        left = tuple(one for one in self.participants if one.label not in broken)
        return Inputs(left, (*self.faults, *more), self.without)


def find_inputs(
    root: Path, pipeline: Pipeline, labels: Sequence[str], selection: Selection, database: Path | None = None
) -> Inputs:
    """Return the images of participants that a pipeline reads.

    Parameters
    ----------
    root : Path
        The raw dataset.
    pipeline : Pipeline
        What is read.
    labels : sequence of str
        Participants, without ``sub-``.
    selection : Selection
        Which of their images.
    database : Path, optional
        A folder for the index; what is there is used if the dataset has not changed since.

    Raises
    ------
    OptionError
        If the selection names what there is none of in the dataset.
    InputError
        If the dataset as a whole cannot be indexed.
    """
    faults: list[Fault] = []
    try:
        layout = open_layout(root, labels, database)
    except InputError:
        faults = [fault for label in labels for fault in check_sidecars(root, label)]
        if not faults:
            raise
        broken = {fault.participant for fault in faults}
        labels = [label for label in labels if label not in broken]
        layout = open_layout(root, labels, database)
    try:
        inputs = _choose_images(layout, root, pipeline, labels, selection)
        check_words(root, pipeline, selection, [image.name for one in inputs.participants for image in one.images])
        if database is not None and inputs.participants:  # else a run that does nothing would leave folders
            keep_index(layout, root, labels, database)
    finally:
        close_layout(layout)
    return replace(inputs, faults=(*faults, *inputs.faults))


def _choose_images(layout: Any, root: Path, pipeline: Pipeline, labels: Sequence[str], selection: Selection) -> Inputs:
    """Return what a layout has of each participant."""
    faults: list[Fault] = []
    participants, without = [], []
    for label in labels:
        images = [image for query in pipeline.reads for image in _find(layout, root, query, label, selection)]
        found = [fault for image, query in images for fault in check_image(root, image, query, label)]
        faults += found
        if not images:
            without.append(label)
        elif not found:
            ordered = sorted((image for image, _ in images), key=lambda one: str(one.name))
            participants.append(Participant(label, tuple(ordered)))
    return Inputs(tuple(participants), tuple(faults), tuple(without))


def _find(
    layout: Any,
    root: Path,
    query: Query,
    label: str,
    selection: Selection,
) -> list[tuple[Image, Query]]:
    wanted: dict[str, Any] = {"suffix": query.suffix, "datatype": query.datatype, "extension": list(_IMAGES)}
    wanted |= to_filter(query, selection.filters.get(query.suffix.lower(), {}))
    try:
        paths = layout.get(subject=label, return_type="filename", invalid_filters="error", **wanted)
    except ValueError as error:
        what = str(error).partition("If you're sure")[0].strip()  # how pybids' own settings are called helps nobody
        raise OptionError(f"the filter for {query.suffix} does not fit this dataset: {what}") from None
    images = []
    for path in sorted(map(Path, paths)):
        try:
            name = parse_name(path.relative_to(root).as_posix())
        except BidsflowError:  # a name that BIDS does not know is for the validator to report
            continue
        if is_selected(name, selection):
            metadata = to_plain(layout.get_metadata(str(path)))
            images.append((Image(path, name, metadata, query.companions), query))
    return images


def to_plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(metadata, default=str))
    return plain
