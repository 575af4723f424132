"""What of nipype runs a step: a thin interface around a function, and its pool of processes."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from nipype.interfaces.base import BaseInterface, DynamicTraitedSpec, Undefined, isdefined, traits
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bidsflow.app.kinds import THREADS, arguments_of, check_results, code_of, inputs_of, results_of, to_python
from bidsflow.app.task import KILLED, RUN_ID

#: Gigabytes per unit of `getrusage`: bytes on macOS, kilobytes elsewhere.
_RSS_UNIT = 1e-9 if sys.platform == "darwin" else 1e-6


class Call(BaseInterface):  # type: ignore[misc]  # nipype has no types
    """Call a function whose arguments and results are annotated; the thin interface between a function and nipype."""

    input_spec = DynamicTraitedSpec
    output_spec = DynamicTraitedSpec

    def __init__(self, function: Callable[..., Any], threads: int = 1) -> None:
        super().__init__()
        self._threads = threads  # no input: it changes no result, so that the step need not run again
        self._reference = f"{function.__module__}:{function.__qualname__}"
        self._fields = tuple(results_of(function))
        self._values: dict[str, Any] = {}
        self.inputs.add_trait("code", traits.Str())
        self.inputs.trait_set(code=f"{self._reference} {code_of(function)}")
        for name in inputs_of(function):  # of any type: `Flow` has checked them; nipype hashes what names a file
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
        given = {name: (getattr(self.inputs, name), kind) for name, kind in inputs_of(function).items()}
        arguments = {name: to_python(value, kind) for name, (value, kind) in given.items() if isdefined(value)}
        if THREADS in arguments_of(function):
            arguments[THREADS] = self._threads
        before = time.process_time() + _children_time()
        result = function(**arguments)
        self._values = check_results(function, result)
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
