"""
`freehold secrets`: which key has sealed what, a new key for all of it, and the end of an old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.app import App
from freehold.cli.console import TALK, say, show_json, show_table
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)

if TYPE_CHECKING:
    from freehold.app.rotation import Progress, Standing

commands = typer.Typer(
    help="Column keys: status, rotate, add, retire; beside the running server or without it.",
    no_args_is_help=True,
)


@commands.command("status")
def status(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Values by the key that sealed them; exit 1 when one has no key, or a key has sealed too many.

    Example: [bold]freehold secrets status --json[/]
    """
    from freehold.app.rotation import ALARM_AT, standing
    from freehold.cli.operator import operator

    found = find_app(app)
    with operator(found, folder, database) as owner:
        now = standing(owner, list(found.databases))
    _show(now, as_json=as_json)
    tired = [key_id for key_id, count in now.values.items() if count >= ALARM_AT]
    if tired:
        say(f"{', '.join(tired)} has sealed 2^30 values: rotate before it is 2^31")
    if now.lost or tired:
        raise typer.Exit(1)


@commands.command("rotate")
def rotate(
    to: Annotated[
        str | None, typer.Option("--to", help="A key that is in the file already.", metavar="ID")
    ] = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Put a new key in front, and seal with it what the others have sealed. Goes on where it was cut.

    Example: [bold]freehold secrets rotate[/]
    """
    from freehold.app.rotation import rotate as rotate_all
    from freehold.cli.operator import operator

    found = find_app(app)
    path = _path(found, folder, database)
    with operator(found, folder, database) as owner, _progress() as on_progress:
        now, broken = rotate_all(
            owner, list(found.databases), path=path, to=to, on_progress=on_progress
        )
    _show(now, as_json=as_json)
    if broken or now.stale or now.lost:
        say(f"{max(broken, now.stale) + now.lost:,} values do not open, and are as they were")
        raise typer.Exit(1)
    old = [key_id for key_id in now.ids if key_id != now.primary]
    say(f"every value is sealed with {now.primary}; keep a copy of {now.source}")
    for key_id in old:
        say(f"{key_id} is still there; `freehold secrets retire {key_id}` lets it go")


@commands.command("add")
def add(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """
    Put a new key behind the others: it opens, and does not seal yet. For several machines.

    Example: [bold]freehold secrets add[/], hand the file out, then [bold]secrets rotate --to k2[/]
    """
    from freehold.app.rotation import add_key

    path = _path(find_app(app), folder, database)
    key_id = add_key(path)
    say(f"{key_id} is in {path}; when every process has that file: secrets rotate --to {key_id}")


@commands.command("retire")
def retire(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `secrets status` shows it.")],
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """
    Let an old key go, when no value of any database needs it.

    Example: [bold]freehold secrets retire k1[/]
    """
    from freehold.app.rotation import retire as retire_one
    from freehold.cli.operator import operator

    found = find_app(app)
    path = _path(found, folder, database)
    with operator(found, folder, database) as owner:
        retire_one(owner, list(found.databases), key_id, path=path)
    say(f"{key_id} is gone; backups from before need a copy of the secrets that still has it")


def _path(app: App, folder: Path, database: str | None) -> Path:
    """Where the opener looks for the secrets."""
    from freehold.app.places import places
    from freehold.app.secrets import secrets_path

    first = next(iter(places(app, folder.resolve(), database).values()))
    beside = database is not None and isinstance(first, Path)
    return secrets_path(first.parent if beside and isinstance(first, Path) else folder.resolve())


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, a line for each column elsewhere."""
    if not TALK.is_terminal:
        seen: set[str] = set()

        def tell_line(told: Progress) -> None:
            if told.column not in seen:
                seen.add(told.column)
                say(f"sealing {told.column} anew, {told.of:,} values in all")

        yield tell_line
        return
    from rich import progress

    columns = ("{task.description}", progress.BarColumn(), progress.MofNCompleteColumn())
    with progress.Progress(*columns, console=TALK, transient=True) as shown:
        bar = shown.add_task("")

        def tell(told: Progress) -> None:
            shown.update(
                bar, description=f"sealing {told.column}", total=told.of, completed=told.done
            )

        yield tell


def _show(now: Standing, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "primary": now.primary,
                "ids": now.ids,
                "source": now.source,
                "values": now.values,
                "columns": now.columns,
            }
        )
        return
    rows = [
        [key_id, "seals" if key_id == now.primary else _place(key_id, now), f"{count:,}"]
        for key_id, count in now.values.items()
    ]
    show_table(["key", "", "values"], rows)


def _place(key_id: str, now: Standing) -> str:
    return "opens" if key_id in now.ids else "not at hand"
