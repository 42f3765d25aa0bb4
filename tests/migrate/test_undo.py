"""A migration is undone where nothing is lost by it, on both engines, or refused as a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freehold.clock import ManualClock
from freehold.errors import DatabaseTooNew, MigrationFailed
from freehold.migrate.apply import apply
from freehold.migrate.reverse import UndoRefused
from freehold.migrate.snapshot import snapshot_path
from freehold.migrate.undo import undo as undo_file
from tests.migrate import sealing_worlds
from tests.migrate.live import File, Server
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import built, content, fill_shop, opened, shop

pytestmark = pytest.mark.promise("P19")


def whole(live: File | Server) -> Any:
    """Tables and rows; the order of columns and PostgreSQL's own numbers are no matter."""
    return live.content()[0]


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red'"],
        ["ALTER TABLE users RENAME COLUMN email TO address"],
        ["ALTER TABLE users RENAME TO people"],
        ["CREATE TABLE tags (id TEXT PRIMARY KEY)"],
        ["DROP INDEX titled"],
        ["CREATE INDEX by_status ON notes (status)"],
        [
            "ALTER TABLE users RENAME TO people",
            "ALTER TABLE people RENAME COLUMN email TO address",
            "ALTER TABLE people ADD COLUMN age BIGINT",
        ],
    ],
)
def test_what_was_added_and_renamed_is_undone(
    live: File | Server,
    statements: list[str],
) -> None:
    """Everything is as it was, children too, and it can be applied again."""
    base = live.built(shop())
    before = whole(live)
    statements = [
        s.replace("BIGINT", "INTEGER") if isinstance(live, File) else s for s in statements
    ]
    migrations = [*base, live.by_hand(2, *statements)]
    live.apply(migrations)
    after = whole(live)
    assert after != before

    done = live.undo(migrations)

    assert (done.migrations, done.version, done.lost) == (("0002_by_hand",), 1, ())
    assert whole(live) == before
    live.apply(migrations)
    assert whole(live)["rows"].keys() == after["rows"].keys()


def test_a_rebuild_and_what_came_with_it_is_undone(live: File | Server) -> None:
    """A counted key goes on after the numbers that were given since."""
    migrations = live.built(shop(), shop_later())
    live.apply(migrations)
    live.run("INSERT INTO notes (user_id, title, status) VALUES ('u1', 'since', 'open')")
    live.run("DELETE FROM notes WHERE title = 'since'")

    assert live.undo(migrations, to="0001_step_1").migrations == ("0002_step_2",)

    live.run("INSERT INTO notes (user_id, title, status) VALUES ('u1', 'then', 'open')")
    rows = whole(live)["rows"]["notes"]
    assert len(rows) == 4
    numbers = [row for row in rows if "'then'" in row]
    assert ("6" if isinstance(live, File) else "5") in numbers[0]


def test_what_was_written_since_is_counted(live: File | Server) -> None:
    """It refuses to lose it, unless that is said."""
    base = live.built(shop())
    before = whole(live)
    added = live.by_hand(
        2, "ALTER TABLE notes ADD COLUMN colour TEXT", "CREATE TABLE tags (id TEXT PRIMARY KEY)"
    )
    live.apply([*base, added])
    live.run("UPDATE notes SET colour = 'red' WHERE id < 3")
    live.run("INSERT INTO tags VALUES ('t')")
    now = live.content()

    with pytest.raises(UndoRefused) as refused:
        live.undo([*base, added])
    assert "2 values of notes.colour" in refused.value.detail
    assert "1 rows of tags" in refused.value.detail
    assert live.content() == now

    done = live.undo([*base, added], discard_since=True)
    assert len(done.lost) == 2
    assert whole(live) == before


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (["ALTER TABLE users DROP COLUMN email"], "the column users.email was dropped"),
        (["DROP TABLE entries"], "the table entries was dropped"),
        (["UPDATE notes SET score = 7"], "changed rows by hand"),
        (["DELETE FROM entries"], "changed rows by hand"),
    ],
)
def test_what_was_thrown_away_does_not_come_back(
    live: File | Server,
    statements: list[str],
    why: str,
) -> None:
    """Without a copy from before it is refused, whatever is said."""
    migrations = [*live.built(shop()), live.by_hand(2, *statements)]
    live.apply(migrations)
    now = live.content()
    for discard_since in (False, True):
        with pytest.raises(UndoRefused, match=why):
            live.undo(migrations, discard_since=discard_since)
    assert live.content() == now


