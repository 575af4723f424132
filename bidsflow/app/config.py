"""The effective configuration of a run as TOML, which ``--config`` reads back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from bidsflow import __version__
from bidsflow.app.invocation import Invocation, format_memory
from bidsflow.app.spec import Pipeline


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
