"""The command line of a BIDS App, run in a container: which words are paths, what is bound, and how.

A path is bound where it is outside, so that messages, reports, provenance and relative links are true for the user as
well; only where it would hide a part of the image it stands elsewhere, and the words say so.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsflow.app.options import OPTIONS
from bidsflow.dataset.origin import CONTAINER
from bidsflow.errors import OptionError
from bidsflow.executors.container import Bind, Box, find_runtime, wrap

#: How the user called what runs inside, for lines that say how to run something again.
CALLED = "BIDSFLOW_CALLED"
#: The levels of analysis that BIDS Apps have.
_LEVELS = ("participant", "group", "session", "run")
#: Options of others' BIDS Apps that name what they only read, and folders that they write to.
_FOREIGN_FILES = ("--fs-license-file", "--use-plugin", "--config-file", "--bids-filter-file", "--anat-derivatives")
_FOREIGN_FOLDERS = ("--work-dir", "--fs-subjects-dir", "--bids-database-dir", "--crash-dir", "--log-dir")
#: What is the image's own: a bind of one of the first hides all of it, a bind below one of the second a part.
_WHOLE = ("/", "/bound", "/home", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var")
_BELOW = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/opt/bidsflow", "/opt/data",
    "/.singularity.d",
)  # fmt: skip
#: Where a path is bound that would hide something.
_ASIDE = "/bound"
#: Variables that say where others' BIDS Apps find what they would fetch, or their licence.
FOREIGN_VARIABLES = ("FS_LICENSE", "TEMPLATEFLOW_HOME")


@dataclass(frozen=True, slots=True)
class Mention:
    """A path that a word names.

    Attributes
    ----------
    index : int
        Of the word; -1 where a file names it and not the command line.
    prefix : str
        What stands before it in the word: ``--work-dir=``, ``fmriprep=``.
    path : str
        Absolute, outside.
    writable : bool
        Whether the app writes to it: a folder, which must be there.
    """

    index: int
    prefix: str
    path: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Contained:
    """A command line that runs in a container.

    Attributes
    ----------
    command : tuple of str
        All of it.
    folders : tuple of Path
        What it writes to; must be there before it runs.
    """

    command: tuple[str, ...]
    folders: tuple[Path, ...] = ()


def contain(image: str, words: Sequence[str], *, runtime: str = "") -> tuple[str, ...]:
    """Return the command that runs a BIDS App of bidsflow in a container; its output folder must be there.

    Parameters
    ----------
    image : str
        A name in the store of Docker or Podman, or a file of Apptainer's.
    words : sequence of str
        What the app is given: ``BIDS_DIR OUTPUT_DIR participant ...``. Relative paths count from the current folder.
    runtime : str
        ``docker``, ``podman``, ``apptainer`` or ``singularity``; found where it is not said. What is said need not
        be on this machine.

    Raises
    ------
    OptionError
        If the words name no dataset, or the runtime cannot run such an image.
    ToolError
        If no program is found that can.
    """
    return plan_container(image, words, runtime=runtime).command


def plan_container(
    image: str,
    words: Sequence[str],
    *,
    runtime: str = "",
    called: str = "",
    foreign: bool = False,
    network: bool = False,
    extra: Sequence[str] = (),
) -> Contained:
    """Return how a BIDS App is run in a container.

    Parameters
    ----------
    image, words, runtime
        See `contain`.
    called : str
        How the user called it, for lines that say how to run something again.
    foreign : bool
        Whether it is no app of bidsflow's: it has options and variables of its own, and its image may be written to.
    network : bool
        Whether it may use the network.
    extra : sequence of str
        Further words for the runtime.
    """
    program = find_runtime(image, runtime)
    image = str(Path(image).absolute()) if program.takes_files and "://" not in image else image
    variables = _variables(network) if foreign else ()
    mentions = (*find_mentions(words, foreign=foreign), *(one for _, one in variables))
    binds = to_binds(mentions)
    environment = {name: inside(one.path, binds) for name, one in variables}
    if not foreign:
        environment |= {CONTAINER: image, **({CALLED: called} if called else {})}
    box = Box(image, binds, environment, network=network, frozen=not foreign, extra=tuple(extra))
    folders = tuple(dict.fromkeys(Path(one.path) for one in mentions if one.writable))
    return Contained(wrap(program, box, replace_paths(words, mentions, binds)), folders)


def find_mentions(words: Sequence[str], *, foreign: bool = False) -> tuple[Mention, ...]:
    """Return the paths that the words of a BIDS App name.

    A word that is no value of a known option is a path where it has a slash and something is there; a label never is.

    Raises
    ------
    OptionError
        If there are words and they name no dataset and output folder.
    """
    if not words or any(word in ("-h", "--help", "--version") for word in words):
        return ()
    places = find_places(words)
    files, folders, pairs = _known_options()
    if foreign:
        files, folders = files | {*_FOREIGN_FILES}, folders | {*_FOREIGN_FOLDERS}
    found: list[Mention] = []
    flag = ""
    for index, word in enumerate(words):
        if index in places:
            found.append(_mention(index, "", word, writable=index == places[1]))
            flag = ""
            continue
        prefix, value = "", word
        if word.startswith("-"):
            flag, sign, value = word.partition("=")
            if not sign:
                continue
            prefix = f"{flag}="
        key = _plain(flag)
        if key in folders:
            found.append(_mention(index, prefix, value, writable=True))
        elif key in files:
            found.append(_mention(index, prefix, value))
            found += _in_config(Path(value)) if key in ("--config", "--config-file") and not foreign else []
        elif key in pairs or _is_path(value.rpartition("=")[2]):
            name, sign, path = value.rpartition("=")
            found.append(_mention(index, f"{prefix}{name}{sign}", path))
        if key in folders | files or prefix:
            flag = ""  # it has its value
    return tuple(found)


def find_places(words: Sequence[str]) -> tuple[int, int]:
    """Return which words are the dataset and the output folder: those before the level, or the first two."""
    for index, word in enumerate(words[2:], 2):
        before = words[index - 2 : index]
        if word in _LEVELS and not any(one.startswith("-") for one in before):
            return index - 2, index - 1
    if len(words) > 1 and not any(one.startswith("-") for one in words[:2]):
        return 0, 1
    hint = "Write them first: BIDS_DIR OUTPUT_DIR participant ..."
    raise OptionError("it cannot be told which words are the dataset and the output folder", hint)


def _known_options() -> tuple[set[str], set[str], set[str]]:
    """Return the options of bidsflow's apps that name files, folders to write to, and pairs of names and paths."""
    kinds: dict[str, set[str]] = {"FILE": set(), "DIR": set(), "NAME=PATH": set()}
    for option in OPTIONS:
        if (kind := option.settings.get("metavar")) in kinds:
            kinds[kind] |= set(map(_plain, option.flags))
    return kinds["FILE"], kinds["DIR"], kinds["NAME=PATH"]


