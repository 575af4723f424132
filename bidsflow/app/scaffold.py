"""Write the folder of a new pipeline, which runs as it is."""

from __future__ import annotations

import json
import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from bidsflow.errors import DatasetError, OptionError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: What is made of which template; the name of the package is filled in.
FILES = {
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "README.md.j2",
    "{package}/__init__.py": "declaration.py.j2",
    "{package}/steps.py": "steps.py.j2",
    "{package}/workflow.py": "workflow.py.j2",
    "{package}/report.py": "report.py.j2",
    "tests/test_contract.py": "test_contract.py.j2",
}


def new_pipeline(name: str, into: Path, summary: str = "") -> tuple[Path, ...]:
    """Write the folder of a new pipeline, and return its files.

    Parameters
    ----------
    name : str
        Small letters, digits and dashes.
    into : Path
        The folder to make; must not exist, or be empty.
    summary : str
        One sentence about what it does.

    Raises
    ------
    OptionError
        If the name is none, or Python has a module of this name.
    DatasetError
        If the folder holds something.
    """
    if not _NAME.fullmatch(name):
        raise OptionError(f"{name!r} is no name for a pipeline", "Use small letters, digits and dashes: my-pipeline")
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise DatasetError(str(into), "there is something of this name already", "Choose another name or folder")
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or find_spec(package) is not None:
        raise OptionError(f"Python has something called {package} already", "Choose another name")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bidsflow.app"), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    said = (" ".join(summary.split()).rstrip(".") or "Measure the tissue of anatomical images") + "."
    quoted = json.dumps(said, ensure_ascii=False)  # a string of Python and of TOML as well
    values = {"name": name, "package": package, "folder": into.name, "summary": said, "quoted": quoted}
    written = []
    for target, template in FILES.items():
        path = into / target.format(package=package)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(environment.get_template(template).render(values), encoding="utf-8")
        written.append(path)
    return tuple(written)
