"""A snapshot is the whole database from before, in one private file, or there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.clock import ManualClock
from freehold.errors import MigrationFailed
from freehold.migrate.apply import apply
from freehold.migrate.history import reading
from freehold.migrate.snapshot import has_rows, snapshot_path, take_snapshot
from tests.migrate.worlds import built, by_hand, content, fill_shop, opened, rows, shop

MORE = by_hand(2, "CREATE TABLE more (id TEXT)")


def test_rows_are_copied_before_they_are_touched(tmp_path: Path) -> None:
    """The copy holds what was committed, its WAL included, and only its owner can read it."""
    migrations = [*built(shop()), MORE]
    with opened(tmp_path / "app.db") as connection:
        apply(connection, migrations[:1], clock=ManualClock())
        fill_shop(connection)
        before = content(connection)
        path = snapshot_path(tmp_path / "app.db", connection)

        applied = apply(connection, migrations, clock=ManualClock(), snapshot_to=path)

    assert applied.snapshot == path
    assert path.name == "app.before-0002.db"
    assert path.stat().st_mode & 0o777 == 0o600
    with reading(path) as copy:
        assert content(copy) == before
        assert rows(copy, "PRAGMA journal_mode") == [("delete",)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["app.before-0002.db", "app.db"]


def test_a_database_without_rows_needs_none(tmp_path: Path) -> None:
    """The first start makes no copy of nothing."""
    with opened(tmp_path / "app.db") as connection:
        connection.execute("CREATE TABLE _freehold_meta (a); INSERT INTO _freehold_meta VALUES (1)")

        applied = apply(
            connection, built(shop()), clock=ManualClock(), snapshot_to=tmp_path / "copy.db"
        )

        assert not has_rows(connection)

    assert applied.snapshot is None
    assert not (tmp_path / "copy.db").exists()


def test_a_failed_migration_leaves_no_copy_behind(tmp_path: Path) -> None:
    """The database is as it was, and a start in a loop would fill the disk."""
    bad = by_hand(2, "CREATE TABLE notes (id TEXT)")
    with opened(tmp_path / "app.db") as connection:
        apply(connection, built(shop()), clock=ManualClock())
        fill_shop(connection)

        with pytest.raises(MigrationFailed, match="already exists"):
            apply(
                connection,
                [*built(shop()), bad],
                clock=ManualClock(),
                snapshot_to=tmp_path / "copy.db",
            )

    assert [p.name for p in tmp_path.iterdir()] == ["app.db"]


@pytest.mark.parametrize("place", ["there.db", "nowhere/copy.db"])
def test_no_copy_no_migration(tmp_path: Path, place: str) -> None:
    """A file that is there is not overwritten, and without a copy nothing is changed."""
    (tmp_path / "there.db").write_bytes(b"mine")
    migrations = [*built(shop()), MORE]
    with opened(tmp_path / "app.db") as connection:
        apply(connection, migrations[:1], clock=ManualClock())
        fill_shop(connection)
        before = content(connection)

        with pytest.raises(
            MigrationFailed, match=r"No snapshot could be kept .*Nothing was changed"
        ):
            apply(connection, migrations, clock=ManualClock(), snapshot_to=tmp_path / place)

        assert content(connection) == before
    assert (tmp_path / "there.db").read_bytes() == b"mine"


def test_a_copy_that_was_broken_off_is_begun_again(tmp_path: Path) -> None:
    """A crash leaves a partial file, which never bears the name of a snapshot."""
    (tmp_path / "copy.db.partial").write_bytes(b"half")
    with opened(tmp_path / "app.db") as connection:
        connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)").fetchall()

        take_snapshot(connection, tmp_path / "copy.db")

    with reading(tmp_path / "copy.db") as copy:
        assert rows(copy, "SELECT a FROM t") == [(1,)]
    assert not (tmp_path / "copy.db.partial").exists()


def test_each_snapshot_has_a_name_of_its_own(tmp_path: Path) -> None:
    """By the number of the migration it precedes, and a second number where that is taken."""
    path = tmp_path / "app.db"
    with opened(path) as connection:
        first = snapshot_path(path, connection)
        first.touch()
        second = snapshot_path(path, connection)

    assert (first.name, second.name) == ("app.before-0001.db", "app.before-0001-2.db")
