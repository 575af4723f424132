"""The table of mutations. Comes in: nothing. Goes out: `MUTATIONS`: a dataset, what is done to it, how to ask."""

from __future__ import annotations

from typing import Final

from tests.validate.defects.change import Mutation, mutation
from tests.validate.defects.datasets import BASES
from tests.validate.defects.mutations import checks, images, kinds, metadata, names, slips, tables

#: The datasets themselves, in all ways of asking that make a difference.
_VALID = tuple(mutation(f"valid_{base}", base, modes=("headers", "nohdr", "recursive")) for base in BASES)

MUTATIONS: Final[tuple[Mutation, ...]] = (
    *_VALID,
    *names.MUTATIONS,
    *metadata.MUTATIONS,
    *tables.MUTATIONS,
    *images.MUTATIONS,
    *checks.MUTATIONS,
    *kinds.MUTATIONS,
    *slips.MUTATIONS,
)
