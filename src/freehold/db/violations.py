"""
From a broken constraint to a sentence: which field, which value, which rule, what next.

The engine says little (a foreign key not even which one), so the row at hand is looked at
again, on the way to the error only. What is secret or long is never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from freehold.db.link import ConstraintViolation, Context, Link
from freehold.db.plans import RecordPlan
from freehold.errors import AlreadyExists, CallError, ReferenceBroken, RuleBroken
from freehold.schema import Field, Record, references_of, wire_name
from freehold.schema.constraints import values_check_name
from freehold.schema.sqltext import quoted

_SHOWN_MAX: Final = 80
#: How far and wide a removal that takes rows along is followed, for the message.
_DEPTH_MAX: Final = 4
_ROWS_MAX: Final = 50
_HIDDEN: Final = ("sealed", "hashed", "bytes")
#: SQLite reports a broken RESTRICT as if a trigger had said this.
_RESTRICTED: Final = "FOREIGN KEY constraint failed"

#: The values of one row by column, as the driver takes them.
Values = dict[str, Any]


def explain(
    violation: ConstraintViolation,
    link: Link,
    context: Context,
    *,
    record: type[Record] | None = None,
    written: Sequence[Values] = (),
    before: Values | None = None,
    own: Sequence[str] = (),
) -> CallError:
    """
    The call error that tells what was refused.

    Args:
        violation: What the engine said.
        link: Asked which row or reference it was, on the refused statement's own transaction.
        context: Knows the schema's records.
        record: What was written, if that is known.
        written: The values of each row that was to be written.
        before: The row that was to be changed or removed, as it is stored.
        own: The columns by which a row that may be overwritten is known.
    """
    where = violation.table or _table_of_check(violation, context, record)
    if where is not None and (record is None or where != record.__table__.name):
        # A trigger wrote there; of that row nothing is known.
        record, written, before = context.records.get(where), (), None
    table = violation.table or (str(record.__table__.name) if record is not None else "the table")
    data: dict[str, Any] = {"table": table}
    scene = _Scene(link, context, record)
    kind = violation.kind
    if kind == "reference" or (kind == "trigger" and violation.name == _RESTRICTED):
        return _reference(scene, written, before, data)
    if kind == "unique":
        return _unique(
            scene, violation.columns, table=table, written=written, before=before, own=own,
            data=data,
        )  # fmt: skip
    return _rule(violation, table, record, data)


def _table_of_check(
    violation: ConstraintViolation, context: Context, record: type[Record] | None
) -> str | None:
    """Whose check of that name is broken; its own table's before all others."""
    if violation.kind != "check":
        return None
    own = [record] if record is not None else []
    for each in (*own, *context.records.values()):
        for constraint in each.__table__.constraints:
            if isinstance(constraint, sa.CheckConstraint) and constraint.name == violation.name:
                return str(each.__table__.name)
    return None


class _Scene:
    """Where it happened, and a look around."""

    def __init__(self, link: Link, context: Context, record: type[Record] | None) -> None:
        self.link = link
        self.context = context
        self.record = record
        self.table = str(record.__table__.name) if record is not None else ""

    def exists(
        self,
        table: str,
        columns: Sequence[str],
        values: Sequence[Any],
        *,
        but: tuple[Sequence[str], Sequence[Any]] = ((), ()),
    ) -> bool:
        """A row of the table has these values; not the one that has the values `but`."""
        where = self._where(columns)
        if but[0]:
            where += f" AND NOT ({self._where(but[0], len(columns) + 1)})"
        sql = f'SELECT 1 FROM "{table}" WHERE {where} LIMIT 1'  # noqa: S608
        return bool(self.link.rows(sql, [*values, *but[1]]))

    def rows(
        self, record: type[Record], columns: Sequence[str], values: Sequence[Any]
    ) -> list[Values]:
        """Some rows of a record that have these values."""
        names = [field.column for field in record.__fields__]
        listed = ", ".join(quoted(name) for name in names)
        sql = (
            f'SELECT {listed} FROM "{record.__table__.name}" '  # noqa: S608
            f"WHERE {self._where(columns)} LIMIT {_ROWS_MAX}"
        )
        return [dict(zip(names, row, strict=True)) for row in self.link.rows(sql, values)]

    def _where(self, columns: Sequence[str], first: int = 1) -> str:
        is_sqlite = self.context.dialect == "sqlite"
        marks = ["?" if is_sqlite else f"${n}" for n in range(first, first + len(columns))]
        pairs = zip(columns, marks, strict=True)
        return " AND ".join(f"{quoted(column)} = {mark}" for column, mark in pairs)


