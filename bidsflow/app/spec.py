"""What a pipeline says of itself, once; the command, the descriptor, the documentation and the tests follow from it.

Imports nothing heavy: a pipeline's declaration is read whenever somebody lists pipelines or asks for help.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bidsflow.errors import PipelineError

#: The name of a pipeline is part of commands, folders and images.
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: Types that a parameter may have, and how the descriptor and the help call them.
TYPES: Mapping[type, str] = {bool: "flag", int: "integer", float: "number", str: "text"}


class Level(StrEnum):
    """The levels of analysis that BIDS Apps have."""

    PARTICIPANT = "participant"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Query:
    """Images that a pipeline reads.

    Attributes
    ----------
    suffix : str
        ``T1w``, ``bold``, ... In lower case it is the key of a filter file (``--bids-filter-file``).
    datatype : str
        The folder that they stand in.
    needs : tuple of str
        Metadata without which an image cannot be used: ``RepetitionTime``.
    companions : tuple of str
        Files beside the image without which it cannot be used, by extension: ``.bval``.
    """

    suffix: str
    datatype: str
    needs: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """What users should cite, and for which step.

    Attributes
    ----------
    key : str
        How the methods text refers to it: ``Power2012``.
    text : str
        The reference in full, in one line.
    doi : str
        ``10.1016/...``, ``""`` where there is none.
    """

    key: str
    text: str
    doi: str = ""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A BIDS App.

    Attributes
    ----------
    name : str
        Small letters, digits and dashes; the command is ``bidsflow run NAME`` and ``bidsflow-NAME``.
    version : str
        Part of what decides whether a finished participant is done again.
    summary : str
        One sentence for lists and for the top of the help.
    params : type
        A frozen dataclass whose fields were made by `param`.
    reads : tuple of Query
        The images that it works on. A participant without any of them is left out.
    workflow : str
        ``module:function``; the function gets a `workflow.Flow` and a `inputs.Participant` and adds the steps.
    report : str
        ``module:function``; gets a `derivatives.Results` and returns a `bidsflow.report.values.Page`.
    group : str
        ``module:function`` of the group level: gets a `derivatives.Cohort`, returns the files to write, by path.
    methods : str
        ``module:function``; gets the parameters and returns the methods text (Markdown, citations as ``[@key]``).
    memory_gb : float
        What one participant needs, as far as it can be said beforehand.
    citations : tuple of Citation
        What the methods text cites.
    ignore : tuple of str
        Lines for ``.bidsignore``, beside those for reports, figures and logs.
    """

    name: str
    version: str
    summary: str
    params: type
    reads: tuple[Query, ...]
    workflow: str
    report: str = ""
    group: str = ""
    methods: str = ""
    memory_gb: float = 2.0
    citations: tuple[Citation, ...] = ()
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PipelineError(self.name, "a name holds small letters, digits and dashes, and begins with a letter")
        if not self.reads:
            raise PipelineError(self.name, "it reads nothing: name at least one Query")
        parameters(self)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels of analysis that it has."""
        return (Level.PARTICIPANT, Level.GROUP) if self.group else (Level.PARTICIPANT,)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a pipeline, as its dataclass declares it.

    Attributes
    ----------
    name : str
        Name of the field.
    kind : type
        ``bool``, ``int``, ``float`` or ``str``.
    default : bool, int, float or str
        What holds where nobody says anything.
    help : str
        One plain sentence.
    unit : str
        ``mm``, ``s``; ``""`` for none.
    choices : tuple of str
        All that a text may be; empty where anything goes.
    minimum, maximum : float or None
        The least and the most that a number may be; None where there is no such bound.
    """

    name: str
    kind: type
    default: bool | int | float | str
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def bounds(self) -> str:
        """What a number must keep to, ``""`` where it may be any: ``at least 0``, ``from 1 to 64``."""
        if self.minimum is not None and self.maximum is not None:
            return f"from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"at least {self.minimum:g}"
        return f"at most {self.maximum:g}" if self.maximum is not None else ""

    def check(self, value: bool | int | float | str) -> None:
        """Refuse a value that the parameter cannot have; NaN is within no bounds.

        Raises
        ------
        ValueError
            If it is none of the choices, or out of bounds.
        """
        if self.choices and value not in self.choices:
            raise ValueError(f"choose from {', '.join(self.choices)}")
        if isinstance(value, str) or not self.bounds:
            return
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if not low <= value <= high:
            raise ValueError(f"{value} is not {self.bounds}")

    @property
    def flag(self) -> str:
        """The option on the command line: ``--fd-threshold``, and ``--no-...`` to switch off what is on."""
        name = self.name.replace("_", "-")
        return f"--no-{name}" if self.default is True else f"--{name}"


def param(
    default: Any,
    help: str,
    *,
    unit: str = "",
    choices: Sequence[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Return a field of a parameter dataclass.

    What is declared here is checked wherever a value comes from, and is told in the help and in the descriptor.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Params:
    ...     fd_threshold: float = param(0.2, "Motion above which a volume counts as moved.", unit="mm", minimum=0)
    >>> Params().fd_threshold
    0.2
    """
    declared = {"help": help, "unit": unit, "choices": tuple(choices), "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata=declared)


def parameters(pipeline: Pipeline) -> tuple[Parameter, ...]:
    """Return the parameters of a pipeline in the order of their declaration.

    Raises
    ------
    PipelineError
        If they are no frozen dataclass, or one has no help, no default or a type that a command line cannot have.
    """
    if not _is_frozen(pipeline.params):
        raise PipelineError(pipeline.name, "its parameters are no frozen dataclass")
    kinds = typing.get_type_hints(pipeline.params)
    return tuple(_parameter(pipeline.name, one, kinds[one.name]) for one in dataclasses.fields(pipeline.params))


def _parameter(pipeline: str, one: dataclasses.Field[Any], kind: type) -> Parameter:
    if kind not in TYPES:
        names = ", ".join(known.__name__ for known in TYPES)
        raise PipelineError(pipeline, f"parameter {one.name} must be one of {names}")
    if not one.metadata.get("help") or not fits(one.default, kind):
        raise PipelineError(pipeline, f"parameter {one.name} needs a default of its own type, and a help: use param()")
    found = Parameter(one.name, kind, kind(one.default), **one.metadata)
    if found.bounds and kind not in (int, float):
        raise PipelineError(pipeline, f"parameter {one.name} has bounds and is no number")
    try:
        found.check(found.default)
    except ValueError as error:
        raise PipelineError(pipeline, f"the default of parameter {one.name} does not fit: {error}") from error
    return found


def fits(value: object, kind: type) -> bool:
    """Return whether a parameter of some type may have a value: a whole number is a number, a flag is none.

    Examples
    --------
    >>> fits(1, float), fits(1.0, int), fits(True, int), fits("1", int)
    (True, False, False, False)
    """
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (float, int) if kind is float else kind)


def _is_frozen(kind: object) -> bool:
    settings = getattr(kind, "__dataclass_params__", None)
    return isinstance(kind, type) and settings is not None and bool(settings.frozen)
