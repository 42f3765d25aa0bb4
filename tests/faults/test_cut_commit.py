"""
The connection to PostgreSQL is cut around COMMIT, again and again, by the proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from freehold.testing.cluster import cluster
from tests.faults.proxy import CUTS, Choose, Fault, Proxy, by_chance, in_turn, proxying
from tests.faults.share import FULL, SEED, note, share
from tests.faults.world import World, serving

pytestmark = pytest.mark.promise("P3")

CLIENTS = 16


@asynccontextmanager
async def behind_a_proxy(
    choose: Choose, *, count: int = 2, wrong: str | None = None
) -> AsyncIterator[tuple[World, Proxy]]:
    """Processes of which all but the last reach PostgreSQL through a proxy that does this."""
    pg = cluster(tcp=True, durable=True)
    server = await asyncio.to_thread(pg.__enter__)
    try:
        # Nothing is cut before everything stands.
        async with proxying(server.port) as proxy:
            processes = serving(server, count, wrong=wrong, port=proxy.port)
            here = await asyncio.to_thread(processes.__enter__)
            proxy.choose = choose
            try:
                yield here, proxy
            finally:
                await asyncio.to_thread(processes.__exit__, None, None, None)
    finally:
        await asyncio.to_thread(pg.__exit__, None, None, None)


async def until_done(here: World, proxy: Proxy, cuts: int) -> None:
    """Wait for so many faults, and then for calm."""
    while proxy.done.total() < cuts:
        await here.acknowledged(1)
        await asyncio.sleep(0.01)
    proxy.choose = lambda _: None
    await here.acknowledged(2 * CLIENTS)


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
def test_commits_are_cut_off_at_random() -> None:
    """Before, inside and after COMMIT, with its answer on the way: what was told is so."""
    cuts = share(25, 3_000)
    faults: tuple[Fault, ...] = (*CUTS, "delay", *(("silence", "hole") if FULL else ()))

    async def run() -> None:
        # The two that nobody notices for 20 seconds are rare.
        weighted = (*CUTS * 40, "delay", "delay", *faults[len(CUTS) + 1 :])
        async with behind_a_proxy(by_chance(SEED, share=0.25, faults=weighted)) as (here, proxy):
            await here.load(lambda: until_done(here, proxy, cuts), clients=CLIENTS)
            await asyncio.to_thread(
                here.judge_and_record,
                "P3",
                "connections cut around COMMIT",
                faults=proxy.done.total(),
            )
            note(f"{dict(proxy.done)} of {proxy.seen} commits; {here.figures()}")
            assert set(proxy.done) >= set(CUTS)

    asyncio.run(run())


def test_a_cut_commit_is_resolved_by_asking_the_server() -> None:
    """Wherever COMMIT is cut off: the mutation ends in `ok`, and it is there once."""

    async def run() -> None:
        async with behind_a_proxy(in_turn(CUTS), count=1) as (here, proxy):
            for fault in CUTS:
                told = await here.call_once(fault)
                assert told.outcome == "ok", told
            assert list(proxy.done) == list(CUTS)
            await asyncio.to_thread(here.judge)

    asyncio.run(run())


def test_a_number_that_a_crash_gives_out_again_is_not_taken_for_ours() -> None:
    """
    PostgreSQL crashes under a COMMIT and then gives the lost transaction's number to another.

    Numbers are given out in memory; what no disk has seen is given out again. So the number
    is committed, and the mutation is lost all the same.
    """

    async def run() -> None:
        async with behind_a_proxy(in_turn(["hole"])) as (here, proxy):
            lost = asyncio.create_task(here.call_once("lost"))
            await proxy.struck.wait()
            proxy.gate.clear()
            await asyncio.to_thread(here.server.restart, immediate=True)
            other = await here.call_once("other", process=1)
            proxy.gate.set()
            told = await lost
            assert other.outcome == "ok"
            assert told.outcome == "ok", told
            await asyncio.to_thread(here.judge)

    asyncio.run(run())
