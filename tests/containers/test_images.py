"""The images as BIDS Apps: anyone runs them, nothing but the output is written, and what they say is true outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bidsflow import __version__
from bidsflow.app.contract import digest_tree

from .conftest import CONVERT, QC, ROOT, STRANGER, Engine, bidsflow, call

pytestmark = pytest.mark.containers
#: Goals, in bytes.
SIZES = {CONVERT: 400e6, QC: 1200e6}
#: What pipelines import while they run; what was left out of the image must not be missed.
IMPORTS = """
import importlib, pkgutil, warnings
warnings.simplefilter("ignore")
import bidsflow, bidsflow_pipelines
for package in (bidsflow, bidsflow_pipelines):
    for one in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not one.name.endswith("__main__"):
            importlib.import_module(one.name)
import ants, bids, dipy.align, dipy.denoise.noise_estimate, dipy.reconst.dti, h5py, matplotlib.pyplot, networkx
import nilearn.image, nilearn.plotting, nipype.interfaces.ants, nipype.pipeline.engine, numpy.testing
import pandas.testing, prov.model, scipy.signal, scipy.stats, SimpleITK, sklearn.cluster, statsmodels.api, trx
matplotlib.pyplot.figure().savefig("/tmp/figure.png")
"""


def run_qc(command: list[str]) -> subprocess.CompletedProcess[str]:
    done = call(command)
    assert done.returncode == 0, done.stderr
    return done


def read_measures(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "sub-01/anat/sub-01_T1w.json").read_text())
    return found


@pytest.fixture(scope="module")
def measured(engine: Engine, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what qc made of the dataset, run by a stranger."""
    folder = tmp_path_factory.mktemp("measured")
    folder.chmod(0o777)
    run_qc(engine.words(QC, "/data", "/out", "participant", binds=(f"{dataset}:/data:ro", f"{folder}:/out")))
    return folder


@pytest.mark.parametrize("image", SIZES)
def test_image_is_small(image: str, engine: Engine) -> None:
    assert int(str(engine.inspect(image)["Size"])) < SIZES[image]


@pytest.mark.parametrize("image", SIZES)
def test_image_holds_no_tools_and_no_leavings(image: str, engine: Engine) -> None:
    places = "/src /wheels ~root/.cache /opt/bidsflow/bin/pip"
    look = f'for one in {places}; do if [ -e "$one" ]; then echo "$one"; fi; done; command -v gcc cc c++ make; true'
    as_root = ("--user", "0:0", "--entrypoint", "sh")  # others may not look into the home of root
    done = call([engine.program, "run", "--rm", *as_root, image, "-c", look])
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("image", SIZES)
def test_version_has_its_revision(image: str, engine: Engine) -> None:
    labels = engine.inspect(image)["Config"]["Labels"]  # type: ignore[index]
    revision = labels["org.opencontainers.image.revision"].replace("-", ".")
    assert revision not in ("", "unknown")
    assert f"{__version__}+g{revision}" in engine.run(image, "--version").stdout


def test_image_says_its_help_when_it_is_told_nothing(engine: Engine) -> None:
    done = engine.run(QC)
    assert done.returncode == 0
    assert "--participant-label" in done.stdout


def test_nothing_is_missed_that_was_left_out(engine: Engine) -> None:
    done = engine.run(QC, "-c", IMPORTS, entry="python")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_threads_are_one_unless_asked(engine: Engine) -> None:
    said = engine.run(QC, entry="env").stdout.splitlines()
    assert {"OMP_NUM_THREADS=1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1", "PYTHONNOUSERSITE=1"} <= set(said)


def test_conversion_by_a_stranger_equals_one_outside(engine: Engine, export: Path, out: Path, tmp_path: Path) -> None:
    done = engine.run(CONVERT, "convert", "/data", "/out", binds=(f"{export}:/data:ro", f"{out}:/out"))
    assert done.returncode == 0, done.stderr
    assert call(bidsflow("convert", export, tmp_path / "there" / "out")).returncode == 0
    there = tmp_path / "there" / "out"
    inside, outside = digest_tree(out), digest_tree(there)
    differing = {name for name in inside.keys() | outside.keys() if inside.get(name) != outside.get(name)}
    assert differing <= {"dataset_description.json", "README"}  # these name the image and the revision
    assert (out / "sub-01").stat().st_uid == STRANGER
    made = json.loads((out / "dataset_description.json").read_text())["GeneratedBy"]
    assert made[0]["Version"].startswith(f"{__version__}+g")
    assert {one["Container"]["Tag"] for one in made} == {CONVERT}


def test_measures_by_a_stranger_equal_those_outside(measured: Path, dataset: Path, tmp_path: Path) -> None:
    """Not to the last digit: outside there may be another Python, with other numerical libraries."""
    out = tmp_path / "out"
    run_qc(bidsflow("run", "qc", dataset, out, "participant"))
    assert digest_tree(measured).keys() == digest_tree(out).keys()
    inside, outside = read_measures(measured), read_measures(out)
    assert inside.keys() == outside.keys()
    numbers = {name: value for name, value in outside.items() if isinstance(value, float)}
    assert len(numbers) > 20
    assert {name: inside[name] for name in numbers} == pytest.approx(numbers, rel=0.01, abs=1e-3, nan_ok=True)


