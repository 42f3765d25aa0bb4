"""
What rows come from: tables with columns, read in the order of the file, as the engine has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

#: Rows that are held at once.
CHUNK: Final = 500
#: Tables that belong to an engine or to a tool, and never to an application.
_INNER: Final = ("sqlite_", "_cf_", "d1_migrations", "_freehold_", "__drizzle_", "_prisma_")

Row = tuple[Any, ...]


@dataclass
class SourceTable:
    """One table of a source; `rows` is how many it has."""

    name: str
    columns: list[str]
    rows: int = 0


@dataclass
class About:
    """
    What a source says of itself.

    Args:
        kind: For people: `SQL`, `SQLite`, `JSONL`.
        is_revealed: Its sealed columns were opened when it was made.
        types: The columns' kinds as the maker had them, by `table.column`.
    """

    kind: str
    is_revealed: bool = False
    types: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """A file that is open; nothing that it holds is run."""

    about: About

    @property
    def tables(self) -> list[SourceTable]:
        """Its tables, an engine's and a tool's own left out."""

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[list[Row]]:
        """All rows of a table, always in the same order, a few at a time."""

    def where(self, table: str, number: int) -> str:
        """Where its row of that number (from 1) stands, for people."""

    def close(self) -> None:
        """Let it go; nothing of it stays on the disk."""


def is_inner(table: str) -> bool:
    """Whether a table is an engine's or a tool's own."""
    return table.lower().startswith(_INNER)
