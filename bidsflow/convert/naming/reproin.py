"""Names that protocols give in full, after ReproIn. Pure.

Source of the grammar: the ReproIn convention (doi:10.5281/zenodo.1218250), as implemented by heudiconv's
``heuristics/reproin.py``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bidsflow.convert.naming.personwords import names_person
from bidsflow.dicom.series import Series
from bidsflow.names import ENTITY_ORDER

_REPROIN = re.compile(
    r"(?:[^:]*:)?(?:WIP )?(?P<datatype>anat|func|fmap|dwi|perf)(?:-(?P<suffix>[A-Za-z0-9]+))?"
    r"(?P<entities>(?:_[a-z]+(?:-[A-Za-z0-9]+|[+=]))*)(?:__.*)?(?:_SBRef|_ND|_NORM|_Pha|_MPR\w*)*"
)
_SESSION = re.compile(
    r"(?:[^:]*:)?(?:WIP )?(?:anat|func|fmap|dwi|perf)(?:-[A-Za-z0-9]+)?(?:_[a-z]+(?:-[A-Za-z0-9]+|[+=]))*?"
    r"_ses-([A-Za-z0-9]+)"
)
_KEYS = frozenset(ENTITY_ORDER) - {"sub"}
#: Suffix that a datatype stands for where ReproIn names none.
_DEFAULT_SUFFIX = {"func": "bold", "dwi": "dwi"}
#: How people shorten the suffixes of anatomy.
_SHORT = {"T1": "T1w", "T2": "T2w", "PD": "PDw", "T2star": "T2starw", "flair": "FLAIR", "Flair": "FLAIR"}


@dataclass(frozen=True, slots=True)
class Given:
    """A name that the protocol gives in full, after ReproIn.

    Attributes
    ----------
    datatype, suffix : str
        `suffix` is ``""`` where the name leaves it open.
    entities : tuple of (str, str)
        Without subject and session; ``run+`` counts as no run, since runs are numbered by time.
    text : str
        The name as it was typed.
    session : str
        Label of the session, ``""`` where the name has none.
    """

    datatype: str
    suffix: str
    entities: tuple[tuple[str, str], ...]
    text: str
    session: str = ""


def read_reproin(text: str) -> Given | None:
    """Return the parts of a name after ReproIn; None where a text is none.

    Examples
    --------
    >>> read_reproin("func-bold_task-fa_run-1").entities
    (('task', 'fa'), ('run', '1'))
    >>> read_reproin("ep2d_bold_task") is None
    True
    """
    match = _REPROIN.fullmatch(text.strip())
    if match is None or not (match["suffix"] or match["entities"]):
        return None
    pairs, session = [], ""
    for piece in filter(None, match["entities"].split("_")):
        key, _, value = piece.rstrip("+=").partition("-")
        if key not in _KEYS:
            return None
        if key == "ses":
            session = value
        elif value:
            pairs.append((key, value))
    if len({key for key, _ in pairs}) != len(pairs):
        return None
    suffix = match["suffix"] or _DEFAULT_SUFFIX.get(match["datatype"], "")
    if match["datatype"] == "anat":
        suffix = _SHORT.get(suffix, suffix)
    return Given(match["datatype"], suffix, tuple(pairs), text.strip(), session)


def given_name(series: Series) -> Given | None:
    """Return the name that a series' protocol gives in full."""
    return read_reproin(series.protocol_name) or read_reproin(series.description)


def given_sessions(series: Sequence[Series]) -> dict[str, str]:
    """Return the session labels that protocols give, by StudyInstanceUID.

    ReproIn names the session in one series, mostly the localizer, and means the whole visit. Where the series of a
    study name several, or a label holds the person's name, none is taken.
    """
    return {study: min(labels) for study, labels in find_sessions(series).items() if len(labels) == 1}


def find_sessions(series: Sequence[Series]) -> dict[str, set[str]]:
    """Return all session labels that protocols give, by StudyInstanceUID, but for those that hold a person's name."""
    named: dict[str, set[str]] = defaultdict(set)
    for one in series:
        for text in (one.protocol_name, one.description):
            match = _SESSION.match(text.strip())
            if match and not names_person((match[1],), one.patient):
                named[one.study_uid].add(match[1])
    return named
