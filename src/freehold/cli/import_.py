"""
`freehold import`: rows of a SQL dump, a SQLite file or an export, taken in whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.console import TALK, say, show_json, show_table
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)
from freehold.cli.progress import rows_line
from freehold.errors import StartError

if TYPE_CHECKING:
    from freehold.app.moving import Imported
    from freehold.crypto import Secret


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A SQL dump, a SQLite file, or our own JSONL.")
    ],
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only this one; may be said again.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="Other names: old=new, or old_table.column=new_column."),
    ] = None,
    ignore_table: Annotated[
        list[str] | None, typer.Option("--ignore-table", help="Leave this one behind.")
    ] = None,
    ignore_column: Annotated[
        list[str] | None,
        typer.Option("--ignore-column", help="Leave table.column of the file behind."),
    ] = None,
    fill_null: Annotated[
        list[str] | None,
        typer.Option("--fill-null", help="NULLs of table.column become the field's default."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", help="The file has so many rows of a table: audit_logs=120."),
    ] = None,
    on_conflict: Annotated[
        str,
        typer.Option("--on-conflict", help="With other values: refuse, keep or replace."),
    ] = "refuse",
    open_sealed_with_env: Annotated[
        str | None,
        typer.Option(
            "--open-sealed-with-env",
            metavar="NAME",
            help="The variable with the key that values were encrypted with elsewhere.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything, print it, take it back.")
    ] = False,
    of: Annotated[
        str | None, typer.Option("--of", help="One of several databases, by its name.")
    ] = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Take rows of another system into the database, in one transaction, and count them.

    Values go through the types of the schema; nothing of the file is run.

    Rows that are there already are left alone, so it can be run again.

    Example: [bold]freehold import audit_logs_backup.sql --table audit_logs[/]
    """
    from freehold.app.moving import ImportRefused, Wishes, import_file
    from freehold.app.opening import Options

    if on_conflict not in ("refuse", "keep", "replace"):
        raise typer.BadParameter("say refuse, keep or replace", param_hint="--on-conflict")
    wishes = Wishes(
        tables=tuple(table or ()),
        names=dict(_pairs(map_, "--map")),
        ignore_tables=frozenset(ignore_table or ()),
        ignore_columns=frozenset(ignore_column or ()),
        fill_null=frozenset(fill_null or ()),
        expected={name: _number(count) for name, count in _pairs(expect, "--expect")},
        on_conflict=on_conflict,  # type: ignore[arg-type]
        is_rehearsal=dry_run,
        old_key=_old_key(open_sealed_with_env),
    )
    options = Options(folder=folder.resolve(), database=database, on_progress=say)
    try:
        found = import_file(
            find_app(app),
            source,
            options=options,
            name=of,
            wishes=wishes,
            on_progress=rows_line("importing"),
        )
    except KeyboardInterrupt:
        say("interrupted: nothing was imported")
        raise
    except ImportRefused as refused:
        if refused.report is not None:
            _show(refused.report, as_json=as_json)
        raise
    _show(found, as_json=as_json)
    _conclude(found)


def _conclude(found: Imported) -> None:
    for name, opened in found.sealed.items():
        if opened.foreign and opened.plain:
            say(f"{name}: {opened.plain} values were not encrypted before; they are sealed now")
    for each in found.left:
        say(f"left behind: {each.name}, {each.rows} rows")
    if found.is_rehearsal:
        say(f"rehearsed: {found.changed} rows would be added or changed; nothing was imported")
    elif not found.changed:
        say("nothing to do: every row is there already")
    else:
        say(f"imported {found.changed} rows into {found.place} with commit {found.seq}")
        if found.snapshot is not None:
            say(f"as it was before: {found.snapshot}")


def _show(found: Imported, *, as_json: bool) -> None:
    if as_json:
        show_json(_plain(found))
        return
    show_table(
        ["table", "read", "inserted", "already there", "replaced", "kept", "refused"],
        [
            [each.table, each.read, each.inserted, each.same, each.replaced, each.kept,
             each.refused]
            for each in found.tables
        ],
    )  # fmt: skip
    for each in found.tables:
        for refusal in each.refusals.values():
            TALK.print(f"[red]refused[/] {refusal.rows} of", end=" ")
            say(f"{each.table}: {refusal.reason}")
            for example in refusal.examples:
                say(f"    {example}")
            if refusal.hint:
                say(f"    → {refusal.hint}")
        for doubt in each.warnings.values():
            where = ", ".join(doubt.examples)
            say(f"look at {each.table}.{doubt.reason} {doubt.rows} rows, first {where}")


def _plain(found: Imported) -> dict[str, Any]:
    return {
        "database": found.database,
        "to": found.place,
        "from": found.source,
        "kind": found.kind,
        "dryRun": found.is_rehearsal,
        "seq": found.seq,
        "snapshot": str(found.snapshot) if found.snapshot else None,
        "left": {each.name: each.rows for each in found.left},
        "tables": [
            {
                "table": each.table,
                "read": each.read,
                "inserted": each.inserted,
                "same": each.same,
                "replaced": each.replaced,
                "kept": each.kept,
                "refused": each.refused,
                "refusals": [_told(refusal) for refusal in each.refusals.values()],
                "warnings": [_told(doubt) for doubt in each.warnings.values()],
            }
            for each in found.tables
        ],
    }


def _told(refusal: Any) -> dict[str, Any]:
    return {
        "reason": refusal.reason,
        "hint": refusal.hint,
        "rows": refusal.rows,
        "examples": refusal.examples,
    }


def _pairs(said: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = []
    for each in said or ():
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{each!r} is not name=value", param_hint=option)
        pairs.append((name, value))
    return pairs


def _number(said: str) -> int:
    if not said.isascii() or not said.isdigit():
        raise typer.BadParameter(f"{said!r} is no count of rows", param_hint="--expect")
    return int(said)


def _old_key(name: str | None) -> Secret | None:
    if name is None:
        return None
    from freehold.app.moving import old_key

    key = old_key(os.environ.get(name, "").strip())
    if key is None:
        raise StartError(
            f"the variable {name} holds no key of 64 hexadecimal characters.",
            hint=f"Set it to the key of the system that encrypted the values: export {name}=…",
        )
    return key
