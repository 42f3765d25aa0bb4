"""
A refusal that cannot be written down: its caller hears so, and everybody else goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

from freehold import Conflict, PrimaryKey, Reader, Record, Writer
from freehold.db import Refused
from freehold.drivers.postgres import Address, PostgresDatabase
from freehold.errors import Unavailable
from freehold.schema import Schema
from tests.drivers_postgres.test_outbox import submitted


class Kept(Record, table="kept"):
    """What is written down."""

    id: Annotated[str, PrimaryKey()]


class Unkeepable(Refused):
    """A refusal whose row is refused too."""

    def keep(self, db: Writer) -> None:
        """The row is there already."""
        db.insert(Kept(id="taken"))


def add(name: str) -> Any:
    """A mutation that adds a row."""
    return lambda db: db.insert(Kept(id=name)).id


def refuse(db: Writer) -> None:
    """Refused, and that is to be kept."""
    raise Unkeepable(Conflict("no."))


def refuse_after_writing(db: Writer) -> None:
    """The same behind a row that is taken back."""
    db.insert(Kept(id="never"))
    raise Unkeepable(Conflict("no."))


def ids(db: Reader) -> list[str]:
    """What is there."""
    return [row.id for row in db.all(Kept)]


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    """A database in which `taken` is taken."""
    made = PostgresDatabase(Address.parse(url), Schema([Kept]))
    with made.opened():
        made.write(add("taken"))
        yield made


@pytest.mark.parametrize("refusing", [refuse, refuse_after_writing])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_refusal_that_cannot_be_kept_is_told_so(
    database: PostgresDatabase, refusing: Any, place: int
) -> None:
    """Its neighbours are done, and so is who comes after."""
    runs = [add("a"), add("b")]
    runs.insert(place, refusing)

    calls = asyncio.run(submitted(database, *runs))

    guilty = calls.pop(place)
    with pytest.raises(Unavailable, match="could not be kept"):
        guilty.outcome()
    assert [call.outcome() for call in calls] == ["a", "b"]
    (after,) = asyncio.run(submitted(database, add("c")))
    assert after.outcome() == "c"
    assert database.read(ids) == ["a", "b", "c", "taken"]
