"""A pipeline's command line as a Boutiques descriptor, which platforms read (schema 0.5, https://boutiques.github.io)."""

from __future__ import annotations

import json
from typing import Any

from bidsflow.app.options import OPTIONS, Option
from bidsflow.app.spec import Parameter, Pipeline, parameters

#: Options that make no sense on a platform.
_LOCAL = frozenset({"config", "dry_run"})


def describe_pipeline(pipeline: Pipeline, image: str = "") -> dict[str, Any]:
    """Return the descriptor of a pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        What is declared.
    image : str
        The container image; ``""`` where the command is installed.
    """
    own = parameters(pipeline)
    options = [option for option in OPTIONS if option.dest not in _LOCAL]
    inputs = [*_positionals(pipeline), *map(_describe_option, options), *map(_describe_parameter, own)]
    keys = [one["value-key"] for one in inputs]
    descriptor: dict[str, Any] = {
        "name": f"bidsflow-{pipeline.name}",
        "description": pipeline.summary,
        "tool-version": pipeline.version,
        "schema-version": "0.5",
        "command-line": " ".join([f"bidsflow-{pipeline.name}", *keys]),
        "inputs": inputs,
        "output-files": [
            {
                "id": "results",
                "name": "Derivatives",
                "description": "The derivative dataset with its reports.",
                "path-template": "[OUTPUT_DIR]",
                "optional": False,
            }
        ],
        "error-codes": [
            {"code": 1, "description": "Some participants failed."},
            {"code": 2, "description": "Wrong options."},
            {"code": 65, "description": "The input dataset is invalid."},
            {"code": 70, "description": "Nothing to do, or an internal fault."},
        ],
        "suggested-resources": {"cpu-cores": 1, "ram": pipeline.memory_gb, "walltime-estimate": 3600},
        "tags": {"domain": ["neuroinformatics", "mri"], "toolbox": "bidsflow"},
    }
    if image:
        descriptor["container-image"] = {"type": "docker", "image": image}
    return descriptor


def to_text(descriptor: dict[str, Any]) -> str:
    """Return a descriptor as JSON text."""
    return json.dumps(descriptor, indent=2) + "\n"


def _key(name: str) -> str:
    return f"[{name.upper()}]"


def _positionals(pipeline: Pipeline) -> list[dict[str, Any]]:
    levels = [level.value for level in pipeline.levels]
    return [
        {"id": "bids_dir", "name": "Dataset", "type": "File", "value-key": _key("bids_dir"),
         "description": "The folder with dataset_description.json."},
        {"id": "output_dir", "name": "Output folder", "type": "String", "value-key": _key("output_dir"),
         "description": "Where derivatives and reports go."},
        {"id": "analysis_level", "name": "Level of analysis", "type": "String", "list": True,
         "value-key": _key("analysis_level"), "value-choices": levels, "description": " and/or ".join(levels)},
    ]  # fmt: skip


def _describe_option(option: Option) -> dict[str, Any]:
    settings = option.settings
    flag = next((one for one in option.flags if one.startswith("--")), option.flags[0])
    described: dict[str, Any] = {
        "id": option.dest,
        "name": option.dest.replace("_", " "),
        "description": option.help.replace("%%", "%"),
        "optional": True,
        "command-line-flag": flag,
        "value-key": _key(option.dest),
        "type": "String",
    }
    if settings.get("action") == "store_true":
        described["type"] = "Flag"
    elif settings.get("metavar") in ("FILE", "DIR"):
        described["type"] = "File"
    elif settings.get("metavar") == "N":
        described |= {"type": "Number", "integer": True}
    if settings.get("nargs") == "+":
        described["list"] = True
    if settings.get("choices"):
        described["value-choices"] = settings["choices"]
    return described


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    unit = f" ({parameter.unit})" if parameter.unit else ""
    described: dict[str, Any] = {
        "id": parameter.name,
        "name": parameter.name.replace("_", " "),
        "description": parameter.help + unit,
        "optional": True,
        "command-line-flag": parameter.flag,
        "value-key": _key(parameter.name),
    }
    if parameter.kind is bool:
        return {**described, "type": "Flag"}
    described["type"] = "String" if parameter.kind is str else "Number"
    if parameter.kind is int:
        described["integer"] = True
    for key, bound in (("minimum", parameter.minimum), ("maximum", parameter.maximum)):
        if bound is not None:
            described[key] = bound
    if parameter.choices:
        described["value-choices"] = list(parameter.choices)
    if parameter.default != "":
        described["default-value"] = parameter.default
    return described
