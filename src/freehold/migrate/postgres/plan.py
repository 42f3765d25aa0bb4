"""
Planning on PostgreSQL: from where the files lead, on paper, to where the schema leads.

Everything can be changed in place here, so nothing is rebuilt; a column that changes its
type is rewritten by the engine. Each step is done on paper as it is planned. Nothing is
applied here, and no server is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from freehold.migrate.differences import differences, index_text, table_differences
from freehold.migrate.files import Migration
from freehold.migrate.plan import no_value
from freehold.migrate.postgres import ddl
from freehold.migrate.postgres.lexing import mentions
from freehold.migrate.postgres.paper import Paper
from freehold.migrate.postgres.parts import Constraint, Table
from freehold.migrate.postgres.reading import Unread
from freehold.migrate.renames import rename_columns, rename_tables
from freehold.migrate.sealed import sealed_by, with_sealing
from freehold.migrate.steps import (
    AddColumn,
    AlterTable,
    CreateIndex,
    CreateTable,
    CreateTrigger,
    DropColumn,
    DropIndex,
    DropTable,
    DropTrigger,
    Plan,
    Refusal,
    RenameTable,
    Step,
)
from freehold.schema import Schema, create_indexes, create_table, create_trigger
from freehold.schema.sqltext import quoted


def plan_next(schema: Schema, migrations: Sequence[Migration]) -> Plan:
    """
    The way from where the migration files end to the schema: the next file.

    Raises:
        MigrationFailed: A file cannot be followed without a server.
    """
    paper = Paper.of_migrations(migrations)
    before = paper.shape()
    planned = Planner(paper, Paper.of_schema(schema), schema).plan()
    return with_sealing(planned, schema, known=sealed_by(migrations), before=before)


class Planner:
    """
    One planning: the paper moves towards the schema, and the steps are kept.

    Args:
        paper: What is there; it is changed.
        wanted: What the schema builds, in the same words.
        empty_tables: Tables known to have no rows, where a new column needs no default.
        is_exact: Both papers are in the schema's own words, so that they can meet at the end.
    """

    def __init__(
        self,
        paper: Paper,
        wanted: Paper,
        schema: Schema,
        *,
        empty_tables: frozenset[str] = frozenset(),
        is_exact: bool = True,
    ) -> None:
        self._paper = paper
        self._wanted = wanted
        self._schema = schema
        self._empty_tables = empty_tables
        self._is_exact = is_exact
        self._steps: list[Step] = []
        self._refusals: list[Refusal] = []
        self._gone: list[str] = []

    def plan(self) -> Plan:
        """All steps in the order they must run, or the refusals that stand in the way."""
        if self._paper.shape() == self._wanted.shape():
            return Plan(dialect="postgresql")
        self._rename()
        if not self._refusals:
            self._gone = sorted({*self._paper.tables} - {*self._wanted.tables})
            self._refuse_columns_without_value()
        if not self._refusals:
            self._drop_triggers()
            self._drop_indexes()
            self._drop_references()
            self._create_tables()
            for table in self._schema.tables:
                self._change_table(table)
            self._add_references()
            self._create_indexes()
            # Late, so that a reviewer can move rows from an old table into a new one.
            self._drop_tables()
            self._create_triggers()
            if self._is_exact:
                self._refuse_what_is_left()
        if self._refusals:
            return Plan((), tuple(self._refusals), "postgresql")
        return Plan(tuple(self._steps), (), "postgresql")

    def _take(self, step: Step) -> None:
        try:
            self._paper.run_all(step.sql)
        except Unread as error:
            self._refusals.append(
                Refusal(
                    f"{step.sentence} It cannot be followed: {error}.",
                    "Write this step by hand.",
                )
            )
        else:
            self._steps.append(step)

    def _staying(self) -> Iterable[tuple[sa.Table, Table, Table]]:
        """Each table that was there and is wanted: its declaration, what is there, what should."""
        for table in self._schema.tables:
            if table.name in self._paper.tables:
                yield table, self._paper.tables[table.name], self._wanted.tables[table.name]

    def _rename(self) -> None:
        steps, refusals = rename_tables(self._paper.shape(), self._schema)
        self._refusals += refusals
        for step in steps:
            if isinstance(step, RenameTable):
                sql = f"ALTER TABLE {quoted(step.old)} RENAME TO {quoted(step.table)}"
                self._take(replace(step, sql=(sql,)))
        steps, refusals = rename_columns(self._paper.shape(), self._schema)
        self._refusals += refusals
        for step in steps:
            self._take(step)

    def _refuse_columns_without_value(self) -> None:
        for table, found, wanted in self._staying():
            if table.name in self._empty_tables:
                continue
            for name in (each for each in wanted.columns if each not in found.columns):
                column = wanted.columns[name]
                if not column.is_nullable and column.default is None and not column.counts:
                    self._refusals.append(no_value(table, table.c[name]))

    def _rewritten(self, table: str) -> list[str]:
        """The columns of a table that stays which will be written anew."""
        if table not in self._wanted.tables or table not in self._paper.tables:
            return []
        found, wanted = self._paper.tables[table].columns, self._wanted.tables[table].columns
        return [
            name for name in found if name in wanted and ddl.rewrites(found[name], wanted[name])
        ]

    def _retyped(self, table: str) -> list[str]:
        """Those of them that change their type."""
        return [
            name
            for name in self._rewritten(table)
            if self._paper.tables[table].columns[name].type
            != self._wanted.tables[table].columns[name].type
        ]

    def _drop_triggers(self) -> None:
        wanted = {
            name: (table, part)
            for table, said in self._wanted.tables.items()
            for name, part in said.triggers.items()
        }
        for table, said in sorted(self._paper.tables.items()):
            changed = self._rewritten(table)
            for name, part in sorted(said.triggers.items()):
                is_wanted = name in wanted
                if table in self._gone and not is_wanted:
                    continue
                is_in_the_way = any(mentions(part.text, column) for column in changed)
                if wanted.get(name) == (table, part) and not is_in_the_way:
                    continue
                why = "is about to read otherwise" if is_wanted else "is not in the schema any more"
                if wanted.get(name) == (table, part):
                    why = "is taken away for a moment"
                self._take(
                    DropTrigger(
                        table=table,
                        trigger=name,
                        sentence=f"The trigger {name} on {table} {why}.",
                        sql=self._trigger_gone(table, name),
                    )
                )

    def _columns_gone(self, table: str) -> list[str]:
        wanted = self._wanted.tables.get(table)
        return [c for c in self._paper.tables[table].columns if wanted and c not in wanted.columns]

    def _trigger_gone(self, table: str, name: str) -> tuple[str, ...]:
        part = self._paper.tables[table].triggers[name]
        drop = f"DROP TRIGGER {quoted(name)} ON {quoted(table)}"
        return (drop, *self._function_gone(part.function, besides=(table, name)))

    def _function_gone(self, function: str, *, besides: tuple[str, str]) -> tuple[str, ...]:
        """The function goes with its last trigger."""
        others = [
            (table, name)
            for table, said in self._paper.tables.items()
            for name, part in said.triggers.items()
            if part.function == function and (table, name) != besides
        ]
        return () if others else (f"DROP FUNCTION {quoted(function)}()",)

    def _drop_indexes(self) -> None:
        wanted = {
            (table, name): shape
            for table, said in self._wanted.tables.items()
            for name, shape in said.indexes.items()
        }
        names = {name for _, name in wanted}
        for table, said in sorted(self._paper.tables.items()):
            retyped = self._retyped(table)
            for name, shape in sorted(said.indexes.items()):
                is_wanted = name in names
                stays = wanted.get((table, name)) == shape
                text = f"{' '.join(shape.columns)} {shape.where or ''}"
                if stays and not (shape.where and any(mentions(text, each) for each in retyped)):
                    continue
                if table in self._gone and not is_wanted:
                    continue
                why = "is about to read otherwise" if is_wanted else "is not in the schema any more"
                if stays:
                    why = "is taken away for a moment"
                self._take(
                    DropIndex(
                        table=table,
                        index=name,
                        sentence=f"The index {name} {index_text(shape)} of {table} {why}.",
                        sql=(f"DROP INDEX {quoted(name)}",),
                    )
                )

    def _drop_references(self) -> None:
        """First of all constraints: a reference holds on to the key and the type of its target."""
        for table, found in sorted(self._paper.tables.items()):
            wanted = self._wanted.tables.get(table, Table())
            there = _by_what(wanted.of_kind("f"))
            for name, said in list(found.of_kind("f").items()):
                is_wanted = said.what in there and said.reference == there[said.what][1].reference
                if (is_wanted or table in self._gone) and not self._is_in_the_way(table, said):
                    continue
                why = "is taken away for a moment" if is_wanted else "goes"
                self._take(
                    AlterTable(
                        table=table,
                        reasons=(why,),
                        sentence=f"{table}: the {said.what} {why}.",
                        sql=(ddl.drop_constraint(table, name),),
                    )
                )

    def _is_in_the_way(self, table: str, said: Constraint) -> bool:
        here = {*said.columns} & {*self._retyped(table)}
        there = {*said.targets} & {*self._retyped(said.table)}
        return bool(here or there) or not self._is_held(said)

    def _is_held(self, said: Constraint) -> bool:
        """What makes the target unique is there, and stays as it is."""
        if said.table not in self._wanted.tables:
            return False
        found = self._paper.tables[said.table].constraints.values()
        wanted = self._wanted.tables[said.table].constraints.values()
        key = {*said.targets}
        return (
            all(
                any(each.kind in ("p", "u") and {*each.columns} == key for each in side)
                for side in (found, wanted)
            )
            and self._paper.tables[said.table].key == self._wanted.tables[said.table].key
        )

    def _create_tables(self) -> None:
        for table in self._schema.tables:
            if table.name in self._paper.tables:
                continue
            later = [
                each
                for each in table.foreign_key_constraints
                if not self._is_ready(table.name, each)
            ]
            indexes = create_indexes(table, "postgresql")
            count = len(indexes)
            tail = f" and {count} index{'es' if count > 1 else ''}" if count else ""
            columns = f"{len(table.columns)} column{'s' if len(table.columns) > 1 else ''}"
            self._take(
                CreateTable(
                    table=table.name,
                    sentence=f"The table {table.name} is new, with {columns}{tail}.",
                    sql=(create_table(table, "postgresql", without=later), *indexes),
                )
            )

    def _is_ready(self, table: str, constraint: sa.ForeignKeyConstraint) -> bool:
        """What a new table references is already as it will be."""
        target = constraint.elements[0].target_fullname.rsplit(".", 1)[0]
        if target == table:
            return True
        there = self._paper.tables.get(target)
        wanted = self._wanted.tables[target]
        return there is not None and there.shape() == wanted.shape()

    def _change_table(self, table: sa.Table) -> None:
        name = table.name
        found, wanted = self._paper.tables.get(name), self._wanted.tables[name]
        if found is None:
            return
        gone = self._columns_gone(name)
        for column in (each for each in wanted.columns if each not in found.columns):
            shape = wanted.columns[column]
            default = f", {shape.default} in the rows that are there" if shape.default else ""
            self._take(
                AddColumn(
                    table=name,
                    column=column,
                    sentence=f"{name} gets the column {column} ({shape.type}{default}).",
                    sql=(ddl.add_column(table, table.c[column]),),
                )
            )
        sql = self._changes(table)
        if sql:
            reasons = self._reasons(name, gone)
            self._take(
                AlterTable(
                    table=name,
                    reasons=reasons,
                    is_rewritten=bool(self._rewritten(name)),
                    sentence=f"{name} is changed, because {'; '.join(reasons)}.",
                    sql=tuple(sql),
                )
            )
        for column in gone:
            self._take(
                DropColumn(
                    table=name,
                    column=column,
                    sentence=f"{name} loses the column {column}.",
                    sql=(f"ALTER TABLE {quoted(name)} DROP COLUMN {quoted(column)}",),
                    loses=f"the values of {name}.{column}",
                )
            )

    def _changes(self, table: sa.Table) -> list[str]:
        """Constraints that go, columns that change, constraints that come."""
        name = table.name
        found, wanted = self._paper.tables[name], self._wanted.tables[name]
        retyped = self._retyped(name)
        drops: list[str] = []
        renames: list[str] = []
        kept: set[str] = set()
        there = _by_what({n: c for n, c in wanted.constraints.items() if c.kind != "f"})
        for old, said in found.constraints.items():
            if said.kind == "f":
                continue
            new, same = there.get(_what(old, said), ("", None))
            is_in_the_way = said.kind == "c" and any(mentions(said.text, c) for c in retyped)
            if same is None or not _is_same(said, same) or is_in_the_way:
                drops.append(ddl.drop_constraint(name, old))
                continue
            kept.add(new)
            if new != old:
                renames.append(ddl.rename_constraint(name, old, new))
        columns = [
            sql
            for each in wanted.columns
            if each in found.columns
            for sql in ddl.change_column(
                name, each, found=found.columns[each], wanted=wanted.columns[each],
                column=table.c[each],
            )
        ]  # fmt: skip
        adds = [
            ddl.add_constraint(table, new, said)
            for new, said in wanted.constraints.items()
            if said.kind != "f" and new not in kept
        ]
        return [*drops, *renames, *columns, *adds]

    def _reasons(self, name: str, gone: list[str]) -> tuple[str, ...]:
        found, wanted = self._paper.tables[name].shape(), self._wanted.tables[name].shape()
        columns = {n: c for n, c in found.columns.items() if n not in gone}
        both = found.foreign_keys | wanted.foreign_keys
        said = table_differences(
            replace(found, columns=columns, foreign_keys=both),
            replace(wanted, foreign_keys=both),
        )
        return tuple(said) or ("what it checks is checked anew",)

    def _add_references(self) -> None:
        for table in self._schema.tables:
            found, wanted = self._paper.tables.get(table.name), self._wanted.tables[table.name]
            if found is None:
                continue
            there = _by_what(found.of_kind("f"))
            for name, said in wanted.of_kind("f").items():
                old, same = there.get(said.what, ("", None))
                if same is not None and old != name:
                    sql = ddl.rename_constraint(table.name, old, name)
                    sentence = f"{table.name}: the {said.what} is called {name}."
                elif same is None:
                    sql = ddl.add_constraint(table, name, said)
                    sentence = f"{table.name} gets the {said.what}."
                else:
                    continue
                self._take(
                    AlterTable(
                        table=table.name, reasons=(said.what,), sentence=sentence, sql=(sql,)
                    )
                )

    def _create_indexes(self) -> None:
        for table in self._schema.tables:
            if table.name not in self._paper.tables:
                continue
            names = sorted(str(index.name) for index in table.indexes)
            for name, sql in zip(names, create_indexes(table, "postgresql"), strict=True):
                if name not in self._paper.tables[table.name].indexes:
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
        for name in self._gone:
            holders = [
                ddl.drop_constraint(other, constraint)
                for other, said in self._paper.tables.items()
                for constraint, each in said.of_kind("f").items()
                if each.table == name and other != name
            ]
            triggers = self._paper.tables[name].triggers
            functions = [
                sql for trigger in sorted(triggers) for sql in self._trigger_gone(name, trigger)
            ]
            self._take(
                DropTable(
                    table=name,
                    sentence=f"The table {name} is dropped.",
                    sql=(*holders, *functions, f"DROP TABLE {quoted(name)}"),
                    loses=f"all rows of {name}",
                )
            )

    def _create_triggers(self) -> None:
        for table, trigger in self._schema.triggers:
            if trigger.name in self._paper.tables[table].triggers:
                continue
            self._take(
                CreateTrigger(
                    table=table,
                    trigger=trigger.name,
                    sentence=f"{table} gets the trigger {trigger.name}, "
                    f"{trigger.when} {trigger.event}.",
                    sql=tuple(create_trigger(table, trigger, "postgresql")),
                )
            )

    def _refuse_what_is_left(self) -> None:
        for sentence in differences(self._paper.shape(), self._wanted.shape()):
            self._refusals.append(
                Refusal(sentence, "No step for this is known; write the migration by hand.")
            )


def _what(name: str, said: Constraint) -> str:
    """A check is known by its name, every other constraint by what it is."""
    return said.what if said.kind in ("p", "u", "f") else f"{said.kind} {name}"


def _by_what(constraints: dict[str, Constraint]) -> dict[str, tuple[str, Constraint]]:
    return {_what(name, said): (name, said) for name, said in constraints.items()}


def _is_same(found: Constraint, wanted: Constraint) -> bool:
    return (found.columns, found.text, found.clause) == (
        wanted.columns if wanted.kind != "c" else found.columns,
        wanted.text,
        wanted.clause,
    )
