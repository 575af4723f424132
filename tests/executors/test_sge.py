"""Grid Engine, by what a real cluster printed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.errors import ToolError
from bidsflow.executors.base import Cause, Phase, Request, Sight
from bidsflow.executors.sge import Sge, read_accounts, read_queue

from .programs import Programs, read_recorded

NOTHING = "<?xml version='1.0'?>\n<job_info><queue_info></queue_info><job_info></job_info></job_info>\n"
REFUSED = 'Unable to run job: Job was rejected because job requests unknown queue "nix"\nExiting.\n'
DOWN = (
    "error: commlib error: got select error (Connection refused)\n"
    'error: unable to send message to qmaster using port 6444 on host "login": got send error\n'
)


def stand(sight: Sight) -> tuple[Phase, Cause]:
    return sight.phase, sight.cause


def test_queue_is_read() -> None:
    found = dict(read_queue(read_recorded("qstat.xml")))
    assert found["5", 4] == Sight(Phase.RUNNING, said="r", node="n1")
    assert found["5", 3] == Sight(Phase.RUNNING, said="dr", node="n1")  # is being deleted
    assert [index for job, index in found if job == "8"] == [*range(1, 13)]
    assert found["8", 12] == Sight(Phase.PENDING, said="it waits for other tasks to end, or is held back (hqw)")
    assert found["10", 1] == Sight(Phase.FAILED, Cause.BLOCKED, "it could not be started; qstat -j says why (Eqw)")


def entry(state: str, tasks: str) -> str:
    return (
        "<job_info><job_info><job_list><JB_job_number>3</JB_job_number><JB_name>a</JB_name>"
        f"<state>{state}</state><queue_name></queue_name><tasks>{tasks}</tasks></job_list></job_info></job_info>"
    )


@pytest.mark.parametrize(
    ("tasks", "numbers"), [("3", [3]), ("3-5:1", [3, 4, 5]), ("1-7:3,9", [1, 4, 7, 9]), ("2,4-5:1", [2, 4, 5])]
)
def test_ranges_of_tasks_are_read(tasks: str, numbers: list[int]) -> None:
    assert [index for (_, index), _ in read_queue(entry("qw", tasks))] == numbers


@pytest.mark.parametrize(
    ("state", "phase"),
    [("qw", "pending"), ("Rq", "pending"), ("hRwq", "pending"), ("t", "running"), ("Rr", "running"), ("S", "running"),
     ("Eqw", "failed"), ("EhRqw", "failed")],
)  # fmt: skip
def test_state_says_where_a_task_stands(state: str, phase: str) -> None:
    assert dict(read_queue(entry(state, "1")))["3", 1].phase == phase


def test_accounts_are_read() -> None:
    found = read_accounts(read_recorded("qacct.txt"))
    assert {index: stand(found["5", index]) for index in range(1, 6)} == {
        1: (Phase.DONE, Cause.NONE),
        2: (Phase.FAILED, Cause.ERROR),
        3: (Phase.FAILED, Cause.KILLED),
        4: (Phase.FAILED, Cause.TIME),
        5: (Phase.FAILED, Cause.TIME),
    }
    assert found["5", 4].node == "n1"
    assert (found["5", 4].seconds, found["5", 4].peak_gb) == (20, pytest.approx(0.0088, abs=1e-4))
    assert stand(read_accounts(read_recorded("qacct-killed.txt"))["7", 1]) == (Phase.FAILED, Cause.KILLED)
    # beyond h_vmem a program gets no memory, and ends as it likes
    assert stand(read_accounts(read_recorded("qacct-memory.txt"))["6", 1]) == (Phase.FAILED, Cause.ERROR)


class Ended(NamedTuple):
    failed: str
    code: str
    seconds: str
    peak: str
    asked: str
    cause: Cause


LIMIT = "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit"
AFTER = "100 : assumedly after job"
ENDED = [
    Ended(LIMIT, "137", "20s", "8.3MB", "-l h_rt=20", Cause.TIME),
    Ended(LIMIT, "137", "20", "8.3MB", "NONE", Cause.TIME),
    Ended(LIMIT, "137", "5s", "499.9MB", "-l h_rt=20,h_vmem=500M", Cause.MEMORY),
    Ended(LIMIT, "137", "5s", "1.990GB", "-l h_vmem=1G -pe smp 2", Cause.MEMORY),
    Ended(LIMIT, "137", "20s", "499.9MB", "-l h_rt=20,h_vmem=500M", Cause.TIME),
    Ended(AFTER, "137", "6s", "499.9MB", "-l h_vmem=500M", Cause.MEMORY),
    Ended(AFTER, "137", "6s", "10.0MB", "-l h_vmem=500M", Cause.KILLED),
    Ended(AFTER, "140", "6s", "10.0MB", "-l h_rt=20", Cause.KILLED),
    Ended(AFTER, "140", "21s", "10.0MB", "-l h_rt=20", Cause.TIME),
    Ended("19  : before writing exit_status", "0", "6s", "10.0MB", "NONE", Cause.NODE),
    Ended("0", "137", "6s", "10.0MB", "NONE", Cause.KILLED),
    Ended("0", "1", "6s", "499.9MB", "-l h_vmem=500M", Cause.MEMORY),
    Ended("0", "1", "6s", "400.9MB", "-l h_vmem=500M", Cause.ERROR),
    Ended("0", "0", "6s", "499.9MB", "-l h_vmem=500M", Cause.NONE),
    Ended("26  : opening input/output file", "0", "0s", "0B", "NONE", Cause.ERROR),
]


@pytest.mark.parametrize("case", ENDED)
def test_accounts_say_why_a_task_ended(case: Ended) -> None:
    slots = 2 if "smp 2" in case.asked else 1
    text = (
        f"{'=' * 62}\nhostname n1\njobnumber 3\ntaskid 2\nslots {slots}\nfailed       {case.failed}\n"
        f"exit_status  {case.code}\nru_wallclock {case.seconds}\nmaxvmem      {case.peak}\ncategory     {case.asked}\n"
    )
    phase = Phase.FAILED if case.cause else Phase.DONE
    assert stand(read_accounts(text)["3", 2]) == (phase, case.cause)


def test_accounts_of_a_task_that_ran_twice_say_how_it_ended_at_last() -> None:
    lost = f"{'=' * 62}\njobnumber 3\ntaskid 1\nfailed 19 : x\nexit_status 0\n"
    assert read_accounts(lost + lost.replace("19 : x", "0"))["3", 1].phase is Phase.DONE


def test_header_says_what_was_asked() -> None:
    request = Request("sge", partition="long.q", account="lab", cpus=3, memory_gb=1.5, minutes=90, extra=("-l gpu=1",))
    header = Sge().speak("toy", request, 4).header
    assert {"#$ -l h_vmem=500M", "#$ -l h_rt=5400", "#$ -q long.q", "#$ -P lab", "#$ -pe smp 3", "#$ -l gpu=1"} <= set(
        header
    )
    plain = " ".join(Sge().speak("toy", Request("sge"), 4).header)
    assert not [key for key in ("h_vmem", "h_rt", "-q", "-P", "-pe") if f"{key} " in plain or f"{key}=" in plain]


def test_array_is_submitted(programs: Programs, tmp_path: Path) -> None:
    programs.answer("qsub", "42.1-20:1\n")
    assert Sge().submit(tmp_path, "run.sh", 20, Request("sge", array_limit=3), offset=75000, after=("40", "41")) == "42"
    words = ["-terse", "-t", "1-20", "-tc", "3", "-hold_jid", "40,41", "run.sh", "75000"]
    assert programs.asked("qsub") == [["-w", "v", *words[:-1]], words]


#: What qsub printed when it was asked for what no queue has, and what nodes report of themselves.
NOWHERE = (
    'Unable to run job: Job 67 cannot run in PE "smp" because it only offers 0 slots\n'
    "verification: no suitable queues\nExiting.\n"
)


def answer_in_turn(programs: Programs, *answers: str) -> None:
    """Let qsub give an answer to each ``-w``: v, p; and take what it is given without."""
    cases = "".join(f"{way}) echo '{said}' >&2; exit 1;; " for way, said in zip("vp", answers, strict=False) if said)
    programs.answer("qsub", "42.1-1:1\n")
    qsub = programs.folder / "qsub"
    qsub.write_text(qsub.read_text().replace("while", f'case "$2" in {cases}esac\nwhile', 1))


def test_request_that_no_queue_could_ever_take_is_refused(programs: Programs, tmp_path: Path) -> None:
    answer_in_turn(programs, NOWHERE, NOWHERE)
    with pytest.raises(ToolError, match='no queue can take the request: it cannot run in PE "smp" because'):
        Sge().submit(tmp_path, "run.sh", 1, Request("sge", cpus=64))
    assert len(programs.asked("qsub")) == 2


def test_request_for_what_nodes_report_of_themselves_is_not_refused(programs: Programs, tmp_path: Path) -> None:
    answer_in_turn(programs, NOWHERE)
    assert Sge().submit(tmp_path, "run.sh", 1, Request("sge", extra=("-l mem_free=1G",))) == "42"


def test_request_of_who_knows_better_is_not_checked(programs: Programs, tmp_path: Path) -> None:
    answer_in_turn(programs, NOWHERE, NOWHERE)
    assert Sge().submit(tmp_path, "run.sh", 1, Request("sge", extra=("-w n",))) == "42"


def test_refusal_is_told_in_the_words_of_the_scheduler(programs: Programs, tmp_path: Path) -> None:
    programs.answer("qsub", code=1, err=REFUSED)
    with pytest.raises(ToolError, match='unknown queue "nix"'):
        Sge().submit(tmp_path, "run.sh", 1, Request("sge"))
    programs.answer("qsub", "")
    with pytest.raises(ToolError, match="number"):
        Sge().submit(tmp_path, "run.sh", 1, Request("sge"))


def test_folder_that_grid_engine_would_not_find_is_refused(programs: Programs, tmp_path: Path) -> None:
    programs.answer("qsub", "42.1-20:1\n")
    with pytest.raises(ToolError, match="dollar"):
        Sge().submit(tmp_path / "$HOME", "run.sh", 1, Request("sge"))
    assert programs.asked("qsub") == []


def test_longest_array_is_asked_for(programs: Programs) -> None:
    programs.answer("qconf", "#global:\nmax_aj_instances             2000\nmax_aj_tasks                 50\n")
    assert Sge().longest_array == 50
    programs.answer("qconf", "max_aj_tasks 0\n")  # no limit
    assert Sge().longest_array == 75000


def test_look_asks_queue_and_accounts(programs: Programs) -> None:
    programs.answer("qstat", read_recorded("qstat.xml"))
    programs.answer("qacct", read_recorded("qacct.txt"))
    found = Sge().look(("5", "8"))
    assert stand(found["5", 2]) == (Phase.FAILED, Cause.ERROR)
    assert stand(found["5", 4]) == (Phase.RUNNING, Cause.NONE)  # of a task that runs, accounts are of an attempt before
    assert ("9", 1) not in found  # of somebody else
    assert programs.asked("qacct") == [["-j", "5"], ["-j", "8"]]


def test_nothing_is_known_of_what_everybody_has_forgotten(programs: Programs) -> None:
    programs.answer("qstat", NOTHING)
    programs.answer("qacct", code=1, err="error: job id 5 not found\n")
    assert Sge().look(("5",)) == {}


def test_scheduler_without_accounting_still_tells_who_waits(programs: Programs) -> None:
    programs.answer("qstat", read_recorded("qstat.xml"))
    assert Sge().look(("8",))["8", 1].phase is Phase.PENDING


@pytest.mark.parametrize(("out", "code", "said"), [("", 1, "unable to send message"), ("<a", 0, "cannot be read")])
def test_scheduler_that_does_not_answer_is_told(programs: Programs, out: str, code: int, said: str) -> None:
    programs.answer("qstat", out, code=code, err=DOWN)
    programs.answer("qacct", code=1)
    for question in (lambda: Sge().look(("5",)), lambda: Sge().find("toy")):
        with pytest.raises(ToolError, match=said):
            question()


def test_arrays_are_found_by_their_name(programs: Programs) -> None:
    programs.answer("qstat", read_recorded("qstat.xml"))
    programs.answer("qacct", code=1)
    assert Sge().find("held") == ("8",)
    programs.answer("qacct", "jobname held\njobnumber    12\n")
    assert Sge().find("held") == ("8", "12")
    programs.answer("qstat", NOTHING)
    programs.answer("qacct", code=1)
    assert Sge().find("held") == ()


def test_arrays_are_cancelled(programs: Programs) -> None:
    programs.answer("qdel")
    Sge().cancel(("5", "8"))
    assert programs.asked("qdel") == [["5", "8"]]


def test_arrays_that_have_ended_meanwhile_need_not_be_cancelled(programs: Programs) -> None:
    programs.answer("qdel", 'denied: job "9" does not exist\n', code=1)
    Sge().cancel(("9",))
    programs.answer("qdel", code=1, err=DOWN)
    with pytest.raises(ToolError, match="unable to send"):
        Sge().cancel(("8",))
