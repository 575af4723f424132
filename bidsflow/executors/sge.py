"""Grid Engine (SGE, Son of Grid Engine, UGE): `qsub` submits, `qstat` says what waits and runs, `qacct` what ended.

Source: the manual pages of Son of Grid Engine 8.1.9; the tests hold what a real cluster printed.
"""

from __future__ import annotations

import math
import os
import pwd
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bidsflow.errors import ToolError
from bidsflow.executors.ask import Answer, ask, demand, read_ranges
from bidsflow.executors.base import Cause, Dialect, Phase, Request, Sight

#: ``failed`` of qacct for a task that ran into a limit, of time or of memory (accounting(5), sge_diagnostics(1)).
_LIMIT = 37
#: ``failed`` of those that a signal has ended.
_SIGNALLED = 100
#: ``failed`` of those whose node was rebooted or lost (7: before the prolog, 19: no exit status, 21: not recognized).
_NODE = frozenset((7, 19, 21, 24))
#: What states of tasks mean that have not begun (qstat(1)).
_STATES = {
    "qw": "it waits for room", "hqw": "it waits for other tasks to end, or is held back",
    "Eqw": "it could not be started; qstat -j says why",
}  # fmt: skip
_UNITS = {"": 1e-9, "K": 1.024e-6, "M": 1.048576e-3, "G": 1.073741824, "T": 1.099511627776e3}
#: What qdel says of arrays that go, or are gone.
_DELETED = re.compile(r"does not exist|has deleted|has registered .* for deletion|is already in deletion")
_SIZE = re.compile(r"([\d.]+)\s*([KMGT]?)B?s?", re.IGNORECASE)


class Sge:
    """A cluster whose batch system is Grid Engine."""

    def __init__(self) -> None:
        self._longest: int | None = None

    @property
    def longest_array(self) -> int:
        """The most tasks that one array may have (``max_aj_tasks``)."""
        if self._longest is None:
            found = re.search(r"max_aj_tasks\s+(\d+)", ask("qconf", "-sconf").out)
            self._longest = int(found[1]) if found and int(found[1]) else 75000
        return self._longest

    def speak(self, name: str, request: Request, count: int = 1) -> Dialect:
        r"""Return how scripts for Grid Engine begin; memory is asked for per processor, as it is counted there.

        Examples
        --------
        >>> print(*Sge().speak("qc", Request(cpus=2, memory_gb=8, minutes=90)).header, sep="\n")
        #$ -N qc
        #$ -S /bin/bash
        #$ -cwd
        #$ -j y
        #$ -o logs/$JOB_ID.$TASK_ID.log
        #$ -notify
        #$ -r y
        #$ -pe smp 2
        #$ -l h_vmem=4000M
        #$ -l h_rt=5400
        """
        # SIGUSR2 comes before SIGKILL; a task whose node is lost is run again.
        lines = [f"-N {name}", "-S /bin/bash", "-cwd", "-j y", "-o logs/$JOB_ID.$TASK_ID.log", "-notify", "-r y"]
        if request.cpus > 1:
            lines.append(f"-pe {request.parallel_environment} {request.cpus}")
        if request.memory_gb and request.memory_resource:
            lines.append(f"-l {request.memory_resource}={math.ceil(1000 * request.memory_gb / request.cpus)}M")
        lines += [f"-l h_rt={60 * request.minutes}"] if request.minutes else []
        lines += [f"-q {request.partition}"] if request.partition else []
        lines += [f"-P {request.account}"] if request.account else []
        header = tuple(f"#$ {line}" for line in (*lines, *request.extra))
        return Dialect(
            header, shlex.join(["qsub", *_array(count, request)]), "${JOB_ID-}", "${SGE_TASK_ID-}", "${HOSTNAME-}"
        )

    def submit(
        self, folder: Path, script: str, count: int, request: Request, *, offset: int = 0, after: Sequence[str] = (),
        overrides: Sequence[str] = (),
    ) -> str:  # fmt: skip
        """Submit an array; see `base.Scheduler`."""
        if "$" in str(folder):  # $HOME, $USER, $JOB_ID: qsub(1), "-cwd"
            hint = "Choose an output folder without a dollar sign in its path"
            raise ToolError("qsub", f"Grid Engine puts variables in the place of $ in {folder}", hint)
        words = ["qsub", "-terse", *_array(count, request)]
        words += ["-hold_jid", ",".join(after)] if after else []
        if not any(one.split()[:1] == ["-w"] for one in request.extra):
            _check_request([*words, *overrides, script], folder)
        said = demand(*words, *overrides, script, str(offset), folder=folder)
        found = re.search(r"^(\d+)", said.strip().splitlines()[-1] if said.strip() else "")
        if found is None:
            raise ToolError("qsub", f"it did not say under which number: {shlex.quote(said.strip())}")
        return found[1]

    def look(self, jobs: Sequence[str]) -> dict[tuple[str, int], Sight]:
        """Return what is known of the tasks of arrays; see `base.Scheduler`."""
        found = dict(read_queue(demand("qstat", "-xml", "-u", _user())))
        ended: dict[tuple[str, int], Sight] = {}
        for job in jobs:
            past = _ask_accounts(job)  # fails for an array of which no task has ended
            if past.code == 0:
                ended |= read_accounts(past.out)
        return {**ended, **{key: one for key, one in found.items() if key[0] in set(jobs)}}

    def find(self, name: str) -> tuple[str, ...]:
        """Return the ids of the arrays of a name; see `base.Scheduler`."""
        queue = demand("qstat", "-xml", "-u", _user())
        ids = [one.findtext("JB_job_number", "") for one in _list_entries(queue) if one.findtext("JB_name") == name]
        ids += re.findall(r"^jobnumber\s+(\d+)", _ask_accounts(name).out, re.MULTILINE)
        return tuple(sorted({one for one in ids if one.isdecimal()}, key=int))

    def cancel(self, jobs: Sequence[str]) -> None:
        """Cancel arrays; see `base.Scheduler`."""
        answer = ask("qdel", *jobs)
        refused = [line for line in (answer.out + answer.err).splitlines() if not _DELETED.search(line)]
        if answer.code and refused:  # it fails for an array that has just ended, too
            raise ToolError("qdel", " ".join(refused))


