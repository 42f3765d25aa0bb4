"""
From a broken constraint to a sentence: which field, which value, which rule, what next.

The engine says little (a foreign key not even which one), so the row at hand is looked at
again, on the way to the error only.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from freehold.db.link import ConstraintViolation, Context, Link
from freehold.db.rows import wire_name
from freehold.errors import AlreadyExists, CallError, ReferenceBroken, RuleBroken
from freehold.schema import Record

_SHOWN_MAX: Final = 80


def explain(
    violation: ConstraintViolation,
    link: Link,
    context: Context,
    *,
    record: type[Record] | None = None,
    values: dict[str, Any] | None = None,
    removing: tuple[Any, ...] | None = None,
) -> CallError:
    """
    The call error that tells what was refused.

    Args:
        violation: What the engine said.
        link: Asked which reference it was, on the refused statement's own transaction.
        context: Knows the schema's records.
        record: What was written, if that is known.
        values: The written values by column.
        removing: The key of the row that was to be removed.
    """
    if record is None and violation.table is not None:
        record = context.records.get(violation.table)
    table = violation.table or (record.__table__.name if record is not None else "the table")
    data: dict[str, Any] = {"table": table}
    columns = violation.columns
    if violation.kind == "reference":
        return _reference(link, context, record, values or {}, removing, data)
    if violation.kind == "unique":
        data["columns"] = list(columns)
        said = _said(record, columns, values or {})
        return AlreadyExists(
            f"{table} already has a row with {said}.",
            hint="Read that row, or choose another value.",
            path=_path(record, columns),
            data=data,
        )
    return _rule(violation, table, record, data)


def _rule(
    violation: ConstraintViolation, table: str, record: type[Record] | None, data: dict[str, Any]
) -> CallError:
    columns = violation.columns
    if violation.kind == "trigger":
        return RuleBroken(f"{violation.name}.", data=data)
    if violation.kind == "not_null":
        sentence = f"{table}.{', '.join(columns)} may not be null."
    elif violation.kind == "type":
        sentence = f"{violation.name}."
    else:
        columns, sentence = _checked(violation.name or "", table, record)
    data["columns"] = list(columns)
    return RuleBroken(sentence, path=_path(record, columns), data=data)


def _checked(name: str, table: str, record: type[Record] | None) -> tuple[tuple[str, ...], str]:
    """The columns and the sentence of a broken check."""
    for field in record.__fields__ if record is not None else ():
        if field.kind.values and name == f"ck_{table}_{field.column}":
            allowed = ", ".join(repr(value) for value in field.kind.values)
            return (field.column,), f"{table}.{field.column} must be one of {allowed}."
    return (), f"{table} refused the row: the rule {name} does not hold."


def _reference(
    link: Link,
    context: Context,
    record: type[Record] | None,
    values: dict[str, Any],
    removing: tuple[Any, ...] | None,
    data: dict[str, Any],
) -> CallError:
    if record is not None and removing is not None:
        child = _child_of(link, context, record, removing)
        if child:
            data["referencedBy"] = child
        return ReferenceBroken(
            f"the row of {record.__table__.name} is still referenced"
            + (f" by {child}." if child else "."),
            hint="Remove or detach what points at it first.",
            data=data,
        )
    for constraint in record.__table__.foreign_key_constraints if record is not None else ():
        columns = [column.name for column in constraint.columns]
        wanted = [values.get(column) for column in columns]
        target = constraint.elements[0].target_fullname.rsplit(".", 1)[0]
        remote = [element.target_fullname.rsplit(".", 1)[1] for element in constraint.elements]
        if None in wanted or _exists(link, context, target, remote, wanted):
            continue
        data["columns"] = columns
        return ReferenceBroken(
            f"{_said(record, tuple(columns), values)} points at no row of {target}.",
            hint=f"Create the row of {target} first, or choose one that is there.",
            path=_path(record, tuple(columns)),
            data=data,
        )
    return ReferenceBroken("a reference points at no row, or a row is still pointed at.", data=data)


def _child_of(
    link: Link, context: Context, record: type[Record], key: tuple[Any, ...]
) -> str | None:
    """The first column that still points at the row."""
    table = record.__table__
    by_column = dict(zip([c.name for c in table.primary_key.columns], key, strict=True))
    for child in context.records.values():
        for constraint in child.__table__.foreign_key_constraints:
            names = [element.target_fullname.rsplit(".", 1) for element in constraint.elements]
            remote = [column for _, column in names]
            if names[0][0] != table.name or not set(remote) <= set(by_column):
                continue
            if (constraint.ondelete or "NO ACTION") not in ("NO ACTION", "RESTRICT"):
                continue
            columns = [column.name for column in constraint.columns]
            wanted = [by_column[column] for column in remote]
            if _exists(link, context, child.__table__.name, columns, wanted):
                return f"{child.__table__.name}.{', '.join(columns)}"
    return None


def _exists(
    link: Link, context: Context, table: str, columns: list[str], values: list[Any]
) -> bool:
    marks = ["?" if context.dialect == "sqlite" else f"${n}" for n in range(1, len(columns) + 1)]
    where = " AND ".join(f'"{column}" = {m}' for column, m in zip(columns, marks, strict=True))
    sql = f'SELECT 1 FROM "{table}" WHERE {where} LIMIT 1'  # noqa: S608 - names from the schema
    return bool(link.rows(sql, values))


def _said(record: type[Record] | None, columns: tuple[str, ...], values: dict[str, Any]) -> str:
    """`email 'ada@example.com'`; a value that is secret or long is not shown."""
    parts = []
    for column in columns:
        kind = _kind(record, column)
        value = values.get(column)
        text = repr(value)
        hidden = kind in ("sealed", "hashed", "bytes") or len(text) > _SHOWN_MAX
        parts.append(f"that {column}" if value is None or hidden else f"{column} {text}")
    return " and ".join(parts) or "these values"


def _kind(record: type[Record] | None, column: str) -> str | None:
    if record is None or column not in record.__table__.c:
        return None
    stored: Any = record.__table__.c[column].type
    return str(stored.kind.name)


def _path(record: type[Record] | None, columns: tuple[str, ...]) -> str | None:
    if record is None or not columns or columns[0] not in record.__table__.c:
        return None
    column: sa.Column[Any] = record.__table__.c[columns[0]]
    return wire_name(str(column.info["field"]))
