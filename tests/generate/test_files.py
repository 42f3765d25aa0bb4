"""
Generated files on the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freehold.generate import check, write


def test_a_file_is_written_when_it_says_something_else(tmp_path: Path) -> None:
    """Once; then it says it already. Folders are made."""
    path = tmp_path / "clients" / "python.py"

    assert not check(path, "x = 1\n")
    assert write(path, "x = 1\n")
    assert check(path, "x = 1\n")
    assert not write(path, "x = 1\n")
    assert write(path, b"x = 2\n")
    assert path.read_text() == "x = 2\n"


def test_an_unchanged_file_keeps_its_time(tmp_path: Path) -> None:
    """So that nothing is rebuilt for it."""
    path = tmp_path / "client.py"
    write(path, "x")
    os.utime(path, (1, 1))

    write(path, "x")

    assert path.stat().st_mtime == 1


def test_line_endings_and_letters_are_kept(tmp_path: Path) -> None:
    """UTF-8, and no translation on any system."""
    path = tmp_path / "client.py"
    write(path, "ü\r\n")

    assert path.read_bytes() == b"\xc3\xbc\r\n"
    assert not check(path, "ü\n")


def test_a_file_that_cannot_be_replaced_stays_and_leaves_no_trace(tmp_path: Path) -> None:
    """The half-written neighbour is taken away again."""
    path = tmp_path / "client.py"
    path.mkdir()

    with pytest.raises(OSError, match="directory"):
        write(path, "x")

    assert [each.name for each in tmp_path.iterdir()] == ["client.py"]


def test_everybody_may_read_it(tmp_path: Path) -> None:
    """Generated code is no secret."""
    path = tmp_path / "client.py"
    write(path, "x")

    assert path.stat().st_mode & 0o777 == 0o644
