"""Names in a study file: datatype, labels and suffix, with templates for what an image says itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bidsflow.convert.study.conditions import show, suggest
from bidsflow.convert.study.fields import FIELDS
from bidsflow.convert.study.spec import Condition, Relation
from bidsflow.names import ENTITY_ORDER

#: Entities that a rule may give; subject and session have tables of their own.
ENTITIES = tuple(key for key in ENTITY_ORDER if key not in ("sub", "ses", "tpl", "cohort"))
#: A piece of a name; underscores in a template are part of it.
_PIECE = re.compile(r"(?:\{[^{}]*\}|[^_{}])+")
TEMPLATE = re.compile(r"\{([^{}]*)\}")
LABEL = re.compile(r"[0-9a-zA-Z+]*")


def split_name(name: str) -> tuple[str, str, dict[str, str]]:
    """Return datatype, suffix and entities of a BIDS name without subject, session and extension.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> split_name("func/task-{task}_run-1_bold")
    ('func', 'bold', {'task': '{task}', 'run': '1'})
    """
    datatype, slash, stem = name.partition("/")
    *pairs, suffix = _PIECE.findall(stem) or [""]
    entities = {}
    for pair in pairs:
        key, dash, value = pair.partition("-")
        if not dash or not value or key in entities:
            raise ValueError(f"expected <key>-<label> once for each key, got {show(pair)}")
        entities[key] = value
    if not slash or not datatype or not suffix or "/" in stem or "-" in suffix or "_".join([*pairs, suffix]) != stem:
        raise ValueError(f'expected a name such as "func/task-rest_bold", got {show(name)}')
    for key in entities:
        if key in ("sub", "ses"):
            raise ValueError(f"{key}- does not belong here: see [subjects] and [sessions]")
        if key not in ENTITIES:
            raise ValueError(f"{key!r} is not an entity of BIDS{suggest(key, ENTITIES)}")
    return datatype, suffix, entities


def check_labels(entities: Mapping[str, str], match: Sequence[Condition]) -> None:
    """Make sure that labels are labels, and that what templates name is there.

    Raises
    ------
    ValueError
        If not.
    """
    groups = {
        name
        for one in match
        if one.relation is Relation.REGEX and not one.negated
        for name in re.compile(str(one.value)).groupindex
    }
    for key, value in entities.items():
        for name in TEMPLATE.findall(value):
            if name not in groups and name not in FIELDS:
                near = suggest(name, (*groups, *FIELDS))
                raise ValueError(f"{key}-{value}: no condition has a group {name!r}, and no field is called so{near}")
        if not LABEL.fullmatch(TEMPLATE.sub("", value)):
            raise ValueError(f"{key}-{value}: a label holds letters and digits only")
