"""
What the writer says after a defect, and after a server that has gone back in time.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest

from freehold import PrimaryKey, Reader, Record, Writer
from freehold.db import IN_PROCESS
from freehold.drivers.inprocess import InProcessCall
from freehold.drivers.postgres import Address, PostgresDatabase
from freehold.errors import OutcomeUnknown, SeqNotReached
from freehold.schema import Schema
from freehold.testing.cluster import Cluster
from tests.drivers_postgres.test_outbox import Told


class Row(Record, table="rows"):
    """Something that is added."""

    id: Annotated[str, PrimaryKey()]


SCHEMA = Schema([Row])


def add(name: str) -> Any:
    """A mutation that adds a row."""
    return lambda db: db.insert(Row(id=name)).id


def count(db: Reader) -> int:
    """How many there are."""
    return len(db.all(Row))


def test_after_a_defect_in_commit_everybody_is_answered(url: str) -> None:
    """Also who joined the batch while it ran; and the next batch is done."""
    broken = [True]

    def crash(point: str) -> None:
        if point == "before commit" and broken.pop():
            raise RuntimeError("a defect")

    async def story() -> tuple[Told, Told, Told]:
        database.start(lambda run: run())
        try:
            joined = Told(add("joined"))

            def first(db: Writer) -> None:
                db.insert(Row(id="first"))
                database.submit(joined)

            calls = Told(first), joined, Told(add("after"))
            database.submit(calls[0])
            await asyncio.gather(calls[0].is_told, calls[1].is_told)
            broken.append(False)
            database.submit(calls[2])
            await calls[2].is_told
        finally:
            await database.finish()
        return calls

    database = PostgresDatabase(Address.parse(url), SCHEMA, crash=crash)
    with database.opened():
        first, joined, after = asyncio.run(story())

        for lost in (first, joined):
            with pytest.raises(OutcomeUnknown):
                lost.outcome()
        assert after.outcome() == "after"
        assert database.read(count) == 1


def test_a_server_that_went_back_is_believed(url: str, server: Cluster) -> None:
    """Another one took over that had not got every commit: nobody is told that it had."""

    class Later(InProcessCall):
        """A query that wants to see the third commit."""

        min_seq = 3  # type: ignore[misc]

    database = PostgresDatabase(Address.parse(url), SCHEMA)
    with database.opened():
        for name in ("a", "b", "c"):
            database.write(add(name))
        assert database.seq == 3
        place = Address.parse(url).schema
        server.sql(f"UPDATE {place}._freehold_meta SET seq = 1; DELETE FROM {place}.rows")

        database.write(add("d"))

        assert database.seq == 2
        with database._opened().line() as line, pytest.raises(SeqNotReached):
            database._queries.run(line, Later(count, IN_PROCESS), database._opened().wait)
