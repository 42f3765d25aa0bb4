"""
A wall clock that is off by what a file says: eight bytes, nanoseconds, changed at any moment.

The process goes on with its own monotonic time, as a machine does whose clock was set.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Any, Final

from freehold.clock import SystemClock

_FORM: Final = struct.Struct("=q")


class WallOffset:
    """The file, for the test that moves the clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = 0.0
        self.set(0.0)

    def set(self, seconds: float) -> None:
        """From now on the wall clock is so far off, at once and in every process that looks."""
        data = _FORM.pack(round(seconds * 1_000_000_000))
        if not self.path.exists():
            self.path.write_bytes(data)
        else:
            with self.path.open("r+b") as file, mmap.mmap(file.fileno(), _FORM.size) as memory:
                memory[:] = data
        self.seconds = seconds


def jump_by(path: Path) -> None:
    """Let this process's wall clock be off by what the file says; before anything is opened."""
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), _FORM.size, prot=mmap.PROT_READ)

    def wall_ns() -> int:
        offset: int = _FORM.unpack_from(memory)[0]
        return time.time_ns() + offset

    changed: Any = SystemClock
    changed.wall_ns = staticmethod(wall_ns)
