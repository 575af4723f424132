"""Who and what is run: participants, and the images of theirs that a user asks for.

What is asked for and is nowhere in the dataset was most likely misspelt; it is refused with what there is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bidsflow.app.invocation import Selection
from bidsflow.app.spec import Pipeline, Query
from bidsflow.errors import BidsflowError, InputError, OptionError
from bidsflow.names import BidsName, parse_name

#: What pybids calls the entities that users know by their short names.
_LONG = {
    "sub": "subject", "ses": "session", "acq": "acquisition", "ce": "ceagent", "rec": "reconstruction",
    "dir": "direction", "mod": "modality", "trc": "tracer", "stain": "staining",
}  # fmt: skip
#: What a filter cannot choose by: participants are chosen already, the rest are settings of pybids.
_RESERVED = frozenset(
    ("subject", "return_type", "target", "scope", "regex_search", "absolute_paths", "invalid_filters", "filters")
)
#: Keys of filter files that other programs know, and that are no suffix.
_FOREIGN = frozenset(("roi",))
#: How many labels a message shows.
_SHOWN = 8


def list_participants(root: Path) -> tuple[str, ...]:
    """Return the labels of all participants that have a folder, in the order of their names."""
    return tuple(one.name.removeprefix("sub-") for one in sorted(root.glob("sub-*")) if one.is_dir())


def choose_participants(root: Path, selection: Selection) -> tuple[str, ...]:
    """Return the labels to run.

    Raises
    ------
    InputError
        If the folder is no dataset.
    OptionError
        If a participant who was asked for is not in it.
    """
    if not (root / "dataset_description.json").is_file():
        raise InputError(f"{root}: no dataset_description.json in this folder", "Give the root of a BIDS dataset")
    known = list_participants(root)
    missing = [one for one in (*selection.participants, *selection.without) if one not in known]
    if missing:
        raise _refuse(root, "sub", missing, known)
    wanted = selection.participants or known
    return tuple(one for one in known if one in wanted and one not in selection.without)


def _refuse(root: Path, key: str, missing: Sequence[str], known: Sequence[str]) -> OptionError:
    """Return the error of labels that there are none of: what is there, and what may have been meant."""
    shown = ", ".join(f"{key}-{one}" for one in known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    guess = suggest(missing[0], known)
    return OptionError(
        f"{root}: there is no {' and no '.join(f'{key}-{one}' for one in missing)}",
        (f"Did you mean {key}-{guess}? " if guess else "") + f"It has {shown or f'no {key}- at all'}",
    )


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was most likely meant, ``""`` where none is near.

    Examples
    --------
    >>> suggest("rset", ["nback", "rest"]), suggest("x", ["nback", "rest"])
    ('rest', '')
    """
    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")


def check_words(root: Path, pipeline: Pipeline, selection: Selection, chosen: Sequence[BidsName]) -> None:
    """Refuse labels of sessions, tasks and runs, and keys of filters, that are most likely misspelt.

    Parameters
    ----------
    root : Path
        The raw dataset; its names are read where a label is not among the images that were chosen.
    pipeline : Pipeline
        What is read.
    selection : Selection
        What was asked for.
    chosen : sequence of BidsName
        Images that fit it.

    Raises
    ------
    OptionError
        If a label is that of no file in the dataset, or a key of the filters is no suffix.
    """
    for key, wanted in (("ses", selection.sessions), ("task", selection.tasks), ("run", selection.runs)):
        there = {_plain(key, _label_of(name, key)) for name in chosen}
        if all(_plain(key, one) in there for one in wanted):
            continue
        known = list_labels(root, key)
        there = {_plain(key, one) for one in known}
        if missing := [one for one in wanted if _plain(key, one) not in there]:
            raise _refuse(root, key, missing, known)
    _check_keys(pipeline, selection.filters)


def _label_of(name: BidsName, key: str) -> str:
    return name.ses if key == "ses" else name.entity(key)


def _plain(key: str, label: str) -> str:
    """Return a label as labels are compared: runs are numbers."""
    return (label.lstrip("0") or label[:1]) if key == "run" else label


def list_labels(root: Path, key: str) -> tuple[str, ...]:
    """Return the labels that the files of a dataset have for an entity, in order."""
    found = set()
    for path in root.glob(f"sub-*/**/*_{key}-*"):
        try:
            found.add(_label_of(parse_name(path.relative_to(root).as_posix()), key))
        except BidsflowError:  # a name that BIDS does not know is for the validator to report
            continue
    return tuple(sorted(found - {""}))


def _check_keys(pipeline: Pipeline, filters: Mapping[str, object]) -> None:
    """Refuse keys of filters that are neither what the pipeline reads nor what a filter of another program may have."""
    own = [query.suffix.lower() for query in pipeline.reads]
    strange = sorted(filters.keys() - {*own, *_FOREIGN})
    if not strange:
        return
    from bidsflow.schema import load

    objects = load()["objects"]
    known = {str(one["value"]).lower() for kind in ("suffixes", "datatypes") for one in objects[kind].values()}
    for key in strange:
        if key not in known:
            guess = suggest(key, own)
            hint = (f"Did you mean {guess}? " if guess else "") + f"{pipeline.name} reads {', '.join(own)}"
            raise OptionError(f"the filters have {key}, which is no suffix of BIDS", hint)


def to_filters(content: object) -> dict[str, dict[str, object]]:
    """Return the content of a filter file, by suffix in small letters.

    Raises
    ------
    ValueError
        If it has another form.
    """
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise ValueError("expected {suffix: {entity: value}}")
    return {str(key).lower(): value for key, value in content.items()}


def to_filter(query: Query, given: Mapping[str, object]) -> dict[str, Any]:
    """Return a filter as pybids takes it.

    Raises
    ------
    OptionError
        If it chooses participants, or is none of files.
    """
    from bids.layout import Query as Special

    wanted = {_LONG.get(key, key): value for key, value in given.items()}
    if taken := sorted(_RESERVED & wanted.keys()):
        hint = "Choose participants by --participant-label" if "subject" in taken else ""
        raise OptionError(f"the filter for {query.suffix} cannot hold {', '.join(taken)}", hint)
    special = {f"Query.{one.name}": one for one in Special}
    return {key: special.get(value, value) if isinstance(value, str) else value for key, value in wanted.items()}


def is_selected(name: BidsName, selection: Selection) -> bool:
    """Return whether a file has no session, task or run that was not asked for."""
    checks = (
        (name.ses, set(selection.sessions)),
        (name.entity("task"), set(selection.tasks)),
        (_plain("run", name.entity("run")), {_plain("run", run) for run in selection.runs}),
    )
    return all(not wanted or not value or value in wanted for value, wanted in checks)
