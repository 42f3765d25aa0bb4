"""
Held connections: when there are too few, when the server goes away, and what stays on them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from freehold.db import Reader, Writer
from freehold.drivers.postgres import PostgresDatabase, readers, writer
from freehold.drivers.postgres.line import connect
from freehold.errors import Overloaded, Unavailable
from freehold.testing.cluster import Cluster, cluster
from freehold.wire.limits import Limits
from tests.drivers.ledger import THE_TOTAL, Total, add, adding, sql, sql_value
from tests.drivers_postgres.ledger import Waited, batch, mutate, names, outsider, query, served

_NAP = sql_value("SELECT 1 AS value FROM (SELECT pg_sleep(0.2)) AS slept")
#: Of the server that has few connections.
CONNECTIONS = 14


@pytest.fixture(scope="module")
def small() -> Iterator[Cluster]:
    """A server of its own, which may be stopped and filled."""
    few = {"max_connections": str(CONNECTIONS), "superuser_reserved_connections": "0"}
    with cluster(settings=few) as server:
        yield server


def test_a_full_queue_of_mutations_is_overloaded(url: str) -> None:
    """Those that wait are answered; one more is refused at once, and nothing of it is done."""

    async def run() -> None:
        async with served(url, limits=Limits(queue_length_max=4)) as database:
            calls = [Waited(adding(str(number))) for number in range(7)]
            for call in calls:
                database.submit(call)
            refused = [call for call in calls if call.is_answered]
            assert len(refused) == 3
            assert all(isinstance(call.error, Overloaded) for call in refused)
            for call in calls[:4]:
                assert (await call.answered()).error is None
            assert await names(database) == ["0", "1", "2", "3"]

    asyncio.run(run())


def test_a_full_queue_of_queries_is_overloaded(url: str) -> None:
    """Each connection has its query and the queue is full: one more is refused at once."""

    async def run() -> None:
        limits = Limits(queue_length_max=2, reader_connections_max=1)
        async with served(url, limits=limits) as database:
            await names(database)
            calls = [Waited(lambda db: db.scalar(_NAP)) for _ in range(5)]
            for call in calls:
                database.run_query(call)
            assert [call.is_answered for call in calls] == [False, False, False, True, True]
            assert isinstance(calls[3].error, Overloaded)
            for call in calls[:3]:
                assert (await call.answered()).value == 1

    asyncio.run(run())


def test_too_many_connections_are_overloaded_and_it_recovers(
    small: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes no more: `overloaded`, for reads and writes; later they go on."""
    monkeypatch.setattr(writer, "PATIENCE_NS", 300_000_000)
    url = small.new_schema()

    async def run() -> None:
        async with served(url, limits=Limits(reader_connections_max=2)) as database:
            await mutate(database, adding("a"))
            await names(database)
            async with AsyncExitStack() as stack:
                # All connections of ours are ended, and others are quicker.
                boss = await stack.enter_async_context(outsider(url))
                await boss.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'freehold'"
                )
                await fill(stack, url)
                read = await query(database, lambda db: db.get(Total, THE_TOTAL).amount)
                wrote = await mutate(database, adding("b"))
                assert isinstance(read.error, Overloaded), read.answers
                assert isinstance(wrote.error, Overloaded), wrote.answers
            assert (await mutate(database, adding("c"))).error is None
            assert await names(database) == ["a", "c"]

    asyncio.run(run())


async def fill(stack: AsyncExitStack, url: str) -> None:
    """Take every connection that is left."""
    while True:
        try:
            await stack.enter_async_context(outsider(url))
        except asyncpg.TooManyConnectionsError:
            return