def _unique(
    scene: _Scene, columns: tuple[str, ...], *, table: str, written: Sequence[Values],
    before: Values | None, own: Sequence[str], data: dict[str, Any],
) -> CallError:  # fmt: skip
    guilty = written[0] if len(written) == 1 else _twice(scene, columns, table, written)
    if guilty:
        columns = _first_taken(scene, columns, guilty, beside=written, before=before, own=own)
    data["columns"] = list(columns)
    return AlreadyExists(
        f"{table} already has a row with {_said(scene.record, columns, guilty)}.",
        hint="Read that row, or choose another value.",
        path=_path(scene.record, columns),
        data=data,
    )


def _first_taken(
    scene: _Scene, told: tuple[str, ...], guilty: Values, *, beside: Sequence[Values],
    before: Values | None, own: Sequence[str],
) -> tuple[str, ...]:  # fmt: skip
    """
    Of several unique values that are taken, those of the constraint that was declared first.

    Each engine tells the one that it happened to look at first.
    """
    uniques = _uniques(scene.record)
    full = {**(before or {}), **guilty}
    known = uniques[0] if uniques and before is not None else tuple(own)
    # The row that is changed or overwritten does not stand in its own way.
    itself = (known, [(before or guilty).get(column) for column in known])
    for columns in uniques:
        if columns == told:
            break
        wanted = [full.get(column) for column in columns]
        if None in wanted or sorted(columns) == sorted(known):
            continue
        if scene.exists(scene.table, columns, wanted, but=itself) or any(
            [other.get(column) for column in columns] == wanted
            for other in beside
            if other is not guilty
        ):
            return columns
    return told


