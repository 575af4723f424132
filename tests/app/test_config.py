"""What a run writes down is what ``--config`` reads."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.app.command import parse
from bidsflow.app.config import format_config
from bidsflow.app.invocation import Invocation, OutputLayout, Resources, Selection
from bidsflow.app.spec import Level, Pipeline
from bidsflow.errors import OptionError

LABELS = st.lists(st.from_regex(r"[a-zA-Z0-9]{1,4}", fullmatch=True), max_size=3, unique=True).map(tuple)
#: What a file system and a terminal can hand over, undecodable bytes included.
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=10)
PATHS = st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=8).map(
    lambda name: Path("/x") / f"y{name}"
)
FILTERS = st.dictionaries(
    st.sampled_from(["t1w", "bold"]),
    st.dictionaries(TEXTS, st.none() | TEXTS | st.integers(0, 9) | st.lists(TEXTS, max_size=2), max_size=2),
    max_size=2,
)
INVOCATIONS = st.builds(
    Invocation,
    bids_dir=st.just(Path("/bids")),
    output_dir=st.just(Path("/out")),
    levels=st.just((Level.PARTICIPANT,)),
    work_dir=PATHS,
    resources=st.builds(Resources, st.integers(1, 99), st.integers(0, 9), st.floats(1e-6, 1e6)),
    selection=st.builds(Selection, LABELS, st.just(()), LABELS, LABELS, LABELS, FILTERS),
    params=st.fixed_dictionaries({
        "factor": st.floats(allow_nan=False), "times": st.integers(1, 99), "keep_sign": st.booleans(),
        "extra": st.booleans(), "method": st.sampled_from(["mean", "median"]), "note": TEXTS, "trouble": TEXTS,
        "who": TEXTS,
    }),
    database_dir=st.none() | PATHS,
    skip_validation=st.booleans(),
    stop_on_first_crash=st.booleans(),
    write_graph=st.booleans(),
    monitor=st.booleans(),
    clean_work=st.booleans(),
)  # fmt: skip


@given(INVOCATIONS)
def test_configuration_gives_the_same_invocation(
    toy: Pipeline, tmp_path_factory: pytest.TempPathFactory, call: Invocation
) -> None:
    file = tmp_path_factory.getbasetemp() / "config.toml"
    file.write_text(format_config(toy, call, "run"), encoding="utf-8")
    again = parse(toy, ("/bids", "/out", "participant", "--config", str(file)), "toy")
    assert replace(again, prog="", arguments=()) == call


def test_configuration_of_a_nested_layout_gives_the_same_place(toy: Pipeline, tmp_path: Path) -> None:
    call = parse(toy, ("/bids", "/out", "participant", "--output-layout", "nested"), "toy")
    (tmp_path / "config.toml").write_text(format_config(toy, call, "run"))
    again = parse(toy, ("/bids", "/out", "participant", "--config", str(tmp_path / "config.toml")), "toy")
    assert (again.layout, again.output_dir, again.work_dir) == (OutputLayout.NESTED, call.output_dir, call.work_dir)


def test_configuration_says_what_was_run(toy: Pipeline) -> None:
    call = parse(toy, ("a b", "/out", "participant", "--factor", "3"), "bidsflow run toy")
    about = tomllib.loads(format_config(toy, call, "the-run"))["run"]
    assert (about["id"], about["pipeline"], about["version"]) == ("the-run", "toy", "1.2.0")
    assert about["command"] == "bidsflow run toy 'a b' /out participant --factor 3"


def configure(toy: Pipeline, folder: Path, text: str, *arguments: str) -> Invocation:
    (folder / "config.toml").write_text(text)
    line = ("bids", "out", "participant", "--config", str(folder / "config.toml"), *arguments)
    return parse(toy, line, "toy")


def test_command_line_wins(toy: Pipeline, tmp_path: Path) -> None:
    text = 'times = 3\nextra = true\nkeep_sign = false\nparticipant_label = ["01"]\n'
    call = configure(toy, tmp_path, text, "--times", "5", "--no-extra", "--keep-sign", "--participant-label", "02")
    assert (call.params["times"], call.params["extra"], call.params["keep_sign"]) == (5, False, True)
    assert call.selection.participants == ("02",)


@pytest.mark.parametrize("text", ["n-cpus = 3", "n_cpus = 3", "[options]\nn-cpus = 3", "[anything]\nn_cpus = 3"])
def test_options_may_stand_in_tables_and_with_dashes(text: str, toy: Pipeline, tmp_path: Path) -> None:
    assert configure(toy, tmp_path, text).resources.n_procs == 3


class Wrong(NamedTuple):
    text: str
    said: str


WRONG = [
    Wrong("times = 1.5", "times = 1.5"),
    Wrong("times = true", "times"),
    Wrong('times = "3"', "times"),
    Wrong("times = 0", "0 is not from 1 to 99"),
    Wrong('factor = "3"', "factor"),
    Wrong("factor = [1.0]", "factor"),
    Wrong("note = 3", "note"),
    Wrong('extra = "yes"', "extra"),
    Wrong("extra = 1", "extra"),
    Wrong('method = "mode"', "choose from mean, median"),
    Wrong("mem = 8", "write 8G or 8000M"),
    Wrong("n_cpus = 0", "n_cpus"),
    Wrong("n_cpus = 1.5", "n_cpus"),
    Wrong("n_cpus = true", "n_cpus"),
    Wrong("work_dir = 3", "work_dir"),
    Wrong("participant_label = true", "participant_label"),
    Wrong("participant_label = [[1]]", "participant_label"),
    Wrong('skip_bids_validation = "no"', "expected true or false"),
    Wrong('output_layout = "flat"', "choose from"),
    Wrong("colour = 1", "colour is no option of toy"),
    Wrong('config = "x"', "config is no option"),
    Wrong("times = ", "cannot be read"),
    Wrong("[options.deep]\nx = 1", "deep is no option"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.text)
def test_configuration_is_refused_when_a_value_does_not_fit(case: Wrong, toy: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as refused:
        configure(toy, tmp_path, case.text)
    assert refused.value.exit_code == 2
    assert case.said in str(refused.value)


def test_configuration_that_is_no_text_is_refused(toy: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match="cannot be read"):
        parse(toy, ("bids", "out", "participant", "--config", str(tmp_path / "config.toml")), "toy")
