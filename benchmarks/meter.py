"""What a command costs: time by the clock, time of all its processes, memory of the largest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: Measures one command from a process so small that its own memory hides nobody's: on Linux the peak of a child
#: begins with the memory of the process that started it.
_METER = """
import json, os, sys, time
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
cost = time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
with open(sys.argv[1], "w") as out:
    json.dump([*cost, os.waitstatus_to_exitcode(status)], out)
"""
#: In which the system counts memory.
_PEAK_UNITS_PER_MB = 1e6 if sys.platform == "darwin" else 1e3


@dataclass(frozen=True, slots=True)
class Cost:
    """What commands cost: seconds by the clock, seconds of all their processes, and the largest process in MB."""

    wall: float
    cpu: float
    rss_mb: float


def measure_command(
    command: Sequence[str], log: IO[bytes] | IO[str], work: Path, environment: Mapping[str, str], limit: float
) -> tuple[Cost, int]:
    """Run a command, and return what it cost and its exit code.

    Parameters
    ----------
    command : sequence of str
        The program, by its path or its name, and its arguments.
    log : file
        For what it says.
    work : Path
        The folder that it runs in.
    environment : mapping
        Its variables.
    limit : float
        Seconds after which it is ended; `subprocess.TimeoutExpired` is raised then.
    """
    result = work / "cost.json"
    result.unlink(missing_ok=True)
    meter = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _METER, str(result), *command],
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        cwd=work, env=dict(environment), start_new_session=True,
    )  # fmt: skip
    try:
        meter.wait(limit)
    except BaseException:
        os.killpg(meter.pid, signal.SIGKILL)
        meter.wait()
        raise
    wall, cpu, peak, code = json.loads(result.read_text(encoding="utf-8"))
    return Cost(wall, cpu, peak / _PEAK_UNITS_PER_MB), code
