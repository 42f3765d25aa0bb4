"""
Undoing the last migrations of an application's databases, which nobody may serve meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from freehold.app.declaration import App, Database
from freehold.app.opening import Options
from freehold.app.places import places
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import MigrationNeeded, StartError
from freehold.migrate.pairs import load_all
from freehold.migrate.postgres.undo import undo as undo_server
from freehold.migrate.reverse import Undone, UndoRefused
from freehold.migrate.undo import undo as undo_file

if TYPE_CHECKING:
    from freehold.drivers.postgres import Address


def undo(
    app: App,
    options: Options,
    *,
    name: str | None = None,
    to: str | None = None,
    discard_since: bool = False,
) -> Undone:
    """
    Bring one database back to a migration that it has had.

    Args:
        name: Which database; left out, the only one that has migrations.
        to: The migration that is to be the last one; left out, the one before the last.
        discard_since: What was written since, and has no place in the old tables, may go.

    Raises:
        UndoRefused: It cannot be undone, or something would be lost.
        StartError: Somebody serves it, or it cannot be opened; it is as it was.
    """
    declared = _declared(app, name)
    if declared.migrations is None:
        raise MigrationNeeded(
            f"the database {declared.name!r} has no folder of migrations.",
            hint="There is nothing to undo.",
        )
    place = places(app, options.folder, options.database)[declared.name]
    if isinstance(place, Path):
        return _undo_file(declared, place, options, to=to, discard_since=discard_since)
    return _undo_server(declared, place, to=to, discard_since=discard_since)


def _undo_file(
    declared: Database, path: Path, options: Options, *, to: str | None, discard_since: bool
) -> Undone:
    if not path.exists():
        raise StartError(f"there is no database {path}.", hint="Name it with --database.")
    migrations = load_all(declared.migrations, "sqlite") if declared.migrations else []
    done: list[Undone] = []

    def prepare(connection: apsw.Connection) -> None:
        done.append(undo_file(connection, migrations, path, to=to, discard_since=discard_since))

    database = SqliteDatabase(
        path, declared.schema, name=declared.name, clock=options.clock, ids=options.ids
    )
    database.open(prepare)
    database.close()
    return done[0]


def _undo_server(
    declared: Database, place: Address, *, to: str | None, discard_since: bool
) -> Undone:
    from freehold.drivers.postgres import blocking_connection, who_serves

    migrations = load_all(declared.migrations, "postgresql") if declared.migrations else []
    with blocking_connection(place.url) as connection:
        serving = who_serves(connection)
        if serving:
            hosts = ", ".join(sorted({host for _, host in serving}))
            raise UndoRefused(
                f"{len(serving)} processes serve {place.shown} now, from {hosts}.",
                hint="Stop them first: they need the tables that would go.",
            )
        return undo_server(connection, migrations, to=to, discard_since=discard_since)


def _declared(app: App, name: str | None) -> Database:
    if name is not None:
        if name not in app.databases:
            raise StartError(
                f"{app.name} has no database {name!r}.", hint=f"It has {', '.join(app.databases)}."
            )
        return app.databases[name]
    kept = [each for each in app.databases.values() if each.migrations is not None]
    if len(kept) > 1:
        raise StartError(
            f"{app.name} has several databases with migrations.",
            hint=f"Say which: --name {' or '.join(each.name for each in kept)}.",
        )
    return kept[0] if kept else next(iter(app.databases.values()))
