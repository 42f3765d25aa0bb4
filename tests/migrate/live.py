"""
A shop that is served, in a file or on a server: the same questions to both engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from freehold.clock import ManualClock
from freehold.migrate.apply import apply
from freehold.migrate.looks import Rehearsal
from freehold.migrate.postgres.apply import apply as postgres_apply
from freehold.migrate.postgres.rehearse import rehearse as rehearse_server
from freehold.migrate.postgres.undo import undo as undo_server
from freehold.migrate.rehearse import rehearse as rehearse_file
from freehold.migrate.reverse import Undone
from freehold.migrate.undo import undo as undo_file
from freehold.testing.cluster import Cluster
from tests.migrate import postgres_worlds, worlds
from tests.migrate.sealing_worlds import SEALER


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

    def undo(self, migrations: list[Any], **more: Any) -> Undone:
        return undo_file(self.connection, migrations, self.path, **more)

    def content(self) -> Any:
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

    def undo(self, migrations: list[Any], **more: Any) -> Undone:
        return undo_server(self.connection, migrations, **more)

    def content(self) -> Any:
        schemas = self.connection.rows("SELECT nspname::text FROM pg_namespace ORDER BY 1")
        return postgres_worlds.content(self.connection), [name for (name,) in schemas]


@contextmanager
def file_live(tmp_path: Path, _: Callable[[], Cluster]) -> Iterator[File]:
    with worlds.opened(tmp_path / "main.db") as connection:
        yield File(tmp_path / "main.db", connection)


@contextmanager
def server_live(_: Path, postgres: Callable[[], Cluster]) -> Iterator[Server]:
    url = postgres().new_schema()
    with postgres_worlds.connected(url) as connection:
        yield Server(url, connection)
