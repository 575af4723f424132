"""Asks a heuristic of heudiconv what it makes of given series, and can do nothing else. Run by `sandbox` as a program.

Reads JSON from standard input (source, name, visits), writes JSON to standard output. A heuristic is a program of
someone else. Before it is run, this process gives up what it could do harm with: the kernel takes away all writing to
file systems (Landlock) and the network (a namespace of its own), where it can; limits of time, memory and file size
hold everywhere; and an audit hook refuses every event of the interpreter (PEP 578) that a heuristic does not need. What
the hook alone refuses, a clever program may get around: it is there for accidents, the kernel for the rest.

It knows nothing of bidsflow and imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import types
from collections import namedtuple
from contextlib import suppress
from pathlib import Path
from typing import Any

#: The fields of heudiconv's SeqInfo, in its order (``heudiconv/utils.py``, 1.5.1).
FIELDS = (
    "total_files_till_now", "example_dcm_file", "series_id", "dcm_dir_name", "series_files", "unspecified", "dim1",
    "dim2", "dim3", "dim4", "TR", "TE", "protocol_name", "is_motion_corrected", "is_derived", "patient_id",
    "study_description", "referring_physician_name", "series_description", "sequence_name", "image_type",
    "accession_number", "patient_age", "patient_sex", "date", "series_uid", "time", "custom",
)  # fmt: skip
#: Parts of the interpreter that reach the machine without an event.
_DENIED = frozenset({
    "ctypes", "_ctypes", "socket", "_socket", "ssl", "_posixsubprocess", "subprocess", "multiprocessing", "mmap",
    "fcntl", "_multiprocessing", "sqlite3", "_sqlite3", "resource", "pty", "termios", "_interpreters",
    "_xxsubinterpreters",
})  # fmt: skip
#: What heuristics often import and seldom use; whatever is asked of it fails as the import would have.
_ABSENT = (
    "numpy", "pandas", "scipy", "nibabel", "pydicom", "dcmstack", "nipype", "nilearn", "bids", "yaml", "matplotlib",
)  # fmt: skip
_EVENTS = frozenset({
    "import", "compile", "exec", "marshal.load", "marshal.loads", "object.__getattr__", "object.__setattr__",
    "sys._getframe", "builtins.id", "sys.unraisablehook", "sys.excepthook", "os.fspath", "time.sleep",
})  # fmt: skip
#: Functions of the operating system that raise no event and that no heuristic needs.
_TAKEN = ("mkfifo", "mknod", "unshare", "setns", "memfd_create", "pidfd_open", "setuid", "setgid", "fchmod", "fchown")
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
#: Writing, removing and making of every kind, and running of programs (linux/landlock.h, ABI 1).
_LANDLOCK_WRITES = 0b1111111110011
_NO_NEW_PRIVS = 38
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
#: A heuristic looks through some dozens of rows: this is generous.
_SECONDS, _MEMORY, _FILES = 20, 1 << 30, 64


def bound_what_it_uses() -> None:
    """Limit time, memory and files; a file that it could open nonetheless holds nothing."""
    import resource

    limits = {
        "RLIMIT_CPU": _SECONDS,
        "RLIMIT_AS": _MEMORY,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": _FILES,
    }
    for name, most in limits.items():
        with suppress(OSError, ValueError):  # a lower limit holds already
            resource.setrlimit(getattr(resource, name), (most, most))
    del sys.modules["resource"]


def give_up_the_machine() -> list[str]:
    """Let the kernel take away writing and the network; return what it would not."""
    import ctypes

    kept = []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_USER | _NEW_NET) and libc.unshare(_NEW_NET):
        kept.append("network")
    attributes = ctypes.c_uint64(_LANDLOCK_WRITES)
    rules = libc.syscall(_LANDLOCK_CREATE, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    if rules < 0 or libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(_LANDLOCK_RESTRICT, rules, 0):
        kept.append("writing")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]:
        del sys.modules[name]
    return kept


def refuse_the_rest() -> None:
    """Refuse every event that a heuristic does not need; there is no way back."""
    readable = tuple({f"{os.path.realpath(sysconfig.get_path(name))}/" for name in ("stdlib", "platstdlib")})
    for module in (os, sys.modules["posix"]):
        for name in _TAKEN:
            if hasattr(module, name):
                delattr(module, name)
    real, written = os.path.realpath, os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import":
            if str(arguments[0]).partition(".")[0] in _DENIED:
                raise PermissionError(f"imports {arguments[0]}")
        elif event in ("open", "os.listdir", "os.scandir"):
            path = arguments[0]
            if event == "open" and isinstance(arguments[2], int) and arguments[2] & written:
                raise PermissionError("writes a file")
            if not isinstance(path, str) or not f"{real(path)}/".startswith(readable):
                raise PermissionError("reads a file or folder beside itself")
        elif event not in _EVENTS:
            raise PermissionError(f"does what no heuristic needs ({event})")

    sys.addaudithook(listen)


class Absent(types.ModuleType):
    """A package that is not there: only its import succeeds."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ModuleNotFoundError(f"uses {self.__name__}.{name}")


