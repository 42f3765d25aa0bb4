"""Without files a database follows its schema, and loses nothing unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed, MigrationNeeded
from freehold.migrate.apply import apply
from freehold.migrate.shape import shape_of, shape_of_schema
from freehold.migrate.sync import sync
from freehold.schema import Check, PrimaryKey, Record, RecordMeta, Schema, Was
from tests.migrate.worlds import built, content, opened, rows, shop


def notes(**fields: object) -> Schema:
    annotations = {"id": Annotated[str, PrimaryKey()]}
    body = {"__annotations__": annotations | fields, "__module__": __name__}
    return Schema([RecordMeta("Note", (Record,), body, table="notes")])


def test_a_new_database_is_built(tmp_path: Path) -> None:
    """From nothing to the schema in one go; a second time there is nothing to do."""
    with opened(tmp_path / "app.db") as connection:
        first = sync(connection, shop())
        second = sync(connection, shop())

        assert shape_of(connection) == shape_of_schema(shop())
        assert rows(connection, "PRAGMA foreign_keys") == [(1,)]
    assert not first.plan.is_empty
    assert second.plan.is_empty


def test_a_changed_schema_is_followed() -> None:
    """Rows stay; a column may come without a value while there are no rows."""
    with opened() as connection:
        sync(connection, notes())
        sync(connection, notes(text=str))
        connection.execute("INSERT INTO notes VALUES ('a', 'A')")

        done = sync(connection, notes(text=str, more=str | None))

        assert [step.verb for step in done.plan.steps] == ["add column"]
        assert rows(connection, "SELECT * FROM notes") == [("a", "A", None)]


def test_a_column_without_a_value_is_refused_once_there_are_rows() -> None:
    """The refusal is the plan's own."""
    with opened() as connection:
        sync(connection, notes())
        connection.execute("INSERT INTO notes VALUES ('a')")

        with pytest.raises(MigrationNeeded, match=r"Note.text is new and may not be None"):
            sync(connection, notes(text=str))


def test_nothing_is_lost_unasked() -> None:
    """What would go is counted under the name it has now; asked for, it goes."""

    class Text(Record, table="texts", was="notes"):
        id: Annotated[str, PrimaryKey()]

    class Deep(Record, table="notes", checks=[Check("id <> ''", name="ck")]):
        id: Annotated[str, PrimaryKey()]

    class Other(Record, table="others"):
        id: Annotated[str, PrimaryKey()]

    with opened() as connection:
        sync(connection, notes(text=str | None))
        connection.execute("INSERT INTO notes VALUES ('a', 'A'), ('b', NULL)")
        before = content(connection)

        for schema, lost in [
            (Schema([Text]), r"notes.text \(values: 1\)"),
            (Schema([Deep]), r"notes.text \(values: 1\)"),
            (Schema([Other]), r"table notes \(rows: 2\)"),
        ]:
            with pytest.raises(MigrationNeeded, match=f"no longer says .*: {lost}"):
                sync(connection, schema)
        assert content(connection) == before

        sync(connection, Schema([Text]), may_lose=True)
        assert rows(connection, "SELECT * FROM texts ORDER BY id") == [("a",), ("b",)]


def test_a_renamed_column_is_counted_under_its_old_name() -> None:
    """A rename and a loss in one plan."""
    with opened() as connection:
        sync(connection, notes(text=str | None, gone=str | None))
        connection.execute("INSERT INTO notes VALUES ('a', 'A', 'G')")

        with pytest.raises(MigrationNeeded, match=r": notes.gone \(values: 1\)\."):
            sync(connection, notes(body=Annotated[str | None, Was("text")]))


def test_what_holds_nothing_may_go() -> None:
    """An empty table and a column of NULLs hold nothing worth a question."""
    with opened() as connection:
        sync(connection, notes(text=str | None))
        connection.execute("INSERT INTO notes (id) VALUES ('a')")

        sync(connection, notes())

        assert rows(connection, "SELECT * FROM notes") == [("a",)]


def test_a_deep_change_keeps_a_copy(tmp_path: Path) -> None:
    """A rebuild is preceded by a snapshot, a new column is not."""
    with opened(tmp_path / "app.db") as connection:
        sync(connection, notes(n=int | None))
        connection.execute("INSERT INTO notes VALUES ('a', 1)")

        shallow = sync(connection, notes(n=int | None, m=int | None), snapshot_to=tmp_path / "1.db")
        deep = sync(connection, notes(n=str | None, m=int | None), snapshot_to=tmp_path / "2.db")

    assert (shallow.snapshot, deep.snapshot) == (None, tmp_path / "2.db")


def test_a_refused_row_leaves_everything_as_it_was() -> None:
    """A text that is no number cannot become one."""
    with opened() as connection:
        sync(connection, notes(n=str | None))
        connection.execute("INSERT INTO notes VALUES ('a', '1'), ('b', 'many')")
        before = content(connection)

        with pytest.raises(MigrationFailed, match="cannot store TEXT value in INTEGER column"):
            sync(connection, notes(n=int | None))

        assert content(connection) == before


def test_a_database_kept_by_files_is_left_to_them() -> None:
    """Following the schema beside the files would tear the two apart."""
    with opened() as connection:
        apply(connection, built(shop()), clock=ManualClock())

        with pytest.raises(MigrationNeeded, match="kept by migration files"):
            sync(connection, shop())
