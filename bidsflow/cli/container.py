"""What `bidsflow run` does with ``--container``: it writes the command of a container runtime, and becomes it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from bidsflow.executors.base import Request

#: What is said of these options where they cannot be in the list of a pipeline's own.
HELP = """\
In a container (pip install bidsflow is enough then; what pipelines need is in the image):
  --container IMAGE           an image in the store of Docker or Podman, or a file of Apptainer's (.sif)
  --container-runtime NAME    docker, podman, apptainer or singularity (default: what is found)
  --container-args 'WORDS'    further words for it: '--gpus all'
  --container-network         let it use the network
  --dry-run                   with --container: print the command, and do nothing
PIPELINE may then be any BIDS App, such as fmriprep or mriqc; its options are passed on as they are.
With --executor slurm or sge, each participant is a task of a cluster (docs/hpc.md)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a container.

    Attributes
    ----------
    image : str
        ``""`` for none.
    runtime : str
        ``""`` for any.
    extra : tuple of str
        Further words for the runtime.
    network, dry_run : bool
        As the options of the same names.
    """

    image: str = ""
    runtime: str = ""
    extra: tuple[str, ...] = ()
    network: bool = False
    dry_run: bool = False


def take_options(words: Sequence[str]) -> tuple[Asked, list[str]]:
    """Return what is asked of a container, and the other words.

    Raises
    ------
    OptionError
        If an option has no value, or one of these options is given without an image.
    """
    from bidsflow.errors import OptionError

    asked, rest, others = Asked(), list[str](), list[str]()
    waiting = iter(words)
    for word in waiting:
        flag, sign, value = word.partition("=")
        flag = flag.replace("_", "-")
        if flag == "--container-network":
            asked = replace(asked, network=True)
        elif flag in ("--container", "--container-runtime", "--container-args"):
            value = value if sign else next(waiting, "")
            if not value:
                raise OptionError(f"{flag}: expected a value", "--container IMAGE" if flag == "--container" else "")
            match flag:
                case "--container":
                    asked = replace(asked, image=value)
                case "--container-runtime":
                    asked = replace(asked, runtime=value)
                case _:
                    asked = replace(asked, extra=(*asked.extra, *_split(value)))
        else:
            rest.append(word)
            continue
        others.append(flag)
    if others and not asked.image:
        raise OptionError(f"{others[0]}: there is no image", "Add --container IMAGE")
    if asked.image and not is_for_cluster(rest) and "--dry-run" in (plain := [word.replace("_", "-") for word in rest]):
        rest = [word for word, one in zip(rest, plain, strict=True) if one != "--dry-run"]
        asked = replace(asked, dry_run=True)
    return asked, rest


def _split(text: str) -> list[str]:
    from bidsflow.errors import OptionError

    try:
        return shlex.split(text)
    except ValueError as error:
        raise OptionError(f"--container-args: {text!r} cannot be read ({error})", "Check its quotes") from error


def is_for_cluster(words: Sequence[str]) -> bool:
    """Return whether words ask for a submission: then each task is to run in the container, and not the submission."""
    flags = {word.partition("=")[0] for word in words}
    local = any(pair == ("--executor", "local") for pair in pairwise(words)) or "--executor=local" in words
    return bool(flags & {"--executor", "--site"}) and not local


def name_call(prog: str, asked: Asked) -> str:
    """Return how the user called this: inside of a container as it was called outside, where that is known."""
    from bidsflow.app.wrap import CALLED

    return shlex.join((*shlex.split(os.environ.get(CALLED) or prog), *(list_options(asked) if asked.image else ())))


def run(name: str, words: Sequence[str], prog: str, asked: Asked) -> int:
    """Become the container that runs a BIDS App; returns only after a dry run.

    Raises
    ------
    InputError
        If the dataset is not there.
    DatasetError
        If a folder cannot be written to.
    ToolError
        If there is no program that runs containers, or the image is not on this machine.
    """
    from bidsflow.app.wrap import plan_container, to_line

    contained = plan_container(
        asked.image,
        words,
        runtime=asked.runtime,
        called=name_call(prog, asked),
        foreign=is_foreign(name),
        network=asked.network,
        extra=asked.extra,
    )
    if not asked.dry_run:
        _check_image(contained.command[0], asked.image)
        _check_places(words, contained.folders)
        _become(contained.command)
    typer.echo(to_line(contained))
    return 0


def list_options(asked: Asked) -> tuple[str, ...]:
    """Return the options of a container again, for lines that say how to run something once more."""
    image = str(Path(asked.image).absolute()) if Path(asked.image).exists() else asked.image
    return (
        "--container", image,
        *(("--container-runtime", asked.runtime) if asked.runtime else ()),
        *(("--container-args", shlex.join(asked.extra)) if asked.extra else ()),
        *(("--container-network",) if asked.network else ()),
    )  # fmt: skip


def is_foreign(name: str) -> bool:
    """Return whether this is no pipeline that bidsflow knows: a BIDS App of someone else's."""
    from bidsflow.app.registry import find_pipelines

    return "/" not in name and name not in (".", "..") and all(one.name != name for one in find_pipelines().pipelines)


