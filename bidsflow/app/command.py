"""The command line of a BIDS App, made from its declaration: ``bids_dir output_dir analysis_level`` and options.

Options are spelled as BIDS Apps spell them; where they disagree, both spellings work. Values come from the command
line, then from a configuration file, then from the defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from bidsflow import __version__
from bidsflow.app.invocation import (
    Invocation,
    OutputLayout,
    Resources,
    Selection,
    Value,
    parse_memory,
    to_participant,
)
from bidsflow.app.spec import TYPES, Level, Parameter, Pipeline, fits, parameters
from bidsflow.errors import OptionError, PipelineError

USAGE = 2
_EXIT_CODES = """\
Every option may be spelled with underscores, too: --participant_label.

exit codes:
  0   every participant is done
  1   some participants failed; the others are done
  2   wrong options
  65  the input dataset is invalid, or nothing in it can be used
  69  a program is missing: the validator (--skip-bids-validation goes on without it)
  70  nothing to do, or a fault of the pipeline itself
  73  the output folder cannot be used
  74  the disk is full, or cannot be written to
  130 stopped by Ctrl-C; the same command goes on from there
"""


@dataclass(frozen=True, slots=True)
class Option:
    """An option that every pipeline has.

    Attributes
    ----------
    flags : tuple of str
        All spellings, the first is the one that the help and the descriptor name.
    dest : str
        Its name in a configuration file.
    help : str
        One plain sentence.
    settings : mapping
        What argparse is told besides.
    group : str
        Heading in the help.
    """

    flags: tuple[str, ...]
    dest: str
    help: str
    settings: Mapping[str, Any]
    group: str


def _both(name: str) -> tuple[str, ...]:
    """Return an option with dashes and with underscores."""
    dashed, scored = f"--{name}", f"--{name.replace('-', '_')}"
    return (dashed,) if dashed == scored else (dashed, scored)


def _labels(prefix: str) -> dict[str, Any]:
    return {"nargs": "+", "metavar": "LABEL", "type": lambda text: text.removeprefix(prefix), "default": []}


def _path(metavar: str) -> dict[str, Any]:
    return {"metavar": metavar, "type": Path, "default": None}


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


_WHICH, _MACHINE, _HOW = "which data", "how much of the machine", "how to run"
_SWITCH: Mapping[str, Any] = {"action": "store_true"}

OPTIONS: tuple[Option, ...] = (
    Option((*_both("participant-label"), "--participant"), "participant_label",
           "Only these participants, with or without sub-.", _labels("sub-"), _WHICH),
    Option(_both("exclude-participant-label"), "exclude_participant_label",
           "All participants but these.", _labels("sub-"), _WHICH),
    Option((*_both("session-label"), *_both("session-id")), "session_label",
           "Only these sessions, with or without ses-.", _labels("ses-"), _WHICH),
    Option(("-t", *_both("task-id"), *_both("task-label")), "task_id",
           "Only these tasks, with or without task-.", _labels("task-"), _WHICH),
    Option(_both("run-id"), "run_id", "Only these runs.", _labels("run-"), _WHICH),
    Option(_both("bids-filter-file"), "bids_filter_file",
           'A JSON file that chooses images by their entities: {"bold": {"task": "rest"}}.', _path("FILE"), _WHICH),
    Option(("-d", "--derivatives"), "derivatives", "Other derivatives to use.",
           {"nargs": "+", "metavar": "NAME=PATH", "default": []}, _WHICH),
    Option(_both("bids-database-dir"), "bids_database_dir",
           "Where the index of the dataset is kept (default: in the work folder).", _path("DIR"), _WHICH),
    Option(_both("skip-bids-validation"), "skip_bids_validation",
           "Do not validate the input first.", _SWITCH, _WHICH),
    Option((*_both("n-cpus"), "--nprocs", "--nthreads", *_both("n-procs")), "n_cpus",
           "Processors to use in all (default: all that this process may use).",
           {"type": _count, "metavar": "N", "default": None}, _MACHINE),
    Option(_both("omp-nthreads"), "omp_nthreads",
           "Threads that one step may use (default: 1 where several participants run at once, else up to 4).",
           {"type": _count, "metavar": "N", "default": None}, _MACHINE),
    Option(("--mem",), "mem", "Memory to use in all, with its unit: 8G (default: 90 %% of the machine's).",
           {"metavar": "8G", "default": None}, _MACHINE),
    Option(("-w", *_both("work-dir")), "work_dir",
           "Intermediate files (default: in OUTPUT_DIR/.bidsflow/work).", _path("DIR"), _MACHINE),
    Option(_both("clean-workdir"), "clean_workdir",
           "Remove the intermediate files of participants that are done.", _SWITCH, _MACHINE),
    Option(_both("output-layout"), "output_layout",
           "bids: OUTPUT_DIR is the derivative dataset; nested: it stands in a folder of its own below.",
           {"choices": [one.value for one in OutputLayout], "default": OutputLayout.BIDS.value}, _HOW),
    Option(("--config", *_both("config-file")), "config",
           "A TOML file with options by their long names; what stands on the command line wins.", _path("FILE"), _HOW),
    Option(_both("dry-run"), "dry_run", "Say what would be done, and do nothing.", _SWITCH, _HOW),
    Option(("--force",), "force", "Do participants again that are done and unchanged.", _SWITCH, _HOW),
    Option(_both("reports-only"), "reports_only", "Only make the reports again, from what is there.", _SWITCH, _HOW),
    Option(_both("stop-on-first-crash"), "stop_on_first_crash",
           "Stop everything when a participant fails.", _SWITCH, _HOW),
    Option(_both("write-graph"), "write_graph", "Write the graph of steps into logs/.", _SWITCH, _HOW),
    Option(_both("resource-monitor"), "resource_monitor",
           "Let nipype sample memory and processor time while steps run, into the work folder.", _SWITCH, _HOW),
)  # fmt: skip


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
    for option in OPTIONS:
        group = groups.setdefault(option.group, parser.add_argument_group(option.group))
        settings = {key: value for key, value in option.settings.items() if key != "default"}
        group.add_argument(*option.flags, dest=option.dest, help=option.help, **settings)
    groups[_HOW].add_argument("-v", "--verbose", action="count", help="Say more; -vv says why.")
    groups[_HOW].add_argument("-q", "--quiet", action="store_true", help="Say nothing but errors.")
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
    return f"{pipeline.name} {pipeline.version} (bidsflow {__version__})".replace("%", "%%")


def _add_parameter(group: Any, parameter: Parameter) -> None:
    unit = f" in {parameter.unit}" if parameter.unit else ""
    help_ = parameter.help.replace("%", "%%")
    flags = _both(parameter.name.replace("_", "-"))
    if parameter.kind is bool:  # both ways, so that the command line wins over a configuration file
        group.add_argument(*flags, dest=parameter.name, action=argparse.BooleanOptionalAction, help=help_)
        return
    settings: dict[str, Any] = {"choices": list(parameter.choices)} if parameter.choices else {}
    if not parameter.choices:
        settings["metavar"] = {int: "N", float: "X", str: "TEXT"}[parameter.kind]
    default = f" (default: {parameter.default})" if parameter.default != "" else ""
    shown = f"{help_.rstrip('.')}{unit}{default}."
    group.add_argument(*flags, dest=parameter.name, type=parameter.kind, help=shown, **settings)


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
    return _to_filters(json.loads(_text_of(value)))


def _kind_check(parameter: Parameter) -> Callable[[Any], Value]:
    def check(value: Any) -> Value:
        if not fits(value, parameter.kind):
            raise TypeError(f"expected {'an' if parameter.kind is int else 'a'} {TYPES[parameter.kind]}")
        kept: Value = parameter.kind(value)
        if parameter.choices and kept not in parameter.choices:
            raise ValueError(f"choose from {', '.join(parameter.choices)}")
        return kept

    return check


def _to_invocation(pipeline: Pipeline, given: Mapping[str, Any]) -> Invocation:
    levels = tuple(level for level in Level if level.value in given["analysis_level"])
    output = Path(given["output_dir"]).absolute()
    layout = OutputLayout(given.get("output_layout", OutputLayout.BIDS))
    target = output if layout is OutputLayout.BIDS else output / f"bidsflow-{pipeline.name}"
    work = given.get("work_dir") or target / ".bidsflow" / "work"
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
        verbosity=-1 if given.get("quiet") else given.get("verbose") or 0,
    )


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
        return _to_filters(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: the filter file cannot be read ({error})") from error


def _to_filters(content: object) -> dict[str, dict[str, object]]:
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise ValueError("expected {suffix: {entity: value}}")
    return {str(key).lower(): value for key, value in content.items()}


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
