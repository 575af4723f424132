"""Whether bidsflow finds in datasets what the reference validator finds, issue by issue.

    python benchmarks/validator_parity.py [DATASET ...] [--below FOLDER ...] [--modes headers,nohdr,recursive,allrows]

Compared are the sorted issues of both: which dataset (the outer one or a derivative), code, subcode, severity and
location, each as often as it was found; with --strict the rule, the line and what is affected as well. What differs is
printed, dataset by dataset and then by code; the last table counts. Ends with 1 if anything differs, or if the
reference has ended without a report: of such a dataset nothing is known.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout, for what the tests compare with

from tests.validate.defects.verdicts import (
    KEYS,
    MODES,
    MORE_KEYS,
    OUR_MODES,
    Finding,
    Verdict,
    ask_ours,
    find_reference,
    read_verdict,
    run_validator,
)

#: How many places of a difference are printed.
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """What both said of one dataset in one mode."""

    dataset: str
    mode: str
    theirs: Verdict
    ours: Verdict

    @property
    def missing(self) -> Counter[Finding]:
        """What only the reference found."""
        return Counter(self.theirs or ()) - Counter(self.ours or ())

    @property
    def extra(self) -> Counter[Finding]:
        """What only we found."""
        return Counter() if self.theirs is None else Counter(self.ours or ()) - Counter(self.theirs)

    @property
    def same(self) -> bool:
        """Whether both found the same; without a report of both, nothing is known."""
        return self.ours is not None and self.ours == self.theirs

    def same_codes(self, severity: str) -> bool:
        """Whether both found the same codes of this severity."""
        if self.ours is None or self.theirs is None:
            return False
        return _codes(self.theirs, severity) == _codes(self.ours, severity)


def _codes(verdict: Sequence[Finding], severity: str) -> set[tuple[str, str]]:
    return {(finding[0], finding[1]) for finding in verdict if finding[3] == severity}


def main() -> int:
    options = parse_options()
    datasets = [*options.datasets, *(one for below in options.below for one in _folders(below))]
    modes = options.modes.split(",")
    keys = MORE_KEYS if options.strict else KEYS
    with tempfile.TemporaryDirectory(prefix="bidsflow-parity-") as temporary:
        cache = options.cache or Path(temporary)
        cache.mkdir(parents=True, exist_ok=True)
        compare = partial(compare_one, ours=options.ours, reference=options.reference, cache=cache, keys=keys)
        tasks = [(dataset, mode) for dataset in datasets for mode in modes]
        with ProcessPoolExecutor(options.jobs) as pool:
            pairs = []
            for pair in pool.map(compare, tasks):
                pairs.append(pair)
                print_pair(pair)
    print_codes(pairs)
    print_table(pairs, modes)
    return int(not all(pair.same for pair in pairs))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n")[2])
    parser.add_argument("datasets", nargs="*", type=Path, metavar="DATASET")
    parser.add_argument("--below", action="append", default=[], type=Path, metavar="FOLDER", help="all datasets in it")
    parser.add_argument("--modes", default="headers", help=f"of {','.join(MODES)}, or several")
    parser.add_argument("--strict", action="store_true", help="compare rule, line and affected files too")
    parser.add_argument("--ours",
        choices=("here", "command", "reference"),
        default="here",
        help="our function, our command in a process of its own, or the reference against itself",
    )  # fmt: skip
    parser.add_argument("--cache", type=Path, help="keep what the reference says here, and take it from here")
    parser.add_argument("--reference", type=Path, default=find_reference(), metavar="PROGRAM")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if unknown := set(options.modes.split(",")) - set(MODES):
        parser.error(f"no mode {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    if options.reference is None:
        parser.error("the reference validator is not installed: pip install 'bidsflow[validate]'")
    if not options.datasets and not options.below:
        parser.error("name a dataset, or a folder of datasets by --below")
    return options


def _folders(below: Path) -> list[Path]:
    return sorted(path for path in below.iterdir() if path.is_dir() and not path.name.startswith("."))


def compare_one(
    task: tuple[Path, str], *, ours: str, reference: Path, cache: Path, keys: Sequence[str]
) -> Pair:  # fmt: skip
    """Ask both about one dataset."""
    root, mode = task
    theirs = ask_cached([str(reference), str(root), "--json", *MODES[mode]], root, cache)
    if ours == "reference":
        document = run_validator([str(reference), str(root), "--json", *MODES[mode]])
    elif ours == "command":
        command = [sys.executable, "-m", "bidsflow", "validate", str(root), "--compat", "--json", *OUR_MODES[mode]]
        document = run_validator(command)
    else:
        document = _ask_here(root, mode)
    read = partial(read_verdict, keys=keys)
    return Pair(root.name, mode, theirs and read(theirs), document and read(document))


def _ask_here(root: Path, mode: str) -> Mapping[str, Any] | None:
    try:
        return ask_ours(root, mode)
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is a difference
        print(f"{root.name} ({mode}): {type(error).__name__}: {error}", file=sys.stderr)
        return None


def ask_cached(command: list[str], root: Path, cache: Path) -> Mapping[str, Any] | None:
    """Return what the reference says; it is asked once for the same files, sizes and times, until it answers.

    The folder counts, too: what is written within one tick of the clock has the same time in all of them.
    """
    program = Path(command[0])
    what = [*command[1:], str(program.resolve()), program.stat().st_mtime_ns, *sorted(_walk(root))]
    kept = cache / f"{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]}.json"
    if kept.exists():
        document: Mapping[str, Any] | None = json.loads(kept.read_bytes())
        if document is not None:
            return document
    document = run_validator(command)
    if document is None:
        return None
    part = kept.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(document))
    part.replace(kept)
    return document


def _walk(root: Path) -> Iterator[str]:
    """Say of each file where it is, how large, and when it was changed; of each link where it points."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118 -- a name need not be UTF-8
            status = os.lstat(path)
            target = os.readlink(path) if os.path.islink(path) else ""  # noqa: PTH114, PTH115
            size = "" if name in folders else f"{status.st_size} {status.st_mtime_ns}"
            yield f"{os.path.relpath(path, root)}\0{size}\0{target}"