def _uniques(record: type[Record] | None) -> list[tuple[str, ...]]:
    """The columns of each unique constraint: key, constraints, indexes without a condition."""
    if record is None:
        return []
    table = record.__table__
    found = [tuple(str(column.name) for column in table.primary_key.columns)]
    uniques = [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    indexes = [
        each
        for each in table.indexes
        if each.unique and each.dialect_options["sqlite"]["where"] is None
    ]
    parts: list[Any] = [
        *sorted(uniques, key=lambda each: each._creation_order),
        *sorted(indexes, key=lambda each: str(each.name)),
    ]
    return [*found, *(tuple(str(column.name) for column in part.columns) for part in parts)]


def _twice(
    scene: _Scene, columns: tuple[str, ...], table: str, written: Sequence[Values]
) -> Values:
    """The first of many rows whose values are taken, in the table or by one before it."""
    seen: set[tuple[Any, ...]] = set()
    for values in written if columns else ():
        wanted = tuple(values.get(column) for column in columns)
        if None in wanted:
            continue
        if wanted in seen or scene.exists(table, columns, wanted):
            return values
        seen.add(wanted)
    return {}


def _rule(
    violation: ConstraintViolation, table: str, record: type[Record] | None, data: dict[str, Any]
) -> CallError:
    columns = violation.columns
    if violation.kind == "trigger":
        return RuleBroken(_sentence(violation.name or "a trigger refused the row"), data=data)
    hint = ""
    if violation.kind == "not_null":
        names = ", ".join(columns)
        sentence = f"{table}.{names} may not be null." if names else f"{table} refused a null."
        hint = "Give it a value."
    elif violation.kind == "type":
        sentence = _sentence(violation.name or f"{table} refused a value's type")
    else:
        columns, sentence = _checked(violation.name or "", table, record)
    data["columns"] = list(columns)
    return RuleBroken(sentence, hint=hint, path=_path(record, columns), data=data)


def _checked(name: str, table: str, record: type[Record] | None) -> tuple[tuple[str, ...], str]:
    """The columns and the sentence of a broken check."""
    for field in record.__fields__ if record is not None else ():
        allowed: tuple[Any, ...] = field.kind.values
        if field.kind.name == "bool":
            allowed = (True, False)
        if allowed and name == values_check_name(table, field.column):
            listed = ", ".join(repr(value) for value in allowed)
            return (field.column,), f"{table}.{field.column} must be one of {listed}."
    return (), f"{table} refused the row: the rule {name} does not hold."


def _reference(
    scene: _Scene, written: Sequence[Values], before: Values | None, data: dict[str, Any]
) -> CallError:
    record = scene.record
    if record is None:
        return _somewhere(data)
    for values in written:
        full = {**before, **values} if before else values
        found = _points_nowhere(scene, record, full, data, beside=written)
        if found is not None:
            return found
    if before is not None:
        changed = {**before, **written[0]} if written else None
        blocker = _blocker(scene, record, before, changed)
        if blocker is None and written:
            return _somewhere(data)
        if blocker is not None:
            data["referencedBy"] = blocker
        return ReferenceBroken(
            f"the row of {record.__table__.name} is still referenced"
            + (f" by {blocker}." if blocker else "."),
            hint="Remove or detach what points at it first.",
            data=data,
        )
    return _somewhere(data)


def _somewhere(data: dict[str, Any]) -> CallError:
    return ReferenceBroken(
        "a reference points at no row, or a row is still pointed at.",
        hint="Look at the references of the rows that the statement touches.",
        data=data,
    )


def _points_nowhere(
    scene: _Scene, record: type[Record], values: Values, data: dict[str, Any], *,
    beside: Sequence[Values],
) -> CallError | None:  # fmt: skip
    """The first reference of the row that finds no row, not even among those beside it."""
    for constraint in references_of(record.__table__):
        columns = tuple(column.name for column in constraint.columns)
        wanted = [values.get(column) for column in columns]
        target, remote = _target(constraint)
        if None in wanted or scene.exists(target, remote, wanted):
            continue
        if target == record.__table__.name and any(
            [other.get(column) for column in remote] == wanted for other in beside
        ):
            continue
        data["columns"] = list(columns)
        return ReferenceBroken(
            f"{_said(record, columns, values)} points at no row of {target}.",
            hint=f"Create the row of {target} first, or choose one that is there.",
            path=_path(record, columns),
            data=data,
        )
    return None


def _blocker(
    scene: _Scene, record: type[Record], before: Values, changed: Values | None, depth: int = 0
) -> str | None:
    """
    The first column that still points at the row, or at what an update takes away from it.

    What a removal takes along is looked at in turn: the row that stands in the way may point
    at a row of a row.
    """
    for child in scene.context.records.values():
        for constraint in references_of(child.__table__):
            target, remote = _target(constraint)
            wanted = [before.get(column) for column in remote]
            if target != record.__table__.name or None in wanted:
                continue
            if changed is not None and wanted == [changed.get(column) for column in remote]:
                continue
            columns = [column.name for column in constraint.columns]
            action = constraint.ondelete if changed is None else constraint.onupdate
            if action in (None, "RESTRICT"):
                if scene.exists(child.__table__.name, columns, wanted):
                    return f"{child.__table__.name}.{', '.join(columns)}"
            elif action == "CASCADE" and changed is None and depth < _DEPTH_MAX:
                for row in scene.rows(child, columns, wanted):
                    found = _blocker(scene, child, row, None, depth + 1)
                    if found is not None:
                        return found
    return None


def _target(constraint: sa.ForeignKeyConstraint) -> tuple[str, list[str]]:
    names = [element.target_fullname.rsplit(".", 1) for element in constraint.elements]
    return names[0][0], [column for _, column in names]


def _said(record: type[Record] | None, columns: Sequence[str], values: Values) -> str:
    """`email 'ada@example.com'`; a value that is secret or long is not shown."""
    parts = []
    for column in columns:
        value = values.get(column)
        field = _field(record, column)
        hidden = value is None or (field is not None and field.kind.name in _HIDDEN)
        text = repr(value)
        parts.append(f"that {column}" if hidden or len(text) > _SHOWN_MAX else f"{column} {text}")
    return " and ".join(parts) or "these values"


def shown(plan: RecordPlan, key: Any) -> str:
    """A key for a message: as it is, unless a part of it is secret or long."""
    text = repr(key)
    hidden = any(field.kind.name in _HIDDEN for field in plan.key)
    return "with that key" if hidden or len(text) > _SHOWN_MAX else text


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _field(record: type[Record] | None, column: str) -> Field | None:
    fields = record.__fields__ if record is not None else ()
    return next((field for field in fields if field.column == column), None)


def _path(record: type[Record] | None, columns: Sequence[str]) -> str | None:
    field = _field(record, columns[0]) if columns else None
    return wire_name(field.name) if field is not None else None
