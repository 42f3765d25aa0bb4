"""
Planning: the steps that lead from the shape a database has to the shape its schema says.

Alembic says which tables and columns come and go (`compare`), the shape says the rest, and
each step is run on an empty draft as it is planned. Where SQLite can change a table in
place it does; otherwise the table is rebuilt. Nothing is applied here.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import sqlalchemy as sa

from freehold.errors import MigrationFailed
from freehold.migrate.compare import Changes, compare
from freehold.migrate.ddl import add_column, indexes_by_name, rebuild_table
from freehold.migrate.differences import differences, index_text, same_body, table_differences
from freehold.migrate.draft import Draft
from freehold.migrate.files import Migration
from freehold.migrate.renames import rename_columns, rename_tables
from freehold.migrate.run import scratch
from freehold.migrate.sealed import sealed_by, with_sealing
from freehold.migrate.shape import IndexShape, TableShape, shape_of, shape_of_schema
from freehold.migrate.steps import (
    AddColumn,
    CreateIndex,
    CreateTable,
    CreateTrigger,
    DropColumn,
    DropIndex,
    DropTable,
    DropTrigger,
    Plan,
    RebuildTable,
    Refusal,
    Step,
)
from freehold.schema import Schema, create_table, create_trigger
from freehold.schema.sqltext import quoted


def plan(
    connection: apsw.Connection, schema: Schema, *, empty_tables: frozenset[str] = frozenset()
) -> Plan:
    """
    The way from the database to the schema.

    Args:
        connection: The database; it is only read.
        empty_tables: Tables known to have no rows, where a new column needs no default.

    Raises:
        MigrationFailed: The database holds something that cannot be copied to a draft.
    """
    try:
        draft = Draft(connection)
    except apsw.Error as error:
        raise MigrationFailed(
            f"The database cannot be planned for: {error}.",
            hint="One of its tables, views or triggers does not stand on its own; repair it first.",
        ) from None
    with draft:
        return _Planner(draft, schema, empty_tables).plan()


def plan_next(schema: Schema, migrations: Sequence[Migration]) -> Plan:
    """The way from where the migration files end to the schema: the next file."""
    with scratch(migrations) as connection:
        planned = plan(connection, schema)
        before = shape_of(connection)
        return with_sealing(planned, schema, known=sealed_by(migrations), before=before)


class _Planner:
    """One planning: the draft moves towards the schema, and the steps are kept."""

    def __init__(self, draft: Draft, schema: Schema, empty_tables: frozenset[str]) -> None:
        self._draft = draft
        self._schema = schema
        self._empty_tables = {name.lower() for name in empty_tables}
        self._wanted = shape_of_schema(schema)
        self._steps: list[Step] = []
        self._refusals: list[Refusal] = []
        self._changes = Changes()

    def plan(self) -> Plan:
        """All steps in the order they must run, or the refusals that stand in the way."""
        if self._draft.shape() == self._wanted:
            return Plan()
        self._rename()
        if not self._refusals:
            self._changes = compare(self._draft.tables_ddl(), self._schema)
            self._refuse_columns_without_value()
        if not self._refusals:
            self._drop_triggers()
            self._drop_indexes()
            self._create_tables()
            self._change_tables()
            self._create_indexes()
            # Late, so that a reviewer can move rows from an old table into a new one.
            self._drop_tables()
            self._create_triggers()
            self._refuse_what_is_left()
        if self._refusals:
            return Plan((), tuple(self._refusals))
        return Plan(tuple(self._steps))

    def _take(self, step: Step) -> None:
        try:
            self._draft.run(step.sql)
        except apsw.Error as error:
            self._refusals.append(
                Refusal(
                    f"{step.sentence} The engine refuses it: {error}.",
                    "Write this step by hand, or repair what it names first.",
                )
            )
        else:
            self._steps.append(step)

    def _rename(self) -> None:
        steps, refusals = rename_tables(self._draft.shape(), self._schema)
        self._refusals += refusals
        for step in steps:
            self._take(step)
        steps, refusals = rename_columns(self._draft.shape(), self._schema)
        self._refusals += refusals
        for step in steps:
            self._take(step)

    def _refuse_columns_without_value(self) -> None:
        for table_name, columns in sorted(self._changes.columns_new.items()):
            if table_name.lower() in self._empty_tables:
                continue
            table = self._schema.table(table_name)
            for name in columns:
                column = table.c[name]
                if not column.nullable and column.server_default is None:
                    self._refusals.append(no_value(table, column))

    def _drop_triggers(self) -> None:
        for name, trigger in sorted(self._draft.shape().triggers.items()):
            if self._wanted.triggers.get(name) == trigger:
                continue
            is_wanted = name.lower() in {wanted.lower() for wanted in self._wanted.triggers}
            if trigger.table in {gone.lower() for gone in self._changes.gone} and not is_wanted:
                continue
            why = "is about to read otherwise" if is_wanted else "is not in the schema any more"
            self._take(
                DropTrigger(
                    table=trigger.table,
                    trigger=name,
                    sentence=f"The trigger {name} on {trigger.table} {why}.",
                    sql=(f"DROP TRIGGER {quoted(name)}",),
                )
            )

    def _drop_indexes(self) -> None:
        wanted = {
            (index, table): shape
            for table, body in self._wanted.tables.items()
            for index, shape in body.indexes.items()
        }
        names = {name.lower() for name, _ in wanted}
        for table, body in sorted(self._draft.shape().tables.items()):
            for name, shape in sorted(body.indexes.items()):
                if wanted.get((name, table)) == shape:
                    continue
                if table in self._changes.gone and name.lower() not in names:
                    continue
                is_wanted = name.lower() in names
                self._take(_drop_index(table, name, shape, is_wanted=is_wanted))

    def _create_tables(self) -> None:
        for table in self._schema.tables:
            if table.name in self._changes.new:
                self._take(_create_table(table))

    def _change_tables(self) -> None:
        for table in self._schema.tables:
            found = self._draft.shape().tables.get(table.name)
            wanted = self._wanted.tables[table.name]
            if found is None or same_body(found, wanted):
                continue
            steps = self._in_place(table, found)
            trial = self._draft.try_out([sql for step in steps for sql in step.sql])
            arrives = trial is not None and same_body(trial.tables[table.name], wanted)
            if arrives:
                for step in steps:
                    self._take(step)
            else:
                self._take(self._rebuild(table, found, wanted))

    def _in_place(self, table: sa.Table, found: TableShape) -> list[Step]:
        """The columns that come and go, as if the engine could do each in place."""
        steps: list[Step] = [
            _drop_column(table.name, name)
            for name in self._changes.columns_gone.get(table.name, ())
        ]
        present = {name.lower() for name in found.columns}
        for name in self._changes.columns_new.get(table.name, ()):
            column = table.c[name]
            shape = self._wanted.tables[table.name].columns[name]
            default = f", {shape.default} in the rows that are there" if shape.default else ""
            steps.append(
                AddColumn(
                    table=table.name,
                    column=name,
                    sentence=f"{table.name} gets the column {name} ({shape.type}{default}).",
                    sql=(add_column(table, column, present=present),),
                )
            )
            present.add(name.lower())
        return steps

    def _rebuild(self, table: sa.Table, found: TableShape, wanted: TableShape) -> RebuildTable:
        reasons = tuple(table_differences(found, wanted))
        dropped = tuple(name for name in found.columns if name not in wanted.columns)
        lost = ", ".join(f"{table.name}.{name}" for name in dropped)
        return RebuildTable(
            table=table.name,
            reasons=reasons,
            dropped=dropped,
            sentence=f"{table.name} is rebuilt and its rows are copied, because "
            f"{'; '.join(reasons)}.",
            sql=rebuild_table(self._draft, table, before=found, after=wanted),
            loses=f"the values of {lost}" if dropped else "",
        )

    def _create_indexes(self) -> None:
        found = self._draft.shape()
        for table in self._schema.tables:
            there = found.tables[table.name].indexes if table.name in found.tables else {}
            for name, sql in indexes_by_name(table).items():
                if name not in there:
                    shape = self._wanted.tables[table.name].indexes[name]
                    self._take(
                        CreateIndex(
                            table=table.name,
                            index=name,
                            sentence=f"{table.name} gets the index {name} {index_text(shape)}.",
                            sql=(sql,),
                        )
                    )

    def _drop_tables(self) -> None:
        for name in sorted(self._changes.gone):
            self._take(
                DropTable(
                    table=name,
                    sentence=f"The table {name} is dropped.",
                    sql=(f"DROP TABLE {quoted(name)}",),
                    loses=f"all rows of {name}",
                )
            )

    def _create_triggers(self) -> None:
        found = self._draft.shape().triggers
        for table, trigger in self._schema.triggers:
            if trigger.name not in found:
                self._take(
                    CreateTrigger(
                        table=table,
                        trigger=trigger.name,
                        sentence=f"{table} gets the trigger {trigger.name}, "
                        f"{trigger.when} {trigger.event}.",
                        sql=tuple(create_trigger(table, trigger, "sqlite")),
                    )
                )

    def _refuse_what_is_left(self) -> None:
        for sentence in differences(self._draft.shape(), self._wanted):
            self._refusals.append(
                Refusal(sentence, "No step for this is known; write the migration by hand.")
            )


def _create_table(table: sa.Table) -> CreateTable:
    indexes = indexes_by_name(table)
    count = len(indexes)
    tail = f" and {count} index{'es' if count > 1 else ''}" if count else ""
    columns = f"{len(table.columns)} column{'s' if len(table.columns) > 1 else ''}"
    return CreateTable(
        table=table.name,
        sentence=f"The table {table.name} is new, with {columns}{tail}.",
        sql=(create_table(table, "sqlite"), *indexes.values()),
    )


def _drop_column(table: str, name: str) -> DropColumn:
    return DropColumn(
        table=table,
        column=name,
        sentence=f"{table} loses the column {name}.",
        sql=(f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(name)}",),
        loses=f"the values of {table}.{name}",
    )


def _drop_index(table: str, name: str, shape: IndexShape, *, is_wanted: bool) -> DropIndex:
    why = "is about to read otherwise" if is_wanted else "is not in the schema any more"
    return DropIndex(
        table=table,
        index=name,
        sentence=f"The index {name} {index_text(shape)} of {table} {why}.",
        sql=(f"DROP INDEX {quoted(name)}",),
    )


def no_value(table: sa.Table, column: sa.Column[object]) -> Refusal:
    """The refusal of a new column that the rows which are there have no value for."""
    record, field = table.info["record"], column.info["field"]
    return Refusal(
        f"{record}.{field} is new and may not be None, but the rows of {table.name} that are "
        f"there have no value for it.",
        f"Give {field} a default, or allow None (`| None = None`). To compute values: allow "
        f"None, add an UPDATE to the migration file, and refuse None in the migration after it.",
    )
