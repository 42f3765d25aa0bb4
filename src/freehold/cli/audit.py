"""
`freehold audit`: the log of who did what: listed, checked, and shortened by age.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from freehold.app import App
from freehold.cli.console import TALK, say, show_json, show_table, tell
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)
from freehold.errors import StartError

if TYPE_CHECKING:
    from freehold.cli.operator import Operator

commands = typer.Typer(
    help="The audit log: list it, verify its chain, prune it by age.", no_args_is_help=True
)
WhichOption = Annotated[
    str | None, typer.Option("--of", help="One of several databases, by its name.")
]
_HEAD: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
_AGE: Final = re.compile(r"(\d{1,6})d")
_DAY_MS: Final = 86_400_000


@commands.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", help="Rows at most.", min=1, max=1_000)] = 50,
    user: Annotated[str | None, typer.Option("--user", help="Only what was done for them.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Only by this key, by its id.")] = None,
    method: Annotated[
        str | None, typer.Option("--method", help="Only this one: DataLayer.promoteIdea.")
    ] = None,
    of: WhichOption = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    The newest rows, newest first, beside the running server or without it.

    Example: [bold]freehold audit list --user ada --limit 20[/]
    """
    from freehold.cli.operator import operator

    found = find_app(app)
    name = _names(found, of or next(iter(found.databases)))[0]
    with operator(found, folder, database) as owner:
        said = {"rows": limit, "user": user, "keyId": key, "method": method}
        rows = owner.of_database(name, "listAudit", said)
    if as_json:
        show_json(rows)
        return
    show_table(
        ["number", "at", "key", "for", "method", "commit", "arguments"],
        [
            [row["number"], _time(row["at"]), row["keyId"], _whom(row), row["method"],
             row["seq"], row["arguments"][:16]]
            for row in rows
        ],
    )  # fmt: skip


@commands.command("verify")
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option("--head", help="NUMBER:HASH as an earlier verify printed it.", metavar="HEAD"),
    ] = None,
    of: WhichOption = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Walk the whole chain, and name the first row that is not as it was written; then exit 1.

    Prints the head. Keep it elsewhere: it is what shows that the whole database was put back.

    Example: [bold]freehold audit verify --of main --head 1204:9f3c…[/]
    """
    from freehold.cli.operator import operator

    found = find_app(app)
    names = _names(found, of)
    heads = [_head(said) for said in head or ()]
    if heads and len(names) > 1:
        raise StartError("--head is of one database.", hint=f"Say --of {names[0]}.")
    with operator(found, folder, database) as owner:
        results = [_walk(owner, name, heads) for name in names]
    if as_json:
        show_json(results)
    for result in results if not as_json else ():
        if result["fault"]:
            tell(f"✗ {result['database']}: {result['fault']['detail']}")
        else:
            tell(f"✓ {result['database']}: {result['rows']:,} rows hold; head {result['head']}")
    if any(result["fault"] for result in results):
        raise typer.Exit(1)


@commands.command("prune")
def prune(
    older_than: Annotated[str, typer.Option("--older-than", help="An age in days: 365d.")],
    of: WhichOption = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """
    Forget the rows that are older; the chain holds from there on. It is written down, too.

    Example: [bold]freehold audit prune --older-than 400d[/]
    """
    from freehold.cli.operator import operator
    from freehold.clock import SystemClock

    age = _AGE.fullmatch(older_than)
    if age is None:
        raise StartError(f"--older-than {older_than!r} is no age.", hint="Write days, as in 365d.")
    found = find_app(app)
    before_ms = SystemClock().wall_ns() // 1_000_000 - int(age.group(1)) * _DAY_MS
    with operator(found, folder, database) as owner:
        for name in _names(found, of):
            gone = 0
            while count := owner.of_database(name, "pruneAudit", {"beforeMs": before_ms}):
                gone += count
            say(f"{name}: {gone:,} rows forgotten")


def _walk(owner: Operator, name: str, heads: list[tuple[int, str]]) -> dict[str, Any]:
    """One database's log from end to end; then against the heads that were kept."""
    number, digest, rows = -1, "", 0
    with _progress(name) as tell_progress:
        while True:
            found = owner.of_database(name, "checkAudit", {"number": number, "digest": digest})
            number, digest, rows = found["number"], found["hash"], rows + found["rows"]
            tell_progress(rows, found["total"])
            if found["fault"] or found["isEnd"]:
                break
    fault = found["fault"]
    for kept_number, kept_hash in heads if not fault else ():
        kept = {"number": kept_number, "digest": kept_hash}
        fault = fault or owner.of_database(name, "checkAuditHead", kept)
    return {"database": name, "rows": rows, "head": f"{number}:{digest}", "fault": fault}


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not TALK.is_terminal:
        yield lambda _rows, _total: None
        return
    from rich import progress

    columns = ("{task.description}", progress.BarColumn(), progress.MofNCompleteColumn())
    with progress.Progress(*columns, console=TALK, transient=True) as shown:
        bar = shown.add_task(f"verifying {name}")
        yield lambda rows, total: shown.update(bar, completed=rows, total=total)


def _names(app: App, said: str | None) -> list[str]:
    if said is None:
        return list(app.databases)
    if said not in app.databases:
        raise StartError(
            f"{app.name} has no database {said!r}.", hint=f"It has {', '.join(app.databases)}."
        )
    return [said]


def _head(said: str) -> tuple[int, str]:
    match = _HEAD.fullmatch(said)
    if match is None:
        raise StartError(
            f"--head {said[:100]!r} is no head.", hint="Give NUMBER:HASH as verify printed it."
        )
    return int(match.group(1)), match.group(2)


def _whom(row: dict[str, Any]) -> str:
    return f"{row['user'] or ''}{' (acted for)' if row['acted'] else ''}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%F %T")
