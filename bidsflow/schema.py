"""The BIDS schema as data (bidsschematools), loaded once, and the questions that other rooms ask of it.

Comes in: names. Goes out: what the standard says of them. Imports nothing heavy until asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bidsflow.names import BidsName

if TYPE_CHECKING:
    from bidsschematools.types.namespace import Namespace


@cache
def load() -> Namespace:
    """Return the schema that the installed bidsschematools carries."""
    from bidsschematools.schema import load_schema

    return load_schema()


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the schema says of one group of files (``rules.files.raw``).

    Attributes
    ----------
    extensions : frozenset of str
        With their dots.
    entities : dict of str to frozenset of str
        Values by short name of the entity; empty where any label, or any number, will do.
    required : frozenset of str
        Short names of the entities that must be there.
    numbers : frozenset of str
        Short names of the entities whose values are numbers.
    """

    extensions: frozenset[str]
    entities: dict[str, frozenset[str]]
    required: frozenset[str]
    numbers: frozenset[str]

    def fits(self, ext: str, pairs: dict[str, str]) -> bool:
        """Return whether the rule knows a file with an extension and entities."""
        return (
            ext in self.extensions
            and self.required <= pairs.keys() <= self.entities.keys()
            and all(not self.entities[key] or value in self.entities[key] for key, value in pairs.items())
            and all(pairs[key].isdigit() for key in self.numbers & pairs.keys())
        )


@cache
def _raw_rules() -> dict[tuple[str, str], tuple[_Rule, ...]]:
    """Return the rules for raw datasets by datatype and suffix."""
    schema = load()
    names = {key: str(entity["name"]) for key, entity in schema.objects.entities.items()}
    choices = {names[key]: entity.get("enum", ()) for key, entity in schema.objects.entities.items()}
    numbers = {names[key] for key, entity in schema.objects.entities.items() if entity.get("format") == "index"}
    found: dict[tuple[str, str], list[_Rule]] = {}
    for group in schema.rules.files.raw.values():
        for rule in group.values():
            if "suffixes" not in rule or "datatypes" not in rule:
                continue
            made = _make_rule(rule, names, choices, numbers)
            for datatype in rule["datatypes"]:
                for suffix in rule["suffixes"]:
                    found.setdefault((datatype, suffix), []).append(made)
    return {key: tuple(rules) for key, rules in found.items()}


def _make_rule(rule: Any, names: dict[str, str], choices: dict[str, Any], numbers: set[str]) -> _Rule:
    """Return a rule of the schema; an entity's level is a word, or a mapping with the values that it may have."""
    entities, required = {}, set()
    for key, level in rule["entities"].items():
        detailed = not isinstance(level, str)
        values = level.get("enum", choices[names[key]]) if detailed else choices[names[key]]
        entities[names[key]] = frozenset(map(str, values))
        if (level["level"] if detailed else level) == "required":
            required.add(names[key])
    return _Rule(frozenset(rule["extensions"]), entities, frozenset(required), frozenset(numbers & entities.keys()))


def allows(name: BidsName) -> bool:
    """Return whether the standard knows an image of this name in a raw dataset.

    Examples
    --------
    >>> allows(BidsName("01", "anat", "T1w", ".nii.gz")), allows(BidsName("01", "anat", "bold", ".nii.gz"))
    (True, False)
    """
    pairs = {"sub": name.sub, **({"ses": name.ses} if name.ses else {}), **dict(name.entities)}
    return any(rule.fits(name.ext, pairs) for rule in _raw_rules().get((name.datatype, name.suffix), ()))
