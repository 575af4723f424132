"""The script of an array: readable, kept, and to be submitted by hand as well.

Each task notes in ``states/NUMBER.txt`` when it began, where, and how it ended: what became of it can be told without
the scheduler, and after it has forgotten.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from bidsflow.executors.base import Dialect, Request

SCRIPT, TASKS, STATES, LOGS = "run.sh", "tasks.txt", "states", "logs"
#: Exit code where the lines of `Request.setup` fail (sysexits.h, EX_CONFIG; not what bidsflow itself ends with).
SETUP_FAILED = 78
#: Exit code where there is no place for intermediate files on the node (sysexits.h, EX_TEMPFAIL).
SCRATCH_FAILED = 75
#: Word of a command that stands for the folder of intermediate files.
WORK = "{work}"


def write_script(
    folder: Path,
    name: str,
    command: Sequence[str],
    request: Request,
    dialect: Dialect,
    made_by: str,
    parts: Sequence[tuple[str, int]] = (),
) -> str:
    """Return the script of an array.

    Parameters
    ----------
    folder : Path
        Where it will lie, beside the list of tasks.
    name : str
        Of the array, for people.
    command : sequence of str
        Common to all tasks; each adds its words. `WORK` stands for the folder on the scratch disk.
    request : Request
        For its set-up and scratch disk.
    dialect : Dialect
        How the scheduler speaks.
    made_by : str
        Program and version, for a comment.
    parts : sequence of (str, int)
        Where it takes several arrays: how each is submitted, and how many tasks come before it.
    """
    by_hand = [f"{submit} {SCRIPT} {start}" for submit, start in parts] if len(parts) > 1 else []
    scratch = _scratch(request.scratch) if request.scratch else ""
    words = [f'"$work"{shlex.quote(word.removeprefix(WORK)) if word != WORK else ""}'
             if word.startswith(WORK) and scratch else shlex.quote(word) for word in command]  # fmt: skip
    setup = "".join(f"{{ {line}\n}} || finish {SETUP_FAILED}\n" for line in request.setup)
    if setup:  # what activates an environment tests variables that need not be there
        setup = f"set +u\n{setup}set -u\n"
    return _TEMPLATE.format(
        header="\n".join(dialect.header),
        made_by=made_by,
        name=name,
        here=shlex.quote(str(folder)),
        by_hand="\n".join(f"#     {line}" for line in by_hand or [f"{dialect.submit} {SCRIPT}"]),
        tasks=TASKS,
        states=STATES,
        job=dialect.job,
        index=dialect.index,
        node=dialect.node,
        scratch=scratch,
        setup=setup,
        command=" \\\n  ".join(_pair(words)),
    )


def _pair(words: Sequence[str]) -> list[str]:
    """Return lines of a command: an option with its value on one line, and what comes before the first option."""
    first = next((number for number, word in enumerate(words) if word.startswith("--")), len(words))
    lines: list[str] = []
    for number, word in enumerate(words):
        starts = word.startswith("--")
        if lines and not starts and (words[number - 1].startswith("--") or number <= first):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _scratch(where: str) -> str:
    """Return the lines that make a folder of the task's own on the disk of the node; a trap removes it.

    In a subshell, as a variable that is not set ends the shell that names it.
    """
    path = _expand(where)
    return f"work=$(mkdir -p {path} && mktemp -d {path}/bidsflow-XXXXXX) || finish {SCRATCH_FAILED}\n"


def _expand(text: str) -> str:
    r"""Return a word of shell in which variables are replaced, and nothing else is.

    Examples
    --------
    >>> print(_expand("$TMPDIR/a b"), _expand("/scratch/`id`"))
    "$TMPDIR/a b" "/scratch/\`id\`"
    """
    return '"' + re.sub(r'(["`\\]|\$\()', lambda found: "\\" + found[1], text) + '"'


def format_tasks(tasks: Sequence[Sequence[str]]) -> str:
    """Return the list of tasks: in each line the words, quoted for the shell, that one adds to the command.

    Raises
    ------
    ValueError
        If a word holds a line break.
    """
    lines = [shlex.join(words) for words in tasks]
    if any("\n" in line for line in lines):
        raise ValueError("a word holds a line break")
    return "".join(f"{line}\n" for line in lines)


_TEMPLATE = """\
#!/bin/bash
{header}
# {name}. Written by {made_by}; it may be read, changed, and submitted by hand, in its folder:
#     cd {here}
{by_hand}
# Line N of {tasks} is what task N adds to the command; {states}/N.txt says what became of it.
set -u
here={here}
index={index}
case $index in
  ''|*[!0-9]*) echo "this is a task of an array: submit it as the comment at its top says" >&2; exit 2 ;;
esac
number=$(( index + ${{1:-0}} ))
if [ "$number" -gt "$(wc -l < "$here/{tasks}")" ]; then echo "{tasks} has no line $number" >&2; exit 2; fi
task=$(sed -n "${{number}}p" "$here/{tasks}")

work= child= told= begins= code=0
note() {{ printf '%s %s\\n' "$(date +%s)" "$*" >> "$here/{states}/$number.txt"; }}
finish() {{ code=$1; exit "$code"; }}
clean_up() {{
  last=$?; if [ "$code" -eq 0 ]; then code=$last; fi
  if [ -n "$work" ]; then rm -rf "$work"; fi
  note ended "$code"
}}
pass_on() {{
  note signal "$1"
  if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null; elif [ -n "$begins" ]; then told=1; else finish 143; fi
}}
trap clean_up EXIT
trap 'pass_on TERM' TERM
trap 'pass_on INT' INT
trap 'pass_on USR2' USR2

note started "{job}.$index" "{node}"
{setup}{scratch}eval "set -- $task"
begins=1  # a signal may come before the command has a number
{command} \\
  "$@" &
child=$!
if [ -n "$told" ]; then kill -TERM "$child" 2>/dev/null; fi
wait "$child"; code=$?
while [ "$code" -gt 128 ] && kill -0 "$child" 2>/dev/null; do  # a signal ends wait, and not yet the command
  wait "$child"; code=$?
done
if [ "$code" -gt 128 ]; then  # the command may have ended while a signal was passed on; an old bash forgets how
  wait "$child" 2>/dev/null; last=$?
  if [ "$last" -ne 127 ]; then code=$last; fi
fi
exit "$code"
"""
