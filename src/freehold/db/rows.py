"""
From a driver's tuple to a typed object and back, by functions written for each shape.

A generic loop over columns costs more than the read itself, so for each record (and each
shape that a statement selects) one small function is generated, as `attrs` and
`dataclasses` do. What goes into the source text are field names that the schema has
checked to be identifiers, and numbers; never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from freehold.errors import StoredValueBroken, invariant
from freehold.scalars import INT_MAX, Sealed
from freehold.schema import Field, Kind

RowReader = Callable[[tuple[Any, ...]], Any]
#: (field, how it is stored, column) of one column of a row.
Column = tuple[str, Kind | None, str]


def row_reader(
    shape: type, columns: Sequence[Column], *, table: str = "", key: Sequence[int] = ()
) -> RowReader:
    """
    A function that makes one object of one row.

    Args:
        shape: The struct to make.
        columns: For each column of the row, the field it fills, how it is stored, its name.
        table: The record's table, for the place of sealed values and for messages.
        key: Which columns are the key, for the place of sealed values.
    """
    scope: dict[str, Any] = {"shape": shape, "stored": Sealed.stored}
    names = [f"c{number}" for number in range(len(columns))]
    arguments = []
    for name, (field, kind, column) in zip(names, columns, strict=True):
        invariant(field.isidentifier(), f"{field!r} is no identifier")
        arguments.append(f"{field}={_reading(name, kind, scope, at=(table, column), key=key)}")
    lines = [
        "def read(row):",
        f"    {', '.join(names)}, = row",
        f"    return shape({', '.join(arguments)})",
    ]
    read: RowReader = _define("read", lines, scope)
    return read


def value_reader(kind: Kind | None, column: str) -> RowReader:
    """A function that makes one value of a row of one column."""
    if kind is None or kind.read is None:
        return _first_column
    scope: dict[str, Any] = {}
    reading = _reading("c0", kind, scope, at=("", column), key=())
    read: RowReader = _define("read", ["def read(row):", "    c0, = row", f"    return {reading}"],
                              scope)  # fmt: skip
    return read


def _first_column(row: tuple[Any, ...]) -> Any:
    return row[0]


def _reading(
    name: str, kind: Kind | None, scope: dict[str, Any], *, at: tuple[str, str], key: Sequence[int]
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
    if kind.name == "bool":
        return f"{name} if {name} is None else {name} != 0"
    reader = f"read_{name}"
    scope[reader] = _document_reader(kind.read, at) if kind.name == "json" else kind.read
    return f"None if {name} is None else {reader}({name})"


def _document_reader(read: Callable[[Any], Any], at: tuple[str, str]) -> Callable[[Any], Any]:
    table, column = at

    def read_document(text: Any) -> Any:
        try:
            return read(text)
        except (msgspec.DecodeError, RecursionError, TypeError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
        raise StoredValueBroken(
            f"{'.'.join(filter(None, at))} holds text that does not fit its type: {reason}.",
            table=table,
            column=column,
        )

    return read_document


#: From a row, and a function that seals (field, value), to the values of its fields.
RowWriter = Callable[[Any, Callable[[Field, Any], Any]], list[Any]]


def row_writer(fields: Sequence[Field]) -> RowWriter:
    """
    A function that makes a list of stored values of one record.

    It raises what a kind's `write` raises, without a field's name: which one it was is
    looked for only then, see `Writer`.
    """
    scope: dict[str, Any] = {}
    parts = []
    for number, field in enumerate(fields):
        invariant(field.name.isidentifier(), f"{field.name!r} is no identifier")
        value = f"row.{field.name}"
        if field.kind.is_sealed:
            scope[f"f{number}"] = field
            parts.append(f"None if (v := {value}) is None else seal(f{number}, v)")
        elif field.kind.write is None:
            parts.append(value)
        else:
            scope[f"w{number}"] = field.kind.write
            is_good = _GOOD.get(field.kind.name, "False")
            parts.append(f"v if (v := {value}) is None or {is_good} else w{number}(v)")
    lines = ["def values(row, seal):", f"    return [{', '.join(f'({p})' for p in parts)}]"]
    values: RowWriter = _define("values", lines, scope)
    return values


#: What `write` looks at first, here without a call: most values are good as they are.
_GOOD: Final = {"str": "'\\0' not in v", "int": f"-{INT_MAX} <= v <= {INT_MAX}"}


def _define(name: str, lines: list[str], scope: dict[str, Any]) -> Any:
    source = "\n".join(lines)
    exec(compile(source, f"<freehold {name}>", "exec"), scope)  # noqa: S102 - see the module
    return scope[name]
