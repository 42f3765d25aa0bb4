"""
What may happen to one user's rows, at random: removed, added, changed in any column.

What the tables themselves refuse does not happen.
"""

from __future__ import annotations

import types
import typing
from collections.abc import MutableSequence, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from freehold.db import Writer
from freehold.errors import CallError
from freehold.ids import IdStream
from freehold.schema import Record, Unique

T = TypeVar("T")

_WORDS: Final = ("", "a", "Zebra", "ü", "2027-01-15", "none", "text of another")
_SECRET: Final = ("sealed", "hashed")


class Chance:
    """Draws; the same number gives the same ones."""

    def __init__(self, number: int) -> None:
        self._stream = IdStream(number.to_bytes(32, "big"), 0)

    def below(self, bound: int) -> int:
        """A number from 0, less than the bound."""
        return int.from_bytes(self._stream.random_bytes(8), "big") % bound

    def choice(self, among: Sequence[T]) -> T:
        """One of them."""
        return among[self.below(len(among))]

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Another order."""
        for at in range(len(items) - 1, 0, -1):
            other = self.below(at + 1)
            items[at], items[other] = items[other], items[at]


def key_names(record: type[Record]) -> tuple[str, ...]:
    """The fields of the record's key."""
    alone = tuple(each.name for each in record.__fields__ if each.is_key)
    return record.__parts__.primary_key or alone


def key_of(row: Record) -> Any:
    """The row's key: a value, or a tuple of them."""
    values = tuple(getattr(row, name) for name in key_names(type(row)))
    return values[0] if len(values) == 1 else values


def change_something(
    db: Writer, chance: Chance, *, user: Any, records: Sequence[tuple[type[Record], str]]
) -> None:
    """
    Something happens to the rows of the user, and to no others.

    Args:
        db: Where.
        chance: Says what.
        user: Whose rows.
        records: The records, each with the field that says whose a row is.
    """
    record, owner = chance.choice(records)
    rows = [row for row in db.all(record) if getattr(row, owner) == user]
    if not rows:
        return
    row = chance.choice(rows)
    what = chance.choice(("update", "update", "update", "add", "add", "delete", "delete all"))
    try:
        if what == "update":
            _update(db, chance, row, owner)
        elif what == "add":
            _add(db, chance, row, owner)
        else:
            for each in rows if what == "delete all" else [row]:
                db.delete(record, key_of(each))
    except CallError:
        # A rule of the table's own says no.
        return


def _update(db: Writer, chance: Chance, row: Record, owner: str) -> None:
    record = type(row)
    keys = (*key_names(record), owner)
    fields = [
        each.name
        for each in record.__fields__
        if each.name not in keys and each.kind.name not in _SECRET
    ]
    if not fields:
        return
    name = chance.choice(fields)
    hint = typing.get_type_hints(record)[name]
    try:
        db.update(record, key_of(row), {name: _value(chance, hint)})
    except LookupError:
        # Of a type that is not made up here.
        return


def _add(db: Writer, chance: Chance, row: Record, owner: str) -> None:
    record = type(row)
    if owner in key_names(record):
        return
    if any(each.kind.name in _SECRET for each in record.__fields__):
        return
    for n in range(1 + chance.below(4)):
        number = f"{chance.below(2**32)}-{n}"
        changes = {
            each.name: f"{getattr(row, each.name)}-{number}"
            for each in record.__fields__
            if each.name in key_names(record) or each.mark(Unique) is not None
            if isinstance(getattr(row, each.name), str)
        }
        changes.pop(owner, None)
        db.insert(msgspec.structs.replace(row, **changes))


def _value(chance: Chance, hint: Any) -> Any:
    """
    Raises:
        LookupError: Nothing is made up of that type.
    """
    origin = typing.get_origin(hint)
    if origin is Literal:
        return chance.choice(typing.get_args(hint))
    if origin is typing.Union or origin is types.UnionType:
        return _value(chance, chance.choice(typing.get_args(hint)))
    made: dict[Any, Any] = {
        str: chance.choice(_WORDS), int: chance.below(2**31), float: chance.below(1_000) / 8,
        bool: chance.below(2) == 1, type(None): None,
    }  # fmt: skip
    return made[hint]
