"""Exports of the phantom, converted by the real dcm2niix once per dialect."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel as nib
import numpy as np
import pytest

from bidsflow.phantom import DIALECTS, SeriesTruth, Truth, write


@dataclass(frozen=True)
class Converted:
    """One image that dcm2niix made."""

    path: Path
    sidecar: dict[str, Any]

    @property
    def affine(self) -> np.ndarray:
        return nib.load(self.path).affine

    @property
    def data(self) -> np.ndarray:
        return np.asarray(nib.load(self.path).dataobj, dtype=float)

    @property
    def shape(self) -> tuple[int, ...]:
        return nib.load(self.path).shape

    def read_table(self, suffix: str) -> np.ndarray:
        return np.loadtxt(self.path.with_suffix(suffix))


@dataclass(frozen=True)
class Export:
    """An export, its truth and what dcm2niix makes of it."""

    root: Path
    truth: Truth
    images: tuple[Converted, ...]
    log: str

    def of(self, series: SeriesTruth) -> list[Converted]:
        found = [i for i in self.images if i.sidecar["SeriesInstanceUID"] == series.uid]
        return sorted(found, key=lambda i: i.sidecar["EchoTime"])

    def one(self, key: str) -> Converted:
        return self.of(self.truth.find_series(key))[0]


def convert(source: Path, target: Path) -> tuple[tuple[Converted, ...], str]:
    target.mkdir()
    command = [dcm2niix.bin, "-b", "y", "-ba", "n", "-z", "n", "-f", "%s_%d", "-o", target, source]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sidecars = sorted(target.glob("*.json"))
    return tuple(Converted(p.with_suffix(".nii"), json.loads(p.read_text())) for p in sidecars), log


@pytest.fixture(scope="session")
def run_dcm2niix() -> Callable[[Path, Path], tuple[tuple[Converted, ...], str]]:
    return convert


@pytest.fixture(scope="session", params=sorted(DIALECTS))
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Export:
    root = tmp_path_factory.mktemp(request.param)
    truth = write(root / "scan", dialect=request.param, size="tiny")
    images, log = convert(root / "scan" / truth.export, root / "nifti")
    return Export(root / "scan", truth, images, log)
