"""A rehearsal says what a migration would do, on both engines, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from freehold.clock import ManualClock
from freehold.errors import DatabaseTooNew, MigrationFailed
from freehold.migrate.apply import apply
from freehold.migrate.looks import Rehearsal
from freehold.migrate.postgres.apply import apply as postgres_apply
from freehold.migrate.postgres.rehearse import rehearse as rehearse_server
from freehold.migrate.rehearse import rehearse as rehearse_file
from freehold.testing.cluster import Cluster
from tests.migrate import postgres_worlds, sealing_worlds, worlds
from tests.migrate.sealing_worlds import SEALER
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop

pytestmark = pytest.mark.promise("P19")


class File:
    """A file that is served: its connection stays open all the while."""

    by_hand = staticmethod(worlds.by_hand)
    built = staticmethod(worlds.built)

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self.connection = connection

    def fill(self) -> None:
        worlds.fill_shop(self.connection)

    def apply(self, migrations: list[Any]) -> None:
        apply(self.connection, migrations, clock=ManualClock(), sealer=SEALER)

    def run(self, sql: str) -> None:
        self.connection.execute(sql).fetchall()

    def rehearse(self, migrations: list[Any], **more: Any) -> Rehearsal:
        return rehearse_file(self.path, migrations, clock=ManualClock(), sealer=SEALER, **more)

    def content(self) -> object:
        files = {each.name for each in self.path.parent.iterdir()}
        return worlds.content(self.connection), files


class Server:
    """A schema of a server."""

    by_hand = staticmethod(postgres_worlds.by_hand)
    built = staticmethod(postgres_worlds.built_for_postgres)

    def __init__(self, url: str, connection: postgres_worlds.Blocking) -> None:
        self.url = url
        self.connection = connection

    def fill(self) -> None:
        postgres_worlds.fill_shop(self.connection)

    def apply(self, migrations: list[Any]) -> None:
        postgres_apply(self.connection, migrations, clock=ManualClock(), sealer=SEALER)

    def run(self, sql: str) -> None:
        self.connection.run(sql)

    def rehearse(self, migrations: list[Any], **more: Any) -> Rehearsal:
        with postgres_worlds.connected(self.url) as own:
            return rehearse_server(own, migrations, clock=ManualClock(), sealer=SEALER, **more)

    def content(self) -> object:
        schemas = self.connection.rows("SELECT nspname::text FROM pg_namespace ORDER BY 1")
        return postgres_worlds.content(self.connection), [name for (name,) in schemas]


@contextmanager
def _file(tmp_path: Path, _: Callable[[], Cluster]) -> Iterator[File]:
    with worlds.opened(tmp_path / "main.db") as connection:
        yield File(tmp_path / "main.db", connection)


@contextmanager
def _server(_: Path, postgres: Callable[[], Cluster]) -> Iterator[Server]:
    url = postgres().new_schema()
    with postgres_worlds.connected(url) as connection:
        yield Server(url, connection)


@pytest.fixture(params=[_file, _server], ids=["sqlite", "postgresql"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[File | Server]:
    """A shop that serves."""
    with request.param(tmp_path, lambda: request.getfixturevalue("postgres")) as found:
        found.apply(found.built(shop()))
        found.fill()
        yield found


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
    for make in (_file, _server):
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
