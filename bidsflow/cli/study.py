"""`bidsflow study`: write a first study file, and check one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import INTERRUPTED, SOURCE, STORAGE, USAGE, end_help

if TYPE_CHECKING:
    from bidsflow.convert.study.spec import Study

#: The output that is printed.
_PRINTED = Path("-")

HELP_END = end_help(
    {
        "bidsflow study init EXPORT": "write study.toml, with what the export holds",
        "bidsflow study init EXPORT -o memory.toml": "under another name",
        "bidsflow study import dcm2bids.json": "write study.toml from a configuration of dcm2bids or BIDScoin",
        "bidsflow study import heuristic.py --export EXPORT": "ask a heuristic of heudiconv what it makes of an export",
        "bidsflow study check study.toml": "whether it can be used",
        "bidsflow plan EXPORT --study study.toml": "what it makes of an export",
    },
    {0: "the file was written, or can be used"},
    USAGE, SOURCE, STORAGE, INTERRUPTED,
)  # fmt: skip


def study() -> None:
    """Say what is special to your study: names, people, visits, what is expected.

    A study file (TOML) goes before what bidsflow finds out itself, and changes only what it says. No study needs one.
    """


def init(
    exports: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXPORT...", help="Folders or files from the scanner.", show_default=False, readable=False
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Write the study here; - prints it.")] = Path(
        "study.toml"
    ),
    identified: Annotated[
        bool, typer.Option("--identified", help="List patient IDs and folders in it, to write patterns: private then.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --output if it is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON what was written.")] = False,
) -> None:
    """Write a study file of what an export holds: each protocol, its name, and what is expected of it.

    Until you edit it, it changes no name. Nobody is named in it unless you ask for that.
    """
    from bidsflow.cli.plan import check_output
    from bidsflow.cli.steps import cache_file, consoles, default_jobs, opened
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.convert.naming.guess import Guess
    from bidsflow.convert.opinion import ask_dcm2niix
    from bidsflow.convert.plan import Plan
    from bidsflow.convert.planner import make_plan, undecided
    from bidsflow.convert.study.apply import Rulebook, find_folders
    from bidsflow.convert.study.init import draft_study, list_people
    from bidsflow.convert.study.spec import Study

    if output != _PRINTED:
        check_output(output, exports, force=force)
    _, err = consoles()
    with opened(exports, cache_file(exports), err) as inventory:
        guesses: dict[str, Guess] = ask_dcm2niix(undecided(inventory), default_jobs())
        folders = find_folders(inventory, exports)

        def replan(given: Study) -> Plan:
            return make_plan(inventory, guesses=guesses, book=Rulebook(given, folders=folders)).plan

        people = list_people(inventory, folders) if identified else ()
        text = draft_study(inventory, replan(Study()), replan, people)
    count, mode = text.count("\n[[series]]"), 0o600 if identified else 0o644
    if as_json:
        _save_told(output, text, count, mode)
    else:
        _save(output, text, f"{count_words(count, 'protocol')}; edit it, then", mode)


def _save_told(output: Path, text: str, count: int, mode: int) -> None:
    """Write a study file and say so for machines; a file whose name is a dash is told whole."""
    import json

    from bidsflow.dataset.write import write_durably

    told: dict[str, object] = {"output": str(output), "protocols": count}
    if output == _PRINTED:
        told["text"] = text
    else:
        write_durably(output, text.encode(), mode=mode)
    typer.echo(json.dumps(told, indent=2))


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A study file.", show_default=False, readable=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON what it says.")] = False,
) -> None:
    """Say whether a study file can be used, and everything that is wrong with it if not."""
    import json

    from bidsflow.cli.steps import consoles, printable
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.convert.study.labels import read_tables
    from bidsflow.convert.study.read import read_study

    found = read_study(file)
    tables = read_tables(found, file.parent, str(file))
    numbers = {
        "[[series]]": len(found.rules), "[[expected]]": len(found.expected), "[[exclude]]": len(found.exclude),
        "[events]": len(found.events), "subjects in the table": len(tables.subjects),
        "sessions in the table": len(tables.sessions),
    }  # fmt: skip
    counts = [f"{number} {what}" for what, number in numbers.items() if number]
    counts += _tell_labels(found)
    fields = {"sidecar field": len(found.sidecar), "description field": len(found.dataset)}
    counts += [count_words(number, what) for what, number in fields.items() if number]
    if as_json:
        typer.echo(json.dumps({"file": str(file), "name": found.name, "says": counts}, indent=2, ensure_ascii=False))
        return
    named = f" ({found.name})" if found.name else ""
    consoles()[0].print(f"{printable(f'{file}{named}')}: {', '.join(counts) or 'it says nothing yet'}",
                        markup=False, soft_wrap=True)  # fmt: skip


def _tell_labels(found: Study) -> list[str]:
    """Return what a study says of the labels of people and visits."""
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.convert.study.spec import Source

    sources = {"subjects": found.subjects.source, "sessions": found.sessions.source}
    told = [f"{what} from {source}" for what, source in sources.items() if source is not Source.NUMBER]
    if found.sessions.labels:
        told.append(count_words(len(found.sessions.labels), "session label"))
    return told if found.sessions.names == "auto" else [*told, f"sessions: {found.sessions.names}"]


def _save(output: Path, text: str, said: str, mode: int = 0o644) -> None:
    """Write a study file and say something of it, or print the file where its name is a dash."""
    from bidsflow.cli.steps import consoles, printable
    from bidsflow.dataset.write import write_durably

    if output == _PRINTED:
        typer.echo(text, nl=False)
        return
    write_durably(output, text.encode(), mode=mode)
    name = printable(str(output))
    consoles()[0].print(f"{name}: {said}: bidsflow plan EXPORT --study {name}", soft_wrap=True)


def import_config(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A configuration of dcm2bids (.json), a bidsmap of BIDScoin (.yaml), a heuristic of heudiconv (.py).",
            show_default=False,
            readable=False,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Write the study here; - prints it.")] = Path(
        "study.toml"
    ),
    export: Annotated[
        list[Path] | None,
        typer.Option("--export", help="Scans of the study, to ask a heuristic about; may be repeated.", readable=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --output if it is there.")] = False,
) -> None:
    """Write a study file from the configuration of another converter, and say what could not be carried over.

    A heuristic is a program: it is run in a process without network that can read and write no file, and sees neither
    names nor days. What it does with other series than those of the export cannot be known.
    """
    from bidsflow.cli.plan import check_output
    from bidsflow.cli.steps import cache_file, consoles, opened, printable
    from bidsflow.convert.importers import import_study
    from bidsflow.convert.importers.imported import format_imported

    if output != _PRINTED:
        check_output(output, export or (), force=force)
    _, err = consoles()
    if export:
        with opened(export, cache_file(export), err) as inventory:
            found = import_study(file, inventory)
    else:
        found = import_study(file)
    for note in found.notes:
        err.print(f"[yellow]note[/] {printable(str(note))}", soft_wrap=True)
    rules = len(found.study.rules)
    said = f"{rules} rule{'' if rules == 1 else 's'} of {printable(found.tool)}; look at them, then"
    _save(output, format_imported(found, file.name), said)


#: What `bidsflow study` does, by the word after it.
ACTIONS = {"init": init, "import": import_config, "check": check}
