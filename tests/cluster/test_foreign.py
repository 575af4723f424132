"""A BIDS App that knows nothing of bidsflow, in an image, for every participant on a real cluster."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bidsflow.errors import ToolError
from bidsflow.executors.container import find_runtime, has_image

from .conftest import Site

pytestmark = pytest.mark.cluster

BASE, IMAGE = "python:3.12-slim", "bidsflow-test-app:1"
_RECIPE = f'FROM {BASE}\nCOPY app.py /app.py\nENTRYPOINT ["python", "/app.py"]\n'
#: Writes into a file that participants share, as many apps do.
_APP = """\
import argparse, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("bids_dir")
parser.add_argument("output_dir")
parser.add_argument("analysis_level", choices=["participant", "group"])
parser.add_argument("--participant-label", "--participant_label", nargs="+", default=[])
parser.add_argument("--nthreads", type=int)
parser.add_argument("--mem-mb", type=int)
parser.add_argument("-w", "--work-dir", required=True)
parser.add_argument("--orders")
asked = parser.parse_args()
out, work = pathlib.Path(asked.output_dir), pathlib.Path(asked.work_dir)
if asked.analysis_level == "group":
    (out / "group.txt").write_text(" ".join(sorted(one.name for one in out.glob("sub-*"))))
    sys.exit()
(label,) = asked.participant_label
order = pathlib.Path(asked.orders, label)
if order.exists() and order.read_text() == "fail":
    sys.exit("as ordered")
while order.exists():
    time.sleep(0.2)
(work / "trace").write_text(label)
(out / f"sub-{label}").mkdir()
(out / f"sub-{label}" / "said.txt").write_text(f"{asked.nthreads} {asked.mem_mb} {work}")
with (out / "shared.txt").open("a") as shared:
    shared.write(f"{label}\\n")
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of Apptainer's with an app."""
    program = shutil.which("apptainer") or shutil.which("singularity") or pytest.skip("apptainer is not here")
    try:
        store = find_runtime(BASE)
    except ToolError as error:
        pytest.skip(str(error))
    if not has_image(store, BASE):
        pytest.skip(f"there is no image {BASE}")
    folder = tmp_path_factory.mktemp("image")
    (folder / "Dockerfile").write_text(_RECIPE)
    (folder / "app.py").write_text(_APP)
    (folder / "app.def").write_text("Bootstrap: docker-archive\nFrom: app.tar\n")
    archive = ["--format", "docker-archive"] if store.program == "podman" else []
    for line in (
        [store.program, "build", "-t", IMAGE, "."],
        [store.program, "save", *archive, "-o", "app.tar", IMAGE],
        [program, "build", "--fakeroot", "--mksquashfs-args", "-comp lz4", "app.sif", "app.def"],
        [store.program, "image", "rm", IMAGE],
    ):
        subprocess.run(line, cwd=folder, check=True, capture_output=True)
    (folder / "app.tar").unlink()
    return folder / "app.sif"


def test_app_of_others_is_retried_to_completion(site: Site, image: Path) -> None:
    for label in ("04", "05", "06"):
        shutil.rmtree(site.root / "bids" / f"sub-{label}")
    site.order("02", "fail")
    site.order("03", "wait")
    line = (
        "run", "theirs", site.root / "bids", site.out, "participant", "group", "--container", image,
        "--executor", site.executor, "--orders", f"{site.root}/orders", "-w", site.root / "steps",
        "--nthreads", 1, "--mem-mb", 1800, "--time", "10m",
    )  # fmt: skip
    assert "sub-01, sub-02, sub-03" in site.call(*line)
    assert "nothing to submit" in site.call(*line[:5], *line[6:], "--participant-label", "01", "03")
    found = site.wait_until(_01="done", _02="failed", _03="running")
    assert (found["sub-02"]["cause"], found["sub-02"]["log_end"][-1]) == ("error", "as ordered")
    assert found["group"]["phase"] == "pending"
    site.cancel_task(found["sub-03"])
    found = site.wait_for_end()
    assert {name: one["phase"] for name, one in found.items()} == {
        "sub-01": "done", "sub-02": "failed", "sub-03": "failed", "group": "done",
    }  # fmt: skip
    assert found["sub-03"]["cause"] in ("cancelled", "killed")
    assert (site.out / "group.txt").read_text() == "sub-01"

    for label in ("02", "03"):
        site.order(label, "")
    site.call("jobs", site.out, "--retry", "--mem", "3G")
    found = site.wait_for_end()
    assert {one["phase"] for one in found.values()} == {"done"}
    assert (site.out / "group.txt").read_text() == "sub-01 sub-02 sub-03"
    said = {label: (site.out / f"sub-{label}" / "said.txt").read_text() for label in ("01", "02")}
    assert said == {"01": f"1 1800 {site.root}/steps/sub-01", "02": f"1 2700 {site.root}/steps/sub-02"}
    assert sorted((site.out / "shared.txt").read_text().split()) == ["01", "02", "03"]
    assert "nothing to submit" in site.call(*line[:5], *line[6:])


def test_scratch_of_an_app_of_others_is_removed(site: Site, image: Path, tmp_path: Path) -> None:
    for label in ("02", "03", "04", "05", "06"):
        shutil.rmtree(site.root / "bids" / f"sub-{label}")
    scratch = tmp_path / "scratch"
    site.call(
        "run", "theirs", site.root / "bids", site.out, "participant", "--container", image, "--executor",
        site.executor, "--orders", f"{site.root}/orders", "--scratch", scratch,
    )  # fmt: skip
    found = site.wait_for_end()
    assert found["sub-01"]["phase"] == "done", found
    assert (site.out / "sub-01" / "said.txt").read_text().split()[-1].startswith(f"{scratch}/bidsflow-")
    assert list(scratch.iterdir()) == []
