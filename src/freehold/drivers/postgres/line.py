"""
A line: one connection to the server, held for long, with the statements prepared on it.

Also how a connection is opened, and which errors mean that it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

#: What is raised when there is no connection any more, or none can be had.
LOST: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.exceptions.IdleSessionTimeoutError,
)
#: A statement that is heard nothing of for longer: the network is cut, not the statement slow.
SILENCE_S: Final = 20.0
_CONNECT_S: Final = 5.0
#: Texts are few, but for INSERTs of many rows; past this the oldest is prepared again.
_PREPARED_MAX: Final = 1_000


class Line:
    """
    A held connection.

    Args:
        connection: asyncpg's; belongs to one event loop.
    """

    __slots__ = ("_names", "_prepared", "connection", "mark")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._prepared: dict[str, Any] = {}
        self._names = 0
        #: What its commits are known by, see `doubt`; 0 for none.
        self.mark = 0

    @property
    def is_closed(self) -> bool:
        """Nothing can be asked any more."""
        closed: bool = self.connection.is_closed()
        return closed

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """All rows of a statement."""
        statement = self._prepared.get(sql)
        if statement is None:
            return (await self._first(sql, values))[1]
        return await statement.fetch(*values)  # type: ignore[no-any-return]

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        """Run a statement that changes rows; how many it changed."""
        statement = self._prepared.get(sql)
        if statement is None:
            statement, _ = await self._first(sql, values)
        else:
            await statement.fetch(*values)
        # `INSERT 0 3`, `UPDATE 3`
        count = statement.get_statusmsg().rsplit(" ", 1)[-1]
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """One statement with many rows of values, sent without waiting between them."""
        if sql not in self._prepared:
            await self._first(sql, rows[0])
            rows = rows[1:]
        if len(rows) == 1:
            await self._prepared[sql].fetch(*rows[0])
        elif rows:
            await self._prepared[sql].executemany(rows)

    async def run(self, sql: str) -> str:
        """Statements without parameters, sent together; the tag of the last one."""
        return await self.connection.execute(sql)  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Prepare everything anew: a migration has changed what the statements stand on."""
        self._prepared.clear()

    async def close(self) -> None:
        """Say goodbye, or hang up."""
        with contextlib.suppress(*LOST, asyncpg.PostgresError):
            await self.connection.close(timeout=2)
            return
        self.hang_up()

    def hang_up(self) -> None:
        """Cut the connection at once; the server rolls back what was open on it."""
        with contextlib.suppress(*LOST):
            self.connection.terminate()

    async def _first(self, sql: str, values: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Prepare a statement and run it for the first time."""
        if len(self._prepared) >= _PREPARED_MAX:
            self._prepared.pop(next(iter(self._prepared)))
        self._names += 1
        # Without a name of its own it would be parsed and planned again at each execution.
        statement = await self.connection.prepare(sql, name=f"fh_{self._names}")
        try:
            rows = await statement.fetch(*values)
        except asyncpg.DataError as error:
            if error.__cause__ is not None:
                # Refused before it was sent. Prepared and never run, a statement leaves its own
                # transaction open, and the next BEGIN would not get its isolation level.
                await self.connection.execute("SELECT 1")
            raise
        self._prepared[sql] = statement
        return statement, rows


async def connect(
    url: str, *, settings: dict[str, str] | None = None, silence_s: float = SILENCE_S
) -> Line:
    """
    A new line.

    Args:
        url: The server's address.
        settings: Of the connection, for as long as it is.
        silence_s: How long one statement may take.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: There is none to be had.
    """
    connection = await asyncpg.connect(
        url,
        timeout=_CONNECT_S,
        command_timeout=silence_s,
        # Lines keep their own, which live as long as the connection.
        statement_cache_size=0,
        server_settings={"application_name": "freehold", "jit": "off", **(settings or {})},
    )
    # sum() of whole numbers is numeric there and a whole number on SQLite.
    try:
        await connection.set_type_codec(
            "numeric", encoder=str, decoder=_number, schema="pg_catalog", format="text"
        )
    except BaseException:
        connection.terminate()
        raise
    return Line(connection)


def _number(text: str) -> int | float:
    return float(text) if "." in text or "N" in text or "I" in text else int(text)
