"""
What a handle needs of a driver: three ways to run SQL, and how a broken constraint is told.

Also `Context`, what stays the same for all handles of one database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from freehold.crypto import KeyRing

#: One value as a driver takes or gives it.
Value = Any


class Link(Protocol):
    """
    One connection inside one transaction, as a handle sees it.

    Every result is read to its end before it is returned, so no cursor stays open.

    Raises:
        ConstraintViolation: The engine refused a row.
    """

    def rows(self, sql: str, values: Sequence[Value], /) -> list[tuple[Value, ...]]:
        """All rows of a statement."""

    def row(self, sql: str, values: Sequence[Value], /) -> tuple[Value, ...] | None:
        """The only row of a statement with two or more columns, or None."""

    def change(self, sql: str, values: Sequence[Value], /) -> int:
        """Run a statement that changes rows; how many it changed."""


ViolationKind = Literal["unique", "reference", "not_null", "check", "trigger", "type"]


class ConstraintViolation(Exception):
    """
    The engine refused a row; `explain` in `violations` makes a sentence of it.

    Args:
        kind: Which sort of constraint.
        table: Its table, None when the engine does not say.
        columns: Its columns, empty when the engine does not say.
        name: The constraint's name, or a trigger's sentence.
    """

    def __init__(
        self,
        kind: ViolationKind,
        *,
        table: str | None = None,
        columns: tuple[str, ...] = (),
        name: str | None = None,
    ) -> None:
        super().__init__(kind, table, columns, name)
        self.kind: ViolationKind = kind
        self.table = table
        self.columns = columns
        self.name = name


@dataclass(frozen=True)
class Context:
    """
    What all handles of one database share.

    Args:
        database: The database's name in the application; part of every sealed value.
        dialect: `sqlite` or `postgresql`.
        ring: The column keys, None when no column is sealed.
        cursor_key: What page cursors are signed with.
        page_rows_max: No page is longer.
        records: The schema's records by table name, to explain a broken reference.
    """

    database: str
    dialect: Literal["sqlite", "postgresql"]
    ring: KeyRing | None
    cursor_key: bytes = field(repr=False)
    page_rows_max: int
    records: dict[str, Any]
