"""
Rows counted and hashed, so that two engines can be compared by one line.

Each row in the order of its key, each value as the driver gives it, as MessagePack: that
tells 1 from 1.0 and from "1", text from bytes, and a missing value from an empty one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

_ENCODE: Final = msgspec.msgpack.Encoder().encode


class Fingerprint:
    """
    The number of rows and their SHA-256.

    Args:
        table: The table; part of the hash.
        columns: Its columns in the order of the values; part of the hash.
    """

    __slots__ = ("_digest", "rows")

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self._digest = hashlib.sha256(_ENCODE([table, *columns]))
        self.rows = 0

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take more rows in, in the order of their key."""
        update = self._digest.update
        count = 0
        for row in rows:
            # SQLite keeps no sign of a zero, and to both engines the two are equal.
            update(_ENCODE([v + 0.0 if type(v) is float else v for v in row]))
            count += 1
        self.rows += count

    @property
    def hash(self) -> str:
        """All of it as 64 hexadecimal characters."""
        return self._digest.hexdigest()
