"""
Freehold without a wire: the benchmark application's database and dispatcher in this process.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import users
from benchmarks.freehold_app import User, app
from benchmarks.machine import DATA_DIR
from freehold import Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Dispatcher
from freehold.wire.limits import Limits


@contextmanager
def fresh_folder(name: str) -> Iterator[Path]:
    """An empty folder on the disk under test, gone at the end."""
    folder = DATA_DIR / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_database(
    path: Path,
    *,
    on_loop: Callable[[Callable[[], None]], None],
    limits: Limits | None = None,
    storage: str | None = None,
    with_users: bool = True,
) -> Iterator[SqliteDatabase]:
    """A database that serves, with the users in it."""
    schema = app.databases["main"].schema
    database = SqliteDatabase(path, schema, limits=limits or Limits(), storage=storage)
    database.open()
    try:
        if with_users:
            database.write(load_users)
        database.start(on_loop)
        yield database
    finally:
        database.close()


def load_users(db: Writer) -> None:
    """The same rows that the peers have."""
    rows = [
        User(id=id, email=email, name=name, created_at=created, updated_at=updated)
        for id, email, name, created, updated in users.user_rows()
    ]
    db.insert_many(rows)


def dispatcher_of(database: SqliteDatabase) -> Dispatcher:
    """What a server would hand its calls to."""
    entrypoints = list(app.entrypoints.values())
    contract = contract_of(app.name, entrypoints)
    return Dispatcher(entrypoints, {"main": database}, contract=contract)
