"""Slurm: `sbatch` submits, `squeue` says what waits and runs, `sacct` (or `scontrol`, without accounting) what ended.

Source: the manual pages of Slurm 22.05; the tests hold what real clusters printed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bidsflow.errors import ToolError
from bidsflow.executors.ask import Answer, ask, demand, read_ranges
from bidsflow.executors.base import Cause, Dialect, Phase, Request, Sight

#: Where each state of a job stands (squeue(1), "JOB STATE CODES"); a task that is requeued waits again.
_PHASES: Mapping[str, tuple[Phase, Cause]] = {
    "PENDING": (Phase.PENDING, Cause.NONE),
    "REQUEUED": (Phase.PENDING, Cause.NONE),
    "REQUEUE_HOLD": (Phase.PENDING, Cause.NONE),
    "REQUEUE_FED": (Phase.PENDING, Cause.NONE),
    "SPECIAL_EXIT": (Phase.PENDING, Cause.NONE),
    "RESV_DEL_HOLD": (Phase.PENDING, Cause.NONE),
    "CONFIGURING": (Phase.RUNNING, Cause.NONE),
    "RUNNING": (Phase.RUNNING, Cause.NONE),
    "COMPLETING": (Phase.RUNNING, Cause.NONE),
    "SUSPENDED": (Phase.RUNNING, Cause.NONE),
    "STOPPED": (Phase.RUNNING, Cause.NONE),
    "SIGNALING": (Phase.RUNNING, Cause.NONE),
    "STAGE_OUT": (Phase.RUNNING, Cause.NONE),
    "RESIZING": (Phase.RUNNING, Cause.NONE),
    "COMPLETED": (Phase.DONE, Cause.NONE),
    "FAILED": (Phase.FAILED, Cause.ERROR),
    "TIMEOUT": (Phase.FAILED, Cause.TIME),
    "DEADLINE": (Phase.FAILED, Cause.TIME),
    "OUT_OF_MEMORY": (Phase.FAILED, Cause.MEMORY),
    "NODE_FAIL": (Phase.FAILED, Cause.NODE),
    "BOOT_FAIL": (Phase.FAILED, Cause.NODE),
    "CANCELLED": (Phase.FAILED, Cause.CANCELLED),
    "PREEMPTED": (Phase.FAILED, Cause.CANCELLED),
    "REVOKED": (Phase.FAILED, Cause.CANCELLED),
}
#: Reasons for which a job waits for ever.
_NEVER = frozenset((
    "PartitionConfig", "DependencyNeverSatisfied", "PartitionTimeLimit", "PartitionNodeLimit",
    "BadConstraints", "JobHeldAdmin",
))  # fmt: skip
#: What reasons for which a job waits mean (squeue(1), "JOB REASON CODES"); of longer ones, how they begin.
_REASONS: Mapping[str, str] = {
    "Priority": "it waits for its turn",
    "Resources": "it waits for a node with room",
    "Dependency": "it waits for other tasks to end",
    "JobArrayTaskLimit": "it waits for others of its array, as --array-limit says",
    "BeginTime": "it waits until it may begin",
    "JobHeldUser": "it is held back; scontrol release lets it go",
    "JobHeldAdmin": "an administrator holds it back",
    "PartitionTimeLimit": "its time limit is longer than its partition allows",
    "PartitionNodeLimit": "it asks for more nodes than its partition gives",
    "PartitionConfig": "its partition does not allow the request",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is closed",
    "BadConstraints": "no node can meet the request",
    "DependencyNeverSatisfied": "it waits for tasks that will never end as it needs",
    "ReqNodeNotAvail": "the nodes that it needs are down or reserved",
    "NodeDown": "its node is down",
    "Reservation": "it waits for its reservation",
    "Licenses": "it waits for a licence",
    "QOS": "a limit of your quality of service is reached",
    "Assoc": "a limit of your account is reached",
    "Max": "a limit of your account is reached",
}
#: Options that a person gives and that decide where, or what limits hold; then nothing is refused on a guess.
_ELSEWHERE = re.compile(r"(--(qos|partition|clusters?|reservation|nodelist|time|mem)|-[qpMwt])")
_FIELDS = re.compile(r"(\w+)=(\S*)")
_UNITS = {"": 1e-9, "K": 1.024e-6, "M": 1.048576e-3, "G": 1.073741824, "T": 1.099511627776e3}
#: scontrol says so of an array whose tasks are not held apart, and of a job that is none.
_WHOLE = "N/A"


class Slurm:
    """A cluster whose batch system is Slurm."""

    def __init__(self) -> None:
        self._longest: int | None = None

    @property
    def longest_array(self) -> int:
        """The most tasks that one array may have; index 0 counts, and is not used."""
        if self._longest is None:
            found = re.search(r"MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config").out)
            self._longest = max(1, int(found[1]) - 1) if found else 1000
        return self._longest

    def speak(self, name: str, request: Request, count: int = 1) -> Dialect:
        r"""Return how scripts for Slurm begin.

        Examples
        --------
        >>> print(*Slurm().speak("qc", Request(cpus=2, memory_gb=8, minutes=90)).header, sep="\n")
        #SBATCH --job-name=qc
        #SBATCH --output=logs/%A.%a.log
        #SBATCH --open-mode=append
        #SBATCH --requeue
        #SBATCH --ntasks=1
        #SBATCH --cpus-per-task=2
        #SBATCH --mem=8000M
        #SBATCH --time=90
        """
        said = {
            "job-name": name,
            "output": "logs/%A.%a.log",
            "open-mode": "append",
            "ntasks": "1",
            "cpus-per-task": str(request.cpus),
            "mem": f"{math.ceil(1000 * request.memory_gb)}M" if request.memory_gb else "",
            "time": str(request.minutes) if request.minutes else "",
            "partition": request.partition,
            "account": request.account,
        }
        lines = [f"#SBATCH --{key}={value}" for key, value in said.items() if value]
        lines.insert(3, "#SBATCH --requeue")  # a task whose node is lost runs again, also where a site says otherwise
        lines += [f"#SBATCH {one}" for one in request.extra]
        return Dialect(
            tuple(lines),
            f"sbatch {_array(count, request)}",
            "${SLURM_ARRAY_JOB_ID-}",
            "${SLURM_ARRAY_TASK_ID-}",
            "${SLURMD_NODENAME-}",
        )

    def submit(
        self, folder: Path, script: str, count: int, request: Request, *, offset: int = 0, after: Sequence[str] = (),
        overrides: Sequence[str] = (),
    ) -> str:  # fmt: skip
        """Submit an array; see `base.Scheduler`."""
        if any(sign in str(folder) for sign in "%\\"):
            raise ToolError("sbatch", f"{folder}: Slurm replaces % and \\ in paths", "Choose another output folder")
        words = ["sbatch", "--parsable", _array(count, request)]
        if after:  # afterok would wait for ever behind an array of which one task failed
            words.append(f"--dependency=afterany:{':'.join(after)}")
        # sbatch refuses some of that, and lets the rest wait for ever
        if not overrides and not _ELSEWHERE.search(" ".join(request.extra)) and (why := _find_excess(request)):
            raise ToolError("sbatch", why, "Ask for less, or for another partition")
        said = demand(*words, *overrides, script, str(offset), folder=folder)
        found = re.search(r"^(\d+)(?:;\S+)?\Z", said.strip(), re.MULTILINE)
        if found is None:
            raise ToolError("sbatch", f"it did not say under which number: {said.strip()!r}")
        return found[1]

    def look(self, jobs: Sequence[str]) -> dict[tuple[str, int], Sight]:
        """Return what is known of the tasks of arrays; see `base.Scheduler`."""
        wanted = set(jobs)
        queue = demand("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%F|%K|%T|%N|%r|%M")
        found = {key: sight for key, sight in read_queue(queue) if key[0] in wanted}
        past = _ask_accounts(f"--jobs={','.join(jobs)}", "--format=JobID,State,ExitCode,NodeList,ElapsedRaw,MaxRSS")
        if past.code == 0:
            return {**read_accounts(past.out), **found}
        ended: dict[tuple[str, int], Sight] = {}
        for job in jobs:  # no accounting: what the controller still remembers
            answer = ask("scontrol", "--oneliner", "show", "job", job)
            if answer.code == 0:
                ended |= read_controller(answer.out)
            elif "Invalid job id" not in answer.err:
                raise ToolError("scontrol", answer.complaint)
        return {**ended, **found}

    def find(self, name: str) -> tuple[str, ...]:
        """Return the ids of the arrays of a name; see `base.Scheduler`."""
        queue = demand("squeue", "--noheader", "--states=all", f"--user={os.getuid()}", f"--name={name}",
                       "--format=%F")  # fmt: skip
        past = _ask_accounts("--allocations", "--starttime=now-30days", f"--name={name}", "--format=JobID")
        ids = {line.strip().partition("_")[0] for line in (queue + past.out).splitlines()}
        return tuple(sorted((one for one in ids if one.isdecimal()), key=int))

    def cancel(self, jobs: Sequence[str]) -> None:
        """Cancel arrays; see `base.Scheduler`."""
        demand("scancel", *jobs)


def _ask_accounts(*words: str) -> Answer:
    """Return what sacct says; it fails where the cluster keeps no accounts, and need not be installed there."""
    try:
        return ask("sacct", "--noheader", "--parsable2", *words)
    except ToolError as error:
        return Answer(1, "", error.reason)


def _array(count: int, request: Request) -> str:
    return f"--array=1-{count}" + (f"%{request.array_limit}" if request.array_limit else "")


def _find_excess(request: Request) -> str:
    """Return what of a request its partition has nowhere, ``""`` where nobody can say."""
    try:
        answer = ask("sinfo", "--noheader", "--exact", "--format=%P|%m|%c|%l")
    except ToolError:
        return ""
    return find_excess(request, answer.out)


def find_excess(request: Request, text: str) -> str:
    """Return what of a request no node has, or which limit it is over, by what sinfo says of partitions.

    Where none is named any may be meant: a site may choose by itself.

    Examples
    --------
    >>> find_excess(Request(memory_gb=500), "main*|4000|2|infinite")
    'no node of any partition has 500 GB: the largest has 4 GB'
    >>> find_excess(Request(minutes=90, partition="short"), "short|4000|2|1:00:00")
    'no task of partition short may run for 90 min: the limit is 60 min'
    """
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 3]
    names = request.partition.split(",") if request.partition else []
    own = [row for row in rows if not names or row[0].rstrip("*") in names]
    if not own:
        return ""
    where = f"partition {' or '.join(names)}" if names else "any partition"
    nodes = [(_read_count(row[1]), _read_count(row[2])) for row in own]
    most_memory, most_cpus = max(one for one, _ in nodes), max(one for _, one in nodes)
    asked = math.ceil(1000 * request.memory_gb)
    if asked > most_memory:
        return f"no node of {where} has {request.memory_gb:g} GB: the largest has {most_memory / 1000:g} GB"
    if request.cpus > most_cpus:
        return f"no node of {where} has {request.cpus} processors: the largest has {most_cpus}"
    if not any(memory >= asked and cpus >= request.cpus for memory, cpus in nodes):
        return f"no node of {where} has both {request.cpus} processors and {request.memory_gb:g} GB"
    limits = [_read_elapsed(row[3]) / 60 for row in own]
    if all(limits) and request.minutes > max(limits):
        return f"no task of {where} may run for {request.minutes} min: the limit is {max(limits):.0f} min"
    return ""


def _read_count(text: str) -> int:
    digits = text.rstrip("+")
    return int(digits) if digits.isdecimal() else 0


def explain_reason(reason: str) -> str:
    """Return why a job waits in plain words, with Slurm's own.

    Examples
    --------
    >>> explain_reason("AssocGrpCpuLimit"), explain_reason("Prolog"), explain_reason("None")
    ('a limit of your account is reached (AssocGrpCpuLimit)', 'Prolog', '')
    """
    word = reason.partition(",")[0]
    plain = _REASONS.get(word) or next((said for start, said in _REASONS.items() if word.startswith(start)), "")
    return f"{plain} ({reason})" if plain else reason.replace("None", "")


def read_queue(text: str) -> Iterable[tuple[tuple[str, int], Sight]]:
    """Yield what squeue says of tasks."""
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != 6 or not fields[1].isdecimal():
            continue
        job, index, state, node, reason, elapsed = fields
        phase, cause = _judge(state)
        if phase is Phase.PENDING and reason in _NEVER:
            phase, cause = Phase.FAILED, Cause.BLOCKED
        said = explain_reason(reason) if phase is Phase.PENDING or cause is Cause.BLOCKED else state
        yield (job, int(index)), Sight(phase, cause, said, node, _read_elapsed(elapsed))


def read_accounts(text: str) -> dict[tuple[str, int], Sight]:
    """Return what sacct says of tasks: a line for each, and one for each step, which knows the memory."""
    found: dict[tuple[str, int], Sight] = {}
    peaks: dict[tuple[str, int], float] = {}
    for line in text.splitlines():
        fields = line.split("|")
        waiting = re.fullmatch(r"(\d+)_\[([\d,:-]+)(?:%\d+)?\]", fields[0])
        if waiting and len(fields) == 6 and _judge(fields[1])[0] is Phase.FAILED:  # they will not begin any more
            phase, cause = _judge(fields[1])
            ended = Sight(phase, cause, fields[1].partition(" ")[0])
            found |= {(waiting[1], index): ended for index in read_ranges(waiting[2])}
        match = re.fullmatch(r"(\d+)_(\d+)(\.\w+)?", fields[0])
        if match is None or len(fields) != 6:
            continue  # tasks that wait: squeue knows them one by one
        key = match[1], int(match[2])
        peaks[key] = max(peaks.get(key, 0.0), _read_memory(fields[5]))
        if not match[3]:
            phase, cause = _judge(fields[1], fields[2])
            seconds = float(fields[4]) if fields[4].isdecimal() else 0.0
            found[key] = Sight(phase, cause, fields[1].partition(" ")[0], _clean_node(fields[3]), seconds)
    return {
        key: Sight(one.phase, one.cause, one.said, one.node, one.seconds, peaks.get(key, 0.0))
        for key, one in found.items()
    }


def read_controller(text: str) -> dict[tuple[str, int], Sight]:
    """Return what ``scontrol --oneliner show job`` says of tasks."""
    found = {}
    for line in text.splitlines():
        fields = dict(_FIELDS.findall(line))
        index = fields.get("ArrayTaskId", _WHOLE)
        if not index.isdecimal():
            continue
        phase, cause = _judge(fields.get("JobState", ""), fields.get("ExitCode", ""), fields.get("Reason", ""))
        found[fields["ArrayJobId"], int(index)] = Sight(
            phase, cause, fields.get("JobState", ""), _clean_node(fields.get("NodeList", "")),
            _read_elapsed(fields.get("RunTime", "")),
        )  # fmt: skip
    return found


def _judge(state: str, code: str = "", reason: str = "") -> tuple[Phase, Cause]:
    """Return where a state stands (``CANCELLED by 1000``, ``CANCELLED+``); what is not known may yet run."""
    word = state.partition(" ")[0].rstrip("+")
    phase, cause = _PHASES.get(word, (Phase.RUNNING, Cause.NONE))
    if cause is Cause.ERROR and (code.endswith(":9") or reason == "OutOfMemory" or code.startswith("137:")):
        return phase, Cause.KILLED  # without cgroups Slurm kills for memory, and calls it a failure by signal 9
    return phase, cause


def _clean_node(text: str) -> str:
    return "" if text in ("None assigned", "(null)", "None") else text


def _read_elapsed(text: str) -> float:
    """Return seconds: ``1-02:03:04``, ``3:04``.

    Examples
    --------
    >>> _read_elapsed("1-00:00:10"), _read_elapsed("2:05"), _read_elapsed("INVALID")
    (86410.0, 125.0, 0.0)
    """
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(one.isdecimal() for one in parts) or (dash and not days.isdecimal()):
        return 0.0
    seconds = 0
    for one in parts:
        seconds = 60 * seconds + int(one)
    return float(seconds + (86400 * int(days) if dash else 0))


def _read_memory(text: str) -> float:
    """Return gigabytes: ``600M``, ``1234K``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    return float(match[1]) * _UNITS[match[2]] if match else 0.0
