"""The command line of a BIDS App, made from its declaration: ``bids_dir output_dir analysis_level`` and options.

Options are spelled as BIDS Apps spell them; where they disagree, both spellings work. Values come from the command
line, then from a configuration file, then from the defaults.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from bidsflow.app.choice import to_filters
from bidsflow.app.config import read_config
from bidsflow.app.invocation import Invocation, OutputLayout, Resources, Selection, Value, to_participant
from bidsflow.app.options import CLUSTER, HOW, OPTIONS, both
from bidsflow.app.spec import TYPES, Level, Parameter, Pipeline, parameters
from bidsflow.dataset.origin import name_version
from bidsflow.errors import OptionError, PipelineError
from bidsflow.executors import Request
from bidsflow.executors.amounts import parse_memory
from bidsflow.executors.site import make_request

USAGE = 2
#: How much more memory a task on a cluster is given than the pipeline says it needs: schedulers kill without mercy.
_SPARE = 1.25
#: How BIDS Apps spell the option that names participants; the last is MRIQC's.
LABEL_FLAGS = (*both("participant-label"), "--participant", *both("participant-labels"))
#: Options of bidsflow's apps that mean the same for a BIDS App of others on a cluster, and how they are spelled there:
#: other spellings are the app's own.
_SHARED: Mapping[str, tuple[str, ...]] = {
    "participant_label": LABEL_FLAGS, "force": (), "dry_run": (), "mem": (), "n_cpus": (*both("n-cpus"), "--cpus"),
}  # fmt: skip
_EXIT_CODES = """\
Every option may be spelled with underscores, too: --participant_label.

how the input is checked, before anything runs:
  A dataset-wide file that breaks BIDS stops everybody (65): dataset_description.json, files at the top.
  A file of a participant that breaks BIDS, whose content git-annex has not fetched, or that lacks metadata which the
  pipeline needs, keeps out that participant only (1; 65 where it keeps out everybody who was chosen).
  Files of participants, sessions, tasks and runs that were not chosen do not matter; nor do folders beside theirs.
  --skip-bids-validation leaves out the first and the validator's part of the second.

exit codes:
  0   every participant is done
  1   some participants failed; the others are done
  2   wrong options
  65  the input dataset is invalid, or nobody in it can be used
  70  nothing to do, or a fault of the pipeline itself
  73  the output folder cannot be used
  74  the disk is full, or cannot be written to
  130 stopped by Ctrl-C; the same command goes on from there
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Shows each option once with its value; spellings with underscores work as well and need no room."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        flags = ", ".join(flag for flag in action.option_strings if "_" not in flag)
        value = "" if action.nargs == 0 else f" {self._format_args(action, str(action.dest).upper())}"
        return flags + value


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose mistakes are errors of bidsflow."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{self.prog}: {message}", f"See {self.prog} --help")


