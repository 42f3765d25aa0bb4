"""
The draft: an empty copy of a database in memory, on which a plan is tried as it is made.

What a plan says has therefore been run once by the engine that will run it, against the
same tables, triggers and views. Only rows can still make it fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import apsw

from freehold.migrate.engine import refuse_text_in_double_quotes, rows
from freehold.migrate.shape import Shape, is_own, shape_of
from freehold.migrate.sqltext import mentioned
from freehold.schema.sqltext import quoted


@dataclass(frozen=True)
class Piece:
    """A table, index, view or trigger with the statement that makes it."""

    kind: str
    name: str
    table: str
    sql: str

    @property
    def drop(self) -> str:
        """The statement that removes it."""
        return f"DROP {self.kind.upper()} {quoted(self.name)}"


class Draft:
    """An empty in-memory copy; a context manager."""

    def __init__(self, source: apsw.Connection) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.execute("PRAGMA foreign_keys = OFF")
        shadows = {
            name
            for (name,) in rows(source, "SELECT name FROM pragma_table_list WHERE type = 'shadow'")
        }
        for piece in pieces_of(source):
            if piece.table in shadows:
                continue
            try:
                self._connection.execute(piece.sql)
            except apsw.Error:
                # A virtual table whose module this process has not; no record says one.
                if not piece.sql.upper().startswith("CREATE VIRTUAL"):
                    raise
        # Only now: what an older file holds is read as it was written.
        refuse_text_in_double_quotes(self._connection)

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def run(self, statements: Sequence[str]) -> None:
        """
        Run a step's statements, all or none.

        Raises:
            apsw.Error: The engine refused one.
        """
        with self._connection:
            for statement in statements:
                self._connection.execute(statement)

    def try_out(self, statements: Sequence[str]) -> Shape | None:
        """The shape these statements would lead to, None when the engine refuses one."""
        self._connection.execute("SAVEPOINT trial")
        try:
            for statement in statements:
                self._connection.execute(statement)
            return self.shape()
        except apsw.Error:
            return None
        finally:
            self._connection.execute("ROLLBACK TO trial; RELEASE trial")

    def shape(self) -> Shape:
        """The shape as it is after the steps so far."""
        return shape_of(self._connection)

    def tables_ddl(self) -> list[str]:
        """The statements that make the ordinary tables and their indexes."""
        return [
            piece.sql
            for piece in pieces_of(self._connection)
            if piece.kind in ("table", "index")
            and not piece.sql.upper().startswith("CREATE VIRTUAL")
            and not self._is_of_virtual(piece.table)
        ]

    def attached(self, table: str) -> list[Piece]:
        """The table's own indexes and triggers, which a DROP TABLE takes away."""
        return [
            piece
            for piece in pieces_of(self._connection)
            if piece.kind in ("index", "trigger") and piece.table.lower() == table.lower()
        ]

    def dependents(self, table: str) -> list[Piece]:
        """
        Views, and triggers of other tables, that mention the table, in creation order.

        The engine refuses to rename a table while one of them mentions a table that is gone,
        which is the state in the middle of a rebuild. A view can stand on another.
        """
        candidates = [
            piece
            for piece in pieces_of(self._connection)
            if piece.kind == "view"
            or (piece.kind == "trigger" and piece.table.lower() != table.lower())
        ]
        names = {table.lower()}
        while True:
            found = [
                piece
                for piece in candidates
                if names & mentioned(piece.sql) or piece.table.lower() in names
            ]
            grown = names | {piece.name.lower() for piece in found if piece.kind == "view"}
            if grown == names:
                return found
            names = grown

    def _is_of_virtual(self, table: str) -> bool:
        kinds = rows(
            self._connection,
            "SELECT type FROM pragma_table_list WHERE schema = 'main' AND name = ?",
            table,
        )
        return kinds != [("table",)]


def pieces_of(connection: apsw.Connection) -> list[Piece]:
    """Every piece that is not the engine's or Freehold's own, in an order that builds them."""
    found = rows(
        connection,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY "
        "CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, rowid",
    )
    return [Piece(*row) for row in found if not is_own(row[1]) and not is_own(row[2])]
