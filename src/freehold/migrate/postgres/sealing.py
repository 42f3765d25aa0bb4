"""
Sealing the values of a column on PostgreSQL, and leaving none of them in clear in its tables.

The table is written anew within the transaction: its old file goes with COMMIT, and with it
every row as it was. What the engine knows of the values' distribution is asked anew. The
write-ahead log, its archive and backups keep what they had; only time and whoever keeps
them can end that.
"""

from __future__ import annotations

from typing import Any, Final

from freehold.errors import MigrationFailed
from freehold.migrate.postgres.connection import SqlConnection
from freehold.migrate.run import AS_IT_WAS
from freehold.migrate.sealing import PAGE_ROWS, Sealer, new_value
from freehold.migrate.steps import Seal
from freehold.schema.sqltext import quoted

_KEYS: Final = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod)::text
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid,
  unnest(i.indkey::int[]) WITH ORDINALITY k (number, place)
JOIN pg_attribute a ON a.attnum = k.number
WHERE i.indisprimary AND a.attrelid = i.indrelid AND c.relname = $1::text
  AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
ORDER BY k.place
"""
#: A new column whose value is computed for every row makes the engine write the table anew.
_ANEW: Final = "freehold_anew"


def seal_column(connection: SqlConnection, said: Seal, sealer: Sealer | None) -> int:
    """
    Seal every value of a column inside the open transaction; how many were written.

    Triggers rest meanwhile: no value has changed for the application.
    """
    keys = [(name, kind) for name, kind in connection.rows(_KEYS, said.table)]
    if not keys:
        raise MigrationFailed(
            f"{said.table} is not there, or has no key, so {said.name} cannot be sealed.",
            hint=AS_IT_WAS,
        )
    table, column = quoted(said.table), quoted(said.column)
    listed = ", ".join(quoted(name) for name, _ in keys)
    marks = ", ".join(f"${place}" for place in range(1, len(keys) + 1))
    head = f"SELECT {listed}, {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - quoted
    tail = f"ORDER BY {listed} LIMIT {PAGE_ROWS}"
    update = _update(said, keys)
    connection.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    count = 0
    found = connection.rows(f"{head} {tail}")
    while found:
        written = _written(found, said, sealer)
        if written:
            connection.rows(update, *map(list, zip(*written, strict=True)))
        count += len(written)
        last = tuple(found[-1])[:-1]
        found = connection.rows(f"{head} AND ({listed}) > ({marks}) {tail}", *last)
    connection.run(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    if count:
        connection.run(
            f"ALTER TABLE {table} ADD COLUMN {_ANEW} DOUBLE PRECISION DEFAULT random(); "
            f"ALTER TABLE {table} DROP COLUMN {_ANEW}; ANALYZE {table}"
        )
    return count


def _written(found: list[Any], said: Seal, sealer: Sealer | None) -> list[tuple[Any, ...]]:
    """The new values with the keys of their rows; those that stay are left out."""
    written = []
    for row in found:
        *key, old = row
        new = new_value(sealer, said, key=key, old=old)
        if new is not None:
            written.append((new, *key))
    return written


def _update(said: Seal, keys: list[tuple[str, str]]) -> str:
    names = ", ".join(f"k{place}" for place in range(len(keys)))
    arrays = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(keys, start=2))
    same = " AND ".join(f"t.{quoted(name)} = v.k{place}" for place, (name, _) in enumerate(keys))
    return (
        f"UPDATE {quoted(said.table)} t SET {quoted(said.column)} = v.sealed "  # noqa: S608 - quoted
        f"FROM unnest($1::text[], {arrays}) v (sealed, {names}) WHERE {same}"
    )
