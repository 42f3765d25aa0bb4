"""
What an application's names stand for, so that calls meet each other's rows.

A kind is a drawer of values that were seen: ids of posts, addresses, tokens. The contract
says only that `userId` is a text; here it says that it is a user's id. Nothing in here decides
what is right: a wrong guess makes calls that find nothing, on both engines alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from freehold import App, Schema
from freehold.db.statements import Statement

#: Makes a value that cannot be guessed from its type: a list that must be complete.
Maker = Callable[[Random], Any]


@dataclass(frozen=True)
class Habits:
    """
    The names of one application.

    Args:
        app: The application.
        schema: The tables of its one database.
        kinds: A wire name and the kind of value that it holds.
        nouns: What `id` is of, by a word in the method or the struct; the first that fits.
        words: The everyday values of a kind, where they are not made by the application.
        makers: Values of whole arguments or fields, by `Struct.field` or `method.argument`.
        fresh: Kinds that a caller makes up himself: `user-3`.
        rare: Methods that are called less, for they take much away.
        loosen: Statements to run before all tables are emptied, where a rule forbids it.
    """

    app: App
    schema: Schema
    kinds: Mapping[str, str]
    nouns: Sequence[tuple[str, str]]
    words: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    makers: Mapping[str, Maker] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    rare: frozenset[str] = frozenset()
    loosen: Sequence[Statement[Any]] = ()

    def kind(self, owner: str, name: str) -> str | None:
        """
        The kind of a value, or None for one like any other.

        Args:
            owner: The method or the struct it belongs to.
            name: Its name on the wire.
        """
        said = self.kinds.get(f"{owner}.{name}") or self.kinds.get(name)
        if said is not None or name != "id":
            return said
        lowered = owner.lower()
        return next((kind for noun, kind in self.nouns if noun in lowered), None)


class Pool:
    """The values that were seen, by their kind; the oldest are forgotten."""

    def __init__(self, kept: int = 25) -> None:
        self._kept = kept
        self._seen: dict[str, list[Any]] = {}

    def add(self, kind: str, value: Any) -> None:
        """Remember a value."""
        if value is None:
            return
        seen = self._seen.setdefault(kind, [])
        if value in seen:
            return
        seen.append(value)
        if len(seen) > self._kept:
            del seen[0]

    def any(self, kind: str, random: Random) -> Any:
        """One of the kind, the newer ones more often; None when none was seen."""
        seen = self._seen.get(kind)
        if not seen:
            return None
        return seen[min(len(seen) - 1, int(len(seen) * random.random() ** 0.3))]
