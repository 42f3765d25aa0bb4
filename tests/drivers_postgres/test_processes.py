"""
Several data layers on one database: what one has answered, the others know.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from freehold.access.keys import create_key, revoke_key
from freehold.access.schema import MintedKey, NewKey
from freehold.app.opening import OpenApp, Options, open_app
from freehold.db import Reader, Writer
from freehold.drivers.postgres import Address, PostgresDatabase
from freehold.errors import SeqNotReached, Unauthenticated
from freehold.testing.cluster import Cluster
from tests.drivers.ledger import SCHEMA, THE_TOTAL, Entry, Total, adding, entries, sql
from tests.drivers_postgres.ledger import batch, mutate, names, outsider, query, served
from tests.faults.ledger import app as ledger_app

#: How soon every process has heard of a key.
HEARD_S = 1.0


def find_entry(name: str, db: Reader) -> Entry | None:
    return db.find(Entry, name)


def test_an_answer_of_one_is_seen_by_the_other(url: str) -> None:
    """A read and a mutation on B right after A's answer, with its seq: both see it."""

    async def run() -> None:
        async with served(url) as a, served(url, begin=False) as b:
            both = itertools.cycle([a, b])
            for number in range(60):
                here, there = next(both), next(both)
                next(both)
                done = await mutate(here, adding(str(number)))
                read = await query(
                    there,
                    partial(find_entry, str(number)),
                    min_seq=done.seq,
                )
                assert read.value is not None
                assert read.seq >= done.seq
                look = await mutate(
                    there, lambda db: db.get(Total, THE_TOTAL).amount, min_seq=done.seq
                )
                assert look.value == number + 1
                assert look.seq == done.seq + 1
            assert await names(a) == await names(b)

    asyncio.run(run())


def test_a_commit_to_come_is_not_reached(url: str) -> None:
    """A seq from the future: `SeqNotReached`, in one statement, in a snapshot, in a mutation."""

    async def run() -> None:
        async with served(url) as a, served(url, begin=False) as b:
            last = (await mutate(a, adding("a"))).seq
            assert (await query(b, entries, method="Ledger.all", min_seq=last)).value == ["a"]
            for call in (
                await query(b, entries, method="Ledger.all", min_seq=last + 1),
                await query(b, lambda db: db.find(Entry, "a"), min_seq=last + 1),
                await mutate(b, adding("b"), min_seq=last + 1),
            ):
                assert isinstance(call.error, SeqNotReached)
                assert call.seq <= last
            assert (await mutate(a, adding("c"))).seq == last + 1
            assert (await mutate(b, adding("d"), min_seq=last + 1)).seq == last + 2

    asyncio.run(run())


def test_the_seqs_of_two_writers_are_one_order(url: str) -> None:
    """Batches of two processes at once: no seq twice, no gap, and places in the same order."""

    async def run() -> None:
        async with served(url) as a, served(url, begin=False) as b:
            done = await asyncio.gather(
                *(
                    batch(database, [adding(f"{name}.{turn}.{each}") for each in range(5)])
                    for turn in range(20)
                    for name, database in (("a", a), ("b", b))
                )
            )
            told = {call.value: call.seq for calls in done for call in calls}
            assert sorted(told.values()) == list(range(2, 202))
            assert await names(a) == sorted(told, key=lambda name: told[name])
            # Nobody had to be run again: the lock keeps them apart.
            assert a.commits.restarts == b.commits.restarts == 0

    asyncio.run(run())


def test_a_query_of_several_statements_sees_one_moment(url: str) -> None:
    """Two writers move amounts to and fro; the sum that a query adds up never changes."""
    rows = [f"row{number}" for number in range(8)]

    def fill(db: Writer) -> None:
        for name in rows:
            db.insert(Total(id=name, amount=100))

    def moves(source: str, target: str) -> Callable[[Writer], None]:
        def run(db: Writer) -> None:
            db.execute(sql(f"UPDATE totals SET amount = amount - 1 WHERE id = '{source}'"))
            db.execute(sql(f"UPDATE totals SET amount = amount + 1 WHERE id = '{target}'"))

        return run

    def adds_up(db: Reader) -> tuple[int, int]:
        seq = db._link.rows('SELECT "seq", 0 FROM "_freehold_meta"', ())[0][0]
        return seq, sum(db.get(Total, name).amount for name in rows)

    async def run() -> None:
        async with served(url) as a, served(url, begin=False) as b:
            await mutate(a, fill)
            stop = asyncio.Event()

            async def write(database: PostgresDatabase, step: int) -> None:
                for number in itertools.count():
                    if stop.is_set():
                        return
                    pair = moves(rows[number % 8], rows[(number + step) % 8])
                    await batch(database, [pair, pair])

            async def read(database: PostgresDatabase) -> None:
                before = 0
                for _ in range(40):
                    call = await query(database, adds_up, method="Ledger.sum")
                    seq, total = call.value
                    assert total == 800
                    # The seq of a snapshot is the one inside it.
                    assert call.seq == seq >= before
                    before = seq

            writing = [asyncio.create_task(write(a, 1)), asyncio.create_task(write(b, 3))]
            await asyncio.gather(read(a), read(b), read(a), read(b))
            stop.set()
            await asyncio.gather(*writing)

    asyncio.run(run())


