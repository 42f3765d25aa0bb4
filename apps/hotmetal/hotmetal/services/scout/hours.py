"""
The hourly tick: which publications are due, and that each run is begun once.

A slot is a publication's next run. Whoever moves it on has it: `claimScoutRun` compares and sets,
so of several scouts that see a slot one gets it. The claim is a durable step under a key of its
own and the run's id is made of the slot, so a crash between claiming and queueing loses no run
and makes none twice.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from functools import partial
from typing import Final

import msgspec

from hotmetal.clients.hotmetal import DataLayer, Schedule, ScheduledPublication
from hotmetal.schedule import Schedule as LocalSchedule
from hotmetal.schedule import compute_next_run
from hotmetal.services.scout.clock import Clock
from hotmetal.services.scout.durable import Durable
from hotmetal.services.scout.workflow import Order, Policy

LOG: Final = logging.getLogger("hotmetal.scout")

HOUR_S: Final = 3_600
BATCH: Final = 100

_FIND: Final = Policy("find-due", 3, 5, 120, growth=2)
_CLAIM: Final = Policy("claim", 3, 5, 60, growth=2)
_LIST: Final = Policy("list-publications", 3, 5, 60, growth=2)


class Slot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run that is to be begun, or with nothing seen a publication that gets its first one."""

    publication_id: str
    seen: int | None
    following: int


class Hours:
    """
    Begins runs.

    Args:
        dal: The data layer.
        durable: The queue.
        clock: Says what is due.
        store_id: Names this scout in the keys of its claims.
    """

    def __init__(self, dal: DataLayer, durable: Durable, clock: Clock, store_id: str) -> None:
        self._dal = dal
        self._durable = durable
        self._clock = clock
        self._store_id = store_id

    async def tick(self, id: str) -> int:
        """One look at all publications, from inside a durable workflow; how many runs began."""
        steps = self._durable.steps
        begun = 0
        for slot in await steps.step(_FIND, self.slots, list[Slot]):
            is_ours = await steps.step(_CLAIM, partial(self.claim, id, slot), bool)
            if is_ours and slot.seen is not None:
                await self._durable.enqueue(order_of(slot))
                begun += 1
        return begun

    async def run_all(self, id: str) -> int:
        """A manual run for every publication, from inside a durable workflow; how many."""
        ids = await self._durable.steps.step(_LIST, self._dal.get_all_publication_ids, list[str])
        for first in range(0, len(ids), BATCH):
            for publication_id in ids[first : first + BATCH]:
                await self._durable.enqueue(
                    Order(
                        run_id=f"scout-{publication_id}-{id}",
                        publication_id=publication_id,
                        triggered_by="manual",
                    )
                )
            # The event loop has other work between two batches.
            await asyncio.sleep(0)
        return len(ids)

    async def slots(self) -> list[Slot]:
        """First the publications that have no next run, then those whose run is due."""
        now = self._clock.now()
        found = [
            Slot(publication_id=each.id, seen=None, following=_next(each, now))
            for each in await self._dal.get_publications_with_null_schedule()
        ]
        for each in await self._dal.get_due_publications(now):
            publication = await self._dal.get_publication_by_id(each.id)
            seen = None if publication is None else publication.next_scout_at
            # Another scout may have been faster since the list was read.
            if seen is not None and seen <= now:
                found.append(Slot(publication_id=each.id, seen=seen, following=_next(each, now)))
        return found

    async def claim(self, tick_id: str, slot: Slot) -> bool:
        """Whether the slot is this scout's."""
        key = f"scout:{self._store_id}:{tick_id}:{slot.publication_id}:{slot.seen}"
        return await self._dal.with_options(idempotency_key=key).claim_scout_run(
            slot.publication_id, slot.seen, slot.following
        )

    async def forever(self) -> None:
        """One tick now, for what came due while nobody was there; then one each full hour."""
        await self._begin(f"tick-start-{secrets.token_hex(8)}")
        while True:
            hour = self._clock.now() // HOUR_S
            while (now := self._clock.now()) // HOUR_S == hour:
                # In short sleeps: a clock that is set, or a machine that slept, is noticed.
                await self._clock.sleep(min(30, HOUR_S - now % HOUR_S))
            await self._begin(f"tick-{now // HOUR_S * HOUR_S}")

    async def _begin(self, id: str) -> None:
        try:
            await self._durable.start_tick(id)
            await self._durable.clean()
        except Exception:
            LOG.exception("the tick of this hour could not begin")


def order_of(slot: Slot) -> Order:
    """The run of a slot; its id is made of the slot, so it is one run however often it is asked."""
    return Order(
        run_id=f"scout-{slot.publication_id}-{slot.seen}",
        publication_id=slot.publication_id,
        triggered_by="cron",
    )


def _next(each: ScheduledPublication, now: int) -> int:
    return compute_next_run(_local(each.scout_schedule), each.timezone, after=now)


def _local(schedule: Schedule) -> LocalSchedule:
    """The client's schedule as the arithmetic takes it."""
    return msgspec.convert(msgspec.to_builtins(schedule), LocalSchedule)
