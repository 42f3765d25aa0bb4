"""
Checks, references, unique constraints and indexes of one record's table.

Their names are part of the schema: a broken check is told by its name, and a migration
knows an index by it.
"""

from __future__ import annotations

import re
from typing import Any, Final, get_args

import sqlalchemy as sa

from freehold.errors import SchemaError
from freehold.schema.fields import Field
from freehold.schema.marks import Action, ForeignKey, Index, References, Unique
from freehold.schema.parts import TableParts, check_name, columns_of, named
from freehold.schema.sqltext import expression, literal, quoted

_TARGET: Final = re.compile(r"([A-Za-z_]\w*)(?:\.(\w+)|\s*\(([\w\s,]+)\))", re.ASCII)
#: PostgreSQL cuts longer names off.
_NAME_MAX: Final = 63
_REFERENCE_HINT: Final = 'Write References("users.id"), or ForeignKey(("a", "b"), "tasks(a, b)").'


def add_constraints(
    record: str, table: sa.Table, *, fields: tuple[Field, ...], parts: TableParts
) -> None:
    """
    Add the checks, references and unique constraints.

    Raises:
        SchemaError: One names what is not there.
    """
    columns = columns_of(fields)
    for check in parts.checks:
        check_name(record, check.name, what="a check")
        if not check.condition.strip():
            raise SchemaError(f"{record}: the check {check.name!r} says nothing.",
                              hint='Check("price >= 0", name="…")')  # fmt: skip
    allowed = [_allowed_values(table.name, field) for field in fields]
    stated = [(check.name, check.condition) for check in parts.checks]
    # Of two broken checks PostgreSQL tells the first by name, SQLite the one that stands first.
    checks = iter(sorted([*filter(None, allowed), *stated], key=lambda pair: pair[0]))
    for field, is_checked in zip(fields, allowed, strict=True):
        if is_checked:
            _append_check(table, *next(checks))
        _add_of_field(record, table, field)
    for name, condition in checks:
        _append_check(table, name, condition)
    for unique in parts.uniques:
        local = named(record, unique.columns, columns=columns, where="uniques")
        _append_unique(record, table, unique, local)
    for foreign_key in parts.foreign_keys:
        said: Any = foreign_key.columns
        if isinstance(said, str):
            raise SchemaError(f"{record}: the columns of a ForeignKey are a tuple.",
                              hint=_REFERENCE_HINT)  # fmt: skip
        local = named(record, foreign_key.columns, columns=columns, where="foreign_keys")
        _append_reference(record, table, tuple(local), foreign_key)


def _add_of_field(record: str, table: sa.Table, field: Field) -> None:
    where = f"{record}.{field.name}"
    if reference := field.mark(References):
        if field.kind.is_sealed or field.kind.name == "json":
            raise SchemaError(f"{where}: a {field.kind.name} column cannot be a reference.",
                              hint="Keep the other row's key in a column of its own.")  # fmt: skip
        _append_reference(record, table, (field.column,), reference)
    if (unique := field.mark(Unique)) is not None:
        if unique.columns:
            raise SchemaError(f"{where}: Unique() on a field names no columns.",
                              hint="Move it to uniques=[…] in the class line.")  # fmt: skip
        if field.kind.is_sealed:
            raise SchemaError(f"{where}: a sealed value is never twice the same, so it is "
                              "always unique.", hint="Keep a Hashed column beside it.")  # fmt: skip
        _append_unique(record, table, unique, [field.column])


def _allowed_values(table: str, field: Field) -> tuple[str, str] | None:
    """The check that holds a column to its Literal, or to 0 and 1."""
    allowed = field.kind.values or ((0, 1) if field.kind.name == "bool" else ())
    if not allowed:
        return None
    listed = ", ".join(literal(value) for value in allowed)
    return values_check_name(table, field.column), f"{quoted(field.column)} IN ({listed})"


def values_check_name(table: str, column: str) -> str:
    """The name of the check that holds a column to its Literal, or to 0 and 1."""
    return f"ck_{table}_{column}"[:_NAME_MAX]


def _append_check(table: sa.Table, name: str, condition: str) -> None:
    table.append_constraint(sa.CheckConstraint(expression(condition), name=name))


