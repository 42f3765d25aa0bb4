"""
`freehold copy`: an application's data from one engine to another, compared table by table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.console import TALK, say, show_json, show_table
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    FolderOption,
    JsonOption,
    find_app,
)
from freehold.errors import StartError

if TYPE_CHECKING:
    from freehold.app.copying import Copied, Progress
    from freehold.crypto import Secret

_WHERE = "A file, the folder of several databases, or postgresql://user@host/name."


def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=_WHERE)],
    target: Annotated[str, typer.Argument(metavar="TO", help=f"{_WHERE} Empty, or not there.")],
    while_served: Annotated[
        bool,
        typer.Option(
            "--while-served",
            help="Copy what is there at this moment, though FROM is served; to rehearse.",
        ),
    ] = False,
    app: AppOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Copy all data to another engine, whole or not at all, and compare every table. FROM stays.

    Keys, cursors, the commit sequence and the history of migrations go along.

    Sealed columns are copied sealed, so TO is served with the same secrets file.

    Example: [bold]freehold copy .freehold/main.db postgresql://notes@db.internal/notes[/]
    """
    from freehold.app.copying import CopyDiffers
    from freehold.app.copying import copy as copy_all
    from freehold.app.opening import Options

    found = find_app(app)
    options = Options(folder=folder.resolve(), on_progress=say)
    try:
        with _progress() as on_progress:
            copied = copy_all(
                found,
                source,
                target,
                options=options,
                while_served=while_served,
                pepper=_pepper(_secrets(source, folder)),
                on_progress=on_progress,
            )
    except CopyDiffers as differs:
        _show(differs.copied, as_json=as_json)
        raise
    _show(copied, as_json=as_json)
    for each in copied:
        say(f"copied {each.database} up to commit {each.seq}")
        if each.later:
            say(f"{each.source} has had {each.later} commits since; they are not in the copy")
    say(f"serve {copied[0].target} with the same secrets: {_secrets(source, folder)}")


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar for each table on a terminal, a line elsewhere."""
    if not TALK.is_terminal:
        yield _line
        return
    from rich import progress

    columns = ("{task.description}", progress.BarColumn(), progress.MofNCompleteColumn())
    with progress.Progress(*columns, console=TALK, transient=True) as shown:
        bars: dict[tuple[str, str], progress.TaskID] = {}

        def tell(told: Progress) -> None:
            name = (told.database, told.table)
            if name not in bars:
                bars[name] = shown.add_task("")
            bar = bars[name]
            shown.update(bar, description=_what(told), total=told.of, completed=told.rows)

        yield tell


def _line(told: Progress) -> None:
    if told.rows == 0:
        say(f"{_what(told)}, {told.of} rows")


def _what(told: Progress) -> str:
    verb = "copying" if told.phase == "copy" else "comparing"
    return f"{verb} {told.database} {told.table}"


def _show(copied: list[Copied], *, as_json: bool) -> None:
    if as_json:
        show_json([_plain(each) for each in copied])
        return
    show_table(
        ["database", "table", "rows", "hash", "same"],
        [
            [
                each.database,
                table.table,
                table.rows if table.is_same else f"{table.rows} → {table.target_rows}",
                table.hash[:16],
                "yes" if table.is_same else f"no: {table.target_hash[:16]}",
            ]
            for each in copied
            for table in each.tables
        ],
    )


def _plain(copied: Copied) -> dict[str, Any]:
    return {
        "database": copied.database,
        "from": copied.source,
        "to": copied.target,
        "seq": copied.seq,
        "later": copied.later,
        "tables": [
            {
                "table": table.table,
                "rows": table.rows,
                "hash": table.hash,
                "targetRows": table.target_rows,
                "targetHash": table.target_hash,
                "same": table.is_same,
            }
            for table in copied.tables
        ],
    }


def _pepper(path: Path) -> Secret | None:
    """What the audit log is walked with; None, and said, when the secrets are not at hand."""
    from freehold.crypto import SecretsFile

    try:
        return SecretsFile.load(path).pepper
    except StartError as error:
        say(f"the audit log is not verified: {error.detail}")
        return None


def _secrets(source: str, folder: Path) -> Path:
    """Where the secrets of the source are: `app.secrets` looks there too."""
    from freehold.app.secrets import FILE_ENV

    named = os.environ.get(FILE_ENV)
    if named:
        return Path(named)
    if "://" in source:
        return folder / "secrets.json"
    path = Path(source)
    return (path if path.is_dir() else path.parent) / "secrets.json"
