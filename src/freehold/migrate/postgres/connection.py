"""
What this room asks of a connection to PostgreSQL, and what the engine's refusals say.

The driver's blocking connection is one; nothing of the driver is known here.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from freehold.errors import MigrationFailed
from freehold.schema.sqltext import quoted

#: A lock was not to be had within its bound; two transactions waited for each other.
LOCK_NOT_AVAILABLE: Final = "55P03"
DEADLOCK: Final = "40P01"
TOO_LONG: Final = "57014"
NOT_ALLOWED: Final = "42501"
THERE_ALREADY: Final = frozenset(("42P06", "42P07", "23505"))


class SqlConnection(Protocol):
    """A connection of one's own; errors of the engine carry a `sqlstate`."""

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """All rows of one statement; each unpacks like a tuple."""

    def run(self, sql: str) -> None:
        """Run statements without parameters."""


def sqlstate(error: BaseException) -> str | None:
    """The engine's code of an error, None when it is not the engine's."""
    found = getattr(error, "sqlstate", None)
    return found if isinstance(found, str) else None


def number(connection: SqlConnection, sql: str, *values: Any) -> int:
    """The one whole number that a query answers with."""
    ((found,),) = connection.rows(sql, *values)
    return int(found)


def has_row(connection: SqlConnection, table: str) -> bool:
    """A table has at least one row."""
    return bool(connection.rows(f"SELECT 1 FROM {quoted(table)} LIMIT 1"))  # noqa: S608 - quoted


def namespace(connection: SqlConnection) -> str:
    """
    The PG schema in which the tables are: the first of the search path.

    Raises:
        MigrationFailed: There is none.
    """
    ((found,),) = connection.rows("SELECT current_schema()::text")
    if found is None:
        raise MigrationFailed(
            "None of the schemas in the search path is there.",
            hint="Make it (CREATE SCHEMA …), or name another: ?search_path=name in the address.",
        )
    return str(found)


def make_namespace(connection: SqlConnection) -> None:
    """
    Make the first schema of the search path when it is missing.

    Raises:
        MigrationFailed: The role may not.
    """
    ((said,),) = connection.rows("SELECT current_setting('search_path')::text")
    first = _first(said)
    # The engine's own default names a schema for each user, which most databases have not.
    if first in ("", "$user", "pg_temp"):
        return
    there = "SELECT 1 FROM pg_namespace WHERE nspname = $1::text"
    if connection.rows(there, first):
        return
    try:
        connection.run(f"CREATE SCHEMA {quoted(first)}")
    except Exception as error:
        if sqlstate(error) == NOT_ALLOWED:
            raise MigrationFailed(
                f"The schema {first} is not there, and this role may not make it.",
                hint=f"CREATE SCHEMA {quoted(first)} AUTHORIZATION …, by the database's owner.",
            ) from error
        raise


def _first(search_path: str) -> str:
    """The first name of a search path as the engine lists it."""
    text = search_path.strip()
    if not text.startswith('"'):
        return text.split(",")[0].strip().lower()
    end = 1
    while end < len(text):
        if text[end] == '"':
            if text[end + 1 : end + 2] != '"':
                break
            end += 1
        end += 1
    return text[1:end].replace('""', '"')
