"""Datasets drawn from the schema: files of all families that it names, with what belongs to them, not all right.

What nobody thought of is found here: names are made by the rules for file names; sidecars and tables hold what the
rules ask for, or something else now and then. Images are empty or all header.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final

from bidsflow.validate.compile.schema import REFERENCE_VERSION, load_schema
from tests.validate.defects.content import image, ome, to_gzip, to_nifti, to_tiff
from tests.validate.defects.tree import Tree

#: Of which each file of a table or sidecar that is not as it should be takes one.
_ODD: Final = (None, True, "x", -1, 0, 1.5, [], {}, "n/a", "", ["a", 1], [[1]], 10**25)
_LABELS: Final = ("a", "rest", "X1", "MNI152NLin2009cAsym", "lo2", "01")
#: By format of the schema: values that are of it, and some that are not.
_TEXTS: Final = {
    "date": ("2020-01-02", "2020-1-2"),
    "time": ("10:00:00", "9:00:00", "25:00:00"),
    "datetime": ("2020-01-02T10:00:00", "2020-01-02T10:00:00.000000", "2020-01-02"),
    "uri": ("https://x.org/a", "doi:10.1/x", "bids::sub-01/anat", "x y"),
    "bids_uri": ("bids::README", "bids:raw:sub-01", "README", "bids::nope"),
    "dataset_relative": ("README", "stimuli/a.png", "nope", "/README"),
    "unit": ("mm", "s", "uV", "furlong", "V^2"),
}
#: What the reference ends without a report on, if what it refers to is missing.
_FATAL: Final = frozenset({"OnsetSource", "PhysioType", "HEDVersion"})
_FOLDERS: Final = (("config", "hs_file", "c,rfDC"), ("x.meg4", "x.res4", "hz.ds/y"), (".zattrs", ".zgroup", "0/0/0"))


@cache
def _schema() -> dict[str, Any]:
    return load_schema(REFERENCE_VERSION).data


@cache
def _file_rules(kind: str) -> list[dict[str, Any]]:
    groups = _schema()["rules"]["files"][kind].values()
    return [rule for group in groups for rule in group.values() if "suffixes" in rule and "datatypes" in rule]


@cache
def _rules_about(kind: str, words: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rules whose selectors name one of some words, or that have none."""

    def find(part: Any) -> Iterator[dict[str, Any]]:
        if isinstance(part, dict) and "selectors" in part:
            text = " ".join(part["selectors"]).replace("'", '"')
            if not text or any(f'"{word}"' in text for word in words):
                yield part
        elif isinstance(part, dict):
            for below in part.values():
                yield from find(below)

    return list(find(_schema()["rules"][kind]))


def _level(requirement: Any) -> str:
    return str(requirement["level"] if isinstance(requirement, dict) else requirement)


def _values(options: Sequence[Any]) -> list[Any]:
    return [option["value"] if isinstance(option, dict) else option for option in options]


def draw_dataset(seed: int) -> Tree:
    """Return a dataset; the same for the same seed."""
    tree = _Draw(random.Random(seed)).tree
    folders = {parent.as_posix() for path in tree for parent in PurePosixPath(path).parents}
    return {path: content for path, content in tree.items() if path not in folders}


