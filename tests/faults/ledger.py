"""
The application that is killed and cut off here: it writes down every mutation, in order.

A mutation adds one row that says how many there were before it, and counts up one row that all
share. So `place` tells the order, and running twice shows as two rows. Beside it stands the
client that `freehold generate` would make of it.
"""

from __future__ import annotations

from typing import Annotated

from freehold import App, Database, Entrypoint, PrimaryKey, Reader, Record, Schema, Writer
from freehold.client import AsyncBinding, Mutation
from freehold.db import update

THE_TOTAL = "all"


class Total(Record, table="totals"):
    """One row that every mutation counts up."""

    id: Annotated[str, PrimaryKey()]
    amount: int = 0


class Entry(Record, table="entries"):
    """One row of each mutation; nothing in the table keeps a name from being there twice."""

    id: Annotated[str, PrimaryKey()]
    name: str
    place: int


_COUNT_UP = update(Total).where(Total.c.id == THE_TOTAL).values(amount=Total.c.amount + 1)


def begin(db: Writer) -> int:
    """Make the row that all share; once."""
    return db.insert(Total(id=THE_TOTAL)).amount


def add(db: Writer, name: str) -> int:
    """Write the mutation down; how many there were before it."""
    place = db.get(Total, THE_TOTAL).amount
    # Run twice, it would get the same id; the place lets both rows in, to be seen.
    db.insert(Entry(id=f"{place}.{db.new_id()}", name=name, place=place))
    db.execute(_COUNT_UP)
    return place


def place_of(db: Reader, name: str) -> int | None:
    """Where the mutation of that name stands; None when it is not there."""
    found = db.find(Entry, name=name)
    return None if found is None else found.place


class Ledger(Entrypoint):
    """The mutations and how they are looked for."""

    begin = begin
    add = add
    place_of = place_of


app = App("ledger", databases=[Database("main", Schema([Total, Entry]))], entrypoints=[Ledger])

_ADD = Mutation[int]("Ledger.add")


class LedgerClient(AsyncBinding):
    """A consumer's handle."""

    async def add(self, name: str) -> int:
        """Write the mutation down; how many there were before it."""
        return await self._call(_ADD, {"name": name})
