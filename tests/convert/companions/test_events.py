"""Logs become events as the map says, at the right times, or are refused with the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest

from bidsflow.convert.companions.events import make_events
from bidsflow.convert.companions.logs import FORMATS, decode
from bidsflow.convert.companions.tasklogs import read_map
from bidsflow.convert.companions.tasks import find_logs
from bidsflow.errors import StudyError
from bidsflow.names import BidsName

PSYCHOPY = (
    "trials.thisN,cue.started,cond,key.rt,note,participant\n"
    ',12.5,,,pulse,Ada\n0,14.5,left,0.41,"a, b",Ada\n1,16.75,right,None,,Ada\n,,,,,Ada\n'
)
PRESENTATION = (
    "Scenario - Motor\nLogfile written - 03/04/2024 09:05:00\n\n"
    "Subject\tTrial\tEvent Type\tCode\tTime\tTTime\tUncertainty\tDuration\tUncertainty\n\n"
    "Ada\t0\tPulse\t30\t100000\t0\t1\t\t\n"
    "Ada\t1\tPicture\tleft\t120000\t0\t2\t5000\t2\n"
    "Ada\t1\tResponse\t1\t124000\t4000\t1\t\t\n"
    "Ada\t2\tPicture\tright\t142500\t0\t2\t5000\t2\n\n"
    "Event Type\tCode\tType\tResponse\nPicture\tleft\thit\t1\n"
)
EPRIME = (
    "*** Header Start ***\nSubject: 1\n*** Header End ***\n"
    "Level: 2\n*** LogFrame Start ***\nGo.OnsetTime: 5000\nGo.OffsetTime: 5000\n*** LogFrame End ***\n"
    "\t*** LogFrame Start ***\n\tStim.OnsetTime: 7000\n\tKind: left\n\t*** LogFrame End ***\n"
    "\t*** LogFrame Start ***\n\tStim.OnsetTime: 9250\n\tKind: right\n\t*** LogFrame End ***\n"
)


class Case(NamedTuple):
    title: str
    settings: str
    text: str
    lines: str


CASES = [
    Case("psychopy", 'format = "psychopy"\nstart = { column = "cue.started", where = { note = "pulse" } }\n'
         'onset = "cue.started"\nduration = 1.5\ntrial_type = "cond"\nwhere = { cond = ["left", "right"] }\n'
         'columns = { response_time = "key.rt" }', PSYCHOPY,
         "onset\tduration\ttrial_type\tresponse_time\n2\t1.5\tleft\t0.41\n4.25\t1.5\tright\tn/a\n"),
    Case("presentation", 'format = "presentation"\nonset = "Time"\nduration = "Duration"\ntrial_type = "Code"\n'
         'where = { "Event Type" = "Picture" }', PRESENTATION,
         "onset\tduration\ttrial_type\n2\t0.5\tleft\n4.25\t0.5\tright\n"),
    Case("eprime", 'format = "eprime"\nstart = "Go.OffsetTime"\nonset = "Stim.OnsetTime"\ntrial_type = "Kind"', EPRIME,
         "onset\tduration\ttrial_type\n2\tn/a\tleft\n4.25\tn/a\tright\n"),
    Case("semicolons out of order", 'start = 0\nunit = "ms"\nonset = "t"\nduration = "d"', "t;d\n4250;0\n2000;500\n",
         "onset\tduration\n2\t0.5\n4.25\t0\n"),
]  # fmt: skip


def read_task(settings: str) -> Any:
    return read_map(f'[events.motor]\nlogs = "{{subject}}.csv"\n{settings}', "events.toml")[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_log_becomes_the_events_that_the_map_names(case: Case, codec: str) -> None:
    task = read_task(case.settings)
    rows = FORMATS[task.form].read(decode(case.text.encode(codec)))
    assert make_events(task, rows, end=40.0) == case.lines


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("t,d\n1,2\nx,3\n", "line 3: what stands in 't' is no number"),
        ("t,d\n1,2,3\n", "line 2 has more cells"),
        ("t,d,t\n1,2,3\n", "line 1: the column 't' stands twice"),
        ("t,x\n1,2\n", "no column 'd'; it has t, x"),
        ("t,d\n1,-2\n", "line 2: its duration is below zero"),
        ("t,d\n,2\n", "no row of it is an event"),
        (
            "t,d\n1,2\n99,2\n",
            "line 3: an event 99.000 s after the first volume, and the run ends at 40.0 s .look at unit",
        ),
        ("t,d\n1,2\n3,500\n", "line 3: an event that lasts 500.000 s, and the run lasts 40.0 s .look at unit"),
        ("t,d\n-99,2\n-5,2\n", "all its events lie before the first volume, the last by 5.000 s .see start"),
        ("t,d\n.001,0\n.02,0\n.04,0\n", "its 3 events lie within the first 0.0400 s of a run of 40.0 s .look at unit"),
        ("t;d\n1,5;2\n", "line 2: what stands in 't' is no number, since it has a comma: save the log with decimal"),
        ('t,d\n"1,2\n', "line 2: it is no table"),
        ("", "no column 't'"),
    ],
)
def test_bad_log_is_refused_with_its_line(text: str, reason: str) -> None:
    task = read_task('start = 0\nonset = "t"\nduration = "d"')
    with pytest.raises(ValueError, match=reason):
        make_events(task, FORMATS[task.form].read(text), end=40.0)


def test_events_around_the_first_volume_are_no_mistake() -> None:
    task = read_task('start = 0\nonset = "t"\nduration = "d"')
    for text in ("t,d\n-4,2\n0,2\n", "t,d\n0,40\n", "t,d\n0,1\n0.01,1\n", "t,d\n0,1\n0.01,1\n0.09,1\n"):
        assert make_events(task, FORMATS[task.form].read(text), end=40.0).count("\n") == text.count("\n")


@pytest.mark.parametrize("data", ["t,d\n1,2\n".encode("utf-16-le"), b"t,d\n1,2\0\n", b"t,d\n1,\xe4\n"])
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="save it as UTF-8"):
        decode(data)


def test_value_that_the_levels_do_not_describe_is_refused() -> None:
    task = read_task('start = 0\nonset = "t"\ntrial_type = "k"\nlevels = { trial_type = { a = "A" } }')
    with pytest.raises(ValueError, match=r"line 3: levels\.trial_type of the map does not describe"):
        make_events(task, FORMATS[task.form].read("t,k\n1,a\n2,b\n"))


def test_frame_that_breaks_off_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 9: the frame that begins here does not end"):
        FORMATS["eprime"].read(EPRIME.rpartition("\t*** LogFrame Start")[0].rpartition("\t*** LogFrame End")[0])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "events: expected a table for each task"),
        ("[events.motor]\nx = 1", "events.motor.x: unknown key"),
        ('[events.motor]\nlogs = "{name}.csv"', "events.motor.logs: expected a path with {subject}"),
        ('[events.motor]\nlogs = "{subject}{session}.csv"', "events.motor.logs: nothing tells where in {subject}{"),
        ('[events.motor]\nlogs = "{subject}.csv"\nonset = "t"', "events.motor.start: expected 0"),
        ('[events.motor]\nlogs = "{subject}.csv"\nstart = 0', "events.motor.onset: expected a text"),
        ('[events.motor]\nlogs = "{subject}.csv"\nformat = "xlsx"', "events.motor.format: 'xlsx' is none of table"),
        ('[events.motor]\nlogs = "{subject}.csv"\nstart = 0\nonset = "t"\nduration = true', "events.motor.duration"),
        ("[events", "it is no TOML"),
    ],
)
def test_map_that_says_too_little_or_too_much_is_refused_with_the_place(text: str, place: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_map(text, "events.toml")
    assert any(problem.startswith(place.partition(": it")[0]) for problem in caught.value.problems)


@pytest.fixture
def study(tmp_path: Path, cli: Any) -> Path:
    """A dataset with two people's runs of a task, and a folder of logs with a map."""
    assert cli("phantom", tmp_path / "scan", "--series", "task", "--subjects", "2").code == 0
    assert cli("convert", tmp_path / "scan" / "dicom", tmp_path / "bids").code == 0
    (tmp_path / "logs").mkdir()
    for subject in ("1", "2"):
        (tmp_path / "logs" / f"Ada{subject}_s{subject}.log").write_text(PRESENTATION)
    (tmp_path / "events.toml").write_text(
        f'[events.motor]\nlogs = "logs/*_s{{subject}}.log"\n{CASES[1].settings}\n'
        'levels = { trial_type = { left = "A left hand", right = "A right hand" } }\n'
    )
    return tmp_path


