"""By what files are known again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from bidsflow.convert.content import is_same, stamp, verify


def test_file_is_the_same_after_a_copy_that_lost_its_time(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    known = stamp(file)
    file.unlink()
    file.write_text("one")
    assert is_same(file, known)
    file.write_text("two")
    assert not is_same(file, known)


def test_stamp_that_is_verified_has_the_new_time(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    known = stamp(file)
    os.utime(file, ns=(1, 1))
    assert verify(file, known) == replace(known, mtime_ns=1)
