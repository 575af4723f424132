"""Write constraints.txt: the versions that pip chooses today for what images hold. Run by `make constraints`.

Usage: python containers/pin.py PYTHON, which must be of the version that the base image has (3.12).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bidsflow.app.image import BASE, to_constraints

HERE = Path(__file__).resolve().parent


def main(python: str) -> None:
    """Ask pip's resolver, and write what it says; nothing is installed."""
    wanted = BASE.partition(":")[2].partition("-")[0]
    command = ("-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    found = subprocess.run((python, *command), check=True, capture_output=True, text=True).stdout.strip()
    if found != wanted:
        sys.exit(f"{python} is Python {found}, and images have {wanted}: make constraints PIN_PYTHON=python{wanted}")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--dry-run", "--ignore-installed")
    report = subprocess.run(
        (*pip, "--report", "-", f"{HERE.parent}[pipelines]"), check=True, stdout=subprocess.PIPE, text=True
    )
    chosen = [one["metadata"] for one in json.loads(report.stdout)["install"]]
    pins = to_constraints({one["name"]: one["version"] for one in chosen}, without=("bidsflow",))
    head = f"# What images hold, as pip's resolver chose it for Python {wanted}. Written by `make constraints`.\n"
    (HERE / "constraints.txt").write_text(head + pins)


if __name__ == "__main__":
    main(sys.argv[1])
