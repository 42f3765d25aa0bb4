"""
What an author says about a column, an index or a table: the words, without their effect.

They stand in an annotation (`Annotated[str, PrimaryKey()]`) or in the class line of a
record (`class Idea(Record, table="ideas", indexes=[Index("status")])`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

Action = Literal["no action", "restrict", "cascade", "set null", "set default"]

#: The default of a column that the insert fills in: times of creation, counted keys.
AUTO: Any = msgspec.UNSET


@dataclass(frozen=True)
class PrimaryKey:
    """The column is the key. `autoincrement` counts up and never reuses a number."""

    autoincrement: bool = False


@dataclass(frozen=True)
class References:
    """The column holds the key of another table's row: `References("users.id")`."""

    target: str
    on_delete: Action = "no action"
    on_update: Action = "no action"


class Index:
    """
    An index: of its column when it stands in an annotation, else of the columns it names.

    Args:
        *columns: Column names in order; `"created_at desc"` for a descending one.
        name: The index's name; `idx_<table>_<columns>` when left out.
        unique: No two rows may have the same values.
        where: Only rows that match are in the index; SQL that both engines understand.
    """

    def __init__(
        self, *columns: str, name: str | None = None, unique: bool = False, where: str | None = None
    ) -> None:
        self.columns = columns
        self.name = name
        self.unique = unique
        self.where = where


class Unique:
    """No two rows have the same values: of its column in an annotation, else of those named."""

    def __init__(self, *columns: str, name: str | None = None) -> None:
        self.columns = columns
        self.name = name


@dataclass(frozen=True)
class Check:
    """A condition that every row fulfils; SQL that both engines understand."""

    condition: str
    name: str


class ForeignKey:
    """A reference over columns: `ForeignKey(("user_id", "task_id"), "tasks(user_id, id)")`."""

    def __init__(
        self,
        columns: tuple[str, ...],
        target: str,
        *,
        on_delete: Action = "no action",
        on_update: Action = "no action",
    ) -> None:
        self.columns = columns
        self.target = target
        self.on_delete = on_delete
        self.on_update = on_update


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """
    Something the engine does, or refuses, whenever a row changes.

    Args:
        name: The trigger's name.
        when: Before or after the change.
        event: The change.
        of: With `update`, only when one of these columns is set.
        condition: Only for rows that match; `NEW.x` and `OLD.x` are the row's columns.
        refuse: Stop the change; the caller gets a `RuleBroken` with this sentence.
        run: Or run this one statement, in SQL that both engines understand.
    """

    name: str
    when: Literal["before", "after"]
    event: Literal["insert", "update", "delete"]
    of: tuple[str, ...] = ()
    condition: str | None = None
    refuse: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class Owner:
    """
    The column says whose row it is: `user_id: Annotated[str, Owner(), References("users.id")]`.

    `db.owned_by(user_id)` then works on that user's rows alone; see `freehold.db.owned`.
    """


@dataclass(frozen=True)
class Column:
    """The column's name in the table when it is not the field's."""

    name: str


@dataclass(frozen=True)
class Was:
    """The column's name before; a migration renames it and keeps its values."""

    name: str


@dataclass(frozen=True)
class Stamp:
    """The column is a time: in which unit, and which writes set it."""

    unit: Literal["s", "ms"]
    on_insert: bool = False
    on_update: bool = False


EpochSeconds = Annotated[int, Stamp("s")]
EpochMillis = Annotated[int, Stamp("ms")]
CreatedAt = Annotated[int, Stamp("s", on_insert=True)]
UpdatedAt = Annotated[int, Stamp("s", on_insert=True, on_update=True)]
CreatedAtMs = Annotated[int, Stamp("ms", on_insert=True)]
UpdatedAtMs = Annotated[int, Stamp("ms", on_insert=True, on_update=True)]