# --- what is printed -------------------------------------------------------------------------------------------------


def print_pair(pair: Pair) -> None:
    """Say what differs in one dataset."""
    if pair.same:
        return
    print(f"\n{pair.dataset} ({pair.mode})")
    if pair.ours is None:
        print("  we end without a report")
    if pair.theirs is None:
        print("  the reference ends without a report")
        return
    for title, found in (("missing", pair.missing), ("extra", pair.extra)):
        for kind, places in _by_kind(found).items():
            shown = ", ".join(places[:_EXAMPLES]) + (", ..." if len(places) > _EXAMPLES else "")
            print(f"  {title:8}{len(places):4} {kind}  {shown}")


def _by_kind(found: Counter[Finding]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for dataset, code, subcode, severity, location, *more in sorted(found.elements()):
        kind = " ".join(part for part in (severity, code, subcode) if part)
        kinds.setdefault(kind, []).append(" ".join([dataset + location, *filter(None, more)]) or "(no place)")
    return kinds


def print_codes(pairs: Iterable[Pair]) -> None:
    """Say which codes differ, in how many datasets."""
    missing: defaultdict[str, list[int]] = defaultdict(list)
    extra: defaultdict[str, list[int]] = defaultdict(list)
    for pair in pairs:
        for counts, found in ((missing, pair.missing), (extra, pair.extra)):
            by_code: Counter[str] = Counter()
            for finding, count in found.items():
                by_code[f"{finding[3]} {finding[1]}"] += count
            for code, count in by_code.items():
                counts[code].append(count)
    if not missing and not extra:
        return
    print(f"\n{'':48}{'missing':>16}{'extra':>16}")
    for code in sorted({*missing, *extra}):
        cells = (f"{sum(counts[code])} in {len(counts[code])}" if code in counts else "" for counts in (missing, extra))
        print(f"{code:48}" + "".join(f"{cell:>16}" for cell in cells))


def print_table(pairs: Sequence[Pair], modes: Sequence[str]) -> None:
    """Count."""
    print(f"\n{'mode':12}{'datasets':>10}{'identical':>12}{'error codes':>14}{'warning codes':>16}{'no report':>12}")
    for mode in modes:
        ones = [pair for pair in pairs if pair.mode == mode]
        counts = (
            sum(pair.same for pair in ones),
            sum(pair.same_codes("error") for pair in ones),
            sum(pair.same_codes("warning") for pair in ones),
            sum(pair.theirs is None for pair in ones),
        )
        print(f"{mode:12}{len(ones):>10}" + "".join(f"{n:>{w}}" for n, w in zip(counts, (12, 14, 16, 12), strict=True)))
    print("(no report: of the reference; such a dataset is not compared, and counts as none of the others)")


if __name__ == "__main__":
    sys.exit(main())
