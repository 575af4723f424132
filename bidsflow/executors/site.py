"""What a cluster is told by default: a site profile in TOML, written once for all.

    # ~/.config/bidsflow/sites/mylab.toml
    executor = "slurm"
    partition = "standard"
    time = "8h"
    scratch = "$TMPDIR"
    setup = ["module load apptainer"]

``--site mylab`` reads it; where the folder holds ``default.toml``, that is read whenever an executor is asked for.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bidsflow.errors import OptionError
from bidsflow.executors.amounts import parse_memory, parse_time
from bidsflow.executors.base import Request

_DEFAULT = "default"


def site_folder() -> Path:
    """Return where site profiles are: below ``$XDG_CONFIG_HOME``, or ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else Path.home() / ".config") / "bidsflow" / "sites"


#: Options of a command line that are fields of `Request` by other names, or by the same.
_FIELDS = {
    "executor": "executor", "partition": "partition", "account": "account", "array_limit": "array_limit",
    "scratch": "scratch", "n_cpus": "cpus", "setup": "setup",
}  # fmt: skip


def make_request(given: Mapping[str, Any], memory_gb: float) -> Request:
    """Return what a command line asks of a cluster; the site profile says the rest.

    Parameters
    ----------
    given : mapping
        ``executor``, ``site``, ``partition``, ``account``, ``time``, ``mem``, ``n_cpus``, ``array_limit``, ``scratch``,
        ``setup`` and ``submit_extra``, so far as they were given.
    memory_gb : float
        Memory of a task where nobody says anything.

    Raises
    ------
    OptionError
        If something cannot be meant.
    """
    said = read_site(str(given.get("site") or ""))
    for name, field in _FIELDS.items():
        if given.get(name):
            said[field] = tuple(given[name]) if name == "setup" else given[name]
    said["extra"] = (*said.get("extra", ()), *(given.get("submit_extra") or ()))
    for name, field, parse in (("time", "minutes", parse_time), ("mem", "memory_gb", parse_memory)):
        if given.get(name):
            try:
                said[field] = parse(given[name])
            except ValueError as error:
                raise OptionError(f"--{name} {error}") from None
    request = Request(**said)
    if given.get("site") and request.executor == "local" and given.get("executor") != "local":
        raise OptionError(f"--site {given['site']}: the profile names no cluster", 'Write executor = "slurm" into it')
    useless = [f"--{name.replace('_', '-')}" for name in given
               if given[name] and name not in ("executor", "site", "mem", "n_cpus")]  # fmt: skip
    if request.executor == "local" and useless:
        raise OptionError(f"{', '.join(useless)}: only for a cluster", "Give --executor slurm or sge, or a --site")
    return request if request.memory_gb else dataclasses.replace(request, memory_gb=memory_gb)


def read_site(name: str) -> dict[str, Any]:
    """Return the settings of a site profile, by the names of the fields of `Request`.

    Parameters
    ----------
    name : str
        Of a profile, or the path of one; ``""`` for the default one, which need not be there.

    Raises
    ------
    OptionError
        If there is none, or it holds what is no setting.
    """
    is_path = name.endswith(".toml") or "/" in name
    path = Path(name) if is_path else site_folder() / f"{name or _DEFAULT}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not name:
            return {}
        known = sorted(one.stem for one in site_folder().glob("*.toml"))
        hint = f"There are {', '.join(known)}" if known else f"Write {path}; docs/hpc.md shows one"
        raise OptionError(f"{path}: there is no such site profile", hint) from error
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: the site profile cannot be read ({error})") from error
    return _check(path, content)


_KINDS: Mapping[type, str] = {
    list: "a list of texts", str: "a text", int: "a whole number of at least 1", bool: "true or false",
}  # fmt: skip


def _check(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {one.name: type(one.default) for one in dataclasses.fields(Request)}
    kinds = {key: kind for key, kind in kinds.items() if key not in ("memory_gb", "minutes")} | {
        "mem": str,
        "time": str,
    }
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key not in kinds:
            raise OptionError(f"{path}: {key} is no setting of a site", f"There are {', '.join(sorted(kinds))}")
        wanted: Any = list if kinds[key] is tuple else kinds[key]
        if not _fits(value, wanted):
            said = {list: "a list of texts", str: "a text", int: "a whole number of at least 1", bool: "true or false"}[
                wanted
            ]
            raise OptionError(f"{path}: {key} must be {said}, not {value!r}")
        try:
            if key == "time":
                found["minutes"] = parse_time(value)
            elif key == "mem":
                found["memory_gb"] = parse_memory(value)
            else:
                found[key] = tuple(value) if wanted is list else value
        except ValueError as error:
            raise OptionError(f"{path}: {key} {error}") from None
    return found


def _fits(value: object, wanted: type) -> bool:
    if isinstance(value, list):
        return wanted is list and all(isinstance(one, str) for one in value)
    if isinstance(value, bool):
        return wanted is bool
    if isinstance(value, int):
        return wanted is int and value > 0
    return isinstance(value, wanted)