def test_derivatives_name_their_image(measured: Path) -> None:
    made = json.loads((measured / "dataset_description.json").read_text())["GeneratedBy"]
    assert made[0]["Container"] == {"Type": "docker", "Tag": QC}
    assert made[1]["Version"].startswith(f"{__version__}+g")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("/data", "/out", "participant", "--dry-run"), 0),
        (("/data", "/out", "participant", "--none-such"), 2),
        (("/data", "/out", "participant", "--participant-label", "99"), 2),
        (("/nowhere", "/out", "participant"), 65),
        (("/data", "/data/derivatives/qc", "participant"), 73),
    ],
)
def test_exit_codes_are_passed_on(words: tuple[str, ...], code: int, engine: Engine, dataset: Path, out: Path) -> None:
    done = engine.run(QC, *words, binds=(f"{dataset}:/data:ro", f"{out}:/out"))
    assert done.returncode == code, done.stderr


def test_failed_participant_is_exit_code_one(engine: Engine, dataset: Path, out: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    (image,) = broken.glob("sub-01/anat/*_T1w.nii.gz")
    image.write_bytes(image.read_bytes()[:2000])
    command = engine.words(
        QC, "/data", "/out", "participant", "--skip-bids-validation", binds=(f"{broken}:/data:ro", f"{out}:/out")
    )
    assert call(command).returncode == 1


def wait_for(path: Path, pattern: str, process: subprocess.Popen[str], seconds: float = 300) -> None:
    """Wait until a file is there, as long as a process runs."""
    until = time.monotonic() + seconds
    while not any(path.glob(pattern)):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", ["store", "file"])
def test_signal_ends_the_app_inside(
    kind: str, number: signal.Signals, request: pytest.FixtureRequest, engine: Engine, dataset: Path, tmp_path: Path
) -> None:
    """The same command, without its container, ends so: 130, whatever has stopped it."""
    image = QC if kind == "store" else str(request.getfixturevalue("sifs")[QC])
    out = tmp_path / "out"
    process = subprocess.Popen(
        bidsflow("run", "qc", dataset, out, "participant", "--container", image),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(out, ".bidsflow/work/**/*.pklz", process)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted" in said
    assert not list(out.glob("sub-*"))
    assert call(["pgrep", "-f", str(out)]).stdout.split() == []


@pytest.mark.parametrize("kind", ["store", "file"])
def test_wrapped_run_has_true_paths_and_the_same_results(
    kind: str, request: pytest.FixtureRequest, engine: Engine, measured: Path, dataset: Path, place: Path
) -> None:
    """In one image everything is equal to the byte, but for what names paths and the image."""
    image = QC if kind == "store" else str(request.getfixturevalue("sifs")[QC])
    place = place.rename(place.with_name("my data a:b ä"))  # without a comma, at which ANTs splits its own words
    shutil.copytree(dataset, place / "bids")
    (place / "filter.json").write_text('{"t1w": {"suffix": "T1w"}}')
    words = ("--participant-label", "01", "--work-dir", "work", "--bids-filter-file", "filter.json")
    done = call(bidsflow("run", "qc", "bids", "out", "participant", *words, "--container", image), cwd=place)
    assert done.returncode == 0, done.stderr
    assert f"results: {place}/out" in done.stderr
    out = place / "out"
    own = {"dataset_description.json", "README.md", "README"}
    ours, theirs = digest_tree(out), digest_tree(measured)
    assert ours.keys() == theirs.keys()
    names = {name for name in ours if ours[name] != theirs[name]}
    assert {name for name in names if not name.endswith(".html")} <= own
    (run,) = [one.read_text() for one in out.glob("logs/*/*.toml")]
    assert f'command = "bidsflow run qc --container {image} ' in run
    assert f'work_dir = "{place}/work"' in run
    assert (out / "sub-01.html").stat().st_uid == os.getuid()
    made = json.loads((out / "dataset_description.json").read_text())
    assert made["DatasetLinks"] == {"raw": "../bids"}
    tag = QC if kind == "store" else Path(image).name
    assert made["GeneratedBy"][0]["Container"] == {"Type": "docker" if kind == "store" else "apptainer", "Tag": tag}


def test_file_converts_as_the_guides_say(
    sifs: dict[str, Path], apptainer: str, export: Path, out: Path, tmp_path: Path
) -> None:
    binds = ("-B", f"{export}:/data:ro", "-B", f"{out}:/out")
    isolated = (apptainer, "run", "--cleanenv", "--containall", "--no-home", *binds)
    done = call((*isolated, sifs[CONVERT], "convert", "/data", "/out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads((out / "dataset_description.json").read_text())["GeneratedBy"]
    assert made[0]["Container"] == {"Type": "apptainer", "Tag": "bidsflow-convert.sif"}
    assert call((*isolated, sifs[CONVERT], "convert", "/nowhere", "/out")).returncode == 65
    assert call((*isolated, sifs[CONVERT], "convert", "--none-such")).returncode == 2


def test_file_takes_nothing_of_the_users_python(sifs: dict[str, Path], apptainer: str, tmp_path: Path) -> None:
    """Even without --cleanenv, which people forget."""
    (tmp_path / "bidsflow.py").write_text("raise SystemExit('the wrong one')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "bidsflow.py")}
    done = call((apptainer, "run", sifs[CONVERT], "--version"), env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (0, "bidsflow"), done.stderr


def test_definition_is_that_of_the_image(sifs: dict[str, Path], apptainer: str) -> None:
    assert (ROOT / "containers/qc/apptainer.def").read_text().splitlines()[-1].strip() == "bidsflow-qc --version"
    assert call((apptainer, "test", sifs[QC])).stdout.startswith(f"qc {__version__}")
    assert (
        "BIDS" in call((apptainer, "run-help", sifs[QC])).stdout
        or "qc" in call((apptainer, "run-help", sifs[QC])).stdout
    )