def _append_unique(record: str, table: sa.Table, unique: Unique, columns: list[str]) -> None:
    name = unique.name or f"uq_{table.name}_{'_'.join(columns)}"
    check_name(record, name, what="a unique constraint")
    table.append_constraint(sa.UniqueConstraint(*columns, name=name))


def _append_reference(
    record: str, table: sa.Table, columns: tuple[str, ...], said: References | ForeignKey
) -> None:
    match = _TARGET.fullmatch(said.target.strip())
    if match is None:
        raise SchemaError(
            f"{record}: {said.target!r} names no column of a table.", hint=_REFERENCE_HINT
        )
    target, single, several = match.groups()
    remote = [single] if single else [part.strip() for part in several.split(",")]
    if not all(remote) or len(set(remote)) != len(remote):
        raise SchemaError(
            f"{record}: {said.target!r} names no column of a table.", hint=_REFERENCE_HINT
        )
    if len(remote) != len(columns):
        raise SchemaError(
            f"{record}: {', '.join(columns)} and {said.target!r} differ in length.",
            hint="Name as many columns there as here.",
        )
    for word, action in (("on_delete", said.on_delete), ("on_update", said.on_update)):
        if action not in get_args(Action):
            raise SchemaError(f"{record}: {word}={action!r} is no action.",
                              hint=f"Use one of {', '.join(get_args(Action))}.")  # fmt: skip
    table.append_constraint(
        sa.ForeignKeyConstraint(
            list(columns),
            [f"{target}.{column}" for column in remote],
            name=f"fk_{table.name}_{'_'.join(columns)}"[:_NAME_MAX],
            ondelete=_action(said.on_delete),
            onupdate=_action(said.on_update),
        )
    )


def _action(action: str) -> str | None:
    return None if action == "no action" else action.upper()


def add_indexes(
    record: str, table: sa.Table, *, fields: tuple[Field, ...], parts: TableParts
) -> None:
    """
    Add the indexes of the fields and of the class line.

    Raises:
        SchemaError: One names what is not there.
    """
    columns = columns_of(fields)
    for field in fields:
        index = field.mark(Index)
        if index is not None:
            if index.columns:
                raise SchemaError(f"{record}.{field.name}: Index() on a field names no columns.",
                                  hint="Move it to indexes=[…] in the class line.")  # fmt: skip
            _append_index(record, table, index, [(field.column, False)])
    for index in parts.indexes:
        said_parts = [_index_part(record, part) for part in index.columns]
        local = named(record, [name for name, _ in said_parts], columns=columns, where="indexes")
        _append_index(
            record, table, index,
            [(column, down) for column, (_, down) in zip(local, said_parts, strict=True)],
        )  # fmt: skip


def _index_part(record: str, part: str) -> tuple[str, bool]:
    """`created_at desc` as (created_at, True)."""
    name, *direction = part.split()
    if [word.lower() for word in direction] not in ([], ["asc"], ["desc"]):
        raise SchemaError(f"{record}: {part!r} is no part of an index.",
                          hint='Name a field, or a field and "desc".')  # fmt: skip
    return name, direction != [] and direction[0].lower() == "desc"


def _append_index(record: str, table: sa.Table, index: Index, said: list[tuple[str, bool]]) -> None:
    name = index.name or f"idx_{table.name}_{'_'.join(column for column, _ in said)}"
    check_name(record, name, what="an index")
    where = expression(index.where) if index.where else None
    sa.Index(
        name,
        *(table.c[column].desc() if down else table.c[column] for column, down in said),
        unique=index.unique,
        sqlite_where=where,
        postgresql_where=where,
    )


def refuse_twice(record: str, table: sa.Table) -> None:
    """
    Refuse two constraints, or two indexes, of one name.

    Raises:
        SchemaError: There are two; most often the same thing was said twice.
    """
    seen: set[str] = set()
    parts: list[Any] = [*table.constraints, *table.indexes]
    names = [str(part.name) for part in parts if part.name]
    for name in sorted(names):
        if name.lower() in seen:
            raise SchemaError(f"{record}: {name!r} is said twice.",
                              hint="Take one away, or give it a name=… of its own.")  # fmt: skip
        seen.add(name.lower())
