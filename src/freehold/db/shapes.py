"""
What the rows of a statement become: a record, a struct, or one value.

A record's columns are read as the record says. A field of a struct, and a single value, are
read as their type says: the author wrote it, and an expression has no kind of its own.
"""

from __future__ import annotations

import types
from dataclasses import replace
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
import sqlalchemy as sa
from msgspec import UnsetType

from freehold.db.postgresql import is_truth
from freehold.db.rows import RowReader, row_reader, value_reader
from freehold.errors import SchemaError, StatementError
from freehold.schema import Kind, Record, Stored, read_hint

#: A condition that is selected: a number on every engine, unless it is asked for as a bool.
_TRUTH: Final = Kind("int", sa.BigInteger(), "integer", read=int)


def reader_of(core: Any, into: Any) -> RowReader | None:
    """
    What reads the rows of a statement; None when it has none.

    Raises:
        StatementError: The columns do not fill what they are to become.
    """
    columns = _columns(core)
    if not columns:
        return None
    for column in columns:
        kind = _kind_of(column)
        if kind is not None and kind.is_sealed and not _is_record(into):
            raise StatementError("a sealed column is read with its whole record.",
                                 hint="Use select(Record) or db.get.")  # fmt: skip
    if _is_record(into):
        return _record_reader(into, [str(column.key) for column in columns])
    if isinstance(into, type) and issubclass(into, msgspec.Struct):
        return _struct_reader(into, columns)
    if len(columns) != 1:
        raise StatementError(
            f"{len(columns)} columns do not become one {_name(into)}.",
            hint="Say into=… a struct with a field for each column.",
        )
    kind = _kind_for(f"into={_name(into)}", into, columns[0])
    return value_reader(kind, str(columns[0].key))


def _columns(core: Any) -> list[Any]:
    selected = getattr(core, "selected_columns", None)
    if selected is None:
        # INSERT, UPDATE and DELETE have rows when they say RETURNING.
        parts: Any = getattr(core, "_returning", ())
        return [column for part in parts for column in _columns_of_part(part)]
    return list(selected)


def _columns_of_part(part: Any) -> list[Any]:
    return list(part.c) if isinstance(part, sa.Table) else [part]


def _record_reader(record: type[Record], names: list[str]) -> RowReader:
    by_column = {field.column: field for field in record.__fields__}
    if sorted(names) != sorted(by_column):
        raise StatementError(
            f"the columns {', '.join(names)} are not those of {record.__name__}.",
            hint=f"Select {', '.join(by_column)}, or say into=… a struct.",
        )
    keys = [column.name for column in record.__table__.primary_key.columns]
    return row_reader(
        record,
        [(by_column[name].name, by_column[name].kind, name) for name in names],
        table=str(record.__table__.name),
        key=[names.index(key) for key in keys],
    )


def _struct_reader(into: type[msgspec.Struct], columns: list[Any]) -> RowReader:
    names = [str(column.key) for column in columns]
    fields = {field.name: field for field in msgspec.structs.fields(into)}
    faults = [f"no field {name!r}" for name in names if name not in fields]
    faults += [f"{name!r} twice" for name in fields if names.count(name) > 1]
    faults += [
        f"no column {name!r}" for name, f in fields.items() if f.required and name not in names
    ]
    if faults:
        raise StatementError(
            f"the columns {', '.join(names)} do not fill {into.__name__}: {'; '.join(faults)}.",
            hint="Name a column with .label(…).",
        )
    kinds = [
        _kind_for(f"{into.__name__}.{name}", fields[name].type, column)
        for name, column in zip(names, columns, strict=True)
    ]
    return row_reader(into, list(zip(names, kinds, names, strict=True)), table=into.__name__)


def _kind_for(where: str, hint: Any, column: Any) -> Kind | None:
    """How a column is read: as the type says which it becomes."""
    stored = _kind_of(column)
    hint = _without_unset(hint)
    is_condition = stored is None and is_truth(column)
    if hint is Any:
        return _TRUTH if is_condition else stored
    try:
        kind = read_hint(where, hint).kind
    except SchemaError as error:
        raise StatementError(error.detail, hint=error.hint) from None
    if kind.is_sealed:
        raise StatementError(f"{where}: a sealed value is read with its whole record.",
                             hint="Use select(Record) or db.get.")  # fmt: skip
    if kind.holds == "real" and (stored is None or stored.holds == "integer"):
        # A count and a sum of whole numbers are whole numbers, until they are asked for as floats.
        return replace(kind, read=float)
    if is_condition and kind.holds == "integer" and kind.read is None:
        return replace(kind, read=int)
    is_column = isinstance(_bare(column), sa.Column)
    if stored is not None and stored.holds != kind.holds and is_column:
        raise StatementError(
            f"{where} is {kind.name}, and the column {_bare(column)} holds {stored.holds}.",
            hint="Give the field the column's type.",
        )
    return kind


def _without_unset(hint: Any) -> Any:
    if get_origin(hint) is Annotated and UnsetType in get_args(get_args(hint)[0]):
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType) and UnsetType in get_args(hint):
        rest = tuple(arg for arg in get_args(hint) if arg is not UnsetType)
        return Union[rest]  # noqa: UP007 - built from a tuple
    return hint


def _kind_of(column: Any) -> Kind | None:
    return column.type.kind if isinstance(column.type, Stored) else None


def _bare(column: Any) -> Any:
    while isinstance(column, sa.Label):
        column = column.element
    return column


def _is_record(into: Any) -> bool:
    return isinstance(into, type) and issubclass(into, Record)


def _name(into: Any) -> str:
    return getattr(into, "__name__", None) or str(into)
