"""
`freehold export`: one snapshot of a database as SQL or as lines of JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from freehold.cli.console import say
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    find_app,
)

if TYPE_CHECKING:
    from freehold.app import App
    from freehold.app.moving import Given


def export(
    format_: Annotated[str, typer.Option("--format", help="jsonl or sql.")] = "jsonl",
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only this one; may be said again.")
    ] = None,
    output: Annotated[
        str,
        typer.Option("-o", "--output", help="A file, a folder, or - for standard output."),
    ] = "-",
    dialect: Annotated[
        str, typer.Option("--dialect", help="Whose SQL: sqlite or postgresql.")
    ] = "sqlite",
    reveal_sealed: Annotated[
        bool,
        typer.Option("--reveal-sealed", help="Open the sealed columns; the audit log says so."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
    of: Annotated[
        str | None, typer.Option("--of", help="One of several databases, by its name.")
    ] = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """
    Write one snapshot of the database to a file, beside the running server or without it.

    `freehold import` takes both back. Sealed columns stay sealed; the file is the owner's alone.

    Example: [bold]freehold export --format sql -o notes.sql[/]
    """
    from freehold.app.moving import Given, export_file, one_of
    from freehold.app.opening import Options
    from freehold.cli.progress import rows_line

    if format_ not in ("jsonl", "sql"):
        raise typer.BadParameter("say jsonl or sql", param_hint="--format")
    if dialect not in ("sqlite", "postgresql"):
        raise typer.BadParameter("say sqlite or postgresql", param_hint="--dialect")
    found = find_app(app)
    declared = one_of(found, of)
    given = Given(
        cast("Any", format_), cast("Any", dialect), tuple(table or ()), reveal_sealed, overwrite
    )
    if reveal_sealed:
        _write_down(found, declared.name, given, folder=folder, database=database)
    exported = export_file(
        found,
        declared,
        _path(output, f"{declared.name}.{format_}"),
        given=given,
        options=Options(folder=folder.resolve(), database=database),
        on_progress=rows_line("exporting"),
    )
    rows = sum(exported.tables.values())
    say(f"exported {rows} rows of {len(exported.tables)} tables as of commit {exported.seq}")
    if exported.path is not None:
        say(f"written: {exported.path}")
    if exported.is_revealed:
        say("it holds secrets in clear: keep it as you keep them, and delete it when it is used")


def _path(output: str, name: str) -> Path | None:
    if output == "-":
        return None
    path = Path(output)
    return path / name if path.is_dir() else path


def _write_down(app: App, name: str, given: Given, *, folder: Path, database: str | None) -> None:
    """Before anything is revealed, the audit log says that it will be."""
    from freehold.cli.operator import operator

    with operator(app, folder, database) as owner:
        owner.of_database(name, "revealSealed", {"tables": list(given.tables)})
