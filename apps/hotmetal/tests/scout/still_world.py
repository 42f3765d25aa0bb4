"""A data layer in this process whose clock, like the scout's, stands still until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from hotmetal.clients.hotmetal import DataLayer
from hotmetal.entrypoints import DataLayer as Entrypoint
from hotmetal.schema import schema
from hotmetal.testing import START_S

from freehold import Caller
from freehold.clock import ManualClock
from freehold.crypto import KeyRing
from freehold.drivers.sqlite import SqliteDatabase
from freehold.ids import SeededIds
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Dispatcher, Request
from freehold.rpc.idempotency import IDEMPOTENCY_SCHEMA
from freehold.schema import Schema
from freehold.wire.codec import MSGPACK


class StillWorld:
    """One clock for both."""

    def __init__(self, dal: DataLayer, clock: ManualClock) -> None:
        self.dal = dal
        self._clock = clock

    def now(self) -> int:
        """Epoch seconds, as the scout asks."""
        return self._clock.wall_ns() // 1_000_000_000

    async def sleep(self, seconds: float) -> None:
        """The time passes at once."""
        self._clock.advance(seconds=int(seconds))

    def go_to(self, moment: int) -> None:
        """Let the time pass until then."""
        self._clock.advance(seconds=moment - self.now())


@asynccontextmanager
async def still_world() -> AsyncIterator[StillWorld]:
    """An empty data layer on SQLite, for the time of a block."""
    loop, clock = asyncio.get_running_loop(), ManualClock(START_S)
    tables = Schema([*schema.records, *IDEMPOTENCY_SCHEMA.records], is_system=True)
    database = SqliteDatabase(
        None, tables, clock=clock, ids=SeededIds(), ring=KeyRing.from_hex("5a" * 32)
    )
    database.open()

    def hand_over(work: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(work)

    database.start(hand_over)
    dispatcher = Dispatcher(
        [Entrypoint],
        {"main": database},
        contract=contract_of("hotmetal", [Entrypoint]),
        clock=clock,
        ids=SeededIds(),
    )
    caller = Caller("scout", frozenset({"DataLayer.*"}))
    request = partial(Request, codec=MSGPACK, caller=caller)
    try:
        yield StillWorld(DataLayer.in_process(dispatcher, request=request), clock)
    finally:
        database.close()
