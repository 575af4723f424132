"""The options that every BIDS App has, as values: the command line, its help and the descriptor are made of them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsflow.app.invocation import OutputLayout


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


def both(name: str) -> tuple[str, ...]:
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


WHICH, MACHINE, HOW, WHERE = "which data", "how much of the machine", "how to run", "where to run"
_SWITCH: Mapping[str, Any] = {"action": "store_true"}

OPTIONS: tuple[Option, ...] = (
    Option((*both("participant-label"), "--participant"), "participant_label",
           "Only these participants, with or without sub-.", _labels("sub-"), WHICH),
    Option(both("exclude-participant-label"), "exclude_participant_label",
           "All participants but these.", _labels("sub-"), WHICH),
    Option((*both("session-label"), *both("session-id")), "session_label",
           "Only these sessions, with or without ses-.", _labels("ses-"), WHICH),
    Option(("-t", *both("task-id"), *both("task-label")), "task_id",
           "Only these tasks, with or without task-.", _labels("task-"), WHICH),
    Option(both("run-id"), "run_id", "Only these runs.", _labels("run-"), WHICH),
    Option(both("bids-filter-file"), "bids_filter_file",
           'A JSON file that chooses images by their entities: {"bold": {"task": "rest"}}.', _path("FILE"), WHICH),
    Option(("-d", "--derivatives"), "derivatives", "Other derivatives to use.",
           {"nargs": "+", "metavar": "NAME=PATH", "default": []}, WHICH),
    Option(both("bids-database-dir"), "bids_database_dir",
           "Where the index of the dataset is kept (default: in the work folder).", _path("DIR"), WHICH),
    Option(both("skip-bids-validation"), "skip_bids_validation",
           "Do not validate the input first.", _SWITCH, WHICH),
    Option((*both("n-cpus"), "--cpus", "--nprocs", "--nthreads", *both("n-procs")), "n_cpus",
           "Processors to use in all (default: all that this process may use); on a cluster, of each task.",
           {"type": _count, "metavar": "N", "default": None}, MACHINE),
    Option(both("omp-nthreads"), "omp_nthreads",
           "Threads that one step may use (default: 1 where several participants run at once, else up to 4).",
           {"type": _count, "metavar": "N", "default": None}, MACHINE),
    Option(("--mem",), "mem",
           "Memory to use in all, with its unit: 8G (default: 90 %% of the machine's); on a cluster, for each task.",
           {"metavar": "8G", "default": None}, MACHINE),
    Option(("-w", *both("work-dir")), "work_dir",
           "Intermediate files (default: in OUTPUT_DIR/.bidsflow/work).", _path("DIR"), MACHINE),
    Option(both("clean-workdir"), "clean_workdir",
           "Remove the intermediate files of participants that are done.", _SWITCH, MACHINE),
    Option(both("output-layout"), "output_layout",
           "bids: OUTPUT_DIR is the derivative dataset; nested: it stands in a folder of its own below.",
           {"choices": [one.value for one in OutputLayout], "default": OutputLayout.BIDS.value}, HOW),
    Option(("--config", *both("config-file")), "config",
           "A TOML file with options by their long names; what stands on the command line wins.", _path("FILE"), HOW),
    Option(both("dry-run"), "dry_run", "Say what would be done, and do nothing.", _SWITCH, HOW),
    Option(both("run-name"), "run_name",
           "What this run is called in logs/ (default: after the time).", {"metavar": "NAME", "default": None}, HOW),
    Option(("--force",), "force", "Do participants again that are done and unchanged.", _SWITCH, HOW),
    Option(both("reports-only"), "reports_only", "Only make the reports again, from what is there.", _SWITCH, HOW),
    Option(both("stop-on-first-crash"), "stop_on_first_crash",
           "Stop everything when a participant fails.", _SWITCH, HOW),
    Option(both("write-graph"), "write_graph", "Write the graph of steps into logs/.", _SWITCH, HOW),
    Option(both("resource-monitor"), "resource_monitor",
           "Let nipype sample memory and processor time while steps run, into the work folder.", _SWITCH, HOW),
)  # fmt: skip

#: What a cluster is told; not part of descriptors and configurations, which say what is run and not where.
CLUSTER: tuple[Option, ...] = (
    Option(("--executor",), "executor",
           "local (default), slurm or sge: submit a task for each participant instead of running them here.",
           {"metavar": "NAME"}, WHERE),
    Option(("--site",), "site", "A site profile: NAME.toml in ~/.config/bidsflow/sites, or the path of one.",
           {"metavar": "NAME"}, WHERE),
    Option(("--partition", "--queue"), "partition", "The partition or queue to submit to.", {"metavar": "NAME"}, WHERE),
    Option(("--account",), "account", "The account or project that pays.", {"metavar": "NAME"}, WHERE),
    Option(("--time",), "time", "Time limit of a task: 8h, 90m or 1-12:00:00.", {"metavar": "8h"}, WHERE),
    Option(both("array-limit"), "array_limit", "How many tasks may run at once.",
           {"type": _count, "metavar": "N"}, WHERE),
    Option(("--scratch",), "scratch",
           "Folder on the node's own disk for intermediate files, such as $TMPDIR; removed when a task ends.",
           {"metavar": "DIR"}, WHERE),
    Option(("--setup",), "setup", "A line of shell before the command: 'module load apptainer'; may be repeated.",
           {"metavar": "LINE", "action": "append"}, WHERE),
    Option((*both("submit-extra"), *both("sbatch-extra"), *both("qsub-extra")), "submit_extra",
           "An option for the scheduler as it is: --sbatch-extra=--constraint=avx2; may be repeated.",
           {"metavar": "OPTION", "action": "append"}, WHERE),
    Option(("--per",), "per", "A task for each participant (default), or for each session.",
           {"choices": ["participant", "session"]}, WHERE),
)  # fmt: skip
