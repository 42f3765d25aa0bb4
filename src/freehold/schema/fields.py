"""
The fields of a record, read from its annotations and defaults, before there is a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET

from freehold.errors import SchemaError
from freehold.schema.kinds import Hint, Kind, read_hint
from freehold.schema.marks import Column, Index, PrimaryKey, References, Stamp, Unique, Was

_COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_MARKS = (Column, Index, PrimaryKey, References, Unique, Was)
#: What a record's class has of its own; a column may still be called so, see `Column`.
_RESERVED: Final = ("c",)


@dataclass(frozen=True)
class Field:
    """
    One field of a record and the column behind it.

    Args:
        name: The attribute in Python.
        column: The column in the table.
        kind: How it is stored.
        is_nullable: None is allowed.
        default: The value when left out; NODEFAULT when it must be given.
        is_automatic: The insert sets it.
        stamp: Which writes set a time, None for all other columns.
    """

    name: str
    column: str
    kind: Kind
    is_nullable: bool
    default: Any
    is_automatic: bool
    stamp: Stamp | None
    marks: tuple[Any, ...]

    def mark(self, kind: type) -> Any:
        """The mark of that kind, or None."""
        return next((mark for mark in self.marks if isinstance(mark, kind)), None)

    @property
    def is_key(self) -> bool:
        """The column alone is the primary key."""
        return self.mark(PrimaryKey) is not None


def fields_of(record: str, hints: dict[str, Any], namespace: dict[str, Any]) -> tuple[Field, ...]:
    """
    The record's fields in the order they are written.

    Raises:
        SchemaError: A field's name, type, mark or default cannot be.
    """
    own = {name: hint for name, hint in hints.items() if name in namespace["__annotations__"]}
    fields = [
        _field(record, name, hint, namespace.get(name, NODEFAULT))
        for name, hint in own.items()
        if get_origin(hint) is not ClassVar
    ]
    if not fields:
        raise SchemaError(f"{record}: a record needs at least one field.")
    seen: dict[str, str] = {}
    for field in fields:
        other = seen.setdefault(field.column.lower(), field.name)
        if other != field.name:
            raise SchemaError(
                f"{record}.{field.name}: the column {field.column!r} is already {record}.{other}."
            )
    return tuple(fields)


def _field(record: str, name: str, annotation: Any, default: Any) -> Field:
    where = f"{record}.{name}"
    if name in _RESERVED:
        raise SchemaError(
            f"{where}: records use the name {name!r} themselves.",
            hint=f'Call the field otherwise and keep the column: Annotated[…, Column("{name}")].',
        )
    hint = read_hint(where, annotation)
    for mark in hint.marks:
        if not isinstance(mark, (*_MARKS, msgspec.Meta)):
            raise SchemaError(
                f"{where}: {mark!r} means nothing in a record.",
                hint="Marks are PrimaryKey(), References(…), Index(), Unique(), Column(…), Was(…)."
                + (" Write it with parentheses." if isinstance(mark, type) else ""),
            )
    column = next((mark.name for mark in hint.marks if isinstance(mark, Column)), name)
    if not _COLUMN_NAME.fullmatch(column):
        raise SchemaError(
            f"{where}: {column!r} is not a column name.",
            hint="Use letters, digits and underscores, 63 characters at most.",
        )
    is_automatic = default is UNSET or (
        default is NODEFAULT and hint.stamp is not None and hint.stamp.on_insert
    )
    _check_default(where, hint, default, is_automatic)
    return Field(
        name, column, hint.kind, hint.is_nullable, default, is_automatic, hint.stamp, hint.marks
    )


def _check_default(where: str, hint: Hint, default: Any, is_automatic: bool) -> None:
    if is_automatic:
        counted = any(isinstance(m, PrimaryKey) and m.autoincrement for m in hint.marks)
        if not counted and not (hint.stamp and hint.stamp.on_insert):
            raise SchemaError(
                f"{where}: AUTO is for CreatedAt, UpdatedAt and PrimaryKey(autoincrement=True).",
                hint="Give a value as default, or none.",
            )
        return
    if default is NODEFAULT:
        return
    if default is None and not hint.is_nullable:
        raise SchemaError(f"{where}: None is the default of a field that may not be None.",
                          hint="Add `| None` to its type.")  # fmt: skip
    if hint.kind.values and default is not None and default not in hint.kind.values:
        allowed = ", ".join(repr(value) for value in hint.kind.values)
        raise SchemaError(f"{where}: {default!r} is not one of {allowed}.")
    if (hint.kind.is_sealed or hint.kind.name == "hashed") and default is not None:
        raise SchemaError(f"{where}: a secret has no default in the code.")
