"""
The application that the benchmarks serve: one table, a point read and an insert.
"""

from __future__ import annotations

from typing import Annotated

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


class Users(Entrypoint):
    """The two calls."""

    get_user = get_user
    create_user = create_user


schema = Schema([User])
app = App("bench", databases=[Database("main", schema)], entrypoints=[Users])
