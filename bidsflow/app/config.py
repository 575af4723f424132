"""The effective configuration of a run as TOML: written down for each run, and read again by ``--config``."""

from __future__ import annotations

import argparse
import json
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bidsflow import __version__
from bidsflow.app.choice import to_filters
from bidsflow.app.invocation import Invocation, Value
from bidsflow.app.options import OPTIONS, Option
from bidsflow.app.spec import TYPES, Parameter, Pipeline, fits, parameters
from bidsflow.errors import OptionError
from bidsflow.executors.amounts import format_memory


def format_config(pipeline: Pipeline, call: Invocation, run_id: str) -> str:
    """Return the effective configuration of a run; its tables ``options`` and ``parameters`` can be given again."""
    chosen = call.selection
    options: dict[str, object] = {
        "participant_label": list(chosen.participants),
        "exclude_participant_label": list(chosen.without),
        "session_label": list(chosen.sessions),
        "task_id": list(chosen.tasks),
        "run_id": list(chosen.runs),
        "n_cpus": call.resources.n_procs,
        "omp_nthreads": call.resources.omp_threads,
        "mem": format_memory(call.resources.memory_gb),
        "work_dir": str(call.work_dir),
        "bids_filters": json.dumps(chosen.filters, sort_keys=True) if chosen.filters else [],
        "bids_database_dir": str(call.database_dir) if call.database_dir else [],
        "output_layout": call.layout.value,
        "skip_bids_validation": call.skip_validation,
        "stop_on_first_crash": call.stop_on_first_crash,
        "write_graph": call.write_graph,
        "resource_monitor": call.monitor,
        "clean_workdir": call.clean_work,
        "derivatives": [f"{name}={path}" for name, path in call.derivatives.items()],
    }
    options = {key: value for key, value in options.items() if value not in ([], 0) or value is False}  # said at all
    about: dict[str, object] = {
        "id": run_id,
        "pipeline": pipeline.name,
        "version": pipeline.version,
        "bidsflow": __version__,
        "bids_dir": str(call.bids_dir),
        "output_dir": str(call.output_dir),
        "analysis_level": [level.value for level in call.levels],
        "command": shlex.join((*shlex.split(call.prog), *call.arguments)),
    }
    tables = (("run", about), ("options", options), ("parameters", call.params))
    return "\n".join(_table(name, values) for name, values in tables)


def _table(name: str, values: Mapping[str, object]) -> str:
    return "".join([f"[{name}]\n", *(f"{key} = {_value(value)}\n" for key, value in values.items())])


def _value(value: object) -> str:
    """Return a TOML value; JSON writes strings, numbers, booleans and lists as TOML does, but for DEL and infinity."""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_config(path: Path, pipeline: Pipeline) -> dict[str, Any]:
    """Return the options in a configuration file, by their names.

    Raises
    ------
    OptionError
        If the file cannot be read, or holds what is no option, or a value of the wrong kind.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: the configuration cannot be read ({error})") from error
    checks = {option.dest: _check_of(option) for option in OPTIONS if option.dest != "config"}
    checks |= {one.name: _kind_check(one) for one in parameters(pipeline)}
    checks["bids_filters"] = _check_filters
    read: dict[str, Any] = {}
    for section, entries in content.items():
        for name, value in entries.items() if isinstance(entries, dict) else [(section, entries)]:
            if section == "run":  # what a run noted about itself
                continue
            key = name.replace("-", "_")
            if key not in checks:
                raise OptionError(f"{path}: {name} is no option of {pipeline.name}")
            try:
                read[key] = checks[key](value)
            except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
                raise OptionError(f"{path}: {name} = {value!r} does not fit ({error})") from error
    return read


def _check_of(option: Option) -> Callable[[Any], Any]:
    """Return what turns the value of a configuration file into what the command line would have given."""
    settings = option.settings
    kind = settings.get("type", str)

    def check(value: Any) -> Any:
        if settings.get("action") == "store_true":
            if not isinstance(value, bool):
                raise TypeError("expected true or false")
            return value
        if settings.get("nargs") == "+":
            return [kind(_text_of(one)) for one in (value if isinstance(value, list) else [value])]
        if settings.get("choices") and value not in settings["choices"]:
            raise ValueError(f"choose from {', '.join(settings['choices'])}")
        return kind(value if settings.get("metavar") in ("FILE", "DIR") else _text_of(value))

    return check


def _text_of(value: object) -> str:
    """Return what would stand on the command line."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError("expected a text or a number")
    return str(value)


def _check_filters(value: object) -> dict[str, dict[str, object]]:
    """Return filters that a run has written down as JSON, since TOML has no word for nothing."""
    return to_filters(json.loads(_text_of(value)))


def _kind_check(parameter: Parameter) -> Callable[[Any], Value]:
    def check(value: Any) -> Value:
        if not fits(value, parameter.kind):
            raise TypeError(f"expected {'an' if parameter.kind is int else 'a'} {TYPES[parameter.kind]}")
        kept: Value = parameter.kind(value)
        parameter.check(kept)
        return kept

    return check
