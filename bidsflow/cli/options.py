"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

SessionsOption = Annotated[
    Literal["auto", "always", "never"],
    typer.Option("--sessions", help="Whether names have a session: auto gives them where someone was scanned twice."),
]
