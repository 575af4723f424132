"""Ask dcm2niix for a second opinion on the series that headers and words leave open."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bidsflow.convert.dcm2niix import Dcm2niix, find_program, link_series
from bidsflow.convert.naming.guess import Guess, read_guess
from bidsflow.dicom.series import Series
from bidsflow.errors import ConversionError


def ask_dcm2niix(series: Sequence[Series], jobs: int = 1) -> dict[str, Guess]:
    """Return dcm2niix's guess at each series by SeriesInstanceUID; none for those that it refuses.

    Sidecars are written to a temporary folder, no images.

    Parameters
    ----------
    series : sequence of Series
        Those that are open; see `planner.undecided`.
    jobs : int
        Series that are looked at at the same time.
    """
    if not series:
        return {}
    tool = Dcm2niix(find_program())
    folder = Path(tempfile.mkdtemp(prefix="bidsflow-"))
    try:
        with ThreadPoolExecutor(jobs) as pool:
            guesses = pool.map(lambda pair: _ask(tool, pair[1], folder / str(pair[0])), enumerate(series))
            return {one.uid: guess for one, guess in zip(series, guesses, strict=True) if guess is not None}
    except BaseException:
        tool.stop()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(tool: Dcm2niix, series: Series, folder: Path) -> Guess | None:
    source, target = folder / "in", folder / "out"
    source.mkdir(parents=True)
    target.mkdir()
    try:
        link_series(series.instances, source)
        outputs = tool.run(series, source, target, sidecars_only=True)
    except (ConversionError, OSError):
        return None
    return read_guess(outputs[0].sidecar)
