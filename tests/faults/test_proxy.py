"""
The proxy itself: what it lets pass, what the server has seen, what the client hears.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest

from freehold.testing import shared_cluster
from tests.faults.proxy import CUTS, Fault, Proxy, by_chance, in_turn, never, proxying

LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


@asynccontextmanager
async def behind(proxy: Proxy) -> AsyncIterator[Any]:
    """A connection through the proxy."""
    connection = await asyncpg.connect(shared_cluster().tcp_url(port=proxy.port))
    try:
        yield connection
    finally:
        with suppress(*LOST):
            connection.terminate()


def write(name: str) -> str:
    return f"INSERT INTO {name} VALUES (1); COMMIT"


async def count(name: str) -> int:
    """How many rows came through, once nobody is writing any more."""
    connection = await asyncpg.connect(shared_cluster().url())
    try:
        await connection.execute(f"BEGIN; LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        found: int = await connection.fetchval(f"SELECT count(*) FROM {name}")
        return found
    finally:
        await connection.close()


def make(name: str) -> None:
    shared_cluster().sql(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (id INT)")


@pytest.mark.parametrize(
    ("fault", "there"),
    [("before", 0), ("inside", 0), ("after", 1), ("answered", 1), ("reset", 1)],
)
def test_a_cut_is_where_it_is_said_to_be(fault: Fault, there: int) -> None:
    """The client hears of a lost connection; whether the COMMIT arrived is as the fault says."""
    make("cut_off")

    async def run() -> None:
        async with (
            proxying(shared_cluster().port, in_turn([fault])) as proxy,
            behind(proxy) as connection,
        ):
            await connection.execute("BEGIN")
            with pytest.raises(LOST):
                await asyncio.wait_for(connection.execute(write("cut_off")), 10)
            assert proxy.done == {fault: 1}
            assert await count("cut_off") == there
            # The next one passes.
            async with behind(proxy) as again:
                await again.execute("BEGIN")
                assert await again.execute(write("cut_off")) == "COMMIT"
            assert await count("cut_off") == there + 1

    asyncio.run(run())


@pytest.mark.parametrize(("fault", "there"), [("silence", 1), ("hole", 0)])
def test_a_black_hole_answers_nothing_and_does_not_hang_up(fault: Fault, there: int) -> None:
    """The client waits for as long as it likes; its own end ends the server's."""
    make("cut_off")

    async def run() -> None:
        async with proxying(shared_cluster().port, in_turn([fault])) as proxy:
            async with behind(proxy) as connection:
                await connection.execute("BEGIN")
                with pytest.raises(asyncio.TimeoutError):
                    await connection.execute(write("cut_off"), timeout=0.2)
            assert await count("cut_off") == there

    asyncio.run(run())


def test_a_delay_only_delays() -> None:
    """The answer comes, later."""
    make("cut_off")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        async with (
            proxying(shared_cluster().port, in_turn(["delay"]), delay_s=0.2) as proxy,
            behind(proxy) as connection,
        ):
            await connection.execute("BEGIN")
            began = loop.time()
            assert await connection.execute(write("cut_off")) == "COMMIT"
            assert loop.time() - began >= 0.2

    asyncio.run(run())


def test_everything_else_passes() -> None:
    """Parameters, many rows, large values and errors are as without a proxy."""

    async def run() -> None:
        async with (
            proxying(shared_cluster().port, never) as proxy,
            behind(proxy) as connection,
        ):
            assert await connection.fetchval("SELECT $1::int + 1", 1) == 2
            assert len(await connection.fetch("SELECT * FROM generate_series(1, 50000)")) == 50_000
            long = "x" * 3_000_000
            assert await connection.fetchval("SELECT $1::text", long) == long
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.execute("SELECT 1 / 0")
            assert proxy.seen == 0

    asyncio.run(run())


def test_the_same_seed_makes_the_same_choices() -> None:
    """So a red run can be done again."""

    def drawn(seed: int) -> list[Fault | None]:
        choose = by_chance(seed, share=0.3, faults=CUTS)
        return [choose(b"") for _ in range(200)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert {None, *CUTS} == set(drawn(1))