def test_events_stand_beside_their_runs_and_are_valid(study: Path, cli: Any) -> None:
    target = study / "bids"
    ran = cli("events", target, "--map", study / "events.toml", "--dry-run")
    assert "would be: 2 written" in ran.out
    assert not list(target.rglob("*_events*"))
    ran = cli("events", target, "--map", study / "events.toml")
    assert ran.code == 0, ran.said
    stem = target / "sub-02" / "func" / "sub-02_task-motor_events"
    assert stem.with_suffix(".tsv").read_text() == CASES[1].lines
    sidecar = json.loads(stem.with_suffix(".json").read_text())
    assert sidecar["trial_type"]["Levels"] == {"left": "A left hand", "right": "A right hand"}
    assert sidecar["StimulusPresentation"] == {"SoftwareName": "Presentation"}
    assert cli("validate", target).code == 0
    assert "2 unchanged" in cli("events", target, "--map", study / "events.toml").out
    stem.with_suffix(".tsv").write_text("onset\tduration\n1\t1\n")
    ran = cli("events", target, "--map", study / "events.toml")
    assert ran.code == 1
    assert "changed by hand; --force" in ran.err
    assert stem.with_suffix(".tsv").read_text() == "onset\tduration\n1\t1\n"
    assert cli("events", target, "--map", study / "events.toml", "--force").code == 0


