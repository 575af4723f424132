"""Which commands there are. Each is a module of this folder, which is imported when the command is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from bidsflow.cli.options import unwrap

#: Every command with its panel, in the order of the help. What a command is for and how it is used say the docstring
#: of its function, which has the name of its module, and `HELP_END` there.
PANELS: Final = {
    name: panel
    for panel, names in (
        ("From the scanner to BIDS", ("scan", "study", "plan", "convert", "events", "validate")),
        ("Run BIDS Apps", ("pipelines", "jobs", "new-pipeline", "package", "run")),
        ("Look closer", ("check", "dump", "status", "trace")),
        ("Try it out", ("phantom", "demo")),
    )
    for name in names
}


class Commands(MutableMapping[str, Any]):
    """The commands of a group by name; those of `PANELS` are made when one looks at them.

    Parameters
    ----------
    more : mapping
        Commands beside them.
    """

    def __init__(self, more: Mapping[str, Any]) -> None:
        self._made: dict[str, Any] = {**dict.fromkeys(PANELS), **more}

    def __getitem__(self, name: str) -> Any:
        """Return a command."""
        if self._made[name] is None:
            self._made[name] = _make(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        """Add a command."""
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        """Take a command out."""
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names."""
        return iter(self._made)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._made)


class LazyGroup(TyperGroup):
    """A group that imports the command which is asked for, and all of them only to list what they are for."""

    def __init__(self, *, commands: Mapping[str, Any] | None = None, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands(commands or {})

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return list(self.commands)


def _make(name: str) -> Any:
    """Return the command of a module.

    Beside the function and `HELP_END`, a module may have `COMMAND`, a class for the command, `PASS_ON`, the settings of
    one that hands what is typed, ``--help`` with it, to another command line, and `ACTIONS`, the functions of a command
    that does several things by the word after it.
    """
    word = name.replace("-", "_")
    module = import_module(f"bidsflow.cli.{word}")
    function = getattr(module, word)
    settings: dict[str, Any] = {
        "help": unwrap(function.__doc__ or ""),
        "epilog": module.HELP_END,
        "rich_help_panel": PANELS[name],
    }
    actions: Mapping[str, Any] = getattr(module, "ACTIONS", {})
    if actions:
        group = typer.Typer(add_completion=False, no_args_is_help=True, name=name, **settings)
        group.callback()(function)
        for action, what in actions.items():
            group.command(action, help=unwrap(what.__doc__ or ""))(what)
        made: Any = get_command(group)
        made.rich_help_panel = PANELS[name]  # typer keeps that of a group for the group above, which is ours
        return made
    alone = typer.Typer(add_completion=False)
    alone.command(
        name,
        cls=getattr(module, "COMMAND", None),
        context_settings=getattr(module, "PASS_ON", None),
        add_help_option=not hasattr(module, "PASS_ON"),
        **settings,
    )(function)
    return get_command(alone)
