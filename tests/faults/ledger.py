"""
The application that is killed and cut off here: it writes down every mutation, in order.

A mutation adds one row that says how many there were before it, and counts up one row that all
share. So `place` tells the order, and running twice shows as two rows. Beside it stand lists that
grow at their end and are read, alone and several in a transaction, for the histories; and the
client that `freehold generate` would make of it.
"""

from __future__ import annotations

from typing import Annotated

from freehold import (
    AUTO,
    App,
    Conflict,
    CreatedAt,
    Database,
    Entrypoint,
    PrimaryKey,
    Reader,
    Record,
    Schema,
    Writer,
    raises,
)
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


class Shelf(Record, table="shelves"):
    """A list, whole in one row: whoever appends reads it, and writes it back."""

    id: Annotated[str, PrimaryKey()]
    items: list[int]
    created_at: CreatedAt = AUTO


class OtherLength(Conflict):
    """The list is not as long as was expected."""


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


def append(db: Writer, key: str, item: int) -> list[int]:
    """Put the item at the end of the list; all of the list."""
    shelf = db.find(Shelf, key)
    if shelf is None:
        return db.insert(Shelf(id=key, items=[item])).items
    items = [*shelf.items, item]
    db.update(Shelf, key, {"items": items})
    return items


@raises(OtherLength)
def append_at(db: Writer, key: str, item: int, length: int) -> list[int]:
    """
    The same, when the list has that length.

    Raises:
        OtherLength: It has another; `data.length` is it.
    """
    shelf = db.find(Shelf, key)
    found = 0 if shelf is None else len(shelf.items)
    if found != length:
        raise OtherLength(f"{key} has {found} items.", data={"key": key, "length": found})
    return append(db, key, item)


def read(db: Reader, key: str) -> list[int]:
    """The list; empty when nothing was put into it."""
    shelf = db.find(Shelf, key)
    return [] if shelf is None else shelf.items


def read_all(db: Reader, keys: list[str]) -> list[list[int]]:
    """Several lists, as they are at one moment."""
    return [read(db, key) for key in keys]


def made_at(db: Reader, key: str) -> int:
    """When the list was begun: epoch seconds."""
    return db.get(Shelf, key).created_at


class Ledger(Entrypoint):
    """The mutations and how they are looked for."""

    begin = begin
    add = add
    place_of = place_of
    append = append
    append_at = append_at
    read = read
    read_all = read_all
    made_at = made_at


app = App(
    "ledger", databases=[Database("main", Schema([Total, Entry, Shelf]))], entrypoints=[Ledger]
)

_ADD = Mutation[int]("Ledger.add")


class LedgerClient(AsyncBinding):
    """A consumer's handle."""

    async def add(self, name: str) -> int:
        """Write the mutation down; how many there were before it."""
        return await self._call(_ADD, {"name": name})
