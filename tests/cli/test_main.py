"""Whatever goes wrong becomes one message and an exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bidsflow.errors import describe_error

#: Runs the command line with another command in it, which does what the first argument says.
_SCRIPT = """
import sys
from bidsflow.cli.main import app, main

@app.command()
def stumble():
    exec(sys.argv[-1])

sys.argv[1:2] = ["stumble"]
code = sys.argv.pop()
sys.argv.append(code)
app.registered_commands[-1].context_settings = {"ignore_unknown_options": True, "allow_extra_args": True}
main()
"""


#: Starts the command; Ctrl-C comes while a module is imported, or, there, while a class is made.
_EARLY = """
import sys

class Attribute:
    def __set_name__(self, owner, name):
        raise KeyboardInterrupt

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{1}":
            {2}

sys.meta_path.insert(0, Interrupt())
from bidsflow.cli.start import {0}
{0}()
"""


@pytest.mark.parametrize("how", ["raise KeyboardInterrupt", "type('Made', (), {'one': Attribute()})"])
@pytest.mark.parametrize("module", ["typer", "bidsflow.cli.run"])
@pytest.mark.parametrize("name", ["main", "main_of_pipeline"])
def test_interrupt_during_imports_is_one_line(name: str, module: str, how: str) -> None:
    code = _EARLY.format(name, module, how)
    done = subprocess.run([sys.executable, "-c", code, "run", "qc"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("interrupted: ")
    assert done.stderr.count("\n") == 1


def test_interrupt_while_an_old_answer_is_looked_for_is_one_line() -> None:
    code = _EARLY.format("main", "bidsflow.cli.again", "raise KeyboardInterrupt")
    done = subprocess.run([sys.executable, "-c", code, "validate", "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (130, "", 1)


def stumble(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _SCRIPT, "stumble", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_unexpected_error_tells_its_kind_and_not_its_message() -> None:
    done = stumble("raise KeyError('Jane Doe')")
    assert done.returncode == 70
    assert "bidsflow stumbled (KeyError" in done.stderr
    assert "Jane" not in done.stderr
    assert "Traceback" not in done.stderr


def test_error_of_a_file_tells_which() -> None:
    done = stumble("open('/no/such/file')")
    assert (done.returncode, done.stderr) == (74, "error: /no/such/file: No such file or directory\n")


def open_below(typed: Path, file: Path) -> str:
    """Return what is said of a file that is not there, to someone who has typed a path."""
    done = stumble(f"sys.argv.insert(1, {str(typed)!r}); open({str(file)!r})")
    assert done.returncode == 74
    assert done.stderr.endswith(": No such file or directory\n")
    return done.stderr.removeprefix("error: ").removesuffix(": No such file or directory\n")


def test_error_of_a_file_names_nothing_of_an_export_that_the_user_did_not(tmp_path: Path) -> None:
    export, link, file = tmp_path / "export", tmp_path / "link", Path("DOE_JOHN_20240304", "x.dcm")
    export.mkdir()
    link.symlink_to(export)
    for typed, place in (export, export), (export / ".." / "export", export), (link, link), (link, export):
        assert open_below(typed, place / file) == f"a file below {typed}"
    for typed in (export / file, export / file / "more"):
        assert open_below(typed, export / file) == str(export / file)


def test_error_of_a_file_names_what_is_of_the_dataset(tmp_path: Path) -> None:
    (tmp_path / ".bidsflow").mkdir()
    assert open_below(tmp_path, tmp_path / "sub-01" / "x.json") == f"{tmp_path}/sub-01/x.json"
    assert open_below(tmp_path, tmp_path / "sourcedata" / "DOE_JOHN") == f"a file below {tmp_path}"


def test_error_without_a_file_tells_what_it_is() -> None:
    assert stumble("raise OSError(5, 'why', 7)").stderr == "error: 7: why\n"
    assert stumble("raise OSError(5, 'why', b'/no/such')").stderr == "error: /no/such: why\n"
    assert stumble("raise OSError('John Doe')").stderr == "error: OSError\n"


def test_message_cannot_control_the_terminal() -> None:
    done = stumble("from bidsflow.errors import SourceError; raise SourceError('a\\x1b[31mb\\udcff', 'why\\nhow')")
    assert (done.returncode, done.stderr) == (65, "error: a?[31mb?: why\nhow\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_interrupt_is_told(name: str) -> None:
    done = stumble(f"import os, signal, time; os.kill(os.getpid(), signal.{name}); time.sleep(9)")
    assert done.returncode == 130
    assert done.stderr == "interrupted: nothing half-written was left; the same command goes on from here\n"


def test_hangup_that_nohup_ignores_stays_ignored() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('on')"
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, "stumble", code],
        capture_output=True, text=True, check=False, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "on\n")


def test_description_of_an_error_names_the_line_of_bidsflow(tmp_path: Path) -> None:
    from bidsflow.dataset.tsv import parse_tsv

    with pytest.raises(AttributeError) as caught:
        parse_tsv(None)  # type: ignore[arg-type]
    text = describe_error(caught.value)
    assert text.startswith("AttributeError at bidsflow/dataset/tsv.py:")
