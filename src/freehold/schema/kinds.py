"""
How a Python type is stored: the column's type and the way there and back.

One `Kind` per sort of value. A kind with `write` or `read` None needs no conversion: the
driver takes and gives the value as it is, which is what keeps a point read short. How lists,
dicts and structs become text is in `documents`, how SQLAlchemy is told in `stored`.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin

import msgspec
import sqlalchemy as sa

from freehold.errors import InvalidArgument, SchemaError
from freehold.scalars import INT64_MAX, INT_MAX, Hashed, Int64, Sealed
from freehold.schema.documents import Document
from freehold.schema.marks import Stamp

#: Times outside these are in another unit than the column's (seconds for milliseconds, ...).
_SECONDS_MAX: Final = 10**11
_MILLIS_MAX: Final = 10**14

#: What sort of value the driver sees; references and results must agree on it.
Holds = Literal["text", "integer", "real", "blob"]


@dataclass(frozen=True)
class Kind:
    """
    One sort of stored value.

    Args:
        name: For messages and for the contract.
        storage: The column's type.
        holds: What the driver sees.
        write: From the Python value to the driver's, with its checks; None when it is the same.
        read: From the driver's value to Python's, None when it is the same.
        compare: As `write`, for a value that a column is only compared with.
        values: The allowed values of a Literal.
        is_sealed: Writing needs the key ring and the row's place.
    """

    name: str
    storage: sa.types.TypeEngine[Any]
    holds: Holds
    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None
    compare: Callable[[Any], Any] | None = None
    values: tuple[str | int, ...] = ()
    is_sealed: bool = False


#: Compared and ordered by code points on every engine, whatever its locale.
_TEXT: sa.types.TypeEngine[Any] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FLOAT: sa.types.TypeEngine[Any] = sa.Double().with_variant(sa.REAL(), "sqlite")
_BYTES = sa.LargeBinary().with_variant(sa.BLOB(), "sqlite")
_BOOL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def _write_text(value: str) -> str:
    if "\0" in value:
        raise InvalidArgument(
            "a text with a NUL character cannot be stored.",
            hint="Take it out: no text in a database may hold U+0000.",
        )
    return value


def _write_int(value: int) -> int:
    if not -INT_MAX <= value <= INT_MAX:
        raise InvalidArgument(
            f"{_shown(value)} is past ±(2^53-1), what every client can represent.",
            hint="Declare the column Int64 to store larger numbers.",
        )
    return value


def _write_int64(value: int) -> int:
    if not -INT64_MAX - 1 <= value <= INT64_MAX:
        raise InvalidArgument(
            f"{_shown(value)} is past 64 bits, what a column can hold.",
            hint="Store a larger number as text.",
        )
    return int(value)


def _write_float(value: float) -> float:
    if not -math.inf < value < math.inf:
        raise InvalidArgument(
            f"{value} is no number that can be stored.",
            hint="Use None for a missing value; NaN and infinity have no place in JSON or SQL.",
        )
    try:
        # Zero has no sign in a table of SQLite, so it has none anywhere.
        return float(value) + 0.0
    except OverflowError:
        raise InvalidArgument("the number is past what a float can hold.") from None


def _write_seconds(value: int) -> int:
    if not 0 <= value < _SECONDS_MAX:
        raise InvalidArgument(
            f"{_shown(value)} is not a time in epoch seconds.",
            hint="Seconds since 1970; divide milliseconds by 1,000.",
        )
    return value


def _write_millis(value: int) -> int:
    # 0 is 1970 in every unit, and what many a table says for "never".
    if value != 0 and not _SECONDS_MAX <= value < _MILLIS_MAX:
        raise InvalidArgument(
            f"{_shown(value)} is not a time in epoch milliseconds.",
            hint="Milliseconds since 1970; multiply seconds by 1,000.",
        )
    return value


# A filter may ask for everything since a moment before 1970; only the unit is looked at.


def _compare_seconds(value: int) -> int:
    return value if value < _SECONDS_MAX else _write_seconds(value)


def _compare_millis(value: int) -> int:
    return value if value < 0 else _write_millis(value)


def _write_hashed(value: Hashed | str) -> str:
    return value.digest if isinstance(value, Hashed) else Hashed.of(value).digest


def _read_bool(value: int) -> bool:
    return value != 0


def _shown(value: float) -> str:
    """The number; one of thousands of digits cannot be written and would be no help."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    return str(value)


