"""
From a driver's tuple to a typed object and back, by functions written for each shape.

A generic loop over columns costs more than the read itself, so for each record (and each
shape that a statement selects) one small function is generated, as `attrs` and
`dataclasses` do. What goes into the source text are field names that the schema has
checked to be identifiers, and numbers; never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from freehold.crypto import Place, open_sealed, seal
from freehold.db.link import Context
from freehold.errors import InvalidArgument, KeysMissing, invariant
from freehold.scalars import Sealed
from freehold.schema import Field, Kind

RowReader = Callable[[tuple[Any, ...]], Any]


def row_reader(shape: type, columns: Sequence[tuple[str, Kind | None, str]], *,
               table: str = "", key: Sequence[int] = ()) -> RowReader:  # fmt: skip
    """
    A function that makes one object of one row.

    Args:
        shape: The struct to make.
        columns: For each column of the row, the field it fills, how it is stored, its name.
        table: The record's table, for the place of sealed values.
        key: Which columns are the key, for the same.
    """
    scope: dict[str, Any] = {"shape": shape, "stored": Sealed.stored}
    names = [f"c{number}" for number in range(len(columns))]
    arguments = []
    for name, (field, kind, column) in zip(names, columns, strict=True):
        invariant(field.isidentifier(), f"{field!r} is no identifier")
        arguments.append(f"{field}={_reading(name, kind, scope, (table, column), key)}")
    lines = [
        "def read(row):",
        f"    {', '.join(names)}, = row",
        f"    return shape({', '.join(arguments)})",
    ]
    read: RowReader = _define("read", lines, scope)
    return read


def _reading(
    name: str, kind: Kind | None, scope: dict[str, Any], at: tuple[str, str], key: Sequence[int]
) -> str:
    """The expression that reads one column."""
    if kind is None:
        return name
    if kind.is_sealed:
        place = f"place_{name}"
        scope[place] = at
        keys = ", ".join(f"c{number}" for number in key)
        return f"None if {name} is None else stored({name}, (*{place}, ({keys},)))"
    if kind.read is None:
        return name
    if kind.read is bool:
        return f"{name} if {name} is None else {name} != 0"
    reader = f"read_{name}"
    scope[reader] = kind.read
    return f"None if {name} is None else {reader}({name})"


RowWriter = Callable[[Any, Callable[[Field, Any], Any]], list[Any]]


def row_writer(fields: Sequence[Field]) -> RowWriter:
    """
    A function that makes a list of stored values of one record.

    Its second argument writes the values that need more than a look: checks, JSON, hashes.
    """
    scope: dict[str, Any] = {}
    parts = []
    for number, field in enumerate(fields):
        invariant(field.name.isidentifier(), f"{field.name!r} is no identifier")
        if field.kind.write is None and not field.kind.is_sealed:
            parts.append(f"row.{field.name}")
        else:
            scope[f"f{number}"] = field
            parts.append(f"write(f{number}, row.{field.name})")
    lines = ["def values(row, write):", f"    return [{', '.join(parts)}]"]
    values: RowWriter = _define("values", lines, scope)
    return values


def _define(name: str, lines: list[str], scope: dict[str, Any]) -> Any:
    source = "\n".join(lines)
    exec(compile(source, f"<freehold {name}>", "exec"), scope)  # noqa: S102 - see the module's words
    return scope[name]


def stored_value(context: Context, field: Field, value: Any, place: Callable[[], Place]) -> Any:
    """
    A field's value as the driver takes it.

    Raises:
        InvalidArgument: The value is outside what its type allows; `path` names the field.
    """
    if value is None:
        return None
    kind = field.kind
    if kind.is_sealed:
        return _sealed(context, value, place())
    if kind.write is None:
        return value
    try:
        return kind.write(value)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"{field.name}: {error.detail}", hint=error.hint, path=wire_name(field.name)
        ) from None


def _sealed(context: Context, value: Any, place: Place) -> str:
    if isinstance(value, str):
        value = Sealed.of(value)
    if value.ciphertext is not None:
        here = (place.table, place.column, place.key)
        if value.place == here:
            return str(value.ciphertext)
        value = Sealed.of(opened(context, value))
    return seal(_ring(context), value.plain(), place)


def opened(context: Context, value: Sealed[Any]) -> Any:
    """The plain text of a sealed value."""
    if value.ciphertext is None or value.place is None:
        return value.plain()
    table, column, key = value.place
    return open_sealed(
        _ring(context), value.ciphertext, Place(context.database, table, column, key)
    )


def _ring(context: Context) -> Any:
    if context.ring is None:
        raise KeysMissing(
            f"the database {context.database!r} has sealed columns and no column key was given.",
            hint="Name the secrets file with FREEHOLD_SECRETS_FILE, or set FREEHOLD_COLUMN_KEYS.",
        )
    return context.ring


def wire_name(name: str) -> str:
    """`user_id` as it is called on the wire: `userId`."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)
