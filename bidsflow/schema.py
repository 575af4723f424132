"""The BIDS schema as data (bidsschematools), loaded once, and the questions that other rooms ask of it.

Comes in: names. Goes out: what the standard says of them. Imports nothing heavy until asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bidsflow.errors import SchemaError
from bidsflow.names import BidsName


def read_installed() -> bytes:
    """Return the bytes of the schema that the installed bidsschematools carries, without importing that.

    Raises
    ------
    SchemaError
        If it is not installed.
    """
    spec = find_spec("bidsschematools")
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("of bidsschematools", "the package is not installed")
    return Path(spec.submodule_search_locations[0], "data", "schema.json").read_bytes()


@cache
def load() -> dict[str, Any]:
    """Return the schema that the installed bidsschematools carries, for all to read and none to change."""
    import json

    found: dict[str, Any] = json.loads(read_installed())
    return found


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

    def takes(self, key: str, value: str) -> bool:
        """Return whether an entity may have a value."""
        return value in self.entities[key] if self.entities[key] else key not in self.numbers or value.isdigit()

    def fits(self, ext: str, pairs: dict[str, str]) -> bool:
        """Return whether the rule knows a file with an extension and entities."""
        return (
            ext in self.extensions
            and self.required <= pairs.keys() <= self.entities.keys()
            and all(self.takes(key, value) for key, value in pairs.items())
        )


@cache
def _raw_rules() -> dict[tuple[str, str], tuple[_Rule, ...]]:
    """Return the rules for raw datasets by datatype and suffix."""
    schema = load()
    entities = schema["objects"]["entities"]
    names = {key: str(entity["name"]) for key, entity in entities.items()}
    choices = {names[key]: entity.get("enum", ()) for key, entity in entities.items()}
    numbers = {names[key] for key, entity in entities.items() if entity.get("format") == "index"}
    found: dict[tuple[str, str], list[_Rule]] = {}
    for group in schema["rules"]["files"]["raw"].values():
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


@cache
def takes(datatype: str, suffix: str, key: str) -> bool:
    """Return whether the standard knows an entity in the name of an image.

    Examples
    --------
    >>> takes("fmap", "epi", "part"), takes("fmap", "phasediff", "part")
    (True, False)
    """
    return any(
        key in rule.entities for rule in _raw_rules().get((datatype, suffix), ()) if ".nii.gz" in rule.extensions
    )


def explain_refusal(datatype: str, suffix: str, entities: Mapping[str, str]) -> str:
    """Return why the standard knows no image with these parts in its name; ``""`` where it knows one.

    Parameters
    ----------
    datatype, suffix : str
        ``""`` where they are open.
    entities : mapping of str to str
        Labels by short name, ``""`` where a label is open. Others may join them.

    Examples
    --------
    >>> explain_refusal("func", "bold", {"task": "rest"})
    ''
    >>> explain_refusal("anat", "bold", {})
    'BIDS has no anat/bold; a bold is func'
    """
    rules = {pair: [one for one in some if ".nii.gz" in one.extensions] for pair, some in _raw_rules().items()}
    known = {pair: some for pair, some in rules.items() if some}
    fit = {pair: some for pair, some in known.items() if datatype in ("", pair[0]) and suffix in ("", pair[1])}
    if not fit:
        return _explain_pair(datatype, suffix, sorted(known))
    what = f"{datatype or 'image'}/{suffix}" if suffix else datatype or "image"
    for key in entities:
        if not any(key in one.entities for some in fit.values() for one in some):
            near = sorted({name for some in fit.values() for one in some for name in one.entities} - {"sub", "ses"})
            return f"BIDS has no {key}- in the name of {what}; it has {', '.join(near)}"
    for some in fit.values():
        for one in some:
            if entities.keys() <= one.entities.keys() and all(
                one.takes(key, value) for key, value in entities.items() if value
            ):
                return ""
    shown = "_".join(f"{key}-{value}" for key, value in entities.items())
    return f"BIDS does not allow {shown} in the name of {what}"


def _explain_pair(datatype: str, suffix: str, known: Sequence[tuple[str, str]]) -> str:
    datatypes, suffixes = sorted({one for one, _ in known}), sorted({one for _, one in known})
    homes = [one for one, other in known if other == suffix]
    if datatype and datatype not in datatypes:
        return f"BIDS has no datatype {datatype!r} for images; it has {', '.join(datatypes)}"
    if suffix and not homes:
        near = get_close_matches(suffix, suffixes, n=1)
        return f"BIDS has no image with the suffix {suffix!r}" + (f"; did you mean {near[0]}?" if near else "")
    return f"BIDS has no {datatype}/{suffix}; a {suffix} is {' or '.join(homes)}"


@cache
def description_fields() -> tuple[str, ...]:
    """Return the fields that ``dataset_description.json`` may have."""
    rules = load()["rules"]
    group = rules["json"]["dataset"] if "json" in rules else rules["dataset_metadata"]  # until bidsschematools 1.2
    return tuple(dict.fromkeys(field for rule in group.values() for field in rule["fields"]))
