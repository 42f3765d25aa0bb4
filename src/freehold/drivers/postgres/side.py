"""
A thread with an event loop of its own, for callers who wait: starts, commands, tests.

It works before the server's event loop is there, and from any thread while it runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg

from freehold.drivers.postgres.address import Address
from freehold.drivers.postgres.session import LOST, Session, connect
from freehold.errors import EngineTooOld, StartError, invariant

T = TypeVar("T")
#: The first version whose transactions can be asked for by number (`pg_xact_status(xid8)`).
OLDEST_POSTGRES = 130_000


class Side:
    """
    Connections for those who may wait.

    Args:
        url: The server's address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="freehold-postgres", daemon=True
        )
        self._idle: list[Session] = []
        self._guard = threading.Lock()
        self._thread.start()

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait, in this thread, until the loop has the result."""
        invariant(threading.current_thread() is not self._thread, "the side waits for itself")
        return asyncio.run_coroutine_threadsafe(_as_coroutine(awaitable), self._loop).result()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for a block; kept for the next one when it is still whole."""
        with self._guard:
            found = self._idle.pop() if self._idle else None
        session = found or self.wait(connect(self._url))
        try:
            yield session
        except BaseException:
            if session.connection.is_in_transaction():
                session.hang_up()
            raise
        finally:
            if session.is_closed:
                self.wait(session.close())
            else:
                with self._guard:
                    self._idle.append(session)

    def close(self) -> None:
        """Hang up and end the thread."""
        with self._guard:
            idle, self._idle = self._idle, []
        for session in idle:
            self.wait(session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


class BlockingConnection:
    """
    One connection for a caller who waits: migrations, copies, the opening of a database.

    Args:
        session: Its session.
        wait: How its coroutines are waited for.
    """

    def __init__(self, session: Session, wait: Callable[[Awaitable[Any]], Any]) -> None:
        self._session = session
        self._wait = wait

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """
        All rows of a statement with its parameters.

        Raises:
            asyncpg.PostgresError: The server refused it.
        """
        connection = self._session.connection
        return [tuple(row) for row in self._wait(connection.fetch(sql, *values))]

    def run(self, sql: str) -> None:
        """Statements without parameters, sent together."""
        self._wait(self._session.run(sql))

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """One statement for many rows."""
        self._wait(self._session.connection.executemany(sql, rows))


@contextmanager
def blocking_connection(url: str) -> Iterator[BlockingConnection]:
    """
    A connection for the length of a block.

    Raises:
        StartError: The server does not let us in; says why, without a password.
    """
    address = Address.parse(url)
    side = Side(address.url)
    try:
        with refusals_at_start(address):
            session = side.wait(connect(address.url))
        try:
            yield BlockingConnection(session, side.wait)
        finally:
            side.wait(session.close())
    finally:
        side.close()


@contextmanager
def refusals_at_start(address: Address) -> Iterator[None]:
    """
    Says as a sentence why a server cannot be used.

    Raises:
        StartError: It is not there, or lets nobody in, or is too old.
    """
    where = address.shown
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError) as error:
        raise StartError(
            f"{where} lets this user not in: {error}.", hint="Check the name and the password."
        ) from None
    except asyncpg.InvalidCatalogNameError as error:
        raise StartError(
            f"{where}: {error}.", hint="Make it with CREATE DATABASE, or name another one."
        ) from None
    except asyncpg.exceptions.TooManyConnectionsError as error:
        raise StartError(f"{where} is full: {error}.", hint="Raise max_connections.") from None
    except asyncpg.exceptions.InsufficientPrivilegeError as error:
        raise StartError(
            f"{where}: {error}.",
            hint="Give the user CREATE and USAGE on its schema; it owns the tables.",
        ) from None
    except LOST as error:
        raise StartError(
            f"{where} does not answer: {type(error).__name__}: {error}.",
            hint="Is the server up, and the address right?",
        ) from None


def is_known(address: Address) -> bool:
    """
    Whether a data layer has kept a database there before.

    Raises:
        StartError: The server does not let us in.
    """
    with blocking_connection(address.url) as connection:
        return bool(
            connection.rows(
                "SELECT 1, 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = $1 AND c.relname = '_freehold_meta'",
                address.schema,
            )
        )


def require_version(connection: BlockingConnection) -> None:
    """
    Look whether the server is one that this driver knows.

    Raises:
        EngineTooOld: It is older.
    """
    ((version, name),) = connection.rows(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )
    if version < OLDEST_POSTGRES:
        raise EngineTooOld(
            f"PostgreSQL {name} is too old: 13 is the oldest.", hint="Use a newer server."
        )
