"""
`freehold migrate`: from the schema to the database, through files that somebody has read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from freehold.app.places import Place
    from freehold.migrate.history import Status
    from freehold.migrate.looks import Look, Rehearsal

commands = typer.Typer(
    help="Migrations: plan, rehearse, apply, undo, adopt, status, check.", no_args_is_help=True
)


@commands.command("plan")
def plan(
    app: AppOption = None,
    name: Annotated[str | None, typer.Option("--name", help="What the migration does.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write no file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Write the next migration for both engines: the way from the files there are to the schema.

    Read what it wrote. Files that one engine has not yet are written too.

    Example: [bold]freehold migrate plan --name "topics have a colour"[/]
    """
    from freehold.migrate.pairs import plan_pair

    found: dict[str, Any] = {}
    for declared in find_app(app).databases.values():
        folder = _folder(declared)
        planned = plan_pair(declared.schema, folder)
        if planned.refusals:
            raise SchemaError(" ".join(str(refusal) for refusal in planned.refusals))
        paths: list[Path] = []
        if not planned.is_empty and not dry_run:
            paths = planned.write(folder, name or ("change" if planned.number > 1 else "initial"))
        files = [str(path) for path in paths]
        found[declared.name] = {
            "steps": planned.sentences,
            "file": files[0] if files else None,
            "files": files,
        }
        if not as_json:
            _show_plan(declared.name, planned.sentences, files)
    if as_json:
        show_json(found)


def _show_plan(name: str, sentences: list[str], files: list[str]) -> None:
    if not sentences:
        say(f"{name}: the files lead to the schema; nothing to plan")
    for sentence in sentences:
        tell(f"{name}: {sentence}")
    for path in files[:-1]:
        say(f"wrote {path}")
    if files:
        them = "them" if len(files) > 1 else "it"
        say(f"wrote {files[-1]}: read {them}, then `freehold migrate apply`")


@commands.command("apply")
def apply(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Apply what waits, whole or not at all. Who serves a file must be stopped before.

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


@commands.command("rehearse")
def rehearse(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Apply what waits to a copy, while the application serves; exit 1 when something is lost.

    Rows, children, references and every column's values are counted and hashed before and after.

    Example: [bold]freehold migrate rehearse --data-dir /var/lib/notes[/]
    """
    from freehold.app.opening import Options
    from freehold.app.rehearsal import rehearse as rehearse_all

    options = Options(folder=folder.resolve(), database=database)
    found = rehearse_all(find_app(app), options)
    if as_json:
        show_json({name: _plain(each) for name, each in found.items()})
    for name, each in found.items() if not as_json else ():
        _show_rehearsal(name, each)
    if any(each.lost for each in found.values()):
        raise typer.Exit(1)


@commands.command("undo")
def undo(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    to: Annotated[
        str | None,
        typer.Option("--to", help="The migration to go back to; default: the one before the last."),
    ] = None,
    discard_since: Annotated[
        bool,
        typer.Option("--discard-since", help="What was written since and has no place may go."),
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Which database, when there are several.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """
    Go back to an earlier migration, where nothing is lost by it. Who serves must be stopped before.

    Example: [bold]freehold migrate undo --to 0003_tags[/]
    """
    from freehold.app.opening import Options
    from freehold.app.undoing import undo as undo_one

    options = Options(folder=folder.resolve(), database=database)
    done = undo_one(find_app(app), options, name=name, to=to, discard_since=discard_since)
    if as_json:
        show_json(
            {
                "undone": done.migrations,
                "version": done.version,
                "lost": done.lost,
                "restored": str(done.restored) if done.restored else None,
                "kept": str(done.kept) if done.kept else None,
            }
        )
        return
    if done.restored:
        say(f"the tables are those of {done.restored.name} again")
    for sentence in done.lost:
        say(f"LOST: {sentence}")
    if done.kept:
        say(f"what was there before is in {done.kept.name}")
    say(f"undid {', '.join(done.migrations)}; start the version of the application from before")


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
    Whether each engine has every file, and the files lead to the schema; exit 1 when not.

    It needs no database and no server.

    Example: [bold]freehold migrate check[/] in CI.
    """
    from freehold.migrate.pairs import check_pair

    found = {
        declared.name: check_pair(declared.schema, declared.migrations)
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


def _show_rehearsal(name: str, found: Rehearsal) -> None:
    if found.before is None or found.after is None:
        say(f"{name}: nothing waits")
        return
    tables = dict.fromkeys([*found.before.rows, *found.after.rows])
    show_table(
        ["database", "table", "rows", "after"],
        [
            [name, table, found.before.rows.get(table, ""), found.after.rows.get(table, "")]
            for table in tables
        ],
    )
    for sentence in found.changed:
        say(f"{name}: {sentence}")
    for sentence in found.lost:
        say(f"{name}: LOST: {sentence}")
    say(f"{name}: {', '.join(found.migrations)} took {found.seconds:.2f} s on a copy")


def _plain(found: Rehearsal) -> dict[str, Any]:
    return {
        "migrations": found.migrations,
        "seconds": round(found.seconds, 3),
        "lost": found.lost,
        "changed": found.changed,
        "before": _plain_look(found.before),
        "after": _plain_look(found.after),
    }


def _plain_look(look: Look | None) -> dict[str, Any] | None:
    if look is None:
        return None
    return {
        "rows": look.rows,
        "children": {
            f"{child}({', '.join(columns)}) → {parent}": counted.rows
            for (child, columns, parent), counted in look.children.items()
        },
        "brokenReferences": look.broken,
        "pieces": {name: kind for name, (kind, _) in look.pieces.items()},
        "columns": {
            table: {name: {"values": c.values, "hash": c.hash} for name, c in columns.items()}
            for table, columns in look.columns.items()
        },
    }


def _folder(declared: Database) -> Path:
    if declared.migrations is None:
        raise StartError(
            f"the database {declared.name!r} names no folder of migrations.",
            hint='Write Database(…, migrations=Path(__file__).with_name("migrations")).',
        )
    return declared.migrations


def _states(app: App, folder: Path, database: str | None) -> list[dict[str, Any]]:
    from freehold.app.places import places

    found = places(app, folder.resolve(), database)
    return [
        _row(declared.name, each)
        for declared in app.databases.values()
        for each in _history(declared, found[declared.name])
    ]


def _history(declared: Database, place: Place) -> list[Status]:
    """What one database has had and what waits; nothing is changed."""
    from freehold.migrate.files import load
    from freehold.migrate.history import entries, reading, statuses

    folder = declared.migrations
    if not isinstance(place, Path):
        from freehold.drivers.postgres import blocking_connection
        from freehold.migrate.postgres import history as postgres_history

        with blocking_connection(place.url) as connection:
            had = postgres_history.entries(connection)
        return statuses(had, load(folder, "postgresql") if folder else [])
    had = []
    if place.exists():
        from freehold.drivers.sqlite import shim

        with reading(place, vfs=shim()) as file:
            had = entries(file)
    return statuses(had, load(folder) if folder else [])


def _row(database: str, each: Status) -> dict[str, Any]:
    return {
        "database": database,
        "name": each.name,
        "state": each.state,
        "appliedAt": each.applied_at,
    }
