"""Programs of schedulers that answer what they are told to, and note what they were asked."""

from __future__ import annotations

import shlex
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"


def read_recorded(name: str) -> str:
    return (RECORDED / name).read_text()


class Programs:
    """A folder of programs, which is all of the PATH: those of this machine must not answer in their place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def answer(self, program: str, out: str = "", *, code: int = 0, err: str = "") -> None:
        """Let a program print something, and note its arguments."""
        said = self.folder / f"{program}.said"
        said.write_text(out)
        asked = shlex.quote(str(self.folder / f"{program}.asked"))
        file = self.folder / program
        file.write_text(
            f"#!/bin/bash\nprintf '%s\\0' \"$@\" >> {asked}; printf '\\n' >> {asked}\n"
            f"while IFS= read -r line; do printf '%s\\n' \"$line\"; done < {shlex.quote(str(said))}\n"
            f"printf '%s' {shlex.quote(err)} >&2\nexit {code}\n"
        )
        file.chmod(0o755)

    def asked(self, program: str) -> list[list[str]]:
        """Return the arguments of each call of a program."""
        file = self.folder / f"{program}.asked"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split("\0")[:-1] for line in lines]
