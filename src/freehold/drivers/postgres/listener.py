"""
Hears what other processes have to say: that service keys were changed.

When the connection was lost, nobody knows what was missed, so all is taken for changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg

from freehold.drivers.postgres.address import Address
from freehold.drivers.postgres.line import LOST, Line, connect
from freehold.drivers.postgres.side import BlockingConnection

_AGAIN_S: Final = 0.5
#: How often a silent connection is asked whether it lives.
_ALIVE_S: Final = 5.0
#: Held by everybody who serves the schema, so that a copy can see them; stands in nobody's way.
_PRESENCE: Final = "hashtextextended('freehold serves ' || current_schema(), 0)"
_WHO: Final = f"""
SELECT a.pid, coalesce(host(a.client_addr), 'this machine')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid::bigint << 32) | l.objid::bigint) = {_PRESENCE}
ORDER BY a.backend_start
"""  # noqa: S608 - of constants


class Listener:
    """
    One connection that listens, on the event loop.

    Args:
        address: Where; messages of other schemas are not ours.
        on_keys: Called when keys may have changed.
        channel: What is listened to.
    """

    def __init__(self, address: Address, *, on_keys: Callable[[], None], channel: str) -> None:
        self._address = address
        self._on_keys = on_keys
        self._channel = channel
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        #: Set when it is closed, and when the connection is lost: nobody rests then.
        self._stirred = asyncio.Event()

    def start(self) -> None:
        """Begin to listen; on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Hang up."""
        self._is_closing = True
        self._stirred.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while not self._is_closing:
            self._stirred.clear()
            try:
                line = await connect(self._address.url)
            except (*LOST, asyncpg.PostgresError):
                await self._rest(_AGAIN_S)
                continue
            try:
                line.connection.add_termination_listener(lambda _: self._stirred.set())
                await line.connection.add_listener(self._channel, self._heard)
                await line.run(f"SELECT pg_advisory_lock_shared({_PRESENCE})")
                self._on_keys()
                await self._stay(line)
            except (*LOST, asyncpg.PostgresError):
                line.hang_up()
            finally:
                await line.close()

    async def _stay(self, line: Line) -> None:
        while not self._is_closing and not line.is_closed:
            await self._rest(_ALIVE_S)
            await line.run("SELECT 1")

    async def _rest(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), seconds)

    def _heard(self, _connection: Any, _pid: int, _channel: str, schema: str) -> None:
        if schema == self._address.schema:
            self._on_keys()


def who_serves(connection: BlockingConnection) -> list[tuple[int, str]]:
    """The processes that serve this schema now: the server's number for each, and whence."""
    return [(pid, host) for pid, host in connection.rows(_WHO)]
