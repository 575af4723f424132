"""The declaration of a pipeline, and what it refuses."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest

from bidsflow.app import Level, Pipeline, Query, param
from bidsflow.app.spec import Parameter, parameters
from bidsflow.errors import PipelineError


@dataclass(frozen=True)
class Params:
    """One parameter of each kind."""

    threshold: float = param(0.2, "Motion above which a volume counts as moved.", unit="mm")
    n_rounds: int = param(3, "How often.")
    keep: bool = param(True, "Keep it.")
    mode: str = param("fast", "How.", choices=("fast", "slow"))


PIPELINE = Pipeline("toy", "1", "Toys.", Params, (Query("T1w", "anat"),), "toy:build")


def test_parameters_come_in_order_with_help_and_unit() -> None:
    found = parameters(PIPELINE)
    assert [one.name for one in found] == ["threshold", "n_rounds", "keep", "mode"]
    assert [one.flag for one in found] == ["--threshold", "--n-rounds", "--no-keep", "--mode"]
    assert [one.kind for one in found] == [float, int, bool, str]
    assert found[0].unit == "mm"
    assert found[3].choices == ("fast", "slow")


def test_levels_follow_from_the_group_function() -> None:
    assert PIPELINE.levels == (Level.PARTICIPANT,)
    assert replace(PIPELINE, group="toy:gather").levels == (Level.PARTICIPANT, Level.GROUP)


def test_pipeline_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(PIPELINE)) == PIPELINE


@pytest.mark.parametrize("name", ["", "Toy", "toy_x", "-toy", "toy-", "1toy", "toy--x", "t y", "toy\n", "../toy"])
def test_name_is_refused_when_it_cannot_be_a_command(name: str) -> None:
    with pytest.raises(PipelineError, match="a name holds"):
        replace(PIPELINE, name=name)


def test_pipeline_that_reads_nothing_is_refused() -> None:
    with pytest.raises(PipelineError, match="reads nothing"):
        replace(PIPELINE, reads=())


@dataclass(frozen=True)
class Listed:
    values: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Bare:
    value: int = 3


@dataclass(frozen=True)
class Needy:
    value: int = field(metadata={"help": "Needed."})


@dataclass(frozen=True)
class TextForNumber:
    value: float = param("much", "How much.")


@dataclass(frozen=True)
class NumberForText:
    value: str = param(3, "What.")


@dataclass(frozen=True)
class FlagForNumber:
    value: int = param(True, "How many.")


@dataclass(frozen=True)
class WrongChoice:
    value: str = param("c", "Which.", choices=("a", "b"))


@dataclass
class Loose:
    value: int = param(1, "May be changed.")


class Plain:
    value = 1


@dataclass(frozen=True)
class OutOfBounds:
    value: int = param(0, "How many.", minimum=1)


@dataclass(frozen=True)
class BoundedText:
    value: str = param("a", "Which.", maximum=3)


class Wrong(NamedTuple):
    params: type
    reason: str


WRONG = [
    Wrong(Listed, "must be one of"),
    Wrong(Bare, "needs a default"),
    Wrong(Needy, "needs a default"),
    Wrong(TextForNumber, "needs a default of its own type"),
    Wrong(NumberForText, "needs a default of its own type"),
    Wrong(FlagForNumber, "needs a default of its own type"),
    Wrong(WrongChoice, "choose from a, b"),
    Wrong(OutOfBounds, "0 is not at least 1"),
    Wrong(BoundedText, "is no number"),
    Wrong(Loose, "frozen dataclass"),
    Wrong(Plain, "frozen dataclass"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.params.__name__)
def test_parameters_are_refused_when_a_command_line_cannot_have_them(case: Wrong) -> None:
    with pytest.raises(PipelineError, match=case.reason):
        replace(PIPELINE, params=case.params)


@pytest.mark.parametrize(
    "name", ["n_cpus", "force", "help", "bids_dir", "verbose", "config", "nprocs", "analysis_level"]
)
def test_parameter_is_refused_when_every_pipeline_has_an_option_of_its_name(name: str) -> None:
    import dataclasses

    from bidsflow.app.command import make_parser

    params = dataclasses.make_dataclass("Taken", [(name, int, param(1, "Taken."))], frozen=True)
    with pytest.raises(PipelineError, match=f"parameter {name}"):
        make_parser(replace(PIPELINE, params=params), "toy")


@pytest.mark.parametrize(
    ("minimum", "maximum", "said", "fits", "fits_not"),
    [
        (None, None, "", (-1e9, float("nan")), ()),
        (0, None, "at least 0", (0, 0.5, float("inf")), (-0.1, float("nan"))),
        (None, 3, "at most 3", (-1e9, 3), (3.1, float("nan"))),
        (1, 64, "from 1 to 64", (1, 64), (0, 65)),
    ],
)
def test_bounds_hold(minimum: float | None, maximum: float | None, said: str, fits: object, fits_not: object) -> None:
    found = Parameter("x", float, 1.0, "X.", minimum=minimum, maximum=maximum)
    assert found.bounds == said
    for value in fits:  # type: ignore[attr-defined]
        found.check(value)
    for value in fits_not:  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match=said):
            found.check(value)
