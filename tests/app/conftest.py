"""A pipeline of two steps, datasets of 4 x 4 x 4 voxels, and ways to run the one on the other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsflow.app.command import parse
from bidsflow.app.invocation import Invocation
from bidsflow.app.outcome import Event, Outcome
from bidsflow.app.registry import find_pipeline
from bidsflow.app.run import run
from bidsflow.app.spec import Pipeline

#: What the toy pipeline does; ``trouble`` befalls the participants whom ``who`` names, all where it is empty.
_DECLARATION = """
from dataclasses import dataclass

from bidsflow.app import Citation, Pipeline, Query, param


@dataclass(frozen=True)
class Params:
    factor: float = param(2.0, "What voxels are multiplied by.", unit="a.u.")
    times: int = param(1, "How often they are multiplied.", minimum=1, maximum=99)
    keep_sign: bool = param(True, "Keep the sign of voxels.")
    extra: bool = param(False, "Measure more.")
    method: str = param("mean", "What is measured.", choices=("mean", "median"))
    note: str = param("", "A remark.")
    trouble: str = param("", "What goes wrong.")
    who: str = param("", "For whom it goes wrong.")


PIPELINE = Pipeline(
    name="toy",
    version="1.2.0",
    summary="Multiply images, 100% harmless.",
    params=Params,
    reads=(Query("T1w", "anat"), Query("bold", "func", needs=("RepetitionTime",))),
    workflow="toy_pipeline.workflow:build",
    report="toy_pipeline.report:build",
    group="toy_pipeline.report:gather",
    methods="toy_pipeline.report:describe",
    citations=(Citation("Toy2020", "Toy T. How to multiply. J Toys 1, 2020.", "10.1/toy"),),
    memory_gb=0.5,
    ignore=("*_T1w.json", "*_bold.json"),
)
"""
_STEPS = """
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple


class Scaled(NamedTuple):
    image: Path


class Measured(NamedTuple):
    values: dict[str, Any]


def befall(trouble: str) -> None:
    kind, _, detail = trouble.partition(":")
    if kind == "raise":
        raise ValueError("the toy is broken: " + detail)
    if kind == "fail-or-wait":  # the first participant fails, the others never end
        if "sub-01" in os.getcwd():
            raise ValueError("the first")
        time.sleep(600)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "kill-parent":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    if kind == "print":
        for _ in range(int(detail)):
            print("x" * 999_999)
    if kind == "sleep":
        time.sleep(float(detail))
    if kind == "fork":
        Path(detail).write_text(str(subprocess.Popen(["sleep", "600"]).pid))
        if (pid := os.fork()) == 0:
            time.sleep(600)
            os._exit(0)
        Path(detail).write_text(Path(detail).read_text() + f" {pid}")
    if kind == "wait":
        Path(detail).with_suffix(".here").touch()
        while not Path(detail).exists():
            time.sleep(0.02)


def scale(image: Path, factor: float, trouble: str, threads: int) -> Scaled:
    import nibabel as nib
    import numpy as np

    befall(trouble)
    img = nib.load(image)
    out = Path("scaled.nii.gz").absolute()
    nib.save(nib.Nifti1Image(np.asarray(img.dataobj, np.float32) * factor, img.affine), out)
    return Scaled(out)


def measure(images: tuple[Path, ...], method: str) -> Measured:
    import nibabel as nib
    import numpy as np

    function = getattr(np, method)
    return Measured({"values": [float(function(nib.load(one).get_fdata())) for one in images]})
"""
_WORKFLOW = """
from dataclasses import replace

from toy_pipeline import steps


def build(flow, participant):
    params = flow.params
    trouble = params.trouble if params.who in ("", participant.label) else ""
    for rank, image in enumerate(participant.images, start=1):
        scaled = flow.add(steps.scale, f"scale_{rank}", image=image.path, factor=params.factor, trouble=trouble)
        found = flow.add(
            steps.measure, f"measure_{rank}", images=[scaled["image"], image.path], method=params.method
        )
        name = image.name.with_ext(".nii.gz").with_entity("desc", "scaled")
        more = {"SkullStripped": False, "Factor": params.factor, "Measures": found["values"]}
        flow.keep(name, scaled["image"], sources=(image.uri,), **more)
        flow.keep(image.name.with_ext(".json"), found["values"], sources=(image.uri,))
        flow.keep(f"sub-{participant.label}/figures/{image.name.stem}.json", found["values"])
"""
_REPORT = """
from bidsflow.report.values import Page, Section, Text