def make_parser(pipeline: Pipeline, prog: str) -> argparse.ArgumentParser:
    """Return the parser of a pipeline's command line.

    Parameters
    ----------
    pipeline : Pipeline
        What is declared.
    prog : str
        How the command was called: ``bidsflow run qc`` or ``bidsflow-qc``.
    """
    levels = [level.value for level in pipeline.levels]
    parser = _Parser(
        prog=prog,
        description=pipeline.summary,
        epilog=_EXIT_CODES,
        usage=f"{prog} BIDS_DIR OUTPUT_DIR {' '.join(levels)} [options]".replace("%", "%%"),
        formatter_class=_Formatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("bids_dir", type=Path, help="The folder with dataset_description.json; only read.")
    parser.add_argument("output_dir", type=Path, help="Where derivatives and reports go.")
    parser.add_argument(
        "analysis_level", nargs="+", choices=levels, metavar="analysis_level", help=f"{' and/or '.join(levels)}."
    )
    parser.add_argument("--version", action="version", version=_version(pipeline))
    groups: dict[str, Any] = {}
    for option in (*OPTIONS, *CLUSTER):
        group = groups.setdefault(option.group, parser.add_argument_group(option.group))
        settings = {key: value for key, value in option.settings.items() if key != "default"}
        group.add_argument(*option.flags, dest=option.dest, help=option.help, **settings)
    groups[HOW].add_argument("-v", "--verbose", action="count", help="Say more; -vv says why.")
    groups[HOW].add_argument("-q", "--quiet", action="store_true", help="Say nothing but errors.")
    taken = {name for action in parser._actions for name in (action.dest, *map(_plain, action.option_strings))}
    own = parser.add_argument_group(f"{pipeline.name}")
    for parameter in parameters(pipeline):
        if parameter.name in taken:
            raise PipelineError(pipeline.name, f"parameter {parameter.name}: every pipeline has an option of this name")
        _add_parameter(own, parameter)
    return parser


def _plain(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _version(pipeline: Pipeline) -> str:
    return f"{pipeline.name} {pipeline.version} (bidsflow {name_version()})".replace("%", "%%")


def _add_parameter(group: Any, parameter: Parameter) -> None:
    unit = f" in {parameter.unit}" if parameter.unit else ""
    help_ = parameter.help.replace("%", "%%")
    flags = both(parameter.name.replace("_", "-"))
    if parameter.kind is bool:  # both ways, so that the command line wins over a configuration file
        group.add_argument(*flags, dest=parameter.name, action=argparse.BooleanOptionalAction, help=help_)
        return
    settings: dict[str, Any] = {"choices": list(parameter.choices)} if parameter.choices else {}
    if not parameter.choices:
        settings["metavar"] = {int: "N", float: "X", str: "TEXT"}[parameter.kind]
    default = f"default: {parameter.default}" if parameter.default != "" else ""
    range_ = "; ".join(filter(None, (parameter.bounds, default)))
    shown = f"{help_.rstrip('.')}{unit}{f' ({range_})' if range_ else ''}."
    group.add_argument(*flags, dest=parameter.name, type=_reader(parameter), help=shown, **settings)


def _reader(parameter: Parameter) -> Callable[[str], Value]:
    """Return what reads the value of a parameter from the command line."""

    def read(text: str) -> Value:
        value: Value = parameter.kind(text)
        if parameter.bounds:  # argparse checks the choices, and lists them
            try:
                parameter.check(value)
            except ValueError as error:
                raise argparse.ArgumentTypeError(str(error)) from error
        return value

    read.__name__ = TYPES[parameter.kind]  # argparse says: invalid number value
    return read


def parse(pipeline: Pipeline, arguments: Sequence[str], prog: str) -> Invocation:
    """Return what a command line asks for.

    Raises
    ------
    OptionError
        If an option is wrong; nothing has been done then.
    PipelineError
        If a parameter has the name of an option that every pipeline has.
    """
    given = vars(make_parser(pipeline, prog).parse_args(list(arguments)))
    if (config := given.pop("config", None)) is not None:
        given = {**read_config(config, pipeline), **given}
    return replace(_to_invocation(pipeline, given), prog=prog, arguments=tuple(arguments))


def split_cluster(arguments: Sequence[str], prog: str) -> tuple[dict[str, Any], list[str]]:
    """Return what words say of a cluster and of participants, and the other words, which are an app's own.

    Raises
    ------
    OptionError
        If an option is wrong.
    """
    parser = _Parser(prog=prog, argument_default=argparse.SUPPRESS, allow_abbrev=False, add_help=False)
    for option in (*CLUSTER, *(one for one in OPTIONS if one.dest in _SHARED)):
        flags = _SHARED.get(option.dest, ()) or option.flags
        settings = {key: value for key, value in option.settings.items() if key != "default"}
        parser.add_argument(*flags, dest=option.dest, **settings)
    given, rest = parser.parse_known_args(list(arguments))
    return vars(given), rest


def _to_invocation(pipeline: Pipeline, given: Mapping[str, Any]) -> Invocation:
    levels = tuple(level for level in Level if level.value in given["analysis_level"])
    output = Path(given["output_dir"]).absolute()
    layout = OutputLayout(given.get("output_layout", OutputLayout.BIDS))
    target = output if layout is OutputLayout.BIDS else output / f"bidsflow-{pipeline.name}"
    work = given.get("work_dir") or target / ".bidsflow" / "work"
    request = _request(pipeline, given)
    return Invocation(
        bids_dir=Path(given["bids_dir"]).absolute(),
        output_dir=target,
        levels=levels,
        work_dir=Path(work).absolute(),
        resources=_resources(given),
        selection=_selection(given),
        params={one.name: given.get(one.name, one.default) for one in parameters(pipeline)},
        layout=layout,
        derivatives=_derivatives(given.get("derivatives", ())),
        database_dir=given["bids_database_dir"].absolute() if "bids_database_dir" in given else None,
        skip_validation=given.get("skip_bids_validation", False),
        reports_only=given.get("reports_only", False),
        stop_on_first_crash=given.get("stop_on_first_crash", False),
        write_graph=given.get("write_graph", False),
        monitor=given.get("resource_monitor", False),
        clean_work=given.get("clean_workdir", False),
        force=given.get("force", False),
        dry_run=given.get("dry_run", False),
        request=request,
        per_session=given.get("per") == "session",
        run_name=_run_name(given.get("run_name", "")),
        verbosity=-1 if given.get("quiet") else given.get("verbose") or 0,
    )


def _request(pipeline: Pipeline, given: Mapping[str, Any]) -> Request:
    """Return where to run: what the command line says, else the site profile, else what the pipeline needs."""
    if not any(option.dest in given for option in CLUSTER):
        return Request()
    if given.get("executor", "") in ("", "local") and "site" not in given and "per" in given:
        raise OptionError("--per: only for a cluster", "Give --executor slurm or sge, or a --site")
    names = [option.dest for option in CLUSTER if option.dest != "per"]
    return make_request(
        {name: given[name] for name in (*names, "mem", "n_cpus") if name in given},
        memory_gb=math.ceil(_SPARE * pipeline.memory_gb),
    )


def _run_name(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise OptionError(f"--run-name {text}: write letters, digits, dots, dashes")
    return text


def _selection(given: Mapping[str, Any]) -> Selection:
    labels = {name: tuple(dict.fromkeys(given.get(name, ()))) for name in
              ("participant_label", "exclude_participant_label", "session_label", "task_id", "run_id")}  # fmt: skip
    both = set(labels["participant_label"]) & set(labels["exclude_participant_label"])
    if both:
        raise OptionError(f"{', '.join(sorted(both))}: asked for and left out at once")
    return Selection(
        participants=tuple(map(to_participant, labels["participant_label"])),
        without=tuple(map(to_participant, labels["exclude_participant_label"])),
        sessions=labels["session_label"],
        tasks=labels["task_id"],
        runs=labels["run_id"],
        filters=_read_filters(file) if (file := given.get("bids_filter_file")) else given.get("bids_filters", {}),
    )


def _read_filters(path: Path) -> dict[str, dict[str, object]]:
    try:
        return to_filters(json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_to_object))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: the filter file cannot be read ({error})") from error


def _to_object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object; of two entries with one key, the first would be lost in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = dict.fromkeys(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{', '.join(twice)} stands in it twice")
    return found


def _derivatives(pairs: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for pair in pairs:
        name, sign, path = str(pair).partition("=")
        if not sign or not name or not path:
            raise OptionError(f"--derivatives {pair}: expected NAME=PATH")
        if not Path(path).is_dir():
            raise OptionError(f"--derivatives {pair}: {path} is not a folder")
        found[name] = Path(path).absolute()
    return found


def _resources(given: Mapping[str, Any]) -> Resources:
    n_procs = given.get("n_cpus") or _usable_cpus()
    try:
        memory = parse_memory(given["mem"]) if given.get("mem") else 0.9 * machine_memory()
    except ValueError as error:
        raise OptionError(f"--mem {error}") from None
    return Resources(n_procs, given.get("omp_nthreads") or 0, memory)


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_memory() -> float:
    """Return the memory of this machine, or of the container that this process runs in, in gigabytes."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit) / 1e9) if limit.isdigit() else total
