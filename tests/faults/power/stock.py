"""
The application that loses power here: a stock of items, and every way to fail.

Each mutation counts up one row that all share, and answers with what it says; so order shows,
and running twice does. `model` says the same once more, without a database.
"""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa

from freehold import App, Database, Entrypoint, PrimaryKey, Record, Schema, Writer
from freehold.db import statement, update
from freehold.errors import Conflict
from freehold.schema import Check, References, Unique

THE_TOTAL = "all"
#: An answer that is longer than this is refused, and what was written is taken back.
ANSWER_BYTES_MAX = 20_000


class Total(Record, table="totals"):
    """One row that every mutation counts up."""

    id: Annotated[str, PrimaryKey()]
    amount: int = 0


class Item(Record, table="items", checks=[Check("amount >= 0", name="never_negative")]):
    """What there is; a body of several pages now and then."""

    id: Annotated[str, PrimaryKey()]
    place: Annotated[int, Unique()]
    amount: int
    body: str


class Part(Record, table="parts"):
    """What belongs to an item, which cannot go before it."""

    id: Annotated[str, PrimaryKey()]
    item_id: Annotated[str, References("items.id")]


_COUNT_UP = update(Total).where(Total.c.id == THE_TOTAL).values(amount=Total.c.amount + 1)
_INSERT_OR_ROLLBACK = statement(
    sa.text("INSERT OR ROLLBACK INTO totals (id, amount) VALUES ('all', 0)"), into=int
)
_ENDLESS = statement(
    sa.text(
        "INSERT INTO totals (id, amount) WITH RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'n' || i, i FROM n"
    ),
    into=int,
)


class Cancelled(BaseException):
    """As `asyncio.CancelledError`: what no `except Exception` sees."""


def body_of(name: str, size: int) -> str:
    """A text of that length that is no other's."""
    return (f"{name} " * (size // (len(name) + 1) + 1))[:size]


def begin(db: Writer) -> int:
    """Make the row that all share; once."""
    return db.insert(Total(id=THE_TOTAL)).amount


def add(db: Writer, name: str, amount: int, size: int) -> int:
    """A new item."""
    place = _count(db)
    db.insert(Item(id=name, place=place, amount=amount, body=body_of(name, size)))
    return place


def take(db: Writer, name: str, amount: int) -> int:
    """Some of an item; how much is left."""
    item = db.get(Item, name)
    _count(db)
    left = item.amount - amount
    db.update(Item, name, {"amount": left})
    return left


def grow(db: Writer, name: str, size: int) -> int:
    """Another body."""
    place = _count(db)
    db.get(Item, name)
    db.update(Item, name, {"body": body_of(name, size)})
    return place


def remove(db: Writer, name: str) -> int:
    """An item that has no parts."""
    place = _count(db)
    db.get(Item, name)
    db.delete(Item, name)
    return place


def attach(db: Writer, part: str, name: str) -> int:
    """A part to an item."""
    place = _count(db)
    db.insert(Part(id=part, item_id=name))
    return place


def detach(db: Writer, part: str) -> int:
    """A part from its item."""
    place = _count(db)
    db.get(Part, part)
    db.delete(Part, part)
    return place


def refuse(db: Writer, name: str) -> int:
    """Writes, and then thinks better of it."""
    add(db, name, 1, 10)
    raise Conflict("not now.")


def explode(db: Writer, name: str) -> int:
    """Writes, and then breaks."""
    return add(db, name, 1, 10) // 0


def ramble(db: Writer, name: str) -> str:
    """Writes, and answers with more than may be answered."""
    add(db, name, 1, 10)
    return "x" * ANSWER_BYTES_MAX


def cancel(db: Writer, name: str) -> int:
    """Writes, and is cancelled."""
    add(db, name, 1, 10)
    raise Cancelled


def undo(db: Writer, name: str) -> int:
    """Writes, and takes the transaction from everybody."""
    place = add(db, name, 1, 10)
    db.execute(_INSERT_OR_ROLLBACK)
    return place


def linger(db: Writer, name: str) -> int:
    """Writes without end, until it is interrupted; which takes the transaction from everybody."""
    place = add(db, name, 1, 10)
    db.execute(_ENDLESS)
    return place


def _count(db: Writer) -> int:
    """How many mutations there were before."""
    place = db.get(Total, THE_TOTAL).amount
    db.execute(_COUNT_UP)
    return place


class Stock(Entrypoint):
    """All that a client may do to it."""

    begin = begin
    add = add
    take = take
    grow = grow
    remove = remove
    attach = attach
    detach = detach
    refuse = refuse
    explode = explode
    ramble = ramble
    cancel = cancel
    undo = undo
    linger = linger


SCHEMA = Schema([Total, Item, Part])
app = App("stock", databases=[Database("main", SCHEMA)], entrypoints=[Stock])
