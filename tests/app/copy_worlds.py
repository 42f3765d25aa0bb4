"""
Databases to copy: every type at its edges, a ring, and random rows of any schema.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import apsw
import sqlalchemy as sa

from freehold import App, Database, Entrypoint
from freehold.app.opening import OpenApp, Options, open_app
from freehold.db import Reader
from freehold.drivers.sqlite import shim
from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import (
    AUTO,
    CreatedAt,
    EpochMillis,
    PrimaryKey,
    Record,
    References,
    Schema,
    Stored,
    Trigger,
    Unique,
)
from freehold.testing import shared_cluster


class Everything(Record, table="everything"):
    """A column of every type."""

    id: Annotated[str, PrimaryKey()]
    whole: int | None = None
    large: Int64 | None = None
    real: float | None = None
    yes: bool | None = None
    raw: bytes | None = None
    text: str | None = None
    word: Literal["a", "b"] | None = None
    digit: Literal[1, 2] | None = None
    json: dict[str, Any] | None = None
    at: EpochMillis | None = None
    secret: Sealed[str] | None = None
    token: Hashed | None = None
    created_at: CreatedAt = AUTO


class Counted(Record, table="counted"):
    """A key that counts up, in a table whose name is SQL's own."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    text: str


class Left(Record, table="left", triggers=[
    Trigger(name="left_counted", when="after", event="insert",
            run="INSERT INTO counted (text) VALUES ('by a trigger')"),
]):  # fmt: skip
    """Half of a ring that no order of tables can load: neither half may be missing."""

    id: Annotated[str, PrimaryKey()]
    right_id: Annotated[str, References("right.id")]
    before_id: Annotated[str, References("left.id")]


class Right(Record, table="right"):
    """The other half."""

    id: Annotated[str, PrimaryKey()]
    left_id: Annotated[str, References("left.id"), Unique()]


def count_everything(db: Reader) -> int:
    """How many there are."""
    return len(db.all(Everything))


class Things(Entrypoint):
    """What may be called."""

    count_everything = count_everything


EVERYTHING = Schema([Everything, Counted, Left, Right])


def app_of(schema: Schema, *, migrations: Path | None = None) -> App:
    """An application on one database."""
    return App(
        "things",
        databases=[Database("main", schema, migrations=migrations)],
        entrypoints=[Things],
    )


@contextmanager
def opened(app: App, folder: Path, database: str | None = None) -> Iterator[OpenApp]:
    """The application, open for a block."""
    running = open_app(app, Options(folder=folder, database=database, upgrade="sync"))
    try:
        yield running
    finally:
        running.close()


def at_the_edges(database: OpenApp) -> None:
    """Values that one engine or the other is known to bend."""
    rows = [
        Everything(id="none"),
        Everything(id="", text="", raw=b"", json={}),
        Everything(id="ids are compared by code points: é"),
        Everything(id="ids are compared by code points: z"),
        Everything(id="ids are compared by code points: Z"),
        Everything(
            id="😀", text="👩‍👩‍👧 ‮ \u200b ' \" \\ \n\t $1 ? %s", json={"κλειδί": [None, "👍"]}
        ),
        Everything(
            id="large", whole=2**53 - 1, large=Int64(2**63 - 1), real=1.7976931348623157e308
        ),
        Everything(id="small", whole=-(2**53) + 1, large=Int64(-(2**63)), real=5e-324),
        Everything(id="zero", whole=0, large=Int64(0), real=-0.0, yes=False, at=EpochMillis(0)),
        Everything(id="one", whole=1, large=Int64(1), real=1.0, yes=True, digit=1, word="a"),
        Everything(id="third", real=0.1 + 0.2, raw=bytes(range(256)) * 40),
        Everything(id="long", text="ü" * 200_000),
        Everything(id="sealed", secret=Sealed.of("open me"), token=Hashed.of("token")),
    ]
    with database.first.writing() as db:
        for row in rows:
            db.insert(row)
        for text in ("first", "second", "third"):
            db.insert(Counted(text=text))


def ring(path: Path) -> None:
    """Rows that point at each other in circles, past the data layer, which has no way to."""
    with closing(apsw.Connection(str(path), vfs=shim())) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO \"left\" VALUES ('l1', 'r1', 'l2'), ('l2', 'r2', 'l1')")
        connection.execute("INSERT INTO \"right\" VALUES ('r1', 'l2'), ('r2', 'l1')")
        # The trigger has counted to 5; that number is gone, and is never given again.
        connection.execute("DELETE FROM counted WHERE id = 5")
        connection.execute("COMMIT")


def random_rows(path: Path, schema: Schema, *, seed: int, count: int = 40) -> None:
    """Rows of any schema, as a driver would write them; what a rule refuses is left out."""
    draw = random.Random(seed)
    with closing(apsw.Connection(str(path), vfs=shim())) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        # A ring of tables has rows on its second turn.
        for table in schema.tables * 2:
            for _ in range(count):
                values = [_value(draw, connection, column) for column in table.columns]
                marks = ", ".join("?" * len(values))
                columns = ", ".join(f'"{column.name}"' for column in table.columns)
                sql = f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'
                try:
                    connection.execute(sql, values)
                except apsw.ConstraintError:
                    continue


def _value(draw: random.Random, connection: apsw.Connection, column: sa.Column[Any]) -> Any:
    if column.nullable and draw.random() < 0.3:
        return None
    for key in column.foreign_keys:
        parent = key.column
        sql = f'SELECT "{parent.name}" FROM "{parent.table.name}" ORDER BY 1'
        found = [value for (value,) in connection.execute(sql)]
        return draw.choice(found) if found else None
    stored = column.type
    assert isinstance(stored, Stored)
    kind = stored.kind
    if kind.values:
        return draw.choice(kind.values)
    if kind.name == "bool":
        return draw.randint(0, 1)
    if kind.holds == "integer":
        return draw.choice((0, 1, draw.randint(0, 2**53 - 1)))
    if kind.holds == "real":
        return draw.choice((0.0, -1.5, 1e300, draw.random(), draw.uniform(-1e9, 1e9)))
    if kind.holds == "blob":
        return draw.randbytes(draw.randint(0, 50))
    return "".join(draw.choices("aZ0 _-é😀'\"\\\n", k=draw.randint(1, 12)))


def dump(path: Path) -> dict[str, list[Any]]:
    """Every row of a file but the data layer's own changing ones, past the data layer."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        # The check values of secrets are made by the next start, and not copied.
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> '_freehold_checks'"
        )
        return {
            str(name): sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
            for (name,) in names.fetchall()
        }


def rows_on_server(url: str) -> int:
    """How many rows the application's tables have together, by another connection."""
    schema = url.rsplit("search_path=", 1)[1]
    cluster = shared_cluster()
    tables = cluster.sql(
        f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' "
        "AND tablename NOT IN ('_freehold_meta', '_freehold_migrations', '_freehold_checks')"
    ).split()
    return sum(int(cluster.sql(f'SELECT count(*) FROM {schema}."{name}"')) for name in tables)
