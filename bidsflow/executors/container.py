"""Run a command in a container: by which program, and with which words. Knows nothing of BIDS.

Docker and Podman take images from their own store, Apptainer and Singularity take files. What a container sees of this
machine is what is bound, and no more: no home, no network, no environment; its root cannot be written to.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bidsflow.errors import OptionError, ToolError

#: Programs that run images of their own store, and such that run files; in the order in which they are taken.
STORES, FILES = ("docker", "podman"), ("apptainer", "singularity")
#: Where Podman looks for the little program that is its --init (containers.conf, ``init_path``, and distributions').
_INITS = ("/usr/libexec/podman/catatonit", "/usr/local/libexec/podman/catatonit", "/usr/lib/podman/catatonit")
#: Variable that keeps the start script of an image that was made of Docker's from giving its words to a shell again,
#: which would replace ``$HOME`` in a path. Of Singularity CE 3.10 and Apptainer 1.1 on; older ones pass over it.
_AS_THEY_ARE = "SINGULARITY_NO_EVAL"
#: Seconds that a program has to answer a question; a daemon that is not there may be waited for.
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """A program that runs containers.

    Attributes
    ----------
    program : str
        ``docker``, ``podman``, ``apptainer`` or ``singularity``.
    rootless : bool
        Whether the user's own number is another one inside, unless it is told to keep it.
    has_init : bool
        Whether it can put a process before the command that passes signals on.
    """

    program: str
    rootless: bool = False
    has_init: bool = False

    @property
    def takes_files(self) -> bool:
        """Whether its images are files."""
        return self.program in FILES


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of this machine that a container sees.

    Attributes
    ----------
    source, target : str
        Absolute paths outside and inside.
    writable : bool
        Whether it may be changed.
    """

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """What a command is run in.

    Attributes
    ----------
    image : str
        A name in the store of the runtime, or a file.
    binds : tuple of Bind
        What it sees of this machine.
    environment : mapping of str to str
        Variables beside those of the image.
    folder : str
        The working folder, inside.
    network : bool
        Whether it may use the network. Apptainer shares it in any case.
    frozen : bool
        Whether nothing but binds and ``/tmp`` can be written. Otherwise what is written elsewhere is thrown away.
    extra : tuple of str
        Further words for the runtime, before the image.
    """

    image: str
    binds: tuple[Bind, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/tmp"
    network: bool = False
    frozen: bool = True
    extra: tuple[str, ...] = ()


def is_file_image(image: str) -> bool:
    """Return whether an image is one that Apptainer runs: a file, a folder, or an address that it would fetch.

    Examples
    --------
    >>> is_file_image("/images/qc.sif"), is_file_image("docker://x/qc:1"), is_file_image("x/qc:1")
    (True, True, False)
    """
    return image.endswith((".sif", ".simg", ".img")) or "://" in image or Path(image).is_dir()


def find_runtime(
    image: str,
    wanted: str = "",
    *,
    find: Callable[[str], str | None] = shutil.which,
    ask: Callable[[Sequence[str]], str | None] | None = None,
) -> Runtime:
    """Return the program of this machine that can run an image.

    Of Docker and Podman the one that has the image is taken, else the first that works.

    Parameters
    ----------
    image : str
        A name, or a file.
    wanted : str
        The only program to take; ``""`` for any. Whether it is there is not asked: a cluster's nodes may have it
        where its login node has not.
    find : callable
        Finds a program on the PATH.
    ask : callable
        Runs a command and returns what it prints; None where it fails.

    Raises
    ------
    OptionError
        If the wanted program is none that is known, or cannot run such an image.
    ToolError
        If there is none.
    """
    ask = ask or _ask
    fitting = FILES if is_file_image(image) else STORES
    if wanted and wanted not in STORES + FILES:
        raise OptionError(
            f"{wanted}: not known as a program that runs containers", f"Known: {', '.join(STORES + FILES)}"
        )
    if wanted and wanted not in fitting:
        kinds = "files (.sif)" if wanted in FILES else "images of its own store, no files"
        raise OptionError(f"{wanted} runs {kinds}, and {image} is none", f"Take {' or '.join(fitting)}")
    there = [name for name in fitting if find(name)]
    working = [one for name in there if name in (wanted or name) and (one := _look_at(name, ask)) is not None]
    for runtime in working:
        if runtime.takes_files or has_image(runtime, image, ask=ask):
            return runtime
    if working:
        return working[0]
    if wanted:
        return Runtime(wanted, rootless=wanted == "podman" and os.getuid() != 0)
    if there:
        hint = f"Start it, or let yourself use it: '{there[0]} info' says what is wrong"
        raise ToolError(there[0], "it is installed and does not answer", hint)
    elsewhere = _suggest(image, [name for name in STORES + FILES if find(name)])
    raise ToolError(" or ".join(fitting), f"not found, and {image} needs it", elsewhere)


def _suggest(image: str, others: Sequence[str]) -> str:
    if not others:
        return "Install one of them; on a cluster try: module load apptainer"
    if others[0] in FILES:
        name = image.rpartition("/")[2].replace(":", "_")
        return f"There is {others[0]}, which runs files: {others[0]} build {name}.sif docker-archive:{name}.tar"
    return f"There is {others[0]}, which runs images by their names: build or load it there"


def _look_at(program: str, ask: Callable[[Sequence[str]], str | None]) -> Runtime | None:
    """Return a program as it is on this machine; None where it does not work."""
    match program:
        case "podman":
            return Runtime(program, rootless=os.getuid() != 0, has_init=any(map(os.path.exists, _INITS)))
        case "docker":
            said = ask(("docker", "info", "--format", "{{.SecurityOptions}}"))  # fails without its daemon
            if said is None and "podman" in (ask(("docker", "--version")) or "").lower():  # Podman under another name
                return Runtime("podman", rootless=os.getuid() != 0, has_init=any(map(os.path.exists, _INITS)))
            return None if said is None else Runtime(program, rootless="rootless" in said, has_init=True)
    return Runtime(program)


def _ask(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def has_image(runtime: Runtime, image: str, *, ask: Callable[[Sequence[str]], str | None] | None = None) -> bool:
    """Return whether an image is on this machine; nothing is fetched."""
    if runtime.takes_files:
        return Path(image).exists()
    return (ask or _ask)((runtime.program, "image", "inspect", "--format", "{{.Id}}", image)) is not None


def say_how_to_get(runtime: Runtime, image: str) -> str:
    """Return the command that brings an image onto this machine."""
    if not runtime.takes_files:
        return f"{runtime.program} pull {image}"
    if "://" in image:
        return f"{runtime.program} pull {image.rpartition('/')[2].replace(':', '_')}.sif {image}"
    return f"{runtime.program} pull {image} docker://ADDRESS"


def wrap(
    runtime: Runtime, box: Box, words: Sequence[str], *, uid: int | None = None, gid: int | None = None
) -> tuple[str, ...]:
    """Return the command that runs the entry point of an image with some words.

    Parameters
    ----------
    runtime : Runtime
        The program that does it.
    box : Box
        What it is run in.
    words : sequence of str
        For the entry point.
    uid, gid : int, optional
        Who it runs as; by default who runs this.
    """
    uid, gid = os.getuid() if uid is None else uid, os.getgid() if gid is None else gid
    make = _wrap_file if runtime.takes_files else _wrap_store
    if runtime.takes_files and any(sign in word for word in words for sign in '$`"\\'):
        box = replace(box, environment={**box.environment, _AS_THEY_ARE: "1"})
    return (*make(runtime, box, uid, gid), *box.extra, box.image, *words)


def _wrap_store(runtime: Runtime, box: Box, uid: int, gid: int) -> tuple[str, ...]:
    """Return the words for Docker and Podman, without the image."""
    words = [runtime.program, "run", "--rm", "--pull=never"]
    if runtime.has_init:
        words.append("--init")
    if box.frozen:
        words.append("--read-only")
    if all(bind.target != "/tmp" for bind in box.binds):
        words += ["--tmpfs", "/tmp:exec,mode=1777"]  # both mount it noexec otherwise
    if not box.network:
        words += ["--network", "none"]
    words += ["--security-opt", "label=disable"]  # SELinux would keep it from the binds; without SELinux it is nothing
    if runtime.program == "podman" and runtime.rootless:
        words += ["--userns", "keep-id", "--user", f"{uid}:{gid}"]
    elif not runtime.rootless:  # Docker without root: 0 inside is the user outside, and everyone else is nobody
        words += ["--user", f"{uid}:{gid}"]
    for bind in box.binds:
        words += ["--mount", _to_mount(bind, "readonly")]
    for name, value in box.environment.items():
        words += ["--env", f"{name}={value}"]
    return (*words, "--workdir", box.folder)


def _wrap_file(runtime: Runtime, box: Box, _uid: int, _gid: int) -> tuple[str, ...]:
    """Return the words for Apptainer and Singularity, without the image."""
    words = [runtime.program, "run", "--cleanenv", "--containall"]
    if box.frozen:
        words.append("--no-home")
    for bind in box.binds:
        words += _to_bind(bind)
    for name, value in box.environment.items():
        text = f"{name}={value}"
        words += ["--env", _to_csv([text]) if "=" in value else text]  # with a second "=" it is read as a list
    return (*words, "--pwd", box.folder)


def _to_bind(bind: Bind) -> list[str]:
    """Return a bind as every version knows it, where its paths allow that: -B splits at colons and commas."""
    if any(char in bind.source + bind.target for char in ':,"\\'):
        return ["--mount", _to_mount(bind, "ro")]
    target = "" if bind.source == bind.target else f":{bind.target}"
    if bind.writable:
        return ["-B", f"{bind.source}{target}"]
    return ["-B", f"{bind.source}:{bind.target}:ro"]


def _to_mount(bind: Bind, read_only: str) -> str:
    """Return a bind as --mount takes it: fields of a CSV line, so that paths may have blanks, colons and commas."""
    fields = ["type=bind", f"source={bind.source}", f"target={bind.target}"]
    return _to_csv(fields if bind.writable else [*fields, read_only])


def _to_csv(fields: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
