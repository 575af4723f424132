"""What a run leaves beside the derivatives: how it was called, what its processes said, and what failed."""

from __future__ import annotations

import shutil
import subprocess
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.app import derivatives, methods
from bidsflow.app.config import format_config
from bidsflow.app.crash import crash_page
from bidsflow.app.invocation import Invocation
from bidsflow.app.spec import Pipeline
from bidsflow.app.task import Failure, Task
from bidsflow.dataset.describe import to_json
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import commit, locked, staging, write_durably

if TYPE_CHECKING:
    from bidsflow.app.workflow import Flow

#: Bytes at the end of a log that a crash page may show.
END_BYTES = 1 << 15


def write_top(dataset: Dataset, pipeline: Pipeline, call: Invocation, run_id: str) -> None:
    """Write what describes the derivatives as a whole, and how this run was called."""
    text = methods.methods_text(pipeline, methods.body_of(pipeline, pipeline.params(**call.params)))
    files = {
        "dataset_description.json": to_json(
            derivatives.describe_dataset(pipeline, call.bids_dir, dataset.root, call.derivatives)
        ),
        "README.md": derivatives.readme(pipeline),
        "logs/CITATION.md": text,
        ".bidsignore": derivatives.bidsignore(pipeline),
        f"logs/{run_id}/config.toml": format_config(pipeline, call, run_id),
    }
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
    return dataset.root / "logs" / task.run_id / f"sub-{task.participant.label}.log"


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
    path = dataset.root / "logs" / task.run_id / f"sub-{task.participant.label}_crash.html"
    _write(path, html)
    return path


def note_error(dataset: Dataset, name: str, error: Exception) -> Path:
    """Write the traceback of an error into a log, and return where."""
    path = dataset.root / name
    _write(path, "".join(traceback.format_exception(error)))
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, text.encode())
