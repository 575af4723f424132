"""A workflow of named, typed steps, run by nipype.

A step is a function with annotated arguments that returns a `NamedTuple`: paths are files, the rest is plain values.
Steps are connected by handing an output of one to an argument of the next::

    brain = flow.add(find_brain, image=t1w.path)
    flow.add(measure, image=t1w.path, mask=brain["mask"])

A name that a function does not have, or a type that does not fit, fails here and now, with the names of both. Each
step becomes a nipype node with a thin interface, so that nipype runs, caches, draws and monitors it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline import engine

from bidsflow.app.derivatives import is_inside
from bidsflow.app.kinds import (
    THREADS,
    Output,
    arguments_of,
    from_python,
    inputs_of,
    is_file,
    is_fit,
    is_values,
    results_of,
    show,
    show_value,
)
from bidsflow.app.nodes import Call
from bidsflow.errors import FlowError
from bidsflow.names import BidsName


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
        threads = self.threads if THREADS in arguments_of(function) else 1
        self._check(name, function, inputs)
        self._check_name(name)
        node = self._insert(engine.Node(Call(function, threads), name=name, mem_gb=memory_gb, n_procs=threads))
        for argument, value in inputs.items():
            self._supply(node, argument, value, f"{name}.{argument}")
        self._note_files(name, inputs)
        return Step(name, {key: Output(name, key, kind) for key, kind in results_of(function).items()})

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
        if not (is_file(content.kind) or is_values(content.kind)):
            raise FlowError(content.step, f"{content.field} is {show(content.kind)}; what is kept is a file or values")
        if is_values(content.kind) and content.kind is not Any and not str(name).endswith(".json"):
            raise FlowError(content.step, f"{content.field} is {show(content.kind)}, which is kept as .json: {name}")
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
        arguments = inputs_of(function)
        for argument, value in inputs.items():
            if argument not in arguments:
                raise FlowError(
                    name, f"{function.__name__} has no argument {argument}; it has {', '.join(arguments) or 'none'}"
                )
            if not is_fit(value, arguments[argument]):
                raise FlowError(
                    name, f"{argument} of {function.__name__} is {show(arguments[argument])}, not {show_value(value)}"
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
            setattr(node.inputs, argument, from_python(value))

    def _source(self, output: Output, where: str) -> Any:
        if output.step not in self._nodes:
            raise FlowError(where, f"the step {output.step} is not in this workflow")
        return self._nodes[output.step]