def build(results):
    names = ", ".join(path.name for path in results.find("**/*.nii.gz"))
    return Page(f"sub-{results.label}", names, sections=(Section("Methods", (Text(results.methods),)),))


def gather(cohort):
    lines = ["image\\tfactor"]
    for one in cohort.participants():
        for path in one.find("**/*_desc-scaled_*.json"):
            lines.append(f"{path.stem}\\t{one.read_json(path)['Factor']}")
    lines += [f"# {note}" for note in cohort.notes]
    return {"group_toy.tsv": ("\\n".join(lines) + "\\n").encode()}


def describe(params):
    return f"Images were multiplied by {params.factor:g} [@Toy2020]."
"""


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the toy pipeline."""
    folder = tmp_path_factory.mktemp("toy")
    package = folder / "toy_pipeline"
    package.mkdir()
    files = {"__init__": _DECLARATION, "steps": _STEPS, "workflow": _WORKFLOW, "report": _REPORT}
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    return folder


@pytest.fixture(scope="session")
def toy(toy_folder: Path) -> Pipeline:
    return find_pipeline(f"{toy_folder}/")


def write_image(path: Path, *, value: float = 1.0, metadata: Mapping[str, object] | None = None) -> Path:
    """Write an image whose voxels count up from a value, with a sidecar where there is metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (np.arange(64, dtype=np.float32) + value).reshape(4, 4, 4)
    if "_bold" in path.name:
        data = np.stack([data, data + 1], axis=-1)
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    if metadata is not None:
        path.with_name(path.name.partition(".")[0] + ".json").write_text(json.dumps(metadata))
    return path


def make_dataset(root: Path, labels: tuple[str, ...] = ("01", "02")) -> Path:
    """Write a valid dataset: a T1w for each participant."""
    root.mkdir(parents=True)
    description = {"Name": "Toys", "BIDSVersion": "1.10.0", "DatasetType": "raw", "Authors": ["T. Toy"]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "README").write_text("Images of toys, made up for tests. " * 6)
    for rank, label in enumerate(labels):
        write_image(
            root / f"sub-{label}" / "anat" / f"sub-{label}_T1w.nii.gz", value=rank, metadata={"EchoTime": 0.003}
        )
    return root


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "bids")


Call = Callable[..., Invocation]


@pytest.fixture
def call(toy: Pipeline, dataset: Path, tmp_path: Path) -> Call:
    """Return what a command line asks for: the dataset into ``out``, one processor, without validation."""

    def make(*arguments: object, levels: tuple[str, ...] = ("participant",), **changes: object) -> Invocation:
        line = (dataset, tmp_path / "out", *levels, "--skip-bids-validation", "--n-cpus", 1, *arguments)
        return replace(parse(toy, tuple(map(str, line)), "bidsflow run toy"), **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def run_toy(toy: Pipeline, call: Call) -> Callable[..., tuple[Outcome, list[Event]]]:
    """Run the toy pipeline; return what came of it and what was said."""

    def start(*arguments: object, **more: object) -> tuple[Outcome, list[Event]]:
        events: list[Event] = []
        return run(toy, call(*arguments, **more), events.append), events

    return start


@pytest.fixture(scope="session")
def finished(toy: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset ``bids`` and what an undisturbed run made of it, ``out``. Read only: change a copy."""
    folder = tmp_path_factory.mktemp("finished")
    dataset = make_dataset(folder / "bids")
    line = (str(dataset), str(folder / "out"), "participant", "group", "--skip-bids-validation", "--n-cpus", "2")
    outcome = run(toy, parse(toy, line, "bidsflow run toy"))
    assert outcome.exit_code == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished`, to change; modification times are kept."""
    shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"


#: Seconds after which a command that a test has started is ended: it hangs.
PATIENCE = 180.0
Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start the command in a process group of its own; none outlives the test, however that ends."""
    timers: dict[subprocess.Popen[str], threading.Timer] = {}

    def start(folder: Path, *arguments: object, **more: object) -> subprocess.Popen[str]:
        program = (sys.executable, "-m", "bidsflow", "run", f"{folder}/")
        process = subprocess.Popen(
            [*program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True, **more,  # type: ignore[call-overload]
        )  # fmt: skip
        timers[process] = threading.Timer(PATIENCE, process.kill)
        timers[process].start()
        return process

    yield start
    for process, timer in timers.items():
        timer.cancel()
        process.kill()
        process.communicate()


def read_derivatives(root: Path) -> dict[str, bytes]:
    """Return what was made, by path: logs and bidsflow's own files left out."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith((".bidsflow/", "logs/"))}
