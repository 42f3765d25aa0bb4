"""
`Record`: one class that is the type of a row and the description of its table.

The class body becomes a `msgspec.Struct` (so rows are typed objects that encode at C
speed) and, in `table`, a SQLAlchemy table. What is wrong with it is told when the module
is imported, with the record, the field and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import msgspec
import sqlalchemy as sa
from msgspec import UNSET

from freehold.errors import SchemaError
from freehold.schema.fields import Field, fields_of
from freehold.schema.marks import Check, ForeignKey, Index, Trigger, Unique
from freehold.schema.structs import StructMeta, resolve_hints, with_safe_ints
from freehold.schema.table import TableParts, table_of

_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class RecordMeta(StructMeta):
    """Turns a class body into a struct and a table."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        table: str | None = None,
        primary_key: tuple[str, ...] = (),
        indexes: Sequence[Index] = (),
        uniques: Sequence[Unique] = (),
        foreign_keys: Sequence[ForeignKey] = (),
        checks: Sequence[Check] = (),
        triggers: Sequence[Trigger] = (),
        was: str | None = None,
        **config: Any,
    ) -> Any:
        config.setdefault("kw_only", True)
        if table is None:
            if any(isinstance(base, RecordMeta) for base in bases):
                raise SchemaError(
                    f"{name}: a record needs its table's name.",
                    hint=f'Write `class {name}(Record, table="…")`.',
                )
            return msgspec.StructMeta.__new__(mcls, name, bases, namespace, **config)
        _check_table_name(name, table)
        hints = resolve_hints(name, namespace, 2)
        fields = fields_of(name, hints, namespace)
        namespace["__annotations__"] = {key: with_safe_ints(hint) for key, hint in hints.items()}
        for field in fields:
            if field.is_automatic:
                namespace[field.name] = UNSET
        cls: Any = msgspec.StructMeta.__new__(mcls, name, bases, namespace, **config)
        parts = TableParts(
            primary_key, tuple(indexes), tuple(uniques), tuple(foreign_keys), tuple(checks),
            tuple(triggers), was,
        )  # fmt: skip
        cls.__fields__ = fields
        cls.__parts__ = parts
        cls.__table__ = table_of(name, table, fields, parts)
        cls.c = cls.__table__.c
        return cls


class Record(msgspec.Struct, metaclass=RecordMeta, kw_only=True, rename="camel"):
    """
    A table, and the type of its rows.

        class Idea(Record, table="ideas"):
            id: Annotated[str, PrimaryKey()]
            title: str
            created_at: CreatedAt = AUTO

    `Idea.c.title` is the column in a statement. Fields are keyword arguments; a field that
    is `AUTO` is set by the insert.
    """

    __fields__: ClassVar[tuple[Field, ...]]
    __parts__: ClassVar[TableParts]
    __table__: ClassVar[sa.Table]
    if TYPE_CHECKING:
        c: ClassVar[Any]


def _check_table_name(name: str, table: str) -> None:
    if not _TABLE_NAME.fullmatch(table):
        raise SchemaError(
            f"{name}: {table!r} is not a table name.",
            hint="Use letters, digits and underscores, no digit first, 63 characters at most.",
        )
    if table.lower().startswith("sqlite_"):
        raise SchemaError(f"{name}: names that begin with sqlite_ are the engine's.")
