"""
Databases that are about to be migrated: one for each kind of step, and the two applications.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from freehold.app.declaration import App
from freehold.crypto import Place, open_sealed, seal
from freehold.crypto.faults import SealedFormatInvalid
from freehold.migrate.files import Migration, load
from freehold.migrate.sealing import PLAINTEXT_TABLE
from freehold.schema.sqltext import quoted
from tests.migrate import sealing_worlds
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import built, by_hand, fill_shop, rows, shop

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class World:
    """
    A database, and what waits for it.

    Args:
        name: The kind of step.
        had: What it has had.
        fill: Its rows.
        waiting: What is to be applied.
    """

    name: str
    had: list[Migration]
    fill: Callable[[apsw.Connection], None]
    waiting: list[Migration]

    @property
    def all(self) -> list[Migration]:
        """Every migration."""
        numbers = range(1, len(self.had) + len(self.waiting) + 1)
        each = zip(numbers, [*self.had, *self.waiting], strict=True)
        return [dataclasses.replace(migration, number=number) for number, migration in each]


def _accounts(connection: apsw.Connection) -> None:
    sql = "INSERT INTO accounts (provider, number, token, note) VALUES (?, ?, ?, ?)"
    connection.execute("INSERT INTO changes VALUES (1, 0)")
    with connection:
        connection.executemany(sql, sealing_worlds.rows(60))


def _sealed_accounts(connection: apsw.Connection) -> None:
    sql = "INSERT INTO accounts (provider, number, token, note) VALUES (?, ?, ?, ?)"
    with connection:
        for provider, number, token, note in sealing_worlds.rows(60):
            place = Place("main", "accounts", "token", (provider, number))
            sealed = seal(sealing_worlds.RING, token, place)
            connection.execute(sql, (provider, number, sealed, note))


def _nothing(_: apsw.Connection) -> None:
    """A new file."""


#: Kinds of steps, as a person writes them.
_STEPS: dict[str, tuple[str, ...]] = {
    "add column": ("ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red'",),
    "drop column": ("ALTER TABLE notes DROP COLUMN score",),
    "rename column": ("ALTER TABLE users RENAME COLUMN email TO address",),
    "rename table": ("ALTER TABLE users RENAME TO people",),
    "new table": ("CREATE TABLE tags (id TEXT PRIMARY KEY, name TEXT) STRICT",),
    "drop table": ("DROP TABLE entries",),
    "index": ("CREATE INDEX by_status ON notes (status)", "DROP INDEX titled"),
    "trigger": (
        "DROP TRIGGER notes_keep_title",
        "CREATE TRIGGER users_stay BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'no'); END",
    ),
    "fill": ("UPDATE notes SET score = 7 WHERE score IS NULL", "DELETE FROM entries"),
}


def worlds() -> list[World]:
    """All of them."""
    base = built(shop())
    single = [
        World(name, base, fill_shop, [by_hand(2, *sql)])
        for name, sql in _STEPS.items()
        if name != "drop column"
    ]
    drop = ("DROP TRIGGER entries_touch", "DROP INDEX idx_notes_user_id_score")
    known = {name for (name,) in _names(base)}
    gone = [sql for sql in drop if sql.split()[-1] in known]
    several = [by_hand(2, *_STEPS["add column"]), by_hand(3, *_STEPS["index"]),
               by_hand(4, *_STEPS["fill"])]  # fmt: skip
    sealing = built(sealing_worlds.in_clear(), sealing_worlds.sealed(), sealing_worlds.renamed())
    return [
        World("from nothing", [], _nothing, base),
        *single,
        World("drop column", base, fill_shop, [by_hand(2, *gone, *_STEPS["drop column"])]),
        World("rebuild", base, fill_shop, [built(shop(), shop_later())[1]]),
        World("several", base, fill_shop, several),
        World("seal", sealing[:1], _accounts, sealing[1:2]),
        World("seal and rename", sealing[:1], _accounts, sealing[1:]),
        World("rename sealed", sealing[:2], _sealed_accounts, sealing[2:]),
        *_applications(),
    ]


def application(name: str) -> App:
    """One of the two applications."""
    folder = str(ROOT / "apps" / name)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = __import__(f"{name}.app", fromlist=["app"])
    return module.app  # type: ignore[no-any-return]


def _applications() -> list[World]:
    """Each of their migrations, from each version to the last."""
    found = []
    for name in ("hotmetal", "linkie_claw"):
        for declared in application(name).databases.values():
            assert declared.migrations is not None
            every = load(declared.migrations)
            found += [
                World(f"{name} from {count}", every[:count], _nothing, every[count:])
                for count in range(len(every))
            ]
    return found


def _names(migrations: list[Migration]) -> list[tuple[Any, ...]]:
    from freehold.migrate.run import scratch

    with scratch(migrations) as connection:
        return rows(connection, "SELECT name FROM sqlite_schema")


def seen(connection: apsw.Connection) -> dict[str, Any]:
    """
    All that an application can see of a database, and its history.

    Sealed values are opened, since they are never twice the same.
    """
    tables = rows(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
    skipped = (PLAINTEXT_TABLE, "_freehold_meta")
    return {
        "text": [
            row
            for row in rows(connection, "SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2")
            if row[1] not in skipped
        ],
        "version": rows(connection, "PRAGMA user_version"),
        "rows": {
            name: sorted(repr(row) for row in _rows(connection, name))
            for (name,) in tables
            if name not in skipped
        },
    }


def _rows(connection: apsw.Connection, table: str) -> list[tuple[Any, ...]]:
    info = rows(connection, f"PRAGMA table_info({quoted(table)})")
    names = [row[1] for row in info]
    keys = [names.index(row[1]) for row in sorted(info, key=lambda row: row[5]) if row[5]]
    return [
        tuple(
            _opened(table, name, value, key=tuple(row[place] for place in keys))
            for name, value in zip(names, row, strict=True)
        )
        for row in rows(connection, f"SELECT * FROM {quoted(table)}")
    ]


def _opened(table: str, column: str, value: Any, *, key: tuple[Any, ...]) -> Any:
    if not isinstance(value, str) or not value.startswith("fh1."):
        return value
    try:
        place = Place("main", table, column, key)
        return "sealed: " + open_sealed(sealing_worlds.RING, value, place)
    except SealedFormatInvalid:
        return value
