"""
kill -9 of the real server on a SQLite file, again and again: what was told is so.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial

import pytest

from tests.faults.figures import record
from tests.faults.share import SEED, share
from tests.faults.world import World, world

pytestmark = [pytest.mark.promise("P1"), pytest.mark.promise("P3"), pytest.mark.fault]

CLIENTS = 16
#: One history is kept in memory and compared at its end.
_KILLS_OF_ONE = 250


@pytest.mark.timeout(share(120, 7_200))
@pytest.mark.parametrize("keyed", [False, True], ids=["once", "keyed"])
def test_kills_lose_nothing_and_contradict_nothing(keyed: bool) -> None:
    """Acknowledged is there once, refused is not there, and the rest is there once or not."""
    began = time.monotonic()
    chance = random.Random(SEED)
    kills = share(10, 1_250)
    told = ok = unknown = reads = 0
    slowest = 0.0

    async def trouble(here: World, count: int) -> None:
        nonlocal slowest
        (process,) = here.processes
        for _ in range(count):
            await asyncio.sleep(chance.uniform(0.0, 0.06))
            down = time.monotonic()
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start)
            slowest = max(slowest, time.monotonic() - down)
            await here.acknowledged(CLIENTS)

    left = kills
    while left:
        count = min(left, _KILLS_OF_ONE)
        left -= count
        with world(engine="sqlite", seed=SEED + left) as here:
            here.is_keyed = keyed
            asyncio.run(here.load(partial(trouble, here, count), clients=CLIENTS))
            here.judge()
            told += len(here.history.told)
            ok += here.history.count("ok")
            unknown += here.history.count("unknown")
            reads += here.history.reads
    seconds = time.monotonic() - began
    record(
        "P1", f"kill -9 of the server on SQLite, {'keyed' if keyed else 'unkeyed'} clients",
        seconds=seconds, bad=0, kills=kills, mutations=told, acknowledged=ok, unknown=unknown,
        reads=reads, slowest_restart_ms=round(slowest * 1_000),
    )  # fmt: skip
    assert ok > kills * CLIENTS
    assert keyed or unknown, "nobody was in flight when it was killed"


def test_an_answer_before_the_commit_is_found_out() -> None:
    """Negative control: killed between answer and COMMIT, it has acknowledged what is lost."""
    began = time.monotonic()

    async def trouble(here: World) -> None:
        for _ in range(3):
            await here.acknowledged(CLIENTS)
            await asyncio.to_thread(here.processes[0].kill)
            await asyncio.to_thread(here.processes[0].start)

    with world(engine="sqlite", wrong="hasty") as here:
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        found = here.contradictions()
    record("P1", "negative control: answers before COMMIT on SQLite",
           seconds=time.monotonic() - began, bad=len(found), kills=3)  # fmt: skip

    assert any("acknowledged" in each and "is lost" in each for each in found), found
