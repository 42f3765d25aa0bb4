"""
Page checksums above a test's own disk, so that they are in the bytes which that disk sees.

    with FaultyDisk() as disk, checksummed(disk.name) as storage:
        database = SqliteDatabase(path, schema, storage=storage)

The checksum shim (`drivers/sqlite/checksums.py`) knows one VFS below it, that of the moment in
which it was loaded. So a second copy of it is loaded under another name, over a VFS that hands
every file on to whichever disk the test names. Copies are used again, never unloaded.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw
import apsw.sqlite_extra

from freehold.drivers.sqlite.checksums import SHIM, load_shim
from freehold.errors import invariant

_numbers: Final = itertools.count()
_free: Final[list[_Slot]] = []


@contextmanager
def checksummed(storage: str) -> Iterator[str]:
    """
    A VFS that keeps page checksums above another one, for the length of the block.

    Args:
        storage: The VFS below. Connections must be closed before the block ends.
    """
    slot = _free.pop() if _free else _Slot(next(_numbers))
    slot.switch.disk = storage
    try:
        yield slot.name
    finally:
        slot.switch.disk = ""
        _free.append(slot)


class _Slot:
    """One copy of the shim and the switch below it."""

    def __init__(self, number: int) -> None:
        # The name is patched into the copy, so its length must stay.
        self.name = f"cksm{number:03}"
        invariant(len(self.name) == len(SHIM), "the shim's name has no room for more copies")
        self.switch = _Switch(f"below-{self.name}")
        raw = Path(apsw.sqlite_extra.path("cksumvfs")).read_bytes()
        with tempfile.TemporaryDirectory(prefix="freehold-shim-") as folder:
            copy = Path(folder) / f"{self.name}.so"
            copy.write_bytes(raw.replace(f"{SHIM}\0".encode(), f"{self.name}\0".encode()))
            load_shim(copy, over=self.switch.name)


class _Switch(apsw.VFS):
    """Hands every file on to the disk of the moment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disk = ""
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return apsw.VFSFile(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - apsw's name
        with self._below() as below:
            below.xDelete(filename, syncdir)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - apsw's name
        with self._below() as below:
            return below.xAccess(pathname, flags)

    @contextmanager
    def _below(self) -> Iterator[apsw.VFS]:
        # Made for each use: the disk's VFS may be gone when the next one is asked for.
        below = apsw.VFS(f"{self.name}-once", self.disk)
        try:
            yield below
        finally:
            below.unregister()
