"""
Which columns are sealed, as the files say and as the schema says; and the steps between.

A table does not show it: a sealed column is a column of text. So the files say which new
columns are sealed, and which are sealed where their values stood in clear. A column that no
file says anything of counts as plain; sealing one that is sealed already changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from freehold.migrate.files import Migration
from freehold.migrate.shape import Shape
from freehold.migrate.steps import Plan, Refusal, RenameColumn, RenameTable, Seal, SealColumn
from freehold.schema import Schema

#: From a table and a column to the names they had before the plan.
Before = Callable[[str, str], tuple[str, str]]


def sealed_by(migrations: Sequence[Migration]) -> frozenset[str]:
    """The columns that these files leave sealed, as `table.column`."""
    found: set[str] = set()
    for migration in migrations:
        found |= {statement.seal.name for statement in migration.statements if statement.seal}
        for name, is_sealed in migration.sealed:
            (found.add if is_sealed else found.discard)(name)
    return frozenset(found)


def has_seals(migrations: Sequence[Migration]) -> bool:
    """One of them seals values that stand in clear."""
    return any(statement.seal for each in migrations for statement in each.statements)


def columns_of(schema: Schema) -> Iterator[tuple[sa.Table, str, bool]]:
    """Every column with its table, and whether it is sealed."""
    for table in schema.tables:
        for column in table.columns:
            kind = getattr(column.type, "kind", None)
            yield table, str(column.name), bool(kind and kind.is_sealed)


def unlike_files(schema: Schema, migrations: Sequence[Migration]) -> list[str]:
    """What the files say otherwise than the schema, in sentences."""
    known = sealed_by(migrations)
    said = []
    for table, column, is_sealed in columns_of(schema):
        name = f"{table.name}.{column}"
        if is_sealed and name not in known:
            said.append(f"{table.name}: the values of {column} should be sealed.")
        if not is_sealed and name in known:
            said.append(f"{table.name}: the values of {column} are sealed and should be in clear.")
    return said


def with_sealing(planned: Plan, schema: Schema, *, known: frozenset[str], before: Shape) -> Plan:
    """
    The plan, with the steps and marks that lead to the schema's sealed columns.

    Args:
        known: The columns that are sealed before it, by the names that they have then.
        before: The tables that are there before it.
    """
    if planned.refusals:
        return planned
    steps: list[SealColumn] = []
    marks: list[tuple[str, bool]] = []
    refusals: list[Refusal] = []
    earlier = names_before(planned)
    for table, column, is_sealed in columns_of(schema):
        name = f"{table.name}.{column}"
        old_table, old_column = earlier(table.name, column)
        old = f"{old_table}.{old_column}"
        there = before.tables.get(old_table)
        is_new = there is None or old_column not in there.columns
        if is_new and is_sealed != (name in known):
            marks.append((name, is_sealed))
        elif is_new:
            continue
        elif is_sealed and (name != old or old not in known):
            was = old if old in known else ""
            steps.append(_seal(Seal(str(table.name), column, was)))
        elif not is_sealed and old in known:
            refusals.append(_in_clear(table, column))
        if (
            is_sealed
            and there is not None
            and _key_before(there.columns)
            != [earlier(table.name, str(part.name))[1] for part in table.primary_key.columns]
        ):
            refusals.append(_other_key(table, column))
    if refusals:
        return Plan((), tuple(refusals), planned.dialect)
    return replace(planned, steps=(*planned.steps, *steps), sealed=tuple(marks))


def known_without_files(
    schema: Schema, planned: Plan, *, before: Shape, has_plain: Callable[[str, str], bool]
) -> frozenset[str]:
    """
    Which columns are sealed in a database that no file tells of: those without a value in clear.

    Args:
        has_plain: Asks the database about a table and a column that are there.
    """
    earlier = names_before(planned)
    known = set()
    for table, column, is_sealed in columns_of(schema):
        old_table, old_column = earlier(table.name, column)
        there = before.tables.get(old_table)
        if is_sealed and there is not None and old_column in there.columns:
            known |= set() if has_plain(old_table, old_column) else {f"{old_table}.{old_column}"}
    return frozenset(known)


def names_before(planned: Plan) -> Before:
    """What a table and its column were called before the plan."""
    tables: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    for step in planned.steps:
        if isinstance(step, RenameTable):
            tables[str(step.table)] = step.old
        elif isinstance(step, RenameColumn):
            columns[step.table, step.column] = step.old

    def before(table: str, column: str) -> tuple[str, str]:
        return tables.get(table, table), columns.get((table, column), column)

    return before


def _key_before(columns: object) -> list[str]:
    found = [(said.key, name) for name, said in dict(columns).items() if said.key]  # type: ignore[call-overload]
    return [name for _, name in sorted(found)]


def _seal(seal: Seal) -> SealColumn:
    if seal.was:
        why = f"sealed as {seal.was}, are sealed for their new name"
    else:
        why = "in clear until now, are sealed; one that is sealed already stays as it is"
    return SealColumn(
        table=seal.table, seal=seal, sentence=f"The values of {seal.name}, {why}.", sql=()
    )


def _in_clear(table: sa.Table, column: str) -> Refusal:
    return Refusal(
        f"{table.info['record']}.{column} is sealed in the files, and the schema says that it "
        f"is in clear.",
        "No migration opens sealed values. Add another column, fill it by a mutation that opens "
        "them, and drop the sealed one after that.",
    )


def _other_key(table: sa.Table, column: str) -> Refusal:
    return Refusal(
        f"{table.info['record']}.{column} is sealed for its row's key, and {table.name} gets "
        f"another key.",
        "Make a new table, move the rows by a mutation, and drop the old one after that.",
    )
