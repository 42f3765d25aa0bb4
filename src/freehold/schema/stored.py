"""
How SQLAlchemy is told of a kind, so that it travels along inside a statement.

A parameter compared with a column takes the column's type with it; so a compiled statement
knows how to write each of its parameters without asking SQLAlchemy at run time. Nothing
here converts a value: that is done by the kind, outside SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import operators

from freehold.errors import InvalidArgument
from freehold.schema.kinds import Kind

#: Operators whose other side is a value of the column's own kind. BETWEEN asks with `and_`.
_COMPARISONS: Final = frozenset(
    (
        operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge,
        operators.is_, operators.is_not, operators.is_distinct_from,
        operators.is_not_distinct_from, operators.in_op, operators.not_in_op,
        operators.between_op, operators.not_between_op, operators.and_,
    )
)  # fmt: skip


#: Operators whose other side is a pattern.
_LIKES: Final = frozenset(
    getattr(operators, f"{negated}{folded}{word}_op")
    for negated in ("", "not_")
    for folded in ("", "i")
    for word in ("like", "contains", "startswith", "endswith")
)
#: Bytes of a pattern: what SQLite takes, less a `%` at both ends.
_PATTERN_MAX: Final = 49_998


class _Operations:
    """Gives a parameter of LIKE, `+` and the like the bare storage type, without a kind."""

    type: Stored

    def operate(self, op: Any, *other: Any, **options: Any) -> Any:
        if op not in _COMPARISONS:
            storage = _PATTERN if op in _LIKES else self.type.kind.storage
            other = tuple(
                sa.type_coerce(each, storage)
                if isinstance(each, sa.BindParameter) and isinstance(each.type, sa.types.NullType)
                else each
                for each in other
            )
        return super().operate(op, *other, **options)  # type: ignore[misc]


def _write_pattern(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _PATTERN_MAX // 4:
        size = len(value.encode(errors="surrogatepass"))
        if size > _PATTERN_MAX:
            raise InvalidArgument(
                f"a pattern of {size} bytes is longer than the {_PATTERN_MAX} that LIKE takes.",
                hint="Look for a shorter part.",
            )
    return value


class Open(sa.types.NullType):
    """The type of a parameter, until it meets a column and takes that one's."""

    cache_ok = True

    class Comparator(sa.types.NullType.Comparator[Any]):
        """Takes the column's type also when the parameter stands first: `param("x") == T.c.x`."""

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            met = getattr(other[0], "type", None) if other else None
            if op in _COMPARISONS and isinstance(met, Stored):
                expression: Any = self.expr
                return op(expression._with_binary_element_type(met), *other, **options)
            return super().operate(op, *other, **options)

    comparator_factory = Comparator


class Stored(sa.types.TypeDecorator[Any]):
    """
    A column's type, which remembers its kind.

    `write` is what a value under this type goes through: here that of a comparison.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.impl = kind.storage  # type: ignore[assignment]

    @property
    def write(self) -> Callable[[Any], Any] | None:
        """From the Python value to the driver's, None when it is the same."""
        return self.kind.compare

    @property
    def comparator_factory(self) -> Any:  # type: ignore[override]
        """The operators of the storage type, with the rule of `_Operations`."""
        storage: Any = self.kind.storage
        bases = (_Operations, sa.types.TypeDecorator.Comparator, storage.comparator_factory)
        return type("StoredComparator", bases, {})

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """The type of a fixed value on the other side of an operator."""
        if isinstance(value, float) and self.kind.holds == "integer":
            return sa.Double()
        return self if op in _COMPARISONS else self.kind.storage

    def copy(self, **_: Any) -> Stored:
        return type(self)(self.kind)


_PATTERN: Final = Stored(
    Kind("pattern", sa.Text(), "text", write=_write_pattern, compare=_write_pattern)
)


class Written(Stored):
    """
    The type of a value that a column is set to: it goes through every check.

    Args:
        kind: The column's.
        column: Its name, for the message of a refusal.
    """

    cache_ok = True

    def __init__(self, kind: Kind, column: str = "") -> None:
        super().__init__(kind)
        self.column = column

    def copy(self, **_: Any) -> Written:
        return Written(self.kind, self.column)

    @property
    def write(self) -> Callable[[Any], Any] | None:
        """From the Python value to the driver's, None when it is the same."""
        return self.kind.write
