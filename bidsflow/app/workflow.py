"""A workflow of named, typed steps, run by nipype.

A step is a function with annotated arguments that returns a `NamedTuple`: paths are files, the rest is plain values.
Steps are connected by handing an output of one to an argument of the next::

    brain = flow.add(find_brain, image=t1w.path)
    flow.add(measure, image=t1w.path, mask=brain["mask"])

A name that a function does not have, or a type that does not fit, fails here and now, with the names of both. Each
step becomes a nipype node with a thin interface, so that nipype runs, caches, draws and monitors it.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import resource
import sys
import time
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from nipype.interfaces.base import BaseInterface, DynamicTraitedSpec, Undefined, isdefined, traits
from nipype.interfaces.utility import Merge
from nipype.pipeline import engine
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bidsflow.app.derivatives import is_inside
from bidsflow.app.spec import fits
from bidsflow.app.task import KILLED, RUN_ID
from bidsflow.errors import FlowError
from bidsflow.names import BidsName

#: Gigabytes per unit of `getrusage`: bytes on macOS, kilobytes elsewhere.
_RSS_UNIT = 1e-9 if sys.platform == "darwin" else 1e-6
#: An argument of this name gets the number of threads that a step may use.
THREADS = "threads"


@dataclass(frozen=True, slots=True)
class Output:
    """A value that a step will have when it has run.

    Attributes
    ----------
    step : str
        Name of the step.
    field : str
        Name of the output.
    kind : type or annotation
        What it will be.
    """

    step: str
    field: str
    kind: Any


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a workflow.

    Attributes
    ----------
    name : str
        Unique in its workflow.
    outputs : mapping of str to Output
        What it will have.
    """

    name: str
    outputs: Mapping[str, Output]

    def __getitem__(self, name: str) -> Output:
        """Return an output by its name.

        Raises
        ------
        FlowError
            If there is none of this name.
        """
        if name not in self.outputs:
            raise FlowError(self.name, f"there is no output {name}; it has {', '.join(self.outputs)}")
        return self.outputs[name]


@dataclass(frozen=True, slots=True)
class Derivative:
    """A file that a participant will get.

    Attributes
    ----------
    name : BidsName or str
        Where it stands; text is a path below the folder of the derivatives.
    content : Output
        A file of the work folder, or values that are written as JSON.
    sources : tuple of str
        BIDS URIs of what it was made from.
    metadata : mapping
        For its sidecar; values may be outputs.
    """

    name: BidsName | str
    content: Output
    sources: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Call(BaseInterface):  # type: ignore[misc]  # nipype has no types
    """Call a function whose arguments and results are annotated; the thin interface between a function and nipype."""

    input_spec = DynamicTraitedSpec
    output_spec = DynamicTraitedSpec

    def __init__(self, function: Callable[..., Any], threads: int = 1) -> None:
        super().__init__()
        self._threads = threads  # no input: it changes no result, so that the step need not run again
        self._reference = f"{function.__module__}:{function.__qualname__}"
        self._fields = tuple(_results(function))
        self._values: dict[str, Any] = {}
        self.inputs.add_trait("code", traits.Str())
        self.inputs.trait_set(code=f"{self._reference} {code_of(function)}")
        for name in _inputs(function):  # of any type: `Flow` has checked them; nipype hashes what names a file
            self.inputs.add_trait(name, traits.Any())
            self.inputs.trait_set(trait_change_notify=False, **{name: Undefined})

    def _outputs(self) -> Any:
        base = super()._outputs()
        for name in self._fields:
            base.add_trait(name, traits.Any)
            base.trait_set(trait_change_notify=False, **{name: Undefined})
        return base

    def _run_interface(self, runtime: Any) -> Any:
        module, _, name = self._reference.partition(":")
        function = getattr(import_module(module), name)
        given = {name: (getattr(self.inputs, name), kind) for name, kind in _inputs(function).items()}
        arguments = {name: _to_python(value, kind) for name, (value, kind) in given.items() if isdefined(value)}
        if THREADS in _arguments(function):
            arguments[THREADS] = self._threads
        before = time.process_time() + _children_time()
        result = function(**arguments)
        self._values = _check_results(function, result)
        runtime.cpu_seconds = time.process_time() + _children_time() - before
        runtime.peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
        runtime.run_id = os.environ.get(RUN_ID, "")
        return runtime

    def _list_outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = self._outputs().get()
        return outputs | self._values


