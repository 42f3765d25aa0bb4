"""
What the tests of this room share: a served database, its whole content, and schemas by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import apsw

from freehold.drivers.sqlite import shim
from freehold.migrate.files import Migration, parse
from freehold.migrate.plan import plan_next
from freehold.migrate.steps import Plan
from freehold.schema import (
    AUTO,
    Check,
    CreatedAt,
    Index,
    PrimaryKey,
    Record,
    References,
    Schema,
    Trigger,
)

#: From a schema and the migrations so far to the next one.
Planner = Callable[[Schema, Sequence[Migration]], Plan]


@contextmanager
def opened(path: Path | None = None) -> Iterator[apsw.Connection]:
    """A connection set as the owner of a file sets it; without a path, one in memory."""
    with closing(apsw.Connection(str(path) if path else ":memory:", vfs=shim())) as connection:
        connection.execute(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
            PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY
            """
        ).fetchall()
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        yield connection


def rows(connection: apsw.Connection, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(sql).fetchall()


def content(connection: apsw.Connection) -> dict[str, Any]:
    """Everything a database holds: its text, its rows and its version."""
    names = [name for (name,) in rows(connection, "SELECT name FROM pragma_table_list ORDER BY 1")]
    skipped = ("sqlite_schema", "sqlite_temp_schema")
    return {
        "text": rows(connection, "SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2"),
        "version": rows(connection, "PRAGMA user_version"),
        "rows": {
            name: sorted(map(repr, rows(connection, f'SELECT * FROM "{name}"')))
            for name in names
            if name not in skipped
        },
    }


def built(*schemas: Schema, planner: Planner = plan_next) -> list[Migration]:
    """The migrations that lead from nothing through each schema, as `migrate plan` writes them."""
    migrations: list[Migration] = []
    for schema in schemas:
        plan = planner(schema, migrations)
        assert plan.refusals == ()
        number = len(migrations) + 1
        migrations.append(Migration.of_plan(plan, number=number, slug=f"step_{number}"))
    return migrations


def by_hand(number: int, *statements: str, slug: str = "by_hand") -> Migration:
    """A migration that a person wrote."""
    text = ";\n".join(statements) + ";\n"
    return Migration(number, slug, parse(slug, text, "sqlite"))


def shop() -> Schema:
    """Users, their notes and a log: references, checks, indexes, a trigger, a counted key."""

    class User(Record, table="users"):
        id: Annotated[str, PrimaryKey()]
        email: str
        is_active: bool = True
        created_at: CreatedAt = AUTO

    class Note(
        Record,
        table="notes",
        indexes=[
            Index("user_id", "score desc"),
            Index("title", where="title <> ''", name="titled"),
        ],
        checks=[Check("length(title) < 100", name="ck_notes_short")],
        triggers=[
            Trigger(
                name="notes_keep_title",
                when="before",
                event="update",
                of=("title",),
                condition="NEW.title = ''",
                refuse="a note keeps its title",
            )
        ],
    ):
        user_id: Annotated[str, References("users.id", on_delete="cascade")]
        title: str
        id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
        status: Literal["open", "done"] = "open"
        score: float | None = None

    class Entry(
        Record,
        table="entries",
        triggers=[
            Trigger(
                name="entries_touch",
                when="after",
                event="insert",
                run="UPDATE notes SET score = 1 WHERE notes.id = NEW.note_id",
            )
        ],
    ):
        id: Annotated[str, PrimaryKey()]
        note_id: Annotated[int | None, References("notes.id", on_delete="set null"), Index()] = None

    return Schema([User, Note, Entry])


def fill_shop(connection: apsw.Connection) -> None:
    """Two users, three notes, two entries; note 4 was there and is gone."""
    connection.execute(
        """
        INSERT INTO users (id, email, created_at) VALUES ('u1', 'a@x', 1), ('u2', 'b@x', 2);
        INSERT INTO notes (user_id, title, score)
        VALUES ('u1', 'one', 0.5), ('u1', 'two', NULL), ('u2', 'three', 2), ('u2', 'gone', 0);
        DELETE FROM notes WHERE title = 'gone';
        INSERT INTO entries (id, note_id) VALUES ('e1', 1), ('e2', NULL);
        """
    ).fetchall()
