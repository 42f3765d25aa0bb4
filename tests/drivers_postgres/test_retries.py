"""
Programs that write beside the data layer: what they cost is run again whole, with a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from freehold.db import Writer
from freehold.drivers.postgres.bridge import wait
from freehold.errors import Unavailable
from tests.drivers.ledger import THE_TOTAL, Total, add, adding, sql
from tests.drivers_postgres.ledger import batch, mutate, names, outsider, served

#: The first run, and five more.
RUNS_MAX = 6
TOUCH = "UPDATE totals SET amount = amount WHERE id = 'all'"


class Disturbed:
    """A mutation into which somebody comes, so many times."""

    def __init__(self, name: str, disturb: Callable[[], Any], *, times: int) -> None:
        self.name = name
        self.runs: list[Any] = []
        self._disturb = disturb
        self._times = times

    def __call__(self, db: Writer) -> str:
        self.runs.append((db.now_ms, db.new_id(), db.random_bytes(8)))
        db.get(Total, THE_TOTAL)
        if len(self.runs) <= self._times:
            wait(self._disturb())
        return add(db, self.name)


def test_an_update_under_ours_runs_the_whole_batch_again(url: str) -> None:
    """40001 at a statement: every function again, with the same time, ids and random bytes."""

    async def run() -> None:
        async with served(url) as database, outsider(url) as beside:
            disturbed = Disturbed("a", lambda: beside.execute(TOUCH), times=2)
            calls = await batch(database, [disturbed, adding("b"), adding("c")])
            assert [call.seq for call in calls] == [2, 3, 4]
            assert len(disturbed.runs) == 3
            assert len(set(disturbed.runs)) == 1
            assert database.commits.restarts == 2
            assert await names(database) == ["a", "b", "c"]

    asyncio.run(run())


def test_running_again_has_a_bound(url: str) -> None:
    """Somebody always comes in between: after six runs the callers hear `unavailable`."""

    async def run() -> None:
        async with served(url) as database, outsider(url) as beside:
            disturbed = Disturbed("never", lambda: beside.execute(TOUCH), times=99)
            calls = await batch(database, [disturbed, adding("never either")])
            assert [type(call.error) for call in calls] == [Unavailable, Unavailable]
            assert len(disturbed.runs) == RUNS_MAX
            assert (await mutate(database, adding("b"))).seq == 2
            assert await names(database) == ["b"]

    asyncio.run(run())


def test_a_circle_that_shows_only_at_the_commit_is_run_again(url: str) -> None:
    """
    Write skew with a SERIALIZABLE program: each reads what the other writes.

    No statement is refused, only our COMMIT, and then all of it is run again.
    """
    skew = """
        BEGIN ISOLATION LEVEL SERIALIZABLE;
        SELECT count(*) FROM entries;
        UPDATE totals SET amount = 7 WHERE id = 'other';
        COMMIT
    """
    amounts: list[int] = []

    async def run() -> None:
        async with served(url) as database, outsider(url) as beside:
            await mutate(database, lambda db: db.insert(Total(id="other")).amount)

            def circle(db: Writer) -> str:
                amounts.append(db.get(Total, "other").amount)
                # The other's snapshot must be older than our write.
                if len(amounts) == 1:
                    wait(beside.execute(skew))
                return add(db, "a")

            call = await mutate(database, circle)
            assert call.value == "a"
            assert amounts == [0, 7]
            assert await names(database) == ["a"]

    asyncio.run(run())


def test_a_deadlock_is_run_again(url: str) -> None:
    """40P01: we are the victim, and come again when the other is through."""
    runs: list[int] = []

    async def run() -> None:
        async with served(url) as database, outsider(url) as beside:
            await mutate(database, lambda db: db.insert(Total(id="other")).amount)
            # The other would wait for longer than we do, so the server takes us.
            await beside.execute("SET deadlock_timeout = '60s'")
            waiting: list[asyncio.Task[Any]] = []

            async def lock_other() -> None:
                await beside.execute("BEGIN; UPDATE totals SET amount = 1 WHERE id = 'other'")

            async def want_ours() -> None:
                async def go_through() -> None:
                    await beside.execute(TOUCH)
                    await beside.execute("COMMIT")

                waiting.append(asyncio.create_task(go_through()))
                await asyncio.sleep(0)

            def circle(db: Writer) -> str:
                runs.append(1)
                if len(runs) == 1:
                    wait(lock_other())
                    db.execute(sql(TOUCH))
                    wait(want_ours())
                db.execute(sql("UPDATE totals SET amount = amount WHERE id = 'other'"))
                return add(db, "a")

            calls = await batch(database, [circle, adding("b")])
            await asyncio.gather(*waiting)
            assert [call.value for call in calls] == ["a", "b"]
            assert len(runs) >= 2
            assert await names(database) == ["a", "b"]

    asyncio.run(run())


def test_a_connection_that_is_ended_in_the_middle_is_run_again(url: str) -> None:
    """The operator ends our server process in the middle of a function: again, on a new one."""
    runs: list[int] = []

    async def run() -> None:
        async with served(url) as database, outsider(url) as beside:

            def ended(db: Writer) -> str:
                ((pid, _),) = db._link.rows("SELECT pg_backend_pid(), 0", ())
                runs.append(pid)
                add(db, "a")
                if len(runs) == 1:
                    wait(beside.execute(f"SELECT pg_terminate_backend({pid})"))
                    db.get(Total, THE_TOTAL)
                return "a"

            calls = await batch(database, [ended, adding("b")])
            assert [call.value for call in calls] == ["a", "b"]
            assert len(set(runs)) == 2
            assert await names(database) == ["a", "b"]

    asyncio.run(run())


def test_a_mutation_that_always_loses_its_connection_ends(url: str) -> None:
    """One that kills its own server process again and again: only it hears of it."""
    runs: list[int] = []

    def kills(db: Writer) -> str:
        runs.append(1)
        assert len(runs) < 50, "it is run for ever"
        db.execute(sql("SELECT pg_terminate_backend(pg_backend_pid())"))
        return "never"

    async def run() -> None:
        async with served(url) as database:
            calls = await batch(database, [adding("a"), kills, adding("b")])
            assert [type(call.error) for call in calls] == [type(None), Unavailable, type(None)]
            assert await names(database) == ["a", "b"]

    asyncio.run(run())


def test_a_table_that_is_changed_while_it_is_used_breaks_no_call(url: str) -> None:
    """A column gets another type and the table a new one: calls go on, read or write."""

    async def run() -> None:
        async with served(url) as database:
            assert (await mutate(database, adding("a"))).seq == 2
            assert await names(database) == ["a"]
            async with outsider(url) as migration:
                await migration.execute("ALTER TABLE totals ALTER COLUMN amount TYPE numeric")
                await migration.execute("ALTER TABLE entries ADD COLUMN more TEXT")
            for name in ("b", "c", "d"):
                call = await mutate(database, adding(name))
                assert call.error is None, call.error
            assert await names(database) == ["a", "b", "c", "d"]
            async with outsider(url) as migration:
                await migration.execute("ALTER TABLE totals ALTER COLUMN amount TYPE bigint")
            assert (await mutate(database, adding("e"))).error is None
            assert await names(database) == ["a", "b", "c", "d", "e"]

    asyncio.run(run())


def test_a_program_beside_us_reads_no_half_of_a_batch(url: str) -> None:
    """Any program that connects sees whole mutations, with the seq that belongs to them."""

    async def run() -> None:
        async with served(url) as database, outsider(url) as beside:
            stop = asyncio.Event()

            async def look() -> int:
                looks = 0
                while not stop.is_set():
                    entries, total, seq = await beside.fetchrow(
                        "SELECT (SELECT count(*) FROM entries), (SELECT sum(amount) FROM totals), "
                        '(SELECT seq FROM "_freehold_meta")'
                    )
                    assert entries == total == seq - 1
                    looks += 1
                return looks

            looking = asyncio.create_task(look())
            for number in range(30):
                await batch(database, [adding(f"{number}.{each}") for each in range(8)])
            stop.set()
            assert await looking > 5

    asyncio.run(run())
