"""Where the brain is, by a network: deepbet (Fisch et al. 2024), which whoever wants it installs.

Its weights come with the package; nothing is downloaded.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from bidsflow.errors import ToolError
from bidsflow_pipelines.engines.images import Mask, Volume, load_volume, resample


def check_network() -> None:
    """Make sure that deepbet is there.

    Raises
    ------
    ToolError
        If it is not installed.
    """
    if find_spec("deepbet") is None:
        raise ToolError("deepbet", "it is not installed", "Install it (pip install 'bidsflow[deepbet]')")


def find_by_network(image: Path, head: Volume) -> Mask:
    """Return the brain of a T1w, with the fluid around it.

    Parameters
    ----------
    image : Path
        The T1w.
    head : Volume
        The same image; the mask is on its grid.
    """
    from deepbet.bet import BrainExtraction

    with TemporaryDirectory(dir=Path.cwd(), prefix="network-") as folder:
        found = Path(folder) / "mask.nii.gz"
        BrainExtraction(no_gpu=True).run(str(image), mask_path=str(found))
        mask = load_volume(found)
    return resample(mask, head.data.shape, head.affine) > 0.5
