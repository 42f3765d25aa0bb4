"""
A PostgreSQL server as one side of a copy: read on one snapshot, or filled in one transaction.

References are taken away before rows are loaded and declared again after, all in the one
transaction: that needs no order of tables, whatever ring they make, and the engine looks
through each reference once instead of once a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import asyncpg

from freehold.app.copying.parts import CHUNK, KEYS_TABLE, META_TABLE, Part, Row
from freehold.app.copying.refusals import (
    NOTHING_COPIED,
    CopyFailed,
    CopyRefused,
    has_commits,
    has_rows,
)
from freehold.app.declaration import Database
from freehold.app.opening import Options, prepare_server
from freehold.drivers.postgres import (
    LOST,
    Address,
    BlockingConnection,
    PostgresDatabase,
    blocking_connection,
    is_known,
    who_serves,
)
from freehold.migrate.history import HISTORY_TABLE, Entry
from freehold.migrate.postgres import history
from freehold.migrate.postgres.connection import has_row, number
from freehold.migrate.postgres.shape import table_names
from freehold.scalars import INT64_MAX
from freehold.schema import SYSTEM_PREFIX

#: One statement of a copy reads, sorts or looks through a whole table.
_SILENCE_S: Final = 6 * 3_600.0
_PATIENCE: Final = (
    "SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = 0; "
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL synchronous_commit = on"
)
_REFERENCES: Final = """
SELECT quote_ident(t.relname)::text, quote_ident(c.conname)::text, pg_get_constraintdef(c.oid)
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 AND n.nspname = current_schema()
ORDER BY t.relname, c.conname
"""


class ServerSide:
    """
    A server, as `Source` and as `Target` of a copy.

    Args:
        connection: A connection of its own.
        address: Where it is, for messages.
    """

    def __init__(self, connection: BlockingConnection, address: Address) -> None:
        self._connection = connection
        self._address = address
        self._references: list[tuple[str, str, str]] = []

    def own_tables(self) -> set[str]:
        """Freehold's own tables that it has."""
        sql = "SELECT tablename::text, 0 FROM pg_tables WHERE schemaname = current_schema()"
        found = {name for name, _ in self._connection.rows(sql)}
        return {name for name in found if name.startswith(SYSTEM_PREFIX)}

    def count(self, part: Part) -> int:
        """How many rows a table has."""
        with self._told(part):
            return number(self._connection, f"SELECT count(*) FROM {part.name}")  # noqa: S608

    def rows(self, part: Part) -> Iterator[list[Row]]:
        """All rows of a table in the order of its key, a few at a time."""
        with self._told(part):
            self._connection.run(f"DECLARE freehold_copy NO SCROLL CURSOR FOR {part.select}")
            while found := self._connection.rows(f"FETCH {CHUNK} FROM freehold_copy"):
                yield found
            self._connection.run("CLOSE freehold_copy")

    def counter(self, part: Part) -> int:
        """The last number that a counted key was given."""
        sql = f"SELECT last_value, is_called FROM {self._sequence(part)}"  # noqa: S608 - the engine's
        ((last, is_used),) = self._connection.rows(sql)
        return int(last) if is_used else int(last) - 1

    def history(self) -> list[Entry]:
        """Which migrations it has had."""
        return history.entries(self._connection)

    def end(self) -> int:
        """Let the snapshot go; the last commit as it is now."""
        with self._told():
            self._connection.run("ROLLBACK")
            return _seq(self._connection)

    def begin(self, parts: Sequence[Part]) -> None:
        """Open the transaction on empty tables; references and triggers rest until `settle`."""
        with self._told():
            self._connection.run(f"BEGIN; {_PATIENCE}")
            self._connection.run('LOCK TABLE "_freehold_writer" IN EXCLUSIVE MODE')
            if _seq(self._connection):
                raise has_commits(self._address.shown)
            found = self._connection.rows(_REFERENCES)
            self._references = [(table, name, text) for table, name, text in found]
            for table, name, _ in self._references:
                self._connection.run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            for part in parts:
                if not part.is_own:
                    self._connection.run(f"ALTER TABLE {part.name} DISABLE TRIGGER USER")
                # It was empty when it was looked at; what is there now, its migrations brought.
                self._connection.run(f"DELETE FROM {part.name}")  # noqa: S608 - quoted

    def add(self, part: Part, rows: Sequence[Row]) -> None:
        """Insert rows."""
        marks = [f"${place}" for place in range(1, len(part.columns) + 1)]
        with self._told(part):
            self._connection.many(part.insert(marks), rows)

    def count_from(self, part: Part, last: int) -> None:
        """The next number of a counted key is the one after `last`."""
        following = min(last + 1, INT64_MAX)
        # Unlike setval(), this is undone with the transaction.
        self._connection.run(f"ALTER SEQUENCE {self._sequence(part)} RESTART WITH {following}")

    def applied(self, number: int, at: int) -> None:
        """When a migration of the history was applied."""
        sql = f'UPDATE "{HISTORY_TABLE}" SET applied_at = $1 WHERE number = $2'  # noqa: S608
        self._connection.rows(sql, at, number)

    def settle(self, parts: Sequence[Part]) -> None:
        """
        References hold again, and are looked through; triggers are back.

        Raises:
            CopyRefused: A row points at none.
        """
        with self._told():
            for table, name, text in self._references:
                self._connection.run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {text}")
            for part in parts:
                if not part.is_own:
                    self._connection.run(f"ALTER TABLE {part.name} ENABLE TRIGGER USER")
                # The planner would take the tables for empty until somebody looks.
                self._connection.run(f"ANALYZE {part.name}")

    def commit(self) -> None:
        """Make it durable, all of it."""
        try:
            self._connection.run("COMMIT")
        except LOST as error:
            why = str(error) or type(error).__name__
            raise CopyFailed(
                f"{self._address.shown} went away at the COMMIT: {why}.",
                hint="All of the copy is there or nothing is: copy again, and it says which.",
            ) from None

    def _sequence(self, part: Part) -> str:
        sql = "SELECT pg_get_serial_sequence($1::text, $2::text), 0"
        ((name, _),) = self._connection.rows(sql, part.name, part.counted)
        return str(name)

    @contextmanager
    def _told(self, part: Part | None = None) -> Iterator[None]:
        """The engine's refusals as sentences."""
        where = f"{self._address.shown}, {part.table}" if part else self._address.shown
        try:
            yield
        except asyncpg.exceptions.InsufficientPrivilegeError as error:
            raise CopyFailed(
                f"{where}: {error}.",
                hint=f"The role must own the schema and its tables. {NOTHING_COPIED}",
            ) from None
        except asyncpg.exceptions.DiskFullError:
            raise CopyFailed(f"no space is left at {where}.", hint=NOTHING_COPIED) from None
        except (
            asyncpg.exceptions.IntegrityConstraintViolationError,
            asyncpg.exceptions.DataError,
            # A key past 2,700 bytes.
            asyncpg.exceptions.ProgramLimitExceededError,
        ) as error:
            raise CopyRefused(
                f"{where} refuses a row: {error}.",
                hint=f"Put it right in the source. {NOTHING_COPIED}",
            ) from None
        except (asyncpg.PostgresError, *LOST) as error:
            raise CopyFailed(
                f"{where}: {type(error).__name__}: {error}.", hint=NOTHING_COPIED
            ) from None


