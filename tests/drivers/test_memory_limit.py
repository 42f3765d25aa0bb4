"""
Out of memory in a statement: that call is refused, and nobody else's is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from freehold.db import Writer, param, update
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import Unavailable
from tests.drivers.ledger import THE_TOTAL, Asked, Entry, adding, entries, ledger, served

pytestmark = pytest.mark.promise("P15")
_SET = update(Entry).where(Entry.c.id == param("id")).values(label=param("label"))


@pytest.fixture
def scarce() -> Iterator[None]:
    """SQLite gets hardly more than it has; all that there is of it, in this process."""
    yield
    apsw.hard_heap_limit(0)


def too_much(db: Writer) -> None:
    """A mutation that asks SQLite for more than there is."""
    db.insert(Entry(id="large", total_id=THE_TOTAL, place=99))
    db.execute(_SET, id="large", label="x" * 30_000_000)


@pytest.mark.usefixtures("scarce")
def test_a_statement_without_memory_refuses_its_own_caller(ram: Path) -> None:
    """The one before and the one after it in the batch are done, and durable."""
    with ledger(ram / "a.db") as database, served(database) as loop:
        calls = [Asked(adding("a")), Asked(too_much), Asked(adding("b"))]
        apsw.hard_heap_limit(apsw.memory_used() + 8_000_000)
        for call in calls:
            database.submit(call)
        loop.answered(*calls)
        apsw.hard_heap_limit(0)

        assert [type(call.answers[0][2]) for call in calls] == [
            type(None), Unavailable, type(None)
        ]  # fmt: skip
        assert database.state == "ok"
        again = Asked(adding("c"))
        database.submit(again)
        loop.answered(again)
        assert database.read(entries) == ["a", "b", "c"]
    with SqliteDatabase(ram / "a.db", database.schema).opened() as reopened:
        assert reopened.read(entries) == ["a", "b", "c"]
