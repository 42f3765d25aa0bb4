"""
One transaction under the lock of all who migrate this schema, with every wait bounded.

Two starting processes take turns: the second one waits for the first, and then looks for
itself what is left to do. A table's lock is waited for a moment only, since everybody who
wants to read the table then waits behind; when it is not to be had, all is undone and tried
again a little later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from freehold.errors import FreeholdError, MigrationFailed
from freehold.migrate.postgres.connection import (
    DEADLOCK,
    LOCK_NOT_AVAILABLE,
    NOT_ALLOWED,
    THERE_ALREADY,
    TOO_LONG,
    SqlConnection,
    make_namespace,
    namespace,
    number,
    sqlstate,
)
from freehold.migrate.run import AS_IT_WAS, OnProgress, Progress

T = TypeVar("T")

#: The driver's: who holds it is the only one who writes.
WRITER_TABLE: Final = "_freehold_writer"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('freehold migrate ' || $1::text, 0))"
_HOLDERS: Final = """
SELECT l.pid, c.relname::text, a.application_name::text,
  round(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database =
  (SELECT oid FROM pg_database WHERE datname = current_database())
  AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
  AND c.relkind IN ('r', 'p')
ORDER BY a.xact_start NULLS LAST LIMIT 1
"""


@dataclass(frozen=True)
class Bounds:
    """
    How long what may take.

    Args:
        lock_ms: For one lock of a table; readers wait behind it for so long at most.
        tries: How often everything is tried again because of a lock.
        statement_ms: For one statement.
        other_s: For another process that is migrating.
        silence_ms: After which a process that holds locks and says nothing is cut off.
    """

    lock_ms: int = 3_000
    tries: int = 6
    statement_ms: int = 30 * 60_000
    other_s: int = 30 * 60
    silence_ms: int = 120_000


def transact(
    connection: SqlConnection,
    work: Callable[[], T],
    *,
    on_progress: OnProgress | None,
    bounds: Bounds | None = None,
) -> T:
    """
    Do the work in a transaction, whole or not at all.

    Args:
        work: Called inside the transaction, under the lock; perhaps more than once.

    Raises:
        MigrationFailed: The engine refused something; the database is as it was.
    """
    limits = bounds or Bounds()
    tell = on_progress or (lambda _: None)
    for tried in range(1, limits.tries + 1):
        try:
            return _once(connection, work, limits=limits, tell=tell)
        except FreeholdError:
            raise
        except Exception as error:
            state = sqlstate(error)
            if state in (LOCK_NOT_AVAILABLE, DEADLOCK):
                blocker = _blocker(connection)
                if tried == limits.tries:
                    raise MigrationFailed(
                        f"A lock was not to be had within {limits.lock_ms / 1000:g} s, tried "
                        f"{tried} times: {blocker}.",
                        hint=f"End that transaction, or try when less is going on. {AS_IT_WAS}",
                    ) from error
                tell(Progress("locked", blocker, tried, limits.tries))
                connection.rows("SELECT pg_sleep(0.1 + random() * $1::float8)", 0.2 * tried)
                continue
            if state is None and not _is_lost(error):
                raise
            raise _told(error) from error
    raise MigrationFailed("Nothing was tried.", hint=AS_IT_WAS)


def _once(
    connection: SqlConnection,
    work: Callable[[], T],
    *,
    limits: Bounds,
    tell: OnProgress,
) -> T:
    _begin_alone(connection, limits=limits, tell=tell)
    try:
        before = _transaction(connection)
        done = work()
        if _transaction(connection) != before:
            raise MigrationFailed(
                "A statement ended the transaction.", hint="The database may be half-way."
            )
    except BaseException:
        _roll_back(connection)
        raise
    try:
        connection.run("COMMIT")
    except Exception as error:
        if not _is_lost(error):
            raise
        raise MigrationFailed(
            f"COMMIT was not answered: {error}.",
            hint="The next start finds either all of the migrations or none.",
        ) from error
    return done


def _begin_alone(connection: SqlConnection, *, limits: Bounds, tell: OnProgress) -> None:
    """
    Open the transaction and take the lock of all who migrate here.

    Raises:
        MigrationFailed: Another process has it for too long.
    """
    for waited_s in range(limits.other_s + 1):
        connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        try:
            connection.run("SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '10s'")
            make_namespace(connection)
            connection.rows(_LOCK, namespace(connection))
            connection.run(
                f"SET LOCAL lock_timeout = {limits.lock_ms}; "
                f"SET LOCAL statement_timeout = {limits.statement_ms}; "
                f"SET LOCAL idle_in_transaction_session_timeout = {limits.silence_ms}"
            )
        except BaseException as error:
            _roll_back(connection)
            # Two made the schema at once, or one holds the lock.
            if sqlstate(error) not in (LOCK_NOT_AVAILABLE, *THERE_ALREADY):
                raise
        else:
            return
        tell(Progress("wait", "", waited_s + 1, limits.other_s))
    raise MigrationFailed(
        f"Another process has been migrating this database for {limits.other_s} s.",
        hint=f"Wait for it, or end it. {AS_IT_WAS}",
    )


def stop_writers(connection: SqlConnection) -> None:
    """
    From here to the end of the transaction, mutations of running processes wait.

    Readers go on until a table that they read is changed.
    """
    there = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1::text"
    if connection.rows(there, WRITER_TABLE):
        connection.run(f'LOCK TABLE "{WRITER_TABLE}" IN EXCLUSIVE MODE')


def _transaction(connection: SqlConnection) -> int:
    return number(connection, "SELECT pg_current_xact_id()::text::bigint")


def _roll_back(connection: SqlConnection) -> None:
    """The error that led here is the one to tell; a connection that is gone rolls back itself."""
    try:
        connection.run("ROLLBACK")
    except Exception as error:
        if not _is_lost(error):
            raise


def _is_lost(error: Exception) -> bool:
    """The connection is gone, and the engine did not refuse anything."""
    state = sqlstate(error)
    if state is None:
        return isinstance(error, OSError) or type(error).__module__.startswith("asyncpg")
    return state.startswith(("08", "57P"))


def _blocker(connection: SqlConnection) -> str:
    found = connection.rows(_HOLDERS)
    if not found:
        return "whoever held it is gone by now"
    ((pid, table, name, since_s),) = found
    said = f" ({name})" if name else ""
    age = f", in a transaction that is {since_s} s old" if since_s is not None else ""
    return f"the process {pid}{said} uses the table {table}{age}"


def _told(error: Exception) -> MigrationFailed:
    state = sqlstate(error)
    if state == TOO_LONG:
        return MigrationFailed(f"A statement took too long: {error}.", hint=AS_IT_WAS)
    if state == NOT_ALLOWED:
        return MigrationFailed(
            f"{error}.",
            hint=f"The role must own the schema, or have CREATE in it. {AS_IT_WAS}",
        )
    if _is_lost(error):
        return MigrationFailed(
            f"The connection broke: {str(error) or type(error).__name__}.",
            hint="The engine undoes what was not committed.",
        )
    return MigrationFailed(f"{error}.", hint=AS_IT_WAS)