TEXT: Final = Kind("str", _TEXT, "text", write=_write_text)
INT: Final = Kind("int", _INT, "integer", write=_write_int)
INT64: Final = Kind("int64", _INT, "integer", write=_write_int64, read=Int64, compare=int)
FLOAT: Final = Kind("float", _FLOAT, "real", write=_write_float)
BOOL: Final = Kind("bool", _BOOL, "integer", read=_read_bool)
BYTES: Final = Kind("bytes", _BYTES, "blob")
SECONDS: Final = Kind(
    "epoch_seconds", _INT, "integer", write=_write_seconds, compare=_compare_seconds
)
MILLIS: Final = Kind("epoch_millis", _INT, "integer", write=_write_millis, compare=_compare_millis)
HASHED: Final = Kind(
    "hashed", _TEXT, "text", write=_write_hashed, read=Hashed.stored, compare=_write_hashed
)
SEALED: Final = Kind("sealed", _TEXT, "text", is_sealed=True)

_PLAIN: Final[dict[Any, Kind]] = {
    str: TEXT, int: INT, Int64: INT64, float: FLOAT, bool: BOOL, bytes: BYTES, Hashed: HASHED
}  # fmt: skip


@dataclass(frozen=True)
class Hint:
    """An annotation taken apart: its kind, its bare type, whether None is allowed, its marks."""

    kind: Kind
    bare: Any
    is_nullable: bool
    marks: tuple[Any, ...] = field(default=())
    stamp: Stamp | None = None


def read_hint(where: str, hint: Any) -> Hint:
    """
    Take a field's annotation apart.

    Args:
        where: `Idea.title`, for the message.
        hint: The resolved annotation, `Annotated` included.

    Raises:
        SchemaError: There is no way to store the type; says what to write instead.
    """
    marks: list[Any] = []
    hint, is_nullable = _peel(hint, marks)
    stamp = next((mark for mark in marks if isinstance(mark, Stamp)), None)
    if stamp is not None and hint is not int:
        raise SchemaError(f"{where}: EpochSeconds, CreatedAt and the like stand alone.",
                          hint="Write EpochSeconds, or EpochSeconds | None.")  # fmt: skip
    kind = SECONDS if stamp and stamp.unit == "s" else MILLIS if stamp else _kind(where, hint)
    rest = tuple(mark for mark in marks if not isinstance(mark, Stamp))
    return Hint(kind, hint, is_nullable or hint is Any, rest, stamp)


def _peel(hint: Any, marks: list[Any]) -> tuple[Any, bool]:
    """Strip `Annotated`, `NewType` and `| None`, in whatever order they are nested."""
    is_nullable = False
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, *found = get_args(hint)
            marks.extend(found)
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif origin in (Union, types.UnionType) and type(None) in get_args(hint):
            is_nullable = True
            rest = tuple(arg for arg in get_args(hint) if arg is not type(None))
            hint = Union[rest]  # noqa: UP007 - built from a tuple
            if len(rest) > 1:
                return hint, True
        else:
            return hint, is_nullable


def _kind(where: str, hint: Any) -> Kind:
    if isinstance(hint, typing.Hashable) and (plain := _PLAIN.get(hint)) is not None:
        return plain
    origin = get_origin(hint)
    if origin is Literal:
        return _literal_kind(where, get_args(hint))
    if (origin or hint) is Sealed:
        if get_args(hint) != (str,):
            raise SchemaError(f"{where}: only text can be sealed.", hint="Write Sealed[str].")
        return SEALED
    if _is_json(origin, hint):
        document = Document(where, hint)
        return Kind(
            "json", _TEXT, "text", write=document.write, read=document.read, compare=document.write
        )
    raise SchemaError(
        f"{where}: a column cannot hold {getattr(hint, '__name__', None) or hint}.",
        hint="Use str, int, Int64, float, bool, bytes, a Literal, a list, a dict, a Struct, "
        "EpochSeconds, EpochMillis, Sealed[str] or Hashed.",
    )


def _is_json(origin: Any, hint: Any) -> bool:
    if origin in (list, dict, tuple) or hint in (list, dict, Any):
        return True
    if origin in (Union, types.UnionType):
        return all(_is_json(get_origin(arg), arg) for arg in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _literal_kind(where: str, values: tuple[Any, ...]) -> Kind:
    if all(isinstance(value, str) for value in values):
        if any("\0" in value for value in values):
            raise SchemaError(
                f"{where}: a Literal value holds a NUL character.",
                hint="Take it out: no text in a database may hold U+0000.",
            )
        return Kind("literal", _TEXT, "text", values=values)
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        if any(abs(value) > INT_MAX for value in values):
            raise SchemaError(f"{where}: a Literal value is past ±(2^53-1).",
                              hint="Use Int64, and a Check for its values.")  # fmt: skip
        return Kind("literal", _INT, "integer", values=values)
    raise SchemaError(
        f"{where}: a Literal column holds only texts or only whole numbers.",
        hint="Use bool for True and False, and `| None` for a missing value.",
    )
