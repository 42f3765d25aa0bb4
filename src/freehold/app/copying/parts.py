"""
The tables of a copy, and what each side of it must be able to do.

Nothing here knows an engine: the two sides are `file_side` and `server_side`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import sqlalchemy as sa

from freehold.access import ACCESS_SCHEMA, ServiceKey
from freehold.app.checks import CHECKS_TABLE
from freehold.app.declaration import Database
from freehold.migrate.history import HISTORY_TABLE, Entry
from freehold.rpc.audit import AUDIT_SCHEMA
from freehold.rpc.idempotency import IDEMPOTENCY_SCHEMA
from freehold.schema.sqltext import quoted

#: Rows that are held at once; a row is as large as a call's body at most.
CHUNK: Final = 256
KEYS_TABLE: Final[str] = ServiceKey.__table__.name
META_TABLE: Final = "_freehold_meta"
#: The history is not copied as it stands: its checksums are those of the other engine's files.
HISTORY_COLUMNS: Final = ("number", "name", "applied_at")

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Part:
    """
    One table.

    Args:
        table: Its name.
        columns: Its columns, in the order of the schema.
        key: Those that order its rows.
        counted: The column that counts up by itself.
        is_own: It is Freehold's own.
    """

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    counted: str | None = None
    is_own: bool = False

    @property
    def name(self) -> str:
        """The table as SQL has it."""
        return quoted(self.table)

    @property
    def select(self) -> str:
        """All rows in the order of their key."""
        key = ", ".join(map(quoted, self.key))
        return f"SELECT {self._listed} FROM {self.name} ORDER BY {key}"  # noqa: S608 - quoted

    def insert(self, marks: Sequence[str]) -> str:
        """One row, its values as parameters."""
        values = ", ".join(marks)
        return f"INSERT INTO {self.name} ({self._listed}) VALUES ({values})"  # noqa: S608 - quoted

    @property
    def _listed(self) -> str:
        return ", ".join(map(quoted, self.columns))


META: Final = Part(META_TABLE, ("id", "seq", "fence", "cursor_key"), ("id",), is_own=True)


#: What is not copied row by row: the history; the check values of secrets, which the next start
#: makes; and a lock and marks that only one server needs.
NOT_COPIED: Final = frozenset((HISTORY_TABLE, CHECKS_TABLE, "_freehold_writer", "_freehold_marks"))


def parts_of(declared: Database, *, is_first: bool) -> list[Part]:
    """Every table that is copied row by row; the service keys live in the first database."""
    schemas = [IDEMPOTENCY_SCHEMA, AUDIT_SCHEMA]
    if is_first:
        schemas.append(ACCESS_SCHEMA)
    own = [_part(table, is_own=True) for schema in schemas for table in schema.tables]
    return [*(_part(table) for table in declared.schema.tables), META, *own]


def _part(table: sa.Table, *, is_own: bool = False) -> Part:
    columns = tuple(str(column.name) for column in table.columns)
    key = tuple(str(column.name) for column in table.primary_key.columns)
    counted = table.dialect_options["sqlite"]["autoincrement"]
    return Part(str(table.name), columns, key, key[0] if counted else None, is_own)


@dataclass(frozen=True)
class Progress:
    """How far a table is: `rows` of `of` copied, or read back to be compared."""

    database: str
    table: str
    phase: Literal["copy", "compare"]
    rows: int
    of: int


class Source(Protocol):
    """One snapshot of a database."""

    def own_tables(self) -> set[str]:
        """Freehold's own tables that it has."""

    def count(self, part: Part) -> int:
        """How many rows a table has."""

    def rows(self, part: Part) -> Iterator[list[Row]]:
        """All rows of a table in the order of its key, a few at a time."""

    def counter(self, part: Part) -> int:
        """The last number that a counted key was given."""

    def history(self) -> list[Entry]:
        """Which migrations it has had."""

    def end(self) -> int:
        """Let the snapshot go; the last commit as it is now."""


class Target(Protocol):
    """A database without rows, inside one transaction."""

    def begin(self, parts: Sequence[Part]) -> None:
        """Open the transaction on empty tables; references and triggers rest until `settle`."""

    def add(self, part: Part, rows: Sequence[Row]) -> None:
        """Insert rows."""

    def count_from(self, part: Part, last: int) -> None:
        """The next number of a counted key is the one after `last`."""

    def applied(self, number: int, at: int) -> None:
        """When a migration of the history was applied."""

    def settle(self, parts: Sequence[Part]) -> None:
        """References hold again, and are looked through; triggers are back."""

    def rows(self, part: Part) -> Iterator[list[Row]]:
        """What is there now, in the order of the key."""

    def counter(self, part: Part) -> int:
        """The last number that a counted key was given."""

    def history(self) -> list[Entry]:
        """Which migrations it has had."""

    def commit(self) -> None:
        """Make it durable, all of it."""
