"""
`Record`: one class that is the type of a row and the description of its table.

The class body becomes a `msgspec.Struct` (so rows are typed objects that encode at C
speed) and, in `table`, a SQLAlchemy table. What is wrong with it is told when the module
is imported, with the record, the field and what to write instead.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET

from freehold.errors import SchemaError, StatementError
from freehold.schema.fields import Field, fields_of
from freehold.schema.marks import Check, ForeignKey, Index, Trigger, Unique
from freehold.schema.parts import TableParts, parts_of
from freehold.schema.structs import StructMeta, build_struct, resolve_hints, with_safe_ints
from freehold.schema.table import table_of

_TABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
#: msgspec's own options that leave the wire's names as they are.
_OPTIONS: Final = frozenset(("frozen", "eq", "order", "gc", "weakref", "cache_hash"))


class Columns:
    """
    The columns of a record, for statements: `Idea.c.title`.

    Each is found by its field's name, and by its own where that differs.
    """

    def __init__(self, record: str, fields: tuple[Field, ...], table: sa.Table) -> None:
        by_column = {field.column: table.c[field.column] for field in fields}
        self.__dict__.update(by_column)
        self.__dict__.update({field.name: table.c[field.column] for field in fields})
        self.__record__ = record
        self.__all__ = tuple(by_column.values())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        fields = (each for each in self.__dict__ if not each.startswith("__"))
        raise StatementError(
            f"{self.__record__} has no field {name!r}.",
            hint=f"Its fields are {', '.join(fields)}.",
        )

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__all__)


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
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
        parents = [base for base in bases if isinstance(base, RecordMeta)]
        if not parents:
            return msgspec.StructMeta.__new__(mcls, name, bases, namespace, **config)
        _check_class_line(name, table, bases, config)
        hints = resolve_hints(name, namespace, 2)
        fields = fields_of(name, hints, namespace)
        namespace["__annotations__"] = {key: with_safe_ints(hint) for key, hint in hints.items()}
        for field in fields:
            if field.is_automatic:
                namespace[field.name] = UNSET
        parts = parts_of(
            name, fields, primary_key=primary_key, indexes=indexes, uniques=uniques,
            foreign_keys=foreign_keys, checks=checks, triggers=triggers, was=was,
        )  # fmt: skip
        built = table_of(name, str(table), fields=fields, parts=parts)
        config["kw_only"] = True
        cls = build_struct(mcls, name, bases=bases, namespace=namespace, config=config)
        cls.__fields__ = fields
        cls.__parts__ = parts
        cls.__table__ = built
        cls.c = Columns(name, fields, built)
        return cls


# Said again here: a type checker asks the nearest class, and msgspec says positional.
@typing.dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
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


def _check_class_line(
    name: str, table: str | None, bases: tuple[type, ...], config: dict[str, Any]
) -> None:
    if len(bases) != 1 or hasattr(bases[0], "__table__"):
        raise SchemaError(
            f"{name}: a record inherits from Record alone; a row is of one table.",
            hint="Repeat the fields, or put what is shared into a Struct column.",
        )
    unknown = sorted(set(config) - _OPTIONS)
    if unknown:
        raise SchemaError(
            f"{name}: {unknown[0]!r} means nothing in the class line of a record.",
            hint="It takes table, primary_key, indexes, uniques, foreign_keys, checks, triggers "
            "and was.",
        )
    if table is None:
        raise SchemaError(
            f"{name}: a record needs its table's name.",
            hint=f'Write `class {name}(Record, table="…")`.',
        )
    _check_table_name(name, table)


def _check_table_name(name: str, table: Any) -> None:
    if not isinstance(table, str) or not _TABLE_NAME.fullmatch(table):
        raise SchemaError(
            f"{name}: {table!r} is not a table name.",
            hint="Use letters, digits and underscores, no digit first, 63 characters at most.",
        )
    if table.lower().startswith(("sqlite_", "pg_")):
        raise SchemaError(f"{name}: names that begin with sqlite_ or pg_ are the engine's.",
                          hint="Choose another name for the table.")  # fmt: skip
