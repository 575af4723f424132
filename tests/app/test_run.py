"""Runs of the toy pipeline: in this process, with a real process for each participant."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.app.command import parse
from bidsflow.app.invocation import Resources
from bidsflow.app.outcome import Event, Outcome
from bidsflow.app.pool import share_machine
from bidsflow.app.registry import find_pipeline
from bidsflow.app.run import run
from bidsflow.app.spec import Pipeline
from bidsflow.errors import DatasetError, InputError, OptionError, PipelineError, RunError

from .conftest import Call, make_dataset, read_derivatives, write_image

Run = Callable[..., tuple[Outcome, list[Event]]]


def kinds(events: list[Event], participant: str = "") -> list[str]:
    return [event.kind for event in events if event.participant == participant]


def start(toy: Pipeline, dataset: Path, out: Path, *arguments: object) -> Outcome:
    line = (dataset, out, "participant", "--skip-bids-validation", "--n-cpus", 1, *arguments)
    return run(toy, parse(toy, tuple(map(str, line)), "bidsflow run toy"))


def test_run_leaves_a_derivative_dataset(finished: Path) -> None:
    out = finished / "out"
    assert sorted(read_derivatives(out)) == [
        ".bidsignore", "README.md", "dataset_description.json", "group_toy.tsv",
        "sub-01.html", "sub-01/anat/sub-01_T1w.json", "sub-01/anat/sub-01_desc-scaled_T1w.json",
        "sub-01/anat/sub-01_desc-scaled_T1w.nii.gz", "sub-01/figures/sub-01_T1w.json",
        "sub-02.html", "sub-02/anat/sub-02_T1w.json", "sub-02/anat/sub-02_desc-scaled_T1w.json",
        "sub-02/anat/sub-02_desc-scaled_T1w.nii.gz", "sub-02/figures/sub-02_T1w.json",
    ]  # fmt: skip
    assert (out / "group_toy.tsv").read_text().splitlines()[1:] == [
        "sub-01_desc-scaled_T1w\t2.0",
        "sub-02_desc-scaled_T1w\t2.0",
    ]
    sidecar = json.loads((out / "sub-02/anat/sub-02_desc-scaled_T1w.json").read_text())
    parameters = {"factor": 2.0, "times": 1, "keep_sign": True, "extra": False, "method": "mean", "note": "",
                  "trouble": "", "who": ""}  # fmt: skip
    assert sidecar == {
        "SkullStripped": False,
        "Factor": 2.0,
        "Measures": {"values": [65.0, 32.5]},
        "Sources": ["bids:raw:sub-02/anat/sub-02_T1w.nii.gz"],
        "GeneratedBy": [{"Name": "bidsflow toy", "Version": "1.2.0", "Parameters": parameters}],
    }
    assert (out / "sub-02/figures/sub-02_T1w.json").read_text().count("GeneratedBy") == 0
    assert json.loads((out / "sub-02/anat/sub-02_T1w.json").read_text())["values"] == [65.0, 32.5]
    assert not list((out / ".bidsflow" / "staging").iterdir())


def test_output_passes_the_validator(finished: Path) -> None:
    from bidsflow.validate import run as validate

    report = validate(finished / "out", ignore_warnings=True)
    assert report.ok, [f"{issue.code} {issue.location}" for issue in report.errors]


def test_second_run_leaves_all_as_it_is(toy: Pipeline, copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (copy / "out").rglob("*") if "index" not in path.parts}
    line = (copy / "bids", copy / "out", "participant", "--skip-bids-validation")
    events: list[Event] = []
    outcome = run(toy, parse(toy, tuple(map(str, line)), "toy"), events.append)
    assert (outcome.unchanged, outcome.done, outcome.exit_code) == (("01", "02"), (), 0)
    assert next(event.text for event in events if event.kind == "begin") == "01, 02"
    sub = [path for path in before if "sub-01" in path.name or "sub-02" in path.name]
    assert all(path.stat().st_mtime_ns == before[path] for path in sub)


def change_image(copy: Path) -> None:
    write_image(copy / "bids/sub-02/anat/sub-02_T1w.nii.gz", value=7)


def change_sidecar(copy: Path) -> None:
    (copy / "bids/sub-02/anat/sub-02_T1w.json").write_text('{"EchoTime": 0.01}')


def lose_derivative(copy: Path) -> None:
    (copy / "out/sub-02/anat/sub-02_T1w.json").unlink()


def lose_report(copy: Path) -> None:
    (copy / "out/sub-02.html").unlink()


def lose_marker(copy: Path) -> None:
    (copy / "out/.bidsflow/finished/sub-02.json").unlink()


def spoil_marker(copy: Path) -> None:
    marker = copy / "out/.bidsflow/finished/sub-02.json"
    marker.write_text(json.dumps({"task": json.loads(marker.read_text())["task"]}))


@pytest.mark.parametrize(
    "harm", [change_image, change_sidecar, lose_derivative, lose_report, lose_marker, spoil_marker]
)
def test_only_what_changed_is_done_again(harm: Callable[[Path], None], toy: Pipeline, copy: Path) -> None:
    harm(copy)
    outcome = start(toy, copy / "bids", copy / "out")
    assert (outcome.unchanged, outcome.done) == (("01",), ("02",))
    assert (copy / "out/sub-02.html").is_file()
    assert (copy / "out/sub-02/anat/sub-02_T1w.json").is_file()


def test_everything_is_done_again_when_a_parameter_changed_or_by_force(toy: Pipeline, copy: Path) -> None:
    first = read_derivatives(copy / "out")
    assert start(toy, copy / "bids", copy / "out", "--force", "--participant-label", "01").done == ("01",)
    assert read_derivatives(copy / "out") == first
    assert start(toy, copy / "bids", copy / "out", "--factor", "3").done == ("01", "02")
    sidecar = json.loads((copy / "out/sub-01/anat/sub-01_desc-scaled_T1w.json").read_text())
    assert sidecar["Factor"] == 3.0


def test_derivatives_of_images_that_are_gone_go_away(toy: Pipeline, copy: Path) -> None:
    bids, out = copy / "bids", copy / "out"
    extra = write_image(bids / "sub-01/anat/sub-01_run-2_T1w.nii.gz")
    assert start(toy, bids, out).done == ("01",)
    assert (out / "sub-01/anat/sub-01_run-2_desc-scaled_T1w.nii.gz").is_file()
    extra.unlink()
    assert start(toy, bids, out).done == ("01",)
    assert not list(out.rglob("*run-2*T1w*"))


def test_derivatives_of_other_sessions_stay_when_only_some_are_run(toy: Pipeline, tmp_path: Path) -> None:
    """Clusters often run a job for each session."""
    bids, out = make_dataset(tmp_path / "bids", ()), tmp_path / "out"
    images = [
        write_image(bids / f"sub-01/ses-{ses}/anat/sub-01_ses-{ses}_T1w.nii.gz", metadata={}) for ses in ("a", "b")
    ]
    for ses in ("a", "b"):
        assert start(toy, bids, out, "--session-label", ses).done == ("01",)
    made = {path.name for path in out.rglob("*_desc-scaled_T1w.nii.gz") if ".bidsflow" not in path.parts}
    assert made == {"sub-01_ses-a_desc-scaled_T1w.nii.gz", "sub-01_ses-b_desc-scaled_T1w.nii.gz"}
    for arguments in (("--session-label", "a"), ("--session-label", "b"), ()):
        assert start(toy, bids, out, *arguments).unchanged == ("01",)
    page = (out / "sub-01.html").read_text()
    assert "ses-a" in page
    assert "ses-b" in page
    images[0].unlink()
    assert start(toy, bids, out).done == ("01",)
    assert not (out / "sub-01/ses-a").exists()


def test_uncompressed_image_is_processed(run_toy: Run, dataset: Path, tmp_path: Path) -> None:
    write_image(dataset / "sub-03/anat/sub-03_T1w.nii")
    outcome, _ = run_toy("--participant-label", "03")
    assert outcome.done == ("03",)
    assert (tmp_path / "out/sub-03/anat/sub-03_desc-scaled_T1w.nii.gz").is_file()


def test_failure_of_one_leaves_the_others_and_a_page(run_toy: Run, tmp_path: Path) -> None:
    outcome, events = run_toy("--trouble", "raise:at noon", "--who", "01")
    assert (outcome.exit_code, outcome.done, outcome.failed) == (1, ("02",), ("01",))
    assert not (tmp_path / "out/sub-01").exists()
    page = outcome.pages[0].read_text()
    assert outcome.pages[0].name == "sub-01_crash.html"
    for text in ("scale_1", "the toy is broken: at noon", "sub-01_T1w.nii.gz", "--participant-label 01"):
        assert text in page
    assert kinds(events, "01") == ["started", "steps", "step", "failed"]
    assert "at noon" in next(event.text for event in events if event.kind == "failed")


def test_page_says_how_to_run_the_same_again(run_toy: Run, toy: Pipeline, tmp_path: Path) -> None:
    import html
    import re
    import shlex

    outcome, _ = run_toy("--trouble", "raise:x y", "--who", "01", "--factor", "5", "--participant-label", "01")
    page = html.unescape(outcome.pages[0].read_text())
    command = shlex.split(next(line for line in re.findall(r"bidsflow run toy .*", page)).partition("<")[0])
    call = parse(toy, command[3:], "bidsflow run toy")
    assert call.selection.participants == ("01",)
    assert (call.params["factor"], call.params["trouble"], call.skip_validation) == (5.0, "raise:x y", True)
    assert call.output_dir == tmp_path / "out"


def test_killed_process_is_explained(run_toy: Run) -> None:
    outcome, events = run_toy("--trouble", "kill", "--who", "01")
    assert (outcome.done, outcome.failed) == (("02",), ("01",))
    assert "ran out of memory" in next(event.text for event in events if event.kind == "failed")
    assert "ran out of memory" in outcome.pages[0].read_text()


@pytest.mark.parametrize("trouble", ["kill", "kill-parent"])
def test_killed_step_or_its_process_ends_the_participant_when_steps_run_at_once(trouble: str, run_toy: Run) -> None:
    outcome, _ = run_toy("--trouble", trouble, "--who", "01", "--n-cpus", "2", "--participant-label", "01")
    assert outcome.failed == ("01",)


def test_first_failure_stops_all_when_asked(run_toy: Run, tmp_path: Path) -> None:
    outcome, _ = run_toy(
        "--trouble", "raise:x", "--who", "01", "--stop-on-first-crash", levels=("participant", "group")
    )
    assert (outcome.exit_code, outcome.failed, outcome.done, outcome.group) == (1, ("01",), (), False)
    assert not (tmp_path / "out/sub-02").exists()


def test_failure_is_not_hidden_when_there_is_no_one_for_the_group_level(run_toy: Run) -> None:
    outcome, _ = run_toy("--trouble", "raise:x", levels=("participant", "group"))
    assert (outcome.exit_code, outcome.failed, outcome.group) == (1, ("01", "02"), False)
    assert len(outcome.pages) == 2


def test_much_output_makes_a_small_page(run_toy: Run, tmp_path: Path) -> None:
    outcome, _ = run_toy("--trouble", "print:20", "--participant-label", "01")
    assert outcome.done == ("01",)
    outcome, _ = run_toy("--trouble", "print:20", "--participant-label", "01", "--method", "mean", "--factor", "nan")
    assert outcome.exit_code == 0


def test_children_of_a_step_do_not_outlive_the_run(run_toy: Run, tmp_path: Path) -> None:
    outcome, _ = run_toy("--trouble", f"fork:{tmp_path}/pids", "--who", "01", "--participant-label", "01")
    assert outcome.done == ("01",)
    from tests.executors.test_local import wait_until_gone

    assert wait_until_gone([int(pid) for pid in (tmp_path / "pids").read_text().split()]) == []


def test_several_processors_give_the_same_as_one(toy: Pipeline, finished: Path, tmp_path: Path) -> None:
    """One participant on several processors runs its steps in processes of their own."""
    for label in ("01", "02"):
        start(toy, finished / "bids", tmp_path / "out", "--participant-label", label, "--n-cpus", "2")
    made = read_derivatives(tmp_path / "out")
    apart = ("dataset_description.json", "group_toy.tsv")
    expected = read_derivatives(finished / "out")
    assert {name: data for name, data in made.items() if name not in apart} == {
        name: data for name, data in expected.items() if name not in apart
    }


def test_finished_steps_are_used_again_unless_by_force(run_toy: Run, tmp_path: Path) -> None:
    run_toy("--participant-label", "01")
    for more, expected in (((), (True, False)), (("--force",), (False, False))):
        outcome, _ = run_toy("--participant-label", "01", "--method", "median", *more)
        record = json.loads((tmp_path / f"out/logs/{outcome.run_id}/sub-01.json").read_text())
        reused = {step["step"]: step["reused"] for step in record["Steps"]}
        assert (reused["scale_1"], reused["measure_1"]) == expected


def test_faults_are_told_before_anything_runs(run_toy: Run, dataset: Path) -> None:
    (dataset / "sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"")
    outcome, events = run_toy()
    assert (outcome.exit_code, outcome.failed, outcome.done) == (1, ("01",), ("02",))
    assert [event.kind for event in events].index("failed") < [event.kind for event in events].index("begin")


def test_dataset_in_which_nothing_can_be_used_is_65(run_toy: Run, dataset: Path) -> None:
    for label in ("01", "02"):
        (dataset / f"sub-{label}/anat/sub-{label}_T1w.nii.gz").write_bytes(b"")
    assert run_toy()[0].exit_code == 65


@pytest.mark.parametrize("labels", [(), ("01",)])
def test_dataset_without_images_is_70_and_leaves_nothing(
    labels: tuple[str, ...], run_toy: Run, dataset: Path, tmp_path: Path
) -> None:
    for label in ("01", "02"):
        shutil.rmtree(dataset / f"sub-{label}")
    for label in labels:
        (dataset / f"sub-{label}").mkdir()
    with pytest.raises(RunError, match="no T1w or bold image") as refused:
        run_toy()
    assert refused.value.exit_code == 70
    assert not (tmp_path / "out").exists()


def test_invalid_dataset_is_refused_before_anything_runs(call: Call, toy: Pipeline, dataset: Path) -> None:
    (dataset / "dataset_description.json").write_text('{"Name": 3}')
    with pytest.raises(InputError, match="does not keep to BIDS") as refused:
        run(toy, call("--participant-label", "01", skip_validation=False))
    assert refused.value.exit_code == 65


def test_invalid_file_of_a_participant_keeps_out_that_one_only(
    call: Call, toy: Pipeline, dataset: Path, tmp_path: Path
) -> None:
    write_image(dataset / "sub-01/anat/sub-01_nonsense.nii.gz")
    outcome = run(toy, call(skip_validation=False))
    assert (outcome.exit_code, outcome.done, outcome.failed) == (1, ("02",), ("01",))
    assert "does not keep to BIDS" in str(outcome.faults[0])
    assert run(toy, call("--participant-label", "02", skip_validation=False)).exit_code == 0
    assert run(toy, call("--participant-label", "01", skip_validation=False)).exit_code == 65
    assert not (tmp_path / "out/sub-01").exists()


def test_what_no_chosen_participant_reads_is_not_validated(call: Call, toy: Pipeline, dataset: Path) -> None:
    (dataset / "phenotype").mkdir()
    (dataset / "phenotype" / "nonsense.xyz").touch()
    events: list[Event] = []
    outcome = run(toy, call("--participant-label", "02", skip_validation=False), events.append)
    assert outcome.exit_code == 0
    assert "validating" in [event.kind for event in events]


@pytest.mark.parametrize("skip", [True, False])
def test_pointer_of_git_annex_is_told_for_its_participant_only(
    skip: bool, call: Call, toy: Pipeline, dataset: Path
) -> None:
    image = dataset / "sub-01/anat/sub-01_T1w.nii.gz"
    image.write_text("/annex/objects/MD5E-s123--abc.nii.gz\n")
    outcome = run(toy, call(skip_validation=skip))
    assert (outcome.exit_code, outcome.done, outcome.failed) == (1, ("02",), ("01",))
    (fault,) = outcome.faults
    assert "git annex get sub-01/anat/sub-01_T1w.nii.gz" in fault.reason


def test_refused_participant_has_a_log_and_a_page(run_toy: Run, dataset: Path, tmp_path: Path) -> None:
    write_image(dataset / "sub-01/func/sub-01_task-rest_bold.nii.gz", metadata={"TaskName": "rest"})
    outcome, _ = run_toy("--participant-label", "01")
    assert (outcome.exit_code, outcome.failed) == (65, ("01",))
    (page,) = outcome.pages
    assert page == tmp_path / f"out/logs/{outcome.run_id}/sub-01_crash.html"
    assert "no RepetitionTime" in page.read_text()
    assert "--participant-label 01" in page.read_text()
    assert "no RepetitionTime" in page.with_name("sub-01.log").read_text()
    assert page.with_name("config.toml").is_file()


@pytest.mark.parametrize(("broken", "code"), [((), 0), (("01",), 1), (("01", "02"), 65)])
def test_dry_run_ends_as_the_run_would(broken: tuple[str, ...], code: int, run_toy: Run, dataset: Path) -> None:
    for label in broken:
        (dataset / f"sub-{label}/anat/sub-{label}_T1w.nii.gz").write_bytes(b"")
    levels = ("participant", "group")
    assert run_toy("--dry-run", levels=levels)[0].exit_code == code
    assert run_toy(levels=levels)[0].exit_code == code


def gather(toy: Pipeline, copy: Path, *arguments: object, levels: tuple[str, ...] = ("group",)) -> list[str]:
    """Run the group level, and return the table and what was noted."""
    line = (copy / "bids", copy / "out", *levels, "--skip-bids-validation", "--n-cpus", 1, *arguments)
    events: list[Event] = []
    run(toy, parse(toy, tuple(map(str, line)), "toy"), events.append)
    table = (copy / "out/group_toy.tsv").read_text().splitlines()[1:]
    noted = [event.text for event in events if event.kind == "note"]
    assert [line[2:] for line in table if line[0] == "#"] == [text.removeprefix("group level: ") for text in noted]
    return [line.partition("_")[0] for line in table if line[0] != "#"] + noted


def lose_participant(copy: Path) -> None:
    shutil.rmtree(copy / "bids/sub-02")


def lose_raw(copy: Path) -> None:
    (copy / "bids/sub-02/anat/sub-02_T1w.nii.gz").unlink()


RAW = "sub-02/anat/sub-02_T1w.nii.gz"


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (change_image, f"{RAW} has changed since"),
        (lose_raw, f"{RAW} is no longer there"),
        (lose_participant, "the participant is no longer in the dataset"),
        (spoil_marker, "the note of what was done is damaged; run the participant level again"),
    ],
)
def test_group_leaves_out_who_is_not_of_todays_images(
    harm: Callable[[Path], None], why: str, toy: Pipeline, copy: Path
) -> None:
    harm(copy)
    assert gather(toy, copy) == ["sub-01", f"group level: sub-02 is left out: {why}"]
    assert (copy / "out/sub-02/anat/sub-02_desc-scaled_T1w.nii.gz").is_file()


def test_group_leaves_out_who_failed_since_until_that_is_done(toy: Pipeline, copy: Path) -> None:
    image = (copy / "bids" / RAW).read_bytes()
    (copy / "bids" / RAW).write_bytes(b"")
    found = gather(toy, copy, levels=("participant", "group"))
    assert found == ["sub-01", f"group level: sub-02 is left out: failed since: {RAW}: {RAW} is empty"]
    (copy / "bids" / RAW).write_bytes(image)
    assert len(gather(toy, copy)) == 2
    assert gather(toy, copy, levels=("participant", "group")) == ["sub-01", "sub-02"]


def test_group_names_who_failed_and_was_never_done(toy: Pipeline, copy: Path) -> None:
    write_image(copy / "bids/sub-03/anat/sub-03_T1w.nii.gz").write_bytes(b"")
    assert gather(toy, copy, levels=("participant", "group"))[2].startswith("group level: sub-03 is left out: failed: ")


def test_group_over_nobody_of_today_is_70(toy: Pipeline, copy: Path) -> None:
    for label in ("01", "02"):
        write_image(copy / f"bids/sub-{label}/anat/sub-{label}_T1w.nii.gz", value=9)
    with pytest.raises(RunError, match=r"no results of today's images\n.*sub-01 is left out.*has changed since"):
        gather(toy, copy)


def test_file_of_the_group_that_is_not_made_any_more_goes(toy: Pipeline, copy: Path) -> None:
    note = copy / "out/.bidsflow/group.json"
    record = json.loads(note.read_text())
    note.write_text(json.dumps({**record, "Outputs": {**record["Outputs"], "group_old.tsv": "", "../x": ""}}))
    (copy / "out/group_old.tsv").touch()
    (copy / "x").touch()
    gather(toy, copy)
    assert not (copy / "out/group_old.tsv").exists()
    assert (copy / "x").exists()


def test_group_says_who_was_made_how(toy: Pipeline, copy: Path) -> None:
    start(toy, copy / "bids", copy / "out", "--participant-label", "02", "--factor", "3")
    noted = gather(toy, copy)[2:]
    assert noted == [
        "group level: participants were not all made alike: sub-01 with factor=2.0; sub-02 with factor=3.0",
        "group level: factor=2.0 is asked for now; sub-02 had another value, and the results stay as they are",
    ]
    text = (copy / "out/logs/CITATION.md").read_text()
    assert "## sub-01\n\nWhat differs: factor=2.0." in text
    assert "multiplied by 3" in text
    start(toy, copy / "bids", copy / "out", "--participant-label", "01", "--factor", "3")
    assert "multiplied by 2" not in (copy / "out/logs/CITATION.md").read_text()


def test_reports_are_made_again_as_the_results_were_made(toy: Pipeline, copy: Path) -> None:
    start(toy, copy / "bids", copy / "out", "--reports-only", "--factor", "9")
    assert "multiplied by 2" in (copy / "out/sub-01.html").read_text()


def test_dry_run_of_the_group_says_whom_it_takes(toy: Pipeline, copy: Path) -> None:
    change_image(copy)
    before = read_derivatives(copy / "out")
    line = (copy / "bids", copy / "out", "group", "--dry-run")
    outcome = run(toy, parse(toy, tuple(map(str, line)), "toy"))
    assert outcome.planned == (
        "group level over sub-01",
        f"sub-02 is left out: {RAW} has changed since",
    )
    assert read_derivatives(copy / "out") == before


def test_dry_run_of_both_levels_takes_whom_it_would_do(toy: Pipeline, copy: Path) -> None:
    change_image(copy)
    (copy / "bids/sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"")
    line = (copy / "bids", copy / "out", "participant", "group", "--dry-run", "--skip-bids-validation")
    outcome = run(toy, parse(toy, tuple(map(str, line)), "toy"))
    assert outcome.to_do == ("02",)
    assert outcome.planned[1] == "group level over sub-02"
    assert outcome.planned[2].startswith("sub-01 is left out: failed: sub-01/anat/sub-01_T1w.nii.gz")


def test_work_folder_of_who_is_done_already_is_cleaned(toy: Pipeline, copy: Path) -> None:
    start(toy, copy / "bids", copy / "out", "--participant-label", "02", "--force")
    work = copy / "out/.bidsflow/work/bidsflow-toy/sub-02"
    assert work.is_dir()
    assert start(toy, copy / "bids", copy / "out", "--clean-workdir").unchanged == ("01", "02")
    assert not work.exists()


def test_dry_run_makes_no_page_again(toy: Pipeline, copy: Path) -> None:
    (copy / "out/sub-01.html").write_text("mine")
    outcome = start(toy, copy / "bids", copy / "out", "--reports-only", "--dry-run")
    assert outcome.planned == ("sub-01: its page again", "sub-02: its page again")
    assert (copy / "out/sub-01.html").read_text() == "mine"


def test_dry_run_says_where_a_workflow_cannot_be_built(toy: Pipeline, call: Call) -> None:
    broken = replace(toy, workflow="toy_pipeline.steps:befall")  # takes one argument, not two
    with pytest.raises(PipelineError, match=r"toy: its workflow cannot be built \(TypeError: .*, line \d+\)"):
        run(broken, call("--dry-run"))


def test_dry_run_writes_nothing(run_toy: Run, tmp_path: Path) -> None:
    outcome, _ = run_toy("--dry-run")
    assert outcome.planned[0] == "sub-01: 3 steps on sub-01/anat/sub-01_T1w.nii.gz"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["bids", "bids/out", "bids/derivatives", ".", "bids/sub-01/out"])
def test_output_among_raw_data_is_refused(place: str, call: Call, toy: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as refused:
        run(toy, call(output_dir=tmp_path / place, work_dir=tmp_path / "work"))
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("place", ["bids", "bids/work", "bids/sub-01/work", "out", "out/work", "link/work"])
def test_work_folder_among_data_is_refused(
    place: str, call: Call, toy: Pipeline, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(dataset)
    with pytest.raises(OptionError) as refused:
        run(toy, call("-w", tmp_path / place))
    assert refused.value.exit_code == 2


def test_output_below_derivatives_is_allowed(call: Call, toy: Pipeline, dataset: Path) -> None:
    out = dataset / "derivatives" / "toy"
    outcome = run(toy, call(output_dir=out, work_dir=out / ".bidsflow/work"))
    assert outcome.done == ("01", "02")
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["DatasetLinks"]["raw"] == "../.."


def test_output_with_other_things_is_refused(run_toy: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"thesis\.txt"):
        run_toy()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_output_of_another_pipeline_is_refused(toy: Pipeline, copy: Path) -> None:
    description = copy / "out/dataset_description.json"
    description.write_text(description.read_text().replace("bidsflow toy", "bidsflow other"))
    with pytest.raises(OptionError, match="not one of toy"):
        start(toy, copy / "bids", copy / "out")


def test_nested_layout_stands_in_its_own_folder(run_toy: Run, tmp_path: Path) -> None:
    run_toy("--output-layout", "nested", "--participant-label", "01")
    assert (tmp_path / "out/bidsflow-toy/dataset_description.json").is_file()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bidsflow-toy"]


def test_odd_paths_work(toy: Pipeline, toy_folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "Ünï cødé [x] 'q' \"d\" %s {a}"
    odd.mkdir()
    dataset = make_dataset(odd / "bids *", ("01",))
    (tmp_path / "link").symlink_to(odd)
    outcome = start(toy, tmp_path / "link" / "bids *", tmp_path / "link" / "out #1", "--write-graph", "--n-cpus", 2)
    assert outcome.done == ("01",)
    assert start(toy, dataset, odd / "out #1").unchanged == ("01",)


def test_reports_are_made_again_without_the_steps(toy: Pipeline, copy: Path) -> None:
    out = copy / "out"
    before = read_derivatives(out)
    for page in out.glob("*.html"):
        page.write_text("old")
    (out / "group_toy.tsv").unlink()
    shutil.rmtree(out / ".bidsflow" / "work")
    line = (copy / "bids", out, "participant", "group", "--reports-only", "--skip-bids-validation")
    outcome = run(toy, parse(toy, tuple(map(str, line)), "toy"))
    assert (outcome.done, outcome.group) == (("01", "02"), True)
    assert read_derivatives(out) == before
    assert not (out / ".bidsflow" / "work").exists()


def test_reports_alone_need_a_run_before(run_toy: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no participant is done") as refused:
        run_toy("--reports-only")
    assert refused.value.exit_code == 70
    assert not (tmp_path / "out").exists()


def test_group_level_alone_needs_a_run_before(run_toy: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no participant is done") as refused:
        run_toy(levels=("group",))
    assert refused.value.exit_code == 70
    assert not (tmp_path / "out").exists()


def test_work_folder_is_cleaned_and_the_log_is_kept(run_toy: Run, tmp_path: Path) -> None:
    outcome, _ = run_toy("--clean-workdir", "--trouble", "raise:x", "--who", "02")
    work = tmp_path / "out/.bidsflow/work/bidsflow-toy"
    assert [path.name for path in work.iterdir() if path.is_dir()] == ["sub-02"]
    logs = tmp_path / "out/logs" / outcome.run_id
    assert sorted(path.name for path in logs.glob("*.log")) == ["sub-01.log", "sub-02.log"]


def test_graph_is_written(run_toy: Run, tmp_path: Path) -> None:
    outcome, _ = run_toy("--write-graph", "--participant-label", "01")
    text = (tmp_path / "out/logs" / outcome.run_id / "graph.dot").read_text()
    assert '"scale_1" -> "measure_1_images";' in text


def test_container_is_named_where_images_set_it(run_toy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIDSFLOW_CONTAINER", "docker://x/toy:1.2")
    outcome, _ = run_toy("--participant-label", "01")
    description = json.loads((tmp_path / "out/dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Container"] == {
        "Type": "docker",
        "Tag": "x/toy:1.2",
        "URI": "docker://x/toy:1.2",
    }
    record = json.loads((tmp_path / f"out/logs/{outcome.run_id}/sub-01.json").read_text())
    assert record["Container"] == "docker://x/toy:1.2"


@pytest.mark.parametrize("n_cpus", [1, 2])
def test_resources_are_measured_when_asked(
    n_cpus: int, run_toy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    outcome, _ = run_toy("--resource-monitor", "--participant-label", "01", "--n-cpus", n_cpus)
    assert list((tmp_path / "here").iterdir()) == []
    record = json.loads((tmp_path / f"out/logs/{outcome.run_id}/sub-01.json").read_text())
    assert all(step["peak_gb"] > 0 for step in record["Steps"] if step["step"].startswith("scale"))


def test_configuration_that_was_written_gives_the_same_run(toy: Pipeline, call: Call, tmp_path: Path) -> None:
    outcome = run(toy, call("--factor", "4", "--participant-label", "01", "--mem", "3G"))
    config = tmp_path / "out/logs" / outcome.run_id / "config.toml"
    again = parse(toy, (str(tmp_path / "bids"), str(tmp_path / "out"), "participant", "--config", str(config)), "toy")
    assert run(toy, again).unchanged == ("01",)
    assert again.resources == Resources(1, 0, 3.0)


def test_broken_workflow_ends_each_participant_with_a_page(toy_folder: Path, dataset: Path, tmp_path: Path) -> None:
    package = tmp_path / "project" / "toy_broken"
    shutil.copytree(toy_folder / "toy_pipeline", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in package.glob("*.py"):
        path.write_text(
            path.read_text().replace("toy_pipeline", "toy_broken").replace("factor=params", "faktor=params")
        )
    pipeline = find_pipeline(f"{tmp_path}/project/")
    outcome = start(pipeline, dataset, tmp_path / "out", "--participant-label", "01")
    assert outcome.exit_code == 1
    page = outcome.pages[0].read_text()
    assert "step scale_1: scale has no argument faktor" in page
    (package / "workflow.py").write_text("def build(:")
    outcome = start(pipeline, dataset, tmp_path / "out", "--participant-label", "01")
    assert "SyntaxError" in outcome.pages[0].read_text()


def test_methods_text_that_cannot_be_made_is_told_before_anything_runs(call: Call, toy: Pipeline) -> None:
    """Not after hours, when the first participant is done."""
    events: list[Event] = []
    with pytest.raises(PipelineError, match="Toy2020, which it does not list"):
        run(replace(toy, citations=()), call(), events.append)
    assert "started" not in [event.kind for event in events]


def test_group_level_that_fails_is_told_with_a_log(toy: Pipeline, copy: Path) -> None:
    (copy / "out/sub-01/anat/sub-01_desc-scaled_T1w.json").write_text("{}")
    line = (copy / "bids", copy / "out", "group", "--skip-bids-validation")
    with pytest.raises(PipelineError, match=r"group level failed \(KeyError: 'Factor'\).*group\.log") as failed:
        run(toy, parse(toy, tuple(map(str, line)), "toy"))
    assert failed.value.exit_code == 70
    (log,) = (copy / "out").glob("logs/*/group.log")
    assert "in gather" in log.read_text()


def test_report_that_fails_leaves_the_others(toy_folder: Path, copy: Path, tmp_path: Path) -> None:
    package = tmp_path / "project" / "toy_reports"
    shutil.copytree(toy_folder / "toy_pipeline", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in package.glob("*.py"):
        path.write_text(path.read_text().replace("toy_pipeline", "toy_reports"))
    report = package / "report.py"
    report.write_text(report.read_text().replace("    names = ", "    1 / (results.label != '01')\n    names = "))
    outcome = start(find_pipeline(f"{tmp_path}/project/"), copy / "bids", copy / "out", "--reports-only")
    assert (outcome.done, outcome.failed, outcome.exit_code) == (("02",), ("01",), 1)
    assert "ZeroDivisionError" in outcome.pages[0].read_text()


MACHINES = [
    # processors, threads asked, memory, participants -> at once, processors each, threads each
    ((8, 0, 100.0), 3, (3, 2, 1)),
    ((8, 0, 100.0), 1, (1, 8, 4)),
    ((8, 0, 100.0), 50, (8, 1, 1)),
    ((1, 0, 100.0), 50, (1, 1, 1)),
    ((2, 8, 100.0), 50, (1, 2, 2)),
    ((8, 2, 100.0), 50, (4, 2, 2)),
    ((8, 0, 1.5), 50, (3, 2, 1)),
    ((8, 0, 0.1), 50, (1, 8, 1)),
    ((7, 2, 100.0), 50, (3, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("machine", "participants", "expected"), MACHINES, ids=str)
def test_machine_is_shared(
    machine: tuple[int, int, float], participants: int, expected: tuple[int, int, int], toy: Pipeline
) -> None:
    share = share_machine(participants, Resources(*machine), toy.memory_gb)
    assert (share.at_once, share.n_procs, share.threads) == expected
    assert share.at_once * share.n_procs <= machine[0]
    assert share.at_once * share.memory_gb <= machine[2]


@pytest.mark.slow
def test_fifty_participants_are_done_at_once(toy: Pipeline, tmp_path: Path) -> None:
    labels = tuple(f"{rank:02}" for rank in range(50))
    dataset = make_dataset(tmp_path / "bids", labels)
    outcome = start(toy, dataset, tmp_path / "out", "--n-cpus", "8", "--trouble", "raise:x", "--who", "07")
    assert sorted((*outcome.done, *outcome.failed)) == list(labels)
    assert outcome.failed == ("07",)
    assert len(os.listdir(tmp_path / "out/.bidsflow/finished")) == 49  # noqa: PTH208