class Pool(MultiProcPlugin):  # type: ignore[misc]
    """Runs steps at once. Nipype's own plugin waits for ever for a step whose process was killed (its issue 2700)."""

    def _async_callback(self, args: Any) -> None:
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> Any:
        future = self._task_obj[taskid]
        if future.done() and (error := future.exception()) is not None:
            return {"result": None, "traceback": [f"{type(error).__name__}: {KILLED}"]}
        return super()._get_result(taskid)


def _children_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Flow:
    """The workflow of one participant while it is built.

    Attributes
    ----------
    params : object
        The parameters of the pipeline: an instance of its dataclass.
    threads : int
        Threads that one step may use at most.
    others : mapping of str to Path
        Other derivative datasets that the user named (``--derivatives``).
    derivatives : tuple of Derivative
        What was asked to be kept.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        params: Any = None,
        threads: int = 1,
        others: Mapping[str, Path] = types.MappingProxyType({}),
    ) -> None:
        self.params = params
        self.threads = threads
        self.others = others
        self._workflow = engine.Workflow(name, base_dir=str(folder))
        self._nodes: dict[str, engine.Node] = {}
        self._derivatives: list[Derivative] = []
        self._files: dict[str, frozenset[Path]] = {}

    @property
    def derivatives(self) -> tuple[Derivative, ...]:
        """What was asked to be kept, in order."""
        return tuple(self._derivatives)

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of all steps."""
        return tuple(self._nodes)

    @property
    def workflow(self) -> Any:
        """The nipype workflow."""
        return self._workflow

    def add(self, function: Callable[..., Any], name: str = "", *, memory_gb: float = 0.2, **inputs: Any) -> Step:
        """Add a step that calls a function.

        Parameters
        ----------
        function : callable
            With annotated arguments; returns a `NamedTuple`. An argument ``threads`` is filled in.
        name : str
            Unique in the workflow; the name of the function where it is not given.
        memory_gb : float
            What it will need.
        **inputs
            Values, outputs of other steps, or lists with outputs of other steps.

        Raises
        ------
        FlowError
            If a name is taken, an argument is unknown or missing, or a value has the wrong type.
        """
        name = name or function.__name__
        threads = self.threads if THREADS in _arguments(function) else 1
        self._check(name, function, inputs)
        self._check_name(name)
        node = self._insert(engine.Node(Call(function, threads), name=name, mem_gb=memory_gb, n_procs=threads))
        for argument, value in inputs.items():
            self._supply(node, argument, value, f"{name}.{argument}")
        self._note_files(name, inputs)
        return Step(name, {key: Output(name, key, kind) for key, kind in _results(function).items()})

    def include(self, interface: Any, name: str, *, memory_gb: float = 0.2, **inputs: Any) -> Step:
        """Add a step that is an interface of nipype's own.

        Raises
        ------
        FlowError
            If a name is taken, or the interface has no such input.
        """
        known = interface.inputs.copyable_trait_names()
        for argument in inputs:
            if argument not in known:
                raise FlowError(name, f"{type(interface).__name__} has no input {argument}; it has {', '.join(known)}")
        self._check_name(name)
        node = self._insert(engine.Node(interface, name=name, mem_gb=memory_gb))
        for argument, value in inputs.items():
            self._supply(node, argument, value, f"{name}.{argument}")
        self._note_files(name, inputs)
        outputs = interface.output_spec().copyable_trait_names()
        return Step(name, {key: Output(name, key, Any) for key in outputs})

    def keep(self, name: BidsName | str, content: Output, *, sources: tuple[str, ...] = (), **metadata: Any) -> None:
        """Say that an output becomes a derivative.

        Parameters
        ----------
        name : BidsName or str
            Where it stands.
        content : Output
            A file, or values for a JSON file.
        sources : tuple of str
            BIDS URIs of what it was made from.
        **metadata
            For the sidecar; values may be outputs.

        Raises
        ------
        FlowError
            If there is a derivative of this name, or the output is neither a file nor values for JSON.
        """
        for output in (content, *(value for value in metadata.values() if isinstance(value, Output))):
            self._source(output, str(name))
        if any(str(name) == str(one.name) for one in self._derivatives):
            raise FlowError(content.step, f"{name} is kept twice")
        if not is_inside(str(name)):
            raise FlowError(content.step, f"{name} would stand outside of the output folder")
        if not (is_file(content.kind) or _is_values(content.kind)):
            raise FlowError(content.step, f"{content.field} is {_show(content.kind)}; what is kept is a file or values")
        if _is_values(content.kind) and content.kind is not Any and not str(name).endswith(".json"):
            raise FlowError(content.step, f"{content.field} is {_show(content.kind)}, which is kept as .json: {name}")
        self._derivatives.append(Derivative(name, content, sources, metadata))

    def files_of(self, step: str) -> frozenset[Path]:
        """Return the files that the result of a step depends on, however far back they were handed in."""
        return self._files[step]

    def _note_files(self, step: str, inputs: Mapping[str, Any]) -> None:
        found: set[Path] = set()
        waiting = list(inputs.values())
        while waiting:
            value = waiting.pop()
            if isinstance(value, Output):
                found |= self._files.get(value.step, frozenset())
            elif isinstance(value, (list, tuple)):
                waiting += value
            elif isinstance(value, (str, Path)):  # interfaces of nipype take paths as text
                found.add(Path(value))
        self._files[step] = frozenset(found)

    def _check_name(self, name: str) -> None:
        if name in self._nodes:
            raise FlowError(name, "there is a step of this name already")
        if not (name.isidentifier() and name.isascii()):
            raise FlowError(name, "a name holds letters, digits and underscores")

    def _insert(self, node: Any) -> Any:
        self._nodes[node.name] = node
        self._workflow.add_nodes([node])
        return node

    def _check(self, name: str, function: Callable[..., Any], inputs: Mapping[str, Any]) -> None:
        arguments = _inputs(function)
        for argument, value in inputs.items():
            if argument not in arguments:
                raise FlowError(
                    name, f"{function.__name__} has no argument {argument}; it has {', '.join(arguments) or 'none'}"
                )
            if not _fits(value, arguments[argument]):
                raise FlowError(
                    name, f"{argument} of {function.__name__} is {_show(arguments[argument])}, not {_show_value(value)}"
                )
        known = inspect.signature(function).parameters
        missing = [key for key in arguments if known[key].default is inspect.Parameter.empty and key not in inputs]
        if missing:
            raise FlowError(name, f"{function.__name__} needs {', '.join(missing)}")

    def _supply(self, node: Any, argument: str, value: Any, where: str) -> None:
        """Set an input of a node, or connect it."""
        if isinstance(value, Output):
            self._workflow.connect(self._source(value, where), value.field, node, argument)
        elif isinstance(value, (list, tuple)) and any(isinstance(one, Output) for one in value):
            self._check_name(f"{node.name}_{argument}")
            merge = self._insert(engine.Node(Merge(len(value)), name=f"{node.name}_{argument}"))
            for rank, one in enumerate(value, start=1):
                self._supply(merge, f"in{rank}", one, where)
            self._workflow.connect(merge, "out", node, argument)
        else:
            setattr(node.inputs, argument, _from_python(value))

    def _source(self, output: Output, where: str) -> Any:
        if output.step not in self._nodes:
            raise FlowError(where, f"the step {output.step} is not in this workflow")
        return self._nodes[output.step]