def pretend_heudiconv() -> Any:
    """Give what heuristics import of heudiconv: its tuples, and nothing that works; return SeqInfo."""
    seqinfo = namedtuple("SeqInfo", FIELDS)  # type: ignore[misc]
    session = namedtuple("StudySessionInfo", ("locator", "session", "subject"))  # type: ignore[name-match]
    modules = {name: types.ModuleType(name) for name in ("heudiconv", "heudiconv.utils", "heudiconv.due")}
    modules["heudiconv.utils"].__dict__.update(SeqInfo=seqinfo, StudySessionInfo=session)
    modules["heudiconv"].__dict__.update(utils=modules["heudiconv.utils"], __path__=[], __version__="1.5.1")
    sys.modules.update({**modules, **{name: Absent(name) for name in _ABSENT}})
    return seqinfo


def ask(source: str, name: str, visits: list[list[dict[str, Any]]], seqinfo: Any) -> dict[str, Any]:
    """Return what a heuristic makes of each visit, and its settings."""
    module = types.ModuleType("heuristic")
    module.__file__ = name
    sys.modules["heuristic"] = module
    exec(compile(source, name, "exec"), module.__dict__)
    answers = []
    for rows in visits:
        given = [seqinfo(**{**row, "image_type": tuple(row["image_type"])}) for row in rows]
        told = module.infotodict(given)
        answers.append([[list(key)[:2], _to_plain(value)] for key, value in told.items()])
    settings = getattr(module, "POPULATE_INTENDED_FOR_OPTS", None)
    more = (
        "infotoids",
        "filter_dicom",
        "filter_files",
        "custom_grouping",
        "custom_seqinfo",
        "grouping",
        "custom_callable",
    )
    return {
        "answers": answers,
        "intended_for": _to_plain(dict(settings)) if isinstance(settings, dict) else None,
        "defines": [word for word in more if hasattr(module, word)],
    }


def _to_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _to_plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_to_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def main() -> None:
    """Answer one question."""
    given = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:  # what it prints may name people
        sys.stdout = sys.stderr = nothing
        seqinfo = pretend_heudiconv()
        bound_what_it_uses()
        kept = give_up_the_machine()
        refuse_the_rest()
        try:
            answer = ask(given["source"], given["name"], given["visits"], seqinfo)
        except BaseException as error:  # noqa: BLE001 - whatever a program of someone else raises
            line, trace = 0, error.__traceback__
            while trace is not None:
                line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == given["name"] else line
                trace = trace.tb_next
            line = line or getattr(error, "lineno", 0) or 0
            answer = {"error": type(error).__name__, "line": line}
            if isinstance(error, PermissionError | ImportError | SyntaxError):  # others may quote a header
                answer["said"] = str(error.args[0]) if error.args else ""
        json.dump({**answer, "kept": kept}, out)
        out.flush()


if __name__ == "__main__":
    main()
