"""
Sealing the values of a column in a SQLite file, and leaving none of them in clear behind.

The values are sealed inside the migration's transaction. What the engine still holds of the
old ones afterwards (in the log, in free pages) goes by moving the log into the database and
writing the file anew. That cannot be part of the transaction, so the transaction leaves a
mark, and the mark goes last: an opening that finds it does the rest of the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import apsw

from freehold.crypto import KeyRing, Place, open_sealed, seal, sealed_key_id
from freehold.crypto.faults import SealBroken, SealedFormatInvalid
from freehold.errors import InvalidArgument, KeysMissing, MigrationFailed, invariant
from freehold.migrate.engine import rows
from freehold.migrate.steps import Seal
from freehold.schema.sqltext import quoted

#: Says that values were sealed, and that what they were in clear may still be in the files.
PLAINTEXT_TABLE: Final = "_freehold_plaintext"
AS_IT_WAS: Final = "The database is as it was."
PAGE_ROWS: Final = 1_000


@dataclass(frozen=True)
class Sealer:
    """
    What seals.

    Args:
        database: The database's name in the application; part of every sealed value.
        ring: The column keys, None when there are none.
    """

    database: str
    ring: KeyRing | None

    def sealed(self, said: Seal, key: Sequence[Any], value: object) -> str | None:
        """
        The value as it should stand there, None when it does already.

        Raises:
            MigrationFailed: It is no text, or is sealed and does not open.
            KeysMissing: There is no key, or not the one that sealed it.
        """
        if self.ring is None:
            raise KeysMissing(
                f"the values of {said.name} are to be sealed, and no column key was given.",
                hint="Name the secrets file with FREEHOLD_SECRETS_FILE, or set "
                "FREEHOLD_COLUMN_KEYS.",
            )
        if not isinstance(value, str):
            raise MigrationFailed(
                f"{said.name} holds a value that is no text.",
                hint=f"Put it right in a statement before. {AS_IT_WAS}",
            )
        here = Place(self.database, said.table, said.column, tuple(key))
        try:
            if not _looks_sealed(value):
                return seal(self.ring, value, here)
            plain = _opened(self.ring, value, here)
            if plain is not None:
                return None
            if said.was:
                table, _, column = said.was.partition(".")
                there = Place(self.database, table, column, tuple(key))
                plain = _opened(self.ring, value, there)
        except InvalidArgument as error:
            raise MigrationFailed(
                f"{said.name}: {error.detail}", hint=f"Put it right first. {AS_IT_WAS}"
            ) from None
        if plain is None:
            raise MigrationFailed(
                f"{said.name} holds a value that looks sealed and does not open in its place.",
                hint=f"Look who wrote it; sealing it once more would hide that. {AS_IT_WAS}",
            )
        return seal(self.ring, plain, here)


def seal_column(connection: apsw.Connection, said: Seal, sealer: Sealer | None) -> int:
    """
    Seal every value of a column inside the open transaction; how many were written.

    Triggers rest meanwhile: no value has changed for the application.
    """
    keys = [
        name
        for (name,) in rows(
            connection, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", said.table
        )
    ]
    if not keys:
        raise MigrationFailed(
            f"{said.table} is not there, or has no key, so {said.name} cannot be sealed.",
            hint=AS_IT_WAS,
        )
    table, column = quoted(said.table), quoted(said.column)
    listed = ", ".join(map(quoted, keys))
    marks = ", ".join("?" * len(keys))
    head = f"SELECT {listed}, {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - quoted
    tail = f"ORDER BY {listed} LIMIT {PAGE_ROWS}"
    update = f"UPDATE {table} SET {column} = ? WHERE ({listed}) = ({marks})"  # noqa: S608 - quoted
    count = 0
    found = _page(connection, said, f"{head} {tail}")
    with _triggers_rest(connection):
        while found:
            written = [
                (new, *key)
                for *key, old in found
                if (new := new_value(sealer, said, key=key, old=old))
            ]
            connection.executemany(update, written)
            count += len(written)
            last = found[-1][:-1]
            found = _page(connection, said, f"{head} AND ({listed}) > ({marks}) {tail}", *last)
    if count:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {PLAINTEXT_TABLE} (id INTEGER PRIMARY KEY)")
    return count


def scrub(connection: apsw.Connection) -> bool:
    """
    Write the file anew when values were sealed in it, so that none is left in clear.

    Returns:
        Whether there was something to do. When another program holds the file, it is left
        for the next opening.
    """
    if not rows(connection, "SELECT 1 FROM sqlite_schema WHERE name = ?", PLAINTEXT_TABLE):
        return False
    invariant(not connection.in_transaction, "the migration is committed")
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    try:
        connection.execute("VACUUM")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.execute(f"DROP TABLE {PLAINTEXT_TABLE}")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        return True
    return True


def new_value(sealer: Sealer | None, said: Seal, *, key: Sequence[Any], old: object) -> str | None:
    """As `Sealer.sealed`; without one, values cannot be sealed."""
    return (sealer or Sealer("", None)).sealed(said, key, old)


def _page(
    connection: apsw.Connection, said: Seal, sql: str, *values: str | int
) -> list[tuple[Any, ...]]:
    try:
        return rows(connection, sql, *values)
    except UnicodeDecodeError:
        raise MigrationFailed(
            f"{said.name} holds a text that is not UTF-8.",
            hint=f"Put it right in a statement before. {AS_IT_WAS}",
        ) from None
    except apsw.SQLError as error:
        raise MigrationFailed(f"{said.name}: {error}.", hint=AS_IT_WAS) from None


@contextmanager
def _triggers_rest(connection: apsw.Connection) -> Iterator[None]:
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    try:
        yield
    finally:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)


def _looks_sealed(value: str) -> bool:
    try:
        sealed_key_id(value)
    except SealedFormatInvalid:
        return False
    return True


def _opened(ring: KeyRing, value: str, place: Place) -> str | None:
    try:
        return open_sealed(ring, value, place)
    except SealBroken:
        return None
