"""
kill -9 and SIGSTOP of one of two data layers on one PostgreSQL, and restarts of PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time

import pytest

from tests.faults.share import FULL, SEED, note, share
from tests.faults.world import MUTATION_MS, World, world

pytestmark = [pytest.mark.promise("P1"), pytest.mark.promise("P3")]

CLIENTS = 16


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
@pytest.mark.parametrize("is_keyed", [False, *([True] if FULL else [])])
def test_one_of_two_processes_is_killed_and_the_other_goes_on(is_keyed: bool) -> None:
    """kill -9 of one, again and again: what was told is so, and the other always goes on."""
    chance = random.Random(SEED)
    kills = share(2, 200)

    async def trouble(here: World) -> None:
        for _ in range(kills):
            victim = chance.choice(here.processes)
            await asyncio.sleep(chance.uniform(0.02, 0.3))
            await asyncio.to_thread(victim.kill)
            await here.acknowledged(CLIENTS)
            await asyncio.to_thread(victim.start)
            await here.acknowledged(CLIENTS)

    with world(2) as here:
        here.is_keyed = is_keyed
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        how = "keyed" if is_keyed else "unkeyed"
        here.judge_and_record("P3", f"kill -9 of one of two on PostgreSQL, {how}", kills=kills)

        note(f"{kills} kills; {here.figures()}")
        assert is_keyed or here.history.count("unknown"), "nobody was in flight when it was killed"
        assert here.history.reads > kills


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
@pytest.mark.parametrize("how", ["immediate", *(["fast", "crash"] if FULL else [])])
def test_the_server_is_restarted_under_load(how: str) -> None:
    """PostgreSQL stops, cleanly or not, or loses a process, and comes back: what was told is so."""
    chance = random.Random(SEED)
    restarts = share(1, 60)

    async def trouble(here: World) -> None:
        for _ in range(restarts):
            await asyncio.sleep(chance.uniform(0.02, 0.3))
            if how == "crash":
                await asyncio.to_thread(kill_a_backend, here)
            else:
                await asyncio.to_thread(here.server.restart, immediate=how == "immediate")
            await here.acknowledged(3 * CLIENTS)

    with world(2) as here:
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        here.judge_and_record("P3", f"{how} restarts of PostgreSQL", restarts=restarts)

        note(f"{restarts} {how} restarts; {here.figures()}")


def kill_a_backend(here: World) -> None:
    """kill -9 of a server process that writes; PostgreSQL then ends all others and recovers."""
    pid = here.server.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'freehold' "
        "ORDER BY query LIKE '%COMMIT%' DESC, xact_start LIMIT 1"
    )
    if pid:
        os.kill(int(pid), signal.SIGKILL)


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
def test_a_process_that_stands_still_with_the_lock_is_left_behind() -> None:
    """SIGSTOP while it holds the lock: the others wait for a bounded time; nothing twice."""
    chance = random.Random(SEED)
    pauses = share(1, 20)
    waits: list[float] = []

    async def trouble(here: World) -> None:
        while len(waits) < pauses:
            victim = chance.choice(here.processes)
            victim.pause()
            began = time.monotonic()
            holds = await asyncio.to_thread(lock_is_held_idly, here)
            if holds:
                await here.acknowledged(1)
                waits.append(time.monotonic() - began)
            victim.resume()
            await here.acknowledged(CLIENTS)
            await asyncio.sleep(chance.uniform(0.01, 0.1))

    with world(2) as here:
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        here.judge_and_record("P3", "SIGSTOP of one with the lock, PostgreSQL", pauses=pauses)

        note(f"{pauses} pauses of at most {max(waits):.1f} s; {here.figures()}")
        assert max(waits) < 2 * MUTATION_MS / 1_000 + 2


def lock_is_held_idly(here: World) -> bool:
    """Whether somebody holds the writer's lock and does nothing with it, at two looks."""
    looks = []
    for _ in range(2):
        looks.append(
            here.server.sql(
                "SELECT a.pid || ' ' || a.xact_start FROM pg_locks l "
                "JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation "
                "WHERE c.relname = '_freehold_writer' AND l.granted "
                "AND l.mode = 'ExclusiveLock' AND a.state LIKE 'idle in transaction%'"
            )
        )
        time.sleep(0.1)
    return bool(looks[0]) and looks[0] == looks[1]