def test_a_server_that_is_away_is_waited_for_so_long(
    small: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`unavailable` after the patience, for all that wait; the pool connects by itself again."""
    for room in (writer, readers):
        monkeypatch.setattr(room, "PATIENCE_NS", 300_000_000)
    url = small.new_schema()

    async def run() -> None:
        async with served(url) as database:
            await mutate(database, adding("a"))
            assert state_of(database) == "ok"
            await asyncio.to_thread(small.stop)
            try:
                calls = [Waited(adding(str(number))) for number in range(3)]
                reads = [Waited(lambda db: db.get(Total, THE_TOTAL).amount) for _ in range(12)]
                for call in calls:
                    database.submit(call)
                for read in reads:
                    database.run_query(read)
                for call in (*calls, *reads):
                    assert isinstance((await call.answered()).error, Unavailable), call.answers
                assert state_of(database) == "stopped"
            finally:
                await asyncio.to_thread(small.start)
            assert (await mutate(database, adding("b"))).seq == 3
            assert state_of(database) == "ok"
            assert await names(database) == ["a", "b"]

    asyncio.run(run())


def state_of(database: PostgresDatabase) -> str:
    """As /health shows it."""
    return database.state


@pytest.mark.parametrize("immediate", [False, True])
def test_a_restart_is_waited_for(small: Cluster, immediate: bool) -> None:
    """Calls that come while the server restarts are answered when it is back."""
    url = small.new_schema()

    async def run() -> None:
        async with served(url) as database:
            await mutate(database, adding("a"))
            restarting = asyncio.create_task(asyncio.to_thread(small.restart, immediate=immediate))
            wanted = ["a"]
            while not restarting.done():
                calls = await batch(database, [adding(f"{len(wanted)}"), lambda db: None])
                assert [call.error for call in calls] == [None, None]
                wanted.append(calls[0].value)
                read = await query(database, lambda db: db.get(Total, THE_TOTAL).amount)
                assert read.value == len(wanted)
            await restarting
            assert await names(database) == wanted

    asyncio.run(run())


def test_finish_answers_everything_that_is_in_flight(url: str) -> None:
    """Every call is answered once; what was acknowledged is there, and later ones are refused."""

    async def run() -> None:
        limits = Limits(reader_connections_max=2)
        async with served(url, limits=limits) as database:
            await names(database)
            mutations = [Waited(adding(str(number))) for number in range(200)]
            queries = [Waited(lambda db: db.scalar(_NAP)) for _ in range(5)]
            for call in mutations:
                database.submit(call)
            for call in queries:
                database.run_query(call)
            await database.finish()
            assert all(call.is_answered for call in (*mutations, *queries))
            late = Waited(adding("late"))
            database.submit(late)
            assert isinstance(late.error, Unavailable)
            late = Waited(lambda db: db.get(Total, THE_TOTAL).amount)
            database.run_query(late)
            assert isinstance(late.error, Unavailable)
        async with served(url, begin=False) as database:
            found = await names(database)
        assert found == [call.value for call in mutations if call.error is None]
        assert len(found) == 200

    asyncio.run(run())


def test_prepared_statements_are_prepared_and_bounded(url: str) -> None:
    """A statement is prepared once for each connection; a thousand texts are kept at most."""

    async def run() -> None:
        line = await connect(url)
        try:
            for number in range(1_100):
                await line.fetch(f"SELECT {number}, $1::int", (number,))
                await line.fetch("SELECT 'often', $1::int", (number,))
            ((there, often),) = await line.fetch(
                "SELECT count(*), count(*) FILTER (WHERE statement LIKE '%''often''%') "
                "FROM pg_prepared_statements",
                (),
            )
            assert 900 < there <= 1_001
            assert often <= 2
        finally:
            await line.close()

    asyncio.run(run())


def settings(db: Reader) -> tuple[Any, ...]:
    """What the connection is set to."""
    return tuple(db._link.rows(_SETTINGS, ())[0])


@pytest.mark.parametrize(
    "text",
    [
        "SET statement_timeout = 0",
        "SET LOCAL statement_timeout = 0",
        "SET SESSION search_path = nowhere",
        "RESET ALL",
        "DISCARD ALL",
        "DEALLOCATE ALL",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "LISTEN freehold_keys",
        "CREATE TEMPORARY TABLE totals (id TEXT)",
    ],
)
def test_nothing_that_a_mutation_sets_stays_on_the_connection(url: str, text: str) -> None:
    """Whatever a function says of the connection, the calls after it find it as it was."""

    def sets(db: Writer) -> None:
        db.execute(sql(text))

    async def run() -> None:
        async with served(url) as database:
            before = (await mutate(database, settings)).value
            calls = await batch(database, [adding("a"), sets, adding("b")])
            assert [call.error is None for call in calls] == [True, False, True]
            assert (await mutate(database, settings)).value == before
            assert (await mutate(database, adding("c"))).error is None
            assert await names(database) == ["a", "b", "c"]

    asyncio.run(run())


@pytest.mark.parametrize(
    "text",
    [
        "SET statement_timeout = 0",
        "SET SESSION search_path = nowhere",
        "DISCARD ALL",
        "DEALLOCATE ALL",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    ],
)
def test_nothing_that_a_query_sets_stays_on_the_connection(url: str, text: str) -> None:
    """The same of queries, whose connections are many callers'."""

    async def run() -> None:
        async with served(url, limits=Limits(reader_connections_max=1)) as database:
            before = (await query(database, settings, method="Ledger.settings")).value
            said = sql_value(f"{text} /* AS value */")
            await query(database, lambda db: db.scalar(said), method="Ledger.sets")
            assert (await query(database, settings, method="Ledger.settings")).value == before
            assert await names(database) == []

    asyncio.run(run())


_SETTINGS = (
    "SELECT current_setting('search_path'), current_setting('statement_timeout'), "
    "current_setting('lock_timeout'), current_setting('transaction_isolation'), "
    "current_setting('transaction_read_only'), current_setting('synchronous_commit'), "
    "current_setting('default_transaction_read_only'), current_setting('TimeZone')"
)


def test_a_query_cannot_write(url: str) -> None:
    """Raw SQL that writes is refused by the server, alone or in a snapshot."""

    def two(db: Reader) -> None:
        db.get(Total, THE_TOTAL)
        db.scalar(sql_value("UPDATE totals SET amount = 9 RETURNING amount AS value"))

    async def run() -> None:
        async with served(url) as database:
            alone = await query(
                database,
                lambda db: db.scalar(
                    sql_value("UPDATE totals SET amount = 9 RETURNING amount AS value")
                ),
            )
            assert alone.error is not None
            assert (await query(database, two, method="Ledger.two")).error is not None
            assert await names(database) == []

    asyncio.run(run())


def test_savepoints_of_a_batch_stay_below_the_server_s_limit(
    small: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Careful mutations of ten statements each: no transaction has 64 subtransactions."""
    caplog.set_level(logging.ERROR)
    url = small.new_schema()
    counts: list[int] = []

    def many(name: str, *, fails: bool) -> Any:
        def run(db: Writer) -> str:
            for part in range(10):
                add(db, f"{name}.{part}")
            ((count, _),) = db._link.rows(_SUBTRANSACTIONS, ())
            counts.append(count)
            if fails:
                raise ZeroDivisionError
            return name

        return run

    async def run() -> None:
        async with served(url) as database:
            runs = [many(str(number), fails=number % 2 == 1) for number in range(24)]
            calls = await batch(database, runs)
            good = [call.value for call in calls if call.error is None]
            assert good == [str(number) for number in range(0, 24, 2)]
            assert [call.seq for call in calls if call.error is None] == list(range(2, 14))
            assert len(await names(database)) == 120
        assert 20 < max(counts) < 64, max(counts)

    asyncio.run(run())


_SUBTRANSACTIONS = (
    "SELECT s.subxact_count, 0 FROM pg_stat_get_backend_idset() AS b(id), "
    "LATERAL pg_stat_get_backend_subxact(b.id) AS s(subxact_count, overflowed) "
    "WHERE pg_stat_get_backend_pid(b.id) = pg_backend_pid()"
)
