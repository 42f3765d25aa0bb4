"""
`any_of`: a column has one of the values of a list, however long the list is.

The list travels as one parameter, so the SQL stays one string: as JSON text on SQLite, as an
array on PostgreSQL. An element that the column can never equal fits no row on either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from freehold.db.affinity import equalled, sort_of
from freehold.errors import InvalidArgument, StatementError
from freehold.schema import Kind

_ARRAYS: Final = {
    "text": "TEXT[]", "integer": "BIGINT[]", "real": "DOUBLE PRECISION[]", "blob": "BYTEA[]"
}  # fmt: skip


def any_of(column: Any, values: Any) -> Any:
    """
    The column has one of the values of a list parameter, however many they are.

    The list travels as one parameter, so the SQL stays one string. An empty list fits no row.

    Raises:
        StatementError: The column's values do not travel as JSON.
    """
    kind: Kind | None = getattr(column.type, "kind", None)
    if kind is not None and kind.name in ("bytes", "json", "sealed"):
        raise StatementError(
            f"any_of cannot compare a {kind.name} column.", hint="Compare it with == one by one."
        )
    as_json = sa.type_coerce(values, JsonList(kind))
    each = sa.func.json_each(as_json).table_valued("value")
    return AnyOf(column.in_(sa.select(each.c.value)), column, _as_parameter(values, kind))


def _as_parameter(values: Any, kind: Kind | None) -> Any:
    if isinstance(values, sa.BindParameter) and values.required:
        return sa.bindparam(values.key, required=True, type_=ArrayList(kind))
    return sa.literal(values, ArrayList(kind, None if kind else sort_of_list(values)))


class AnyOf(sa.ColumnElement[bool]):
    """
    The condition, as both engines say it.

    Args:
        portable: With a table of JSON.
        column: What is compared.
        array: The list as an array.
        negated: None of the values instead.
    """

    inherit_cache = True
    _traverse_internals = [
        ("portable", InternalTraversal.dp_clauseelement),
        ("column", InternalTraversal.dp_clauseelement),
        ("array", InternalTraversal.dp_clauseelement),
        ("negated", InternalTraversal.dp_boolean),
    ]
    type = sa.Boolean()

    def __init__(self, portable: Any, column: Any, array: Any, *, negated: bool = False) -> None:
        self.portable = portable
        self.column = column
        self.array = array
        self.negated = negated

    def _negate(self) -> AnyOf:
        return AnyOf(~self.portable, self.column, self.array, negated=not self.negated)

    def self_group(self, against: Any = None) -> Any:
        return self

    @property
    def _from_objects(self) -> Any:
        return self.column._from_objects


@compiles(AnyOf)
def _as_table(element: AnyOf, compiler: Any, **options: Any) -> Any:
    return compiler.process(element.portable, **options)


@compiles(AnyOf, "postgresql")
def _as_array(element: AnyOf, compiler: Any, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    array = compiler.process(element.array, **options)
    return f"{column} <> ALL ({array})" if element.negated else f"{column} = ANY ({array})"


class JsonList(sa.types.TypeDecorator[Any]):
    """The type of a list parameter as JSON text of values as the column stores them."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, element: Kind | None = None) -> None:
        super().__init__()

        def write(values: Any) -> str:
            written = _elements(values, element)
            try:
                return msgspec.json.encode(written).decode()
            except UnicodeEncodeError:
                raise InvalidArgument("a text in it holds a lone surrogate.") from None

        self.kind = Kind("list", sa.Text(), "text", write=write, compare=write)


class ArrayList(sa.types.TypeDecorator[Any]):
    """The type of a list parameter as an array of values that the column can equal."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, element: Kind | None = None, holds: str | None = None) -> None:
        super().__init__()
        holds = element.holds if element is not None else holds
        #: What its parameter is cast to; a list for no column in particular is one of texts.
        self.list_cast = _ARRAYS[holds or "text"]
        #: The sort of its elements decides, when the list is there.
        self.is_open = holds is None
        write = _array_writer(element, holds)
        self.kind = Kind("list", sa.Text(), "text", write=write, compare=write)


def sort_of_list(values: Any) -> str:
    """The sort of the elements of a list."""
    sorts = {sort_of(value) for value in values if value is not None}
    if sorts == {"integer", "real"}:
        return "real"
    return next(iter(sorts)) or "text" if len(sorts) == 1 else "text"


def _array_writer(element: Kind | None, holds: Any) -> Callable[[Any], list[Any]]:
    def write(values: Any) -> list[Any]:
        written = _elements(values, element)
        if holds is None:
            return written
        made = []
        for value in written:
            wanted = None if value is None else equalled(holds, value)
            if isinstance(wanted, str):
                try:
                    wanted.encode()
                except UnicodeEncodeError:
                    raise InvalidArgument("a text in it holds a lone surrogate.") from None
            is_possible = (
                "\0" not in wanted
                if isinstance(wanted, str)
                else not isinstance(wanted, int) or -(2**63) <= wanted < 2**63
            )
            if (value is None or wanted is not None) and is_possible:
                made.append(wanted)
        return made

    return write


def _elements(values: Any, element: Kind | None) -> list[Any]:
    if isinstance(values, str):
        raise StatementError("any_of takes a list and was given one text.")
    write = element.compare if element is not None else None
    return list(values) if write is None else [write(value) for value in values]
