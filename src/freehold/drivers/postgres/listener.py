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
from freehold.drivers.postgres.session import LOST, Session, connect

_AGAIN_S: Final = 0.5
#: How often a silent connection is asked whether it lives.
_ALIVE_S: Final = 5.0


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
        self._closing = asyncio.Event()

    def start(self) -> None:
        """Begin to listen; on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Hang up."""
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while not self._closing.is_set():
            try:
                session = await connect(self._address.url)
            except (*LOST, asyncpg.PostgresError):
                await self._rest(_AGAIN_S)
                continue
            try:
                await session.connection.add_listener(self._channel, self._heard)
                self._on_keys()
                await self._stay(session)
            except (*LOST, asyncpg.PostgresError):
                session.hang_up()
            finally:
                await session.close()

    async def _stay(self, session: Session) -> None:
        while not self._closing.is_set() and not session.is_closed:
            await self._rest(_ALIVE_S)
            await session.run("SELECT 1")

    async def _rest(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _heard(self, _connection: Any, _pid: int, _channel: str, schema: str) -> None:
        if schema == self._address.schema:
            self._on_keys()
