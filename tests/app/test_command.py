"""Arguments in, an invocation out; what is wrong is said with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.app.command import make_parser, parse
from bidsflow.app.invocation import Invocation, OutputLayout
from bidsflow.app.spec import Level, Pipeline
from bidsflow.errors import OptionError
from bidsflow.executors.amounts import format_memory, parse_memory


def read(toy: Pipeline, *arguments: object) -> Invocation:
    return parse(toy, ("bids", "out", "participant", *map(str, arguments)), "bidsflow run toy")


def refuse(toy: Pipeline, *arguments: object) -> str:
    with pytest.raises(OptionError) as refused:
        read(toy, *arguments)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_defaults_hold_when_nothing_is_said(toy: Pipeline) -> None:
    call = read(toy)
    assert call.bids_dir == Path("bids").absolute()
    assert call.output_dir == Path("out").absolute()
    assert call.work_dir == call.output_dir / ".bidsflow" / "work"
    assert call.levels == (Level.PARTICIPANT,)
    assert call.resources.n_procs >= 1
    assert call.resources.memory_gb > 0
    assert call.params == {
        "factor": 2.0, "times": 1, "keep_sign": True, "extra": False, "method": "mean", "note": "", "trouble": "",
        "who": "",
    }  # fmt: skip


class Spelling(NamedTuple):
    arguments: str
    field: str
    value: object


SPELLINGS = [
    *(Spelling(f"{flag} 01 sub-02 01", "participants", ("01", "02"))
      for flag in ("--participant-label", "--participant_label", "--participant")),
    Spelling("--exclude-participant-label sub-03", "without", ("03",)),
    Spelling("--exclude_participant_label 03 4", "without", ("03", "4")),
    *(Spelling(f"{flag} ses-1 2", "sessions", ("1", "2"))
      for flag in ("--session-label", "--session_label", "--session-id", "--session_id")),
    *(Spelling(f"{flag} rest task-nback", "tasks", ("rest", "nback")) for flag in ("-t", "--task-id", "--task_id")),
    *(Spelling(f"{flag} 01 run-2", "runs", ("01", "2")) for flag in ("--run-id", "--run_id")),
    *(Spelling(f"{flag} /w", "work_dir", Path("/w")) for flag in ("-w", "--work-dir", "--work_dir")),
    *(Spelling(f"{flag} 3", "n_procs", 3) for flag in ("--nprocs", "--n-cpus", "--n_cpus", "--nthreads", "--n-procs")),
    *(Spelling(f"{flag} 2", "omp_threads", 2) for flag in ("--omp-nthreads", "--omp_nthreads")),
    Spelling("--mem 8G", "memory_gb", 8.0),
    Spelling("--mem 500MB", "memory_gb", 0.5),
    *(Spelling(flag, "skip_validation", True) for flag in ("--skip-bids-validation", "--skip_bids_validation")),
    *(Spelling(flag, "dry_run", True) for flag in ("--dry-run", "--dry_run")),
    *(Spelling(flag, "reports_only", True) for flag in ("--reports-only", "--reports_only")),
    *(Spelling(flag, "stop_on_first_crash", True) for flag in ("--stop-on-first-crash", "--stop_on_first_crash")),
    *(Spelling(flag, "write_graph", True) for flag in ("--write-graph", "--write_graph")),
    *(Spelling(flag, "monitor", True) for flag in ("--resource-monitor", "--resource_monitor")),
    *(Spelling(flag, "clean_work", True) for flag in ("--clean-workdir", "--clean_workdir")),
    *(Spelling(f"{flag} /db", "database_dir", Path("/db")) for flag in ("--bids-database-dir", "--bids_database_dir")),
    Spelling("--force", "force", True),
    Spelling("-q", "verbosity", -1),
    Spelling("-vv", "verbosity", 2),
    Spelling("--verbose", "verbosity", 1),
    Spelling("--factor 3", "factor", 3.0),
    Spelling("--times 4", "times", 4),
    Spelling("--method median", "method", "median"),
    *(Spelling(flag, "keep_sign", False) for flag in ("--no-keep-sign", "--no-keep_sign")),
    *(Spelling(f"--no-keep-sign {flag}", "keep_sign", True) for flag in ("--keep-sign", "--keep_sign")),
    Spelling("--extra", "extra", True),
    Spelling("--extra --no-extra", "extra", False),
]  # fmt: skip


@pytest.mark.parametrize("case", SPELLINGS, ids=lambda case: case.arguments)
def test_every_spelling_is_understood(case: Spelling, toy: Pipeline) -> None:
    call = read(toy, *case.arguments.split())
    found = {
        name: getattr(part, name)
        for part in (call, call.selection, call.resources)
        for name in part.__dataclass_fields__
    } | call.params  # fmt: skip
    assert found[case.field] == case.value


def test_levels_come_in_their_order(toy: Pipeline) -> None:
    call = parse(toy, ("bids", "out", "group", "participant", "group"), "toy")
    assert call.levels == (Level.PARTICIPANT, Level.GROUP)


def test_nested_layout_stands_in_a_folder_of_the_pipeline(toy: Pipeline) -> None:
    call = read(toy, "--output-layout", "nested")
    assert call.layout is OutputLayout.NESTED
    assert call.output_dir == Path("out/bidsflow-toy").absolute()
    assert call.work_dir == call.output_dir / ".bidsflow" / "work"


def test_derivatives_are_named(toy: Pipeline, tmp_path: Path) -> None:
    assert read(toy, "-d", f"anat={tmp_path}").derivatives == {"anat": tmp_path}
    assert "NAME=PATH" in refuse(toy, "--derivatives", tmp_path)
    assert "not a folder" in refuse(toy, "--derivatives", f"anat={tmp_path}/nothing")


class Mistake(NamedTuple):
    arguments: str
    said: str


MISTAKES = [
    Mistake("--mem 8", "write 8G or 8000M"),
    Mistake("--mem much", "no amount of memory"),
    Mistake("--mem 0G", "too little"),
    Mistake("--n-cpus 0", "--n-cpus"),
    Mistake("--n-cpus -1", "--n-cpus"),
    Mistake("--n-cpus many", "a whole number of at least 1"),
    Mistake("--omp-nthreads 0", "a whole number of at least 1"),
    Mistake("--output-layout flat", "flat"),
    Mistake("--no-such-option", "--no-such-option"),
    Mistake("--particip 01", "--particip"),
    Mistake("--factor much", "--factor"),
    Mistake("--times 1.5", "--times"),
    Mistake("--times 0", "--times: 0 is not from 1 to 99"),
    Mistake("--times=-1", "-1 is not from 1 to 99"),
    Mistake("--times 100", "100 is not from 1 to 99"),
    Mistake("--method mode", "mean"),
    Mistake("--participant-label 01 --exclude-participant-label sub-01", "left out at once"),
    Mistake("--participant-label", "expected at least one"),
    Mistake("--bids-filter-file /no/such/file", "cannot be read"),
    Mistake("--config /no/such/file", "cannot be read"),
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.arguments)
def test_mistake_is_said_with_exit_code_2(case: Mistake, toy: Pipeline) -> None:
    said = refuse(toy, *case.arguments.split())
    assert case.said in said
    assert "_count" not in said


@pytest.mark.parametrize("arguments", [(), ("bids",), ("bids", "out"), ("bids", "out", "session")])
def test_positionals_are_needed(arguments: tuple[str, ...], toy: Pipeline) -> None:
    with pytest.raises(OptionError) as refused:
        parse(toy, arguments, "bidsflow run toy")
    assert refused.value.exit_code == 2


def test_help_shows_units_defaults_and_percent_signs(toy: Pipeline) -> None:
    text = " ".join(make_parser(toy, "bidsflow run toy").format_help().split())
    assert "100% harmless" in text
    assert "multiplied by in a.u. (default: 2.0)." in text
    assert "multiplied (from 1 to 99; default: 1)." in text
    assert "how the input is checked" in text
    assert "90 % of the machine's" in text
    assert "--no-keep-sign" in text


@pytest.mark.parametrize("text", ["[]", "3", '{"bold": 3}', "{", '"x"', "\ufffd{"])
def test_filter_file_of_another_form_is_refused(text: str, toy: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / "filter.json"
    file.write_text(text)
    assert str(file) in refuse(toy, "--bids-filter-file", file)


@pytest.mark.parametrize("text", ['{"bold": {}, "bold": {"task": "x"}}', '{"bold": {"task": "a", "task": "b"}}'])
def test_filter_file_with_a_key_twice_is_refused(text: str, toy: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / "filter.json"
    file.write_text(text)
    assert "stands in it twice" in refuse(toy, "--bids-filter-file", file)


def test_filter_file_is_read(toy: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "filter.json").write_text(json.dumps({"T1w": {"acquisition": None}, "bold": {"task": ["a", "b"]}}))
    call = read(toy, "--bids-filter-file", tmp_path / "filter.json")
    assert call.selection.filters == {"t1w": {"acquisition": None}, "bold": {"task": ["a", "b"]}}


@given(st.floats(1e-9, 1e9), st.sampled_from(["G", "GB", "g", "Gi", "GiB", " GB"]))
def test_memory_is_read_as_it_was_written(amount: float, unit: str) -> None:
    assert parse_memory(format_memory(amount).removesuffix("G") + unit) == amount


@given(st.text(max_size=8))
def test_memory_is_an_amount_or_refused(text: str) -> None:
    try:
        amount = parse_memory(text)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
        assert amount > 0
    assert said == "" or "write 8G or 8000M" in said


@given(st.lists(st.text(max_size=6), max_size=5))
def test_any_arguments_are_an_invocation_or_refused(toy: Pipeline, arguments: list[str]) -> None:
    try:
        parse(toy, ("bids", "out", "participant", *arguments), "toy")
        code = 0
    except OptionError as error:
        code = error.exit_code
    except SystemExit as end:  # --help, --version
        code = int(end.code or 0)
    assert code in (0, 2)
