"""Identifiers and random streams that depend on the seed and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def make_number(seed: int, *parts: object) -> int:
    """Return a 128-bit number that belongs to a seed and a path of names.

    Examples
    --------
    >>> make_number(0, "a") == make_number(0, "a")
    True
    >>> make_number(0, "a") == make_number(1, "a")
    False
    """
    text = "\x1f".join(str(p) for p in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def make_uid(seed: int, *parts: object) -> str:
    """Return a UID under the root of UUID-derived UIDs, 2.25 (DICOM PS3.5 B.2).

    Examples
    --------
    >>> uid = make_uid(0, "study")
    >>> uid.startswith("2.25.") and len(uid) <= 64
    True
    """
    return f"2.25.{make_number(seed, *parts)}"


def make_rng(seed: int, *parts: object) -> np.random.Generator:
    """Return a random stream of its own for a seed and a path of names."""
    return np.random.default_rng(make_number(seed, *parts))
