"""
What the old and damaged databases of the corpus belong to: applications and their migrations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from freehold import Entrypoint, Reader
from freehold.app.declaration import App, Database
from freehold.clock import ManualClock
from freehold.crypto import SecretsFile
from freehold.migrate.pairs import plan_pair
from freehold.schema import Schema
from tests.faults.migration_worlds import application
from tests.migrate import sealing_worlds
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop
from tests.schema.applications import SCHEMAS

HERE: Final = Path(__file__).with_name("corpus")
#: Written once, and never again: what is in it was applied to the files beside it.
MIGRATIONS: Final = HERE / "migrations"
DATABASE: Final = "main"


def ping(db: Reader) -> str:
    """An entrypoint needs a method."""
    return db.context.database if hasattr(db, "context") else DATABASE


class Ping(Entrypoint):
    """What is called."""

    ping = ping


def versions() -> list[Schema]:
    """The shop, version by version: each kind of step once."""
    first, later = list(shop().records), list(shop_later().records)
    return [
        Schema(first),
        Schema(later),
        Schema([*later, *sealing_worlds.in_clear().records]),
        Schema([*later, *sealing_worlds.sealed().records]),
        Schema([*later, *sealing_worlds.renamed().records]),
    ]


def shop_app(upto: int | None = None, *, folder: Path = MIGRATIONS) -> App:
    """The shop at its last version, or at an earlier one with a folder of that one's files."""
    schema = versions()[(upto or len(versions())) - 1]
    database = Database(DATABASE, schema, migrations=folder)
    return App("shop", databases=[database], entrypoints=[Ping])


def seed_app(name: str, folder: Path) -> App:
    """One of the five systems of the seeds, with the migration that builds it."""
    schema = SCHEMAS[name]
    files = folder / f"migrations-{name}"
    if not files.exists():
        plan_pair(schema, files).write(files, "initial")
    return App(
        name.replace("_", "-"),
        databases=[Database(DATABASE, schema, migrations=files)],
        entrypoints=[Ping],
    )


def app_of(kind: str, folder: Path) -> App:
    """`shop`, `seed daycare`, or one of the two applications."""
    if kind == "shop":
        return shop_app()
    if kind.startswith("seed "):
        return seed_app(kind.removeprefix("seed "), folder)
    return application(kind)


def _bytes() -> Iterator[bytes]:
    for number in range(1_000):
        yield hashlib.sha512(f"corpus {number}".encode()).digest()


def write_secrets(path: Path) -> SecretsFile:
    """The same secrets every time: those that the files of the corpus were written with."""
    drawn = _bytes()
    return SecretsFile.create(path, lambda count: next(drawn)[:count], clock=ManualClock())
