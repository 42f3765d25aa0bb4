"""What a class line says, in columns' names; and triggers, which the engine runs."""

from __future__ import annotations

from typing import Annotated

import apsw
import pytest

from freehold.schema import Column, PrimaryKey, Record, Trigger
from tests.schema.declared import built, rows


class Note(
    Record,
    table="notes",
    triggers=[
        Trigger(name="title_required", when="before", event="insert",
                condition="trim(NEW.title) = ''", refuse="notes.title is required: 100%"),
        Trigger(name="kind_is_kept", when="before", event="update", of=("kind",),
                condition="NEW.theKind <> OLD.theKind", refuse="a note's kind is kept"),
        Trigger(name="counts", when="after", event="insert",
                run="UPDATE counts SET number = number + 1 WHERE id = NEW.theKind"),
        Trigger(name="uncounts", when="after", event="delete",
                run="UPDATE counts SET number = number - 1 WHERE id = OLD.theKind"),
    ],
):  # fmt: skip
    """Refusals and follow-ups."""

    id: Annotated[str, PrimaryKey()]
    title: str
    kind: Annotated[str, Column("theKind")] = "plain"


class Count(Record, table="counts"):
    """What the triggers keep up to date."""

    id: Annotated[str, PrimaryKey()]
    number: int = 0


def test_a_trigger_refuses_with_its_sentence() -> None:
    """On the change that it watches, for the rows that its condition fits."""
    with built(Note, Count) as connection:
        connection.execute("INSERT INTO notes VALUES ('n1', 'A', 'plain')")
        with pytest.raises(apsw.ConstraintError, match=r"^notes\.title is required: 100%$"):
            connection.execute("INSERT INTO notes VALUES ('n2', ' ', 'plain')")
        with pytest.raises(apsw.ConstraintError, match=r"^a note's kind is kept$"):
            connection.execute("UPDATE notes SET theKind = 'other'")

        connection.execute("UPDATE notes SET title = 'B', theKind = 'plain'")
        assert rows(connection, "SELECT title FROM notes") == [("B",)]


def test_a_trigger_runs_its_statement() -> None:
    """Within the same statement, so that what it keeps is never behind."""
    with built(Note, Count) as connection:
        connection.execute("INSERT INTO counts VALUES ('plain', 0)")
        connection.execute("INSERT INTO notes VALUES ('n1', 'A', 'plain'), ('n2', 'B', 'plain')")
        connection.execute("DELETE FROM notes WHERE id = 'n1'")

        assert rows(connection, "SELECT number FROM counts") == [(1,)]


def test_a_trigger_watches_columns_by_their_own_names() -> None:
    """The author names the field."""
    assert Note.__parts__.triggers[1].of == ("theKind",)