class _Draw:
    def __init__(self, dice: random.Random) -> None:
        objects, self.dice = _schema()["objects"], dice
        self.entities, self.fields = objects["entities"], objects["metadata"]
        self.columns: Mapping[str, Any] = objects["columns"]
        self.labels = {key: self.draw_label(entity) for key, entity in self.entities.items()}
        self.kind = dice.choice(["raw", "raw", "raw", "derivative"])
        self.subjects = dice.choice([["01"], ["01", "02"], ["A1", "b", "001"]])
        self.sessions = dice.choice([[""], [""], ["1"], ["pre", "post"]])
        self.empty, self.given, self.wrong = (
            dice.random() < 0.6,
            dice.choice([0, 0.3, 0.8, 1]),
            dice.choice([0, 0.05, 0.2]),
        )
        self.tree: Tree = {}
        self.add_data()
        self.add_root()

    def maybe(self, chance: float) -> bool:
        return self.dice.random() < chance

    def draw_label(self, entity: Mapping[str, Any]) -> str:
        if "enum" in entity:
            return str(self.dice.choice(_values(entity["enum"])))
        return self.dice.choice(("1", "01", "2") if entity["format"] == "index" else _LABELS)

    def draw_value(self, about: Mapping[str, Any]) -> Any:
        """Return a value of the kind that a definition asks for, mostly."""
        if self.maybe(0.07):
            return self.dice.choice(_ODD)
        if ways := about.get("anyOf") or about.get("oneOf"):
            return self.draw_value(self.dice.choice(ways))
        if "enum" in about:
            return self.dice.choice(_values(about["enum"]))
        kind = about.get("type", "string")
        if kind in ("number", "integer"):
            least = about.get("minimum", about.get("exclusiveMinimum", -5))
            return self.dice.choice([least, about.get("maximum", least + 100), 1, 2, least + 0.5])
        if kind == "boolean":
            return self.maybe(0.5)
        if kind == "array":
            count = self.dice.choice([about.get("minItems", 1), about.get("maxItems", 2), 3])
            return [self.draw_value(about.get("items", {"type": "number"})) for _ in range(count)]
        if kind == "object":
            return {key: self.draw_value(one) for key, one in about.get("properties", {}).items() if self.maybe(0.7)}
        return self.dice.choice(_TEXTS.get(about.get("format", ""), ("abc", "Text with words", "1", "Ünï", "n/a")))

    def draw_name(self, rule: Mapping[str, Any], suffix: str, subject: str, session: str) -> str:
        found = {"subject": subject, "session": session}
        for key, requirement in rule["entities"].items():
            if key not in found and (_level(requirement) == "required" or self.maybe(0.12)):
                options = requirement.get("enum") if isinstance(requirement, dict) else None
                found[key] = str(self.dice.choice(_values(options))) if options else self.labels[key]
        keys = [key for key in _schema()["rules"]["entities"] if found.get(key)]
        if self.maybe(self.wrong / 3):
            self.dice.shuffle(keys)
        if self.maybe(self.wrong / 3):
            keys.pop()
        return "_".join([*(f"{self.entities[key]['name']}-{found[key]}" for key in keys), suffix])

    def draw_sidecar(self, datatype: str, suffix: str) -> bytes:
        if self.maybe(self.wrong / 4):
            return self.dice.choice([b"", b"[]", b'{"a": 1,}', b'{"a": 1, "a": 2}'])
        modalities = [name for name, rule in _schema()["rules"]["modalities"].items() if datatype in rule["datatypes"]]
        names = {
            key
            for rule in _rules_about("sidecars", (datatype, suffix, *modalities))
            for key, requirement in rule.get("fields", {}).items()
            if self.maybe(self.given if _level(requirement) == "required" else self.given / 2)
        }
        wanted = sorted(names & self.fields.keys() - _FATAL)
        return json.dumps({self.fields[key]["name"]: self.draw_value(self.fields[key]) for key in wanted}).encode()

    def draw_table(self, suffix: str) -> bytes:
        names: dict[str, Any] = {}
        for rule in _rules_about("tabular_data", (suffix,)):
            for key, requirement in rule.get("columns", {}).items():
                if (
                    key in self.columns
                    and key != "HED"
                    and self.maybe(0.9 if _level(requirement) == "required" else 0.3)
                ):
                    names.setdefault(self.columns[key]["name"], self.columns[key])
        if self.maybe(0.3) or not names:
            names[self.dice.choice(["extra", "trial_type", "stim_file", "age"])] = {}
        keys = list(names)
        if self.maybe(self.wrong):
            self.dice.shuffle(keys)
        rows = [keys]
        for number in range(self.dice.choice([0, 1, 3])):
            rows.append([self.draw_cell(key, names[key], number) for key in keys])
            if self.maybe(self.wrong / 2):
                rows[-1].append("more")
        return ("\n".join("\t".join(row) for row in rows) + "\n").encode()

    def draw_cell(self, name: str, about: Mapping[str, Any], number: int) -> str:
        if name in ("name", "index", "onset"):
            return str(number)
        value = self.draw_value(about)
        return "n/a" if value is None or isinstance(value, (list, dict)) else str(value).replace("\t", " ")

    def draw_content(self, datatype: str, suffix: str, extension: str) -> bytes:
        if extension == ".json":
            return self.draw_sidecar(datatype, suffix)
        if extension == ".tsv":
            return self.draw_table(suffix)
        if extension in (".bval", ".bvec"):
            return b"0 0 0\n" * (1 if extension == ".bval" else 3)
        if self.empty:
            return b""
        shape = self.dice.choice([(4, 4, 4), (4, 4, 4, 3), (4, 4, 1), (4, 4, 4, 1)])
        header = {"units": self.dice.choice([10, 10, 2, 0]), "qform": self.dice.choice([0, 1])}
        makers = {
            ".nii.gz": lambda: image(shape, **header),
            ".nii": lambda: to_nifti(shape, **header),
            ".tsv.gz": lambda: to_gzip(b"1\t2\n3\t4\n", time=self.dice.choice([0, 1])),
            ".tif": lambda: to_tiff(description=ome()),
            ".ome.tif": lambda: to_tiff(description=ome()),
        }
        return makers[extension]() if extension in makers else b"data"

    def add_data(self) -> None:
        rules = _file_rules("raw" if self.kind == "raw" else "deriv")
        datatypes = sorted({datatype for rule in rules for datatype in rule["datatypes"]})
        for datatype in self.dice.sample(datatypes, self.dice.choice([1, 2, 3])):
            fitting = [rule for rule in rules if datatype in rule["datatypes"]]
            for rule in self.dice.sample(fitting, min(len(fitting), 8)):
                suffix = self.dice.choice(rule["suffixes"])
                wanted = {self.dice.choice(rule["extensions"]), self.dice.choice([".json", ".tsv"])}
                self.add_files(datatype, rule, suffix, sorted(wanted & {*rule["extensions"]}))

    def add_files(self, datatype: str, rule: Mapping[str, Any], suffix: str, extensions: Sequence[str]) -> None:
        for subject in self.subjects:
            for session in self.sessions:
                name = self.draw_name(rule, suffix, subject, session)
                above = f"sub-{subject}/ses-{session}" if session else f"sub-{subject}"
                for extension in extensions:
                    path = f"{above}/{datatype}/{name}{extension}"
                    if extension == ".json" and self.maybe(0.35):  # higher up, for several files
                        path = "_".join(part for part in name.split("_") if part[:4] not in ("sub-", "ses-")) + ".json"
                    elif self.maybe(self.wrong / 6):
                        path = self.dice.choice(
                            [path.upper(), f"{path}.bak", f"{above}/{name}{extension}", f"x/{name}"]
                        )
                    if extension.endswith("/"):
                        parts = self.dice.choice(_FOLDERS)
                        self.tree |= {f"{path.rstrip('/')}/{part}": self.dice.choice([b"", b"1"]) for part in parts}
                    else:
                        self.tree[path] = self.draw_content(datatype, suffix, extension)

    def add_root(self) -> None:
        described = {
            "Name": "x",
            "BIDSVersion": self.dice.choice(["1.11.1", "1.9.0", "2.0.0"]),
            "DatasetType": self.kind,
        }
        for rule in _rules_about("dataset_metadata", ("raw", "derivative")):
            for key in sorted(rule["fields"].keys() - described.keys() - _FATAL):
                if self.maybe(0.5):
                    described[key] = self.draw_value(self.fields[key])
        self.tree["dataset_description.json"] = json.dumps(described).encode()
        for name in self.dice.choice(
            [["README"], ["README.md"], ["README.rst"], ["README", "README.md"], [], ["readme.md"]]
        ):
            self.tree[name] = self.dice.choice([b"", b"short", b"long text " * 40])
        people = "".join(f"sub-{label}\t{self.dice.choice(['20', 'n/a', '91', 'x'])}\n" for label in self.subjects)
        more = {
            "participants.tsv": f"participant_id\tage\n{people}".encode(),
            "phenotype/test.tsv": b"participant_id\tscore\nsub-01\t1\n",
            "phenotype/test.json": b'{"score": {"Description": "x"}}',
            "stimuli/a.png": b"",
            "CHANGES": b"1.0.0 2020-01-01\n - first\n",
            "extra/notes.docx": b"x",
            "sourcedata/a.dcm": b"",
            ".bidsignore": self.dice.choice([b"*.bak\n", b"extra/\n", b"x\n"]),
        }
        self.tree |= {name: content for name, content in more.items() if self.maybe(0.4)}
