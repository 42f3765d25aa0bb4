"""
What callers were told, noted beside the database: then a log that lost its end is noticed.

SQLite reads its log as far as its checksums are right and takes the rest for a commit that was
cut off. One bit that flips in the log's middle therefore takes all later commits away, and
nothing says so. Here the number of the last commit is noted in a file of its own, after it is
durable and before anybody hears of it. So the note is never ahead of what was on the disk, and
a database that ends before it has lost something.

The note is not synced; that would cost a second fsync for each commit. It outlives a killed
process at once, and a power cut as soon as the system has written it back, within half a
minute as a rule. Until then a loss could go by unnoticed: `docs/explanation/not-promised.md`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.errors import StorageBroken

_LOG = logging.getLogger("freehold.sqlite")
_SHAPE: Final = struct.Struct("<8sQQ")
#: The number stands there twice, once like this, so that a flip in the note is no loss.
_TURNED: Final = (1 << 64) - 1


class Witness:
    """
    The note beside one database; only its owner has it.

    Args:
        database: The database's file.
    """

    def __init__(self, database: Path) -> None:
        self.path = Path(f"{database}.witness")
        self._identity = b""
        self._file: int | None = None

    def compare(self, connection: apsw.Connection) -> None:
        """
        See that all that callers were told of is there; before the log is moved or cut.

        Raises:
            StorageBroken: The database ends before the last commit that callers were told of.
        """
        found = _meta(connection)
        if found is None:
            return
        seq, cursor_key = found
        told = self._noted(_identity(cursor_key))
        if told is not None and told > seq:
            raise StorageBroken(
                f"the database ends at commit {seq}, and callers were told of commit {told}: its "
                "log is damaged or gone, or an older copy was put in its place.",
                hint="Restore the newest backup. To go on with what is there, remove "
                f"{self.path} first.",
            )

    def begin(self, seq: int, cursor_key: bytes) -> None:
        """Note every commit from now on; a disk that takes no note stops nothing."""
        self._identity = _identity(cursor_key)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(self.path, flags, 0o600)
        except OSError as error:
            _LOG.warning("commits are not noted in %s: %s", self.path, error.strerror)
            return
        self.note(seq)

    def note(self, seq: int) -> None:
        """The commit is durable, and nobody has heard of it yet."""
        if self._file is not None:
            try:
                os.pwrite(self._file, _SHAPE.pack(self._identity, seq, seq ^ _TURNED), 0)
            except OSError as error:
                # An old note is true as well; it only notices less.
                _LOG.warning("commits are not noted in %s: %s", self.path, error.strerror)
                self.close()

    def close(self) -> None:
        """Note nothing any more; what is noted stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _noted(self, identity: bytes) -> int | None:
        """The last commit that was noted of this very database."""
        try:
            raw = self.path.read_bytes()
        except OSError:
            return None
        if len(raw) != _SHAPE.size:
            return None
        of, seq, turned = _SHAPE.unpack(raw)
        return int(seq) if of == identity and seq ^ turned == _TURNED else None


def _meta(connection: apsw.Connection) -> tuple[int, bytes] | None:
    is_there = "SELECT 1 FROM sqlite_schema WHERE name = '_freehold_meta'"
    if connection.execute(is_there).get is None:
        return None
    row: Any = connection.execute("SELECT seq, cursor_key FROM _freehold_meta WHERE id = 1").get
    return None if row is None else (int(row[0]), bytes(row[1]))


def _identity(cursor_key: bytes) -> bytes:
    """Which database it is, without telling its key."""
    return hashlib.sha256(b"freehold witness" + cursor_key).digest()[:8]
