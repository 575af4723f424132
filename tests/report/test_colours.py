"""Inks can be seen: on their ground, and apart from each other without colour vision."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import numpy as np
import pytest

from bidsflow.report.shapes import HUES

CSS = (resources.files("bidsflow.report") / "templates" / "figures.css").read_text(encoding="utf-8")
GROUNDS = {"light": "#ffffff", "plate": "#000000", "dark": "#172025"}
# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
# Oklab (Ottosson 2020), in which distances are about as seen: to cones, and from their cube roots.
TO_CONES = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970], [0.0883025, 0.2817188, 0.6299787]]
TO_LAB = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937], [0.0259040, 0.7827718, -0.8086758]]


def read_inks(ground: str) -> dict[str, np.ndarray]:
    """Return the linear RGB of each hue; the style sheet has them in the order of GROUNDS."""
    rank = list(GROUNDS).index(ground)
    return {ink.value: to_linear(re.findall(rf"--ink-{ink.value}: (#\w{{6}})", CSS)[rank]) for ink in HUES}


def to_linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def get_contrast(one: np.ndarray, two: np.ndarray) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    low, high = sorted(float(np.dot(c, (0.2126, 0.7152, 0.0722))) for c in (one, two))
    return (high + 0.05) / (low + 0.05)


def to_lab(linear: np.ndarray) -> np.ndarray:
    return np.asarray(np.array(TO_LAB) @ np.cbrt(np.array(TO_CONES) @ np.clip(linear, 0, 1)))


@pytest.mark.parametrize("ground", GROUNDS)
def test_ink_stands_out_from_its_ground(ground: str) -> None:
    ratios = {name: get_contrast(ink, to_linear(GROUNDS[ground])) for name, ink in read_inks(ground).items()}
    assert len(ratios) == 6
    assert min(ratios.values()) >= 3, ratios


@pytest.mark.parametrize("sight", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["all", "no green", "no red"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_inks_differ_for_every_sight(ground: str, sight: np.ndarray) -> None:
    seen = {name: to_lab(np.array(sight) @ ink) for name, ink in read_inks(ground).items()}
    apart = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(seen, 2)}
    assert min(apart.values()) > 0.12, apart