def _check_results(function: Callable[..., Any], result: tuple[Any, ...]) -> dict[str, Any]:
    """Return the outputs of a function as nipype keeps them.

    Raises
    ------
    FlowError
        If they are not those that it declares, or a file is not there.
    """
    kinds = _results(function)
    if len(result) != len(kinds):
        raise FlowError(function.__name__, f"it returned {len(result)} values instead of {', '.join(kinds)}")
    for (name, kind), value in zip(kinds.items(), result, strict=True):
        if is_file(kind) and value is not None and not Path(value).exists():
            raise FlowError(function.__name__, f"its output {name} was not written: {value}")
    return {name: _from_python(value) for name, value in zip(kinds, result, strict=True)}


@cache
def _arguments(function: Callable[..., Any]) -> Mapping[str, Any]:
    if "<" in function.__qualname__:  # <locals>, <lambda>: other processes could not find it
        raise FlowError(function.__name__, "a step is a function at the top of a module")
    hints = typing.get_type_hints(function)
    missing = [name for name in inspect.signature(function).parameters if name not in hints]
    if missing:
        raise FlowError(function.__name__, f"say the type of {', '.join(missing)}")
    return {name: hints[name] for name in inspect.signature(function).parameters}


def _inputs(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return what a function has to be given: its arguments without the number of threads."""
    return {name: kind for name, kind in _arguments(function).items() if name != THREADS}


@cache
def _results(function: Callable[..., Any]) -> Mapping[str, Any]:
    kind = typing.get_type_hints(function).get("return")
    if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
        raise FlowError(function.__name__, "it must return a NamedTuple, and say so")
    return typing.get_type_hints(kind)


@cache
def code_of(function: Callable[..., Any]) -> str:
    """Return a digest of the module that a function stands in, so that changed code runs again."""
    source = inspect.getsourcefile(function)
    data = Path(source).read_bytes() if source else function.__code__.co_code
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _strip_optional(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        rest = [one for one in get_args(kind) if one is not type(None)]
        return rest[0] if len(rest) == 1 else Any
    return kind


def _is_optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def is_file(kind: Any) -> bool:
    """Return whether an annotation says a file, or none."""
    return _strip_optional(kind) is Path


def _is_values(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return origin is Any or (isinstance(origin, type) and issubclass(origin, Mapping))


def _fits(value: Any, kind: Any) -> bool:
    if value is None:
        return _is_optional(kind)
    if isinstance(value, Output) and _is_optional(kind):
        value = replace(value, kind=_strip_optional(value.kind))
    kind = _strip_optional(kind)
    if kind is Any:
        return True
    if isinstance(value, Output):
        got = value.kind
        return got is Any or got == kind or (got is int and kind is float)
    origin = get_origin(kind) or kind
    if isinstance(value, (list, tuple)) and origin is tuple:
        inner = get_args(kind)
        each = inner[0] if len(inner) == 2 and inner[1] is Ellipsis else Any
        return all(_fits(one, each) for one in value)
    if origin in (bool, int, float, str):
        return fits(value, origin)
    return isinstance(value, origin) if isinstance(origin, type) else True


def _show(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)


def _show_value(value: Any) -> str:
    if isinstance(value, Output):
        return f"{value.step}[{value.field!r}], which is {_show(value.kind)}"
    return f"{type(value).__name__} {value!r}"


def _from_python(value: Any) -> Any:
    """Return a value as nipype keeps it: paths as text."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return [_from_python(one) for one in value]
    return value


def _to_python(value: Any, kind: Any) -> Any:
    """Return a value as a function wants it: text as path where it says so."""
    if value is None:
        return None
    kind = _strip_optional(kind)
    if kind is Path:
        return Path(value)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        each = inner[0] if inner else Any
        return tuple(_to_python(one, each) for one in value)
    return value
