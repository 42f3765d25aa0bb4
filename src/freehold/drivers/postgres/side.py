"""
A thread with an event loop of its own, for callers who wait: starts, commands, tests.

It works before the server's event loop is there, and from any thread while it runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import asyncpg

from freehold.drivers.postgres.address import Address
from freehold.drivers.postgres.line import LOST, SILENCE_S, Line, connect
from freehold.errors import EngineTooOld, StartError, invariant

T = TypeVar("T")
#: The oldest that its makers still mended when this was written.
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
        self._idle: list[Line] = []
        self._guard = threading.Lock()
        self._thread.start()

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait, in this thread, until the loop has the result."""
        invariant(threading.current_thread() is not self._thread, "the side waits for itself")
        return asyncio.run_coroutine_threadsafe(_as_coroutine(awaitable), self._loop).result()

    @contextmanager
    def line(self, *, silence_s: float = SILENCE_S) -> Iterator[Line]:
        """
        A line for a block; kept for the next one when it is still whole.

        Args:
            silence_s: How long one statement of a new line may take.
        """
        with self._guard:
            found = self._idle.pop() if self._idle else None
        line = found or self.wait(connect(self._url, silence_s=silence_s))
        try:
            yield line
        except BaseException:
            # A migration may have changed what its statements stand on.
            line.forget()
            if line.connection.is_in_transaction():
                line.hang_up()
            raise
        finally:
            if line.is_closed:
                self.wait(line.close())
            else:
                with self._guard:
                    self._idle.append(line)

    def close(self) -> None:
        """Hang up and end the thread."""
        with self._guard:
            idle, self._idle = self._idle, []
        for line in idle:
            self.wait(line.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


class BlockingConnection:
    """
    One connection for a caller who waits: migrations, copies, the opening of a database.

    Args:
        line: Its line.
        wait: How its coroutines are waited for.
    """

    def __init__(self, line: Line, wait: Callable[[Awaitable[Any]], Any]) -> None:
        self._line = line
        self._wait = wait

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """
        All rows of a statement with its parameters.

        Raises:
            asyncpg.PostgresError: The server refused it.
        """
        connection = self._line.connection
        return [tuple(row) for row in self._wait(connection.fetch(sql, *values))]

    def run(self, sql: str) -> None:
        """Statements without parameters, sent together."""
        self._wait(self._line.run(sql))

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """One statement for many rows."""
        self._wait(self._line.connection.executemany(sql, rows))


@contextmanager
def blocking_connection(url: str, *, silence_s: float = SILENCE_S) -> Iterator[BlockingConnection]:
    """
    A connection for the length of a block.

    Args:
        url: The server's address.
        silence_s: How long one statement may take.

    Raises:
        StartError: The server does not let us in; says why, without a password.
    """
    address = Address.parse(url)
    side = Side(address.url)
    try:
        with refusals_at_start(address):
            line = side.wait(connect(address.url, silence_s=silence_s))
        try:
            yield BlockingConnection(line, side.wait)
        finally:
            side.wait(line.close())
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
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise StartError(
            f"{where} is no address that can be used: {error}.", hint="Look at what follows the ?."
        ) from None
    except LOST as error:
        raise StartError(
            f"{where} does not answer: {type(error).__name__}: {error}.",
            hint="Is the server up, and the address right?",
        ) from None
    except asyncpg.PostgresError as error:
        raise StartError(
            f"{where} says: {error}.", hint="Look at the address, and into the server's log."
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


@dataclass(frozen=True)
class ServerFacts:
    """
    What a server says about itself.

    Args:
        version: Its name of its version.
        number: The same as a number, 180006 for 18.6.
        encoding: Of the database.
        syncs: It syncs to the disk, and a commit waits for that unless told otherwise.
        is_standby: It takes no writes.
        connections_left: How many more connections it takes now.
        may_create: This user may make tables in the schema.
        has_checksums: It keeps a checksum on every page.
    """

    version: str
    number: int
    encoding: str
    syncs: bool
    is_standby: bool
    connections_left: int
    may_create: bool
    has_checksums: bool


def server_facts(connection: BlockingConnection) -> ServerFacts:
    """Ask a server about itself."""
    ((version, number, encoding, fsync, standby, free, rights, sums),) = connection.rows(_FACTS)
    return ServerFacts(
        version, number, encoding, fsync == "on", standby, free, rights is True, sums == "on"
    )


_FACTS: Final = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
    current_setting('server_encoding'), current_setting('fsync'), pg_is_in_recovery(),
    current_setting('max_connections')::int - (SELECT count(*)::int FROM pg_stat_activity),
    coalesce(
        has_schema_privilege(current_schema(), 'CREATE'),
        has_database_privilege(current_database(), 'CREATE')
    ),
    current_setting('data_checksums')
"""


def require_usable(connection: BlockingConnection) -> None:
    """
    Look whether the server is one that this driver can work with.

    Raises:
        EngineTooOld: It is older than 13.
        StartError: It takes no writes, or the database is not in UTF-8.
    """
    facts = server_facts(connection)
    if facts.number < OLDEST_POSTGRES:
        raise EngineTooOld(
            f"PostgreSQL {facts.version} is too old: 13 is the oldest.", hint="Use a newer server."
        )
    if facts.is_standby:
        raise StartError(
            "the server is a standby and takes no writes.", hint="Give the primary's address."
        )
    if facts.encoding != "UTF8":
        raise StartError(
            f"the database is in {facts.encoding}, which cannot hold every text.",
            hint="Make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
        )
