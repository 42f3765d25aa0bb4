"""
Bringing a PostgreSQL database to its schema without files.
"""

from __future__ import annotations

from freehold.migrate.postgres.connection import SqlConnection
from freehold.schema import Schema


def build(connection: SqlConnection, schema: Schema) -> None:
    """Build the schema in an empty database, inside the open transaction."""
    for statement in schema.ddl("postgresql"):
        connection.run(statement)
