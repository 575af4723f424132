"""Run a pipeline on one participant, in a process of its own: ``python -m bidsflow.app TASK``.

A crash, a lack of memory or a hanging library stays within this process. It tells what it does by lines of JSON on
the pipe that `executors.local.EVENTS` names, and brings its derivatives into the output folder in one commit.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidsflow.app import derivatives, methods, provenance, state
from bidsflow.app.provenance import Usage
from bidsflow.app.registry import load
from bidsflow.app.spec import Pipeline
from bidsflow.app.state import Setting
from bidsflow.app.task import RUN_ID, Failure, Task, is_done, read_task
from bidsflow.dataset.origin import name_image
from bidsflow.dataset.write import Staging, commit, locked, staging
from bidsflow.executors.local import EVENTS

if TYPE_CHECKING:
    from bidsflow.app.workflow import Derivative, Flow

#: Tells what happens, as a JSON object.
Tell = Callable[[Mapping[str, object]], None]
#: Characters of an input that are shown.
LONGEST = 1000
#: The job ran, and a step of it failed.
EXIT_FAILED = 1


def run_participant(task: Task, tell: Tell) -> tuple[Failure, ...]:
    """Do everything for one participant, and return what failed; nothing is written then but logs."""
    flow = build_flow(task)
    tell({"event": "steps", "total": len(flow.steps)})
    graph, failures = _execute(task, flow, tell)
    if failures:
        return failures
    usage = tuple(_usage_of(node, task.run_id) for node in graph)
    values = {(node.name, key): value for node in graph for key, value in node.result.outputs.get().items()}
    tell({"event": "writing"})
    _write(task, flow, values, usage)
    return ()


def build_flow(task: Task) -> Flow:
    """Return the workflow of a participant; nothing has run yet."""
    os.environ["NIPYPE_NO_ET"] = os.environ["NO_ET"] = "1"  # else nipype asks the network for a newer version
    from bidsflow.app.workflow import Flow

    name = task.pipeline.name.replace("-", "_")
    flow = Flow(name, task.work, task.params, task.threads, task.invocation.derivatives)
    load(task.pipeline.workflow)(flow, task.participant)
    return flow


def _execute(task: Task, flow: Any, tell: Tell) -> tuple[list[Any], tuple[Failure, ...]]:
    """Run the steps; return the nodes that ran, and what failed."""
    crashed: list[Any] = []
    started: set[str] = set()

    def report(node: Any, status: str) -> None:
        if status == "start":
            started.add(node.name)
        if status == "exception":
            crashed.append(node)
        if status == "end" and task.n_procs == 1 and node.name not in started:
            return  # nipype's Linear says this of what a failure has kept from running
        tell({"event": "step", "step": node.name, "status": status})

    from bidsflow.app.nodes import Pool

    flow.workflow.config["execution"] = settings(task)
    arguments = {
        "n_procs": task.n_procs,
        "memory_gb": task.memory_gb,
        "raise_insufficient": False,
        "status_callback": report,
    }
    try:
        with chdir(task.work):  # nipype's monitor of resources writes where it is
            plugin = Pool(plugin_args=arguments) if task.n_procs > 1 else "Linear"
            graph = flow.workflow.run(plugin=plugin, plugin_args=arguments)
    except Exception:  # nipype raises what it likes
        if not crashed:
            raise
        return [], tuple(map(_failure_of, crashed))
    return list(graph.nodes()), ()


def settings(task: Task) -> dict[str, str]:
    """Return how nipype runs steps: as soon as they are ready, leaving what a second run can use, silently."""
    return {
        "crashdump_dir": str(task.work / "crashes"),
        "crashfile_format": "txt",
        "hash_method": "timestamp",
        "job_finished_timeout": "60",
        "keep_inputs": "true",
        "poll_sleep_duration": "0.02",  # nipype's own two seconds are added to every wave of steps
        "remove_unnecessary_outputs": "false",
        "stop_on_first_crash": str(task.invocation.stop_on_first_crash).lower(),
        "use_relative_paths": "false",
    }


def _failure_of(node: Any) -> Failure:
    result = node.result
    trace = getattr(result.runtime, "traceback", None) if result is not None else None
    trace = trace or getattr(node, "_traceback", None) or "the step ended without a word"
    text = "".join(trace) if isinstance(trace, (list, tuple)) else str(trace)
    given = {key: str(value)[:LONGEST] for key, value in sorted(node.inputs.get().items()) if key != "code"}
    shown = tuple((key, value) for key, value in given.items() if value != "<undefined>")
    return Failure(node.name, shown, text)


def _usage_of(node: Any, run_id: str) -> Usage:
    runtime = node.result.runtime
    return Usage(
        node.name,
        round(float(getattr(runtime, "duration", None) or 0.0), 3),
        round(float(getattr(runtime, "cpu_seconds", None) or 0.0), 3),
        round(float(getattr(runtime, "peak_gb", None) or 0.0), 3),
        getattr(runtime, "run_id", run_id) != run_id,
    )


def _write(task: Task, flow: Flow, values: Mapping[tuple[str, str], Any], usage: tuple[Usage, ...]) -> None:
    """Stage everything of the participant, and bring it into the output folder in one commit."""
    dataset = state.open_derivatives(task.invocation.output_dir)
    label = task.participant.label
    generator = derivatives.name_generator(task.pipeline, task.invocation.params)
    with staging(dataset) as staged:
        tree = staged.tree()
        outputs, sources = {}, {}
        for one in flow.derivatives:
            for path in _stage(tree, one, values, generator):
                name = path.relative_to(tree).as_posix()
                outputs[name] = provenance.digest_file(path)
                sources[name] = one.sources or _images_of(task, flow, one)
        container = name_image()
        record = provenance.record(
            task.pipeline, task.run_id, task.invocation.params, task.inputs, usage, outputs, sources, container
        )
        derivatives.stage_file(tree, f"logs/{task.run_id}/{task.title}.json", record)
        with state.writing(dataset, label):  # of another session of theirs, a task may be at the same point
            gone = _stage_summary(task, staged, tree, outputs)
            with locked(dataset):
                commit(staged, tree, gone)


def _stage_summary(task: Task, staged: Staging, tree: Path, outputs: Collection[str]) -> list[str]:
    """Stage the report and the note of what is done, over all that the participant has; return what goes."""
    dataset, label = staged.dataset, task.participant.label
    before = state.read_marker(dataset, label)
    kept = [name for name in before.files if name not in outputs and (dataset.root / name).is_file()]
    setting = methods.describe_setting(task.pipeline, task.invocation.params)
    marker = state.Marker(task.digest, task.inputs, task.run_id, tuple(sorted(outputs)), setting)
    if task.invocation.selection.leaves_images_out:  # what was made of the others stays, and the report shows it
        marker, gone = marker.add_to(before, kept), []
        view = _look_through(staged.work("view"), tree, [dataset.root / name for name in kept], dataset.root)
    else:
        view, gone = tree, kept
    stage_report(view, task.pipeline, label, setting, into=tree)
    name = str(state.marker_file(dataset, label).relative_to(dataset.root))
    derivatives.stage_file(tree, name, marker.to_plain())
    return gone


def _images_of(task: Task, flow: Flow, one: Derivative) -> tuple[str, ...]:
    """Return the raw images that a derivative was made from, where the pipeline does not say: a figure's, mostly."""
    read = flow.files_of(one.content.step)
    return tuple(image.uri for image in task.participant.images if image.path in read)


