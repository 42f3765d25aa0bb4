"""
The application that the benchmarks serve: one table, a point read and an insert,
and a read whose function has something to do.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Annotated, Any

from freehold import (
    AUTO,
    App,
    CreatedAt,
    Database,
    Entrypoint,
    Input,
    PrimaryKey,
    Reader,
    Record,
    Schema,
    Unique,
    UpdatedAt,
    Writer,
)

_STAMP_ROUNDS = 1_500


class User(Record, table="users"):
    """Somebody who uses the benchmark."""

    id: Annotated[str, PrimaryKey()]
    email: Annotated[str, Unique()]
    name: str
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class NewUser(Input):
    """What it takes to create one."""

    email: str
    name: str


def get_user(db: Reader, id: str) -> User:
    """Point read."""
    return db.get(User, id)


def create_user(db: Writer, data: NewUser) -> User:
    """Durable insert."""
    return db.insert(User(id=db.new_id(), email=data.email, name=data.name))


def stamp_of_user(db: Reader, id: str) -> str:
    """A point read, and a third of a millisecond of work with it."""
    user = db.get(User, id)
    digest = user.email.encode()
    for _ in range(_STAMP_ROUNDS):
        digest = sha256(digest).digest()
    return f"{user.id} {digest.hex()}"


class Users(Entrypoint):
    """The calls."""

    get_user = get_user
    create_user = create_user
    stamp_of_user = stamp_of_user


schema = Schema([User])
#: What the audit log takes, where a benchmark asks for more than usual.
_AUDIT: Any = os.environ.get("BENCH_AUDIT", "operator")
app = App("bench", databases=[Database("main", schema, audit=_AUDIT)], entrypoints=[Users])
