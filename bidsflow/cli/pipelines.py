"""`bidsflow pipelines`: the BIDS Apps that are installed, and what each of them takes."""

from __future__ import annotations

from typing import Annotated

import typer

from bidsflow.cli.options import end_help

HELP_END = end_help(
    {
        "bidsflow pipelines": "names, what they are for and what they read",
        "bidsflow pipelines --json": "everything they declare, for a program",
    },
    {0: "listed"},
)


def pipelines(
    as_json: Annotated[bool, typer.Option("--json", help="Everything that they declare, as JSON.")] = False,
) -> None:
    """List the BIDS Apps that can be run."""
    from bidsflow.app.registry import find_pipelines

    found = find_pipelines()
    if as_json:
        typer.echo(_to_json())
        return
    for one in found.pipelines:
        levels = " and ".join(level.value for level in one.levels)
        reads = ", ".join(query.suffix for query in one.reads)
        typer.echo(f"{one.name} {one.version}: {one.summary}\n    reads {reads}; {levels} level")
    for place, reason in found.broken:
        typer.echo(f"cannot be loaded: {place} ({reason})", err=True)
    if not found.pipelines:
        typer.echo("no pipeline is installed", err=True)


def _to_json() -> str:
    import json
    from dataclasses import asdict

    from bidsflow.app.registry import find_pipelines
    from bidsflow.app.spec import parameters

    listed = []
    for one in find_pipelines().pipelines:
        params = [{**asdict(each), "kind": each.kind.__name__} for each in parameters(one)]
        listed.append(
            {
                "name": one.name,
                "version": one.version,
                "summary": one.summary,
                "levels": [level.value for level in one.levels],
                "reads": [asdict(query) for query in one.reads],
                "parameters": params,
            }
        )
    return json.dumps(listed, indent=2)
