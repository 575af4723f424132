"""What a run leaves beside the derivatives: how it was called, what its processes said, and what failed."""

from __future__ import annotations

import shutil
import subprocess
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.app import derivatives, methods, state
from bidsflow.app.config import format_config
from bidsflow.app.crash import crash_page, refusal_page
from bidsflow.app.faults import Fault
from bidsflow.app.invocation import Invocation
from bidsflow.app.spec import Level, Pipeline
from bidsflow.app.task import Failure, Task
from bidsflow.dataset.describe import to_json
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import commit, locked, staging, write_durably

if TYPE_CHECKING:
    from bidsflow.app.workflow import Flow

_CITATION = "logs/CITATION.md"
#: Bytes at the end of a log that a crash page may show.
END_BYTES = 1 << 15


def write_top(dataset: Dataset, pipeline: Pipeline, call: Invocation, run_id: str) -> None:
    """Write what describes the derivatives as a whole, and how this run was called."""
    files = {
        "dataset_description.json": to_json(
            derivatives.describe_dataset(pipeline, call.bids_dir, dataset.root, call.derivatives)
        ),
        "README.md": derivatives.readme(pipeline),
        ".bidsignore": derivatives.bidsignore(pipeline),
    }
    config = f"logs/{run_id}/config.toml"
    if not (call.run_name and (dataset.root / config).exists()):  # tasks of a cluster share their run
        files[config] = format_config(pipeline, call, run_id)
    _commit_changed(dataset, files)


def write_methods(dataset: Dataset, pipeline: Pipeline, call: Invocation) -> None:
    """Write the methods text of all participants that are done; of this run where none is.

    Of the tasks of a cluster only the first does that, and the group level again: each would read what all have noted.
    """
    if call.run_name and call.levels == (Level.PARTICIPANT,) and (dataset.root / _CITATION).exists():
        return
    settings = state.list_settings(dataset, state.list_finished(dataset))
    text = methods.cohort_text(pipeline, settings or [(methods.describe_setting(pipeline, call.params), ())])
    _commit_changed(dataset, {_CITATION: text})


def _commit_changed(dataset: Dataset, files: Mapping[str, str]) -> None:
    """Bring in texts that are not there yet, or are others."""
    with staging(dataset) as staged:
        tree = staged.tree()
        for name, content in files.items():
            path = dataset.root / name
            if not path.exists() or path.read_text(encoding="utf-8") != content:
                target = tree / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, encoding="utf-8")
        with locked(dataset):
            commit(staged, tree)


def write_graph(flow: Flow, path: Path) -> None:
    """Write the graph of a participant's steps as Graphviz text, drawn where `dot` is installed."""
    edges = [f'  "{one.name}" -> "{two.name}";' for one, two in flow.workflow._graph.edges()]
    text = "\n".join(["digraph {", "  rankdir=LR; node [shape=box];", *edges, "}", ""])
    _write(path, text)
    if (dot := shutil.which("dot")) is not None:
        subprocess.run([dot, "-Tsvg", "-o", str(path.with_suffix(".svg")), str(path)], check=False)


def _log_of(dataset: Dataset, task: Task) -> Path:
    return dataset.root / "logs" / task.run_id / f"{task.title}.log"


def keep_log(dataset: Dataset, task: Task) -> None:
    """Move what the process of a participant printed to the logs; there is none where it never began."""
    target = _log_of(dataset, task)
    if task.log.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(task.log, target)


def _read_end(log: Path) -> str:
    """Return the last lines of a log: a process may print without end, and without lines."""
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - END_BYTES))
        text = stream.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-60:])


def write_crash(dataset: Dataset, task: Task, failures: Sequence[Failure]) -> Path:
    """Write the page of a participant that failed, with the end of its log; return where."""
    html = crash_page(task, failures, _read_end(_log_of(dataset, task)))
    path = dataset.root / "logs" / task.run_id / f"{task.title}_crash.html"
    _write(path, html)
    return path


def write_refusals(
    dataset: Dataset, pipeline: Pipeline, call: Invocation, run_id: str, faults: Sequence[Fault]
) -> tuple[Path, ...]:
    """Write a log and a page for each participant whose files cannot be used, and note it; return the pages."""
    pages = []
    for label in dict.fromkeys(fault.participant for fault in faults):
        own = [fault for fault in faults if fault.participant == label]
        folder = dataset.root / "logs" / run_id
        _write(folder / f"sub-{label}.log", "".join(f"{fault.path}: {fault.reason}\n" for fault in own))
        pages.append(folder / f"sub-{label}_crash.html")
        _write(pages[-1], refusal_page(pipeline, call, run_id, own))
        state.note_failure(dataset, label, f"{own[0].path}: {own[0].reason}", run_id)
    return tuple(pages)


def note_error(dataset: Dataset, name: str, error: Exception) -> Path:
    """Write the traceback of an error into a log, and return where."""
    path = dataset.root / name
    _write(path, "".join(traceback.format_exception(error)))
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, text.encode())
