"""
What the data layer keeps in a database for itself, and the schema of one that nobody migrates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from freehold.drivers.postgres.doubt import MARKS, MARKS_TABLE
from freehold.drivers.postgres.side import BlockingConnection
from freehold.ids import Ids
from freehold.schema import Schema
from freehold.schema.sqltext import literal, quoted

#: Two processes that start at once make the tables one after the other.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('freehold:' || current_schema(), 0))"
_SCHEMA_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('freehold: a schema', 0))"
_META: Final = """
CREATE TABLE IF NOT EXISTS "_freehold_meta" (
    "id" BIGINT PRIMARY KEY CHECK ("id" = 1),
    "seq" BIGINT NOT NULL,
    "fence" BIGINT NOT NULL,
    "cursor_key" BYTEA NOT NULL
)"""
#: Empty; whoever writes holds its lock. A table of its own, so that no vacuum waits for it.
_WRITER: Final = 'CREATE TABLE IF NOT EXISTS "_freehold_writer" ("id" BIGINT PRIMARY KEY)'
_TABLES: Final = ("_freehold_meta", "_freehold_writer", MARKS_TABLE)
_FIRST: Final = 'INSERT INTO "_freehold_meta" ("id", "seq", "fence", "cursor_key") VALUES'
_KEEP: Final = "ON CONFLICT DO NOTHING"
#: Tells every process, in whatever way a key was changed.
KEYS_CHANNEL: Final = "freehold_keys"


def make_schema(connection: BlockingConnection, name: str) -> None:
    """The PostgreSQL schema that holds the tables; made when it is not there."""
    found = connection.rows("SELECT 1, 0 FROM pg_namespace WHERE nspname = $1", name)
    if not found:
        # IF NOT EXISTS alone is not enough: two who look at the same moment both find nothing.
        connection.run(f"BEGIN; {_SCHEMA_LOCK}; CREATE SCHEMA IF NOT EXISTS {quoted(name)}; COMMIT")


def ensure_meta(connection: BlockingConnection, ids: Ids) -> None:
    """The commit sequence, the key of page cursors, and the writer's lock."""
    if all(_exists(connection, table) for table in _TABLES):
        return
    key = ids.seed().hex()
    values = f"(1, 0, 0, '\\x{key}')"
    tables = f"{_META}; {_WRITER}; {MARKS}"
    connection.run(f"BEGIN; {_LOCK}; {tables}; {_FIRST} {values} {_KEEP}; COMMIT")


def create_once(connection: BlockingConnection, table: str, statements: Sequence[str]) -> None:
    """Run statements that build something, unless the table is there."""
    if not _exists(connection, table):
        connection.run(f"BEGIN; {_LOCK}")
        if not _exists(connection, table):
            connection.run("; ".join(statements))
        connection.run("COMMIT")


def add_columns(connection: BlockingConnection, table: str, columns: Mapping[str, str]) -> None:
    """Add what the table has not, each by name and type."""
    sql = (
        "SELECT attname::text, 0 FROM pg_attribute "
        "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped"
    )
    there = {str(row[0]) for row in connection.rows(sql, quoted(table))}
    missing = [
        f"ALTER TABLE {quoted(table)} ADD COLUMN IF NOT EXISTS {quoted(name)} {kind}"
        for name, kind in columns.items()
        if name not in there
    ]
    if missing:
        connection.run(f"BEGIN; {_LOCK}")
        connection.run("; ".join(missing))
        connection.run("COMMIT")


def create_schema(connection: BlockingConnection, schema: Schema) -> None:
    """Build the schema in an empty place; used where nobody migrates (tests)."""
    statements = schema.ddl("postgresql")
    if statements:
        create_once(connection, schema.records[0].__table__.name, statements)


def watch_keys(connection: BlockingConnection, table: str) -> None:
    """A trigger that tells all processes when the keys have changed."""
    name = quoted(f"{table}_told")
    notify = f"PERFORM pg_notify({literal(KEYS_CHANNEL)}, TG_TABLE_SCHEMA); RETURN NULL;"
    connection.run(
        f"BEGIN; {_LOCK}; "
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
        f"AS $told$ BEGIN {notify} END $told$; "
        f"DROP TRIGGER IF EXISTS {name} ON {quoted(table)}; "
        f"CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {quoted(table)} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}(); COMMIT"
    )


def _exists(connection: BlockingConnection, table: str) -> bool:
    sql = (
        "SELECT 1, 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = current_schema() AND c.relname = $1"
    )
    return bool(connection.rows(sql, table))
