"""Slurm, by what real clusters printed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.errors import ToolError
from bidsflow.executors import ask
from bidsflow.executors.base import Cause, Phase, Request, Sight
from bidsflow.executors.slurm import Slurm, find_excess, read_accounts, read_controller, read_queue

from .programs import Programs, read_recorded

NO_ACCOUNTING = "Slurm accounting storage is disabled\n"
INVALID = "slurm_load_jobs error: Invalid job id specified\n"
DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"


def stand(sight: Sight) -> tuple[Phase, Cause]:
    return sight.phase, sight.cause


def test_queue_is_read() -> None:
    found = dict(read_queue(read_recorded("squeue.txt")))
    assert found["32", 3] == Sight(Phase.RUNNING, said="COMPLETING", node="n2", seconds=5)
    assert found["32", 4] == Sight(Phase.RUNNING, said="RUNNING", node="n2", seconds=5)
    assert found["35", 1] == Sight(Phase.PENDING, said="it waits for other tasks to end (Dependency)")
    assert [index for job, index in found if job == "34"] == [*range(1, 13)]
    assert found["34", 12] == Sight(Phase.PENDING, said="it is held back; scontrol release lets it go (JobHeldUser)")


def test_queue_tells_who_waits_again_and_who_for_ever() -> None:
    found = dict(read_queue(read_recorded("squeue-waiting.txt")))
    assert found["2", 1] == Sight(Phase.PENDING)
    assert stand(found["35", 1]) == (Phase.FAILED, Cause.BLOCKED)
    assert "DependencyNeverSatisfied" in found["35", 1].said


def test_task_that_waits_for_others_of_its_user_is_not_blocked() -> None:
    assert dict(read_queue("2|1|PENDING||AssocMaxJobsLimit|0:00"))["2", 1].phase is Phase.PENDING


def test_accounts_are_read() -> None:
    found = read_accounts(read_recorded("sacct.txt"))
    assert {index: stand(found["32", index]) for index in range(1, 6)} == {
        1: (Phase.DONE, Cause.NONE),
        2: (Phase.FAILED, Cause.ERROR),
        3: (Phase.FAILED, Cause.CANCELLED),
        4: (Phase.FAILED, Cause.TIME),
        5: (Phase.DONE, Cause.NONE),
    }
    assert found["32", 4] == Sight(Phase.FAILED, Cause.TIME, "TIMEOUT", "n2", 89, pytest.approx(0.0048, abs=1e-4))
    assert found["33", 1] == Sight(Phase.FAILED, Cause.KILLED, "FAILED", "n3", 2, pytest.approx(0.646, abs=1e-3))
    assert not {key for key in found if key[0] in ("34", "35")}  # they wait; the queue knows them one by one


def test_accounts_of_tasks_that_run_are_read() -> None:
    found = read_accounts(read_recorded("sacct-live.txt"))
    assert stand(found["32", 4]) == (Phase.RUNNING, Cause.NONE)


class Ended(NamedTuple):
    line: str
    phase: Phase
    cause: Cause


#: Not to be had on the cluster that was recorded: from sacct(1), "JOB STATE CODES".
ENDED = [
    Ended("7_1|OUT_OF_MEMORY|0:125|n1|60|", Phase.FAILED, Cause.MEMORY),
    Ended("7_1|NODE_FAIL|0:0|n1|26|", Phase.FAILED, Cause.NODE),
    Ended("7_1|BOOT_FAIL|0:0|n1|26|", Phase.FAILED, Cause.NODE),
    Ended("7_1|PREEMPTED|0:0|n1|26|", Phase.FAILED, Cause.CANCELLED),
    Ended("7_1|CANCELLED+|0:0|None assigned|0|", Phase.FAILED, Cause.CANCELLED),
    Ended("7_1|DEADLINE|0:0|n1|26|", Phase.FAILED, Cause.TIME),
    Ended("7_1|FAILED|137:0|n1|26|", Phase.FAILED, Cause.KILLED),
    Ended("7_1|FAILED|9:0|n1|26|", Phase.FAILED, Cause.ERROR),
    Ended("7_1|REQUEUED|0:0|n1|26|", Phase.PENDING, Cause.NONE),
    Ended("7_1|SUSPENDED|0:0|n1|26|", Phase.RUNNING, Cause.NONE),
    Ended("7_1|A_STATE_OF_2031|0:0|n1|26|", Phase.RUNNING, Cause.NONE),
]


@pytest.mark.parametrize("case", ENDED, ids=lambda case: case.line)
def test_state_says_where_a_task_stands(case: Ended) -> None:
    assert stand(read_accounts(case.line)["7", 1]) == (case.phase, case.cause)


@pytest.mark.parametrize("text", ["", "garbage", "7_1|RUNNING", "7|COMPLETED|0:0|n1|1|", "7_[1-4%2]|PENDING|0:0||0|"])
def test_accounts_of_no_task_are_passed_over(text: str) -> None:
    assert read_accounts(text) == {}
    assert dict(read_queue(text)) == {}


def test_controller_is_read() -> None:
    found = read_controller(read_recorded("scontrol.txt"))
    assert {index: stand(found["32", index]) for index in range(1, 6)} == {
        1: (Phase.DONE, Cause.NONE),
        2: (Phase.FAILED, Cause.ERROR),
        3: (Phase.FAILED, Cause.CANCELLED),
        4: (Phase.FAILED, Cause.TIME),
        5: (Phase.DONE, Cause.NONE),
    }
    assert found["32", 4] == Sight(Phase.FAILED, Cause.TIME, "TIMEOUT", "n2", 89)
    assert stand(read_controller(read_recorded("scontrol-memory.txt"))["33", 1]) == (Phase.FAILED, Cause.KILLED)
    assert stand(read_controller(read_recorded("scontrol-node.txt"))["1", 1]) == (Phase.FAILED, Cause.NODE)
    assert stand(read_controller(read_recorded("scontrol-requeued.txt"))["2", 1]) == (Phase.PENDING, Cause.NONE)
    assert read_controller(read_recorded("scontrol-held.txt")) == {}  # tasks that wait together


def test_array_is_submitted(programs: Programs, tmp_path: Path) -> None:
    programs.answer("sbatch", "42\n")
    assert Slurm().submit(tmp_path, "run.sh", 20, Request("slurm", array_limit=3)) == "42"
    assert programs.asked("sbatch") == [["--parsable", "--array=1-20%3", "run.sh", "0"]]


def test_array_waits_for_the_end_of_others_however_they_end(programs: Programs, tmp_path: Path) -> None:
    programs.answer("sbatch", "sbatch: a banner of the site\n43;cluster2\n")
    assert Slurm().submit(tmp_path, "run.sh", 1, Request("slurm"), offset=1000, after=("41", "42")) == "43"
    assert programs.asked("sbatch") == [["--parsable", "--array=1-1", "--dependency=afterany:41:42", "run.sh", "1000"]]


def test_header_says_what_was_asked() -> None:
    request = Request(
        "slurm", partition="long", account="lab", cpus=3, memory_gb=1.5, minutes=90, extra=("--constraint=avx2",)
    )
    header = Slurm().speak("toy", request, 4).header
    assert {"#SBATCH --mem=1500M", "#SBATCH --time=90", "#SBATCH --partition=long", "#SBATCH --account=lab",
            "#SBATCH --cpus-per-task=3", "#SBATCH --constraint=avx2"} <= set(header)  # fmt: skip
    plain = " ".join(Slurm().speak("toy", Request("slurm"), 4).header)
    assert not [key for key in ("--mem", "--time", "--partition", "--account") if key in plain]


def test_longest_array_is_asked_for_once(programs: Programs) -> None:
    programs.answer("scontrol", read_recorded("scontrol-config.txt"))
    slurm = Slurm()
    assert (slurm.longest_array, slurm.longest_array) == (10000, 10000)
    assert programs.asked("scontrol") == [["show", "config"]]


def test_longest_array_is_a_thousand_where_nobody_says(programs: Programs) -> None:
    programs.answer("scontrol", code=1)
    assert Slurm().longest_array == 1000


def test_look_asks_queue_and_accounts_once_for_all(programs: Programs) -> None:
    programs.answer("squeue", read_recorded("squeue-waiting.txt"))
    programs.answer("sacct", read_recorded("sacct.txt"))
    found = Slurm().look(("32", "33", "35"))
    assert stand(found["32", 4]) == (Phase.FAILED, Cause.TIME)
    assert stand(found["35", 1]) == (Phase.FAILED, Cause.BLOCKED)
    assert ("2", 1) not in found  # of somebody else
    assert [len(programs.asked(name)) for name in ("squeue", "sacct")] == [1, 1]
    assert "--jobs=32,33,35" in programs.asked("sacct")[0]


def test_queue_wins_over_accounts_which_come_late(programs: Programs) -> None:
    programs.answer("squeue", "32|4|PENDING||BeginTime|0:00\n")
    programs.answer("sacct", read_recorded("sacct.txt"))
    assert stand(Slurm().look(("32",))["32", 4]) == (Phase.PENDING, Cause.NONE)


def test_controller_is_asked_where_there_is_no_accounting(programs: Programs) -> None:
    programs.answer("squeue", "")
    programs.answer("sacct", code=1, err=NO_ACCOUNTING)
    programs.answer("scontrol", read_recorded("scontrol.txt"))
    assert stand(Slurm().look(("32",))["32", 4]) == (Phase.FAILED, Cause.TIME)


def test_controller_is_asked_where_sacct_is_not_installed(programs: Programs) -> None:
    programs.answer("squeue", "")
    programs.answer("scontrol", read_recorded("scontrol.txt"))
    assert stand(Slurm().look(("32",))["32", 4]) == (Phase.FAILED, Cause.TIME)


def test_nothing_is_known_of_what_everybody_has_forgotten(programs: Programs) -> None:
    programs.answer("squeue", "")
    programs.answer("sacct", code=1, err=NO_ACCOUNTING)
    programs.answer("scontrol", code=1, err=INVALID)
    assert Slurm().look(("32",)) == {}


@pytest.mark.parametrize("silent", ["squeue", "scontrol"])
def test_controller_that_does_not_answer_is_told(programs: Programs, silent: str) -> None:
    programs.answer("squeue", "")
    programs.answer("sacct", code=1, err=NO_ACCOUNTING)
    programs.answer("scontrol", code=1, err=INVALID)
    programs.answer(silent, code=1, err=DOWN)
    with pytest.raises(ToolError, match="Unable to contact slurm controller"):
        Slurm().look(("32",))


def test_scheduler_that_takes_too_long_is_told(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "PATIENCE", 0.2)
    (programs.folder / "squeue").write_text("#!/bin/bash\necho sleeping and retrying >&2\nexec /bin/sleep 30\n")
    (programs.folder / "squeue").chmod(0o755)
    with pytest.raises(ToolError, match=r"no answer.*sleeping and retrying"):
        Slurm().look(("32",))


REFUSALS = (
    "sbatch: error: invalid partition specified: nix\n"
    "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
)


def test_refusal_is_told_in_the_words_of_the_scheduler(programs: Programs, tmp_path: Path) -> None:
    programs.answer("sbatch", code=1, err=REFUSALS)
    with pytest.raises(ToolError, match="Invalid partition name") as caught:
        Slurm().submit(tmp_path, "run.sh", 1, Request("slurm"))
    assert "\n" not in caught.value.reason


#: As sinfo printed it, with a node more and a limit.
PARTITIONS = "main*|4000|2|infinite\nmain*|64000|1|infinite\nshort|4000|2|1:00\nlong|4000|2|1-00:00:00\n"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(memory_gb=64), ""),
        (Request(memory_gb=64.001), "no node of any partition has 64.001 GB: the largest has 64 GB"),
        (Request(memory_gb=5, partition="short"), "no node of partition short has 5 GB: the largest has 4 GB"),
        (Request(cpus=3), "no node of any partition has 3 processors: the largest has 2"),
        (Request(cpus=2, memory_gb=8), "no node of any partition has both 2 processors and 8 GB"),
        (Request(minutes=10**6), ""),
        (Request(minutes=2, partition="short"), "no task of partition short may run for 2 min: the limit is 1 min"),
        (Request(minutes=1440, partition="short,long"), ""),
        (Request(minutes=1441, partition="short,long"),
         "no task of partition short or long may run for 1441 min: the limit is 1440 min"),
        (Request(memory_gb=500, partition="nix"), ""),
    ],
)  # fmt: skip
def test_what_is_too_much_is_told(request_: Request, said: str) -> None:
    assert find_excess(request_, PARTITIONS) == said
    assert find_excess(request_, "garbage\n") == ""


@pytest.mark.parametrize("request_", [Request(minutes=90, partition="short"), Request(memory_gb=500), Request(cpus=64)])
def test_request_that_no_node_can_meet_is_refused(programs: Programs, tmp_path: Path, request_: Request) -> None:
    """Slurm would take some of these, and let them wait for ever."""
    programs.answer("sbatch", "42\n")
    programs.answer("sinfo", PARTITIONS)
    with pytest.raises(ToolError, match=r"no (node|task) of"):
        Slurm().submit(tmp_path, "run.sh", 1, request_)
    assert programs.asked("sbatch") == []
    elsewhere = replace(request_, extra=("--qos=long",))
    assert Slurm().submit(tmp_path, "run.sh", 1, elsewhere) == "42"


def test_reason_for_which_a_task_waits_is_told_in_plain_words() -> None:
    lines = "7|1|PENDING||Resources|0:00\n7|2|PENDING||ReqNodeNotAvail, UnavailableNodes:n1|0:00\n"
    lines += "7|3|PENDING||QOSMaxCpuPerUserLimit|0:00\n7|4|PENDING||PartitionTimeLimit|0:00\n"
    assert {index: one.said for (_, index), one in read_queue(lines)} == {
        1: "it waits for a node with room (Resources)",
        2: "the nodes that it needs are down or reserved (ReqNodeNotAvail, UnavailableNodes:n1)",
        3: "a limit of your quality of service is reached (QOSMaxCpuPerUserLimit)",
        4: "its time limit is longer than its partition allows (PartitionTimeLimit)",
    }


def test_answer_without_a_number_is_no_submission(programs: Programs, tmp_path: Path) -> None:
    programs.answer("sbatch", "")
    with pytest.raises(ToolError, match="number"):
        Slurm().submit(tmp_path, "run.sh", 1, Request("slurm"))


def test_absent_scheduler_is_told(programs: Programs, tmp_path: Path) -> None:
    assert not list(programs.folder.iterdir())
    with pytest.raises(ToolError, match="not on this machine"):
        Slurm().submit(tmp_path, "run.sh", 1, Request("slurm"))
    with pytest.raises(ToolError, match="not on this machine"):
        Slurm().look(("1",))


def test_arrays_are_found_by_their_name(programs: Programs) -> None:
    programs.answer("squeue", "41\n41\n")
    programs.answer("sacct", "9_1\n9_2\n42_[1-3%1]\n")
    assert Slurm().find("bidsflow-toy-1") == ("9", "41", "42")
    assert "--name=bidsflow-toy-1" in programs.asked("squeue")[0]


def test_array_is_found_in_the_queue_where_there_is_no_accounting(programs: Programs) -> None:
    programs.answer("squeue", "41\n")
    programs.answer("sacct", code=1, err=NO_ACCOUNTING)
    assert Slurm().find("bidsflow-toy-1") == ("41",)


def test_nothing_is_found_only_where_the_controller_has_answered(programs: Programs) -> None:
    programs.answer("squeue", "")
    programs.answer("sacct", "")
    assert Slurm().find("bidsflow-toy-1") == ()
    programs.answer("squeue", code=1, err=DOWN)
    with pytest.raises(ToolError, match="Unable to contact"):
        Slurm().find("bidsflow-toy-1")


def test_arrays_are_cancelled(programs: Programs) -> None:
    programs.answer("scancel")
    Slurm().cancel(("41", "42"))
    assert programs.asked("scancel") == [["41", "42"]]


def test_array_that_was_cancelled_before_it_began_is_told_by_its_range() -> None:
    found = read_accounts("385_[1-2,4%3]|CANCELLED by 0|0:0|None assigned|0|\n386_[1-4]|PENDING|0:0|None assigned|0|\n")
    assert {key: one.cause for key, one in found.items()} == {("385", index): Cause.CANCELLED for index in (1, 2, 4)}


def test_folder_whose_name_slurm_would_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="replaces %"):
        Slurm().submit(tmp_path / "100%A", "run.sh", 1, Request("slurm"))
