"""
`freehold seed`: loads the application's sample data.
"""

from __future__ import annotations

from freehold.cli.console import say
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    find_app,
)
from freehold.errors import StartError


def seed(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """
    Load the sample data; what was loaded before stays as it is. `freehold dev` does it by itself.

    Example: [bold]freehold seed --app notes.py[/]
    """
    from freehold.app.opening import open_app
    from freehold.cli.operator import options_for, owner_socket

    found = find_app(app)
    socket = owner_socket(found, folder, database)
    if socket is not None:
        raise StartError(
            f"{found.name} is being served at {socket}.", hint="Stop it first, then seed."
        )
    running = open_app(found, options_for(folder, database))
    try:
        seeded = running.seed()
    finally:
        running.close()
    say(f"seeded {', '.join(seeded)}" if seeded else f"{found.name} has no sample data")
