"""A rehearsal says what a migration would do, on both engines, and changes nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from freehold.clock import ManualClock
from freehold.errors import DatabaseTooNew, MigrationFailed
from freehold.migrate.apply import apply
from freehold.migrate.looks import Rehearsal
from freehold.migrate.rehearse import rehearse as rehearse_file
from freehold.testing.cluster import Cluster
from tests.migrate import sealing_worlds, worlds
from tests.migrate.live import File, Server, file_live, server_live
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop

pytestmark = pytest.mark.promise("P19")


def test_a_rebuild_keeps_everything(live: File | Server) -> None:
    """Counts before and after, and nothing of the live data changes."""
    before = live.content()

    found = live.rehearse(live.built(shop(), shop_later()), expected=shop_later())

    assert found.migrations == ("0002_step_2",)
    assert found.lost == ()
    assert found.before is not None
    assert found.after is not None
    assert found.before.rows == {"entries": 2, "notes": 3, "users": 2}
    assert found.after.rows == {"entries": 2, "notes": 3, "tags": 0, "users": 2}
    assert found.before.children["notes", ("user_id",), "users"].rows == 3
    assert found.after.children["notes", ("user_id",), "users"].rows == 3
    assert found.after.broken == 0
    assert live.content() == before
    live.apply(live.built(shop(), shop_later()))
    assert live.rehearse(live.built(shop(), shop_later())) == Rehearsal()


@pytest.mark.parametrize(
    ("statements", "lost", "changed"),
    [
        (["ALTER TABLE users RENAME COLUMN email TO address"], [], []),
        (["ALTER TABLE users RENAME TO people"], [], []),
        (
            ["ALTER TABLE notes ADD COLUMN colour TEXT", "UPDATE notes SET colour = 'red'"],
            [],
            [],
        ),
        (["UPDATE notes SET score = 7"], [], ["notes.score: values are others than before"]),
        (["DROP TABLE entries"], ["the table entries goes, with 2 rows"], None),
        (["DELETE FROM entries"], ["entries: 2 of 2 rows are gone"], None),
        (
            ["ALTER TABLE users DROP COLUMN email"],
            ["the column users.email goes, with 2 values"],
            [],
        ),
        (["DROP INDEX titled"], [], ["the index titled is gone"]),
        (
            ["UPDATE entries SET note_id = NULL"],
            ["entries: 1 of 1 rows that point at notes are gone, or point at nothing"],
            ["entries.note_id: values are others than before"],
        ),
    ],
)
def test_what_is_lost_is_named(
    live: File | Server, statements: list[str], lost: list[str], changed: list[str] | None
) -> None:
    """What a statement says it changes is told apart from what is lost."""
    found = live.rehearse([*live.built(shop()), live.by_hand(2, *statements)])
    assert list(found.lost) == lost
    if changed is not None:
        assert list(found.changed) == changed


def test_values_that_nobody_said_would_change_are_found(live: File | Server) -> None:
    """By a trigger that writes another column of another table."""
    found = live.rehearse(
        [*live.built(shop()), live.by_hand(2, "INSERT INTO entries VALUES ('e3', 2)")]
    )
    assert (
        found.lost == ("notes.score: values are others than before, and no statement sets them",)
        or "notes.score: values are others than before" in found.changed
    )


def test_sealing_is_rehearsed_too(tmp_path: Path, postgres: Cluster) -> None:
    """And no copy of it is left."""
    for make in (file_live, server_live):
        with make(tmp_path, lambda: postgres) as live:
            live.apply(live.built(sealing_worlds.in_clear()))
            live.run("INSERT INTO accounts VALUES ('p', 1, 'clear', NULL)")
            before = live.content()
            migrations = live.built(sealing_worlds.in_clear(), sealing_worlds.sealed())
            found = live.rehearse(migrations)
            assert found.lost == ()
            assert "accounts.token: values are others than before" in found.changed
            assert live.content() == before


def test_a_refusal_is_that_of_apply(live: File | Server) -> None:
    """The same error, and nothing is left of the copy."""
    before = live.content()
    broken = live.by_hand(2, "INSERT INTO entries VALUES ('e9', 999)")
    with pytest.raises(MigrationFailed):
        live.rehearse([*live.built(shop()), broken])
    with pytest.raises(DatabaseTooNew):
        live.rehearse([])
    assert live.content() == before


def test_a_file_without_a_server_is_rehearsed(tmp_path: Path) -> None:
    """Also when the last owner was killed and its log lies beside it."""
    path = tmp_path / "main.db"
    with worlds.opened(path) as connection:
        apply(connection, worlds.built(shop()), clock=ManualClock())
        worlds.fill_shop(connection)
        log = (tmp_path / "main.db-wal").read_bytes()
        data = path.read_bytes()
    path.write_bytes(data)
    (tmp_path / "main.db-wal").write_bytes(log)
    found = rehearse_file(path, worlds.built(shop(), shop_later()), clock=ManualClock())
    assert found.before is not None
    assert found.before.rows["notes"] == 3
    assert path.read_bytes() == data
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(1,)]
