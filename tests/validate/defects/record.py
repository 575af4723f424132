"""Record what the reference validator says of every dataset of the table, for tests that run without it.

    python -m tests.validate.defects.record [--jobs 2] [--cache FOLDER] [--again 0.1]

Writes ``expected.json``: for each valid dataset all findings, for each mutation those that come and go. Where the
reference ends without a report (it crashes on some of the datasets) there is null.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from tests.validate.defects.change import Mutation
from tests.validate.defects.datasets import BASES
from tests.validate.defects.mutations import MUTATIONS
from tests.validate.defects.tree import digest_tree, write_tree
from tests.validate.defects.verdicts import KEYS, PROGRAM, Finding, Verdict, ask_reference, find_reference

EXPECTED: Final = Path(__file__).with_name("expected.json")

#: Findings by ``dataset|code|severity`` and location: the subcodes, each as often as it was found.
Packed = dict[str, dict[str, list[str]]]


def pack(findings: Iterable[Finding]) -> Packed:
    """Gather findings of one code and place."""
    packed: Packed = {}
    for dataset, code, subcode, severity, location in sorted(findings):
        packed.setdefault(f"{dataset}|{code}|{severity}", {}).setdefault(location, []).append(subcode)
    return packed


def unpack(packed: Mapping[str, Mapping[str, Sequence[str]]]) -> Counter[Finding]:
    """Return the findings again; no code and no dataset of the table has a ``|`` in it."""
    found: Counter[Finding] = Counter()
    for kind, places in packed.items():
        dataset, code, severity = kind.split("|")
        for location, subcodes in places.items():
            found.update((dataset, code, subcode, severity, location) for subcode in subcodes)
    return found


def read_expected(path: Path = EXPECTED) -> dict[str, Any]:
    """Return the record as it was written."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def expected_verdict(record: Mapping[str, Any], mutation: Mutation, mode: str) -> Verdict:
    """Return what the reference said of a dataset in a mode."""
    change = record["mutations"][mutation.name]["verdicts"][mode]
    if change is None:
        return None
    found = unpack(record["bases"][mutation.base])
    found.subtract(unpack(change["-"]))
    found.update(unpack(change["+"]))
    return tuple(sorted(found.elements()))


def ask_all(
    mutations: Sequence[Mutation], program: Path, jobs: int, cache: Path | None = None
) -> list[dict[str, Verdict]]:
    """Return what the reference says of each, by mode, with the rules; answers are kept in the folder `cache`."""
    root = Path(tempfile.mkdtemp(prefix="defects-"))

    def ask(mutation: Mutation) -> dict[str, Verdict]:
        tree = mutation.apply(BASES[mutation.base]())
        kept = cache / f"{digest_tree(tree)}-{'-'.join(mutation.modes)}.json" if cache else None
        if kept and kept.exists():
            return {mode: _verdict(found) for mode, found in json.loads(kept.read_text()).items()}
        folder = write_tree(tree, root / mutation.name)
        try:
            verdicts = {mode: ask_reference(program, folder, mode, (*KEYS, "rule")) for mode in mutation.modes}
        finally:
            shutil.rmtree(folder)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(verdicts))
            part.replace(kept)
        return verdicts

    try:
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(ask, mutations))
    finally:
        shutil.rmtree(root)


def _verdict(found: list[list[str]] | None) -> Verdict:
    return None if found is None else tuple(tuple(finding) for finding in found)


def make_record(mutations: Sequence[Mutation], verdicts: Sequence[Mapping[str, Verdict]]) -> dict[str, Any]:
    """Put the record together: what was found in each, and the rules of the schema that found something in any."""
    rules = {finding[5] for by_mode in verdicts for verdict in by_mode.values() for finding in verdict or ()}
    plain = [{mode: _without_rules(verdict) for mode, verdict in by_mode.items()} for by_mode in verdicts]
    bases = {
        mutation.base: by_mode["headers"]
        for mutation, by_mode in zip(mutations, plain, strict=True)
        if mutation.name == f"valid_{mutation.base}"
    }
    return {
        "reference": f"{PROGRAM} {metadata.version(PROGRAM)}",
        "rules": sorted(rules - {""}),
        "bases": {base: pack(verdict or ()) for base, verdict in bases.items()},
        "mutations": {
            mutation.name: {
                "tree": digest_tree(mutation.apply(BASES[mutation.base]())),
                "verdicts": {mode: _change(bases[mutation.base], verdict) for mode, verdict in by_mode.items()},
            }
            for mutation, by_mode in zip(mutations, plain, strict=True)
        },
    }


def _without_rules(verdict: Verdict) -> Verdict:
    return None if verdict is None else tuple(sorted(finding[:5] for finding in verdict))


def _change(base: Verdict, verdict: Verdict) -> dict[str, Packed] | None:
    if verdict is None:
        return None
    old, new = Counter(base or ()), Counter(verdict)
    return {"+": pack((new - old).elements()), "-": pack((old - new).elements())}


def write_record(record: Mapping[str, Any], path: Path = EXPECTED) -> None:
    """Write the record, one line for each dataset."""

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)

    lines = ["{", f'"reference": {line(record["reference"])},', f'"rules": {line(record["rules"])},']
    for key in ("bases", "mutations"):
        rows = [f"{line(name)}: {line(value)}" for name, value in record[key].items()]
        lines += [f'"{key}": {{', ",\n".join(rows), "}," if key == "bases" else "}"]
    path.write_text("\n".join([*lines, "}"]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="keep answers here, by the digest of the dataset")
    parser.add_argument("--again", type=float, default=0.0, metavar="PART", help="ask this part of them a second time")
    options = parser.parse_args()
    program = find_reference()
    if program is None:
        parser.error(f"{PROGRAM} is not installed")
    verdicts = ask_all(MUTATIONS, program, options.jobs, options.cache)
    chosen = [index for index in range(len(MUTATIONS)) if index / len(MUTATIONS) < options.again]
    for index, second in zip(chosen, ask_all([MUTATIONS[i] for i in chosen], program, options.jobs), strict=True):
        if verdicts[index] != second:
            print("not the same twice:", MUTATIONS[index].name)
    write_record(make_record(MUTATIONS, verdicts))
    crashed = [m.name for m, verdict in zip(MUTATIONS, verdicts, strict=True) if None in verdict.values()]
    print(f"{len(MUTATIONS)} datasets; without a report: {', '.join(crashed) or 'none'}")


if __name__ == "__main__":
    main()