def test_run_whose_image_counts_in_milliseconds_is_as_long_as_it_is(study: Path, cli: Any) -> None:
    for path in (study / "bids").rglob("*_task-motor_bold.nii.gz"):
        image = nib.load(path)
        image.header.set_zooms((*image.header.get_zooms()[:3], 1000 * image.header.get_zooms()[3]))
        image.header.set_xyzt_units("mm", "msec")
        nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header), path)
    late = study / "logs" / "Ada2_s2.log"
    late.write_text(PRESENTATION.replace("142500", "99942500"))
    ran = cli("events", study / "bids", "--map", study / "events.toml")
    assert (ran.code, "1 written" in ran.out) == (1, True), ran.said
    assert "and the run ends at 40.0 s" in ran.err


def test_map_may_stand_in_the_study_of_the_dataset(study: Path, cli: Any) -> None:
    code = study / "bids" / "code"
    ran = cli("events", study / "bids")
    assert ran.code == 2
    assert "code/study.toml" in " ".join(ran.err.replace("│", " ").split())
    code.mkdir()
    (code / "study.toml").symlink_to("nowhere")
    assert "it cannot be read" in cli("events", study / "bids").err
    (code / "study.toml").unlink()
    text = (study / "events.toml").read_text().replace("logs/*", "../../logs/*")
    (code / "study.toml").write_text(f"version = 1\n{text}")
    assert cli("study", "check", code / "study.toml").code == 0
    assert "2 written" in cli("events", study / "bids").out


def test_events_of_one_person_stay_when_another_gets_the_same(study: Path, cli: Any) -> None:
    late = study / "logs" / "Ada2_s2.log"
    late.rename(study / "late")
    assert cli("events", study / "bids", "--map", study / "events.toml").code == 0
    (study / "late").rename(late)
    (study / "logs" / "Ada1_s1.log").unlink()
    assert cli("events", study / "bids", "--map", study / "events.toml").code == 0
    assert len(list((study / "bids").glob("sub-*/func/*_events.tsv"))) == 2


def test_log_without_a_run_and_bad_log_are_told_without_names(study: Path, cli: Any) -> None:
    target = study / "bids"
    (study / "logs" / "Ada9_s9.log").write_text(PRESENTATION)
    (study / "logs" / "Ada2_s2.log").write_text(PRESENTATION.replace("120000", "later"))
    ran = cli("events", target, "--map", study / "events.toml")
    assert ran.code == 1
    assert "task-motor: no run of the dataset has its subject" in ran.err
    assert "sub-02/func/sub-02_task-motor_events.tsv: line 7: what stands in 'Time' is no number" in ran.err
    assert "Ada" not in ran.said
    assert "logs/Ada9_s9.log" in cli("events", target, "--map", study / "events.toml", "--identified").err
    assert [one.name for one in target.rglob("*_events.tsv")] == ["sub-01_task-motor_events.tsv"]


