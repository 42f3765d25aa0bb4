"""What a database has had is known, and a history that does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from freehold.clock import ManualClock
from freehold.errors import DatabaseTooNew, MigrationFailed, MigrationNeeded
from freehold.migrate.apply import adopt, apply, require_current
from freehold.migrate.files import Migration
from freehold.migrate.history import entries, pending, reading, status
from tests.migrate.worlds import by_hand, content, opened, rows, shop

ONE = by_hand(1, "CREATE TABLE one (id TEXT PRIMARY KEY NOT NULL)", slug="one")
TWO = by_hand(2, "CREATE TABLE two (id TEXT PRIMARY KEY NOT NULL)", slug="two")
THREE = by_hand(3, "CREATE TABLE three (id TEXT PRIMARY KEY NOT NULL)", slug="three")


def test_the_history_says_what_was_applied_and_when(tmp_path: Path) -> None:
    """Number, name, checksum and second stand in the database; the last number in its header."""
    path = tmp_path / "app.db"
    with opened(path) as connection:
        apply(connection, [ONE], clock=ManualClock(1_000.9))
        apply(connection, [ONE, TWO], clock=ManualClock(2_000))

    with reading(path) as connection:
        assert [(e.number, e.name, e.applied_at) for e in entries(connection)] == [
            (1, "0001_one", 1_000),
            (2, "0002_two", 2_000),
        ]
        assert rows(connection, "PRAGMA user_version") == [(2,)]
        assert [
            (s.number, s.state, s.applied_at) for s in status(connection, [ONE, TWO, THREE])
        ] == [
            (1, "applied", 1_000),
            (2, "applied", 2_000),
            (3, "waiting", None),
        ]
        with pytest.raises(apsw.ReadOnlyError):
            connection.execute("DROP TABLE one")


def test_only_what_waits_is_pending() -> None:
    """In order, and nothing twice."""
    with opened() as connection:
        apply(connection, [ONE], clock=ManualClock())

        assert pending(connection, [ONE]) == []
        assert pending(connection, [ONE, TWO, THREE]) == [TWO, THREE]


def test_a_newer_database_is_refused() -> None:
    """Numbers known and found are named, and nothing is touched."""
    with opened() as connection:
        apply(connection, [ONE, TWO], clock=ManualClock())
        before = content(connection)

        with pytest.raises(DatabaseTooNew, match=r"at migration 0002_two.* knows 0001 at most"):
            apply(connection, [ONE], clock=ManualClock())
        with pytest.raises(DatabaseTooNew, match="knows none"):
            pending(connection, [])

        assert [s.state for s in status(connection, [ONE])] == ["applied", "unknown"]
        assert content(connection) == before


@pytest.mark.parametrize(
    "edited",
    [
        by_hand(1, "CREATE TABLE one (id TEXT PRIMARY KEY NOT NULL, a)", slug="one"),
        by_hand(1, "CREATE TABLE one (id TEXT PRIMARY KEY NOT NULL)", slug="uno"),
    ],
)
def test_a_file_that_was_edited_after_it_was_applied_is_refused(edited: Migration) -> None:
    """Other statements or another name is another migration."""
    with opened() as connection:
        apply(connection, [ONE], clock=ManualClock())

        with pytest.raises(MigrationFailed, match="is not what was applied as 0001_one"):
            apply(connection, [edited, TWO], clock=ManualClock())

        assert [s.state for s in status(connection, [edited, TWO])] == ["edited", "waiting"]


@pytest.mark.parametrize(
    "damage",
    ["PRAGMA user_version = 7", "DELETE FROM _freehold_migrations WHERE number = 1"],
)
def test_a_history_that_contradicts_itself_is_refused(damage: str) -> None:
    """Header and list must say the same, without a gap."""
    with opened() as connection:
        apply(connection, [ONE, TWO], clock=ManualClock())
        connection.execute(damage)

        with pytest.raises(MigrationFailed, match="history of migrations is not known"):
            apply(connection, [ONE, TWO, THREE], clock=ManualClock())


@pytest.mark.attack("A41")
def test_another_program_s_file_is_refused() -> None:
    """A version in the header without a history, and tables without a history."""
    with opened() as connection:
        connection.execute("PRAGMA user_version = 1")
        with pytest.raises(MigrationFailed, match="its list is empty"):
            apply(connection, [ONE], clock=ManualClock())

        connection.execute("PRAGMA user_version = 0; CREATE TABLE theirs (a)").fetchall()
        with pytest.raises(
            MigrationFailed, match=r"holds tables \(theirs\) and no history.*none of"
        ):
            apply(connection, [ONE], clock=ManualClock())


def test_a_database_of_known_shape_can_be_adopted() -> None:
    """Exactly the shape after a migration: what led there counts as applied, the rest waits."""
    with opened() as connection:
        connection.execute(
            "CREATE TABLE two (id TEXT PRIMARY KEY NOT NULL);"
            "CREATE TABLE one (id TEXT PRIMARY KEY NOT NULL); INSERT INTO one VALUES ('kept')"
        ).fetchall()
        with pytest.raises(MigrationFailed, match="that of 0002_two: take it over"):
            apply(connection, [ONE, TWO, THREE], clock=ManualClock())

        adopted = adopt(connection, [ONE, TWO, THREE], clock=ManualClock())
        applied = apply(connection, [ONE, TWO, THREE], clock=ManualClock())

        assert (adopted.migrations, adopted.version) == (("0001_one", "0002_two"), 2)
        assert applied.migrations == ("0003_three",)
        assert rows(connection, "SELECT * FROM one") == [("kept",)]
        with pytest.raises(MigrationFailed, match="has a history already"):
            adopt(connection, [ONE, TWO, THREE], clock=ManualClock())


def test_what_fits_two_migrations_is_not_adopted_by_guess() -> None:
    """A migration of data alone leaves no trace in the shape, so a person says it."""
    data = by_hand(2, "DELETE FROM one", slug="data")
    with opened() as connection:
        connection.execute("CREATE TABLE one (id TEXT PRIMARY KEY NOT NULL)")

        with pytest.raises(MigrationFailed, match="fits 0001_one, 0002_data"):
            adopt(connection, [ONE, data], clock=ManualClock())

        assert adopt(connection, [ONE, data], clock=ManualClock(), upto=1).version == 1
        assert pending(connection, [ONE, data]) == [data]


@pytest.mark.attack("A41")
def test_another_shape_is_not_adopted() -> None:
    """The nearest difference is said."""
    with opened() as connection:
        connection.execute("CREATE TABLE one (id TEXT PRIMARY KEY)")

        with pytest.raises(MigrationFailed, match="one: the column id should refuse NULL"):
            adopt(connection, [ONE], clock=ManualClock())


def test_serving_needs_a_current_database() -> None:
    """What waits is named; a schema that says more than the files is told apart."""
    with opened() as connection:
        apply(connection, [ONE], clock=ManualClock())

        with pytest.raises(MigrationNeeded, match="waits for 0002_two"):
            require_current(connection, [ONE, TWO], expected=None)
        with pytest.raises(
            MigrationNeeded, match=r"says what no migration does: .*users is missing"
        ):
            require_current(connection, [ONE], expected=shop())

        require_current(connection, [ONE], expected=None)
