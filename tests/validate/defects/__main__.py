"""Write datasets below a folder: ``python -m tests.validate.defects FOLDER [--only PATTERN | --drawn N --seed S]``."""

from __future__ import annotations

import argparse
import fnmatch
import random
from pathlib import Path

from tests.validate.defects.datasets import BASES
from tests.validate.defects.drawn import draw_dataset
from tests.validate.defects.mutations import MUTATIONS
from tests.validate.defects.spoilt import spoil_dataset
from tests.validate.defects.tree import write_tree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of their names: 'tsv_*'")
    parser.add_argument("--mode", help="those that are to be validated in this mode")
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="instead, N datasets drawn from the schema")
    parser.add_argument(
        "--spoil", type=Path, action="append", default=[], metavar="FOLDER",
        help="make them of the datasets in a folder, by a defect or two, rather than from the schema",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="draw again what was drawn with this seed; by default another one")
    options = parser.parse_args()
    if options.drawn:
        first = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
        seeds = range(first, first + options.drawn)
        real = sorted(
            path for below in options.spoil for path in below.iterdir() if path.is_dir() and path.name[0] != "."
        )
        for seed in seeds if real else ():
            source = random.Random(seed).choice(real)
            write_tree(spoil_dataset(source, seed), options.folder / f"{source.name}_{seed}")
        for seed in () if real else seeds:
            write_tree(draw_dataset(seed), options.folder / f"drawn_{seed}")
        print(f"{options.drawn} datasets drawn below {options.folder}; again: --drawn {options.drawn} --seed {first}")
        return
    trees = {base: make() for base, make in BASES.items()}
    chosen = [m for m in MUTATIONS if fnmatch.fnmatch(m.name, options.only) and (options.mode or m.modes[0]) in m.modes]
    for mutation in chosen:
        write_tree(mutation.apply(trees[mutation.base]), options.folder / mutation.name)
    print(f"{len(chosen)} datasets below {options.folder}")


if __name__ == "__main__":
    main()
