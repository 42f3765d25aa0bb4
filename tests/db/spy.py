"""A driver's link that writes down what runs through it; what runs is real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freehold.db import Link, Reader


class Spy:
    """Stands between a handle and its driver."""

    def __init__(self, link: Link) -> None:
        self._link = link
        #: (sql, values) of everything that ran.
        self.seen: list[tuple[str, Sequence[Any]]] = []

    def rows(self, sql: str, values: Sequence[Any], /) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        self.seen.append((sql, values))
        return self._link.rows(sql, values)

    def row(self, sql: str, values: Sequence[Any], /) -> tuple[Any, ...] | None:
        """The only row of a statement."""
        self.seen.append((sql, values))
        return self._link.row(sql, values)

    def change(self, sql: str, values: Sequence[Any], /) -> int:
        """Run a change."""
        self.seen.append((sql, values))
        return self._link.change(sql, values)


def spy_on(db: Reader) -> Spy:
    """Put one behind this handle."""
    spy = Spy(db._link)
    db._link = spy
    return spy


def plan_of(db: Reader, sql: str, values: Sequence[Any]) -> list[str]:
    """How the engine goes about it."""
    return [row[3] for row in db._link.rows(f"EXPLAIN QUERY PLAN {sql}", values)]
