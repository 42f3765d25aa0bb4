"""
`freehold migrate`: from the schema to the database, through files that somebody has read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from freehold.app import App, Database
from freehold.cli.console import say, show_json, show_table, tell
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)
from freehold.errors import SchemaError, StartError

commands = typer.Typer(help="Migrations: plan, apply, adopt, status, check.", no_args_is_help=True)


@commands.command("plan")
def plan(
    app: AppOption = None,
    name: Annotated[str | None, typer.Option("--name", help="What the migration does.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write no file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Write the next migration: the way from the files there are to the schema. Then read it.

    Example: [bold]freehold migrate plan --name "topics have a colour"[/]
    """
    from freehold.migrate.files import load, write
    from freehold.migrate.plan import plan_next

    found: dict[str, Any] = {}
    for declared in find_app(app).databases.values():
        folder = _folder(declared)
        migrations = load(folder)
        planned = plan_next(declared.schema, migrations)
        if planned.refusals:
            raise SchemaError(" ".join(str(refusal) for refusal in planned.refusals))
        path = None
        if not planned.is_empty and not dry_run:
            slug = name or ("initial" if not migrations else "change")
            path = write(folder, planned, slug)
        found[declared.name] = {"steps": planned.sentences, "file": str(path) if path else None}
        if not as_json:
            _show_plan(declared.name, planned.sentences, path)
    if as_json:
        show_json(found)


def _show_plan(name: str, sentences: list[str], path: Path | None) -> None:
    if not sentences:
        say(f"{name}: the files lead to the schema; nothing to plan")
    for sentence in sentences:
        tell(f"{name}: {sentence}")
    if path is not None:
        say(f"wrote {path}: read it, then `freehold migrate apply`")


@commands.command("apply")
def apply(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Apply what waits, whole or not at all. The server must be stopped.

    Example: [bold]freehold migrate apply --data-dir /var/lib/notes[/]
    """
    from freehold.app.opening import Options, open_app

    before = _states(find_app(app), folder, database)
    options = Options(
        folder=folder.resolve(),
        database=database,
        upgrade="apply",
        on_progress=say,
    )
    open_app(find_app(app), options).close()
    waited = [row["name"] for row in before if row["state"] == "waiting"]
    if as_json:
        show_json({"applied": waited})
    else:
        say(f"applied {', '.join(waited)}" if waited else "nothing waited")


@commands.command("adopt")
def adopt(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """
    Take over a database that has tables and no history: write down which migrations it has had.

    Nothing is run; its shape must be exactly that after one of the migrations.

    Example: [bold]freehold migrate adopt --database old.db[/]
    """
    from freehold.app.opening import Options, open_app

    options = Options(folder=folder.resolve(), database=database, upgrade="adopt")
    open_app(find_app(app), options).close()
    say("adopted")


@commands.command("status")
def status(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Which migrations the database has had, and which wait."""
    rows = _states(find_app(app), folder, database)
    if as_json:
        show_json(rows)
        return
    show_table(
        ["database", "migration", "state", "applied"],
        [[row["database"], row["name"], row["state"], row["appliedAt"]] for row in rows],
    )


@commands.command("check")
def check(app: AppOption = None, as_json: JsonOption = False) -> None:
    """
    Whether the files lead to the schema; exit 1 when they do not.

    Example: [bold]freehold migrate check[/] in CI.
    """
    from freehold.migrate.apply import check as differences
    from freehold.migrate.files import load

    found = {
        declared.name: differences(declared.schema, load(_folder(declared)))
        for declared in find_app(app).databases.values()
        if declared.migrations is not None
    }
    if as_json:
        show_json(found)
    for name, sentences in found.items() if not as_json else ():
        for sentence in sentences or ["the files lead to the schema"]:
            say(f"{name}: {sentence}")
    if any(found.values()):
        raise typer.Exit(1)


def _folder(declared: Database) -> Path:
    if declared.migrations is None:
        raise StartError(
            f"the database {declared.name!r} names no folder of migrations.",
            hint='Write Database(…, migrations=Path(__file__).with_name("migrations")).',
        )
    return declared.migrations


def _states(app: App, folder: Path, database: str | None) -> list[dict[str, Any]]:
    from freehold.app.places import places
    from freehold.migrate.files import load
    from freehold.migrate.history import reading
    from freehold.migrate.history import status as history

    found = places(app, folder.resolve(), database)
    rows: list[dict[str, Any]] = []
    for declared in app.databases.values():
        migrations = load(declared.migrations) if declared.migrations is not None else []
        path = found[declared.name]
        if not isinstance(path, Path) or not path.exists():
            rows += [_row(declared.name, m.name, "waiting", None) for m in migrations]
            continue
        with reading(path) as connection:
            rows += [
                _row(declared.name, each.name, each.state, each.applied_at)
                for each in history(connection, migrations)
            ]
    return rows


def _row(database: str, name: str, state: str, applied_at: int | None) -> dict[str, Any]:
    return {"database": database, "name": name, "state": state, "appliedAt": applied_at}