@contextmanager
def server_source(
    declared: Database, address: Address, options: Options, *, is_first: bool, while_served: bool
) -> Iterator[ServerSide]:
    """
    A server on one snapshot.

    Raises:
        CopyRefused: There is no such database, or it is served and that was not allowed.
        StartError: It is older or newer than the application, or lets nobody in.
    """
    if not is_known(address):
        raise CopyRefused(
            f"{address.shown} was never served by a data layer.",
            hint="Name the database and the ?search_path=schema to copy from.",
        )
    _prepare(declared, address, options, is_first=is_first)
    with blocking_connection(address.url, silence_s=_SILENCE_S) as connection:
        serving = who_serves(connection)
        if serving and not while_served:
            raise _is_served(
                address, serving, "what is written from now on would not be in the copy"
            )
        connection.run(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_PATIENCE}")
        try:
            yield ServerSide(connection, address)
        finally:
            _roll_back(connection)


@contextmanager
def server_target(
    declared: Database, address: Address, options: Options, *, is_first: bool
) -> Iterator[ServerSide]:
    """
    A server's schema without rows, built when it is not there.

    Raises:
        TargetNotEmpty: It has rows; it was not even migrated.
        CopyRefused: Somebody serves it.
        StartError: It cannot be built, or lets nobody in.
    """
    with blocking_connection(address.url, silence_s=_SILENCE_S) as connection:
        _require_empty(connection, address)
        serving = who_serves(connection)
        if serving:
            raise _is_served(address, serving, "they would not hear of what is copied")
        _prepare(declared, address, options, is_first=is_first)
        try:
            yield ServerSide(connection, address)
        finally:
            _roll_back(connection)


def _prepare(declared: Database, address: Address, options: Options, *, is_first: bool) -> None:
    """Bring it up to date as whoever serves it does, or refuse it."""
    database = PostgresDatabase(
        address, declared.schema, name=declared.name, clock=options.clock, ids=options.ids
    )
    database.open(lambda c: prepare_server(c, declared, options, is_first=is_first))
    database.close()


def _is_served(address: Address, serving: list[tuple[int, str]], why: str) -> CopyRefused:
    hosts = ", ".join(sorted({host for _, host in serving}))
    return CopyRefused(
        f"{len(serving)} processes serve {address.shown} now, from {hosts}: {why}.",
        hint="Stop them first.",
    )


def _require_empty(connection: BlockingConnection, address: Address) -> None:
    there = (
        "SELECT 1, 0 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1::text"
    )
    own = [KEYS_TABLE] if connection.rows(there, KEYS_TABLE) else []
    for table in [*table_names(connection), *own]:
        if has_row(connection, table):
            raise has_rows(address.shown, table)
    if connection.rows(there, META_TABLE) and _seq(connection):
        raise has_commits(address.shown)


def _seq(connection: BlockingConnection) -> int:
    return number(connection, f'SELECT "seq" FROM "{META_TABLE}"')  # noqa: S608 - a constant


def _roll_back(connection: BlockingConnection) -> None:
    """Undo what was not committed; a server that is gone, or interrupted, does so by itself."""
    with suppress(asyncpg.PostgresError, *LOST):
        connection.run("ROLLBACK")