def _check_request(words: Sequence[str], folder: Path) -> None:
    """Refuse what no queue could ever take, which Grid Engine would let wait for ever (qsub(1), ``-w``).

    What an empty cluster could not take it may yet take: what nodes report of themselves (``mem_free``) is asked for
    where they stand now.

    Raises
    ------
    ToolError
        If no queue can take it.
    """
    for way in ("v", "p"):
        answer = ask(words[0], "-w", way, *words[1:], folder=folder)
        said = answer.out + answer.err
        if "no suitable queues" not in said:
            return
    why = re.search(r"cannot run (.+)", said)
    hint = "Ask for less, or for another queue; if you know better: --qsub-extra='-w n'"
    raise ToolError("qsub", f"no queue can take the request: it cannot run {why[1] if why else 'anywhere'}", hint)


def _ask_accounts(job: str) -> Answer:
    """Return what qacct says; it fails where the cluster keeps no accounts, and need not be installed there."""
    try:
        return ask("qacct", "-j", job)
    except ToolError as error:
        return Answer(1, "", error.reason)


def _user() -> str:
    """Return who this is, whatever the environment says."""
    return pwd.getpwuid(os.getuid()).pw_name


def _array(count: int, request: Request) -> list[str]:
    return ["-t", f"1-{count}"] + (["-tc", str(request.array_limit)] if request.array_limit else [])


def _list_entries(text: str) -> Iterator[ET.Element]:
    try:
        return ET.fromstring(text).iter("job_list")
    except ET.ParseError as error:
        raise ToolError("qstat", f"its answer cannot be read ({error})") from error


def read_queue(text: str) -> Iterable[tuple[tuple[str, int], Sight]]:
    """Yield what ``qstat -xml`` says of tasks."""
    for one in _list_entries(text):
        state = one.findtext("state", "")
        node = one.findtext("queue_name", "").rpartition("@")[2]
        phase, cause = Phase.PENDING, Cause.NONE
        if "E" in state:
            phase, cause = Phase.FAILED, Cause.BLOCKED
        elif "q" not in state:
            phase = Phase.RUNNING
        for index in read_ranges(one.findtext("tasks", "1")):
            said = _STATES.get(state, "")
            yield (
                (one.findtext("JB_job_number", ""), index),
                Sight(phase, cause, f"{said} ({state})" if said else state, node),
            )


def read_accounts(text: str) -> dict[tuple[str, int], Sight]:
    """Return what ``qacct -j`` says of tasks; of a task that ran more than once, the last."""
    found = {}
    for block in re.split(r"^=+$", text, flags=re.MULTILINE):
        fields = dict(re.findall(r"^(\w+)\s+(.*?)\s*$", block, re.MULTILINE))
        if "jobnumber" in fields:
            index = fields.get("taskid", "1")
            found[fields["jobnumber"], int(index) if index.isdecimal() else 1] = _read_end(fields)
    return found


def _read_end(fields: Mapping[str, str]) -> Sight:
    failed = int((re.match(r"\d+", fields.get("failed", "0")) or ["0"])[0])
    code = int((re.match(r"\d+", fields.get("exit_status", "0")) or ["0"])[0])
    seconds = float((re.match(r"[\d.]+", fields.get("ru_wallclock", "0")) or ["0"])[0])
    peak, asked = _read_size(fields.get("maxvmem", "")), fields.get("category", "")
    limit = re.search(r"\bh_rt=(\d+)", asked)
    memory = re.search(r"\b(?:h_vmem|s_vmem|h_rss)=([\d.]+[KMGT]?)", asked, re.IGNORECASE)
    most = _read_size(memory[1]) * int(fields.get("slots", "1")) if memory else 0.0
    used_up, time_up = bool(most) and peak > 0.95 * most, limit is not None and seconds >= float(limit[1])
    phase, cause = (Phase.DONE, Cause.NONE) if not failed and not code else (Phase.FAILED, Cause.ERROR)
    if failed and (time_up or (failed == _LIMIT and not used_up)):
        cause = Cause.TIME
    elif failed in _NODE:
        cause = Cause.NODE
    elif failed in (_LIMIT, _SIGNALLED) or code == 128 + 9:
        cause = Cause.MEMORY if used_up else Cause.KILLED
    elif code and used_up:  # it got no more, and ended by itself
        cause = Cause.MEMORY
    said = f"failed {failed}, exit_status {code}"
    return Sight(phase, cause, said, fields.get("hostname", ""), seconds, peak)


def _read_size(text: str) -> float:
    """Return gigabytes: ``5.309MB``, ``4000M``."""
    match = _SIZE.match(text)
    return float(match[1]) * _UNITS[match[2].upper()] if match else 0.0
