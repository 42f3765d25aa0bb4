"""
The fields of a record, read from its annotations and defaults, before there is a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET

from freehold.errors import FreeholdError, SchemaError
from freehold.scalars import dec_hook
from freehold.schema.kinds import Hint, Kind, read_hint
from freehold.schema.marks import (
    Column,
    Index,
    Owner,
    PrimaryKey,
    References,
    Stamp,
    Unique,
    Was,
)
from freehold.schema.structs import FieldSpec

_COLUMN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_MARKS: Final = (Column, Index, Owner, PrimaryKey, References, Unique, Was)
#: What a record's class has of its own; a column may still be called so, see `Column`.
_RESERVED: Final = ("c",)
_KEY_KINDS: Final = frozenset(
    ("str", "int", "int64", "bool", "bytes", "literal", "hashed", "epoch_seconds", "epoch_millis")
)
#: What stands in a class body beside fields: methods, nested classes.
_BESIDE: Final = (type, property, classmethod, staticmethod)


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

    @property
    def can_be_key(self) -> bool:
        """A key is never None, never a secret, and equal to itself: no float, no JSON."""
        return not self.is_nullable and self.kind.name in _KEY_KINDS


def fields_of(record: str, hints: dict[str, Any], namespace: dict[str, Any]) -> tuple[Field, ...]:
    """
    The record's fields in the order they are written.

    Raises:
        SchemaError: A field's name, type, mark or default cannot be.
    """
    own = namespace.get("__annotations__", {})
    _refuse_untyped(record, own, namespace)
    fields = [
        _field(record, name, hint, namespace.get(name, NODEFAULT))
        for name, hint in hints.items()
        if name in own and get_origin(hint) is not ClassVar and hint is not ClassVar
    ]
    if not fields:
        raise SchemaError(f"{record}: a record needs at least one field.",
                          hint="id: Annotated[str, PrimaryKey()]")  # fmt: skip
    seen: dict[str, str] = {}
    for field in fields:
        other = seen.setdefault(field.column.lower(), field.name)
        if other != field.name:
            raise SchemaError(
                f"{record}.{field.name}: the column {field.column!r} is already {record}.{other}.",
                hint="Two columns may not differ by case alone; name one with Column(…).",
            )
    _check_owner(record, [field for field in fields if field.mark(Owner)])
    return tuple(fields)


def _check_owner(record: str, owners: list[Field]) -> None:
    """
    Refuse an owner that could be nobody, or two of them.

    Raises:
        SchemaError: There is such a one.
    """
    if len(owners) > 1:
        raise SchemaError(
            f"{record}: Owner() stands on {len(owners)} fields.",
            hint="A row has one owner; keep who else may see it in a table of its own.",
        )
    for owner in owners:
        if not owner.can_be_key:
            raise SchemaError(
                f"{record}.{owner.name}: an owner is never None, nor sealed, a float or JSON.",
                hint="Use the type of the owner's key, without `| None`.",
            )


def _refuse_untyped(record: str, own: dict[str, Any], namespace: dict[str, Any]) -> None:
    for name, value in namespace.items():
        if name in own or name.startswith("__") or callable(value) or isinstance(value, _BESIDE):
            continue
        raise SchemaError(
            f"{record}.{name}: it has a value and no type, so it is no field.",
            hint=f"Write {name}: <type> = …, or {name}: ClassVar[<type>] = … for a constant.",
        )


def _field(record: str, name: str, annotation: Any, default: Any) -> Field:
    where = f"{record}.{name}"
    if name in _RESERVED:
        raise SchemaError(
            f"{where}: records use the name {name!r} themselves.",
            hint=f'Call the field otherwise and keep the column: Annotated[…, Column("{name}")].',
        )
    hint = read_hint(where, annotation)
    _check_marks(where, hint)
    column = next((mark.name for mark in hint.marks if isinstance(mark, Column)), name)
    if not _COLUMN_NAME.fullmatch(column):
        raise SchemaError(
            f"{where}: {column!r} is not a column name.",
            hint="Use letters, digits and underscores, no digit first, 63 characters at most.",
        )
    default = _plain_default(where, default)
    counted = any(isinstance(mark, PrimaryKey) and mark.autoincrement for mark in hint.marks)
    sets_itself = counted or (hint.stamp is not None and hint.stamp.on_insert)
    is_automatic = default is UNSET or (default is NODEFAULT and sets_itself)
    if is_automatic and not sets_itself:
        raise SchemaError(
            f"{where}: AUTO is for CreatedAt, UpdatedAt and PrimaryKey(autoincrement=True).",
            hint="Give a value as default, or none.",
        )
    if counted and not is_automatic:
        raise SchemaError(f"{where}: a key that counts up has no other default.",
                          hint="Write = AUTO.")  # fmt: skip
    if not is_automatic and default is not NODEFAULT:
        default = _checked_default(where, hint, default)
    return Field(
        name, column, hint.kind, hint.is_nullable, default, is_automatic, hint.stamp, hint.marks
    )


def _check_marks(where: str, hint: Hint) -> None:
    seen: set[type] = set()
    for mark in hint.marks:
        if isinstance(mark, msgspec.Meta):
            raise SchemaError(
                f"{where}: Meta(…) binds what is decoded, not what is stored.",
                hint='Write checks=[Check("…", name="…")] in the class line; Meta in an Input.',
            )
        if not isinstance(mark, _MARKS):
            raise SchemaError(
                f"{where}: {mark!r} means nothing in a record.",
                hint="Marks are PrimaryKey(), References(…), Owner(), Index(), Unique(), "
                "Column(…), Was(…)."
                + (" Write it with parentheses." if isinstance(mark, type) else ""),
            )
        if type(mark) in seen:
            raise SchemaError(f"{where}: {type(mark).__name__} stands on it twice.",
                              hint="Keep one, or say the other in the class line.")  # fmt: skip
        seen.add(type(mark))


def _plain_default(where: str, default: Any) -> Any:
    """The default as a value, also when it was said with `field(…)`."""
    if isinstance(default, (*_MARKS, Stamp)) or default in _MARKS:
        mark = default if isinstance(default, type) else type(default)
        raise SchemaError(
            f"{where}: {mark.__name__} stands where the default does.",
            hint=f"Put it into the type: Annotated[…, {mark.__name__}(…)].",
        )
    is_open = isinstance(default, msgspec.Struct) and not default.__struct_config__.frozen
    if is_open or (isinstance(default, (list, dict, set, bytearray)) and default):
        raise SchemaError(f"{where}: all rows would share its default, and one can change it.",
                          hint="Write = field(default_factory=lambda: …).")  # fmt: skip
    if not isinstance(default, FieldSpec):
        return default
    if default.name is not None:
        raise SchemaError(
            f"{where}: field(name=…) would change its name on the wire.",
            hint="Call the field so, and keep the column with Column(…).",
        )
    if default.default_factory is NODEFAULT:
        return default.default
    made = default.default_factory()
    if made != default.default_factory():
        raise SchemaError(f"{where}: its default is another one each time.",
                          hint="Make the value in the function: db.new_id(), db.now.")  # fmt: skip
    return made


def _checked_default(where: str, hint: Hint, default: Any) -> Any:
    if default is None:
        if not hint.is_nullable:
            raise SchemaError(f"{where}: None is the default of a field that may not be None.",
                              hint="Add `| None` to its type.")  # fmt: skip
        return None
    if hint.kind.values and default not in hint.kind.values:
        allowed = ", ".join(repr(value) for value in hint.kind.values)
        raise SchemaError(f"{where}: {default!r} is not one of {allowed}.",
                          hint="Add it to the Literal, or choose another default.")  # fmt: skip
    if hint.kind.is_sealed or hint.kind.name == "hashed":
        raise SchemaError(f"{where}: a secret has no default in the code.",
                          hint="Give it when the row is made, or None.")  # fmt: skip
    try:
        if hint.kind.name == "int64" and type(default) is int:
            raise TypeError("write Int64(…)")
        made = msgspec.convert(default, hint.bare, strict=True, dec_hook=_as_it_is)
        if hint.kind.write is not None:
            hint.kind.write(made)
    except (TypeError, ValueError, FreeholdError) as error:
        raise SchemaError(
            f"{where}: its default does not fit its type: {str(error).rstrip('.')}.",
            hint="Give a value of that type as default, or none.",
        ) from None
    return float(default) if hint.kind.name == "float" else default


def _as_it_is(kind: Any, value: Any) -> Any:
    """A default is Python already, so a scalar of ours needs no reading."""
    return value if isinstance(value, kind) else dec_hook(kind, value)
