"""Real clusters, a pipeline whose steps take orders, and the commands that a user would type.

Everything lies below pytest's own folder (``--basetemp``), which all nodes have to see.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import make_dataset, read_derivatives

#: Seconds until whatever is waited for must have happened.
PATIENCE = 420.0
#: What asks a scheduler whether it is there.
_PROBES = {"slurm": ("sinfo",), "sge": ("qstat",)}

_DECLARATION = """
from dataclasses import dataclass

from bidsflow.app import Pipeline, Query, param


@dataclass(frozen=True)
class Params:
    orders: str = param("", "A folder with an order for a participant, in a file of their label.")


PIPELINE = Pipeline(
    name="drill", version="1.0.0", summary="Do as ordered.", params=Params, reads=(Query("T1w", "anat"),),
    workflow="drill_pipeline.work:build", group="drill_pipeline.work:gather", memory_gb=0.4,
)
"""
_WORK = '''
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple


class Scaled(NamedTuple):
    image: Path


def scale(image: Path, orders: str, label: str) -> Scaled:
    """Do as ordered: ``fail``, ``memory MEGABYTES``, ``wait`` until the order is gone, ``kill``."""
    import nibabel as nib
    import numpy as np

    order = Path(orders, label)
    word, _, detail = order.read_text().partition(" ") if order.exists() else ("", "", "")
    if word == "fail":
        raise ValueError("as ordered")
    if word == "memory":
        ballast = bytearray(int(detail) << 20)
        ballast[:: 4096] = b"x" * len(ballast[:: 4096])
        time.sleep(30)
        raise ValueError("there was memory enough")
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while word == "wait" and order.exists():
        time.sleep(0.2)
    img = nib.load(image)
    out = Path("scaled.nii.gz").absolute()
    nib.save(nib.Nifti1Image(np.asarray(img.dataobj, np.float32) * 2, img.affine), out)
    return Scaled(out)


def build(flow, participant):
    for rank, image in enumerate(participant.images, start=1):
        made = flow.add(scale, f"scale_{rank}", image=image.path, orders=flow.params.orders, label=participant.label)
        flow.keep(image.name.with_entity("desc", "scaled"), made["image"], sources=(image.uri,), SkullStripped=False)


def gather(cohort):
    labels = [one.label for one in cohort.participants()]
    return {"group_drill.tsv": "".join(f"{one}\\n" for one in ["participant", *labels]).encode()}
'''


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out unless they are asked for: a machine may be the login node of somebody's cluster."""
    if "cluster" in config.option.markexpr:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="only by make cluster-test"))


@dataclass(frozen=True)
class Site:
    """A dataset, an output folder and a pipeline on a real cluster.

    Attributes
    ----------
    executor : str
        ``slurm`` or ``sge``.
    root : Path
        Holds ``bids``, ``out``, ``orders`` and the pipeline.
    out : Path
        The output folder.
    """

    executor: str
    root: Path
    out: Path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start bidsflow."""
        return subprocess.Popen(
            [sys.executable, "-m", "bidsflow", *map(str, arguments)], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.root,
        )  # fmt: skip

    def call(self, *arguments: object, codes: tuple[int, ...] = (0,)) -> str:
        """Run bidsflow, and return what it printed."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode in codes, (arguments, process.returncode, out, err)
        return out

    def line(self, out: Path, *levels: str) -> tuple[object, ...]:
        """Return the command line that runs the pipeline into a folder."""
        options = ("--skip-bids-validation", "--orders", self.root / "orders", "--n-cpus", 1)
        return ("run", f"{self.root}/", self.root / "bids", out, *(levels or ("participant",)), *options)

    def submit(self, *options: object, levels: tuple[str, ...] = ()) -> str:
        """Submit the pipeline."""
        return self.call(*self.line(self.out, *levels), "--executor", self.executor, *options)

    def order(self, label: str, order: str) -> None:
        """Order what befalls a participant; ``""`` takes it back."""
        file = self.root / "orders" / label
        file.write_text(order) if order else file.unlink()

    def jobs(self, *options: object) -> dict[str, dict[str, Any]]:
        """Return how tasks stand, by name."""
        said = self.call("jobs", self.out, "--json", *options, codes=(0, 1))
        return {one["name"]: one for one in json.loads(said)["tasks"]}

    def wait(self, fits: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
        """Return how tasks stand as soon as that fits."""
        until = time.monotonic() + PATIENCE
        while True:
            found = self.jobs()
            if fits(found):
                return found
            assert time.monotonic() < until, found
            time.sleep(2)

    def wait_until(self, **phases: str) -> dict[str, dict[str, Any]]:
        """Wait until participants stand as given: ``_01="running"``."""
        return self.wait(lambda found: all(found[f"sub-{key[1:]}"]["phase"] == one for key, one in phases.items()))

    def wait_for_end(self) -> dict[str, dict[str, Any]]:
        """Wait until nothing waits or runs."""
        return self.wait(lambda found: all(one["phase"] in ("done", "failed") for one in found.values()))

    def scripts(self) -> list[Path]:
        """Return the scripts that were written, the oldest first."""
        return sorted((self.out / ".bidsflow" / "jobs").glob("*/run.sh"))

    def submit_by_hand(self, script: Path, count: int) -> None:
        """Submit a script as the comment in it says."""
        words = {"slurm": ["sbatch", f"--array=1-{count}"], "sge": ["qsub", "-t", f"1-{count}"]}[self.executor]
        subprocess.run([*words, script.name], cwd=script.parent, check=True, capture_output=True)

    def cancel_task(self, task: dict[str, Any]) -> None:
        """Cancel one task behind the back of bidsflow."""
        job, index = task["job"][0], task["number"]
        words = {"slurm": ["scancel", f"{job}_{index}"], "sge": ["qdel", job, "-t", str(index)]}[self.executor]
        subprocess.run(words, check=True, capture_output=True)


def obey(name: str, **words: str) -> None:
    """Run the command of an environment variable; skip the test where there is none."""
    command = os.environ.get(name)
    if not command:
        pytest.skip(f"{name} holds no command")
    subprocess.run(shlex.split(command.format(**words)), check=True, capture_output=True, timeout=PATIENCE)


@pytest.fixture(params=sorted(_PROBES))
def executor(request: pytest.FixtureRequest) -> str:
    """A scheduler that answers."""
    words = _PROBES[request.param]
    if shutil.which(words[0]) is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip(f"no {request.param} cluster here: {words[0]} does not answer")
    return str(request.param)


@pytest.fixture
def site(executor: str, tmp_path: Path) -> Site:
    """A site below a folder whose name scripts dislike."""
    root = tmp_path / {"slurm": "é o'clock $HOME", "sge": "é o'clock"}[executor]  # Grid Engine would take $HOME for one
    make_dataset(root / "bids", ("01", "02", "03", "04", "05", "06"))
    package = root / "drill_pipeline"
    package.mkdir()
    (package / "__init__.py").write_text(_DECLARATION)
    (package / "work.py").write_text(_WORK)
    (root / "orders").mkdir()
    return Site(executor, root, root / "out")


def expect_local(site: Site, *levels: str) -> dict[str, bytes]:
    """Return what a run on this machine makes of the same."""
    local = site.root / "local"
    site.call(*site.line(local, *levels))
    return read_derivatives(local)
