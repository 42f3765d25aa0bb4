"""
`freehold sql`: a look into the database; it cannot change anything.
"""

from __future__ import annotations

from typing import Annotated

import typer

from freehold.cli.console import say, show_json, show_table
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)


def sql(
    text: Annotated[str, typer.Argument(help="One SELECT.")],
    limit: Annotated[int, typer.Option("--limit", help="Rows at most.", min=1, max=1_000)] = 100,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Run one SELECT, beside the running server or without it.

    Example: [bold]freehold sql "SELECT status, count(*) FROM ideas GROUP BY status"[/]
    """
    from freehold.cli.operator import operator

    with operator(find_app(app), folder, database) as owner:
        found = owner.sql(text, limit)
    if as_json:
        show_json(found)
        return
    show_table(found["columns"], found["rows"])
    if found["isCut"]:
        say(f"more rows than {limit}; raise --limit")
