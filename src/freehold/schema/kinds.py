"""
How a Python type is stored: the column's type and the way there and back.

One `Kind` per sort of value. A kind with `write` or `read` None needs no conversion: the
driver takes and gives the value as it is, which is what keeps a point read short.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import sqlalchemy as sa

from freehold.errors import InvalidArgument, SchemaError
from freehold.scalars import INT_MAX, Hashed, Int64, Sealed, dec_hook, enc_hook
from freehold.schema.marks import Stamp

#: Times outside these are in another unit than the column's (seconds for milliseconds, ...).
_SECONDS_MAX = 10**11
_MILLIS_MAX = 10**14


@dataclass(frozen=True)
class Kind:
    """
    One sort of stored value.

    Args:
        name: For messages and for the contract.
        storage: The column's type.
        write: From the Python value to the driver's, None when it is the same.
        read: From the driver's value to Python's, None when it is the same.
        values: The allowed values of a Literal.
        is_sealed: Writing needs the key ring and the row's place.
    """

    name: str
    storage: sa.types.TypeEngine[Any]
    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None
    values: tuple[str | int, ...] = ()
    is_sealed: bool = False


class Stored(sa.types.TypeDecorator[Any]):
    """
    A SQLAlchemy type that remembers its kind.

    A parameter compared with a column takes the column's type along, so a statement knows
    how to write its parameters and read its columns without asking SQLAlchemy at run time.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.impl = kind.storage  # type: ignore[assignment]

    def copy(self, **_: Any) -> Stored:
        return Stored(self.kind)


_TEXT = sa.Text()
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FLOAT: sa.types.TypeEngine[Any] = sa.Double().with_variant(sa.REAL(), "sqlite")
_BYTES = sa.LargeBinary().with_variant(sa.BLOB(), "sqlite")
_BOOL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def _write_int(value: int) -> int:
    if not -INT_MAX <= value <= INT_MAX:
        raise InvalidArgument(
            f"{value} is past ±(2^53-1), what every client can represent.",
            hint="Declare the column Int64 to store larger numbers.",
        )
    return value


def _write_seconds(value: int) -> int:
    if not 0 <= value < _SECONDS_MAX:
        raise InvalidArgument(
            f"{value} is not a time in epoch seconds.",
            hint="Seconds since 1970; divide milliseconds by 1,000.",
        )
    return value


def _write_millis(value: int) -> int:
    if not _SECONDS_MAX <= value < _MILLIS_MAX:
        raise InvalidArgument(
            f"{value} is not a time in epoch milliseconds.",
            hint="Milliseconds since 1970; multiply seconds by 1,000.",
        )
    return value


def _write_hashed(value: Hashed | str) -> str:
    return value.digest if isinstance(value, Hashed) else Hashed.of(value).digest


def _json_kind(hint: Any) -> Kind:
    encoder = msgspec.json.Encoder(enc_hook=enc_hook)
    decoder = msgspec.json.Decoder(hint, dec_hook=dec_hook)

    def write(value: Any) -> str:
        return encoder.encode(value).decode()

    return Kind("json", _TEXT, write=write, read=decoder.decode)


TEXT = Kind("str", _TEXT)
INT = Kind("int", _INT, write=_write_int)
#: A counted key or the like: never past 2^53 in this universe, so nothing to check.
INT64 = Kind("int64", _INT, write=int, read=Int64)
FLOAT = Kind("float", _FLOAT)
BOOL = Kind("bool", _BOOL, read=bool)
BYTES = Kind("bytes", _BYTES)
SECONDS = Kind("epoch_seconds", _INT, write=_write_seconds)
MILLIS = Kind("epoch_millis", _INT, write=_write_millis)
HASHED = Kind("hashed", _TEXT, write=_write_hashed, read=Hashed)
SEALED = Kind("sealed", _TEXT, is_sealed=True)

_PLAIN: dict[Any, Kind] = {
    str: TEXT, int: INT, Int64: INT64, float: FLOAT, bool: BOOL, bytes: BYTES, Hashed: HASHED
}  # fmt: skip


@dataclass(frozen=True)
class Hint:
    """An annotation taken apart: its kind, whether None is allowed, and its marks."""

    kind: Kind
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
    kind = SECONDS if stamp and stamp.unit == "s" else MILLIS if stamp else _kind(where, hint)
    return Hint(kind, is_nullable, tuple(m for m in marks if not isinstance(m, Stamp)), stamp)


def _peel(hint: Any, marks: list[Any]) -> tuple[Any, bool]:
    """Strip `Annotated` and `| None`, in whatever order they are nested."""
    is_nullable = False
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, *found = get_args(hint)
            marks.extend(found)
        elif origin in (Union, types.UnionType) and type(None) in get_args(hint):
            is_nullable = True
            rest = tuple(arg for arg in get_args(hint) if arg is not type(None))
            hint = Union[rest]  # noqa: UP007 - built from a tuple
            if len(rest) > 1:
                return hint, True
        else:
            return hint, is_nullable


def _kind(where: str, hint: Any) -> Kind:
    if (plain := _PLAIN.get(hint)) is not None:
        return plain
    origin = get_origin(hint)
    if origin is Literal:
        return _literal_kind(where, get_args(hint))
    if (origin or hint) is Sealed:
        if get_args(hint) not in ((), (str,)):
            raise SchemaError(f"{where}: only text can be sealed.", hint="Write Sealed[str].")
        return SEALED
    if _is_json(origin, hint):
        return _json_kind(hint)
    raise SchemaError(
        f"{where}: a column cannot hold {typing.cast('str', getattr(hint, '__name__', hint))}.",
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
        return Kind("literal", _TEXT, values=values)
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return Kind("literal", _INT, values=values)
    raise SchemaError(
        f"{where}: a Literal column holds only texts or only whole numbers.",
        hint="Use bool for True and False, and `| None` for a missing value.",
    )
