"""
A schema's parts as statements that build them, for either engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from freehold.schema.marks import Trigger
from freehold.schema.sqltext import literal, quoted, tidy

DialectName = Literal["sqlite", "postgresql"]

#: PostgreSQL's usual style of parameters would double every `%` of a condition.
DIALECTS: Final[dict[str, sa.Dialect]] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]
}


def create_all(
    tables: Sequence[sa.Table], triggers: Sequence[tuple[str, Trigger]], dialect: DialectName
) -> list[str]:
    """Every statement that builds these from nothing, in order."""
    statements: list[str] = []
    later: list[sa.ForeignKeyConstraint] = []
    done: set[str] = set()
    for table in tables:
        done.add(table.name)
        # SQLite looks a reference up when a row is written, PostgreSQL when it is declared.
        early = [c for c in table.foreign_key_constraints if _target(c) not in done]
        if dialect == "sqlite":
            early = []
        statements.append(create_table(table, dialect, without=early))
        if dialect == "postgresql":
            # A reference may need a unique index of its target.
            statements += create_indexes(table, dialect)
        later += early
    later.sort(key=lambda each: str(each.name))
    # SQLAlchemy would otherwise leave the reference out of every CREATE TABLE from then on.
    statements += [
        _tidied(AddConstraint(constraint, isolate_from_table=False), dialect)
        for constraint in later
    ]
    for table in tables if dialect == "sqlite" else ():
        statements += create_indexes(table, dialect)
    for table_name, trigger in triggers:
        statements += create_trigger(table_name, trigger, dialect)
    return statements


def create_table(
    table: sa.Table, dialect: DialectName, *, without: Sequence[sa.ForeignKeyConstraint] = ()
) -> str:
    """CREATE TABLE as one statement, without the references in `without`."""
    kept = [each for each in table.foreign_key_constraints if each not in without]
    return _tidied(CreateTable(table, include_foreign_key_constraints=kept), dialect)


def create_indexes(table: sa.Table, dialect: DialectName) -> list[str]:
    """CREATE INDEX for each index of the table, by name."""
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    if dialect == "sqlite":
        return [_tidied(CreateIndex(index), dialect) for index in indexes]
    return [_nulls_as_sqlite(index) for index in indexes]


def _nulls_as_sqlite(index: sa.Index) -> str:
    """
    CREATE INDEX for PostgreSQL in SQLite's order, where null is smaller than every value.

    In its own order such an index could not give the rows of an ORDER BY that says so.
    """
    said = _tidied(CreateIndex(index), "postgresql")
    parts = []
    for expression in index.expressions:
        part = _tidied(expression, "postgresql").rpartition(".")[2]
        column = expression.element if isinstance(expression, sa.UnaryExpression) else expression
        if getattr(column, "nullable", False):
            part += " NULLS LAST" if part.endswith(" DESC") else " NULLS FIRST"
        parts.append(part)
    head, _, rest = said.partition("(")
    return f"{head}({', '.join(parts)}){rest.partition(')')[2]}"


def create_trigger(table: str, trigger: Trigger, dialect: DialectName) -> list[str]:
    """CREATE TRIGGER, with the function that PostgreSQL wants beside it."""
    of = f" OF {', '.join(quoted(name) for name in trigger.of)}" if trigger.of else ""
    head = f"{trigger.when.upper()} {trigger.event.upper()}{of} ON {quoted(table)} FOR EACH ROW"
    condition = f" WHEN ({trigger.condition})" if trigger.condition else ""
    name = quoted(trigger.name)
    sentence = literal(trigger.refuse or "")
    if dialect == "sqlite":
        body = f"SELECT RAISE(ABORT, {sentence})" if trigger.refuse else trigger.run
        return [f"CREATE TRIGGER {name} {head}{condition} BEGIN {body}; END"]
    if trigger.refuse:
        body = f"RAISE EXCEPTION USING MESSAGE = {sentence}"
    else:
        # What it returns goes on to be written; after a delete there is no NEW.
        body = f"{trigger.run}; RETURN {'OLD' if trigger.event == 'delete' else 'NEW'}"
    as_function = f"AS $trigger$ BEGIN {body}; END $trigger$"
    return [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {as_function}",
        f"CREATE TRIGGER {name} {head}{condition} EXECUTE FUNCTION {name}()",
    ]


def _target(constraint: sa.ForeignKeyConstraint) -> str:
    return constraint.elements[0].target_fullname.rsplit(".", 1)[0]


def _tidied(element: Any, dialect: DialectName) -> str:
    return tidy(str(element.compile(dialect=DIALECTS[dialect])))
