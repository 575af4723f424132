"""What becomes of the tasks of arrays: from what they noted and from what a scheduler says of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.errors import DatasetError, ToolError
from bidsflow.executors.base import Cause, Phase, Request, Sight
from bidsflow.executors.batches import (
    CPUS,
    MEMORY,
    RUN,
    Batch,
    adopt,
    find_scheduler,
    mark_cancelled,
    new_id,
    read_batch,
    read_batches,
    submit_batch,
    write_batch,
)
from bidsflow.executors.script import LOGS, SCRIPT, STATES, TASKS
from bidsflow.executors.standing import FRESH, Desk, Note, Standing, judge, read_end, read_note, stand

from .programs import Programs

LONG_AGO = time.time() - 100 * FRESH
REQUEST = Request("slurm", memory_gb=2, minutes=30, setup=("module load x",))
BATCH = Batch(
    "20300101-000000-aa", "bidsflow-toy", "participant", ("tool", "--n", CPUS, "--mem", MEMORY, "--run", RUN),
    ("sub-01", "sub-02", "sub-03"), (("-p", "01"), ("-p", "02"), ("-p", "ü b")), REQUEST,
    jobs=(("18", 0),), submitted=LONG_AGO,
)  # fmt: skip
CANCELLED, UNSENT, FRESHLY = replace(BATCH, cancelled=True), replace(BATCH, jobs=()), replace(BATCH, submitted=2e9)
BEGAN = Note(1, "18.1", "n1", LONG_AGO)
TWICE = replace(BEGAN, attempts=2)


#: A scheduler of this machine must not be asked: where it is down, its programs wait.
pytestmark = pytest.mark.usefixtures("programs")


def plain(batch: Batch) -> Batch:
    """Return a batch without what is known of its script only when that is written."""
    return replace(batch, digest="")


def ended(code: int) -> Note:
    return replace(BEGAN, ended=LONG_AGO + 60, code=code)


def failed(cause: Cause, said: str = "WORD") -> Sight:
    return Sight(Phase.FAILED, cause, said, "n1", 120)


PENDING, RUNNING, DONE = Sight(Phase.PENDING, said="Priority"), Sight(Phase.RUNNING), Sight(Phase.DONE)


class Case(NamedTuple):
    what: str
    batch: Batch
    note: Note
    sight: Sight | None
    phase: Phase
    cause: Cause = Cause.NONE
    said: str = ""
    asked: bool = True


CASES = [
    Case("waits", BATCH, Note(), PENDING, Phase.PENDING, said="Priority"),
    Case("waits again", BATCH, BEGAN, PENDING, Phase.PENDING, said="attempt 2"),
    Case("runs", BATCH, BEGAN, RUNNING, Phase.RUNNING),
    Case("runs and has not said so yet", BATCH, Note(), RUNNING, Phase.RUNNING),
    Case("runs again", BATCH, TWICE, RUNNING, Phase.RUNNING),
    Case("done", BATCH, ended(0), DONE, Phase.DONE),
    Case("done and forgotten", BATCH, ended(0), None, Phase.DONE),
    Case("done although cancelled then", CANCELLED, ended(0), failed(Cause.CANCELLED), Phase.DONE),
    Case("done without a word", BATCH, BEGAN, DONE, Phase.DONE),
    Case("own error", BATCH, ended(7), None, Phase.FAILED, Cause.ERROR, "exit code 7"),
    Case("own error that the scheduler knows", BATCH, ended(7), failed(Cause.ERROR), Phase.FAILED, Cause.ERROR, "7"),
    Case("a part of it was killed for memory", BATCH, ended(1), failed(Cause.MEMORY), Phase.FAILED, Cause.MEMORY,
         "limit of 2 GB; retry with --mem"),
    Case("setup failed", BATCH, ended(78), None, Phase.FAILED, Cause.ERROR, "--setup"),
    Case("scratch failed", replace(BATCH, request=Request("slurm", scratch="$TMPDIR")), ended(75), None, Phase.FAILED,
         Cause.ERROR, "scratch"),
    Case("refused", replace(BATCH, jobs=(), refused="Invalid account"), Note(), None, Phase.FAILED, Cause.BLOCKED,
         "Invalid account"),
    Case("being submitted", replace(BATCH, jobs=(), written=time.time() + 1e6), Note(), None, Phase.PENDING,
         Cause.NONE, "being submitted"),
    Case("cancelled a moment ago", replace(CANCELLED, submitted=time.time() + 1e6), Note(), None, Phase.FAILED,
         Cause.CANCELLED, "cancelled"),
    Case("cancelled, and told as an error", CANCELLED, Note(), Sight(Phase.FAILED, Cause.ERROR, "failed 0"),
         Phase.FAILED, Cause.CANCELLED, "cancelled"),
    Case("its own 78", replace(BATCH, request=Request("slurm")), ended(78), None, Phase.FAILED, Cause.ERROR, "code 78"),
    Case("image is not there", BATCH, ended(69), None, Phase.FAILED, Cause.ERROR, "not on the node"),
    Case("killed", BATCH, ended(137), None, Phase.FAILED, Cause.MEMORY, "memory"),
    Case("crashed", BATCH, ended(139), None, Phase.FAILED, Cause.KILLED, "signal 11"),
    Case("no code", BATCH, ended(255), None, Phase.FAILED, Cause.ERROR, "exit code 255"),
    Case("told to end", BATCH, ended(130), None, Phase.FAILED, Cause.KILLED, "told to end"),
    Case("told to end by Grid Engine", BATCH, ended(140), None, Phase.FAILED, Cause.KILLED, "told to end"),
    Case("told to end as time ran out", BATCH, ended(143), failed(Cause.TIME), Phase.FAILED, Cause.TIME,
         "limit of 30 min ran out after 2 min; retry with --time"),
    Case("told to end by us", CANCELLED, ended(130), None, Phase.FAILED, Cause.CANCELLED, "was cancelled"),
    Case("time ran out", BATCH, BEGAN, failed(Cause.TIME), Phase.FAILED, Cause.TIME, "--time"),
    Case("out of memory", BATCH, BEGAN, failed(Cause.MEMORY), Phase.FAILED, Cause.MEMORY, "--mem"),
    Case("killed without a word", BATCH, BEGAN, failed(Cause.KILLED), Phase.FAILED, Cause.MEMORY, "--mem"),
    Case("killed by us without a word", CANCELLED, BEGAN, failed(Cause.KILLED), Phase.FAILED, Cause.CANCELLED),
    Case("node failed", BATCH, BEGAN, failed(Cause.NODE, "NODE_FAIL"), Phase.FAILED, Cause.NODE, "NODE_FAIL"),
    Case("cancelled by somebody", BATCH, BEGAN, failed(Cause.CANCELLED), Phase.FAILED, Cause.CANCELLED, "cancelled"),
    Case("cancelled before it began", BATCH, Note(), failed(Cause.CANCELLED), Phase.FAILED, Cause.CANCELLED),
    Case("failed without a word", BATCH, BEGAN, failed(Cause.ERROR, "FAILED"), Phase.FAILED, Cause.ERROR, "FAILED"),
    Case("never begins", BATCH, Note(), failed(Cause.BLOCKED, "BadConstraints"), Phase.FAILED, Cause.BLOCKED, "BadCon"),
    Case("forgotten while it ran", BATCH, BEGAN, None, Phase.FAILED, Cause.VANISHED, "without a word"),
    Case("forgotten before", BATCH, Note(), None, Phase.FAILED, Cause.VANISHED, "never began"),
    Case("cancelled and forgotten", CANCELLED, BEGAN, None, Phase.FAILED, Cause.CANCELLED, "was cancelled"),
    Case("not yet known", FRESHLY, Note(), None, Phase.PENDING, said="does not know of it yet"),
    Case("not yet known and began", FRESHLY, replace(BEGAN, began=2e9), None, Phase.RUNNING, said="not know"),
    Case("never submitted", UNSENT, Note(), None, Phase.FAILED, Cause.VANISHED, "submission was interrupted"),
    Case("silence", BATCH, Note(), None, Phase.PENDING, said="does not answer", asked=False),
    Case("silence in mid-run", BATCH, BEGAN, None, Phase.RUNNING, said="does not answer", asked=False),
    Case("silence after the end", BATCH, ended(7), None, Phase.FAILED, Cause.ERROR, "exit code 7", asked=False),
    Case("silence about an interrupted submission", UNSENT, Note(), None, Phase.PENDING, said="does not answer",
         asked=False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_standing_is_told_from_notes_and_sights(tmp_path: Path, case: Case) -> None:
    found = judge("sub-01", case.batch, 1, case.note, case.sight, tmp_path, asked=case.asked)
    assert (found.phase, found.cause) == (case.phase, case.cause)
    assert case.said in found.said
    assert bool(found.said) or found.phase in (Phase.DONE, Phase.RUNNING)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9. GiB\nsub-01: FAILED\n", Cause.MEMORY),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n", Cause.MEMORY),
        ("OSError: [Errno 12] Cannot allocate memory\n", Cause.MEMORY),
        ("MemoryError\n" + "and it went on\n" * 30, Cause.ERROR),
        ("ValueError: no such luck\n", Cause.ERROR),
        ("", Cause.ERROR),
    ],
)
def test_lack_of_memory_is_told_by_the_end_of_the_log(tmp_path: Path, text: str, cause: Cause) -> None:
    (tmp_path / LOGS).mkdir()
    (tmp_path / LOGS / "18.1.log").write_text(text)
    found = judge("a", BATCH, 1, ended(1), failed(Cause.ERROR), tmp_path)
    assert found.cause is cause
    assert "exit code 1" in found.said
    assert ("--mem" in found.said) is (cause is Cause.MEMORY)


def test_time_is_what_the_task_noted_else_what_the_scheduler_says(tmp_path: Path) -> None:
    assert judge("a", BATCH, 1, ended(7), None, tmp_path).seconds == 60
    assert judge("a", BATCH, 1, BEGAN, failed(Cause.TIME), tmp_path).seconds == 120
    assert judge("a", BATCH, 1, BEGAN, RUNNING, tmp_path).seconds >= 99 * FRESH


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("", Note()),
        ("garbage\n\x00", Note()),
        ("100 started 18.3 n2\n", Note(1, "18.3", "n2", 100)),
        ("100 started 18.3 n2\n150 signal TERM\n160 ended 7\n", Note(1, "18.3", "n2", 100, 160, 7)),
        ("100 started 18.3 n2\n160 ended 7\n200 started 18.3 n1\n", Note(2, "18.3", "n1", 200)),
        ("100 started 18.3 n2\n160 ended", Note(1, "18.3", "n2", 100)),
        ("100 started . \n160 ended 0\n", Note(1, ".", "", 100, 160, 0)),
    ],
)
def test_note_is_of_the_last_attempt(text: str, note: Note) -> None:
    assert read_note(text) == note


def test_batch_that_is_written_is_read_again(tmp_path: Path) -> None:
    batch = replace(BATCH, jobs=(), submitted=0.0)
    folder = write_batch(tmp_path, batch)
    assert plain(read_batch(folder)) == batch
    assert tuple(map(plain, read_batches(tmp_path))) == (batch,)
    script = (folder / SCRIPT).read_text()
    assert f"--n 1 \\\n  --mem 2G \\\n  --run {batch.id}" in script.replace("tool --n", "--n").replace("\n  --n", "--n")
    assert f"#SBATCH --job-name={batch.title}" in script
    assert (folder / SCRIPT).stat().st_mode & 0o111
    assert (folder / TASKS).read_text() == "-p 01\n-p 02\n-p 'ü b'\n"


def test_batch_with_a_line_break_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="line break"):
        write_batch(tmp_path, replace(BATCH, words=(("a\nb",), (), ())))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"label": 3}', "null"])
def test_damaged_batch_is_told(tmp_path: Path, text: str) -> None:
    folder = write_batch(tmp_path, BATCH)
    (folder / "batch.json").write_text(text)
    with pytest.raises(DatasetError, match="damaged"):
        read_batches(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("request", {"cpus": 1, "new": 2}), ("jobs", [["1"]]), ("names", None)])
def test_batch_with_a_damaged_part_is_told(tmp_path: Path, key: str, value: object) -> None:
    folder = write_batch(tmp_path, BATCH)
    content = json.loads((folder / "batch.json").read_text())
    (folder / "batch.json").write_text(json.dumps({**content, key: value}))
    with pytest.raises(DatasetError, match="damaged"):
        read_batches(tmp_path)


def test_folder_of_something_else_is_no_batch(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "file").touch()
    assert read_batches(tmp_path) == ()
    assert read_batches(tmp_path / "absent") == ()


def test_ids_sort_by_time_and_are_unique() -> None:
    made = [(time.sleep(1e-5), new_id())[1] for _ in range(100)]
    assert sorted(set(made)) == made


@dataclass
class Clerk:
    """A scheduler that says what it is told, through its programs."""

    programs: Programs

    def say(self, **sights: str) -> None:
        """Let sacct say states of tasks: ``t18_1="COMPLETED"``."""
        lines = [f"{key[1:]}|{state}|0:0|n1|60|" for key, state in sights.items()]
        self.programs.answer("squeue")
        self.programs.answer("sacct", "".join(f"{line}\n" for line in lines))


@pytest.fixture
def clerk(programs: Programs) -> Clerk:
    programs.answer("scontrol", "MaxArraySize = 1001\n")
    return Clerk(programs)


def look(room: Path) -> dict[str, Standing]:
    desk = Desk()
    found = stand(room, read_batches(room), desk)
    assert desk.silent == {}
    return {one.name: one for one in found}


def phases(found: Mapping[str, Standing]) -> list[str]:
    return [one.phase.value for one in found.values()]


def write_note(folder: Path, number: int, text: str) -> None:
    (folder / STATES / f"{number}.txt").write_text(text)


def test_tasks_stand_as_they_and_the_scheduler_say(tmp_path: Path, clerk: Clerk) -> None:
    folder = write_batch(tmp_path / "room", BATCH)
    write_note(folder, 1, "100 started 18.1 n1\n160 ended 0\n")
    write_note(folder, 2, "100 started 18.2 n1\n")
    (folder / LOGS / "18.2.log").write_text("one\n\ntwo\n")
    clerk.say(t18_2="TIMEOUT", t18_3="PENDING")
    found = look(tmp_path / "room")
    assert phases(found) == ["done", "failed", "pending"]
    assert found["sub-02"].cause is Cause.TIME
    assert read_end(found["sub-02"].log) == ("one", "two")


def test_scheduler_is_not_asked_where_all_is_done(tmp_path: Path, clerk: Clerk) -> None:
    folder = write_batch(tmp_path / "room", BATCH)
    for number in (1, 2, 3):
        write_note(folder, number, f"100 started 18.{number} n1\n160 ended 0\n")
    assert phases(look(tmp_path / "room")) == ["done"] * 3
    assert clerk.programs.asked("squeue") == []


def test_scheduler_is_asked_once_for_all_batches(tmp_path: Path, clerk: Clerk) -> None:
    for number in range(5):
        one = replace(BATCH, id=f"b{number}", names=(f"sub-{number}",), words=((),), jobs=((f"{number}", 0),))
        write_batch(tmp_path / "room", one)
    clerk.say(**{f"t{number}_1": "RUNNING" for number in range(5)})
    assert phases(look(tmp_path / "room")) == ["running"] * 5
    assert [len(clerk.programs.asked(name)) for name in ("squeue", "sacct")] == [1, 1]


def test_cause_of_a_failure_is_asked_for_though_the_task_said_how_it_ended(tmp_path: Path, clerk: Clerk) -> None:
    """Where only a part of a task is killed for memory, the task itself ends with an exit code like any other."""
    folder = write_batch(tmp_path / "room", BATCH)
    for number in (1, 2, 3):
        write_note(folder, number, f"100 started 18.{number} n1\n160 ended {int(number == 1)}\n")
    clerk.say(t18_1="OUT_OF_MEMORY")
    assert look(tmp_path / "room")["sub-01"].cause is Cause.MEMORY


def test_task_that_ends_while_the_scheduler_is_asked_has_not_vanished(tmp_path: Path, programs: Programs) -> None:
    folder = write_batch(tmp_path / "room", BATCH)
    for number in (1, 2, 3):
        write_note(folder, number, f"100 started 18.{number} n1\n")
    programs.answer("squeue")
    programs.answer("sacct", code=1)
    programs.answer("scontrol", code=1, err="slurm_load_jobs error: Invalid job id specified\n")
    squeue = programs.folder / "squeue"
    end = "".join(f"echo '160 ended 0' >> '{folder / STATES / str(number)}.txt'\n" for number in (1, 2, 3))
    squeue.write_text(squeue.read_text().replace("exit 0", f"{end}exit 0"))
    assert phases(look(tmp_path / "room")) == ["done"] * 3


def test_last_batch_of_a_task_counts(tmp_path: Path, clerk: Clerk) -> None:
    old = write_batch(tmp_path / "room", BATCH)
    for number in (1, 2, 3):
        write_note(old, number, f"100 started 18.{number} n1\n160 ended {number - 1}\n")
    again = replace(BATCH, id="20300102-000000-aa", names=("sub-02",), words=((),), jobs=(("19", 0),))
    new = write_batch(tmp_path / "room", again)
    write_note(new, 1, "200 started 19.1 n1\n260 ended 0\n")
    clerk.say(t18_3="FAILED")
    found = look(tmp_path / "room")
    assert {name: one.phase.value for name, one in found.items()} == {
        "sub-01": "done", "sub-02": "done", "sub-03": "failed",
    }  # fmt: skip
    assert plain(found["sub-02"].batch) == again


def test_script_that_was_submitted_by_hand_is_known_by_its_notes(tmp_path: Path, clerk: Clerk) -> None:
    folder = write_batch(tmp_path / "room", replace(BATCH, jobs=()))
    for number in (1, 2, 3):
        write_note(folder, number, f"100 started 77.{number} n1\n")
    clerk.say(t77_1="RUNNING", t77_2="TIMEOUT", t77_3="COMPLETED")
    assert phases(look(tmp_path / "room")) == ["running", "failed", "done"]


def test_tasks_of_a_second_array_are_found_in_it(tmp_path: Path, clerk: Clerk) -> None:
    write_batch(tmp_path / "room", replace(BATCH, jobs=(("18", 0), ("19", 2))))
    clerk.say(t18_1="COMPLETED", t18_2="TIMEOUT", t19_1="RUNNING")
    assert phases(look(tmp_path / "room")) == ["done", "failed", "running"]


def test_silent_scheduler_is_told_and_nothing_is_lost(tmp_path: Path, programs: Programs) -> None:
    programs.answer("squeue", code=1, err="Unable to contact slurm controller")
    folder = write_batch(tmp_path / "room", BATCH)
    write_note(folder, 1, "100 started 18.1 n1\n")
    write_note(folder, 2, "100 started 18.2 n1\n160 ended 0\n")
    desk = Desk()
    found = stand(tmp_path / "room", read_batches(tmp_path / "room"), desk)
    assert [one.phase.value for one in found] == ["running", "done", "pending"]
    assert "Unable to contact" in desk.silent["slurm"]


def test_batch_is_submitted_in_as_many_arrays_as_it_takes(tmp_path: Path, clerk: Clerk) -> None:
    clerk.programs.answer("scontrol", "MaxArraySize = 3\n")
    clerk.programs.answer("sbatch", "18\n")
    write_batch(tmp_path / "room", UNSENT)
    sent = submit_batch(tmp_path / "room", UNSENT)
    assert sent.jobs == (("18", 0), ("18", 2))
    assert sent == read_batch(tmp_path / "room" / BATCH.id)
    assert clerk.programs.asked("sbatch") == [
        ["--parsable", "--array=1-2", "run.sh", "0"], ["--parsable", "--array=1-1", "run.sh", "2"],
    ]  # fmt: skip


def test_script_of_several_arrays_says_how_to_submit_each(tmp_path: Path, clerk: Clerk) -> None:
    clerk.programs.answer("scontrol", "MaxArraySize = 3\n")
    folder = write_batch(tmp_path / "room", UNSENT)
    lines = (folder / SCRIPT).read_text().splitlines()
    start = lines.index(f"#     cd {folder}")
    assert lines[start + 1 : start + 3] == [
        "#     sbatch --array=1-2 run.sh 0",
        "#     sbatch --array=1-1 run.sh 2",
    ]


#: As it is written after each of three arrays was submitted.
IN_THREE = replace(UNSENT, longest=1)


@pytest.mark.parametrize("known", [0, 1, 2])
def test_submission_of_several_arrays_that_was_interrupted_is_found_whole(
    tmp_path: Path, clerk: Clerk, known: int
) -> None:
    jobs = (("18", 0), ("19", 1), ("20", 2))
    clerk.programs.answer("scontrol", "MaxArraySize = 2\n")
    batch = replace(IN_THREE, jobs=jobs[:known], submitted=LONG_AGO if known else 0.0)
    folder = write_batch(tmp_path / "room", batch)
    clerk.programs.answer("squeue", "20\n")
    clerk.programs.answer("sacct", "19_1\n18_1\n")
    found = adopt(tmp_path / "room", read_batch(folder))
    assert found.jobs == jobs
    assert found == read_batch(folder)


def test_arrays_that_were_never_submitted_are_told_from_those_that_were(tmp_path: Path, clerk: Clerk) -> None:
    clerk.programs.answer("scontrol", "MaxArraySize = 2\n")
    write_batch(tmp_path / "room", replace(IN_THREE, jobs=(("18", 0),)))
    clerk.say(t18_1="RUNNING")
    found = look(tmp_path / "room")
    assert phases(found) == ["running", "failed", "failed"]
    assert "never submitted" in found["sub-03"].said
    freshly = replace(IN_THREE, id="b", jobs=(("18", 0),), written=time.time() + 1e6)
    write_batch(tmp_path / "room", freshly)
    assert phases(look(tmp_path / "room")) == ["running", "pending", "pending"]


def test_nothing_of_a_batch_runs_where_a_part_is_refused(tmp_path: Path, clerk: Clerk) -> None:
    clerk.programs.answer("scontrol", "MaxArraySize = 3\n")
    clerk.programs.answer("scancel")
    clerk.programs.answer("sbatch", "18\n")
    script = clerk.programs.folder / "sbatch"
    script.write_text(script.read_text().replace("exit 0", '[ "$4" = 0 ] || { echo "QOS limit" >&2; exit 1; }'))
    clerk.say(t18_1="PENDING")
    write_batch(tmp_path / "room", UNSENT)
    with pytest.raises(ToolError, match="QOS limit"):
        submit_batch(tmp_path / "room", UNSENT)
    assert clerk.programs.asked("scancel") == [["18"]]
    clerk.say(t18_1="CANCELLED by 1000", t18_2="CANCELLED by 1000")
    assert phases(look(tmp_path / "room")) == ["failed"] * 3


def test_submission_that_the_scheduler_took_and_was_slow_to_say_so_is_kept(tmp_path: Path, clerk: Clerk) -> None:
    clerk.programs.answer("sbatch", code=1, err="Socket timed out on send/recv operation")
    clerk.programs.answer("squeue", "18\n")
    write_batch(tmp_path / "room", UNSENT)
    assert submit_batch(tmp_path / "room", UNSENT).jobs == (("18", 0),)


def test_submission_that_was_refused_is_not_taken_for_a_slow_one(tmp_path: Path, clerk: Clerk) -> None:
    """Slurm keeps a record of what it refused, under its name."""
    clerk.programs.answer("sbatch", code=1, err="Requested node configuration is not available")
    clerk.programs.answer("squeue", "18\n")
    write_batch(tmp_path / "room", UNSENT)
    with pytest.raises(ToolError, match="not available"):
        submit_batch(tmp_path / "room", UNSENT)
    assert read_batches(tmp_path / "room")[0].refused


def test_submission_of_which_nobody_can_say_whether_it_was_taken_is_not_called_refused(
    tmp_path: Path, clerk: Clerk
) -> None:
    clerk.programs.answer("sbatch", code=1, err="Socket timed out on send/recv operation")
    clerk.programs.answer("squeue", code=1, err="Socket timed out on send/recv operation")
    write_batch(tmp_path / "room", UNSENT)
    with pytest.raises(ToolError, match="timed out"):
        submit_batch(tmp_path / "room", UNSENT)
    clerk.programs.answer("squeue", "18\n")
    assert adopt(tmp_path / "room", read_batches(tmp_path / "room")[0]).jobs == (("18", 0),)


def test_interrupted_submission_is_found_by_its_name(tmp_path: Path, clerk: Clerk) -> None:
    write_batch(tmp_path / "room", UNSENT)
    clerk.programs.answer("squeue", "18\n18\n")
    clerk.programs.answer("sacct")
    found = adopt(tmp_path / "room", UNSENT)
    assert found.jobs == (("18", 0),)
    assert found == read_batch(tmp_path / "room" / BATCH.id)
    assert f"--name={BATCH.title}" in clerk.programs.asked("squeue")[0]


def test_submission_that_goes_on_meanwhile_is_left_alone(tmp_path: Path, clerk: Clerk) -> None:
    folder = write_batch(tmp_path / "room", UNSENT)
    whole = replace(UNSENT, jobs=(("18", 0), ("19", 2)), submitted=LONG_AGO)
    (tmp_path / "whole.json").write_bytes((write_batch(tmp_path / "other", whole) / "batch.json").read_bytes())
    clerk.programs.answer("squeue", "19\n")
    squeue = clerk.programs.folder / "squeue"
    copies = f"/bin/cp {tmp_path}/whole.json {folder}/batch.json\nexit 0"
    squeue.write_text(squeue.read_text().replace("exit 0", copies))
    assert plain(adopt(tmp_path / "room", UNSENT)) == whole == plain(read_batch(folder))


def test_interrupted_submission_is_not_lost_where_the_scheduler_is_silent(tmp_path: Path, clerk: Clerk) -> None:
    write_batch(tmp_path / "room", UNSENT)
    clerk.programs.answer("squeue", code=1, err="Unable to contact slurm controller")
    desk = Desk()
    batches = [desk.adopt(tmp_path / "room", one) for one in read_batches(tmp_path / "room")]
    assert {one.phase for one in stand(tmp_path / "room", batches, desk)} == {Phase.PENDING}
    assert "Unable to contact" in desk.silent["slurm"]


def test_submission_that_nobody_knows_stays_as_it_is(tmp_path: Path, clerk: Clerk) -> None:
    write_batch(tmp_path / "room", UNSENT)
    clerk.say()
    assert plain(adopt(tmp_path / "room", UNSENT)) == UNSENT
    assert {one.cause for one in look(tmp_path / "room").values()} == {Cause.VANISHED}


def test_cancelled_batch_is_noted(tmp_path: Path) -> None:
    folder = write_batch(tmp_path, BATCH)
    mark_cancelled(tmp_path, BATCH)
    assert read_batch(folder) == CANCELLED


def test_log_that_is_long_is_read_at_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100_000 + b"\n\xffone\n\ntwo \n")
    assert read_end(log, 2) == ("\N{REPLACEMENT CHARACTER}one", "two")
    assert read_end(None) == read_end(tmp_path / "absent") == ()


def test_unknown_executor_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ToolError, match="local, slurm, sge"):
        find_scheduler("pbs")
