"""
Bringing a PostgreSQL database to its schema without files: for development and small starts.

The plan is made against the database itself and applied at once, under the same promises
as on SQLite: what would lose data is refused, and a database that has had migration files
is theirs.
"""

from __future__ import annotations

from freehold.errors import MigrationNeeded
from freehold.migrate.files import Migration
from freehold.migrate.postgres import ddl
from freehold.migrate.postgres.apply import require_arrival
from freehold.migrate.postgres.connection import SqlConnection, has_row, number
from freehold.migrate.postgres.history import entries
from freehold.migrate.postgres.paper import Paper
from freehold.migrate.postgres.plan import Planner
from freehold.migrate.postgres.run import run_migration
from freehold.migrate.postgres.shape import shape_of, shape_of_schema, table_names
from freehold.migrate.postgres.transaction import stop_writers
from freehold.migrate.run import OnProgress
from freehold.migrate.sealed import known_without_files, with_sealing
from freehold.migrate.sealing import Sealer
from freehold.migrate.steps import Plan
from freehold.migrate.sync import refuse_kept, refuse_losses, renamed_losses
from freehold.schema import Schema
from freehold.schema.sqltext import quoted


def build(connection: SqlConnection, schema: Schema) -> None:
    """Build the schema in an empty database, inside the open transaction."""
    for statement in ddl.of_schema(schema):
        connection.run(statement)


def sync(
    connection: SqlConnection,
    schema: Schema,
    *,
    may_lose: bool = False,
    on_progress: OnProgress | None = None,
    sealer: Sealer | None = None,
) -> Plan:
    """
    Plan and apply in one go, inside the open transaction.

    Args:
        may_lose: Tables and columns that no record says any more may go with their data.
        sealer: Seals the values of columns that are sealed now and were not before.

    Raises:
        MigrationNeeded: A step cannot be planned, or would lose data, or the database is
            kept by migration files.
        MigrationFailed: The engine refused a step.
    """
    refuse_kept(entries(connection))
    there = table_names(connection)
    if not there:
        build(connection, schema)
        return Plan(dialect="postgresql")
    before = shape_of(connection)
    planned = Planner(
        Paper.of_shape(before),
        Paper.of_shape(shape_of_schema(connection, schema)),
        schema,
        empty_tables=frozenset(name for name in there if not has_row(connection, name)),
        is_exact=False,
    ).plan()
    known = known_without_files(
        schema, planned, before=before, has_plain=lambda *it: _has_plain(connection, *it)
    )
    planned = with_sealing(planned, schema, known=known, before=before)
    if planned.refusals:
        raise MigrationNeeded(" ".join(str(refusal) for refusal in planned.refusals))
    if planned.is_empty:
        return planned
    if not may_lose:
        refuse_losses(losses(connection, planned))
    stop_writers(connection)
    migration = Migration.of_plan(planned, number=0, slug="sync")
    run_migration(connection, migration, on_progress, sealer=sealer)
    require_arrival(connection, schema, migration.name)
    return planned


def _has_plain(connection: SqlConnection, table: str, column: str) -> bool:
    name = quoted(column)
    sql = f"SELECT 1 FROM {quoted(table)} WHERE {name} !~ '^fh[0-9]+[.]' LIMIT 1"  # noqa: S608
    return bool(connection.rows(sql))


def losses(connection: SqlConnection, planned: Plan) -> list[str]:
    """What a plan would lose in this database, counted; nothing where there is nothing."""
    lost = []
    for table, what, said, unit in renamed_losses(planned):
        sql = f"SELECT count({what}) FROM {quoted(table)}"  # noqa: S608 - quoted
        count = number(connection, sql)
        lost += [f"{said} ({unit}: {count})"] if count else []
    return lost
