"""
A disk whose fsync takes as long as you say: an apsw VFS over the real one.

Only the flush of a file is slowed; everything else goes to the default VFS. The delay is slept
without the GIL, as a real flush would wait. It also costs every page read and write a trip
through Python, on both sides of a comparison.
"""

from __future__ import annotations

import time
from typing import Any

import apsw


class SlowSyncFile(apsw.VFSFile):  # type: ignore[misc]
    """A file of the real VFS whose flush takes longer."""

    def __init__(self, inherit: str, name: Any, flags: list[int], delay_s: float) -> None:
        super().__init__(inherit, name, flags)
        self._delay_s = delay_s
        self.syncs = 0

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        """Flush, and take longer."""
        time.sleep(self._delay_s)
        super().xSync(flags)


class SlowSync(apsw.VFS):  # type: ignore[misc]
    """
    The default VFS with a slow flush; register it by making one, open files with its name.

    Args:
        name: The VFS's name, for `storage=` or `vfs=`.
        delay_ms: How much longer each flush takes.
    """

    def __init__(self, name: str, *, delay_ms: float) -> None:
        self.vfs_name = name
        self._delay_s = delay_ms / 1e3
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        """Open a file of ours."""
        return SlowSyncFile("", name, flags, self._delay_s)