def _stage(
    tree: Path, one: Derivative, values: Mapping[tuple[str, str], Any], generator: Mapping[str, Any]
) -> list[Path]:
    """Stage a derivative and its sidecar."""
    from bidsflow.app.kinds import Output, is_file

    def resolve(value: Any) -> Any:
        return values[value.step, value.field] if isinstance(value, Output) else value

    content = resolve(one.content)
    if is_file(one.content.kind) or isinstance(content, str):  # an interface of nipype's own has no annotations
        if content is None:
            return []
        content = Path(content)
    metadata = {key: resolve(value) for key, value in one.metadata.items()}
    aside = derivatives.sidecar_of(one.name)
    if isinstance(content, Path):
        staged = [derivatives.stage_file(tree, one.name, content)]
        if aside:
            staged.append(derivatives.stage_file(tree, aside, derivatives.sidecar(one.sources, metadata, generator)))
        return staged
    described = derivatives.sidecar(one.sources, {**content, **metadata}, generator)
    return [derivatives.stage_file(tree, one.name, described)]


def _look_through(view: Path, tree: Path, kept: Sequence[Path], root: Path) -> Path:
    """Return a folder that shows the derivatives in a tree and those that the dataset keeps, by links."""
    staged = [(path, path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()]
    for path, name in (*staged, *((path, path.relative_to(root)) for path in kept)):
        (view / name).parent.mkdir(parents=True, exist_ok=True)
        (view / name).symlink_to(path)
    return view


def stage_report(source: Path, pipeline: Pipeline, label: str, setting: Setting, *, into: Path) -> None:
    """Stage the report of a participant, made from the derivatives in a folder, as they were made."""
    if not pipeline.report:
        return
    from bidsflow.report.page import render

    text = methods.methods_text(pipeline, setting)
    page = load(pipeline.report)(derivatives.Results(source, label, setting.to_params(pipeline.params), text))
    (into / f"sub-{label}.html").write_text(render(page), encoding="utf-8")


def _open_pipe() -> Tell:
    """Return what writes events to the pipe of the process that started this one; nothing where there is none."""
    number = os.environ.get(EVENTS)
    if not number:
        return lambda event: None
    stream = os.fdopen(int(number), "w", encoding="utf-8", closefd=False)

    def watch() -> None:
        threading.Thread(target=_end_with_reader, args=(int(number),), daemon=True).start()

    watch()
    os.register_at_fork(after_in_child=watch)  # processes of steps: this one may be killed together with the run

    def tell(event: Mapping[str, object]) -> None:
        try:
            stream.write(json.dumps(event) + "\n")
            stream.flush()
        except BrokenPipeError:  # before the one who watches has seen it
            _end_all()

    return tell


def _end_with_reader(pipe: int) -> None:
    """End this process and all of its children when nobody listens any more: the run was killed.

    Its work would be in the way of the run that goes on from there.
    """
    poll = select.poll()
    poll.register(pipe, 0)  # errors and hang-ups are told in any case
    poll.poll()
    _end_all()


def _end_all() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


@contextmanager
def _alone(task: Task, busy: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep other runs from working on this participant; where one does, call `busy` and wait, or raise without it."""
    with (task.work.parent / f"sub-{task.participant.label}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy is None:
                raise
            busy()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clean(task: Task) -> None:
    """Remove what steps have left, so that they run again."""
    shutil.rmtree(task.work, ignore_errors=True)


def clean_work(task: Task) -> None:
    """Remove what the steps of a participant who is done have left, unless another run is at work on it."""
    if not task.work.is_dir():
        return
    try:
        with _alone(task):
            _clean(task)
    except BlockingIOError:
        return


def main() -> int:
    """Run the task that is named on the command line; return the exit code."""
    task = read_task(Path(sys.argv[1]))
    tell = _open_pipe()
    began = time.monotonic()
    _quiet_libraries(task)
    try:
        with _alone(task, busy=lambda: tell({"event": "waiting"})):
            if not task.invocation.force and is_done(task):  # another run has just done it
                return 0
            if task.invocation.force:
                _clean(task)
            task.work.mkdir(parents=True, exist_ok=True)
            failures = run_participant(task, tell)
            if not failures and task.invocation.clean_work:
                _clean(task)
    except Exception as error:  # noqa: BLE001  a pipeline may raise anything; the other participants go on
        failures = (Failure("", (), _format(error)),)
    for failure in failures:
        print(f"failed: {failure.step}\n{failure.trace}", file=sys.stderr)  # noqa: T201  the log of this process
        tell({"event": "failed", "step": failure.step, "inputs": list(failure.inputs), "trace": failure.trace})
    tell({"event": "ended", "seconds": round(time.monotonic() - began, 2)})
    return EXIT_FAILED if failures else 0


def _format(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _quiet_libraries(task: Task) -> None:
    """Keep libraries from asking the network for newer versions, and from writing into the home of the user."""
    os.environ.setdefault("MPLCONFIGDIR", str(task.work.parent / "matplotlib"))
    os.environ["NIPYPE_NO_ET"] = os.environ["NO_ET"] = "1"
    os.environ[RUN_ID] = task.run_id
    from nipype import config

    # Of the whole process ConfigParser keeps them, which takes a % for the beginning of a name; of steps a plain dict.
    escaped = {key: value.replace("%", "%%") for key, value in settings(task).items()}
    config.update_config({"execution": {"check_version": "false", **escaped}})
    if task.invocation.monitor:
        config.enable_resource_monitor()