def test_templates_lie_outside_and_hold_headers_only(study: Path, cli: Any) -> None:
    target, folder = study / "bids", study / "templates"
    assert cli("events", target, "--template", target / "templates").code == 73
    ran = cli("events", target, "--template", folder)
    assert ran.code == 0, ran.said
    assert sorted(one.name for one in folder.iterdir()) == [
        "events.toml", "sub-01_task-motor_events.tsv", "sub-02_task-motor_events.tsv",
    ]  # fmt: skip
    assert {one.read_text() for one in folder.glob("*.tsv")} == {"onset\tduration\ttrial_type\n"}
    (task,) = read_map((folder / "events.toml").read_text(), "")
    assert (task.task, task.logs) == ("motor", "logs/{subject}_motor.csv")
    assert not list(target.rglob("*_events*"))
    assert cli("events", target, "--template", folder).code == 73


def test_template_asks_for_sessions_where_there_are_some(tmp_path: Path, cli: Any) -> None:
    target = tmp_path / "bids"
    for name in ("ses-1_task-motor", "ses-2_task-motor", "ses-2_task-go_run-1", "ses-2_task-go_run-2"):
        folder = target / "sub-01" / name[:5] / "func"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"sub-01_{name}_bold.nii.gz").touch()
    (target / ".bidsflow").mkdir()
    assert cli("events", target, "--template", tmp_path / "new").code == 0
    logs = {task.task: task.logs for task in read_map((tmp_path / "new" / "events.toml").read_text(), "")}
    assert logs == {
        "motor": "logs/{subject}_ses{session}_motor.csv",
        "go": "logs/{subject}_ses{session}_go_run{run}.csv",
    }


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{subject}_{session}*.csv", "01_pre_a.csv"),
        ("logs/**{subject}.csv", "logs/01.csv"),
        ("./logs//*_{subject}.csv", "logs/a_01.csv"),
        ("logs/**/{subject}.csv", "logs/a/b/01.csv"),
        ("logs/**/{subject}.csv", "logs/01.csv"),
        ("[a]?/{subject}.csv", "[a]?/01.csv"),
        ("{here}/{subject}.csv", "01.csv"),
        ("/{here}/*{subject}.csv", "_01.csv"),
    ],
)
def test_log_is_found_by_patterns_as_people_write_them(pattern: str, path: str, tmp_path: Path) -> None:
    log = tmp_path / path
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("t\n1\n")
    text = pattern.replace("{here}", str(tmp_path))
    (task,) = read_map(f'[events.motor]\nlogs = "{text}"\nstart = 0\nonset = "t"', "events.toml")
    run = BidsName("01", "func", "events", ".tsv", "pre" if "session" in pattern else "", (("task", "motor"),))
    ((_, found),) = find_logs(task, tmp_path, [run])
    assert found == run


def test_label_in_a_name_of_a_log_is_never_cut(tmp_path: Path) -> None:
    (tmp_path / "12.csv").write_text("t\n1\n")
    (task,) = read_map('[events.motor]\nlogs = "*{subject}.csv"\nstart = 0\nonset = "t"', "events.toml")
    runs = [BidsName(sub, "func", "events", ".tsv", "", (("task", "motor"),)) for sub in ("02", "12")]
    assert [found for _, found in find_logs(task, tmp_path, runs)] == [runs[1]]


def test_task_that_the_dataset_lacks_is_told(study: Path, cli: Any) -> None:
    text = (study / "events.toml").read_text()
    (study / "events.toml").write_text(text + text.replace("motor", "nosuch").replace("logs/*", "none/*"))
    ran = cli("events", study / "bids", "--map", study / "events.toml")
    assert ran.code == 0
    assert "no run has task-nosuch; the dataset has motor" in ran.err


def test_help_names_the_tables_of_a_study(cli: Any) -> None:
    assert "as the events tables of BIDS_DIR/code/study.toml say" in cli("events", "--help").out