def _plain(flag: str) -> str:
    return flag.replace("_", "-")


def _mention(index: int, prefix: str, path: str, *, writable: bool = False) -> Mention:
    return Mention(index, prefix, os.path.normpath(Path(path).absolute()), writable)


def _is_path(value: str) -> bool:
    return "/" in value and Path(value).exists()


def _in_config(path: Path) -> list[Mention]:
    """Return the paths that a configuration file of bidsflow's apps names.

    Raises
    ------
    OptionError
        If the file cannot be read, or a path in it is relative: the current folder is another one inside.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: the configuration cannot be read ({error})") from error
    entries = [pair for section, values in content.items() if section != "run"
               for pair in (values.items() if isinstance(values, dict) else [(section, values)])]  # fmt: skip
    given = {str(name).replace("-", "_"): value for name, value in entries}
    found = []
    for option in OPTIONS:
        if option.settings.get("metavar") not in ("FILE", "DIR", "NAME=PATH") or option.dest not in given:
            continue
        value = given[option.dest]
        for one in value if isinstance(value, list) else [value]:
            where = str(one).partition("=")[2] if option.settings["metavar"] == "NAME=PATH" else str(one)
            if not Path(where).is_absolute():
                hint = "Write it in full, or give the option on the command line"
                raise OptionError(f"{path}: {option.dest} is a relative path, which a container cannot know", hint)
            found.append(_mention(-1, "", where, writable=option.settings["metavar"] == "DIR"))
    return found


def _variables(network: bool) -> tuple[tuple[str, Mention], ...]:
    """Return the variables of this process that others' apps need, and what they name.

    Templates that are fetched are kept there.
    """
    paths = {name: os.environ.get(name, "") for name in FOREIGN_VARIABLES}
    return tuple(
        (name, _mention(-1, "", path, writable=network and name == "TEMPLATEFLOW_HOME"))
        for name, path in paths.items()
        if path and Path(path).exists()
    )


def to_binds(mentions: Iterable[Mention]) -> tuple[Bind, ...]:
    """Return what must be bound, outer folders first; what an outer bind shows already is left out."""
    wanted: dict[str, bool] = {}
    for one in mentions:
        wanted[one.path] = wanted.get(one.path, False) or one.writable
        wanted |= {path: False for path in _linked(one.path) if path not in wanted}
    binds: list[Bind] = []
    for number, path in enumerate(sorted(wanted, key=lambda each: (each.count("/") if each != "/" else 0, each))):
        outer = _outer(path, binds)
        if outer is None:
            target = f"{_ASIDE}/{number}/{Path(path).name}".rstrip("/") if hides(path) else path
            binds.append(Bind(path, target, wanted[path]))
        elif wanted[path] and not outer.writable:
            binds.append(Bind(path, _below(path, outer), writable=True))
    return tuple(binds)


def _linked(path: str) -> list[str]:
    """Return where links at the top of a dataset lead, if out of it: people make datasets of links to subjects."""
    try:
        entries = [entry for entry in os.scandir(path) if entry.is_symlink()]
    except OSError:
        return []
    targets = [os.path.normpath(Path(path, Path(entry.path).readlink())) for entry in entries]
    return sorted(one for one in targets if not _is_below(one, path) and Path(one).exists())


def hides(path: str) -> bool:
    """Return whether a bind at a path would hide a part of an image.

    Examples
    --------
    >>> hides("/usr/share/study"), hides("/home"), hides("/home/ann/study"), hides("/opt/study")
    (True, True, False, False)
    """
    return path in _WHOLE or any(_is_below(path, one) for one in _BELOW)


def _outer(path: str, binds: Sequence[Bind]) -> Bind | None:
    """Return the innermost bind that a path lies in."""
    return max((one for one in binds if _is_below(path, one.source)), key=lambda one: len(one.source), default=None)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _below(path: str, bind: Bind) -> str:
    return os.path.normpath(Path(bind.target, os.path.relpath(path, bind.source)))


def inside(path: str, binds: Sequence[Bind]) -> str:
    """Return where a path of this machine stands in the container."""
    outer = _outer(path, binds)
    return path if outer is None else _below(path, outer)


def replace_paths(words: Sequence[str], mentions: Iterable[Mention], binds: Sequence[Bind]) -> tuple[str, ...]:
    """Return the words with each path as it is inside."""
    new: Mapping[int, str] = {one.index: one.prefix + inside(one.path, binds) for one in mentions if one.index >= 0}
    return tuple(new.get(index, word) for index, word in enumerate(words))


def to_line(contained: Contained) -> str:
    """Return one line that can be pasted into a shell; it makes the folders that are not there yet."""
    missing = [str(folder) for folder in contained.folders if not folder.is_dir()]
    before = f"mkdir -p {shlex.join(missing)} && " if missing else ""
    return before + shlex.join(contained.command)