def test_sealing_is_not_undone(live: File | Server) -> None:
    """No migration writes secrets in clear."""
    live.run("DROP TABLE entries")
    live.run("DROP TABLE notes")
    live.run("DROP TABLE users")
    live.run("DROP TABLE _freehold_migrations")
    if isinstance(live, File):
        live.run("PRAGMA user_version = 0")
    migrations = live.built(sealing_worlds.in_clear(), sealing_worlds.sealed())
    live.apply(migrations)
    with pytest.raises(UndoRefused, match="no migration writes secrets in clear"):
        live.undo(migrations, discard_since=True)


def test_names_that_are_none_and_files_that_are_others(live: File | Server) -> None:
    """Each is told."""
    migrations = live.built(shop())
    with pytest.raises(UndoRefused, match="had no migration '0007_x'"):
        live.undo(migrations, to="0007_x")
    with pytest.raises(UndoRefused, match="is at 0001_step_1"):
        live.undo(migrations, to="1")
    with pytest.raises(DatabaseTooNew):
        live.undo([])
    with pytest.raises(MigrationFailed, match="is not what was applied"):
        live.undo([live.by_hand(1, "CREATE TABLE x (id TEXT PRIMARY KEY)")])
    with pytest.raises(UndoRefused, match="would lose"):
        live.undo(migrations)
    assert live.undo(migrations, to="0", discard_since=True).version == 0
    live.apply(migrations)


def dropping(path: Path, *, then: str = "") -> tuple[list[Any], Any]:
    """A file whose second migration threw something away, with the copy from before."""
    from tests.migrate.worlds import by_hand

    migrations = [*built(shop()), by_hand(2, "ALTER TABLE users DROP COLUMN email")]
    with opened(path) as connection:
        apply(connection, migrations[:1], clock=ManualClock())
        fill_shop(connection)
        connection.execute(
            "CREATE TABLE _freehold_meta (seq INTEGER); INSERT INTO _freehold_meta VALUES (7);"
            "CREATE TABLE _freehold_keys (id TEXT); INSERT INTO _freehold_keys VALUES ('live')"
        ).fetchall()
        before = content(connection)
        apply(
            connection, migrations, clock=ManualClock(),
            snapshot_to=snapshot_path(path, connection),
        )  # fmt: skip
        connection.execute(then).fetchall()
    return migrations, before


def test_a_dropped_column_comes_back_from_the_copy(tmp_path: Path) -> None:
    """When no commit came since, nothing is lost by it, and nothing has to be said."""
    path = tmp_path / "main.db"
    migrations, before = dropping(path)
    with opened(path) as connection:
        done = undo_file(connection, migrations, path)
        assert done.restored == tmp_path / "main.before-0002.db"
        assert (done.lost, done.kept) == ((), None)
        assert content(connection) == before


def test_commits_since_the_copy_are_counted(tmp_path: Path) -> None:
    """They go only when that is said; revoked keys and numbers of commits do not come back."""
    path = tmp_path / "main.db"
    since = (
        "UPDATE _freehold_meta SET seq = 9; DELETE FROM _freehold_keys;"
        "INSERT INTO users (id, created_at) VALUES ('u3', 3);"
        "INSERT INTO notes (user_id, title) VALUES ('u3', 'since')"
    )
    migrations, before = dropping(path, then=since)
    with opened(path) as connection:
        now = content(connection)
        with pytest.raises(UndoRefused) as refused:
            undo_file(connection, migrations, path)
        assert "2 commits since main.before-0002.db" in refused.value.detail
        assert "users had 2 rows and has 3" in refused.value.detail
        assert content(connection) == now

        done = undo_file(connection, migrations, path, discard_since=True)

        assert done.kept == tmp_path / "main.undone-0002.db"
        found = content(connection)
        for table in ("users", "notes", "entries"):
            assert found["rows"][table] == before["rows"][table]
        assert found["rows"]["_freehold_keys"] == []
        assert found["rows"]["_freehold_meta"] == ["(9,)"]
        connection.execute("INSERT INTO notes (user_id, title) VALUES ('u1', 'next')")
        assert connection.execute("SELECT max(id) FROM notes").fetchall() == [(6,)]


def test_a_damaged_copy_is_none(tmp_path: Path) -> None:
    """It is not taken for the truth."""
    path = tmp_path / "main.db"
    migrations, _ = dropping(path)
    copy = tmp_path / "main.before-0002.db"
    copy.write_bytes(copy.read_bytes()[: 4096 * 3])
    with opened(path) as connection, pytest.raises(UndoRefused, match="no copy from before"):
        undo_file(connection, migrations, path)
