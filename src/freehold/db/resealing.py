"""
Sealing again, with the primary key, what an older key sealed; and counting by key.

It walks through a column by the rows' keys, a few at a time, each stretch a mutation of its
own. A value is opened for its place, sealed anew, and put back only where the old ciphertext
still stands. What does not open stays as it is and is counted: a rotation destroys nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from freehold.crypto import (
    KeyRing,
    Place,
    SealedFormatInvalid,
    SealError,
    open_sealed,
    seal,
    sealed_key_id,
)
from freehold.db.link import ConstraintViolation
from freehold.db.reader import Reader
from freehold.db.writer import Writer
from freehold.errors import InvalidArgument, KeysMissing, RuleBroken, invariant
from freehold.schema import Record, Struct
from freehold.schema.sqltext import quoted

_PACK: Final = msgspec.msgpack.Encoder().encode
#: What a value is counted under that names no key.
NO_KEY: Final = "?"


@dataclass(frozen=True)
class SealedColumn:
    """One sealed column: its table, and the columns of the rows' key."""

    table: str
    column: str
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """`table.column`."""
        return f"{self.table}.{self.column}"


class CountedStretch(Struct):
    """
    Values by the id of the key that they name; `after` is where the next stretch begins.

    `after` is None at the end.
    """

    keys: dict[str, int]
    after: str | None


class ResealedStretch(Struct):
    """
    What a stretch came to.

    `passed` were changed by somebody else meanwhile; `broken` do not open, and are as they were.
    """

    done: int
    passed: int
    broken: int
    after: str | None


def sealed_columns(records: Iterable[type[Record]]) -> list[SealedColumn]:
    """Every sealed column of these records."""
    return [
        SealedColumn(
            # Plain texts: they are authenticated with each value.
            str.__str__(record.__table__.name),
            str.__str__(field.column),
            tuple(str.__str__(column.name) for column in record.__table__.primary_key.columns),
        )
        for record in records
        for field in record.__fields__
        if field.kind.is_sealed
    ]


def count_stretch(
    db: Reader, column: SealedColumn, *, after: str | None, rows: int
) -> CountedStretch:
    """
    Count values behind a row by the key that they name.

    Raises:
        InvalidArgument: `after` is none that a stretch ended with.
    """
    found = _rows(db, column, after, rows)
    keys: dict[str, int] = {}
    for *_, text in found:
        key_id = _key_of(text)
        keys[key_id] = keys.get(key_id, 0) + 1
    return CountedStretch(keys=keys, after=_next(found, rows))


def reseal_stretch(
    db: Writer, column: SealedColumn, *, after: str | None, rows: int
) -> ResealedStretch:
    """
    Seal values behind a row with the primary key.

    Raises:
        InvalidArgument: `after` is none that a stretch ended with.
        RuleBroken: A trigger of the table refuses the change.
    """
    ring, database = db._context.ring, db._context.database
    if ring is None:
        raise KeysMissing("there is no column key.")
    stale = f"substr({quoted(column.column)}, 1, {{}}) <> '{{}}'"
    prefix = f"fh1.{ring.primary.id}."
    found = _rows(db, column, after, rows, more=stale.format(len(prefix), prefix))
    done = passed = broken = 0
    for *key, text in found:
        sealed = _resealed(ring, text, Place(database, column.table, column.column, tuple(key)))
        if sealed is None:
            broken += 1
        elif _put(db, column, key=key, old=text, new=sealed):
            done += 1
        else:
            passed += 1
    return ResealedStretch(done=done, passed=passed, broken=broken, after=_next(found, rows))


def _resealed(ring: KeyRing, text: str, place: Place) -> str | None:
    try:
        return seal(ring, open_sealed(ring, text, place), place)
    except (SealError, KeysMissing):
        return None


def _put(db: Writer, column: SealedColumn, *, key: Sequence[Any], old: str, new: str) -> bool:
    """Compare and set: whoever has written there since has the last word."""
    mark = _marks(db)
    target = quoted(column.column)
    where = " AND ".join(
        f"{quoted(name)} = {mark(number)}" for number, name in enumerate(column.key, start=2)
    )
    last = mark(len(column.key) + 2)
    table = quoted(column.table)
    sql = f"UPDATE {table} SET {target} = {mark(1)} WHERE {where} AND {target} = {last}"  # noqa: S608
    try:
        return db._link.change(sql, [new, *key, old]) > 0
    except ConstraintViolation as violation:
        raise RuleBroken(
            f"{column.table} refuses that {column.column} is sealed anew: {violation.name}.",
            hint="Let its triggers pass a change of that column, then go on.",
        ) from None


def _rows(
    db: Reader, column: SealedColumn, after: str | None, rows: int, *, more: str | None = None
) -> list[Any]:
    mark = _marks(db)
    keys = ", ".join(map(quoted, column.key))
    target = quoted(column.column)
    conditions = [f"{target} IS NOT NULL", *([more] if more else [])]
    values: Sequence[Any] = ()
    if after is not None:
        values = _read_after(after, len(column.key))
        listed = ", ".join(mark(number) for number in range(1, len(values) + 1))
        conditions.append(f"({keys}) > ({listed})")
    sql = (
        f"SELECT {keys}, {target} FROM {quoted(column.table)} "  # noqa: S608 - names of the schema
        f"WHERE {' AND '.join(conditions)} ORDER BY {keys} LIMIT {int(rows)}"
    )
    return db._link.rows(sql, values)


def _marks(db: Reader) -> Any:
    if db._context.dialect == "postgresql":
        return lambda number: f"${number}"
    return lambda _: "?"


def _key_of(text: str) -> str:
    try:
        return sealed_key_id(text)
    except SealedFormatInvalid:
        return NO_KEY


def _next(found: Sequence[Sequence[Any]], rows: int) -> str | None:
    if len(found) < rows:
        return None
    return base64.urlsafe_b64encode(_PACK(list(found[-1][:-1]))).decode()


def _read_after(after: str, parts: int) -> list[Any]:
    try:
        values = msgspec.msgpack.decode(base64.urlsafe_b64decode(after.encode()))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        values = None
    is_key = isinstance(values, list) and all(isinstance(v, (str, int, bytes)) for v in values)
    if not is_key or len(values) != parts:
        raise InvalidArgument(
            "that is no place to go on from.", hint="Give `after` as it was answered.", path="after"
        )
    invariant(isinstance(values, list), "checked above")
    return list(values)
