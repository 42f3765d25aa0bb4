"""
Rehearsing an application's migrations on copies of its databases, while they are served.
"""

from __future__ import annotations

from pathlib import Path

from freehold.app.declaration import App, Database
from freehold.app.opening import Options, secrets_folder
from freehold.app.places import Place, places
from freehold.app.secrets import find_secrets
from freehold.crypto import KeyRing
from freehold.errors import MigrationNeeded
from freehold.migrate.looks import Rehearsal
from freehold.migrate.pairs import load_all
from freehold.migrate.postgres.rehearse import rehearse as rehearse_server
from freehold.migrate.rehearse import rehearse as rehearse_file
from freehold.migrate.sealed import has_seals
from freehold.migrate.sealing import Sealer


def rehearse(app: App, options: Options) -> dict[str, Rehearsal]:
    """
    What would come of the migrations that wait, by database.

    Raises:
        StartError: As applying them would; nothing was changed.
    """
    found = places(app, options.folder, options.database)
    return {
        declared.name: _rehearsed(app, declared, found[declared.name], options)
        for declared in app.databases.values()
    }


def _rehearsed(app: App, declared: Database, place: Place, options: Options) -> Rehearsal:
    if declared.migrations is None:
        raise MigrationNeeded(
            f"the database {declared.name!r} has no folder of migrations to rehearse.",
            hint='Write Database(…, migrations=Path(__file__).with_name("migrations")).',
        )
    if isinstance(place, Path):
        if not place.exists():
            return Rehearsal()
        migrations = load_all(declared.migrations, "sqlite")
        ring = _ring(app, options, place) if has_seals(migrations) else None
        return rehearse_file(
            place,
            migrations,
            clock=options.clock,
            expected=declared.schema,
            sealer=Sealer(declared.name, ring),
        )
    from freehold.drivers.postgres import blocking_connection

    migrations = load_all(declared.migrations, "postgresql")
    ring = _ring(app, options, place) if has_seals(migrations) else None
    with blocking_connection(place.url) as connection:
        return rehearse_server(
            connection,
            migrations,
            clock=options.clock,
            expected=declared.schema,
            sealer=Sealer(declared.name, ring),
        )


def _ring(app: App, options: Options, place: Place) -> KeyRing:
    folder = secrets_folder(options, place)
    return find_secrets(app, folder, may_create=False, clock=options.clock, ids=options.ids).ring
