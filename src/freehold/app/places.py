"""
Where an application's databases are: files beside each other, or schemas on one server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from freehold.app.declaration import App

if TYPE_CHECKING:
    from freehold.drivers.postgres import Address

#: A file, or a PostgreSQL schema on a server.
Place: TypeAlias = "Path | Address"


def places(app: App, folder: Path, database: str | None) -> dict[str, Place]:
    """
    The place of each database, by its name.

    Args:
        app: The application.
        folder: Holds the files, when nothing else is said.
        database: The file of the first database, or the address of the server that holds all
            of them: one database lives in the schema that the address names, several each in
            a schema of its own name.

    Raises:
        StartError: The address is of no engine that there is.
    """
    names = list(app.databases)
    if database is not None and "://" in database:
        # Only who uses a server needs its driver.
        from freehold.drivers.postgres import Address

        own = len(names) > 1
        return {
            name: Address.parse(database, schema=_schema_name(name) if own else None)
            for name in names
        }
    found: dict[str, Place] = {name: folder / f"{name}.db" for name in names}
    if database is not None:
        found[names[0]] = Path(database)
    return found


def _schema_name(name: str) -> str:
    return name.replace("-", "_")