@pytest.mark.parametrize("is_there", [True, False])
def test_processes_that_start_at_once_make_one_database(server: Cluster, is_there: bool) -> None:
    """Eight openers of an empty place, in a PostgreSQL schema that is there or not yet."""
    url = server.new_schema()
    if not is_there:
        schema = Address.parse(url).schema
        server.sql(f"DROP SCHEMA {schema}")
    errors: list[BaseException] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        database = PostgresDatabase(Address.parse(url), SCHEMA)
        barrier.wait()
        try:
            with database.opened():
                database.write(lambda db: db.insert(Total(id=db.new_id())).amount)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with PostgresDatabase(Address.parse(url), SCHEMA).opened() as database:
        assert database.seq == 8


@asynccontextmanager
async def apps(url: str, folder: Path, *, count: int) -> AsyncIterator[list[OpenApp]]:
    """Open applications on one database, as processes of one team: with the same secrets."""
    async with AsyncExitStack() as stack:
        opened = []
        for number in range(count):
            own = folder / str(number)
            own.mkdir(mode=0o700)
            if number:
                shutil.copy2(folder / "0" / "secrets.json", own)
            options = Options(folder=own, database=url)
            app = await asyncio.to_thread(open_app, ledger_app, options)
            stack.push_async_callback(asyncio.to_thread, app.close)
            app.start(lambda run: run())
            stack.push_async_callback(app.finish)
            opened.append(app)
        yield opened


def is_known(app: OpenApp, key: str) -> bool:
    try:
        app.authenticator.caller(key, trusted=False)
    except Unauthenticated:
        return False
    return True


def is_unknown(app: OpenApp, key: str) -> bool:
    return not is_known(app, key)


async def until(is_so: Callable[[], bool]) -> float:
    """How long it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < 20, "it never came"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def first_of(app: OpenApp) -> PostgresDatabase:
    """The database that holds the keys."""
    assert isinstance(app.first, PostgresDatabase)
    return app.first


async def make_key(app: OpenApp) -> MintedKey:
    """As the operator's call does it."""
    pepper = app.secrets.pepper
    app.authenticator.changing()
    made = await mutate(
        first_of(app),
        lambda db: create_key(db, NewKey(name="shop", scopes=["*"]), pepper=pepper),
    )
    key: MintedKey = made.value
    return key


async def revoke(app: OpenApp, key_id: str) -> None:
    """As the operator's call does it."""
    app.authenticator.changing()
    await revoke_only(app, key_id)


async def revoke_only(app: OpenApp, key_id: str) -> None:
    revoked = await mutate(first_of(app), lambda db: revoke_key(db, key_id))
    assert revoked.error is None


def test_a_key_is_known_and_refused_everywhere_within_a_second(url: str, tmp_path: Path) -> None:
    """Made or revoked by either: both know it within a second."""

    async def run() -> None:
        async with apps(url, tmp_path, count=2) as (a, b):
            for here, there in ((a, b), (b, a)):
                made = await make_key(here)
                for app in (here, there):
                    assert await until(partial(is_known, app, made.key)) < HEARD_S
                await revoke(here, made.info.id)
                for app in (here, there):
                    assert await until(partial(is_unknown, app, made.key)) < HEARD_S

    asyncio.run(run())


def test_a_change_elsewhere_does_not_hide_a_change_here(url: str, tmp_path: Path) -> None:
    """The keys are read again between a revocation's start and its commit: refused all the same."""

    async def run() -> None:
        async with apps(url, tmp_path, count=1) as (app,):
            made = await make_key(app)
            await asyncio.sleep(0.2)
            assert is_known(app, made.key)
            # Nobody tells of it, so that only what this process knows itself counts.
            first_of(app).keys_changed = lambda: None
            app.authenticator.changing()
            await asyncio.to_thread(app.authenticator.changed)
            await revoke_only(app, made.info.id)
            assert not is_known(app, made.key)

    asyncio.run(run())


@pytest.mark.promise("P9")
@pytest.mark.attack("A35")
def test_a_key_revoked_while_nobody_listened_is_refused(url: str, tmp_path: Path) -> None:
    """The listening connection is lost and the key revoked meanwhile: known within a second."""

    async def run() -> None:
        async with apps(url, tmp_path, count=1) as (app,), outsider(url) as beside:
            made = await make_key(app)
            # It listens by now.
            await asyncio.sleep(0.3)
            assert is_known(app, made.key)
            await beside.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND application_name = 'freehold'"
            )
            await beside.execute(
                f"""UPDATE "_freehold_keys" SET revoked_at = 1 WHERE id = '{made.info.id}'"""
            )
            assert await until(partial(is_unknown, app, made.key)) < HEARD_S

    asyncio.run(run())
