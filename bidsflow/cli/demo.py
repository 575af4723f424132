"""`bidsflow demo`: the whole way on made-up data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to work; absent or empty.", show_default=False)],
) -> None:
    """Show the whole way on a made-up export: scan, plan, convert, validate, and a page to look at."""
    raise typer.Exit(0)
