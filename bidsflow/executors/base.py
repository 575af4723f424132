"""What executors have in common: a job, how it ended, who is told; and what a scheduler of a cluster has to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """A command to run.

    Attributes
    ----------
    name : str
        For people; unique among the jobs of a run.
    command : tuple of str
        Program and arguments.
    log : Path
        Gets everything that the command prints.
    """

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes
    ----------
    job : Job
        Which one.
    code : int
        Its exit code; the negative number of the signal that ended it.
    """

    job: Job
    code: int


class Watcher(Protocol):
    """Is told what happens to jobs while they run."""

    def began(self, job: Job) -> None:
        """Hear that a job has begun."""

    def said(self, job: Job, line: str) -> None:
        """Hear a line that a job wrote to its event pipe (`local.EVENTS`)."""

    def ended(self, ended: Ended) -> bool:
        """Hear that a job has ended; return whether to go on with the others."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a cluster for each task of an array.

    Attributes
    ----------
    executor : str
        Name of the scheduler: ``slurm``, ``sge``, or another that is installed.
    partition, account : str
        Partition or queue, and who pays; ``""`` leaves both to the scheduler.
    cpus : int
        Processors of a task.
    memory_gb : float
        Memory of a task, gigabytes; 0 leaves it to the scheduler.
    minutes : int
        Time limit of a task; 0 leaves it to the scheduler.
    array_limit : int
        How many tasks may run at once; 0 for as many as the scheduler lets.
    scratch : str
        Folder on the disk of the node for intermediate files, environment variables allowed (``$TMPDIR``);
        ``""`` keeps them in the work folder.
    setup : tuple of str
        Lines of shell that run before the command: ``module load apptainer``.
    extra : tuple of str
        Options that the scheduler is given as they are: ``--constraint=avx2``.
    image_on_nodes : bool
        Whether only nodes see the files of images, so that none can be looked for where tasks are submitted.
    parallel_environment, memory_resource : str
        Of Grid Engine: how processors and memory are asked for. Memory is asked for per processor.
    """

    executor: str = "local"
    partition: str = ""
    account: str = ""
    cpus: int = 1
    memory_gb: float = 0.0
    minutes: int = 0
    array_limit: int = 0
    scratch: str = ""
    setup: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    image_on_nodes: bool = False
    parallel_environment: str = "smp"
    memory_resource: str = "h_vmem"


class Phase(StrEnum):
    """Where a task of an array stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a task of an array ended otherwise than well."""

    NONE = ""
    TIME = "time limit"
    MEMORY = "memory"
    NODE = "node failure"
    CANCELLED = "cancelled"
    KILLED = "killed"
    ERROR = "error"
    BLOCKED = "never begins"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a scheduler says of a task.

    Attributes
    ----------
    phase : Phase
        Where it stands.
    cause : Cause
        Why, where it failed.
    said : str
        The scheduler's own word: ``NODE_FAIL``, ``Priority``.
    node : str
        Where it runs or ran, ``""`` where nobody knows.
    seconds, peak_gb : float
        Time that it took and largest memory, so far as known; else 0.
    """

    phase: Phase
    cause: Cause = Cause.NONE
    said: str = ""
    node: str = ""
    seconds: float = 0.0
    peak_gb: float = 0.0


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a scheduler speaks to the scripts that it runs.

    Attributes
    ----------
    header : tuple of str
        Lines that tell it what the tasks need (``#SBATCH ...``).
    submit : str
        How a person submits a script, for its comments: ``sbatch --array=1-20``.
    job, index, node : str
        Shell expressions for the id of the array, for the number of the task in it, and for the node.
    """

    header: tuple[str, ...]
    submit: str
    job: str
    index: str
    node: str


class Scheduler(Protocol):
    """A batch system. Third parties add theirs by the entry-point group ``bidsflow.executors``."""

    @property
    def longest_array(self) -> int:
        """The most tasks that one array may have."""

    def speak(self, name: str, request: Request, count: int) -> Dialect:
        """Return how scripts of this scheduler begin; what they print goes to ``logs/JOB.INDEX.log``."""

    def submit(self, folder: Path, script: str, count: int, request: Request, *, offset: int = 0,
               after: Sequence[str] = (), overrides: Sequence[str] = ()) -> str:  # fmt: skip
        """Submit a script as an array of tasks 1 to `count`, and return its id.

        Parameters
        ----------
        folder : Path
            Where the script lies and is submitted from.
        script : str
            Its name; gets `offset` as its argument.
        request : Request
            For what is said at submission rather than in the script.
        after : sequence of str
            Arrays that have to end first, however they end.
        overrides : sequence of str
            Options that win over those in the script, as `speak` writes them.

        Raises
        ------
        ToolError
            If the scheduler refuses.
        """

    def look(self, jobs: Sequence[str]) -> Mapping[tuple[str, int], Sight]:
        """Return what is known of the tasks of arrays, by id and number; tasks that nothing is known of are left out.

        Raises
        ------
        ToolError
            If the scheduler does not answer.
        """

    def find(self, name: str) -> tuple[str, ...]:
        """Return the ids of the arrays that were submitted under a name, in the order in which they were.

        Raises
        ------
        ToolError
            If the scheduler does not answer.
        """

    def cancel(self, jobs: Sequence[str]) -> None:
        """Cancel arrays.

        Raises
        ------
        ToolError
            If the scheduler refuses.
        """
