"""Build the wheel, install it into an empty environment outside of the checkout, and use it as a user would.

Run by ``make package``. Prints a line for each check; ends with 1 when one fails. Leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSIDE = (
    "bidsflow/py.typed",
    "bidsflow_pipelines/py.typed",
    "bidsflow/report/templates/page.html.j2",
    "bidsflow/report/templates/blocks.html.j2",
    "bidsflow/report/templates/style.css",
    "bidsflow/report/templates/script.js",
    "bidsflow/validate/schemas/1.2.7.json.gz",
    "bidsflow/validate/rules/citation-1.2.0.schema.json",
)


class CheckError(Exception):
    """A check has failed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are: all of it temporary.

    Attributes
    ----------
    dist : Path
        Holds the wheel.
    env : Path
        The empty environment.
    work : Path
        Where commands run: neither the checkout nor the environment.
    """

    dist: Path
    env: Path
    work: Path

    @property
    def wheel(self) -> Path:
        """The wheel that was built."""
        return next(self.dist.glob("*.whl"))

    @property
    def bin(self) -> Path:
        """Programs of the environment."""
        return self.env / ("Scripts" if os.name == "nt" else "bin")


def main() -> int:
    """Run all checks in order, for each needs those before it."""
    with tempfile.TemporaryDirectory(prefix="bidsflow-wheel-") as name:
        place = Place(*(Path(name) / part for part in ("dist", "env", "work")))
        place.work.mkdir()
        for title, check in CHECKS:
            start = time.monotonic()
            try:
                said = check(place)
            except (CheckError, OSError) as error:
                print(f"FAILED  {title}: {error}", flush=True)
                return 1
            print(f"ok      {title}: {said} ({time.monotonic() - start:.1f} s)", flush=True)
    return 0


def run(command: Sequence[str | Path], place: Place) -> str:
    """Run a command in the foreign folder and return what it printed; anything but success is a failed check."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    # The programs of the environment and of the system, but not those of the environment that runs this script.
    ours = Path(sys.executable).parent
    path = [part for part in env.get("PATH", "").split(os.pathsep) if part and Path(part).absolute() != ours]
    env |= {"PATH": os.pathsep.join([str(place.bin), *path]), "XDG_CACHE_HOME": str(place.work / "cache")}
    done = subprocess.run(
        [str(part) for part in command], cwd=place.work, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise CheckError(f"{Path(command[0]).name} {command[1]} ended with {done.returncode}\n{words}")
    return done.stdout


def build_wheel(place: Place) -> str:
    """Build the wheel from the checkout."""
    run([sys.executable, "-m", "build", "--wheel", "--outdir", place.dist, ROOT], place)
    found = sorted(path.name for path in place.dist.iterdir())
    if len(found) != 1:
        raise CheckError(f"one wheel was expected, found {found}")
    return f"{found[0]}, {place.wheel.stat().st_size / 1e3:.0f} kB"


def look_inside(place: Place) -> str:
    """Find the package data in the wheel, and nothing that does not belong there."""
    with zipfile.ZipFile(place.wheel) as archive:
        names = archive.namelist()
    if missing := set(INSIDE) - set(names):
        raise CheckError(f"missing: {', '.join(sorted(missing))}")
    tops = {name.split("/")[0] for name in names}
    if strangers := {top for top in tops if top not in ("bidsflow", "bidsflow_pipelines") and ".dist-info" not in top}:
        raise CheckError(f"these do not belong there: {', '.join(sorted(strangers))}")
    return f"{len(INSIDE)} data files among {len(names)}"


def install(place: Place) -> str:
    """Install the wheel into an empty environment."""
    venv.create(place.env, with_pip=True)
    pip = [place.bin / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, f"bidsflow @ {place.wheel.as_uri()}"], place)
    return "without extras"


def ask_for_help(place: Place) -> str:
    """Start the command."""
    said = run([place.bin / "bidsflow", "--help"], place)
    if "convert" not in said:
        raise CheckError(f"help names no command: {said[:200]}")
    return run([place.bin / "bidsflow", "--version"], place).strip()


def import_packages(place: Place) -> str:
    """Import both packages, and make sure that they come from the environment."""
    code = "import bidsflow, bidsflow_pipelines as p; print(bidsflow.__file__); print(p.__file__)"
    files = [Path(line).resolve() for line in run([place.bin / "python", "-c", code], place).splitlines()]
    if not all(place.env.resolve() in file.parents for file in files):
        raise CheckError(f"they come from {', '.join(map(str, files))}")
    return "bidsflow and bidsflow_pipelines come from the environment"


def run_demo(place: Place) -> str:
    """Go the whole way."""
    summary = json.loads(run([place.bin / "bidsflow", "demo", "demo", "--json"], place))
    page = place.work / "demo" / "report.html"
    if not page.is_file() or "</html>" not in page.read_text(encoding="utf-8"):
        raise CheckError("it left no page")
    if summary["failed"] or not summary["written"] or summary["validation"] is None:
        raise CheckError(f"it came to {summary}")
    return f"{summary['written']} images, a page of {page.stat().st_size / 1e6:.1f} MB"


def validate(place: Place) -> str:
    """Validate what the demonstration made."""
    report = json.loads(run([place.bin / "bidsflow", "validate", "demo/bids", "--json"], place))
    errors = [issue["code"] for issue in report["issues"]["issues"] if issue["severity"] == "error"]
    if errors:
        raise CheckError(f"{len(errors)} errors: {', '.join(sorted(set(errors)))}")
    return "0 errors"


CHECKS: tuple[tuple[str, Callable[[Place], str]], ...] = (
    ("build", build_wheel),
    ("contents", look_inside),
    ("install", install),
    ("help", ask_for_help),
    ("import", import_packages),
    ("demo", run_demo),
    ("validate", validate),
)

if __name__ == "__main__":
    sys.exit(main())
