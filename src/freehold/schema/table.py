"""
From a record's fields to its SQLAlchemy table: key, columns, defaults, and where rows live.

Only what one record knows by itself is checked here; what takes the whole schema (does
the referenced table exist?) is in `database`. Checks, references and indexes are
in `constraints`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import NODEFAULT

from freehold.errors import SchemaError
from freehold.schema.constraints import add_constraints, add_indexes, refuse_twice
from freehold.schema.fields import Field
from freehold.schema.marks import Owner, PrimaryKey, Was
from freehold.schema.parts import TableParts
from freehold.schema.sqltext import BytesLiteral, expression, literal
from freehold.schema.stored import Stored


def table_of(
    record: str,
    name: str,
    *,
    fields: tuple[Field, ...],
    parts: TableParts,
    metadata: sa.MetaData | None = None,
) -> sa.Table:
    """
    The table of a record, in a metadata of its own or in the schema's.

    Raises:
        SchemaError: No key, two keys, an index over a column that is not there, ...
    """
    key = _primary_key(record, fields, parts)
    counts = any(mark.autoincrement for field in fields if (mark := field.mark(PrimaryKey)))
    if counts and any(field.kind.is_sealed for field in fields):
        raise SchemaError(
            f"{record}: a sealed column needs the row's key before the row is there, and a key "
            "that counts up is known after.",
            hint="Give the record a text key: id: Annotated[str, PrimaryKey()].",
        )
    table = sa.Table(
        name,
        sa.MetaData() if metadata is None else metadata,
        *(_column(record, field, key) for field in fields),
        # Said on its own, so that the key has the order of the author and not of the columns.
        *([sa.PrimaryKeyConstraint(*key)] if len(key) > 1 else []),
        sqlite_strict=True,
        sqlite_with_rowid=_wants_rowid(fields, key),
        sqlite_autoincrement=counts,
        info={"was": parts.was, "record": record},
    )
    add_constraints(record, table, fields=fields, parts=parts)
    add_indexes(record, table, fields=fields, parts=parts)
    refuse_twice(record, table)
    return table


def _primary_key(record: str, fields: tuple[Field, ...], parts: TableParts) -> tuple[str, ...]:
    marked = [field.column for field in fields if field.is_key]
    if parts.primary_key and marked:
        raise SchemaError(f"{record}: the key is said twice.",
                          hint="Keep PrimaryKey() or primary_key=(…), not both.")  # fmt: skip
    if len(marked) > 1:
        raise SchemaError(f"{record}: PrimaryKey() stands on {len(marked)} fields.",
                          hint='Write class X(Record, primary_key=("a", "b")).')  # fmt: skip
    if not parts.primary_key and not marked:
        raise SchemaError(
            f"{record}: a record needs a primary key.",
            hint="Mark a field: id: Annotated[str, PrimaryKey()].",
        )
    by_name = {field.column: field for field in fields} | {field.name: field for field in fields}
    key: list[str] = []
    for name in parts.primary_key or marked:
        field = by_name.get(name)
        if field is None:
            raise SchemaError(
                f"{record}: primary_key names {name!r}, which is no field.",
                hint=f"Its fields are {', '.join(f.name for f in fields)}.",
            )
        if not field.can_be_key:
            raise SchemaError(
                f"{record}.{field.name}: a key is never None, and never sealed, a float or JSON.",
                hint="Use text or a whole number.",
            )
        if field.column in key:
            raise SchemaError(f"{record}: primary_key names {name!r} twice.",
                              hint="Name each field once.")  # fmt: skip
        key.append(field.column)
    return tuple(key)


def _wants_rowid(fields: tuple[Field, ...], key: tuple[str, ...]) -> bool:
    """
    Text keys live in the table's own tree (WITHOUT ROWID): 10 to 16 % faster point reads.

    Rows with large values (JSON, bytes) keep their rowid: such trees grow deep.
    """
    by_column = {field.column: field for field in fields}
    if len(key) == 1 and by_column[key[0]].kind.holds == "integer":
        return True
    return any(field.kind.name in ("json", "bytes") for field in fields)


def _column(record: str, field: Field, key: tuple[str, ...]) -> sa.Column[Any]:
    was = field.mark(Was)
    mark = field.mark(PrimaryKey)
    counts = bool(mark and mark.autoincrement)
    if counts and field.kind.name not in ("int", "int64"):
        raise SchemaError(f"{record}.{field.name}: only a whole number counts up.",
                          hint="Annotated[int, PrimaryKey(autoincrement=True)] = AUTO")  # fmt: skip
    if was is not None and was.name.lower() == field.column.lower():
        raise SchemaError(f"{record}.{field.name}: it was always called {was.name!r}.",
                          hint="Was(…) is the name before; take it away.")  # fmt: skip
    return sa.Column(
        field.column,
        Stored(field.kind),
        primary_key=key == (field.column,),
        nullable=field.is_nullable,
        autoincrement=counts,
        server_default=_server_default(field),
        info={
            "was": was.name if was else None,
            "field": field.name,
            "owner": field.mark(Owner) is not None,
        },
    )


def _server_default(field: Field) -> Any:
    """The default in SQL, so that a row from another hand, or an older one, gets it too."""
    value = field.default
    if value is NODEFAULT or value is None or field.is_automatic:
        return None
    if field.kind.write is not None:
        value = field.kind.write(value)
    return BytesLiteral(value) if isinstance(value, bytes) else expression(literal(value))