def check_for_nodes(asked: Asked, *, on_nodes: bool) -> str:
    """Return what to tell about an image that the nodes of a cluster are to run; ``""`` for nothing.

    Parameters
    ----------
    asked : Asked
        With an image.
    on_nodes : bool
        Whether only nodes see the files of images.

    Raises
    ------
    ToolError
        If it is a file that is not there, or that nobody may read, or an address.
    """
    from bidsflow.errors import ToolError
    from bidsflow.executors.container import STORES, Runtime, find_runtime, has_image, is_file_image, say_how_to_get

    image = asked.image
    if is_file_image(image):
        get = f"Get it with: {say_how_to_get(Runtime(asked.runtime or 'apptainer'), image)}"
        if "://" in image:
            raise ToolError(image, "tasks fetch nothing, and this is an address", get)
        if on_nodes:
            return ""
        hint = "Where only nodes see it, write image_on_nodes = true into the site profile"
        if not Path(image).exists():
            raise ToolError(image, "there is no such image", f"{get}. {hint}")
        if not os.access(image, os.R_OK):
            raise ToolError(image, "you cannot read this image", "Ask its owner")
        return ""
    try:
        runtime = find_runtime(image, asked.runtime)
    except ToolError:
        runtime = Runtime(asked.runtime or STORES[0])
    if has_image(runtime, image):
        return ""
    here = shutil.which(runtime.program) is not None
    where = f"{runtime.program} here has no image {image}" if here else f"whether nodes have {image} is not known"
    get = say_how_to_get(runtime, image)
    return f"{where}; a task on a node without it fails with exit code 69, as nothing is fetched. There: {get}"


def prepare_for_nodes(asked: Asked, request: Request) -> Asked:
    """Return what nodes of a cluster are asked of a container; say on the terminal what may be wrong with its image.

    Raises
    ------
    ToolError
        If they cannot run it; see `check_for_nodes`.
    """
    from bidsflow.executors.container import is_file_image

    if said := check_for_nodes(asked, on_nodes=request.image_on_nodes):
        typer.echo(f"note: {said}", err=True)
    return replace(asked, image=str(Path(asked.image).absolute())) if is_file_image(asked.image) else asked


def _check_image(program: str, image: str) -> None:
    from bidsflow.errors import ToolError
    from bidsflow.executors.container import Runtime, has_image, say_how_to_get

    runtime = Runtime(program)
    if shutil.which(program) is None:
        raise ToolError(program, "not found on this machine", "On a cluster try: module load " + program)
    if not has_image(runtime, image):
        raise ToolError(
            image, "there is no such image on this machine", f"Get it with: {say_how_to_get(runtime, image)}"
        )


def _check_places(words: Sequence[str], folders: Sequence[Path]) -> None:
    """Refuse a dataset that is not there, and folders that cannot be written to; make those that are missing."""
    from bidsflow.app.wrap import find_mentions
    from bidsflow.errors import DatasetError, InputError

    for one in find_mentions(words):
        if not one.writable and not Path(one.path).exists():
            raise InputError(f"{one.path}: there is no such file or folder", "Check the path")
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(str(folder), f"cannot be made ({error.strerror})") from error
        if not os.access(folder, os.W_OK):
            hint = "The container runs as you: choose another folder, or let its owner give you the right"
            raise DatasetError(str(folder), "you cannot write to it", hint)


def _become(command: Sequence[str]) -> NoReturn:
    """Replace this process, so that signals and the exit code are those of the container."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(command[0], list(command))
